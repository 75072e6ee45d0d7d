
/*
 * Copyright (C) The nginx counters module authors
 *
 * Who refreshes what, and when: the part of the zone that keeps one refresh
 * per key over all workers and sends them within the portal's quota.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <signal.h>

#include "ngx_counters_shm.h"


/*
 * How long the queue's head is left to the worker that has its credential,
 * how long a worker that did not take it is passed over, and how many of its
 * places in one go, milliseconds.
 */
#define NGX_COUNTERS_OFFER        250
#define NGX_COUNTERS_BUSY         1000
#define NGX_COUNTERS_PASS         256
#define NGX_COUNTERS_PASS_WAIT    50

/* a place in the queue is given up after this */
#define NGX_COUNTERS_QUEUE_AGE    300000

/* in so many dispatches every class comes first once: nobody starves */
#define NGX_COUNTERS_TURN         8

#define NGX_COUNTERS_QUEUE_MAX    20000
#define NGX_COUNTERS_UNKNOWN_MAX  2000

/* the portal is held after so many failures in a row, milliseconds */
#define NGX_COUNTERS_FAILURES     3
#define NGX_COUNTERS_HOLD_FIRST   500
#define NGX_COUNTERS_HOLD_MAX     5000

#define NGX_COUNTERS_LIMIT_FIRST      1000
#define NGX_COUNTERS_LIMIT_MAX        60000
#define NGX_COUNTERS_OVERLOAD_FIRST   60000
#define NGX_COUNTERS_OVERLOAD_MAX     600000
#define NGX_COUNTERS_OPERATING_HOLD   60000
#define NGX_COUNTERS_OPERATING_MAX    600000
#define NGX_COUNTERS_REFUSED_HOLD     10000

/* the same key is not asked for again at once after a failure */
#define NGX_COUNTERS_RETRY_FIRST  1000
#define NGX_COUNTERS_RETRY_MAX    30000

/* a flight's lease outlives its timeout by this */
#define NGX_COUNTERS_LEASE_SLACK  1000

/* entries of a method looked at in one go for refresh-ahead */
#define NGX_COUNTERS_AHEAD_SCAN   1000
#define NGX_COUNTERS_AHEAD_LEAD   3000

/* nobody looks away from the queue for longer, milliseconds */
#define NGX_COUNTERS_SLEEP        5000

/* how long a call waits for company at most, when its quota is spent */
#define NGX_COUNTERS_COMPANY      1000


static void ngx_counters_lapse_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, uint64_t now);
static void ngx_counters_own_locked(ngx_counters_node_t *e,
    ngx_counters_owner_t *me, ngx_counters_state_e state, uint64_t now);
static void ngx_counters_queue_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, ngx_counters_class_e class, ngx_uint_t front);
static ngx_uint_t ngx_counters_known(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred);
static ngx_uint_t ngx_counters_common(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred);
static ngx_uint_t ngx_counters_mine(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, ngx_counters_owner_t *me);
static ngx_uint_t ngx_counters_queued(ngx_counters_zone_sh_t *sh);
static ngx_counters_node_t *ngx_counters_head_locked(
    ngx_counters_zone_t *zone, ngx_counters_owner_t *me, uint64_t now,
    ngx_uint_t *first, ngx_msec_t *delay);
static ngx_msec_t ngx_counters_company_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, uint64_t limit, uint64_t now);
static ngx_counters_node_t *ngx_counters_first_locked(
    ngx_counters_zone_t *zone, ngx_uint_t class, ngx_counters_owner_t *me,
    uint64_t now);
static ngx_uint_t ngx_counters_busy(ngx_counters_zone_sh_t *sh,
    ngx_uint_t slot, uint64_t now);
static ngx_uint_t ngx_counters_turn(ngx_counters_zone_sh_t *sh);
static uint64_t ngx_counters_quota(ngx_counters_zone_t *zone,
    ngx_uint_t class, ngx_uint_t first);
static ngx_msec_t ngx_counters_delay_locked(ngx_counters_zone_t *zone,
    uint64_t limit, uint64_t now);
static ngx_int_t ngx_counters_offer_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, uint64_t now, ngx_msec_t *delay,
    ngx_uint_t *slot);
static void ngx_counters_take_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *head, ngx_counters_owner_t *me, uint64_t now,
    ngx_uint_t max, ngx_counters_flight_t *flight);
static void ngx_counters_fly_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, ngx_counters_owner_t *me, uint64_t now,
    ngx_counters_flight_t *flight);
static uint32_t ngx_counters_lead(ngx_counters_node_t *e);
static ngx_uint_t ngx_counters_ages_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *ages, ngx_counters_owner_t *me, uint64_t now,
    ngx_counters_has_pt has, void *data);
static ngx_uint_t ngx_counters_due(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, uint64_t now);
static ngx_uint_t ngx_counters_answer_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, ngx_counters_answer_in_t *answer, uint64_t now);


ngx_int_t
ngx_counters_zone_acquire(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_counters_owner_t *me, ngx_counters_ask_t *ask, uint64_t now)
{
    ngx_int_t             rc;
    ngx_counters_node_t  *e;

    ngx_counters_lock(zone);

    e = ngx_counters_find_locked(zone, key);

    if (e == NULL) {
        e = ngx_counters_insert_locked(zone, key, now);
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

    ngx_counters_lapse_locked(zone, e, now);

    if (ask->check && e->state != NGX_COUNTERS_IDLE
        && !ngx_counters_alive(e->pid))
    {
        ngx_counters_release_locked(zone, e);
    }

    /* the one who asks first too: another worker may fetch for it */

    if (ask->wait) {
        e->wake |= (uint64_t) 1 << (me->slot % 64);
    }

    if (e->state == NGX_COUNTERS_IDLE) {
        ngx_counters_own_locked(e, me, NGX_COUNTERS_LEASED, now);
        e->lease = now + ask->lease;
        rc = NGX_OK;
        goto done;
    }

    if (e->state == NGX_COUNTERS_QUEUED && ask->class < e->class
        && ngx_counters_known(zone, e->cred))
    {
        ngx_counters_release_locked(zone, e);
        ngx_counters_queue_locked(zone, e, ask->class, 0);
    }

    rc = NGX_AGAIN;

done:

    ngx_counters_unlock(zone);

    return rc;
}


/* whoever should have done it has not, and is not waited for */

static void
ngx_counters_lapse_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t now)
{
    if ((e->state == NGX_COUNTERS_LEASED || e->state == NGX_COUNTERS_FLYING)
        && now > e->lease)
    {
        ngx_counters_release_locked(zone, e);
    }
}


/* a zombie is alive until the master has reaped it, which it does at once */

ngx_uint_t
ngx_counters_alive(ngx_pid_t pid)
{
    return kill(pid, 0) == 0 || ngx_errno != ESRCH;
}


static void
ngx_counters_own_locked(ngx_counters_node_t *e, ngx_counters_owner_t *me,
    ngx_counters_state_e state, uint64_t now)
{
    e->pid = me->pid;
    e->slot = me->slot;
    e->state = state;
    e->since = now;
}


static ngx_uint_t
ngx_counters_known(ngx_counters_zone_t *zone, ngx_counters_cred_node_t *cred)
{
    return cred->accepted || ngx_counters_common(zone, cred);
}


/* the managed webhook */

static ngx_uint_t
ngx_counters_common(ngx_counters_zone_t *zone, ngx_counters_cred_node_t *cred)
{
    return zone->common
           && ngx_memcmp(cred->digest, zone->common_cred,
                         NGX_COUNTERS_DIGEST_LEN)
              == 0;
}


static void
ngx_counters_queue_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    ngx_counters_class_e class, ngx_uint_t front)
{
    e->state = NGX_COUNTERS_QUEUED;
    e->class = class;

    if (front) {
        ngx_queue_insert_head(&zone->sh->queue[class], &e->queue);
        ngx_queue_insert_head(&e->cred->pending[class], &e->pending);

    } else {
        ngx_queue_insert_tail(&zone->sh->queue[class], &e->queue);
        ngx_queue_insert_tail(&e->cred->pending[class], &e->pending);
    }

    zone->sh->nqueued[class]++;
    e->cred->npending++;
}


void
ngx_counters_release_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e)
{
    switch (e->state) {

    case NGX_COUNTERS_QUEUED:
        ngx_queue_remove(&e->queue);
        ngx_queue_remove(&e->pending);

        zone->sh->nqueued[e->class]--;
        e->cred->npending--;

        if (zone->sh->offer == e) {
            zone->sh->offer = NULL;
        }

        break;

    case NGX_COUNTERS_FLYING:
        zone->sh->nflying--;
        e->cred->nflying--;
        break;

    default:
        break;
    }

    e->state = NGX_COUNTERS_IDLE;
}


ngx_int_t
ngx_counters_zone_enqueue(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_counters_owner_t *me, ngx_counters_class_e class, ngx_uint_t split,
    uint64_t now)
{
    ngx_int_t                rc;
    ngx_uint_t               max, front;
    ngx_counters_node_t     *e;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;
    rc = NGX_DECLINED;

    ngx_counters_lock(zone);

    e = ngx_counters_find_locked(zone, key);

    if (e == NULL || e->pid != me->pid
        || (e->state != NGX_COUNTERS_LEASED
            && e->state != NGX_COUNTERS_FLYING))
    {
        goto done;
    }

    front = (e->state == NGX_COUNTERS_FLYING);

    ngx_counters_release_locked(zone, e);

    if (front) {
        class = e->class;

    } else if (!ngx_counters_known(zone, e->cred)) {
        class = NGX_COUNTERS_UNKNOWN;
    }

    max = (class == NGX_COUNTERS_UNKNOWN) ? NGX_COUNTERS_UNKNOWN_MAX
                                          : NGX_COUNTERS_QUEUE_MAX;

    if (sh->nqueued[class] >= max) {
        e->since = now;
        rc = NGX_BUSY;
        goto done;
    }

    e->split = split;
    ngx_counters_queue_locked(zone, e, class, front);
    rc = NGX_OK;

done:

    ngx_counters_unlock(zone);

    return rc;
}


ngx_int_t
ngx_counters_zone_dispatch(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now, ngx_counters_flight_t *flight,
    ngx_msec_t *delay, ngx_uint_t *slot)
{
    uint64_t                 until, limit;
    ngx_int_t                rc;
    ngx_msec_t               wait;
    ngx_uint_t               max, first;
    ngx_counters_node_t     *e;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;

    ngx_counters_lock(zone);

again:

    e = ngx_counters_head_locked(zone, me, now, &first, delay);

    if (e == NULL) {
        rc = ngx_counters_queued(sh) ? NGX_AGAIN : NGX_DONE;
        goto done;
    }

    rc = NGX_AGAIN;

    if (ngx_counters_hold_locked(zone, NULL, NULL, 0, now, &until)
        != NGX_COUNTERS_OPEN)
    {
        sh->offer = NULL;
        *delay = ngx_max(until - now, 1);
        goto done;
    }

    max = ngx_max(zone->conf.batch >> e->split, 1);
    limit = ngx_counters_quota(zone, e->class, first);

    wait = ngx_counters_delay_locked(zone, limit, now);

    if (wait) {
        sh->offer = NULL;
        *delay = ngx_min(*delay, wait);
        goto done;
    }

    /* only what may leave is offered: a worker is not to blame for quota */

    if (!ngx_counters_mine(zone, e, me)) {

        if (ngx_counters_offer_locked(zone, e, now, delay, slot) == NGX_OK) {
            rc = NGX_BUSY;
            goto done;
        }

        goto again;
    }

    (void) ngx_counters_bucket_take(&sh->bucket, &zone->conf.bucket, now,
                                    limit);

    if (sh->hold != NGX_COUNTERS_OPEN) {
        sh->probe = now + zone->conf.timeout + NGX_COUNTERS_LEASE_SLACK;
        max = 1;
    }

    if (e->cred->probe & (1 << e->method)) {
        e->cred->hold[e->method] = now + zone->conf.timeout
                                   + NGX_COUNTERS_LEASE_SLACK;
        max = 1;
    }

    sh->turn++;
    sh->offer = NULL;

    ngx_counters_take_locked(zone, e, me, now, max, flight);
    rc = NGX_OK;

done:

    ngx_counters_unlock(zone);

    *delay = ngx_min(*delay, NGX_COUNTERS_SLEEP);

    return rc;
}


static ngx_uint_t
ngx_counters_mine(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    ngx_counters_owner_t *me)
{
    return e->pid == me->pid || ngx_counters_common(zone, e->cred);
}


static ngx_uint_t
ngx_counters_queued(ngx_counters_zone_sh_t *sh)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        n += sh->nqueued[i];
    }

    return n;
}


/* without one, "delay" is when some that there are may have become it */

static ngx_counters_node_t *
ngx_counters_head_locked(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    uint64_t now, ngx_uint_t *first, ngx_msec_t *delay)
{
    ngx_msec_t               wait;
    ngx_uint_t               i, class;
    ngx_counters_node_t     *e;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;
    *first = ngx_counters_turn(sh);
    *delay = NGX_COUNTERS_QUEUE_AGE;

    /* the one whose turn it is, then all in their order */

    for (i = 0; i <= NGX_COUNTERS_CLASSES; i++) {

        class = i ? i - 1 : *first;

        e = ngx_counters_first_locked(zone, class, me, now);

        if (e == NULL) {

            if (sh->nqueued[class]) {
                *delay = ngx_min(*delay, NGX_COUNTERS_PASS_WAIT);
            }

            continue;
        }

        wait = ngx_counters_company_locked(zone, e,
                                           ngx_counters_quota(zone, class,
                                                              *first),
                                           now);
        if (wait == 0) {
            return e;
        }

        *delay = ngx_min(*delay, wait);
    }

    return NULL;
}


/*
 * Until a call has waited long enough for others under its credential: what
 * nobody waits for, for half of the time that it is ahead; anything else for
 * as long as the configuration says, and the longer, up to a drain, the more
 * of the quota is spent and the more entries the credential has.
 */

static ngx_msec_t
ngx_counters_company_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t limit, uint64_t now)
{
    uint64_t    level, spent;
    ngx_msec_t  wait;
    ngx_uint_t  max;

    max = zone->conf.batch >> e->split;

    if (max <= 1 || e->cred->npending >= max || now < e->since) {
        return 0;
    }

    if (e->class == NGX_COUNTERS_AHEAD) {
        wait = ngx_counters_lead(e) / 2;

    } else {
        level = ngx_counters_bucket_level(&zone->sh->bucket,
                                          &zone->conf.bucket, now);

        spent = ngx_min(level, limit) * 1000 / limit;

        wait = zone->conf.batch_wait
               + NGX_COUNTERS_COMPANY * spent * spent / 1000000
                 * (ngx_min(e->cred->nentries, max) - 1) / max;
    }

    return (now - e->since < wait) ? e->since + wait - now : 0;
}


/*
 * Forgets calls whose method has come under a hold, and those of dead
 * workers; passes over those of workers that have just left an offer.
 */

static ngx_counters_node_t *
ngx_counters_first_locked(ngx_counters_zone_t *zone, ngx_uint_t class,
    ngx_counters_owner_t *me, uint64_t now)
{
    ngx_uint_t               passed;
    ngx_queue_t             *q, *queue;
    ngx_counters_node_t     *e;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;
    queue = &sh->queue[class];
    passed = 0;

    while (!ngx_queue_empty(queue) && passed < NGX_COUNTERS_PASS
           && passed < sh->nqueued[class])
    {
        q = ngx_queue_head(queue);
        e = ngx_queue_data(q, ngx_counters_node_t, queue);

        if (e->cred->hold[e->method] > now
            || now >= e->since + NGX_COUNTERS_QUEUE_AGE)
        {
            ngx_counters_release_locked(zone, e);
            continue;
        }

        if (ngx_counters_mine(zone, e, me)) {
            return e;
        }

        if (!ngx_counters_alive(e->pid)) {
            ngx_counters_release_locked(zone, e);
            continue;
        }

        if (!ngx_counters_busy(sh, e->slot, now)) {
            return e;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(queue, q);
        passed++;
    }

    return NULL;
}


static ngx_uint_t
ngx_counters_busy(ngx_counters_zone_sh_t *sh, ngx_uint_t slot, uint64_t now)
{
    return (sh->busy & ((uint64_t) 1 << (slot % 64)))
           && now < sh->busy_until
           && sh->busy_until - now <= NGX_COUNTERS_BUSY;
}


static ngx_uint_t
ngx_counters_turn(ngx_counters_zone_sh_t *sh)
{
    switch (sh->turn % NGX_COUNTERS_TURN) {

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
 * Refreshes leave the reserve to requests passed through, and of the rest
 * each class leaves some to those that come before it, unless it is its
 * turn.  They lose nothing by that: what counts for them is the drain.
 */

static uint64_t
ngx_counters_quota(ngx_counters_zone_t *zone, ngx_uint_t class,
    ngx_uint_t first)
{
    uint64_t  limit;

    static uint8_t  shares[NGX_COUNTERS_CLASSES] = { 100, 75, 50, 50 };

    limit = (uint64_t) zone->conf.bucket.burst * (100 - zone->conf.reserve)
            / 100;

    if (class != first) {
        limit = limit * shares[class] / 100;
    }

    return ngx_max(limit, 1000);
}


ngx_uint_t
ngx_counters_dry_locked(ngx_counters_zone_t *zone, uint64_t now)
{
    uint64_t  level;

    if (zone->conf.bucket.rate == 0) {
        return 0;
    }

    level = ngx_counters_bucket_level(&zone->sh->bucket, &zone->conf.bucket,
                                      now);

    return level + 1000 > ngx_counters_quota(zone, NGX_COUNTERS_WAITING,
                                           NGX_COUNTERS_WAITING);
}


uint32_t
ngx_counters_spend_locked(ngx_counters_zone_t *zone, uint64_t now)
{
    uint32_t                 delay;
    uint64_t                 until;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;

    if (ngx_counters_hold_locked(zone, NULL, NULL, 0, now, &until)
        != NGX_COUNTERS_OPEN)
    {
        return (uint32_t) ngx_max(until - now, 1);
    }

    delay = ngx_counters_bucket_take(&sh->bucket, &zone->conf.bucket, now,
                                     ngx_counters_quota(zone,
                                                        NGX_COUNTERS_STALE,
                                                        NGX_COUNTERS_STALE));

    if (delay == 0 && sh->hold != NGX_COUNTERS_OPEN) {
        sh->probe = now + zone->conf.timeout + NGX_COUNTERS_LEASE_SLACK;
    }

    return delay;
}


/* until there is quota for one more */

static ngx_msec_t
ngx_counters_delay_locked(ngx_counters_zone_t *zone, uint64_t limit,
    uint64_t now)
{
    uint64_t                 level;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;

    level = ngx_counters_bucket_level(&sh->bucket, &zone->conf.bucket, now);

    if (level + 1000 <= limit) {
        return 0;
    }

    return ngx_counters_bucket_take(&sh->bucket, &zone->conf.bucket, now,
                                    limit);
}


/*
 * The head is another worker's: it alone has the credential.  NGX_DECLINED:
 * it has not taken it, being busy or of another generation.
 */

static ngx_int_t
ngx_counters_offer_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t now, ngx_msec_t *delay, ngx_uint_t *slot)
{
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;

    if (sh->offer != e || now < sh->offered) {
        sh->offer = e;
        sh->offered = now;
    }

    if (now >= sh->offered + NGX_COUNTERS_OFFER) {
        sh->offer = NULL;

        if (now >= sh->busy_until) {
            sh->busy = 0;
        }

        sh->busy |= (uint64_t) 1 << (e->slot % 64);
        sh->busy_until = now + NGX_COUNTERS_BUSY;

        return NGX_DECLINED;
    }

    *slot = e->slot;
    *delay = sh->offered + NGX_COUNTERS_OFFER - now;

    return NGX_OK;
}


/* the head, and what else waits under its credential, by class and age */

static void
ngx_counters_take_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *head,
    ngx_counters_owner_t *me, uint64_t now, ngx_uint_t max,
    ngx_counters_flight_t *flight)
{
    ngx_uint_t                 class;
    ngx_queue_t               *q, *next;
    ngx_counters_node_t       *e;
    ngx_counters_cred_node_t  *cred;

    cred = head->cred;

    ngx_memcpy(flight->cred, cred->digest, NGX_COUNTERS_DIGEST_LEN);
    flight->split = head->split;
    flight->n = 0;

    ngx_counters_fly_locked(zone, head, me, now, flight);

    for (class = 0; class < NGX_COUNTERS_CLASSES; class++) {

        for (q = ngx_queue_head(&cred->pending[class]);
             q != ngx_queue_sentinel(&cred->pending[class])
             && flight->n < max;
             q = next)
        {
            next = ngx_queue_next(q);
            e = ngx_queue_data(q, ngx_counters_node_t, pending);

            if (e->split == head->split && cred->hold[e->method] <= now
                && !(cred->probe & (1 << e->method)))
            {
                ngx_counters_fly_locked(zone, e, me, now, flight);
            }
        }
    }
}


static void
ngx_counters_fly_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    ngx_counters_owner_t *me, uint64_t now, ngx_counters_flight_t *flight)
{
    ngx_counters_key_locked(e, &flight->keys[flight->n++]);

    ngx_counters_release_locked(zone, e);
    ngx_counters_own_locked(e, me, NGX_COUNTERS_FLYING, now);

    e->lease = now + zone->conf.timeout + NGX_COUNTERS_LEASE_SLACK;
    zone->sh->nflying++;
    e->cred->nflying++;
}


/* refresh-ahead */


ngx_uint_t
ngx_counters_zone_ahead(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    uint64_t now, ngx_counters_has_pt has, void *data)
{
    uint64_t    until;
    ngx_uint_t  method, queued;

    queued = 0;

    ngx_counters_lock(zone);

    if (ngx_counters_hold_locked(zone, NULL, NULL, 0, now, &until)
        == NGX_COUNTERS_OPEN)
    {
        for (method = 0; method < NGX_COUNTERS_METHODS; method++) {
            queued += ngx_counters_ages_locked(zone, &zone->sh->ages[method],
                                               me, now, has, data);
        }
    }

    ngx_counters_unlock(zone);

    return queued;
}


static ngx_uint_t
ngx_counters_ages_locked(ngx_counters_zone_t *zone, ngx_queue_t *ages,
    ngx_counters_owner_t *me, uint64_t now, ngx_counters_has_pt has,
    void *data)
{
    uint64_t              last;
    ngx_uint_t            n, queued;
    ngx_queue_t          *q, *next, *end;
    ngx_counters_node_t  *e;

    if (ngx_queue_empty(ages)) {
        return 0;
    }

    queued = 0;
    end = ngx_queue_last(ages);

    e = ngx_queue_data(end, ngx_counters_node_t, age);
    last = e->fetched + e->ttl;

    for (q = ngx_queue_head(ages), n = 0;
         q != ngx_queue_sentinel(ages) && n < NGX_COUNTERS_AHEAD_SCAN;
         q = next, n++)
    {
        next = (q == end) ? ngx_queue_sentinel(ages) : ngx_queue_next(q);
        e = ngx_queue_data(q, ngx_counters_node_t, age);

        ngx_counters_fade_locked(zone, e, now);

        if (ngx_counters_due(zone, e, now)) {

            if (e->asked + zone->conf.ahead < now) {
                ngx_queue_remove(q);
                q->next = NULL;
                continue;
            }

            queued += ngx_counters_refresh_locked(zone, e, me,
                                                  NGX_COUNTERS_AHEAD, now,
                                                  has, data);
            continue;
        }

        if (e->fetched + e->ttl > last) {

            /* fetched when the ttl was longer: it hides those behind it */

            ngx_queue_remove(q);
            ngx_queue_insert_tail(ages, q);
            continue;
        }

        /* the jitter of ttl spreads ages by a tenth, no more */

        if (!ngx_counters_due(zone, e, now + e->ttl / 8)) {
            break;
        }
    }

    return queued;
}


ngx_uint_t
ngx_counters_refresh_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, ngx_counters_owner_t *me,
    ngx_counters_class_e class, uint64_t now, ngx_counters_has_pt has,
    void *data)
{
    uint64_t  until;

    ngx_counters_lapse_locked(zone, e, now);

    if (e->state != NGX_COUNTERS_IDLE
        || zone->sh->nqueued[class] >= NGX_COUNTERS_QUEUE_MAX
        || ngx_counters_hold_locked(zone, e, e->cred, e->method, now, &until)
           != NGX_COUNTERS_OPEN
        || !has(data, e->cred->digest))
    {
        return 0;
    }

    ngx_counters_own_locked(e, me, NGX_COUNTERS_QUEUED, now);
    e->split = 0;
    ngx_counters_queue_locked(zone, e, class, 0);

    return 1;
}


static ngx_uint_t
ngx_counters_due(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t now)
{
    return now + ngx_counters_lead(e) >= e->fetched + e->ttl || e->marked;
}


/* half of it for company, half for the portal's answer */

static uint32_t
ngx_counters_lead(ngx_counters_node_t *e)
{
    return ngx_min(e->ttl / 10, NGX_COUNTERS_AHEAD_LEAD);
}


/* answers */


uint64_t
ngx_counters_zone_finish(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_counters_owner_t *me, ngx_counters_answer_in_t *answer, uint64_t now,
    ngx_uint_t *stored)
{
    uint64_t              wake;
    ngx_counters_node_t  *e;

    wake = 0;
    *stored = 0;

    ngx_counters_lock(zone);

    e = ngx_counters_find_locked(zone, key);

    /*
     * Another may have taken over meanwhile: whether this answer was asked
     * for before a purge or a refusal is not known any more.
     */

    if (e == NULL || e->state == NGX_COUNTERS_IDLE || e->pid != me->pid) {
        goto done;
    }

    if (answer) {
        *stored = ngx_counters_answer_locked(zone, e, answer, now);
    }

    ngx_counters_release_locked(zone, e);
    e->since = now;

    wake = e->wake;
    e->wake = 0;

done:

    ngx_counters_unlock(zone);

    return wake;
}


static ngx_uint_t
ngx_counters_answer_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    ngx_counters_answer_in_t *answer, uint64_t now)
{
    uint64_t  marked;

    if (answer->kind == NGX_COUNTERS_FAILURE) {

        e->failures += (e->failures < 31);
        e->failed = now;
        answer->ttl = ngx_counters_backoff(e->failures,
                                           NGX_COUNTERS_RETRY_FIRST,
                                           NGX_COUNTERS_RETRY_MAX,
                                           ngx_random());
        e->retry = now + answer->ttl;

        if (e->kind == NGX_COUNTERS_DATA
            && ngx_counters_freshness(now, e->fetched, e->ttl,
                                      zone->conf.stale, zone->conf.error,
                                      e->marked != 0)
               != NGX_COUNTERS_EXPIRED)
        {
            return 0;
        }

        return ngx_counters_fill_locked(zone, e, answer, now) == NGX_OK;
    }

    e->failures = 0;
    e->retry = 0;

    if (answer->kind == NGX_COUNTERS_NEGATIVE) {
        e->refused = now;

        if (answer->ttl == 0) {
            ngx_counters_clear_locked(zone, e);
            return 0;
        }

        return ngx_counters_fill_locked(zone, e, answer, now) == NGX_OK;
    }

    /* what was under way when the credential was refused stays out */

    if (e->cred->refused && e->cred->refused >= e->since) {
        return 0;
    }

    marked = ngx_counters_mark_locked(zone, e, answer);

    if (ngx_counters_fill_locked(zone, e, answer, now) != NGX_OK) {
        return 0;
    }

    e->marked = marked;

    if (answer->origin == NGX_COUNTERS_FROM_PORTAL) {
        e->refused = 0;
        e->cred->refused = 0;
        e->cred->accepted = now;
        e->cred->hold[e->method] = 0;
        e->cred->probe &= ~(1 << e->method);

    } else if (e->cred->accepted == 0) {
        e->cred->accepted = answer->fetched;
    }

    return 1;
}


/* holds */


ngx_counters_hold_e
ngx_counters_hold_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    ngx_counters_cred_node_t *cred, ngx_uint_t method, uint64_t now,
    uint64_t *until)
{
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;

    if (sh->hold != NGX_COUNTERS_OPEN) {

        *until = ngx_max(sh->hold_until, sh->probe);

        if (*until > now) {
            return sh->hold;
        }
    }

    if (cred && cred->hold[method] > now) {
        *until = cred->hold[method];
        return cred->refused ? NGX_COUNTERS_BACKOFF : NGX_COUNTERS_OPERATED;
    }

    if (e && e->retry > now && e->failed >= sh->recovered) {
        *until = e->retry;
        return NGX_COUNTERS_BACKOFF;
    }

    *until = 0;

    return NGX_COUNTERS_OPEN;
}


ngx_uint_t
ngx_counters_zone_portal_good(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_uint_t               lifted;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;
    lifted = 0;

    ngx_counters_lock(zone);

    /* an answer that was under way before a limit does not lift it */

    if (sh->hold == NGX_COUNTERS_BACKOFF || sh->hold_until <= now) {

        if (sh->hold != NGX_COUNTERS_OPEN) {
            sh->recovered = now;
            lifted = 1;
        }

        sh->hold = NGX_COUNTERS_OPEN;
        sh->hold_until = 0;
        sh->probe = 0;
        sh->failures = 0;
    }

    ngx_counters_unlock(zone);

    return lifted;
}


ngx_uint_t
ngx_counters_zone_portal_hold(ngx_counters_zone_t *zone,
    ngx_counters_hold_e hold, uint64_t now, uint64_t until)
{
    uint32_t                 first, max;
    ngx_uint_t               n;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;

    ngx_counters_lock(zone);

    if (hold == NGX_COUNTERS_LIMITED) {
        ngx_counters_bucket_fill(&sh->bucket, &zone->conf.bucket, now);
    }

    /* several calls that were under way together fail but once */

    if (sh->hold == hold && sh->hold_until > now) {
        ngx_counters_unlock(zone);
        return 0;
    }

    n = sh->failures + 1;

    switch (hold) {

    case NGX_COUNTERS_LIMITED:
        first = NGX_COUNTERS_LIMIT_FIRST;
        max = NGX_COUNTERS_LIMIT_MAX;
        break;

    case NGX_COUNTERS_OVERLOADED:
        first = NGX_COUNTERS_OVERLOAD_FIRST;
        max = NGX_COUNTERS_OVERLOAD_MAX;
        break;

    default: /* NGX_COUNTERS_BACKOFF */

        if (n < NGX_COUNTERS_FAILURES && sh->hold == NGX_COUNTERS_OPEN) {
            sh->failures++;
            ngx_counters_unlock(zone);
            return 0;
        }

        n -= ngx_min(n - 1, NGX_COUNTERS_FAILURES - 1);
        first = NGX_COUNTERS_HOLD_FIRST;
        max = NGX_COUNTERS_HOLD_MAX;
    }

    if (until <= now) {
        until = now + ngx_counters_backoff(n, first, max, ngx_random());
    }

    until = ngx_min(until, now + NGX_COUNTERS_OVERLOAD_MAX);

    if (sh->hold != NGX_COUNTERS_OPEN && sh->hold_until >= until) {

        /* of two holds the longer one */

        ngx_counters_unlock(zone);
        return 0;
    }

    sh->failures++;
    sh->hold = hold;
    sh->hold_until = until;
    sh->probe = 0;

    ngx_counters_unlock(zone);

    return 1;
}


void
ngx_counters_zone_method_hold(ngx_counters_zone_t *zone, const u_char *digest,
    ngx_uint_t method, uint64_t now, uint64_t until)
{
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    cred = ngx_counters_insert_cred_locked(zone, digest, now);

    if (cred) {
        if (until <= now) {
            until = now + NGX_COUNTERS_OPERATING_HOLD;
        }

        cred->hold[method] = ngx_min(until,
                                     now + NGX_COUNTERS_OPERATING_MAX);
        cred->probe |= 1 << method;
    }

    ngx_counters_unlock(zone);
}


void
ngx_counters_zone_refused_hold(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_uint_t                 i;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    cred = ngx_counters_insert_cred_locked(zone, zone->common_cred, now);

    if (cred) {
        cred->refused = now;

        for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
            cred->hold[i] = now + NGX_COUNTERS_REFUSED_HOLD;
            cred->probe |= 1 << i;
        }
    }

    ngx_counters_unlock(zone);
}


void
ngx_counters_zone_passed(ngx_counters_zone_t *zone, uint64_t now)
{
    if (zone->conf.bucket.rate == 0) {
        return;
    }

    ngx_counters_lock(zone);

    ngx_counters_bucket_add(&zone->sh->bucket, &zone->conf.bucket, now);

    ngx_counters_unlock(zone);
}
