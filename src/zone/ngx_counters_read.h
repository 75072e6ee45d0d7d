
/*
 * Copyright (C) The nginx counters module authors
 *
 * A fresh answer, read without the lock, so that hits wait for nobody.
 */


#ifndef _NGX_COUNTERS_READ_H_INCLUDED_
#define _NGX_COUNTERS_READ_H_INCLUDED_


#include "ngx_counters_shm.h"


/* how many times an edit may get in the way before the lock is taken */
#define NGX_COUNTERS_READ_TRIES  4


/*
 * NGX_OK with a copy of what is fresh (without a pool nothing is copied),
 * NGX_DECLINED if there is none or it cannot be told, NGX_ERROR when the pool
 * is out of memory.  The lock is not held.  Notes that it was asked for.
 */

ngx_int_t ngx_counters_read_fresh(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view);

/* the same copy with the lock held */

ngx_int_t ngx_counters_read_copy(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_pool_t *pool, ngx_counters_view_t *view);

/* notes that the entry is asked for; to within a second; needs no lock */

void ngx_counters_read_touch(ngx_counters_zone_t *zone, uint32_t entry,
    uint64_t now);


#endif /* _NGX_COUNTERS_READ_H_INCLUDED_ */
