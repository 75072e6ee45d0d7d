
/*
 * Copyright (C) The nginx counters module authors
 *
 * The zone that is tested, what its sources are given instead of the real
 * clock and processes, and the steps of a refresh.
 */


#include <sys/mman.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_table.h"
#include "zone_test.h"


/* no process has such an id */
#define PID  0x7f000000


ngx_counters_owner_t   workers[WORKERS];
ngx_uint_t             workers_alive;
ngx_uint_t             hash_collide;
ngx_uint_t             zone_fail;
ngx_pool_t            *test_pool;
ngx_counters_flight_t  flight;
ngx_msec_t             delay;
ngx_uint_t             slot;
uint64_t               woken;
ngx_counters_view_t    view;

static ngx_counters_zone_t  *current;
static ngx_shm_zone_t        shm;
static u_char               *copy;       /* of the zone, before an edit, */
static u_char               *undone;     /* and after it, undone */
static size_t                sh_size;
static ngx_uint_t            looked;
static ngx_uint_t            edits;
static ngx_uint_t            unlooked;
static ngx_uint_t            locks;
static ngx_uint_t            unchecked;
static char                  broken[256];
static uint64_t              seed;


/* called instead of what they are named after */

int __wrap_kill(pid_t pid, int sig);
uint32_t __wrap_ngx_counters_key_hash(const ngx_counters_key_t *key);
void __wrap_ngx_shmtx_lock(ngx_shmtx_t *mtx);
void __wrap_ngx_shmtx_unlock(ngx_shmtx_t *mtx);
void __wrap_ngx_counters_edit_lock(ngx_counters_zone_t *zone);
void __wrap_ngx_counters_edit_commit_locked(ngx_counters_zone_t *zone);
void __wrap_ngx_counters_edit_yield_locked(ngx_counters_zone_t *zone);
void __wrap_ngx_counters_edit_unlock(ngx_counters_zone_t *zone);
void *__wrap_ngx_counters_cells_take_locked(ngx_counters_zone_t *zone);
uint32_t __wrap_ngx_counters_cells_extend_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft, uint32_t n);

int __real_kill(pid_t pid, int sig);
uint32_t __real_ngx_counters_key_hash(const ngx_counters_key_t *key);
void __real_ngx_shmtx_lock(ngx_shmtx_t *mtx);
void __real_ngx_shmtx_unlock(ngx_shmtx_t *mtx);
void __real_ngx_counters_edit_lock(ngx_counters_zone_t *zone);
void __real_ngx_counters_edit_commit_locked(ngx_counters_zone_t *zone);
void __real_ngx_counters_edit_yield_locked(ngx_counters_zone_t *zone);
void __real_ngx_counters_edit_unlock(ngx_counters_zone_t *zone);
void *__real_ngx_counters_cells_take_locked(ngx_counters_zone_t *zone);
uint32_t __real_ngx_counters_cells_extend_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft, uint32_t n);

static void undo_begin(ngx_counters_zone_t *zone);
static void undo_check(ngx_counters_zone_t *zone);


int
__wrap_kill(pid_t pid, int sig)
{
    if (pid < PID) {
        return __real_kill(pid, sig);
    }

    if (workers_alive & ((ngx_uint_t) 1 << (pid - PID))) {
        return 0;
    }

    ngx_set_errno(ESRCH);

    return -1;
}


uint32_t
__wrap_ngx_counters_key_hash(const ngx_counters_key_t *key)
{
    if (hash_collide) {
        return 7;
    }

    return __real_ngx_counters_key_hash(key);
}


void
__wrap_ngx_shmtx_lock(ngx_shmtx_t *mtx)
{
    if (locks++) {
        printf("Bail out! The mutex is locked twice\n");
        exit(2);
    }

    __real_ngx_shmtx_lock(mtx);
}


/* whoever lets the zone go leaves it in order; a big one is looked at less */

void
__wrap_ngx_shmtx_unlock(ngx_shmtx_t *mtx)
{
    const char  *wrong;

    if (--locks) {
        printf("Bail out! The mutex is unlocked twice\n");
        exit(2);
    }

    __real_ngx_shmtx_unlock(mtx);

    if (current && !unlooked && broken[0] == '\0'
        && ++unchecked > current->sh->vars.nentries / 20)
    {
        unchecked = 0;
        wrong = zone_check(current);

        if (wrong) {
            snprintf(broken, sizeof(broken), "%s", wrong);
        }
    }
}


/* what is under way at this moment could be undone */

void
__wrap_ngx_counters_edit_lock(ngx_counters_zone_t *zone)
{
    __real_ngx_counters_edit_lock(zone);
    undo_begin(zone);
}


void
__wrap_ngx_counters_edit_commit_locked(ngx_counters_zone_t *zone)
{
    undo_check(zone);
    __real_ngx_counters_edit_commit_locked(zone);
    undo_begin(zone);
}


void
__wrap_ngx_counters_edit_yield_locked(ngx_counters_zone_t *zone)
{
    undo_check(zone);
    __real_ngx_counters_edit_yield_locked(zone);
    undo_begin(zone);
}


void
__wrap_ngx_counters_edit_unlock(ngx_counters_zone_t *zone)
{
    undo_check(zone);
    __real_ngx_counters_edit_unlock(zone);
}


static void
undo_begin(ngx_counters_zone_t *zone)
{
    /* large ones are looked at less */

    looked = (zone == current && !unlooked
              && ++edits % (1 + sh_size / 32768) == 0);

    if (looked) {
        ngx_memcpy(copy, zone->sh, sh_size);
    }
}


/*
 * The zone with what was saved put back is what it was when the edit began;
 * but for the edit itself, counts, buckets' numbers, when entries were asked
 * for, and what was never used.
 */

static void
undo_check(ngx_counters_zone_t *zone)
{
    u_char                  *p, *q;
    size_t                   i, n, edit;
    ngx_counters_edit_t     *e;
    ngx_counters_saved_t    *saved;
    ngx_counters_zone_sh_t  *before, *after;

    if (!looked || zone != current || broken[0]) {
        return;
    }

    looked = 0;

    ngx_memcpy(undone, zone->sh, sh_size);

    before = (ngx_counters_zone_sh_t *) copy;
    after = (ngx_counters_zone_sh_t *) undone;
    e = &after->edit;

    for (n = e->nsaved; n; n--) {
        saved = &e->saved[n - 1];

        ngx_memcpy(undone + (size_t) saved->at * 4,
                   e->data + (size_t) saved->data * 4, saved->len);
    }

    edit = offsetof(ngx_counters_zone_sh_t, edit);
    p = copy + sizeof(ngx_counters_zone_sh_t);
    q = undone + sizeof(ngx_counters_zone_sh_t);

    if (memcmp(copy, undone, edit) != 0) {
        for (i = 0; copy[i] == undone[i]; i++) {
            /* void */
        }

        snprintf(broken, sizeof(broken), "an edit of the zone's own struct "
                 "cannot be undone at %lu", (unsigned long) i);
        return;
    }

    /* the slots */

    for (i = 0; i < before->vars.fresh; i++) {

        if (*(uint32_t *) (p + 8 * i) != *(uint32_t *) (q + 8 * i)) {
            snprintf(broken, sizeof(broken), "the place of cell %lu cannot "
                     "be undone", (unsigned long) i);
            return;
        }
    }

    p += 8 * before->ncells;
    q += 8 * before->ncells;

    for (i = 0; i < before->nbuckets; i++) {

        if (*(uint32_t *) (p + 8 * i + 4) != *(uint32_t *) (q + 8 * i + 4)) {
            snprintf(broken, sizeof(broken), "bucket %lu cannot be undone",
                     (unsigned long) i);
            return;
        }
    }

    p += 8 * before->nbuckets;
    q += 8 * before->nbuckets;

    n = zone->cells + (size_t) before->vars.fresh * NGX_COUNTERS_CELL
        - (u_char *) zone->sh;

    if (memcmp(p, q, copy + n - p) != 0) {

        for (i = p - copy; i < n && copy[i] == undone[i]; i++) {
            /* void */
        }

        snprintf(broken, sizeof(broken), "cell %ld cannot be undone at %ld",
                 ((long) i - (zone->cells - (u_char *) zone->sh))
                 / NGX_COUNTERS_CELL,
                 ((long) i - (zone->cells - (u_char *) zone->sh))
                 % NGX_COUNTERS_CELL);
    }
}


void *
__wrap_ngx_counters_cells_take_locked(ngx_counters_zone_t *zone)
{
    if (zone_fail && rnd(zone_fail) == 0) {
        return NULL;
    }

    return __real_ngx_counters_cells_take_locked(zone);
}


uint32_t
__wrap_ngx_counters_cells_extend_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft, uint32_t n)
{
    if (zone_fail && rnd(zone_fail) == 0) {
        return 0;
    }

    return __real_ngx_counters_cells_extend_locked(zone, draft, n);
}


ngx_counters_zone_t *
zone_new(size_t size)
{
    const char                  *env;
    ngx_uint_t                   i;
    ngx_slab_pool_t             *pool;
    static ngx_counters_zone_t   zone;

    zone_free(current);

    ngx_memzero(&zone, sizeof(zone));
    ngx_memzero(&shm, sizeof(shm));

    ngx_str_set(&zone.name, "unit");

    zone.conf.stale = 300000;
    zone.conf.error = 3600000;
    zone.conf.timeout = 10000;
    zone.conf.batch = 1;
    zone.conf.reserve = 20;
    zone.conf.bucket.rate = 2000;
    zone.conf.bucket.burst = 50000;

    shm.shm.size = size;
    shm.shm.log = ngx_cycle->log;
    shm.shm.addr = mmap(NULL, size, PROT_READ|PROT_WRITE,
                        MAP_ANON|MAP_SHARED, -1, 0);

    copy = malloc(size);
    undone = malloc(size);

    if (shm.shm.addr == MAP_FAILED || copy == NULL || undone == NULL) {
        printf("Bail out! No memory\n");
        exit(2);
    }

    /* as ngx_init_zone_pool() */

    pool = (ngx_slab_pool_t *) shm.shm.addr;

    pool->end = shm.shm.addr + size;
    pool->min_shift = 3;
    pool->addr = shm.shm.addr;

    looked = 0;
    unlooked = 0;
    unchecked = 0;
    broken[0] = '\0';
    env = getenv("COUNTERS_SEED");
    seed = env ? strtoul(env, NULL, 10) : 20240829;
    srandom((unsigned) seed);

    hash_collide = 0;
    zone_fail = 0;
    workers_alive = (ngx_uint_t) -1;

    for (i = 0; i < WORKERS; i++) {
        workers[i].pid = (i == 0) ? ngx_pid : (ngx_pid_t) (PID + i);
        workers[i].slot = i;
    }

    if (ngx_shmtx_create(&pool->mutex, &pool->lock, NULL) != NGX_OK) {
        printf("Bail out! No mutex\n");
        exit(2);
    }

    ngx_slab_init(pool);

    if (ngx_counters_zone_init(&zone, &shm, NULL) != NGX_OK) {
        printf("Bail out! No zone\n");
        exit(2);
    }

    current = &zone;
    sh_size = shm.shm.addr + size - (u_char *) zone.sh;

    return current;
}


void
zone_free(ngx_counters_zone_t *zone)
{
    if (zone) {
        munmap(shm.shm.addr, shm.shm.size);
        free(copy);
        free(undone);
        current = NULL;
    }
}


void
zone_check_not(void)
{
    unlooked = 1;
}


size_t
zone_used(ngx_uint_t *n)
{
    *n = current->sh->ncells - 1 - ngx_counters_cells_free(current);

    return *n * NGX_COUNTERS_CELL;
}


const char *
zone_broken(ngx_counters_zone_t *zone)
{
    return broken[0] ? broken : zone_check(zone);
}


ngx_counters_entry_t *
zone_find(ngx_counters_zone_t *zone, ngx_counters_key_t *key)
{
    return ngx_counters_table_find_locked(zone, key);
}


void
zone_delete(ngx_counters_zone_t *zone, ngx_counters_entry_t *e, uint64_t now)
{
    ngx_counters_edit_lock(zone);
    ngx_counters_table_delete_locked(zone, e, now);
    ngx_counters_edit_unlock(zone);
}


void
zone_delete_all(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_counters_link_t  *list;

    while (zone->sh->vars.nentries) {
        list = ngx_counters_list_empty(zone, &zone->sh->lru)
               ? &zone->sh->bare : &zone->sh->lru;

        zone_delete(zone, ngx_counters_list_data(
                                         ngx_counters_list_head(zone, list),
                                         ngx_counters_entry_t, lru), now);
    }
}


u_char *
digest(ngx_uint_t cred)
{
    static u_char  buf[NGX_COUNTERS_DIGEST_LEN];

    memset(buf, 0x33, sizeof(buf));

    buf[cred < 256 ? sizeof(buf) - 1 : 0] = (u_char) cred;

    return buf;
}


/* good for some calls: there are as many places */

ngx_counters_key_t *
key(ngx_uint_t cred, uint64_t user)
{
    ngx_counters_call_t        call;
    static ngx_uint_t          n;
    static ngx_counters_key_t  keys[16];

    n = (n + 1) % 16;

    call.method = NGX_COUNTERS_TASKS;
    call.type = NGX_COUNTERS_TYPE_ALL;
    call.user = user;
    call.group = 0;

    ngx_counters_key_make(&keys[n], digest(cred), &call);

    return &keys[n];
}


ngx_counters_answer_in_t *
answer(ngx_counters_kind_e kind, const char *body, uint64_t fetched)
{
    static ngx_counters_answer_in_t  a;

    ngx_memzero(&a, sizeof(a));

    a.kind = kind;
    a.status = (kind == NGX_COUNTERS_DATA) ? 200
               : (kind == NGX_COUNTERS_NEGATIVE) ? 400 : 502;
    a.fetched = fetched;
    a.ttl = 60000;
    a.body.data = (u_char *) body;
    a.body.len = strlen(body);

    ngx_str_set(&a.headers, "Content-Type: application/json" CRLF);

    return &a;
}


ngx_counters_answer_in_t *
redis(const char *body, uint64_t fetched)
{
    ngx_counters_answer_in_t  *a;

    a = answer(NGX_COUNTERS_DATA, body, fetched);
    a->origin = NGX_COUNTERS_FROM_REDIS;

    return a;
}


ngx_int_t
lease(ngx_counters_zone_t *zone, ngx_counters_key_t *key, ngx_uint_t worker,
    ngx_counters_class_e class, uint64_t now)
{
    ngx_counters_ask_t  ask;

    ngx_memzero(&ask, sizeof(ask));

    ask.class = class;
    ask.lease = 11000;
    ask.wait = (class == NGX_COUNTERS_WAITING);
    ask.force = 0;

    return ngx_counters_lease_acquire(zone, key, &workers[worker], &ask, now);
}


ngx_int_t
enqueue(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_uint_t worker, ngx_counters_class_e class, uint64_t now)
{
    return ngx_counters_lease_enqueue(zone, key, &workers[worker], class, 0,
                                      now);
}


ngx_int_t
queue(ngx_counters_zone_t *zone, ngx_counters_key_t *key, ngx_uint_t worker,
    ngx_counters_class_e class, uint64_t now)
{
    ngx_int_t  rc;

    rc = lease(zone, key, worker, class, now);

    return (rc == NGX_OK) ? enqueue(zone, key, worker, class, now) : rc;
}


ngx_int_t
dispatch(ngx_counters_zone_t *zone, ngx_uint_t worker, uint64_t now)
{
    delay = 0;
    slot = 99;
    flight.n = 0;

    return ngx_counters_dispatch(zone, &workers[worker], now, &flight,
                                 &delay, &slot);
}


ngx_uint_t
finish(ngx_counters_zone_t *zone, ngx_counters_key_t *key, ngx_uint_t worker,
    ngx_counters_answer_in_t *answer, uint64_t now)
{
    ngx_uint_t  stored;

    woken = ngx_counters_lease_finish(zone, key, &workers[worker], answer, now,
                                      &stored);

    return stored;
}


ngx_uint_t
put(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    ngx_counters_answer_in_t *answer)
{
    uint64_t            now;
    ngx_counters_ask_t  ask;

    now = answer->fetched;

    ngx_memzero(&ask, sizeof(ask));

    ask.lease = 11000;
    ask.seen = now;

    if (ngx_counters_lease_acquire(zone, key, &workers[0], &ask, now)
        != NGX_OK)
    {
        return 0;
    }

    return finish(zone, key, 0, answer, now);
}


ngx_int_t
look(ngx_counters_zone_t *zone, ngx_counters_key_t *key, uint64_t now)
{
    ngx_reset_pool(test_pool);

    memset(&view, 0x77, sizeof(view));

    return ngx_counters_zone_lookup(zone, key, now, test_pool, &view);
}


int
has_body(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    const char *body)
{
    ngx_str_t              data;
    ngx_counters_entry_t  *e;

    e = zone_find(zone, key);

    data.data = (u_char *) body;
    data.len = strlen(body);

    return e && e->kind != NGX_COUNTERS_EMPTY && e->len == data.len
           && !ngx_counters_dropped(zone, e)
           && ngx_counters_cells_same(zone, e->body, &data);
}


uint32_t
rnd(uint32_t n)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;

    return (uint32_t) ((seed * 0x2545f4914f6cdd1dULL) >> 32) % n;
}


void
accept_cred(ngx_counters_zone_t *zone, ngx_uint_t cred)
{
    put(zone, key(cred, 999999), answer(NGX_COUNTERS_DATA, "{}",
                                        NOW - 5 * 60000));
}


ngx_uint_t
drain(ngx_counters_zone_t *zone, ngx_uint_t worker, uint64_t now,
    ngx_uint_t max)
{
    ngx_uint_t  n;

    for (n = 0; n < max; n++) {
        if (dispatch(zone, worker, now) != NGX_OK) {
            break;
        }
    }

    return n;
}


ngx_int_t
next(ngx_counters_zone_t *zone, ngx_uint_t worker, uint64_t now)
{
    zone->sh->vars.turn = 0;

    return dispatch(zone, worker, now);
}


const char *
users(void)
{
    size_t       len;
    ngx_uint_t   i;
    static char  buf[1024];

    buf[0] = '\0';

    for (i = 0, len = 0; i < flight.n; i++) {
        len += sprintf(buf + len, "%s%lu", i ? " " : "",
                       (unsigned long) flight.keys[i].user);
    }

    return buf;
}


ngx_counters_key_t *
im(ngx_uint_t cred, uint64_t user)
{
    ngx_counters_key_t  *k;

    k = key(cred, user);
    k->method = NGX_COUNTERS_IM;

    return k;
}


ngx_uint_t
has_all(void *data, const u_char *digest)
{
    return 1;
}


ngx_uint_t
has_first(void *data, const u_char *cred)
{
    return ngx_memcmp(cred, digest(0), NGX_COUNTERS_DIGEST_LEN) == 0;
}
