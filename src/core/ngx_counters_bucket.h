
/*
 * Copyright (C) The nginx counters module authors
 *
 * A model of the portal's leaky bucket (limits.md): every request raises the
 * level by one, once a second it falls by the rate, above the threshold the
 * portal answers QUERY_LIMIT_EXCEEDED.  The model never shows a level below
 * the portal's: it drains in whole seconds counted from its own start, since
 * the phase of the portal's seconds is unknown, and starts anew with every
 * request that finds less than one drain in it.
 */


#ifndef _NGX_COUNTERS_BUCKET_H_INCLUDED_
#define _NGX_COUNTERS_BUCKET_H_INCLUDED_


#include "ngx_counters_core.h"


/* both in thousandths of a request, so that 30r/m is exact */

typedef struct {
    uint32_t                 rate;        /* per second; 0: no limit */
    uint32_t                 burst;       /* the portal's threshold */
} ngx_counters_bucket_conf_t;


typedef struct {
    uint64_t                 level;       /* thousandths */
    uint64_t                 drained;     /* last drain, Unix milliseconds */
} ngx_counters_bucket_t;


/* the level at "now", thousandths */

uint64_t ngx_counters_bucket_level(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now);

/*
 * Takes one request if the level stays within "limit" (thousandths; the
 * burst less the reserve for refreshes; less than one request counts as
 * one).  Returns 0, or the milliseconds until it may be tried again, nothing
 * taken.
 */

uint32_t ngx_counters_bucket_take(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now, uint64_t limit);

/* a request that is sent whatever the level; at most one above the burst */

void ngx_counters_bucket_add(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now);

/* the portal has answered QUERY_LIMIT_EXCEEDED */

void ngx_counters_bucket_fill(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now);


#endif /* _NGX_COUNTERS_BUCKET_H_INCLUDED_ */
