
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_counters_client_batch.h"
#include "ngx_counters_peers.h"
#include "ngx_http_counters_serve.h"


#define NGX_HTTP_COUNTERS_BODY_MAX    65536
#define NGX_HTTP_COUNTERS_ARGS        32


static ngx_int_t ngx_http_counters_pass(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);
static ngx_int_t ngx_http_counters_read_body(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);
static void ngx_http_counters_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_counters_body_text(ngx_http_request_t *r,
    ngx_counters_str_t *body);
static ngx_int_t ngx_http_counters_parse(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_path_t *path);
static ngx_int_t ngx_http_counters_item(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_call_t *call);


ngx_int_t
ngx_http_counters_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_counters_str_t             uri;
    ngx_counters_path_t            path;
    ngx_http_counters_ctx_t       *ctx;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_counters_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    if (lcf->portal == NULL) {
        return NGX_DECLINED;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->handler == ngx_http_counters_managed_handler
        || clcf->handler == ngx_http_counters_status_handler
        || clcf->handler == ngx_http_counters_purge_handler
        || clcf->handler == ngx_http_counters_events_handler)
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_counters_module);

    if (ctx == NULL) {
        ctx = ngx_http_counters_create_ctx(r, lcf->portal);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else if (ctx->passed) {
        return NGX_DECLINED;
    }

    if (ctx->worker == NULL) {
        return ngx_http_counters_pass(r, ctx);
    }

    uri.len = r->uri.len;
    uri.data = r->uri.data;

    if (ngx_counters_call_path(&uri, &path) != NGX_COUNTERS_OK
        || (path.method < NGX_COUNTERS_METHODS
            && !(lcf->portal->methods & (1 << path.method))))
    {
        return ngx_http_counters_pass(r, ctx);
    }

    if (!ctx->body) {
        rc = ngx_http_counters_read_body(r, ctx);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    rc = ngx_http_counters_parse(r, ctx, &path);

    if (rc == NGX_DECLINED) {
        return ngx_http_counters_pass(r, ctx);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->bypass = (ngx_http_test_predicates(r, lcf->bypass) == NGX_DECLINED);

    rc = ngx_http_counters_serve(r, ctx);

    if (rc == NGX_DECLINED) {
        return ngx_http_counters_pass(r, ctx);
    }

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    return NGX_DONE;
}


ngx_http_counters_ctx_t *
ngx_http_counters_create_ctx(ngx_http_request_t *r,
    ngx_http_counters_portal_t *portal)
{
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_counters_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->portal = portal;
    ctx->worker = ngx_http_counters_worker(portal);
    ctx->ident = -1;

    ngx_http_set_ctx(r, ctx, ngx_http_counters_module);

    return ctx;
}


ngx_http_counters_ctx_t *
ngx_http_counters_get_ctx(ngx_http_request_t *r)
{
    return ngx_http_get_module_ctx(r, ngx_http_counters_module);
}


/* not ours: on to the location's own handler, body and all */

static ngx_int_t
ngx_http_counters_pass(ngx_http_request_t *r, ngx_http_counters_ctx_t *ctx)
{
    ctx->passed = 1;
    ctx->cache_status = NGX_HTTP_COUNTERS_PASS;

    if (ctx->worker) {
        ngx_counters_zone_passed(ctx->portal->zone, ngx_http_counters_now());
        ngx_http_counters_nodes_spent(ctx->worker, 1);
        ngx_http_counters_count(ctx->worker, NGX_COUNTERS_STAT_PASS, 1);
    }

    return NGX_DECLINED;
}


/* the request */


/* NGX_OK: there is none, or it has been read; NGX_DECLINED: pass it on */

static ngx_int_t
ngx_http_counters_read_body(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_uint_t  none;

    none = (r->headers_in.content_length_n <= 0 && !r->headers_in.chunked);

    if (r->method == NGX_HTTP_GET || r->method == NGX_HTTP_HEAD) {
        return none ? NGX_OK : ngx_http_counters_pass(r, ctx);
    }

    if (r->method != NGX_HTTP_POST
        || r->headers_in.content_length_n > NGX_HTTP_COUNTERS_BODY_MAX)
    {
        return ngx_http_counters_pass(r, ctx);
    }

    if (none) {
        return NGX_OK;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_counters_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


static void
ngx_http_counters_body_handler(ngx_http_request_t *r)
{
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_counters_module);
    ctx->body = 1;

    /* whoever comes after us reads it again */

    r->preserve_body = 1;

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


/*
 * The body as one string, in the request's memory.  NGX_DECLINED when it is
 * larger than a counter call ever is.  A file was written a moment ago and
 * is small, so reading it does not wait for a disk.
 */

static ngx_int_t
ngx_http_counters_body_text(ngx_http_request_t *r, ngx_counters_str_t *body)
{
    off_t         size;
    size_t        len;
    ssize_t       n;
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    body->len = 0;
    body->data = NULL;

    /* a subrequest sees the body of its parent, which is not meant for it */

    if (r != r->main || r->request_body == NULL
        || r->request_body->bufs == NULL)
    {
        return NGX_OK;
    }

    size = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size > NGX_HTTP_COUNTERS_BODY_MAX) {
        return NGX_DECLINED;
    }

    cl = r->request_body->bufs;

    if (cl->next == NULL && !cl->buf->in_file) {
        body->data = cl->buf->pos;
        body->len = (size_t) size;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, (size_t) size + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;
    body->len = (size_t) size;

    for ( /* void */ ; cl; cl = cl->next) {
        b = cl->buf;
        len = (size_t) ngx_buf_size(b);

        if (len == 0) {
            continue;   /* the last buffer of a chunked body has no memory */
        }

        if (!b->in_file) {
            p = ngx_cpymem(p, b->pos, len);
            continue;
        }

        n = ngx_read_file(b->file, p, len, b->file_pos);

        if (n != (ssize_t) len) {
            return NGX_ERROR;
        }

        p += len;
    }

    return NGX_OK;
}


/* NGX_DECLINED: the portal is to judge it */

static ngx_int_t
ngx_http_counters_parse(ngx_http_request_t *r, ngx_http_counters_ctx_t *ctx,
    ngx_counters_path_t *path)
{
    ngx_int_t             rc;
    ngx_table_elt_t      *h;
    ngx_counters_str_t    authorization;
    ngx_counters_args_t   query, body;
    ngx_counters_call_t   call;
    ngx_counters_arg_t    query_args[NGX_HTTP_COUNTERS_ARGS];
    ngx_counters_arg_t    body_args[NGX_HTTP_COUNTERS_ARGS];

    if (path->method == NGX_COUNTERS_BATCH) {
        return ngx_http_counters_commands_parse(r, ctx, path);
    }

    query.elts = query_args;
    query.nalloc = NGX_HTTP_COUNTERS_ARGS;
    body.elts = body_args;
    body.nalloc = NGX_HTTP_COUNTERS_ARGS;

    rc = ngx_http_counters_args(r, &query, &body);
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

    return ngx_http_counters_item(r, ctx, &call);
}


ngx_int_t
ngx_http_counters_args(ngx_http_request_t *r, ngx_counters_args_t *query,
    ngx_counters_args_t *body)
{
    u_char              *space;
    size_t               len;
    ngx_int_t            rc;
    ngx_counters_str_t   args, text, type;

    args.len = r->args.len;
    args.data = r->args.data;

    rc = ngx_http_counters_body_text(r, &text);
    if (rc != NGX_OK) {
        return rc;
    }

    type.len = 0;
    type.data = NULL;

    if (r->headers_in.content_type) {
        type.len = r->headers_in.content_type->value.len;
        type.data = r->headers_in.content_type->value.data;
    }

    /* see ngx_counters_args.h for how much is always enough */

    len = 0;

    if (args.len) {
        len = args.len + 24 * query->nalloc;
    }

    if (text.len) {
        len += text.len + 24 * body->nalloc;
    }

    space = NULL;

    if (len) {
        space = ngx_pnalloc(r->pool, len);
        if (space == NULL) {
            return NGX_ERROR;
        }
    }

    query->nelts = 0;
    query->pos = space;
    query->end = space + (args.len ? args.len + 24 * query->nalloc : 0);

    body->nelts = 0;
    body->pos = query->end;
    body->end = space + len;

    if (ngx_counters_args_form(query, &args) != NGX_COUNTERS_OK
        || ngx_counters_args_body(body, &type, &text) != NGX_COUNTERS_OK)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_counters_item(ngx_http_request_t *r, ngx_http_counters_ctx_t *ctx,
    ngx_counters_call_t *call)
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

    ngx_counters_key_make(&item->key, digest, call);

    item->ctx = ctx;
    ctx->items = item;
    ctx->nitems = 1;

    return NGX_OK;
}
