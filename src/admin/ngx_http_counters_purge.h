
/*
 * Copyright (C) The nginx counters module authors
 *
 * counters_purge: entries dropped or marked stale on demand.
 */


#ifndef _NGX_HTTP_COUNTERS_PURGE_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_PURGE_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/* content handler */

ngx_int_t ngx_http_counters_purge_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_COUNTERS_PURGE_H_INCLUDED_ */
