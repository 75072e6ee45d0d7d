
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_counters_batch.h"
#include "ngx_counters_task.h"
#include "ngx_counters_tasks.h"
#include "ngx_counters_flight.h"
#include "ngx_counters_peers.h"
#include "ngx_counters_inquiry.h"
#include "ngx_counters_refresh.h"
#include "ngx_counters_redis_store.h"


typedef struct {
    ngx_http_counters_worker_t   *worker;
    ngx_counters_tasks_flight_t   tasks;
    ngx_counters_users_t          users;
} ngx_http_counters_inquiry_t;


static ngx_int_t ngx_http_counters_inquire(ngx_http_counters_worker_t *w,
    ngx_http_counters_inquiry_t *in);
static ngx_int_t ngx_http_counters_inquiry_post(ngx_http_counters_worker_t *w,
    ngx_http_counters_inquiry_t *in, u_char *p);
static void ngx_http_counters_inquiry_handler(void *data,
    const ngx_counters_fetch_result_t *result);
static void ngx_http_counters_inquiry_answer(ngx_http_counters_inquiry_t *in,
    const ngx_counters_fetch_result_t *result);
static void ngx_http_counters_inquiry_limit(ngx_http_counters_inquiry_t *in,
    ngx_counters_hold_e hold, time_t retry_after);
static ngx_int_t ngx_http_counters_inquiry_parts(
    ngx_http_counters_inquiry_t *in, ngx_counters_reply_t *reply,
    ngx_counters_str_t *body);
static void ngx_http_counters_inquiry_task(ngx_http_counters_inquiry_t *in,
    ngx_uint_t n, ngx_counters_verdict_e verdict,
    const ngx_counters_str_t *result);
static void ngx_http_counters_inquiry_failed(ngx_http_counters_inquiry_t *in,
    ngx_uint_t portal);
static void ngx_http_counters_inquiry_mark(ngx_http_counters_inquiry_t *in);


void
ngx_http_counters_participants_pump(ngx_http_counters_worker_t *w)
{
    ngx_int_t                     rc;
    ngx_msec_t                    delay;
    ngx_counters_zone_t          *zone;
    ngx_http_counters_inquiry_t  *in;

    zone = w->portal->zone;

    while (!w->closing && ngx_counters_tasks_waiting(zone)) {

        in = ngx_alloc(sizeof(ngx_http_counters_inquiry_t), ngx_cycle->log);
        if (in == NULL) {
            return;
        }

        in->worker = w;

        rc = ngx_counters_tasks_take(zone, ngx_http_counters_me(),
                                     ngx_http_counters_now(), &in->tasks,
                                     &in->users, &delay);
        if (rc != NGX_OK) {
            ngx_free(in);

            if (rc == NGX_AGAIN && !w->tasks.timer_set) {
                ngx_add_timer(&w->tasks, delay);
            }

            return;
        }

        ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                       "counters events: %ui tasks, %ui users, all: %ui",
                       in->tasks.n, in->users.n, in->users.wide);

        ngx_http_counters_inquiry_mark(in);

        if (in->tasks.n) {

            if (ngx_http_counters_inquire(w, in) == NGX_OK) {
                ngx_http_counters_nodes_spent(w, 1);
                return;
            }

            ngx_http_counters_inquiry_failed(in, 1);
        }

        ngx_free(in);
    }
}


static ngx_int_t
ngx_http_counters_inquire(ngx_http_counters_worker_t *w,
    ngx_http_counters_inquiry_t *in)
{
    size_t      size;
    u_char     *p;
    ngx_int_t   rc;

    /* path, then body */

    size = sizeof("/rest///tasks.task.get") + NGX_INT64_LEN
           + w->portal->webhook.secret.len
           + in->tasks.n * NGX_COUNTERS_TASK_PARAMS_LEN;

    p = ngx_alloc(size, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_counters_inquiry_post(w, in, p);

    ngx_explicit_memzero(p, size);
    ngx_free(p);

    return rc;
}


static ngx_int_t
ngx_http_counters_inquiry_post(ngx_http_counters_worker_t *w,
    ngx_http_counters_inquiry_t *in, u_char *p)
{
    ngx_str_t             path, body;
    ngx_counters_cred_t  *webhook;

    webhook = &w->portal->webhook;

    path.data = p;
    p = ngx_sprintf(p, "/rest/%uL/", webhook->user);
    p = ngx_cpymem(p, webhook->secret.data, webhook->secret.len);

    if (in->tasks.n == 1) {
        p = ngx_cpymem(p, "/tasks.task.get", sizeof("/tasks.task.get") - 1);
        path.len = p - path.data;

        body.data = p;
        p = ngx_counters_task_params(p, in->tasks.ids[0]);

    } else {
        p = ngx_cpymem(p, "/batch", sizeof("/batch") - 1);
        path.len = p - path.data;

        body.data = p;
        p = ngx_counters_task_pack(p, in->tasks.ids, in->tasks.n);

        ngx_http_counters_count(w, NGX_COUNTERS_STAT_BATCHES, 1);
    }

    body.len = p - body.data;

    if (ngx_counters_fetch_post(ngx_http_counters_fetcher(),
                                &w->portal->fetch, &path, &body,
                                ngx_http_counters_inquiry_handler, in)
        == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_counters_inquiry_handler(void *data,
    const ngx_counters_fetch_result_t *result)
{
    ngx_http_counters_inquiry_t *in = data;

    uint64_t                     now;
    ngx_uint_t                   i;
    ngx_http_counters_worker_t  *w;

    w = in->worker;
    now = ngx_http_counters_now();

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "counters participants: %d, status %ui, %ui tasks",
                   result->rc, result->status, in->tasks.n);

    if (result->rc == NGX_COUNTERS_FETCH_CLOSED) {
        ngx_counters_tasks_back(w->portal->zone, ngx_http_counters_me(), now);
        ngx_free(in);
        return;
    }

    ngx_http_counters_count(w, NGX_COUNTERS_STAT_PORTAL_REQUESTS,
                            ngx_max(result->requests, 1));

    /* a redirect that was followed cost a request more */

    for (i = 1; i < result->requests; i++) {
        ngx_counters_zone_passed(w->portal->zone, now);
        ngx_http_counters_nodes_spent(w, 1);
    }

    in->users.n = 0;
    in->users.wide = 0;

    if (result->rc == NGX_COUNTERS_FETCH_OK) {
        ngx_http_counters_inquiry_answer(in, result);

    } else {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "counters_portal \"%V\": no answer from the portal "
                      "about tasks: %s", &w->portal->name, result->error);

        ngx_http_counters_inquiry_failed(in, 1);
    }

    ngx_free(in);

    ngx_http_counters_participants_pump(w);
}


static void
ngx_http_counters_inquiry_answer(ngx_http_counters_inquiry_t *in,
    const ngx_counters_fetch_result_t *result)
{
    ngx_uint_t                   failed;
    ngx_counters_str_t           body;
    ngx_counters_reply_t         reply;
    ngx_http_counters_worker_t  *w;

    w = in->worker;
    failed = 1;

    body.len = result->body.len;
    body.data = result->body.data;

    ngx_counters_reply_judge(&reply, result->status, &body);

    switch (reply.verdict) {

    case NGX_COUNTERS_REPLY_LIMIT:
        ngx_http_counters_inquiry_limit(in, NGX_COUNTERS_LIMITED,
                                        result->retry_after);
        return;

    case NGX_COUNTERS_REPLY_OVERLOAD:
        ngx_http_counters_inquiry_limit(in, NGX_COUNTERS_OVERLOADED,
                                        result->retry_after);
        return;

    case NGX_COUNTERS_REPLY_FAILED:
    case NGX_COUNTERS_REPLY_MALFORMED:
        break;

    default:
        failed = 0;

        if (ngx_counters_zone_portal_good(w->portal->zone,
                                          ngx_http_counters_now()))
        {
            ngx_http_counters_refresh_alarm(w);
        }

        if (ngx_http_counters_inquiry_parts(in, &reply, &body) == NGX_OK) {
            ngx_http_counters_inquiry_mark(in);
            return;
        }
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "counters_portal \"%V\": the portal tells nothing about "
                  "tasks, status %ui", &w->portal->name, result->status);

    ngx_http_counters_inquiry_failed(in, failed);
}


/* what waits is asked for again when it may be, or marks all entries */

static void
ngx_http_counters_inquiry_limit(ngx_http_counters_inquiry_t *in,
    ngx_counters_hold_e hold, time_t retry_after)
{
    uint64_t                     now, until;
    ngx_http_counters_worker_t  *w;

    w = in->worker;
    now = ngx_http_counters_now();
    until = (retry_after > 0) ? now + (uint64_t) retry_after * 1000 : 0;

    ngx_http_counters_count(w, (hold == NGX_COUNTERS_LIMITED)
                               ? NGX_COUNTERS_STAT_LIMITS
                               : NGX_COUNTERS_STAT_OVERLOADS, 1);

    ngx_counters_tasks_back(w->portal->zone, ngx_http_counters_me(), now);

    if (ngx_counters_zone_portal_hold(w->portal->zone, hold, now, until)) {

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the portal answered %s",
                      &w->portal->name,
                      hold == NGX_COUNTERS_LIMITED ? "QUERY_LIMIT_EXCEEDED"
                                                   : "OVERLOAD_LIMIT");

        ngx_http_counters_refresh_alarm(w);
    }
}


/* NGX_DECLINED: not one of the tasks has an answer */

static ngx_int_t
ngx_http_counters_inquiry_parts(ngx_http_counters_inquiry_t *in,
    ngx_counters_reply_t *reply, ngx_counters_str_t *body)
{
    ngx_uint_t           i;
    ngx_counters_part_t  parts[NGX_COUNTERS_BATCH_MAX];

    if (in->tasks.n == 1) {

        if (reply->verdict != NGX_COUNTERS_REPLY_GOOD
            && reply->verdict != NGX_COUNTERS_REPLY_REFUSED)
        {
            return NGX_DECLINED;
        }

        ngx_http_counters_inquiry_task(in, 0, reply->verdict, &reply->result);
        return NGX_OK;
    }

    if (reply->verdict != NGX_COUNTERS_REPLY_GOOD
        || ngx_counters_batch_split(body, parts, in->tasks.n)
           != NGX_COUNTERS_OK)
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < in->tasks.n; i++) {
        if (parts[i].verdict == NGX_COUNTERS_REPLY_GOOD
            || parts[i].verdict == NGX_COUNTERS_REPLY_REFUSED)
        {
            break;
        }
    }

    if (i == in->tasks.n) {
        return NGX_DECLINED;
    }

    for (i = 0; i < in->tasks.n; i++) {
        ngx_http_counters_inquiry_task(in, i, parts[i].verdict,
                                       &parts[i].result);
    }

    return NGX_OK;
}


/* a task that the webhook's owner may not see is refused, or empty */

static void
ngx_http_counters_inquiry_task(ngx_http_counters_inquiry_t *in, ngx_uint_t n,
    ngx_counters_verdict_e verdict, const ngx_counters_str_t *result)
{
    size_t     nusers;
    uint64_t   users[NGX_COUNTERS_TASK_USERS];
    ngx_int_t  rc;

    nusers = 0;

    switch (verdict) {

    case NGX_COUNTERS_REPLY_GOOD:
        rc = ngx_counters_task_users(result, in->tasks.ids[n], users,
                                     NGX_COUNTERS_TASK_USERS, &nusers);
        break;

    case NGX_COUNTERS_REPLY_REFUSED:
        rc = NGX_DECLINED;
        break;

    default:
        rc = NGX_ERROR;
    }

    ngx_counters_tasks_answer(in->worker->portal->zone,
                              ngx_http_counters_me(), ngx_http_counters_now(),
                              in->tasks.ids[n], rc, users, nusers,
                              &in->users);
}


/* "portal": it is not only about tasks that it has failed */

static void
ngx_http_counters_inquiry_failed(ngx_http_counters_inquiry_t *in,
    ngx_uint_t portal)
{
    uint64_t                     now;
    ngx_http_counters_worker_t  *w;

    w = in->worker;
    now = ngx_http_counters_now();

    ngx_http_counters_count(w, NGX_COUNTERS_STAT_PORTAL_FAILURES, 1);

    ngx_counters_tasks_failed(w->portal->zone, ngx_http_counters_me(), now,
                              &in->users);

    if (portal
        && ngx_counters_zone_portal_hold(w->portal->zone,
                                         NGX_COUNTERS_BACKOFF, now, 0))
    {
        ngx_http_counters_refresh_alarm(w);
    }

    ngx_http_counters_inquiry_mark(in);
}


static void
ngx_http_counters_inquiry_mark(ngx_http_counters_inquiry_t *in)
{
    uint64_t                     now;
    ngx_uint_t                   i, n;
    ngx_counters_zone_t         *zone;
    ngx_http_counters_worker_t  *w;

    w = in->worker;
    zone = w->portal->zone;
    now = ngx_http_counters_now();

    if (in->users.n) {
        n = ngx_counters_tasks_mark(zone, ngx_http_counters_me(), &in->users,
                                    now, ngx_http_counters_has, w);

        ngx_http_counters_count(w, NGX_COUNTERS_STAT_EVENTS_MARKED, n);

        for (i = 0; i < in->users.n; i++) {

            /* sorted: one who takes part in several tasks is named once */

            if (i == 0 || in->users.elts[i] != in->users.elts[i - 1]) {
                ngx_http_counters_store_purge(w, &in->users.elts[i], NULL, 1,
                                              now);
            }
        }

        ngx_http_counters_flight_pump_later(w);
    }

    if (in->users.wide && ngx_counters_zone_fade(zone, now, now)) {
        ngx_http_counters_nodes_faded(w, now);
        ngx_http_counters_count(w, NGX_COUNTERS_STAT_EVENTS_WIDE, 1);
    }
}
