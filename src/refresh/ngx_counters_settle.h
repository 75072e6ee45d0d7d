
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the portal's answer, or none, means for the calls that were asked: for
 * their keys, their credential and the portal.  All that is settled is stored
 * and its waiters are answered before these return; what has to leave again
 * is back in the queue.
 */


#ifndef _NGX_COUNTERS_SETTLE_H_INCLUDED_
#define _NGX_COUNTERS_SETTLE_H_INCLUDED_


#include "ngx_counters_flight.h"


/* an answer of whatever status */

void ngx_http_counters_landed(ngx_http_counters_flight_t *flight,
    const ngx_counters_fetch_result_t *result);

/* no answer at all */

void ngx_http_counters_lost(ngx_http_counters_flight_t *flight,
    const ngx_counters_fetch_result_t *result);


#endif /* _NGX_COUNTERS_SETTLE_H_INCLUDED_ */
