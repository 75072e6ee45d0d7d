
/*
 * Copyright (C) The nginx counters module authors
 *
 * The steps of a refresh, and what its worker and a client may expect.
 */


#include "model.h"


static void end(model_t *m, ngx_counters_owner_t *owner);


model_t          models[KEYS];
model_flight_t   flights[FLIGHTS];
static uint64_t  serial;


void
steps_init(void)
{
    ngx_memzero(models, sizeof(models));
    ngx_memzero(flights, sizeof(flights));

    serial = 0;
}


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

uint64_t
about_now(void)
{
    return now - rnd(20);
}


void
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


void
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

    rc = ngx_counters_lease_acquire(zone, &m->key, &workers[w], &ask, t);

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


void
step_enqueue(void)
{
    model_t     *m;
    ngx_int_t    rc;
    ngx_uint_t   w;

    m = any();
    w = rnd(WORKERS);

    rc = ngx_counters_lease_enqueue(zone, &m->key, &workers[w], rnd(3), 0,
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


void
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

    woken = ngx_counters_lease_finish(zone, &m->key, owner, a, t, &stored);

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


void
step_finish(void)
{
    model_t  *m;

    m = any();

    if (m->state == NGX_COUNTERS_FLYING) {
        return;
    }

    end(m, &workers[rnd(WORKERS)]);
}


void
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

            rc = ngx_counters_lease_enqueue(zone, &m->key, &f->owner, 0,
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
