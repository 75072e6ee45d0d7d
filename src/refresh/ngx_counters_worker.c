
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_counters_capacity.h"
#include "ngx_counters_worker.h"


static void ngx_counters_worker_ring(ngx_uint_t slot);


static ngx_counters_workers_t  *ngx_counters_worker_all;


void
ngx_counters_worker_set(ngx_counters_workers_t *workers)
{
    ngx_counters_worker_all = workers;
}


ngx_counters_worker_t *
ngx_counters_worker(ngx_counters_portal_t *portal)
{
    if (ngx_counters_worker_all == NULL) {
        return NULL;
    }

    return &ngx_counters_worker_all->workers[portal->index];
}


ngx_counters_owner_t *
ngx_counters_worker_me(void)
{
    return &ngx_counters_worker_all->me;
}


ngx_counters_fetcher_t *
ngx_counters_worker_fetcher(void)
{
    return ngx_counters_worker_all->fetcher;
}


void
ngx_counters_worker_wake(uint64_t slots)
{
    ngx_uint_t  i;

    for (i = 0; i < ngx_counters_worker_all->wakes->n && slots; i++) {

        if (i != ngx_counters_worker_all->me.slot
            && (slots & ((uint64_t) 1 << (i % 64))))
        {
            ngx_counters_worker_ring(i);
        }
    }
}


void
ngx_counters_worker_alarm(void)
{
    ngx_uint_t  i;

    for (i = 0; i < ngx_counters_worker_all->wakes->n; i++) {
        ngx_counters_worker_ring(i);
    }
}


/* a full counter is as good: the worker has not read it yet */

static void
ngx_counters_worker_ring(ngx_uint_t slot)
{
    uint64_t  one;

    one = 1;

    if (write(ngx_counters_worker_all->wakes->fds[slot], &one,
              sizeof(one)) == -1
        && ngx_errno != NGX_EAGAIN)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "waking worker %ui failed", slot);
    }
}


void
ngx_counters_worker_event(ngx_counters_worker_t *w, ngx_event_t *ev,
    ngx_event_handler_pt handler)
{
    /* debug logs read the data of a timer as a connection */

    ev->data = &w->dummy;
    ev->handler = handler;
    ev->log = ngx_cycle->log;
    ev->cancelable = 1;
}


void
ngx_counters_worker_post_pump(ngx_counters_worker_t *w)
{
    if (!w->closing) {
        ngx_post_event(&w->pump, &ngx_posted_events);
    }
}


void
ngx_counters_worker_delay_pump(ngx_counters_worker_t *w,
    ngx_msec_t delay)
{
    if (w->pump.timer_set) {
        ngx_del_timer(&w->pump);
    }

    ngx_add_timer(&w->pump, delay);
}


void
ngx_counters_worker_written(void *data, ngx_int_t rc, ngx_str_t *values,
    ngx_uint_t nvalues)
{
    ngx_counters_worker_t *w = data;

    if (rc != NGX_OK) {
        ngx_counters_worker_count(w, NGX_COUNTERS_STAT_REDIS_ERRORS, 1);
    }
}


/* where methods differ, the one with the shortest ttl decides */

void
ngx_counters_worker_capacity(ngx_counters_portal_t *portal,
    ngx_counters_zone_state_t *state, ngx_counters_capacity_t *capacity)
{
    ngx_uint_t          i;
    ngx_counters_use_t  use;

    use.rate = portal->bucket.rate;
    use.ttl = NGX_MAX_UINT32_VALUE;
    use.operating = state->operating;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        if (portal->methods & (1 << i)) {
            use.ttl = ngx_min(use.ttl, portal->ttl[i]);
        }
    }

    if (state->active) {
        use.entries = state->active;
        use.requests = state->requests;
        use.largest = state->largest;

    } else {
        /* the managed webhook's share full batches, others are alone */

        use.entries = portal->zone->common ? portal->batch : 1;
        use.requests = 1000;
        use.largest = use.entries;
    }

    capacity->all = ngx_counters_capacity_quota(&use);

    use.rate = use.rate * (100 - portal->reserve) / 100;

    capacity->quota = ngx_counters_capacity_quota(&use);
    capacity->operating = ngx_counters_capacity_operating(&use);
    capacity->entries = ngx_min(capacity->quota, capacity->operating);
}


uint64_t
ngx_counters_worker_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}
