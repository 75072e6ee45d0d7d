
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_shm.h"


static void ngx_counters_edit_undo_locked(ngx_counters_zone_t *zone);
static void ngx_counters_edit_show_locked(ngx_counters_zone_t *zone);


/*
 * A process that dies leaves behind all that it has written until then, in
 * the order of the program: only the compiler must be kept from changing it.
 */

#define ngx_counters_in_order()  __atomic_signal_fence(__ATOMIC_SEQ_CST)


void
ngx_counters_edit_lock(ngx_counters_zone_t *zone)
{
    ngx_shmtx_lock(&zone->shpool->mutex);

    if (zone->sh->edit.nsaved || zone->sh->edit.nhidden) {
        ngx_counters_edit_undo_locked(zone);
    }

    ngx_counters_edit_save_locked(zone, &zone->sh->vars,
                                  sizeof(ngx_counters_vars_t));
}


void
ngx_counters_edit_commit_locked(ngx_counters_zone_t *zone)
{
    ngx_counters_edit_t  *edit;

    edit = &zone->sh->edit;

    ngx_counters_edit_show_locked(zone);
    ngx_counters_in_order();

    edit->nsaved = 0;
    ngx_counters_in_order();

    edit->nhidden = 0;
    edit->used = 0;

    ngx_counters_edit_save_locked(zone, &zone->sh->vars,
                                  sizeof(ngx_counters_vars_t));
}


void
ngx_counters_edit_unlock(ngx_counters_zone_t *zone)
{
    ngx_counters_edit_t  *edit;

    edit = &zone->sh->edit;

    ngx_counters_edit_show_locked(zone);
    ngx_counters_in_order();

    edit->nsaved = 0;
    ngx_counters_in_order();

    edit->nhidden = 0;
    edit->used = 0;

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


void
ngx_counters_edit_yield_locked(ngx_counters_zone_t *zone)
{
    ngx_counters_edit_unlock(zone);
    ngx_counters_edit_lock(zone);
}


void
ngx_counters_edit_save_locked(ngx_counters_zone_t *zone, void *p, size_t size)
{
    ngx_counters_edit_t   *edit;
    ngx_counters_saved_t  *saved;

    edit = &zone->sh->edit;

    if (edit->nsaved == NGX_COUNTERS_EDIT_SAVED
        || edit->used + size > NGX_COUNTERS_EDIT_SIZE)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "counters_portal \"%V\": an edit is too large",
                      &zone->name);
        ngx_abort();
    }

    saved = &edit->saved[edit->nsaved];

    saved->at = ((u_char *) p - (u_char *) zone->sh) / 4;
    saved->len = size;
    saved->data = edit->used / 4;

    ngx_memcpy(edit->data + edit->used, p, size);

    edit->used += size;
    ngx_counters_in_order();

    edit->nsaved++;
    ngx_counters_in_order();
}


void
ngx_counters_edit_hide_locked(ngx_counters_zone_t *zone, uint32_t bucket)
{
    uint32_t             *seq;
    ngx_counters_edit_t  *edit;

    edit = &zone->sh->edit;
    seq = &zone->buckets[bucket].seq;

    if (*seq & 1) {
        return;
    }

    if (edit->nhidden == NGX_COUNTERS_EDIT_HIDDEN) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "counters_portal \"%V\": an edit hides too much",
                      &zone->name);
        ngx_abort();
    }

    edit->hidden[edit->nhidden] = bucket;
    ngx_counters_in_order();

    edit->nhidden++;
    ngx_counters_in_order();

    __atomic_store_n(seq, *seq + 1, __ATOMIC_RELAXED);

    /* readers must not see what follows without it */

    __atomic_thread_fence(__ATOMIC_RELEASE);
}


/* a number that no reader has seen: even, and greater than before */

static void
ngx_counters_edit_show_locked(ngx_counters_zone_t *zone)
{
    uint32_t              i, *seq;
    ngx_counters_edit_t  *edit;

    edit = &zone->sh->edit;

    for (i = 0; i < edit->nhidden; i++) {
        seq = &zone->buckets[edit->hidden[i]].seq;

        __atomic_store_n(seq, (*seq | 1) + 1, __ATOMIC_RELEASE);
    }
}


/* if the one who does it dies, the next does it again */

static void
ngx_counters_edit_undo_locked(ngx_counters_zone_t *zone)
{
    uint32_t               n;
    ngx_counters_edit_t   *edit;
    ngx_counters_saved_t  *saved;

    edit = &zone->sh->edit;

    for (n = edit->nsaved; n; n--) {
        saved = &edit->saved[n - 1];

        ngx_memcpy((u_char *) zone->sh + (size_t) saved->at * 4,
                   edit->data + (size_t) saved->data * 4, saved->len);
    }

    ngx_counters_in_order();
    ngx_counters_edit_show_locked(zone);
    ngx_counters_in_order();

    edit->nsaved = 0;
    ngx_counters_in_order();

    edit->nhidden = 0;
    edit->used = 0;
    edit->undone++;
}
