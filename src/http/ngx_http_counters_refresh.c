
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_counters_entry.h"
#include "ngx_counters_json.h"
#include "ngx_http_counters_flight.h"
#include "ngx_http_counters_handler.h"


/* beyond the Redis timeout, for a lease while Redis is asked */
#define NGX_HTTP_COUNTERS_LEASE  1000


/* Redis is being asked for one key */

typedef struct {
    ngx_http_counters_worker_t  *worker;
    ngx_counters_key_t           key;
    ngx_counters_class_e         class;
    uint64_t                     seen;       /* fetched time known already */
    u_char                       digest[NGX_COUNTERS_DIGEST_LEN];
} ngx_http_counters_read_t;


static void ngx_http_counters_ask(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, ngx_counters_class_e class);
static ngx_int_t ngx_http_counters_read(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, ngx_counters_class_e class);
static void ngx_http_counters_read_handler(void *data, ngx_int_t rc,
    ngx_str_t *values, ngx_uint_t nvalues);
static ngx_int_t ngx_http_counters_read_value(ngx_http_counters_read_t *rd,
    ngx_str_t *values, ngx_counters_answer_in_t *answer);
static void ngx_http_counters_enqueue(ngx_http_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_class_e class);
static ngx_uint_t ngx_http_counters_settled(ngx_http_counters_item_t *item);
static void ngx_http_counters_check(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, ngx_uint_t check);
static void ngx_http_counters_done(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, ngx_counters_answer_in_t *answer);
static ngx_int_t ngx_http_counters_view(ngx_http_counters_item_t *item,
    ngx_counters_answer_in_t *answer);
static u_char *ngx_http_counters_redis_key(ngx_http_counters_worker_t *w,
    u_char *p, u_char kind, const u_char *digest);


#define ngx_http_counters_bucket(w, key)                                      \
    &(w)->waiters[ngx_counters_key_hash(key) % NGX_HTTP_COUNTERS_BUCKETS]

#define ngx_http_counters_redis_key_len(w)                                    \
    ((w)->portal->redis->prefix.len + (w)->portal->name.len                   \
     + sizeof(":c:") - 1 + 2 * NGX_COUNTERS_DIGEST_LEN)


ngx_int_t
ngx_http_counters_refresh_look(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item)
{
    ngx_int_t  rc;

    rc = ngx_counters_zone_lookup(w->portal->zone, &item->key,
                                  ngx_http_counters_now(),
                                  item->ctx->request->pool, &item->view);

    item->stored = (rc == NGX_OK);

    return rc;
}


ngx_int_t
ngx_http_counters_refresh_background(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, const ngx_counters_cred_t *cred)
{
    uint64_t            now;
    ngx_int_t           rc;
    ngx_counters_ask_t  ask;

    now = ngx_http_counters_now();

    ask.class = NGX_COUNTERS_STALE;
    ask.lease = w->portal->fetch.timeout + NGX_HTTP_COUNTERS_LEASE;
    ask.seen = item->view.fetched;
    ask.wait = 0;
    ask.check = 0;

    if (ngx_counters_creds_keep(w->creds, item->key.cred, cred, now, 0)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    rc = ngx_counters_zone_acquire(w->portal->zone, &item->key,
                                   ngx_http_counters_me(), &ask, now);

    if (rc == NGX_OK) {
        item->force = 0;
        item->seen = item->view.fetched;
        ngx_http_counters_ask(w, item, NGX_COUNTERS_STALE);
    }

    return (rc == NGX_ERROR) ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_http_counters_refresh_wait(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, const ngx_counters_cred_t *cred)
{
    uint64_t            now;
    ngx_int_t           rc;
    ngx_counters_ask_t  ask;

    now = ngx_http_counters_now();

    ask.class = NGX_COUNTERS_WAITING;
    ask.lease = w->portal->fetch.timeout + NGX_HTTP_COUNTERS_LEASE;
    ask.seen = item->seen;
    ask.wait = 1;
    ask.check = 0;

    if (ngx_counters_creds_keep(w->creds, item->key.cred, cred, now, 0)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_counters_zone_acquire(w->portal->zone, &item->key,
                                   ngx_http_counters_me(), &ask, now);

    if (rc == NGX_DECLINED || rc == NGX_ERROR) {
        return rc;
    }

    item->waiting = 1;
    ngx_queue_insert_tail(ngx_http_counters_bucket(w, &item->key),
                          &item->queue);

    if (w->nwaiters++ == 0 && !w->poll.timer_set) {
        ngx_add_timer(&w->poll, NGX_HTTP_COUNTERS_POLL);
    }

    if (rc == NGX_OK) {
        item->leader = 1;
        ngx_http_counters_ask(w, item, NGX_COUNTERS_WAITING);

    } else {
        /* its class may have risen */
        ngx_http_counters_flight_pump_later(w);
    }

    return NGX_AGAIN;
}


void
ngx_http_counters_refresh_leave(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item)
{
    if (!item->waiting) {
        return;
    }

    ngx_queue_remove(&item->queue);
    item->waiting = 0;

    if (--w->nwaiters == 0 && w->poll.timer_set) {
        ngx_del_timer(&w->poll);
    }
}


/* the lease is ours: Redis first, unless the portal's own word is wanted */

static void
ngx_http_counters_ask(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, ngx_counters_class_e class)
{
    if (w->redis && !item->force
        && ngx_http_counters_read(w, item, class) == NGX_OK)
    {
        return;
    }

    ngx_http_counters_enqueue(w, &item->key, class);
}


static void
ngx_http_counters_enqueue(ngx_http_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_class_e class)
{
    ngx_int_t  rc;

    rc = ngx_counters_zone_enqueue(w->portal->zone, key,
                                   ngx_http_counters_me(), class, 0,
                                   ngx_http_counters_now());

    if (rc == NGX_BUSY) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the refresh queue is full",
                      &w->portal->name);
    }

    ngx_http_counters_flight_pump_later(w);
}


/* Redis */


static ngx_int_t
ngx_http_counters_read(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, ngx_counters_class_e class)
{
    u_char                    *p;
    ngx_int_t                  rc;
    ngx_str_t                  keys[2];
    ngx_http_counters_read_t  *rd;

    rd = ngx_alloc(sizeof(ngx_http_counters_read_t)
                   + 2 * ngx_http_counters_redis_key_len(w), ngx_cycle->log);
    if (rd == NULL) {
        return NGX_DECLINED;
    }

    rd->worker = w;
    rd->key = item->key;
    rd->class = class;
    rd->seen = item->seen;

    if (ngx_counters_key_digest(w->hmac, &item->key, rd->digest)
        != NGX_COUNTERS_OK)
    {
        ngx_free(rd);
        return NGX_DECLINED;
    }

    p = (u_char *) rd + sizeof(ngx_http_counters_read_t);

    keys[0].data = p;
    p = ngx_http_counters_redis_key(w, p, 'c', rd->digest);
    keys[0].len = p - keys[0].data;

    keys[1].data = p;
    p = ngx_http_counters_redis_key(w, p, 'r', item->key.cred);
    keys[1].len = p - keys[1].data;

    rc = ngx_counters_redis_get(w->redis, keys, 2,
                                ngx_http_counters_read_handler, rd);
    if (rc != NGX_AGAIN) {
        ngx_free(rd);
        return NGX_DECLINED;
    }

    ngx_http_counters_count(w, NGX_COUNTERS_STAT_REDIS_READS, 1);

    return NGX_OK;
}


static void
ngx_http_counters_read_handler(void *data, ngx_int_t rc, ngx_str_t *values,
    ngx_uint_t nvalues)
{
    ngx_http_counters_read_t *rd = data;

    ngx_counters_answer_in_t     answer;
    ngx_http_counters_worker_t  *w;

    w = rd->worker;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "counters redis answer: %i", rc);

    if (rc != NGX_OK || nvalues != 2) {
        ngx_http_counters_count(w, NGX_COUNTERS_STAT_REDIS_ERRORS, 1);

    } else if (ngx_http_counters_read_value(rd, values, &answer) == NGX_OK) {
        ngx_http_counters_count(w, NGX_COUNTERS_STAT_REDIS_HITS, 1);
        ngx_http_counters_refresh_finish(w, &rd->key, &answer);
        ngx_free(rd);
        return;
    }

    if (w->closing) {
        ngx_http_counters_refresh_finish(w, &rd->key, NULL);

    } else {
        ngx_http_counters_enqueue(w, &rd->key, rd->class);
    }

    ngx_free(rd);
}


/* a value counts if it is newer than what is known, and than any refusal */

static ngx_int_t
ngx_http_counters_read_value(ngx_http_counters_read_t *rd, ngx_str_t *values,
    ngx_counters_answer_in_t *answer)
{
    uint64_t                     now, mark;
    ngx_counters_str_t           in, body, slice;
    ngx_counters_entry_t         e;
    ngx_http_counters_worker_t  *w;
    ngx_http_counters_portal_t  *portal;

    w = rd->worker;
    portal = w->portal;
    now = ngx_http_counters_now();

    if (values[0].data == NULL) {
        return NGX_DECLINED;
    }

    in.len = values[0].len;
    in.data = values[0].data;

    if (ngx_counters_entry_decode(w->hmac, rd->digest, &in, &e)
        != NGX_COUNTERS_OK
        || e.status != NGX_HTTP_OK
        || e.body.len > portal->fetch.max_body
        || e.fetched > now + NGX_HTTP_COUNTERS_LEASE)
    {
        ngx_http_counters_count(w, NGX_COUNTERS_STAT_REDIS_REJECTED, 1);
        return NGX_DECLINED;
    }

    if (values[1].data) {
        in.len = values[1].len;
        in.data = values[1].data;

        /* a mark that cannot be read is taken as a refusal just now */

        if (ngx_counters_number(&in, &mark) != NGX_COUNTERS_OK
            || e.fetched <= mark)
        {
            return NGX_DECLINED;
        }
    }

    if (e.fetched <= rd->seen
        || e.fetched <= ngx_counters_zone_refused(portal->zone, &rd->key)
        || ngx_counters_freshness(now, e.fetched, e.ttl, portal->stale,
                                  portal->stale_error, 0)
           == NGX_COUNTERS_EXPIRED)
    {
        return NGX_DECLINED;
    }

    ngx_memzero(answer, sizeof(ngx_counters_answer_in_t));

    answer->kind = NGX_COUNTERS_DATA;
    answer->origin = NGX_COUNTERS_FROM_REDIS;
    answer->status = NGX_HTTP_OK;
    answer->fetched = ngx_min(e.fetched, now);
    answer->ttl = e.ttl;
    answer->headers.len = e.headers.len;
    answer->headers.data = e.headers.data;
    answer->body.len = e.body.len;
    answer->body.data = e.body.data;

    body = e.body;

    if (ngx_counters_json_member(&body, "time", &slice) == NGX_COUNTERS_OK) {
        answer->time.len = slice.len;
        answer->time.data = slice.data;
    }

    return NGX_OK;
}


static u_char *
ngx_http_counters_redis_key(ngx_http_counters_worker_t *w, u_char *p,
    u_char kind, const u_char *digest)
{
    ngx_http_counters_portal_t  *portal;

    portal = w->portal;

    p = ngx_cpymem(p, portal->redis->prefix.data, portal->redis->prefix.len);
    p = ngx_cpymem(p, portal->name.data, portal->name.len);

    *p++ = ':';
    *p++ = kind;
    *p++ = ':';

    return ngx_counters_hex(p, digest, NGX_COUNTERS_DIGEST_LEN);
}


void
ngx_http_counters_refresh_save(ngx_http_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_answer_in_t *answer)
{
    u_char                      *p;
    size_t                       len;
    ngx_str_t                    name, value;
    ngx_counters_entry_t         e;
    ngx_http_counters_portal_t  *portal;
    u_char                       digest[NGX_COUNTERS_DIGEST_LEN];

    portal = w->portal;

    if (w->redis == NULL
        || ngx_counters_key_digest(w->hmac, key, digest) != NGX_COUNTERS_OK)
    {
        return;
    }

    e.fetched = answer->fetched;
    e.ttl = answer->ttl;
    e.status = answer->status;
    e.headers.len = answer->headers.len;
    e.headers.data = answer->headers.data;
    e.body.len = answer->body.len;
    e.body.data = answer->body.data;

    len = ngx_counters_entry_len(&e);

    p = ngx_alloc(len + ngx_http_counters_redis_key_len(w), ngx_cycle->log);
    if (p == NULL) {
        return;
    }

    value.data = p;
    value.len = len;

    if (ngx_counters_entry_encode(w->hmac, digest, &e, p) == NGX_COUNTERS_OK)
    {
        name.data = p + len;
        name.len = ngx_http_counters_redis_key(w, name.data, 'c', digest)
                   - name.data;

        (void) ngx_counters_redis_set(w->redis, &name, &value,
                        (uint64_t) e.ttl
                        + ngx_max(portal->stale, portal->stale_error));
    }

    ngx_free(p);
}


void
ngx_http_counters_refresh_forget(ngx_http_counters_worker_t *w,
    ngx_counters_key_t *key)
{
    u_char     *p;
    ngx_str_t   name;
    u_char      digest[NGX_COUNTERS_DIGEST_LEN];

    if (w->redis == NULL
        || ngx_counters_key_digest(w->hmac, key, digest) != NGX_COUNTERS_OK)
    {
        return;
    }

    p = ngx_alloc(ngx_http_counters_redis_key_len(w), ngx_cycle->log);
    if (p == NULL) {
        return;
    }

    name.data = p;
    name.len = ngx_http_counters_redis_key(w, p, 'c', digest) - p;

    (void) ngx_counters_redis_del(w->redis, &name);

    ngx_free(p);
}


/* lasts as long as any copy that was stored before it */

void
ngx_http_counters_refresh_revoke(ngx_http_counters_worker_t *w,
    const u_char *digest, uint64_t now)
{
    u_char                      *p;
    ngx_uint_t                   i;
    ngx_str_t                    name, value;
    ngx_msec_t                   ttl;
    ngx_http_counters_portal_t  *portal;
    u_char                       mark[NGX_INT64_LEN];

    if (w->redis == NULL) {
        return;
    }

    portal = w->portal;
    ttl = 0;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        ttl = ngx_max(ttl, portal->ttl[i]);
    }

    p = ngx_alloc(ngx_http_counters_redis_key_len(w), ngx_cycle->log);
    if (p == NULL) {
        return;
    }

    name.data = p;
    name.len = ngx_http_counters_redis_key(w, p, 'r', digest) - p;

    value.data = mark;
    value.len = ngx_sprintf(mark, "%uL", now) - mark;

    (void) ngx_counters_redis_set(w->redis, &name, &value,
                        (uint64_t) ttl
                        + ngx_max(portal->stale, portal->stale_error));

    ngx_free(p);
}


/* waiters */


void
ngx_http_counters_refresh_finish(ngx_http_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_answer_in_t *answer)
{
    uint64_t                   wake;
    ngx_uint_t                 stored;
    ngx_queue_t                done, *q, *next, *bucket;
    ngx_http_counters_item_t  *item;

    wake = ngx_counters_zone_finish(w->portal->zone, key,
                                    ngx_http_counters_me(), answer,
                                    ngx_http_counters_now(), &stored);

    ngx_queue_init(&done);

    bucket = ngx_http_counters_bucket(w, key);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = next)
    {
        next = ngx_queue_next(q);
        item = ngx_queue_data(q, ngx_http_counters_item_t, queue);

        if (ngx_memcmp(&item->key, key, sizeof(ngx_counters_key_t)) == 0) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&done, q);
        }
    }

    if (wake) {
        ngx_http_counters_wake(wake);
    }

    /* answering one may take others out of the list, or end them */

    while (!ngx_queue_empty(&done)) {
        q = ngx_queue_head(&done);
        item = ngx_queue_data(q, ngx_http_counters_item_t, queue);

        if (answer == NULL) {
            /* nothing was learnt: it goes back and asks for itself */
            ngx_queue_remove(q);
            ngx_queue_insert_tail(bucket, q);
            continue;
        }

        ngx_http_counters_done(w, item, stored ? NULL : answer);
    }
}


/* "answer": what the zone could not keep */

static void
ngx_http_counters_done(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, ngx_counters_answer_in_t *answer)
{
    ngx_http_counters_refresh_leave(w, item);

    if (ngx_http_counters_refresh_look(w, item) != NGX_OK && answer) {
        (void) ngx_http_counters_view(item, answer);
    }

    ngx_http_counters_item_done(item);
}


static ngx_int_t
ngx_http_counters_view(ngx_http_counters_item_t *item,
    ngx_counters_answer_in_t *answer)
{
    u_char               *p;
    ngx_counters_view_t  *view;

    view = &item->view;

    p = ngx_pnalloc(item->ctx->request->pool,
                    answer->headers.len + answer->body.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    view->kind = answer->kind;
    view->origin = answer->origin;
    view->status = answer->status;
    view->fresh = NGX_COUNTERS_FRESH;
    view->fetched = answer->fetched;
    view->remains = answer->ttl;

    view->headers.data = p;
    view->headers.len = answer->headers.len;
    p = ngx_cpymem(p, answer->headers.data, answer->headers.len);

    view->body.data = p;
    view->body.len = answer->body.len;
    ngx_memcpy(p, answer->body.data, answer->body.len);

    view->time.len = answer->time.len;

    if (view->time.len) {
        view->time.data = view->body.data
                          + (answer->time.data - answer->body.data);
    }

    return NGX_OK;
}


void
ngx_http_counters_refresh_scan(ngx_http_counters_worker_t *w,
    ngx_uint_t check)
{
    ngx_uint_t                 i;
    ngx_queue_t                todo, *q;
    ngx_http_counters_item_t  *item;

    for (i = 0; i < NGX_HTTP_COUNTERS_BUCKETS && w->nwaiters; i++) {

        if (ngx_queue_empty(&w->waiters[i])) {
            continue;
        }

        ngx_queue_init(&todo);
        ngx_queue_add(&todo, &w->waiters[i]);
        ngx_queue_init(&w->waiters[i]);

        while (!ngx_queue_empty(&todo)) {
            q = ngx_queue_head(&todo);
            item = ngx_queue_data(q, ngx_http_counters_item_t, queue);

            ngx_queue_remove(q);
            ngx_queue_insert_tail(&w->waiters[i], q);

            ngx_http_counters_check(w, item, check);
        }
    }
}


static void
ngx_http_counters_check(ngx_http_counters_worker_t *w,
    ngx_http_counters_item_t *item, ngx_uint_t check)
{
    uint64_t            now;
    ngx_int_t           rc;
    ngx_counters_ask_t  ask;

    now = ngx_http_counters_now();

    (void) ngx_counters_zone_lookup(w->portal->zone, &item->key, now, NULL,
                                    &item->view);

    if (ngx_http_counters_settled(item)) {
        ngx_http_counters_done(w, item, NULL);
        return;
    }

    if (item->view.refreshing && !check) {
        return;
    }

    ask.class = NGX_COUNTERS_WAITING;
    ask.lease = w->portal->fetch.timeout + NGX_HTTP_COUNTERS_LEASE;
    ask.seen = item->seen;
    ask.wait = 1;
    ask.check = check;

    rc = ngx_counters_zone_acquire(w->portal->zone, &item->key,
                                   ngx_http_counters_me(), &ask, now);

    if (rc == NGX_OK) {
        item->leader = 1;
        ngx_http_counters_ask(w, item, NGX_COUNTERS_WAITING);
    }
}


/* whether there is something to answer with, or nothing to wait for */

static ngx_uint_t
ngx_http_counters_settled(ngx_http_counters_item_t *item)
{
    ngx_counters_view_t  *view;

    view = &item->view;

    switch (view->hold) {

    case NGX_COUNTERS_BACKOFF:
    case NGX_COUNTERS_OVERLOADED:
    case NGX_COUNTERS_OPERATED:
        if (!view->flying) {
            return 1;
        }
        break;

    default:
        break;
    }

    if (view->kind == NGX_COUNTERS_EMPTY) {
        return 0;
    }

    if (view->fetched > item->seen) {
        return 1;
    }

    return !item->force && view->kind == NGX_COUNTERS_DATA
           && view->fresh != NGX_COUNTERS_IF_ERROR;
}


void
ngx_http_counters_refresh_alarm(ngx_http_counters_worker_t *w)
{
    ngx_http_counters_wake(~(uint64_t) 0);
    ngx_http_counters_refresh_scan(w, 0);
    ngx_http_counters_flight_pump_later(w);
}
