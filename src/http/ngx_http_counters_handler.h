
/*
 * Copyright (C) The nginx counters module authors
 *
 * Drop-in mode: a request until it is a parsed call, and what is none on its
 * way to the location's own handler.
 */


#ifndef _NGX_HTTP_COUNTERS_HANDLER_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_HANDLER_H_INCLUDED_


#include "ngx_http_counters_request.h"


/* precontent phase; declines where the location's handler is the module's */

ngx_int_t ngx_http_counters_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_COUNTERS_HANDLER_H_INCLUDED_ */
