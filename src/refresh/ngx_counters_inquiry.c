
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_counters_batch.h"
#include "ngx_counters_hold.h"
#include "ngx_counters_inquiry.h"
#include "ngx_counters_peers.h"
#include "ngx_counters_post.h"
#include "ngx_counters_redis_store.h"
#include "ngx_counters_task.h"
#include "ngx_counters_tasks.h"


struct ngx_counters_inquiry_s {
    ngx_event_t                   timer;      /* while events wait */
    ngx_counters_worker_t        *worker;
};


typedef struct {
    ngx_counters_post_t           post;       /* stays first */
    ngx_counters_tasks_flight_t   tasks;
    ngx_counters_users_t          users;
} ngx_counters_inquiry_call_t;


static void ngx_counters_inquiry_timer_handler(ngx_event_t *ev);
static ngx_int_t ngx_counters_inquiry_send(ngx_counters_worker_t *w,
    ngx_counters_inquiry_call_t *in);
static u_char *ngx_counters_inquiry_write(ngx_counters_post_t *post,
    u_char *p, uint64_t user);
static void ngx_counters_inquiry_done(ngx_counters_post_t *post,
    const ngx_counters_fetch_result_t *result);
static void ngx_counters_inquiry_answer(ngx_counters_inquiry_call_t *in,
    const ngx_counters_fetch_result_t *result);
static void ngx_counters_inquiry_limit(ngx_counters_inquiry_call_t *in,
    ngx_counters_hold_e hold, time_t retry_after);
static ngx_int_t ngx_counters_inquiry_parts(
    ngx_counters_inquiry_call_t *in, ngx_counters_reply_t *reply,
    ngx_counters_str_t *body);
static void ngx_counters_inquiry_task(ngx_counters_inquiry_call_t *in,
    ngx_uint_t n, ngx_counters_verdict_e verdict,
    const ngx_counters_str_t *result);
static void ngx_counters_inquiry_failed(ngx_counters_inquiry_call_t *in);
static void ngx_counters_inquiry_mark(ngx_counters_inquiry_call_t *in);


ngx_int_t
ngx_counters_inquiry_init(ngx_cycle_t *cycle, ngx_counters_worker_t *w)
{
    w->inquiry = ngx_pcalloc(cycle->pool,
                             sizeof(struct ngx_counters_inquiry_s));
    if (w->inquiry == NULL) {
        return NGX_ERROR;
    }

    w->inquiry->worker = w;

    ngx_counters_worker_event(w, &w->inquiry->timer,
                              ngx_counters_inquiry_timer_handler);

    return NGX_OK;
}


static void
ngx_counters_inquiry_timer_handler(ngx_event_t *ev)
{
    struct ngx_counters_inquiry_s  *inquiry;

    inquiry = ngx_queue_data(ev, struct ngx_counters_inquiry_s, timer);

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0, "counters tasks");

    ngx_counters_inquiry_pump(inquiry->worker);
}


void
ngx_counters_inquiry_event(ngx_counters_worker_t *w, uint64_t task,
    ngx_uint_t deleted)
{
    ngx_counters_zone_t  *zone;

    zone = w->portal->zone;

    ngx_counters_worker_count(w, NGX_COUNTERS_STAT_EVENTS, 1);

    ngx_counters_tasks_event(zone, zone->conf.tasks ? task : 0, deleted,
                             ngx_counters_worker_now());

    if (!w->inquiry->timer.timer_set) {
        ngx_counters_inquiry_pump(w);
    }
}


void
ngx_counters_inquiry_pump(ngx_counters_worker_t *w)
{
    ngx_int_t                     rc;
    ngx_msec_t                    delay;
    ngx_counters_zone_t          *zone;
    ngx_counters_inquiry_call_t  *in;

    zone = w->portal->zone;

    while (!w->closing && ngx_counters_tasks_waiting(zone)) {

        in = ngx_alloc(sizeof(ngx_counters_inquiry_call_t), ngx_cycle->log);
        if (in == NULL) {
            return;
        }

        in->post.worker = w;

        rc = ngx_counters_tasks_take(zone, ngx_counters_worker_me(),
                                     ngx_counters_worker_now(), &in->tasks,
                                     &in->users, &delay);
        if (rc != NGX_OK) {
            ngx_free(in);

            if (rc == NGX_AGAIN && !w->inquiry->timer.timer_set) {
                ngx_add_timer(&w->inquiry->timer, delay);
            }

            return;
        }

        ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                       "counters events: %ui tasks, %ui users, all: %ui",
                       in->tasks.n, in->users.n, in->users.wide);

        ngx_counters_inquiry_mark(in);

        if (in->tasks.n) {

            if (ngx_counters_inquiry_send(w, in) == NGX_OK) {
                return;
            }

            /* the portal is not to blame */

            ngx_counters_inquiry_failed(in);
        }

        ngx_free(in);
    }
}


static ngx_int_t
ngx_counters_inquiry_send(ngx_counters_worker_t *w,
    ngx_counters_inquiry_call_t *in)
{
    static ngx_counters_str_t  method = ngx_counters_string("tasks.task.get");

    in->post.worker = w;
    in->post.write = ngx_counters_inquiry_write;
    in->post.done = ngx_counters_inquiry_done;

    return ngx_counters_post(&in->post, &w->portal->webhook, &method,
                             in->tasks.n,
                             in->tasks.n * NGX_COUNTERS_TASK_PARAMS_LEN);
}


static u_char *
ngx_counters_inquiry_write(ngx_counters_post_t *post, u_char *p,
    uint64_t user)
{
    ngx_counters_inquiry_call_t *in = (ngx_counters_inquiry_call_t *) post;

    return (in->tasks.n == 1)
           ? ngx_counters_task_params(p, in->tasks.ids[0])
           : ngx_counters_task_pack(p, in->tasks.ids, in->tasks.n);
}


static void
ngx_counters_inquiry_done(ngx_counters_post_t *post,
    const ngx_counters_fetch_result_t *result)
{
    ngx_counters_inquiry_call_t  *in = (ngx_counters_inquiry_call_t *) post;

    ngx_counters_worker_t        *w;

    w = post->worker;

    if (result->rc == NGX_COUNTERS_FETCH_CLOSED) {
        ngx_counters_tasks_back(w->portal->zone, ngx_counters_worker_me(),
                                ngx_counters_worker_now());
        ngx_free(in);
        return;
    }

    in->users.n = 0;
    in->users.wide = 0;

    if (result->rc == NGX_COUNTERS_FETCH_OK) {
        ngx_counters_inquiry_answer(in, result);

    } else {
        ngx_counters_hold_failed(w, "a question about tasks", result, 0);
        ngx_counters_inquiry_failed(in);
    }

    ngx_free(in);

    ngx_counters_inquiry_pump(w);
}


static void
ngx_counters_inquiry_answer(ngx_counters_inquiry_call_t *in,
    const ngx_counters_fetch_result_t *result)
{
    ngx_counters_str_t      body;
    ngx_counters_reply_t    reply;
    ngx_counters_worker_t  *w;

    w = in->post.worker;

    body.len = result->body.len;
    body.data = result->body.data;

    ngx_counters_reply_judge(&reply, result->status, &body);

    switch (reply.verdict) {

    case NGX_COUNTERS_REPLY_LIMIT:
        ngx_counters_inquiry_limit(in, NGX_COUNTERS_LIMITED,
                                   result->retry_after);
        return;

    case NGX_COUNTERS_REPLY_OVERLOAD:
        ngx_counters_inquiry_limit(in, NGX_COUNTERS_OVERLOADED,
                                   result->retry_after);
        return;

    case NGX_COUNTERS_REPLY_FAILED:
    case NGX_COUNTERS_REPLY_MALFORMED:
        ngx_counters_hold_failed(w, "a question about tasks", result, 0);
        break;

    default:
        ngx_counters_hold_good(w);

        if (ngx_counters_inquiry_parts(in, &reply, &body) == NGX_OK) {
            ngx_counters_inquiry_mark(in);
            return;
        }

        /* the portal answers, but nothing that tells of a task */

        ngx_counters_hold_failed(w, "a question about tasks", result, 1);
    }

    ngx_counters_inquiry_failed(in);
}


/* what waits is asked for again when it may be, or marks all entries */

static void
ngx_counters_inquiry_limit(ngx_counters_inquiry_call_t *in,
    ngx_counters_hold_e hold, time_t retry_after)
{
    ngx_counters_worker_t  *w;

    w = in->post.worker;

    ngx_counters_tasks_back(w->portal->zone, ngx_counters_worker_me(),
                            ngx_counters_worker_now());

    ngx_counters_hold_limit(w, hold, retry_after, "a question about tasks");
}


/* NGX_DECLINED: not one of the tasks has an answer */

static ngx_int_t
ngx_counters_inquiry_parts(ngx_counters_inquiry_call_t *in,
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

        ngx_counters_inquiry_task(in, 0, reply->verdict, &reply->result);
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
        ngx_counters_inquiry_task(in, i, parts[i].verdict, &parts[i].result);
    }

    return NGX_OK;
}


/* a task that the webhook's owner may not see is refused, or empty */

static void
ngx_counters_inquiry_task(ngx_counters_inquiry_call_t *in, ngx_uint_t n,
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

    ngx_counters_tasks_answer(in->post.worker->portal->zone,
                              ngx_counters_worker_me(),
                              ngx_counters_worker_now(),
                              in->tasks.ids[n], rc, users, nusers,
                              &in->users);
}


static void
ngx_counters_inquiry_failed(ngx_counters_inquiry_call_t *in)
{
    ngx_counters_tasks_failed(in->post.worker->portal->zone,
                              ngx_counters_worker_me(),
                              ngx_counters_worker_now(), &in->users);

    ngx_counters_inquiry_mark(in);
}


static void
ngx_counters_inquiry_mark(ngx_counters_inquiry_call_t *in)
{
    uint64_t                now;
    ngx_uint_t              n;
    ngx_counters_zone_t    *zone;
    ngx_counters_worker_t  *w;

    w = in->post.worker;
    zone = w->portal->zone;
    now = ngx_counters_worker_now();

    if (in->users.n) {
        n = ngx_counters_ahead_mark(zone, ngx_counters_worker_me(), &in->users,
                                    now, ngx_counters_creds_has, w->creds);

        ngx_counters_worker_count(w, NGX_COUNTERS_STAT_EVENTS_MARKED, n);

        ngx_counters_redis_store_stale(w, in->users.elts, in->users.n, now);

        ngx_counters_worker_post_pump(w);
    }

    if (in->users.wide && ngx_counters_fade(zone, now, now)) {
        ngx_counters_peers_faded(w, now);
        ngx_counters_worker_count(w, NGX_COUNTERS_STAT_EVENTS_WIDE, 1);
    }
}
