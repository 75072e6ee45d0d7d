
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_ahead.c: what is refreshed before anybody asks.
 */


#include "zone_test.h"


#define ZONE  (2 * 1024 * 1024)

#define MINUTE  60000ULL
#define HOUR    3600000ULL


static void
refresh_ahead(void)
{
    uint64_t              first;
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->conf.ahead = 300000;

    /* fetched one a second, the latest first asked for */

    for (i = 0; i < 20; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "a", NOW + i * 1000));
    }

    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 50000, has_all,
                              NULL), 0, "nothing is due yet");
    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 57000, has_all,
                              NULL), 1, "three seconds ahead one is");
    is_int(ngx_counters_ahead(zone, &workers[1], NOW + 57000, has_all,
                              NULL), 0, "which is queued once");
    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 61000, has_all,
                              NULL), 4, "then the next");

    first = 0;

    for (i = 0; i < 5; i++) {
        next(zone, 0, NOW + 70000);
        first += (flight.keys[0].user == i);
    }

    is_int(first, 5, "the oldest first");

    for (i = 0; i < 5; i++) {
        finish(zone, key(1, i), 0,
               answer(NGX_COUNTERS_DATA, "b", NOW + 61000), NOW + 61000);
    }

    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 77000, has_all,
                              NULL), 15, "those that are left");
    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 118000, has_all,
                              NULL), 5, "and the first again");
    zone_ok(zone, "refresh-ahead");
}


/* only what was asked for lately, and by whoever can */

static void
asked_for_lately(void)
{
    ngx_uint_t             i, n;
    ngx_counters_zone_t   *zone;
    ngx_counters_entry_t  *e;

    zone = zone_new(ZONE);
    zone->conf.ahead = 300000;

    for (i = 0; i < 30; i++) {
        put(zone, key(i % 3, i), answer(NGX_COUNTERS_DATA, "a", NOW));
    }

    for (i = 0; i < 30; i += 2) {
        e = zone_find(zone, key(i % 3, i));
        zone->slots[ngx_counters_ref(zone, e)].asked = NOW / 1000 - 300;
    }

    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 60000, has_first,
                              NULL), 5,
           "those asked for lately whose credential is here");
    is_int(ngx_counters_ahead(zone, &workers[1], NOW + 60000, has_all,
                              NULL), 10, "another worker has the others");
    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_AHEAD], 15, "all in their class");
    is_int(lease(zone, key(1, 1), 0, NGX_COUNTERS_STALE, NOW + 60000),
           NGX_AGAIN, "one is asked for");
    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_STALE], 1, "and rises");

    for (n = 0, i = 0; i < 30; i += 2) {
        look(zone, key(i % 3, i), NOW + 61000);
        n += (put(zone, key(i % 3, i),
                  answer(NGX_COUNTERS_DATA, "c", NOW + 61000)));
    }

    is_int(n, 15, "those not asked for are refreshed when they are");
    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 121000, has_all,
                              NULL), 15, "and then kept fresh again");

    zone_ok(zone, "asked for lately");
}


/* a hold, of the portal or of the key */

static void
holds_ahead(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.ahead = 300000;

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 2), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 1), answer(NGX_COUNTERS_FAILURE, "f", NOW + 59900));

    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW + 60000,
                                   NOW + 60100);
    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 60000, has_all,
                              NULL), 0, "not while the portal is held");
    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 60100, has_all,
                              NULL), 1, "nor what has just failed");

    zone_ok(zone, "holds");
}


/* each method has a ttl of its own, and a new configuration new ones */

static void
ttls(void)
{
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.ahead = 300000;

    for (i = 0; i < 50; i++) {
        ngx_counters_answer_in_t  *a;

        a = answer(NGX_COUNTERS_DATA, "a", NOW);
        a->ttl = 600000;
        put(zone, im(1, i), a);

        a = answer(NGX_COUNTERS_DATA, "a", NOW);
        a->ttl = 600000;
        put(zone, key(2, i), a);

        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "a", NOW));
    }

    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 60000, has_all,
                              NULL), 50,
           "those that live longer do not hide the others");

    for (n = 0; n < 10; n++) {
        ngx_counters_ahead(zone, &workers[0], NOW + 60000, has_all,
                           NULL);
    }

    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_AHEAD], 50,
           "who are looked at in vain");

    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 598000, has_all,
                              NULL), 0, "nor when nobody asked");

    for (i = 0; i < 50; i++) {
        look(zone, im(1, i), NOW + 400000);
    }

    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 598000, has_all,
                              NULL), 0, "asked for too late for that");

    for (i = 0; i < 10; i++) {
        put(zone, im(1, i), answer(NGX_COUNTERS_DATA, "a", NOW + 600000));
    }

    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 658000, has_all,
                              NULL), 10, "each method has its turn");
}


/* what was marked stale is due, though it is not the oldest */

static void
marked_ahead(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.ahead = 300000;

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 2), answer(NGX_COUNTERS_DATA, "a", NOW));
    ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW + 100);
    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 200, has_all,
                              NULL), 2, "marked entries are refreshed");

    zone_ok(zone, "ttls");
}


/* a worker whose time lags neither stops the wheel nor turns it back */

static void
lagging(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.ahead = 300000;

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));

    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 56900, has_all,
                              NULL), 0, "nothing is due");
    is_int(ngx_counters_ahead(zone, &workers[1], NOW + 56000, has_all,
                              NULL), 0, "nor for a worker that lags");
    is_int(ngx_counters_ahead(zone, &workers[0], NOW + 57000, has_all,
                              NULL), 1, "it is when its time has come");

    /* far back: the clock has been set */

    is_int(ngx_counters_ahead(zone, &workers[0], NOW - 100000000,
                              has_all, NULL), 0, "long before");

    zone_ok(zone, "lagging");
}


int
test_ahead(void)
{
    lagging();
    refresh_ahead();
    asked_for_lately();
    holds_ahead();
    ttls();
    marked_ahead();

    return done();
}
