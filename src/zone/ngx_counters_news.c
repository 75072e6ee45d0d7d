
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_fade.h"
#include "ngx_counters_news.h"
#include "ngx_counters_shm.h"


void
ngx_counters_news_listen(ngx_counters_zone_t *zone, ngx_pid_t pid)
{
    ngx_counters_edit_lock(zone);

    zone->sh->vars.listener = pid;

    ngx_counters_edit_unlock(zone);
}


ngx_uint_t
ngx_counters_news_listens(ngx_counters_zone_t *zone, ngx_pid_t pid)
{
    ngx_uint_t  listens;

    ngx_counters_edit_lock(zone);

    listens = (zone->sh->vars.listener == pid);

    ngx_counters_edit_unlock(zone);

    return listens;
}


void
ngx_counters_news_hear(ngx_counters_zone_t *zone, uint64_t when)
{
    ngx_counters_edit_lock(zone);

    zone->sh->vars.heard = when;

    ngx_counters_edit_unlock(zone);
}


uint64_t
ngx_counters_news_heard(ngx_counters_zone_t *zone)
{
    uint64_t  heard;

    ngx_counters_edit_lock(zone);

    heard = zone->sh->vars.heard;

    ngx_counters_edit_unlock(zone);

    return heard;
}


ngx_uint_t
ngx_counters_news_doubt(ngx_counters_zone_t *zone, uint64_t when)
{
    return ngx_counters_fade_all(zone, 0, when);
}
