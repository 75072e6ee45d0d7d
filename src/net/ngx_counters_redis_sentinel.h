
/*
 * Copyright (C) The nginx counters module authors
 *
 * Where the primary is, asked of Redis Sentinels, one after the other, over a
 * connection that ends with the answer.
 */


#ifndef _NGX_COUNTERS_REDIS_SENTINEL_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_SENTINEL_H_INCLUDED_


#include "ngx_counters_redis.h"
#include "ngx_counters_redis_event.h"
#include "ngx_counters_redis_wire.h"
#include "ngx_counters_resolve.h"


typedef struct ngx_counters_redis_sentinel_s  ngx_counters_redis_sentinel_t;

/*
 * Called once, from the event loop, never before the question was asked.
 * "addr", with its port, is NULL if no sentinel knows; "reason" is of the
 * last one then.  The question is gone afterwards.
 */

typedef void (*ngx_counters_redis_sentinel_pt)(void *data,
    ngx_counters_resolve_addr_t *addr, const char *reason);


/* each sentinel is given "timeout".  NULL: no memory */

ngx_counters_redis_sentinel_t *ngx_counters_redis_sentinel_ask(
    ngx_counters_redis_conf_t *conf, ngx_msec_t timeout,
    ngx_counters_redis_sentinel_pt handler, void *data, ngx_log_t *log);

/* the handler will not be called */

void ngx_counters_redis_sentinel_cancel(ngx_counters_redis_sentinel_t *s);


#endif /* _NGX_COUNTERS_REDIS_SENTINEL_H_INCLUDED_ */
