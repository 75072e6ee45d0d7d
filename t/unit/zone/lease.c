
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_lease.c: one refresh per key over all workers, and the places
 * of those that wait.
 */


#include <sys/wait.h>

#include "zone_test.h"


#define ZONE  (2 * 1024 * 1024)

#define MINUTE  60000ULL
#define HOUR    3600000ULL


static ngx_int_t take_over(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, ngx_uint_t worker, uint64_t now);


static void
leases(void)
{
    ngx_counters_ask_t    ask;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);

    is_int(lease(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW), NGX_OK,
           "one worker refreshes a key");
    is_int(lease(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW), NGX_AGAIN,
           "another waits for it");
    is_int(lease(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW), NGX_AGAIN,
           "so does the same for another client");
    is_int(enqueue(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW),
           NGX_DECLINED, "only the owner may queue it");
    is_int(enqueue(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW),
           NGX_DECLINED, "and only what there is");

    ok(finish(zone, key(1, 1), 0, answer(NGX_COUNTERS_DATA, "a", NOW + 50),
              NOW + 50), "the owner stores the answer");
    is_int(woken, 3, "and those who wait are woken, itself too");

    finish(zone, key(1, 1), 0, NULL, NOW + 50);
    is_int(woken, 0, "once");

    /* newer than what was seen */

    is_int(lease(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW + 60),
           NGX_DECLINED, "a new answer is there: no refresh");

    ngx_memzero(&ask, sizeof(ask));
    ask.seen = NOW + 50;
    ask.lease = 1000;

    is_int(ngx_counters_lease_acquire(zone, key(1, 1), &workers[1], &ask,
                                      NOW + 60), NGX_OK,
           "unless an even newer one is wanted");

    finish(zone, key(1, 1), 1, NULL, NOW + 60);
    is_int(woken, 0, "nobody waited for that");

    is_int(lease(zone, key(1, 1), 1, NGX_COUNTERS_STALE, NOW + 50 + MINUTE),
           NGX_OK, "at the end of the ttl it is refreshed");

    /* slots beyond the mask share bits */

    workers[2].slot = 65;
    workers[3].slot = 40;
    lease(zone, key(1, 1), 2, NGX_COUNTERS_WAITING, NOW + 50 + MINUTE);
    lease(zone, key(1, 1), 3, NGX_COUNTERS_WAITING, NOW + 50 + MINUTE);
    finish(zone, key(1, 1), 1, NULL, NOW + 50 + MINUTE);
    ok(woken == (2 | (uint64_t) 1 << 40),
       "slot 40 has its bit, slot 65 that of slot 1");

    /* a mark is as good as the end of the ttl */

    put(zone, key(1, 2), answer(NGX_COUNTERS_DATA, "a", NOW));
    is_int(lease(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW + 100),
           NGX_DECLINED, "fresh data is not refreshed");
    ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW + 200);
    is_int(lease(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW + 300),
           NGX_OK, "unless it is marked");

    zone_ok(zone, "leases");
}


/* the lease is over: the next may, and the answer of the first is too late */

static void
leases_end(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);

    lease(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW);

    is_int(lease(zone, key(1, 1), 2, NGX_COUNTERS_WAITING, NOW + 11000),
           NGX_AGAIN, "a lease lasts as long as was asked for");
    is_int(lease(zone, key(1, 1), 2, NGX_COUNTERS_WAITING, NOW + 11001),
           NGX_OK, "then another takes over");
    is_int(enqueue(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW + 11001),
           NGX_DECLINED, "the first may not queue it any more");

    ngx_counters_zone_purge(zone, NULL, NULL, 0, NOW + 11000);

    ok(!finish(zone, key(1, 1), 1, answer(NGX_COUNTERS_DATA, "old",
                                          NOW + 11002), NOW + 11002),
       "nor store what it has");
    is_int(woken, 0, "nobody is woken for that");
    ok(finish(zone, key(1, 1), 2, answer(NGX_COUNTERS_DATA, "new",
                                         NOW + 11003), NOW + 11003),
       "the other may");
    ok(has_body(zone, key(1, 1), "new"), "and has");
    is_int(woken, 6, "both are woken");

    /* in flight: the portal's timeout and a second */

    zone->conf.bucket.rate = 0;
    accept_cred(zone, 2);

    queue(zone, key(2, 1), 1, NGX_COUNTERS_WAITING, NOW);
    is_int(dispatch(zone, 1, NOW), NGX_OK, "a call leaves");
    look(zone, key(2, 1), NOW + 11000);
    ok(view.flying, "it shows");
    is_int(lease(zone, key(2, 1), 2, NGX_COUNTERS_WAITING, NOW + 11000),
           NGX_AGAIN, "a flight is waited for");
    look(zone, key(2, 1), NOW + 11001);
    ok(!view.flying, "for as long as it may take");
    is_int(lease(zone, key(2, 1), 2, NGX_COUNTERS_WAITING, NOW + 11001),
           NGX_OK, "then given up");
    is_int(zone->sh->vars.nflying, 0, "it does not fly any more");

    /* in the queue there is no lease */

    enqueue(zone, key(2, 1), 2, NGX_COUNTERS_WAITING, NOW + 11001);
    is_int(lease(zone, key(2, 1), 1, NGX_COUNTERS_WAITING, NOW + HOUR),
           NGX_AGAIN, "a place in the queue is kept");

    zone_ok(zone, "leases end");
}


static void
dead_workers(void)
{
    int                   status;
    ngx_pid_t             pid;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    lease(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 3), 1, NGX_COUNTERS_WAITING, NOW);
    is_int(dispatch(zone, 1, NOW), NGX_OK, "one in flight");
    queue(zone, key(1, 2), 1, NGX_COUNTERS_WAITING, NOW);

    is_int(take_over(zone, key(1, 1), 2, NOW), NGX_AGAIN,
           "the owner is alive: its lease is kept");
    is_int(take_over(zone, key(1, 2), 2, NOW), NGX_AGAIN, "queued");
    is_int(take_over(zone, key(1, 3), 2, NOW), NGX_AGAIN, "in flight");

    workers_alive &= ~(ngx_uint_t) 2;

    is_int(lease(zone, key(1, 1), 2, NGX_COUNTERS_WAITING, NOW), NGX_AGAIN,
           "it is dead, but nobody looks");
    is_int(take_over(zone, key(1, 1), 2, NOW), NGX_OK,
           "a dead worker's lease is taken over");
    is_int(take_over(zone, key(1, 2), 2, NOW), NGX_OK, "queued");
    is_int(take_over(zone, key(1, 3), 2, NOW), NGX_OK, "in flight");

    is_int(zone->sh->vars.nflying, 0, "nothing flies");
    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_WAITING], 0, "nothing is queued");

    ok(finish(zone, key(1, 3), 2, answer(NGX_COUNTERS_DATA, "a", NOW), NOW),
       "the new owner stores the answer");
    ok(woken & 2, "whoever has the dead one's slot is woken too");

    zone_ok(zone, "dead workers");

    /* a real one */

    pid = fork();

    if (pid == 0) {
        pause();
        _exit(0);
    }

    workers[1].pid = pid;
    lease(zone, key(1, 4), 1, NGX_COUNTERS_WAITING, NOW);
    is_int(take_over(zone, key(1, 4), 2, NOW), NGX_AGAIN, "a process lives");

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    is_int(take_over(zone, key(1, 4), 2, NOW), NGX_OK, "and is no more");

    zone_ok(zone, "a dead process");
}


static void
full_queue(void)
{
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(32 * 1024 * 1024);
    accept_cred(zone, 1);
    accept_cred(zone, 3);
    accept_cred(zone, 4);

    for (i = 0, n = 0; i < 14000; i++) {
        n += (queue(zone, key(3, i), 0, NGX_COUNTERS_WAITING, NOW) == NGX_OK);
    }

    is_int(n, 5000, "one of many credentials has a quarter of the places");
    is_int(queue(zone, key(4, 1), 0, NGX_COUNTERS_WAITING, NOW), NGX_OK,
           "another one finds its own");
    zone_ok(zone, "a greedy credential");

    /* the managed webhook is everybody's */

    zone = zone_new(32 * 1024 * 1024);
    zone->common = 1;
    ngx_memcpy(zone->common_cred, digest(1), NGX_COUNTERS_DIGEST_LEN);

    for (i = 0, n = 0; i < 20010; i++) {
        n += (queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW)
              == NGX_BUSY);
    }

    is_int(n, 10, "20,000 calls fit into the queue");
    ok(zone_find(zone, key(1, 20005)) == NULL, "others leave no trace");

    for (i = 0, n = 0; i < 2010; i++) {
        n += (queue(zone, key(2 + i % 400, i), 0, NGX_COUNTERS_WAITING, NOW)
              == NGX_BUSY);
    }

    is_int(n, 10, "and 2,000 of the unknown");

    zone_ok(zone, "a full queue");

    /* a smaller zone has room for fewer, and keeps what it has */

    zone = zone_new(1024 * 1024);
    zone->common = 1;
    ngx_memcpy(zone->common_cred, digest(1), NGX_COUNTERS_DIGEST_LEN);

    for (i = 0; i < 100; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "{}", NOW));
    }

    for (i = 0, n = 0; i < 5000; i++) {
        n += (queue(zone, key(100 + i, i), 0, NGX_COUNTERS_WAITING, NOW)
              == NGX_OK);
    }

    ok(n > 100 && n < 130, "few of those whom nobody knows");

    for (i = 0, n = 0; i < 5000; i++) {
        n += (queue(zone, key(1, 1000 + i), 0, NGX_COUNTERS_WAITING, NOW)
              == NGX_OK);
    }

    ok(n > 800 && n < 1024, "more of the others");

    for (i = 0, n = 0; i < 100; i++) {
        n += has_body(zone, key(1, i), "{}");
    }

    is_int(n, 100, "and all that is answered stays");
    zone_ok(zone, "a small zone");
}


/* one key that fails is not asked for at once, nor ever more seldom */

static void
retries(void)
{
    uint64_t              now, longest;
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));

    now = NOW + MINUTE;
    longest = 0;

    for (i = 0; i < 40; i++) {
        put(zone, key(1, 1), answer(NGX_COUNTERS_FAILURE, "down", now));
        look(zone, key(1, 1), now);
        longest = ngx_max(longest, view.hold_until - now);
        now = view.hold_until;
    }

    ok(longest > 15000 && longest <= 30000, "half a minute at most: %d",
       (int) longest);
    look(zone, key(1, 2), now);
    is_int(view.hold, NGX_COUNTERS_OPEN, "another key may be asked for");

    put(zone, key(1, 1), answer(NGX_COUNTERS_FAILURE, "down", now));

    /* the portal was held, and is good again */

    for (i = 0; i < 3; i++) {
        ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, now, 0);
    }

    ngx_counters_quota_portal_good(zone, now + 100);
    look(zone, key(1, 1), now + 100);
    is_int(view.hold, NGX_COUNTERS_OPEN, "the portal is back, and so are all");

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "b", now + 200));
    put(zone, key(1, 1), answer(NGX_COUNTERS_FAILURE, "down", now + 300));
    look(zone, key(1, 1), now + 300);
    ok(view.hold_until <= now + 1300, "a good answer starts from the first");

    zone_ok(zone, "retries");
}


/* a lock never waits, and a place that is gone is nobody's */

static void
gone(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);

    is_int(finish(zone, key(1, 1), 0, answer(NGX_COUNTERS_DATA, "a", NOW),
                  NOW), 0, "an answer for a key that is not there");
    is_int(woken, 0, "wakes nobody");
    is_int(ngx_counters_refusal_pending(zone, digest(1)), 0,
           "nothing is queued");
    is_int(dispatch(zone, 0, NOW), NGX_DONE, "nor to be sent");

    lease(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
    finish(zone, key(1, 1), 0, NULL, NOW);
    is_int(finish(zone, key(1, 1), 0, answer(NGX_COUNTERS_DATA, "a", NOW),
                  NOW), 0, "nor is one that comes after its lease");

    /* queued, then answered otherwise */

    queue(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW);
    ok(finish(zone, key(1, 2), 0, redis("a", NOW), NOW),
       "an answer ends a place in the queue");
    is_int(dispatch(zone, 0, NOW), NGX_DONE, "it does not leave");

    zone_ok(zone, "gone");
}


int
test_lease(void)
{
    leases();
    leases_end();
    dead_workers();
    full_queue();
    retries();
    gone();

    return done();
}


/* as a waiting worker looks whether those it waits for are alive */

static ngx_int_t
take_over(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_uint_t worker, uint64_t now)
{
    ngx_counters_ask_t  ask;

    ngx_memzero(&ask, sizeof(ask));

    ask.class = NGX_COUNTERS_WAITING;
    ask.lease = 11000;
    ask.wait = 1;
    ask.force = 0;
    ask.check = 1;

    return ngx_counters_lease_acquire(zone, key, &workers[worker], &ask, now);
}
