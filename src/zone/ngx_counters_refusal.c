
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the portal has accepted and refused: credentials, and single calls.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_fill.h"
#include "ngx_counters_refusal.h"
#include "ngx_counters_refusal.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_table.h"
#include "ngx_counters_walk.h"


static ngx_uint_t ngx_counters_refusal_drop_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, void *data);


void
ngx_counters_refusal_accepted(ngx_counters_zone_t *zone, const u_char *digest,
    uint64_t now)
{
    ngx_counters_cred_node_t  *cred;

    ngx_counters_edit_lock(zone);

    cred = ngx_counters_table_find_cred_locked(zone, digest);

    if (cred) {
        ngx_counters_save_record(zone, cred);
        cred->accepted = now;
    }

    ngx_counters_edit_unlock(zone);
}


ngx_uint_t
ngx_counters_refusal_revoke(ngx_counters_zone_t *zone, const u_char *digest,
    uint64_t now)
{
    ngx_uint_t                 n;
    ngx_counters_cred_node_t  *cred;

    n = 0;

    ngx_counters_edit_lock(zone);

    cred = ngx_counters_fill_cred_locked(zone, digest, now);

    /* if not, it is old news, from another node */

    if (cred && cred->accepted <= now && cred->refused < now) {

        /* from now on nothing fetched earlier is seen, cleared or not */

        cred->accepted = 0;
        cred->refused = now;

        ngx_counters_edit_commit_locked(zone);

        n = ngx_counters_walk_locked(zone, &cred->entries,
                                     offsetof(ngx_counters_entry_t, siblings),
                                     ngx_counters_refusal_drop_locked, &now);
    }

    ngx_counters_edit_unlock(zone);

    return n;
}


static ngx_uint_t
ngx_counters_refusal_drop_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, void *data)
{
    uint64_t  *now = data;

    if (e->kind != NGX_COUNTERS_DATA) {
        return 0;
    }

    ngx_counters_table_clear_locked(zone, e, *now);

    return 1;
}


void
ngx_counters_refusal_forget(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    uint64_t now)
{
    ngx_counters_work_t   *work;
    ngx_counters_entry_t  *e;

    ngx_counters_edit_lock(zone);

    e = ngx_counters_table_find_locked(zone, key);

    if (e && e->fetched <= now) {

        work = ngx_counters_fill_work_locked(zone, e, now);

        if (work) {
            work->refused = ngx_max(work->refused, now);
        }

        if (e->kind == NGX_COUNTERS_DATA) {
            ngx_counters_table_clear_locked(zone, e, now);
        }
    }

    ngx_counters_edit_unlock(zone);
}


uint64_t
ngx_counters_refusal_refused(ngx_counters_zone_t *zone, ngx_counters_key_t *key)
{
    uint64_t                   refused;
    ngx_counters_entry_t      *e;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_edit_lock(zone);

    e = ngx_counters_table_find_locked(zone, key);
    cred = e ? ngx_counters_cred(zone, e)
             : ngx_counters_table_find_cred_locked(zone, key->cred);

    refused = 0;

    /* what the managed webhook owns outlives its refusal */

    if (cred && !ngx_counters_zone_common(zone, cred->digest)) {
        refused = cred->refused;
    }

    if (e) {
        refused = ngx_max(refused, ngx_counters_work(zone, e)->refused);
    }

    ngx_counters_edit_unlock(zone);

    return refused;
}


ngx_uint_t
ngx_counters_refusal_pending(ngx_counters_zone_t *zone, const u_char *digest)
{
    ngx_uint_t                 n;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_edit_lock(zone);

    cred = ngx_counters_table_find_cred_locked(zone, digest);
    n = cred ? ngx_counters_npending(zone, cred) + cred->nflying : 0;

    ngx_counters_edit_unlock(zone);

    return n;
}
