
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_counters_owed.h"


/* what one worker keeps at most; beyond, the oldest is given up */
#define NGX_HTTP_COUNTERS_LATER  1024


typedef struct {
    ngx_queue_t   queue;
    uint64_t      until;       /* Unix milliseconds */
    ngx_str_t     name;
    ngx_str_t     value;       /* empty: DEL */
    u_char        data[1];
} ngx_http_counters_later_t;


struct ngx_counters_owed_s {
    ngx_queue_t   queue;       /* head: owed longest */
    ngx_uint_t    n;
};


static ngx_int_t ngx_http_counters_later_do(ngx_http_counters_worker_t *w,
    ngx_str_t *name, ngx_str_t *value, uint64_t px);
static void ngx_http_counters_later_add(ngx_http_counters_worker_t *w,
    ngx_str_t *name, ngx_str_t *value, uint64_t px);
static void ngx_http_counters_later_drop(ngx_http_counters_worker_t *w,
    ngx_http_counters_later_t *later);


ngx_int_t
ngx_counters_owed_init(ngx_cycle_t *cycle, ngx_http_counters_worker_t *w)
{
    w->owed = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_owed_t));
    if (w->owed == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&w->owed->queue);

    return NGX_OK;
}


void
ngx_http_counters_later_set(ngx_http_counters_worker_t *w, ngx_str_t *name,
    ngx_str_t *value, uint64_t px)
{
    if (ngx_http_counters_later_do(w, name, value, px) != NGX_OK) {
        ngx_http_counters_later_add(w, name, value, px);
    }
}


void
ngx_http_counters_later_del(ngx_http_counters_worker_t *w, ngx_str_t *name,
    uint64_t px)
{
    ngx_str_t  none;

    ngx_str_null(&none);

    ngx_http_counters_later_set(w, name, &none, px);
}


static ngx_int_t
ngx_http_counters_later_do(ngx_http_counters_worker_t *w, ngx_str_t *name,
    ngx_str_t *value, uint64_t px)
{
    return value->len ? ngx_counters_redis_set(w->redis, name, value, px,
                                               ngx_counters_worker_written, w)
                      : ngx_counters_redis_del(w->redis, name,
                                               ngx_counters_worker_written, w);
}


static void
ngx_http_counters_later_add(ngx_http_counters_worker_t *w, ngx_str_t *name,
    ngx_str_t *value, uint64_t px)
{
    u_char                     *p;
    ngx_queue_t                *q;
    ngx_http_counters_later_t  *later;

    if (w->closing) {
        return;
    }

    if (w->owed->n >= NGX_HTTP_COUNTERS_LATER) {
        q = ngx_queue_head(&w->owed->queue);
        ngx_http_counters_later_drop(w,
                       ngx_queue_data(q, ngx_http_counters_later_t, queue));
    }

    later = ngx_alloc(sizeof(ngx_http_counters_later_t) + name->len
                      + value->len, ngx_cycle->log);
    if (later == NULL) {
        return;
    }

    later->until = ngx_http_counters_now() + px;

    later->name.len = name->len;
    later->name.data = later->data;
    p = ngx_cpymem(later->data, name->data, name->len);

    later->value.len = value->len;
    later->value.data = p;

    if (value->len) {
        ngx_memcpy(p, value->data, value->len);
    }

    ngx_queue_insert_tail(&w->owed->queue, &later->queue);
    w->owed->n++;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "counters redis: %ui writes kept for later", w->owed->n);
}


void
ngx_http_counters_later_retry(ngx_http_counters_worker_t *w)
{
    uint64_t                    now;
    ngx_queue_t                *q;
    ngx_http_counters_later_t  *later;

    now = ngx_http_counters_now();

    while (w->owed->n) {
        q = ngx_queue_head(&w->owed->queue);
        later = ngx_queue_data(q, ngx_http_counters_later_t, queue);

        if (now < later->until
            && ngx_http_counters_later_do(w, &later->name, &later->value,
                                          later->until - now)
               != NGX_OK)
        {
            return;
        }

        ngx_http_counters_later_drop(w, later);

        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                       "counters redis: a write done late, %ui left",
                       w->owed->n);
    }
}


void
ngx_http_counters_later_free(ngx_http_counters_worker_t *w)
{
    ngx_queue_t  *q;

    while (w->owed->n) {
        q = ngx_queue_head(&w->owed->queue);
        ngx_http_counters_later_drop(w,
                       ngx_queue_data(q, ngx_http_counters_later_t, queue));
    }
}


static void
ngx_http_counters_later_drop(ngx_http_counters_worker_t *w,
    ngx_http_counters_later_t *later)
{
    ngx_queue_remove(&later->queue);
    w->owed->n--;

    ngx_free(later);
}
