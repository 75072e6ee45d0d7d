
/*
 * Copyright (C) The nginx counters module authors
 *
 * From a parsed call to its answer: what there is, whether it will do, and
 * if not, the wait for something better.
 */


#ifndef _NGX_HTTP_COUNTERS_SERVE_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_SERVE_H_INCLUDED_


#include "ngx_http_counters_request.h"


/*
 * ctx->items and ctx->cred are set.  NGX_DONE when the request is parked: it
 * will be finalized later.  NGX_DECLINED when there is neither an answer nor
 * room in the zone to wait for one.  Otherwise the answer has been sent and
 * the request is to be finalized with what is returned.
 */

ngx_int_t ngx_http_counters_serve(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx);


#endif /* _NGX_HTTP_COUNTERS_SERVE_H_INCLUDED_ */
