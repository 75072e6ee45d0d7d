
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_fetch.h"
#include "ngx_counters_fetch_event.h"
#include "ngx_counters_redirect.h"


#define NGX_COUNTERS_FETCH_HOPS         2

/* per worker: connections to one portal, idle ones kept in all */

#define NGX_COUNTERS_FETCH_HOST_CONNS   8L
#define NGX_COUNTERS_FETCH_IDLE_CONNS   64L

/* bytes: headers handed on, the first buffer of a body */

#define NGX_COUNTERS_FETCH_HEADERS      4096
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
static ngx_int_t ngx_counters_fetch_setup(ngx_counters_fetch_t *fetch);
static ngx_int_t ngx_counters_fetch_setup_tls(ngx_counters_fetch_t *fetch);
static ngx_int_t ngx_counters_fetch_start(ngx_counters_fetch_t *fetch,
    ngx_str_t *base);
static size_t ngx_counters_fetch_write(char *p, size_t size, size_t n,
    void *data);
static void ngx_counters_fetch_deadline_handler(ngx_event_t *ev);
static void ngx_counters_fetch_lost(CURL *easy);
static void ngx_counters_fetch_done(CURL *easy, CURLcode code);
static ngx_counters_fetch_rc_e ngx_counters_fetch_code(CURLcode code);
static const char *ngx_counters_fetch_redirect(ngx_counters_fetch_t *fetch);
static void ngx_counters_fetch_finish(ngx_counters_fetch_t *fetch,
    ngx_counters_fetch_rc_e rc, const char *error);
static time_t ngx_counters_fetch_retry_after(CURL *easy);
static u_char *ngx_counters_fetch_headers(CURL *easy, u_char *p, u_char *last);
static ngx_uint_t ngx_counters_fetch_header_wanted(const char *name);
static u_char *ngx_counters_fetch_header(struct curl_header *h, u_char *p,
    u_char *last);
static void ngx_counters_fetch_stop(ngx_counters_fetch_t *fetch);
static void ngx_counters_fetch_wipe(ngx_str_t *s);
static void ngx_counters_fetch_free(ngx_counters_fetch_t *fetch);


static const struct {
    CURLoption   option;
    long         value;
} ngx_counters_fetch_options[] = {
    { CURLOPT_POST, 1 },
    { CURLOPT_FOLLOWLOCATION, 0 },
    { CURLOPT_PATH_AS_IS, 1 },
    { CURLOPT_NETRC, CURL_NETRC_IGNORED },

    /* a resolver thread must neither use signals nor be waited for */
    { CURLOPT_NOSIGNAL, 1 },
    { CURLOPT_QUICK_EXIT, 1 },

    { CURLOPT_TCP_NODELAY, 1 },
    { CURLOPT_TCP_KEEPALIVE, 1 }
};


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
    fetcher->loop.lost = ngx_counters_fetch_lost;

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

    if (ngx_counters_fetch_setup(fetch) != NGX_OK
        || ngx_counters_fetch_setup_tls(fetch) != NGX_OK
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
    fetch->timer.handler = ngx_counters_fetch_deadline_handler;
    fetch->timer.log = fetcher->log;
    fetch->timer.cancelable = 1;

    ngx_queue_insert_tail(&fetcher->fetches, &fetch->queue);
    fetcher->active++;

    return fetch;
}


static ngx_int_t
ngx_counters_fetch_setup(ngx_counters_fetch_t *fetch)
{
    CURL        *easy;
    ngx_uint_t   i;

    easy = curl_easy_init();
    if (easy == NULL) {
        return NGX_ERROR;
    }

    fetch->easy = easy;

    for (i = 0;
         i < sizeof(ngx_counters_fetch_options)
             / sizeof(ngx_counters_fetch_options[0]);
         i++)
    {
        if (curl_easy_setopt(easy, ngx_counters_fetch_options[i].option,
                             ngx_counters_fetch_options[i].value)
            != CURLE_OK)
        {
            return NGX_ERROR;
        }
    }

    /* the environment must not choose a proxy */

    if (curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")
           != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_USERAGENT, "nginx-counters")
           != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fetch->fetcher->headers)
           != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                            fetch->request.data + fetch->path)
           != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                            (curl_off_t) (fetch->request.len - fetch->path))
           != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION,
                            ngx_counters_fetch_write)
           != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                            (curl_off_t) fetch->conf->max_body)
           != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            (long) fetch->conf->connect_timeout)
           != CURLE_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * Certificates come from one file: curl keeps it parsed between connections
 * then, but would read a directory and the file each time.  The directory
 * would also add the system's authorities to "ca".
 */

static ngx_int_t
ngx_counters_fetch_setup_tls(ngx_counters_fetch_t *fetch)
{
    CURL                       *easy;
    char                       *file;
    ngx_counters_fetch_conf_t  *conf;

    easy = fetch->easy;
    conf = fetch->conf;

    if (curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, conf->verify ? 1L : 0L)
        != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST,
                            conf->verify ? 2L : 0L)
           != CURLE_OK)
    {
        return NGX_ERROR;
    }

    if (conf->ca.len
        && curl_easy_setopt(easy, CURLOPT_CAINFO, conf->ca.data) != CURLE_OK)
    {
        return NGX_ERROR;
    }

    file = (char *) conf->ca.data;

    if (conf->ca.len == 0
        && curl_easy_getinfo(easy, CURLINFO_CAINFO, &file) != CURLE_OK)
    {
        return NGX_ERROR;
    }

    if (file != NULL
        && curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* begins the call anew at "base" */

static ngx_int_t
ngx_counters_fetch_start(ngx_counters_fetch_t *fetch, ngx_str_t *base)
{
    long        version, wait;
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

    /*
     * Over TLS the handshake tells whether calls can share a connection, and
     * it pays to wait for that.  Without it only the first answer would.
     */

    if (ngx_strncasecmp(url.data, (u_char *) "https:", 6) == 0) {
        version = CURL_HTTP_VERSION_2TLS;
        wait = 1;

    } else {
        version = CURL_HTTP_VERSION_1_1;
        wait = 0;
    }

    if (curl_easy_setopt(fetch->easy, CURLOPT_URL, fetch->url.data) != CURLE_OK
        || curl_easy_setopt(fetch->easy, CURLOPT_HTTP_VERSION, version)
           != CURLE_OK
        || curl_easy_setopt(fetch->easy, CURLOPT_PIPEWAIT, wait) != CURLE_OK)
    {
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


static void
ngx_counters_fetch_deadline_handler(ngx_event_t *ev)
{
    ngx_counters_fetch_t  *fetch;

    fetch = ngx_queue_data(ev, ngx_counters_fetch_t, timer);

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters fetch deadline handler: %p timedout:%d",
                   fetch, ev->timedout);

    if (!ev->timedout) {
        ngx_counters_fetch_finish(fetch, NGX_COUNTERS_FETCH_CONNECT,
                                  "no worker connection could be had");
        return;
    }

    ngx_counters_fetch_finish(fetch, NGX_COUNTERS_FETCH_TIMEOUT,
                              curl_easy_strerror(CURLE_OPERATION_TIMEDOUT));
}


/* called inside curl: the deadline comes at once, as a posted event */

static void
ngx_counters_fetch_lost(CURL *easy)
{
    void                  *data;
    ngx_counters_fetch_t  *fetch;

    if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &data) != CURLE_OK
        || data == NULL)
    {
        return;
    }

    fetch = data;

    ngx_post_event(&fetch->timer, &ngx_posted_next_events);
}


static void
ngx_counters_fetch_done(CURL *easy, CURLcode code)
{
    long                   status;
    void                  *data;
    const char            *error;
    ngx_counters_fetch_t  *fetch;

    status = 0;
    data = NULL;

    (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &data);
    (void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);

    fetch = data;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, fetch->fetcher->log, 0,
                   "counters fetch done: %p code:%d status:%l",
                   fetch, code, status);

    if (code != CURLE_OK) {
        error = fetch->error ? fetch->error : curl_easy_strerror(code);
        ngx_counters_fetch_finish(fetch, ngx_counters_fetch_code(code), error);
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


static ngx_counters_fetch_rc_e
ngx_counters_fetch_code(CURLcode code)
{
    switch (code) {

    case CURLE_OPERATION_TIMEDOUT:
        return NGX_COUNTERS_FETCH_TIMEOUT;

    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:     /* HTTP/0.9 */
    case CURLE_BAD_FUNCTION_ARGUMENT:    /* a header without a colon */
    case CURLE_PARTIAL_FILE:
    case CURLE_WRITE_ERROR:
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
#if (LIBCURL_VERSION_NUM >= 0x080600)
    case CURLE_TOO_LARGE:
#endif
        return NGX_COUNTERS_FETCH_MALFORMED;

    default:
        return NGX_COUNTERS_FETCH_CONNECT;
    }
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
        return "redirect without an address";
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
    long                          status;
    u_char                        headers[NGX_COUNTERS_FETCH_HEADERS];
    u_char                       *last;
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

        status = 0;
        (void) curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);

        last = ngx_counters_fetch_headers(fetch->easy, headers,
                                          headers + sizeof(headers));

        result.status = status;
        result.retry_after = ngx_counters_fetch_retry_after(fetch->easy);
        result.headers.data = headers;
        result.headers.len = last - headers;
        result.body = fetch->response;
    }

    ngx_counters_fetch_stop(fetch);

    fetch->handler(fetch->data, &result);

    ngx_counters_fetch_free(fetch);
}


/* RFC 9110, section 10.2.3: seconds or a date */

static time_t
ngx_counters_fetch_retry_after(CURL *easy)
{
    size_t               len;
    time_t               value;
    u_char              *p;
    struct curl_header  *h;

    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &h)
        != CURLHE_OK)
    {
        return -1;
    }

    p = (u_char *) h->value;
    len = ngx_strlen(h->value);

    value = ngx_atotm(p, len);

    if (value != NGX_ERROR) {
        return value;
    }

    value = ngx_parse_http_time(p, len);

    if (value == NGX_ERROR) {
        return -1;
    }

    return ngx_max(value - ngx_time(), 0);
}


static u_char *
ngx_counters_fetch_headers(CURL *easy, u_char *p, u_char *last)
{
    struct curl_header  *h;

    if (curl_easy_header(easy, "Content-Type", 0, CURLH_HEADER, -1, &h)
        == CURLHE_OK)
    {
        p = ngx_counters_fetch_header(h, p, last);
    }

    h = NULL;

    for ( ;; ) {
        h = curl_easy_nextheader(easy, CURLH_HEADER, -1, h);

        if (h == NULL) {
            break;
        }

        if (ngx_counters_fetch_header_wanted(h->name)) {
            p = ngx_counters_fetch_header(h, p, last);
        }
    }

    return p;
}


static ngx_uint_t
ngx_counters_fetch_header_wanted(const char *name)
{
    return ngx_strcasecmp((u_char *) name,
                          (u_char *) "X-Content-Type-Options")
           == 0
           || ngx_strncasecmp((u_char *) name, (u_char *) "Access-Control-",
                              sizeof("Access-Control-") - 1)
              == 0;
}


/*
 * The letters' case depends on the protocol and is made uniform.  A header
 * with an odd name or value, or without room, is left out.
 */

static u_char *
ngx_counters_fetch_header(struct curl_header *h, u_char *p, u_char *last)
{
    u_char   ch, prev, *s;
    size_t   len;

    len = ngx_strlen(h->name) + ngx_strlen(h->value);

    if (len + sizeof(": " CRLF) - 1 > (size_t) (last - p)) {
        return p;
    }

    for (s = (u_char *) h->name; *s; s++) {
        ch = *s | 0x20;

        if ((ch < 'a' || ch > 'z') && *s != '-') {
            return p;
        }
    }

    for (s = (u_char *) h->value; *s; s++) {
        if (*s < 0x20 || *s == 0x7f) {
            return p;
        }
    }

    prev = '-';

    for (s = (u_char *) h->name; *s; s++) {
        *p++ = (prev == '-') ? ngx_toupper(*s) : ngx_tolower(*s);
        prev = *s;
    }

    return ngx_sprintf(p, ": %s" CRLF, h->value);
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
