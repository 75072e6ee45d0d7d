
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
#include "ngx_counters_table.h"
#include "ngx_counters_walk.h"


/* how long all entries take to become stale, see ngx_counters_fade_t */
#define NGX_COUNTERS_FADE_MIN        5000
#define NGX_COUNTERS_FADE_MAX        60000


static uint32_t ngx_counters_fade_span(ngx_counters_zone_t *zone,
    uint64_t now);


ngx_uint_t
ngx_counters_fade(ngx_counters_zone_t *zone, uint64_t when, uint64_t now)
{
    uint32_t              span;
    ngx_uint_t            rc;
    ngx_counters_fade_t  *fade;

    fade = &zone->sh->fade;
    when = ngx_min(when, now);
    rc = 1;

    span = ngx_counters_fade_span(zone, now);

    ngx_counters_edit_lock(zone);
    ngx_counters_save_record(zone, fade);

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
        fade->span = span;
    }

    ngx_counters_edit_unlock(zone);

    return rc;
}


/* they are looked at when somebody asks for them, or their turn has come */

ngx_uint_t
ngx_counters_fade_all(ngx_counters_zone_t *zone, ngx_uint_t soft,
    uint64_t when)
{
    ngx_uint_t            n;
    ngx_counters_fade_t  *fade;
    ngx_counters_vars_t  *vars;

    fade = &zone->sh->fade;
    vars = &zone->sh->vars;

    /* what another node tells may have been overtaken */

    n = (when < vars->newest) ? ngx_counters_walk_count(zone, when)
                              : vars->ndata - vars->ndropped;

    ngx_counters_edit_lock(zone);
    ngx_counters_save_record(zone, fade);

    fade->purges++;

    if (soft) {
        fade->stale = ngx_max(fade->stale, when);

    } else {
        fade->dropped = ngx_max(fade->dropped, when);
        vars->ndropped = ngx_min(vars->ndropped + n, vars->ndata);
    }

    ngx_counters_edit_unlock(zone);

    return n;
}


/* the managed webhook's entries share requests, others are taken to need one */

static uint32_t
ngx_counters_fade_span(ngx_counters_zone_t *zone, uint64_t now)
{
    uint64_t               rate, span;
    ngx_counters_active_t  active;

    rate = (uint64_t) zone->conf.bucket.rate * (100 - zone->conf.reserve)
           / 100;

    if (rate == 0) {
        return NGX_COUNTERS_FADE_MIN;
    }

    ngx_counters_walk_active(zone, now, NGX_COUNTERS_ACTIVE, &active);

    /* thousandths of a request a second */

    span = (active.others + active.common / zone->conf.batch + 1)
           * 1000 * 1000 / rate;

    return (uint32_t) ngx_max(NGX_COUNTERS_FADE_MIN,
                              ngx_min(span, NGX_COUNTERS_FADE_MAX));
}


void
ngx_counters_fade_locked(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    uint64_t now)
{
    uint64_t              marked;
    ngx_counters_fade_t  *fade;

    fade = &zone->sh->fade;

    if (fade->next && now >= fade->since + fade->span) {
        ngx_counters_save_record(zone, fade);

        fade->since = fade->next;
        fade->next = 0;
    }

    if (e->kind == NGX_COUNTERS_EMPTY) {
        return;
    }

    if (ngx_counters_dropped(zone, e)) {
        ngx_counters_table_clear_locked(zone, e, now);
        return;
    }

    if (e->marked) {
        return;
    }

    marked = 0;

    if (e->purges != fade->purges && e->fetched <= fade->stale) {
        marked = fade->stale;

        /* what is asked for since, be it in the same millisecond, is not */

        marked -= (e->state == NGX_COUNTERS_IDLE
                   || ngx_counters_work(zone, e)->purges == fade->purges);

    } else if (e->kind == NGX_COUNTERS_DATA && e->fetched < fade->since
               && now >= ngx_counters_fade_at(fade->since, fade->span,
                                           e->hash))
    {
        marked = fade->since;
    }

    if (marked) {
        ngx_counters_edit_entry(zone, e);
        e->marked = marked;
    }
}


/* marks of other nodes may be told out of order */

void
ngx_counters_fade_stale_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t when)
{
    if (e->state == NGX_COUNTERS_IDLE) {

        /* it may be asked for within the same millisecond */

        when--;
    }

    ngx_counters_edit_entry(zone, e);
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
    ngx_counters_work_t  *work;

    fade = &zone->sh->fade;
    work = ngx_counters_work(zone, e);

    marked = e->marked;

    if (work->purges != fade->purges) {
        marked = ngx_max(marked, fade->stale);
        marked = ngx_max(marked, fade->dropped);
    }

    if (answer->origin == NGX_COUNTERS_FROM_REDIS) {
        return (marked >= answer->fetched) ? marked : 0;
    }

    marked = ngx_max(marked, fade->since);
    marked = ngx_max(marked, fade->next);

    return (marked >= work->since) ? marked : 0;
}
