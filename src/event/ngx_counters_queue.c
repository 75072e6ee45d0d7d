
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

/*
 * A place in the queue is given up after this, and sooner by credentials
 * nobody knows while such are refused: those behind them may be real.
 */
#define NGX_COUNTERS_QUEUE_AGE    300000
#define NGX_COUNTERS_DOUBT_AGE    10000

/* in so many dispatches every class comes first once: nobody starves */
#define NGX_COUNTERS_TURN         8

#define NGX_COUNTERS_UNKNOWN_MAX  2000

/*
 * For a place in the queue the zone has to be so large, bytes: what waits
 * cannot be evicted, and is to leave the rest to the answers.
 */
#define NGX_COUNTERS_PLACE           1024
#define NGX_COUNTERS_UNKNOWN_PLACE   8192

/* the same key is not asked for again at once after a failure */
#define NGX_COUNTERS_RETRY_FIRST  1000
#define NGX_COUNTERS_RETRY_MAX    30000

/* nobody looks away from the queue for longer, milliseconds */
#define NGX_COUNTERS_SLEEP        5000

/*
 * How long a call waits for company at most: while others keep joining it, in
 * units of what is configured; when its quota is spent, milliseconds.
 */
#define NGX_COUNTERS_JOINING      20
#define NGX_COUNTERS_COMPANY      1000

/* nobody is told to come back later than this, milliseconds */
#define NGX_COUNTERS_LEAVES       60000


static ngx_uint_t ngx_counters_place_locked(ngx_counters_zone_t *zone,
    const u_char *digest);
static ngx_uint_t ngx_counters_size(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, uint64_t now);
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
    uint64_t now, ngx_msec_t *delay);
static ngx_uint_t ngx_counters_slow(ngx_counters_node_t *e, uint64_t now);
static ngx_uint_t ngx_counters_busy(ngx_counters_zone_sh_t *sh,
    ngx_uint_t slot, uint64_t now);
static ngx_uint_t ngx_counters_turn(ngx_counters_zone_sh_t *sh);
static ngx_int_t ngx_counters_offer_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, uint64_t now, ngx_msec_t *delay,
    ngx_uint_t *slot);
static void ngx_counters_take_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *head, ngx_counters_owner_t *me, uint64_t now,
    ngx_uint_t max, ngx_counters_flight_t *flight);
static void ngx_counters_fly_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, ngx_counters_owner_t *me, uint64_t now,
    ngx_counters_flight_t *flight);
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

        if (!ngx_counters_place_locked(zone, key->cred)) {
            rc = NGX_BUSY;
            goto done;
        }

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
        ngx_counters_own_locked(zone, e, me, NGX_COUNTERS_LEASED, now);
        e->lease = now + ask->lease;
        e->force = ask->force;
        rc = NGX_OK;
        goto done;
    }

    e->force |= ask->force;

    if (e->state == NGX_COUNTERS_QUEUED && ask->class < e->class
        && ngx_counters_class_locked(zone, key->cred, e->cred)
           != NGX_COUNTERS_UNKNOWN)
    {
        ngx_counters_release_locked(zone, e);
        ngx_counters_queue_locked(zone, e, ask->class, 0);
    }

    rc = NGX_AGAIN;

done:

    ngx_counters_unlock(zone);

    return rc;
}


/* whether there is room for one more that has no answer yet */

static ngx_uint_t
ngx_counters_place_locked(ngx_counters_zone_t *zone, const u_char *digest)
{
    size_t                     size;
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;
    size = zone->shpool->end - zone->shpool->start;
    cred = ngx_counters_find_cred_locked(zone, digest);

    if (ngx_counters_class_locked(zone, digest, cred)
        == NGX_COUNTERS_UNKNOWN)
    {
        return sh->nleased + sh->nqueued[NGX_COUNTERS_UNKNOWN]
               < ngx_min(size / NGX_COUNTERS_UNKNOWN_PLACE,
                         NGX_COUNTERS_UNKNOWN_MAX);
    }

    return sh->nleased + ngx_counters_queued(sh)
           < ngx_min(size / NGX_COUNTERS_PLACE, NGX_COUNTERS_QUEUE_MAX);
}


/* whoever should have done it has not, and is not waited for */

void
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


void
ngx_counters_own_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    ngx_counters_owner_t *me, ngx_counters_state_e state, uint64_t now)
{
    e->pid = me->pid;
    e->slot = me->slot;
    e->state = state;
    e->since = now;

    if (state == NGX_COUNTERS_LEASED) {
        zone->sh->nleased++;
    }
}


ngx_uint_t
ngx_counters_class_locked(ngx_counters_zone_t *zone, const u_char *digest,
    ngx_counters_cred_node_t *cred)
{
    return ((cred && cred->accepted) || ngx_counters_zone_common(zone, digest))
           ? NGX_COUNTERS_WAITING : NGX_COUNTERS_UNKNOWN;
}


void
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
    zone->sh->nowners += (e->cred->npending++ == 0);
}


void
ngx_counters_release_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e)
{
    switch (e->state) {

    case NGX_COUNTERS_LEASED:
        zone->sh->nleased--;
        break;

    case NGX_COUNTERS_QUEUED:
        ngx_queue_remove(&e->queue);
        ngx_queue_remove(&e->pending);

        zone->sh->nqueued[e->class]--;
        zone->sh->nowners -= (--e->cred->npending == 0);

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

    } else if (ngx_counters_class_locked(zone, key->cred, e->cred)
               == NGX_COUNTERS_UNKNOWN)
    {
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
    e->cred->joined = now;
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
    uint64_t                   until, limit, *slow;
    ngx_int_t                  rc;
    ngx_msec_t                 wait;
    ngx_uint_t                 i, max, first;
    ngx_counters_node_t       *e;
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

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
        if (sh->hold == NGX_COUNTERS_LIMITED) {
            sh->starved = now;
        }

        sh->offer = NULL;
        *delay = ngx_max(until - now, 1);
        goto done;
    }

    max = ngx_counters_size(zone, e, now);
    limit = ngx_counters_quota(zone, e->class, first);

    wait = ngx_counters_delay_locked(zone, limit, now);

    if (wait) {

        if (e->class == NGX_COUNTERS_WAITING
            || e->class == NGX_COUNTERS_UNKNOWN)
        {
            sh->starved = now;
        }

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

    cred = e->cred;

    ngx_counters_take_locked(zone, e, me, now, max, flight);

    for (i = 0; i < flight->n; i++) {
        slow = &cred->slow[flight->keys[i].method];

        if (*slow) {
            /* its answer tells when the next may follow */
            until = now + zone->conf.timeout + NGX_COUNTERS_LEASE_SLACK;
            *slow = ngx_max(*slow, until);
        }
    }

    rc = NGX_OK;

done:

    ngx_counters_unlock(zone);

    *delay = ngx_min(*delay, NGX_COUNTERS_SLEEP);

    return rc;
}


/* how many calls may leave together with this one */

static ngx_uint_t
ngx_counters_size(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t now)
{
    ngx_uint_t  max;

    max = zone->conf.batch >> e->split;

    return (max && (uint64_t) e->cred->alone * 1000 <= now) ? max : 1;
}


static ngx_uint_t
ngx_counters_mine(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    ngx_counters_owner_t *me)
{
    return e->pid == me->pid
           || ngx_counters_zone_common(zone, e->cred->digest);
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


/* calls under one credential leave together, the others one by one */

uint64_t
ngx_counters_leaves_locked(ngx_counters_zone_t *zone, ngx_uint_t class,
    uint64_t now)
{
    uint64_t                 n, level, limit;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;
    n = sh->nqueued[NGX_COUNTERS_WAITING];

    if (class != NGX_COUNTERS_WAITING) {
        n += sh->nqueued[class];
    }

    n = (n > sh->nowners)
        ? sh->nowners + (n - sh->nowners) / zone->conf.batch : n;
    n++;

    /* requests that were passed on may have taken more than is ours */

    level = ngx_counters_bucket_level(&sh->bucket, &zone->conf.bucket, now);
    limit = ngx_counters_quota(zone, class, NGX_COUNTERS_WAITING);

    n = n * 1000 + ((level > limit) ? level - limit : 0);

    return now + ngx_min(n * 1000 / zone->conf.bucket.rate,
                         NGX_COUNTERS_LEAVES);
}


/* without one, "delay" is when some that there are may have become it */

static ngx_counters_node_t *
ngx_counters_head_locked(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    uint64_t now, ngx_uint_t *first, ngx_msec_t *delay)
{
    ngx_msec_t            wait;
    ngx_uint_t            i, class;
    ngx_counters_node_t  *e;

    *first = ngx_counters_turn(zone->sh);
    *delay = NGX_COUNTERS_QUEUE_AGE;

    /* the one whose turn it is, then all in their order */

    for (i = 0; i <= NGX_COUNTERS_CLASSES; i++) {

        class = i ? i - 1 : *first;

        e = ngx_counters_first_locked(zone, class, me, now, delay);

        if (e == NULL) {
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
 * nobody waits for, until half of the time that it is ahead is over; anything
 * else for as long as the configuration says after the last one that joined
 * it, and the longer, up to a drain, the more of the quota is spent and the
 * more entries the credential has.
 */

static ngx_msec_t
ngx_counters_company_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t limit, uint64_t now)
{
    uint64_t    level, spent, until, joining;
    uint32_t    half;
    ngx_uint_t  max;

    max = ngx_counters_size(zone, e, now);

    /* times of other workers may be a little ahead, the clock may be set */

    if (max == 1 || e->cred->npending >= max
        || now + NGX_COUNTERS_COMPANY < e->since)
    {
        return 0;
    }

    if (e->class == NGX_COUNTERS_AHEAD) {
        half = ngx_counters_lead(e) / 2;
        until = ngx_min(e->since + half, e->fetched + e->ttl - half);

    } else {
        level = ngx_counters_bucket_level(&zone->sh->bucket,
                                          &zone->conf.bucket, now);

        spent = ngx_min(level, limit) * 1000 / limit;

        until = NGX_COUNTERS_COMPANY * spent * spent / 1000000
                * (ngx_min(e->cred->nentries, max) - 1) / max;
        until += e->since + zone->conf.batch_wait;

        joining = e->since + zone->conf.batch_wait * NGX_COUNTERS_JOINING;
        joining = ngx_min(joining, e->cred->joined + zone->conf.batch_wait);

        until = ngx_max(until, joining);
    }

    return (now < until) ? until - now : 0;
}


/*
 * Forgets calls whose method has come under a hold, and those of dead
 * workers; passes over those of workers that have just left an offer, and
 * those that are slowed down, which lowers "delay".
 */

static ngx_counters_node_t *
ngx_counters_first_locked(ngx_counters_zone_t *zone, ngx_uint_t class,
    ngx_counters_owner_t *me, uint64_t now, ngx_msec_t *delay)
{
    uint64_t                 wait, age;
    ngx_uint_t               passed;
    ngx_queue_t             *q, *queue;
    ngx_counters_node_t     *e;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;
    queue = &sh->queue[class];
    passed = 0;

    age = (class == NGX_COUNTERS_UNKNOWN && sh->trust == 0)
          ? NGX_COUNTERS_DOUBT_AGE : NGX_COUNTERS_QUEUE_AGE;

    while (!ngx_queue_empty(queue) && passed < NGX_COUNTERS_PASS
           && passed < sh->nqueued[class])
    {
        q = ngx_queue_head(queue);
        e = ngx_queue_data(q, ngx_counters_node_t, queue);

        if (e->cred->hold[e->method] > now || now >= e->since + age) {
            ngx_counters_release_locked(zone, e);
            continue;
        }

        wait = NGX_COUNTERS_PASS_WAIT;

        if (ngx_counters_slow(e, now)) {
            wait = e->cred->slow[e->method] - now;

        } else if (ngx_counters_mine(zone, e, me)) {
            return e;

        } else if (!ngx_counters_alive(e->pid)) {
            ngx_counters_release_locked(zone, e);
            continue;

        } else if (!ngx_counters_busy(sh, e->slot, now)) {
            return e;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(queue, q);
        passed++;

        *delay = ngx_min(*delay, wait);
    }

    if (passed < sh->nqueued[class]) {

        /* the others are looked at next time */

        *delay = ngx_min(*delay, NGX_COUNTERS_PASS_WAIT);
    }

    return NULL;
}


/* what nobody waits for is spread over the operating time that is left */

static ngx_uint_t
ngx_counters_slow(ngx_counters_node_t *e, uint64_t now)
{
    return e->cred->slow[e->method] > now
           && (e->class == NGX_COUNTERS_STALE
               || e->class == NGX_COUNTERS_AHEAD);
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
 * The head is another worker's: it alone has the credential.  NGX_DECLINED:
 * it has not taken it, being busy or of another generation.
 */

static ngx_int_t
ngx_counters_offer_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t now, ngx_msec_t *delay, ngx_uint_t *slot)
{
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;

    if (sh->offer != e) {
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
                && !ngx_counters_slow(e, now)
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
    ngx_counters_own_locked(zone, e, me, NGX_COUNTERS_FLYING, now);

    e->lease = now + zone->conf.timeout + NGX_COUNTERS_LEASE_SLACK;
    zone->sh->nflying++;
    e->cred->nflying++;
}


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
        e->forced = e->force;
        *stored = ngx_counters_answer_locked(zone, e, answer, now);
    }

    e->force = 0;

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

        if (e->class == NGX_COUNTERS_UNKNOWN) {
            zone->sh->trust = 0;
        }

        if (answer->ttl == 0) {
            ngx_counters_clear_locked(zone, e);
            return 0;
        }

        return ngx_counters_fill_locked(zone, e, answer, now) == NGX_OK;
    }

    /*
     * What was under way when the credential was refused stays out; what the
     * managed webhook owns outlives its refusal.
     */

    if (e->cred->refused && e->cred->refused >= e->since
        && !ngx_counters_zone_common(zone, e->cred->digest))
    {
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

        if (e->class == NGX_COUNTERS_UNKNOWN) {
            zone->sh->trust += (zone->sh->trust < NGX_COUNTERS_TRUST);
        }

        e->cred->hold[e->method] = 0;
        e->cred->probe &= ~(1 << e->method);

    } else if (e->cred->accepted == 0) {
        e->cred->accepted = answer->fetched;
    }

    return 1;
}
