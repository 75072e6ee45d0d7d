
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_zone.c: what is kept, for whom, for how long, and what goes
 * when there is no more room.
 */


#include "zone_test.h"


#define ZONE    (1024 * 1024)
#define SMALL   (128 * 1024)

#define MINUTE  60000ULL
#define DAY     86400000ULL


static u_char *text(size_t len, ngx_uint_t n);
static ngx_uint_t evicted(ngx_counters_zone_t *zone);


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
                        ngx_counters_table_delete_locked(zone,
                                                         zone_find(zone, &k),
                                                         NOW);
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
least_recently_used(void)
{
    ngx_uint_t            i, n, gone, order;
    ngx_counters_zone_t  *zone;

    zone = zone_new(SMALL);

    /* one credential, so that only entries go */

    for (n = 0; evicted(zone) == 0; n++) {
        put(zone, key(1, n + 1),
            answer(NGX_COUNTERS_DATA, (char *) text(400, n), NOW + n));
    }

    ok(n > 100, "%d entries fit", (int) n);
    ok(zone_find(zone, key(1, 1)) == NULL, "the oldest has gone");

    /* those asked for lately stay; within a second the place is not exact */

    for (i = 3; i <= n; i += 3) {
        look(zone, key(1, i), NOW + 10000 + i);
    }

    gone = 0;
    order = 1;

    for (i = 0; zone_find(zone, key(1, 3)); i++) {
        put(zone, key(1, n + 1 + i),
            answer(NGX_COUNTERS_DATA, (char *) text(400, i),
                   NOW + 20000 + i));
    }

    for (i = 1; i <= n; i++) {
        if (zone_find(zone, key(1, i)) == NULL) {
            gone++;

            if (i % 3 == 0 && i != 3) {
                order = 0;
            }
        }
    }

    ok(order, "entries asked for lately are the last to go");
    is_int(gone, n - n / 3 + 1, "all others have gone before them");

    zone_ok(zone, "least recently used first");
}


static void
a_full_zone(void)
{
    size_t                size, len;
    ngx_uint_t            i, asked, stored, n;
    ngx_counters_zone_t  *zone;

    static size_t  sizes[] = { SMALL, SMALL + 1, 200 * 1024 + 17,
                               333333, ZONE, ZONE + 4095 };

    for (n = 0; n < 6; n++) {

        size = sizes[n];
        zone = zone_new(size & ~(size_t) 4095);

        asked = 0;
        stored = 0;

        for (i = 0; i < 2000; i++) {
            len = rnd(4) ? rnd(1500) : rnd(6000);

            if (lease(zone, key(rnd(200), rnd(500)), 0, NGX_COUNTERS_WAITING,
                      NOW + i * 100)
                == NGX_ERROR)
            {
                continue;
            }

            asked++;

            stored += put(zone, key(300, rnd(300)),
                          answer(NGX_COUNTERS_DATA, (char *) text(len, i),
                                 NOW + i * 100));

            /* as if all leases came to nothing in the end */

            if (i % 50 == 49) {
                ngx_counters_zone_expire(zone, NOW + i * 100, 10);
            }
        }

        ok(stored > 0, "%d of 2000 answers in a zone of %d bytes, "
           "%d of 2000 leases", (int) stored, (int) size, (int) asked);
        zone_ok(zone, "a full zone");
    }

    /* with nothing under way there is room for everyone */

    zone = zone_new(SMALL);

    asked = 0;
    stored = 0;

    for (i = 0; i < 5000; i++) {
        len = rnd(2000);

        stored += put(zone, key(rnd(400), rnd(5)),
                      answer(NGX_COUNTERS_DATA, (char *) text(len, i),
                             NOW + i * 100));
    }

    is_int(stored, 5000, "a full zone stores every answer");
    ok(evicted(zone) > 1000, "in the place of others");
    zone_ok(zone, "everyone's answer");
}


/* among those that have to go is the last entry of whoever needs the room */

static void
room_for_oneself(void)
{
    ngx_uint_t            n, i, alone;
    ngx_counters_zone_t  *zone;

    alone = 0;

    for (n = 50; n < 450; n++) {

        zone = zone_new(SMALL);

        put(zone, key(1, 1), answer(NGX_COUNTERS_FAILURE, "", NOW));

        for (i = 0; i < n; i++) {
            put(zone, key(2, i), answer(NGX_COUNTERS_DATA, "{}", NOW));
        }

        if (zone_find(zone, key(1, 1)) == NULL) {
            break;
        }

        lease(zone, key(1, 2), 0, NGX_COUNTERS_WAITING, NOW);
        alone += (zone_find(zone, key(1, 1)) == NULL);

        if (zone_check(zone)) {
            break;
        }
    }

    ok(alone > 0, "a new entry has taken the place of its only sibling");
    zone_ok(zone, "room for oneself");
}


/* credentials that nothing is left of go in their turn */

static void
idle_credentials(void)
{
    ngx_uint_t            i;
    ngx_counters_zone_t  *zone;

    zone = zone_new(SMALL);

    ngx_counters_zone_revoke(zone, digest(1), NOW);

    for (i = 0; evicted(zone) == 0; i++) {
        put(zone, key(3, i),
            answer(NGX_COUNTERS_DATA, (char *) text(400, i), NOW + 1000));

        if (i == 0) {
            ngx_counters_zone_revoke(zone, digest(2), NOW + 2000);
        }
    }

    ok(ngx_counters_table_find_cred_locked(zone, digest(1)) == NULL,
       "an idle credential leaves before an entry asked for after it");
    ok(ngx_counters_table_find_cred_locked(zone, digest(2)) != NULL,
       "and stays when an entry was asked for before it");

    zone_ok(zone, "idle credentials");
}


static void
answers_too_big(void)
{
    ngx_uint_t            i, before, kept;
    ngx_counters_zone_t  *zone;

    zone = zone_new(256 * 1024);

    for (i = 0; i < 50; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "{}", NOW));
    }

    ok(!put(zone, key(1, 100), answer(NGX_COUNTERS_DATA,
                                      (char *) text(300 * 1024, 1), NOW)),
       "an answer bigger than the zone is not stored");

    kept = 0;

    for (i = 0; i < 50; i++) {
        kept += has_body(zone, key(1, i), "{}");
    }

    is_int(kept, 50, "and turns nobody out");

    /* when the zone is full, neither does one of a third of it */

    for (i = 0; evicted(zone) == 0; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA,
                                    (char *) text(900, i), NOW + i));
    }

    before = zone->sh->nentries;

    ok(!put(zone, key(1, 0), answer(NGX_COUNTERS_DATA,
                                    (char *) text(90 * 1024, 1), NOW + i)),
       "an answer of a third of a full zone is not stored either");
    ok(zone->sh->nentries + 1 >= before, "and turns nobody out");

    ok(put(zone, key(1, 0), answer(NGX_COUNTERS_DATA, (char *) text(900, 1),
                                   NOW + i)), "a small one still is");

    zone_ok(zone, "answers too big");
}


/* an entry that is being refreshed is not to be lost by those who wait */

static void
what_is_under_way_stays(void)
{
    ngx_uint_t            i, kept;
    ngx_counters_ask_t    ask;
    ngx_counters_zone_t  *zone;

    zone = zone_new(SMALL);
    zone->conf.bucket.rate = 0;
    zone->conf.timeout = 3 * DAY;
    put(zone, key(1, 999999), answer(NGX_COUNTERS_DATA, "{}", NOW));

    ngx_memzero(&ask, sizeof(ask));
    ask.lease = 3 * DAY;

    for (i = 0; i < 20; i++) {
        ngx_counters_zone_acquire(zone, key(1, i), &workers[0], &ask, NOW);
        queue(zone, key(1, 100 + i), 0, NGX_COUNTERS_WAITING, NOW);
    }

    for (i = 0; i < 20; i++) {
        put(zone, key(1, 200 + i), answer(NGX_COUNTERS_DATA, "{}", NOW));
        queue(zone, key(1, 200 + i), 0, NGX_COUNTERS_STALE, NOW + 70000);
    }

    for (i = 0; i < 10; i++) {
        dispatch(zone, 0, NOW + 70000);
    }

    for (i = 0; i < 1000; i++) {
        put(zone, key(2, i), answer(NGX_COUNTERS_DATA,
                                    (char *) text(500, i), NOW + 70000 + i));
    }

    for (i = 0, kept = 0; i < 20; i++) {
        kept += (zone_find(zone, key(1, i)) != NULL)
                + (zone_find(zone, key(1, 100 + i)) != NULL)
                + has_body(zone, key(1, 200 + i), "{}");
    }

    is_int(kept, 60, "leased, queued and flying entries stay in a full zone");

    ngx_counters_zone_expire(zone, NOW + 2 * DAY, 1000);

    for (i = 0, kept = 0; i < 20; i++) {
        kept += (zone_find(zone, key(1, i)) != NULL)
                + (zone_find(zone, key(1, 100 + i)) != NULL)
                + (zone_find(zone, key(1, 200 + i)) != NULL);
    }

    is_int(kept, 60, "and do not expire");
    zone_ok(zone, "what is under way stays");

    /* longer than their leases, nobody does */

    ngx_counters_zone_expire(zone, NOW + 4 * DAY, 1000);

    for (i = 0, kept = 0; i < 20; i++) {
        kept += (zone_find(zone, key(1, i)) != NULL)
                + (zone_find(zone, key(1, 100 + i)) != NULL)
                + (zone_find(zone, key(1, 200 + i)) != NULL);
    }

    is_int(kept, 30, "but leases and ten flights that came to nothing do");
    is_int(zone->sh->nflying, 0, "and do not count any more");
    zone_ok(zone, "what was under way too long");

    /* more of them at the end of the list than are looked at */

    zone = zone_new(SMALL);

    put(zone, key(1, 999999), answer(NGX_COUNTERS_DATA, "{}", NOW));

    for (i = 0; i < 70; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "{}", NOW));
        queue(zone, key(1, i), 0, NGX_COUNTERS_STALE, NOW + 70000);
    }

    for (i = 0; i < 300; i++) {
        ngx_counters_zone_revoke(zone, digest(2 + i), NOW + 70000 + i);
    }

    for (i = 0, kept = 0; i < 40; i++) {
        kept += lease(zone, key(1, 1000 + i), 0, NGX_COUNTERS_WAITING,
                      NOW + 80000)
                == NGX_OK;
    }

    is_int(kept, 40, "then idle credentials make room");
    zone_ok(zone, "nothing but refreshes and idle credentials");
}


static void
expiry(void)
{
    ngx_uint_t                  i, n;
    ngx_counters_zone_t        *zone;
    ngx_counters_zone_state_t   state;

    zone = zone_new(ZONE);

    put(zone, key(1, 1), answer(NGX_COUNTERS_DATA, "data", NOW));
    put(zone, key(2, 2), answer(NGX_COUNTERS_NEGATIVE, "no", NOW));
    put(zone, key(3, 3), answer(NGX_COUNTERS_FAILURE, "down", NOW));
    lease(zone, key(4, 4), 0, NGX_COUNTERS_WAITING, NOW);
    finish(zone, key(4, 4), 0, NULL, NOW);

    ngx_counters_zone_expire(zone, NOW + MINUTE, 10);
    is_int(zone->sh->nentries, 4, "nothing expires in the first minute");

    ngx_counters_zone_expire(zone, NOW + MINUTE + 2000, 10);
    ok(zone_find(zone, key(4, 4)) == NULL, "an empty place goes then");
    ok(zone_find(zone, key(3, 3)) == NULL, "and a failure");

    ngx_counters_zone_expire(zone, NOW + MINUTE + 3600000, 10);
    ok(zone_find(zone, key(1, 1)) != NULL, "data is kept while it may serve");

    ngx_counters_zone_revoke(zone, digest(9), NOW + MINUTE + 3600000);

    ngx_counters_zone_expire(zone, NOW + MINUTE + 3600001, 10);
    ok(zone_find(zone, key(1, 1)) == NULL, "and no longer");

    /* as long as data fetched before the refusal may be in Redis */

    ngx_counters_zone_expire(zone, NOW + MINUTE + 2 * 3600000 - 1, 10);
    is_int(ngx_counters_zone_refused(zone, key(2, 2)), NOW,
           "a refused key is remembered for two hours");

    ngx_counters_zone_expire(zone, NOW + MINUTE + 2 * 3600000, 10);
    ok(zone_find(zone, key(2, 2)) == NULL, "and then forgotten");

    ngx_counters_zone_state(zone, NOW, &state);
    is_int(state.stats[NGX_COUNTERS_STAT_EXPIRED], 4, "four are counted");
    is_int(zone->sh->ncreds, 2, "credentials are remembered");

    ngx_counters_zone_expire(zone, NOW + MINUTE + 3600001 + DAY, 10);
    is_int(zone->sh->ncreds, 1, "for a day after its last entry went");
    ok(ngx_counters_table_find_cred_locked(zone, digest(9)) == NULL,
       "a refused one likewise");

    ngx_counters_zone_expire(zone, NOW + MINUTE + 3600002 + DAY, 10);
    is_int(zone->sh->ncreds, 0, "and then forgotten");

    zone_ok(zone, "expiry");

    /* no more at once than asked for */

    for (i = 0; i < 100; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "data", NOW));
    }

    ngx_counters_zone_expire(zone, NOW + DAY, 30);
    is_int(zone->sh->nentries, 70, "no more than 30 are looked at");

    /* each new one takes some along */

    n = zone->sh->nentries;
    lease(zone, key(1, 1000), 0, NGX_COUNTERS_WAITING, NOW + DAY);
    ok(zone->sh->nentries <= n, "a new entry takes an expired one along");

    zone_ok(zone, "expiry by and by");
}


/* whatever has been in a zone, it leaves nothing behind */

static void
memory(void)
{
    size_t                before, after;
    ngx_uint_t            i, pages, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(4 * ZONE);

    before = zone_used(&n);
    pages = zone->shpool->pfree;

    for (i = 0; i < 30000; i++) {

        switch (rnd(8)) {

        case 0:
            ngx_counters_zone_revoke(zone, digest(rnd(512)), NOW + i);
            break;

        case 1:
            lease(zone, key(rnd(512), rnd(20)), 0, NGX_COUNTERS_WAITING,
                  NOW + i);
            break;

        case 2:
            finish(zone, key(rnd(512), rnd(20)), 0, NULL, NOW + i);
            break;

        case 3:
            ngx_counters_zone_expire(zone, NOW + i * 100, 10);
            break;

        default:
            put(zone, key(rnd(512), rnd(20)),
                answer(rnd(3) ? NGX_COUNTERS_DATA : NGX_COUNTERS_NEGATIVE,
                       (char *) text(rnd(10) ? rnd(1500) : rnd(20000), i),
                       NOW + i));
        }
    }

    ok(zone->sh->nentries > 1000, "%d entries", (int) zone->sh->nentries);
    zone_ok(zone, "30,000 random steps");

    while (!ngx_queue_empty(&zone->sh->lru)) {
        ngx_counters_table_delete_locked(zone,
                       ngx_queue_data(ngx_queue_head(&zone->sh->lru),
                                      ngx_counters_entry_t, lru), NOW);
    }

    while (!ngx_queue_empty(&zone->sh->bare)) {
        ngx_counters_table_delete_locked(zone,
                       ngx_queue_data(ngx_queue_head(&zone->sh->bare),
                                      ngx_counters_entry_t, lru), NOW);
    }

    ngx_counters_zone_expire(zone, NOW + 30 * DAY, 1000);

    is_int(zone->sh->nentries + zone->sh->ncreds, 0, "all have gone");

    after = zone_used(&n);

    is_int(after, before, "with all their memory");
    is_int(n, 1, "nothing but the zone itself is left");

    /* the allocator keeps an empty page of a size it has seen, if any */

    is_int(zone->shpool->pfree, pages, "all pages are free again");
    zone_ok(zone, "an empty zone");
}


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
    ngx_counters_zone_revoke(zone, digest(1), NOW + 20);
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

    is_int(ngx_counters_zone_refused(zone, key(1, 5)), 0, "none is refused");

    lease(zone, key(1, 8), 0, NGX_COUNTERS_WAITING, NOW + 10);

    is_int(ngx_counters_zone_revoke(zone, digest(1), NOW + 100), 2,
           "a refused credential loses its data");
    is_int(look(zone, key(1, 5), NOW + 100), NGX_DECLINED, "all of it");
    is_int(look(zone, key(1, 6), NOW + 100), NGX_DECLINED, "all of it");
    ok(has_body(zone, key(2, 5), "c") && has_body(zone, key(256 + 2, 5), "d"),
       "others keep theirs");

    is_int(ngx_counters_zone_refused(zone, key(1, 5)), NOW + 100,
           "since when it is refused is known");
    is_int(ngx_counters_zone_refused(zone, key(1, 1000)), NOW + 100,
           "for keys it never had, too");
    is_int(ngx_counters_zone_refused(zone, key(2, 5)), 0,
           "others are not refused");

    ok(!finish(zone, key(1, 8), 0,
               answer(NGX_COUNTERS_DATA, "late", NOW + 110), NOW + 110),
       "an answer that was under way stays out");
    is_int(look(zone, key(1, 8), NOW + 110), NGX_DECLINED, "really");

    /* the portal takes it back */

    ok(put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, "new", NOW + 200)),
       "one asked for later does not");
    is_int(ngx_counters_zone_refused(zone, key(1, 5)), 0,
           "and the credential is accepted again");

    is_int(ngx_counters_zone_revoke(zone, digest(1), NOW + 150), 0,
           "a refusal before that is old news");
    ok(has_body(zone, key(1, 5), "new"), "which change nothing");

    /* from Redis: newer than the refusal, as its reader has seen to */

    ngx_counters_zone_revoke(zone, digest(2), NOW + 300);
    lease(zone, key(2, 5), 0, NGX_COUNTERS_WAITING, NOW + 400);
    ok(finish(zone, key(2, 5), 0, redis("fresh", NOW + 350), NOW + 400),
       "data from Redis is stored");
    is_int(ngx_counters_zone_refused(zone, key(2, 5)), NOW + 300,
           "but proves nothing against the refusal");

    /* one key */

    put(zone, key(3, 5), answer(NGX_COUNTERS_DATA, "a", NOW));
    put(zone, key(3, 6), answer(NGX_COUNTERS_DATA, "b", NOW));
    put(zone, key(3, 5), answer(NGX_COUNTERS_NEGATIVE, "no", NOW + 100));
    look(zone, key(3, 5), NOW + 100);
    is_int(view.kind, NGX_COUNTERS_NEGATIVE, "a refused call loses its data");
    is_int(ngx_counters_zone_refused(zone, key(3, 5)), NOW + 100,
           "since when is known");
    is_int(ngx_counters_zone_refused(zone, key(3, 6)), 0,
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
    is_int(ngx_counters_zone_refused(zone, key(1, 5)), NOW + 100,
           "and does not come back from Redis");

    zone_ok(zone, "not remembered");
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
    is_int(ngx_counters_zone_revoke(zone, digest(2), NOW), 0,
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
    least_recently_used();
    a_full_zone();
    room_for_oneself();
    idle_credentials();
    answers_too_big();
    what_is_under_way_stays();
    expiry();
    memory();
    purge();
    purge_under_way();
    credentials();
    not_remembered();
    failures_keep_data();
    no_room();
    reload();
    statistics();

    return done();
}


/* a body of a certain length, of which no two are the same */

static u_char *
text(size_t len, ngx_uint_t n)
{
    static u_char  buf[512 * 1024];

    memset(buf, 'x', len);
    buf[len] = '\0';

    if (len >= 16) {
        buf[sprintf((char *) buf, "%lu", (unsigned long) n)] = ' ';
    }

    return buf;
}


static ngx_uint_t
evicted(ngx_counters_zone_t *zone)
{
    return zone->sh->stats[0][NGX_COUNTERS_STAT_EVICTED];
}
