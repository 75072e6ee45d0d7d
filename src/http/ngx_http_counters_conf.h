
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

#include "ngx_counters_call.h"
#include "ngx_counters_key.h"
#include "ngx_counters_bucket.h"
#include "ngx_counters_fetch.h"
#include "ngx_counters_redis.h"
#include "ngx_counters_zone.h"


typedef struct ngx_http_counters_portal_s  ngx_http_counters_portal_t;
typedef struct ngx_http_counters_ctx_s     ngx_http_counters_ctx_t;


/* counters_portal NAME { }: read-only once the server runs */

struct ngx_http_counters_portal_s {
    ngx_str_t                   name;
    ngx_uint_t                  index;        /* in main conf's portals */

    ngx_counters_fetch_conf_t   fetch;        /* url, timeouts, TLS */
    ngx_str_t                   identity;     /* "NAME URL": goes into every
                                                 digest, so that a changed url
                                                 never meets old entries */

    size_t                      zone_size;
    ngx_shm_zone_t             *shm_zone;
    ngx_counters_zone_t        *zone;         /* set when the zone is */

    ngx_counters_redis_conf_t  *redis;        /* NULL: none */

    ngx_uint_t                  methods;      /* 1 << ngx_counters_method_e */
    ngx_msec_t                  ttl[NGX_COUNTERS_METHODS];
    ngx_msec_t                  stale;
    ngx_msec_t                  stale_error;
    ngx_msec_t                  negative;
    ngx_msec_t                  wait;

    ngx_counters_bucket_conf_t  bucket;       /* rate 0: rate off */
    ngx_uint_t                  rate_shared;  /* scope=redis */
    ngx_uint_t                  reserve;      /* per cent */
    ngx_uint_t                  batch;        /* 1: batch off */
    ngx_msec_t                  batch_wait;
    ngx_msec_t                  ahead;        /* 0: off */

    ngx_str_t                   secret;       /* empty: random, in the zone */
    ngx_counters_cred_t         webhook;      /* kind NONE: not set */
    ngx_array_t                *events_tokens;  /* of ngx_str_t, or NULL */
};


typedef struct {
    ngx_array_t                 portals;      /* ngx_http_counters_portal_t * */

    ngx_socket_t               *wakes;        /* eventfds, one a worker slot */
    ngx_uint_t                  nwakes;
} ngx_http_counters_main_conf_t;


typedef struct {
    ngx_http_counters_portal_t *portal;       /* NULL: off */
    ngx_http_complex_value_t   *user;         /* managed mode */
    ngx_array_t                *bypass;       /* ngx_http_complex_value_t */
    ngx_flag_t                  headers;
    ngx_uint_t                  time;         /* NGX_HTTP_COUNTERS_TIME_* */

    ngx_http_counters_portal_t *status;       /* of the handlers' locations */
    ngx_uint_t                  status_format;
    ngx_http_counters_portal_t *purge;
    ngx_http_counters_portal_t *events;

    ngx_uint_t                  own;          /* the location's handler is
                                                 one of the module's */
    ngx_uint_t                  masked;       /* a server's: one of its
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


extern ngx_module_t  ngx_http_counters_module;

#endif /* _NGX_HTTP_COUNTERS_CONF_H_INCLUDED_ */
