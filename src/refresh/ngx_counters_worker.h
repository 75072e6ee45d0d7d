
/*
 * Copyright (C) The nginx counters module authors
 *
 * What one worker holds for each portal, and how workers wake each other.
 * Built in init_process, closed in exit_process; there are no other globals.
 */


#ifndef _NGX_COUNTERS_WORKER_H_INCLUDED_
#define _NGX_COUNTERS_WORKER_H_INCLUDED_


#include "ngx_http_counters_conf.h"
#include "ngx_counters_creds.h"
#include "ngx_counters_redis_channel.h"


#define NGX_HTTP_COUNTERS_BUCKETS  256       /* of waiters, by key hash */
#define NGX_HTTP_COUNTERS_POLL     200       /* milliseconds */


typedef struct {
    ngx_http_counters_portal_t  *portal;
    ngx_counters_hmac_t         *hmac;
    ngx_counters_redis_t        *redis;      /* NULL: none */
    ngx_counters_redis_channel_t *channel;   /* in the first worker only */
    u_char                       node[16];   /* this node, for the others */
    ngx_str_t                    news;       /* where they are told */
    ngx_counters_creds_t        *creds;      /* plain credentials in use */

    ngx_queue_t                  waiters[NGX_HTTP_COUNTERS_BUCKETS];
    ngx_uint_t                   nwaiters;
    ngx_queue_t                  later;      /* writes that Redis owes us */
    ngx_uint_t                   nlater;
    ngx_queue_t                  flights;    /* under way in this worker */
    ngx_uint_t                   nflights;

    ngx_event_t                  pump;       /* when to dispatch next */
    ngx_event_t                  poll;       /* while requests wait */
    ngx_event_t                  tick;       /* housekeeping, cancelable */
    ngx_event_t                  tasks;      /* while events wait */
    ngx_connection_t             dummy;      /* data of these events */
    uint64_t                     swept;      /* last housekeeping */
    uint64_t                     warned;     /* last word on the capacity */
    uint64_t                     full;       /* and on no more room */
    ngx_uint_t                   closing;    /* unsigned  closing:1 */
} ngx_http_counters_worker_t;


/* the hooks of the module; see ngx_module_t */

ngx_int_t ngx_http_counters_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_http_counters_init_worker(ngx_cycle_t *cycle);
void ngx_http_counters_exit_worker(ngx_cycle_t *cycle);

/* this worker's part of a portal, NULL in a process that serves nothing */

ngx_http_counters_worker_t *ngx_http_counters_worker(
    ngx_http_counters_portal_t *portal);

/* this worker, as the zone sees it */

ngx_counters_owner_t *ngx_http_counters_me(void);

ngx_counters_fetcher_t *ngx_http_counters_fetcher(void);

/* wakes the workers of this generation whose bit (slot % 64) is set */

void ngx_http_counters_wake(uint64_t slots);

/* how many entries the quota keeps within ttl, see limits.md */

uint64_t ngx_http_counters_portal_capacity(
    ngx_http_counters_portal_t *portal);

/* whether this worker has the credential; "data" is its ..._worker_t */

ngx_uint_t ngx_http_counters_has(void *data, const u_char *digest);

/* Unix milliseconds, of nginx's cached time */

uint64_t ngx_http_counters_now(void);

#define ngx_http_counters_count(w, stat, n)                                   \
    ngx_counters_zone_count((w)->portal->zone, ngx_http_counters_me()->slot,  \
                            stat, n)


#endif /* _NGX_COUNTERS_WORKER_H_INCLUDED_ */
