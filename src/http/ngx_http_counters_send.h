
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the answers of all handlers have in common on their way out.
 */


#ifndef _NGX_HTTP_COUNTERS_SEND_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_SEND_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/*
 * Adds a header; "name" and "value" (NULL: the caller sets it) live as long
 * as the request.  NULL when its pool is out of memory.
 */

ngx_table_elt_t *ngx_http_counters_send_header(ngx_http_request_t *r,
    const char *name, size_t len, const char *value);

#define ngx_http_counters_send_push(r, name)                                  \
    ngx_http_counters_send_header(r, name, sizeof(name) - 1, NULL)

/*
 * Cache-Control, which "expires" of the location leaves as it is, since the
 * answers are about one user, and may have the same URI for all of them.
 */

ngx_int_t ngx_http_counters_send_cache_control(ngx_http_request_t *r,
    const char *value);

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
