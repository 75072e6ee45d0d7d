
/*
 * Copyright (C) The nginx counters module authors
 *
 * Calls on their way to the portal: what leaves when the zone's queue says
 * so.
 */


#ifndef _NGX_COUNTERS_FLIGHT_H_INCLUDED_
#define _NGX_COUNTERS_FLIGHT_H_INCLUDED_


#include "ngx_counters_worker.h"


/* in init_process */

ngx_int_t ngx_counters_flight_init(ngx_cycle_t *cycle,
    ngx_counters_worker_t *w);

/* sends what may be sent now, and sets the timer for what may not yet */

void ngx_counters_flight_pump(ngx_counters_worker_t *w);


#endif /* _NGX_COUNTERS_FLIGHT_H_INCLUDED_ */
