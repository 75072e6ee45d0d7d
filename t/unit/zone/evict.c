
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_evict.c: what goes, when there is no more room and for its age.
 */


#include "zone_test.h"


#define ZONE    (1024 * 1024)
#define SMALL   (128 * 1024)

#define MINUTE  60000ULL
#define DAY     86400000ULL


static u_char *text(size_t len, ngx_uint_t n);
static ngx_uint_t evicted(ngx_counters_zone_t *zone);


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
                ngx_counters_evict_expire(zone, NOW + i * 100, 10);
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

    ngx_counters_refusal_revoke(zone, digest(1), NOW);

    for (i = 0; evicted(zone) == 0; i++) {
        put(zone, key(3, i),
            answer(NGX_COUNTERS_DATA, (char *) text(400, i), NOW + 1000));

        if (i == 0) {
            ngx_counters_refusal_revoke(zone, digest(2), NOW + 2000);
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

    before = zone->sh->vars.nentries;

    ok(!put(zone, key(1, 0), answer(NGX_COUNTERS_DATA,
                                    (char *) text(90 * 1024, 1), NOW + i)),
       "an answer of a third of a full zone is not stored either");
    ok(zone->sh->vars.nentries + 1 >= before, "and turns nobody out");

    ok(put(zone, key(1, 0), answer(NGX_COUNTERS_DATA, (char *) text(900, 1),
                                   NOW + i)), "a small one still is");

    zone_ok(zone, "answers too big");
}


/* the first credential is the managed webhook: it may take all places */

static void
everybodys(ngx_counters_zone_t *zone)
{
    zone->common = 1;
    ngx_memcpy(zone->common_cred, digest(1), NGX_COUNTERS_DIGEST_LEN);
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
    everybodys(zone);
    put(zone, key(1, 999999), answer(NGX_COUNTERS_DATA, "{}", NOW));

    ngx_memzero(&ask, sizeof(ask));
    ask.lease = 3 * DAY;

    for (i = 0; i < 20; i++) {
        ngx_counters_lease_acquire(zone, key(1, i), &workers[0], &ask, NOW);
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

    ngx_counters_evict_expire(zone, NOW + 2 * DAY, 1000);

    for (i = 0, kept = 0; i < 20; i++) {
        kept += (zone_find(zone, key(1, i)) != NULL)
                + (zone_find(zone, key(1, 100 + i)) != NULL)
                + (zone_find(zone, key(1, 200 + i)) != NULL);
    }

    is_int(kept, 60, "and do not expire");
    zone_ok(zone, "what is under way stays");

    /* longer than their leases, nobody does */

    ngx_counters_evict_expire(zone, NOW + 4 * DAY, 1000);

    for (i = 0, kept = 0; i < 20; i++) {
        kept += (zone_find(zone, key(1, i)) != NULL)
                + (zone_find(zone, key(1, 100 + i)) != NULL)
                + (zone_find(zone, key(1, 200 + i)) != NULL);
    }

    is_int(kept, 30, "but leases and ten flights that came to nothing do");
    is_int(zone->sh->vars.nflying, 0, "and do not count any more");
    zone_ok(zone, "what was under way too long");
}


/* more of them at the end of the list than are looked at */

static void
nothing_else_there(void)
{
    ngx_uint_t            i, kept;
    ngx_counters_zone_t  *zone;

    zone = zone_new(SMALL);
    everybodys(zone);

    put(zone, key(1, 999999), answer(NGX_COUNTERS_DATA, "{}", NOW));

    for (i = 0; i < 70; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "{}", NOW));
        queue(zone, key(1, i), 0, NGX_COUNTERS_STALE, NOW + 70000);
    }

    for (i = 0; i < 300; i++) {
        ngx_counters_refusal_revoke(zone, digest(2 + i), NOW + 70000 + i);
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

    ngx_counters_evict_expire(zone, NOW + MINUTE, 10);
    is_int(zone->sh->vars.nentries, 4, "nothing expires in the first minute");

    ngx_counters_evict_expire(zone, NOW + MINUTE + 2000, 10);
    ok(zone_find(zone, key(4, 4)) == NULL, "an empty place goes then");
    ok(zone_find(zone, key(3, 3)) == NULL, "and a failure");

    ngx_counters_evict_expire(zone, NOW + MINUTE + 3600000, 10);
    ok(zone_find(zone, key(1, 1)) != NULL, "data is kept while it may serve");

    ngx_counters_refusal_revoke(zone, digest(9), NOW + MINUTE + 3600000);

    ngx_counters_evict_expire(zone, NOW + MINUTE + 3600001, 10);
    ok(zone_find(zone, key(1, 1)) == NULL, "and no longer");

    /* as long as data fetched before the refusal may be in Redis */

    ngx_counters_evict_expire(zone, NOW + MINUTE + 2 * 3600000 - 1, 10);
    is_int(ngx_counters_refusal_refused(zone, key(2, 2)), NOW,
           "a refused key is remembered for two hours");

    ngx_counters_evict_expire(zone, NOW + MINUTE + 2 * 3600000, 10);
    ok(zone_find(zone, key(2, 2)) == NULL, "and then forgotten");

    ngx_counters_zone_state(zone, NOW, &state);
    is_int(state.stats[NGX_COUNTERS_STAT_EXPIRED], 4, "four are counted");
    is_int(zone->sh->vars.ncreds, 2, "credentials are remembered");

    ngx_counters_evict_expire(zone, NOW + MINUTE + 3600001 + DAY, 10);
    is_int(zone->sh->vars.ncreds, 1, "for a day after its last entry went");
    ok(ngx_counters_table_find_cred_locked(zone, digest(9)) == NULL,
       "a refused one likewise");

    ngx_counters_evict_expire(zone, NOW + MINUTE + 3600002 + DAY, 10);
    is_int(zone->sh->vars.ncreds, 0, "and then forgotten");

    zone_ok(zone, "expiry");

    /* no more at once than asked for */

    for (i = 0; i < 100; i++) {
        put(zone, key(1, i), answer(NGX_COUNTERS_DATA, "data", NOW));
    }

    ngx_counters_evict_expire(zone, NOW + DAY, 30);
    is_int(zone->sh->vars.nentries, 70, "no more than 30 are looked at");

    /* each new one takes some along */

    n = zone->sh->vars.nentries;
    lease(zone, key(1, 1000), 0, NGX_COUNTERS_WAITING, NOW + DAY);
    ok(zone->sh->vars.nentries <= n, "a new entry takes an expired one along");

    zone_ok(zone, "expiry by and by");
}


/* whatever has been in a zone, it leaves nothing behind */

static void
memory(void)
{
    size_t                before, after;
    ngx_uint_t            i, n;
    ngx_counters_zone_t  *zone;

    zone = zone_new(4 * ZONE);

    before = zone_used(&n);

    for (i = 0; i < 30000; i++) {

        switch (rnd(8)) {

        case 0:
            ngx_counters_refusal_revoke(zone, digest(rnd(512)), NOW + i);
            break;

        case 1:
            lease(zone, key(rnd(512), rnd(20)), 0, NGX_COUNTERS_WAITING,
                  NOW + i);
            break;

        case 2:
            finish(zone, key(rnd(512), rnd(20)), 0, NULL, NOW + i);
            break;

        case 3:
            ngx_counters_evict_expire(zone, NOW + i * 100, 10);
            break;

        default:
            put(zone, key(rnd(512), rnd(20)),
                answer(rnd(3) ? NGX_COUNTERS_DATA : NGX_COUNTERS_NEGATIVE,
                       (char *) text(rnd(10) ? rnd(1500) : rnd(20000), i),
                       NOW + i));
        }
    }

    ok(zone->sh->vars.nentries > 1000, "%d entries",
       (int) zone->sh->vars.nentries);
    zone_ok(zone, "30,000 random steps");

    zone_delete_all(zone, NOW);
    ngx_counters_evict_expire(zone, NOW + 30 * DAY, 1000);

    is_int(zone->sh->vars.nentries + zone->sh->vars.ncreds, 0, "all have gone");

    after = zone_used(&n);

    is_int(after, before, "with all their memory");
    is_int(n, 0, "nothing is left");
    zone_ok(zone, "an empty zone");
}


int
test_evict(void)
{
    least_recently_used();
    a_full_zone();
    room_for_oneself();
    idle_credentials();
    answers_too_big();
    what_is_under_way_stays();
    nothing_else_there();
    expiry();
    memory();

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
