
/*
 * Copyright (C) The nginx counters module authors
 *
 * One portal's shared memory: the entries, the credentials they belong to,
 * the refresh queue and the quota.  All that others need of it comes with this
 * header, but for the tasks of events.  Every function takes the mutex itself
 * and yields nothing while it holds it; those named _locked are the zone's own.
 * No pointer into the zone leaves its files.
 */


#ifndef _NGX_COUNTERS_ZONE_H_INCLUDED_
#define _NGX_COUNTERS_ZONE_H_INCLUDED_


#include "ngx_counters_ahead.h"
#include "ngx_counters_dispatch.h"
#include "ngx_counters_evict.h"
#include "ngx_counters_fade.h"
#include "ngx_counters_lease.h"
#include "ngx_counters_limits.h"
#include "ngx_counters_quota.h"
#include "ngx_counters_refusal.h"
#include "ngx_counters_stats.h"
#include "ngx_counters_types.h"


#define NGX_COUNTERS_ZONE_MIN     (128 * 1024)


/*
 * For the shm zone's init: "data" is the old cycle's zone or NULL.  A new
 * zone gets a random secret.  NGX_OK or NGX_ERROR, logged.
 */

ngx_int_t ngx_counters_zone_init(ngx_counters_zone_t *zone,
    ngx_shm_zone_t *shm_zone, ngx_counters_zone_t *old);

/* the random secret made with the zone, NGX_COUNTERS_SECRET_LEN bytes */

u_char *ngx_counters_zone_secret(ngx_counters_zone_t *zone);

/*
 * NGX_OK with a copy, NGX_DECLINED if there is no such entry (the view tells
 * of holds and refreshes all the same), NGX_ERROR when the pool is out of
 * memory.  Without a pool nothing is copied.  Records that the entry was
 * asked for.
 */

ngx_int_t ngx_counters_zone_lookup(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view);

/*
 * The same, for whom fresh is not enough: the view tells of holds and quota
 * of a fresh entry too, which costs the lock.
 */

ngx_int_t ngx_counters_zone_look(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view);

/* whether there is no quota now for what is there already, but could wait */

ngx_uint_t ngx_counters_zone_dry(ngx_counters_zone_t *zone, uint64_t now);

/* when there was none last for those who wait, 0: always was */

uint64_t ngx_counters_zone_starved(ngx_counters_zone_t *zone);

/*
 * Drops, or with "soft" marks stale, the entries of "user", of "group", or
 * of all (both NULL) that were fetched no later than "now".  Returns how many
 * there were.
 */

ngx_uint_t ngx_counters_zone_purge(ngx_counters_zone_t *zone, uint64_t *user,
    uint64_t *group, ngx_uint_t soft, uint64_t now);

/* counts, for this worker; needs no lock */

void ngx_counters_zone_count(ngx_counters_zone_t *zone, ngx_uint_t slot,
    ngx_counters_stat_e stat, ngx_uint_t n);

typedef struct {
    uint64_t                     stats[NGX_COUNTERS_STAT_COUNT];
    ngx_uint_t                   entries;
    ngx_uint_t                   creds;
    ngx_uint_t                   queued[NGX_COUNTERS_CLASSES];
    ngx_uint_t                   flying;
    ngx_uint_t                   active;      /* asked for lately: */
    uint64_t                     requests;    /* all of them take so many
                                                 requests, thousandths, */
    ngx_uint_t                   largest;     /* one credential so many of
                                                 them */
    ngx_uint_t                   operating;   /* time of a call, microseconds,
                                                 0: not known */
    size_t                       size;
    size_t                       free;
    uint64_t                     level;       /* of the bucket, thousandths */
    ngx_counters_hold_e          hold;
    uint64_t                     hold_until;
    ngx_uint_t                   failures;    /* of the portal, in a row */
    uint64_t                     since;       /* when counting began */
} ngx_counters_zone_state_t;

void ngx_counters_zone_state(ngx_counters_zone_t *zone, uint64_t now,
    ngx_counters_zone_state_t *state);


#endif /* _NGX_COUNTERS_ZONE_H_INCLUDED_ */
