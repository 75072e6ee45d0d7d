
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <sys/eventfd.h>

#include "ngx_counters_flight.h"
#include "ngx_counters_inquiry.h"
#include "ngx_counters_owed.h"
#include "ngx_counters_peers.h"
#include "ngx_counters_process.h"
#include "ngx_counters_refresh.h"


#define NGX_COUNTERS_TICK         1000
#define NGX_COUNTERS_TICK_AHEAD   250

/* entries a tick may look at for their age */
#define NGX_COUNTERS_EXPIRE       50

/* between two lines of the log about the capacity */
#define NGX_COUNTERS_WARN         60000

/* a plain credential is looked at again after this, milliseconds */
#define NGX_COUNTERS_KEEP         5000

/* kept at most: more than calls may be queued, 20,000 and 2,000 */
#define NGX_COUNTERS_CREDS        24576


/* the housekeeping of a portal */

typedef struct {
    ngx_counters_worker_t  *worker;
    ngx_event_t             tick;
    uint64_t                swept;           /* when it was done last */
    uint64_t                warned;          /* last word on the capacity */
} ngx_counters_keeper_t;


typedef struct {
    ngx_counters_workers_t       workers;
    ngx_counters_redis_links_t  *links;
    ngx_connection_t            *wake;       /* this worker's eventfd */
} ngx_counters_process_t;


static void ngx_counters_process_close_wakes(void *data);
static ngx_int_t ngx_counters_process_portal(ngx_cycle_t *cycle,
    ngx_counters_worker_t *w, ngx_counters_portal_t *portal);
static ngx_int_t ngx_counters_process_keys(ngx_cycle_t *cycle,
    ngx_counters_worker_t *w);
static ngx_int_t ngx_counters_process_managed(ngx_counters_worker_t *w);
static ngx_int_t ngx_counters_process_events(ngx_cycle_t *cycle,
    ngx_counters_worker_t *w);
static ngx_int_t ngx_counters_process_listen(ngx_cycle_t *cycle,
    ngx_counters_process_t *process);
static void ngx_counters_process_wake_handler(ngx_event_t *ev);
static void ngx_counters_process_pump_handler(ngx_event_t *ev);
static void ngx_counters_process_tick_handler(ngx_event_t *ev);
static void ngx_counters_process_sweep(ngx_counters_keeper_t *keeper,
    uint64_t now);
static void ngx_counters_process_capacity(ngx_counters_keeper_t *keeper,
    uint64_t now);
static ngx_uint_t ngx_counters_process_needed(void *data,
    const u_char *digest);


static ngx_counters_process_t  *ngx_counters_process;


ngx_int_t
ngx_counters_process_prepare(ngx_cycle_t *cycle, ngx_counters_wakes_t *wakes)
{
    ngx_uint_t           i;
    ngx_core_conf_t     *ccf;
    ngx_pool_cleanup_t  *cln;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    wakes->fds = ngx_palloc(cycle->pool,
                            ccf->worker_processes * sizeof(ngx_socket_t));
    if (wakes->fds == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_counters_process_close_wakes;
    cln->data = wakes;

    for (i = 0; i < (ngx_uint_t) ccf->worker_processes; i++) {

        wakes->fds[i] = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (wakes->fds[i] == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "eventfd() failed");
            return NGX_ERROR;
        }

        wakes->n++;
    }

    return NGX_OK;
}


static void
ngx_counters_process_close_wakes(void *data)
{
    ngx_counters_wakes_t *wakes = data;

    ngx_uint_t  i;

    for (i = 0; i < wakes->n; i++) {
        (void) close(wakes->fds[i]);
    }

    wakes->n = 0;
}


ngx_int_t
ngx_counters_process_init(ngx_cycle_t *cycle, ngx_array_t *portals,
    ngx_counters_wakes_t *wakes)
{
    ngx_uint_t               i;
    ngx_counters_process_t  *process;
    ngx_counters_workers_t  *workers;
    ngx_counters_portal_t  **portal;

    process = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_process_t));
    if (process == NULL) {
        return NGX_ERROR;
    }

    workers = &process->workers;

    workers->workers = ngx_pcalloc(cycle->pool, portals->nelts
                                         * sizeof(ngx_counters_worker_t));
    if (workers->workers == NULL) {
        return NGX_ERROR;
    }

    workers->me.pid = ngx_pid;
    workers->me.slot = ngx_worker;
    workers->wakes = wakes;

    workers->fetcher = ngx_counters_fetch_open(cycle);
    if (workers->fetcher == NULL) {
        return NGX_ERROR;
    }

    process->links = ngx_counters_redis_links_create(cycle);
    if (process->links == NULL) {
        return NGX_ERROR;
    }

    ngx_counters_process = process;
    ngx_counters_worker_set(workers);

    portal = portals->elts;

    for (i = 0; i < portals->nelts; i++) {
        if (ngx_counters_process_portal(cycle, &workers->workers[i],
                                        portal[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        workers->nworkers++;
    }

    return ngx_counters_process_listen(cycle, process);
}


static ngx_int_t
ngx_counters_process_portal(ngx_cycle_t *cycle, ngx_counters_worker_t *w,
    ngx_counters_portal_t *portal)
{
    w->portal = portal;
    w->dummy.fd = (ngx_socket_t) -1;
    w->dummy.data = w;

    if (ngx_counters_process_keys(cycle, w) != NGX_OK) {
        return NGX_ERROR;
    }

    if (portal->redis) {
        w->links = ngx_counters_process->links;

        w->redis = ngx_counters_redis_create(cycle, w->links, portal->redis);
        if (w->redis == NULL) {
            return NGX_ERROR;
        }

        if (ngx_counters_peers_init(cycle, w) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_counters_owed_init(cycle, w) != NGX_OK
        || ngx_counters_refresh_init(cycle, w) != NGX_OK
        || ngx_counters_flight_init(cycle, w) != NGX_OK
        || ngx_counters_inquiry_init(cycle, w) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_counters_process_events(cycle, w);
}


static ngx_int_t
ngx_counters_process_keys(ngx_cycle_t *cycle, ngx_counters_worker_t *w)
{
    size_t                  len;
    u_char                 *secret;
    ngx_counters_portal_t  *portal;

    portal = w->portal;

    if (portal->secret.len) {
        secret = portal->secret.data;
        len = portal->secret.len;

    } else {
        secret = ngx_counters_zone_secret(portal->zone);
        len = NGX_COUNTERS_SECRET_LEN;
    }

    w->hmac = ngx_counters_key_hmac_create(secret, len);
    if (w->hmac == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "no HMAC-SHA256 for counters_portal \"%V\"",
                      &portal->name);
        return NGX_ERROR;
    }

    w->creds = ngx_counters_creds_create(NGX_COUNTERS_CREDS, cycle->log);
    if (w->creds == NULL) {
        return NGX_ERROR;
    }

    return (portal->webhook.kind == NGX_COUNTERS_CRED_NONE)
           ? NGX_OK : ngx_counters_process_managed(w);
}


/* every worker has the webhook, whoever has queued a call under it */

static ngx_int_t
ngx_counters_process_managed(ngx_counters_worker_t *w)
{
    ngx_counters_str_t      identity;
    ngx_counters_cred_t     managed;
    ngx_counters_zone_t    *zone;
    ngx_counters_portal_t  *portal;

    portal = w->portal;
    zone = portal->zone;

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

    return NGX_OK;
}


static ngx_int_t
ngx_counters_process_events(ngx_cycle_t *cycle, ngx_counters_worker_t *w)
{
    ngx_counters_keeper_t  *keeper;

    keeper = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_keeper_t));
    if (keeper == NULL) {
        return NGX_ERROR;
    }

    keeper->worker = w;

    ngx_counters_worker_event(w, &w->pump, ngx_counters_process_pump_handler);
    ngx_counters_worker_event(w, &keeper->tick,
                              ngx_counters_process_tick_handler);

    ngx_add_timer(&keeper->tick, NGX_COUNTERS_TICK);

    return NGX_OK;
}


static ngx_int_t
ngx_counters_process_listen(ngx_cycle_t *cycle,
    ngx_counters_process_t *process)
{
    ngx_event_t             *rev;
    ngx_connection_t        *c;
    ngx_counters_workers_t  *workers;

    workers = &process->workers;

    if (workers->me.slot >= workers->wakes->n) {
        return NGX_OK;
    }

    c = ngx_get_connection(workers->wakes->fds[workers->me.slot], cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    rev = c->read;
    rev->handler = ngx_counters_process_wake_handler;
    rev->log = cycle->log;

    if (ngx_add_event(rev, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        return NGX_ERROR;
    }

    process->wake = c;

    return NGX_OK;
}


void
ngx_counters_process_exit(void)
{
    ngx_uint_t               i;
    ngx_connection_t        *c;
    ngx_counters_process_t  *process;
    ngx_counters_workers_t  *workers;
    ngx_counters_worker_t   *w;

    process = ngx_counters_process;

    if (process == NULL) {
        return;
    }

    workers = &process->workers;

    for (i = 0; i < workers->nworkers; i++) {
        workers->workers[i].closing = 1;
    }

    /* flights end here, and give their leases back */

    ngx_counters_fetch_close(workers->fetcher);

    for (i = 0; i < workers->nworkers; i++) {
        w = &workers->workers[i];

        ngx_counters_peers_exit(w);
        ngx_counters_owed_exit(w);

        if (w->redis) {
            ngx_counters_redis_destroy(w->redis);
            w->redis = NULL;
        }

        ngx_counters_creds_destroy(w->creds);
        ngx_counters_key_hmac_free(w->hmac);
    }

    c = process->wake;

    if (c) {
        ngx_del_event(c->read, NGX_READ_EVENT, 0);
        ngx_free_connection(c);
        c->fd = (ngx_socket_t) -1;
    }

    ngx_counters_process = NULL;
    ngx_counters_worker_set(NULL);
}


static void
ngx_counters_process_wake_handler(ngx_event_t *ev)
{
    uint64_t                 n;
    ngx_uint_t               i;
    ngx_connection_t        *c;
    ngx_counters_workers_t  *workers;

    c = ev->data;
    workers = &ngx_counters_process->workers;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0, "counters woken");

    if (read(c->fd, &n, sizeof(n)) == -1 && ngx_errno != NGX_EAGAIN) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, ngx_errno,
                      "reading an eventfd failed");
    }

    for (i = 0; i < workers->nworkers; i++) {
        ngx_counters_refresh_scan(&workers->workers[i], 0);
        ngx_counters_flight_pump(&workers->workers[i]);
    }
}


static void
ngx_counters_process_pump_handler(ngx_event_t *ev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0, "counters pump");

    ngx_counters_flight_pump(ngx_queue_data(ev, ngx_counters_worker_t, pump));
}


static void
ngx_counters_process_tick_handler(ngx_event_t *ev)
{
    uint64_t                now;
    ngx_counters_keeper_t  *keeper;
    ngx_counters_worker_t  *w;
    ngx_counters_portal_t  *portal;

    keeper = ngx_queue_data(ev, ngx_counters_keeper_t, tick);
    w = keeper->worker;
    portal = w->portal;

    now = ngx_counters_worker_now();

    if (ngx_exiting) {

        /* a long download may keep the worker for hours, but not these */

        ngx_counters_creds_sweep(w->creds, now - NGX_COUNTERS_KEEP,
                                 NGX_COUNTERS_CREDS,
                                 ngx_counters_process_needed, w);

        ngx_counters_owed_retry(w);
        ngx_counters_peers_tick(w);

        ngx_add_timer(ev, NGX_COUNTERS_TICK);
        return;
    }

    /* the worker that had the events may have died, or left */

    ngx_counters_inquiry_pump(w);

    if (portal->ahead) {
        (void) ngx_counters_ahead(portal->zone, ngx_counters_worker_me(),
                                  now, ngx_counters_creds_has, w->creds);
    }

    /* also what another has queued, who may have died */

    ngx_counters_flight_pump(w);

    if (now >= keeper->swept + NGX_COUNTERS_TICK || now < keeper->swept) {
        ngx_counters_process_sweep(keeper, now);
    }

    ngx_add_timer(ev, portal->ahead ? NGX_COUNTERS_TICK_AHEAD
                                    : NGX_COUNTERS_TICK);
}


static void
ngx_counters_process_sweep(ngx_counters_keeper_t *keeper, uint64_t now)
{
    ngx_counters_worker_t  *w;
    ngx_counters_portal_t  *portal;

    w = keeper->worker;
    portal = w->portal;

    keeper->swept = now;

    ngx_counters_owed_retry(w);
    ngx_counters_peers_tick(w);

    ngx_counters_evict_expire(portal->zone, now, NGX_COUNTERS_EXPIRE);
    ngx_counters_creds_sweep(w->creds,
                             now - ngx_max(portal->ahead, NGX_COUNTERS_KEEP),
                             NGX_COUNTERS_CREDS, ngx_counters_process_needed,
                             w);

    if (ngx_worker == 0) {
        ngx_counters_process_capacity(keeper, now);
    }
}


/* says once a minute that there are more users than can be kept fresh */

static void
ngx_counters_process_capacity(ngx_counters_keeper_t *keeper, uint64_t now)
{
    ngx_counters_capacity_t    capacity;
    ngx_counters_zone_state_t  state;
    ngx_counters_portal_t     *portal;

    portal = keeper->worker->portal;

    if (portal->bucket.rate == 0
        || now < keeper->warned + NGX_COUNTERS_WARN)
    {
        return;
    }

    keeper->warned = now;

    ngx_counters_zone_state(portal->zone, now, &state);
    ngx_counters_worker_capacity(portal, &state, &capacity);

    if (state.active > capacity.entries) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "counters_portal \"%V\": %ui entries are in use, the "
                      "%s keeps %uL of them within ttl",
                      &portal->name, state.active,
                      (capacity.operating < capacity.quota)
                      ? "operating time of their credentials" : "quota",
                      capacity.entries);
    }
}


static ngx_uint_t
ngx_counters_process_needed(void *data, const u_char *digest)
{
    ngx_counters_worker_t *w = data;

    return ngx_counters_refusal_pending(w->portal->zone, digest);
}
