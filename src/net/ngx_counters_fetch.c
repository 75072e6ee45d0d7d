
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_fetch.h"
#include "ngx_counters_fetch_easy.h"
#include "ngx_counters_fetch_event.h"
#include "ngx_counters_fetch_memory.h"
#include "ngx_counters_fetch_turn.h"
#include "ngx_counters_redirect.h"


#define NGX_COUNTERS_FETCH_HOPS         2

/* idle connections that a worker keeps */
#define NGX_COUNTERS_FETCH_IDLE_CONNS   64L


struct ngx_counters_fetcher_s {
    ngx_counters_fetch_loop_t     loop;
    ngx_log_t                    *log;
    struct curl_slist            *headers;
    ngx_queue_t                   fetches;
    ngx_uint_t                    active;
    ngx_queue_t                   portals;  /* see fetch_turn */
    ngx_event_t                   next;     /* somebody's turn has come */
    ngx_uint_t                    closing;  /* unsigned  closing:1; */
};


struct ngx_counters_fetch_s {
    ngx_queue_t                   queue;
    ngx_counters_fetcher_t       *fetcher;
    ngx_counters_fetch_conf_t    *conf;

    ngx_counters_fetch_turn_t     turn;     /* until it is over */

    ngx_counters_fetch_pt         handler;
    void                         *data;

    CURL                         *easy;     /* NULL when the call is over */
    ngx_event_t                   timer;    /* the deadline */
    ngx_uint_t                    lost;     /* unsigned  lost:1; */
    ngx_msec_t                    start;
    ngx_uint_t                    requests;

    ngx_str_t                     url;      /* base and path, then a NUL */
    size_t                        base;     /* length */
    ngx_str_t                     request;  /* path and body in one block */
    size_t                        path;     /* length */

    ngx_counters_fetch_answer_t   answer;
};


static ngx_counters_fetch_t *ngx_counters_fetch_create(
    ngx_counters_fetcher_t *fetcher, ngx_counters_fetch_conf_t *conf,
    ngx_str_t *path, ngx_str_t *body);
static ngx_int_t ngx_counters_fetch_prepare(ngx_counters_fetch_t *fetch);
static void ngx_counters_fetch_next_handler(ngx_event_t *ev);
static ngx_int_t ngx_counters_fetch_start(ngx_counters_fetch_t *fetch,
    ngx_str_t *base);
static void ngx_counters_fetch_timer_handler(ngx_event_t *ev);
static void ngx_counters_fetch_stuck(CURL *easy, ngx_int_t rc);
static void ngx_counters_fetch_done(CURL *easy, CURLcode code);
static const char *ngx_counters_fetch_redirect(ngx_counters_fetch_t *fetch);
static void ngx_counters_fetch_finish(ngx_counters_fetch_t *fetch,
    ngx_counters_fetch_rc_e rc, const char *error);
static void ngx_counters_fetch_stop(ngx_counters_fetch_t *fetch);
static void ngx_counters_fetch_wipe(ngx_str_t *s);
static void ngx_counters_fetch_free(ngx_counters_fetch_t *fetch);


ngx_counters_fetcher_t *
ngx_counters_fetch_open(ngx_cycle_t *cycle)
{
    CURLM                   *multi;
    struct curl_slist       *headers;
    ngx_counters_fetcher_t  *fetcher;

    fetcher = ngx_calloc(sizeof(ngx_counters_fetcher_t), cycle->log);
    if (fetcher == NULL) {
        return NULL;
    }

    fetcher->log = cycle->log;
    ngx_queue_init(&fetcher->fetches);
    ngx_queue_init(&fetcher->portals);

    fetcher->next.data = &fetcher->loop.dummy;
    fetcher->next.handler = ngx_counters_fetch_next_handler;
    fetcher->next.log = cycle->log;

    if (ngx_counters_fetch_memory_init() != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "counters: curl_global_init_mem() failed");
        ngx_free(fetcher);
        return NULL;
    }

    multi = curl_multi_init();
    if (multi == NULL) {
        goto failed;
    }

    fetcher->loop.multi = multi;
    fetcher->loop.log = cycle->log;
    fetcher->loop.done = ngx_counters_fetch_done;
    fetcher->loop.stuck = ngx_counters_fetch_stuck;

    if (ngx_counters_fetch_event_open(&fetcher->loop) != NGX_OK
        || curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                             (long) NGX_COUNTERS_FETCH_TURN_CONNS)
           != CURLM_OK
        || curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS,
                             NGX_COUNTERS_FETCH_IDLE_CONNS)
           != CURLM_OK)
    {
        goto failed;
    }

    headers = curl_slist_append(NULL, "Content-Type: "
                                      "application/x-www-form-urlencoded");
    if (headers == NULL) {
        goto failed;
    }

    fetcher->headers = headers;

    /* a larger body would wait for "100 Continue" */

    if (curl_slist_append(headers, "Expect:") == NULL) {
        goto failed;
    }

    return fetcher;

failed:

    ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                  "counters: could not initialize curl");

    ngx_counters_fetch_close(fetcher);

    return NULL;
}


void
ngx_counters_fetch_close(ngx_counters_fetcher_t *fetcher)
{
    ngx_queue_t           *q;
    ngx_counters_fetch_t  *fetch;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, fetcher->log, 0,
                   "counters fetcher destroy: active:%ui", fetcher->active);

    fetcher->closing = 1;

    while (!ngx_queue_empty(&fetcher->fetches)) {
        q = ngx_queue_head(&fetcher->fetches);
        fetch = ngx_queue_data(q, ngx_counters_fetch_t, queue);

        ngx_counters_fetch_finish(fetch, NGX_COUNTERS_FETCH_CLOSED,
                                  "worker process is exiting");
    }

    if (fetcher->loop.multi != NULL) {
        ngx_counters_fetch_event_close(&fetcher->loop);
        (void) curl_multi_cleanup(fetcher->loop.multi);
    }

    if (fetcher->next.posted) {
        ngx_delete_posted_event(&fetcher->next);
    }

    curl_slist_free_all(fetcher->headers);
    curl_global_cleanup();

    ngx_counters_fetch_turn_clear(&fetcher->portals);

    ngx_free(fetcher);
}


ngx_uint_t
ngx_counters_fetch_active(ngx_counters_fetcher_t *fetcher)
{
    return fetcher->active;
}


ngx_counters_fetch_t *
ngx_counters_fetch_post(ngx_counters_fetcher_t *fetcher,
    ngx_counters_fetch_conf_t *conf, ngx_str_t *path, ngx_str_t *body,
    ngx_counters_fetch_pt handler, void *data)
{
    ngx_counters_fetch_t  *fetch;

    if (fetcher->closing) {
        ngx_log_error(NGX_LOG_INFO, fetcher->log, 0,
                      "counters: no call while the worker process is exiting");
        return NULL;
    }

    fetch = ngx_counters_fetch_create(fetcher, conf, path, body);
    if (fetch == NULL) {
        return NULL;
    }

    fetch->handler = handler;
    fetch->data = data;

    if (ngx_counters_fetch_prepare(fetch) != NGX_OK
        || (!fetch->turn.waiting
            && ngx_counters_fetch_start(fetch, &conf->url) != NGX_OK))
    {
        ngx_log_error(NGX_LOG_ERR, fetcher->log, 0,
                      "counters: could not start a call to the portal");

        ngx_counters_fetch_stop(fetch);
        ngx_counters_fetch_free(fetch);

        return NULL;
    }

    /* ours, not curl's: it begins here and spans waiting and redirects */

    ngx_add_timer(&fetch->timer, conf->timeout);

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, fetcher->log, 0,
                   "counters fetch post: %p waiting:%ui",
                   fetch, fetch->turn.waiting);

    return fetch;
}


void
ngx_counters_fetch_cancel(ngx_counters_fetch_t *fetch)
{
    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, fetch->fetcher->log, 0,
                   "counters fetch cancel: %p", fetch);

    /* from within its own handler: it is over already */

    if (fetch->easy == NULL) {
        return;
    }

    ngx_counters_fetch_stop(fetch);
    ngx_counters_fetch_free(fetch);
}


static ngx_counters_fetch_t *
ngx_counters_fetch_create(ngx_counters_fetcher_t *fetcher,
    ngx_counters_fetch_conf_t *conf, ngx_str_t *path, ngx_str_t *body)
{
    u_char                       *p;
    ngx_counters_fetch_t         *fetch;
    ngx_counters_fetch_portal_t  *portal;

    portal = ngx_counters_fetch_turn_portal(&fetcher->portals, &conf->url,
                                            fetcher->log);
    if (portal == NULL) {
        return NULL;
    }

    fetch = ngx_calloc(sizeof(ngx_counters_fetch_t), fetcher->log);
    if (fetch == NULL) {
        return NULL;
    }

    /* never empty: curl would read a missing body from stdin */

    p = ngx_alloc(path->len + body->len + 1, fetcher->log);
    if (p == NULL) {
        ngx_free(fetch);
        return NULL;
    }

    fetch->request.data = p;
    fetch->request.len = path->len + body->len;
    fetch->path = path->len;

    p = ngx_cpymem(p, path->data, path->len);
    ngx_memcpy(p, body->data, body->len);

    fetch->fetcher = fetcher;
    fetch->conf = conf;
    fetch->answer.max = conf->max_body;
    fetch->answer.log = fetcher->log;
    fetch->start = ngx_current_msec;

    fetch->timer.data = &fetcher->loop.dummy;
    fetch->timer.handler = ngx_counters_fetch_timer_handler;
    fetch->timer.log = fetcher->log;
    fetch->timer.cancelable = 1;

    ngx_queue_insert_tail(&fetcher->fetches, &fetch->queue);
    fetcher->active++;

    ngx_counters_fetch_turn_take(&fetch->turn, portal);

    return fetch;
}


static ngx_int_t
ngx_counters_fetch_prepare(ngx_counters_fetch_t *fetch)
{
    ngx_str_t                body;
    ngx_counters_fetcher_t  *fetcher;

    fetcher = fetch->fetcher;

    body.data = fetch->request.data + fetch->path;
    body.len = fetch->request.len - fetch->path;

    fetch->easy = ngx_counters_fetch_easy_create(fetch->conf,
                                                 fetcher->headers, &body,
                                                 &fetch->answer, fetch);
    if (fetch->easy == NULL) {
        return NGX_ERROR;
    }

    return ngx_counters_fetch_event_attach(&fetcher->loop, fetch->easy);
}


static void
ngx_counters_fetch_next_handler(ngx_event_t *ev)
{
    ngx_counters_fetch_t       *fetch;
    ngx_counters_fetcher_t     *fetcher;
    ngx_counters_fetch_turn_t  *turn;

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters fetch next handler");

    fetcher = ngx_queue_data(ev, ngx_counters_fetcher_t, next);

    for ( ;; ) {
        turn = ngx_counters_fetch_turn_next(&fetcher->portals);
        if (turn == NULL) {
            return;
        }

        fetch = ngx_queue_data(turn, ngx_counters_fetch_t, turn);

        if (ngx_counters_fetch_start(fetch, &fetch->conf->url) != NGX_OK) {
            ngx_counters_fetch_finish(fetch, NGX_COUNTERS_FETCH_CONNECT,
                                      "call could not be started");
        }
    }
}


/* begins the call anew at "base" */

static ngx_int_t
ngx_counters_fetch_start(ngx_counters_fetch_t *fetch, ngx_str_t *base)
{
    u_char     *p;
    ngx_str_t   url;

    url.len = base->len + fetch->path;
    url.data = ngx_alloc(url.len + 1, fetch->fetcher->log);
    if (url.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(url.data, base->data, base->len);
    p = ngx_cpymem(p, fetch->request.data, fetch->path);
    *p = '\0';

    ngx_counters_fetch_wipe(&fetch->url);

    fetch->url = url;
    fetch->base = base->len;

    if (ngx_counters_fetch_easy_url(fetch->easy, &fetch->url) != NGX_OK) {
        return NGX_ERROR;
    }

    if (curl_multi_add_handle(fetch->fetcher->loop.multi, fetch->easy)
        != CURLM_OK)
    {
        return NGX_ERROR;
    }

    fetch->requests++;

    return NGX_OK;
}


/* the deadline, or what ngx_counters_fetch_stuck() has posted */

static void
ngx_counters_fetch_timer_handler(ngx_event_t *ev)
{
    const char            *error;
    ngx_counters_fetch_t  *fetch;

    fetch = ngx_queue_data(ev, ngx_counters_fetch_t, timer);

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters fetch timer handler: %p timedout:%d lost:%ui",
                   fetch, ev->timedout, fetch->lost);

    if (ev->timedout) {
        error = fetch->turn.waiting ? "no connection became free in time"
                                    : "no complete answer in time";

        ngx_counters_fetch_finish(fetch, NGX_COUNTERS_FETCH_TIMEOUT, error);

    } else if (fetch->lost) {
        ngx_counters_fetch_finish(fetch, NGX_COUNTERS_FETCH_CONNECT,
                                  "no worker connection for a call");

    } else {
        ngx_counters_fetch_event_wake(fetch->easy);
    }
}


static void
ngx_counters_fetch_stuck(CURL *easy, ngx_int_t rc)
{
    ngx_counters_fetch_t  *fetch;

    fetch = ngx_counters_fetch_easy_data(easy);
    if (fetch == NULL) {
        return;
    }

    if (rc == NGX_ERROR) {
        fetch->lost = 1;
    }

    ngx_post_event(&fetch->timer, &ngx_posted_next_events);
}


static void
ngx_counters_fetch_done(CURL *easy, CURLcode code)
{
    ngx_uint_t             status;
    const char            *error;
    ngx_counters_fetch_t  *fetch;

    fetch = ngx_counters_fetch_easy_data(easy);
    if (fetch == NULL) {
        return;
    }

    status = ngx_counters_fetch_easy_status(easy);

    if (code == CURLE_OK) {
        ngx_counters_fetch_turn_shared(&fetch->turn,
                                       ngx_counters_fetch_easy_shared(easy));
    }

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, fetch->fetcher->log, 0,
                   "counters fetch done: %p code:%d status:%ui",
                   fetch, code, status);

    if (code != CURLE_OK) {
        error = fetch->answer.error ? fetch->answer.error
                                    : curl_easy_strerror(code);

        ngx_counters_fetch_finish(fetch, ngx_counters_fetch_easy_code(code),
                                  error);
        return;
    }

    if (status >= 300 && status < 400) {

        error = (status == 301 || status == 302 || status == 307
                 || status == 308)
                ? ngx_counters_fetch_redirect(fetch)
                : "redirect of a kind that is not followed";

        if (error != NULL) {
            ngx_counters_fetch_finish(fetch, NGX_COUNTERS_FETCH_MALFORMED,
                                      error);
        }

        return;
    }

    ngx_counters_fetch_finish(fetch, NGX_COUNTERS_FETCH_OK, "");
}


/* NULL if the call goes on at the new address, otherwise why it does not */

static const char *
ngx_counters_fetch_redirect(ngx_counters_fetch_t *fetch)
{
    ngx_int_t             rc;
    ngx_str_t             address;
    ngx_log_t            *log;
    ngx_counters_str_t    url, location, base;
    struct curl_header   *h;

    log = fetch->fetcher->log;

    if (fetch->requests > NGX_COUNTERS_FETCH_HOPS) {
        return "too many redirects";
    }

    if (curl_easy_header(fetch->easy, "Location", 0, CURLH_HEADER, -1, &h)
        != CURLHE_OK
        || h->amount != 1)
    {
        return "redirect without a clear address";
    }

    location.data = (u_char *) h->value;
    location.len = ngx_strlen(h->value);

    url.data = fetch->conf->url.data;
    url.len = fetch->conf->url.len;

    base.data = ngx_alloc(url.len + NGX_COUNTERS_REDIRECT_LEN, log);
    if (base.data == NULL) {
        return "no memory for a redirect";
    }

    if (ngx_counters_redirect(&url, &location, &base) != NGX_COUNTERS_OK) {
        ngx_free(base.data);
        return "redirect to an address that is not followed";
    }

    if (base.len == fetch->base
        && ngx_strncasecmp(base.data, fetch->url.data, base.len) == 0)
    {
        ngx_free(base.data);
        return "redirect to the same address";
    }

    address.data = base.data;
    address.len = base.len;

    (void) curl_multi_remove_handle(fetch->fetcher->loop.multi, fetch->easy);

    fetch->answer.body.len = 0;

    rc = ngx_counters_fetch_start(fetch, &address);

    ngx_free(base.data);

    if (rc != NGX_OK) {
        return "redirect could not be followed";
    }

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, log, 0,
                   "counters fetch redirect: %p", fetch);

    return NULL;
}


/* the only place where a call's handler is called */

static void
ngx_counters_fetch_finish(ngx_counters_fetch_t *fetch,
    ngx_counters_fetch_rc_e rc, const char *error)
{
    u_char                        headers[NGX_COUNTERS_FETCH_HEADERS];
    ngx_counters_fetch_result_t   result;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, fetch->fetcher->log, 0,
                   "counters fetch finish: %p rc:%d \"%s\"",
                   fetch, rc, error);

    ngx_memzero(&result, sizeof(ngx_counters_fetch_result_t));

    result.rc = rc;
    result.error = error;
    result.requests = fetch->requests;
    result.elapsed = ngx_current_msec - fetch->start;
    result.retry_after = -1;

    if (rc == NGX_COUNTERS_FETCH_OK) {

        ngx_counters_fetch_easy_result(fetch->easy, headers, &result);
        result.body = fetch->answer.body;
    }

    ngx_counters_fetch_stop(fetch);

    fetch->handler(fetch->data, &result);

    ngx_counters_fetch_free(fetch);
}


/* from here on nothing of the call is left with curl */

static void
ngx_counters_fetch_stop(ngx_counters_fetch_t *fetch)
{
    if (fetch->easy != NULL) {
        (void) curl_multi_remove_handle(fetch->fetcher->loop.multi,
                                        fetch->easy);
        curl_easy_cleanup(fetch->easy);
        fetch->easy = NULL;
    }

    if (fetch->timer.timer_set) {
        ngx_del_timer(&fetch->timer);
    }

    if (fetch->timer.posted) {
        ngx_delete_posted_event(&fetch->timer);
    }

    ngx_queue_remove(&fetch->queue);
    fetch->fetcher->active--;

    if (ngx_counters_fetch_turn_leave(&fetch->turn)) {
        ngx_post_event(&fetch->fetcher->next, &ngx_posted_next_events);
    }

    ngx_counters_fetch_wipe(&fetch->url);
    ngx_counters_fetch_wipe(&fetch->request);
}


/* carries credentials */

static void
ngx_counters_fetch_wipe(ngx_str_t *s)
{
    if (s->data == NULL) {
        return;
    }

    ngx_explicit_memzero(s->data, s->len);
    ngx_free(s->data);

    ngx_str_null(s);
}


static void
ngx_counters_fetch_free(ngx_counters_fetch_t *fetch)
{
    if (fetch->answer.body.data != NULL) {
        ngx_free(fetch->answer.body.data);
    }

    ngx_free(fetch);
}
