
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_body.h"
#include "ngx_http_counters_request.h"


static ngx_int_t ngx_http_counters_request_body_text(ngx_http_request_t *r,
    ngx_counters_str_t *body);


ngx_http_counters_ctx_t *
ngx_http_counters_request_create_ctx(ngx_http_request_t *r,
    ngx_counters_portal_t *portal)
{
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_counters_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->portal = portal;
    ctx->worker = ngx_counters_worker(portal);
    ctx->ident = -1;

    ngx_http_set_ctx(r, ctx, ngx_http_counters_module);

    return ctx;
}


ngx_http_counters_ctx_t *
ngx_http_counters_request_get_ctx(ngx_http_request_t *r)
{
    return ngx_http_get_module_ctx(r, ngx_http_counters_module);
}


ngx_str_t *
ngx_http_counters_request_header(ngx_http_request_t *r, const char *name,
    size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                return &h[i].value;
            }
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_counters_request_pass(ngx_http_counters_ctx_t *ctx)
{
    ctx->passed = 1;
    ctx->cache_status = NGX_HTTP_COUNTERS_PASS;

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_counters_request_args(ngx_http_request_t *r,
    ngx_counters_args_t *query, ngx_counters_args_t *body)
{
    u_char              *space;
    size_t               len;
    ngx_int_t            rc;
    ngx_counters_str_t   args, text, type;

    args.len = r->args.len;
    args.data = r->args.data;

    rc = ngx_http_counters_request_body_text(r, &text);
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
        || ngx_counters_body_args(body, &type, &text) != NGX_COUNTERS_OK)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_counters_request_has_body(ngx_http_request_t *r)
{
    ngx_http_request_body_t  *rb;

    rb = r->request_body;

    if (r != r->main && rb && rb != r->parent->request_body) {
        return rb->bufs != NULL;
    }

    return r->headers_in.content_length_n > 0 || r->headers_in.chunked;
}


/*
 * The body as one string, in the request's memory.  NGX_DECLINED when it is
 * larger than a counter call ever is, or lost.  A file was written a moment
 * ago and is small, so reading it does not wait for a disk.
 */

static ngx_int_t
ngx_http_counters_request_body_text(ngx_http_request_t *r,
    ngx_counters_str_t *body)
{
    off_t         size;
    size_t        len;
    ssize_t       n;
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    body->len = 0;
    body->data = NULL;

    if ((r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
        || !ngx_http_counters_request_has_body(r))
    {
        return NGX_OK;
    }

    if (r->request_body == NULL) {

        /* thrown away, or the parent of a subrequest has not read it */

        return NGX_DECLINED;
    }

    if (r->request_body->bufs == NULL) {
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
