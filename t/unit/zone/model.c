
/*
 * Copyright (C) The nginx counters module authors
 *
 * The zone under random steps of several workers, some of which die: beside
 * it a plain record of who does what and what was answered, which it must
 * never contradict.  The order of the steps is the same in every run.
 */


#include "zone_test.h"


#define CREDS     10
#define USERS     12
#define KEYS      (CREDS * USERS * NGX_COUNTERS_METHODS)
#define FLIGHTS   64
#define COMMON    3               /* the managed webhook's credential */


/* one key, as the workers know it */

typedef struct {
    ngx_counters_key_t     key;

    ngx_uint_t             state;      /* LEASED and FLYING are certain,
                                          QUEUED is what it was last */
    ngx_pid_t              pid;
    uint64_t               lease;
    uint64_t               start;      /* when it was asked for */
    uint64_t               late;       /* and purged since, at */

    unsigned               data:1;     /* there may be data in the zone: */
    unsigned               old:1;      /* not fresh, */
    uint64_t               serial;     /* this, */
    uint64_t               fetched;    /* of that time */
} model_t;


typedef struct {
    ngx_counters_flight_t  calls;
    ngx_counters_owner_t   owner;
    unsigned               used:1;
} model_flight_t;


static model_t               models[KEYS];
static model_flight_t        flights[FLIGHTS];
static ngx_counters_zone_t  *zone;
static uint64_t              now;
static uint64_t              serial;
static ngx_uint_t            roomy;
static char                  wrong[200];


/* names the first contradiction */

#define claim(cond, ...)                                                      \
    if (!(cond) && wrong[0] == '\0') {                                        \
        snprintf(wrong, sizeof(wrong), __VA_ARGS__);                          \
    }


static void end(model_t *m, ngx_counters_owner_t *owner);


static model_t *
any(void)
{
    return &models[rnd(KEYS)];
}


static model_t *
known(ngx_counters_key_t *key)
{
    ngx_uint_t  i;

    for (i = 0; i < KEYS; i++) {
        if (ngx_memcmp(&models[i].key, key, sizeof(*key)) == 0) {
            return &models[i];
        }
    }

    claim(0, "a key that nobody asked for");

    return &models[0];
}


static ngx_uint_t
alive(ngx_pid_t pid)
{
    return kill(pid, 0) == 0;
}


/* workers keep the time each for itself */

static uint64_t
about_now(void)
{
    return now - rnd(20);
}


static void
step_lookup(void)
{
    char        cred[3];
    long        user, method, n;
    model_t    *m;
    uint64_t    t;
    ngx_int_t   rc;

    m = any();
    t = about_now();
    rc = look(zone, &m->key, t);

    if (rc != NGX_OK || view.kind != NGX_COUNTERS_DATA) {
        return;
    }

    claim(m->data, "data that was dropped is there");

    user = -1;
    method = -1;
    n = -1;

    if (sscanf((char *) view.body.data, "%2s %ld %ld %ld ", cred, &user,
               &method, &n)
        != 4)
    {
        claim(0, "an answer that nobody gave");
        return;
    }

    claim((uint64_t) user == m->key.user && method == (long) m->key.method
          && strtol(cred, NULL, 16) == m->key.cred[31],
          "another's answer: %s %ld %ld", cred, user, method);
    claim((uint64_t) n == m->serial, "answer %ld, not %ld", n,
          (long) m->serial);
    claim(view.fetched == m->fetched, "fetched at another time");
    claim(view.headers.len == 6 + m->serial % 6
          && view.headers.data[0] == 'A' + m->serial % 6,
          "another answer's headers");

    if (view.fresh == NGX_COUNTERS_FRESH) {
        claim(!m->old, "what was asked for before a purge is fresh");
    }
}


static void
step_acquire(void)
{
    model_t             *m;
    uint64_t             t;
    ngx_int_t            rc;
    ngx_uint_t           w, certain;
    ngx_counters_ask_t   ask;

    m = any();
    w = rnd(WORKERS);
    t = about_now();

    ngx_memzero(&ask, sizeof(ask));

    ask.class = rnd(3);
    ask.lease = 11000;
    ask.wait = rnd(2);
    ask.force = 0;
    ask.check = (rnd(4) == 0);
    ask.seen = rnd(2) ? m->fetched : 0;

    rc = ngx_counters_zone_acquire(zone, &m->key, &workers[w], &ask, t);

    if (rc != NGX_OK) {
        return;
    }

    certain = (m->state == NGX_COUNTERS_LEASED
               || m->state == NGX_COUNTERS_FLYING)
              && t <= m->lease && !(ask.check && !alive(m->pid));

    claim(!certain, "two refresh one key");

    m->state = NGX_COUNTERS_LEASED;
    m->pid = workers[w].pid;
    m->lease = t + ask.lease;
    m->start = t;
    m->late = 0;

    if (rnd(2)) {
        now += rnd(50);
        end(m, &workers[w]);
    }
}


static void
step_enqueue(void)
{
    model_t     *m;
    ngx_int_t    rc;
    ngx_uint_t   w;

    m = any();
    w = rnd(WORKERS);

    rc = ngx_counters_zone_enqueue(zone, &m->key, &workers[w], rnd(3), 0,
                                   about_now());
    if (rc == NGX_DECLINED) {
        claim(m->state != NGX_COUNTERS_LEASED || m->pid != workers[w].pid
              || now > m->lease, "a lease was lost");
        return;
    }

    claim(m->pid == workers[w].pid && (m->state == NGX_COUNTERS_LEASED
                                       || m->state == NGX_COUNTERS_FLYING),
          "queued by someone else");

    m->state = (rc == NGX_OK) ? NGX_COUNTERS_QUEUED : NGX_COUNTERS_IDLE;
}


static void
step_dispatch(void)
{
    model_t                    *m;
    uint64_t                    t;
    ngx_int_t                   rc;
    ngx_uint_t                  w, i, f;
    ngx_counters_hold_e         hold;
    ngx_counters_zone_state_t   state;

    for (f = 0; f < FLIGHTS; f++) {
        if (!flights[f].used) {
            break;
        }
    }

    if (f == FLIGHTS) {
        return;
    }

    w = rnd(WORKERS);
    t = about_now();

    ngx_counters_zone_state(zone, t, &state);
    hold = state.hold;

    rc = dispatch(zone, w, t);

    if (rc != NGX_OK) {
        claim(rc == NGX_DONE || delay > 0, "nothing leaves, and at once again");
        claim(rc != NGX_BUSY || slot < WORKERS, "an offer to nobody");
        return;
    }

    claim(hold == NGX_COUNTERS_OPEN, "a call leaves while the portal is held");
    claim(flight.n > 0 && flight.n <= ngx_max(zone->conf.batch
                                              >> flight.split, 1),
          "a flight of %d", (int) flight.n);

    for (i = 0; i < flight.n; i++) {
        m = known(&flight.keys[i]);

        claim(m->state == NGX_COUNTERS_QUEUED, "it leaves from state %d",
              (int) m->state);
        claim(ngx_memcmp(flight.keys[i].cred, flight.cred, 32) == 0,
              "two credentials in one flight");

        m->state = NGX_COUNTERS_FLYING;
        m->pid = workers[w].pid;
        m->lease = t + 11000;
        m->start = t;
        m->late = 0;
    }

    flights[f].calls = flight;
    flights[f].owner = workers[w];
    flights[f].used = 1;
}


static ngx_counters_answer_in_t *
any_answer(model_t *m, uint64_t t)
{
    size_t                     len;
    static char                body[16384];
    ngx_counters_answer_in_t  *a;

    static ngx_str_t  headers[] = {
        ngx_string("A: 1" CRLF), ngx_string("B: 22" CRLF),
        ngx_string("C: 333" CRLF), ngx_string("D: 4444" CRLF),
        ngx_string("E: 55555" CRLF), ngx_string("F: 666666" CRLF)
    };

    memset(body, ' ', sizeof(body));

    len = sprintf(body, "%02x %lu %u %lu ", m->key.cred[31],
                  (unsigned long) m->key.user, m->key.method,
                  (unsigned long) ++serial);

    body[len] = ' ';
    len += rnd(8) ? rnd(2000) : rnd(12000);
    body[len] = '\0';

    switch (rnd(8)) {

    case 0:
        a = answer(NGX_COUNTERS_FAILURE, body, t);
        break;

    case 1:
        a = answer(NGX_COUNTERS_NEGATIVE, body, t);
        a->ttl = rnd(2) ? 5000 : 0;
        break;

    case 2:
        a = redis(body, t - rnd(30000));
        break;

    default:
        a = answer(NGX_COUNTERS_DATA, body, t);
    }

    a->headers = headers[serial % 6];

    return a;
}


static void
end(model_t *m, ngx_counters_owner_t *owner)
{
    uint64_t                   t, stored_at, refused;
    ngx_uint_t                 stored, owned, kind, expired, from_redis;
    ngx_counters_answer_in_t  *a;
    ngx_counters_cred_node_t  *cred;

    t = about_now();
    a = rnd(10) ? any_answer(m, t) : NULL;
    kind = a ? a->kind : NGX_COUNTERS_EMPTY;
    from_redis = (a && a->origin == NGX_COUNTERS_FROM_REDIS);
    stored_at = a ? a->fetched : 0;

    /* a place in the queue may have been given up without a word */

    owned = (m->state != NGX_COUNTERS_IDLE && m->pid == owner->pid);
    expired = (now > m->lease);

    cred = ngx_counters_table_find_cred_locked(zone, m->key.cred);
    refused = (cred && m->key.cred[31] != COMMON) ? cred->refused : 0;

    woken = ngx_counters_zone_finish(zone, &m->key, owner, a, t, &stored);

    if (!owned) {
        claim(!stored, "an answer of someone else is stored");
        return;
    }

    claim(stored || kind != NGX_COUNTERS_DATA || !roomy || expired
          || m->state == NGX_COUNTERS_QUEUED
          || refused >= m->start, "a good answer is not stored");

    claim(!stored || kind != NGX_COUNTERS_DATA || refused < m->start,
          "what was asked for before the credential was refused is stored");

    if (kind == NGX_COUNTERS_NEGATIVE && !expired
        && m->state != NGX_COUNTERS_QUEUED)
    {
        m->data = 0;
    }

    if (stored && kind != NGX_COUNTERS_DATA) {
        m->data = 0;
    }

    if (stored && kind == NGX_COUNTERS_DATA) {
        m->data = 1;
        m->serial = serial;
        m->fetched = stored_at;
        m->old = (from_redis ? m->late >= m->fetched : m->late != 0);
    }

    m->state = NGX_COUNTERS_IDLE;
}


static void
step_finish(void)
{
    model_t  *m;

    m = any();

    if (m->state == NGX_COUNTERS_FLYING) {
        return;
    }

    end(m, &workers[rnd(WORKERS)]);
}


static void
step_land(void)
{
    ngx_uint_t       i;
    ngx_int_t        rc;
    model_t         *m;
    model_flight_t  *f;

    f = &flights[rnd(FLIGHTS)];

    if (!f->used) {
        return;
    }

    f->used = 0;

    if (!alive(f->owner.pid)) {
        return;
    }

    i = f->calls.n;

    if (rnd(4) == 0) {

        /* back again, from the last to the first */

        while (i-- > 0) {
            m = known(&f->calls.keys[i]);

            rc = ngx_counters_zone_enqueue(zone, &m->key, &f->owner, 0,
                                           rnd(8), about_now());
            if (rc == NGX_OK) {
                claim(m->pid == f->owner.pid, "queued by someone else");
                m->state = NGX_COUNTERS_QUEUED;

            } else if (m->pid == f->owner.pid
                       && m->state == NGX_COUNTERS_FLYING)
            {
                claim(now > m->lease, "a flight was lost");
                m->state = NGX_COUNTERS_IDLE;
            }
        }

        return;
    }

    while (i-- > 0) {
        end(known(&f->calls.keys[i]), &f->owner);
    }
}


static void
step_revoke(void)
{
    ngx_uint_t  i, cred;
    uint64_t    t;

    cred = rnd(CREDS);
    t = about_now() - (rnd(4) ? 0 : rnd(5000));

    (void) ngx_counters_zone_revoke(zone, digest(cred), t);

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

    (void) ngx_counters_zone_ahead(zone, &workers[w], about_now(), has_some,
                                   NULL);

    for (i = 0; i < KEYS; i++) {
        e = zone_find(zone, &models[i].key);

        if (e && e->state == NGX_COUNTERS_QUEUED && !queued[i]) {
            claim(has_some(NULL, models[i].key.cred), "queued without the key");
            claim(e->class == NGX_COUNTERS_AHEAD, "ahead, but not so queued");
            claim(e->asked + 20 >= now - 300000 - 20, "nobody asked for it");

            models[i].state = NGX_COUNTERS_QUEUED;
            models[i].pid = workers[w].pid;
            models[i].start = e->since;
            models[i].late = 0;
        }
    }
}


static void
step_portal(void)
{
    uint64_t  t;

    t = about_now();

    switch (rnd(12)) {

    case 0:
        (void) ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_LIMITED, t,
                                             rnd(2) ? t + rnd(3000) : 0);
        break;

    case 1:
        if (rnd(8) == 0) {
            (void) ngx_counters_zone_portal_hold(zone,
                                                 NGX_COUNTERS_OVERLOADED, t,
                                                 t + rnd(20000));
        }

        break;

    case 2:
    case 3:
        (void) ngx_counters_zone_portal_hold(zone, NGX_COUNTERS_BACKOFF, t,
                                             0);
        break;

    case 4:
        ngx_counters_zone_method_hold(zone, digest(rnd(CREDS)), rnd(2), t,
                                      rnd(2) ? t + rnd(9000) : 0);
        break;

    case 5:
        ngx_counters_zone_refused_hold(zone, t);
        break;

    case 6:
        ngx_counters_zone_passed(zone, t);
        break;

    default:
        (void) ngx_counters_zone_portal_good(zone, t);
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


static void
step(void)
{
    ngx_counters_zone_state_t  state;

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
            ngx_counters_zone_expire(zone, about_now(), rnd(50));
            break;

        case 4:
            ngx_counters_zone_state(zone, about_now(), &state);
            claim(state.entries <= KEYS, "%d entries", (int) state.entries);
            break;

        default:
            ngx_counters_zone_accepted(zone, digest(rnd(CREDS)),
                                       about_now());
        }

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
                (void) ngx_counters_zone_portal_good(zone, now);

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
    ngx_queue_t         *q;
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

    ngx_memzero(models, sizeof(models));
    ngx_memzero(flights, sizeof(flights));

    now = NOW;
    serial = 0;
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

        queued += (zone->sh->nqueued[0] > 0);
        leased += (zone->sh->nflying > 0);

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

    while (zone->sh->nentries) {
        q = ngx_queue_empty(&zone->sh->lru) ? &zone->sh->bare
                                            : &zone->sh->lru;

        ngx_counters_table_delete_locked(zone,
                            ngx_queue_data(ngx_queue_head(q),
                                           ngx_counters_entry_t, lru), now);
    }

    ngx_counters_zone_expire(zone, now + 86400000ULL * 9, 1000);

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
