
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_batch.h"
#include "ngx_counters_json.h"
#include "ngx_http_counters_client_batch.h"


/* fifty commands, halt, a credential and telemetry */
#define NGX_HTTP_COUNTERS_COMMANDS_ARGS  (NGX_COUNTERS_BATCH_MAX + 14)


static ngx_int_t ngx_http_counters_commands_items(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);
static ngx_http_counters_item_t *ngx_http_counters_commands_whole(
    ngx_http_counters_ctx_t *ctx);
static ngx_uint_t ngx_http_counters_commands_dead(ngx_counters_view_t *view);
static ngx_int_t ngx_http_counters_commands_envelope(
    ngx_http_counters_item_t *item, ngx_counters_batch_content_t *answer);
static ngx_int_t ngx_http_counters_commands_view(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_batch_content_t *answers,
    ngx_http_counters_item_t *sum);


/* the batch is as well off as its worst command */

static ngx_uint_t  ngx_http_counters_commands_order[] = {
    NGX_HTTP_COUNTERS_HIT,
    NGX_HTTP_COUNTERS_NEGATIVE,
    NGX_HTTP_COUNTERS_UPDATING,
    NGX_HTTP_COUNTERS_STALE,
    NGX_HTTP_COUNTERS_COALESCED,
    NGX_HTTP_COUNTERS_MISS,
    NGX_HTTP_COUNTERS_BYPASS,
    NGX_HTTP_COUNTERS_ERROR
};


ngx_int_t
ngx_http_counters_commands_parse(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_path_t *path)
{
    u_char               *space;
    size_t                len;
    ngx_int_t             rc;
    ngx_table_elt_t      *h;
    ngx_counters_str_t    authorization;
    ngx_counters_args_t   query, body;

    query.nalloc = NGX_HTTP_COUNTERS_COMMANDS_ARGS;
    body.nalloc = NGX_HTTP_COUNTERS_COMMANDS_ARGS;

    query.elts = ngx_palloc(r->pool, 2 * NGX_HTTP_COUNTERS_COMMANDS_ARGS
                                     * sizeof(ngx_counters_arg_t));
    ctx->commands = ngx_palloc(r->pool, sizeof(ngx_counters_commands_t));

    if (query.elts == NULL || ctx->commands == NULL) {
        return NGX_ERROR;
    }

    body.elts = query.elts + NGX_HTTP_COUNTERS_COMMANDS_ARGS;

    rc = ngx_http_counters_args(r, &query, &body);
    if (rc != NGX_OK) {
        return rc;
    }

    len = r->args.len;

    if (r->headers_in.content_length_n > 0) {
        len += (size_t) r->headers_in.content_length_n;
    }

    space = ngx_pnalloc(r->pool, len + 1);
    if (space == NULL) {
        return NGX_ERROR;
    }

    h = r->headers_in.authorization;

    if (h) {
        authorization.len = h->value.len;
        authorization.data = h->value.data;
    }

    if (ngx_counters_commands_parse(path, &query, &body,
                                    h ? &authorization : NULL, space, len,
                                    &ctx->cred, ctx->commands)
        != NGX_COUNTERS_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_http_counters_commands_items(r, ctx);
}


static ngx_int_t
ngx_http_counters_commands_items(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx)
{
    ngx_uint_t                 i, n;
    ngx_counters_call_t       *call;
    ngx_counters_str_t         identity;
    ngx_http_counters_item_t  *items;
    u_char                     digest[NGX_COUNTERS_DIGEST_LEN];

    n = ctx->commands->ncommands;

    items = ngx_pcalloc(r->pool, n * sizeof(ngx_http_counters_item_t));
    if (items == NULL) {
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

    for (i = 0; i < n; i++) {
        call = &ctx->commands->commands[i].call;

        if (!(ctx->portal->methods & (1 << call->method))) {
            return NGX_DECLINED;
        }

        ngx_counters_key_make(&items[i].waiter.key, digest, call);
        items[i].ctx = ctx;
    }

    ctx->items = items;
    ctx->nitems = n;

    return NGX_OK;
}


ngx_http_counters_item_t *
ngx_http_counters_commands_answer(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx)
{
    ngx_uint_t                     i, order, worst;
    ngx_counters_view_t           *view, *total;
    ngx_counters_batch_content_t  *answers;
    ngx_http_counters_item_t      *item, *sum;

    sum = ngx_http_counters_commands_whole(ctx);
    if (sum) {
        return sum;
    }

    sum = ngx_pcalloc(r->pool, sizeof(ngx_http_counters_item_t));
    answers = ngx_palloc(r->pool,
                         ctx->nitems * sizeof(ngx_counters_batch_content_t));

    if (sum == NULL || answers == NULL) {
        return NULL;
    }

    *sum = ctx->items[0];
    total = &sum->waiter.view;
    worst = 0;

    for (i = 0; i < ctx->nitems; i++) {
        item = &ctx->items[i];
        view = &item->waiter.view;

        if (ngx_http_counters_commands_envelope(item, &answers[i]) != NGX_OK)
        {
            /* not what a batch could contain: as if there were no answer */

            item->waiter.view.kind = NGX_COUNTERS_EMPTY;
            item->waiter.view.hold = NGX_COUNTERS_BACKOFF;
            item->cache_status = NGX_HTTP_COUNTERS_ERROR;
            return item;
        }

        for (order = worst;
             order < sizeof(ngx_http_counters_commands_order)
                     / sizeof(ngx_uint_t);
             order++)
        {
            if (ngx_http_counters_commands_order[order]
                == item->cache_status)
            {
                worst = order;
                sum->source = item->source;
                break;
            }
        }

        sum->waiter.stored &= item->waiter.stored;
        total->fetched = ngx_min(total->fetched, view->fetched);
        total->remains = ngx_min(total->remains, view->remains);

        if (total->kind != NGX_COUNTERS_DATA) {
            total->kind = view->kind;
            total->headers = view->headers;
        }
    }

    sum->cache_status = ngx_http_counters_commands_order[worst];

    if (ngx_http_counters_commands_view(r, ctx, answers, sum) != NGX_OK) {
        return NULL;
    }

    return sum;
}


/* a refused credential, or a quota spent, concerns the batch as a whole */

static ngx_http_counters_item_t *
ngx_http_counters_commands_whole(ngx_http_counters_ctx_t *ctx)
{
    ngx_uint_t            i;
    ngx_counters_view_t  *view;

    for (i = 0; i < ctx->nitems; i++) {
        view = &ctx->items[i].waiter.view;

        if (view->kind == NGX_COUNTERS_EMPTY
            || (view->kind != NGX_COUNTERS_DATA
                && ngx_http_counters_commands_dead(view)))
        {
            return &ctx->items[i];
        }
    }

    return NULL;
}


/* whether a refusal is one of the credential, for all that it may ask */

static ngx_uint_t
ngx_http_counters_commands_dead(ngx_counters_view_t *view)
{
    ngx_counters_str_t    body;
    ngx_counters_reply_t  reply;

    if (view->status != NGX_HTTP_FORBIDDEN) {
        return view->status == NGX_HTTP_UNAUTHORIZED;
    }

    body.len = view->body.len;
    body.data = view->body.data;

    ngx_counters_reply_judge(&reply, NGX_HTTP_FORBIDDEN, &body);

    return reply.verdict == NGX_COUNTERS_REPLY_DEAD;
}


static ngx_int_t
ngx_http_counters_commands_envelope(ngx_http_counters_item_t *item,
    ngx_counters_batch_content_t *answer)
{
    ngx_counters_str_t  body, value;

    body.len = item->waiter.view.body.len;
    body.data = item->waiter.view.body.data;

    answer->envelope = body;
    answer->error = (item->waiter.view.kind != NGX_COUNTERS_DATA);

    if (!answer->error) {
        return NGX_OK;
    }

    if (ngx_counters_json_valid(&body) != NGX_COUNTERS_OK
        || ngx_counters_json_member(&body, "error", &value)
           != NGX_COUNTERS_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_counters_commands_view(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_batch_content_t *answers,
    ngx_http_counters_item_t *sum)
{
    u_char                        *p;
    size_t                         len;
    ngx_uint_t                     operating;
    ngx_counters_view_t           *view;
    ngx_http_counters_loc_conf_t  *lcf;

    len = ngx_counters_batch_len(ctx->commands, answers);

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);
    operating = (lcf->time == NGX_HTTP_COUNTERS_TIME_ORIGINAL);

    view = &sum->waiter.view;

    view->kind = NGX_COUNTERS_DATA;
    view->status = NGX_HTTP_OK;

    view->body.data = p;
    view->body.len = ngx_counters_batch_assemble(p, ctx->commands, answers,
                                                 ngx_http_counters_now(),
                                                 operating)
                     - p;

    return NGX_OK;
}
