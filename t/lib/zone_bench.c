
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the zone costs by itself: look-ups by one process and by several, the
 * memory of an entry, and how long each kind of operation takes and holds the
 * lock.  It is an nginx module, because the zone lies in nginx's shared
 * memory; "t/bench --zone" builds it and runs it by "nginx -t":
 *
 *     zone_bench entries=24000 own=0 processes=2 ms=1000;
 *
 * Times are of the CPU, so that what else the machine does is left out.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "ngx_counters_tasks.h"
#include "ngx_counters_zone.h"


#define BENCH_NOW      1800000000000ULL     /* Unix milliseconds */
#define BENCH_GROUPS   1000
#define BENCH_USERS    60                   /* of a task */
#define BENCH_STEPS    100
#define BENCH_BUCKETS  32


typedef struct {
    uint64_t               holds[BENCH_BUCKETS];  /* by log2 of ns */
    uint64_t               longest;
    uint64_t               n;
} bench_holds_t;


typedef struct {
    ngx_uint_t             entries;
    ngx_uint_t             own;         /* a credential each */
    ngx_uint_t             processes;
    ngx_uint_t             ms;

    ngx_slab_pool_t       *sp;
    ngx_shm_zone_t         shm_zone;
    ngx_counters_zone_t    zone;
    ngx_counters_owner_t   me;
    ngx_pool_t            *pool;
    ngx_log_t             *log;
    uint64_t               now;
    uint64_t               random;
} bench_t;


static char *bench_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t bench_zone(bench_t *b, size_t size);
static void bench_key(bench_t *b, ngx_uint_t n, ngx_counters_key_t *key);
static ngx_int_t bench_put(bench_t *b, ngx_uint_t n);
static void bench_size(bench_t *b);
static void bench_lookups(bench_t *b, ngx_uint_t processes);
static ngx_uint_t bench_lookup(bench_t *b, ngx_uint_t ms);
static void bench_operations(bench_t *b);
static void bench_upkeep(bench_t *b);
static void bench_events(bench_t *b);
static void bench_queue(bench_t *b);
static void bench_purges(bench_t *b);
static ngx_int_t bench_evict(bench_t *b);
static void bench_report(const char *name, ngx_uint_t n, uint64_t start);
static ngx_uint_t bench_has(void *data, const u_char *digest);
static uint32_t bench_random(bench_t *b);
static uint64_t bench_cpu(void);

void __wrap_ngx_shmtx_lock(ngx_shmtx_t *mtx);
void __wrap_ngx_shmtx_unlock(ngx_shmtx_t *mtx);
void __real_ngx_shmtx_lock(ngx_shmtx_t *mtx);
void __real_ngx_shmtx_unlock(ngx_shmtx_t *mtx);


static ngx_uint_t     bench_timing;
static uint64_t       bench_locked;
static bench_holds_t  bench_holds;

static u_char  bench_cred[NGX_COUNTERS_DIGEST_LEN] = "the one webhook";

static u_char  bench_headers[] =
    "Access-Control-Allow-Origin: *" CRLF
    "Access-Control-Allow-Headers: origin, content-type, accept" CRLF
    "X-Content-Type-Options: nosniff" CRLF;

static u_char  bench_body[] =
    "{\"result\":{\"expired\":{\"counter\":12,\"code\":6291456},"
    "\"new_comments\":{\"counter\":5,\"code\":12582912}},\"total\":1,"
    "\"time\":{\"start\":1780000000.561148,\"finish\":1780000000.611473,"
    "\"duration\":0.05032515525817871,\"processing\":0.02512669563293457,"
    "\"date_start\":\"2026-05-28T23:26:40+03:00\","
    "\"date_finish\":\"2026-05-28T23:26:40+03:00\","
    "\"operating_reset_at\":1780000600,\"operating\":0.02510690689086914}}";


static ngx_command_t  bench_commands[] = {

    { ngx_string("zone_bench"),
      NGX_MAIN_CONF|NGX_DIRECT_CONF|NGX_CONF_ANY,
      bench_set,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_core_module_t  bench_module_ctx = {
    ngx_string("zone_bench"),
    NULL,
    NULL
};


ngx_module_t  bench_module = {
    NGX_MODULE_V1,
    &bench_module_ctx,                     /* module context */
    bench_commands,                        /* module directives */
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


ngx_module_t  *ngx_modules[] = { &bench_module, NULL };
char          *ngx_module_names[] = { "bench_module", NULL };
char          *ngx_module_order[] = { NULL };


void
__wrap_ngx_shmtx_lock(ngx_shmtx_t *mtx)
{
    __real_ngx_shmtx_lock(mtx);

    if (bench_timing) {
        bench_locked = bench_cpu();
    }
}


void
__wrap_ngx_shmtx_unlock(ngx_shmtx_t *mtx)
{
    uint64_t    ns;
    ngx_uint_t  i;

    if (bench_timing) {
        ns = bench_cpu() - bench_locked;

        for (i = 0; i < BENCH_BUCKETS - 1 && ns >> (i + 1); i++) {
            /* void */
        }

        bench_holds.holds[i]++;
        bench_holds.longest = ngx_max(bench_holds.longest, ns);
        bench_holds.n++;
    }

    __real_ngx_shmtx_unlock(mtx);
}


static char *
bench_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char      *p;
    bench_t     *b;
    ngx_int_t    n;
    ngx_str_t   *value;
    ngx_uint_t   i, k;

    b = ngx_pcalloc(cf->pool, sizeof(bench_t));
    if (b == NULL) {
        return NGX_CONF_ERROR;
    }

    b->entries = 1000;
    b->processes = 2;
    b->ms = 1000;
    b->log = cf->log;
    b->me.pid = ngx_getpid();
    b->now = BENCH_NOW;
    b->random = 88172645463325252ULL;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        p = (u_char *) ngx_strchr(value[i].data, '=');
        if (p == NULL) {
            return "takes name=number";
        }

        k = p - value[i].data;
        n = ngx_atoi(p + 1, value[i].len - k - 1);

        if (k == 7 && ngx_strncmp(value[i].data, "entries", k) == 0) {
            b->entries = n;

        } else if (k == 3 && ngx_strncmp(value[i].data, "own", k) == 0) {
            b->own = n;

        } else if (k == 9 && ngx_strncmp(value[i].data, "processes", k) == 0)
        {
            b->processes = n;

        } else if (k == 2 && ngx_strncmp(value[i].data, "ms", k) == 0) {
            b->ms = n;
        }
    }

    b->pool = ngx_create_pool(16384, cf->log);
    if (b->pool == NULL) {
        return NGX_CONF_ERROR;
    }

    bench_size(b);

    if (bench_zone(b, b->entries * 1500 + 16 * 1024 * 1024) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    bench_operations(b);

    for (n = 1; n <= (ngx_int_t) b->processes; n++) {
        bench_lookups(b, n);
    }

    return NGX_CONF_OK;
}


/* as ngx_init_zone_pool(); the last one goes */

static ngx_int_t
bench_zone(bench_t *b, size_t size)
{
    if (b->sp) {
        munmap(b->sp, b->shm_zone.shm.size);
    }

    b->sp = mmap(NULL, size, PROT_READ|PROT_WRITE,
                 MAP_ANON|MAP_SHARED|MAP_POPULATE, -1, 0);
    if (b->sp == MAP_FAILED) {
        return NGX_ERROR;
    }

    b->sp->end = (u_char *) b->sp + size;
    b->sp->min_shift = 3;
    b->sp->addr = b->sp;

    if (ngx_shmtx_create(&b->sp->mutex, &b->sp->lock, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_slab_init(b->sp);

    b->shm_zone.shm.addr = (u_char *) b->sp;
    b->shm_zone.shm.size = size;
    b->shm_zone.shm.log = b->log;

    ngx_memzero(&b->zone, sizeof(ngx_counters_zone_t));
    ngx_str_set(&b->zone.name, "bench");

    b->zone.conf.stale = 300000;
    b->zone.conf.error = 3600000;
    b->zone.conf.timeout = 10000;
    b->zone.conf.ahead = 300000;
    b->zone.conf.batch = 50;
    b->zone.conf.batch_wait = 5;
    b->zone.conf.reserve = 20;
    b->zone.conf.tasks = 1;
    b->zone.conf.bucket.rate = 2000;
    b->zone.conf.bucket.burst = 50000;

    if (ngx_counters_zone_init(&b->zone, &b->shm_zone, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_counters_tasks_init(&b->zone);

    if (!b->own) {
        b->zone.common = 1;
        ngx_memcpy(b->zone.common_cred, bench_cred, NGX_COUNTERS_DIGEST_LEN);
    }

    return NGX_OK;
}


static void
bench_key(bench_t *b, ngx_uint_t n, ngx_counters_key_t *key)
{
    uint64_t             h;
    u_char               cred[NGX_COUNTERS_DIGEST_LEN];
    ngx_counters_call_t  call;

    ngx_memcpy(cred, bench_cred, NGX_COUNTERS_DIGEST_LEN);

    if (b->own) {
        h = (n + 1) * 0x9e3779b97f4a7c15ULL;
        ngx_memcpy(cred, &h, sizeof(h));
    }

    call.method = NGX_COUNTERS_TASKS;
    call.type = NGX_COUNTERS_TYPE_ALL;
    call.user = n + 1;
    call.group = (n % 8) ? 0 : 1 + n / 8 % BENCH_GROUPS;

    ngx_counters_key_make(key, cred, &call);
}


static ngx_int_t
bench_put(bench_t *b, ngx_uint_t n)
{
    ngx_uint_t                stored;
    ngx_counters_key_t        key;
    ngx_counters_ask_t        ask;
    ngx_counters_answer_in_t  answer;

    bench_key(b, n, &key);

    ngx_memzero(&ask, sizeof(ngx_counters_ask_t));
    ask.class = NGX_COUNTERS_WAITING;
    ask.lease = 11000;

    if (ngx_counters_lease_acquire(&b->zone, &key, &b->me, &ask, b->now)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&answer, sizeof(ngx_counters_answer_in_t));

    answer.kind = NGX_COUNTERS_DATA;
    answer.status = 200;
    answer.fetched = b->now;
    answer.ttl = 60000;
    answer.headers.data = bench_headers;
    answer.headers.len = sizeof(bench_headers) - 1;
    answer.body.data = bench_body;
    answer.body.len = sizeof(bench_body) - 1;

    (void) ngx_counters_lease_finish(&b->zone, &key, &b->me, &answer, b->now,
                                     &stored);

    return stored ? NGX_OK : NGX_ERROR;
}


/* how many go into 64 megabytes */

static void
bench_size(bench_t *b)
{
    size_t                     size;
    ngx_uint_t                 n;
    ngx_counters_zone_state_t  state;

    size = 64 * 1024 * 1024;

    if (bench_zone(b, size) != NGX_OK) {
        return;
    }

    for (n = 0; n < size / 512; n++) {
        b->now = BENCH_NOW + n / 100;
        (void) bench_put(b, n);
    }

    ngx_counters_zone_state(&b->zone, b->now, &state);

    b->now = BENCH_NOW;

    printf("bytes entries=%lu each=%.0f\n", (unsigned long) state.entries,
           (double) size / state.entries);
}


static void
bench_lookups(bench_t *b, ngx_uint_t processes)
{
    pid_t        pid;
    uint64_t    *done;
    ngx_uint_t   i, n;

    done = mmap(NULL, ngx_pagesize, PROT_READ|PROT_WRITE, MAP_ANON|MAP_SHARED,
                -1, 0);
    if (done == MAP_FAILED) {
        return;
    }

    fflush(stdout);

    for (i = 0; i < processes; i++) {

        pid = fork();

        if (pid == 0) {
            b->random += (i + 1) * 0x9e3779b97f4a7c15ULL;
            ngx_pid = ngx_getpid();

            (void) bench_lookup(b, b->ms / 5);
            done[8 * i] = bench_lookup(b, b->ms);
            _exit(0);
        }
    }

    for (i = 0; i < processes; i++) {
        wait(NULL);
    }

    for (i = 0, n = 0; i < processes; i++) {
        n += done[8 * i];
    }

    printf("lookups processes=%lu million=%.3f ns=%.0f\n",
           (unsigned long) processes, n / 1e6, processes * 1e9 / n);

    munmap(done, ngx_pagesize);
}


/* of fresh answers, all copied; how many in a second of the CPU */

static ngx_uint_t
bench_lookup(bench_t *b, ngx_uint_t ms)
{
    uint64_t             start, ns;
    ngx_uint_t           i, n;
    ngx_counters_key_t   key;
    ngx_counters_view_t  view;

    n = 0;
    start = bench_cpu();

    do {
        for (i = 0; i < 256; i++) {
            bench_key(b, bench_random(b) % b->entries, &key);

            if (ngx_counters_zone_lookup(&b->zone, &key, b->now, b->pool,
                                         &view)
                != NGX_OK
                || view.fresh != NGX_COUNTERS_FRESH
                || view.body.len != sizeof(bench_body) - 1)
            {
                printf("a look-up has failed\n");
                return 0;
            }

            ngx_reset_pool(b->pool);
        }

        n += i;
        ns = bench_cpu() - start;

    } while (ns < ms * 1000000);

    return n * 1000000000.0 / ns;
}


static void
bench_operations(bench_t *b)
{
    uint64_t    start;
    ngx_uint_t  n;

    bench_timing = 1;

    start = bench_cpu();

    for (n = 0; n < b->entries; n++) {
        (void) bench_put(b, n);
    }

    bench_report("fill", n, start);

    bench_upkeep(b);
    bench_events(b);
    bench_queue(b);
    bench_purges(b);

    if (bench_evict(b) != NGX_OK) {
        return;
    }

    /* and all anew, for the look-ups */

    bench_timing = 0;

    if (bench_zone(b, b->entries * 1500 + 16 * 1024 * 1024) != NGX_OK) {
        return;
    }

    for (n = 0; n < b->entries; n++) {
        (void) bench_put(b, n);
    }
}


static void
bench_upkeep(bench_t *b)
{
    uint64_t                   start;
    ngx_uint_t                 n;
    ngx_counters_zone_t        zone;
    ngx_counters_zone_state_t  state;

    zone = b->zone;
    start = bench_cpu();
    (void) ngx_counters_zone_init(&zone, &b->shm_zone, &b->zone);
    bench_report("reload", 1, start);

    start = bench_cpu();

    for (n = 0; n < BENCH_STEPS; n++) {
        ngx_counters_zone_state(&b->zone, b->now, &state);
    }

    bench_report("status", n, start);

    start = bench_cpu();

    for (n = 0; n < BENCH_STEPS; n++) {
        ngx_counters_evict_expire(&b->zone, b->now, 100);
    }

    bench_report("expire", n, start);

    start = bench_cpu();

    for (n = 0; n < BENCH_STEPS; n++) {
        (void) ngx_counters_ahead(&b->zone, &b->me, b->now, bench_has, NULL);
    }

    bench_report("ahead", n, start);
}


static void
bench_events(bench_t *b)
{
    uint64_t               start;
    ngx_uint_t             i, n;
    ngx_counters_users_t  *users;

    users = ngx_palloc(b->pool, sizeof(ngx_counters_users_t));

    start = bench_cpu();

    for (n = 0; n < 20; n++) {
        users->wide = 0;
        users->n = BENCH_USERS;

        for (i = 0; i < BENCH_USERS; i++) {
            users->elts[i] = 1 + bench_random(b) % b->entries;
        }

        (void) ngx_counters_ahead_mark(&b->zone, &b->me, users, b->now,
                                       bench_has, NULL);
    }

    bench_report("event of 60 users", n, start);
}


static void
bench_queue(bench_t *b)
{
    uint64_t               start;
    ngx_msec_t             delay;
    ngx_uint_t             i, k, n;
    ngx_counters_key_t     key;
    ngx_counters_ask_t     ask;
    ngx_counters_flight_t  flight;

    start = bench_cpu();

    for (n = 0; n < BENCH_STEPS; n++) {
        (void) ngx_counters_dispatch(&b->zone, &b->me, b->now + n * 500,
                                     &flight, &delay, &i);
    }

    bench_report("dispatch", n, start);

    ngx_memzero(&ask, sizeof(ngx_counters_ask_t));
    ask.lease = 11000;
    ask.class = NGX_COUNTERS_WAITING;

    k = ngx_min(b->entries, 10000);
    start = bench_cpu();

    for (n = 0; n < k; n++) {
        bench_key(b, b->entries + n, &key);

        if (ngx_counters_lease_acquire(&b->zone, &key, &b->me, &ask, b->now)
            == NGX_OK)
        {
            (void) ngx_counters_lease_enqueue(&b->zone, &key, &b->me,
                                              NGX_COUNTERS_WAITING, 0, b->now);
        }
    }

    bench_report("ask and queue", n, start);
}


static void
bench_purges(bench_t *b)
{
    uint64_t    start, user, group;
    ngx_uint_t  n;

    start = bench_cpu();

    for (n = 0; n < 20; n++) {
        user = 1 + bench_random(b) % b->entries;
        (void) ngx_counters_zone_purge(&b->zone, &user, NULL, 1, b->now);
    }

    bench_report("purge of a user", n, start);

    start = bench_cpu();

    for (n = 0; n < 20; n++) {
        group = 1 + n;
        (void) ngx_counters_zone_purge(&b->zone, NULL, &group, 1, b->now);
    }

    bench_report("purge of a group", n, start);

    start = bench_cpu();
    (void) ngx_counters_zone_purge(&b->zone, NULL, NULL, 1, b->now);
    bench_report("purge of all, soft", 1, start);

    start = bench_cpu();
    (void) ngx_counters_zone_purge(&b->zone, NULL, NULL, 0, b->now);
    bench_report("purge of all", 1, start);

    start = bench_cpu();
    ngx_counters_evict_expire(&b->zone, b->now - 3600000, 100);
    bench_report("clock set back", 1, start);
}


static ngx_int_t
bench_evict(bench_t *b)
{
    uint64_t    start;
    ngx_uint_t  n;

    if (bench_zone(b, b->entries * 700 + 4 * 1024 * 1024) != NGX_OK) {
        return NGX_ERROR;
    }

    start = bench_cpu();

    for (n = 0; n < 2 * b->entries; n++) {
        (void) bench_put(b, n);

        if (n == b->entries) {
            ngx_memzero(&bench_holds, sizeof(bench_holds_t));
            start = bench_cpu();
        }
    }

    bench_report("fill, evicting", b->entries, start);

    return NGX_OK;
}


static void
bench_report(const char *name, ngx_uint_t n, uint64_t start)
{
    uint64_t    us;
    ngx_uint_t  i;

    us = bench_cpu() - start;

    printf("operation us=%.2f longest=%.1f holds=", us / 1e3 / n,
           bench_holds.longest / 1e3);

    for (i = 0; i < BENCH_BUCKETS; i++) {
        printf("%s%lu", i ? "," : "", (unsigned long) bench_holds.holds[i]);
    }

    printf(" name=%s\n", name);

    ngx_memzero(&bench_holds, sizeof(bench_holds_t));
}


static ngx_uint_t
bench_has(void *data, const u_char *digest)
{
    return 1;
}


static uint32_t
bench_random(bench_t *b)
{
    b->random ^= b->random >> 12;
    b->random ^= b->random << 25;
    b->random ^= b->random >> 27;

    return (b->random * 0x2545f4914f6cdd1dULL) >> 32;
}


/* nanoseconds that this thread has run */

static uint64_t
bench_cpu(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}
