
/*
 * Copyright (C) The nginx counters module authors
 *
 * Events about tasks, from their coming until somebody's entries are marked.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_fill.h"
#include "ngx_counters_quota.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_task_table.h"
#include "ngx_counters_tasks.h"


/* after the first event, others are waited for, milliseconds */
#define NGX_COUNTERS_TASKS_WINDOW    100

/* between two times: with all of the quota in hand, and with none of it */
#define NGX_COUNTERS_TASKS_GAP       400
#define NGX_COUNTERS_TASKS_GAP_MAX   2000

/* an event is not kept waiting longer for the portal, or for quota */
#define NGX_COUNTERS_TASKS_PATIENCE  5000

/* more than so many requests could carry mark all entries instead */
#define NGX_COUNTERS_TASKS_FLIGHTS   3

#define NGX_COUNTERS_TASKS_RETRY     1000
#define NGX_COUNTERS_TASKS_RETRY_MAX 60000
#define NGX_COUNTERS_TASKS_SLACK     1000


static void ngx_counters_tasks_wait_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task, uint64_t now);
static void ngx_counters_tasks_deleted_locked(ngx_counters_zone_t *zone,
    ngx_counters_users_t *users);
static void ngx_counters_tasks_ask_locked(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now,
    ngx_counters_tasks_flight_t *flight);
static void ngx_counters_tasks_wide_locked(ngx_counters_zone_t *zone,
    ngx_counters_users_t *users);
static uint32_t ngx_counters_tasks_gap_locked(ngx_counters_zone_t *zone,
    uint64_t now);
static void ngx_counters_tasks_settle_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task, uint64_t now);
static void ngx_counters_tasks_back_locked(ngx_counters_zone_t *zone,
    uint64_t now);


/* by the master: workers of the old cycle may be at work */

void
ngx_counters_tasks_init(ngx_counters_zone_t *zone)
{
    ngx_counters_edit_lock(zone);
    zone->sh->vars.tasks.kept = 1;
    ngx_counters_edit_unlock(zone);
}


void
ngx_counters_tasks_event(ngx_counters_zone_t *zone, uint64_t id,
    ngx_uint_t deleted, uint64_t now)
{
    ngx_counters_task_t   *task;
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;

    ngx_counters_edit_lock(zone);

    task = (id && t->kept && !t->wide)
           ? ngx_counters_task_table_get_locked(zone, id) : NULL;
    if (task == NULL) {
        if (t->npending == 0 && !t->wide) {
            t->first = now;
        }

        t->wide = 1;
        goto done;
    }

    task->deleted = (deleted != 0);

    switch (task->state) {

    case NGX_COUNTERS_TASK_IDLE:
        ngx_counters_tasks_wait_locked(zone, task, now);

        if (t->npending > NGX_COUNTERS_TASKS_FLIGHTS * zone->conf.batch) {
            t->wide = 1;
        }

        break;

    case NGX_COUNTERS_TASK_ASKED:
        task->again = 1;
        break;

    default: /* NGX_COUNTERS_TASK_PENDING */
        break;
    }

done:

    ngx_counters_edit_unlock(zone);
}


static void
ngx_counters_tasks_wait_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task, uint64_t now)
{
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;

    if (t->npending == 0 && !t->wide) {
        t->first = now;
    }

    task->state = NGX_COUNTERS_TASK_PENDING;
    ngx_counters_list_insert_tail(zone, &zone->sh->tasks.pending,
                                  &task->queue);
    t->npending++;
}


ngx_uint_t
ngx_counters_tasks_waiting(ngx_counters_zone_t *zone)
{
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;

    return t->npending || t->nasked || t->wide;
}


ngx_int_t
ngx_counters_tasks_take(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    uint64_t now, ngx_counters_tasks_flight_t *flight,
    ngx_counters_users_t *users, ngx_msec_t *delay)
{
    uint64_t               due;
    ngx_int_t              rc;
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;

    flight->n = 0;
    users->n = 0;
    users->wide = 0;
    *delay = 0;
    rc = NGX_DONE;

    ngx_counters_edit_lock(zone);

    if (t->nasked && (now > t->lease || !ngx_counters_state_alive(t->pid))) {
        ngx_counters_tasks_back_locked(zone, now);
    }

    if (t->nasked || (t->npending == 0 && !t->wide)) {
        goto done;
    }

    /* the clock may have been set back */

    t->first = ngx_min(t->first, now);
    t->last = ngx_min(t->last, now);
    t->hold = ngx_min(t->hold, now + NGX_COUNTERS_TASKS_RETRY_MAX);

    due = ngx_max(t->first + NGX_COUNTERS_TASKS_WINDOW, t->last + t->gap);

    if (now < due) {
        *delay = due - now;
        rc = NGX_AGAIN;
        goto done;
    }

    ngx_counters_tasks_deleted_locked(zone, users);

    if (t->npending && !t->wide) {

        *delay = (now < t->hold) ? t->hold - now
                                 : ngx_counters_quota_spend_locked(zone, now);
        if (*delay == 0) {
            ngx_counters_tasks_ask_locked(zone, me, now, flight);

        } else if (now + *delay > t->first + NGX_COUNTERS_TASKS_PATIENCE) {
            t->wide = 1;
        }
    }

    if (t->wide) {
        ngx_counters_tasks_wide_locked(zone, users);
    }

    if (flight->n == 0 && users->n == 0 && !users->wide) {
        rc = *delay ? NGX_AGAIN : NGX_DONE;
        goto done;
    }

    t->gap = ngx_counters_tasks_gap_locked(zone, now);
    t->last = now;

    rc = NGX_OK;

done:

    ngx_counters_edit_unlock(zone);

    return rc;
}


/* there is nobody to ask about them: those who are remembered will do */

static void
ngx_counters_tasks_deleted_locked(ngx_counters_zone_t *zone,
    ngx_counters_users_t *users)
{
    ngx_counters_link_t   *q, *next, *pending;
    ngx_counters_task_t   *task;
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;

    if (t->npending == 0) {
        return;
    }

    pending = &zone->sh->tasks.pending;

    for (q = ngx_counters_list_head(zone, pending); q != pending; q = next) {

        next = ngx_counters_list_next(zone, q);
        task = ngx_counters_list_data(q, ngx_counters_task_t, queue);

        if (!task->deleted) {
            continue;
        }

        ngx_counters_save_record(zone, task);

        if (task->known) {
            ngx_counters_task_table_recall_locked(zone, task, users);

        } else {
            users->wide = 1;
        }

        /* to be told once more of it changes nothing */

        ngx_counters_task_table_keep_locked(zone, task, NULL, 0);
        task->deleted = 0;

        ngx_counters_list_remove(zone, &task->queue);
        task->state = NGX_COUNTERS_TASK_IDLE;
        t->npending--;

        ngx_counters_edit_commit_locked(zone);
    }
}


static void
ngx_counters_tasks_ask_locked(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now,
    ngx_counters_tasks_flight_t *flight)
{
    ngx_counters_link_t   *q;
    ngx_counters_task_t   *task;
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;

    t->pid = me->pid;
    t->lease = now + zone->conf.timeout + NGX_COUNTERS_TASKS_SLACK;

    while (t->npending && flight->n < zone->conf.batch) {

        q = ngx_counters_list_head(zone, &zone->sh->tasks.pending);
        task = ngx_counters_list_data(q, ngx_counters_task_t, queue);
        ngx_counters_save_record(zone, task);

        ngx_counters_list_remove(zone, q);
        ngx_counters_list_insert_tail(zone, &zone->sh->tasks.asked, q);

        task->state = NGX_COUNTERS_TASK_ASKED;
        task->again = 0;

        t->npending--;
        t->nasked++;

        flight->ids[flight->n++] = task->id;

        ngx_counters_edit_commit_locked(zone);
    }
}


/* who takes part in what waits may have changed unseen */

static void
ngx_counters_tasks_wide_locked(ngx_counters_zone_t *zone,
    ngx_counters_users_t *users)
{
    ngx_counters_link_t   *q;
    ngx_counters_task_t   *task;
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;

    while (t->npending) {

        q = ngx_counters_list_head(zone, &zone->sh->tasks.pending);
        task = ngx_counters_list_data(q, ngx_counters_task_t, queue);
        ngx_counters_save_record(zone, task);

        ngx_counters_list_remove(zone, q);
        t->npending--;

        ngx_counters_task_table_free_locked(zone, task);
        ngx_counters_edit_commit_locked(zone);
    }

    t->wide = 0;
    users->wide = 1;
}


/* a storm slows down as it spends the refreshes' share of the quota */

static uint32_t
ngx_counters_tasks_gap_locked(ngx_counters_zone_t *zone, uint64_t now)
{
    uint64_t                     level, limit;
    ngx_counters_bucket_conf_t  *conf;

    conf = &zone->conf.bucket;

    level = ngx_counters_bucket_level(&zone->sh->vars.bucket, conf, now);
    limit = (uint64_t) conf->burst * (100 - zone->conf.reserve) / 100;

    if (level >= limit) {
        return conf->rate ? NGX_COUNTERS_TASKS_GAP_MAX
                          : NGX_COUNTERS_TASKS_GAP;
    }

    return NGX_COUNTERS_TASKS_GAP
           + (NGX_COUNTERS_TASKS_GAP_MAX - NGX_COUNTERS_TASKS_GAP) * level
             / limit;
}


void
ngx_counters_tasks_answer(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    uint64_t now, uint64_t id, ngx_int_t rc, const uint64_t *list, size_t n,
    ngx_counters_users_t *users)
{
    ngx_str_t              data;
    ngx_counters_task_t   *task;
    ngx_counters_draft_t  *draft;
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;
    draft = NULL;

    if (rc == NGX_OK && n) {
        data.data = (u_char *) list;
        data.len = n * sizeof(uint64_t);

        draft = ngx_counters_fill_copy(zone, &data, now);
    }

    ngx_counters_edit_lock(zone);

    task = ngx_counters_task_table_find_locked(zone, id);

    if (task && (task->state != NGX_COUNTERS_TASK_ASKED || t->pid != me->pid))
    {
        /* it has taken longer than the lease, and is another's now */
        task = NULL;
    }

    if (task && task->known && rc != NGX_ERROR) {
        ngx_counters_task_table_recall_locked(zone, task, users);

    } else if (rc != NGX_OK) {
        users->wide = 1;
    }

    if (rc == NGX_OK) {
        ngx_counters_task_table_users_add(users, list, n);
        t->failures = 0;
    }

    if (task) {
        if (rc == NGX_ERROR) {
            ngx_counters_task_table_forget_locked(zone, task);

        } else {
            ngx_counters_task_table_keep_locked(zone, task, draft, n);
        }

        ngx_counters_tasks_settle_locked(zone, task, now);
    }

    if (draft && draft->pid) {
        ngx_counters_cells_drop_locked(zone, draft);
    }

    ngx_counters_edit_unlock(zone);
}


/* an event that came meanwhile waits for the next flight */

static void
ngx_counters_tasks_settle_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task, uint64_t now)
{
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;

    ngx_counters_list_remove(zone, &task->queue);
    t->nasked--;

    if (task->again) {
        task->again = 0;
        ngx_counters_tasks_wait_locked(zone, task, now);

    } else {
        task->state = NGX_COUNTERS_TASK_IDLE;
    }
}


void
ngx_counters_tasks_back(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    uint64_t now)
{
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;

    ngx_counters_edit_lock(zone);

    if (t->nasked && t->pid == me->pid) {
        ngx_counters_tasks_back_locked(zone, now);
    }

    ngx_counters_edit_unlock(zone);
}


static void
ngx_counters_tasks_back_locked(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_counters_link_t   *q;
    ngx_counters_task_t   *task;
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;

    while (t->nasked) {
        q = ngx_counters_list_head(zone, &zone->sh->tasks.asked);
        task = ngx_counters_list_data(q, ngx_counters_task_t, queue);
        ngx_counters_save_record(zone, task);

        task->again = 1;
        ngx_counters_tasks_settle_locked(zone, task, now);
        ngx_counters_edit_commit_locked(zone);
    }
}


void
ngx_counters_tasks_failed(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    uint64_t now, ngx_counters_users_t *users)
{
    ngx_counters_link_t   *q;
    ngx_counters_task_t   *task;
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;
    users->wide = 1;

    ngx_counters_edit_lock(zone);

    while (t->nasked && t->pid == me->pid) {
        q = ngx_counters_list_head(zone, &zone->sh->tasks.asked);
        task = ngx_counters_list_data(q, ngx_counters_task_t, queue);
        ngx_counters_save_record(zone, task);

        ngx_counters_task_table_forget_locked(zone, task);
        ngx_counters_tasks_settle_locked(zone, task, now);
        ngx_counters_edit_commit_locked(zone);
    }

    t->failures += (t->failures < 31);
    t->hold = now + ngx_counters_policy_backoff(t->failures,
                                                NGX_COUNTERS_TASKS_RETRY,
                                                NGX_COUNTERS_TASKS_RETRY_MAX,
                                                ngx_random());
    ngx_counters_edit_unlock(zone);
}
