
/*
 * Copyright (C) The nginx counters module authors
 *
 * What leaves the refresh queue when, in which company and from which worker,
 * within the portal's quota.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_ahead.h"
#include "ngx_counters_dispatch.h"
#include "ngx_counters_quota.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_table.h"
#include "ngx_counters_wheel.h"


/*
 * How long the queue's head is left to the worker that has its credential,
 * how long a worker that did not take it is passed over, and how many of its
 * places in one go, milliseconds.
 */
#define NGX_COUNTERS_OFFER        250
#define NGX_COUNTERS_BUSY         1000
#define NGX_COUNTERS_PASS         256
#define NGX_COUNTERS_PASS_WAIT    50

/* calls looked at before the lock is let go, or for the company of one */
#define NGX_COUNTERS_LOOK         32
#define NGX_COUNTERS_LOOK_TOGETHER  128

/*
 * A place in the queue is given up when nobody has asked for it so long, and
 * by credentials nobody knows once they have had it so long, or the shorter
 * time while such are refused: those behind them may be real.
 */
#define NGX_COUNTERS_QUEUE_AGE    300000
#define NGX_COUNTERS_DOUBT_AGE    10000

/* in so many dispatches every class comes first once: nobody starves */
#define NGX_COUNTERS_TURN         8

/* nobody looks away from the queue for longer, milliseconds */
#define NGX_COUNTERS_SLEEP        5000

/*
 * How long a call waits for company at most: while others keep joining it, in
 * units of what is configured; when its quota is spent, milliseconds.
 */
#define NGX_COUNTERS_JOINING      20
#define NGX_COUNTERS_COMPANY      1000


static ngx_uint_t ngx_counters_dispatch_size(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
static ngx_uint_t ngx_counters_dispatch_mine(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_owner_t *me);
static ngx_uint_t ngx_counters_dispatch_queued(ngx_counters_vars_t *vars);
static ngx_counters_entry_t *ngx_counters_dispatch_head_locked(
    ngx_counters_zone_t *zone, ngx_counters_owner_t *me, uint64_t now,
    ngx_uint_t *first, ngx_msec_t *delay);
static ngx_msec_t ngx_counters_dispatch_company_locked(
    ngx_counters_zone_t *zone, ngx_counters_entry_t *e, uint64_t limit,
    uint64_t now);
static ngx_counters_entry_t *ngx_counters_dispatch_first_locked(
    ngx_counters_zone_t *zone, ngx_uint_t class, ngx_counters_owner_t *me,
    uint64_t now, ngx_msec_t *delay);
static ngx_uint_t ngx_counters_dispatch_slow(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
static ngx_uint_t ngx_counters_dispatch_busy(ngx_counters_vars_t *vars,
    ngx_uint_t slot, uint64_t now);
static ngx_uint_t ngx_counters_dispatch_turn(ngx_counters_vars_t *vars);
static ngx_int_t ngx_counters_dispatch_offer_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now, ngx_msec_t *delay,
    ngx_uint_t *slot);
static void ngx_counters_dispatch_leave_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_owner_t *me, uint64_t now,
    uint64_t limit, ngx_counters_flight_t *flight);
static void ngx_counters_dispatch_take_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *head, ngx_counters_owner_t *me, uint64_t now,
    ngx_uint_t max, ngx_counters_flight_t *flight);
static void ngx_counters_dispatch_fly_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_owner_t *me, uint64_t now,
    ngx_counters_flight_t *flight);


ngx_int_t
ngx_counters_dispatch(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now, ngx_counters_flight_t *flight,
    ngx_msec_t *delay, ngx_uint_t *slot)
{
    uint64_t                 until, limit;
    ngx_int_t                rc;
    ngx_uint_t               first;
    ngx_counters_entry_t    *e;
    ngx_counters_vars_t     *vars;

    vars = &zone->sh->vars;

    ngx_counters_edit_lock(zone);

again:

    e = ngx_counters_dispatch_head_locked(zone, me, now, &first, delay);

    if (e == NULL) {

        /* only what may leave is offered: no worker is to blame for quota */

        vars->offer = 0;
        rc = ngx_counters_dispatch_queued(vars) ? NGX_AGAIN : NGX_DONE;
        goto done;
    }

    rc = NGX_AGAIN;

    if (ngx_counters_quota_hold_locked(zone, NULL, NULL, 0, now, &until)
        != NGX_COUNTERS_OPEN)
    {
        if (vars->hold == NGX_COUNTERS_LIMITED) {
            vars->starved = now;
        }

        vars->offer = 0;
        *delay = ngx_max(until - now, 1);
        goto done;
    }

    limit = ngx_counters_quota_limit(zone, e->class, first);

    if (!ngx_counters_dispatch_mine(zone, e, me)) {

        if (ngx_counters_dispatch_offer_locked(zone, e, now, delay, slot)
            == NGX_OK)
        {
            rc = NGX_BUSY;
            goto done;
        }

        goto again;
    }

    ngx_counters_dispatch_leave_locked(zone, e, me, now, limit, flight);

    rc = NGX_OK;

done:

    ngx_counters_edit_unlock(zone);

    *delay = ngx_min(*delay, NGX_COUNTERS_SLEEP);

    return rc;
}


/* how many calls may leave together with this one */

static ngx_uint_t
ngx_counters_dispatch_size(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    uint64_t now)
{
    ngx_uint_t              max;
    ngx_counters_limits_t  *limits;

    max = zone->conf.batch >> e->split;
    limits = ngx_counters_limits(zone, ngx_counters_cred(zone, e));

    return (max && (uint64_t) limits->alone * 1000 <= now) ? max : 1;
}


static ngx_uint_t
ngx_counters_dispatch_mine(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    ngx_counters_owner_t *me)
{
    return ngx_counters_work(zone, e)->pid == me->pid
           || ngx_counters_zone_common(zone,
                                       ngx_counters_cred(zone, e)->digest);
}


static ngx_uint_t
ngx_counters_dispatch_queued(ngx_counters_vars_t *vars)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        n += vars->nqueued[i];
    }

    return n;
}


/*
 * What may leave now: one whose turn it is, or of the first class that has
 * company enough and quota.  Without one, "delay" is when there may be.
 */

static ngx_counters_entry_t *
ngx_counters_dispatch_head_locked(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now, ngx_uint_t *first,
    ngx_msec_t *delay)
{
    uint64_t               limit;
    ngx_msec_t             wait;
    ngx_uint_t             i, class;
    ngx_counters_entry_t  *e;

    *first = ngx_counters_dispatch_turn(&zone->sh->vars);
    *delay = NGX_COUNTERS_QUEUE_AGE;

    /* that of the turn, then all in their order */

    for (i = 0; i <= NGX_COUNTERS_CLASSES; i++) {

        class = i ? i - 1 : *first;

        if (i && class == *first) {
            continue;
        }

        e = ngx_counters_dispatch_first_locked(zone, class, me, now, delay);

        if (e == NULL) {
            continue;
        }

        limit = ngx_counters_quota_limit(zone, class, *first);
        wait = ngx_counters_dispatch_company_locked(zone, e, limit, now);

        if (wait == 0) {

            wait = ngx_counters_quota_delay_locked(zone, limit, now);
            if (wait == 0) {
                return e;
            }

            if (class == NGX_COUNTERS_WAITING
                || class == NGX_COUNTERS_UNKNOWN)
            {
                zone->sh->vars.starved = now;
            }
        }

        *delay = ngx_min(*delay, wait);
    }

    return NULL;
}


/*
 * Until a call has waited long enough for others under its credential: what
 * nobody waits for, until half of the time that it is ahead is over; anything
 * else for as long as the configuration says after the last one that joined
 * it, and the longer, up to a drain, the more of the quota is spent and the
 * more entries the credential has.
 */

static ngx_msec_t
ngx_counters_dispatch_company_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t limit, uint64_t now)
{
    uint64_t                   level, spent, until, joining;
    uint32_t                   half;
    ngx_uint_t                 max;
    ngx_counters_link_t       *q;
    ngx_counters_turn_t       *turn;
    ngx_counters_work_t       *work, *last;
    ngx_counters_cred_node_t  *cred;

    max = ngx_counters_dispatch_size(zone, e, now);
    work = ngx_counters_work(zone, e);
    cred = ngx_counters_cred(zone, e);
    turn = ngx_counters_turn(zone, cred);

    /* times of other workers may be a little ahead, the clock may be set */

    if (max == 1 || turn->npending >= max
        || now + NGX_COUNTERS_COMPANY < work->since)
    {
        return 0;
    }

    if (e->class == NGX_COUNTERS_AHEAD) {
        half = ngx_counters_wheel_lead(e) / 2;
        until = ngx_min(work->since + half, e->fetched + e->ttl - half);

    } else {
        level = ngx_counters_bucket_level(&zone->sh->vars.bucket,
                                          &zone->conf.bucket, now);

        spent = ngx_min(level, limit) * 1000 / limit;

        until = NGX_COUNTERS_COMPANY * spent * spent / 1000000
                * (ngx_min(cred->nentries, max) - 1) / max;
        until += work->since + zone->conf.batch_wait;

        q = ngx_counters_list_last(zone, &turn->pending[e->class]);
        last = ngx_counters_list_data(q, ngx_counters_work_t, pending);

        joining = work->since + zone->conf.batch_wait * NGX_COUNTERS_JOINING;
        joining = ngx_min(joining, last->since + zone->conf.batch_wait);

        until = ngx_max(until, joining);
    }

    return (now < until) ? until - now : 0;
}


/*
 * Forgets calls whose method has come under a hold, and those of dead
 * workers; passes over those of workers that have just left an offer, and
 * those that are slowed down, which lowers "delay".
 */

static ngx_counters_entry_t *
ngx_counters_dispatch_first_locked(ngx_counters_zone_t *zone, ngx_uint_t class,
    ngx_counters_owner_t *me, uint64_t now, ngx_msec_t *delay)
{
    uint64_t                   wait, age, since;
    ngx_uint_t                 i, passed;
    ngx_counters_vars_t       *vars;
    ngx_counters_link_t       *q, *queue;
    ngx_counters_work_t       *work;
    ngx_counters_entry_t      *e;
    ngx_counters_limits_t     *limits;

    vars = &zone->sh->vars;
    queue = &zone->sh->queue[class];

    age = (class == NGX_COUNTERS_UNKNOWN && vars->trust == 0)
          ? NGX_COUNTERS_DOUBT_AGE : NGX_COUNTERS_QUEUE_AGE;

    passed = 0;

    for (i = 1; /* void */ ; i++) {

        if (i % NGX_COUNTERS_LOOK == 0) {
            ngx_counters_edit_yield_locked(zone);

        } else {
            ngx_counters_edit_commit_locked(zone);
        }

        if (passed == NGX_COUNTERS_PASS || passed >= vars->nqueued[class]) {
            break;
        }

        q = ngx_counters_list_head(zone, queue);
        work = ngx_counters_list_data(q, ngx_counters_work_t, queue);
        e = ngx_counters_cell(zone, work->entry);
        limits = ngx_counters_limits(zone, ngx_counters_cred(zone, e));

        /* a place is kept for as long as somebody asks */

        since = (class == NGX_COUNTERS_UNKNOWN)
                ? work->since
                : ngx_max(work->since, ngx_counters_asked(zone, e));

        if (limits->hold[e->method] > now || now >= since + age) {
            ngx_counters_state_release_locked(zone, e);
            continue;
        }

        wait = NGX_COUNTERS_PASS_WAIT;

        if (ngx_counters_dispatch_slow(zone, e, now)) {
            wait = limits->slow[e->method] - now;

        } else if (ngx_counters_dispatch_mine(zone, e, me)) {
            return e;

        } else if (!ngx_counters_state_alive(work->pid)) {
            ngx_counters_state_release_locked(zone, e);
            continue;

        } else if (!ngx_counters_dispatch_busy(vars, work->slot, now)) {
            return e;
        }

        ngx_counters_list_remove(zone, q);
        ngx_counters_list_insert_tail(zone, queue, q);
        passed++;

        *delay = ngx_min(*delay, wait);
    }

    if (passed < vars->nqueued[class]) {

        /* the others are looked at next time */

        *delay = ngx_min(*delay, NGX_COUNTERS_PASS_WAIT);
    }

    return NULL;
}


/* what nobody waits for is spread over the operating time that is left */

static ngx_uint_t
ngx_counters_dispatch_slow(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    uint64_t now)
{
    ngx_counters_limits_t  *limits;

    limits = ngx_counters_limits(zone, ngx_counters_cred(zone, e));

    return limits->slow[e->method] > now
           && (e->class == NGX_COUNTERS_STALE
               || e->class == NGX_COUNTERS_AHEAD);
}


static ngx_uint_t
ngx_counters_dispatch_busy(ngx_counters_vars_t *vars, ngx_uint_t slot,
    uint64_t now)
{
    return (vars->busy & ((uint64_t) 1 << (slot % 64)))
           && now < vars->busy_until
           && vars->busy_until - now <= NGX_COUNTERS_BUSY;
}


static ngx_uint_t
ngx_counters_dispatch_turn(ngx_counters_vars_t *vars)
{
    switch (vars->turn % NGX_COUNTERS_TURN) {

    case NGX_COUNTERS_TURN - 1:
        return NGX_COUNTERS_UNKNOWN;

    case NGX_COUNTERS_TURN - 3:
        return NGX_COUNTERS_AHEAD;

    case NGX_COUNTERS_TURN - 5:
        return NGX_COUNTERS_STALE;

    default:
        return NGX_COUNTERS_WAITING;
    }
}


/*
 * The head is another worker's: it alone has the credential.  NGX_DECLINED:
 * it has not taken it, being busy or of another generation.
 */

static ngx_int_t
ngx_counters_dispatch_offer_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now, ngx_msec_t *delay, ngx_uint_t *slot)
{
    ngx_uint_t            owner;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;
    owner = ngx_counters_work(zone, e)->slot;

    if (vars->offer != e->work) {
        vars->offer = e->work;
        vars->offered = now;
    }

    if (now >= vars->offered + NGX_COUNTERS_OFFER) {
        vars->offer = 0;

        if (now >= vars->busy_until) {
            vars->busy = 0;
        }

        vars->busy |= (uint64_t) 1 << (owner % 64);
        vars->busy_until = now + NGX_COUNTERS_BUSY;

        return NGX_DECLINED;
    }

    *slot = owner;
    *delay = vars->offered + NGX_COUNTERS_OFFER - now;

    return NGX_OK;
}


/* its quota is taken; one that is to be tried goes without company */

static void
ngx_counters_dispatch_leave_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_owner_t *me, uint64_t now,
    uint64_t limit, ngx_counters_flight_t *flight)
{
    uint64_t                   until, *slow;
    ngx_uint_t                 i, max;
    ngx_counters_vars_t       *vars;
    ngx_counters_limits_t     *limits;
    ngx_counters_cred_node_t  *cred;

    vars = &zone->sh->vars;
    cred = ngx_counters_cred(zone, e);
    limits = ngx_counters_limits(zone, cred);

    max = ngx_counters_dispatch_size(zone, e, now);
    until = now + zone->conf.timeout + NGX_COUNTERS_LEASE_SLACK;

    (void) ngx_counters_bucket_take(&vars->bucket, &zone->conf.bucket, now,
                                    limit);

    if (vars->hold != NGX_COUNTERS_OPEN) {
        vars->probe = until;
        max = 1;
    }

    if (limits->probe & (1 << e->method)) {
        ngx_counters_save_record(zone, limits);
        limits->hold[e->method] = until;
        limits->trying |= 1 << e->method;
        max = 1;
    }

    vars->turn++;
    vars->offer = 0;

    ngx_counters_dispatch_take_locked(zone, e, me, now, max, flight);

    if (cred->limits == 0) {
        return;
    }

    ngx_counters_save_record(zone, limits);

    if (flight->n > 1 && limits->alone) {
        /* they have rested: this one is to show whether they may go on */
        limits->alone = until / 1000 + 1;
        limits->trying |= 1 << NGX_COUNTERS_BATCHES;
    }

    for (i = 0; i < flight->n; i++) {
        slow = &limits->slow[flight->keys[i].method];

        if (*slow) {
            /* its answer tells when the next may follow */
            *slow = ngx_max(*slow, until);
        }
    }
}


/* the head, and what else waits under its credential, by class and age */

static void
ngx_counters_dispatch_take_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *head, ngx_counters_owner_t *me, uint64_t now,
    ngx_uint_t max, ngx_counters_flight_t *flight)
{
    ngx_uint_t                 i, class;
    ngx_counters_link_t       *q, *next, *pending;
    ngx_counters_work_t       *work;
    ngx_counters_entry_t      *e;
    ngx_counters_limits_t     *limits;
    ngx_counters_cred_node_t  *cred;

    cred = ngx_counters_cred(zone, head);
    limits = ngx_counters_limits(zone, cred);

    ngx_memcpy(flight->cred, cred->digest, NGX_COUNTERS_DIGEST_LEN);
    flight->split = head->split;
    flight->n = 0;

    ngx_counters_dispatch_fly_locked(zone, head, me, now, flight);

    i = 0;

    for (class = 0; class < NGX_COUNTERS_CLASSES && cred->turn; class++) {

        pending = &ngx_counters_turn(zone, cred)->pending[class];

        for (q = ngx_counters_list_head(zone, pending);
             q != pending && flight->n < max && i < NGX_COUNTERS_LOOK_TOGETHER;
             q = next)
        {
            next = ngx_counters_list_next(zone, q);
            work = ngx_counters_list_data(q, ngx_counters_work_t, pending);
            e = ngx_counters_cell(zone, work->entry);
            i++;

            if (e->split == head->split && limits->hold[e->method] <= now
                && !ngx_counters_dispatch_slow(zone, e, now)
                && !(limits->probe & (1 << e->method)))
            {
                ngx_counters_dispatch_fly_locked(zone, e, me, now, flight);
            }
        }
    }
}


static void
ngx_counters_dispatch_fly_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_owner_t *me, uint64_t now,
    ngx_counters_flight_t *flight)
{
    ngx_counters_cred_node_t  *cred;

    cred = ngx_counters_cred(zone, e);

    ngx_counters_table_key_locked(zone, e, &flight->keys[flight->n++]);

    ngx_counters_state_release_locked(zone, e);
    ngx_counters_state_own_locked(zone, e, me, NGX_COUNTERS_FLYING, now);

    ngx_counters_work(zone, e)->lease = now + zone->conf.timeout
                                        + NGX_COUNTERS_LEASE_SLACK;
    zone->sh->vars.nflying++;

    ngx_counters_save_record(zone, cred);
    cred->nflying++;

    ngx_counters_edit_commit_locked(zone);
}
