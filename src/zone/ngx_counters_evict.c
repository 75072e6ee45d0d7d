
/*
 * Copyright (C) The nginx counters module authors
 *
 * What leaves the zone: to make room, for its age, and when the clock is set
 * back.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_evict.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_table.h"


/* how long a failed or refused key is remembered without data, at least */
#define NGX_COUNTERS_REMEMBER     60000

/* and a credential without entries, whether accepted or refused */
#define NGX_COUNTERS_CRED_KEEP    86400000

/* how many may go to make room for one allocation */
#define NGX_COUNTERS_EVICT        64

/* by so much may the time of one worker lag behind another's, milliseconds */
#define NGX_COUNTERS_LAG          10000


static ngx_int_t ngx_counters_evict_one_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *keep, uint64_t now);
static ngx_int_t ngx_counters_evict_entry_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, ngx_counters_entry_t *keep, uint64_t now);
static ngx_uint_t ngx_counters_evict_outlived(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
static uint64_t ngx_counters_evict_refusal_span(ngx_counters_zone_t *zone);
static void ngx_counters_evict_creds_locked(ngx_counters_zone_t *zone,
    uint64_t now, ngx_uint_t n);
static void ngx_counters_evict_rewind_locked(ngx_counters_zone_t *zone,
    uint64_t now);
static void ngx_counters_evict_rewind_list_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, uint64_t now);
static void ngx_counters_evict_rewind_creds_locked(ngx_counters_zone_t *zone,
    ngx_rbtree_node_t *node, uint64_t now);


void *
ngx_counters_evict_alloc_locked(ngx_counters_zone_t *zone, size_t size,
    ngx_counters_entry_t *keep, uint64_t now)
{
    void        *p;
    ngx_uint_t   i;

    if (size > zone->shpool->pfree * ngx_pagesize
        && size > (size_t) (zone->shpool->end - zone->shpool->start) / 4)
    {
        /* one answer must not turn the whole zone out */
        return NULL;
    }

    for (i = 0; i < NGX_COUNTERS_EVICT; i++) {

        p = ngx_slab_alloc_locked(zone->shpool, size);
        if (p) {
            return p;
        }

        if (ngx_counters_evict_one_locked(zone, keep, now) != NGX_OK) {
            return NULL;
        }
    }

    return NULL;
}


/* what holds no answer goes first, then whatever was used longest ago */

static ngx_int_t
ngx_counters_evict_one_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *keep, uint64_t now)
{
    ngx_counters_entry_t      *e;
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;

    if (ngx_counters_evict_entry_locked(zone, &sh->bare, keep, now)
        == NGX_OK)
    {
        return NGX_OK;
    }

    cred = ngx_queue_empty(&sh->idle) ? NULL
           : ngx_queue_data(ngx_queue_last(&sh->idle),
                            ngx_counters_cred_node_t, idle);

    e = ngx_queue_empty(&sh->lru) ? NULL
        : ngx_queue_data(ngx_queue_last(&sh->lru), ngx_counters_entry_t, lru);

    if (e && (cred == NULL || cred->used > e->asked)
        && ngx_counters_evict_entry_locked(zone, &sh->lru, keep, now)
           == NGX_OK)
    {
        return NGX_OK;
    }

    if (cred) {
        ngx_counters_table_delete_cred_locked(zone, cred);
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_counters_evict_entry_locked(ngx_counters_zone_t *zone, ngx_queue_t *list,
    ngx_counters_entry_t *keep, uint64_t now)
{
    ngx_uint_t             i;
    ngx_queue_t           *q;
    ngx_counters_entry_t  *e;

    q = ngx_queue_last(list);

    /* refreshes under way stay: those who wait for them find them here */

    for (i = 0; i < NGX_COUNTERS_EVICT; i++) {

        if (q == ngx_queue_sentinel(list)) {
            return NGX_DECLINED;
        }

        e = ngx_queue_data(q, ngx_counters_entry_t, lru);
        q = ngx_queue_prev(q);

        if (e == keep) {
            continue;
        }

        ngx_counters_state_lapse_locked(zone, e, now);

        if (e->state != NGX_COUNTERS_IDLE) {
            continue;
        }

        ngx_counters_table_delete_locked(zone, e, now);
        ngx_atomic_fetch_add(&zone->sh->stats[0][NGX_COUNTERS_STAT_EVICTED],
                             1);
        return NGX_OK;
    }

    return NGX_DECLINED;
}


void
ngx_counters_zone_expire(ngx_counters_zone_t *zone, uint64_t now,
    ngx_uint_t n)
{
    ngx_counters_lock(zone);

    if (now + NGX_COUNTERS_LAG < zone->sh->clock) {
        ngx_counters_evict_rewind_locked(zone, now);
    }

    zone->sh->clock = now;

    (void) ngx_counters_evict_expire_locked(zone, &zone->sh->lru, now, n);
    (void) ngx_counters_evict_expire_locked(zone, &zone->sh->bare, now, n);
    ngx_counters_evict_creds_locked(zone, now, n);

    ngx_counters_unlock(zone);
}


ngx_uint_t
ngx_counters_evict_expire_locked(ngx_counters_zone_t *zone, ngx_queue_t *list,
    uint64_t now, ngx_uint_t n)
{
    ngx_uint_t             dropped;
    ngx_queue_t           *q;
    ngx_counters_entry_t  *e;

    dropped = 0;

    for (q = ngx_queue_last(list);
         n && q != ngx_queue_sentinel(list);
         n--)
    {
        e = ngx_queue_data(q, ngx_counters_entry_t, lru);
        q = ngx_queue_prev(q);

        ngx_counters_state_lapse_locked(zone, e, now);

        if (ngx_counters_evict_outlived(zone, e, now)) {
            ngx_counters_table_delete_locked(zone, e, now);
            dropped++;
        }
    }

    if (dropped) {
        ngx_atomic_fetch_add(&zone->sh->stats[0][NGX_COUNTERS_STAT_EXPIRED],
                             dropped);
    }

    return dropped;
}


static ngx_uint_t
ngx_counters_evict_outlived(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    uint64_t now)
{
    uint64_t  span, last;

    if (e->state != NGX_COUNTERS_IDLE) {
        return 0;
    }

    span = ngx_max(zone->conf.stale, zone->conf.error);

    if (e->kind == NGX_COUNTERS_DATA) {
        return now > e->fetched + e->ttl + span;
    }

    if (e->kind != NGX_COUNTERS_EMPTY && now < e->fetched + e->ttl) {
        return 0;
    }

    if (e->refused
        && now < e->refused + ngx_counters_evict_refusal_span(zone))
    {
        return 0;
    }

    last = ngx_max(e->since, e->retry);

    return now > last + NGX_COUNTERS_REMEMBER;
}


/* a refusal is to outlive every copy that Redis may still have */

static uint64_t
ngx_counters_evict_refusal_span(ngx_counters_zone_t *zone)
{
    return 2 * (uint64_t) ngx_max(zone->conf.stale, zone->conf.error)
           + NGX_COUNTERS_REMEMBER;
}


static void
ngx_counters_evict_creds_locked(ngx_counters_zone_t *zone, uint64_t now,
    ngx_uint_t n)
{
    uint64_t                   span;
    ngx_queue_t               *q;
    ngx_counters_cred_node_t  *cred;

    span = ngx_max(ngx_counters_evict_refusal_span(zone),
                   NGX_COUNTERS_CRED_KEEP);

    while (n-- && !ngx_queue_empty(&zone->sh->idle)) {

        q = ngx_queue_last(&zone->sh->idle);
        cred = ngx_queue_data(q, ngx_counters_cred_node_t, idle);

        if (now <= cred->used + span) {
            return;
        }

        ngx_counters_table_delete_cred_locked(zone, cred);
    }
}


/*
 * The clock has been set back.  Times that lie ahead would hold refreshes up,
 * and keep answers fresh, until it has caught up with them.
 */

static void
ngx_counters_evict_rewind_locked(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;

    sh->hold_until = ngx_min(sh->hold_until, now);
    sh->probe = ngx_min(sh->probe, now);
    sh->recovered = ngx_min(sh->recovered, now);
    sh->starved = ngx_min(sh->starved, now);
    sh->offered = ngx_min(sh->offered, now);
    sh->busy_until = ngx_min(sh->busy_until, now);
    sh->since = ngx_min(sh->since, now);

    sh->fade.since = ngx_min(sh->fade.since, now);
    sh->fade.next = ngx_min(sh->fade.next, now);

    sh->tasks.lease = ngx_min(sh->tasks.lease, now);
    sh->tasks.first = ngx_min(sh->tasks.first, now);
    sh->tasks.last = ngx_min(sh->tasks.last, now);
    sh->tasks.hold = ngx_min(sh->tasks.hold, now);

    ngx_counters_evict_rewind_list_locked(zone, &sh->lru, now);
    ngx_counters_evict_rewind_list_locked(zone, &sh->bare, now);
    ngx_counters_evict_rewind_creds_locked(zone, sh->creds.root, now);
}


static void
ngx_counters_evict_rewind_list_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, uint64_t now)
{
    ngx_queue_t           *q;
    ngx_counters_entry_t  *e;

    for (q = ngx_queue_head(list);
         q != ngx_queue_sentinel(list);
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_counters_entry_t, lru);

        /* how old data is cannot be known any more: it is stale */

        if (e->fetched > now) {
            e->fetched = now;
            e->marked = (e->kind == NGX_COUNTERS_DATA) ? now - 1 : 0;
        }

        e->marked = ngx_min(e->marked, now);
        e->asked = ngx_min(e->asked, now);
        e->since = ngx_min(e->since, now);
        e->lease = ngx_min(e->lease, now + zone->conf.timeout);
        e->failed = ngx_min(e->failed, now);
        e->retry = ngx_min(e->retry, now);
        e->refused = ngx_min(e->refused, now);
    }
}


static void
ngx_counters_evict_rewind_creds_locked(ngx_counters_zone_t *zone,
    ngx_rbtree_node_t *node, uint64_t now)
{
    ngx_uint_t                 i;
    ngx_counters_cred_node_t  *cred;

    if (node == zone->sh->creds.sentinel) {
        return;
    }

    cred = (ngx_counters_cred_node_t *) node;

    cred->used = ngx_min(cred->used, now);
    cred->accepted = ngx_min(cred->accepted, now);
    cred->refused = ngx_min(cred->refused, now);

    cred->alone = 0;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        cred->hold[i] = ngx_min(cred->hold[i], now);
        cred->slow[i] = ngx_min(cred->slow[i], now);
    }

    ngx_counters_evict_rewind_creds_locked(zone, node->left, now);
    ngx_counters_evict_rewind_creds_locked(zone, node->right, now);
}
