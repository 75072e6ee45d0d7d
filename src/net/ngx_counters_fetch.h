
/*
 * Copyright (C) The nginx counters module authors
 *
 * Calls to the portal: libcurl's multi interface in nginx's event loop.  One
 * fetcher per worker serves all portals.  This header is all that the rest
 * of the module knows of curl, so another client could stand behind it.
 */


#ifndef _NGX_COUNTERS_FETCH_H_INCLUDED_
#define _NGX_COUNTERS_FETCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


typedef struct ngx_counters_fetcher_s  ngx_counters_fetcher_t;
typedef struct ngx_counters_fetch_s    ngx_counters_fetch_t;


typedef enum {
    NGX_COUNTERS_FETCH_OK = 0,     /* there is a status and a body */
    NGX_COUNTERS_FETCH_CONNECT,    /* resolve, connect, TLS, reset */
    NGX_COUNTERS_FETCH_TIMEOUT,
    NGX_COUNTERS_FETCH_MALFORMED,  /* not HTTP, cut off, above max_body, a
                                      redirect that is not followed */
    NGX_COUNTERS_FETCH_CLOSED      /* the worker is going down */
} ngx_counters_fetch_rc_e;


/* where a portal is and how it is talked to: built once, at configuration */

typedef struct {
    ngx_str_t                 url;      /* scheme://host[:port][/prefix] */
    ngx_msec_t                timeout;
    ngx_msec_t                connect_timeout;
    size_t                    max_body;
    ngx_str_t                 ca;       /* NUL-terminated path, or empty */
    ngx_flag_t                verify;
} ngx_counters_fetch_conf_t;


typedef struct {
    ngx_counters_fetch_rc_e   rc;
    const char               *error;    /* constant text, fit for a log */
    ngx_uint_t                status;
    ngx_uint_t                requests; /* sent to the portal: 1, or more if
                                           a redirect was followed; 0 if all
                                           connections were busy */
    ngx_msec_t                elapsed;
    time_t                    retry_after;  /* seconds, -1 if not given */
    ngx_str_t                 headers;  /* "Name: value" CR LF each:
                                           Content-Type first (if any), then
                                           Access-Control-*, unless it varies
                                           by origin, X-Content-Type-Options;
                                           no others */
    ngx_str_t                 body;
} ngx_counters_fetch_result_t;


/*
 * Called exactly once per accepted fetch, from the event loop, never before
 * ngx_counters_fetch_post() has returned.  The result's memory is gone
 * afterwards.  It may post further fetches.  Not called after a cancel.
 */

typedef void (*ngx_counters_fetch_pt)(void *data,
    const ngx_counters_fetch_result_t *result);


/*
 * In init_process.  "log" must outlive the fetcher and must not be a
 * request's.  NULL on failure, which is logged.
 */

ngx_counters_fetcher_t *ngx_counters_fetch_open(ngx_cycle_t *cycle);

/*
 * In exit_process, before nginx looks for open sockets: everything under way
 * completes with NGX_COUNTERS_FETCH_CLOSED, all connections are closed.
 */

void ngx_counters_fetch_close(ngx_counters_fetcher_t *fetcher);

/*
 * Posts "body" (urlencoded) to conf->url followed by "path" ("/rest/...").
 * Both are copied, and wiped when the call is over: they carry credentials.
 * "conf" must live as long as the call.  A redirect is followed (the POST
 * repeated as it is) at most twice, only to https and only to the same host
 * or a sibling under the same parent domain; see change-domen.md.
 * NULL if it could not be started, which is logged without secrets.
 */

ngx_counters_fetch_t *ngx_counters_fetch_post(ngx_counters_fetcher_t *fetcher,
    ngx_counters_fetch_conf_t *conf, ngx_str_t *path, ngx_str_t *body,
    ngx_counters_fetch_pt handler, void *data);

void ngx_counters_fetch_cancel(ngx_counters_fetch_t *fetch);

/*
 * What a Retry-After says: seconds from now, -1 for nonsense (RFC 9110,
 * 10.2.3).
 */

time_t ngx_counters_fetch_easy_parse_delay(u_char *p, size_t len);

/* calls under way in this worker */

ngx_uint_t ngx_counters_fetch_active(ngx_counters_fetcher_t *fetcher);


#endif /* _NGX_COUNTERS_FETCH_H_INCLUDED_ */
