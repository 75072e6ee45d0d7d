
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_policy.h"


/*
 * Of the 480 seconds of operating time in ten minutes: what is used without
 * a look at the clock, and what is used at all; milliseconds.
 */

#define NGX_COUNTERS_OPERATING_FREE   120000
#define NGX_COUNTERS_OPERATING_SPEND  432000


ngx_counters_fresh_e
ngx_counters_policy_freshness(uint64_t now, uint64_t fetched, uint32_t ttl,
    uint32_t stale, uint32_t error, int marked)
{
    uint64_t  age;

    age = (now > fetched) ? now - fetched : 0;

    if (age < ttl) {
        return marked ? NGX_COUNTERS_REVALIDATE : NGX_COUNTERS_FRESH;
    }

    age -= ttl;

    if (age < stale) {
        return NGX_COUNTERS_REVALIDATE;
    }

    return (age < error) ? NGX_COUNTERS_IF_ERROR : NGX_COUNTERS_EXPIRED;
}


uint32_t
ngx_counters_policy_jitter_ttl(uint32_t ttl, uint32_t random)
{
    if (ttl == 0) {
        return 1;
    }

    return ttl - random % (ttl / 10 + 1);
}


uint32_t
ngx_counters_policy_backoff(unsigned failures, uint32_t first, uint32_t max,
    uint32_t random)
{
    uint32_t  pause;

    pause = (first < max) ? first : max;

    while (failures > 1 && pause && pause < max) {
        pause = (pause > max / 2) ? max : pause * 2;
        failures--;
    }

    return pause - random % (pause / 2 + 1);
}


uint32_t
ngx_counters_policy_operating_pause(uint64_t used, uint64_t before,
    uint32_t left)
{
    uint64_t  pause;

    if (used <= NGX_COUNTERS_OPERATING_FREE) {
        return 0;
    }

    if (used >= NGX_COUNTERS_OPERATING_SPEND) {
        return left;
    }

    pause = 0;

    if (used > before) {
        pause = (used - before) * left / (NGX_COUNTERS_OPERATING_SPEND - used);
    }

    return (pause < left) ? (uint32_t) pause + 1 : left;
}
