
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the zone and those who use it say to each other.  Times are Unix
 * milliseconds and arguments; spans are milliseconds.
 */


#ifndef _NGX_COUNTERS_TYPES_H_INCLUDED_
#define _NGX_COUNTERS_TYPES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_bucket.h"
#include "ngx_counters_key.h"
#include "ngx_counters_policy.h"


#define NGX_COUNTERS_ETAG_LEN     16
#define NGX_COUNTERS_SECRET_LEN   32

/* an entry is active when asked for within this, or within "ahead", ms */
#define NGX_COUNTERS_ACTIVE       60000


/* what an entry holds */

typedef enum {
    NGX_COUNTERS_EMPTY = 0,     /* a place for a refresh under way */
    NGX_COUNTERS_DATA,          /* a 200 */
    NGX_COUNTERS_NEGATIVE,      /* a remembered 400, 401 or 403 */
    NGX_COUNTERS_FAILURE        /* what the portal said when it failed */
} ngx_counters_kind_e;


/* where an answer came from */

typedef enum {
    NGX_COUNTERS_FROM_PORTAL = 0,
    NGX_COUNTERS_FROM_REDIS
} ngx_counters_origin_e;


/*
 * The order in which refreshes leave; within a class who came first.  All that
 * have something are one line, so that they come to the same age.
 */

typedef enum {
    NGX_COUNTERS_WAITING = 0,   /* a client waits and has nothing cached */
    NGX_COUNTERS_STALE,         /* there is something, and it is asked for */
    NGX_COUNTERS_AHEAD,         /* nobody has asked yet */
    NGX_COUNTERS_UNKNOWN,       /* under a credential never accepted */
    NGX_COUNTERS_CLASSES
} ngx_counters_class_e;


/* why the portal is not asked now */

typedef enum {
    NGX_COUNTERS_OPEN = 0,      /* it may be asked */
    NGX_COUNTERS_BACKOFF,       /* it has failed, for this key or at all */
    NGX_COUNTERS_LIMITED,       /* QUERY_LIMIT_EXCEEDED */
    NGX_COUNTERS_OVERLOADED,    /* OVERLOAD_LIMIT */
    NGX_COUNTERS_OPERATED       /* OPERATION_TIME_LIMIT, this method */
} ngx_counters_hold_e;


/* what the zone needs of the configuration; spans in milliseconds */

typedef struct {
    uint32_t                     stale;
    uint32_t                     error;
    uint32_t                     timeout;     /* of one portal call */
    uint32_t                     ahead;       /* 0: off */
    uint32_t                     batch;       /* calls a request, 1: off */
    uint32_t                     batch_wait;
    uint32_t                     reserve;     /* per cent */
    uint32_t                     tasks;       /* participants are kept */
    ngx_counters_bucket_conf_t   bucket;
} ngx_counters_zone_conf_t;


/* what lies in shared memory: ngx_counters_shm.h, for the zone alone */

typedef struct ngx_counters_zone_sh_s    ngx_counters_zone_sh_t;
typedef struct ngx_counters_entry_s      ngx_counters_entry_t;
typedef struct ngx_counters_cred_node_s  ngx_counters_cred_node_t;
typedef struct ngx_counters_slot_s       ngx_counters_slot_t;
typedef struct ngx_counters_bucket_head_s  ngx_counters_bucket_head_t;


/* a place in a list, or its head; see ngx_counters_list.h */

typedef struct {
    uint32_t                     prev;
    uint32_t                     next;
} __attribute__((aligned(8))) ngx_counters_link_t;


#define NGX_COUNTERS_LINE  __attribute__((aligned(64)))


/* per cycle; the data in shared memory outlives it */

typedef struct {
    ngx_counters_zone_sh_t      *sh;
    ngx_slab_pool_t             *shpool;
    ngx_counters_zone_conf_t     conf;
    ngx_str_t                    name;        /* of the portal, for logs */

    /* where it lies */
    u_char                      *cells;
    ngx_counters_slot_t         *slots;
    ngx_counters_bucket_head_t  *buckets;     /* of entries */
    ngx_counters_link_t         *users;       /* entries, by their user */
    ngx_counters_link_t         *groups;
    uint32_t                    *creds;
    uint32_t                    *tasks;

    /* the managed webhook, which every worker has; per process */
    ngx_uint_t                   common;
    u_char                       common_cred[NGX_COUNTERS_DIGEST_LEN];
} ngx_counters_zone_t;


/* whether it is the digest of the managed webhook */

static ngx_inline ngx_uint_t
ngx_counters_zone_common(ngx_counters_zone_t *zone, const u_char *digest)
{
    return zone->common
           && ngx_memcmp(digest, zone->common_cred, NGX_COUNTERS_DIGEST_LEN)
              == 0;
}


/* an answer to be kept, or kept */

typedef struct {
    ngx_counters_kind_e          kind;
    ngx_counters_origin_e        origin;
    ngx_uint_t                   status;
    uint64_t                     fetched;
    uint32_t                     ttl;         /* how long kind holds: fresh,
                                                 negative, backoff */
    ngx_str_t                    headers;
    ngx_str_t                    body;
} ngx_counters_answer_in_t;


/* a copy of an entry; the strings are in the pool given */

typedef struct {
    ngx_counters_kind_e          kind;
    ngx_counters_origin_e        origin;
    ngx_counters_fresh_e         fresh;       /* of DATA */
    ngx_uint_t                   status;
    uint64_t                     fetched;
    int64_t                      remains;     /* of the ttl, ms; <= 0 stale */
    ngx_counters_hold_e          hold;        /* whether a refresh may be
                                                 asked for now */
    uint64_t                     hold_until;
    unsigned                     refreshing:1;
    unsigned                     leased:1;    /* Redis is being asked */
    unsigned                     flying:1;    /* its request is under way */
    unsigned                     dry:1;       /* no quota for it now */
    unsigned                     forced:1;    /* counters_bypass asked for it */
    ngx_str_t                    headers;
    ngx_str_t                    body;
    u_char                       etag[NGX_COUNTERS_ETAG_LEN];
} ngx_counters_view_t;


/* a worker as other workers see it */

typedef struct {
    ngx_pid_t                    pid;
    ngx_uint_t                   slot;        /* ngx_worker */
} ngx_counters_owner_t;


/* calls under one credential that leave together */

typedef struct {
    u_char                       cred[NGX_COUNTERS_DIGEST_LEN];
    ngx_uint_t                   n;
    ngx_counters_key_t           keys[NGX_COUNTERS_BATCH_MAX];
    ngx_uint_t                   split;       /* halvings behind them */
} ngx_counters_flight_t;


/* how a refresh is asked for, see ngx_counters_lease_acquire() */

typedef struct {
    ngx_counters_class_e         class;
    uint32_t                     lease;
    uint64_t                     seen;
    unsigned                     wait:1;
    unsigned                     check:1;
    unsigned                     force:1;     /* by counters_bypass */
} ngx_counters_ask_t;


/* whether this worker has the credential; called with the mutex held */

typedef ngx_uint_t (*ngx_counters_has_pt)(void *data, const u_char *digest);


/* users whose entries are to be marked stale */

#define NGX_COUNTERS_USERS_MAX  4096

typedef struct {
    ngx_uint_t                   n;
    ngx_uint_t                   wide;        /* those of all: too many, or
                                                 not known */
    uint64_t                     elts[NGX_COUNTERS_USERS_MAX];
} ngx_counters_users_t;


#endif /* _NGX_COUNTERS_TYPES_H_INCLUDED_ */
