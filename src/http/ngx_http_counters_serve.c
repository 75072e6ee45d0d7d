
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_counters_client_batch.h"
#include "ngx_http_counters_cors.h"
#include "ngx_http_counters_response.h"
#include "ngx_http_counters_serve.h"


/* an entry is forced by counters_bypass at most so often, milliseconds */
#define NGX_HTTP_COUNTERS_BYPASS_MIN  1000

/*
 * A waiting request outlives the lease of what it waits for by this; and so
 * long it may wait for anything but quota, however short "wait" is.
 */
#define NGX_HTTP_COUNTERS_SLACK       1500


static ngx_uint_t ngx_http_counters_serve_fits(ngx_http_counters_ctx_t *ctx,
    ngx_http_counters_item_t *item);
static ngx_int_t ngx_http_counters_serve_decide(ngx_http_counters_ctx_t *ctx,
    ngx_http_counters_item_t *item);
static ngx_int_t ngx_http_counters_serve_decide_view(
    ngx_http_counters_ctx_t *ctx, ngx_http_counters_item_t *item);
static ngx_http_counters_cache_status_e ngx_http_counters_serve_kept(
    ngx_counters_view_t *view);
static ngx_uint_t ngx_http_counters_serve_forces(ngx_http_counters_ctx_t *ctx,
    ngx_counters_view_t *view);
static ngx_int_t ngx_http_counters_serve_decide_data(
    ngx_http_counters_ctx_t *ctx, ngx_http_counters_item_t *item);
static ngx_int_t ngx_http_counters_serve_park(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);
static ngx_int_t ngx_http_counters_serve_listen(ngx_http_request_t *r);
static void ngx_http_counters_serve_cleanup(void *data);
static void ngx_http_counters_serve_deadline_handler(ngx_event_t *ev);
static void ngx_http_counters_serve_item_done(ngx_counters_waiter_t *waiter);
static ngx_int_t ngx_http_counters_serve_conclude(ngx_http_counters_ctx_t *ctx,
    ngx_http_counters_item_t *item);
static void ngx_http_counters_serve_finish(ngx_http_counters_ctx_t *ctx);
static ngx_int_t ngx_http_counters_serve_answer(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);
static ngx_int_t ngx_http_counters_serve_refuse(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_http_counters_item_t *item);


ngx_int_t
ngx_http_counters_serve(ngx_http_request_t *r, ngx_http_counters_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_http_counters_item_t  *item;

    for (i = 0; i < ctx->nitems; i++) {
        item = &ctx->items[i];

        item->waiter.pool = r->pool;
        item->waiter.cred = &ctx->cred;
        item->waiter.done = ngx_http_counters_serve_item_done;
        item->waiter.bypass = ctx->bypass;
        item->waiter.must = ctx->managed;

        rc = ngx_counters_refresh_look(ctx->worker, &item->waiter);

        if (rc != NGX_ERROR) {
            rc = ngx_http_counters_serve_fits(ctx, item)
                 ? ngx_http_counters_serve_decide(ctx, item) : NGX_DECLINED;
        }

        if (rc == NGX_AGAIN) {
            ctx->pending++;

        } else if (rc != NGX_OK) {
            ngx_http_counters_serve_cleanup(ctx);
            return (rc == NGX_DECLINED) ? NGX_DECLINED
                                        : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ctx->pending) {
        return ngx_http_counters_serve_park(r, ctx);
    }

    return ngx_http_counters_serve_answer(r, ctx);
}


/*
 * Whether what there is may be shown to the origin of the client's page, or
 * there is nothing yet.
 */

static ngx_uint_t
ngx_http_counters_serve_fits(ngx_http_counters_ctx_t *ctx,
    ngx_http_counters_item_t *item)
{
    return ctx->origin == NULL
           || item->waiter.view.kind == NGX_COUNTERS_EMPTY
           || ngx_http_counters_cors_fits(&item->waiter.view.headers,
                                          ctx->origin);
}


/*
 * NGX_OK: the item can be answered with what its view holds; NGX_AGAIN: it
 * waits for a refresh; NGX_DECLINED: there is no room for it to wait.
 */

static ngx_int_t
ngx_http_counters_serve_decide(ngx_http_counters_ctx_t *ctx,
    ngx_http_counters_item_t *item)
{
    ngx_int_t   rc;
    ngx_uint_t  tries;

    for (tries = 0; tries < 3; tries++) {

        item->waiter.seen = 0;
        item->waiter.force = 0;
        item->source = NGX_HTTP_COUNTERS_MEMORY;

        rc = ngx_http_counters_serve_decide_view(ctx, item);

        if (rc != NGX_AGAIN) {
            return rc;
        }

        item->waiter.until = ngx_counters_worker_now() + ctx->portal->wait;

        rc = ngx_counters_refresh_wait(ctx->worker, &item->waiter);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc == NGX_ERROR) {
            return (item->waiter.view.kind == NGX_COUNTERS_DATA) ? NGX_OK
                                                          : NGX_DECLINED;
        }

        /* the entry has changed meanwhile */

        if (ngx_counters_refresh_look(ctx->worker, &item->waiter)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_counters_serve_decide_view(ngx_http_counters_ctx_t *ctx,
    ngx_http_counters_item_t *item)
{
    ngx_counters_view_t  *view;

    view = &item->waiter.view;

    if (ngx_http_counters_serve_forces(ctx, view)) {
        item->waiter.seen = view->fetched;
        item->waiter.force = 1;
        item->cache_status = ngx_http_counters_serve_kept(view);
        return NGX_AGAIN;
    }

    switch (view->kind) {

    case NGX_COUNTERS_DATA:
        return ngx_http_counters_serve_decide_data(ctx, item);

    case NGX_COUNTERS_NEGATIVE:
        item->cache_status = NGX_HTTP_COUNTERS_NEGATIVE;
        return NGX_OK;

    case NGX_COUNTERS_FAILURE:
        item->cache_status = NGX_HTTP_COUNTERS_ERROR;
        return NGX_OK;

    default: /* NGX_COUNTERS_EMPTY */
        item->cache_status = NGX_HTTP_COUNTERS_ERROR;
    }

    /*
     * A limit passes, which is what "wait" is for, if it passes so soon; a
     * failure may not.
     */

    if (view->hold == NGX_COUNTERS_OPEN
        || (view->hold == NGX_COUNTERS_LIMITED
            && view->hold_until
               <= ngx_counters_worker_now() + ctx->portal->wait))
    {
        return NGX_AGAIN;
    }

    /* but Redis may have it all the same */

    return ((view->leased || !view->refreshing)
            && ngx_counters_refresh_ready(ctx->worker))
           ? NGX_AGAIN : NGX_OK;
}


/*
 * Whether counters_bypass has what is there fetched anew: not what it has had
 * fetched a moment ago, and within the quota.
 */

static ngx_uint_t
ngx_http_counters_serve_forces(ngx_http_counters_ctx_t *ctx,
    ngx_counters_view_t *view)
{
    uint64_t  now;

    if (!ctx->bypass || view->hold != NGX_COUNTERS_OPEN
        || (view->kind != NGX_COUNTERS_DATA
            && view->kind != NGX_COUNTERS_NEGATIVE))
    {
        return 0;
    }

    now = ngx_counters_worker_now();

    if (view->forced && now < view->fetched + NGX_HTTP_COUNTERS_BYPASS_MIN) {
        return 0;
    }

    return !ngx_counters_zone_dry(ctx->portal->zone, now);
}


static ngx_int_t
ngx_http_counters_serve_decide_data(ngx_http_counters_ctx_t *ctx,
    ngx_http_counters_item_t *item)
{
    ngx_counters_view_t  *view;

    view = &item->waiter.view;
    item->cache_status = NGX_HTTP_COUNTERS_HIT;

    if (view->fresh == NGX_COUNTERS_FRESH) {

        if (ctx->portal->ahead && !ctx->managed) {

            /* the refresh will come when no request brings it along */

            ngx_counters_refresh_keep(ctx->worker, &item->waiter);
        }

        return NGX_OK;
    }

    item->cache_status = NGX_HTTP_COUNTERS_STALE;

    if (view->hold != NGX_COUNTERS_OPEN) {
        return NGX_OK;
    }

    if (view->fresh == NGX_COUNTERS_REVALIDATE) {

        if (view->flying
            || ngx_counters_refresh_background(ctx->worker,
                                               &item->waiter)
               == NGX_OK)
        {
            item->cache_status = NGX_HTTP_COUNTERS_UPDATING;
        }

        return NGX_OK;
    }

    /* older: it waits for the portal, but not for quota */

    if (view->dry) {
        (void) ngx_counters_refresh_background(ctx->worker,
                                               &item->waiter);
        return NGX_OK;
    }

    item->waiter.seen = view->fetched;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_counters_serve_park(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx)
{
    ngx_http_cleanup_t  *cln;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        ngx_http_counters_serve_cleanup(ctx);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_counters_serve_cleanup;
    cln->data = ctx;

    ctx->parked = ngx_current_msec;

    ctx->deadline.handler = ngx_http_counters_serve_deadline_handler;
    ctx->deadline.data = ctx;
    ctx->deadline.log = ngx_cycle->log;

    ngx_add_timer(&ctx->deadline, ctx->portal->wait);

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return ngx_http_counters_serve_listen(r);
}


/* the client has gone, or has its answer; the refresh goes on without it */

/*
 * A connection that was accepted with its request ("deferred") has not been
 * waited for yet, and nobody would be told that the client is gone.
 */

static ngx_int_t
ngx_http_counters_serve_listen(ngx_http_request_t *r)
{
    ngx_int_t     rc;
    ngx_uint_t    ready;
    ngx_event_t  *rev;

    rev = r->connection->read;

    if (rev->active || r->stream) {
        return NGX_DONE;
    }

    /* that there is more to read already does not matter */

    ready = rev->ready;
    rev->ready = 0;

    rc = ngx_handle_read_event(rev, 0);

    rev->ready = ready;

    return (rc == NGX_OK) ? NGX_DONE : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static void
ngx_http_counters_serve_cleanup(void *data)
{
    ngx_http_counters_ctx_t *ctx = data;

    ngx_uint_t  i;

    for (i = 0; i < ctx->nitems; i++) {
        ngx_counters_refresh_leave(ctx->worker, &ctx->items[i].waiter);
    }

    if (ctx->deadline.timer_set) {
        ngx_del_timer(&ctx->deadline);
    }
}


/*
 * "wait" is how long a request is held for quota; what is under way is
 * waited for as long as it may take.
 */

static void
ngx_http_counters_serve_deadline_handler(ngx_event_t *ev)
{
    ngx_uint_t                 i, flying, spent;
    ngx_msec_t                 waited, last;
    ngx_http_counters_ctx_t   *ctx;
    ngx_counters_waiter_t     *waiter;
    ngx_http_counters_item_t  *item;

    ctx = ev->data;
    flying = 0;
    spent = 0;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "counters request deadline");

    for (i = 0; i < ctx->nitems; i++) {
        waiter = &ctx->items[i].waiter;

        if (waiter->waiting) {
            (void) ngx_counters_refresh_peek(ctx->worker, waiter);
            flying |= waiter->view.flying;
            spent |= waiter->view.dry
                     || waiter->view.hold != NGX_COUNTERS_OPEN;
        }
    }

    waited = ngx_current_msec - ctx->parked;
    last = ctx->portal->wait + ctx->portal->fetch.timeout
           + NGX_HTTP_COUNTERS_SLACK;

    if (flying && waited < last) {
        ngx_add_timer(ev, ngx_min(last - waited, NGX_COUNTERS_POLL));
        return;
    }

    /* Redis is asked, or company is waited for, or a turn */

    if (!spent && waited < NGX_HTTP_COUNTERS_SLACK) {
        ngx_add_timer(ev, NGX_COUNTERS_POLL);
        return;
    }

    for (i = 0; i < ctx->nitems; i++) {
        item = &ctx->items[i];

        if (item->waiter.waiting) {
            ngx_counters_refresh_leave(ctx->worker, &item->waiter);
            (void) ngx_counters_refresh_look(ctx->worker, &item->waiter);

            item->late = 1;
            (void) ngx_http_counters_serve_conclude(ctx, item);
        }
    }

    ctx->pending = 0;

    ngx_http_counters_serve_finish(ctx);
}


/* never called before the wait for it has begun */

static void
ngx_http_counters_serve_item_done(ngx_counters_waiter_t *waiter)
{
    ngx_http_counters_item_t *item = (ngx_http_counters_item_t *) waiter;

    ngx_http_counters_ctx_t  *ctx;

    ctx = item->ctx;

    if (ngx_http_counters_serve_conclude(ctx, item) == NGX_AGAIN) {
        return;
    }

    if (--ctx->pending == 0) {
        ngx_http_counters_serve_finish(ctx);
    }
}


/* what the wait has come to; NGX_AGAIN: it goes on */

static ngx_int_t
ngx_http_counters_serve_conclude(ngx_http_counters_ctx_t *ctx,
    ngx_http_counters_item_t *item)
{
    ngx_int_t             rc;
    ngx_counters_view_t  *view;

    view = &item->waiter.view;

    if (view->kind == NGX_COUNTERS_DATA && view->fetched > item->waiter.seen
        && view->origin == NGX_COUNTERS_FROM_REDIS && !item->late)
    {
        /* as if it had been in memory from the start */

        rc = ngx_http_counters_serve_decide(ctx, item);
        item->source = NGX_HTTP_COUNTERS_REDIS;

        return rc;
    }

    item->source = NGX_HTTP_COUNTERS_MEMORY;

    if (view->kind == NGX_COUNTERS_EMPTY) {
        item->cache_status = NGX_HTTP_COUNTERS_ERROR;
        return NGX_OK;
    }

    if (view->fetched <= item->waiter.seen) {

        /* the wait was in vain, but there is something */

        item->cache_status = ngx_http_counters_serve_kept(view);
        return NGX_OK;
    }

    item->source = NGX_HTTP_COUNTERS_PORTAL;

    if (view->kind == NGX_COUNTERS_FAILURE) {
        item->cache_status = NGX_HTTP_COUNTERS_ERROR;

    } else if (ctx->bypass) {
        item->cache_status = NGX_HTTP_COUNTERS_BYPASS;

    } else {
        item->cache_status = item->waiter.leader ? NGX_HTTP_COUNTERS_MISS
                                          : NGX_HTTP_COUNTERS_COALESCED;
    }

    return NGX_OK;
}


/* answered with what there is, whatever was wanted */

static ngx_http_counters_cache_status_e
ngx_http_counters_serve_kept(ngx_counters_view_t *view)
{
    if (view->kind == NGX_COUNTERS_NEGATIVE) {
        return NGX_HTTP_COUNTERS_NEGATIVE;
    }

    return (view->fresh == NGX_COUNTERS_FRESH) ? NGX_HTTP_COUNTERS_HIT
                                               : NGX_HTTP_COUNTERS_STALE;
}


/* a parked request has all it waited for */

static void
ngx_http_counters_serve_finish(ngx_http_counters_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_msec_t           waited;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    /* "wait" is for quota, and it was short meanwhile */

    waited = ngx_current_msec - ctx->parked;

    if (ngx_counters_zone_starved(ctx->portal->zone) + waited
        >= ngx_counters_worker_now())
    {
        ngx_counters_worker_count(ctx->worker, NGX_COUNTERS_STAT_QUOTA_WAITS,
                                  1);
    }

    if (ctx->deadline.timer_set) {
        ngx_del_timer(&ctx->deadline);
    }

    rc = ngx_http_counters_serve_answer(r, ctx);

    if (rc == NGX_DECLINED) {
        (void) ngx_http_counters_request_pass(ctx);

        r->read_event_handler = ngx_http_block_reading;
        r->write_event_handler = ngx_http_core_run_phases;

        ngx_http_core_run_phases(r);

    } else {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


/* NGX_DECLINED: none that the client's page could read */

static ngx_int_t
ngx_http_counters_serve_answer(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx)
{
    ngx_http_counters_item_t  *item;

    item = ctx->items;

    if (ctx->commands) {
        item = ngx_http_counters_client_batch_answer(r, ctx);
        if (item == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (!ngx_http_counters_serve_fits(ctx, item)) {
        return NGX_DECLINED;
    }

    ctx->cache_status = item->cache_status;
    ctx->source = (item->waiter.view.kind == NGX_COUNTERS_EMPTY)
                  ? NGX_HTTP_COUNTERS_NOWHERE : item->source;

    ngx_counters_worker_count(ctx->worker,
                              NGX_COUNTERS_STAT_HIT + ctx->cache_status
                              - NGX_HTTP_COUNTERS_HIT, 1);

    if (ctx->source != NGX_HTTP_COUNTERS_NOWHERE) {
        ngx_counters_worker_count(ctx->worker,
                                  NGX_COUNTERS_STAT_FROM_MEMORY + ctx->source
                                  - NGX_HTTP_COUNTERS_MEMORY, 1);
    }

    if (item->waiter.view.kind == NGX_COUNTERS_EMPTY) {
        return ngx_http_counters_serve_refuse(r, ctx, item);
    }

    return ngx_http_counters_response(r, ctx, &item->waiter.view,
                                      item->waiter.stored);
}


/* nothing to answer with: the reason is all that the client gets */

static ngx_int_t
ngx_http_counters_serve_refuse(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_http_counters_item_t *item)
{
    time_t                retry;
    uint64_t              now;
    ngx_counters_view_t  *view;

    view = &item->waiter.view;
    now = ngx_counters_worker_now();

    retry = (view->hold_until > now) ? (view->hold_until - now + 999) / 1000
                                     : 1;

    switch (view->hold) {

    case NGX_COUNTERS_BACKOFF:
        return ngx_http_counters_response_error(r, ctx, NGX_HTTP_BAD_GATEWAY,
                                  "PORTAL_UNAVAILABLE",
                                  "The portal does not answer now", retry);

    case NGX_COUNTERS_OVERLOADED:
        return ngx_http_counters_response_error(r, ctx,
                                  NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "OVERLOAD_LIMIT",
                                  "REST API is blocked due to overload",
                                  retry);

    case NGX_COUNTERS_OPERATED:
        return ngx_http_counters_response_error(r, ctx,
                                  NGX_HTTP_TOO_MANY_REQUESTS,
                                  "OPERATION_TIME_LIMIT",
                                  "Method is blocked due to operation time "
                                  "limit", retry);
    default:
        break;
    }

    if (view->flying) {
        return ngx_http_counters_response_error(r, ctx,
                                  NGX_HTTP_GATEWAY_TIME_OUT,
                                  "PORTAL_TIMEOUT",
                                  "The portal did not answer in time", 1);
    }

    ngx_counters_worker_count(ctx->worker, NGX_COUNTERS_STAT_QUOTA_REFUSED, 1);

    return ngx_http_counters_response_error(r, ctx,
                                  NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "QUERY_LIMIT_EXCEEDED",
                                  "Too many requests", retry);
}
