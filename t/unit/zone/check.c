
/*
 * Copyright (C) The nginx counters module authors
 *
 * Everything that must be true of a zone whenever nobody holds its lock.
 */


#include "ngx_counters_cells.h"
#include "ngx_counters_state.h"
#include "ngx_counters_table.h"
#include "ngx_counters_task_table.h"
#include "zone_test.h"


/* what the entries are found to be in one walk over the table */

typedef struct {
    ngx_uint_t  entries;
    ngx_uint_t  listed;
    ngx_uint_t  aged;
    ngx_uint_t  grouped;
    ngx_uint_t  answers;
    ngx_uint_t  leased;
    ngx_uint_t  flying;
    ngx_uint_t  queued[NGX_COUNTERS_CLASSES];
    ngx_uint_t  creds;
    ngx_uint_t  owners;
    ngx_uint_t  idle;
    ngx_uint_t  offered;
} tally_t;


static const char *check_cell(ngx_counters_zone_t *zone, uint32_t ref,
    const char *what);
static const char *check_chain(ngx_counters_zone_t *zone, uint32_t ref,
    size_t len, const char *what);
static const char *check_entries(ngx_counters_zone_t *zone, tally_t *t);
static const char *check_entry(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, tally_t *t);
static const char *check_creds(ngx_counters_zone_t *zone, tally_t *t);
static const char *check_cred(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, tally_t *t);
static const char *check_pending(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, ngx_uint_t queued, tally_t *t);
static const char *check_lists(ngx_counters_zone_t *zone, tally_t *t);
static const char *check_indexes(ngx_counters_zone_t *zone, tally_t *t);
static const char *check_headers(ngx_counters_zone_t *zone, tally_t *t);
static const char *check_tasks(ngx_counters_zone_t *zone);
static const char *check_free(ngx_counters_zone_t *zone);
static ngx_uint_t length(ngx_counters_zone_t *zone, ngx_counters_link_t *list,
    ngx_uint_t max);


static char        text[200];
static u_char      seen[1 << 20];          /* cells, as somebody's */


#define expect(cond, ...)                                                     \
    if (!(cond)) {                                                            \
        snprintf(text, sizeof(text), __VA_ARGS__);                            \
        return text;                                                          \
    }

#define also(check)                                                           \
    do {                                                                      \
        const char  *wrong_ = check;                                          \
                                                                              \
        if (wrong_) {                                                         \
            return wrong_;                                                    \
        }                                                                     \
    } while (0)

#define n(value)  ((unsigned long) (value))


const char *
zone_check(ngx_counters_zone_t *zone)
{
    tally_t               t;
    ngx_uint_t            i;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;

    ngx_memzero(&t, sizeof(t));
    expect(zone->sh->ncells <= sizeof(seen), "too large to be checked");

    ngx_memzero(seen, zone->sh->ncells);

    expect(zone->sh->edit.nsaved == 0 && zone->sh->edit.nhidden == 0,
           "an edit is half-made");

    also(check_creds(zone, &t));
    also(check_entries(zone, &t));
    also(check_lists(zone, &t));
    also(check_indexes(zone, &t));
    also(check_headers(zone, &t));
    also(check_tasks(zone));
    also(check_free(zone));

    expect(t.entries == vars->nentries, "%lu entries are counted as %lu",
           n(t.entries), n(vars->nentries));
    expect(t.listed == vars->ndata && vars->ndropped <= vars->ndata,
           "%lu with data are counted as %lu", n(t.listed), n(vars->ndata));
    expect(t.creds == vars->ncreds, "%lu credentials are counted as %lu",
           n(t.creds), n(vars->ncreds));
    expect(t.leased == vars->nleased, "%lu leased are counted as %lu",
           n(t.leased), n(vars->nleased));
    expect(t.flying == vars->nflying, "%lu in flight are counted as %lu",
           n(t.flying), n(vars->nflying));
    expect(t.owners == vars->nowners, "%lu with calls queued are counted as "
           "%lu", n(t.owners), n(vars->nowners));

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        expect(t.queued[i] == vars->nqueued[i],
               "%lu queued in class %lu are counted as %lu",
               n(t.queued[i]), n(i), n(vars->nqueued[i]));
    }

    expect(vars->offer == 0 || t.offered, "an offer is of none in the queue");

    return NULL;
}


/* each is one thing's */

static const char *
check_cell(ngx_counters_zone_t *zone, uint32_t ref, const char *what)
{
    expect(ref > 0 && ref < zone->sh->vars.fresh, "%s is in no cell", what);
    expect(seen[ref] == 0, "%s is in another's cell", what);

    seen[ref] = 1;

    return NULL;
}


static const char *
check_chain(ngx_counters_zone_t *zone, uint32_t ref, size_t len,
    const char *what)
{
    size_t  i;

    for (i = 0; i < ngx_counters_cells_for(len); i++) {
        also(check_cell(zone, ref, what));
        ref = zone->slots[ref].next;
    }

    expect(ref == 0, "%s is longer than it says", what);

    return NULL;
}


static const char *
check_entries(ngx_counters_zone_t *zone, tally_t *t)
{
    uint32_t               i, ref;
    ngx_counters_entry_t  *e;

    for (i = 0; i < zone->sh->nbuckets; i++) {

        expect((zone->buckets[i].seq & 1) == 0, "a bucket is hidden");

        for (ref = zone->buckets[i].entry; ref; ref = e->next) {
            also(check_cell(zone, ref, "an entry"));

            e = ngx_counters_cell(zone, ref);

            expect(ngx_counters_bucket_of(zone, e->hash) == i,
                   "an entry is in another's bucket");

            also(check_entry(zone, e, t));
        }
    }

    return NULL;
}


static const char *
check_entry(ngx_counters_zone_t *zone, ngx_counters_entry_t *e, tally_t *t)
{
    ngx_counters_key_t         key;
    ngx_counters_work_t       *work;
    ngx_counters_cred_node_t  *cred;

    t->entries++;

    cred = ngx_counters_cred(zone, e);

    expect(ngx_counters_table_find_cred_locked(zone, cred->digest) == cred,
           "an entry's credential is not in the table");

    ngx_counters_table_key_locked(zone, e, &key);

    expect(ngx_counters_table_find_locked(zone, &key) == e,
           "an entry is not found by its key");

    expect((e->kind == NGX_COUNTERS_EMPTY) == (e->headers == 0),
           "an entry of kind %d has%s an answer", e->kind,
           e->headers ? "" : " not");
    expect(e->listed == (e->kind == NGX_COUNTERS_DATA),
           "an entry of kind %d is listed as %d", e->kind, e->listed);
    expect(!ngx_counters_list_in(&e->age) || e->listed,
           "an entry without data ages");

    also(check_chain(zone, e->body, e->len, "an answer"));

    work = ngx_counters_work(zone, e);

    if (e->work) {
        also(check_cell(zone, e->work, "an entry's work"));

        expect(work->entry == ngx_counters_ref(zone, e),
               "an entry's work is another's");
    }

    t->answers += (e->kind != NGX_COUNTERS_EMPTY);
    t->listed += e->listed;
    t->aged += ngx_counters_list_in(&e->age);
    t->grouped += (e->group != 0);

    switch (e->state) {

    case NGX_COUNTERS_LEASED:
        t->leased++;
        break;

    case NGX_COUNTERS_QUEUED:
        t->queued[e->class]++;
        t->offered += (zone->sh->vars.offer == e->work);
        break;

    case NGX_COUNTERS_FLYING:
        t->flying++;
        break;

    default:
        break;
    }

    expect(e->state == NGX_COUNTERS_IDLE || work->pid != 0,
           "an entry in state %d has no owner", e->state);

    return NULL;
}


static const char *
check_creds(ngx_counters_zone_t *zone, tally_t *t)
{
    uint32_t                   i, ref;
    ngx_counters_cred_node_t  *cred;

    for (i = 0; i < zone->sh->nlists; i++) {

        for (ref = zone->creds[i]; ref; ref = cred->next) {
            also(check_cell(zone, ref, "a credential"));

            cred = ngx_counters_cell(zone, ref);
            also(check_cred(zone, cred, t));
        }
    }

    return NULL;
}


static const char *
check_cred(ngx_counters_zone_t *zone, ngx_counters_cred_node_t *cred,
    tally_t *t)
{
    ngx_uint_t             entries, flying, queued;
    ngx_counters_link_t   *q;
    ngx_counters_entry_t  *e;

    t->creds++;
    t->idle += (cred->nentries == 0);

    expect(ngx_counters_table_find_cred_locked(zone, cred->digest) == cred,
           "a credential is not found by its digest");

    if (cred->limits) {
        also(check_cell(zone, cred->limits, "a credential's limits"));
    }

    entries = 0;
    flying = 0;
    queued = 0;

    for (q = ngx_counters_list_head(zone, &cred->entries);
         q != &cred->entries;
         q = ngx_counters_list_next(zone, q))
    {
        e = ngx_counters_list_data(q, ngx_counters_entry_t, siblings);

        expect(ngx_counters_list_prev(zone,
                                      ngx_counters_list_next(zone, q)) == q,
               "a list of siblings is torn");
        expect(e->cred == ngx_counters_ref(zone, cred),
               "an entry is among another's siblings");

        flying += (e->state == NGX_COUNTERS_FLYING);
        queued += (e->state == NGX_COUNTERS_QUEUED);
        entries++;

        expect(entries <= zone->sh->vars.nentries,
               "a list of siblings is a loop");
    }

    expect(entries == cred->nentries, "%lu siblings are counted as %lu",
           n(entries), n(cred->nentries));
    expect(flying == cred->nflying, "%lu in flight are counted as %lu",
           n(flying), n(cred->nflying));

    return check_pending(zone, cred, queued, t);
}


static const char *
check_pending(ngx_counters_zone_t *zone, ngx_counters_cred_node_t *cred,
    ngx_uint_t queued, tally_t *t)
{
    ngx_uint_t             i, pending;
    ngx_counters_link_t   *q, *list;
    ngx_counters_turn_t   *turn;
    ngx_counters_work_t   *work;
    ngx_counters_entry_t  *e;

    pending = 0;

    expect((cred->turn != 0) == (queued != 0),
           "a credential has%s a turn, and %lu calls queued",
           cred->turn ? "" : " not", n(queued));

    if (cred->turn == 0) {
        return NULL;
    }

    also(check_cell(zone, cred->turn, "a credential's turn"));

    turn = ngx_counters_turn(zone, cred);
    t->owners++;

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        list = &turn->pending[i];

        for (q = ngx_counters_list_head(zone, list);
             q != list;
             q = ngx_counters_list_next(zone, q))
        {
            work = ngx_counters_list_data(q, ngx_counters_work_t, pending);
            e = ngx_counters_cell(zone, work->entry);

            expect(e->cred == ngx_counters_ref(zone, cred) && e->class == i
                   && e->state == NGX_COUNTERS_QUEUED,
                   "an entry is pending in class %lu, but in state %d, "
                   "class %d", n(i), e->state, e->class);

            pending++;

            expect(pending <= queued, "a list of pending ones is a loop");
        }
    }

    expect(pending == queued && pending == turn->npending,
           "%lu pending ones are counted as %lu, %lu are queued",
           n(pending), n(turn->npending), n(queued));

    return NULL;
}


static const char *
check_lists(ngx_counters_zone_t *zone, tally_t *t)
{
    ngx_uint_t                 i, max, aged;
    ngx_counters_link_t       *q, *list;
    ngx_counters_work_t       *work;
    ngx_counters_entry_t      *e;
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;
    max = t->entries;

    expect(length(zone, &sh->lru, max) == t->listed, "the LRU list is wrong");
    expect(length(zone, &sh->bare, max) == t->entries - t->listed,
           "the list of bare entries is wrong");
    expect(length(zone, &sh->idle, t->creds) == t->idle,
           "the list of idle credentials is wrong");

    for (i = 0; i < 2; i++) {
        list = i ? &sh->lru : &sh->bare;

        for (q = ngx_counters_list_head(zone, list);
             q != list;
             q = ngx_counters_list_next(zone, q))
        {
            e = ngx_counters_list_data(q, ngx_counters_entry_t, lru);
            expect(e->listed == i, "an entry is in the wrong list");
        }
    }

    for (q = ngx_counters_list_head(zone, &sh->idle);
         q != &sh->idle;
         q = ngx_counters_list_next(zone, q))
    {
        cred = ngx_counters_list_data(q, ngx_counters_cred_node_t, idle);
        expect(cred->nentries == 0, "a credential with entries is idle");
    }

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {

        expect(length(zone, &sh->queue[i], max) == t->queued[i],
               "the queue of class %lu is wrong", n(i));

        for (q = ngx_counters_list_head(zone, &sh->queue[i]);
             q != &sh->queue[i];
             q = ngx_counters_list_next(zone, q))
        {
            work = ngx_counters_list_data(q, ngx_counters_work_t, queue);
            e = ngx_counters_cell(zone, work->entry);

            expect(e->state == NGX_COUNTERS_QUEUED && e->class == i,
                   "an entry is in queue %lu, but in state %d, class %d",
                   n(i), e->state, e->class);
        }
    }

    aged = 0;

    for (i = 0; i < NGX_COUNTERS_WHEEL; i++) {
        aged += length(zone, &sh->wheel[i], max);
    }

    expect(aged == t->aged, "%lu in the wheel are counted as %lu", n(aged),
           n(t->aged));

    return NULL;
}


static const char *
check_indexes(ngx_counters_zone_t *zone, tally_t *t)
{
    ngx_uint_t             i, users, groups;
    ngx_counters_link_t   *q, *list;
    ngx_counters_entry_t  *e;

    users = 0;
    groups = 0;

    for (i = 0; i < zone->sh->nlists; i++) {
        list = &zone->users[i];
        users += length(zone, list, t->entries);

        for (q = ngx_counters_list_head(zone, list);
             q != list;
             q = ngx_counters_list_next(zone, q))
        {
            e = ngx_counters_list_data(q, ngx_counters_entry_t, users);
            expect(ngx_counters_table_users(zone, e->user) == list,
                   "an entry is among another user's");
        }
    }

    for (i = 0; i < zone->sh->ngroups; i++) {
        groups += length(zone, &zone->groups[i], t->entries);
    }

    expect(users == t->entries && groups == t->grouped,
           "the lists of users or groups are wrong");

    return NULL;
}


static const char *
check_headers(ngx_counters_zone_t *zone, tally_t *t)
{
    ngx_uint_t               refs;
    ngx_counters_link_t     *q;
    ngx_counters_headers_t  *headers;

    refs = 0;

    for (q = ngx_counters_list_head(zone, &zone->sh->headers);
         q != &zone->sh->headers;
         q = ngx_counters_list_next(zone, q))
    {
        headers = ngx_counters_list_data(q, ngx_counters_headers_t, queue);

        also(check_cell(zone, ngx_counters_ref(zone, headers), "headers"));
        also(check_chain(zone, headers->body, headers->len, "header lines"));

        refs += headers->refs;
    }

    expect(refs == t->answers, "%lu answers, but headers are used %lu times",
           n(t->answers), n(refs));

    return NULL;
}


static const char *
check_tasks(ngx_counters_zone_t *zone)
{
    uint32_t               i, ref, cells, pending, asked;
    ngx_counters_task_t   *task;
    ngx_counters_tasks_t  *tasks;

    tasks = &zone->sh->vars.tasks;
    cells = 0;
    pending = 0;
    asked = 0;

    for (i = 0; i < zone->sh->ntasks; i++) {

        for (ref = zone->tasks[i]; ref; ref = task->next) {
            also(check_cell(zone, ref, "a task"));

            task = ngx_counters_cell(zone, ref);
            also(check_chain(zone, task->users,
                             task->nusers * sizeof(uint64_t),
                             "a task's users"));

            cells += 1 + ngx_counters_cells_for(task->nusers
                                                * sizeof(uint64_t));
            pending += (task->state == NGX_COUNTERS_TASK_PENDING);
            asked += (task->state == NGX_COUNTERS_TASK_ASKED);
        }
    }

    expect(cells == tasks->ncells, "%lu cells of tasks are counted as %lu",
           n(cells), n(tasks->ncells));
    expect(pending == tasks->npending
           && pending == length(zone, &zone->sh->tasks.pending, pending),
           "%lu tasks that wait are counted as %lu", n(pending),
           n(tasks->npending));
    expect(asked == tasks->nasked
           && asked == length(zone, &zone->sh->tasks.asked, asked),
           "%lu tasks asked for are counted as %lu", n(asked),
           n(tasks->nasked));

    return NULL;
}


static const char *
check_free(ngx_counters_zone_t *zone)
{
    uint32_t              i, ref;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;

    for (i = 0; i < NGX_COUNTERS_DRAFTS; i++) {

        if (zone->sh->drafts[i].pid == 0) {
            continue;
        }

        for (ref = zone->sh->drafts[i].body; ref;
             ref = zone->slots[ref].next)
        {
            also(check_cell(zone, ref, "a draft"));
        }
    }

    for (i = 0, ref = vars->free; ref; ref = zone->slots[ref].next, i++) {
        also(check_cell(zone, ref, "what is free"));
    }

    expect(i == vars->nfree, "%lu free cells are counted as %lu", n(i),
           n(vars->nfree));

    for (ref = 1; ref < vars->fresh; ref++) {
        expect(seen[ref], "cell %lu is nobody's", n(ref));
    }

    return NULL;
}


/* of a sound list, without marks; max + 1 of any other */

static ngx_uint_t
length(ngx_counters_zone_t *zone, ngx_counters_link_t *list, ngx_uint_t max)
{
    ngx_uint_t            len;
    ngx_counters_link_t  *q;

    len = 0;

    for (q = ngx_counters_list_head(zone, list);
         q != list && len <= max;
         q = ngx_counters_list_next(zone, q))
    {
        if (ngx_counters_list_prev(zone, ngx_counters_list_next(zone, q))
            != q)
        {
            return max + 1;
        }

        len += !ngx_counters_cells_mark(zone, q);
    }

    return len;
}
