
/*
 * Copyright (C) The nginx counters module authors
 *
 * Data in the order in which it is to be refreshed ahead, by when it ends: a
 * wheel of lists, one for each quarter of a second.  What is due later than
 * the wheel goes round in is looked at again then.  The lock is held.
 */


#ifndef _NGX_COUNTERS_WHEEL_H_INCLUDED_
#define _NGX_COUNTERS_WHEEL_H_INCLUDED_


#include "ngx_counters_shm.h"


#define NGX_COUNTERS_WHEEL_TICK  250


/* the list of a tick */

#define ngx_counters_wheel_list(zone, tick)                                   \
    (&(zone)->sh->wheel[(tick) % NGX_COUNTERS_WHEEL])


/* to its place, by when it ends, or to one by when it is to be looked at */

void ngx_counters_wheel_insert_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e);
void ngx_counters_wheel_put_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t when);

/* how long before its end of life an entry is refreshed ahead, milliseconds */

uint32_t ngx_counters_wheel_lead(ngx_counters_entry_t *e);


#endif /* _NGX_COUNTERS_WHEEL_H_INCLUDED_ */
