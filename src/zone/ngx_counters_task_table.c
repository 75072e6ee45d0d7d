
/*
 * Copyright (C) The nginx counters module authors
 *
 * The participants of tasks: a table of cells of one size.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_task_table.h"


/* looked at for one that may go */
#define NGX_COUNTERS_TASKS_EVICT     256


typedef union {
    ngx_counters_task_t         task;
    ngx_counters_task_more_t    more;
} ngx_counters_task_cell_t;


static void ngx_counters_task_insert_task(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void *ngx_counters_task_alloc_locked(ngx_counters_tasks_t *t);


void
ngx_counters_task_table_init_locked(ngx_counters_tasks_t *t, void *room,
    size_t size)
{
    ngx_uint_t                 i, n;
    ngx_counters_task_cell_t  *cells;

    cells = room;
    n = size / sizeof(ngx_counters_task_cell_t);

    for (i = 0; i < n; i++) {
        cells[i].more.next = (i + 1 < n) ? &cells[i + 1].more : NULL;
    }

    ngx_rbtree_init(&t->tree, &t->sentinel, ngx_counters_task_insert_task);
    ngx_queue_init(&t->lru);

    t->free = cells;
    t->cells = cells;
}


static void
ngx_counters_task_insert_task(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t  **p;

    for ( ;; ) {

        p = (((ngx_counters_task_t *) node)->id
             < ((ngx_counters_task_t *) temp)->id)
            ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


ngx_counters_task_t *
ngx_counters_task_find_locked(ngx_counters_tasks_t *t, uint64_t id)
{
    ngx_rbtree_node_t    *node, *sentinel;
    ngx_counters_task_t  *task;

    node = t->tree.root;
    sentinel = t->tree.sentinel;

    while (node != sentinel) {

        task = (ngx_counters_task_t *) node;

        if (id == task->id) {
            return task;
        }

        node = (id < task->id) ? node->left : node->right;
    }

    return NULL;
}


/* finds or inserts, and keeps from being evicted soon */

ngx_counters_task_t *
ngx_counters_task_get_locked(ngx_counters_tasks_t *t, uint64_t id)
{
    ngx_counters_task_t  *task;

    task = ngx_counters_task_find_locked(t, id);

    if (task) {
        ngx_queue_remove(&task->lru);
        ngx_queue_insert_head(&t->lru, &task->lru);
        return task;
    }

    task = ngx_counters_task_alloc_locked(t);
    if (task == NULL) {
        return NULL;
    }

    ngx_memzero(task, sizeof(ngx_counters_task_t));

    task->id = id;

    ngx_queue_insert_head(&t->lru, &task->lru);
    ngx_counters_tree_insert(&t->tree, &task->node,
                             ngx_counters_task_insert_task);

    return task;
}


/* the task whose last event is the oldest makes room, if it waits for none */

static void *
ngx_counters_task_alloc_locked(ngx_counters_tasks_t *t)
{
    ngx_uint_t                 i;
    ngx_queue_t               *q;
    ngx_counters_task_t       *task;
    ngx_counters_task_more_t  *cell;

    if (t->free == NULL) {

        q = ngx_queue_last(&t->lru);

        for (i = 0; i < NGX_COUNTERS_TASKS_EVICT; i++) {

            if (q == ngx_queue_sentinel(&t->lru)) {
                return NULL;
            }

            task = ngx_queue_data(q, ngx_counters_task_t, lru);
            q = ngx_queue_prev(q);

            if (task->state == NGX_COUNTERS_TASK_IDLE) {
                ngx_counters_task_free_locked(t, task);
                break;
            }
        }
    }

    cell = t->free;

    if (cell) {
        t->free = cell->next;
    }

    return cell;
}


void
ngx_counters_task_free_locked(ngx_counters_tasks_t *t,
    ngx_counters_task_t *task)
{
    ngx_counters_task_more_t  *cell;

    ngx_counters_task_forget_locked(t, task);

    ngx_queue_remove(&task->lru);
    ngx_rbtree_delete(&t->tree, &task->node);

    cell = (ngx_counters_task_more_t *) task;
    cell->next = t->free;
    t->free = cell;
}


void
ngx_counters_task_keep_locked(ngx_counters_tasks_t *t,
    ngx_counters_task_t *task, const uint64_t *list, size_t n)
{
    size_t                      i, room;
    uint64_t                   *p;
    ngx_counters_task_more_t   *cell, **next;

    ngx_counters_task_forget_locked(t, task);

    p = task->users;
    room = NGX_COUNTERS_TASK_FEW;
    next = &task->more;

    for (i = 0; i < n; i++) {

        if (room == 0) {
            cell = ngx_counters_task_alloc_locked(t);

            if (cell == NULL) {
                ngx_counters_task_forget_locked(t, task);
                return;
            }

            cell->next = NULL;
            *next = cell;
            next = &cell->next;

            p = cell->users;
            room = NGX_COUNTERS_TASK_MORE;
        }

        *p++ = list[i];
        room--;
    }

    task->nusers = n;
    task->known = 1;
}


void
ngx_counters_task_forget_locked(ngx_counters_tasks_t *t,
    ngx_counters_task_t *task)
{
    ngx_counters_task_more_t  *cell;

    while (task->more) {
        cell = task->more;
        task->more = cell->next;

        cell->next = t->free;
        t->free = cell;
    }

    task->nusers = 0;
    task->known = 0;
}


void
ngx_counters_task_recall(ngx_counters_task_t *task,
    ngx_counters_users_t *users)
{
    size_t                     n, left;
    ngx_counters_task_more_t  *cell;

    left = task->nusers;
    n = ngx_min(left, NGX_COUNTERS_TASK_FEW);

    ngx_counters_task_users_add(users, task->users, n);

    for (cell = task->more; cell; cell = cell->next) {
        left -= n;
        n = ngx_min(left, NGX_COUNTERS_TASK_MORE);

        ngx_counters_task_users_add(users, cell->users, n);
    }
}


void
ngx_counters_task_users_add(ngx_counters_users_t *users, const uint64_t *list,
    size_t n)
{
    if (n > NGX_COUNTERS_USERS_MAX - users->n) {
        users->wide = 1;
        return;
    }

    ngx_memcpy(&users->elts[users->n], list, n * sizeof(uint64_t));
    users->n += n;
}
