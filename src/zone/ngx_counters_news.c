
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_news.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_table.h"


void
ngx_counters_news_listen(ngx_counters_zone_t *zone, ngx_pid_t pid)
{
    ngx_counters_lock(zone);

    zone->sh->listener = pid;

    ngx_counters_unlock(zone);
}


ngx_uint_t
ngx_counters_news_listens(ngx_counters_zone_t *zone, ngx_pid_t pid)
{
    ngx_uint_t  listens;

    ngx_counters_lock(zone);

    listens = (zone->sh->listener == pid);

    ngx_counters_unlock(zone);

    return listens;
}


void
ngx_counters_news_hear(ngx_counters_zone_t *zone, uint64_t when)
{
    ngx_counters_lock(zone);

    zone->sh->heard = when;

    ngx_counters_unlock(zone);
}


uint64_t
ngx_counters_news_heard(ngx_counters_zone_t *zone)
{
    uint64_t  heard;

    ngx_counters_lock(zone);

    heard = zone->sh->heard;

    ngx_counters_unlock(zone);

    return heard;
}


ngx_uint_t
ngx_counters_news_doubt(ngx_counters_zone_t *zone, uint64_t when)
{
    ngx_uint_t             n;
    ngx_queue_t           *q, *next, *list;
    ngx_counters_entry_t  *e;

    n = 0;

    ngx_counters_lock(zone);

    list = &zone->sh->lru;

    for (q = ngx_queue_head(list); q != ngx_queue_sentinel(list); q = next) {

        next = ngx_queue_next(q);
        e = ngx_queue_data(q, ngx_counters_entry_t, lru);

        /* what is on its way may have been asked for before: comes in stale */

        if (e->state != NGX_COUNTERS_IDLE) {
            e->marked = ngx_max(e->marked, when);
        }

        if (e->kind == NGX_COUNTERS_DATA && e->fetched <= when) {
            ngx_counters_table_clear_locked(zone, e);
            n++;
        }
    }

    ngx_counters_unlock(zone);

    return n;
}
