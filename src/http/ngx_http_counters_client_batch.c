
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_batch.h"
#include "ngx_counters_reply.h"
#include "ngx_http_counters_client_batch.h"


/* fifty commands, halt, a credential and telemetry */
#define NGX_HTTP_COUNTERS_COMMANDS_ARGS  (NGX_COUNTERS_BATCH_MAX + 14)


static ngx_int_t ngx_http_counters_client_batch_items(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);
static ngx_http_counters_item_t *ngx_http_counters_client_batch_whole(
    ngx_http_counters_ctx_t *ctx, ngx_counters_batch_content_t *contents,
    ngx_uint_t *n);
static ngx_counters_verdict_e ngx_http_counters_client_batch_judge(
    ngx_http_counters_item_t *item);
static void ngx_http_counters_client_batch_add(ngx_http_counters_item_t *sum,
    ngx_http_counters_item_t *item);
static ngx_int_t ngx_http_counters_client_batch_view(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_batch_content_t *contents,
    ngx_http_counters_item_t *sum);
static void ngx_http_counters_client_batch_used(ngx_http_counters_ctx_t *ctx,
    uint64_t now, ngx_counters_batch_used_t *used);


/* the batch is as well off as its worst command */

static ngx_uint_t
    ngx_http_counters_client_batch_order[NGX_HTTP_COUNTERS_STATUSES] =
{
    [NGX_HTTP_COUNTERS_HIT] = 1,
    [NGX_HTTP_COUNTERS_NEGATIVE] = 2,
    [NGX_HTTP_COUNTERS_UPDATING] = 3,
    [NGX_HTTP_COUNTERS_STALE] = 4,
    [NGX_HTTP_COUNTERS_COALESCED] = 5,
    [NGX_HTTP_COUNTERS_MISS] = 6,
    [NGX_HTTP_COUNTERS_BYPASS] = 7,
    [NGX_HTTP_COUNTERS_ERROR] = 8
};


ngx_int_t
ngx_http_counters_client_batch_parse(ngx_http_request_t *r,
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

    rc = ngx_http_counters_request_args(r, &query, &body);
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

    return ngx_http_counters_client_batch_items(r, ctx);
}


static ngx_int_t
ngx_http_counters_client_batch_items(ngx_http_request_t *r,
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
ngx_http_counters_client_batch_answer(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx)
{
    ngx_uint_t                     i, n;
    ngx_http_counters_item_t      *sum;
    ngx_counters_batch_content_t  *contents;

    contents = ngx_pcalloc(r->pool,
                         ctx->nitems * sizeof(ngx_counters_batch_content_t));
    if (contents == NULL) {
        return NULL;
    }

    sum = ngx_http_counters_client_batch_whole(ctx, contents, &n);
    if (sum) {
        return sum;
    }

    sum = ngx_palloc(r->pool, sizeof(ngx_http_counters_item_t));
    if (sum == NULL) {
        return NULL;
    }

    *sum = ctx->items[0];

    for (i = 1; i < n; i++) {
        ngx_http_counters_client_batch_add(sum, &ctx->items[i]);
    }

    return (ngx_http_counters_client_batch_view(r, ctx, contents,
                                                sum) == NGX_OK)
           ? sum : NULL;
}


/*
 * What concerns the batch as a whole, for the portal's batch would fail or be
 * refused: a dead credential above all, a portal that fails, a quota that is
 * spent.  NULL if there is no such, and a content for each of the first *n
 * commands: nothing after the first error is wanted of a batch that halts.
 */

static ngx_http_counters_item_t *
ngx_http_counters_client_batch_whole(ngx_http_counters_ctx_t *ctx,
    ngx_counters_batch_content_t *contents, ngx_uint_t *n)
{
    ngx_uint_t                 i;
    ngx_counters_verdict_e     verdict;
    ngx_http_counters_item_t  *item, *failed;

    *n = ctx->nitems;
    failed = NULL;

    for (i = 0; i < *n; i++) {
        item = &ctx->items[i];

        contents[i].envelope.len = item->waiter.view.body.len;
        contents[i].envelope.data = item->waiter.view.body.data;
        contents[i].error = (item->waiter.view.kind != NGX_COUNTERS_DATA);

        if (!contents[i].error) {
            continue;
        }

        verdict = ngx_http_counters_client_batch_judge(item);

        if (verdict == NGX_COUNTERS_REPLY_UNAUTHORIZED) {
            return item;
        }

        if (verdict == NGX_COUNTERS_REPLY_FAILED) {
            failed = failed ? failed : item;

        } else if (failed == NULL && ctx->commands->halt) {
            *n = i + 1;
        }
    }

    return failed;
}


/*
 * Whether it is the command's own error, in the portal's words (REFUSED), the
 * credential's (UNAUTHORIZED) or nobody's but the portal's (FAILED).
 */

static ngx_counters_verdict_e
ngx_http_counters_client_batch_judge(ngx_http_counters_item_t *item)
{
    ngx_counters_str_t     body;
    ngx_counters_view_t   *view;
    ngx_counters_reply_t   reply;

    view = &item->waiter.view;

    if (view->kind == NGX_COUNTERS_EMPTY) {
        return NGX_COUNTERS_REPLY_FAILED;
    }

    body.len = view->body.len;
    body.data = view->body.data;

    ngx_counters_reply_judge(&reply, view->status, &body);

    switch (reply.verdict) {

    case NGX_COUNTERS_REPLY_UNAUTHORIZED:
    case NGX_COUNTERS_REPLY_DEAD:
        return NGX_COUNTERS_REPLY_UNAUTHORIZED;

    case NGX_COUNTERS_REPLY_REFUSED:
    case NGX_COUNTERS_REPLY_FORBIDDEN:
    case NGX_COUNTERS_REPLY_BARRED:
    case NGX_COUNTERS_REPLY_OPERATING:
    case NGX_COUNTERS_REPLY_FOREIGN:
        return reply.error.data ? NGX_COUNTERS_REPLY_REFUSED
                                : NGX_COUNTERS_REPLY_FAILED;

    default:
        return NGX_COUNTERS_REPLY_FAILED;
    }
}


static void
ngx_http_counters_client_batch_add(ngx_http_counters_item_t *sum,
    ngx_http_counters_item_t *item)
{
    ngx_counters_view_t  *view, *total;

    view = &item->waiter.view;
    total = &sum->waiter.view;

    if (ngx_http_counters_client_batch_order[item->cache_status]
        > ngx_http_counters_client_batch_order[sum->cache_status])
    {
        sum->cache_status = item->cache_status;
        sum->source = item->source;
    }

    sum->waiter.stored &= item->waiter.stored;
    total->fetched = ngx_min(total->fetched, view->fetched);
    total->remains = ngx_min(total->remains, view->remains);

    if (total->kind != NGX_COUNTERS_DATA) {
        total->kind = view->kind;
        total->headers = view->headers;
    }
}


static ngx_int_t
ngx_http_counters_client_batch_view(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_batch_content_t *contents,
    ngx_http_counters_item_t *sum)
{
    u_char                        *p;
    uint64_t                       now;
    ngx_uint_t                     original;
    ngx_counters_view_t           *view;
    ngx_counters_batch_used_t      used;
    ngx_http_counters_loc_conf_t  *lcf;

    p = ngx_pnalloc(r->pool, ngx_counters_batch_len(ctx->commands, contents));
    if (p == NULL) {
        return NGX_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);
    original = (lcf->time == NGX_HTTP_COUNTERS_TIME_ORIGINAL);

    now = ngx_counters_worker_now();
    view = &sum->waiter.view;

    ngx_memzero(&used, sizeof(ngx_counters_batch_used_t));

    if (view->kind != NGX_COUNTERS_DATA) {
        ngx_http_counters_client_batch_used(ctx, now, &used);
    }

    view->kind = NGX_COUNTERS_DATA;
    view->status = NGX_HTTP_OK;

    view->body.data = p;
    view->body.len = ngx_counters_batch_assemble(p, ctx->commands, contents,
                                                 now, original ? &used : NULL)
                     - p;

    return NGX_OK;
}


/* errors tell of no operating time, but the portal's batch does */

static void
ngx_http_counters_client_batch_used(ngx_http_counters_ctx_t *ctx, uint64_t now,
    ngx_counters_batch_used_t *used)
{
    uint64_t             ms, reset_at;
    ngx_uint_t           i;
    ngx_counters_key_t  *key;

    for (i = 0; i < ctx->nitems; i++) {
        key = &ctx->items[i].waiter.key;

        if (!ngx_counters_limits_used(ctx->portal->zone, key->cred,
                                     key->method, now, &ms, &reset_at))
        {
            return;
        }

        if (used->reset_at == 0 || ms > used->used) {
            used->used = ms;
            used->reset_at = reset_at;
        }
    }
}
