
/*
 * Copyright (C) The nginx counters module authors
 *
 * What a connection to Redis says first, and when it was silent for long; see
 * ngx_counters_redis_use_t.
 */


#ifndef _NGX_COUNTERS_REDIS_HELLO_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_HELLO_H_INCLUDED_


#include "ngx_counters_redis_link.h"


ngx_int_t ngx_counters_redis_hello(ngx_counters_redis_link_t *link);
ngx_int_t ngx_counters_redis_hello_redis_ping(ngx_counters_redis_link_t *link);


#endif /* _NGX_COUNTERS_REDIS_HELLO_H_INCLUDED_ */
