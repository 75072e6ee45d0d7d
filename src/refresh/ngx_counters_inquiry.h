
/*
 * Copyright (C) The nginx counters module authors
 *
 * What events come to: whose counters a task concerns is asked of the portal,
 * with the managed webhook, and their entries are marked stale.
 */


#ifndef _NGX_COUNTERS_INQUIRY_H_INCLUDED_
#define _NGX_COUNTERS_INQUIRY_H_INCLUDED_


#include "ngx_counters_worker.h"


/* in init_process */

ngx_int_t ngx_counters_inquiry_init(ngx_cycle_t *cycle,
    ngx_counters_worker_t *w);

/* an event of the portal's about a task, 0 if it does not say which */

void ngx_counters_inquiry_event(ngx_counters_worker_t *w, uint64_t task,
    ngx_uint_t deleted);

/* acts upon the events that wait, or sets the timer for when it is time */

void ngx_counters_inquiry_pump(ngx_counters_worker_t *w);


#endif /* _NGX_COUNTERS_INQUIRY_H_INCLUDED_ */
