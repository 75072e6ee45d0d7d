
/*
 * Copyright (C) The nginx counters module authors
 *
 * No phase comes between a content handler and what it sends, and the
 * answer's filters come too late: what is under way by then is more than a
 * burst.  So the content handler is wrapped, and after it the two functions
 * that make an upstream request for the first time and once more.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_post.h"
#include "ngx_http_counters_passed_quota.h"
#include "ngx_http_counters_request.h"


static ngx_int_t ngx_http_counters_passed_quota_handler(
    ngx_http_request_t *r);
static void ngx_http_counters_passed_quota_watch(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);
static ngx_int_t ngx_http_counters_passed_quota_create(ngx_http_request_t *r);
static ngx_int_t ngx_http_counters_passed_quota_reinit(ngx_http_request_t *r);
static void ngx_http_counters_passed_quota_spend(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);
static ngx_uint_t ngx_http_counters_passed_quota_rest(ngx_http_request_t *r);


void
ngx_http_counters_passed_quota_wrap(ngx_http_core_loc_conf_t *clcf,
    ngx_http_counters_loc_conf_t *prev, ngx_http_counters_loc_conf_t *conf)
{
    if (conf->portal == NULL || conf->own) {
        return;
    }

    if (clcf->handler == NULL) {

        /* files, and no upstream; but an "if" leaves its location's in place */

        if (clcf->noname) {
            conf->next = prev->next;
        }

        return;
    }

    conf->next = clcf->handler;
    clcf->handler = ngx_http_counters_passed_quota_handler;
}


static ngx_int_t
ngx_http_counters_passed_quota_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_upstream_t           *u;
    ngx_http_counters_ctx_t       *ctx;
    ngx_http_counters_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);
    ctx = ngx_http_counters_request_get_ctx(r);

    if (ctx == NULL) {

        /* a clone of a request that was passed on, for proxy_cache or slice */

        ctx = ngx_http_counters_request_create_ctx(r, lcf->portal);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->passed = 1;
        ctx->cache_status = NGX_HTTP_COUNTERS_PASS;
    }

    u = r->upstream;

    rc = lcf->next(r);

    /* or it failed at once, and was redirected to another location */

    if (ctx == ngx_http_counters_request_get_ctx(r)
        && r->upstream && r->upstream != u)
    {
        ngx_http_counters_passed_quota_watch(r, ctx);
    }

    return rc;
}


static void
ngx_http_counters_passed_quota_watch(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u->cleanup) {

        /* the request has been made, and is on its way */

        ngx_http_counters_passed_quota_spend(r, ctx);

    } else {

        /* the body is being read, or proxy_cache is asked; or it is over */

        ctx->create_request = u->create_request;
        u->create_request = ngx_http_counters_passed_quota_create;
    }

    if (u->reinit_request) {
        ctx->reinit_request = u->reinit_request;
        u->reinit_request = ngx_http_counters_passed_quota_reinit;
    }
}


static ngx_int_t
ngx_http_counters_passed_quota_create(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_http_counters_request_get_ctx(r);

    rc = ctx->create_request(r);

    if (rc == NGX_OK) {
        ngx_http_counters_passed_quota_spend(r, ctx);
    }

    return rc;
}


/* only what had been sent to one server is made again for the next */

static ngx_int_t
ngx_http_counters_passed_quota_reinit(ngx_http_request_t *r)
{
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_http_counters_request_get_ctx(r);

    ngx_http_counters_passed_quota_spend(r, ctx);

    return ctx->reinit_request(r);
}


static void
ngx_http_counters_passed_quota_spend(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx)
{
    if (ctx->worker == NULL || !ngx_http_counters_passed_quota_rest(r)) {
        return;
    }

    ngx_counters_post_spent(ctx->worker, 1);

    if (!ctx->sent) {
        ctx->sent = 1;
        ngx_counters_worker_count(ctx->worker, NGX_COUNTERS_STAT_PASS, 1);
    }
}


/*
 * Whether the path has "/rest/" as it is sent, which may be as the client has
 * escaped it.  Which server it goes to does not tell: there may be another
 * proxy before the portal.
 */

static ngx_uint_t
ngx_http_counters_passed_quota_rest(ngx_http_request_t *r)
{
    size_t      len;
    u_char     *p, *dst, *src;
    ngx_str_t  *uri;

    uri = r->upstream->uri.len ? &r->upstream->uri : &r->uri;

    p = ngx_strlchr(uri->data, uri->data + uri->len, '?');
    len = p ? (size_t) (p - uri->data) : uri->len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return 1;
    }

    dst = p;
    src = uri->data;

    ngx_unescape_uri(&dst, &src, len, 0);

    return ngx_strlcasestrn(p, dst, (u_char *) "/rest/", sizeof("/rest/") - 2)
           != NULL;
}
