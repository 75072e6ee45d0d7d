
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_wheel.h"


#define NGX_COUNTERS_WHEEL_LEAD  3000


void
ngx_counters_wheel_insert_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e)
{
    ngx_counters_wheel_put_locked(zone, e, e->fetched + e->ttl
                                           - ngx_counters_wheel_lead(e));
}


void
ngx_counters_wheel_put_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t when)
{
    uint64_t  tick, wheel;

    if (ngx_counters_list_in(&e->age)) {
        ngx_counters_list_remove(zone, &e->age);
    }

    wheel = zone->sh->vars.wheel;

    tick = ngx_max(when / NGX_COUNTERS_WHEEL_TICK, wheel);
    tick = ngx_min(tick, wheel + NGX_COUNTERS_WHEEL - 1);

    ngx_counters_list_insert_tail(zone, ngx_counters_wheel_list(zone, tick),
                                  &e->age);
}


/* half of it for company, half for the portal's answer */

uint32_t
ngx_counters_wheel_lead(ngx_counters_entry_t *e)
{
    return ngx_min(e->ttl / 10, NGX_COUNTERS_WHEEL_LEAD);
}
