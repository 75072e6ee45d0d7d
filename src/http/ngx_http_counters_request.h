
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the module keeps of a request, and what the request says.
 */


#ifndef _NGX_HTTP_COUNTERS_REQUEST_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_REQUEST_H_INCLUDED_


#include "ngx_http_counters_conf.h"
#include "ngx_counters_commands.h"
#include "ngx_counters_refresh.h"
#include "ngx_http_counters_send.h"


/* a counter call is never larger */
#define NGX_HTTP_COUNTERS_BODY_MAX  65536


/* one call of a request, and what has come of it */

typedef struct {
    ngx_counters_waiter_t              waiter;     /* stays first */
    ngx_http_counters_ctx_t           *ctx;

    ngx_uint_t                         cache_status;
    ngx_uint_t                         source;

    unsigned                           late:1;     /* has waited in vain */
} ngx_http_counters_item_t;


struct ngx_http_counters_ctx_s {
    ngx_http_request_t                *request;
    ngx_counters_worker_t             *worker;
    ngx_counters_portal_t             *portal;

    /* event ident must be after 3 pointers as in ngx_connection_t */
    ngx_int_t                          ident;

    /* pointing into the request's memory, and gone with it */
    ngx_counters_cred_t                cred;

    /* one call, or the commands of a client's batch */
    ngx_http_counters_item_t          *items;
    ngx_uint_t                         nitems;
    ngx_uint_t                         pending;    /* items that wait */
    ngx_counters_commands_t           *commands;   /* NULL: not a batch */

    ngx_event_t                        deadline;   /* of a parked request */
    ngx_msec_t                         parked;     /* ngx_current_msec */

    ngx_str_t                         *origin;     /* another one, or NULL */

    unsigned                           managed:1;
    unsigned                           body:1;     /* has been read */
    unsigned                           passed:1;   /* for the next handler */
    unsigned                           bypass:1;
    unsigned                           sent:1;     /* to the portal */
    unsigned                           watched:1;  /* passed_limits */

    /* the upstream's own, see passed_quota */
    ngx_int_t                        (*create_request)(ngx_http_request_t *r);
    ngx_int_t                        (*reinit_request)(ngx_http_request_t *r);

    ngx_http_counters_send_decoy_t     decoy;

    /* for the variables, Cache-Status and Age */
    ngx_http_counters_cache_status_e   cache_status;
    ngx_http_counters_source_e         source;
    uint64_t                           fetched;    /* Unix ms, 0: none */
    int64_t                            remains;    /* of the ttl, ms */
};


/* milliseconds to whole seconds, rounded down, below zero too */

#define ngx_http_counters_seconds(ms)                                         \
    (((ms) >= 0) ? (ms) / 1000 : -((999 - (ms)) / 1000))


ngx_http_counters_ctx_t *ngx_http_counters_request_create_ctx(
    ngx_http_request_t *r, ngx_counters_portal_t *portal);

/* for the location's own handler, body and all; NGX_DECLINED */

ngx_int_t ngx_http_counters_request_pass(ngx_http_counters_ctx_t *ctx);

/* NULL for a request the module has not seen */

ngx_http_counters_ctx_t *ngx_http_counters_request_get_ctx(
    ngx_http_request_t *r);

/* a header that nginx does not know itself; the first such, or NULL */

ngx_str_t *ngx_http_counters_request_header(ngx_http_request_t *r,
    const char *name, size_t len);

#define ngx_http_counters_request_find(r, name)                                \
    ngx_http_counters_request_header(r, name, sizeof(name) - 1)

/*
 * Whether there is a body, read or not.  A subrequest may have one of its
 * own, with the parent's headers about another; or its parent's, which is
 * meant for it if its method takes one.
 */

ngx_uint_t ngx_http_counters_request_has_body(ngx_http_request_t *r);

/*
 * Reads the query and the body into two lists, whose "elts" and "nalloc" are
 * set; the strings live as long as the request.  NGX_OK, NGX_DECLINED for
 * what is not read, NGX_ERROR.  The body of a GET does not count.
 */

ngx_int_t ngx_http_counters_request_args(ngx_http_request_t *r,
    ngx_counters_args_t *query, ngx_counters_args_t *body);


#endif /* _NGX_HTTP_COUNTERS_REQUEST_H_INCLUDED_ */
