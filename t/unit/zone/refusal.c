
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_refusal.c and purging: what is dropped because somebody said so.
 */


#include "zone_test.h"


#define ZONE    (1024 * 1024)
#define SMALL   (128 * 1024)

#define MINUTE  60000ULL
#define DAY     86400000ULL


static ngx_uint_t has_none(void *data, const u_char *digest);


static void
purge(void)
{
    uint64_t              user, group;
    ngx_counters_key_t    k;
    ngx_counters_call_t   call;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);

    ngx_memzero(&call, sizeof(call));
    call.user = 5;
    call.group = 7;

    ngx_counters_key_make(&k, digest(1), &call);

    put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "1/5", NOW));
    put(zone, key(2, 5), answer(NGX_COUNTERS_DATA, "2/5", NOW));
    put(zone, key(1, 6), answer(NGX_COUNTERS_DATA, "1/6", NOW));
    put(zone, &k, answer(NGX_COUNTERS_DATA, "1/5/7", NOW));
    put(zone, key(3, 5), answer(NGX_COUNTERS_NEGATIVE, "no", NOW));

    user = 5;
    group = 7;

    is_int(ngx_counters_zone_purge(zone, &user, NULL, 1, NOW + 100), 3,
           "soft: data about a user, whoever fetched it");
    is_int(look(zone, key(1, 5), NOW + 200), NGX_OK, "is still there");
    is_int(view.fresh, NGX_COUNTERS_REVALIDATE, "but stale");
    ok(view.remains <= 0, "and says so");
    look(zone, key(1, 6), NOW + 200);
    is_int(view.fresh, NGX_COUNTERS_FRESH, "another's is not");

    ok(put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "new", NOW + 300)),
       "a marked entry is refreshed although its ttl runs");
    look(zone, key(1, 5), NOW + 300);
    is_int(view.fresh, NGX_COUNTERS_FRESH, "and fresh after that");

    is_int(ngx_counters_zone_purge(zone, NULL, NULL, 0, NOW - 1), 0,
           "a purge from before they were fetched is old news");
    look(zone, key(1, 6), NOW + 300);
    is_int(view.fresh, NGX_COUNTERS_FRESH, "which change nothing");

    is_int(ngx_counters_zone_purge(zone, &user, &group, 0, NOW + 400), 1,
           "hard: a user's group");
    is_int(look(zone, &k, NOW + 400), NGX_DECLINED, "is gone");
    is_int(look(zone, key(2, 5), NOW + 400), NGX_OK, "the others not");

    is_int(ngx_counters_zone_purge(zone, NULL, NULL, 0, NOW + 500), 3,
           "hard: all");
    is_int(look(zone, key(1, 6), NOW + 500), NGX_DECLINED, "are gone");
    is_int(look(zone, key(3, 5), NOW + 500), NGX_DECLINED,
           "remembered refusals too");
    is_int(ngx_counters_zone_purge(zone, NULL, NULL, 0, NOW + 600), 0,
           "there is nothing more to purge");

    zone_ok(zone, "purge");
}


/* what is asked for after a mark is fresh, be it in the same millisecond */

static void
marked_then_asked(void)
{
    ngx_uint_t             i;
    ngx_counters_zone_t   *zone;
    ngx_counters_users_t   users;

    for (i = 0; i < 2; i++) {

        zone = zone_new(ZONE);
        zone->conf.bucket.rate = 0;
        put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "a", NOW));

        if (i == 0) {
            ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW + 100);

        } else {
            users.n = 1;
            users.elts[0] = 5;
            ngx_counters_ahead_mark(zone, &workers[0], &users, NOW + 100,
                                    has_none, NULL);
        }

        look(zone, key(1, 5), NOW + 100);
        is_int(view.fresh, NGX_COUNTERS_REVALIDATE, "%s marks it",
               i ? "an event" : "a soft purge");

        queue(zone, key(1, 5), 0, NGX_COUNTERS_WAITING, NOW + 100);
        is_int(dispatch(zone, 0, NOW + 100), NGX_OK, "it is asked for");
        finish(zone, key(1, 5), 0, answer(NGX_COUNTERS_DATA, "b", NOW + 150),
               NOW + 150);

        look(zone, key(1, 5), NOW + 150);
        is_int(view.fresh, NGX_COUNTERS_FRESH, "and comes in fresh");

        /* an older mark that is heard of later */

        if (i == 0) {
            lease(zone, key(1, 6), 0, NGX_COUNTERS_WAITING, NOW + 10);
            ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW + 200);
            ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW + 5);
            finish(zone, key(1, 6), 0, answer(NGX_COUNTERS_DATA, "c",
                                              NOW + 250), NOW + 250);
            look(zone, key(1, 6), NOW + 250);
            is_int(view.fresh, NGX_COUNTERS_REVALIDATE,
                   "does not undo a newer one");
        }

        zone_ok(zone, "marks");
    }
}


static ngx_uint_t
has_none(void *data, const u_char *digest)
{
    return 0;
}


/* what was asked for before the purge is as old as what it purged */

static void
purge_under_way(void)
{
    ngx_uint_t            soft, i;
    ngx_counters_zone_t  *zone;

    for (soft = 0; soft < 2; soft++) {

        zone = zone_new(ZONE);
        zone->conf.bucket.rate = 0;

        /* leased, queued and in flight */

        lease(zone, key(1, 1), 0, NGX_COUNTERS_WAITING, NOW);
        queue(zone, key(2, 3), 0, NGX_COUNTERS_WAITING, NOW);
        is_int(dispatch(zone, 0, NOW), NGX_OK, "one flies");
        queue(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW);

        ngx_counters_zone_purge(zone, NULL, NULL, soft, NOW + 50);

        finish(zone, key(2, 3), 0, answer(NGX_COUNTERS_DATA, "x", NOW + 90),
               NOW + 90);
        finish(zone, key(1, 1), 0, redis("y", NOW - 10), NOW + 90);

        look(zone, key(2, 3), NOW + 100);
        is_int(view.fresh, NGX_COUNTERS_REVALIDATE,
               "an answer under way during a %s purge comes in stale",
               soft ? "soft" : "hard");
        look(zone, key(1, 1), NOW + 100);
        is_int(view.fresh, NGX_COUNTERS_REVALIDATE,
               "and one that was read from Redis");

        is_int(dispatch(zone, 0, NOW + 60), NGX_OK, "the other leaves later");
        finish(zone, key(1, 2), 0, answer(NGX_COUNTERS_DATA, "z", NOW + 90),
               NOW + 90);

        look(zone, key(1, 2), NOW + 100);
        is_int(view.fresh, NGX_COUNTERS_FRESH, "and is fresh");

        /* once */

        for (i = 0; i < 2; i++) {
            put(zone, key(2, 3), answer(NGX_COUNTERS_DATA, "x", NOW + 200));
            look(zone, key(2, 3), NOW + 200);
        }

        is_int(view.fresh, NGX_COUNTERS_FRESH, "the next is fresh");

        zone_ok(zone, "a purge during refreshes");
    }

    /*
     * Neither an older purge, that another node tells of later, nor a refusal
     * that is taken back makes it new.
     */

    zone = zone_new(ZONE);

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "x", NOW - MINUTE));
    lease(zone, key(1, 1), 0, NGX_COUNTERS_STALE, NOW);
    ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW + 10);
    ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW - 10);
    ngx_counters_refusal_revoke(zone, digest(1), NOW + 20);
    put(zone, key(1, 2), answer(NGX_COUNTERS_DATA, "y", NOW + 30));
    finish(zone, key(1, 1), 0, answer(NGX_COUNTERS_DATA, "z", NOW + 40),
           NOW + 40);
    look(zone, key(1, 1), NOW + 50);
    is_int(view.fresh, NGX_COUNTERS_REVALIDATE,
           "what was under way during a purge stays stale");
}


static void
credentials(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);

    put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(1, 6), answer(NGX_COUNTERS_DATA, "b", NOW));
    put(zone, key(1, 7), answer(NGX_COUNTERS_NEGATIVE, "no", NOW));
    put(zone, key(2, 5), answer(NGX_COUNTERS_DATA, "c", NOW));
    put(zone, key(256 + 2, 5), answer(NGX_COUNTERS_DATA, "d", NOW));

    is_int(ngx_counters_refusal_refused(zone, key(1, 5)), 0, "none is refused");

    lease(zone, key(1, 8), 0, NGX_COUNTERS_WAITING, NOW + 10);

    is_int(ngx_counters_refusal_revoke(zone, digest(1), NOW + 100), 2,
           "a refused credential loses its data");
    is_int(look(zone, key(1, 5), NOW + 100), NGX_DECLINED, "all of it");
    is_int(look(zone, key(1, 6), NOW + 100), NGX_DECLINED, "all of it");
    ok(has_body(zone, key(2, 5), "c") && has_body(zone, key(256 + 2, 5), "d"),
       "others keep theirs");

    is_int(ngx_counters_refusal_refused(zone, key(1, 5)), NOW + 100,
           "since when it is refused is known");
    is_int(ngx_counters_refusal_refused(zone, key(1, 1000)), NOW + 100,
           "for keys it never had, too");
    is_int(ngx_counters_refusal_refused(zone, key(2, 5)), 0,
           "others are not refused");

    ok(!finish(zone, key(1, 8), 0,
               answer(NGX_COUNTERS_DATA, "late", NOW + 110), NOW + 110),
       "an answer that was under way stays out");
    is_int(look(zone, key(1, 8), NOW + 110), NGX_DECLINED, "really");

    /* the portal takes it back */

    ok(put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "new", NOW + 200)),
       "one asked for later does not");
    is_int(ngx_counters_refusal_refused(zone, key(1, 5)), 0,
           "and the credential is accepted again");

    is_int(ngx_counters_refusal_revoke(zone, digest(1), NOW + 150), 0,
           "a refusal before that is old news");
    ok(has_body(zone, key(1, 5), "new"), "which change nothing");

    /* from Redis: newer than the refusal, as its reader has seen to */

    ngx_counters_refusal_revoke(zone, digest(2), NOW + 300);
    lease(zone, key(2, 5), 0, NGX_COUNTERS_WAITING, NOW + 400);
    ok(finish(zone, key(2, 5), 0, redis("fresh", NOW + 350), NOW + 400),
       "data from Redis is stored");
    is_int(ngx_counters_refusal_refused(zone, key(2, 5)), NOW + 300,
           "but proves nothing against the refusal");

    /* one key */

    put(zone, key(3, 5), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(3, 6), answer(NGX_COUNTERS_DATA, "b", NOW));
    put(zone, key(3, 5), answer(NGX_COUNTERS_NEGATIVE, "no", NOW + 100));
    look(zone, key(3, 5), NOW + 100);
    is_int(view.kind, NGX_COUNTERS_NEGATIVE, "a refused call loses its data");
    is_int(ngx_counters_refusal_refused(zone, key(3, 5)), NOW + 100,
           "since when is known");
    is_int(ngx_counters_refusal_refused(zone, key(3, 6)), 0,
           "the others of its credential are not refused");

    zone_ok(zone, "credentials");
}


/* "negative 0": not remembered, but the data is gone */

static void
not_remembered(void)
{
    ngx_counters_zone_t       *zone;
    ngx_counters_answer_in_t  *a;

    zone = zone_new(ZONE);

    put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "a", NOW));

    a = answer(NGX_COUNTERS_NEGATIVE, "no", NOW + 100);
    a->ttl = 0;

    ok(!put(zone, key(1, 5), a), "a refusal need not be kept");
    is_int(look(zone, key(1, 5), NOW + 100), NGX_DECLINED,
           "the data is dropped all the same");
    is_int(ngx_counters_refusal_refused(zone, key(1, 5)), NOW + 100,
           "and does not come back from Redis");

    zone_ok(zone, "not remembered");
}


int
test_refusal(void)
{
    purge();
    marked_then_asked();
    purge_under_way();
    credentials();
    not_remembered();

    return done();
}
