
/*
 * Copyright (C) The nginx counters module authors
 *
 * Who takes part in which task: a table of a fixed size in the zone, which
 * forgets the tasks whose last event is the oldest.  For
 * ngx_counters_tasks.c only; the zone's mutex is held.
 */


#ifndef _NGX_COUNTERS_TASK_TABLE_H_INCLUDED_
#define _NGX_COUNTERS_TASK_TABLE_H_INCLUDED_


#include "ngx_counters_shm.h"


typedef enum {
    NGX_COUNTERS_TASK_IDLE = 0,
    NGX_COUNTERS_TASK_PENDING,
    NGX_COUNTERS_TASK_ASKED
} ngx_counters_task_state_e;


/* participants that do not fit into a task, in a cell of their own */

#define NGX_COUNTERS_TASK_FEW   4
#define NGX_COUNTERS_TASK_MORE  15

typedef struct ngx_counters_task_more_s  ngx_counters_task_more_t;

struct ngx_counters_task_more_s {
    ngx_counters_task_more_t   *next;
    uint64_t                    users[NGX_COUNTERS_TASK_MORE];
};


typedef struct {
    ngx_rbtree_node_t           node;
    ngx_queue_t                 lru;
    ngx_queue_t                 queue;      /* pending or asked */
    ngx_counters_task_more_t   *more;
    uint64_t                    id;
    uint32_t                    nusers;
    unsigned                    state:2;
    unsigned                    known:1;    /* the users are */
    unsigned                    deleted:1;
    unsigned                    again:1;    /* an event while asked */
    uint64_t                    users[NGX_COUNTERS_TASK_FEW];
} ngx_counters_task_t;


/* makes cells of the room given, which stays the table's */

void ngx_counters_task_table_init_locked(ngx_counters_tasks_t *t, void *room,
    size_t size);

/* finds or inserts a task; NULL when all that there are wait for something */

ngx_counters_task_t *ngx_counters_task_get_locked(ngx_counters_tasks_t *t,
    uint64_t id);
ngx_counters_task_t *ngx_counters_task_find_locked(ngx_counters_tasks_t *t,
    uint64_t id);

/* the task is in no queue */

void ngx_counters_task_free_locked(ngx_counters_tasks_t *t,
    ngx_counters_task_t *task);

/*
 * Replaces the participants; they are not known if there is no room.  The
 * task must not be idle, lest it makes room itself.
 */

void ngx_counters_task_keep_locked(ngx_counters_tasks_t *t,
    ngx_counters_task_t *task, const uint64_t *list, size_t n);
void ngx_counters_task_forget_locked(ngx_counters_tasks_t *t,
    ngx_counters_task_t *task);

void ngx_counters_task_recall(ngx_counters_task_t *task,
    ngx_counters_users_t *users);
void ngx_counters_task_users_add(ngx_counters_users_t *users,
    const uint64_t *list, size_t n);


#endif /* _NGX_COUNTERS_TASK_TABLE_H_INCLUDED_ */
