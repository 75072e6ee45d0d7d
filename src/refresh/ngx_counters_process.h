
/*
 * Copyright (C) The nginx counters module authors
 *
 * The life of a worker process: builds and closes what it has of each portal,
 * listens to the other workers and keeps house.  What is to be done, and
 * when, is decided below.
 */


#ifndef _NGX_COUNTERS_PROCESS_H_INCLUDED_
#define _NGX_COUNTERS_PROCESS_H_INCLUDED_


#include "ngx_counters_worker.h"


/*
 * In init_module: the master makes the eventfds, which its workers inherit
 * and the cycle closes.  NGX_ERROR is logged.
 */

ngx_int_t ngx_counters_process_prepare(ngx_cycle_t *cycle,
    ngx_counters_wakes_t *wakes);

/*
 * In init_process.  "portals" (ngx_counters_portal_t *) and "wakes" live
 * as long as the cycle.
 */

ngx_int_t ngx_counters_process_init(ngx_cycle_t *cycle, ngx_array_t *portals,
    ngx_counters_wakes_t *wakes);

/* in exit_process, also if nothing has been built */

void ngx_counters_process_exit(void);


#endif /* _NGX_COUNTERS_PROCESS_H_INCLUDED_ */
