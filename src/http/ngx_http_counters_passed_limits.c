
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_fetch.h"
#include "ngx_counters_hold.h"
#include "ngx_http_counters_request.h"
#include "ngx_http_counters_passed_limits.h"


/* an error envelope names its code well within this */
#define NGX_HTTP_COUNTERS_WATCH_LEN  512


static ngx_int_t ngx_http_counters_passed_limits_header_filter(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_counters_passed_limits_body_filter(
    ngx_http_request_t *r, ngx_chain_t *in);
static void ngx_http_counters_passed_limits_watch(ngx_http_counters_ctx_t *ctx,
    u_char *data, size_t len);
static time_t ngx_http_counters_passed_limits_retry_after(
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_counters_passed_limits_contains(u_char *data,
    size_t len, const char *word);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


void
ngx_http_counters_passed_limits_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_counters_passed_limits_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_counters_passed_limits_body_filter;
}


static ngx_int_t
ngx_http_counters_passed_limits_header_filter(ngx_http_request_t *r)
{
    ngx_http_counters_ctx_t  *ctx;

    if (r->headers_out.status == NGX_HTTP_SERVICE_UNAVAILABLE) {

        ctx = ngx_http_get_module_ctx(r, ngx_http_counters_module);

        if (ctx && ctx->sent) {
            ctx->watched = 1;
            r->filter_need_in_memory = 1;
        }
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_counters_passed_limits_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in)
{
    ngx_http_counters_ctx_t  *ctx;

    if (r->headers_out.status == NGX_HTTP_SERVICE_UNAVAILABLE && in
        && ngx_buf_in_memory(in->buf) && in->buf->last > in->buf->pos)
    {
        ctx = ngx_http_get_module_ctx(r, ngx_http_counters_module);

        if (ctx && ctx->watched) {

            /* the first piece has the code, if there is one */

            ctx->watched = 0;
            ngx_http_counters_passed_limits_watch(ctx, in->buf->pos,
                                                  in->buf->last - in->buf->pos);
        }
    }

    return ngx_http_next_body_filter(r, in);
}


static void
ngx_http_counters_passed_limits_watch(ngx_http_counters_ctx_t *ctx,
    u_char *data, size_t len)
{
    ngx_counters_hold_e  hold;

    len = ngx_min(len, NGX_HTTP_COUNTERS_WATCH_LEN);

    if (ngx_http_counters_passed_limits_contains(data, len,
                                                 "QUERY_LIMIT_EXCEEDED"))
    {
        hold = NGX_COUNTERS_LIMITED;

    } else if (ngx_http_counters_passed_limits_contains(data, len,
                                                        "OVERLOAD_LIMIT"))
    {
        hold = NGX_COUNTERS_OVERLOADED;

    } else {
        return;
    }

    ngx_counters_hold_limit(ctx->worker, hold,
                      ngx_http_counters_passed_limits_retry_after(ctx->request),
                            "a request passed on");
}


static time_t
ngx_http_counters_passed_limits_retry_after(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->upstream->headers_in.headers.part; part; part = part->next)
    {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == sizeof("Retry-After") - 1
                && ngx_strcasecmp(h[i].key.data, (u_char *) "Retry-After")
                   == 0)
            {
                return ngx_counters_fetch_easy_parse_delay(h[i].value.data,
                                                           h[i].value.len);
            }
        }
    }

    return -1;
}


static ngx_uint_t
ngx_http_counters_passed_limits_contains(u_char *data, size_t len,
    const char *word)
{
    size_t   n;
    u_char  *p, *last;

    n = ngx_strlen(word);

    if (len < n) {
        return 0;
    }

    last = data + len - n;

    for (p = data; p <= last; p++) {
        if (ngx_strncasecmp(p, (u_char *) word, n) == 0) {
            return 1;
        }
    }

    return 0;
}
