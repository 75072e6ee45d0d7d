
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_counters_send.h"


static void ngx_http_counters_send_conditions(ngx_http_request_t *r);
static ngx_int_t ngx_http_counters_send_joined(ngx_http_request_t *r,
    ngx_buf_t *b, ngx_str_t *parts, ngx_uint_t n);


void
ngx_http_counters_send_uncached(ngx_http_request_t *r,
    ngx_http_counters_send_decoy_t *decoy)
{
    /* their hash is 0, so these two are not sent */

    r->headers_out.expires = &decoy->expires;

#if (nginx_version >= 1023000)

    r->headers_out.cache_control = &decoy->cache_control;

#else

    decoy->lines[0] = &decoy->cache_control;

    r->headers_out.cache_control.elts = decoy->lines;
    r->headers_out.cache_control.nelts = 1;
    r->headers_out.cache_control.size = sizeof(ngx_table_elt_t *);
    r->headers_out.cache_control.nalloc = 1;
    r->headers_out.cache_control.pool = r->pool;

#endif
}


ngx_uint_t
ngx_http_counters_send_intercepts(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                     i;
    ngx_http_err_page_t           *page;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_counters_loc_conf_t  *lcf;

    if (status < NGX_HTTP_BAD_REQUEST) {
        return 0;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* r->error_page: this is one, and recursive_error_pages is off */

    if (!lcf->intercept || clcf->error_pages == NULL || r->error_page) {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (page[i].status == (ngx_int_t) status) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_counters_send_body(ngx_http_request_t *r, ngx_str_t *parts,
    ngx_uint_t n)
{
    off_t         len;
    ngx_int_t     rc;
    ngx_uint_t    i;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    len = 0;

    for (i = 0; i < n; i++) {
        len += parts[i].len;
    }

    r->headers_out.content_length_n = len;

    ngx_http_counters_send_conditions(r);

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (len == 0) {
        return ngx_http_send_special(r, NGX_HTTP_LAST);
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    if (n == 1) {
        b->pos = parts[0].data;
        b->last = parts[0].data + parts[0].len;

    } else if (ngx_http_counters_send_joined(r, b, parts, n) != NGX_OK) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/*
 * RFC 9110, 13: a cache may ignore If-Match and must ignore a date when there
 * is none to compare; nginx's filter would answer 412, to a POST as well,
 * and would have If-Modified-Since outdo If-None-Match.
 */

static void
ngx_http_counters_send_conditions(ngx_http_request_t *r)
{
    if (r->headers_out.etag == NULL
        || !(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        r->disable_not_modified = 1;
        return;
    }

    r->headers_in.if_match = NULL;
    r->headers_in.if_unmodified_since = NULL;
    r->headers_in.if_modified_since = NULL;
}


static ngx_int_t
ngx_http_counters_send_joined(ngx_http_request_t *r, ngx_buf_t *b,
    ngx_str_t *parts, ngx_uint_t n)
{
    u_char      *p;
    ngx_uint_t   i;

    p = ngx_pnalloc(r->pool, (size_t) r->headers_out.content_length_n);
    if (p == NULL) {
        return NGX_ERROR;
    }

    b->pos = p;

    for (i = 0; i < n; i++) {
        p = ngx_cpymem(p, parts[i].data, parts[i].len);
    }

    b->last = p;

    return NGX_OK;
}
