
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the answers of all handlers have in common on their way out.
 */


#ifndef _NGX_HTTP_COUNTERS_SEND_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_SEND_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/* where "expires" writes; lives as long as the request, and is zero */

typedef struct {
    ngx_table_elt_t   cache_control;
    ngx_table_elt_t   expires;
    ngx_table_elt_t  *lines[1];
} ngx_http_counters_send_decoy_t;


/*
 * Adds a header, whose value the caller sets; the name lives as long as the
 * request.  NULL when its pool is out of memory.
 */

static ngx_inline ngx_table_elt_t *
ngx_http_counters_send_header(ngx_http_request_t *r, u_char *name, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);

    if (h) {
        ngx_memzero(h, sizeof(ngx_table_elt_t));

        h->hash = 1;
        h->key.data = name;
        h->key.len = len;
    }

    return h;
}

#define ngx_http_counters_send_push(r, name)                                  \
    ngx_http_counters_send_header(r, (u_char *) name, sizeof(name) - 1)

/*
 * Has "expires" of the location leave Cache-Control, which the caller adds,
 * as it is: answers are about one user, and those of a managed location have
 * one URI for all users.
 */

void ngx_http_counters_send_uncached(ngx_http_request_t *r,
    ngx_http_counters_send_decoy_t *decoy);

/*
 * Whether an error_page of the location is to take the place of an answer of
 * this status: then nothing is sent, and the status is what the handler
 * returns.
 */

ngx_uint_t ngx_http_counters_send_intercepts(ngx_http_request_t *r,
    ngx_uint_t status);

/*
 * Sends headers_out and the parts of the body, if it has any.  If-Match and
 * the like are for who has the original; If-None-Match is heeded for a GET
 * that has an ETag.  Returns what a content handler may return.
 */

ngx_int_t ngx_http_counters_send_body(ngx_http_request_t *r,
    ngx_str_t *parts, ngx_uint_t n);


#endif /* _NGX_HTTP_COUNTERS_SEND_H_INCLUDED_ */
