
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_counters_redis_store.h"
#include "ngx_counters_refresh.h"



#define NGX_COUNTERS_BUCKETS     256       /* of waiters, by key hash */

/* beyond the Redis timeout, for a lease while Redis is asked */
#define NGX_COUNTERS_LEASE       1000

/* between two lines of the log about no more room, milliseconds */
#define NGX_COUNTERS_FULL        10000


struct ngx_counters_waiters_s {
    ngx_queue_t             buckets[NGX_COUNTERS_BUCKETS];
    ngx_uint_t              n;
    ngx_event_t             poll;            /* while there are any */
    uint64_t                full;            /* last word on no more room */
    ngx_counters_worker_t  *worker;
};


static ngx_int_t ngx_counters_refresh_view(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_pool_t *pool);
static ngx_int_t ngx_counters_refresh_acquire(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_uint_t check, uint64_t now);
static void ngx_counters_refresh_ask(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_counters_class_e class);
static ngx_int_t ngx_counters_refresh_keep_cred(ngx_counters_worker_t *w,
    ngx_counters_key_t *key);
static void ngx_counters_refresh_read_handler(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_uint_t class,
    ngx_counters_answer_in_t *answer);
static void ngx_counters_refresh_enqueue(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_class_e class);
static void ngx_counters_refresh_full(ngx_counters_worker_t *w,
    ngx_int_t rc, uint64_t now);
static void ngx_counters_refresh_scan_bucket(ngx_counters_worker_t *w,
    ngx_queue_t *bucket, ngx_uint_t check);
static ngx_uint_t ngx_counters_refresh_settled(ngx_counters_waiter_t *waiter);
static void ngx_counters_refresh_check(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_uint_t check);
static void ngx_counters_refresh_done(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_counters_answer_in_t *answer);
static ngx_int_t ngx_counters_refresh_view_answer(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_counters_answer_in_t *answer);
static void ngx_counters_refresh_poll_handler(ngx_event_t *ev);


#define ngx_counters_refresh_bucket(w, key)                                   \
    &(w)->waiters->buckets[ngx_counters_key_hash(key) % NGX_COUNTERS_BUCKETS]


ngx_int_t
ngx_counters_refresh_init(ngx_cycle_t *cycle, ngx_counters_worker_t *w)
{
    ngx_uint_t               i;
    ngx_counters_waiters_t  *waiters;

    waiters = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_waiters_t));
    if (waiters == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_COUNTERS_BUCKETS; i++) {
        ngx_queue_init(&waiters->buckets[i]);
    }

    ngx_counters_worker_event(w, &waiters->poll,
                              ngx_counters_refresh_poll_handler);

    waiters->worker = w;
    w->waiters = waiters;

    return NGX_OK;
}


ngx_int_t
ngx_counters_refresh_look(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter)
{
    ngx_int_t  rc;

    rc = ngx_counters_refresh_view(w, waiter, waiter->pool);

    waiter->stored = (rc == NGX_OK);

    return rc;
}


ngx_int_t
ngx_counters_refresh_peek(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter)
{
    return ngx_counters_refresh_view(w, waiter, NULL);
}


/* whether what is forced may be asked for matters of fresh entries too */

static ngx_int_t
ngx_counters_refresh_view(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_pool_t *pool)
{
    return waiter->bypass
           ? ngx_counters_zone_look(w->portal->zone, &waiter->key,
                                    ngx_counters_worker_now(), pool,
                                    &waiter->view)
           : ngx_counters_zone_lookup(w->portal->zone, &waiter->key,
                                      ngx_counters_worker_now(), pool,
                                      &waiter->view);
}


ngx_int_t
ngx_counters_refresh_background(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter)
{
    uint64_t            now;
    ngx_int_t           rc;
    ngx_counters_ask_t  ask;

    now = ngx_counters_worker_now();

    if (ngx_counters_creds_keep(w->creds, waiter->key.cred, waiter->cred, now,
                                0)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ask.class = NGX_COUNTERS_STALE;
    ask.lease = w->portal->fetch.timeout + NGX_COUNTERS_LEASE;
    ask.seen = waiter->view.fetched;
    ask.wait = 0;
    ask.check = 0;
    ask.force = 0;

    rc = ngx_counters_lease_acquire(w->portal->zone, &waiter->key,
                                    ngx_counters_worker_me(), &ask, now);

    if (rc == NGX_OK) {
        waiter->force = 0;
        waiter->seen = waiter->view.fetched;
        ngx_counters_refresh_ask(w, waiter, NGX_COUNTERS_STALE);
    }

    return (rc == NGX_ERROR || rc == NGX_BUSY) ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_counters_refresh_wait(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter)
{
    uint64_t                 now;
    ngx_int_t                rc;
    ngx_counters_waiters_t  *waiters;

    now = ngx_counters_worker_now();

    rc = ngx_counters_refresh_acquire(w, waiter, 0, now);

    if (rc == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    if (rc == NGX_ERROR || rc == NGX_BUSY) {
        ngx_counters_refresh_full(w, rc, now);

        /* what cannot be kept is passed on, if somebody can and quota is */

        if (rc == NGX_ERROR && !waiter->must && !waiter->view.dry) {
            return NGX_ERROR;
        }
    }

    waiter->waiting = 1;
    ngx_queue_insert_tail(ngx_counters_refresh_bucket(w, &waiter->key),
                          &waiter->queue);

    waiters = w->waiters;

    if (waiters->n++ == 0 && !waiters->poll.timer_set) {
        ngx_add_timer(&waiters->poll, NGX_COUNTERS_POLL);
    }

    if (rc == NGX_OK) {
        waiter->leader = 1;
        ngx_counters_refresh_ask(w, waiter, NGX_COUNTERS_WAITING);

    } else {
        /* its class may have risen */
        ngx_counters_worker_post_pump(w);
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_counters_refresh_acquire(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_uint_t check, uint64_t now)
{
    ngx_counters_ask_t  ask;

    ask.class = NGX_COUNTERS_WAITING;
    ask.lease = w->portal->fetch.timeout + NGX_COUNTERS_LEASE;
    ask.seen = waiter->seen;
    ask.wait = 1;
    ask.check = check;
    ask.force = waiter->bypass;

    return ngx_counters_lease_acquire(w->portal->zone, &waiter->key,
                                      ngx_counters_worker_me(), &ask, now);
}


void
ngx_counters_refresh_leave(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter)
{
    ngx_counters_waiters_t  *waiters;

    if (!waiter->waiting) {
        return;
    }

    ngx_queue_remove(&waiter->queue);
    waiter->waiting = 0;

    waiters = w->waiters;

    if (--waiters->n == 0 && waiters->poll.timer_set) {
        ngx_del_timer(&waiters->poll);
    }
}


void
ngx_counters_refresh_keep(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter)
{
    (void) ngx_counters_creds_keep(w->creds, waiter->key.cred, waiter->cred,
                                   ngx_counters_worker_now(), 0);
}


ngx_uint_t
ngx_counters_refresh_ready(ngx_counters_worker_t *w)
{
    return ngx_counters_redis_store_ready(w);
}


/* the lease is ours: Redis first, unless the portal's own word is wanted */

static void
ngx_counters_refresh_ask(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_counters_class_e class)
{
    if (!waiter->force
        && ngx_counters_redis_store_read(w, &waiter->key, waiter->seen, class,
                                         ngx_counters_refresh_read_handler)
           == NGX_OK)
    {
        return;
    }

    (void) ngx_counters_refresh_keep_cred(w, &waiter->key);

    ngx_counters_refresh_enqueue(w, &waiter->key, class);
}


/*
 * The portal is to be asked: only then is the credential needed, which those
 * who wait bring along.
 */

static ngx_int_t
ngx_counters_refresh_keep_cred(ngx_counters_worker_t *w,
    ngx_counters_key_t *key)
{
    ngx_queue_t            *q, *bucket;
    ngx_counters_waiter_t  *waiter;

    bucket = ngx_counters_refresh_bucket(w, key);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        waiter = ngx_queue_data(q, ngx_counters_waiter_t, queue);

        if (ngx_memcmp(&waiter->key, key, sizeof(ngx_counters_key_t)) == 0) {
            return ngx_counters_creds_keep(w->creds, key->cred,
                                           waiter->cred,
                                           ngx_counters_worker_now(), 0);
        }
    }

    return ngx_counters_creds_find(w->creds, key->cred) ? NGX_OK
                                                        : NGX_DECLINED;
}


/* newer than what is known, or nothing */

static void
ngx_counters_refresh_read_handler(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_uint_t class,
    ngx_counters_answer_in_t *answer)
{
    ngx_counters_view_t  view;

    if (answer || w->closing) {
        ngx_counters_refresh_finish(w, key, answer);
        return;
    }

    (void) ngx_counters_zone_lookup(w->portal->zone, key,
                                    ngx_counters_worker_now(), NULL, &view);

    if ((view.hold == NGX_COUNTERS_OPEN || view.hold == NGX_COUNTERS_LIMITED)
        && ngx_counters_refresh_keep_cred(w, key) == NGX_OK)
    {
        ngx_counters_refresh_enqueue(w, key, class);

        if (view.hold == NGX_COUNTERS_LIMITED) {
            /* for longer, it may be, than those who wait will */
            ngx_counters_refresh_scan_bucket(w,
                                        ngx_counters_refresh_bucket(w, key), 0);
        }

        return;
    }

    /* nobody waits any more, or the portal is not asked either */

    ngx_counters_refresh_finish(w, key, NULL);
    ngx_counters_refresh_scan_bucket(w, ngx_counters_refresh_bucket(w, key), 0);
}


static void
ngx_counters_refresh_enqueue(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_class_e class)
{
    uint64_t   now;
    ngx_int_t  rc;

    ngx_time_update();
    now = ngx_counters_worker_now();

    rc = ngx_counters_lease_enqueue(w->portal->zone, key,
                                    ngx_counters_worker_me(), class, 0, now);

    if (rc == NGX_BUSY) {
        ngx_counters_refresh_full(w, rc, now);
    }

    ngx_counters_worker_post_pump(w);
}


/* nobody reads a line for each request that finds it so */

static void
ngx_counters_refresh_full(ngx_counters_worker_t *w, ngx_int_t rc, uint64_t now)
{
    uint64_t  *full;

    full = &w->waiters->full;

    if (now >= *full && now < *full + NGX_COUNTERS_FULL) {
        return;
    }

    *full = now;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "counters_portal \"%V\": the %s is full", &w->portal->name,
                  rc == NGX_BUSY ? "refresh queue" : "zone");
}


/* waiters */


void
ngx_counters_refresh_finish(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_answer_in_t *answer)
{
    uint64_t                wake;
    ngx_uint_t              stored;
    ngx_queue_t             done, *q, *next, *bucket;
    ngx_counters_waiter_t  *waiter;

    wake = ngx_counters_lease_finish(w->portal->zone, key,
                                     ngx_counters_worker_me(), answer,
                                     ngx_counters_worker_now(), &stored);

    ngx_queue_init(&done);

    bucket = ngx_counters_refresh_bucket(w, key);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = next)
    {
        next = ngx_queue_next(q);
        waiter = ngx_queue_data(q, ngx_counters_waiter_t, queue);

        if (ngx_memcmp(&waiter->key, key, sizeof(ngx_counters_key_t)) == 0) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&done, q);
        }
    }

    if (wake) {
        ngx_counters_worker_wake(wake);
    }

    /* answering one may take others out of the list, or end them */

    while (!ngx_queue_empty(&done)) {
        q = ngx_queue_head(&done);
        waiter = ngx_queue_data(q, ngx_counters_waiter_t, queue);

        if (answer == NULL) {
            /* nothing was learnt: it goes back and asks for itself */
            ngx_queue_remove(q);
            ngx_queue_insert_tail(bucket, q);
            continue;
        }

        ngx_counters_refresh_done(w, waiter, answer);
    }
}


/* "answer": for when the zone could not keep it */

static void
ngx_counters_refresh_done(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_counters_answer_in_t *answer)
{
    ngx_counters_refresh_leave(w, waiter);

    if (ngx_counters_refresh_look(w, waiter) != NGX_OK && answer) {
        (void) ngx_counters_refresh_view_answer(w, waiter, answer);
    }

    waiter->done(waiter);
}


static ngx_int_t
ngx_counters_refresh_view_answer(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_counters_answer_in_t *answer)
{
    u_char                 *p;
    uint64_t                now;
    ngx_counters_view_t    *view;
    ngx_counters_portal_t  *portal;

    view = &waiter->view;
    portal = w->portal;
    now = ngx_counters_worker_now();

    p = ngx_pnalloc(waiter->pool, answer->headers.len + answer->body.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    view->kind = answer->kind;
    view->origin = answer->origin;
    view->status = answer->status;
    view->fetched = answer->fetched;
    view->remains = (int64_t) (answer->fetched + answer->ttl) - (int64_t) now;

    /* what comes from Redis may be old */

    view->fresh = ngx_counters_policy_freshness(now, answer->fetched,
                                                answer->ttl,
                                                portal->stale,
                                                portal->stale_error, 0);

    view->headers.data = p;
    view->headers.len = answer->headers.len;
    p = ngx_cpymem(p, answer->headers.data, answer->headers.len);

    view->body.data = p;
    view->body.len = answer->body.len;
    ngx_memcpy(p, answer->body.data, answer->body.len);

    return NGX_OK;
}


void
ngx_counters_refresh_scan(ngx_counters_worker_t *w,
    ngx_uint_t check)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_COUNTERS_BUCKETS && w->waiters->n; i++) {
        ngx_counters_refresh_scan_bucket(w, &w->waiters->buckets[i], check);
    }
}


static void
ngx_counters_refresh_scan_bucket(ngx_counters_worker_t *w, ngx_queue_t *bucket,
    ngx_uint_t check)
{
    ngx_queue_t             todo, *q;
    ngx_counters_waiter_t  *waiter;

    if (ngx_queue_empty(bucket)) {
        return;
    }

    ngx_queue_init(&todo);
    ngx_queue_add(&todo, bucket);
    ngx_queue_init(bucket);

    while (!ngx_queue_empty(&todo)) {
        q = ngx_queue_head(&todo);
        waiter = ngx_queue_data(q, ngx_counters_waiter_t, queue);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(bucket, q);

        ngx_counters_refresh_check(w, waiter, check);
    }
}


static void
ngx_counters_refresh_check(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter, ngx_uint_t check)
{
    (void) ngx_counters_refresh_peek(w, waiter);

    if (ngx_counters_refresh_settled(waiter)) {
        ngx_counters_refresh_done(w, waiter, NULL);
        return;
    }

    if (waiter->view.refreshing && !check) {
        return;
    }

    if (ngx_counters_refresh_acquire(w, waiter, check,
                                     ngx_counters_worker_now())
        == NGX_OK)
    {
        waiter->leader = 1;
        ngx_counters_refresh_ask(w, waiter, NGX_COUNTERS_WAITING);
    }
}


/* whether there is something to answer with, or nothing to wait for */

static ngx_uint_t
ngx_counters_refresh_settled(ngx_counters_waiter_t *waiter)
{
    ngx_counters_view_t  *view;

    view = &waiter->view;

    switch (view->hold) {

    case NGX_COUNTERS_BACKOFF:
    case NGX_COUNTERS_OVERLOADED:
    case NGX_COUNTERS_OPERATED:
        if (!view->flying && !view->leased) {
            return 1;
        }
        break;

    case NGX_COUNTERS_LIMITED:
        if (!view->flying
            && (view->kind == NGX_COUNTERS_DATA
                || (view->hold_until > waiter->until && !view->leased)))
        {
            return 1;
        }
        break;

    default: /* NGX_COUNTERS_OPEN */
        break;
    }

    if (view->kind == NGX_COUNTERS_EMPTY) {
        return 0;
    }

    if (view->fetched > waiter->seen) {
        return 1;
    }

    return !waiter->force && view->kind == NGX_COUNTERS_DATA
           && view->fresh != NGX_COUNTERS_IF_ERROR;
}


/* waiters of another generation, and those whose worker has died */

static void
ngx_counters_refresh_poll_handler(ngx_event_t *ev)
{
    ngx_counters_waiters_t  *waiters;

    waiters = ngx_queue_data(ev, ngx_counters_waiters_t, poll);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "counters poll, %ui waiting", waiters->n);

    ngx_counters_refresh_scan(waiters->worker, 1);

    if (waiters->n && !ev->timer_set) {
        ngx_add_timer(ev, NGX_COUNTERS_POLL);
    }
}
