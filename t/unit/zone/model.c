
/*
 * Copyright (C) The nginx counters module authors
 *
 * The zone under random steps of several workers, some of which die: beside
 * it a plain record of who does what and what was answered, which it must
 * never contradict.  The order of the steps is the same in every run.
 */


#include "model.h"


ngx_counters_zone_t  *zone;
uint64_t              now;
ngx_uint_t            roomy;
char                  wrong[200];


static void
step_revoke(void)
{
    ngx_uint_t  i, cred;
    uint64_t    t;

    cred = rnd(CREDS);
    t = about_now() - (rnd(4) ? 0 : rnd(5000));

    (void) ngx_counters_refusal_revoke(zone, digest(cred), t);

    if (zone_fail == 0
        && ngx_counters_table_find_cred_locked(zone, digest(cred))->refused
           == t)
    {
        for (i = 0; i < KEYS; i++) {
            if (models[i].key.cred[31] == cred) {
                models[i].data = 0;
            }
        }
    }
}


static void
step_purge(void)
{
    uint64_t     user, t;
    ngx_uint_t   i, soft, all;
    model_t     *m;

    user = rnd(USERS);
    soft = rnd(2);
    all = (rnd(3) == 0);
    t = about_now() - (rnd(4) ? 0 : rnd(5000));

    (void) ngx_counters_zone_purge(zone, all ? NULL : &user, NULL, soft, t);

    for (i = 0; i < KEYS; i++) {
        m = &models[i];

        if (!all && m->key.user != user) {
            continue;
        }

        /* what is newer has nothing to do with it */

        if (m->data && m->fetched > t) {
            continue;
        }

        if (!soft) {
            m->data = 0;
        }

        m->old = 1;

        if (m->start <= t) {
            m->late = ngx_max(m->late, t);
        }
    }
}


static ngx_uint_t
has_some(void *data, const u_char *digest)
{
    return digest[31] % 3 != 0;
}


static void
step_ahead(void)
{
    ngx_uint_t             i, w, queued[KEYS];
    ngx_counters_entry_t  *e;

    w = rnd(WORKERS);

    for (i = 0; i < KEYS; i++) {
        e = zone_find(zone, &models[i].key);
        queued[i] = (e && e->state == NGX_COUNTERS_QUEUED);
    }

    (void) ngx_counters_ahead(zone, &workers[w], about_now(), has_some, NULL);

    for (i = 0; i < KEYS; i++) {
        e = zone_find(zone, &models[i].key);

        if (e && e->state == NGX_COUNTERS_QUEUED && !queued[i]) {
            claim(has_some(NULL, models[i].key.cred), "queued without the key");
            claim(e->class == NGX_COUNTERS_AHEAD, "ahead, but not so queued");
            claim(ngx_counters_asked(zone, e) + 1020 >= now - 300000 - 20, "nobody asked for it");

            models[i].state = NGX_COUNTERS_QUEUED;
            models[i].pid = workers[w].pid;
            models[i].start = ngx_counters_work(zone, e)->since;
            models[i].late = 0;
        }
    }
}


static void
step_portal(void)
{
    uint64_t  t;

    t = about_now();

    switch (rnd(14)) {

    case 0:
        (void) ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_LIMITED, t,
                                              rnd(2) ? t + rnd(3000) : 0);
        break;

    case 1:
        if (rnd(8) == 0) {
            (void) ngx_counters_quota_portal_hold(zone,
                                                  NGX_COUNTERS_OVERLOADED, t,
                                                  rnd(2) ? t + rnd(20000) : 0);
        }

        break;

    case 2:
    case 3:
        (void) ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_BACKOFF, t,
                                              0);
        break;

    case 4:
        ngx_counters_limits_zone_method_hold(zone, digest(rnd(CREDS)), rnd(2),
                                             t, rnd(2) ? t + rnd(9000) : 0);
        break;

    case 5:
        ngx_counters_limits_zone_refused_hold(zone, t);
        break;

    case 6:
        ngx_counters_quota_passed(zone, t);
        break;

    case 7:
        (void) ngx_counters_limits_batch_failed(zone, digest(rnd(CREDS)),
                                               rnd(2), t);
        break;

    case 8:
        if (rnd(2)) {
            ngx_counters_limits_batch_good(zone, digest(rnd(CREDS)));

        } else {
            ngx_counters_limits_single_failed(zone, digest(rnd(CREDS)));
        }

        break;

    default:
        (void) ngx_counters_quota_portal_good(zone, t);
    }
}


/* another takes its slot, as the master sees to */

static void
step_kill(void)
{
    ngx_uint_t  w, i;

    w = 1 + rnd(WORKERS - 1);
    i = workers[w].pid % 64;

    workers_alive &= ~((ngx_uint_t) 1 << i);

    i = (i + 7) % 60 + 1;

    workers[w].pid = workers[w].pid / 64 * 64 + i;
    workers_alive |= (ngx_uint_t) 1 << i;
}


/* what is rare */

static void
step_other(void)
{
    ngx_counters_zone_state_t  state;

    switch (rnd(10)) {

    case 0:
        step_revoke();
        break;

    case 1:
        step_purge();
        break;

    case 2:
        step_kill();
        break;

    case 3:
        ngx_counters_evict_expire(zone, about_now(), rnd(50));
        break;

    case 4:
        ngx_counters_zone_state(zone, about_now(), &state);
        claim(state.entries <= KEYS, "%d entries", (int) state.entries);
        break;

    default:
        ngx_counters_refusal_accepted(zone, digest(rnd(CREDS)),
                                      about_now());
    }
}


static void
step(void)
{
    now += rnd(4) ? rnd(20) : rnd(1500);

    if (rnd(2000) == 0) {
        now += rnd(200000);
    }

    switch (rnd(24)) {

    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        step_acquire();
        break;

    case 6:
    case 7:
    case 8:
    case 9:
        step_enqueue();
        break;

    case 10:
    case 11:
    case 12:
        step_dispatch();
        break;

    case 13:
    case 14:
    case 15:
        step_land();
        break;

    case 16:
    case 17:
        step_finish();
        break;

    case 18:
        step_ahead();
        break;

    case 19:
        step_portal();
        break;

    case 20:
        step_other();
        break;

    default:
        step_lookup();
    }
}


/* with nobody asking any more, everything comes to an end */

static void
to_rest(void)
{
    ngx_uint_t                 i, w, n;
    ngx_counters_zone_state_t  state;

    zone_fail = 0;
    state.entries = 0;

    for (i = 0; i < 40000; i++) {
        now += 50;

        for (w = 0; w < WORKERS; w++) {
            if (dispatch(zone, w, now) == NGX_OK) {
                (void) ngx_counters_quota_portal_good(zone, now);

                for (n = 0; n < flight.n; n++) {
                    finish(zone, &flight.keys[n], w,
                           answer(NGX_COUNTERS_DATA, "{}", now), now);
                }
            }
        }

        ngx_counters_zone_state(zone, now, &state);

        for (n = 0, w = 0; w < NGX_COUNTERS_CLASSES; w++) {
            n += state.queued[w];
        }

        if (n == 0) {
            break;
        }
    }

    claim(n == 0, "%d calls stay in the queue", (int) n);
}


static void
run(const char *name, size_t size, ngx_uint_t collide, ngx_uint_t fail,
    ngx_uint_t n)
{
    size_t               start, rest;
    ngx_uint_t           i, c, u, pieces, queued, leased;
    ngx_counters_key_t  *k;

    zone = zone_new(size);

    start = zone_used(&pieces);
    hash_collide = collide;

    zone->conf.ahead = 300000;
    zone->conf.batch = rnd(2) ? 50 : 5;
    zone->conf.batch_wait = 5;
    zone->conf.bucket.rate = rnd(2) ? 2000 : 50000;
    zone->common = 1;
    ngx_memcpy(zone->common_cred, digest(COMMON), NGX_COUNTERS_DIGEST_LEN);

    now = NOW;
    steps_init();
    roomy = (size > 1024 * 1024);
    wrong[0] = '\0';
    queued = 0;
    leased = 0;

    for (i = 0; i < KEYS; i++) {
        c = i % CREDS;
        u = i / CREDS % USERS;

        k = key(c, u);
        k->method = i / CREDS / USERS;
        models[i].key = *k;
    }

    for (i = 0; i < n && wrong[0] == '\0'; i++) {

        if (fail) {
            zone_fail = rnd(2) ? fail : 0;
        }

        step();

        queued += (zone->sh->vars.nqueued[NGX_COUNTERS_WAITING] > 0
                   || zone->sh->vars.nqueued[NGX_COUNTERS_STALE] > 0);
        leased += (zone->sh->vars.nflying > 0);

        if (i % 1000 == 0 && zone_broken(zone)) {
            break;
        }
    }

    if (wrong[0] == '\0') {
        to_rest();
    }

    is_str(wrong, strlen(wrong), "", "%s: %d steps", name, (int) i);
    zone_ok(zone, "its order");

    ok(queued > n / 20 && leased > n / 10, "clients waited in %d, calls were "
       "in flight in %d, %d entries made room", (int) queued, (int) leased,
       (int) zone->sh->stats[0][NGX_COUNTERS_STAT_EVICTED]);

    /* and the memory comes back */

    zone_delete_all(zone, now);
    ngx_counters_evict_expire(zone, now + 86400000ULL * 9, 1000);

    rest = zone_used(&pieces);

    is_int(rest, start, "%s: its memory is free again", name);
    zone_ok(zone, "at rest");
}


int
test_model(void)
{
    run("enough room", 2 * 1024 * 1024, 0, 0, 40000);
    run("little room", 128 * 1024, 0, 0, 40000);
    run("one hash for all", 256 * 1024, 1, 0, 15000);
    run("allocations fail", 256 * 1024, 0, 4, 25000);

    return done();
}
