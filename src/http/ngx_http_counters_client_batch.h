
/*
 * Copyright (C) The nginx counters module authors
 *
 * A client's batch made only of counter calls.
 */


#ifndef _NGX_HTTP_COUNTERS_CLIENT_BATCH_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_CLIENT_BATCH_H_INCLUDED_


#include "ngx_http_counters_request.h"


/*
 * Fills the context with an item a command.  NGX_DECLINED when the batch is
 * for the portal to judge, NGX_ERROR.
 */

ngx_int_t ngx_http_counters_client_batch_parse(ngx_http_request_t *r,
    ngx_http_counters_ctx_t *ctx, ngx_counters_path_t *path);

/*
 * Sums the items up in one, whose view is the portal's answer to the whole
 * batch.  When it fails as a whole that is the item for which it does, whose
 * view is EMPTY when there is no answer at all.  NULL when the request's pool
 * is out of memory.
 */

ngx_http_counters_item_t *ngx_http_counters_client_batch_answer(
    ngx_http_request_t *r, ngx_http_counters_ctx_t *ctx);


#endif /* _NGX_HTTP_COUNTERS_CLIENT_BATCH_H_INCLUDED_ */
