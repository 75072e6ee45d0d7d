
/*
 * Copyright (C) The nginx counters module authors
 *
 * An entry's place in its refresh: whose it is, where it waits, and of which
 * class.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <signal.h>

#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"


void
ngx_counters_state_own_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_owner_t *me,
    ngx_counters_state_e state, uint64_t now)
{
    e->pid = me->pid;
    e->slot = me->slot;
    e->state = state;
    e->since = now;

    if (state == NGX_COUNTERS_LEASED) {
        zone->sh->nleased++;
    }
}


void
ngx_counters_state_queue_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_class_e class, ngx_uint_t front)
{
    e->state = NGX_COUNTERS_QUEUED;
    e->class = class;

    if (front) {
        ngx_queue_insert_head(&zone->sh->queue[class], &e->queue);
        ngx_queue_insert_head(&e->cred->pending[class], &e->pending);

    } else {
        ngx_queue_insert_tail(&zone->sh->queue[class], &e->queue);
        ngx_queue_insert_tail(&e->cred->pending[class], &e->pending);
    }

    zone->sh->nqueued[class]++;
    zone->sh->nowners += (e->cred->npending++ == 0);
}


void
ngx_counters_state_release_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e)
{
    switch (e->state) {

    case NGX_COUNTERS_LEASED:
        zone->sh->nleased--;
        break;

    case NGX_COUNTERS_QUEUED:
        ngx_queue_remove(&e->queue);
        ngx_queue_remove(&e->pending);

        zone->sh->nqueued[e->class]--;
        zone->sh->nowners -= (--e->cred->npending == 0);

        if (zone->sh->offer == e) {
            zone->sh->offer = NULL;
        }

        break;

    case NGX_COUNTERS_FLYING:
        zone->sh->nflying--;
        e->cred->nflying--;
        break;

    default:
        break;
    }

    e->state = NGX_COUNTERS_IDLE;
}


/* whoever should have done it has not, and is not waited for */

void
ngx_counters_state_lapse_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    if ((e->state == NGX_COUNTERS_LEASED || e->state == NGX_COUNTERS_FLYING)
        && now > e->lease)
    {
        ngx_counters_state_release_locked(zone, e);
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
