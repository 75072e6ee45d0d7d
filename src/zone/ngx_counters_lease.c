
/*
 * Copyright (C) The nginx counters module authors
 *
 * Who refreshes what: one refresh per key over all workers, from its lease to
 * its answer.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_fade.h"
#include "ngx_counters_fill.h"
#include "ngx_counters_lease.h"
#include "ngx_counters_limits.h"
#include "ngx_counters_quota.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_table.h"


#define NGX_COUNTERS_UNKNOWN_MAX  2000

/* one credential has no more than this part of the places */
#define NGX_COUNTERS_SHARE        4

/*
 * For a place in the queue the zone has to be so large, bytes: what waits
 * cannot be evicted, and is to leave the rest to the answers.
 */
#define NGX_COUNTERS_PLACE           1024
#define NGX_COUNTERS_UNKNOWN_PLACE   8192

/* the same key is not asked for again at once after a failure */
#define NGX_COUNTERS_RETRY_FIRST  1000
#define NGX_COUNTERS_RETRY_MAX    30000


static void ngx_counters_lease_rise_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_class_e class, uint64_t now);
static ngx_uint_t ngx_counters_lease_place_locked(ngx_counters_zone_t *zone,
    const u_char *digest);
static ngx_counters_class_e ngx_counters_lease_class_locked(
    ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    ngx_counters_class_e class, uint64_t now);
static ngx_uint_t ngx_counters_lease_places(ngx_counters_zone_t *zone,
    ngx_uint_t class);
static ngx_uint_t ngx_counters_lease_answer_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_answer_in_t *answer,
    ngx_counters_fill_t *fill, uint64_t now);
static ngx_uint_t ngx_counters_lease_failed_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_answer_in_t *answer,
    ngx_counters_fill_t *fill, uint64_t now);
static ngx_uint_t ngx_counters_lease_refused_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_answer_in_t *answer,
    ngx_counters_fill_t *fill, uint64_t now);


ngx_int_t
ngx_counters_lease_acquire(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_counters_owner_t *me, ngx_counters_ask_t *ask, uint64_t now)
{
    ngx_int_t              rc;
    ngx_counters_work_t   *work;
    ngx_counters_entry_t  *e;

    ngx_counters_edit_lock(zone);

    e = ngx_counters_table_find_locked(zone, key);

    if (e == NULL) {

        if (!ngx_counters_lease_place_locked(zone, key->cred)) {
            rc = NGX_BUSY;
            goto done;
        }

        e = ngx_counters_fill_insert_locked(zone, key, now);
        if (e == NULL) {
            rc = NGX_ERROR;
            goto done;
        }
    }

    ngx_counters_fade_locked(zone, e, now);

    if (e->kind != NGX_COUNTERS_EMPTY && e->fetched > ask->seen
        && now < e->fetched + e->ttl && e->marked == 0)
    {
        rc = NGX_DECLINED;
        goto done;
    }

    work = ngx_counters_fill_work_locked(zone, e, now);
    if (work == NULL) {
        rc = NGX_ERROR;
        goto done;
    }

    ngx_counters_edit_entry(zone, e);
    ngx_counters_state_lapse_locked(zone, e, now);

    if (ask->check && e->state != NGX_COUNTERS_IDLE
        && !ngx_counters_state_alive(work->pid))
    {
        ngx_counters_state_release_locked(zone, e);
    }

    /* the one who asks first too: another worker may fetch for it */

    if (ask->wait) {
        work->wake |= (uint64_t) 1 << (me->slot % 64);
    }

    if (e->state == NGX_COUNTERS_IDLE) {
        ngx_counters_state_own_locked(zone, e, me, NGX_COUNTERS_LEASED, now);
        work->lease = now + ask->lease;
        e->force = ask->force;
        rc = NGX_OK;
        goto done;
    }

    e->force |= ask->force;

    if (e->state == NGX_COUNTERS_QUEUED) {
        ngx_counters_lease_rise_locked(zone, e, ask->class, now);
    }

    rc = NGX_AGAIN;

done:

    ngx_counters_edit_unlock(zone);

    return rc;
}


/* within its class it keeps its place, however often it is asked for */

static void
ngx_counters_lease_rise_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_class_e class, uint64_t now)
{
    class = ngx_counters_lease_class_locked(zone, e, class, now);

    if (class >= e->class) {
        return;
    }

    ngx_counters_state_release_locked(zone, e);

    if (ngx_counters_fill_turn_locked(zone, e, now)) {
        ngx_counters_state_queue_locked(zone, e, class, 0);
    }
}


/* whether there is room for one more that has no answer yet */

static ngx_uint_t
ngx_counters_lease_place_locked(ngx_counters_zone_t *zone, const u_char *digest)
{
    ngx_uint_t                 class, places;
    ngx_counters_vars_t       *vars;
    ngx_counters_cred_node_t  *cred;

    vars = &zone->sh->vars;

    /* room for anybody: no need to look who it is */

    if (vars->nqueued[NGX_COUNTERS_WAITING]
        + vars->nqueued[NGX_COUNTERS_UNKNOWN] + vars->nleased
        < ngx_counters_lease_places(zone, NGX_COUNTERS_UNKNOWN))
    {
        return 1;
    }

    cred = ngx_counters_table_find_cred_locked(zone, digest);
    class = ngx_counters_state_class_locked(zone, digest, cred);
    places = ngx_counters_lease_places(zone, NGX_COUNTERS_WAITING);

    /* the managed webhook is everybody's, another one somebody's */

    if (cred && !ngx_counters_zone_common(zone, digest)
        && ngx_counters_npending(zone, cred) >= places / NGX_COUNTERS_SHARE)
    {
        return 0;
    }

    return vars->nqueued[class] < ngx_counters_lease_places(zone, class)
           && vars->nqueued[class] + vars->nleased < places;
}


/*
 * Where a call stands that is asked for as one of "class".  To wait is no
 * merit of those who have something: who happens to ask when there is quota
 * would overtake all that were answered stale, time and again.
 */

static ngx_counters_class_e
ngx_counters_lease_class_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_class_e class, uint64_t now)
{
    ngx_counters_cred_node_t  *cred;

    cred = ngx_counters_cred(zone, e);

    if (ngx_counters_state_class_locked(zone, cred->digest, cred)
        == NGX_COUNTERS_UNKNOWN)
    {
        return NGX_COUNTERS_UNKNOWN;
    }

    if (class == NGX_COUNTERS_WAITING && e->kind == NGX_COUNTERS_DATA
        && ngx_counters_policy_freshness(now, e->fetched, e->ttl,
                                         zone->conf.stale,
                                         zone->conf.error, e->marked != 0)
           != NGX_COUNTERS_EXPIRED)
    {
        return ngx_counters_quota_class(zone);
    }

    return class;
}


/* how many calls of a class may be queued */

static ngx_uint_t
ngx_counters_lease_places(ngx_counters_zone_t *zone, ngx_uint_t class)
{
    size_t  size;

    size = zone->shpool->end - zone->shpool->start;

    return (class == NGX_COUNTERS_UNKNOWN)
           ? ngx_min(size / NGX_COUNTERS_UNKNOWN_PLACE,
                     NGX_COUNTERS_UNKNOWN_MAX)
           : ngx_min(size / NGX_COUNTERS_PLACE, NGX_COUNTERS_QUEUE_MAX);
}


ngx_int_t
ngx_counters_lease_enqueue(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_counters_owner_t *me, ngx_counters_class_e class, ngx_uint_t split,
    uint64_t now)
{
    ngx_int_t                  rc;
    ngx_uint_t                 front;
    ngx_counters_work_t       *work;
    ngx_counters_entry_t      *e;

    rc = NGX_DECLINED;

    ngx_counters_edit_lock(zone);

    e = ngx_counters_table_find_locked(zone, key);

    if (e == NULL || ngx_counters_work(zone, e)->pid != me->pid
        || (e->state != NGX_COUNTERS_LEASED
            && e->state != NGX_COUNTERS_FLYING))
    {
        goto done;
    }

    ngx_counters_edit_entry(zone, e);

    front = (e->state == NGX_COUNTERS_FLYING);

    ngx_counters_state_release_locked(zone, e);

    class = front ? e->class
                  : ngx_counters_lease_class_locked(zone, e, class, now);

    if (zone->sh->vars.nqueued[class] >= ngx_counters_lease_places(zone, class)
        || ngx_counters_fill_turn_locked(zone, e, now) == NULL)
    {
        work = ngx_counters_fill_work_locked(zone, e, now);
        work->since = now;

        rc = NGX_BUSY;
        goto done;
    }

    e->split = split;
    ngx_counters_state_queue_locked(zone, e, class, front);
    rc = NGX_OK;

done:

    ngx_counters_edit_unlock(zone);

    return rc;
}


uint64_t
ngx_counters_lease_finish(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_counters_owner_t *me, ngx_counters_answer_in_t *answer, uint64_t now,
    ngx_uint_t *stored)
{
    uint64_t               wake;
    ngx_counters_fill_t    fill;
    ngx_counters_work_t   *work;
    ngx_counters_entry_t  *e;

    wake = 0;
    *stored = 0;

    ngx_memzero(&fill, sizeof(ngx_counters_fill_t));

    if (answer) {
        ngx_counters_fill_draft(zone, &fill, answer, now);
    }

    ngx_counters_edit_lock(zone);

    e = ngx_counters_table_find_locked(zone, key);

    /*
     * Another may have taken over meanwhile: whether this answer was asked
     * for before a purge or a refusal is not known any more.
     */

    if (e == NULL || e->state == NGX_COUNTERS_IDLE
        || ngx_counters_work(zone, e)->pid != me->pid)
    {
        goto done;
    }

    ngx_counters_edit_entry(zone, e);
    work = ngx_counters_fill_work_locked(zone, e, now);

    if (answer) {
        e->forced = e->force;
        *stored = ngx_counters_lease_answer_locked(zone, e, answer, &fill,
                                                   now);
    }

    e->force = 0;

    ngx_counters_state_release_locked(zone, e);
    work->since = now;

    wake = work->wake;
    work->wake = 0;

    ngx_counters_state_rest_locked(zone, e);

done:

    ngx_counters_fill_end_locked(zone, &fill);
    ngx_counters_edit_unlock(zone);

    return wake;
}


static ngx_uint_t
ngx_counters_lease_answer_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_answer_in_t *answer,
    ngx_counters_fill_t *fill, uint64_t now)
{
    uint64_t                   marked;
    ngx_counters_vars_t       *vars;
    ngx_counters_work_t       *work;
    ngx_counters_cred_node_t  *cred;

    vars = &zone->sh->vars;
    work = ngx_counters_work(zone, e);
    cred = ngx_counters_cred(zone, e);

    if (answer->kind == NGX_COUNTERS_FAILURE) {
        return ngx_counters_lease_failed_locked(zone, e, answer, fill, now);
    }

    e->failures = 0;
    work->retry = 0;

    if (answer->kind == NGX_COUNTERS_NEGATIVE) {
        return ngx_counters_lease_refused_locked(zone, e, answer, fill, now);
    }

    /*
     * What was under way when the credential was refused stays out; what the
     * managed webhook owns outlives its refusal.
     */

    if (cred->refused && cred->refused >= work->since
        && !ngx_counters_zone_common(zone, cred->digest))
    {
        return 0;
    }

    marked = ngx_counters_fade_mark_locked(zone, e, answer);

    if (ngx_counters_fill_locked(zone, e, answer, fill, now) != NGX_OK) {
        return 0;
    }

    e->marked = marked;

    ngx_counters_save_record(zone, cred);

    if (answer->origin == NGX_COUNTERS_FROM_PORTAL) {
        work->refused = 0;
        cred->refused = 0;
        cred->accepted = now;

        if (e->class == NGX_COUNTERS_UNKNOWN) {
            vars->trust += (vars->trust < NGX_COUNTERS_TRUST);
        }

        ngx_counters_limits_method_open_locked(zone, cred, e->method);

    } else if (cred->accepted == 0) {
        cred->accepted = answer->fetched;
    }

    return 1;
}


/* data that may still be answered stale stays */

static ngx_uint_t
ngx_counters_lease_failed_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_answer_in_t *answer,
    ngx_counters_fill_t *fill, uint64_t now)
{
    ngx_counters_work_t  *work;

    work = ngx_counters_work(zone, e);

    e->failures += (e->failures < 31);
    work->failed = now;
    answer->ttl = ngx_counters_policy_backoff(e->failures,
                                              NGX_COUNTERS_RETRY_FIRST,
                                              NGX_COUNTERS_RETRY_MAX,
                                              ngx_random());
    work->retry = now + answer->ttl;

    if (e->kind == NGX_COUNTERS_DATA
        && ngx_counters_policy_freshness(now, e->fetched, e->ttl,
                                         zone->conf.stale,
                                         zone->conf.error, e->marked != 0)
           != NGX_COUNTERS_EXPIRED)
    {
        return 0;
    }

    return ngx_counters_fill_locked(zone, e, answer, fill, now) == NGX_OK;
}


static ngx_uint_t
ngx_counters_lease_refused_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_answer_in_t *answer,
    ngx_counters_fill_t *fill, uint64_t now)
{
    ngx_counters_work(zone, e)->refused = now;

    if (e->class == NGX_COUNTERS_UNKNOWN) {
        zone->sh->vars.trust = 0;
    }

    if (answer->ttl
        && ngx_counters_fill_locked(zone, e, answer, fill, now) == NGX_OK)
    {
        return 1;
    }

    ngx_counters_table_clear_locked(zone, e, now);

    return 0;
}
