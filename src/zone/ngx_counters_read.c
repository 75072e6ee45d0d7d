
/*
 * Copyright (C) The nginx counters module authors
 *
 * Whoever changes anything in a bucket makes its number odd before, and even
 * and greater after.  As long as the number stays the same, the entries of the
 * bucket are what they were: with their credentials, which live as long as
 * they do, and their answers, whose cells are not used for anything else.
 * What is read of them may be anything until the number has been looked at
 * again; so cells and lengths are checked, and what was copied is given up.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_fill.h"
#include "ngx_counters_read.h"
#include "ngx_counters_table.h"


/* a longer bucket is left to those who hold the lock */
#define NGX_COUNTERS_READ_BUCKET  16


static ngx_int_t ngx_counters_read_bucket(ngx_counters_zone_t *zone,
    ngx_counters_bucket_head_t *bucket, uint32_t hash,
    ngx_counters_key_t *key, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view, uint32_t *entry);
static ngx_uint_t ngx_counters_read_is_fresh(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_cred_node_t *cred, uint64_t now);


#define ngx_counters_read_word(p)  (*(volatile uint32_t *) (p))


ngx_int_t
ngx_counters_read_fresh(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    uint64_t now, ngx_pool_t *pool, ngx_counters_view_t *view)
{
    uint32_t                     hash, seq, entry;
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    ngx_counters_bucket_head_t  *bucket;

    hash = ngx_counters_key_hash(key);
    bucket = &zone->buckets[ngx_counters_bucket_of(zone, hash)];

    for (i = 0; i < NGX_COUNTERS_READ_TRIES; i++) {

        seq = __atomic_load_n(&bucket->seq, __ATOMIC_ACQUIRE);

        if (seq & 1) {
            ngx_cpu_pause();
            continue;
        }

        rc = ngx_counters_read_bucket(zone, bucket, hash, key, now, pool,
                                      view, &entry);

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

        if (__atomic_load_n(&bucket->seq, __ATOMIC_RELAXED) != seq) {
            continue;
        }

        if (rc == NGX_OK) {
            ngx_counters_read_touch(zone, entry, now);
        }

        return rc;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_counters_read_bucket(ngx_counters_zone_t *zone,
    ngx_counters_bucket_head_t *bucket, uint32_t hash,
    ngx_counters_key_t *key, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view, uint32_t *entry)
{
    uint32_t                   ref, owner, ncells;
    ngx_uint_t                 i;
    ngx_counters_entry_t      *e;
    ngx_counters_cred_node_t  *cred;

    ncells = zone->sh->ncells;
    ref = ngx_counters_read_word(&bucket->entry);

    for (i = 0; i < NGX_COUNTERS_READ_BUCKET; i++) {

        if (ref == 0 || ref >= ncells) {
            return NGX_DECLINED;
        }

        e = ngx_counters_cell(zone, ref);

        owner = ngx_counters_read_word(&e->cred);

        if (owner >= ncells) {
            return NGX_DECLINED;
        }

        cred = ngx_counters_cell(zone, owner);

        if (ngx_counters_read_word(&e->hash) == hash
            && ngx_counters_table_is(e, cred, key))
        {
            if (!ngx_counters_read_is_fresh(zone, e, cred, now)) {
                return NGX_DECLINED;
            }

            *entry = ref;

            view->kind = NGX_COUNTERS_DATA;
            view->origin = e->origin;
            view->fresh = NGX_COUNTERS_FRESH;
            view->status = e->status;
            view->fetched = e->fetched;
            view->remains = (int64_t) (e->fetched + e->ttl) - (int64_t) now;
            view->hold = NGX_COUNTERS_OPEN;
            view->hold_until = 0;
            view->refreshing = (e->state != NGX_COUNTERS_IDLE);
            view->leased = (e->state == NGX_COUNTERS_LEASED);
            view->flying = (e->state == NGX_COUNTERS_FLYING);
            view->dry = 0;
            view->forced = e->forced;

            return pool ? ngx_counters_read_copy(zone, e, pool, view)
                        : NGX_OK;
        }

        ref = ngx_counters_read_word(&e->next);
    }

    return NGX_DECLINED;
}


/* what is not, or not surely, is looked at with the lock held */

static ngx_uint_t
ngx_counters_read_is_fresh(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    ngx_counters_cred_node_t *cred, uint64_t now)
{
    uint32_t              span;
    ngx_counters_fade_t  *fade;

    fade = &zone->sh->fade;
    span = ngx_counters_read_word(&fade->span);

    if (e->kind != NGX_COUNTERS_DATA || e->marked
        || now >= e->fetched + e->ttl || e->fetched > now + NGX_COUNTERS_LAG)
    {
        return 0;
    }

    if (e->fetched <= cred->refused
        || (e->purges != fade->purges
            && (e->fetched <= fade->dropped || e->fetched <= fade->stale)))
    {
        return 0;
    }

    if (e->fetched < fade->since
        && now >= ngx_counters_fade_at(fade->since, span, e->hash))
    {
        return 0;
    }

    return fade->next == 0 || now < fade->since + span;
}


ngx_int_t
ngx_counters_read_copy(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    ngx_pool_t *pool, ngx_counters_view_t *view)
{
    u_char                  *p;
    size_t                   len, size, max;
    uint32_t                 ref, cell, first;
    ngx_counters_headers_t  *headers;

    ref = ngx_counters_read_word(&e->headers);
    len = ngx_counters_read_word(&e->len);
    cell = ngx_counters_read_word(&e->body);
    max = (size_t) zone->sh->ncells * NGX_COUNTERS_CELL;

    if (ref >= zone->sh->ncells || len > max) {
        return NGX_DECLINED;
    }

    headers = ngx_counters_cell(zone, ref);
    size = ngx_counters_read_word(&headers->len);
    first = ngx_counters_read_word(&headers->body);

    if (size > max) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(pool, size + len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    view->headers.len = size;
    view->headers.data = p;
    view->body.len = len;
    view->body.data = p + size;

    ngx_counters_fill_etag(view->etag, e->etag);

    if (ngx_counters_cells_read(zone, view->headers.data, first, size)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_counters_cells_read(zone, view->body.data, cell, len);
}


/*
 * Should the entry just have gone, this is about what comes to its place, and
 * of no consequence.
 */

void
ngx_counters_read_touch(ngx_counters_zone_t *zone, uint32_t entry,
    uint64_t now)
{
    uint32_t  *asked, seconds;

    asked = &zone->slots[entry].asked;
    seconds = now / 1000;

    if (__atomic_load_n(asked, __ATOMIC_RELAXED) != seconds) {
        __atomic_store_n(asked, seconds, __ATOMIC_RELAXED);
    }
}
