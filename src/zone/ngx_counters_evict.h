
/*
 * Copyright (C) The nginx counters module authors
 *
 * What leaves the zone, and the room that this makes.
 */


#ifndef _NGX_COUNTERS_EVICT_H_INCLUDED_
#define _NGX_COUNTERS_EVICT_H_INCLUDED_


#include "ngx_counters_types.h"


/*
 * Drops what has expired; looks at "n" of each list, oldest first.  Called
 * every second, it also notices when the clock has been set back.
 */

void ngx_counters_zone_expire(ngx_counters_zone_t *zone, uint64_t now,
    ngx_uint_t n);


/* for the files of the zone: the mutex is held */

/* NULL when there is no room, even after others but "keep" have gone */

void *ngx_counters_evict_alloc_locked(ngx_counters_zone_t *zone, size_t size,
    ngx_counters_entry_t *keep, uint64_t now);

/* drops what has expired at the end of a list, looking at "n" at most */

ngx_uint_t ngx_counters_evict_expire_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, uint64_t now, ngx_uint_t n);


#endif /* _NGX_COUNTERS_EVICT_H_INCLUDED_ */
