
/*
 * Copyright (C) The nginx counters module authors
 *
 * libcurl's multi interface in nginx's event loop: sockets, timeouts and
 * finished transfers.  It knows nothing of the calls.
 */


#ifndef _NGX_COUNTERS_FETCH_EVENT_H_INCLUDED_
#define _NGX_COUNTERS_FETCH_EVENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>


/*
 * A transfer has ended.  Called from the event loop, outside of curl: handles
 * may be added and removed.
 */

typedef void (*ngx_counters_fetch_done_pt)(CURL *easy, CURLcode code);

/*
 * A transfer will make no progress.  NGX_ERROR: its socket cannot be watched.
 * NGX_AGAIN: it needs ngx_counters_fetch_event_wake().  Called inside curl,
 * which may not be called from here.
 */

typedef void (*ngx_counters_fetch_stuck_pt)(CURL *easy, ngx_int_t rc);


typedef struct {
    CURLM                       *multi;
    ngx_log_t                   *log;
    ngx_counters_fetch_done_pt   done;
    ngx_counters_fetch_stuck_pt  stuck;
    ngx_queue_t                  connections;
    ngx_event_t                  timer;    /* curl's timeout */
    ngx_event_t                  posted;   /* the same when it is 0 */
    ngx_connection_t             dummy;    /* fd -1, for debug logs */
} ngx_counters_fetch_loop_t;


/* multi, log, done and stuck are set by the caller, the rest zeroed */

ngx_int_t ngx_counters_fetch_event_open(ngx_counters_fetch_loop_t *loop);

/* before a handle is added to multi */

ngx_int_t ngx_counters_fetch_event_attach(ngx_counters_fetch_loop_t *loop,
    CURL *easy);

void ngx_counters_fetch_event_wake(CURL *easy);

/* the caller has removed all handles and cleans multi up afterwards */

void ngx_counters_fetch_event_close(ngx_counters_fetch_loop_t *loop);


#endif /* _NGX_COUNTERS_FETCH_EVENT_H_INCLUDED_ */
