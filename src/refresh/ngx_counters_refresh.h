
/*
 * Copyright (C) The nginx counters module authors
 *
 * Refreshing an entry: one at a time per key over all workers, from Redis
 * first, then from the portal through the zone's queue; and the requests
 * that wait for it.
 */


#ifndef _NGX_COUNTERS_REFRESH_H_INCLUDED_
#define _NGX_COUNTERS_REFRESH_H_INCLUDED_


#include "ngx_counters_worker.h"


typedef struct ngx_http_counters_item_s  ngx_http_counters_item_t;


/* one call of a request, and what is known of it */

struct ngx_http_counters_item_s {
    ngx_queue_t                    queue;      /* in worker->waiters */
    ngx_http_counters_ctx_t       *ctx;
    ngx_counters_key_t             key;
    ngx_counters_view_t            view;
    uint64_t                       seen;       /* view.fetched when parked */

    ngx_uint_t                     cache_status;
    ngx_uint_t                     source;

    unsigned                       waiting:1;  /* in worker->waiters */
    unsigned                       leader:1;   /* the refresh is its own */
    unsigned                       force:1;    /* wants one newer than seen */
    unsigned                       stored:1;   /* the zone has the view */
    unsigned                       late:1;     /* has waited in vain */
};


/*
 * Fills item->view with what the zone has.  NGX_OK, NGX_DECLINED when that
 * is nothing, NGX_ERROR when the request's pool is out of memory.
 */

ngx_int_t ngx_http_counters_refresh_look(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item);

/*
 * Asks for a refresh of the item's key after its client has been answered.
 * NGX_OK when it is under way, NGX_DECLINED when not.
 */

ngx_int_t ngx_http_counters_refresh_background(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, const ngx_counters_cred_t *cred);

/*
 * Parks the item until its key has an answer; then
 * ngx_http_counters_item_done() is called, never before this returns.
 * NGX_AGAIN when parked, NGX_DECLINED when the entry has changed meanwhile
 * (look again), NGX_ERROR when the zone has no room.
 */

ngx_int_t ngx_http_counters_refresh_wait(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item);

/* takes an item out again; harmless if it is not parked */

void ngx_http_counters_refresh_leave(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item);

/*
 * When something may have changed elsewhere: looks at every waiter.  With
 * "check" also at whether the workers they wait for are alive.
 */

void ngx_http_counters_refresh_scan(ngx_http_counters_worker_t *w,
    ngx_uint_t check);

/*
 * A refresh of this worker has ended: keeps the answer (NULL: none), answers
 * those who wait for it and wakes the other workers that have such.
 */

void ngx_http_counters_refresh_finish(ngx_http_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_answer_in_t *answer);

/* a hold was set or lifted: all workers look again */

void ngx_http_counters_refresh_alarm(ngx_http_counters_worker_t *w);

/* in ngx_http_counters_serve.c: the item's view holds what there is now */

void ngx_http_counters_item_done(ngx_http_counters_item_t *item);


#endif /* _NGX_COUNTERS_REFRESH_H_INCLUDED_ */
