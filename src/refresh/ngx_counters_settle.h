
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the portal's answer, or none, means for the calls that were asked: for
 * their keys, their credential and the portal.
 */


#ifndef _NGX_COUNTERS_SETTLE_H_INCLUDED_
#define _NGX_COUNTERS_SETTLE_H_INCLUDED_


#include "ngx_counters_worker.h"


/*
 * All that is settled is stored and its waiters are answered before this
 * returns; what has to leave again is back in the queue.
 */

void ngx_counters_settle(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result);


#endif /* _NGX_COUNTERS_SETTLE_H_INCLUDED_ */
