
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the portal has accepted and refused: credentials, and single calls.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_fill.h"
#include "ngx_counters_refusal.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_table.h"


void
ngx_counters_zone_accepted(ngx_counters_zone_t *zone, const u_char *digest,
    uint64_t now)
{
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    cred = ngx_counters_table_find_cred_locked(zone, digest);

    if (cred) {
        cred->accepted = now;
    }

    ngx_counters_unlock(zone);
}


ngx_uint_t
ngx_counters_zone_revoke(ngx_counters_zone_t *zone, const u_char *digest,
    uint64_t now)
{
    ngx_uint_t                 n;
    ngx_queue_t               *q, *next;
    ngx_counters_entry_t      *e;
    ngx_counters_cred_node_t  *cred;

    n = 0;

    ngx_counters_lock(zone);

    cred = ngx_counters_fill_cred_locked(zone, digest, now);
    if (cred == NULL) {
        ngx_counters_unlock(zone);
        return 0;
    }

    if (cred->accepted > now || cred->refused >= now) {

        /* old news, from another node */

        ngx_counters_unlock(zone);
        return 0;
    }

    cred->accepted = 0;
    cred->refused = now;

    for (q = ngx_queue_head(&cred->entries);
         q != ngx_queue_sentinel(&cred->entries);
         q = next)
    {
        next = ngx_queue_next(q);
        e = ngx_queue_data(q, ngx_counters_entry_t, siblings);

        if (e->kind == NGX_COUNTERS_DATA) {
            ngx_counters_table_clear_locked(zone, e);
            n++;
        }
    }

    ngx_counters_unlock(zone);

    return n;
}


void
ngx_counters_zone_forget(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    uint64_t now)
{
    ngx_counters_entry_t  *e;

    ngx_counters_lock(zone);

    e = ngx_counters_table_find_locked(zone, key);

    if (e && e->fetched <= now) {

        if (e->kind == NGX_COUNTERS_DATA) {
            ngx_counters_table_clear_locked(zone, e);
        }

        e->refused = ngx_max(e->refused, now);
    }

    ngx_counters_unlock(zone);
}


uint64_t
ngx_counters_zone_refused(ngx_counters_zone_t *zone, ngx_counters_key_t *key)
{
    uint64_t                   refused;
    ngx_counters_entry_t      *e;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    e = ngx_counters_table_find_locked(zone, key);
    cred = e ? e->cred : ngx_counters_table_find_cred_locked(zone, key->cred);

    refused = 0;

    /* what the managed webhook owns outlives its refusal */

    if (cred && !ngx_counters_zone_common(zone, cred->digest)) {
        refused = cred->refused;
    }

    if (e && e->refused > refused) {
        refused = e->refused;
    }

    ngx_counters_unlock(zone);

    return refused;
}


ngx_uint_t
ngx_counters_zone_pending(ngx_counters_zone_t *zone, const u_char *digest)
{
    ngx_uint_t                 n;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    cred = ngx_counters_table_find_cred_locked(zone, digest);
    n = cred ? cred->npending + cred->nflying : 0;

    ngx_counters_unlock(zone);

    return n;
}
