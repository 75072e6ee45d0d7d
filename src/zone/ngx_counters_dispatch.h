
/*
 * Copyright (C) The nginx counters module authors
 *
 * What leaves the refresh queue, when and in which company.
 */


#ifndef _NGX_COUNTERS_DISPATCH_H_INCLUDED_
#define _NGX_COUNTERS_DISPATCH_H_INCLUDED_


#include "ngx_counters_types.h"


/*
 * The next calls to leave.  NGX_OK with a flight, its quota taken.
 * NGX_AGAIN: try again after *delay milliseconds.  NGX_BUSY: it is the turn
 * of the worker in slot *slot, which is to be woken, and *delay is when to
 * look again in case it is dead.  NGX_DONE: nothing is queued.
 */

ngx_int_t ngx_counters_dispatch(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now, ngx_counters_flight_t *flight,
    ngx_msec_t *delay, ngx_uint_t *slot);


#endif /* _NGX_COUNTERS_DISPATCH_H_INCLUDED_ */
