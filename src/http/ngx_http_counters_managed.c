
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_counters_managed.h"
#include "ngx_http_counters_cors.h"
#include "ngx_http_counters_response.h"
#include "ngx_http_counters_serve.h"


#define NGX_HTTP_COUNTERS_MANAGED_BODY  65536
#define NGX_HTTP_COUNTERS_MANAGED_ARGS  32


static void ngx_http_counters_managed_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_counters_managed(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);
static ngx_int_t ngx_http_counters_managed_call(ngx_http_request_t *r,
    ngx_http_counters_loc_conf_t *lcf, ngx_counters_call_t *call,
    ngx_counters_refusal_t *refusal);
static ngx_int_t ngx_http_counters_managed_refuse(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_uint_t status,
    ngx_counters_refusal_t *refusal);


ngx_int_t
ngx_http_counters_managed_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_counters_refusal_t         refusal;
    ngx_http_counters_ctx_t       *ctx;
    ngx_http_counters_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    ctx = ngx_http_counters_request_create_ctx(r, lcf->portal);
    if (ctx == NULL || ctx->worker == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* add_header says what the page may do */

    if (ngx_http_counters_cors_preflight(r)) {
        return NGX_HTTP_NO_CONTENT;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST))) {

        if (ngx_http_counters_response_allow(r, "GET, HEAD, POST") != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        refusal.error = "METHOD_NOT_ALLOWED";
        refusal.description = "Use GET, HEAD or POST";

        return ngx_http_counters_managed_refuse(r, ctx, NGX_HTTP_NOT_ALLOWED,
                                                &refusal);
    }

    /* without one of its own a subrequest has its parent's headers about it */

    if ((r == r->main || r->method == NGX_HTTP_POST)
        && r->headers_in.content_length_n > NGX_HTTP_COUNTERS_MANAGED_BODY)
    {
        refusal.error = "REQUEST_TOO_LARGE";
        refusal.description = "A counter call is never so large";

        return ngx_http_counters_managed_refuse(r, ctx,
                                        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                        &refusal);
    }

    if (r->method != NGX_HTTP_POST) {

        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_http_counters_managed(r, ctx);

        if (rc == NGX_DONE) {
            r->main->count++;
        }

        return rc;
    }

    rc = ngx_http_read_client_request_body(r,
                                     ngx_http_counters_managed_body_handler);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


/* reading the body has taken a reference, which a parked request keeps */

static void
ngx_http_counters_managed_body_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_counters_module);

    rc = ngx_http_counters_managed(r, ctx);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


static ngx_int_t
ngx_http_counters_managed(ngx_http_request_t *r, ngx_http_counters_ctx_t *ctx)
{
    ngx_int_t                      rc;
    ngx_counters_call_t            call;
    ngx_counters_refusal_t         refusal;
    ngx_http_counters_item_t      *item;
    ngx_http_counters_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    rc = ngx_http_counters_managed_call(r, lcf, &call, &refusal);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_http_counters_managed_refuse(r, ctx, rc, &refusal);
    }

    item = ngx_pcalloc(r->pool, sizeof(ngx_http_counters_item_t));
    if (item == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_counters_key_make(&item->waiter.key, ctx->portal->zone->common_cred,
                          &call);

    item->ctx = ctx;
    ctx->items = item;
    ctx->nitems = 1;
    ctx->managed = 1;
    ctx->cred = ctx->portal->webhook;
    ctx->cred.kind = NGX_COUNTERS_CRED_MANAGED;
    ctx->bypass = (ngx_http_test_predicates(r, lcf->bypass) == NGX_DECLINED);

    return ngx_http_counters_serve(r, ctx);
}


/* NGX_OK, NGX_ERROR, or the status of the refusal */

static ngx_int_t
ngx_http_counters_managed_call(ngx_http_request_t *r,
    ngx_http_counters_loc_conf_t *lcf, ngx_counters_call_t *call,
    ngx_counters_refusal_t *refusal)
{
    ngx_int_t            rc;
    ngx_str_t            value;
    ngx_counters_str_t   uri, user;
    ngx_counters_args_t  query, body;
    ngx_counters_arg_t   query_args[NGX_HTTP_COUNTERS_MANAGED_ARGS];
    ngx_counters_arg_t   body_args[NGX_HTTP_COUNTERS_MANAGED_ARGS];

    if (ngx_http_complex_value(r, lcf->user, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    uri.len = r->uri.len;
    uri.data = r->uri.data;

    user.len = value.len;
    user.data = value.data;

    query.elts = query_args;
    query.nalloc = NGX_HTTP_COUNTERS_MANAGED_ARGS;
    body.elts = body_args;
    body.nalloc = NGX_HTTP_COUNTERS_MANAGED_ARGS;

    rc = ngx_http_counters_request_args(r, &query, &body);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED && user.len) {
        refusal->error = "INVALID_REQUEST";
        refusal->description = "The arguments cannot be read";
        return NGX_HTTP_BAD_REQUEST;
    }

    return ngx_counters_call_managed(&uri, &user, &query, &body, call, refusal);
}


static ngx_int_t
ngx_http_counters_managed_refuse(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_uint_t status,
    ngx_counters_refusal_t *refusal)
{
    ngx_int_t  rc;

    /* or its body would be taken for the next request of the connection */

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->cache_status = NGX_HTTP_COUNTERS_NONE;

    return ngx_http_counters_response_error(r, ctx, status, refusal->error,
                                            refusal->description, 0);
}
