
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include <sys/eventfd.h>

#include "ngx_counters_flight.h"
#include "ngx_counters_inquiry.h"
#include "ngx_counters_refresh.h"
#include "ngx_counters_owed.h"
#include "ngx_counters_peers.h"


#define NGX_HTTP_COUNTERS_TICK         1000
#define NGX_HTTP_COUNTERS_TICK_AHEAD   250

/* entries a tick may look at for their age */
#define NGX_HTTP_COUNTERS_EXPIRE       50

#define NGX_HTTP_COUNTERS_WARN         60000

/* a plain credential is looked at again after this, milliseconds */
#define NGX_HTTP_COUNTERS_KEEP         5000
#define NGX_HTTP_COUNTERS_CREDS        16384


typedef struct {
    ngx_counters_owner_t         me;
    ngx_counters_fetcher_t      *fetcher;
    ngx_http_counters_worker_t  *portals;
    ngx_uint_t                   nportals;
    ngx_socket_t                *wakes;
    ngx_uint_t                   nwakes;
    ngx_connection_t            *wake;       /* this worker's eventfd */
} ngx_http_counters_process_t;


static void ngx_http_counters_close_wakes(void *data);
static ngx_int_t ngx_http_counters_init_portal(ngx_cycle_t *cycle,
    ngx_http_counters_worker_t *w, ngx_http_counters_portal_t *portal);
static void ngx_http_counters_init_event(ngx_http_counters_worker_t *w,
    ngx_event_t *ev, ngx_event_handler_pt handler, ngx_log_t *log);
static ngx_int_t ngx_http_counters_init_wake(ngx_cycle_t *cycle);
static void ngx_http_counters_wake_handler(ngx_event_t *ev);
static void ngx_http_counters_pump_handler(ngx_event_t *ev);
static void ngx_http_counters_poll_handler(ngx_event_t *ev);
static void ngx_http_counters_tasks_handler(ngx_event_t *ev);
static void ngx_http_counters_tick_handler(ngx_event_t *ev);
static void ngx_http_counters_capacity(ngx_http_counters_worker_t *w,
    uint64_t now);
static ngx_uint_t ngx_http_counters_needed(void *data, const u_char *digest);


static ngx_http_counters_process_t  *ngx_http_counters_process;


/* in the master: the eventfds must be there before the workers are */

ngx_int_t
ngx_http_counters_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t                      i;
    ngx_core_conf_t                *ccf;
    ngx_pool_cleanup_t             *cln;
    ngx_http_counters_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_counters_module);

    if (mcf == NULL || mcf->portals.nelts == 0 || ngx_test_config) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    mcf->wakes = ngx_palloc(cycle->pool,
                            ccf->worker_processes * sizeof(ngx_socket_t));
    if (mcf->wakes == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_counters_close_wakes;
    cln->data = mcf;

    for (i = 0; i < (ngx_uint_t) ccf->worker_processes; i++) {

        mcf->wakes[i] = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (mcf->wakes[i] == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "eventfd() failed");
            return NGX_ERROR;
        }

        mcf->nwakes++;
    }

    return NGX_OK;
}


static void
ngx_http_counters_close_wakes(void *data)
{
    ngx_http_counters_main_conf_t  *mcf = data;

    ngx_uint_t  i;

    for (i = 0; i < mcf->nwakes; i++) {
        (void) close(mcf->wakes[i]);
    }

    mcf->nwakes = 0;
}


ngx_int_t
ngx_http_counters_init_worker(ngx_cycle_t *cycle)
{
    ngx_uint_t                       i;
    ngx_http_counters_portal_t     **portals;
    ngx_http_counters_process_t     *process;
    ngx_http_counters_main_conf_t   *mcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_counters_module);

    if (mcf == NULL || mcf->portals.nelts == 0) {
        return NGX_OK;
    }

    process = ngx_pcalloc(cycle->pool, sizeof(ngx_http_counters_process_t));
    if (process == NULL) {
        return NGX_ERROR;
    }

    process->portals = ngx_pcalloc(cycle->pool, mcf->portals.nelts
                                         * sizeof(ngx_http_counters_worker_t));
    if (process->portals == NULL) {
        return NGX_ERROR;
    }

    process->me.pid = ngx_pid;
    process->me.slot = ngx_worker;
    process->wakes = mcf->wakes;
    process->nwakes = mcf->nwakes;

    process->fetcher = ngx_counters_fetcher_create(cycle);
    if (process->fetcher == NULL) {
        return NGX_ERROR;
    }

    ngx_http_counters_process = process;

    portals = mcf->portals.elts;

    for (i = 0; i < mcf->portals.nelts; i++) {
        if (ngx_http_counters_init_portal(cycle, &process->portals[i],
                                          portals[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        process->nportals++;
    }

    return ngx_http_counters_init_wake(cycle);
}


static ngx_int_t
ngx_http_counters_init_portal(ngx_cycle_t *cycle,
    ngx_http_counters_worker_t *w, ngx_http_counters_portal_t *portal)
{
    size_t                len;
    u_char               *secret;
    ngx_uint_t            i;
    ngx_counters_str_t    identity;
    ngx_counters_cred_t   managed;
    ngx_counters_zone_t  *zone;

    zone = portal->zone;
    w->portal = portal;

    if (portal->secret.len) {
        secret = portal->secret.data;
        len = portal->secret.len;

    } else {
        secret = ngx_counters_zone_secret(zone);
        len = NGX_COUNTERS_SECRET_LEN;
    }

    w->hmac = ngx_counters_hmac_create(secret, len);
    if (w->hmac == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "no HMAC-SHA256 for counters_portal \"%V\"",
                      &portal->name);
        return NGX_ERROR;
    }

    w->creds = ngx_counters_creds_create(NGX_HTTP_COUNTERS_CREDS, cycle->log);
    if (w->creds == NULL) {
        return NGX_ERROR;
    }

    if (portal->webhook.kind != NGX_COUNTERS_CRED_NONE) {

        identity.len = portal->identity.len;
        identity.data = portal->identity.data;

        managed = portal->webhook;
        managed.kind = NGX_COUNTERS_CRED_MANAGED;

        if (ngx_counters_key_cred(w->hmac, &identity, &managed,
                                  zone->common_cred)
            != NGX_COUNTERS_OK
            || ngx_counters_creds_keep(w->creds, zone->common_cred, &managed,
                                       0, 1)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        zone->common = 1;
    }

    if (portal->redis) {
        w->redis = ngx_counters_redis_create(cycle, portal->redis);
        if (w->redis == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_counters_nodes_init(cycle, w) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < NGX_HTTP_COUNTERS_BUCKETS; i++) {
        ngx_queue_init(&w->waiters[i]);
    }

    ngx_queue_init(&w->later);
    ngx_queue_init(&w->flights);

    /* debug logs read the data of a timer as a connection */

    w->dummy.fd = (ngx_socket_t) -1;
    w->dummy.data = w;

    ngx_http_counters_init_event(w, &w->pump, ngx_http_counters_pump_handler,
                                 cycle->log);
    ngx_http_counters_init_event(w, &w->poll, ngx_http_counters_poll_handler,
                                 cycle->log);
    ngx_http_counters_init_event(w, &w->tick, ngx_http_counters_tick_handler,
                                 cycle->log);

    ngx_http_counters_init_event(w, &w->tasks, ngx_http_counters_tasks_handler,
                                 cycle->log);

    ngx_add_timer(&w->tick, NGX_HTTP_COUNTERS_TICK);

    return NGX_OK;
}


/* requests that wait have timers of their own, so these hold nobody up */

static void
ngx_http_counters_init_event(ngx_http_counters_worker_t *w, ngx_event_t *ev,
    ngx_event_handler_pt handler, ngx_log_t *log)
{
    ev->data = &w->dummy;
    ev->handler = handler;
    ev->log = log;
    ev->cancelable = 1;
}


static ngx_int_t
ngx_http_counters_init_wake(ngx_cycle_t *cycle)
{
    ngx_event_t                  *rev;
    ngx_connection_t             *c;
    ngx_http_counters_process_t  *process;

    process = ngx_http_counters_process;

    if (process->me.slot >= process->nwakes) {
        return NGX_OK;
    }

    c = ngx_get_connection(process->wakes[process->me.slot], cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    rev = c->read;
    rev->handler = ngx_http_counters_wake_handler;
    rev->log = cycle->log;

    if (ngx_add_event(rev, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        return NGX_ERROR;
    }

    process->wake = c;

    return NGX_OK;
}


void
ngx_http_counters_exit_worker(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_connection_t             *c;
    ngx_http_counters_worker_t   *w;
    ngx_http_counters_process_t  *process;

    process = ngx_http_counters_process;

    if (process == NULL) {
        return;
    }

    for (i = 0; i < process->nportals; i++) {
        process->portals[i].closing = 1;
    }

    /* flights end here, and give their leases back */

    if (process->fetcher) {
        ngx_counters_fetcher_destroy(process->fetcher);
        process->fetcher = NULL;
    }

    for (i = 0; i < process->nportals; i++) {
        w = &process->portals[i];

        if (w->channel) {
            ngx_counters_redis_unsubscribe(w->channel);
            w->channel = NULL;
        }

        ngx_http_counters_later_free(w);

        if (w->redis) {
            ngx_counters_redis_destroy(w->redis);
            w->redis = NULL;
        }

        ngx_counters_creds_destroy(w->creds);
        ngx_counters_hmac_free(w->hmac);
    }

    c = process->wake;

    if (c) {
        ngx_del_event(c->read, NGX_READ_EVENT, 0);
        ngx_free_connection(c);
        c->fd = (ngx_socket_t) -1;
    }

    ngx_http_counters_process = NULL;
}


ngx_http_counters_worker_t *
ngx_http_counters_worker(ngx_http_counters_portal_t *portal)
{
    if (ngx_http_counters_process == NULL) {
        return NULL;
    }

    return &ngx_http_counters_process->portals[portal->index];
}


ngx_counters_owner_t *
ngx_http_counters_me(void)
{
    return &ngx_http_counters_process->me;
}


ngx_counters_fetcher_t *
ngx_http_counters_fetcher(void)
{
    return ngx_http_counters_process->fetcher;
}


/* every user's entry once a ttl, if all of them come under one credential */

uint64_t
ngx_http_counters_portal_capacity(ngx_http_counters_portal_t *portal)
{
    return (uint64_t) portal->bucket.rate * portal->batch
           * portal->ttl[NGX_COUNTERS_TASKS] / 1000000;
}


uint64_t
ngx_http_counters_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}


void
ngx_http_counters_wake(uint64_t slots)
{
    uint64_t                      one;
    ngx_uint_t                    i;
    ngx_http_counters_process_t  *process;

    process = ngx_http_counters_process;
    one = 1;

    for (i = 0; i < process->nwakes && slots; i++) {

        if (i == process->me.slot
            || !(slots & ((uint64_t) 1 << (i % 64))))
        {
            continue;
        }

        /* a full counter is as good: the worker has not read it yet */

        if (write(process->wakes[i], &one, sizeof(one)) == -1
            && ngx_errno != NGX_EAGAIN)
        {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                          "waking worker %ui failed", i);
        }
    }
}


static void
ngx_http_counters_wake_handler(ngx_event_t *ev)
{
    uint64_t                      n;
    ngx_uint_t                    i;
    ngx_connection_t             *c;
    ngx_http_counters_process_t  *process;

    c = ev->data;
    process = ngx_http_counters_process;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0, "counters woken");

    if (read(c->fd, &n, sizeof(n)) == -1 && ngx_errno != NGX_EAGAIN) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, ngx_errno,
                      "reading an eventfd failed");
    }

    for (i = 0; i < process->nportals; i++) {
        ngx_http_counters_refresh_scan(&process->portals[i], 0);
        ngx_http_counters_flight_pump(&process->portals[i]);
    }
}


static void
ngx_http_counters_pump_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0, "counters pump");

    ngx_http_counters_flight_pump(c->data);
}


/* waiters of another generation, and those whose worker has died */

static void
ngx_http_counters_poll_handler(ngx_event_t *ev)
{
    ngx_connection_t            *c;
    ngx_http_counters_worker_t  *w;

    c = ev->data;
    w = c->data;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "counters poll, %ui waiting", w->nwaiters);

    ngx_http_counters_refresh_scan(w, 1);

    if (w->nwaiters && !ev->timer_set) {
        ngx_add_timer(ev, NGX_HTTP_COUNTERS_POLL);
    }
}


static void
ngx_http_counters_tasks_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0, "counters tasks");

    ngx_http_counters_participants_pump(c->data);
}


static void
ngx_http_counters_tick_handler(ngx_event_t *ev)
{
    uint64_t                     now, before;
    ngx_connection_t            *c;
    ngx_http_counters_worker_t  *w;
    ngx_http_counters_portal_t  *portal;

    c = ev->data;
    w = c->data;
    portal = w->portal;

    now = ngx_http_counters_now();

    if (ngx_exiting) {

        /* a long download may keep the worker for hours, but not these */

        ngx_counters_creds_sweep(w->creds, now - NGX_HTTP_COUNTERS_KEEP,
                                 NGX_HTTP_COUNTERS_CREDS,
                                 ngx_http_counters_needed, w);
        ngx_add_timer(ev, NGX_HTTP_COUNTERS_TICK);
        return;
    }

    /* the worker that had the events may have died, or left */

    ngx_http_counters_participants_pump(w);

    if (portal->ahead) {
        (void) ngx_counters_zone_ahead(portal->zone, ngx_http_counters_me(),
                                       now, ngx_http_counters_has, w);
    }

    /* also what another has queued, who may have died */

    ngx_http_counters_flight_pump(w);

    if (now >= w->swept + NGX_HTTP_COUNTERS_TICK || now < w->swept) {

        w->swept = now;
        before = now - ngx_max(portal->ahead, NGX_HTTP_COUNTERS_KEEP);

        ngx_http_counters_later_retry(w);

        ngx_counters_zone_expire(portal->zone, now, NGX_HTTP_COUNTERS_EXPIRE);
        ngx_counters_creds_sweep(w->creds, before, NGX_HTTP_COUNTERS_CREDS,
                                 ngx_http_counters_needed, w);

        if (ngx_worker == 0) {
            ngx_http_counters_capacity(w, now);
        }
    }

    ngx_add_timer(ev, portal->ahead ? NGX_HTTP_COUNTERS_TICK_AHEAD
                                    : NGX_HTTP_COUNTERS_TICK);
}


/* says once a minute that there are more users than can be kept fresh */

static void
ngx_http_counters_capacity(ngx_http_counters_worker_t *w, uint64_t now)
{
    uint64_t                    capacity;
    ngx_http_counters_portal_t *portal;
    ngx_counters_zone_state_t   state;

    portal = w->portal;

    if (portal->bucket.rate == 0
        || now < w->warned + NGX_HTTP_COUNTERS_WARN)
    {
        return;
    }

    w->warned = now;

    capacity = ngx_http_counters_portal_capacity(portal);

    ngx_counters_zone_state(portal->zone, now, &state);

    if (state.active > capacity) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "counters_portal \"%V\": %ui entries are in use, the "
                      "quota keeps %uL of them within ttl",
                      &portal->name, state.active, capacity);
    }
}


static ngx_uint_t
ngx_http_counters_needed(void *data, const u_char *digest)
{
    ngx_http_counters_worker_t  *w = data;

    return ngx_counters_zone_pending(w->portal->zone, digest);
}


ngx_uint_t
ngx_http_counters_has(void *data, const u_char *digest)
{
    ngx_http_counters_worker_t  *w = data;

    return ngx_counters_creds_find(w->creds, digest) != NULL;
}
