
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the tests of the zone share: a zone of their own, the steps that
 * workers take in it, and a function that finds anything wrong with it.
 */


#ifndef _ZONE_TEST_H_INCLUDED_
#define _ZONE_TEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_shm.h"
#include "ngx_counters_table.h"
#include "ngx_counters_zone.h"
#include "tap.h"


#define NOW  1700000000000ULL


/* workers: the first is this process, the others are only said to be alive */

#define WORKERS  4

extern ngx_counters_owner_t  workers[WORKERS];

/* what kill() is to say of the pids that are only said to be; bits */

extern ngx_uint_t  workers_alive;


/* all keys, or all but the last bit of their hashes, collide */

extern ngx_uint_t  hash_collide;


extern ngx_pool_t  *test_pool;


/* a zone of the default configuration; fails the run if there is no memory */

ngx_counters_zone_t *zone_new(size_t size);
void zone_free(ngx_counters_zone_t *zone);

/* bytes in use, and how many cells they are */

size_t zone_used(ngx_uint_t *n);

/* one in so many allocations fails; 0: none */

extern ngx_uint_t  zone_fail;

/* NULL, or what is wrong with the zone; and since it was made */

const char *zone_check(ngx_counters_zone_t *zone);
const char *zone_broken(ngx_counters_zone_t *zone);

/* from now on only when asked */

void zone_check_not(void);

/* that nothing is */

#define zone_ok(zone, name)                                                   \
    is_str(zone_broken(zone) ? zone_broken(zone) : "",                        \
           zone_broken(zone) ? strlen(zone_broken(zone)) : 0, "", "%s", name)

ngx_counters_entry_t *zone_find(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key);

void zone_delete(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    uint64_t now);
void zone_delete_all(ngx_counters_zone_t *zone, uint64_t now);


/* credentials 0 to 255 differ in their last byte, the next 256 in the first */

u_char *digest(ngx_uint_t cred);
ngx_counters_key_t *key(ngx_uint_t cred, uint64_t user);

/* "body" as it came from the portal at "fetched"; the ttl is a minute */

ngx_counters_answer_in_t *answer(ngx_counters_kind_e kind, const char *body,
    uint64_t fetched);
ngx_counters_answer_in_t *redis(const char *body, uint64_t fetched);


/* the steps of a refresh */

ngx_int_t lease(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_uint_t worker, ngx_counters_class_e class, uint64_t now);
ngx_int_t enqueue(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_uint_t worker, ngx_counters_class_e class, uint64_t now);

/* both */

ngx_int_t queue(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_uint_t worker, ngx_counters_class_e class, uint64_t now);

/* of the last dispatch() */

extern ngx_counters_flight_t  flight;
extern ngx_msec_t             delay;
extern ngx_uint_t             slot;

ngx_int_t dispatch(ngx_counters_zone_t *zone, ngx_uint_t worker,
    uint64_t now);

/* whether the answer was stored; the slots to be woken are in "woken" */

extern uint64_t  woken;

ngx_uint_t finish(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_uint_t worker, ngx_counters_answer_in_t *answer, uint64_t now);

/* an entry as if fetched by worker 0; whether it was stored */

ngx_uint_t put(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_counters_answer_in_t *answer);

/* what a lookup says */

extern ngx_counters_view_t  view;

ngx_int_t look(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    uint64_t now);

/* a lookup that touches nothing: the entry's body is this */

int has_body(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    const char *body);


/* xorshift64*, below n; zone_new() seeds it anew, by COUNTERS_SEED if set */

uint32_t rnd(uint32_t n);


/* the portal has accepted the credential five minutes ago */

void accept_cred(ngx_counters_zone_t *zone, ngx_uint_t cred);

/* how many flights leave, "max" at most */

ngx_uint_t drain(ngx_counters_zone_t *zone, ngx_uint_t worker, uint64_t now,
    ngx_uint_t max);

/* a dispatch that is no class's turn */

ngx_int_t next(ngx_counters_zone_t *zone, ngx_uint_t worker, uint64_t now);

/* who is in the last flight */

const char *users(void);

/* a key of im.counters.get */

ngx_counters_key_t *im(ngx_uint_t cred, uint64_t user);

/* workers that have all credentials, and the first one */

ngx_uint_t has_all(void *data, const u_char *digest);
ngx_uint_t has_first(void *data, const u_char *digest);


/* the suites: nonzero if a test has failed */

int test_zone(void);
int test_evict(void);
int test_refusal(void);
int test_lease(void);
int test_dispatch(void);
int test_quota(void);
int test_ahead(void);
int test_crash(void);
int test_pace(void);
int test_fair(void);
int test_creds(void);
int test_model(void);


#endif /* _ZONE_TEST_H_INCLUDED_ */
