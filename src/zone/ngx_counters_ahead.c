
/*
 * Copyright (C) The nginx counters module authors
 *
 * Refreshes that nobody has asked for yet: of what is about to expire, and of
 * what an event has made stale.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_ahead.h"
#include "ngx_counters_fade.h"
#include "ngx_counters_quota.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"


/* entries of a method looked at in one go for refresh-ahead */
#define NGX_COUNTERS_AHEAD_SCAN   1000
#define NGX_COUNTERS_AHEAD_LEAD   3000


static ngx_uint_t ngx_counters_ahead_ages_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *ages, ngx_counters_owner_t *me, uint64_t now,
    ngx_counters_has_pt has, void *data);
static ngx_uint_t ngx_counters_ahead_due(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
static ngx_uint_t ngx_counters_ahead_refresh_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_owner_t *me,
    ngx_counters_class_e class, uint64_t now, ngx_counters_has_pt has,
    void *data);
static ngx_uint_t ngx_counters_ahead_mark_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, ngx_counters_owner_t *me, ngx_counters_users_t *users,
    uint64_t now, ngx_counters_has_pt has, void *data);
static int ngx_libc_cdecl ngx_counters_ahead_users_cmp(const void *one,
    const void *two);


ngx_uint_t
ngx_counters_zone_ahead(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    uint64_t now, ngx_counters_has_pt has, void *data)
{
    uint64_t    until;
    ngx_uint_t  method, queued;

    queued = 0;

    ngx_counters_lock(zone);

    if (ngx_counters_quota_hold_locked(zone, NULL, NULL, 0, now, &until)
        == NGX_COUNTERS_OPEN)
    {
        for (method = 0; method < NGX_COUNTERS_METHODS; method++) {
            queued += ngx_counters_ahead_ages_locked(zone,
                                                  &zone->sh->ages[method],
                                                  me, now, has, data);
        }
    }

    ngx_counters_unlock(zone);

    return queued;
}


static ngx_uint_t
ngx_counters_ahead_ages_locked(ngx_counters_zone_t *zone, ngx_queue_t *ages,
    ngx_counters_owner_t *me, uint64_t now, ngx_counters_has_pt has,
    void *data)
{
    uint64_t               last;
    ngx_uint_t             n, queued;
    ngx_queue_t           *q, *next, *end;
    ngx_counters_entry_t  *e;

    if (ngx_queue_empty(ages)) {
        return 0;
    }

    queued = 0;
    end = ngx_queue_last(ages);

    e = ngx_queue_data(end, ngx_counters_entry_t, age);
    last = e->fetched + e->ttl;

    for (q = ngx_queue_head(ages), n = 0;
         q != ngx_queue_sentinel(ages) && n < NGX_COUNTERS_AHEAD_SCAN;
         q = next, n++)
    {
        next = (q == end) ? ngx_queue_sentinel(ages) : ngx_queue_next(q);
        e = ngx_queue_data(q, ngx_counters_entry_t, age);

        ngx_counters_fade_locked(zone, e, now);

        if (ngx_counters_ahead_due(zone, e, now)) {

            if (e->asked + zone->conf.ahead < now) {
                ngx_queue_remove(q);
                q->next = NULL;
                continue;
            }

            queued += ngx_counters_ahead_refresh_locked(zone, e, me,
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

        if (!ngx_counters_ahead_due(zone, e, now + e->ttl / 8)) {
            break;
        }
    }

    return queued;
}


static ngx_uint_t
ngx_counters_ahead_due(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    uint64_t now)
{
    return now + ngx_counters_ahead_lead(e) >= e->fetched + e->ttl || e->marked;
}


/* half of it for company, half for the portal's answer */

uint32_t
ngx_counters_ahead_lead(ngx_counters_entry_t *e)
{
    return ngx_min(e->ttl / 10, NGX_COUNTERS_AHEAD_LEAD);
}


/* queues an idle entry, if its credential is there */

static ngx_uint_t
ngx_counters_ahead_refresh_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_owner_t *me,
    ngx_counters_class_e class, uint64_t now, ngx_counters_has_pt has,
    void *data)
{
    uint64_t  until;

    ngx_counters_state_lapse_locked(zone, e, now);

    if (e->state != NGX_COUNTERS_IDLE
        || zone->sh->nqueued[class] >= NGX_COUNTERS_QUEUE_MAX
        || ngx_counters_quota_hold_locked(zone, e, e->cred, e->method, now,
                                          &until)
           != NGX_COUNTERS_OPEN
        || !has(data, e->cred->digest))
    {
        return 0;
    }

    ngx_counters_state_own_locked(zone, e, me, NGX_COUNTERS_QUEUED, now);
    e->split = 0;
    ngx_counters_state_queue_locked(zone, e, class, 0);

    return 1;
}


ngx_uint_t
ngx_counters_tasks_mark(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    ngx_counters_users_t *users, uint64_t now, ngx_counters_has_pt has,
    void *data)
{
    ngx_uint_t  n;

    ngx_qsort(users->elts, users->n, sizeof(uint64_t),
              ngx_counters_ahead_users_cmp);

    ngx_counters_lock(zone);

    n = ngx_counters_ahead_mark_locked(zone, &zone->sh->lru, me, users, now,
                                       has, data);
    n += ngx_counters_ahead_mark_locked(zone, &zone->sh->bare, me, users, now,
                                        has, data);

    ngx_counters_unlock(zone);

    return n;
}


static ngx_uint_t
ngx_counters_ahead_mark_locked(ngx_counters_zone_t *zone, ngx_queue_t *list,
    ngx_counters_owner_t *me, ngx_counters_users_t *users, uint64_t now,
    ngx_counters_has_pt has, void *data)
{
    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_counters_entry_t  *e;

    n = 0;

    for (q = ngx_queue_head(list);
         q != ngx_queue_sentinel(list);
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_counters_entry_t, lru);

        if (e->user == 0
            || bsearch(&e->user, users->elts, users->n, sizeof(uint64_t),
                       ngx_counters_ahead_users_cmp)
               == NULL)
        {
            continue;
        }

        ngx_counters_fade_stale_locked(e, now);

        if (e->kind != NGX_COUNTERS_DATA) {
            continue;
        }

        n++;

        if (now < e->asked + NGX_COUNTERS_ACTIVE) {
            (void) ngx_counters_ahead_refresh_locked(zone, e, me,
                                                     NGX_COUNTERS_STALE, now,
                                                     has, data);
        }
    }

    return n;
}


static int ngx_libc_cdecl
ngx_counters_ahead_users_cmp(const void *one, const void *two)
{
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

    return (a > b) - (a < b);
}
