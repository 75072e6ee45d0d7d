
/*
 * Copyright (C) The nginx counters module authors
 *
 * The quota is short, and users poll as they like: everybody's answers get
 * older evenly, and nobody's are much older than an even share would make
 * them.  Users, their credentials and their intervals are drawn at random.
 */


#include "zone_test.h"


#define ZONE      (4 * 1024 * 1024)

#define USERS     120
#define FLIGHTS   64
#define WEBHOOK   400             /* credentials: the managed webhook's, */
#define STRANGER  401             /* and those that are made up */

#define TICK      20
#define RATE      2000            /* thousandths of a request a second */
#define TTL       3000
#define STALE     6000


typedef struct {
    ngx_uint_t             users;
    ngx_uint_t             managed;    /* so many of them share a webhook */
    ngx_uint_t             batch;
    ngx_uint_t             interval;   /* of all, or 0: each has its own */
    unsigned               ahead:1;
    unsigned               strangers:1;
    const char            *name;
} mix_t;


typedef struct {
    ngx_counters_key_t     key;
    ngx_uint_t             worker;
    uint64_t               interval;
    uint64_t               next;
    uint64_t               oldest;     /* data that it was answered with */
} user_t;


typedef struct {
    ngx_counters_flight_t  calls;
    ngx_uint_t             worker;
    uint64_t               lands;      /* 0: free */
} call_t;


static user_t                user[USERS];
static call_t                call[FLIGHTS];
static ngx_counters_zone_t  *zone;


/* what a request does in its worker */

static void
poll_one(ngx_counters_key_t *key, ngx_uint_t worker, uint64_t now)
{
    ngx_int_t             rc;
    ngx_counters_class_e  class;
    ngx_counters_ask_t    ask;

    rc = look(zone, key, now);

    ngx_memzero(&ask, sizeof(ask));

    ask.lease = 11000;
    ask.class = NGX_COUNTERS_WAITING;
    ask.wait = 1;

    if (rc == NGX_OK && view.kind == NGX_COUNTERS_DATA) {

        if (view.fresh == NGX_COUNTERS_FRESH
            || view.hold != NGX_COUNTERS_OPEN)
        {
            return;
        }

        ask.seen = view.fetched;

        if (view.fresh == NGX_COUNTERS_REVALIDATE || view.dry) {
            ask.class = NGX_COUNTERS_STALE;
            ask.wait = 0;
        }
    }

    class = ask.class;

    if (ngx_counters_lease_acquire(zone, key, &workers[worker], &ask, now)
        == NGX_OK)
    {
        (void) enqueue(zone, key, worker, class, now);
    }
}


static void
users_poll(ngx_uint_t n, uint64_t now, uint64_t from)
{
    user_t      *u;
    ngx_uint_t   i;

    for (i = 0; i < n; i++) {
        u = &user[i];

        if (now < u->next) {
            continue;
        }

        u->next += u->interval;

        poll_one(&u->key, u->worker, now);

        if (now >= from) {
            u->oldest = ngx_max(u->oldest,
                                (view.kind == NGX_COUNTERS_DATA)
                                ? now - view.fetched : now);
        }
    }
}


/* made-up tokens, one a second; the portal refuses them */

static void
strangers_ask(uint64_t now)
{
    static ngx_uint_t  n;

    if (now % 1000 < TICK) {
        n = (n + 1) % 100;
        poll_one(key(STRANGER + n, 0), n % WORKERS, now);
    }
}


static void
calls_leave(uint64_t now)
{
    ngx_uint_t  i, w;

    for (w = 0; w < WORKERS; w++) {

        for (i = 0; i < FLIGHTS; i++) {

            if (call[i].lands) {
                continue;
            }

            if (dispatch(zone, w, now) != NGX_OK) {
                break;
            }

            call[i].calls = flight;
            call[i].worker = w;
            call[i].lands = now + 50 + rnd(300);
        }
    }
}


static void
calls_land(uint64_t now)
{
    ngx_uint_t                 i, n;
    ngx_counters_key_t        *k;
    ngx_counters_answer_in_t  *a;

    for (i = 0; i < FLIGHTS; i++) {

        if (call[i].lands == 0 || now < call[i].lands) {
            continue;
        }

        call[i].lands = 0;

        for (n = 0; n < call[i].calls.n; n++) {
            k = &call[i].calls.keys[n];

            a = answer(k->user ? NGX_COUNTERS_DATA : NGX_COUNTERS_NEGATIVE,
                       "{}", now);
            a->ttl = TTL;

            finish(zone, k, call[i].worker, a, now);
        }
    }
}


static void
begin(mix_t *mix)
{
    user_t      *u;
    ngx_uint_t   i;

    zone = zone_new(ZONE);

    /* it is about time: what an edit leaves is looked at elsewhere */

    zone_check_not();

    zone->conf.stale = STALE;
    zone->conf.batch = mix->batch;
    zone->conf.batch_wait = 5;
    zone->conf.ahead = mix->ahead ? 300000 : 0;
    zone->conf.bucket.rate = RATE;
    zone->common = 1;
    ngx_memcpy(zone->common_cred, digest(WEBHOOK), NGX_COUNTERS_DIGEST_LEN);

    ngx_memzero(call, sizeof(call));

    for (i = 0; i < mix->users; i++) {
        u = &user[i];

        u->key = *key(i < mix->managed ? WEBHOOK : i, i + 1);
        u->worker = i % WORKERS;
        u->interval = mix->interval ? mix->interval
                                    : 200 + rnd(rnd(2) ? 3000 : 15000);
        u->next = NOW + rnd(u->interval);

        /* the portal has accepted all, and one in four has something */

        accept_cred(zone, i);

        if (rnd(4) == 0) {
            put(zone, &u->key, answer(NGX_COUNTERS_DATA, "{}",
                                      NOW - rnd(600000)));
        }

        u->oldest = 0;
    }
}


/*
 * After two rounds in which all may come to have something: an even share is
 * the time that all need who cannot share a request.
 */

static void
share(mix_t *mix)
{
    user_t      *u;
    uint64_t     now, even, from, worst;
    ngx_uint_t   i, calls;

    begin(mix);

    calls = mix->users - mix->managed
            + (mix->managed + mix->batch - 1) / mix->batch;
    even = ngx_max(calls * 1000 * 1000 / RATE, TTL);
    from = NOW + 4 * even;

    for (now = NOW; now < NOW + 9 * even; now += TICK) {
        calls_land(now);

        if (mix->ahead && now % 200 < TICK) {
            ngx_counters_ahead(zone, &workers[0], now, has_all, NULL);
        }

        users_poll(mix->users, now, from);

        if (mix->strangers) {
            strangers_ask(now);
        }

        calls_leave(now);
    }

    worst = 0;

    for (i = 0; i < mix->users; i++) {
        u = &user[i];

        if (u->oldest > u->interval) {
            worst = ngx_max(worst, u->oldest - u->interval);
        }
    }

    ok(worst <= 2 * even, "%s: %d ms, of twice %d", mix->name, (int) worst,
       (int) even);
    zone_ok(zone, mix->name);
}


int
test_fair(void)
{
    ngx_uint_t  i;
    mix_t       mix;

    static mix_t  mixes[] = {
        { 40, 0, 1, 1000, 0, 0, "40 credentials, each polling once a second" },
        { 120, 0, 1, 5000, 0, 0, "120, every five seconds" },
        { 40, 40, 1, 1000, 0, 0, "one webhook without batches" },
        { 40, 0, 50, 1000, 0, 0, "batches that they cannot share" },
        { 120, 80, 10, 1000, 0, 0, "a webhook among other credentials" },
        { 40, 0, 1, 0, 1, 0, "some of them refreshed ahead" },
        { 40, 0, 1, 0, 0, 1, "strangers among them" },
        { 0, 0, 0, 0, 0, 0, NULL }
    };

    for (i = 0; mixes[i].name; i++) {
        share(&mixes[i]);
    }

    /* any mix */

    for (i = 0; i < 9; i++) {
        mix.users = 10 + rnd(USERS - 9);
        mix.managed = rnd(2) ? rnd(mix.users + 1) : 0;
        mix.batch = rnd(2) ? 1 + rnd(50) : 1;
        mix.interval = rnd(3) ? 0 : 200 + rnd(8000);
        mix.ahead = rnd(3) == 0;
        mix.strangers = rnd(3) == 0;
        mix.name = "any mix";

        share(&mix);
    }

    return done();
}
