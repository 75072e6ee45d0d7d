
/*
 * Copyright (C) The nginx counters module authors
 *
 * Processes die in the middle of an edit.  A child goes through each kind of
 * edit instruction by instruction: from each of them on, what it would leave
 * behind is mended as the next one does who takes the lock, and must be a
 * sound zone.  Then thousands are killed at random while others read.
 */


#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_table.h"
#include "ngx_counters_tasks.h"
#include "zone_test.h"


#define ZONE     (160 * 1024)
#define USERS    24
#define STEPS    200000            /* of one edit, at most */
#define KILLS    2000
#define LOAD     3                 /* processes that are at work */


typedef struct {
    const char  *name;
    void       (*run)(ngx_counters_zone_t *zone);
    ngx_uint_t   whole;            /* nothing in it can be half-made */
} edit_t;


static void scene(ngx_counters_zone_t *zone);
static void step_through(edit_t *edit);
static const char *mended(ngx_counters_zone_t *zone, u_char *image,
    ngx_uint_t undo);
static const char *bodies(ngx_counters_zone_t *zone);
static void kills(void);
static void work(ngx_counters_zone_t *zone);


static size_t   room;              /* of the zone's own memory */
static u_char  *image;
static u_char  *last;              /* that was looked at */


static const char *
body_of(uint64_t user, ngx_uint_t n)
{
    static char  buf[1024];

    /* of several cells, the last of which may be the other answers' too */

    memset(buf, 'x', sizeof(buf));
    buf[snprintf(buf, sizeof(buf), "user %lu ", (unsigned long) user)] = 'x';
    buf[40 + n % 900] = '\0';

    return buf;
}


static ngx_uint_t
has_every(void *data, const u_char *digest)
{
    return 1;
}


static void
fill_new(ngx_counters_zone_t *zone)
{
    put(zone, key(3, 100), answer(NGX_COUNTERS_DATA, body_of(100, 500), NOW));
}


static void
fill_again(ngx_counters_zone_t *zone)
{
    put(zone, key(1, 5), answer(NGX_COUNTERS_DATA, body_of(5, 700),
                                NOW + 70000));
}


static void
refusal(ngx_counters_zone_t *zone)
{
    put(zone, key(1, 6), answer(NGX_COUNTERS_NEGATIVE, body_of(6, 100),
                                NOW + 70000));
}


static void
queueing(ngx_counters_zone_t *zone)
{
    queue(zone, key(2, 7), 0, NGX_COUNTERS_STALE, NOW + 70000);
    queue(zone, key(2, 7), 0, NGX_COUNTERS_WAITING, NOW + 70001);
}


static void
dispatching(ngx_counters_zone_t *zone)
{
    dispatch(zone, 0, NOW + 70000);
}


static void
ahead(ngx_counters_zone_t *zone)
{
    ngx_counters_ahead(zone, &workers[0], NOW + 58000, has_every, NULL);
}


static void
marks(ngx_counters_zone_t *zone)
{
    static ngx_counters_users_t  users;

    users.n = 2;
    users.elts[0] = 3;
    users.elts[1] = 4;

    ngx_counters_ahead_mark(zone, &workers[0], &users, NOW + 100, has_every,
                            NULL);
}


static void
purging(ngx_counters_zone_t *zone)
{
    uint64_t  user = 8;

    ngx_counters_zone_purge(zone, &user, NULL, 0, NOW + 100);
    ngx_counters_zone_purge(zone, NULL, NULL, 0, NOW + 100);
    ngx_counters_zone_purge(zone, NULL, NULL, 1, NOW + 100);
}


static void
revoking(ngx_counters_zone_t *zone)
{
    ngx_counters_refusal_revoke(zone, digest(1), NOW + 100);
}


static void
limits(ngx_counters_zone_t *zone)
{
    ngx_counters_limits_zone_method_hold(zone, digest(2), 0, NOW, NOW + 60000);
    ngx_counters_quota_portal_hold(zone, NGX_COUNTERS_LIMITED, NOW, 0);
    ngx_counters_quota_portal_good(zone, NOW + 90000);
}


static void
tasks(ngx_counters_zone_t *zone)
{
    ngx_msec_t                          after;
    static uint64_t                     list[40];
    static ngx_counters_users_t         users;
    static ngx_counters_tasks_flight_t  asked;

    ngx_counters_tasks_event(zone, 9, 0, NOW);
    ngx_counters_tasks_take(zone, &workers[0], NOW + 1000, &asked, &users,
                            &after);
    ngx_counters_tasks_answer(zone, &workers[0], NOW + 1000, 9, NGX_OK, list,
                              40, &users);
    ngx_counters_tasks_event(zone, 9, 1, NOW + 2000);
    ngx_counters_tasks_take(zone, &workers[0], NOW + 9000, &asked, &users,
                            &after);
}


static void
expiring(ngx_counters_zone_t *zone)
{
    ngx_counters_evict_expire(zone, NOW + 100000000, 4);
    ngx_counters_evict_expire(zone, NOW - 100000, 4);
}


static edit_t  edits[] = {
    { "an answer of a new entry, for which others go", fill_new, 0 },
    { "an answer that replaces another", fill_again, 0 },
    { "a refusal", refusal, 0 },
    { "a place in the queue, and a better one", queueing, 0 },
    { "a flight", dispatching, 0 },
    { "refresh-ahead", ahead, 0 },
    { "marks of an event", marks, 0 },
    { "purges", purging, 0 },
    { "a revocation", revoking, 0 },
    { "limits", limits, 1 },
    { "an event, and who takes part", tasks, 0 },
    { "expiry, and a clock set back", expiring, 0 },
    { NULL, NULL, 0 }
};


static void
scene(ngx_counters_zone_t *zone)
{
    ngx_uint_t  i;

    zone->conf.ahead = 300000;
    zone->conf.batch = 10;

    ngx_counters_tasks_init(zone);

    for (i = 0; i < USERS; i++) {
        put(zone, key(i % 3, i), answer(NGX_COUNTERS_DATA, body_of(i, i * 37),
                                        NOW));
    }

    for (i = 10; i < 16; i++) {
        queue(zone, key(i % 3, i), 0, NGX_COUNTERS_STALE, NOW + 60000);
    }

    /* full, so that whatever comes makes others go */

    for (i = 1000; zone->sh->stats[0][NGX_COUNTERS_STAT_EVICTED] < 3; i++) {
        put(zone, key(2, i), answer(NGX_COUNTERS_DATA, body_of(i, i * 13),
                                    NOW));
    }
}


/* without undoing it is seen what a half-made edit would be */

static const char *
mended(ngx_counters_zone_t *zone, u_char *from, ngx_uint_t undo)
{
    const char                  *wrong;
    static ngx_slab_pool_t       pool;
    static ngx_counters_zone_t   other;

    ngx_memcpy(image, from, room);

    other = *zone;
    other.sh = (ngx_counters_zone_sh_t *) image;
    other.shpool = &pool;

    ngx_counters_cells_map(&other);

    ngx_memzero(&pool, sizeof(pool));

    if (ngx_shmtx_create(&pool.mutex, &pool.lock, NULL) != NGX_OK) {
        return "no mutex";
    }

    if (!undo) {
        other.sh->edit.nsaved = 0;
    }

    ngx_counters_edit_lock(&other);
    ngx_counters_edit_unlock(&other);

    wrong = zone_check(&other);

    return wrong ? wrong : bodies(&other);
}


/* each entry has an answer of its own user */

static const char *
bodies(ngx_counters_zone_t *zone)
{
    u_char                 buf[2048];
    uint32_t               i, ref;
    unsigned long          user;
    ngx_counters_entry_t  *e;

    for (i = 0; i < zone->sh->nbuckets; i++) {

        for (ref = zone->buckets[i].entry; ref; ref = e->next) {
            e = ngx_counters_cell(zone, ref);

            if (e->kind == NGX_COUNTERS_EMPTY) {
                continue;
            }

            if (ngx_counters_cells_read(zone, buf, e->body, e->len) != NGX_OK)
            {
                return "an answer cannot be read";
            }

            buf[e->len] = '\0';

            if (sscanf((char *) buf, "user %lu ", &user) != 1
                || user != e->user)
            {
                return "another's answer";
            }
        }
    }

    return NULL;
}


static void
step_through(edit_t *edit)
{
    int                   status;
    pid_t                 pid;
    ngx_uint_t            n, broken, unbroken;
    const char           *wrong;
    ngx_counters_zone_t  *zone;
    ngx_counters_edit_t  *e;

    zone = zone_new(ZONE);
    room = (u_char *) zone->shpool->end - (u_char *) zone->sh;

    scene(zone);

    e = &zone->sh->edit;
    wrong = NULL;
    broken = 0;
    unbroken = 0;

    fflush(stdout);

    pid = fork();

    if (pid == 0) {
        zone_check_not();
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        edit->run(zone);
        _exit(0);
    }

    waitpid(pid, &status, 0);

    for (n = 0; n < STEPS && WIFSTOPPED(status) && wrong == NULL; n++) {

        /* outside of edits there is nothing to be seen */

        if (e->nsaved > 1 && memcmp(last, zone->sh, room) != 0) {
            ngx_memcpy(last, zone->sh, room);

            wrong = mended(zone, (u_char *) zone->sh, 1);
            broken += (unbroken % 8 == 0
                       && mended(zone, (u_char *) zone->sh, 0) != NULL);
            unbroken++;
        }

        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        waitpid(pid, &status, 0);
    }

    if (!WIFEXITED(status)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }

    is_str(wrong ? wrong : "", wrong ? strlen(wrong) : 0, "",
           "%s: a death after each of %d writes", edit->name, (int) unbroken);
    ok(unbroken > 20 && (broken || edit->whole),
       "without being undone it would be wrong after some");
}


/* what workers do, without end */

static void
work(ngx_counters_zone_t *zone)
{
    uint64_t            user, n, now;
    ngx_uint_t          i;
    unsigned long       whose;
    ngx_counters_key_t  k;

    srandom(getpid());

    workers[0].pid = getpid();
    ngx_pid = getpid();

    for (n = 1; /* void */ ; n++) {
        user = random() % (USERS * 8);
        now = NOW + n;
        k = *key(user % 5, user);

        switch (random() % 16) {

        case 0:
            put(zone, &k, answer(NGX_COUNTERS_DATA, body_of(user, random()),
                                 now));
            break;

        case 1:
            queue(zone, &k, 0, random() % 3, now);
            break;

        case 2:
            dispatch(zone, 0, now + n * 10);

            for (i = 0; i < flight.n; i++) {
                finish(zone, &flight.keys[i], 0, NULL, now);
            }

            break;

        case 3:
            if (random() % 64 == 0) {
                ngx_counters_zone_purge(zone, &user, NULL, 0, now);
            }

            break;

        case 4:
            if (random() % 64 == 0) {
                ngx_counters_refusal_revoke(zone, digest(user % 5), now);
            }

            break;

        default:
            ngx_reset_pool(test_pool);

            if (look(zone, &k, now) == NGX_OK
                && (sscanf((char *) view.body.data, "user %lu ", &whose) != 1
                    || whose != user))
            {
                _exit(3);
            }
        }
    }
}


static void
kills(void)
{
    int                      status, failed;
    pid_t                    pid, pids[LOAD];
    ngx_uint_t               i, n, inside;
    struct timespec          ts;
    ngx_counters_zone_t     *zone;

    zone = zone_new(ZONE);
    zone_check_not();
    scene(zone);

    failed = 0;
    inside = 0;

    fflush(stdout);

    for (i = 0; i < LOAD; i++) {
        pids[i] = fork();

        if (pids[i] == 0) {
            work(zone);
        }
    }

    for (n = 0; n < KILLS && failed == 0; n++) {

        ts.tv_sec = 0;
        ts.tv_nsec = rnd(300000);
        nanosleep(&ts, NULL);

        i = rnd(LOAD);
        pid = pids[i];

        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);

        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
            failed = WIFEXITED(status) ? WEXITSTATUS(status)
                                       : 256 + WTERMSIG(status);
        }

        /* as nginx's master does */

        inside += ngx_shmtx_force_unlock(&zone->shpool->mutex, pid);

        pids[i] = fork();

        if (pids[i] == 0) {
            work(zone);
        }
    }

    for (i = 0; i < LOAD; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], &status, 0);
        ngx_shmtx_force_unlock(&zone->shpool->mutex, pids[i]);
    }

    is_int(failed, 0, "%d kills: no other process saw a wrong answer or died",
           (int) n);
    ok(inside > 10, "%d were inside the lock, %d in the middle of an edit",
       (int) inside, (int) zone->sh->edit.undone);

    ngx_counters_edit_lock(zone);
    ngx_counters_edit_unlock(zone);

    zone_ok(zone, "afterwards the zone is sound");
}


int
test_crash(void)
{
    edit_t  *edit;

    image = mmap(NULL, ZONE, PROT_READ|PROT_WRITE, MAP_ANON|MAP_PRIVATE, -1,
                 0);
    last = malloc(ZONE);

    if (image == MAP_FAILED || last == NULL) {
        printf("Bail out! No memory\n");
        exit(2);
    }

    for (edit = edits; edit->name; edit++) {
        step_through(edit);
    }

    kills();

    return done();
}
