
/*
 * Copyright (C) The nginx counters module authors
 *
 * nginx appends the request to what it logs of it.  In a location with
 * "counters" on the request line has secrets, so they are masked there.
 */


#ifndef _NGX_HTTP_COUNTERS_LOG_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_LOG_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/*
 * Both rewrite phases: for a body that looks like a call's as soon as the
 * server is known, for all else when the location is.  Always NGX_DECLINED.
 */

ngx_int_t ngx_http_counters_log_phase_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_COUNTERS_LOG_H_INCLUDED_ */
