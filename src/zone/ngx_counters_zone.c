
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the zone as a whole is, tells and forgets on demand.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/rand.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_fade.h"
#include "ngx_counters_quota.h"
#include "ngx_counters_read.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_table.h"
#include "ngx_counters_task_table.h"
#include "ngx_counters_walk.h"
#include "ngx_counters_zone.h"


/* an entry's place in the LRU list is exact to within this, milliseconds */
#define NGX_COUNTERS_TOUCH        1000


typedef struct {
    uint64_t                  *user;
    uint64_t                  *group;
    uint64_t                   now;
    ngx_uint_t                 soft;
} ngx_counters_zone_purge_t;


static void ngx_counters_zone_touch_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
static ngx_int_t ngx_counters_zone_view_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view);
static void ngx_counters_zone_spent_locked(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_counters_cred_node_t *cred, uint64_t now,
    ngx_counters_view_t *view);
static ngx_uint_t ngx_counters_zone_purge_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, void *data);


ngx_int_t
ngx_counters_zone_init(ngx_counters_zone_t *zone, ngx_shm_zone_t *shm_zone,
    ngx_counters_zone_t *old)
{
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
        ngx_counters_cells_map(zone);

        return NGX_OK;
    }

    /* a full zone is everyday life here, not worth a "crit" */
    zone->shpool->log_nomem = 0;

    sh = ngx_counters_cells_init(zone->shpool);
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

    zone->shpool->data = sh;
    zone->sh = sh;

    ngx_counters_cells_map(zone);
    ngx_counters_table_init(zone);
    ngx_counters_task_table_init(zone);

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
    ngx_int_t  rc;

    rc = ngx_counters_read_fresh(zone, key, now, pool, view);

    return (rc != NGX_DECLINED)
           ? rc : ngx_counters_zone_look(zone, key, now, pool, view);
}


ngx_int_t
ngx_counters_zone_look(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    uint64_t now, ngx_pool_t *pool, ngx_counters_view_t *view)
{
    ngx_int_t                  rc;
    ngx_counters_entry_t      *e;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_edit_lock(zone);

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

    ngx_counters_edit_unlock(zone);

    return rc;
}


static void
ngx_counters_zone_touch_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    uint64_t  asked;

    asked = ngx_counters_asked(zone, e);

    if (now < asked + NGX_COUNTERS_TOUCH && now >= asked) {
        return;
    }

    ngx_counters_read_touch(zone, ngx_counters_ref(zone, e), now);
    ngx_counters_table_place_locked(zone, e, e->listed, now);
}


static ngx_int_t
ngx_counters_zone_view_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view)
{
    ngx_uint_t                 class;
    ngx_counters_work_t       *work;
    ngx_counters_cred_node_t  *cred;

    work = ngx_counters_work(zone, e);
    cred = ngx_counters_cred(zone, e);

    ngx_counters_fade_locked(zone, e, now);

    if (e->kind == NGX_COUNTERS_DATA && e->fetched <= cred->refused
        && !ngx_counters_zone_common(zone, cred->digest))
    {
        /* whoever has revoked it is still about it, or has died */
        ngx_counters_table_clear_locked(zone, e, now);
    }

    view->kind = e->kind;
    view->origin = e->origin;
    view->status = e->status;
    view->fetched = e->fetched;
    view->remains = (int64_t) (e->fetched + e->ttl) - (int64_t) now;
    view->refreshing = (e->state != NGX_COUNTERS_IDLE);
    view->leased = (e->state == NGX_COUNTERS_LEASED && now <= work->lease);
    view->flying = (e->state == NGX_COUNTERS_FLYING && now <= work->lease);
    view->fresh = NGX_COUNTERS_FRESH;
    view->hold = NGX_COUNTERS_OPEN;
    view->hold_until = 0;
    view->dry = 0;
    view->forced = e->forced;

    if (e->kind == NGX_COUNTERS_DATA) {
        view->fresh = ngx_counters_policy_freshness(now, e->fetched, e->ttl,
                                                    zone->conf.stale,
                                                    zone->conf.error,
                                                    e->marked != 0);
        if (e->marked && view->remains > 0) {
            view->remains = 0;
        }

        view->hold = ngx_counters_quota_hold_locked(zone, e, cred, e->method,
                                                    now, &view->hold_until);

        if (view->fresh == NGX_COUNTERS_IF_ERROR) {
            class = ngx_counters_state_class_locked(zone, cred->digest, cred);

            view->dry = (class == NGX_COUNTERS_UNKNOWN)
                        ? ngx_counters_quota_dry_locked(zone, class, 0, now)
                        : ngx_counters_quota_line_locked(zone, e, now);

            view->dry |= (ngx_counters_limits(zone, cred)->slow[e->method]
                          > now);

        } else if (view->fresh == NGX_COUNTERS_EXPIRED) {
            view->kind = NGX_COUNTERS_EMPTY;
        }

    } else {
        if (view->remains <= 0) {
            view->kind = NGX_COUNTERS_EMPTY;
        }

        view->hold = ngx_counters_quota_hold_locked(zone, e, cred, e->method,
                                                    now, &view->hold_until);
    }

    if (view->kind == NGX_COUNTERS_EMPTY) {
        view->fetched = 0;
        ngx_counters_zone_spent_locked(zone, cred->digest, cred, now, view);

        return NGX_DECLINED;
    }

    return pool ? ngx_counters_read_copy(zone, e, pool, view) : NGX_OK;
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

    ngx_counters_edit_lock(zone);
    dry = ngx_counters_quota_line_locked(zone, NULL, now);
    ngx_counters_edit_unlock(zone);

    return dry;
}


uint64_t
ngx_counters_zone_starved(ngx_counters_zone_t *zone)
{
    /* one word, about the past: no reason for a lock */

    return zone->sh->vars.starved;
}


ngx_uint_t
ngx_counters_zone_purge(ngx_counters_zone_t *zone, uint64_t *user,
    uint64_t *group, ngx_uint_t soft, uint64_t now)
{
    size_t                     offset;
    ngx_uint_t                 n;
    ngx_counters_link_t       *list;
    ngx_counters_zone_purge_t  purge;

    if (user == NULL && group == NULL) {
        return ngx_counters_fade_all(zone, soft, now);
    }

    purge.user = user;
    purge.group = group;
    purge.soft = soft;
    purge.now = now;

    ngx_counters_edit_lock(zone);

    if (user) {
        list = ngx_counters_table_users(zone, *user);
        offset = offsetof(ngx_counters_entry_t, users);

    } else {
        list = ngx_counters_table_groups(zone, *group);
        offset = offsetof(ngx_counters_entry_t, groups);
    }

    n = ngx_counters_walk_locked(zone, list, offset,
                                 ngx_counters_zone_purge_locked, &purge);

    ngx_counters_edit_unlock(zone);

    return n;
}


static ngx_uint_t
ngx_counters_zone_purge_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, void *data)
{
    ngx_counters_zone_purge_t  *purge = data;

    ngx_uint_t  n;

    if ((purge->user && e->user != *purge->user)
        || (purge->group && e->group != *purge->group))
    {
        return 0;
    }

    n = (e->kind == NGX_COUNTERS_DATA && !ngx_counters_dropped(zone, e));

    if (n && e->fetched > purge->now) {
        return 0;
    }

    ngx_counters_fade_stale_locked(zone, e, purge->now);

    if (!purge->soft) {
        ngx_counters_table_clear_locked(zone, e, purge->now);
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
    ngx_uint_t               i, n;
    ngx_counters_vars_t     *vars;
    ngx_counters_active_t    active;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;
    vars = &sh->vars;

    ngx_memzero(state, sizeof(ngx_counters_zone_state_t));

    for (i = 0; i < NGX_COUNTERS_STAT_ROWS; i++) {
        for (n = 0; n < NGX_COUNTERS_STAT_COUNT; n++) {
            state->stats[n] += sh->stats[i][n];
        }
    }

    span = zone->conf.ahead ? zone->conf.ahead : NGX_COUNTERS_ACTIVE;
    span += NGX_COUNTERS_TOUCH;

    ngx_counters_walk_active(zone, now, span, &active);

    state->active = active.common + active.others;
    state->requests = active.requests;
    state->largest = ngx_min(active.largest, state->active);
    state->size = zone->shpool->end - (u_char *) zone->shpool;
    state->since = sh->since;

    ngx_counters_edit_lock(zone);

    state->entries = vars->nentries;
    state->creds = vars->ncreds;
    state->flying = vars->nflying;
    state->failures = vars->failures;
    state->operating = vars->operating;

    /* of the size that was configured: tables take their part of it */

    state->free = (uint64_t) state->size * ngx_counters_cells_free(zone)
                  / (sh->ncells - 1);
    state->level = ngx_counters_bucket_level(&vars->bucket,
                                             &zone->conf.bucket, now);
    state->hold = ngx_counters_quota_hold_locked(zone, NULL, NULL, 0, now,
                                                 &state->hold_until);

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        state->queued[i] = vars->nqueued[i];
    }

    ngx_counters_edit_unlock(zone);
}
