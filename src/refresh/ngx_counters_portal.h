
/*
 * Copyright (C) The nginx counters module authors
 *
 * counters_portal NAME { }, as it has been configured: read-only once the
 * server runs, it lives as long as the cycle.
 */


#ifndef _NGX_COUNTERS_PORTAL_H_INCLUDED_
#define _NGX_COUNTERS_PORTAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_call.h"
#include "ngx_counters_key.h"
#include "ngx_counters_bucket.h"
#include "ngx_counters_fetch.h"
#include "ngx_counters_redis.h"
#include "ngx_counters_zone.h"


#define NGX_COUNTERS_PORTAL_MAX_NAME  64


typedef struct ngx_counters_portal_s  ngx_counters_portal_t;


struct ngx_counters_portal_s {
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


#endif /* _NGX_COUNTERS_PORTAL_H_INCLUDED_ */
