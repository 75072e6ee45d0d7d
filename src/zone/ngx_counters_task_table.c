
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_task_table.h"


/* the part of the zone that the table may have */
#define NGX_COUNTERS_TASKS_SHARE     32

/* looked at for one that may go, and how many may */
#define NGX_COUNTERS_TASKS_LOOK      256
#define NGX_COUNTERS_TASKS_EVICT     16


static uint32_t *ngx_counters_task_table_bucket(ngx_counters_zone_t *zone,
    uint64_t id);
static ngx_int_t ngx_counters_task_table_room_locked(ngx_counters_zone_t *zone,
    size_t n);


void
ngx_counters_task_table_init(ngx_counters_zone_t *zone)
{
    ngx_counters_list_init(zone, &zone->sh->tasks.lru);
    ngx_counters_list_init(zone, &zone->sh->tasks.pending);
    ngx_counters_list_init(zone, &zone->sh->tasks.asked);
}


static uint32_t *
ngx_counters_task_table_bucket(ngx_counters_zone_t *zone, uint64_t id)
{
    return &zone->tasks[id % zone->sh->ntasks];
}


ngx_counters_task_t *
ngx_counters_task_table_find_locked(ngx_counters_zone_t *zone, uint64_t id)
{
    uint32_t              ref;
    ngx_counters_task_t  *task;

    for (ref = *ngx_counters_task_table_bucket(zone,
                                               id); ref; ref = task->next)
    {

        task = ngx_counters_cell(zone, ref);

        if (task->id == id) {
            ngx_counters_save_record(zone, task);
            return task;
        }
    }

    return NULL;
}


/* keeps it from being evicted soon */

ngx_counters_task_t *
ngx_counters_task_table_get_locked(ngx_counters_zone_t *zone, uint64_t id)
{
    uint32_t              *head;
    ngx_counters_link_t   *lru;
    ngx_counters_task_t   *task;

    lru = &zone->sh->tasks.lru;
    task = ngx_counters_task_table_find_locked(zone, id);

    if (task) {
        ngx_counters_list_remove(zone, &task->lru);
        ngx_counters_list_insert_head(zone, lru, &task->lru);
        return task;
    }

    if (ngx_counters_task_table_room_locked(zone, 1) != NGX_OK) {
        return NULL;
    }

    task = ngx_counters_cells_take_locked(zone);
    if (task == NULL) {
        return NULL;
    }

    zone->sh->vars.tasks.ncells++;

    head = ngx_counters_task_table_bucket(zone, id);
    ngx_counters_save_record(zone, head);

    task->id = id;
    task->next = *head;
    *head = ngx_counters_ref(zone, task);

    ngx_counters_list_insert_head(zone, lru, &task->lru);

    return task;
}


/* the task whose last event is the oldest makes room, if it waits for none */

static ngx_int_t
ngx_counters_task_table_room_locked(ngx_counters_zone_t *zone, size_t n)
{
    size_t                 max;
    ngx_uint_t             i, gone;
    ngx_counters_link_t   *q, *lru;
    ngx_counters_task_t   *task;
    ngx_counters_tasks_t  *t;

    t = &zone->sh->vars.tasks;
    lru = &zone->sh->tasks.lru;
    max = zone->sh->ncells / NGX_COUNTERS_TASKS_SHARE;

    q = ngx_counters_list_last(zone, lru);
    gone = 0;

    for (i = 0; i < NGX_COUNTERS_TASKS_LOOK && q != lru; i++) {

        if (t->ncells + n <= max || gone == NGX_COUNTERS_TASKS_EVICT) {
            break;
        }

        task = ngx_counters_list_data(q, ngx_counters_task_t, lru);
        q = ngx_counters_list_prev(zone, q);

        if (task->state == NGX_COUNTERS_TASK_IDLE) {
            ngx_counters_save_record(zone, task);
            ngx_counters_task_table_free_locked(zone, task);
            gone++;
        }
    }

    return (t->ncells + n <= max) ? NGX_OK : NGX_DECLINED;
}


void
ngx_counters_task_table_free_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task)
{
    uint32_t              ref, *p;
    ngx_counters_task_t  *other;

    ngx_counters_task_table_forget_locked(zone, task);

    ref = ngx_counters_ref(zone, task);
    p = ngx_counters_task_table_bucket(zone, task->id);

    while (*p != ref) {
        other = ngx_counters_cell(zone, *p);
        p = &other->next;
    }

    ngx_counters_save_record(zone, p);
    *p = task->next;

    ngx_counters_list_remove(zone, &task->lru);
    ngx_counters_cells_give_locked(zone, task);

    zone->sh->vars.tasks.ncells--;
}


void
ngx_counters_task_table_keep_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task, ngx_counters_draft_t *draft, size_t n)
{
    size_t  size;

    ngx_counters_task_table_forget_locked(zone, task);

    size = ngx_counters_cells_for(n * sizeof(uint64_t));

    if (draft == NULL && n) {
        return;
    }

    if (size && ngx_counters_task_table_room_locked(zone, size) != NGX_OK) {
        return;
    }

    if (size) {
        task->users = ngx_counters_cells_done_locked(zone, draft);
        zone->sh->vars.tasks.ncells += size;
    }

    task->nusers = n;
    task->known = 1;
}


void
ngx_counters_task_table_forget_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task)
{
    ngx_counters_cells_give_chain_locked(zone, task->users);

    zone->sh->vars.tasks.ncells -=
                    ngx_counters_cells_for(task->nusers * sizeof(uint64_t));

    task->users = 0;
    task->nusers = 0;
    task->known = 0;
}


void
ngx_counters_task_table_recall_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task, ngx_counters_users_t *users)
{
    if (task->nusers > NGX_COUNTERS_USERS_MAX - users->n) {
        users->wide = 1;
        return;
    }

    (void) ngx_counters_cells_read(zone, (u_char *) &users->elts[users->n],
                                   task->users,
                                   task->nusers * sizeof(uint64_t));
    users->n += task->nusers;
}


void
ngx_counters_task_table_users_add(ngx_counters_users_t *users,
    const uint64_t *list, size_t n)
{
    if (n > NGX_COUNTERS_USERS_MAX - users->n) {
        users->wide = 1;
        return;
    }

    ngx_memcpy(&users->elts[users->n], list, n * sizeof(uint64_t));
    users->n += n;
}
