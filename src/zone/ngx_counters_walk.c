
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_table.h"
#include "ngx_counters_walk.h"


/* entries gone through before the lock is let go */
#define NGX_COUNTERS_WALK         64

/* entries enough to tell how many are active, and the longest bucket */
#define NGX_COUNTERS_WALK_SAMPLE  2000
#define NGX_COUNTERS_WALK_BUCKET  64


/* a draft's link marks the place: those beside it may go meanwhile */

ngx_uint_t
ngx_counters_walk_locked(ngx_counters_zone_t *zone, ngx_counters_link_t *list,
    size_t offset, ngx_counters_walk_pt handler, void *data)
{
    ngx_uint_t             i, n;
    ngx_counters_link_t   *q, *next;
    ngx_counters_draft_t  *place;

    n = 0;
    place = NULL;

    q = ngx_counters_list_head(zone, list);

    for (i = 1; q != list; i++) {

        next = ngx_counters_list_next(zone, q);

        if (!ngx_counters_cells_mark(zone, q)) {
            n += handler(zone, (ngx_counters_entry_t *)
                               ((u_char *) q - offset), data);

            next = ngx_counters_list_next(zone, q);
            ngx_counters_edit_commit_locked(zone);
        }

        q = next;

        if (i % NGX_COUNTERS_WALK || q == list) {
            continue;
        }

        if (place == NULL) {
            place = ngx_counters_cells_draft_locked(zone);

            if (place == NULL) {
                continue;
            }

        } else {
            ngx_counters_list_remove(zone, &place->link);
        }

        ngx_counters_list_insert(zone, ngx_counters_list_prev(zone, q),
                                 &place->link);

        ngx_counters_edit_yield_locked(zone);

        if (!ngx_counters_list_in(&place->link)) {

            /* the list has gone, with all that was in it */
            break;
        }

        q = ngx_counters_list_next(zone, &place->link);
    }

    if (place) {
        ngx_counters_cells_drop_locked(zone, place);
    }

    return n;
}


/* how many there are that were fetched until then, roughly if it changes */

ngx_uint_t
ngx_counters_walk_count(ngx_counters_zone_t *zone, uint64_t until)
{
    uint32_t               ref;
    ngx_uint_t             i, k, n;
    ngx_counters_entry_t  *e;

    n = 0;

    for (i = 0; i < zone->sh->nbuckets; i++) {

        ref = *(volatile uint32_t *) &zone->buckets[i].entry;

        for (k = 0; ref && ref < zone->sh->ncells; k++) {

            if (k == NGX_COUNTERS_WALK_BUCKET) {
                break;
            }

            e = ngx_counters_cell(zone, ref);

            n += (e->kind == NGX_COUNTERS_DATA && e->fetched <= until
                  && !ngx_counters_dropped(zone, e));

            ref = *(volatile uint32_t *) &e->next;
        }
    }

    return n;
}


/*
 * The buckets are filled by hash: those beside each other are a fair sample.
 * What is read may change, and is but counted.
 */

void
ngx_counters_walk_active(ngx_counters_zone_t *zone, uint64_t now,
    uint32_t span, ngx_counters_active_t *active)
{
    uint32_t                   ref, first, owner, entries;
    uint64_t                   since;
    ngx_uint_t                 i, k, n, common;
    ngx_counters_entry_t      *e;
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;
    since = (now > span) ? (now - span) / 1000 : 0;

    active->common = 0;
    active->others = 0;
    active->requests = 0;
    active->largest = 0;
    n = 0;

    first = ngx_random() % sh->nbuckets;

    for (i = 0; i < sh->nbuckets && n < NGX_COUNTERS_WALK_SAMPLE; i++) {

        ref = *(volatile uint32_t *)
               &zone->buckets[(first + i) % sh->nbuckets].entry;

        for (k = 0; ref && ref < sh->ncells && k < NGX_COUNTERS_WALK_BUCKET;
             k++)
        {
            e = ngx_counters_cell(zone, ref);
            owner = *(volatile uint32_t *) &e->cred;
            n++;

            if (e->kind == NGX_COUNTERS_DATA
                && zone->slots[ref].asked >= since && owner < sh->ncells)
            {
                cred = ngx_counters_cell(zone, owner);
                common = ngx_counters_zone_common(zone, cred->digest);

                active->common += common;
                active->others += !common;

                entries = *(volatile uint32_t *) &cred->nentries;
                entries = ngx_max(entries, 1);

                active->requests += 1000 / ngx_min(entries, zone->conf.batch);
                active->largest = ngx_max(active->largest, entries);
            }

            ref = *(volatile uint32_t *) &e->next;
        }
    }

    if (i < sh->nbuckets) {
        active->common = active->common * sh->nbuckets / i;
        active->others = active->others * sh->nbuckets / i;
        active->requests = active->requests * sh->nbuckets / i;
    }
}
