
/*
 * Copyright (C) The nginx counters module authors
 *
 * Calls of one portal take turns when its connections are busy.  curl's own
 * queue is not used for that: depending on its version the time in it counts
 * as connecting, has no limit, or costs more the longer the queue is.
 */


#ifndef _NGX_COUNTERS_FETCH_TURN_H_INCLUDED_
#define _NGX_COUNTERS_FETCH_TURN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* connections to one portal in a worker */

#define NGX_COUNTERS_FETCH_TURN_CONNS    8

/* calls under way to one that shares a connection between them */

#define NGX_COUNTERS_FETCH_TURN_STREAMS  100


typedef struct ngx_counters_fetch_portal_s  ngx_counters_fetch_portal_t;


/* of one call, from take to leave; the portal's own */

typedef struct {
    ngx_queue_t                   queue;    /* while it waits */
    ngx_counters_fetch_portal_t  *portal;
    ngx_uint_t                    waiting;  /* unsigned  waiting:1; */
} ngx_counters_fetch_turn_t;


/*
 * The portal of an address, found in the list or added to it: there are few,
 * and they stay until the list is cleared.  NULL: no memory.
 */

ngx_counters_fetch_portal_t *ngx_counters_fetch_turn_portal(
    ngx_queue_t *portals, ngx_str_t *url, ngx_log_t *log);

/* begins, or waits if others do or all is busy: see "waiting" */

void ngx_counters_fetch_turn_take(ngx_counters_fetch_turn_t *turn,
    ngx_counters_fetch_portal_t *portal);

/* ends or gives up; returns whether somebody's turn may have come */

ngx_uint_t ngx_counters_fetch_turn_leave(ngx_counters_fetch_turn_t *turn);

/* takes the turn of one that waits, at any of the portals; NULL: of none */

ngx_counters_fetch_turn_t *ngx_counters_fetch_turn_next(
    ngx_queue_t *portals);

/* the portal's connections have been seen to carry several calls, or not */

void ngx_counters_fetch_turn_shared(ngx_counters_fetch_turn_t *turn,
    ngx_uint_t shared);

void ngx_counters_fetch_turn_clear(ngx_queue_t *portals);


#endif /* _NGX_COUNTERS_FETCH_TURN_H_INCLUDED_ */
