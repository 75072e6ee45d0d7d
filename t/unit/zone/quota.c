
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_quota.c: how much may leave, and when nothing may.
 */


#include "zone_test.h"


#define ZONE  (2 * 1024 * 1024)

#define MINUTE  60000ULL
#define HOUR    3600000ULL


/* the portal's bucket: 50 at once, then 2 a second */

static void
quota(void)
{
    uint64_t              now;
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    accept_cred(zone, 1);

    for (i = 0; i < 200; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    is_int(drain(zone, 0, NOW, 200), 40, "four fifths of the bucket");
    is_int(dispatch(zone, 0, NOW), NGX_AGAIN, "then no more");
    ok(delay > 0 && delay <= 1100, "for little more than a second");

    look(zone, key(1, 1000), NOW);
    ok(view.dry, "which others can see");

    now = NOW + delay;
    is_int(drain(zone, 0, now, 200), 2, "what has drained");
    is_int(drain(zone, 0, now + 10000, 200), 20, "in ten seconds twenty");

    for (i = 0, n = 0; i < 100; i++) {
        n += drain(zone, 0, now + 10000 + i * 100, 200);
    }

    ok(n >= 16 && n <= 20, "and two a second however often one looks: %d",
       (int) n);

    /* what passes through counts, and is not delayed */

    zone = zone_new(ZONE);
    accept_cred(zone, 1);

    for (i = 0; i < 45; i++) {
        ngx_counters_quota_passed(zone, NOW);
    }

    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
    is_int(dispatch(zone, 0, NOW), NGX_AGAIN, "requests passed on use it up");
    is_int(dispatch(zone, 0, NOW + 3100), NGX_OK, "until it has drained");
}


/* no limit, no reserve */

static void
other_quota(void)
{
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    for (i = 0; i < 200; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    is_int(drain(zone, 0, NOW, 300), 200, "\"rate off\" holds nobody up");

    zone = zone_new(ZONE);
    zone->conf.reserve = 0;
    accept_cred(zone, 1);

    for (i = 0; i < 200; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    is_int(drain(zone, 0, NOW, 200), 50, "without a reserve all of it");

    zone = zone_new(ZONE);
    zone->conf.reserve = 100;
    accept_cred(zone, 1);
    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
    is_int(drain(zone, 0, NOW, 200), 1, "with nothing else, one at a time");

    /* credentials never accepted leave half, but for their turns */

    zone = zone_new(ZONE);

    for (i = 0; i < 200; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    n = drain(zone, 0, NOW, 200);
    ok(n >= 20 && n <= 24, "the unknown leave half of it: %d", (int) n);

    accept_cred(zone, 2);
    queue(zone, key(2, 1), 0, NGX_COUNTERS_WAITING, NOW);
    ok(next(zone, 0, NOW) == NGX_OK && flight.keys[0].user == 1,
       "to the others");

    zone_ok(zone, "quota");
}


static void
holds(void)
{
    uint64_t              now, until;
    ngx_uint_t            i, longest;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    for (i = 0; i < 20; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    /* failures */

    ok(!ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0)
       && !ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0),
       "two failures are none");
    is_int(dispatch(zone, 0, NOW), NGX_OK, "calls go on");

    ngx_counters_quota_portal_good(zone, NOW);
    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0);
    ok(!ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0),
       "nor are two after a good answer");
    ok(ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0),
       "three in a row are");

    look(zone, key(1, 100), NOW);
    is_int(view.hold, NGX_COUNTERS_BACKOFF, "which shows");
    until = view.hold_until;
    ok(until > NOW && until <= NOW + 500, "for half a second at most");

    is_int(dispatch(zone, 0, NOW), NGX_AGAIN, "nothing leaves");
    is_int(delay, until - NOW, "until it is over");

    ok(!ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0),
       "more failures at that time are the same one");

    is_int(dispatch(zone, 0, until), NGX_OK, "then one call is tried");
    is_int(dispatch(zone, 0, until), NGX_AGAIN, "one");
    look(zone, key(1, 100), until);
    is_int(view.hold, NGX_COUNTERS_BACKOFF, "the portal is not open yet");

    longest = 0;
    now = until;

    for (i = 0; i < 10; i++) {
        ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, now, 0);
        look(zone, key(1, 100), now);
        longest = ngx_max(longest, view.hold_until - now);
        now = view.hold_until;
        is_int(dispatch(zone, 0, now), NGX_OK, "one call each time");
    }

    ok(longest > 2500 && longest <= 5000, "and five seconds at most: %d",
       (int) longest);

    /* the one that is tried never ends */

    is_int(dispatch(zone, 0, now + 10999), NGX_AGAIN, "a lost one holds");
    is_int(dispatch(zone, 0, now + 11000), NGX_OK, "for as long as a lease");

    ok(ngx_counters_quota_portal_good(zone, now + 11000), "a good one lifts");
    ok(!ngx_counters_quota_portal_good(zone, now + 11000), "once");
    is_int(drain(zone, 0, now + 11000, 3), 3, "all go on");

    zone_ok(zone, "failures");
}


static void
limits(void)
{
    uint64_t              now;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    accept_cred(zone, 1);

    for (now = 0; now < 20; now++) {
        queue(zone, key(1, now), 0, NGX_COUNTERS_WAITING, NOW);
    }

    ok(ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW, 0),
       "a limit is one at once");

    look(zone, key(1, 100), NOW);
    is_int(view.hold, NGX_COUNTERS_LIMITED, "which shows");
    ok(view.hold_until > NOW && view.hold_until <= NOW + 1000,
       "for a second at most");
    ok(!ngx_counters_quota_portal_good(zone, NOW + 100),
       "an answer under way does not lift it");
    is_int(dispatch(zone, 0, NOW + 1000), NGX_AGAIN,
           "when it is over the bucket is full");
    ok(dispatch(zone, 0, NOW + 5000) == NGX_AGAIN
       && dispatch(zone, 0, NOW + 7000) == NGX_OK, "and has to drain first");

    ok(ngx_counters_quota_portal_good(zone, NOW + 7100), "then it is lifted");

    /* one seen again in the meantime fills the bucket again */

    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW + 20000,
                                   NOW + 40000);
    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW + 39000,
                                   NOW + 40000);
    is_int(zone->sh->vars.bucket.level, 50000, "each limit answer fills it");
}


/* the time the portal gave, within ten minutes */

static void
limits_in_time(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);
    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);

    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_OVERLOADED, NOW,
                                   NOW + 100 * MINUTE);
    look(zone, key(1, 100), NOW);
    is_int(view.hold, NGX_COUNTERS_OVERLOADED, "overloaded");
    is_int(view.hold_until, NOW + 10 * MINUTE, "for ten minutes at most");
    is_int(dispatch(zone, 0, NOW), NGX_AGAIN, "so long");
    ok(delay > 0 && delay <= 10 * MINUTE, "one looks again in between");

    /* neither a failure nor a limit cuts it short */

    ok(!ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW, 0)
       && !ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0)
       && !ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0)
       && !ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0),
       "the shorter of two holds changes nothing");
    look(zone, key(1, 100), NOW);
    ok(view.hold == NGX_COUNTERS_OVERLOADED
       && view.hold_until == NOW + 10 * MINUTE, "nothing at all");
    is_int(zone->sh->vars.failures, 1, "not even what comes next");

    queue(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW + 10 * MINUTE);
    is_int(dispatch(zone, 0, NOW + 10 * MINUTE), NGX_OK, "then one is tried");

    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_OVERLOADED,
                                   NOW + 10 * MINUTE, 0);
    look(zone, key(1, 100), NOW + 10 * MINUTE);
    is_int(view.hold_until, NOW + 10 * MINUTE + 10000,
           "the second in a row is held for twice the first pause");

    /* a longer one does */

    zone = zone_new(ZONE);
    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW, 0);
    ok(ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_OVERLOADED, NOW,
                                      NOW + MINUTE),
       "the longer of two holds counts");
    look(zone, key(1, 100), NOW);
    is_int(view.hold, NGX_COUNTERS_OVERLOADED, "it does");

    zone_ok(zone, "limits");
}


/* where the portal does not say until when: one call tries, ever later */

static void
probes(void)
{
    uint64_t              now;
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    static uint32_t  overloaded[] = { 5000, 10000, 20000, 40000, 80000,
                                      160000, 320000, 600000, 600000 };
    static uint32_t  limited[] = { 1000, 2000, 4000, 8000, 16000, 32000,
                                   60000, 60000 };

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    now = NOW;

    for (i = 0; i < sizeof(overloaded) / sizeof(uint32_t); i++) {
        ok(ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_OVERLOADED, now,
                                          0), "one more overload is news");
        ok(!ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_OVERLOADED,
                                           now + 1, 0),
           "another of the same time is not");
        look(zone, key(1, 100), now);
        is_int(view.hold_until - now, overloaded[i], "the pause after it");

        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING,
              view.hold_until - 100);
        is_int(dispatch(zone, 0, view.hold_until - 1), NGX_AGAIN,
               "nothing leaves before");
        now = view.hold_until;
        is_int(dispatch(zone, 0, now), NGX_OK, "then one call");
    }

    ok(ngx_counters_quota_portal_good(zone, now + 100),
       "the first good answer");
    queue(zone, key(1, 200), 0, NGX_COUNTERS_WAITING, now + 100);
    queue(zone, key(2, 200), 0, NGX_COUNTERS_WAITING, now + 100);
    is_int(drain(zone, 0, now + 100, 10), 2, "opens the portal");

    /* another limit begins anew */

    for (i = 0; i < sizeof(limited) / sizeof(uint32_t); i++) {
        ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_LIMITED, now, 0);
        look(zone, key(1, 100), now);
        is_int(view.hold_until - now, limited[i], "the pause after a limit");
        now = view.hold_until;
    }

    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_OVERLOADED, now, 0);
    look(zone, key(1, 100), now);
    is_int(view.hold_until - now, 5000, "as does one of another kind");

    zone_ok(zone, "probes");
}


/* one method of one credential */

static void
method_holds(void)
{
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->conf.batch = 50;
    accept_cred(zone, 1);
    accept_cred(zone, 2);

    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
    ngx_counters_limits_zone_method_hold(zone, digest(1), NGX_COUNTERS_TASKS,
                                         NOW, NOW + MINUTE);

    look(zone, key(1, 2), NOW);
    is_int(view.hold, NGX_COUNTERS_OPERATED, "a method is held");
    is_int(view.hold_until, NOW + MINUTE, "for as long as was said");
    look(zone, im(1, 2), NOW);
    is_int(view.hold, NGX_COUNTERS_OPEN, "another method is not");
    look(zone, key(2, 2), NOW);
    is_int(view.hold, NGX_COUNTERS_OPEN, "another credential is not");

    queue(zone, im(1, 5), 0, NGX_COUNTERS_WAITING, NOW);
    next(zone, 0, NOW + 2000);
    is_str(users(), strlen(users()), "5", "only the other method leaves");
    is_int(dispatch(zone, 0, NOW + 2000), NGX_DONE,
           "what was queued of the held one is forgotten");

    /* afterwards: one call, without company */

    for (i = 10; i < 20; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW + MINUTE);
        queue(zone, im(1, i), 0, NGX_COUNTERS_WAITING, NOW + MINUTE);
    }

    next(zone, 0, NOW + MINUTE + 2000);
    is_str(users(), strlen(users()), "10", "then one call is tried");
    look(zone, key(1, 2), NOW + MINUTE + 2000);
    is_int(view.hold, NGX_COUNTERS_OPERATED, "it is not open yet");
    ok(view.hold_until <= NOW + MINUTE + 2000 + 11000, "but soon, anyhow");

    next(zone, 0, NOW + MINUTE + 2000);
    is_str(users(), strlen(users()), "10 11 12 13 14 15 16 17 18 19",
           "the other method goes on in batches");
    is_int(flight.keys[0].method, NGX_COUNTERS_IM, "of its own");

    finish(zone, key(1, 10), 0, answer(NGX_COUNTERS_DATA, "a",
                                       NOW + MINUTE + 3000),
           NOW + MINUTE + 3000);
    look(zone, key(1, 2), NOW + MINUTE + 3000);
    is_int(view.hold, NGX_COUNTERS_OPEN, "a good answer lifts the hold");

    for (i = 50; i < 55; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW + MINUTE + 3000);
    }

    next(zone, 0, NOW + MINUTE + 6000);
    is_str(users(), strlen(users()), "11 12 13 14 15 16 17 18 19 50 51 52 53 "
           "54", "and the method leaves in batches again");
}


/* to be tried alone: not in another method's batch either */

static void
tried_alone(void)
{
    uint64_t              now;
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    static uint32_t  pauses[] = { 10000, 20000, 40000, 60000, 60000 };

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->conf.batch = 50;
    accept_cred(zone, 1);

    ngx_counters_limits_zone_method_hold(zone, digest(1), NGX_COUNTERS_TASKS,
                                         NOW + HOUR, 0);
    look(zone, key(1, 2), NOW + HOUR);
    is_int(view.hold_until, NOW + HOUR + 5000, "five seconds if none is said");
    ok(!ngx_counters_limits_zone_method_hold(zone, digest(1),
                                             NGX_COUNTERS_TASKS,
                                             NOW + HOUR + 1, 0),
       "another of the same time is no news");
    look(zone, key(1, 2), NOW + HOUR + 1);
    ok(view.hold_until <= NOW + HOUR + 5001, "nor longer");

    queue(zone, im(1, 30), 0, NGX_COUNTERS_WAITING, NOW + HOUR + MINUTE);

    for (i = 31; i < 40; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW + HOUR + MINUTE);
    }

    next(zone, 0, NOW + HOUR + MINUTE + 2000);
    is_str(users(), strlen(users()), "30", "the call tried is no company");
    next(zone, 0, NOW + HOUR + MINUTE + 2000);
    is_str(users(), strlen(users()), "31", "it is tried alone");

    now = NOW + HOUR + MINUTE + 3000;

    for (i = 0; i < 5; i++) {
        ngx_counters_limits_zone_method_hold(zone, digest(1),
                                             NGX_COUNTERS_TASKS, now, 0);
        look(zone, key(1, 2), now);
        is_int(view.hold_until - now, pauses[i], "the next is later");

        now = view.hold_until;
        queue(zone, key(1, 31), 0, NGX_COUNTERS_WAITING, now);
        is_int(drain(zone, 0, now + 2000, 10), 1, "and tried");
        now += 3000;
    }

    ngx_counters_limits_zone_method_hold(zone, digest(1), NGX_COUNTERS_TASKS,
                                         NOW + 2 * HOUR, NOW + 9 * HOUR);
    look(zone, key(1, 2), NOW + 2 * HOUR);
    is_int(view.hold_until, NOW + 2 * HOUR + 10 * MINUTE,
           "ten minutes at most");

    zone_ok(zone, "a method's holds");
}


/* the managed webhook is refused: its data stays */

static void
refused_webhook(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->common = 1;
    ngx_memcpy(zone->common_cred, digest(7), NGX_COUNTERS_DIGEST_LEN);

    put(zone, key(7, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    ngx_counters_limits_zone_refused_hold(zone, NOW + 100);

    is_int(look(zone, key(7, 1), NOW + 100), NGX_OK, "its data is there");
    look(zone, key(7, 2), NOW + 100);
    is_int(view.hold, NGX_COUNTERS_BACKOFF, "it is not asked for");
    look(zone, im(7, 2), NOW + 100);
    is_int(view.hold, NGX_COUNTERS_BACKOFF, "by any method");
    look(zone, key(7, 2), NOW + 100 + 10000);
    is_int(view.hold, NGX_COUNTERS_OPEN, "for ten seconds");

    queue(zone, key(7, 2), 0, NGX_COUNTERS_WAITING, NOW + 10100);
    next(zone, 0, NOW + 12000);
    ok(finish(zone, key(7, 2), 0, answer(NGX_COUNTERS_DATA, "b", NOW + 13000),
              NOW + 13000), "then a good answer counts");
    is_int(ngx_counters_refusal_refused(zone, key(7, 3)), 0, "and all is well");

    zone_ok(zone, "a refused webhook");
}


/* nothing waits until the clock has caught up */

static void
clock_set_back(void)
{
    uint64_t              now;
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->conf.ahead = 300000;

    ngx_counters_evict_expire(zone, NOW, 10);

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 2), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 2), answer(NGX_COUNTERS_FAILURE, "f", NOW));
    put(zone, key(1, 3), answer(NGX_COUNTERS_NEGATIVE, "no", NOW));
    put(zone, key(1, 4), answer(NGX_COUNTERS_DATA, "a", NOW));

    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_OVERLOADED, NOW,
                                   NOW + MINUTE);
    ngx_counters_limits_zone_method_hold(zone, digest(2), NGX_COUNTERS_TASKS,
                                         NOW, 0);
    ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW);
    ngx_counters_refusal_revoke(zone, digest(3), NOW);

    lease(zone, key(1, 5), 1, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 6), 0, NGX_COUNTERS_WAITING, NOW);

    now = NOW - HOUR;
    ngx_counters_evict_expire(zone, now, 10);

    look(zone, key(1, 1), now);
    is_int(view.fresh, NGX_COUNTERS_REVALIDATE, "data is stale");
    is_int(view.hold, NGX_COUNTERS_OPEN, "the portal may be asked");
    look(zone, key(1, 2), now);
    is_int(view.hold, NGX_COUNTERS_OPEN, "what has failed too");
    look(zone, key(2, 2), now);
    is_int(view.hold, NGX_COUNTERS_OPEN, "and every method");
    /* what was under way during a purge of the future is stale once */

    is_int(lease(zone, key(1, 5), 2, NGX_COUNTERS_WAITING, now + 12000),
           NGX_OK, "leases end");

    finish(zone, key(1, 5), 2, answer(NGX_COUNTERS_DATA, "b", now + 12000),
           now + 12000);
    put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "c", now + 12001));
    look(zone, key(1, 5), now + 12001);
    is_int(view.fresh, NGX_COUNTERS_FRESH, "marks are not ahead");

    look(zone, key(1, 3), now + 5000 + MINUTE);
    is_int(view.kind, NGX_COUNTERS_EMPTY, "refusals end in their time");

    is_int(dispatch(zone, 0, now), NGX_OK, "what is queued leaves");
    ngx_counters_quota_portal_good(zone, now);

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "b", now + 1));
    look(zone, key(1, 1), now + 1);
    is_int(view.fresh, NGX_COUNTERS_FRESH, "a new answer is fresh");
    ok(put(zone, key(3, 1), answer(NGX_COUNTERS_DATA, "b", now + 1)),
       "and a refusal in the past");

    ok(ngx_counters_ahead(zone, &workers[0], now + 55000, has_all, NULL)
       > 0, "refreshes ahead go on");
    zone_ok(zone, "a clock set back");

    /* the time of one worker may lag behind another's */

    zone = zone_new(ZONE);
    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    ngx_counters_evict_expire(zone, NOW + 100, 10);

    for (i = 0; i < 10; i++) {
        ngx_counters_evict_expire(zone, NOW - i * 500, 10);
    }

    look(zone, key(1, 1), NOW);
    is_int(view.fresh, NGX_COUNTERS_FRESH, "a small step is none");
    zone_ok(zone, "clocks that differ");
}


/* what a call takes of operating time, of all credentials */

static void
time_of_a_call(void)
{
    ngx_uint_t                  i;
    ngx_counters_zone_t        *zone;
    ngx_counters_zone_state_t   state;

    zone = zone_new(ZONE);
    accept_cred(zone, 1);
    accept_cred(zone, 2);

    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                       50, 90000, NOW / 1000 + 100);
    ngx_counters_zone_state(zone, NOW, &state);
    is_int(state.operating, 0, "who used it before is not known");

    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                       50, 91500, NOW / 1000 + 100);
    ngx_counters_zone_state(zone, NOW, &state);
    is_int(state.operating, 30000, "1.5 s by 50 calls");

    ngx_counters_limits_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                       50, 3000, NOW / 1000 + 200);
    ngx_counters_zone_state(zone, NOW, &state);
    is_int(state.operating, 30000, "some has been forgotten");

    for (i = 0; i < 100; i++) {
        ngx_counters_limits_zone_operating(zone, digest(2), NGX_COUNTERS_TASKS,
                                           NOW, 1, 60 * i, NOW / 1000 + 100);
    }

    ngx_counters_zone_state(zone, NOW, &state);
    ok(state.operating > 59900 && state.operating <= 60000,
       "an average that follows: %d", (int) state.operating);

    /* and how many requests all in use take */

    zone = zone_new(ZONE);
    zone->conf.batch = 10;

    for (i = 0; i < 40; i++) {
        put(zone, key(i < 30 ? 1 : i, i), answer(NGX_COUNTERS_DATA, "a", NOW));
    }

    ngx_counters_zone_state(zone, NOW, &state);
    is_int(state.requests, 13000, "three full batches and ten alone");
    is_int(state.largest, 30, "most are under one");

    ngx_counters_zone_state(zone, NOW + HOUR, &state);
    is_int(state.requests, 0, "later on none are in use");
    is_int(state.largest, 0, "nor under any");

    zone_ok(zone, "time of a call");
}


int
test_quota(void)
{
    quota();
    other_quota();
    holds();
    limits();
    limits_in_time();
    probes();
    method_holds();
    tried_alone();
    refused_webhook();
    time_of_a_call();
    clock_set_back();

    return done();
}
