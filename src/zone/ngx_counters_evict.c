
/*
 * Copyright (C) The nginx counters module authors
 *
 * What leaves the zone: to make room, for its age, and when the clock is set
 * back.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_evict.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_table.h"


/* how long a failed or refused key is remembered without data, at least */
#define NGX_COUNTERS_REMEMBER     60000

/* and a credential without entries, whether accepted or refused */
#define NGX_COUNTERS_CRED_KEEP    86400000

/* entries looked at for one that may go */
#define NGX_COUNTERS_EVICT        64

/* buckets looked at in one go when the clock has been set back */
#define NGX_COUNTERS_REWIND       32


static ngx_int_t ngx_counters_evict_entry_locked(ngx_counters_zone_t *zone,
    ngx_counters_link_t *list, void *keep, uint64_t now);
static void ngx_counters_evict_drop_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
static ngx_uint_t ngx_counters_evict_outlived(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
static uint64_t ngx_counters_evict_refusal_span(ngx_counters_zone_t *zone);
static void ngx_counters_evict_creds_locked(ngx_counters_zone_t *zone,
    uint64_t now, ngx_uint_t n);
static void ngx_counters_evict_rewind(ngx_counters_zone_t *zone,
    uint64_t now);
static void ngx_counters_evict_rewind_zone_locked(ngx_counters_zone_t *zone,
    uint64_t now);
static void ngx_counters_evict_rewind_entry_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
static void ngx_counters_evict_rewind_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, uint64_t now);


/* what holds no answer goes first, then whatever was used longest ago */

ngx_int_t
ngx_counters_evict_one_locked(ngx_counters_zone_t *zone, void *keep,
    uint64_t now)
{
    ngx_counters_link_t       *q;
    ngx_counters_entry_t      *e;
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;

    if (ngx_counters_evict_entry_locked(zone, &sh->bare, keep, now)
        == NGX_OK)
    {
        return NGX_OK;
    }

    q = ngx_counters_list_last(zone, &sh->idle);
    cred = ngx_counters_list_data(q, ngx_counters_cred_node_t, idle);

    if (q == &sh->idle || cred == keep) {
        cred = NULL;
    }

    q = ngx_counters_list_last(zone, &sh->lru);
    e = ngx_counters_list_data(q, ngx_counters_entry_t, lru);

    if (q != &sh->lru
        && (cred == NULL || cred->used > ngx_counters_asked(zone, e))
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


/*
 * Those that were asked for since they were put there are put to the head,
 * which readers do not do.  If all were, the one goes whose time was first.
 */

static ngx_int_t
ngx_counters_evict_entry_locked(ngx_counters_zone_t *zone,
    ngx_counters_link_t *list, void *keep, uint64_t now)
{
    uint32_t               asked, first;
    ngx_uint_t             i;
    ngx_counters_link_t   *q;
    ngx_counters_entry_t  *e, *least;

    least = NULL;
    first = 0;
    q = ngx_counters_list_last(zone, list);

    /* refreshes under way stay: those who wait for them find them here */

    for (i = 0; i < NGX_COUNTERS_EVICT && q != list; i++) {

        e = ngx_counters_list_data(q, ngx_counters_entry_t, lru);
        q = ngx_counters_list_prev(zone, q);

        if (e == keep) {
            continue;
        }

        ngx_counters_state_lapse_locked(zone, e, now);

        if (e->state != NGX_COUNTERS_IDLE) {
            continue;
        }

        asked = zone->slots[ngx_counters_ref(zone, e)].asked;

        if (asked <= e->placed) {
            ngx_counters_evict_drop_locked(zone, e, now);
            return NGX_OK;
        }

        if (least == NULL || asked < first) {
            least = e;
            first = asked;
        }

        ngx_counters_table_place_locked(zone, e, e->listed,
                                        (uint64_t) asked * 1000);
    }

    if (least == NULL) {
        return NGX_DECLINED;
    }

    ngx_counters_evict_drop_locked(zone, least, now);

    return NGX_OK;
}


static void
ngx_counters_evict_drop_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    ngx_counters_table_delete_locked(zone, e, now);

    (void) ngx_atomic_fetch_add(
                         &zone->sh->stats[0][NGX_COUNTERS_STAT_EVICTED], 1);
}


void
ngx_counters_evict_expire(ngx_counters_zone_t *zone, uint64_t now,
    ngx_uint_t n)
{
    ngx_uint_t  back;

    ngx_counters_edit_lock(zone);

    back = (now + NGX_COUNTERS_LAG < zone->sh->vars.clock);

    if (back) {
        ngx_counters_evict_rewind_zone_locked(zone, now);
    }

    zone->sh->vars.clock = now;

    (void) ngx_counters_evict_expire_locked(zone, &zone->sh->lru, now, n);
    (void) ngx_counters_evict_expire_locked(zone, &zone->sh->bare, now, n);
    ngx_counters_evict_creds_locked(zone, now, n);

    ngx_counters_edit_unlock(zone);

    if (back) {
        ngx_counters_evict_rewind(zone, now);
    }

    ngx_counters_cells_sweep(zone);
}


ngx_uint_t
ngx_counters_evict_expire_locked(ngx_counters_zone_t *zone,
    ngx_counters_link_t *list, uint64_t now, ngx_uint_t n)
{
    ngx_uint_t             dropped;
    ngx_counters_link_t   *q;
    ngx_counters_entry_t  *e;

    dropped = 0;

    for (q = ngx_counters_list_last(zone, list); n && q != list; n--) {

        e = ngx_counters_list_data(q, ngx_counters_entry_t, lru);
        q = ngx_counters_list_prev(zone, q);

        ngx_counters_state_lapse_locked(zone, e, now);

        if (ngx_counters_evict_outlived(zone, e, now)) {
            ngx_counters_table_delete_locked(zone, e, now);
            dropped++;
        }

        ngx_counters_edit_commit_locked(zone);
    }

    if (dropped) {
        (void) ngx_atomic_fetch_add(
                   &zone->sh->stats[0][NGX_COUNTERS_STAT_EXPIRED], dropped);
    }

    return dropped;
}


static ngx_uint_t
ngx_counters_evict_outlived(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    uint64_t now)
{
    uint64_t              span, last;
    ngx_counters_work_t  *work;

    if (e->state != NGX_COUNTERS_IDLE) {
        return 0;
    }

    span = ngx_max(zone->conf.stale, zone->conf.error);

    if (e->kind == NGX_COUNTERS_DATA) {
        return now > e->fetched + e->ttl + span
               || ngx_counters_dropped(zone, e);
    }

    if (e->kind != NGX_COUNTERS_EMPTY && now < e->fetched + e->ttl) {
        return 0;
    }

    work = ngx_counters_work(zone, e);

    if (work->refused
        && now < work->refused + ngx_counters_evict_refusal_span(zone))
    {
        return 0;
    }

    last = ngx_max(work->since, work->retry);

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
    ngx_counters_link_t       *q, *idle;
    ngx_counters_cred_node_t  *cred;

    idle = &zone->sh->idle;
    span = ngx_max(ngx_counters_evict_refusal_span(zone),
                   NGX_COUNTERS_CRED_KEEP);

    while (n-- && !ngx_counters_list_empty(zone, idle)) {

        q = ngx_counters_list_last(zone, idle);
        cred = ngx_counters_list_data(q, ngx_counters_cred_node_t, idle);

        if (now <= cred->used + span) {
            return;
        }

        ngx_counters_table_delete_cred_locked(zone, cred);
        ngx_counters_edit_commit_locked(zone);
    }
}


/*
 * The clock has been set back.  Times that lie ahead would hold refreshes up,
 * and keep answers fresh, until it has caught up with them.
 */

static void
ngx_counters_evict_rewind(ngx_counters_zone_t *zone, uint64_t now)
{
    uint32_t                   i, n, ref;
    ngx_counters_entry_t      *e;
    ngx_counters_cred_node_t  *cred;

    n = ngx_max(zone->sh->nbuckets, zone->sh->nlists);

    ngx_counters_edit_lock(zone);

    for (i = 0; i < n; i++) {

        ref = (i < zone->sh->nbuckets) ? zone->buckets[i].entry : 0;

        for ( /* void */ ; ref; ref = e->next) {
            e = ngx_counters_cell(zone, ref);

            ngx_counters_evict_rewind_entry_locked(zone, e, now);
            ngx_counters_edit_commit_locked(zone);
        }

        ref = (i < zone->sh->nlists) ? zone->creds[i] : 0;

        for ( /* void */ ; ref; ref = cred->next) {
            cred = ngx_counters_cell(zone, ref);

            ngx_counters_evict_rewind_cred_locked(zone, cred, now);
            ngx_counters_edit_commit_locked(zone);
        }

        if (i % NGX_COUNTERS_REWIND == 0) {
            ngx_counters_edit_yield_locked(zone);
        }
    }

    ngx_counters_edit_unlock(zone);
}


static void
ngx_counters_evict_rewind_zone_locked(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;

    vars->hold_until = ngx_min(vars->hold_until, now);
    vars->probe = ngx_min(vars->probe, now);
    vars->recovered = ngx_min(vars->recovered, now);
    vars->starved = ngx_min(vars->starved, now);
    vars->offered = ngx_min(vars->offered, now);
    vars->busy_until = ngx_min(vars->busy_until, now);

    vars->tasks.lease = ngx_min(vars->tasks.lease, now);
    vars->tasks.first = ngx_min(vars->tasks.first, now);
    vars->tasks.last = ngx_min(vars->tasks.last, now);
    vars->tasks.hold = ngx_min(vars->tasks.hold, now);

    ngx_counters_save_record(zone, &zone->sh->fade);

    zone->sh->fade.since = ngx_min(zone->sh->fade.since, now);
    zone->sh->fade.next = ngx_min(zone->sh->fade.next, now);
    zone->sh->fade.stale = ngx_min(zone->sh->fade.stale, now);
    zone->sh->fade.dropped = ngx_min(zone->sh->fade.dropped, now);
}


static void
ngx_counters_evict_rewind_entry_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    uint32_t             *asked;
    ngx_counters_work_t  *work;

    ngx_counters_edit_entry(zone, e);

    /* how old data is cannot be known any more: it is stale */

    if (e->fetched > now) {
        e->fetched = now;
        e->marked = (e->kind == NGX_COUNTERS_DATA) ? now - 1 : 0;
    }

    e->marked = ngx_min(e->marked, now);
    e->placed = ngx_min(e->placed, now / 1000);

    asked = &zone->slots[ngx_counters_ref(zone, e)].asked;
    *asked = ngx_min(*asked, now / 1000);

    if (e->work == 0) {
        return;
    }

    work = ngx_counters_work(zone, e);
    ngx_counters_save_record(zone, work);

    work->since = ngx_min(work->since, now);
    work->lease = ngx_min(work->lease, now + zone->conf.timeout);
    work->failed = ngx_min(work->failed, now);
    work->retry = ngx_min(work->retry, now);
    work->refused = ngx_min(work->refused, now);
}


static void
ngx_counters_evict_rewind_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, uint64_t now)
{
    ngx_uint_t              i;
    ngx_counters_limits_t  *limits;

    ngx_counters_save_record(zone, cred);

    cred->used = ngx_min(cred->used, now);
    cred->accepted = ngx_min(cred->accepted, now);
    cred->refused = ngx_min(cred->refused, now);

    if (cred->limits == 0) {
        return;
    }

    limits = ngx_counters_limits(zone, cred);
    ngx_counters_save_record(zone, limits);

    limits->alone = 0;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        limits->hold[i] = ngx_min(limits->hold[i], now);
        limits->slow[i] = ngx_min(limits->slow[i], now);
    }
}
