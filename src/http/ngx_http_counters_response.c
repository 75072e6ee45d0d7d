
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_json.h"
#include "ngx_counters_reply.h"
#include "ngx_http_counters_cors.h"
#include "ngx_http_counters_response.h"
#include "ngx_http_counters_send.h"
#include "ngx_http_counters_variables.h"


/* Age and Cache-Status, but for the portal's name */
#define NGX_HTTP_COUNTERS_OWN_LEN                                             \
    (2 * NGX_INT64_LEN + sizeof("\"\"; fwd=miss; ttl=; detail=COALESCED"))


static ngx_uint_t ngx_http_counters_response_current_time(
    ngx_http_counters_ctx_t *ctx, ngx_counters_view_t *view, ngx_str_t *parts,
    u_char *time);
static ngx_int_t ngx_http_counters_response_portal_headers(
    ngx_http_request_t *r, ngx_str_t *headers);
static ngx_int_t ngx_http_counters_response_own_headers(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_uint_t stored);
static ngx_int_t ngx_http_counters_response_cache_status(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_uint_t stored, u_char *p);
static ngx_int_t ngx_http_counters_response_etag(ngx_http_request_t *r,
    ngx_counters_view_t *view);
static void ngx_http_counters_response_content_type(ngx_http_request_t *r,
    u_char *data, size_t len);


ngx_int_t
ngx_http_counters_response(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_view_t *view,
    ngx_uint_t stored)
{
    ngx_str_t                       parts[3];
    ngx_uint_t                      n;
    ngx_http_counters_loc_conf_t   *lcf;
    u_char                          time[NGX_COUNTERS_TIME_LEN];

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    if (view->status != NGX_HTTP_OK
        && ngx_http_counters_send_intercepts(r, view->status))
    {
        return view->status;
    }

    if (ctx->cache_status != NGX_HTTP_COUNTERS_ERROR) {
        ctx->fetched = view->fetched;
        ctx->remains = view->remains;
    }

    r->headers_out.status = view->status;

    if (ngx_http_counters_response_portal_headers(r, &view->headers) != NGX_OK
        || ngx_http_counters_response_own_headers(r, ctx, stored) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n = 1;
    parts[0] = view->body;

    if (lcf->time == NGX_HTTP_COUNTERS_TIME_CURRENT) {
        n = ngx_http_counters_response_current_time(ctx, view, parts, time);
    }

    /* with the time of each serving there are no bytes an ETag could name */

    if (n == 1 && ctx->commands == NULL && lcf->headers && stored
        && view->kind == NGX_COUNTERS_DATA
        && ngx_http_counters_response_etag(r, view) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_counters_send_body(r, parts, n);
}


/*
 * Cuts the body around its "time", to be replaced by this moment's; returns
 * the number of parts, 1 if it has none.  The answer to a batch was put
 * together just now.
 */

static ngx_uint_t
ngx_http_counters_response_current_time(ngx_http_counters_ctx_t *ctx,
    ngx_counters_view_t *view, ngx_str_t *parts, u_char *time)
{
    ngx_counters_str_t  body, old;

    body.len = view->body.len;
    body.data = view->body.data;

    if (ctx->commands
        || ngx_counters_json_member(&body, "time", &old) != NGX_COUNTERS_OK)
    {
        return 1;
    }

    parts[0].len = old.data - body.data;

    parts[1].data = time;
    parts[1].len = ngx_counters_reply_time(time, ngx_counters_worker_now())
                   - time;

    parts[2].data = old.data + old.len;
    parts[2].len = body.data + body.len - parts[2].data;

    return 3;
}


ngx_int_t
ngx_http_counters_response_error(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_uint_t status, const char *error,
    const char *description, time_t retry_after)
{
    ngx_str_t                      body, name;
    ngx_table_elt_t               *h;
    ngx_http_counters_loc_conf_t  *lcf;

    if (ngx_http_counters_send_intercepts(r, status)) {
        return status;
    }

    body.data = ngx_pnalloc(r->pool, ngx_strlen(error)
                                     + ngx_strlen(description) + 64);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = ngx_counters_reply_error(body.data, error, description)
               - body.data;

    r->headers_out.status = status;

    ngx_http_counters_response_content_type(r,
                            (u_char *) "application/json; charset=utf-8",
                            sizeof("application/json; charset=utf-8") - 1);

    /* without this a browser would hide the error from its page */

    ngx_str_set(&name, "Access-Control-Allow-Origin");

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    if (!ngx_http_counters_cors_withheld(lcf, &name)) {
        h = ngx_http_counters_send_push(r, "Access-Control-Allow-Origin");
        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_str_set(&h->value, "*");
    }

    if (retry_after > 0) {
        h = ngx_http_counters_send_push(r, "Retry-After");
        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        h->value.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
        if (h->value.data == NULL) {
            h->hash = 0;
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        h->value.len = ngx_sprintf(h->value.data, "%T", retry_after)
                       - h->value.data;
    }

    if (ngx_http_counters_response_own_headers(r, ctx, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_counters_send_body(r, &body, 1);
}


ngx_int_t
ngx_http_counters_response_allow(ngx_http_request_t *r, const char *methods)
{
    ngx_table_elt_t  *h;

    h = ngx_http_counters_send_push(r, "Allow");
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->value.data = (u_char *) methods;
    h->value.len = ngx_strlen(methods);

    return NGX_OK;
}


/* "Name: value" CR LF lines, the names as ngx_counters_fetch_easy.c writes */

static ngx_int_t
ngx_http_counters_response_portal_headers(ngx_http_request_t *r,
    ngx_str_t *headers)
{
    u_char                        *p, *last, *colon, *end;
    ngx_str_t                      name;
    ngx_table_elt_t               *h;
    ngx_http_counters_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    p = headers->data;
    last = p + headers->len;

    while (p < last) {

        end = memchr(p, CR, last - p);
        colon = memchr(p, ':', last - p);

        if (end == NULL || colon == NULL || colon + 2 > end) {
            break;
        }

        if (colon - p == sizeof("Content-Type") - 1
            && ngx_memcmp(p, "Content-Type", sizeof("Content-Type") - 1) == 0)
        {
            ngx_http_counters_response_content_type(r, colon + 2,
                                                    end - colon - 2);
            p = end + 2;
            continue;
        }

        name.len = colon - p;
        name.data = p;

        if ((!lcf->own && lcf->hidden == NULL)
            || !ngx_http_counters_cors_withheld(lcf, &name))
        {
            h = ngx_http_counters_send_header(r, name.data, name.len);
            if (h == NULL) {
                return NGX_ERROR;
            }

            h->value.data = colon + 2;
            h->value.len = end - colon - 2;
        }

        p = end + 2;
    }

    return NGX_OK;
}


static void
ngx_http_counters_response_content_type(ngx_http_request_t *r, u_char *data,
    size_t len)
{
    u_char  *p;

    r->headers_out.content_type.data = data;
    r->headers_out.content_type.len = len;
    r->headers_out.content_type_lowcase = NULL;

    /* gzip_types and the like compare without the parameters */

    p = ngx_strlchr(data, data + len, ';');

    r->headers_out.content_type_len = p ? (size_t) (p - data) : len;
}


static ngx_int_t
ngx_http_counters_response_own_headers(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_uint_t stored)
{
    u_char                        *p;
    int64_t                        age;
    ngx_table_elt_t               *h;
    ngx_http_counters_loc_conf_t  *lcf;

    h = ngx_http_counters_send_push(r, "Cache-Control");
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&h->value, "private, no-cache");

    ngx_http_counters_send_uncached(r, &ctx->decoy);

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    if (!lcf->headers || ctx->cache_status == NGX_HTTP_COUNTERS_NONE) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, ctx->portal->name.len
                             + NGX_HTTP_COUNTERS_OWN_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (ctx->fetched) {
        h = ngx_http_counters_send_push(r, "Age");
        if (h == NULL) {
            return NGX_ERROR;
        }

        age = (int64_t) ngx_counters_worker_now() - (int64_t) ctx->fetched;

        h->value.data = p;
        p = ngx_sprintf(p, "%L", ngx_max(age, 0) / 1000);
        h->value.len = p - h->value.data;
    }

    return ngx_http_counters_response_cache_status(r, ctx, stored, p);
}


/* RFC 9211 */

static ngx_int_t
ngx_http_counters_response_cache_status(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_uint_t stored, u_char *p)
{
    u_char            ch;
    ngx_str_t        *name;
    ngx_table_elt_t  *h;

    h = ngx_http_counters_send_push(r, "Cache-Status");
    if (h == NULL) {
        return NGX_ERROR;
    }

    name = &ctx->portal->name;
    h->value.data = p;

    /* a token begins with a letter, see RFC 8941, 3.3.4; else it is a string */

    ch = name->data[0] | 0x20;

    if (ch >= 'a' && ch <= 'z') {
        p = ngx_cpymem(p, name->data, name->len);

    } else {
        p = ngx_sprintf(p, "\"%V\"", name);
    }

    switch (ctx->cache_status) {

    case NGX_HTTP_COUNTERS_HIT:
        p = ngx_sprintf(p, "; hit; ttl=%L",
                        ngx_http_counters_seconds(ctx->remains));
        break;

    case NGX_HTTP_COUNTERS_STALE:
    case NGX_HTTP_COUNTERS_UPDATING:
        p = ngx_sprintf(p, "; hit; ttl=%L; detail=%V",
                        ngx_http_counters_seconds(ctx->remains),
                &ngx_http_counters_variables_cache_statuses[ctx->cache_status]);
        break;

    case NGX_HTTP_COUNTERS_NEGATIVE:
        p = ngx_cpymem(p, "; hit; detail=NEGATIVE",
                       sizeof("; hit; detail=NEGATIVE") - 1);
        break;

    case NGX_HTTP_COUNTERS_BYPASS:
        p = ngx_cpymem(p, "; fwd=bypass", sizeof("; fwd=bypass") - 1);
        break;

    case NGX_HTTP_COUNTERS_COALESCED:
        p = ngx_cpymem(p, "; fwd=miss; collapsed",
                       sizeof("; fwd=miss; collapsed") - 1);
        break;

    case NGX_HTTP_COUNTERS_ERROR:
        p = ngx_cpymem(p, "; fwd=miss; detail=ERROR",
                       sizeof("; fwd=miss; detail=ERROR") - 1);
        break;

    default: /* NGX_HTTP_COUNTERS_MISS */
        p = ngx_cpymem(p, "; fwd=miss", sizeof("; fwd=miss") - 1);

        if (stored) {
            p = ngx_cpymem(p, "; stored", sizeof("; stored") - 1);
        }
    }

    h->value.len = p - h->value.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_counters_response_etag(ngx_http_request_t *r,
    ngx_counters_view_t *view)
{
    u_char           *p;
    ngx_table_elt_t  *h;

    h = ngx_http_counters_send_push(r, "ETag");
    if (h == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, NGX_COUNTERS_ETAG_LEN + 2);
    if (p == NULL) {
        h->hash = 0;
        return NGX_ERROR;
    }

    h->value.data = p;
    h->value.len = NGX_COUNTERS_ETAG_LEN + 2;

    *p++ = '"';
    p = ngx_cpymem(p, view->etag, NGX_COUNTERS_ETAG_LEN);
    *p = '"';

    r->headers_out.etag = h;

    return NGX_OK;
}
