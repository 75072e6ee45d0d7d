
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the portal's events are about: tasks, and who takes part in them.
 * Events are collected in shared memory, so that many cost few calls; one
 * worker at a time asks the portal for the participants, who are remembered.
 */


#ifndef _NGX_COUNTERS_TASKS_H_INCLUDED_
#define _NGX_COUNTERS_TASKS_H_INCLUDED_


#include "ngx_counters_types.h"


/* tasks whose participants are asked for in one request */

typedef struct {
    ngx_uint_t     n;
    uint64_t       ids[NGX_COUNTERS_BATCH_MAX];
} ngx_counters_tasks_flight_t;


/*
 * After ngx_counters_zone_init(), if participants are to be remembered, for
 * which the zone has some of its room.
 */

void ngx_counters_tasks_init(ngx_counters_zone_t *zone);

/* an event; with "id" 0 all entries are to be marked */

void ngx_counters_tasks_event(ngx_counters_zone_t *zone, uint64_t id,
    ngx_uint_t deleted, uint64_t now);

/* whether something waits; needs no lock */

ngx_uint_t ngx_counters_tasks_waiting(ngx_counters_zone_t *zone);

/*
 * What is to be done now.  NGX_OK: "users" may be marked, and if the flight
 * has tasks, the caller is the one to ask for them, its quota taken, under a
 * lease.  NGX_AGAIN: try again after *delay milliseconds.  NGX_DONE: nothing,
 * or another worker is at it.
 */

ngx_int_t ngx_counters_tasks_take(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now,
    ngx_counters_tasks_flight_t *flight, ngx_counters_users_t *users,
    ngx_msec_t *delay);

/*
 * The portal's word on one task of the flight.  NGX_OK: "list" take part in
 * it; NGX_DECLINED: there is no such task; NGX_ERROR: it is not known.  Adds
 * them to "users", and those who took part before.
 */

void ngx_counters_tasks_answer(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now, uint64_t id, ngx_int_t rc,
    const uint64_t *list, size_t n, ngx_counters_users_t *users);

/*
 * The flight came to nothing: its tasks wait again.  With "failed" they are
 * forgotten, all entries are to be marked, and it is a while until the next
 * flight.
 */

void ngx_counters_tasks_back(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now);
void ngx_counters_tasks_failed(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now, ngx_counters_users_t *users);




#endif /* _NGX_COUNTERS_TASKS_H_INCLUDED_ */
