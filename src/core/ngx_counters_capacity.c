
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_capacity.h"


/* microseconds in so many milliseconds, under one credential */
#define NGX_COUNTERS_CAPACITY_TIME    480000000
#define NGX_COUNTERS_CAPACITY_WINDOW  600000


uint64_t
ngx_counters_capacity_quota(const ngx_counters_use_t *use)
{
    uint64_t  requests;

    requests = use->rate * use->ttl / 1000;

    return requests * use->entries / use->requests;
}


/* as many times the largest as there are entries beside it */

uint64_t
ngx_counters_capacity_operating(const ngx_counters_use_t *use)
{
    uint64_t  calls;

    if (use->operating == 0) {
        return UINT64_MAX;
    }

    calls = (uint64_t) (NGX_COUNTERS_CAPACITY_TIME
                        / NGX_COUNTERS_CAPACITY_WINDOW)
            * use->ttl / use->operating;

    return calls * use->entries / use->largest;
}
