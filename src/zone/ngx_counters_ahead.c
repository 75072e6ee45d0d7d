
/*
 * Copyright (C) The nginx counters module authors
 *
 * Refresh-ahead: what is about to expire is queued before anybody asks.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_shm.h"


/* entries of a method looked at in one go for refresh-ahead */
#define NGX_COUNTERS_AHEAD_SCAN   1000
#define NGX_COUNTERS_AHEAD_LEAD   3000


static ngx_uint_t ngx_counters_ages_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *ages, ngx_counters_owner_t *me, uint64_t now,
    ngx_counters_has_pt has, void *data);
static ngx_uint_t ngx_counters_due(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, uint64_t now);


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

    ngx_counters_own_locked(zone, e, me, NGX_COUNTERS_QUEUED, now);
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

uint32_t
ngx_counters_lead(ngx_counters_node_t *e)
{
    return ngx_min(e->ttl / 10, NGX_COUNTERS_AHEAD_LEAD);
}
