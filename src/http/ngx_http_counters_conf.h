
/*
 * Copyright (C) The nginx counters module authors
 *
 * Configuration of the server and its locations, and what it enumerates.
 */


#ifndef _NGX_HTTP_COUNTERS_CONF_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_worker.h"


typedef struct ngx_http_counters_ctx_s     ngx_http_counters_ctx_t;


typedef struct {
    ngx_array_t                 portals;      /* ngx_counters_portal_t * */
    ngx_counters_wakes_t        wakes;
} ngx_http_counters_main_conf_t;


typedef struct {
    ngx_counters_portal_t     *portal;        /* NULL: off */
    ngx_http_complex_value_t  *user;          /* managed mode */
    ngx_array_t               *bypass;        /* ngx_http_complex_value_t */
    ngx_flag_t                 headers;
    ngx_flag_t                 intercept;     /* errors, by error_page */
    ngx_uint_t                 time;          /* NGX_HTTP_COUNTERS_TIME_* */

    ngx_counters_portal_t     *status;        /* of the handlers' locations */
    ngx_uint_t                 status_format;
    ngx_counters_portal_t     *purge;
    ngx_counters_portal_t     *events;

    ngx_uint_t                 own;           /* the location's handler is
                                                 one of the module's */
    ngx_http_handler_pt        next;          /* if not, see passed_quota */
    ngx_hash_t                *hidden;        /* headers, NULL: none; see
                                                 cors */
    ngx_uint_t                 masked;        /* a server's: one of its
                                                 locations has a portal */
} ngx_http_counters_loc_conf_t;


#define NGX_HTTP_COUNTERS_TIME_ORIGINAL      0
#define NGX_HTTP_COUNTERS_TIME_CURRENT       1

#define NGX_HTTP_COUNTERS_STATUS_AUTO        0
#define NGX_HTTP_COUNTERS_STATUS_HTML        1
#define NGX_HTTP_COUNTERS_STATUS_JSON        2
#define NGX_HTTP_COUNTERS_STATUS_PROMETHEUS  3


/* $counters_cache_status */

typedef enum {
    NGX_HTTP_COUNTERS_NONE = 0,
    NGX_HTTP_COUNTERS_HIT,
    NGX_HTTP_COUNTERS_STALE,
    NGX_HTTP_COUNTERS_UPDATING,
    NGX_HTTP_COUNTERS_MISS,
    NGX_HTTP_COUNTERS_COALESCED,
    NGX_HTTP_COUNTERS_NEGATIVE,
    NGX_HTTP_COUNTERS_BYPASS,
    NGX_HTTP_COUNTERS_PASS,
    NGX_HTTP_COUNTERS_ERROR,
    NGX_HTTP_COUNTERS_STATUSES
} ngx_http_counters_cache_status_e;


/* $counters_source */

typedef enum {
    NGX_HTTP_COUNTERS_NOWHERE = 0,
    NGX_HTTP_COUNTERS_MEMORY,
    NGX_HTTP_COUNTERS_REDIS,
    NGX_HTTP_COUNTERS_PORTAL
} ngx_http_counters_source_e;


/* both are counted by where they stand */

#define ngx_http_counters_stands(value, first, stat, first_stat)              \
    _Static_assert((int) NGX_HTTP_COUNTERS_##value                            \
                   - (int) NGX_HTTP_COUNTERS_##first                          \
                   == (int) NGX_COUNTERS_STAT_##stat                          \
                      - (int) NGX_COUNTERS_STAT_##first_stat,                 \
                   #value " is counted as " #stat)

ngx_http_counters_stands(STALE, HIT, STALE, HIT);
ngx_http_counters_stands(UPDATING, HIT, UPDATING, HIT);
ngx_http_counters_stands(MISS, HIT, MISS, HIT);
ngx_http_counters_stands(COALESCED, HIT, COALESCED, HIT);
ngx_http_counters_stands(NEGATIVE, HIT, NEGATIVE, HIT);
ngx_http_counters_stands(BYPASS, HIT, BYPASS, HIT);
ngx_http_counters_stands(PASS, HIT, PASS, HIT);
ngx_http_counters_stands(ERROR, HIT, ERROR, HIT);
ngx_http_counters_stands(REDIS, MEMORY, FROM_REDIS, FROM_MEMORY);
ngx_http_counters_stands(PORTAL, MEMORY, FROM_PORTAL, FROM_MEMORY);


extern ngx_module_t  ngx_http_counters_module;


#endif /* _NGX_HTTP_COUNTERS_CONF_H_INCLUDED_ */
