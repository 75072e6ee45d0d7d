
/*
 * Copyright (C) The nginx counters module authors
 *
 * counters_events: the portal's outgoing webhooks.
 */


#ifndef _NGX_HTTP_COUNTERS_EVENTS_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_EVENTS_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/* content handler */

ngx_int_t ngx_http_counters_events_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_COUNTERS_EVENTS_H_INCLUDED_ */
