
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_counters_admin.h"
#include "ngx_http_counters_status.h"
#include "ngx_counters_worker.h"


#define NGX_HTTP_COUNTERS_QUALITY_MAX  1000


typedef u_char *(*ngx_http_counters_status_pt)(ngx_http_counters_status_t *s,
    u_char *p, u_char *last);


typedef struct {
    const char                   *type;
    size_t                        len;        /* at most */
    ngx_http_counters_status_pt   write;
} ngx_http_counters_status_format_t;


typedef struct {
    ngx_str_t                     type;
    ngx_uint_t                    format;
} ngx_http_counters_status_accept_t;


static ngx_uint_t ngx_http_counters_status_negotiate(ngx_http_request_t *r);
static void ngx_http_counters_status_accept(ngx_str_t *accept,
    ngx_uint_t *format, ngx_int_t *best);
static ngx_int_t ngx_http_counters_status_quality(u_char *p, u_char *last);
static ngx_uint_t ngx_http_counters_status_type(u_char *p, size_t len);
static void ngx_http_counters_status_collect(ngx_http_counters_status_t *s);
static void ngx_http_counters_status_quota(ngx_http_counters_status_t *s,
    ngx_counters_zone_state_t *state);
static void ngx_http_counters_status_capacity(ngx_http_counters_status_t *s,
    ngx_counters_zone_state_t *state);
static void ngx_http_counters_status_redis(ngx_http_counters_status_t *s,
    ngx_counters_worker_t *w);
static void ngx_http_counters_status_config(ngx_http_counters_status_t *s);
static void ngx_http_counters_status_health(ngx_http_counters_status_t *s,
    ngx_counters_zone_state_t *state);
static ngx_uint_t ngx_http_counters_status_held(ngx_http_counters_status_t *s,
    ngx_counters_hold_e hold);


/* indexed by NGX_HTTP_COUNTERS_STATUS_* */

static ngx_http_counters_status_format_t
    ngx_http_counters_status_formats[] =
{
    { NULL, 0, NULL },

    { "text/html; charset=utf-8",
      NGX_HTTP_COUNTERS_HTML_LEN, ngx_http_counters_status_html },

    { "application/json; charset=utf-8",
      NGX_HTTP_COUNTERS_JSON_LEN, ngx_http_counters_status_text_json },

    { "text/plain; version=0.0.4; charset=utf-8",
      NGX_HTTP_COUNTERS_PROMETHEUS_LEN,
      ngx_http_counters_status_text_prometheus }
};


static ngx_http_counters_status_accept_t
    ngx_http_counters_status_accepts[] =
{
    { ngx_string("text/html"), NGX_HTTP_COUNTERS_STATUS_HTML },
    { ngx_string("application/json"), NGX_HTTP_COUNTERS_STATUS_JSON },
    { ngx_string("text/plain"), NGX_HTTP_COUNTERS_STATUS_PROMETHEUS },
    { ngx_string("application/openmetrics-text"),
      NGX_HTTP_COUNTERS_STATUS_PROMETHEUS },
    { ngx_null_string, NGX_HTTP_COUNTERS_STATUS_AUTO }
};


ngx_int_t
ngx_http_counters_status_handler(ngx_http_request_t *r)
{
    u_char                             *p;
    ngx_int_t                           rc;
    ngx_str_t                           body;
    ngx_uint_t                          format;
    ngx_http_counters_status_t          s;
    ngx_http_counters_loc_conf_t       *lcf;
    ngx_http_counters_status_format_t  *f;

    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) {
        return ngx_http_counters_admin_not_allowed(r, "GET, HEAD");
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    s.portal = lcf->status;
    format = lcf->status_format;

    if (format == NGX_HTTP_COUNTERS_STATUS_AUTO) {
        format = ngx_http_counters_status_negotiate(r);

        if (ngx_http_counters_admin_header(r, "Vary", "Accept") != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (format == NGX_HTTP_COUNTERS_STATUS_HTML
        && ngx_http_counters_admin_header(r, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'; "
                            "img-src data:; frame-ancestors 'self'")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_counters_status_collect(&s);

    f = &ngx_http_counters_status_formats[format];

    p = ngx_pnalloc(r->pool, f->len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;
    body.len = f->write(&s, p, p + f->len) - p;

    return ngx_http_counters_admin_send(r, NGX_HTTP_OK, f->type, &body);
}


/* Accept; what it does not name is answered with JSON */


static ngx_uint_t
ngx_http_counters_status_negotiate(ngx_http_request_t *r)
{
    ngx_int_t         best;
    ngx_uint_t        i, format;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    best = 0;
    format = NGX_HTTP_COUNTERS_STATUS_JSON;

    /* r->headers_in.accept is not there in every build of nginx */

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == sizeof("Accept") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "Accept",
                                   sizeof("Accept") - 1)
                   == 0)
            {
                ngx_http_counters_status_accept(&h[i].value, &format, &best);
            }
        }
    }

    return format;
}


/* the best quality wins, of equal ones the first */

static void
ngx_http_counters_status_accept(ngx_str_t *accept, ngx_uint_t *format,
    ngx_int_t *best)
{
    u_char      *p, *last, *end, *type;
    ngx_int_t    quality;
    ngx_uint_t   found;

    p = accept->data;
    last = p + accept->len;

    while (p < last) {

        end = ngx_strlchr(p, last, ',');

        if (end == NULL) {
            end = last;
        }

        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }

        type = p;

        while (p < end && *p != ';' && *p != ' ' && *p != '\t') {
            p++;
        }

        found = ngx_http_counters_status_type(type, p - type);
        quality = ngx_http_counters_status_quality(p, end);

        if (found != NGX_HTTP_COUNTERS_STATUS_AUTO && quality > *best) {
            *best = quality;
            *format = found;
        }

        p = end + 1;
    }
}


/* "; version=0.0.4; q=0.5": thousandths, 0 for what makes no sense */

static ngx_int_t
ngx_http_counters_status_quality(u_char *p, u_char *last)
{
    u_char     *end;
    ngx_int_t   q;

    while (p < last) {

        while (p < last && (*p == ';' || *p == ' ' || *p == '\t')) {
            p++;
        }

        end = p;

        while (end < last && *end != ';' && *end != ' ' && *end != '\t') {
            end++;
        }

        if (end - p > 2 && (p[0] == 'q' || p[0] == 'Q') && p[1] == '=') {

            q = ngx_atofp(p + 2, end - p - 2, 3);

            return (q < 0 || q > NGX_HTTP_COUNTERS_QUALITY_MAX) ? 0 : q;
        }

        p = end;
    }

    return NGX_HTTP_COUNTERS_QUALITY_MAX;
}


static ngx_uint_t
ngx_http_counters_status_type(u_char *p, size_t len)
{
    ngx_http_counters_status_accept_t  *a;

    for (a = ngx_http_counters_status_accepts; a->type.len; a++) {

        if (a->type.len == len
            && ngx_strncasecmp(a->type.data, p, len) == 0)
        {
            break;
        }
    }

    return a->format;
}


/* figures */


static void
ngx_http_counters_status_collect(ngx_http_counters_status_t *s)
{
    ngx_uint_t                 i;
    ngx_core_conf_t           *ccf;
    ngx_counters_zone_state_t  state;
    ngx_counters_worker_t     *w;

    s->now = ngx_counters_worker_now();

    ngx_counters_zone_state(s->portal->zone, s->now, &state);

    for (i = 0; i < NGX_COUNTERS_STAT_COUNT; i++) {
        s->stats[i] = state.stats[i];
    }

    ngx_http_counters_figure(s, FAILING) = state.failures;
    ngx_http_counters_figure(s, BACKOFF) =
                                      (state.hold == NGX_COUNTERS_BACKOFF);
    ngx_http_counters_figure(s, LIMITED) =
                                      (state.hold == NGX_COUNTERS_LIMITED);
    ngx_http_counters_figure(s, OVERLOADED) =
                                      (state.hold == NGX_COUNTERS_OVERLOADED);
    ngx_http_counters_figure(s, HOLD_TIME) =
                 (state.hold_until > s->now) ? state.hold_until - s->now : 0;

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        s->figures[NGX_HTTP_COUNTERS_FIGURE_WAITING + i] = state.queued[i];
    }

    ngx_http_counters_figure(s, FLYING) = state.flying;
    ngx_http_counters_figure(s, SIZE) = state.size;
    ngx_http_counters_figure(s, FREE) = state.free;
    ngx_http_counters_figure(s, ENTRIES) = state.entries;
    ngx_http_counters_figure(s, ACTIVE) = state.active;
    ngx_http_counters_figure(s, CREDENTIALS) = state.creds;
    ngx_http_counters_figure(s, SINCE) = state.since;

    w = ngx_counters_worker(s->portal);
    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    ngx_http_counters_figure(s, PID) = ngx_pid;
    ngx_http_counters_figure(s, SLOT) = ngx_worker;
    ngx_http_counters_figure(s, WORKERS) = ccf->worker_processes;

    ngx_http_counters_status_quota(s, &state);
    ngx_http_counters_status_redis(s, w);
    ngx_http_counters_status_config(s);
    ngx_http_counters_status_health(s, &state);
}


static void
ngx_http_counters_status_quota(ngx_http_counters_status_t *s,
    ngx_counters_zone_state_t *state)
{
    uint64_t                limit, level;
    ngx_counters_portal_t  *portal;

    portal = s->portal;

    ngx_http_counters_figure(s, RESERVE) = portal->reserve * 10;
    ngx_http_counters_figure(s, SHARED) = portal->rate_shared;
    ngx_http_counters_figure(s, BATCH) = portal->batch;
    ngx_http_counters_figure(s, OPERATING_CALL) = NGX_HTTP_COUNTERS_NO_FIGURE;

    if (portal->bucket.rate == 0) {
        ngx_http_counters_figure(s, RATE) = NGX_HTTP_COUNTERS_NO_FIGURE;
        ngx_http_counters_figure(s, BURST) = NGX_HTTP_COUNTERS_NO_FIGURE;
        ngx_http_counters_figure(s, LEVEL) = NGX_HTTP_COUNTERS_NO_FIGURE;
        ngx_http_counters_figure(s, TOKENS) = NGX_HTTP_COUNTERS_NO_FIGURE;
        ngx_http_counters_figure(s, REFRESHES) = NGX_HTTP_COUNTERS_NO_FIGURE;
        ngx_http_counters_figure(s, CAPACITY) = NGX_HTTP_COUNTERS_NO_FIGURE;
        ngx_http_counters_figure(s, CAPACITY_MAX) =
                                                 NGX_HTTP_COUNTERS_NO_FIGURE;
        ngx_http_counters_figure(s, OPERATING_BINDS) =
                                                 NGX_HTTP_COUNTERS_NO_FIGURE;
        return;
    }

    level = state->level;
    limit = (uint64_t) portal->bucket.burst * (100 - portal->reserve) / 100;

    ngx_http_counters_figure(s, RATE) = portal->bucket.rate;
    ngx_http_counters_figure(s, BURST) = portal->bucket.burst;
    ngx_http_counters_figure(s, LEVEL) = level;
    ngx_http_counters_figure(s, TOKENS) = portal->bucket.burst
                                    - ngx_min(level, portal->bucket.burst);
    ngx_http_counters_figure(s, REFRESHES) = limit - ngx_min(level, limit);

    ngx_http_counters_status_capacity(s, state);
}


static void
ngx_http_counters_status_capacity(ngx_http_counters_status_t *s,
    ngx_counters_zone_state_t *state)
{
    ngx_counters_capacity_t  capacity;

    ngx_counters_worker_capacity(s->portal, state, &capacity);

    ngx_http_counters_figure(s, CAPACITY) = capacity.entries;
    ngx_http_counters_figure(s, CAPACITY_MAX) =
                                ngx_min(capacity.all, capacity.operating);
    ngx_http_counters_figure(s, OPERATING_BINDS) =
                                (capacity.operating < capacity.quota);

    if (state->operating) {
        ngx_http_counters_figure(s, OPERATING_CALL) =
                                (state->operating + 500) / 1000;
    }
}


static void
ngx_http_counters_status_redis(ngx_http_counters_status_t *s,
    ngx_counters_worker_t *w)
{
    ngx_counters_redis_state_t  state;

    ngx_http_counters_figure(s, CONFIGURED) = (s->portal->redis != NULL);

    if (w == NULL || w->redis == NULL) {
        ngx_http_counters_figure(s, CONNECTED) = NGX_HTTP_COUNTERS_NO_FIGURE;
        ngx_http_counters_figure(s, BREAKER) = NGX_HTTP_COUNTERS_NO_FIGURE;
        ngx_http_counters_figure(s, PENDING) = NGX_HTTP_COUNTERS_NO_FIGURE;
        return;
    }

    ngx_counters_redis_state(w->redis, &state);

    ngx_http_counters_figure(s, CONNECTED) = state.connected;
    ngx_http_counters_figure(s, BREAKER) = state.breaker;
    ngx_http_counters_figure(s, PENDING) = state.pending;
}


static void
ngx_http_counters_status_config(ngx_http_counters_status_t *s)
{
    ngx_uint_t              i;
    ngx_counters_portal_t  *portal;

    portal = s->portal;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        s->figures[NGX_HTTP_COUNTERS_FIGURE_TTL_TASKS + i] =
                                    (portal->methods & (1 << i))
                                    ? portal->ttl[i]
                                    : NGX_HTTP_COUNTERS_NO_FIGURE;
    }

    ngx_http_counters_figure(s, STALE_TIME) = portal->stale;
    ngx_http_counters_figure(s, ERROR_TIME) = portal->stale_error;
    ngx_http_counters_figure(s, NEGATIVE_TIME) = portal->negative;
    ngx_http_counters_figure(s, WAIT_TIME) = portal->wait;
    ngx_http_counters_figure(s, AHEAD_TIME) = portal->ahead;
}


/* what matters most, in plain words */

static void
ngx_http_counters_status_health(ngx_http_counters_status_t *s,
    ngx_counters_zone_state_t *state)
{
    u_char  *p, *last;

    p = s->text;
    last = p + sizeof(s->text);
    s->message.data = p;

    if (ngx_http_counters_status_held(s, state->hold)) {
        return;
    }

    s->health = NGX_HTTP_COUNTERS_HEALTH_WARNING;

    if (state->failures == 1) {
        p = ngx_slprintf(p, last, "Portal has failed the last request and is "
                         "being tried again");

    } else if (state->failures) {
        p = ngx_slprintf(p, last, "Portal has failed the last %ui requests "
                         "and is being tried again", state->failures);

    } else if (state->queued[NGX_COUNTERS_WAITING]
               && ngx_http_counters_figure(s, REFRESHES) < 1000)
    {
        p = ngx_slprintf(p, last, "Portal is answering, but the quota is "
                         "spent and clients wait for it");

    } else if (ngx_http_counters_figure(s, ACTIVE)
               > ngx_http_counters_figure(s, CAPACITY))
    {
        p = ngx_slprintf(p, last, "Portal is answering, but more is asked "
                         "for than the %s keeps fresh",
                         ngx_http_counters_figure(s, OPERATING_BINDS)
                         ? "operating time" : "quota");

    } else if (ngx_http_counters_figure(s, CONNECTED) == 0) {
        p = ngx_slprintf(p, last, "Portal is answering, Redis is not: this "
                         "worker does without it");

    } else if (ngx_http_counters_stat(s, PORTAL_REQUESTS) == 0) {
        s->health = NGX_HTTP_COUNTERS_HEALTH_IDLE;
        p = ngx_slprintf(p, last, "Portal has not been asked yet");

    } else {
        s->health = NGX_HTTP_COUNTERS_HEALTH_OK;
        p = ngx_slprintf(p, last, "Portal is answering%s",
                         (ngx_http_counters_figure(s, REFRESHES) < 1000)
                         ? ", the quota is in full use" : "");
    }

    s->message.len = p - s->message.data;
}


static ngx_uint_t
ngx_http_counters_status_held(ngx_http_counters_status_t *s,
    ngx_counters_hold_e hold)
{
    char        *text;
    uint64_t     seconds;

    switch (hold) {

    case NGX_COUNTERS_BACKOFF:
        s->health = NGX_HTTP_COUNTERS_HEALTH_FAILING;
        text = "Portal is not answering";
        break;

    case NGX_COUNTERS_OVERLOADED:
        s->health = NGX_HTTP_COUNTERS_HEALTH_FAILING;
        text = "Portal has blocked its REST API (OVERLOAD_LIMIT)";
        break;

    case NGX_COUNTERS_LIMITED:
        s->health = NGX_HTTP_COUNTERS_HEALTH_WARNING;
        text = "Portal has said QUERY_LIMIT_EXCEEDED";
        break;

    default:
        return 0;
    }

    seconds = (ngx_http_counters_figure(s, HOLD_TIME) + 999) / 1000;

    s->message.len = ngx_slprintf(s->text, s->text + sizeof(s->text),
                                  "%s, it is asked again in %uL s", text,
                                  seconds)
                     - s->text;

    return 1;
}
