
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_counters_client_batch.h"
#include "ngx_http_counters_cors.h"
#include "ngx_http_counters_handler.h"
#include "ngx_http_counters_serve.h"


#define NGX_HTTP_COUNTERS_ARGS  32


static ngx_int_t ngx_http_counters_handler_read_body(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);
static void ngx_http_counters_handler_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_counters_handler_parse(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_path_t *path);
static ngx_int_t ngx_http_counters_handler_item(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_call_t *call);


ngx_int_t
ngx_http_counters_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_counters_str_t             uri;
    ngx_counters_path_t            path;
    ngx_http_counters_ctx_t       *ctx;
    ngx_http_counters_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    if (lcf->portal == NULL || lcf->own) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_counters_module);

    if (ctx == NULL) {
        ctx = ngx_http_counters_request_create_ctx(r, lcf->portal);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else if (ctx->passed) {
        return NGX_DECLINED;
    }

    if (ctx->worker == NULL) {
        return ngx_http_counters_request_pass(ctx);
    }

    uri.len = r->uri.len;
    uri.data = r->uri.data;

    if (ngx_counters_path_parse(&uri, &path) != NGX_COUNTERS_OK
        || (path.method < NGX_COUNTERS_METHODS
            && !(lcf->portal->methods & (1 << path.method))))
    {
        return ngx_http_counters_request_pass(ctx);
    }

    if (!ctx->body) {
        rc = ngx_http_counters_handler_read_body(r, ctx);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    rc = ngx_http_counters_handler_parse(r, ctx, &path);

    if (rc == NGX_DECLINED) {
        return ngx_http_counters_request_pass(ctx);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->origin = ngx_http_counters_cors_origin(r);
    ctx->bypass = (ngx_http_test_predicates(r, lcf->bypass) == NGX_DECLINED);

    rc = ngx_http_counters_serve(r, ctx);

    if (rc == NGX_DECLINED) {
        return ngx_http_counters_request_pass(ctx);
    }

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    return NGX_DONE;
}


/* NGX_OK: there is none, or it has been read; NGX_DECLINED: pass it on */

static ngx_int_t
ngx_http_counters_handler_read_body(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_uint_t  none;

    none = !ngx_http_counters_request_has_body(r);

    if (r->method == NGX_HTTP_GET || r->method == NGX_HTTP_HEAD) {
        return none ? NGX_OK : ngx_http_counters_request_pass(ctx);
    }

    if (r->method != NGX_HTTP_POST
        || r->headers_in.content_length_n > NGX_HTTP_COUNTERS_BODY_MAX)
    {
        return ngx_http_counters_request_pass(ctx);
    }

    if (none) {
        return NGX_OK;
    }

    rc = ngx_http_read_client_request_body(r,
                                        ngx_http_counters_handler_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


static void
ngx_http_counters_handler_body_handler(ngx_http_request_t *r)
{
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_counters_module);
    ctx->body = 1;

    /* whoever comes after us reads it again */

    r->preserve_body = 1;

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


/* NGX_DECLINED: the portal is to judge it */

static ngx_int_t
ngx_http_counters_handler_parse(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_path_t *path)
{
    ngx_int_t             rc;
    ngx_table_elt_t      *h;
    ngx_counters_str_t    authorization;
    ngx_counters_args_t   query, body;
    ngx_counters_call_t   call;
    ngx_counters_arg_t    query_args[NGX_HTTP_COUNTERS_ARGS];
    ngx_counters_arg_t    body_args[NGX_HTTP_COUNTERS_ARGS];

    if (path->method == NGX_COUNTERS_BATCH) {
        return ngx_http_counters_client_batch_parse(r, ctx, path);
    }

    query.elts = query_args;
    query.nalloc = NGX_HTTP_COUNTERS_ARGS;
    body.elts = body_args;
    body.nalloc = NGX_HTTP_COUNTERS_ARGS;

    rc = ngx_http_counters_request_args(r, &query, &body);
    if (rc != NGX_OK) {
        return rc;
    }

    h = r->headers_in.authorization;

    if (h) {
        authorization.len = h->value.len;
        authorization.data = h->value.data;
    }

    if (ngx_counters_call_parse(path, &query, &body,
                                h ? &authorization : NULL, &ctx->cred, &call)
        != NGX_COUNTERS_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_http_counters_handler_item(r, ctx, &call);
}


static ngx_int_t
ngx_http_counters_handler_item(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_call_t *call)
{
    ngx_counters_str_t         identity;
    ngx_http_counters_item_t  *item;
    u_char                     digest[NGX_COUNTERS_DIGEST_LEN];

    item = ngx_pcalloc(r->pool, sizeof(ngx_http_counters_item_t));
    if (item == NULL) {
        return NGX_ERROR;
    }

    identity.len = ctx->portal->identity.len;
    identity.data = ctx->portal->identity.data;

    if (ngx_counters_key_cred(ctx->worker->hmac, &identity, &ctx->cred,
                              digest)
        != NGX_COUNTERS_OK)
    {
        return NGX_ERROR;
    }

    ngx_counters_key_make(&item->waiter.key, digest, call);

    item->ctx = ctx;
    ctx->items = item;
    ctx->nitems = 1;

    return NGX_OK;
}
