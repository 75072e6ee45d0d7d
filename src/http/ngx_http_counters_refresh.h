
/*
 * Copyright (C) The nginx counters module authors
 *
 * Refreshing an entry: one at a time per key over all workers, from Redis
 * first, then from the portal through the zone's queue.
 */


#ifndef _NGX_HTTP_COUNTERS_REFRESH_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_REFRESH_H_INCLUDED_


#include "ngx_http_counters_worker.h"


typedef struct ngx_http_counters_item_s  ngx_http_counters_item_t;


/* one call of a request, and the answer to it */

struct ngx_http_counters_item_s {
    ngx_queue_t                    queue;      /* in worker->waiters */
    ngx_http_counters_ctx_t       *ctx;
    ngx_counters_key_t             key;
    ngx_counters_view_t            view;       /* what the zone had */

    unsigned                       found:1;    /* view is filled */
    unsigned                       waiting:1;  /* in worker->waiters */
    unsigned                       leader:1;   /* its own refresh */
    unsigned                       answered:1; /* view is the answer */
    unsigned                       limited:1;  /* waited in vain */
};


/*
 * Asks for a refresh of the item's key on behalf of nobody: the client has
 * been answered.  NGX_OK when it is under way, NGX_DECLINED when not.
 */

ngx_int_t ngx_http_counters_refresh_background(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, ngx_counters_cred_t *cred);

/*
 * Parks the item until its key has an answer; then its context's
 * ngx_http_counters_item_done() is called, never before this returns.
 * NGX_AGAIN, or NGX_DECLINED when the entry has changed meanwhile.
 */

ngx_int_t ngx_http_counters_refresh_wait(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, ngx_counters_cred_t *cred,
    ngx_uint_t force);

/* takes a parked item out again; harmless if it is not parked */

void ngx_http_counters_refresh_leave(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item);

/*
 * When something may have changed elsewhere: looks at every waiter.  With
 * "check" also at whether the workers they wait for are alive.
 */

void ngx_http_counters_refresh_scan(ngx_http_counters_worker_t *w,
    ngx_uint_t check);

/* sends what may be sent now */

void ngx_http_counters_refresh_pump(ngx_http_counters_worker_t *w);

/* drops the keys' copies in Redis */

void ngx_http_counters_refresh_forget(ngx_http_counters_worker_t *w,
    ngx_counters_key_t *key);

/* implemented by the handler: the item's view holds the answer */

void ngx_http_counters_item_done(ngx_http_counters_item_t *item);


#endif /* _NGX_HTTP_COUNTERS_REFRESH_H_INCLUDED_ */
