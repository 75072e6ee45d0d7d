
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_queue.c: one refresh per key over all workers, in which order
 * they leave, and when not.
 */


#include <sys/wait.h>

#include "zone_test.h"


#define ZONE  (2 * 1024 * 1024)

#define MINUTE  60000ULL
#define HOUR    3600000ULL


static void accept_cred(ngx_counters_zone_t *zone, ngx_uint_t cred);
static ngx_int_t take_over(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, ngx_uint_t worker, uint64_t now);
static ngx_uint_t drain(ngx_counters_zone_t *zone, ngx_uint_t worker,
    uint64_t now, ngx_uint_t max);
static ngx_int_t next(ngx_counters_zone_t *zone, ngx_uint_t worker,
    uint64_t now);
static const char *users(void);
static ngx_counters_key_t *im(ngx_uint_t cred, uint64_t user);
static ngx_uint_t has_all(void *data, const u_char *digest);
static ngx_uint_t has_first(void *data, const u_char *digest);


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

    is_int(ngx_counters_zone_acquire(zone, key(1, 1), &workers[1], &ask,
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
    is_int(zone->sh->nflying, 0, "it does not fly any more");

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

    is_int(zone->sh->nflying, 0, "nothing flies");
    is_int(zone->sh->nqueued[NGX_COUNTERS_WAITING], 0, "nothing is queued");

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
classes(void)
{
    ngx_uint_t            i, n, counts[NGX_COUNTERS_CLASSES];
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    queue(zone, key(2, 40), 0, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 30), 0, NGX_COUNTERS_AHEAD, NOW + 1);
    queue(zone, key(1, 20), 0, NGX_COUNTERS_STALE, NOW + 2);
    queue(zone, key(1, 10), 0, NGX_COUNTERS_WAITING, NOW + 3);
    queue(zone, key(1, 11), 0, NGX_COUNTERS_WAITING, NOW + 4);

    is_int(zone->sh->nqueued[NGX_COUNTERS_UNKNOWN], 1,
           "a credential never accepted has a class of its own");
    is_int(queue(zone, key(1, 20), 1, NGX_COUNTERS_STALE, NOW + 5), NGX_AGAIN,
           "a key is queued once");

    next(zone, 0, NOW + 5);
    is_str(users(), strlen(users()), "10", "clients that wait come first");
    next(zone, 0, NOW + 5);
    is_str(users(), strlen(users()), "11", "in their order");
    next(zone, 0, NOW + 5);
    is_str(users(), strlen(users()), "20", "then stale entries");
    next(zone, 0, NOW + 5);
    is_str(users(), strlen(users()), "30", "then those that nobody asks for");
    next(zone, 0, NOW + 5);
    is_str(users(), strlen(users()), "40", "and last the unknown");
    is_int(dispatch(zone, 0, NOW + 5), NGX_DONE, "that is all");
    is_int(zone->sh->nflying, 5, "five are in flight");

    zone_ok(zone, "classes");

    /* a client asks for what was to be refreshed anyway */

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    queue(zone, key(1, 1), 0, NGX_COUNTERS_AHEAD, NOW);
    queue(zone, key(1, 2), 0, NGX_COUNTERS_AHEAD, NOW);
    queue(zone, key(1, 3), 0, NGX_COUNTERS_STALE, NOW);
    queue(zone, key(2, 4), 0, NGX_COUNTERS_STALE, NOW);

    lease(zone, key(1, 2), 1, NGX_COUNTERS_STALE, NOW);
    lease(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW);
    lease(zone, key(1, 3), 1, NGX_COUNTERS_AHEAD, NOW);
    lease(zone, key(2, 4), 1, NGX_COUNTERS_WAITING, NOW);

    next(zone, 0, NOW);
    is_str(users(), strlen(users()), "1", "a class rises with who asks");
    next(zone, 0, NOW);
    is_str(users(), strlen(users()), "3", "behind those that were there");
    next(zone, 0, NOW);
    is_str(users(), strlen(users()), "2", "and does not fall");
    next(zone, 0, NOW);
    is_str(users(), strlen(users()), "4", "that of the unknown does not rise");

    zone_ok(zone, "classes that rise");

    ngx_counters_zone_revoke(zone, digest(1), NOW + 1000);
    queue(zone, key(1, 50), 0, NGX_COUNTERS_WAITING, NOW + 2000);
    is_int(zone->sh->nqueued[NGX_COUNTERS_UNKNOWN], 1,
           "a credential that was refused is not known any more");

    /* the managed webhook is known from the start */

    zone = zone_new(ZONE);
    zone->common = 1;
    ngx_memcpy(zone->common_cred, digest(7), NGX_COUNTERS_DIGEST_LEN);

    queue(zone, key(7, 1), 1, NGX_COUNTERS_WAITING, NOW);
    is_int(zone->sh->nqueued[NGX_COUNTERS_WAITING], 1,
           "the managed webhook is no unknown");
    is_int(dispatch(zone, 0, NOW), NGX_OK, "and every worker has it");

    /* with all classes full none has to wait for ever */

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    for (i = 0; i < 800; i++) {
        n = i % NGX_COUNTERS_CLASSES;
        queue(zone, key(n == NGX_COUNTERS_UNKNOWN ? 2 : 1, i), 0, n, NOW);
    }

    ngx_memzero(counts, sizeof(counts));

    for (i = 0; i < 80; i++) {
        dispatch(zone, 0, NOW);
        counts[flight.keys[0].user % NGX_COUNTERS_CLASSES]++;
    }

    is_int(counts[NGX_COUNTERS_WAITING], 50, "of 80 calls, clients' first");
    is_int(counts[NGX_COUNTERS_STALE], 10, "but stale ones have turns");
    is_int(counts[NGX_COUNTERS_AHEAD], 10, "those ahead as well");
    is_int(counts[NGX_COUNTERS_UNKNOWN], 10, "and the unknown");

    zone_ok(zone, "turns");
}


static void
batches(void)
{
    ngx_uint_t            i, n, order;
    ngx_counters_key_t    keys[50];
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->conf.batch = 50;
    zone->conf.batch_wait = 5;
    accept_cred(zone, 1);
    accept_cred(zone, 2);

    /* from all workers, as many as fit; another credential's stay */

    for (i = 0; i < 60; i++) {
        queue(zone, key(1, i), i % WORKERS, NGX_COUNTERS_WAITING, NOW + i);
    }

    queue(zone, key(2, 99), 1, NGX_COUNTERS_WAITING, NOW + 10);

    is_int(ngx_counters_zone_pending(zone, digest(1)), 60, "sixty are queued");
    is_int(dispatch(zone, 0, NOW + 61), NGX_OK, "a batch leaves");
    is_int(flight.n, 50, "full");

    for (i = 0, order = 0; i < flight.n; i++) {
        order += (flight.keys[i].user == i
                  && ngx_memcmp(flight.keys[i].cred, flight.cred, 32) == 0);
    }

    is_int(order, 50, "of one credential, the oldest first");
    is_int(ngx_counters_zone_pending(zone, digest(1)), 60,
           "a credential in flight is needed as much");
    is_int(lease(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW + 61),
           NGX_AGAIN, "what another worker has asked for flies too");

    finish(zone, key(1, 1), 0, answer(NGX_COUNTERS_DATA, "a", NOW + 90),
           NOW + 90);
    is_int(woken, 2, "and it is woken");

    next(zone, 2, NOW + 2000);
    is_int(flight.n, 10, "then the rest");

    zone_ok(zone, "batches");

    /* all classes go along, in their order */

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->conf.batch = 4;
    accept_cred(zone, 1);

    queue(zone, key(1, 30), 0, NGX_COUNTERS_AHEAD, NOW);
    queue(zone, key(1, 20), 0, NGX_COUNTERS_STALE, NOW);
    queue(zone, key(1, 10), 0, NGX_COUNTERS_WAITING, NOW);
    queue(zone, im(1, 11), 0, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 21), 0, NGX_COUNTERS_STALE, NOW);

    next(zone, 0, NOW + 2000);
    is_str(users(), strlen(users()), "10 11 20 21", "company of all classes");

    /* back, in the same order, to the front */

    ngx_memcpy(keys, flight.keys, sizeof(keys));
    queue(zone, key(1, 12), 0, NGX_COUNTERS_WAITING, NOW + 2000);

    for (i = 4; i-- > 0; /* void */) {
        is_int(ngx_counters_zone_enqueue(zone, &keys[i], &workers[0],
                                         NGX_COUNTERS_WAITING, 1,
                                         NOW + 2000), NGX_OK,
               "a call that came to nothing returns");
    }

    is_int(zone->sh->nflying, 0, "nothing flies");
    is_int(zone->sh->nqueued[NGX_COUNTERS_STALE], 2, "to their own classes");

    next(zone, 0, NOW + 5000);
    is_str(users(), strlen(users()), "10 11",
           "halved, the oldest are the first again");
    is_int(flight.split, 1, "once");

    for (i = 2; i-- > 0; /* void */) {
        ngx_counters_zone_enqueue(zone, &flight.keys[i], &workers[0],
                                  NGX_COUNTERS_WAITING, 7, NOW + 5000);
    }

    next(zone, 0, NOW + 8000);
    is_str(users(), strlen(users()), "10", "alone");
    next(zone, 0, NOW + 8000);
    is_str(users(), strlen(users()), "11", "alone");
    next(zone, 0, NOW + 8000);
    is_str(users(), strlen(users()), "12 30", "whole again");
    next(zone, 0, NOW + 8000);
    is_str(users(), strlen(users()), "20 21", "halves apart");

    zone_ok(zone, "split");

    /* waiting for company */

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->conf.batch = 10;
    zone->conf.batch_wait = 5;
    accept_cred(zone, 1);
    accept_cred(zone, 2);

    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
    is_int(dispatch(zone, 0, NOW), NGX_AGAIN, "one waits for company");
    ok(delay >= 1 && delay <= 5, "a while");
    is_int(dispatch(zone, 0, NOW + 4), NGX_AGAIN, "still");
    is_int(dispatch(zone, 0, NOW + 5), NGX_OK, "then leaves without");

    for (i = 0; i < 10; i++) {
        queue(zone, key(1, 10 + i), 0, NGX_COUNTERS_WAITING, NOW + 100);
    }

    is_int(dispatch(zone, 0, NOW + 100), NGX_OK, "a full batch leaves at once");
    is_int(flight.n, 10, "full");

    queue(zone, key(1, 30), 0, NGX_COUNTERS_WAITING, NOW + 200);

    for (i = 0; i < 10; i++) {
        queue(zone, key(2, i), 0, NGX_COUNTERS_WAITING, NOW + 201);
    }

    for (n = 0; dispatch(zone, 0, NOW + 202 + n) == NGX_AGAIN; n++) {
        /* void */
    }

    ok(n < 5, "who waits for company holds nobody up for long");
    is_int(drain(zone, 0, NOW + 210, 10), 1, "and leaves in the end");

    /* for as long as it keeps coming, and not for ever */

    zone->conf.batch = 50;

    for (n = 0; n < 20; n++) {
        queue(zone, key(1, 100 + n), 0, NGX_COUNTERS_WAITING,
              NOW + 300 + 4 * n);
        is_int(dispatch(zone, 0, NOW + 300 + 4 * n), NGX_AGAIN, "one more");
    }

    is_int(dispatch(zone, 0, NOW + 380), NGX_AGAIN, "perhaps another");
    is_int(dispatch(zone, 0, NOW + 381), NGX_OK, "none has come");
    is_int(flight.n, 20, "together");

    for (n = 0; n < 40; n++) {
        queue(zone, key(1, 200 + n), 0, NGX_COUNTERS_WAITING,
              NOW + 400 + 4 * n);

        if (dispatch(zone, 0, NOW + 400 + 4 * n) == NGX_OK) {
            break;
        }
    }

    is_int(n, 25, "20 times as long as for one");
    is_int(flight.n, 26, "with all that came");

    zone->conf.batch = 10;

    /* another worker's time may be a little ahead */

    zone->conf.batch = 50;
    queue(zone, key(1, 300), 0, NGX_COUNTERS_WAITING, NOW + 620);
    is_int(dispatch(zone, 1, NOW + 600), NGX_AGAIN, "from a time to come");
    is_int(dispatch(zone, 0, NOW + 625), NGX_OK, "which has come");
    zone->conf.batch = 10;

    /* a clock set back makes nobody wait */

    queue(zone, key(1, 40), 0, NGX_COUNTERS_WAITING, NOW + 1000);
    is_int(dispatch(zone, 0, NOW - HOUR), NGX_OK, "nor a clock set back");

    zone_ok(zone, "company");
}


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
        ngx_counters_zone_passed(zone, NOW);
    }

    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
    is_int(dispatch(zone, 0, NOW), NGX_AGAIN, "requests passed on use it up");
    is_int(dispatch(zone, 0, NOW + 3100), NGX_OK, "until it has drained");

    /* no limit, no reserve */

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


/* the head is another worker's */

static void
offers(void)
{
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    queue(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 3), 1, NGX_COUNTERS_WAITING, NOW);

    is_int(dispatch(zone, 0, NOW), NGX_BUSY, "the head is another worker's");
    is_int(slot, 1, "which is to be woken");
    ok(delay > 0 && delay <= 250, "and has a while");
    is_int(dispatch(zone, 1, NOW + 10), NGX_OK, "it takes it");
    is_str(users(), strlen(users()), "1", "in its turn");
    is_int(dispatch(zone, 1, NOW + 10), NGX_BUSY, "the next is not its own");
    is_int(slot, 0, "either");
    is_int(dispatch(zone, 0, NOW + 10), NGX_OK, "but the other's");
    is_int(dispatch(zone, 0, NOW + 20), NGX_BUSY, "and so on");

    /* it does not come: others first, and no more offers for a second */

    queue(zone, key(1, 4), 0, NGX_COUNTERS_WAITING, NOW + 20);

    for (i = 10; i < 30; i++) {
        queue(zone, key(1, i), 1, NGX_COUNTERS_WAITING, NOW + 20);
    }

    queue(zone, key(1, 5), 0, NGX_COUNTERS_WAITING, NOW + 20);

    is_int(dispatch(zone, 0, NOW + 269), NGX_BUSY, "a quarter of a second");
    is_int(dispatch(zone, 0, NOW + 270), NGX_OK, "then others leave");
    is_str(users(), strlen(users()), "4", "in their order");
    is_int(dispatch(zone, 0, NOW + 270), NGX_OK, "without more offers");
    is_str(users(), strlen(users()), "5", "to the one that did not come");
    is_int(dispatch(zone, 0, NOW + 270), NGX_AGAIN, "only its own are left");
    ok(delay > 0 && delay <= 1000, "and are looked at again");

    is_int(dispatch(zone, 1, NOW + 270), NGX_OK, "it may come any time");
    is_str(users(), strlen(users()), "3", "nothing of its order is lost");

    zone_ok(zone, "offers");

    /* as long as there is no quota nobody has to come */

    zone = zone_new(ZONE);
    accept_cred(zone, 1);

    for (i = 0; i < 40; i++) {
        ngx_counters_zone_passed(zone, NOW);
    }

    for (i = 0; i < 8; i++) {
        queue(zone, key(1, i), i % 2, NGX_COUNTERS_WAITING, NOW);
    }

    for (i = 0; i < 100; i++) {
        if (dispatch(zone, 0, NOW + i * 10) != NGX_AGAIN
            || dispatch(zone, 1, NOW + i * 10) != NGX_AGAIN)
        {
            break;
        }
    }

    is_int(i, 100, "without quota nothing is offered");

    for (i = 0, n = 0; i < 8; i++) {

        if (dispatch(zone, i % 2, NOW + 10000) != NGX_OK) {
            break;
        }

        n += (flight.keys[0].user == i);
    }

    is_int(n, 8, "and everybody keeps their place");
    zone_ok(zone, "no quota, no offers");

    /* nor is an offer over that could not be taken */

    zone = zone_new(ZONE);
    accept_cred(zone, 1);
    queue(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW);

    is_int(dispatch(zone, 0, NOW), NGX_BUSY, "it is offered");

    for (i = 0; i < 40; i++) {
        ngx_counters_zone_passed(zone, NOW + 10);
    }

    is_int(dispatch(zone, 0, NOW + 100), NGX_AGAIN, "there is no quota");
    is_int(dispatch(zone, 0, NOW + 2000), NGX_BUSY, "it is offered again");
    is_int(delay, 250, "as long as before");

    ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_OVERLOADED, NOW + 2100,
                                  NOW + 4000);
    is_int(dispatch(zone, 0, NOW + 2200), NGX_AGAIN, "there is a hold");
    is_int(dispatch(zone, 0, NOW + 4000), NGX_BUSY, "it is offered again");
    is_int(delay, 250, "as long as before");

    zone_ok(zone, "offers that cannot be taken");

    /* a dead worker's places are given up, all at once */

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    for (i = 0; i < 300; i++) {
        queue(zone, key(1, i), 1, NGX_COUNTERS_WAITING, NOW);
    }

    queue(zone, key(1, 1000), 0, NGX_COUNTERS_WAITING, NOW);

    workers_alive &= ~(ngx_uint_t) 2;

    is_int(dispatch(zone, 0, NOW), NGX_OK, "nobody waits for the dead");
    is_str(users(), strlen(users()), "1000", "whose places are given up");
    is_int(zone->sh->nqueued[NGX_COUNTERS_WAITING], 0, "all at once");
    is_int(lease(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW), NGX_OK,
           "others may ask for them again");

    zone_ok(zone, "the dead");

    /* what is queued too long is forgotten */

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW + MINUTE);
    is_int(dispatch(zone, 0, NOW + 5 * MINUTE), NGX_OK, "after five minutes");
    is_str(users(), strlen(users()), "2", "a place is given up");
    is_int(lease(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW + 5 * MINUTE),
           NGX_OK, "and may be asked for again");

    zone_ok(zone, "queued too long");

    /* made-up credentials do not keep a new one waiting for minutes */

    for (i = 0; i < 2; i++) {

        zone = zone_new(ZONE);
        zone->conf.bucket.rate = 0;
        zone->sh->trust = i;

        for (n = 0; n < 50; n++) {
            queue(zone, key(100 + n, 1), 0, NGX_COUNTERS_WAITING, NOW);
        }

        queue(zone, key(200, 2), 0, NGX_COUNTERS_WAITING, NOW + 11000);
        next(zone, 0, NOW + 11000);
        is_str(users(), strlen(users()), i ? "1" : "2",
               i ? "new ones take turns" : "unless the last were refused");
        zone_ok(zone, "doubtful ones");
    }
}


static void
full_queue(void)
{
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(32 * 1024 * 1024);
    accept_cred(zone, 1);

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

    ok(!ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0)
       && !ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0),
       "two failures are none");
    is_int(dispatch(zone, 0, NOW), NGX_OK, "calls go on");

    ngx_counters_zone_portal_good(zone, NOW);
    ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0);
    ok(!ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0),
       "nor are two after a good answer");
    ok(ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0),
       "three in a row are");

    look(zone, key(1, 100), NOW);
    is_int(view.hold, NGX_COUNTERS_BACKOFF, "which shows");
    until = view.hold_until;
    ok(until > NOW && until <= NOW + 500, "for half a second at most");

    is_int(dispatch(zone, 0, NOW), NGX_AGAIN, "nothing leaves");
    is_int(delay, until - NOW, "until it is over");

    ok(!ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0),
       "more failures at that time are the same one");

    is_int(dispatch(zone, 0, until), NGX_OK, "then one call is tried");
    is_int(dispatch(zone, 0, until), NGX_AGAIN, "one");
    look(zone, key(1, 100), until);
    is_int(view.hold, NGX_COUNTERS_BACKOFF, "the portal is not open yet");

    longest = 0;
    now = until;

    for (i = 0; i < 10; i++) {
        ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, now, 0);
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

    ok(ngx_counters_zone_portal_good(zone, now + 11000), "a good one lifts");
    ok(!ngx_counters_zone_portal_good(zone, now + 11000), "once");
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

    ok(ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW, 0),
       "a limit is one at once");

    look(zone, key(1, 100), NOW);
    is_int(view.hold, NGX_COUNTERS_LIMITED, "which shows");
    ok(view.hold_until > NOW && view.hold_until <= NOW + 1000,
       "for a second at most");
    ok(!ngx_counters_zone_portal_good(zone, NOW + 100),
       "an answer under way does not lift it");
    is_int(dispatch(zone, 0, NOW + 1000), NGX_AGAIN,
           "when it is over the bucket is full");
    ok(dispatch(zone, 0, NOW + 5000) == NGX_AGAIN
       && dispatch(zone, 0, NOW + 7000) == NGX_OK, "and has to drain first");

    ok(ngx_counters_zone_portal_good(zone, NOW + 7100), "then it is lifted");

    /* one seen again in the meantime fills the bucket again */

    ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW + 20000,
                                  NOW + 40000);
    ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW + 39000,
                                  NOW + 40000);
    is_int(zone->sh->bucket.level, 50000, "each limit answer fills it");

    /* the time the portal gave, within ten minutes */

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);
    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);

    ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_OVERLOADED, NOW,
                                  NOW + 100 * MINUTE);
    look(zone, key(1, 100), NOW);
    is_int(view.hold, NGX_COUNTERS_OVERLOADED, "overloaded");
    is_int(view.hold_until, NOW + 10 * MINUTE, "for ten minutes at most");
    is_int(dispatch(zone, 0, NOW), NGX_AGAIN, "so long");
    ok(delay > 0 && delay <= 10 * MINUTE, "one looks again in between");

    /* neither a failure nor a limit cuts it short */

    ok(!ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW, 0)
       && !ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0)
       && !ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0)
       && !ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, NOW, 0),
       "the shorter of two holds changes nothing");
    look(zone, key(1, 100), NOW);
    ok(view.hold == NGX_COUNTERS_OVERLOADED
       && view.hold_until == NOW + 10 * MINUTE, "nothing at all");
    is_int(zone->sh->failures, 1, "not even what comes next");

    queue(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW + 10 * MINUTE);
    is_int(dispatch(zone, 0, NOW + 10 * MINUTE), NGX_OK, "then one is tried");

    ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_OVERLOADED,
                                  NOW + 10 * MINUTE, 0);
    look(zone, key(1, 100), NOW + 10 * MINUTE);
    ok(view.hold_until > NOW + 11 * MINUTE - 1000
       && view.hold_until <= NOW + 12 * MINUTE, "and it is held longer");

    /* a longer one does */

    zone = zone_new(ZONE);
    ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW, 0);
    ok(ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_OVERLOADED, NOW,
                                     NOW + MINUTE),
       "the longer of two holds counts");
    look(zone, key(1, 100), NOW);
    is_int(view.hold, NGX_COUNTERS_OVERLOADED, "it does");

    zone_ok(zone, "limits");
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
    ngx_counters_zone_method_hold(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                  NOW + MINUTE);

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

    /* to be tried alone: not in another method's batch either */

    ngx_counters_zone_method_hold(zone, digest(1), NGX_COUNTERS_TASKS,
                                  NOW + HOUR, 0);
    look(zone, key(1, 2), NOW + HOUR);
    is_int(view.hold_until, NOW + HOUR + MINUTE, "a minute if none is said");

    queue(zone, im(1, 30), 0, NGX_COUNTERS_WAITING, NOW + HOUR + MINUTE);

    for (i = 31; i < 40; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_WAITING, NOW + HOUR + MINUTE);
    }

    next(zone, 0, NOW + HOUR + MINUTE + 2000);
    is_str(users(), strlen(users()), "30", "the call tried is no company");
    next(zone, 0, NOW + HOUR + MINUTE + 2000);
    is_str(users(), strlen(users()), "31", "it is tried alone");

    ngx_counters_zone_method_hold(zone, digest(1), NGX_COUNTERS_TASKS,
                                  NOW + 2 * HOUR, NOW + 9 * HOUR);
    look(zone, key(1, 2), NOW + 2 * HOUR);
    is_int(view.hold_until, NOW + 2 * HOUR + 10 * MINUTE,
           "ten minutes at most");

    zone_ok(zone, "a method's holds");

    /* the managed webhook is refused: its data stays */

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->common = 1;
    ngx_memcpy(zone->common_cred, digest(7), NGX_COUNTERS_DIGEST_LEN);

    put(zone, key(7, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    ngx_counters_zone_refused_hold(zone, NOW + 100);

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
    is_int(ngx_counters_zone_refused(zone, key(7, 3)), 0, "and all is well");

    zone_ok(zone, "a refused webhook");
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

    ngx_counters_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS, NOW,
                                480000, NOW / 1000 + 100);
    ngx_counters_zone_operating(zone, digest(1), NGX_COUNTERS_IM, NOW,
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

    ngx_counters_zone_operating(zone, digest(1), NGX_COUNTERS_TASKS,
                                NOW + 100000, 0, NOW / 1000 + 700);
    is_int(drain(zone, 0, NOW + 100000, 10), 10, "a good answer frees all");

    zone_ok(zone, "operating time");
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
        ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, now, 0);
    }

    ngx_counters_zone_portal_good(zone, now + 100);
    look(zone, key(1, 1), now + 100);
    is_int(view.hold, NGX_COUNTERS_OPEN, "the portal is back, and so are all");

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "b", now + 200));
    put(zone, key(1, 1), answer(NGX_COUNTERS_FAILURE, "down", now + 300));
    look(zone, key(1, 1), now + 300);
    ok(view.hold_until <= now + 1300, "a good answer starts from the first");

    zone_ok(zone, "retries");
}


static void
refresh_ahead(void)
{
    uint64_t              first;
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->conf.ahead = 300000;

    /* fetched one a second, the latest first asked for */

    for (i = 0; i < 20; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "a", NOW + i * 1000));
    }

    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 50000, has_all,
                                   NULL), 0, "nothing is due yet");
    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 57000, has_all,
                                   NULL), 1, "three seconds ahead one is");
    is_int(ngx_counters_zone_ahead(zone, &workers[1], NOW + 57000, has_all,
                                   NULL), 0, "which is queued once");
    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 61000, has_all,
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

    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 77000, has_all,
                                   NULL), 15, "those that are left");
    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 118000, has_all,
                                   NULL), 5, "and the first again");
    zone_ok(zone, "refresh-ahead");

    /* only what was asked for lately, and by whoever can */

    zone = zone_new(ZONE);
    zone->conf.ahead = 300000;

    for (i = 0; i < 30; i++) {
        put(zone, key(i % 3, i), answer(NGX_COUNTERS_DATA, "a", NOW));
    }

    for (i = 0; i < 30; i += 2) {
        zone_find(zone, key(i % 3, i))->asked = NOW - 300000;
    }

    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 60000, has_first,
                                   NULL), 5,
           "those asked for lately whose credential is here");
    is_int(ngx_counters_zone_ahead(zone, &workers[1], NOW + 60000, has_all,
                                   NULL), 10, "another worker has the others");
    is_int(zone->sh->nqueued[NGX_COUNTERS_AHEAD], 15, "all in their class");
    is_int(lease(zone, key(1, 1), 0, NGX_COUNTERS_STALE, NOW + 60000),
           NGX_AGAIN, "one is asked for");
    is_int(zone->sh->nqueued[NGX_COUNTERS_STALE], 1, "and rises");

    for (n = 0, i = 0; i < 30; i += 2) {
        look(zone, key(i % 3, i), NOW + 61000);
        n += (put(zone, key(i % 3, i),
                  answer(NGX_COUNTERS_DATA, "c", NOW + 61000)));
    }

    is_int(n, 15, "those not asked for are refreshed when they are");
    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 121000, has_all,
                                   NULL), 15, "and then kept fresh again");

    zone_ok(zone, "asked for lately");

    /* a hold, of the portal or of the key */

    zone = zone_new(ZONE);
    zone->conf.ahead = 300000;

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 2), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 1), answer(NGX_COUNTERS_FAILURE, "f", NOW + 59900));

    ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW + 60000,
                                  NOW + 60100);
    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 60000, has_all,
                                   NULL), 0, "not while the portal is held");
    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 60100, has_all,
                                   NULL), 1, "nor what has just failed");

    zone_ok(zone, "holds");

    /* each method has a ttl of its own, and a new configuration new ones */

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

    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 60000, has_all,
                                   NULL), 50,
           "those that live longer do not hide the others");

    for (n = 0; n < 10; n++) {
        ngx_counters_zone_ahead(zone, &workers[0], NOW + 60000, has_all,
                                NULL);
    }

    is_int(zone->sh->nqueued[NGX_COUNTERS_AHEAD], 50,
           "who are looked at in vain");

    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 598000, has_all,
                                   NULL), 0, "nor when nobody asked");

    for (i = 0; i < 50; i++) {
        look(zone, im(1, i), NOW + 400000);
    }

    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 598000, has_all,
                                   NULL), 0, "asked for too late for that");

    for (i = 0; i < 10; i++) {
        put(zone, im(1, i), answer(NGX_COUNTERS_DATA, "a", NOW + 600000));
    }

    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 658000, has_all,
                                   NULL), 10, "each method has its turn");

    /* what was marked stale is due, though it is not the oldest */

    zone = zone_new(ZONE);
    zone->conf.ahead = 300000;

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 2), answer(NGX_COUNTERS_DATA, "a", NOW));
    ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW + 100);
    is_int(ngx_counters_zone_ahead(zone, &workers[0], NOW + 200, has_all,
                                   NULL), 2, "marked entries are refreshed");

    zone_ok(zone, "ttls");
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

    ngx_counters_zone_expire(zone, NOW, 10);

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 2), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 2), answer(NGX_COUNTERS_FAILURE, "f", NOW));
    put(zone, key(1, 3), answer(NGX_COUNTERS_NEGATIVE, "no", NOW));
    put(zone, key(1, 4), answer(NGX_COUNTERS_DATA, "a", NOW));

    ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_OVERLOADED, NOW,
                                  NOW + MINUTE);
    ngx_counters_zone_method_hold(zone, digest(2), NGX_COUNTERS_TASKS, NOW,
                                  0);
    ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW);
    ngx_counters_zone_revoke(zone, digest(3), NOW);

    lease(zone, key(1, 5), 1, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 6), 0, NGX_COUNTERS_WAITING, NOW);

    now = NOW - HOUR;
    ngx_counters_zone_expire(zone, now, 10);

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
    ngx_counters_zone_portal_good(zone, now);

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "b", now + 1));
    look(zone, key(1, 1), now + 1);
    is_int(view.fresh, NGX_COUNTERS_FRESH, "a new answer is fresh");
    ok(put(zone, key(3, 1), answer(NGX_COUNTERS_DATA, "b", now + 1)),
       "and a refusal in the past");

    ok(ngx_counters_zone_ahead(zone, &workers[0], now + 55000, has_all, NULL)
       > 0, "refreshes ahead go on");
    zone_ok(zone, "a clock set back");

    /* the time of one worker may lag behind another's */

    zone = zone_new(ZONE);
    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "a", NOW));
    ngx_counters_zone_expire(zone, NOW + 100, 10);

    for (i = 0; i < 10; i++) {
        ngx_counters_zone_expire(zone, NOW - i * 500, 10);
    }

    look(zone, key(1, 1), NOW);
    is_int(view.fresh, NGX_COUNTERS_FRESH, "a small step is none");
    zone_ok(zone, "clocks that differ");
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
    is_int(ngx_counters_zone_pending(zone, digest(1)), 0, "nothing is queued");
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
test_queue(void)
{
    leases();
    leases_end();
    dead_workers();
    classes();
    batches();
    quota();
    offers();
    full_queue();
    holds();
    limits();
    method_holds();
    operating_time();
    retries();
    refresh_ahead();
    clock_set_back();
    gone();

    return done();
}


/* the portal has accepted it before */

static void
accept_cred(ngx_counters_zone_t *zone, ngx_uint_t cred)
{
    put(zone, key(cred, 999999), answer(NGX_COUNTERS_DATA, "{}",
                                        NOW - 5 * MINUTE));
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

    return ngx_counters_zone_acquire(zone, key, &workers[worker], &ask, now);
}


/* how many flights leave */

static ngx_uint_t
drain(ngx_counters_zone_t *zone, ngx_uint_t worker, uint64_t now,
    ngx_uint_t max)
{
    ngx_uint_t  n;

    for (n = 0; n < max; n++) {
        if (dispatch(zone, worker, now) != NGX_OK) {
            break;
        }
    }

    return n;
}


/* a dispatch that is no class's turn */

static ngx_int_t
next(ngx_counters_zone_t *zone, ngx_uint_t worker, uint64_t now)
{
    zone->sh->turn = 0;

    return dispatch(zone, worker, now);
}


/* who is in the last flight */

static const char *
users(void)
{
    size_t       len;
    ngx_uint_t   i;
    static char  buf[1024];

    buf[0] = '\0';

    for (i = 0, len = 0; i < flight.n; i++) {
        len += sprintf(buf + len, "%s%lu", i ? " " : "",
                       (unsigned long) flight.keys[i].user);
    }

    return buf;
}


static ngx_counters_key_t *
im(ngx_uint_t cred, uint64_t user)
{
    ngx_counters_key_t  *k;

    k = key(cred, user);
    k->method = NGX_COUNTERS_IM;

    return k;
}


static ngx_uint_t
has_all(void *data, const u_char *digest)
{
    return 1;
}


static ngx_uint_t
has_first(void *data, const u_char *cred)
{
    return ngx_memcmp(cred, digest(0), NGX_COUNTERS_DIGEST_LEN) == 0;
}
