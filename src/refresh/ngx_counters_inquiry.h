
/*
 * Copyright (C) The nginx counters module authors
 *
 * What events come to: whose counters a task concerns is asked of the portal,
 * with the managed webhook, and their entries are marked stale.
 */


#ifndef _NGX_COUNTERS_INQUIRY_H_INCLUDED_
#define _NGX_COUNTERS_INQUIRY_H_INCLUDED_


#include "ngx_counters_worker.h"


/* acts upon the events that wait, or sets the timer for when it is time */

void ngx_http_counters_participants_pump(ngx_http_counters_worker_t *w);


#endif /* _NGX_COUNTERS_INQUIRY_H_INCLUDED_ */
