
/*
 * Copyright (C) The nginx counters module authors
 *
 * Marks that make entries stale: that of all entries, which comes to each at a
 * moment of its own, and what an entry's own mark means for an answer.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_fade.h"
#include "ngx_counters_shm.h"


/* how long all entries take to become stale, see ngx_counters_fade_t */
#define NGX_COUNTERS_FADE_MIN        5000
#define NGX_COUNTERS_FADE_MAX        60000

/* so many in a row that are out of use: so are those behind them */
#define NGX_COUNTERS_FADE_IDLE       64


static uint32_t ngx_counters_fade_span_locked(ngx_counters_zone_t *zone,
    uint64_t now);


ngx_uint_t
ngx_counters_zone_fade(ngx_counters_zone_t *zone, uint64_t when, uint64_t now)
{
    ngx_uint_t            rc;
    ngx_counters_fade_t  *fade;

    fade = &zone->sh->fade;
    when = ngx_min(when, now);
    rc = 1;

    ngx_counters_lock(zone);

    if (fade->since > now) {

        /* the clock has been set back */

        fade->since = 0;
        fade->next = 0;
    }

    if (when <= fade->since || when <= fade->next) {
        rc = 0;

    } else if (now < fade->since + fade->span) {
        fade->next = when;

    } else {
        fade->since = when;
        fade->next = 0;
        fade->span = ngx_counters_fade_span_locked(zone, now);
    }

    ngx_counters_unlock(zone);

    return rc;
}


/* the managed webhook's entries share requests, others are taken to need one */

static uint32_t
ngx_counters_fade_span_locked(ngx_counters_zone_t *zone, uint64_t now)
{
    uint64_t               rate, common, others, span;
    ngx_uint_t             idle;
    ngx_queue_t           *q;
    ngx_counters_entry_t  *e;

    rate = (uint64_t) zone->conf.bucket.rate * (100 - zone->conf.reserve)
           / 100;

    if (rate == 0) {
        return NGX_COUNTERS_FADE_MIN;
    }

    common = 0;
    others = 0;

    for (q = ngx_queue_head(&zone->sh->lru), idle = 0;
         q != ngx_queue_sentinel(&zone->sh->lru)
         && idle < NGX_COUNTERS_FADE_IDLE;
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_counters_entry_t, lru);

        if (e->asked + NGX_COUNTERS_ACTIVE < now) {
            idle++;
            continue;
        }

        idle = 0;

        if (ngx_counters_zone_common(zone, e->cred->digest)) {
            common++;

        } else {
            others++;
        }
    }

    /* thousandths of a request a second */

    span = (others + common / zone->conf.batch + 1) * 1000 * 1000 / rate;

    return (uint32_t) ngx_max(NGX_COUNTERS_FADE_MIN,
                              ngx_min(span, NGX_COUNTERS_FADE_MAX));
}


void
ngx_counters_fade_locked(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    uint64_t now)
{
    ngx_counters_fade_t  *fade;

    fade = &zone->sh->fade;

    if (fade->next && now >= fade->since + fade->span) {
        fade->since = fade->next;
        fade->next = 0;
    }

    if (e->kind == NGX_COUNTERS_DATA && e->marked == 0
        && e->fetched < fade->since
        && now >= fade->since + e->node.key % fade->span)
    {
        e->marked = fade->since;
    }
}


/* marks of other nodes may be told out of order */

void
ngx_counters_fade_stale_locked(ngx_counters_entry_t *e, uint64_t when)
{
    if (e->state == NGX_COUNTERS_IDLE) {

        /* it may be asked for within the same millisecond */

        when--;
    }

    e->marked = ngx_max(e->marked, when);
}


/*
 * What was asked of the portal before the mark was set comes in stale; what
 * comes from Redis counts from when it was fetched.
 */

uint64_t
ngx_counters_fade_mark_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_answer_in_t *answer)
{
    uint64_t              marked;
    ngx_counters_fade_t  *fade;

    marked = e->marked;

    if (answer->origin == NGX_COUNTERS_FROM_REDIS) {
        return (marked >= answer->fetched) ? marked : 0;
    }

    fade = &zone->sh->fade;

    marked = ngx_max(marked, fade->since);
    marked = ngx_max(marked, fade->next);

    return (marked >= e->since) ? marked : 0;
}
