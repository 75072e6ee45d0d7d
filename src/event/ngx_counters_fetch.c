
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_fetch.h"
#include "ngx_counters_fetch_easy.h"
#include "ngx_counters_fetch_event.h"
#include "ngx_counters_redirect.h"


#define NGX_COUNTERS_FETCH_HOPS         2

/* per worker: connections to one portal, idle ones kept in all */

#define NGX_COUNTERS_FETCH_HOST_CONNS   8L
#define NGX_COUNTERS_FETCH_IDLE_CONNS   64L

/* bytes, to begin with */

#define NGX_COUNTERS_FETCH_BUFFER       4096


struct ngx_counters_fetcher_s {
    ngx_counters_fetch_loop_t     loop;
    ngx_log_t                    *log;
    struct curl_slist            *headers;
    ngx_queue_t                   fetches;
    ngx_uint_t                    active;
    ngx_uint_t                    closing;  /* unsigned  closing:1; */
};


struct ngx_counters_fetch_s {
    ngx_queue_t                   queue;
    ngx_counters_fetcher_t       *fetcher;
    ngx_counters_fetch_conf_t    *conf;

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

    ngx_str_t                     response;
    size_t                        size;     /* allocated to it */

    const char                   *error;    /* of our own making */
};


static ngx_counters_fetch_t *ngx_counters_fetch_create(
    ngx_counters_fetcher_t *fetcher, ngx_counters_fetch_conf_t *conf,
    ngx_str_t *path, ngx_str_t *body);
static ngx_int_t ngx_counters_fetch_start(ngx_counters_fetch_t *fetch,
    ngx_str_t *base);
static size_t ngx_counters_fetch_write(char *p, size_t size, size_t n,
    void *data);
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
ngx_counters_fetcher_create(ngx_cycle_t *cycle)
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

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "counters: curl_global_init() failed");
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

    if (ngx_counters_fetch_loop_open(&fetcher->loop) != NGX_OK
        || curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                             NGX_COUNTERS_FETCH_HOST_CONNS)
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

    ngx_counters_fetcher_destroy(fetcher);

    return NULL;
}


void
ngx_counters_fetcher_destroy(ngx_counters_fetcher_t *fetcher)
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
        ngx_counters_fetch_loop_close(&fetcher->loop);
        (void) curl_multi_cleanup(fetcher->loop.multi);
    }

    curl_slist_free_all(fetcher->headers);
    curl_global_cleanup();

    ngx_free(fetcher);
}


ngx_uint_t
ngx_counters_fetcher_active(ngx_counters_fetcher_t *fetcher)
{
    return fetcher->active;
}


ngx_counters_fetch_t *
ngx_counters_fetch_post(ngx_counters_fetcher_t *fetcher,
    ngx_counters_fetch_conf_t *conf, ngx_str_t *path, ngx_str_t *body,
    ngx_counters_fetch_pt handler, void *data)
{
    ngx_str_t              part;
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

    part.data = fetch->request.data + fetch->path;
    part.len = body->len;

    fetch->easy = ngx_counters_fetch_easy_create(conf, fetcher->headers, &part,
                                                 ngx_counters_fetch_write,
                                                 fetch);

    if (fetch->easy == NULL
        || ngx_counters_fetch_loop_attach(&fetcher->loop, fetch->easy)
           != NGX_OK
        || ngx_counters_fetch_start(fetch, &conf->url) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, fetcher->log, 0,
                      "counters: could not start a call to the portal");

        ngx_counters_fetch_stop(fetch);
        ngx_counters_fetch_free(fetch);

        return NULL;
    }

    /* curl's own does not run while a transfer waits for a connection */

    ngx_add_timer(&fetch->timer, conf->timeout);

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, fetcher->log, 0,
                   "counters fetch post: %p active:%ui",
                   fetch, fetcher->active);

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
    u_char                *p;
    ngx_counters_fetch_t  *fetch;

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
    fetch->start = ngx_current_msec;

    fetch->timer.data = &fetcher->loop.dummy;
    fetch->timer.handler = ngx_counters_fetch_timer_handler;
    fetch->timer.log = fetcher->log;
    fetch->timer.cancelable = 1;

    ngx_queue_insert_tail(&fetcher->fetches, &fetch->queue);
    fetcher->active++;

    return fetch;
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


static size_t
ngx_counters_fetch_write(char *p, size_t size, size_t n, void *data)
{
    ngx_counters_fetch_t *fetch = data;

    size_t      len;
    u_char     *buf;
    ngx_str_t  *response;

    n *= size;
    response = &fetch->response;

    if (n > fetch->conf->max_body - response->len) {
        fetch->error = "answer is larger than max_body";
        return CURL_WRITEFUNC_ERROR;
    }

    if (n > fetch->size - response->len) {

        len = ngx_max(2 * fetch->size, NGX_COUNTERS_FETCH_BUFFER);
        len = ngx_max(len, response->len + n);

        buf = ngx_alloc(len, fetch->fetcher->log);
        if (buf == NULL) {
            fetch->error = "no memory for the answer";
            return CURL_WRITEFUNC_ERROR;
        }

        if (response->len) {
            ngx_memcpy(buf, response->data, response->len);
        }

        if (response->data) {
            ngx_free(response->data);
        }

        response->data = buf;
        fetch->size = len;
    }

    ngx_memcpy(response->data + response->len, p, n);
    response->len += n;

    return n;
}


/* the deadline, or what ngx_counters_fetch_stuck() has posted */

static void
ngx_counters_fetch_timer_handler(ngx_event_t *ev)
{
    ngx_counters_fetch_t  *fetch;

    fetch = ngx_queue_data(ev, ngx_counters_fetch_t, timer);

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters fetch timer handler: %p timedout:%d lost:%ui",
                   fetch, ev->timedout, fetch->lost);

    if (ev->timedout) {
        ngx_counters_fetch_finish(fetch, NGX_COUNTERS_FETCH_TIMEOUT,
                                  curl_easy_strerror(CURLE_OPERATION_TIMEDOUT));

    } else if (fetch->lost) {
        ngx_counters_fetch_finish(fetch, NGX_COUNTERS_FETCH_CONNECT,
                                  "no worker connection for a call");

    } else {
        ngx_counters_fetch_loop_wake(fetch->easy);
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

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, fetch->fetcher->log, 0,
                   "counters fetch done: %p code:%d status:%ui",
                   fetch, code, status);

    if (code != CURLE_OK) {
        error = fetch->error ? fetch->error : curl_easy_strerror(code);
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

    fetch->response.len = 0;

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
        result.body = fetch->response;
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
    if (fetch->response.data != NULL) {
        ngx_free(fetch->response.data);
    }

    ngx_free(fetch);
}
