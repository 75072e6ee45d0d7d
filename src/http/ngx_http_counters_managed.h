
/*
 * Copyright (C) The nginx counters module authors
 *
 * Managed mode: nginx knows who the visitor is and holds the webhook.
 */


#ifndef _NGX_HTTP_COUNTERS_MANAGED_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_MANAGED_H_INCLUDED_


#include "ngx_http_counters_request.h"


/* content handler */

ngx_int_t ngx_http_counters_managed_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_COUNTERS_MANAGED_H_INCLUDED_ */
