
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

void ngx_counters_evict_expire(ngx_counters_zone_t *zone, uint64_t now,
    ngx_uint_t n);


/* for the files of the zone: the mutex is held */

/* one entry or credential goes, but not "keep"; NGX_DECLINED if none can */

ngx_int_t ngx_counters_evict_one_locked(ngx_counters_zone_t *zone,
    void *keep, uint64_t now);

/* drops what has expired at the end of a list, looking at "n" at most */

ngx_uint_t ngx_counters_evict_expire_locked(ngx_counters_zone_t *zone,
    ngx_counters_link_t *list, uint64_t now, ngx_uint_t n);


#endif /* _NGX_COUNTERS_EVICT_H_INCLUDED_ */
