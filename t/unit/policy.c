
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_policy.c: freshness, jitter and backoff at their edges.
 */


#include "ngx_counters_policy.h"
#include "tap.h"


#define FETCHED  1700000000000ULL


static void
is_fresh(uint64_t age, int marked, ngx_counters_fresh_e expected)
{
    is_int(ngx_counters_policy_freshness(FETCHED + age, FETCHED, 30000, 300000,
                                         3600000, marked),
           expected, "%llu ms old%s", (unsigned long long) age,
           marked ? ", marked" : "");
}


static void
test_freshness(void)
{
    is_fresh(0, 0, NGX_COUNTERS_FRESH);
    is_fresh(29999, 0, NGX_COUNTERS_FRESH);
    is_fresh(30000, 0, NGX_COUNTERS_REVALIDATE);
    is_fresh(329999, 0, NGX_COUNTERS_REVALIDATE);
    is_fresh(330000, 0, NGX_COUNTERS_IF_ERROR);
    is_fresh(3629999, 0, NGX_COUNTERS_IF_ERROR);
    is_fresh(3630000, 0, NGX_COUNTERS_EXPIRED);

    is_fresh(0, 1, NGX_COUNTERS_REVALIDATE);
    is_fresh(29999, 1, NGX_COUNTERS_REVALIDATE);
    is_fresh(30000, 1, NGX_COUNTERS_REVALIDATE);
    is_fresh(330000, 1, NGX_COUNTERS_IF_ERROR);
    is_fresh(3630000, 1, NGX_COUNTERS_EXPIRED);
}


static void
test_spans(void)
{
    is_int(ngx_counters_policy_freshness(FETCHED - 1, FETCHED, 1, 0, 0, 0),
           NGX_COUNTERS_FRESH, "fetched in the future is now");
    is_int(ngx_counters_policy_freshness(0, UINT64_MAX, 1, 0, 0, 0),
           NGX_COUNTERS_FRESH, "however far");

    is_int(ngx_counters_policy_freshness(FETCHED + 10, FETCHED, 10, 0, 0, 0),
           NGX_COUNTERS_EXPIRED, "nothing stale");
    is_int(ngx_counters_policy_freshness(FETCHED + 10, FETCHED, 10, 0, 1, 0),
           NGX_COUNTERS_IF_ERROR, "stale for errors alone");
    is_int(ngx_counters_policy_freshness(FETCHED + 10, FETCHED, 10, 5, 1, 0),
           NGX_COUNTERS_REVALIDATE, "error shorter than stale");
    is_int(ngx_counters_policy_freshness(FETCHED + 15, FETCHED, 10, 5, 1, 0),
           NGX_COUNTERS_EXPIRED, "ends with stale");

    is_int(ngx_counters_policy_freshness(UINT64_MAX, 0, UINT32_MAX, UINT32_MAX,
                                         UINT32_MAX, 0),
           NGX_COUNTERS_EXPIRED, "ages old");
    is_int(ngx_counters_policy_freshness(FETCHED + 0x1fffffffdULL, FETCHED,
                                         UINT32_MAX, UINT32_MAX, UINT32_MAX, 0),
           NGX_COUNTERS_REVALIDATE, "long spans do not wrap");
    is_int(ngx_counters_policy_freshness(FETCHED + 0x1fffffffeULL, FETCHED,
                                         UINT32_MAX, UINT32_MAX, UINT32_MAX, 0),
           NGX_COUNTERS_EXPIRED, "and end");
}


static void
test_jitter(void)
{
    uint32_t  i, ttl, min, max;

    min = UINT32_MAX;
    max = 0;

    for (i = 0; i < 100000; i++) {
        ttl = ngx_counters_policy_jitter_ttl(30000, i * 2654435761U);
        min = ttl < min ? ttl : min;
        max = ttl > max ? ttl : max;
    }

    is_int(min, 27000, "90 %% at least");
    is_int(max, 30000, "100 %% at most");

    is_int(ngx_counters_policy_jitter_ttl(0, 5), 1, "never 0");
    is_int(ngx_counters_policy_jitter_ttl(1, UINT32_MAX), 1, "1 stays");
    is_int(ngx_counters_policy_jitter_ttl(15, 1), 14, "15, rounded up");
    is_int(ngx_counters_policy_jitter_ttl(15, 2), 15, "15 again");
    is_int(ngx_counters_policy_jitter_ttl(UINT32_MAX, 0), UINT32_MAX,
           "the longest");
    is_int(ngx_counters_policy_jitter_ttl(UINT32_MAX, UINT32_MAX / 10),
           UINT32_MAX - UINT32_MAX / 10, "and its least");
}


static void
is_backoff(unsigned failures, uint32_t first, uint32_t max, uint32_t expected)
{
    uint32_t  i, pause, low, high;

    low = UINT32_MAX;
    high = 0;

    for (i = 0; i < 4000; i++) {
        pause = ngx_counters_policy_backoff(failures, first, max, i);
        low = pause < low ? pause : low;
        high = pause > high ? pause : high;
    }

    is_int(high, expected, "%u failures, at most", failures);
    is_int(low, expected - expected / 2, "%u failures, at least", failures);
}


static void
test_backoff(void)
{
    is_backoff(0, 100, 5000, 100);
    is_backoff(1, 100, 5000, 100);
    is_backoff(2, 100, 5000, 200);
    is_backoff(3, 100, 5000, 400);
    is_backoff(6, 100, 5000, 3200);
    is_backoff(7, 100, 5000, 5000);
    is_backoff(8, 100, 5000, 5000);
    is_backoff(UINT32_MAX, 100, 5000, 5000);
    is_backoff(1, 9000, 5000, 5000);
    is_backoff(5, 1, 1, 1);
    is_backoff(UINT32_MAX, 0, 5000, 0);
    is_backoff(9, 5, 0, 0);

    is_int(ngx_counters_policy_backoff(UINT32_MAX, 3, UINT32_MAX, 0),
           UINT32_MAX,
           "doubling does not wrap");
    is_int(ngx_counters_policy_backoff(32, 1, UINT32_MAX, 0), 0x80000000U,
           "31 doublings");
}


static void
test_operating(void)
{
    is_int(ngx_counters_policy_operating_pause(0, 0, 600000), 0,
           "nothing used");
    is_int(ngx_counters_policy_operating_pause(120000, 0, 600000), 0,
           "a quarter at once");
    is_int(ngx_counters_policy_operating_pause(132000, 131000, 300000), 1001,
           "a second of 300 in 300 seconds");
    is_int(ngx_counters_policy_operating_pause(382000, 380000, 60000), 2401,
           "two seconds of 50 in a minute");
    is_int(ngx_counters_policy_operating_pause(200000, 200000, 60000), 1,
           "at no cost");
    is_int(ngx_counters_policy_operating_pause(200000, 300000, 60000), 1,
           "some was forgotten meanwhile");
    is_int(ngx_counters_policy_operating_pause(431999, 0, 60000), 60000,
           "more than there is left");
    is_int(ngx_counters_policy_operating_pause(431999, 431000, 60000), 60000,
           "nine tenths, nearly");
    is_int(ngx_counters_policy_operating_pause(432000, 432000, 60000), 60000,
           "nine tenths");
    is_int(ngx_counters_policy_operating_pause(UINT64_MAX, 0, 1000), 1000,
           "far above the limit");
    is_int(ngx_counters_policy_operating_pause(431999, 0, UINT32_MAX),
           UINT32_MAX,
           "the longest");
}


int
main(void)
{
    test_freshness();
    test_spans();
    test_jitter();
    test_backoff();
    test_operating();

    return done();
}
