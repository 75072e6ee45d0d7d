
/*
 * Copyright (C) The nginx counters module authors
 *
 * Who takes part in which task: a table that may have a part of the zone, and
 * forgets the tasks whose last event is the oldest.  For ngx_counters_tasks.c
 * only; the lock is held.
 */


#ifndef _NGX_COUNTERS_TASK_TABLE_H_INCLUDED_
#define _NGX_COUNTERS_TASK_TABLE_H_INCLUDED_


#include "ngx_counters_shm.h"


typedef enum {
    NGX_COUNTERS_TASK_IDLE = 0,
    NGX_COUNTERS_TASK_PENDING,
    NGX_COUNTERS_TASK_ASKED
} ngx_counters_task_state_e;


/* a cell, and those of its users */

typedef struct {
    uint32_t                    next;       /* in its bucket */
    uint32_t                    users;      /* first cell, 0: none */
    uint32_t                    nusers;
    uint32_t                    state;
    uint64_t                    id;
    ngx_counters_link_t         lru;
    ngx_counters_link_t         queue;      /* pending or asked */
    uint32_t                    known;      /* the users are */
    uint32_t                    deleted;
    uint32_t                    again;      /* an event while asked */
} ngx_counters_task_t;


/* of a zone that is made */

void ngx_counters_task_table_init(ngx_counters_zone_t *zone);

/*
 * Finds or adds a task, and saves it, since it is to be changed; NULL when
 * all that there are wait for something, or there is no such.
 */

ngx_counters_task_t *ngx_counters_task_table_get_locked(
    ngx_counters_zone_t *zone, uint64_t id);
ngx_counters_task_t *ngx_counters_task_table_find_locked(
    ngx_counters_zone_t *zone, uint64_t id);

/* the task is in no queue */

void ngx_counters_task_table_free_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task);

/*
 * Replaces the participants by n that lie in the draft, or by none (NULL).
 * They are not known if there are too many.  The task must not be idle, lest
 * it makes room itself.
 */

void ngx_counters_task_table_keep_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task, ngx_counters_draft_t *draft, size_t n);
void ngx_counters_task_table_forget_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task);

void ngx_counters_task_table_recall_locked(ngx_counters_zone_t *zone,
    ngx_counters_task_t *task, ngx_counters_users_t *users);

/* needs no lock */

void ngx_counters_task_table_users_add(ngx_counters_users_t *users,
    const uint64_t *list, size_t n);


#endif /* _NGX_COUNTERS_TASK_TABLE_H_INCLUDED_ */
