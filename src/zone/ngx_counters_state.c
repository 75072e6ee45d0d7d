
/*
 * Copyright (C) The nginx counters module authors
 *
 * An entry's place in its refresh: whose it is, where it waits, and of which
 * class.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <signal.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_wheel.h"


void
ngx_counters_state_own_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_owner_t *me,
    ngx_counters_state_e state, uint64_t now)
{
    ngx_counters_work_t  *work;

    ngx_counters_edit_entry(zone, e);

    work = ngx_counters_work(zone, e);
    ngx_counters_save_record(zone, work);

    work->pid = me->pid;
    work->slot = me->slot;
    work->since = now;
    work->purges = zone->sh->fade.purges;
    e->state = state;

    if (state == NGX_COUNTERS_LEASED) {
        zone->sh->vars.nleased++;
    }
}


void
ngx_counters_state_queue_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_class_e class, ngx_uint_t front)
{
    ngx_counters_link_t  *queue, *pending;
    ngx_counters_turn_t  *turn;
    ngx_counters_work_t  *work;

    ngx_counters_edit_entry(zone, e);

    e->state = NGX_COUNTERS_QUEUED;
    e->class = class;

    work = ngx_counters_work(zone, e);
    turn = ngx_counters_turn(zone, ngx_counters_cred(zone, e));
    ngx_counters_save_record(zone, turn);

    queue = &zone->sh->queue[class];
    pending = &turn->pending[class];

    if (front) {
        ngx_counters_list_insert_head(zone, queue, &work->queue);
        ngx_counters_list_insert_head(zone, pending, &work->pending);

    } else {
        ngx_counters_list_insert_tail(zone, queue, &work->queue);
        ngx_counters_list_insert_tail(zone, pending, &work->pending);
    }

    zone->sh->vars.nqueued[class]++;
    zone->sh->vars.nowners += (turn->npending++ == 0);
}


void
ngx_counters_state_release_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e)
{
    ngx_counters_turn_t       *turn;
    ngx_counters_vars_t       *vars;
    ngx_counters_work_t       *work;
    ngx_counters_cred_node_t  *cred;

    if (e->state == NGX_COUNTERS_IDLE) {
        return;
    }

    ngx_counters_edit_entry(zone, e);

    vars = &zone->sh->vars;
    cred = ngx_counters_cred(zone, e);

    switch (e->state) {

    case NGX_COUNTERS_LEASED:
        vars->nleased--;
        break;

    case NGX_COUNTERS_QUEUED:
        work = ngx_counters_work(zone, e);
        turn = ngx_counters_turn(zone, cred);

        ngx_counters_list_remove(zone, &work->queue);
        ngx_counters_list_remove(zone, &work->pending);

        ngx_counters_save_record(zone, turn);

        vars->nqueued[e->class]--;

        if (--turn->npending == 0) {
            vars->nowners--;

            ngx_counters_save_record(zone, cred);
            cred->turn = 0;

            ngx_counters_cells_give_locked(zone, turn);
        }

        if (vars->offer == e->work) {
            vars->offer = 0;
        }

        break;

    default: /* NGX_COUNTERS_FLYING */
        vars->nflying--;

        ngx_counters_save_record(zone, cred);
        cred->nflying--;
        break;
    }

    e->state = NGX_COUNTERS_IDLE;

    /* it is not looked at in the wheel until this should have ended */

    if (e->listed && ngx_counters_list_in(&e->age)) {
        ngx_counters_wheel_insert_locked(zone, e);
    }
}


/* whoever should have done it has not, and is not waited for */

void
ngx_counters_state_lapse_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    if ((e->state == NGX_COUNTERS_LEASED || e->state == NGX_COUNTERS_FLYING)
        && now > ngx_counters_work(zone, e)->lease)
    {
        ngx_counters_state_release_locked(zone, e);
    }
}


/* what there is nothing to remember of, an entry with data does without */

void
ngx_counters_state_rest_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e)
{
    ngx_counters_work_t  *work;

    work = ngx_counters_work(zone, e);

    if (e->work && e->state == NGX_COUNTERS_IDLE
        && e->kind == NGX_COUNTERS_DATA
        && e->failures == 0 && work->refused == 0 && work->wake == 0)
    {
        ngx_counters_edit_entry(zone, e);
        e->work = 0;

        ngx_counters_cells_give_locked(zone, work);
    }
}


ngx_uint_t
ngx_counters_state_class_locked(ngx_counters_zone_t *zone, const u_char *digest,
    ngx_counters_cred_node_t *cred)
{
    return ((cred && cred->accepted) || ngx_counters_zone_common(zone, digest))
           ? NGX_COUNTERS_WAITING : NGX_COUNTERS_UNKNOWN;
}


/* a zombie is alive until the master has reaped it, which it does at once */

ngx_uint_t
ngx_counters_state_alive(ngx_pid_t pid)
{
    return kill(pid, 0) == 0 || ngx_errno != ESRCH;
}
