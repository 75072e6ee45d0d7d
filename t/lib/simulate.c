
/*
 * Copyright (C) The nginx counters module authors
 *
 * Hours of polling in seconds: the real zone, queue and bucket, driven by
 * events with a clock of their own.  It is an nginx module, because the zone
 * is made of nginx's slabs and trees; "t/simulate --hours" builds it and runs
 * it by "nginx -t", which is all that its one directive needs:
 *
 *     simulate users=4500 hours=2 ...;
 *
 * What the http part of the module does with the zone is done here in the
 * same order: lookup, acquire, enqueue, dispatch, finish, ahead.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <sys/mman.h>

#include "ngx_counters_zone.h"


#define SIMULATE_START      1800000000000    /* Unix milliseconds */
#define SIMULATE_AGES       600000
#define SIMULATE_FLIGHTS    6
#define SIMULATE_TICK       250
#define SIMULATE_WORKERS    16

/* the portal's operating limit (limits.md), milliseconds */
#define SIMULATE_OPERATING  480000
#define SIMULATE_WINDOW     600000
#define SIMULATE_BASKET     60000
#define SIMULATE_BASKETS    (SIMULATE_WINDOW / SIMULATE_BASKET + 1)


typedef enum {
    SIMULATE_POLL = 0,      /* a user asks */
    SIMULATE_DEADLINE,      /* a user has waited long enough */
    SIMULATE_TICKS,         /* a worker looks for what is due */
    SIMULATE_PUMP,          /* a worker dispatches */
    SIMULATE_LANDING,       /* the portal's answer arrives */
    SIMULATE_PASS           /* a request that is passed on */
} simulate_kind_e;


typedef struct {
    uint64_t                 at;
    uint64_t                 order;       /* of what happens at once */
    simulate_kind_e          kind;
    ngx_uint_t               n;
    uint64_t                 mark;
} simulate_event_t;


typedef struct {
    uint64_t                 waiting;     /* since, 0: not */
    ngx_uint_t               worker;
    unsigned                 served:1;    /* has had an answer once */
} simulate_user_t;


typedef struct {
    ngx_counters_owner_t     me;
    ngx_uint_t               nflights;
    uint64_t                 pump;        /* when it looks, 0: not set */
} simulate_worker_t;


typedef struct {
    uint64_t                 start;
    uint64_t                 sum;
} simulate_basket_t;


typedef struct {
    ngx_counters_flight_t    calls;
    ngx_uint_t               worker;
    ngx_uint_t               limited;     /* the portal has refused it */
    ngx_uint_t               operated;    /* or all calls from this one on */
    uint64_t                 used;
    uint64_t                 reset;
    ngx_uint_t               next;        /* free ones */
} simulate_flight_t;


typedef struct {
    ngx_uint_t               answers;
    ngx_uint_t               hit;
    ngx_uint_t               updating;
    ngx_uint_t               stale;
    ngx_uint_t               waited;
    ngx_uint_t               refused;     /* 503 of our own */
    ngx_uint_t               requests;    /* to the portal */
    ngx_uint_t               commands;
    ngx_uint_t               passed;
    ngx_uint_t               limits;      /* 503 of the portal */
    ngx_uint_t               passed_limits;
    ngx_uint_t               operated;    /* 429 of the portal */
    ngx_uint_t               longest;     /* wait */
    ngx_uint_t               ages[SIMULATE_AGES];
} simulate_sum_t;


typedef struct {
    ngx_uint_t               users;
    ngx_uint_t               poll;        /* milliseconds, as all below */
    ngx_uint_t               latency;
    ngx_uint_t               each;        /* more for every command */
    ngx_uint_t               cost;        /* of one, in operating time */
    ngx_uint_t               warm;
    ngx_uint_t               last;
    ngx_uint_t               pass;        /* one request in so long, 0: none */
    ngx_uint_t               workers;

    ngx_uint_t               ttl;         /* as in the configuration */
    ngx_uint_t               wait;
    ngx_uint_t               rate;        /* thousandths */
    ngx_uint_t               burst;
    ngx_uint_t               reserve;
    ngx_uint_t               ahead;
    ngx_uint_t               stale;
    ngx_uint_t               error;
    ngx_uint_t               batch;
    ngx_uint_t               batch_wait;
    ngx_uint_t               timeout;

    ngx_counters_zone_t      zone;
    simulate_user_t         *user;
    simulate_worker_t        worker[SIMULATE_WORKERS];
    simulate_flight_t       *flight;
    ngx_uint_t               nflights;
    ngx_uint_t               free;

    simulate_event_t        *heap;
    ngx_uint_t               nheap;
    ngx_uint_t               allocated;
    uint64_t                 order;
    uint64_t                 now;

    uint64_t                 level;       /* the portal's own bucket */
    uint64_t                 second;
    ngx_uint_t               phase;
    simulate_basket_t        basket[SIMULATE_BASKETS];    /* latest first */

    ngx_uint_t               unserved;
    uint64_t                 cold;        /* when the last had an answer */
    simulate_sum_t          *sum;
    simulate_sum_t           warming;
    simulate_sum_t           measured;
} simulate_t;


typedef struct {
    const char              *name;
    size_t                   offset;
    ngx_uint_t               initial;
} simulate_argument_t;


static char *simulate_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t simulate_arguments(ngx_conf_t *cf, simulate_t *s);
static ngx_int_t simulate_init(ngx_conf_t *cf, simulate_t *s);
static void simulate_run(simulate_t *s);
static void simulate_at(simulate_t *s, uint64_t at, simulate_kind_e kind,
    ngx_uint_t n, uint64_t mark);
static simulate_event_t simulate_next(simulate_t *s);
static ngx_uint_t simulate_before(simulate_event_t *a, simulate_event_t *b);
static void simulate_key(simulate_t *s, ngx_uint_t user,
    ngx_counters_key_t *key);
static void simulate_ask(simulate_t *s, ngx_uint_t n);
static ngx_int_t simulate_refresh(simulate_t *s, ngx_uint_t user,
    ngx_counters_class_e class, uint64_t seen);
static void simulate_deadline(simulate_t *s, ngx_uint_t n, uint64_t since);
static void simulate_answer(simulate_t *s, ngx_uint_t n, uint64_t fetched);
static ngx_uint_t simulate_has(void *data, const u_char *digest);
static void simulate_pump(simulate_t *s, ngx_uint_t n);
static void simulate_pump_at(simulate_t *s, ngx_uint_t n, uint64_t at);
static ngx_uint_t simulate_admit(simulate_t *s);
static ngx_uint_t simulate_operate(simulate_t *s, simulate_flight_t *flight);
static void simulate_land(simulate_t *s, ngx_uint_t n);
static void simulate_store(simulate_t *s, simulate_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_kind_e kind);
static void simulate_report(simulate_t *s);
static ngx_uint_t simulate_percentile(simulate_sum_t *sum, double share);


static simulate_argument_t  simulate_args[] = {
    { "users", offsetof(simulate_t, users), 4500 },
    { "poll", offsetof(simulate_t, poll), 15000 },
    { "latency", offsetof(simulate_t, latency), 200 },
    { "each", offsetof(simulate_t, each), 0 },
    { "cost", offsetof(simulate_t, cost), 0 },
    { "warm", offsetof(simulate_t, warm), 180000 },
    { "last", offsetof(simulate_t, last), 3600000 },
    { "pass", offsetof(simulate_t, pass), 0 },
    { "workers", offsetof(simulate_t, workers), 2 },
    { "ttl", offsetof(simulate_t, ttl), 60000 },
    { "wait", offsetof(simulate_t, wait), 5000 },
    { "rate", offsetof(simulate_t, rate), 2000 },
    { "burst", offsetof(simulate_t, burst), 50000 },
    { "reserve", offsetof(simulate_t, reserve), 20 },
    { "ahead", offsetof(simulate_t, ahead), 300000 },
    { "stale", offsetof(simulate_t, stale), 300000 },
    { "error", offsetof(simulate_t, error), 3600000 },
    { "batch", offsetof(simulate_t, batch), 50 },
    { "batch_wait", offsetof(simulate_t, batch_wait), 5 },
    { "timeout", offsetof(simulate_t, timeout), 10000 },
    { NULL, 0, 0 }
};


static u_char  simulate_cred[NGX_COUNTERS_DIGEST_LEN] = "the one webhook";


static ngx_command_t  simulate_commands[] = {

    { ngx_string("simulate"),
      NGX_MAIN_CONF|NGX_DIRECT_CONF|NGX_CONF_ANY,
      simulate_set,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_core_module_t  simulate_module_ctx = {
    ngx_string("simulate"),
    NULL,
    NULL
};


ngx_module_t  simulate_module = {
    NGX_MODULE_V1,
    &simulate_module_ctx,                  /* module context */
    simulate_commands,                     /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_module_t  *ngx_modules[] = { &simulate_module, NULL };
char          *ngx_module_names[] = { "simulate_module", NULL };
char          *ngx_module_order[] = { NULL };


static char *
simulate_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    simulate_t  *s;

    s = ngx_pcalloc(cf->pool, sizeof(simulate_t));

    if (s == NULL
        || simulate_arguments(cf, s) != NGX_OK
        || simulate_init(cf, s) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    simulate_run(s);
    simulate_report(s);

    return NGX_CONF_OK;
}


static ngx_int_t
simulate_arguments(ngx_conf_t *cf, simulate_t *s)
{
    u_char                    *p;
    ngx_int_t                  n;
    ngx_str_t                 *value;
    ngx_uint_t                 i, k;
    simulate_argument_t       *arg;
    ngx_counters_zone_conf_t  *conf;

    for (arg = simulate_args; arg->name; arg++) {
        *(ngx_uint_t *) ((u_char *) s + arg->offset) = arg->initial;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        p = (u_char *) ngx_strchr(value[i].data, '=');

        if (p == NULL) {
            goto invalid;
        }

        k = p - value[i].data;
        p++;

        for (arg = simulate_args; arg->name; arg++) {
            if (ngx_strlen(arg->name) == k
                && ngx_strncmp(value[i].data, arg->name, k) == 0)
            {
                break;
            }
        }

        n = ngx_atoi(p, value[i].data + value[i].len - p);

        if (arg->name == NULL || n < 0) {
            goto invalid;
        }

        *(ngx_uint_t *) ((u_char *) s + arg->offset) = n;
    }

    if (s->workers < 1 || s->workers > SIMULATE_WORKERS || s->users < 1) {
        goto invalid;
    }

    conf = &s->zone.conf;

    conf->stale = s->stale;
    conf->error = s->error;
    conf->timeout = s->timeout;
    conf->ahead = s->ahead;
    conf->batch = s->batch;
    conf->batch_wait = s->batch_wait;
    conf->reserve = s->reserve;
    conf->bucket.rate = s->rate;
    conf->bucket.burst = s->burst;

    return NGX_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "simulate: invalid argument");

    return NGX_ERROR;
}


static ngx_int_t
simulate_init(ngx_conf_t *cf, simulate_t *s)
{
    size_t            size;
    ngx_uint_t        i;
    ngx_shm_zone_t    shm_zone;
    ngx_slab_pool_t  *sp;

    size = 16 * 1024 * 1024 + s->users * 2048;

    sp = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_ANON|MAP_SHARED, -1, 0);
    s->user = ngx_pcalloc(cf->pool, s->users * sizeof(simulate_user_t));

    s->nflights = s->workers * SIMULATE_FLIGHTS;
    s->flight = ngx_pcalloc(cf->pool,
                            s->nflights * sizeof(simulate_flight_t));

    /* a user has one poll ahead, and may have deadlines of earlier ones */

    s->allocated = s->users * 64 + 4096;
    s->heap = ngx_palloc(cf->pool, s->allocated * sizeof(simulate_event_t));

    if (sp == MAP_FAILED || s->user == NULL || s->flight == NULL
        || s->heap == NULL)
    {
        return NGX_ERROR;
    }

    sp->end = (u_char *) sp + size;
    sp->min_shift = 3;
    sp->addr = sp;

    if (ngx_shmtx_create(&sp->mutex, &sp->lock, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_slab_init(sp);

    ngx_memzero(&shm_zone, sizeof(ngx_shm_zone_t));
    shm_zone.shm.addr = (u_char *) sp;
    shm_zone.shm.size = size;
    shm_zone.shm.log = cf->log;

    ngx_str_set(&s->zone.name, "simulated");

    if (ngx_counters_zone_init(&s->zone, &shm_zone, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    s->zone.common = 1;
    ngx_memcpy(s->zone.common_cred, simulate_cred, NGX_COUNTERS_DIGEST_LEN);

    s->now = SIMULATE_START;
    s->phase = ngx_random() % 1000;
    s->second = (s->now + s->phase) / 1000;
    s->unserved = s->users;
    s->sum = &s->warming;

    for (i = 0; i < s->nflights; i++) {
        s->flight[i].next = i + 1;
    }

    for (i = 0; i < s->workers; i++) {
        s->worker[i].me.pid = ngx_getpid();
        s->worker[i].me.slot = i;
        simulate_at(s, s->now + ngx_random() % SIMULATE_TICK, SIMULATE_TICKS,
                    i, 0);
    }

    for (i = 0; i < s->users; i++) {
        simulate_at(s, s->now + ngx_random() % s->poll, SIMULATE_POLL, i, 0);
    }

    if (s->pass) {
        simulate_at(s, s->now, SIMULATE_PASS, 0, 0);
    }

    return NGX_OK;
}


static void
simulate_run(simulate_t *s)
{
    simulate_event_t  ev;

    for ( ;; ) {

        ev = simulate_next(s);
        s->now = ev.at;

        if (s->sum == &s->warming && s->now >= SIMULATE_START + s->warm) {
            s->sum = &s->measured;
        }

        if (s->now >= SIMULATE_START + s->warm + s->last) {
            return;
        }

        switch (ev.kind) {

        case SIMULATE_POLL:
            simulate_ask(s, ev.n);
            simulate_at(s, s->now + s->poll, SIMULATE_POLL, ev.n, 0);
            break;

        case SIMULATE_DEADLINE:
            simulate_deadline(s, ev.n, ev.mark);
            break;

        case SIMULATE_TICKS:
            if (s->zone.conf.ahead
                && ngx_counters_ahead(&s->zone, &s->worker[ev.n].me,
                                      s->now, simulate_has, s))
            {
                simulate_pump(s, ev.n);
            }

            simulate_at(s, s->now + SIMULATE_TICK, SIMULATE_TICKS, ev.n, 0);
            break;

        case SIMULATE_PUMP:
            if (s->worker[ev.n].pump == ev.at) {
                s->worker[ev.n].pump = 0;
                simulate_pump(s, ev.n);
            }
            break;

        case SIMULATE_LANDING:
            simulate_land(s, ev.n);
            break;

        case SIMULATE_PASS:
            ngx_counters_quota_passed(&s->zone, s->now);

            if (!simulate_admit(s)) {
                s->sum->passed_limits++;
            }

            s->sum->passed++;
            simulate_at(s, s->now + s->pass / 2 + ngx_random() % s->pass,
                        SIMULATE_PASS, 0, 0);
            break;
        }
    }
}


/* events, in a heap */


static void
simulate_at(simulate_t *s, uint64_t at, simulate_kind_e kind, ngx_uint_t n,
    uint64_t mark)
{
    ngx_uint_t        i;
    simulate_event_t  ev, *heap;

    heap = s->heap;

    if (s->nheap == s->allocated) {
        fprintf(stderr, "simulate: too many events\n");
        exit(1);
    }

    ev.at = at;
    ev.order = s->order++;
    ev.kind = kind;
    ev.n = n;
    ev.mark = mark;

    for (i = s->nheap++;
         i && simulate_before(&ev, &heap[(i - 1) / 2]);
         i = (i - 1) / 2)
    {
        heap[i] = heap[(i - 1) / 2];
    }

    heap[i] = ev;
}


static simulate_event_t
simulate_next(simulate_t *s)
{
    ngx_uint_t        i, child;
    simulate_event_t  first, *last, *heap;

    heap = s->heap;
    first = heap[0];
    last = &heap[--s->nheap];

    for (i = 0; ; i = child) {
        child = 2 * i + 1;

        if (child >= s->nheap) {
            break;
        }

        if (child + 1 < s->nheap
            && simulate_before(&heap[child + 1], &heap[child]))
        {
            child++;
        }

        if (!simulate_before(&heap[child], last)) {
            break;
        }

        heap[i] = heap[child];
    }

    heap[i] = *last;

    return first;
}


static ngx_uint_t
simulate_before(simulate_event_t *a, simulate_event_t *b)
{
    return (a->at != b->at) ? a->at < b->at : a->order < b->order;
}


/* users */


static void
simulate_key(simulate_t *s, ngx_uint_t user, ngx_counters_key_t *key)
{
    ngx_counters_call_t  call;

    call.method = NGX_COUNTERS_TASKS;
    call.type = NGX_COUNTERS_TYPE_ALL;
    call.user = user + 1;
    call.group = 0;

    ngx_counters_key_make(key, simulate_cred, &call);
}


static void
simulate_ask(simulate_t *s, ngx_uint_t n)
{
    ngx_int_t             rc;
    simulate_user_t      *user;
    ngx_counters_key_t    key;
    ngx_counters_view_t   view;

    user = &s->user[n];

    if (user->waiting) {
        return;
    }

    user->worker = ngx_random() % s->workers;
    simulate_key(s, n, &key);

    rc = ngx_counters_zone_lookup(&s->zone, &key, s->now, NULL, &view);

    if (rc == NGX_OK && view.fresh == NGX_COUNTERS_FRESH) {
        s->sum->hit++;
        simulate_answer(s, n, view.fetched);
        return;
    }

    if (rc == NGX_OK
        && (view.fresh == NGX_COUNTERS_REVALIDATE || view.dry
            || view.hold != NGX_COUNTERS_OPEN))
    {
        if (view.hold != NGX_COUNTERS_OPEN) {
            s->sum->stale++;

        } else {
            s->sum->updating++;

            if (!view.flying) {
                (void) simulate_refresh(s, n, NGX_COUNTERS_STALE,
                                        view.fetched);
            }
        }

        simulate_answer(s, n, view.fetched);
        return;
    }

    user->waiting = s->now;
    simulate_at(s, s->now + s->wait, SIMULATE_DEADLINE, n, s->now);

    (void) simulate_refresh(s, n, NGX_COUNTERS_WAITING,
                            rc == NGX_OK ? view.fetched : 0);
}


static ngx_int_t
simulate_refresh(simulate_t *s, ngx_uint_t n, ngx_counters_class_e class,
    uint64_t seen)
{
    ngx_int_t            rc;
    simulate_worker_t   *w;
    ngx_counters_ask_t   ask;
    ngx_counters_key_t   key;

    w = &s->worker[s->user[n].worker];
    simulate_key(s, n, &key);

    ask.class = class;
    ask.lease = s->zone.conf.timeout + 1000;
    ask.seen = seen;
    ask.wait = (class == NGX_COUNTERS_WAITING);
    ask.check = 0;

    rc = ngx_counters_lease_acquire(&s->zone, &key, &w->me, &ask, s->now);

    if (rc == NGX_OK) {
        rc = ngx_counters_lease_enqueue(&s->zone, &key, &w->me, class, 0,
                                        s->now);
    }

    simulate_pump(s, s->user[n].worker);

    return rc;
}


static void
simulate_deadline(simulate_t *s, ngx_uint_t n, uint64_t since)
{
    ngx_int_t             rc;
    simulate_user_t      *user;
    ngx_counters_key_t    key;
    ngx_counters_view_t   view;

    user = &s->user[n];

    if (user->waiting != since) {
        return;
    }

    simulate_key(s, n, &key);

    rc = ngx_counters_zone_lookup(&s->zone, &key, s->now, NULL, &view);

    if (view.flying) {
        simulate_at(s, s->now + 1, SIMULATE_DEADLINE, n, since);
        return;
    }

    if (rc == NGX_OK) {
        s->sum->stale++;
        simulate_answer(s, n, view.fetched);

    } else {
        s->sum->refused++;
    }

    user->waiting = 0;
}


static void
simulate_answer(simulate_t *s, ngx_uint_t n, uint64_t fetched)
{
    uint64_t          age;
    simulate_user_t  *user;

    user = &s->user[n];
    age = s->now - fetched;

    s->sum->answers++;
    s->sum->ages[ngx_min(age, SIMULATE_AGES - 1)]++;

    if (!user->served) {
        user->served = 1;

        if (--s->unserved == 0) {
            s->cold = s->now - SIMULATE_START;
        }
    }
}


/* workers */


static ngx_uint_t
simulate_has(void *data, const u_char *digest)
{
    return 1;
}


static void
simulate_pump(simulate_t *s, ngx_uint_t n)
{
    ngx_int_t           rc;
    ngx_uint_t          i, slot;
    ngx_msec_t          delay;
    simulate_worker_t  *w;
    simulate_flight_t  *flight;

    w = &s->worker[n];

    while (w->nflights < SIMULATE_FLIGHTS) {

        i = s->free;
        flight = &s->flight[i];

        rc = ngx_counters_dispatch(&s->zone, &w->me, s->now,
                                   &flight->calls, &delay, &slot);

        if (rc == NGX_OK) {
            s->free = flight->next;
            w->nflights++;

            flight->worker = n;
            flight->limited = !simulate_admit(s);
            flight->operated = flight->limited ? 0
                                               : simulate_operate(s, flight);

            s->sum->requests++;
            s->sum->commands += flight->calls.n;
            s->sum->limits += flight->limited;
            s->sum->operated += flight->limited ? 0 : flight->calls.n
                                                      - flight->operated;

            simulate_at(s, s->now + s->latency + s->each * flight->calls.n,
                        SIMULATE_LANDING, i, 0);
            continue;
        }

        if (rc == NGX_AGAIN) {
            simulate_pump_at(s, n, s->now + delay);

        } else if (rc == NGX_BUSY) {
            simulate_pump_at(s, slot, s->now);
            simulate_pump_at(s, n, s->now + delay);
        }

        return;
    }
}


static void
simulate_pump_at(simulate_t *s, ngx_uint_t n, uint64_t at)
{
    if (s->worker[n].pump != at) {
        s->worker[n].pump = at;
        simulate_at(s, at, SIMULATE_PUMP, n, 0);
    }
}


/* the portal: its seconds are not ours */

static ngx_uint_t
simulate_admit(simulate_t *s)
{
    uint64_t  second, drain;

    second = (s->now + s->phase) / 1000;
    drain = (second - s->second) * s->zone.conf.bucket.rate;

    s->level -= ngx_min(drain, s->level);
    s->second = second;

    if (s->zone.conf.bucket.rate
        && s->level + 1000 > s->zone.conf.bucket.burst)
    {
        return 0;
    }

    s->level += 1000;

    return 1;
}


/* how many of the calls come before the limit of their operating time */

static ngx_uint_t
simulate_operate(simulate_t *s, simulate_flight_t *flight)
{
    uint64_t            used;
    ngx_uint_t          i, n;
    simulate_basket_t  *oldest;

    used = 0;
    oldest = s->basket;

    for (i = 0; i < SIMULATE_BASKETS; i++) {
        if (s->basket[i].start
            && s->basket[i].start + SIMULATE_WINDOW > s->now)
        {
            oldest = &s->basket[i];
            used += oldest->sum;
        }
    }

    if (s->basket[0].start + SIMULATE_BASKET <= s->now) {
        ngx_memmove(&s->basket[1], &s->basket[0],
                    (SIMULATE_BASKETS - 1) * sizeof(simulate_basket_t));
        oldest += (used != 0);
        s->basket[0].start = s->now;
        s->basket[0].sum = 0;
    }

    for (n = 0; n < flight->calls.n && used <= SIMULATE_OPERATING; n++) {
        used += s->cost;
        s->basket[0].sum += s->cost;
    }

    flight->used = used;
    flight->reset = (oldest->start + SIMULATE_WINDOW) / 1000;

    return n;
}


static void
simulate_land(simulate_t *s, ngx_uint_t n)
{
    ngx_uint_t           i;
    simulate_flight_t   *flight;
    simulate_worker_t   *w;
    ngx_counters_key_t  *key;

    flight = &s->flight[n];
    w = &s->worker[flight->worker];

    if (flight->limited) {
        (void) ngx_counters_quota_portal_hold(&s->zone, NGX_COUNTERS_LIMITED,
                                              s->now, 0);
    } else {
        (void) ngx_counters_quota_portal_good(&s->zone, s->now);
    }

    if (flight->operated) {
        ngx_counters_limits_zone_operating(&s->zone, simulate_cred,
                                           NGX_COUNTERS_TASKS, s->now,
                                           flight->used, flight->reset);
    }

    for (i = 0; i < flight->calls.n; i++) {

        key = &flight->calls.keys[i];

        if (flight->limited) {
            (void) ngx_counters_lease_enqueue(&s->zone, key, &w->me,
                                              NGX_COUNTERS_WAITING,
                                              flight->calls.split, s->now);
            continue;
        }

        if (i < flight->operated) {
            simulate_store(s, w, key, NGX_COUNTERS_DATA);
            continue;
        }

        ngx_counters_limits_zone_method_hold(&s->zone, key->cred, key->method,
                                             s->now, 0);
        simulate_store(s, w, key, NGX_COUNTERS_FAILURE);
    }

    flight->next = s->free;
    s->free = n;
    w->nflights--;

    simulate_pump(s, flight->worker);
}


static void
simulate_store(simulate_t *s, simulate_worker_t *w, ngx_counters_key_t *key,
    ngx_counters_kind_e kind)
{
    ngx_uint_t                 stored;
    simulate_user_t           *user;
    ngx_counters_answer_in_t   answer;

    ngx_memzero(&answer, sizeof(ngx_counters_answer_in_t));
    ngx_str_set(&answer.body, "{\"result\":{}}");
    answer.kind = kind;
    answer.status = (kind == NGX_COUNTERS_DATA) ? 200 : 429;
    answer.fetched = s->now;
    answer.ttl = ngx_counters_policy_jitter_ttl(s->ttl, ngx_random());

    (void) ngx_counters_lease_finish(&s->zone, key, &w->me, &answer, s->now,
                                     &stored);

    user = &s->user[key->user - 1];

    if (user->waiting == 0) {
        return;
    }

    if (kind == NGX_COUNTERS_DATA) {
        s->sum->waited++;
        s->sum->longest = ngx_max(s->sum->longest, s->now - user->waiting);
        simulate_answer(s, key->user - 1, s->now);

    } else {
        s->sum->refused++;
    }

    user->waiting = 0;
}


/* one line of NAME=NUMBER for t/simulate, first the cold start's */

static void
simulate_report(simulate_t *s)
{
    ngx_uint_t       i, k, fresh, good;
    simulate_sum_t  *sum;

    for (k = 0; k < 2; k++) {
        sum = k ? &s->measured : &s->warming;

        for (i = 0, fresh = 0, good = 0; i <= s->ttl * 11 / 10; i++) {
            good += sum->ages[i];
            fresh += (i < s->ttl) ? sum->ages[i] : 0;
        }

        printf("%s users=%lu answers=%lu requests=%lu commands=%lu limits=%lu "
               "passed=%lu passed_limits=%lu operated=%lu refused=%lu hit=%lu updating=%lu "
               "stale=%lu waited=%lu longest=%lu fresh=%lu good=%lu p50=%lu "
               "p90=%lu p99=%lu max=%lu cold=%lu\n",
               k ? "measured" : "warming", s->users, sum->answers,
               sum->requests, sum->commands, sum->limits, sum->passed,
               sum->passed_limits, sum->operated, sum->refused, sum->hit, sum->updating,
               sum->stale, sum->waited, sum->longest, fresh, good,
               simulate_percentile(sum, 0.5), simulate_percentile(sum, 0.9),
               simulate_percentile(sum, 0.99), simulate_percentile(sum, 1),
               s->unserved ? 0 : s->cold);
    }
}


static ngx_uint_t
simulate_percentile(simulate_sum_t *sum, double share)
{
    ngx_uint_t  i, n;

    for (i = 0, n = 0; i < SIMULATE_AGES; i++) {
        n += sum->ages[i];

        if (n && n >= share * sum->answers) {
            return i;
        }
    }

    return 0;
}
