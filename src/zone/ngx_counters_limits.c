
/*
 * Copyright (C) The nginx counters module authors
 *
 * What limits the calls of one credential: its operating time, batches that
 * rest, and the portal's refusal of the managed webhook.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_fill.h"
#include "ngx_counters_limits.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_table.h"


/* when one call is tried after OPERATION_TIME_LIMIT, milliseconds */
#define NGX_COUNTERS_OPERATING_FIRST  5000
#define NGX_COUNTERS_OPERATING_MAX    60000

#define NGX_COUNTERS_REFUSED_HOLD     10000

/* failing batches rest after so many in a row; refused ones at once */
#define NGX_COUNTERS_BATCH_FAILURES   2
#define NGX_COUNTERS_BATCH_FIRST      5000
#define NGX_COUNTERS_BATCH_MAX_REST   600000
#define NGX_COUNTERS_BATCH_REFUSED    60000

/* how many measurements an average is made of, about */
#define NGX_COUNTERS_LIMITS_AVERAGE   8


static void ngx_counters_limits_operated_locked(
    ngx_counters_cred_node_t *cred, ngx_counters_limits_t *limits,
    ngx_uint_t method, uint64_t now, uint64_t until);
static void ngx_counters_limits_batch_open_locked(ngx_counters_zone_t *zone,
    ngx_counters_limits_t *limits);
static void ngx_counters_limits_measure_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, ngx_uint_t method, ngx_uint_t n,
    uint64_t used);


ngx_uint_t
ngx_counters_limits_zone_method_hold(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_uint_t method, uint64_t now, uint64_t until)
{
    ngx_uint_t                 news;
    ngx_counters_limits_t     *limits;
    ngx_counters_cred_node_t  *cred;

    news = 0;

    ngx_counters_edit_lock(zone);

    cred = ngx_counters_fill_cred_locked(zone, digest, now);
    limits = cred ? ngx_counters_fill_limits_locked(zone, cred, now) : NULL;

    if (limits) {
        news = (limits->hold[method] <= now);
        ngx_counters_limits_operated_locked(cred, limits, method, now, until);
    }

    ngx_counters_edit_unlock(zone);

    return news;
}


static void
ngx_counters_limits_operated_locked(ngx_counters_cred_node_t *cred,
    ngx_counters_limits_t *limits, ngx_uint_t method, uint64_t now,
    uint64_t until)
{
    ngx_uint_t  held;

    held = limits->held[method];

    /* several calls that were under way together are refused but once */

    if (limits->hold[method] <= now || (limits->trying & (1 << method))) {
        held += (held < 255);
    }

    /* a whole second, of whose parts nothing is known */

    if (until <= now) {
        until = ((uint64_t) cred->reset[method] + 1) * 1000;
    }

    until = (until > now)
            ? ngx_min(until, now + NGX_COUNTERS_HOLD_LONGEST)
            : now + ngx_counters_policy_backoff(held,
                                                NGX_COUNTERS_OPERATING_FIRST,
                                                NGX_COUNTERS_OPERATING_MAX, 0);

    limits->held[method] = held;
    limits->hold[method] = until;
    limits->probe |= 1 << method;
    limits->trying &= ~(1 << method);
}


void
ngx_counters_limits_method_open_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, ngx_uint_t method)
{
    ngx_counters_limits_t  *limits;

    if (cred->limits == 0) {
        return;
    }

    limits = ngx_counters_limits(zone, cred);
    ngx_counters_save_record(zone, limits);

    limits->hold[method] = 0;
    limits->held[method] = 0;
    limits->probe &= ~(1 << method);
    limits->trying &= ~(1 << method);
}


void
ngx_counters_limits_zone_batch_hold(ngx_counters_zone_t *zone,
    const u_char *digest, uint64_t now, uint64_t until)
{
    ngx_counters_limits_t     *limits;
    ngx_counters_cred_node_t  *cred;

    if (until <= now) {
        until = now + NGX_COUNTERS_BATCH_REFUSED;
    }

    ngx_counters_edit_lock(zone);

    cred = ngx_counters_table_find_cred_locked(zone, digest);
    limits = cred ? ngx_counters_fill_limits_locked(zone, cred, now) : NULL;

    if (limits) {
        limits->alone = ngx_min(until, now + NGX_COUNTERS_HOLD_LONGEST)
                        / 1000;
        limits->trying &= ~(1 << NGX_COUNTERS_BATCHES);
    }

    ngx_counters_edit_unlock(zone);
}


ngx_uint_t
ngx_counters_limits_batch_failed(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_uint_t count, uint64_t now)
{
    ngx_uint_t                 rest;
    ngx_counters_limits_t     *limits;
    ngx_counters_cred_node_t  *cred;

    rest = 0;

    ngx_counters_edit_lock(zone);

    cred = ngx_counters_table_find_cred_locked(zone, digest);
    limits = cred ? ngx_counters_fill_limits_locked(zone, cred, now) : NULL;

    if (limits) {
        limits->failing += (count
                            && limits->failing < NGX_COUNTERS_BATCH_FAILURES);
        rest = (limits->failing == NGX_COUNTERS_BATCH_FAILURES);
    }

    /* several that were under way together fail but once */

    if (rest && ((uint64_t) limits->alone * 1000 <= now
                 || (limits->trying & (1 << NGX_COUNTERS_BATCHES))))
    {
        limits->rests += (limits->rests < 15);
        limits->alone = (now + ngx_counters_policy_backoff(limits->rests,
                                              NGX_COUNTERS_BATCH_FIRST,
                                              NGX_COUNTERS_BATCH_MAX_REST, 0))
                        / 1000 + 1;
        limits->trying &= ~(1 << NGX_COUNTERS_BATCHES);
    }

    ngx_counters_edit_unlock(zone);

    return rest;
}


void
ngx_counters_limits_batch_good(ngx_counters_zone_t *zone,
    const u_char *digest)
{
    ngx_counters_cred_node_t  *cred;

    ngx_counters_edit_lock(zone);

    cred = ngx_counters_table_find_cred_locked(zone, digest);

    if (cred && cred->limits) {
        ngx_counters_limits_batch_open_locked(zone,
                                             ngx_counters_limits(zone, cred));
    }

    ngx_counters_edit_unlock(zone);
}


void
ngx_counters_limits_single_failed(ngx_counters_zone_t *zone,
    const u_char *digest)
{
    ngx_counters_cred_node_t  *cred;

    ngx_counters_edit_lock(zone);

    cred = ngx_counters_table_find_cred_locked(zone, digest);

    if (cred && cred->limits && ngx_counters_limits(zone, cred)->failing) {
        ngx_counters_limits_batch_open_locked(zone,
                                             ngx_counters_limits(zone, cred));
    }

    ngx_counters_edit_unlock(zone);
}


static void
ngx_counters_limits_batch_open_locked(ngx_counters_zone_t *zone,
    ngx_counters_limits_t *limits)
{
    ngx_counters_save_record(zone, limits);

    limits->alone = 0;
    limits->failing = 0;
    limits->rests = 0;
    limits->trying &= ~(1 << NGX_COUNTERS_BATCHES);
}


void
ngx_counters_limits_zone_operating(ngx_counters_zone_t *zone,
    const u_char *digest,
    ngx_uint_t method, uint64_t now, ngx_uint_t n, uint64_t used,
    uint64_t reset_at)
{
    uint32_t                   pause, left;
    ngx_counters_limits_t     *limits;
    ngx_counters_cred_node_t  *cred;

    left = (reset_at > now / 1000)
           ? ngx_min(reset_at * 1000 - now, NGX_COUNTERS_HOLD_LONGEST) : 1000;

    used = ngx_min(used, UINT32_MAX);

    ngx_counters_edit_lock(zone);

    zone->sh->vars.timed = 1;

    cred = ngx_counters_table_find_cred_locked(zone, digest);

    if (cred) {
        ngx_counters_limits_measure_locked(zone, cred, method, n, used);

        /* without a rate it is a self-hosted portal, without this limit */

        pause = zone->conf.bucket.rate
                ? ngx_counters_policy_operating_pause(used, cred->spent[method],
                                                      left)
                : 0;

        limits = (pause || cred->limits)
                 ? ngx_counters_fill_limits_locked(zone, cred, now) : NULL;

        if (limits) {
            limits->slow[method] = pause ? now + pause : 0;
        }

        ngx_counters_save_record(zone, cred);

        cred->spent[method] = (uint32_t) used;
        cred->reset[method] = (uint32_t) ngx_min(reset_at, UINT32_MAX);
    }

    ngx_counters_edit_unlock(zone);
}


/* an average, of what the last calls have taken */

static void
ngx_counters_limits_measure_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, ngx_uint_t method, ngx_uint_t n,
    uint64_t used)
{
    int64_t    each;
    uint32_t  *average;

    /* nothing is known before the first, and of what has been forgotten */

    if (n == 0 || cred->reset[method] == 0
        || used < cred->spent[method])
    {
        return;
    }

    average = &zone->sh->vars.operating;
    each = (used - cred->spent[method]) * 1000 / n;
    each = ngx_min(each, UINT32_MAX);

    *average = *average ? *average
                          + (each - (int64_t) *average)
                            / NGX_COUNTERS_LIMITS_AVERAGE
                        : each;
}


ngx_uint_t
ngx_counters_limits_used(ngx_counters_zone_t *zone, const u_char *digest,
    ngx_uint_t method, uint64_t now, uint64_t *used, uint64_t *reset_at)
{
    ngx_uint_t                 timed;
    ngx_counters_cred_node_t  *cred;

    *used = 0;
    *reset_at = (now + NGX_COUNTERS_HOLD_LONGEST) / 1000;

    ngx_counters_edit_lock(zone);

    timed = zone->sh->vars.timed;
    cred = ngx_counters_table_find_cred_locked(zone, digest);

    if (cred && (uint64_t) cred->reset[method] * 1000 > now) {
        *used = cred->spent[method];
        *reset_at = cred->reset[method];
    }

    ngx_counters_edit_unlock(zone);

    return timed;
}


ngx_uint_t
ngx_counters_limits_zone_refused_hold(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_uint_t                 i, news;
    ngx_counters_limits_t     *limits;
    ngx_counters_cred_node_t  *cred;

    news = 0;

    ngx_counters_edit_lock(zone);

    cred = ngx_counters_fill_cred_locked(zone, zone->common_cred, now);
    limits = cred ? ngx_counters_fill_limits_locked(zone, cred, now) : NULL;

    if (limits) {
        news = (now >= cred->refused + NGX_COUNTERS_REFUSED_HOLD);
        cred->refused = now;

        for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
            limits->hold[i] = now + NGX_COUNTERS_REFUSED_HOLD;
            limits->probe |= 1 << i;
            limits->trying &= ~(1 << i);
        }
    }

    ngx_counters_edit_unlock(zone);

    return news;
}
