
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the client is sent.
 */


#ifndef _NGX_HTTP_COUNTERS_RESPONSE_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_RESPONSE_H_INCLUDED_


#include "ngx_http_counters_request.h"


/*
 * Sends the view: the portal's bytes and headers, with ours as the context
 * says.  "stored" is for Cache-Status and ETag.  Returns what a content
 * handler may return; the caller finalizes.
 */

ngx_int_t ngx_http_counters_response(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_view_t *view,
    ngx_uint_t stored);

/*
 * Sends an error envelope of our own.  "retry_after" in seconds, 0 for none.
 * The texts need no escaping.
 */

ngx_int_t ngx_http_counters_response_error(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_uint_t status, const char *error,
    const char *description, time_t retry_after);

/* the Allow header of a 405 */

ngx_int_t ngx_http_counters_response_allow(ngx_http_request_t *r,
    const char *methods);


#endif /* _NGX_HTTP_COUNTERS_RESPONSE_H_INCLUDED_ */
