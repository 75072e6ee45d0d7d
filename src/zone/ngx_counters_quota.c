
/*
 * Copyright (C) The nginx counters module authors
 *
 * May the portal be asked now?  The bucket, and the holds after failures and
 * limits.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_fill.h"
#include "ngx_counters_quota.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_table.h"


/* the portal is held after so many failures in a row, milliseconds */
#define NGX_COUNTERS_FAILURES     3
#define NGX_COUNTERS_HOLD_FIRST   500
#define NGX_COUNTERS_HOLD_MAX     5000

/*
 * When one call is tried after a limit, the first time and at most, if the
 * portal did not say.
 */
#define NGX_COUNTERS_LIMIT_FIRST      1000
#define NGX_COUNTERS_LIMIT_MAX        60000
#define NGX_COUNTERS_OVERLOAD_FIRST   5000
#define NGX_COUNTERS_OVERLOAD_MAX     600000

/* the one call that tries may take long, but is answered soon as a rule */
#define NGX_COUNTERS_TRYING           1000

/* nobody is told to come back later than this, milliseconds */
#define NGX_COUNTERS_LEAVES       60000


static uint64_t ngx_counters_quota_before_locked(ngx_counters_zone_t *zone,
    ngx_uint_t class);


/*
 * Refreshes leave the reserve to requests passed through, and of the rest
 * each class leaves some to those that come before it, unless it is its
 * turn.  They lose nothing by that: what counts for them is the drain.  New
 * credentials begin with half of it and have more with each that the portal
 * accepts, until it refuses one: they may be made up.
 */

uint64_t
ngx_counters_quota_limit(ngx_counters_zone_t *zone, ngx_uint_t class,
    ngx_uint_t first)
{
    uint64_t    limit;
    ngx_uint_t  share;

    static uint8_t  shares[NGX_COUNTERS_CLASSES] = { 100, 75, 50, 50 };

    limit = (uint64_t) zone->conf.bucket.burst * (100 - zone->conf.reserve)
            / 100;

    share = shares[class];

    if (class == NGX_COUNTERS_UNKNOWN) {
        share += (100 - share) * zone->sh->vars.trust / NGX_COUNTERS_TRUST;
    }

    if (class != first) {
        limit = limit * share / 100;
    }

    return ngx_max(limit, 1000);
}


ngx_uint_t
ngx_counters_quota_dry_locked(ngx_counters_zone_t *zone, ngx_uint_t class,
    uint64_t before, uint64_t now)
{
    uint64_t  level;

    if (zone->conf.bucket.rate == 0) {
        return 0;
    }

    level = ngx_counters_bucket_level(&zone->sh->vars.bucket,
                                      &zone->conf.bucket, now);

    return level + (before + 1) * 1000
           > ngx_counters_quota_limit(zone, class, NGX_COUNTERS_WAITING);
}


ngx_uint_t
ngx_counters_quota_line_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    uint64_t  before;

    before = ngx_counters_quota_before_locked(zone, NGX_COUNTERS_STALE);

    if (before && e && e->state == NGX_COUNTERS_QUEUED) {
        before--;
    }

    return ngx_counters_quota_dry_locked(zone, ngx_counters_quota_class(zone),
                                         before, now);
}


ngx_counters_class_e
ngx_counters_quota_class(ngx_counters_zone_t *zone)
{
    return zone->sh->vars.nqueued[NGX_COUNTERS_STALE] ? NGX_COUNTERS_STALE
                                                 : NGX_COUNTERS_WAITING;
}


/*
 * The requests that leave before a call of that class that is asked for now:
 * calls under one credential leave together, the others one by one.
 */

static uint64_t
ngx_counters_quota_before_locked(ngx_counters_zone_t *zone, ngx_uint_t class)
{
    uint64_t              n;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;
    n = vars->nqueued[NGX_COUNTERS_WAITING];

    if (class != NGX_COUNTERS_WAITING) {
        n += vars->nqueued[class];
    }

    return (n > vars->nowners)
           ? vars->nowners + (n - vars->nowners) / zone->conf.batch : n;
}


uint32_t
ngx_counters_quota_spend_locked(ngx_counters_zone_t *zone, uint64_t now)
{
    uint32_t              delay;
    uint64_t              until, limit;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;

    if (ngx_counters_quota_hold_locked(zone, NULL, NULL, 0, now, &until)
        != NGX_COUNTERS_OPEN)
    {
        return (uint32_t) ngx_max(until - now, 1);
    }

    limit = ngx_counters_quota_limit(zone, NGX_COUNTERS_STALE,
                                     NGX_COUNTERS_STALE);

    delay = ngx_counters_bucket_take(&vars->bucket, &zone->conf.bucket, now,
                                     limit);

    if (delay == 0 && vars->hold != NGX_COUNTERS_OPEN) {
        vars->probe = now + zone->conf.timeout + NGX_COUNTERS_LEASE_SLACK;
    }

    return delay;
}


/* until there is quota for one more */

ngx_msec_t
ngx_counters_quota_delay_locked(ngx_counters_zone_t *zone, uint64_t limit,
    uint64_t now)
{
    uint64_t              level;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;

    level = ngx_counters_bucket_level(&vars->bucket, &zone->conf.bucket, now);

    if (level + 1000 <= limit) {
        return 0;
    }

    return ngx_counters_bucket_take(&vars->bucket, &zone->conf.bucket, now,
                                    limit);
}


uint64_t
ngx_counters_quota_leaves_locked(ngx_counters_zone_t *zone, ngx_uint_t class,
    uint64_t now)
{
    uint64_t              n, level, limit;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;
    n = ngx_counters_quota_before_locked(zone, class) + 1;

    /* requests that were passed on may have taken more than is ours */

    level = ngx_counters_bucket_level(&vars->bucket, &zone->conf.bucket, now);
    limit = ngx_counters_quota_limit(zone, class, NGX_COUNTERS_WAITING);

    n = n * 1000 + ((level > limit) ? level - limit : 0);

    return now + ngx_min(n * 1000 / zone->conf.bucket.rate,
                         NGX_COUNTERS_LEAVES);
}


ngx_counters_hold_e
ngx_counters_quota_hold_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_cred_node_t *cred, ngx_uint_t method,
    uint64_t now, uint64_t *until)
{
    ngx_counters_vars_t    *vars;
    ngx_counters_work_t    *work;
    ngx_counters_limits_t  *limits;

    vars = &zone->sh->vars;

    if (vars->hold != NGX_COUNTERS_OPEN) {

        if (vars->hold_until > now) {
            *until = vars->hold_until;
            return vars->hold;
        }

        if (vars->probe > now) {
            *until = ngx_min(vars->probe, now + NGX_COUNTERS_TRYING);
            return vars->hold;
        }
    }

    if (cred && cred->limits) {
        limits = ngx_counters_limits(zone, cred);

        if (limits->hold[method] > now) {
            *until = limits->hold[method];

            if (limits->trying & (1 << method)) {
                *until = ngx_min(*until, now + NGX_COUNTERS_TRYING);
            }

            return cred->refused ? NGX_COUNTERS_BACKOFF
                                 : NGX_COUNTERS_OPERATED;
        }
    }

    if (e && e->work) {
        work = ngx_counters_work(zone, e);

        if (work->retry > now && work->failed >= vars->recovered) {
            *until = work->retry;
            return NGX_COUNTERS_BACKOFF;
        }
    }

    *until = 0;

    return NGX_COUNTERS_OPEN;
}


ngx_uint_t
ngx_counters_quota_portal_good(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_uint_t            lifted;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;
    lifted = 0;

    ngx_counters_edit_lock(zone);

    /* an answer that was under way before a limit does not lift it */

    if (vars->hold == NGX_COUNTERS_BACKOFF || vars->hold_until <= now) {

        if (vars->hold != NGX_COUNTERS_OPEN) {
            vars->recovered = now;
            lifted = 1;
        }

        vars->hold = NGX_COUNTERS_OPEN;
        vars->hold_until = 0;
        vars->probe = 0;
        vars->failures = 0;
    }

    ngx_counters_edit_unlock(zone);

    return lifted;
}


ngx_uint_t
ngx_counters_quota_portal_hold(ngx_counters_zone_t *zone,
    ngx_counters_hold_e hold, uint64_t now, uint64_t until)
{
    uint32_t              pause;
    ngx_uint_t            n, longer;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;

    ngx_counters_edit_lock(zone);

    if (hold == NGX_COUNTERS_LIMITED) {
        ngx_counters_bucket_fill(&vars->bucket, &zone->conf.bucket, now);
    }

    /* several calls that were under way together fail but once */

    if (vars->hold == hold && vars->hold_until > now) {
        ngx_counters_edit_unlock(zone);
        return 0;
    }

    n = (vars->hold == hold) ? vars->failures + 1 : 1;

    switch (hold) {

    case NGX_COUNTERS_LIMITED:
        pause = ngx_counters_policy_backoff(n, NGX_COUNTERS_LIMIT_FIRST,
                                            NGX_COUNTERS_LIMIT_MAX, 0);
        break;

    case NGX_COUNTERS_OVERLOADED:
        pause = ngx_counters_policy_backoff(n, NGX_COUNTERS_OVERLOAD_FIRST,
                                            NGX_COUNTERS_OVERLOAD_MAX, 0);
        break;

    default: /* NGX_COUNTERS_BACKOFF */

        if (vars->hold == NGX_COUNTERS_OPEN) {

            n = vars->failures + 1;

            if (n < NGX_COUNTERS_FAILURES) {
                vars->failures = n;
                ngx_counters_edit_unlock(zone);
                return 0;
            }
        }

        /* the failures before the first hold do not lengthen it */

        longer = n - ngx_min(n - 1, NGX_COUNTERS_FAILURES - 1);

        pause = ngx_counters_policy_backoff(longer, NGX_COUNTERS_HOLD_FIRST,
                                            NGX_COUNTERS_HOLD_MAX,
                                            ngx_random());
    }

    until = (until > now) ? ngx_min(until, now + NGX_COUNTERS_HOLD_LONGEST)
                          : now + pause;

    if (vars->hold != NGX_COUNTERS_OPEN && vars->hold_until >= until) {

        /* of two holds the longer one */

        ngx_counters_edit_unlock(zone);
        return 0;
    }

    vars->failures = n;
    vars->hold = hold;
    vars->hold_until = until;
    vars->probe = 0;

    ngx_counters_edit_unlock(zone);

    return 1;
}


void
ngx_counters_quota_passed(ngx_counters_zone_t *zone, uint64_t now)
{
    if (zone->conf.bucket.rate == 0) {
        return;
    }

    ngx_counters_edit_lock(zone);

    ngx_counters_bucket_add(&zone->sh->vars.bucket, &zone->conf.bucket, now);

    ngx_counters_edit_unlock(zone);
}
