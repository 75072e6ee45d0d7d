
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_dispatch.c: what leaves first, in which company, and from which
 * worker.
 */


#include "zone_test.h"


#define ZONE  (2 * 1024 * 1024)

#define MINUTE  60000ULL
#define HOUR    3600000ULL


static void
classes(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    queue(zone, key(2, 40), 0, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 30), 0, NGX_COUNTERS_AHEAD, NOW + 1);
    queue(zone, key(1, 20), 0, NGX_COUNTERS_STALE, NOW + 2);
    queue(zone, key(1, 10), 0, NGX_COUNTERS_WAITING, NOW + 3);
    queue(zone, key(1, 11), 0, NGX_COUNTERS_WAITING, NOW + 4);

    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_UNKNOWN], 1,
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
    is_int(zone->sh->vars.nflying, 5, "five are in flight");

    zone_ok(zone, "classes");
}


/* a client asks for what was to be refreshed anyway */

static void
rising(void)
{
    ngx_counters_zone_t  *zone;

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

    ngx_counters_refusal_revoke(zone, digest(1), NOW + 1000);
    queue(zone, key(1, 50), 0, NGX_COUNTERS_WAITING, NOW + 2000);
    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_UNKNOWN], 1,
           "a credential that was refused is not known any more");
}


/* who has something stands in one line, whoever asks, and keeps the place */

static void
one_line(void)
{
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 2000;
    accept_cred(zone, 1);

    for (i = 1; i < 8; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "a", NOW - HOUR / 2));
    }

    look(zone, key(1, 3), NOW);
    is_int(view.fresh, NGX_COUNTERS_IF_ERROR, "old answers are worth waiting");
    is_int(view.dry, 0, "as there is quota");

    queue(zone, key(1, 1), 0, NGX_COUNTERS_STALE, NOW);
    queue(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW + 1);
    queue(zone, key(1, 3), 0, NGX_COUNTERS_AHEAD, NOW + 2);
    queue(zone, key(1, 4), 0, NGX_COUNTERS_STALE, NOW + 3);
    queue(zone, key(1, 9), 0, NGX_COUNTERS_WAITING, NOW + 4);

    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_STALE], 3, "those who wait too");

    lease(zone, key(1, 4), 0, NGX_COUNTERS_WAITING, NOW + 5);
    lease(zone, key(1, 3), 0, NGX_COUNTERS_WAITING, NOW + 6);
    lease(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW + 7);

    next(zone, 0, NOW + 10);
    is_str(users(), strlen(users()), "9", "who has nothing comes first");
    next(zone, 0, NOW + 10);
    is_str(users(), strlen(users()), "1", "then those who were there");
    next(zone, 0, NOW + 10);
    is_str(users(), strlen(users()), "2", "in their order");

    /* what it had has been purged meanwhile */

    ngx_counters_zone_purge(zone, NULL, NULL, 0, NOW + 11);
    lease(zone, key(1, 3), 0, NGX_COUNTERS_WAITING, NOW + 12);
    next(zone, 0, NOW + 13);
    is_str(users(), strlen(users()), "3", "who has nothing any more, first");
    next(zone, 0, NOW + 13);
    is_str(users(), strlen(users()), "4", "and whoever stays, later");

    zone_ok(zone, "one line");
}


/* the line is as good as spent quota to who comes to its end */

static void
line_and_quota(void)
{
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    accept_cred(zone, 1);

    for (i = 0; i < 60; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "a", NOW - HOUR / 2));
    }

    for (i = 0; i < 29; i++) {
        queue(zone, key(1, i), 0, NGX_COUNTERS_STALE, NOW);
    }

    look(zone, key(1, 50), NOW);
    is_int(view.dry, 0, "thirty may leave at once");
    queue(zone, key(1, 29), 0, NGX_COUNTERS_STALE, NOW);
    look(zone, key(1, 50), NOW);
    is_int(view.dry, 1, "for the next there is nothing left");
    look(zone, key(1, 100), NOW);
    is_int(view.dry, 0, "but who has nothing goes before them all");

    zone_ok(zone, "line and quota");
}


/* the managed webhook is known from the start */

static void
managed_is_known(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->common = 1;
    ngx_memcpy(zone->common_cred, digest(7), NGX_COUNTERS_DIGEST_LEN);

    queue(zone, key(7, 1), 1, NGX_COUNTERS_WAITING, NOW);
    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_WAITING], 1,
           "the managed webhook is no unknown");
    is_int(dispatch(zone, 0, NOW), NGX_OK, "and every worker has it");
}


/* with all classes full none has to wait for ever */

static void
turns(void)
{
    ngx_uint_t            i, n, counts[NGX_COUNTERS_CLASSES];
    ngx_counters_zone_t  *zone;

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
    ngx_uint_t            i, order;
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

    is_int(ngx_counters_refusal_pending(zone, digest(1)), 60,
           "sixty are queued");
    is_int(dispatch(zone, 0, NOW + 61), NGX_OK, "a batch leaves");
    is_int(flight.n, 50, "full");

    for (i = 0, order = 0; i < flight.n; i++) {
        order += (flight.keys[i].user == i
                  && ngx_memcmp(flight.keys[i].cred, flight.cred, 32) == 0);
    }

    is_int(order, 50, "of one credential, the oldest first");
    is_int(ngx_counters_refusal_pending(zone, digest(1)), 60,
           "a credential in flight is needed as much");
    is_int(lease(zone, key(1, 1), 1, NGX_COUNTERS_WAITING, NOW + 61),
           NGX_AGAIN, "what another worker has asked for flies too");

    finish(zone, key(1, 1), 0, answer(NGX_COUNTERS_DATA, "a", NOW + 90),
           NOW + 90);
    is_int(woken, 2, "and it is woken");

    next(zone, 2, NOW + 2000);
    is_int(flight.n, 10, "then the rest");

    zone_ok(zone, "batches");
}


/* all classes go along, in their order */

static void
halves(void)
{
    ngx_uint_t            i;
    ngx_counters_key_t    keys[50];
    ngx_counters_zone_t  *zone;

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
        is_int(ngx_counters_lease_enqueue(zone, &keys[i], &workers[0],
                                          NGX_COUNTERS_WAITING, 1,
                                          NOW + 2000), NGX_OK,
               "a call that came to nothing returns");
    }

    is_int(zone->sh->vars.nflying, 0, "nothing flies");
    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_STALE], 2, "to their own classes");

    next(zone, 0, NOW + 5000);
    is_str(users(), strlen(users()), "10 11",
           "halved, the oldest are the first again");
    is_int(flight.split, 1, "once");

    for (i = 2; i-- > 0; /* void */) {
        ngx_counters_lease_enqueue(zone, &flight.keys[i], &workers[0],
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
}


/* waiting for company */

static void
company(void)
{
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

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
}


/* for as long as it keeps coming, and not for ever */

static void
joining(void)
{
    ngx_uint_t            n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    zone->conf.batch_wait = 5;
    accept_cred(zone, 1);

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


/* the head is another worker's */

static void
offers(void)
{
    ngx_uint_t            i;
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
}


/* as long as there is no quota nobody has to come */

static void
offers_without_quota(void)
{
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    accept_cred(zone, 1);

    for (i = 0; i < 40; i++) {
        ngx_counters_quota_passed(zone, NOW);
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
        ngx_counters_quota_passed(zone, NOW + 10);
    }

    is_int(dispatch(zone, 0, NOW + 100), NGX_AGAIN, "there is no quota");
    is_int(dispatch(zone, 0, NOW + 2000), NGX_BUSY, "it is offered again");
    is_int(delay, 250, "as long as before");

    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_OVERLOADED, NOW + 2100,
                                   NOW + 4000);
    is_int(dispatch(zone, 0, NOW + 2200), NGX_AGAIN, "there is a hold");
    is_int(dispatch(zone, 0, NOW + 4000), NGX_BUSY, "it is offered again");
    is_int(delay, 250, "as long as before");

    zone_ok(zone, "offers that cannot be taken");
}


/* a dead worker's places are given up, all at once */

static void
places_given_up(void)
{
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

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
    is_int(zone->sh->vars.nqueued[NGX_COUNTERS_WAITING], 0, "all at once");
    is_int(lease(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW), NGX_OK,
           "others may ask for them again");

    zone_ok(zone, "the dead");

    /* what is queued too long is forgotten */

    zone = zone_new(ZONE);
    zone->conf.bucket.rate = 0;
    accept_cred(zone, 1);

    queue(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
    queue(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW);
    look(zone, key(1, 2), NOW + MINUTE);
    is_int(dispatch(zone, 0, NOW + 5 * MINUTE), NGX_OK, "after five minutes");
    is_str(users(), strlen(users()), "2",
           "a place is given up that nobody asks for");
    is_int(lease(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW + 5 * MINUTE),
           NGX_OK, "and may be asked for again");

    zone_ok(zone, "queued too long");

    /* made-up credentials do not keep a new one waiting for minutes */

    for (i = 0; i < 2; i++) {

        zone = zone_new(ZONE);
        zone->conf.bucket.rate = 0;
        zone->sh->vars.trust = i;

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


int
test_dispatch(void)
{
    classes();
    rising();
    one_line();
    line_and_quota();
    managed_is_known();
    turns();
    batches();
    halves();
    company();
    joining();
    offers();
    offers_without_quota();
    places_given_up();

    return done();
}
