
/*
 * Copyright (C) The nginx counters module authors
 *
 * The random model of the zone: the record beside it, the steps of a refresh
 * (model_steps.c), and those of everything else (model.c).
 */


#ifndef _MODEL_H_INCLUDED_
#define _MODEL_H_INCLUDED_


#include "zone_test.h"


#define CREDS     10
#define USERS     12
#define KEYS      (CREDS * USERS * NGX_COUNTERS_METHODS)
#define FLIGHTS   64
#define COMMON    3               /* the managed webhook's credential */


/* one key, as the workers know it */

typedef struct {
    ngx_counters_key_t     key;

    ngx_uint_t             state;      /* LEASED and FLYING are certain,
                                          QUEUED is what it was last */
    ngx_pid_t              pid;
    uint64_t               lease;
    uint64_t               start;      /* when it was asked for */
    uint64_t               late;       /* and purged since, at */

    unsigned               data:1;     /* there may be data in the zone: */
    unsigned               old:1;      /* not fresh, */
    uint64_t               serial;     /* this, */
    uint64_t               fetched;    /* of that time */
} model_t;


typedef struct {
    ngx_counters_flight_t  calls;
    ngx_counters_owner_t   owner;
    unsigned               used:1;
} model_flight_t;


extern model_t               models[KEYS];
extern model_flight_t        flights[FLIGHTS];
extern ngx_counters_zone_t  *zone;
extern uint64_t              now;
extern ngx_uint_t            roomy;
extern char                  wrong[200];


/* names the first contradiction */

#define claim(cond, ...)                                                      \
    if (!(cond) && wrong[0] == '\0') {                                        \
        snprintf(wrong, sizeof(wrong), __VA_ARGS__);                          \
    }


/* answers are numbered anew */

void steps_init(void);

/* the time of a worker, each of which keeps its own */

uint64_t about_now(void);

void step_lookup(void);
void step_acquire(void);
void step_enqueue(void);
void step_dispatch(void);
void step_finish(void);
void step_land(void);


#endif /* _MODEL_H_INCLUDED_ */
