
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the zone as a whole is, tells and forgets on demand.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/rand.h>

#include "ngx_counters_fade.h"
#include "ngx_counters_quota.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_table.h"
#include "ngx_counters_zone.h"


/* an entry's place in the LRU list is exact to within this, milliseconds */
#define NGX_COUNTERS_TOUCH        1000

/* so many in a row that are out of use: so are those behind them */
#define NGX_COUNTERS_IDLE_ROW     64


static void ngx_counters_zone_touch_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
static ngx_int_t ngx_counters_zone_view_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view);
static ngx_int_t ngx_counters_zone_copy_locked(ngx_counters_entry_t *e,
    ngx_pool_t *pool, ngx_counters_view_t *view);
static void ngx_counters_zone_spent_locked(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_counters_cred_node_t *cred, uint64_t now,
    ngx_counters_view_t *view);
static ngx_uint_t ngx_counters_zone_purge_list_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, uint64_t *user, uint64_t *group, ngx_uint_t soft,
    uint64_t now);


ngx_int_t
ngx_counters_zone_init(ngx_counters_zone_t *zone, ngx_shm_zone_t *shm_zone,
    ngx_counters_zone_t *old)
{
    ngx_uint_t               i;
    ngx_counters_zone_sh_t  *sh;

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old || shm_zone->shm.exists) {
        sh = old ? old->sh : zone->shpool->data;

        if (sh->layout != NGX_COUNTERS_LAYOUT) {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "zone of counters_portal \"%V\" was made by another "
                          "build of the module: restart nginx instead of "
                          "reloading it", &zone->name);
            return NGX_ERROR;
        }

        zone->sh = sh;
        return NGX_OK;
    }

    sh = ngx_slab_calloc(zone->shpool, sizeof(ngx_counters_zone_sh_t));
    if (sh == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone of counters_portal \"%V\" is too small",
                      &zone->name);
        return NGX_ERROR;
    }

    if (RAND_bytes(sh->secret, NGX_COUNTERS_SECRET_LEN) != 1) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "no random bytes for counters_portal \"%V\"",
                      &zone->name);
        return NGX_ERROR;
    }

    sh->layout = NGX_COUNTERS_LAYOUT;
    sh->since = (uint64_t) ngx_time() * 1000;

    ngx_counters_table_init(sh);

    ngx_queue_init(&sh->lru);
    ngx_queue_init(&sh->bare);
    ngx_queue_init(&sh->idle);
    ngx_queue_init(&sh->headers);

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        ngx_queue_init(&sh->ages[i]);
    }

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        ngx_queue_init(&sh->queue[i]);
    }

    /* a full zone is everyday life here, not worth a "crit" */
    zone->shpool->log_nomem = 0;

    zone->shpool->data = sh;
    zone->sh = sh;

    return NGX_OK;
}


u_char *
ngx_counters_zone_secret(ngx_counters_zone_t *zone)
{
    return zone->sh->secret;
}


ngx_int_t
ngx_counters_zone_lookup(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    uint64_t now, ngx_pool_t *pool, ngx_counters_view_t *view)
{
    ngx_int_t                  rc;
    ngx_counters_entry_t      *e;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    e = ngx_counters_table_find_locked(zone, key);

    if (e) {
        ngx_counters_zone_touch_locked(zone, e, now);
        rc = ngx_counters_zone_view_locked(zone, e, now, pool, view);

    } else {
        ngx_memzero(view, sizeof(ngx_counters_view_t));

        cred = ngx_counters_table_find_cred_locked(zone, key->cred);
        view->hold = ngx_counters_quota_hold_locked(zone, NULL, cred,
                                                    key->method, now,
                                                    &view->hold_until);
        ngx_counters_zone_spent_locked(zone, key->cred, cred, now, view);

        rc = NGX_DECLINED;
    }

    ngx_counters_unlock(zone);

    return rc;
}


static void
ngx_counters_zone_touch_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    if (now < e->asked + NGX_COUNTERS_TOUCH && now >= e->asked) {
        return;
    }

    e->asked = now;

    ngx_queue_remove(&e->lru);
    ngx_queue_insert_head(e->listed ? &zone->sh->lru : &zone->sh->bare,
                          &e->lru);
}


static ngx_int_t
ngx_counters_zone_view_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view)
{
    ngx_uint_t  class;

    ngx_counters_fade_locked(zone, e, now);

    view->kind = e->kind;
    view->origin = e->origin;
    view->status = e->status;
    view->fetched = e->fetched;
    view->remains = (int64_t) (e->fetched + e->ttl) - (int64_t) now;
    view->refreshing = (e->state != NGX_COUNTERS_IDLE);
    view->leased = (e->state == NGX_COUNTERS_LEASED && now <= e->lease);
    view->flying = (e->state == NGX_COUNTERS_FLYING && now <= e->lease);
    view->fresh = NGX_COUNTERS_FRESH;
    view->hold = NGX_COUNTERS_OPEN;
    view->hold_until = 0;
    view->dry = 0;
    view->forced = e->forced;

    if (e->kind == NGX_COUNTERS_DATA) {
        view->fresh = ngx_counters_freshness(now, e->fetched, e->ttl,
                                             zone->conf.stale,
                                             zone->conf.error,
                                             e->marked != 0);
        if (e->marked && view->remains > 0) {
            view->remains = 0;
        }

        view->hold = ngx_counters_quota_hold_locked(zone, e, e->cred, e->method,
                                                    now, &view->hold_until);

        if (view->fresh == NGX_COUNTERS_IF_ERROR) {
            class = ngx_counters_state_class_locked(zone, e->cred->digest,
                                                    e->cred);

            view->dry = (class == NGX_COUNTERS_UNKNOWN)
                        ? ngx_counters_quota_dry_locked(zone, class, 0, now)
                        : ngx_counters_quota_line_locked(zone, e, now);

            view->dry |= (e->cred->slow[e->method] > now);

        } else if (view->fresh == NGX_COUNTERS_EXPIRED) {
            view->kind = NGX_COUNTERS_EMPTY;
        }

    } else {
        if (view->remains <= 0) {
            view->kind = NGX_COUNTERS_EMPTY;
        }

        view->hold = ngx_counters_quota_hold_locked(zone, e, e->cred, e->method,
                                                    now, &view->hold_until);
    }

    if (view->kind == NGX_COUNTERS_EMPTY) {
        view->fetched = 0;
        ngx_counters_zone_spent_locked(zone, e->cred->digest, e->cred, now,
                                       view);

        return NGX_DECLINED;
    }

    return pool ? ngx_counters_zone_copy_locked(e, pool, view) : NGX_OK;
}


static ngx_int_t
ngx_counters_zone_copy_locked(ngx_counters_entry_t *e, ngx_pool_t *pool,
    ngx_counters_view_t *view)
{
    u_char                  *p;
    ngx_counters_blob_t     *blob;
    ngx_counters_headers_t  *headers;

    blob = e->blob;
    headers = blob->headers;

    p = ngx_pnalloc(pool, headers->len + blob->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    view->headers.len = headers->len;
    view->headers.data = p;
    p = ngx_cpymem(p, headers->data, headers->len);

    view->body.len = blob->len;
    view->body.data = p;
    ngx_memcpy(p, blob->data, blob->len);

    ngx_memcpy(view->etag, blob->etag, NGX_COUNTERS_ETAG_LEN);

    return NGX_OK;
}


/* there is nothing to answer with: is there quota, or about when */

static void
ngx_counters_zone_spent_locked(ngx_counters_zone_t *zone, const u_char *digest,
    ngx_counters_cred_node_t *cred, uint64_t now, ngx_counters_view_t *view)
{
    ngx_uint_t  class;

    class = ngx_counters_state_class_locked(zone, digest, cred);

    view->dry = ngx_counters_quota_dry_locked(zone, class, 0, now);

    if (view->dry && view->hold == NGX_COUNTERS_OPEN) {
        view->hold_until = ngx_counters_quota_leaves_locked(zone, class, now);
    }
}


ngx_uint_t
ngx_counters_zone_dry(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_uint_t  dry;

    ngx_counters_lock(zone);
    dry = ngx_counters_quota_line_locked(zone, NULL, now);
    ngx_counters_unlock(zone);

    return dry;
}


uint64_t
ngx_counters_zone_starved(ngx_counters_zone_t *zone)
{
    /* one word, about the past: no reason for a lock */

    return zone->sh->starved;
}


ngx_uint_t
ngx_counters_zone_purge(ngx_counters_zone_t *zone, uint64_t *user,
    uint64_t *group, ngx_uint_t soft, uint64_t now)
{
    ngx_uint_t  n;

    ngx_counters_lock(zone);

    n = ngx_counters_zone_purge_list_locked(zone, &zone->sh->lru, user, group,
                                            soft, now);
    n += ngx_counters_zone_purge_list_locked(zone, &zone->sh->bare, user, group,
                                             soft, now);

    ngx_counters_unlock(zone);

    return n;
}


static ngx_uint_t
ngx_counters_zone_purge_list_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, uint64_t *user, uint64_t *group, ngx_uint_t soft,
    uint64_t now)
{
    ngx_uint_t             n, data;
    ngx_queue_t           *q, *next;
    ngx_counters_entry_t  *e;

    n = 0;

    for (q = ngx_queue_head(list); q != ngx_queue_sentinel(list); q = next) {

        next = ngx_queue_next(q);
        e = ngx_queue_data(q, ngx_counters_entry_t, lru);

        if ((user && e->user != *user) || (group && e->group != *group)) {
            continue;
        }

        data = (e->kind == NGX_COUNTERS_DATA);

        if (data && e->fetched > now) {
            continue;
        }

        ngx_counters_fade_stale_locked(e, now);

        if (!soft) {
            ngx_counters_table_clear_locked(zone, e);
        }

        n += data;
    }

    return n;
}


void
ngx_counters_zone_count(ngx_counters_zone_t *zone, ngx_uint_t slot,
    ngx_counters_stat_e stat, ngx_uint_t n)
{
    ngx_atomic_t  *row;

    row = zone->sh->stats[slot % NGX_COUNTERS_STAT_ROWS];

    (void) ngx_atomic_fetch_add(&row[stat], n);
}


void
ngx_counters_zone_state(ngx_counters_zone_t *zone, uint64_t now,
    ngx_counters_zone_state_t *state)
{
    uint32_t                 span;
    ngx_uint_t               i, n, idle;
    ngx_queue_t             *q;
    ngx_counters_entry_t    *e;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;
    span = zone->conf.ahead ? zone->conf.ahead : NGX_COUNTERS_ACTIVE;

    ngx_memzero(state, sizeof(ngx_counters_zone_state_t));

    for (i = 0; i < NGX_COUNTERS_STAT_ROWS; i++) {
        for (n = 0; n < NGX_COUNTERS_STAT_COUNT; n++) {
            state->stats[n] += sh->stats[i][n];
        }
    }

    state->size = zone->shpool->end - (u_char *) zone->shpool;
    state->since = sh->since;

    ngx_counters_lock(zone);

    state->entries = sh->nentries;
    state->creds = sh->ncreds;
    state->flying = sh->nflying;
    state->failures = sh->failures;
    state->operating = sh->operating;
    state->free = zone->shpool->pfree * ngx_pagesize;
    state->level = ngx_counters_bucket_level(&sh->bucket, &zone->conf.bucket,
                                             now);
    state->hold = ngx_counters_quota_hold_locked(zone, NULL, NULL, 0, now,
                                                 &state->hold_until);

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        state->queued[i] = sh->nqueued[i];
    }

    /* a late refresh brings an entry to the front too */

    for (q = ngx_queue_head(&sh->lru), idle = 0;
         q != ngx_queue_sentinel(&sh->lru) && idle < NGX_COUNTERS_IDLE_ROW;
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_counters_entry_t, lru);

        if (e->asked + span + NGX_COUNTERS_TOUCH < now) {
            idle++;
            continue;
        }

        idle = 0;
        state->active++;

        n = ngx_min(e->cred->nentries, zone->conf.batch);
        state->requests += 1000 / n;
        state->largest = ngx_max(state->largest, e->cred->nentries);
    }

    state->largest = ngx_min(state->largest, state->active);

    ngx_counters_unlock(zone);
}
