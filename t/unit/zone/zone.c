
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_table.c, ngx_counters_fill.c, ngx_counters_zone.c: what is kept,
 * and for whom.
 */


#include "zone_test.h"


#define ZONE    (1024 * 1024)
#define SMALL   (128 * 1024)

#define MINUTE  60000ULL
#define DAY     86400000ULL


static void
one_entry(void)
{
    u_char                etag[NGX_COUNTERS_ETAG_LEN];
    ngx_uint_t            i;
    const char           *body;
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);
    body = "{\"result\":{},\"time\":{\"start\":1}}";

    is_int(look(zone, key(1, 5), NOW), NGX_DECLINED, "nothing at first");
    ok(view.kind == NGX_COUNTERS_EMPTY && !view.refreshing
       && view.hold == NGX_COUNTERS_OPEN, "and nothing under way");

    is_int(lease(zone, key(1, 5), 0, NGX_COUNTERS_WAITING, NOW), NGX_OK,
           "the first to ask gets the lease");
    is_int(look(zone, key(1, 5), NOW), NGX_DECLINED, "a place is no answer");
    ok(view.refreshing && !view.flying && view.fetched == 0,
       "but the refresh shows");

    ok(finish(zone, key(1, 5), 0, answer(NGX_COUNTERS_DATA, body, NOW + 10),
              NOW + 10), "the answer is stored");
    is_int(look(zone, key(1, 5), NOW + 20), NGX_OK, "and found");
    is_str(view.body.data, view.body.len, body, "byte for byte");
    is_str(view.headers.data, view.headers.len,
           "Content-Type: application/json\r\n", "with its headers");
    is_int(view.status, 200, "status");
    ok(view.kind == NGX_COUNTERS_DATA && view.fresh == NGX_COUNTERS_FRESH
       && view.fetched == NOW + 10 && !view.refreshing
       && view.origin == NGX_COUNTERS_FROM_PORTAL, "fresh data");
    is_int(view.remains, 60000 - 10, "for what remains of its ttl");

    ngx_memcpy(etag, view.etag, NGX_COUNTERS_ETAG_LEN);

    for (i = 0; i < NGX_COUNTERS_ETAG_LEN; i++) {
        if (strchr("0123456789abcdef", etag[i]) == NULL) {
            break;
        }
    }

    is_int(i, NGX_COUNTERS_ETAG_LEN, "the ETag is hexadecimal");

    put(zone, key(2, 9), answer(NGX_COUNTERS_DATA, body, NOW));
    look(zone, key(2, 9), NOW);
    ok(ngx_memcmp(view.etag, etag, NGX_COUNTERS_ETAG_LEN) == 0,
       "it is of the body");

    put(zone, key(2, 9), answer(NGX_COUNTERS_DATA,
                                "{\"result\":{},\"time\":{\"start\":2}}",
                                NOW + 10));
    look(zone, key(2, 9), NOW + 10);
    ok(ngx_memcmp(view.etag, etag, NGX_COUNTERS_ETAG_LEN) != 0,
       "and another for another body");

    memset(&view, 0x77, sizeof(view));
    is_int(ngx_counters_zone_lookup(zone, key(1, 5), NOW + 20, NULL, &view),
           NGX_OK, "without a pool nothing is copied");

    /* another answer takes its place */

    ok(put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "", NOW + 2000)),
       "an empty body is one");
    is_int(look(zone, key(1, 5), NOW + 2000), NGX_OK, "and found");
    is_int(view.body.len, 0, "empty");

    zone_ok(zone, "one entry");
}


static void
ages_of_an_answer(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "data", NOW));
    put(zone, key(1, 2), answer(NGX_COUNTERS_NEGATIVE, "no", NOW));
    put(zone, key(1, 3), answer(NGX_COUNTERS_FAILURE, "down", NOW));

    look(zone, key(1, 1), NOW + 59999);
    is_int(view.fresh, NGX_COUNTERS_FRESH, "fresh to the end of the ttl");

    look(zone, key(1, 1), NOW + 60000);
    is_int(view.fresh, NGX_COUNTERS_REVALIDATE, "then to be refreshed");
    is_int(view.remains, 0, "nothing remains");

    look(zone, key(1, 1), NOW + 60000 + 300000);
    is_int(view.fresh, NGX_COUNTERS_IF_ERROR, "then only if all else fails");
    ok(!view.dry, "there is quota");

    is_int(look(zone, key(1, 1), NOW + 60000 + 3600000), NGX_DECLINED,
           "then not at all");

    is_int(look(zone, key(1, 2), NOW + 59999), NGX_OK, "a refusal is kept");
    is_int(view.kind, NGX_COUNTERS_NEGATIVE, "as what it is");
    is_int(view.status, 400, "with its status");
    is_int(look(zone, key(1, 2), NOW + 60000), NGX_DECLINED,
           "for its time only");

    is_int(look(zone, key(1, 3), NOW + 100), NGX_OK, "a failure is kept");
    is_int(view.kind, NGX_COUNTERS_FAILURE, "as what it is");
    is_int(view.hold, NGX_COUNTERS_BACKOFF, "and not asked again at once");
    ok(view.hold_until > NOW && view.hold_until <= NOW + 1000,
       "but within a second");
    is_int(look(zone, key(1, 3), view.hold_until), NGX_DECLINED,
           "which is also for how long it is kept");
    is_int(view.hold, NGX_COUNTERS_OPEN, "then it may be asked again");

    zone_ok(zone, "ages");
}


/* the same hash for all: only the whole key tells one from another */

static void
whole_keys(void)
{
    char                  body[64];
    ngx_uint_t            i, right, pass, collide;
    ngx_counters_key_t    k;
    ngx_counters_call_t   call;
    ngx_counters_zone_t  *zone;

    static ngx_uint_t    creds[] = { 0, 1, 2, 255, 256 + 1, 256 + 0x33 };
    static uint64_t      ids[] = { 0, 1, 2, 1ULL << 32, (1ULL << 63) - 1 };

    for (collide = 0; collide < 2; collide++) {

        zone = zone_new(2 * ZONE);
        hash_collide = collide;

        for (pass = 0; pass < 3; pass++) {

            right = 0;
            for (i = 0; i < 6 * 5 * 5 * 2 * 5; i++) {

                call.user = ids[i % 5];
                call.group = ids[i / 5 % 5];
                call.method = i / 25 % 2;
                call.type = i / 50 % 5;

                ngx_counters_key_make(&k, digest(creds[i / 250]), &call);

                sprintf(body, "answer %d", (int) i);

                switch (pass) {

                case 0:
                    right += put(zone, &k, answer(NGX_COUNTERS_DATA, body,
                                                  NOW));
                    break;

                case 1:
                    right += has_body(zone, &k, body);

                    /* some go, with their places in the tree */

                    if (i % 3 == 0) {
                        zone_delete(zone, zone_find(zone, &k), NOW);
                    }

                    break;

                default:
                    right += (i % 3 == 0) ? zone_find(zone, &k) == NULL
                                          : has_body(zone, &k, body);
                }
            }

            is_int(right, 1500, "all keys are told apart%s, pass %d",
                   collide ? ", all hashes being one" : "", (int) pass);
        }

        zone_ok(zone, "whole keys");
    }
}


static void
failures_keep_data(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);

    put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "a", NOW));

    ok(!put(zone, key(1, 5), answer(NGX_COUNTERS_FAILURE, "down",
                                    NOW + 70000)),
       "a failure does not take the place of data");
    look(zone, key(1, 5), NOW + 70000);
    ok(view.kind == NGX_COUNTERS_DATA && view.hold == NGX_COUNTERS_BACKOFF,
       "which is there, and not refreshed at once");

    ok(put(zone, key(1, 5), answer(NGX_COUNTERS_FAILURE, "down",
                                   NOW + 60000 + 3600000)),
       "unless it is too old");
    look(zone, key(1, 5), NOW + 60000 + 3600000);
    is_int(view.kind, NGX_COUNTERS_FAILURE, "then there is nothing else");

    zone_ok(zone, "failures keep data");
}


static void
no_room(void)
{
    ngx_counters_zone_t  *zone;

    zone = zone_new(ZONE);

    put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "a", NOW));

    zone_fail = 1;

    is_int(lease(zone, key(2, 5), 0, NGX_COUNTERS_WAITING, NOW), NGX_ERROR,
           "no room for an entry");
    is_int(ngx_counters_refusal_revoke(zone, digest(2), NOW), 0,
           "nor for a credential");
    ok(!put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "b", NOW + 70000)),
       "nor for an answer");

    zone_fail = 0;

    is_int(look(zone, key(1, 5), NOW + 70000), NGX_DECLINED,
           "the answer it should have taken the place of is gone");

    zone_ok(zone, "no room");
}


static void
reload(void)
{
    u_char                secret[NGX_COUNTERS_SECRET_LEN];
    ngx_shm_zone_t        shm_zone;
    ngx_counters_zone_t  *zone, next;

    zone = zone_new(ZONE);

    put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "a", NOW));
    ngx_memcpy(secret, ngx_counters_zone_secret(zone), sizeof(secret));

    ngx_memzero(&shm_zone, sizeof(shm_zone));
    shm_zone.shm.addr = (u_char *) zone->shpool;
    shm_zone.shm.log = ngx_cycle->log;

    next = *zone;
    next.sh = NULL;
    next.shpool = NULL;

    is_int(ngx_counters_zone_init(&next, &shm_zone, zone), NGX_OK,
           "a new cycle takes the zone over");
    ok(has_body(&next, key(1, 5), "a"), "with what is in it");
    ok(ngx_memcmp(ngx_counters_zone_secret(&next), secret, sizeof(secret))
       == 0, "and its secret");

    zone = zone_new(ZONE);
    ok(ngx_memcmp(ngx_counters_zone_secret(zone), secret, sizeof(secret)) != 0,
       "which a new zone does not share");

    zone_ok(zone, "reload");
}


static void
statistics(void)
{
    ngx_uint_t                  i;
    ngx_counters_zone_t        *zone;
    ngx_counters_zone_state_t   state;

    zone = zone_new(ZONE);

    for (i = 0; i < 40; i++) {
        ngx_counters_zone_count(zone, i, NGX_COUNTERS_STAT_HIT, 2);
        put(zone, key(i % 3, i), answer(NGX_COUNTERS_DATA, "a", NOW));
    }

    for (i = 0; i < 10; i++) {
        look(zone, key(i % 3, i), NOW + 30000);
        queue(zone, key(9, i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    dispatch(zone, 0, NOW);

    ngx_counters_zone_state(zone, NOW + 70000, &state);

    is_int(state.stats[NGX_COUNTERS_STAT_HIT], 80, "sums over all workers");
    is_int(state.entries, 50, "entries");
    is_int(state.creds, 4, "credentials");
    is_int(state.active, 10, "entries asked for within a minute");
    is_int(state.queued[NGX_COUNTERS_UNKNOWN], 9, "queued");
    is_int(state.flying, 1, "in flight");
    is_int(state.size, ZONE, "size");
    ok(state.free > ZONE / 2 && state.free < ZONE, "free");
    is_int(state.hold, NGX_COUNTERS_OPEN, "hold");

    zone_ok(zone, "statistics");
}


int
test_zone(void)
{
    one_entry();
    ages_of_an_answer();
    whole_keys();
    failures_keep_data();
    no_room();
    reload();
    statistics();

    return done();
}
