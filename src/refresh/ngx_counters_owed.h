
/*
 * Copyright (C) The nginx counters module authors
 *
 * Writes to Redis that must not be forgotten while it is away, since they
 * forbid what it holds: they are kept, per worker, and done when it is back.
 */


#ifndef _NGX_COUNTERS_OWED_H_INCLUDED_
#define _NGX_COUNTERS_OWED_H_INCLUDED_


#include "ngx_counters_worker.h"


typedef struct ngx_counters_owed_s  ngx_counters_owed_t;


/* in init_process */

ngx_int_t ngx_counters_owed_init(ngx_cycle_t *cycle,
    ngx_http_counters_worker_t *w);

/* SET with PX, now or later; pointless once "px" milliseconds are over */

void ngx_http_counters_later_set(ngx_http_counters_worker_t *w,
    ngx_str_t *name, ngx_str_t *value, uint64_t px);

/* DEL, the same */

void ngx_http_counters_later_del(ngx_http_counters_worker_t *w,
    ngx_str_t *name, uint64_t px);

/* does what can be done now; from the worker's tick */

void ngx_http_counters_later_retry(ngx_http_counters_worker_t *w);

/* in exit_process */

void ngx_http_counters_later_free(ngx_http_counters_worker_t *w);


#endif /* _NGX_COUNTERS_OWED_H_INCLUDED_ */
