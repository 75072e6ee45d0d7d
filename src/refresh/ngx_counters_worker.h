
/*
 * Copyright (C) The nginx counters module authors
 *
 * What one worker has of each portal, and how workers wake each other.  All
 * files of src/refresh build upon this one, which knows none of them: the
 * parts of a worker are only pointers here, each is seen by its own file.
 */


#ifndef _NGX_COUNTERS_WORKER_H_INCLUDED_
#define _NGX_COUNTERS_WORKER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_counters_creds.h"
#include "ngx_counters_portal.h"


#define NGX_COUNTERS_POLL          200       /* milliseconds */


typedef struct {
    ngx_counters_portal_t       *portal;
    ngx_counters_hmac_t         *hmac;
    ngx_counters_creds_t        *creds;      /* plain credentials in use */
    ngx_counters_redis_links_t  *links;      /* to Redis, of all portals */
    ngx_counters_redis_t        *redis;      /* NULL: none */

    struct ngx_counters_owed_s      *owed;       /* writes to Redis */
    struct ngx_counters_peers_s     *peers;      /* NULL: no Redis */
    struct ngx_counters_waiters_s   *waiters;    /* of refresh */
    struct ngx_counters_flights_s   *flights;    /* of flight */
    struct ngx_counters_inquiry_s   *inquiry;

    ngx_event_t                  pump;       /* when to dispatch next */
    ngx_connection_t             dummy;      /* data of a worker's events */
    ngx_uint_t                   closing;    /* unsigned  closing:1 */
} ngx_counters_worker_t;


/* eventfds, one a worker slot, made before the workers are */

typedef struct {
    ngx_socket_t                *fds;
    ngx_uint_t                   n;
} ngx_counters_wakes_t;


/* the process: filled in by ngx_counters_process.c, and only read here */

typedef struct {
    ngx_counters_owner_t     me;
    ngx_counters_fetcher_t  *fetcher;
    ngx_counters_worker_t   *workers;        /* by the index of the portal */
    ngx_uint_t               nworkers;
    ngx_counters_wakes_t    *wakes;
} ngx_counters_workers_t;


/* NULL: from now on this process serves nothing */

void ngx_counters_worker_set(ngx_counters_workers_t *workers);

/* this worker's part of a portal, NULL in a process that serves nothing */

ngx_counters_worker_t *ngx_counters_worker(ngx_counters_portal_t *portal);

/* this worker, as the zone sees it */

ngx_counters_owner_t *ngx_counters_worker_me(void);

ngx_counters_fetcher_t *ngx_counters_worker_fetcher(void);

/* wakes the workers of this generation whose bit (slot % 64) is set */

void ngx_counters_worker_wake(uint64_t slots);

/*
 * A hold was set or lifted: all workers look again at what waits, this one
 * too, once it has done what it is at.
 */

void ngx_counters_worker_alarm(void);

/*
 * An event that holds no worker up when it exits: what waits has a timer of
 * its own.  "ev->data" is for debug logs only.
 */

void ngx_counters_worker_event(ngx_counters_worker_t *w, ngx_event_t *ev,
    ngx_event_handler_pt handler);

/*
 * What is queued is dispatched soon, in company of what else this iteration
 * of the event loop brings; or after so many milliseconds.
 */

void ngx_counters_worker_post_pump(ngx_counters_worker_t *w);
void ngx_counters_worker_delay_pump(ngx_counters_worker_t *w, ngx_msec_t delay);

/* counts a write to Redis that failed; "data" is the ..._worker_t */

void ngx_counters_worker_written(void *data, ngx_int_t rc, ngx_str_t *values,
    ngx_uint_t nvalues);

/*
 * How many entries like those in use can be kept within ttl: by what "reserve"
 * leaves of the quota, by all of it, and by operating time, UINT64_MAX as long
 * as nobody knows.  Without a rate there is no such limit.
 */

typedef struct {
    uint64_t                     entries;    /* by quota and time */
    uint64_t                     quota;
    uint64_t                     all;
    uint64_t                     operating;
} ngx_counters_capacity_t;

void ngx_counters_worker_capacity(ngx_counters_portal_t *portal,
    ngx_counters_zone_state_t *state, ngx_counters_capacity_t *capacity);

/* Unix milliseconds, of nginx's cached time */

uint64_t ngx_counters_worker_now(void);

#define ngx_counters_worker_count(w, stat, n)                                 \
    ngx_counters_zone_count((w)->portal->zone, ngx_counters_worker_me()->slot, \
                            stat, n)


#endif /* _NGX_COUNTERS_WORKER_H_INCLUDED_ */
