
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_bucket.c: the model against a portal that drains at a phase
 * of its own.
 */


#include "ngx_counters_bucket.h"
#include "tap.h"


#define NOW   1700000000000ULL
#define RUNS  4000

/* how much later than it leaves a request may arrive, milliseconds */
#define LAG   100


typedef struct {
    uint64_t                 level;
    uint64_t                 drained;
} portal_t;


static uint64_t  seed = 20240829;


/* xorshift64* */

static uint32_t
rnd(uint32_t n)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;

    return (uint32_t) ((seed * 0x2545f4914f6cdd1dULL) >> 32) % n;
}


/* limits.md: up by one a request, down by the rate once a second */

static int
portal_request(portal_t *p, const ngx_counters_bucket_conf_t *conf,
    uint64_t now)
{
    while (p->drained + 1000 <= now) {
        p->drained += 1000;
        p->level -= p->level < conf->rate ? p->level : conf->rate;
    }

    if (p->level + 1000 > conf->burst) {
        return 0;
    }

    p->level += 1000;

    return 1;
}


/* quiet spells, trickles near the drain's rate, and storms */

static uint32_t
next_arrival(void)
{
    switch (rnd(8)) {

    case 0:
        return rnd(3000);

    case 1:
        return 300 + rnd(400);

    case 2:
        return rnd(100);

    default:
        return rnd(4);
    }
}


/*
 * Returns the number of requests the portal refused; wait must be honest.
 * Some requests take longer to arrive than those after them.
 */

static unsigned
simulate(const ngx_counters_bucket_conf_t *conf, unsigned *waits)
{
    uint64_t               now, until, late, arrival;
    uint32_t               wait;
    unsigned               refused;
    portal_t               portal;
    ngx_counters_bucket_t  b;

    now = NOW + rnd(100000);
    until = now + 30000 + rnd(60000);
    refused = 0;
    arrival = 0;

    memset(&b, 0, sizeof(b));
    memset(&portal, 0, sizeof(portal));

    portal.drained = now - 1000 + rnd(1000);

    while (now < until) {
        now += next_arrival();

        wait = ngx_counters_bucket_take(&b, conf, now, conf->burst);

        if (wait) {

            /* half of the callers wait, the others come at any time */

            if (rnd(2)) {
                continue;
            }

            now += wait;

            if (ngx_counters_bucket_take(&b, conf, now, conf->burst)) {
                (*waits)++;
                continue;
            }
        }

        late = now + (rnd(4) ? 0 : rnd(LAG));
        arrival = late > arrival ? late : arrival;

        refused += !portal_request(&portal, conf, arrival);
    }

    return refused;
}


static void
test_portal(uint32_t rate, uint32_t burst)
{
    unsigned                    i, refused, waits;
    ngx_counters_bucket_conf_t  conf;

    conf.rate = rate;
    conf.burst = burst;
    refused = 0;
    waits = 0;

    for (i = 0; i < RUNS; i++) {
        refused += simulate(&conf, &waits);
    }

    is_int(refused, 0, "%u/%u: the portal never refuses", burst, rate);
    is_int(waits, 0, "%u/%u: a wait is enough", burst, rate);
}


/*
 * The trap: the portal drains a lone request at once, the model only after
 * its second, together with one of the storm that has come since.
 */

static void
test_phase(void)
{
    unsigned                    i, refused;
    portal_t                    portal;
    ngx_counters_bucket_t       b;
    ngx_counters_bucket_conf_t  conf;

    conf.rate = 2000;
    conf.burst = 50000;
    refused = 0;

    memset(&b, 0, sizeof(b));
    portal.level = 0;
    portal.drained = NOW - 900;

    for (i = 0; i < 60; i++) {
        if (ngx_counters_bucket_take(&b, &conf,
                                     i == 0 ? NOW : i < 55 ? NOW + 900
                                                           : NOW + 1000,
                                     conf.burst)
            == 0)
        {
            refused += !portal_request(&portal, &conf,
                                       i == 0 ? NOW : i < 55 ? NOW + 900
                                                             : NOW + 1000);
        }
    }

    is_int(refused, 0, "a storm right before the model's drain");
}


/* a caller that always asks, and one that asks every "step" milliseconds */

static void
test_throughput(uint32_t rate, uint32_t burst, uint32_t step)
{
    uint64_t                    now;
    unsigned                    taken;
    ngx_counters_bucket_t       b;
    ngx_counters_bucket_conf_t  conf;

    conf.rate = rate;
    conf.burst = burst;
    taken = 0;

    memset(&b, 0, sizeof(b));

    for (now = NOW; now < NOW + 1000 * 1000; now += step) {
        taken += ngx_counters_bucket_take(&b, &conf, now, burst) == 0;
    }

    is_int(taken, (burst + 999 * (uint64_t) rate) / 1000,
           "%u/%u, asked every %u ms: the whole rate", burst, rate, step);
}


/* requests passed on at a steady pace leave refreshes the rest of the drain */

static void
test_shared(uint32_t rate, uint32_t burst, uint32_t step)
{
    uint64_t                    now, next, due;
    unsigned                    taken;
    ngx_counters_bucket_t       b;
    ngx_counters_bucket_conf_t  conf;

    conf.rate = rate;
    conf.burst = burst;
    taken = 0;
    next = NOW;

    memset(&b, 0, sizeof(b));

    for (now = NOW; now < NOW + 200 * 1000; now++) {

        if (now == next) {
            ngx_counters_bucket_add(&b, &conf, now);
            next += step;
        }

        taken += ngx_counters_bucket_take(&b, &conf, now, burst) == 0;
    }

    due = 200 * ((uint64_t) rate - 1000000 / step) / 1000;

    ok(taken >= due / 2, "%u/%u, one passed on each %u ms: %u taken of %u",
       burst, rate, step, taken, (unsigned) due);
}


static void
test_take(void)
{
    unsigned                    i;
    ngx_counters_bucket_t       b;
    ngx_counters_bucket_conf_t  conf;

    conf.rate = 2000;
    conf.burst = 50000;

    memset(&b, 0, sizeof(b));
    is_int(ngx_counters_bucket_level(&b, &conf, NOW), 0, "empty at first");

    for (i = 0; i < 40; i++) {
        if (ngx_counters_bucket_take(&b, &conf, NOW, 40000)) {
            break;
        }
    }

    is_int(i, 40, "up to the limit");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW, 40000), 1000 + LAG,
           "then the next drain");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW + 400, 40000), 600 + LAG,
           "counted from now");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW, 20000), 11000 + LAG,
           "more drains under a lower limit");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW, 50000), 0,
           "the reserve is there for others");
    is_int(ngx_counters_bucket_level(&b, &conf, NOW + 999), 41000,
           "no drain before a second");
    is_int(ngx_counters_bucket_level(&b, &conf, NOW + 1000 + LAG), 39000,
           "one after it, wherever the request is");
    is_int(ngx_counters_bucket_level(&b, &conf, NOW + 3500 + LAG), 35000,
           "whole seconds only");
    is_int(ngx_counters_bucket_level(&b, &conf, NOW + 4000 + LAG), 33000,
           "the phase is kept");
    is_int(ngx_counters_bucket_level(&b, &conf, NOW + 4000000), 0,
           "never below zero");
    is_int(ngx_counters_bucket_level(&b, &conf, UINT64_MAX), 0,
           "however late");

    /* the seconds start with the request that finds it empty */

    memset(&b, 0, sizeof(b));
    (void) ngx_counters_bucket_level(&b, &conf, NOW + 1);
    ngx_counters_bucket_add(&b, &conf, NOW + 700);
    is_int(ngx_counters_bucket_level(&b, &conf, NOW + 1699 + LAG), 1000,
           "a new phase");
    is_int(ngx_counters_bucket_level(&b, &conf, NOW + 1700 + LAG), 0,
           "its drain");
}


static void
test_add(void)
{
    unsigned                    i;
    ngx_counters_bucket_t       b;
    ngx_counters_bucket_conf_t  conf;

    conf.rate = 2000;
    conf.burst = 3000;

    memset(&b, 0, sizeof(b));

    for (i = 0; i < 10; i++) {
        ngx_counters_bucket_add(&b, &conf, NOW);
    }

    is_int(ngx_counters_bucket_level(&b, &conf, NOW), 4000,
           "at most one above the burst");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW, 3000), 1000 + LAG,
           "must wait");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW + 1000 + LAG, 3000), 0,
           "waited");

    conf.burst = 1000;
    ngx_counters_bucket_add(&b, &conf, NOW + 1000 + LAG);
    is_int(ngx_counters_bucket_level(&b, &conf, NOW + 1000 + LAG), 3000,
           "a smaller burst after a reload");
}


static void
test_fill(void)
{
    ngx_counters_bucket_t       b;
    ngx_counters_bucket_conf_t  conf;

    conf.rate = 2000;
    conf.burst = 50000;

    memset(&b, 0, sizeof(b));
    ngx_counters_bucket_add(&b, &conf, NOW);
    ngx_counters_bucket_fill(&b, &conf, NOW + 900);

    is_int(ngx_counters_bucket_level(&b, &conf, NOW + 900), 50000, "full");
    is_int(ngx_counters_bucket_level(&b, &conf, NOW + 1000), 50000,
           "the old phase is void");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW + 1000, 50000), 900,
           "wait for the new one");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW + 1900, 50000), 0, "now");

    b.level = 51000;
    ngx_counters_bucket_fill(&b, &conf, NOW + 1900);
    is_int(b.level, 51000, "never lowers");
}


static void
test_limits(void)
{
    ngx_counters_bucket_t       b;
    ngx_counters_bucket_conf_t  conf;

    conf.rate = 2000;
    conf.burst = 1000;

    memset(&b, 0, sizeof(b));
    is_int(ngx_counters_bucket_take(&b, &conf, NOW, 800), 0,
           "a limit below one request lets one through");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW, 0), 1000 + LAG,
           "not two");

    /* 30r/m */

    conf.rate = 500;
    conf.burst = 1000;
    memset(&b, 0, sizeof(b));
    is_int(ngx_counters_bucket_take(&b, &conf, NOW, 1000), 0, "30r/m");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW, 1000), 2000 + LAG,
           "2 s later");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW + 1999 + LAG, 1000), 1,
           "not a millisecond before");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW + 2000 + LAG, 1000), 0,
           "then");

    conf.rate = 1;
    conf.burst = UINT32_MAX;
    b.level = 0xffffffffffULL;
    b.drained = NOW;
    is_int(ngx_counters_bucket_take(&b, &conf, NOW, 1000), UINT32_MAX,
           "the longest wait");

    conf.rate = 0;
    b.level = 77000;
    is_int(ngx_counters_bucket_take(&b, &conf, NOW, 0), 0, "no rate");
    is_int(ngx_counters_bucket_level(&b, &conf, NOW), 0, "no level");
    ngx_counters_bucket_add(&b, &conf, NOW);
    ngx_counters_bucket_fill(&b, &conf, NOW);
    is_int(b.level, 77000, "nothing counted");
}


static void
test_clock(void)
{
    uint64_t                    now, i;
    ngx_counters_bucket_t       b;
    ngx_counters_bucket_conf_t  conf;

    conf.rate = 2000;
    conf.burst = 50000;

    memset(&b, 0, sizeof(b));
    ngx_counters_bucket_fill(&b, &conf, NOW);

    is_int(ngx_counters_bucket_level(&b, &conf, NOW - 3600000), 50000,
           "a clock set back drains nothing");
    is_int(ngx_counters_bucket_take(&b, &conf, NOW - 3600000, 50000), 1000,
           "and holds nobody for an hour");
    is_int(ngx_counters_bucket_level(&b, &conf, NOW - 3599000), 48000,
           "it drains from there");
    is_int(ngx_counters_bucket_level(&b, &conf, 0), 48000, "back to 1970");

    /*
     * Two processes, one a little behind: their drains must not come
     * earlier and earlier.
     */

    memset(&b, 0, sizeof(b));
    conf.burst = 4000000000U;
    ngx_counters_bucket_fill(&b, &conf, NOW);

    for (i = 1; i <= 100; i++) {
        now = NOW + i * 1000;
        (void) ngx_counters_bucket_level(&b, &conf, now - 100);
        (void) ngx_counters_bucket_level(&b, &conf, now);
        (void) ngx_counters_bucket_take(&b, &conf, now - 100, 0);
    }

    is_int(b.level, 4000000000U - 100 * 2000, "100 drains in 100 s");
    is_int(b.drained, NOW + 100000, "the phase is where it was");

    /* one that has been busy for seconds caches a time as old */

    ngx_counters_bucket_fill(&b, &conf, NOW + 100000);

    for (i = 1; i <= 100; i++) {
        now = NOW + 100000 + i * 1000;
        (void) ngx_counters_bucket_level(&b, &conf, now - 3000);
        (void) ngx_counters_bucket_level(&b, &conf, now);
    }

    is_int(b.level, 4000000000U - 100 * 2000, "nor more if one lags far");

    memset(&b, 0, sizeof(b));
    ngx_counters_bucket_add(&b, &conf, NOW);
    ngx_counters_bucket_add(&b, &conf, NOW - 100);
    is_int(b.drained, NOW + LAG, "nor do requests move it back");
    ngx_counters_bucket_fill(&b, &conf, NOW - 100);
    is_int(b.drained, NOW + LAG, "or a refusal");
}


int
main(void)
{
    test_take();
    test_add();
    test_fill();
    test_limits();
    test_clock();
    test_phase();

    test_portal(2000, 50000);
    test_portal(5000, 250000);
    test_portal(500, 3000);
    test_portal(3000, 4000);

    test_throughput(2000, 50000, 1);
    test_throughput(2000, 50000, 100);
    test_throughput(5000, 250000, 1);
    test_throughput(5000, 250000, 50);
    test_throughput(500, 5000, 10);

    test_shared(2000, 50000, 1000);
    test_shared(5000, 250000, 250);
    test_shared(20000, 30000, 100);
    test_shared(10000, 15000, 200);
    test_shared(50000, 50000, 50);
    test_shared(5000, 8000, 250);
    test_shared(2000, 3000, 1000);
    test_shared(2000, 3000, 900);

    return done();
}
