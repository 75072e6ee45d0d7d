
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_dispatch.c: how fast calls leave, so that batches are full,
 * there is quota left for those who wait, and operating time for the next
 * minute.
 */


#include "zone_test.h"


#define ZONE    (2 * 1024 * 1024)
#define MINUTE  60000ULL


static ngx_counters_zone_t *pace_zone(void);
static void due(ngx_counters_zone_t *zone, ngx_uint_t n, uint64_t now);
static void spend(ngx_counters_zone_t *zone, ngx_uint_t n);
static void back(ngx_counters_zone_t *zone, ngx_uint_t split, uint64_t now);
static void land(ngx_counters_zone_t *zone, uint64_t now);


/* what nobody waits for waits for company, but not until it is stale */

static void
ahead_company(void)
{
    ngx_counters_zone_t  *zone;

    zone = pace_zone();
    due(zone, 3, NOW);

    is_int(dispatch(zone, 0, NOW), NGX_AGAIN,
           "refreshes ahead are in no hurry");
    is_int(delay, 1500, "for half of the three seconds that they are ahead");
    is_int(dispatch(zone, 0, NOW + 1499), NGX_AGAIN, "not yet");
    is_int(dispatch(zone, 0, NOW + 1500), NGX_OK, "now they leave");
    is_int(flight.n, 3, "together");
    land(zone, NOW + 1600);

    /* what was found late does not wait so long */

    put(zone, key(1, 900000), answer(NGX_COUNTERS_DATA, "a",
                                     NOW + 4000 - MINUTE));
    ngx_counters_ahead(zone, &workers[0], NOW + 2100, has_all, NULL);
    dispatch(zone, 0, NOW + 2100);
    is_int(delay, 400, "half of the time ahead is for the portal");
    is_int(dispatch(zone, 0, NOW + 2500), NGX_OK, "however late it is");
    land(zone, NOW + 2600);

    /* company */

    due(zone, 50, NOW + 10000);
    is_int(dispatch(zone, 0, NOW + 10000), NGX_OK, "a full batch goes at once");
    is_int(flight.n, 50, "full");
    land(zone, NOW + 10100);

    /* somebody asks for one of them, others go along */

    due(zone, 3, NOW + 20000);
    queue(zone, key(1, 1000), 0, NGX_COUNTERS_WAITING, NOW + 20000);
    is_int(dispatch(zone, 0, NOW + 20005), NGX_OK, "who waits does not linger");
    is_int(flight.n, 4, "and takes the others along");
    is_int(dispatch(zone, 0, NOW + 20005), NGX_DONE, "that is all");
    land(zone, NOW + 20100);

    /* a credential of its own does not wait for theirs */

    due(zone, 3, NOW + 30000);
    queue(zone, key(2, 1), 0, NGX_COUNTERS_STALE, NOW + 30000);
    is_int(dispatch(zone, 0, NOW + 30000), NGX_AGAIN, "five milliseconds");
    is_int(delay, 5, "not seconds");
    is_int(dispatch(zone, 0, NOW + 30005), NGX_OK, "who is ready leaves");
    is_int(flight.keys[0].user, 1, "before those who are not");

    zone_ok(zone, "company for refreshes ahead");
}


/* the emptier the bucket, the less it is worth to wait */

static void
tight(void)
{
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    zone = pace_zone();

    for (i = 0; i < 60; i++) {
        put(zone, key(1, 100 + i), answer(NGX_COUNTERS_DATA, "a",
                                           NOW - MINUTE));
    }

    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
    dispatch(zone, 0, NOW);
    is_int(delay, 5, "with quota a call waits as configured");

    spend(zone, 20);
    dispatch(zone, 0, NOW);
    is_int(delay, 5 + 245, "with half of it spent, a quarter of a second");

    spend(zone, 19);
    dispatch(zone, 0, NOW);
    ok(delay > 900 && delay <= 1000, "with nearly all spent, a second");

    for (i = 10; i < 59; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    is_int(dispatch(zone, 0, NOW), NGX_OK, "a full batch waits for nothing");

    /* few others can come under a credential with two entries */

    queue(zone, key(2, 1), 0, NGX_COUNTERS_WAITING, NOW + 1000);
    dispatch(zone, 0, NOW + 1000);
    ok(delay > 5 && delay <= 25, "no company, no waiting for it");

    /* nor in batches of one */

    zone = pace_zone();
    zone->conf.batch = 1;

    for (i = 0; i < 60; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "a", NOW - MINUTE));
    }

    spend(zone, 20);
    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
    is_int(dispatch(zone, 0, NOW), NGX_OK, "\"batch off\" waits for nothing");

    zone_ok(zone, "tight");
}


/* of the refreshes' four fifths of the bucket */

static void
shares(void)
{
    ngx_uint_t            i, class, n;
    ngx_counters_zone_t  *zone;

    static ngx_uint_t  most[] = { 40, 30, 20, 22 };

    for (class = 0; class < NGX_COUNTERS_CLASSES; class++) {

        zone = pace_zone();
        zone->conf.batch = 1;
        zone->sh->vars.trust = 1;

        for (i = 0; i < 200; i++) {
            queue(zone, key(class == NGX_COUNTERS_UNKNOWN ? 3 : 1, 100 + i),
                  0, class, NOW);
        }

        for (n = 0; dispatch(zone, 0, NOW) == NGX_OK; n++) { /* void */ }

        ok(n >= most[class] && n <= most[class] + 4,
           "class %d stops at %d, but for its turns: %d", (int) class,
           (int) most[class], (int) n);

        for (i = 0, n = 0; i < 60; i++) {
            while (dispatch(zone, 0, NOW + 1100 + 1000 * i) == NGX_OK) {
                n++;
            }
        }

        ok(n >= 118 && n <= 120, "and has all that drains, %d in a minute",
           (int) n);
    }

    /* in its turn a class has as much as any */

    zone = pace_zone();
    spend(zone, 35);
    queue(zone, key(3, 1), 0, NGX_COUNTERS_WAITING, NOW - 1000);

    zone->sh->vars.turn = 0;
    is_int(dispatch(zone, 0, NOW), NGX_AGAIN, "too much is spent for it");
    zone->sh->vars.turn = 7;
    is_int(dispatch(zone, 0, NOW), NGX_OK, "unless it is its turn");

    zone_ok(zone, "shares");

    /* what has no quota does not stand before what has */

    zone = pace_zone();
    zone->conf.batch = 1;
    zone->sh->vars.trust = NGX_COUNTERS_TRUST;
    spend(zone, 30);

    for (i = 0; i < 10; i++) {
        queue(zone, key(1, 100 + i), 0, NGX_COUNTERS_STALE, NOW);
        queue(zone, key(10 + i, 1), 0, NGX_COUNTERS_WAITING, NOW);
    }

    for (i = 0; i < 8; i++) {
        if (dispatch(zone, 0, NOW) != NGX_OK) {
            break;
        }
    }

    is_int(i, 8, "new clients leave while stale entries wait for quota");
    zone_ok(zone, "all classes are looked at");
}


static void
estimate(void)
{
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    zone = pace_zone();

    look(zone, key(1, 1), NOW);
    is_int(view.hold_until, 0, "with quota there is nothing to wait for");

    spend(zone, 40);

    for (i = 0; i < 120; i++) {
        queue(zone, key(1, 100 + i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    look(zone, key(1, 1), NOW);
    is_int(view.hold, NGX_COUNTERS_OPEN, "quota is no hold");
    is_int(view.hold_until, NOW + 2000, "three batches and this");
    look(zone, key(2, 1), NOW);
    is_int(view.hold_until, NOW + 2000, "or one under another credential");

    for (i = 0; i < 200; i++) {
        queue(zone, key(100 + i % 40, i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    look(zone, key(99, 1), NOW);
    is_int(view.hold_until, NOW + (41 + (320 - 41) / 50 + 1 + 20) * 500,
           "five calls of one new credential leave together");

    zone = pace_zone();
    spend(zone, 49);
    look(zone, key(1, 1), NOW);
    is_int(view.hold_until, NOW + 5000, "what others have taken is waited for");

    zone_ok(zone, "estimate");
}


/* operating time: 480 seconds in ten minutes */

static void
operating(void)
{
    uint64_t              now, reset;
    ngx_counters_zone_t  *zone;

    zone = pace_zone();
    reset = (NOW + 5 * MINUTE) / 1000;

    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                       1, 100000, reset);
    due(zone, 100, NOW);
    is_int(dispatch(zone, 0, NOW), NGX_OK, "while little is used");
    is_int(dispatch(zone, 0, NOW), NGX_OK, "all leave");

    /* two of 300 seconds that are left in five minutes */

    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                       1, 130000, reset);
    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                       1, 132000, reset);

    look(zone, key(1, 0), NOW + 4000);
    is_int(view.hold, NGX_COUNTERS_OPEN, "later on it is no hold");

    due(zone, 120, NOW + 100);
    is_int(dispatch(zone, 0, NOW + 101), NGX_AGAIN, "but they leave slower");
    is_int(delay, 1900, "the next after two seconds");

    queue(zone, key(1, 5000), 0, NGX_COUNTERS_WAITING, NOW + 101);
    is_int(dispatch(zone, 0, NOW + 110), NGX_OK, "who waits does not");
    is_int(flight.n, 1, "nor takes the others along");
    land(zone, NOW + 120);
    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS,
                                       NOW + 120, 1, 133000, reset);

    now = NOW + 3000;
    is_int(dispatch(zone, 0, now), NGX_OK, "then the next leaves");
    is_int(flight.n, 50, "full");
    is_int(dispatch(zone, 0, now), NGX_AGAIN, "one");
    is_int(dispatch(zone, 0, now + 2000), NGX_AGAIN, "until it is answered");
    land(zone, now + 2000);
    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS,
                                       now + 2000, 1, 133000, reset);
    is_int(dispatch(zone, 0, now + 2001), NGX_OK, "at no cost the next may go");
}


/* another method, another credential */

static void
operating_others(void)
{
    uint64_t              reset;
    ngx_counters_zone_t  *zone;

    reset = (NOW + 5 * MINUTE) / 1000;
    zone = pace_zone();
    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                       1, 470000, reset);

    due(zone, 50, NOW);
    is_int(dispatch(zone, 0, NOW), NGX_AGAIN, "near the limit nothing leaves");
    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_AHEAD], 50, "nor is forgotten");
    queue(zone, key(2, 1), 0, NGX_COUNTERS_STALE, NOW);
    is_int(dispatch(zone, 0, NOW + 5), NGX_OK, "but under others it does");
    is_int(flight.keys[0].user, 1, "it does");

    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS,
                                       NOW + 10, 1, 80000, reset + 60);
    is_int(dispatch(zone, 0, NOW + 2000), NGX_OK, "and when time comes back");

    /* older than "stale" it is answered as it is, not waited for */

    zone = pace_zone();
    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW - 10 * MINUTE));
    look(zone, key(1, 1), NOW);
    is_int(view.dry, 0, "with time for it an old entry is waited for");
    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                       1, 470000, reset);
    look(zone, key(1, 1), NOW);
    is_int(view.dry, 1, "without it is answered");

    /* the limit itself, and no word of its end */

    ngx_counters_limits_zone_method_hold(zone, digest(1), NGX_COUNTERS_TASKS,
                                         NOW, 0);
    look(zone, key(1, 1), NOW);
    is_int(view.hold, NGX_COUNTERS_OPERATED, "a limit is a hold");
    is_int(view.hold_until, NOW + 5 * MINUTE + 1000,
           "until the last good answer's second is over");
}


/* a portal without such limits */

static void
operating_unlimited(void)
{
    uint64_t              reset;
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    reset = (NOW + 5 * MINUTE) / 1000;
    zone = pace_zone();
    zone->conf.bucket.rate = 0;
    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                       1, 470000, reset);
    due(zone, 100, NOW);

    for (i = 0, n = 0; i < 5; i++) {
        n += (dispatch(zone, 0, NOW + i) == NGX_OK);
    }

    is_int(n, 2, "without a rate all leave");

    zone_ok(zone, "operating");
}


static void
batch_hold(void)
{
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = pace_zone();

    for (i = 0; i < 20; i++) {
        queue(zone, key(1, 100 + i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    is_int(dispatch(zone, 0, NOW + 1000), NGX_OK, "a batch leaves");
    is_int(flight.n, 20, "of all");

    ngx_counters_limits_zone_batch_hold(zone, digest(1), NOW + 1000, 0);
    back(zone, 7, NOW + 1000);

    for (n = 0; dispatch(zone, 0, NOW + 1000) == NGX_OK; n++) {
        if (flight.n != 1) {
            break;
        }
    }

    is_int(n, 20, "refused as a batch, they leave one by one");

    for (i = 0; i < 5; i++) {
        queue(zone, key(1, 200 + i), 0, NGX_COUNTERS_WAITING, NOW + 30000);
    }

    is_int(dispatch(zone, 0, NOW + 30000), NGX_OK, "so do others, at once");
    is_int(flight.n, 1, "alone");
    is_int(dispatch(zone, 0, NOW + 61000), NGX_OK, "for a minute");
    is_int(flight.n, 4, "then a batch is tried again");

    queue(zone, key(1, 300), 0, NGX_COUNTERS_WAITING, NOW + 61000);
    queue(zone, key(1, 301), 0, NGX_COUNTERS_WAITING, NOW + 61000);
    is_int(dispatch(zone, 0, NOW + 61000), NGX_OK, "one");
    is_int(flight.n, 1, "while others leave alone");

    ngx_counters_limits_batch_good(zone, digest(1));
    queue(zone, key(1, 302), 0, NGX_COUNTERS_WAITING, NOW + 61100);
    is_int(dispatch(zone, 0, NOW + 62000), NGX_OK, "until it is answered");
    is_int(flight.n, 2, "then they are batches again");

    zone_ok(zone, "batch hold");
}


/* the credential's calls leave one by one at "now": no batch */

static ngx_uint_t
alone(ngx_counters_zone_t *zone, uint64_t now)
{
    static uint64_t  user = 10000;

    queue(zone, key(1, user++), 0, NGX_COUNTERS_WAITING, now);
    queue(zone, key(1, user++), 0, NGX_COUNTERS_WAITING, now);

    if (dispatch(zone, 0, now + 200) != NGX_OK) {
        return 0;
    }

    if (flight.n == 1) {
        (void) dispatch(zone, 0, now + 200);
        return 1;
    }

    return 0;
}


static void
batch_fails(void)
{
    uint64_t              now;
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    static uint32_t  rests[] = { 5, 10, 20, 40, 80, 160, 320, 600, 600 };

    zone = pace_zone();
    zone->conf.bucket.rate = 0;
    now = NOW;

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(2, 1), answer(NGX_COUNTERS_DATA, "a", NOW));

    ok(!ngx_counters_limits_batch_failed(zone, digest(1), 1, now),
       "one that fails is one");
    ngx_counters_limits_batch_good(zone, digest(1));
    ok(!ngx_counters_limits_batch_failed(zone, digest(1), 1, now),
       "a good one between makes it so");
    ok(!ngx_counters_limits_batch_failed(zone, digest(1), 0, now),
       "one that does not count does neither");
    ok(!alone(zone, now), "batches leave");

    for (i = 0; i < sizeof(rests) / sizeof(uint32_t); i++) {
        ok(ngx_counters_limits_batch_failed(zone, digest(1), 1, now),
           "two in a row, or the one tried: they rest");
        ok(ngx_counters_limits_batch_failed(zone, digest(1), 1, now + 1),
           "one that was under way with it changes nothing");

        ok(alone(zone, now + (rests[i] - 2) * 1000), "for so long");
        now += (rests[i] + 1) * 1000;
        ok(!alone(zone, now), "then a batch is tried");
        ok(alone(zone, now), "one");
    }

    queue(zone, key(2, 11), 0, NGX_COUNTERS_WAITING, now);
    queue(zone, key(2, 12), 0, NGX_COUNTERS_WAITING, now);
    is_int(dispatch(zone, 0, now + 200), NGX_OK, "another credential's");
    is_int(flight.n, 2, "go on");

    ngx_counters_limits_batch_good(zone, digest(1));
    ok(!alone(zone, now), "a good one ends it");

    /* not batches are at fault */

    (void) ngx_counters_limits_batch_failed(zone, digest(1), 1, now);
    (void) ngx_counters_limits_batch_failed(zone, digest(1), 1, now);
    ok(alone(zone, now), "they rest");
    ngx_counters_limits_single_failed(zone, digest(1));
    ok(!alone(zone, now), "unless a call fails that was no batch");

    zone_ok(zone, "batches that fail");
}


/* nobody waits for them, and their worker is dead */

static void
abandoned(void)
{
    ngx_counters_zone_t  *zone;

    zone = pace_zone();
    zone->conf.ahead = 300000;

    due(zone, 2, NOW);
    dispatch(zone, 0, NOW + 1500);
    is_int(flight.n, 2, "two fly");

    is_int(ngx_counters_ahead(zone, &workers[1], NOW + 12500, has_all,
                              NULL), 0, "for as long as they may");
    is_int(ngx_counters_ahead(zone, &workers[1], NOW + 12501, has_all,
                              NULL), 2, "then they are refreshed anew");
    is_int(zone->sh->vars.nflying, 0, "and fly no more");

    zone_ok(zone, "abandoned");
}


/* near the limit of operating time, what nobody waits for is spread */

static void
operating_time(void)
{
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 1000000;
    accept_cred(zone, 1);
    accept_cred(zone, 2);

    /* all used up, but for the clients; some of it is free in 100 seconds */

    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                       1, 480000, NOW / 1000 + 100);
    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_IM, NOW, 1,
                                       480000, NOW / 1000 + 2);

    for (i = 0; i < 300; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_STALE, NOW);
    }

    queue(zone, key(1, 1000), 0, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(2, 1001), 0, NGX_COUNTERS_STALE, NOW);
    queue(zone, im(1, 1002), 0, NGX_COUNTERS_STALE, NOW);

    next(zone, 0, NOW + 1);
    is_str(users(), strlen(users()), "1000", "who waits is not slowed down");

    for (n = 1; n < 10000; n += delay) {
        if (next(zone, 0, NOW + n) == NGX_OK) {
            break;
        }
    }

    is_str(users(), strlen(users()), "1001", "nor another's stale entry");
    ok(n < 1000, "however many are slowed down before it");

    for ( /* void */ ; n < 10000; n += delay) {
        if (next(zone, 0, NOW + n) == NGX_OK) {
            break;
        }
    }

    is_str(users(), strlen(users()), "1002", "a method has its own pause");
    ok(n >= 2000 && n < 7000, "no longer, whatever leaves meanwhile: %d",
       (int) n);

    is_int(drain(zone, 0, NOW + 99999, 10), 0, "the first one's is long");
    is_int(next(zone, 0, NOW + 100000), NGX_OK, "then one leaves");
    is_int(drain(zone, 0, NOW + 100000, 10), 0, "one");

    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS,
                                       NOW + 100000, 1, 0, NOW / 1000 + 700);
    is_int(drain(zone, 0, NOW + 100000, 10), 10, "a good answer frees all");

    zone_ok(zone, "operating time");
}


int
test_pace(void)
{
    ahead_company();
    tight();
    shares();
    estimate();
    operating();
    operating_others();
    operating_unlimited();
    operating_time();
    batch_hold();
    batch_fails();
    abandoned();

    return done();
}


/* batches of 50, credential 1 and 2 accepted */

static ngx_counters_zone_t *
pace_zone(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);

    zone->conf.batch = 50;
    zone->conf.batch_wait = 5;
    zone->conf.ahead = 300000;

    put(zone, key(1, 999999), answer(NGX_COUNTERS_DATA, "{}", NOW - 6000));
    put(zone, key(2, 999999), answer(NGX_COUNTERS_DATA, "{}", NOW - 6000));

    return zone;
}


/* so many, of credential 1, are refreshed ahead at "now" */

static void
due(ngx_counters_zone_t *zone, ngx_uint_t n, uint64_t now)
{
    ngx_uint_t  i;

    static uint64_t  user;

    for (i = 0; i < n; i++) {
        put(zone, key(1, ++user), answer(NGX_COUNTERS_DATA, "a",
                                         now - MINUTE + 3000));
    }

    ngx_counters_ahead(zone, &workers[0], now, has_all, NULL);
}


static void
spend(ngx_counters_zone_t *zone, ngx_uint_t n)
{
    while (n--) {
        ngx_counters_quota_passed(zone, NOW);
    }
}


/* the flight's calls return to the queue */

static void
back(ngx_counters_zone_t *zone, ngx_uint_t split, uint64_t now)
{
    ngx_uint_t  i;

    for (i = flight.n; i-- > 0; /* void */ ) {
        ngx_counters_lease_enqueue(zone, &flight.keys[i], &workers[0],
                                   NGX_COUNTERS_WAITING, split, now);
    }
}


/* or are answered */

static void
land(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_uint_t  i;

    for (i = 0; i < flight.n; i++) {
        finish(zone, &flight.keys[i], 0,
               answer(NGX_COUNTERS_DATA, "b", now), now);
    }
}
