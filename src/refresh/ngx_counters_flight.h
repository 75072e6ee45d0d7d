
/*
 * Copyright (C) The nginx counters module authors
 *
 * Calls on their way to the portal: what leaves when the zone's queue says
 * so.
 */


#ifndef _NGX_COUNTERS_FLIGHT_H_INCLUDED_
#define _NGX_COUNTERS_FLIGHT_H_INCLUDED_


#include "ngx_counters_worker.h"


typedef struct {
    ngx_queue_t                   queue;      /* in worker->flights */
    ngx_http_counters_worker_t   *worker;
    ngx_counters_flight_t         calls;
} ngx_http_counters_flight_t;


/* sends what may be sent now, and sets the timer for what may not yet */

void ngx_http_counters_flight_pump(ngx_http_counters_worker_t *w);

/* the same a little later, in company of what else this iteration brings */

void ngx_http_counters_flight_pump_later(ngx_http_counters_worker_t *w);


#endif /* _NGX_COUNTERS_FLIGHT_H_INCLUDED_ */
