
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <signal.h>

#include "ngx_counters_cells.h"


/* a zone of fewer is none */
#define NGX_COUNTERS_CELLS_MIN   64

/* cells for each head of a list: what an entry and a credential take */
#define NGX_COUNTERS_PER_BUCKET  5
#define NGX_COUNTERS_PER_LIST    10
#define NGX_COUNTERS_PER_GROUP   32
#define NGX_COUNTERS_PER_TASK    64


static size_t ngx_counters_cells_heads(ngx_counters_zone_sh_t *sh);


ngx_counters_zone_sh_t *
ngx_counters_cells_init(ngx_slab_pool_t *pool)
{
    size_t                   size, heads;
    ngx_counters_zone_sh_t  *sh;

    size = pool->pfree * ngx_pagesize;

    sh = ngx_slab_alloc(pool, size);
    if (sh == NULL) {
        return NULL;
    }

    ngx_memzero(sh, ngx_min(size, sizeof(ngx_counters_zone_sh_t)));

    if (size < sizeof(ngx_counters_zone_sh_t)
               + NGX_COUNTERS_CELLS_MIN * NGX_COUNTERS_CELL)
    {
        return NULL;
    }

    size -= sizeof(ngx_counters_zone_sh_t);

    /* as if heads needed none, and then fewer until they have room */

    sh->ncells = size / (NGX_COUNTERS_CELL + sizeof(ngx_counters_slot_t));

    do {
        sh->ncells -= sh->ncells / 1000 + 1;

        sh->nbuckets = sh->ncells / NGX_COUNTERS_PER_BUCKET + 1;
        sh->nlists = sh->ncells / NGX_COUNTERS_PER_LIST + 1;
        sh->ngroups = sh->ncells / NGX_COUNTERS_PER_GROUP + 1;
        sh->ntasks = sh->ncells / NGX_COUNTERS_PER_TASK + 1;

        heads = ngx_counters_cells_heads(sh);

    } while (heads + (size_t) sh->ncells * NGX_COUNTERS_CELL > size);

    /* the first would have the number that means none */

    sh->vars.fresh = 1;

    return sh;
}


static size_t
ngx_counters_cells_heads(ngx_counters_zone_sh_t *sh)
{
    size_t  size;

    size = sh->ncells * sizeof(ngx_counters_slot_t)
           + sh->nbuckets * sizeof(ngx_counters_bucket_head_t)
           + sh->nlists * sizeof(ngx_counters_link_t)
           + sh->ngroups * sizeof(ngx_counters_link_t)
           + sh->nlists * sizeof(uint32_t)
           + sh->ntasks * sizeof(uint32_t);

    /* with the struct before them, whose size is a multiple of half of it */

    return ngx_align(size, NGX_COUNTERS_CELL) + NGX_COUNTERS_CELL;
}


void
ngx_counters_cells_map(ngx_counters_zone_t *zone)
{
    u_char                  *p;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;
    p = (u_char *) sh + sizeof(ngx_counters_zone_sh_t);

    zone->slots = (ngx_counters_slot_t *) p;
    p += sh->ncells * sizeof(ngx_counters_slot_t);

    zone->buckets = (ngx_counters_bucket_head_t *) p;
    p += sh->nbuckets * sizeof(ngx_counters_bucket_head_t);

    zone->users = (ngx_counters_link_t *) p;
    p += sh->nlists * sizeof(ngx_counters_link_t);

    zone->groups = (ngx_counters_link_t *) p;
    p += sh->ngroups * sizeof(ngx_counters_link_t);

    zone->creds = (uint32_t *) p;
    p += sh->nlists * sizeof(uint32_t);

    zone->tasks = (uint32_t *) p;
    p += sh->ntasks * sizeof(uint32_t);

    zone->cells = ngx_align_ptr(p, NGX_COUNTERS_CELL);
}


uint32_t
ngx_counters_cells_free(ngx_counters_zone_t *zone)
{
    return zone->sh->vars.nfree + zone->sh->ncells - zone->sh->vars.fresh;
}


void *
ngx_counters_cells_take_locked(ngx_counters_zone_t *zone)
{
    void                 *record;
    uint32_t              cell;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;

    if (vars->free) {
        cell = vars->free;
        vars->free = zone->slots[cell].next;
        vars->nfree--;

    } else if (vars->fresh < zone->sh->ncells) {
        cell = vars->fresh++;

    } else {
        return NULL;
    }

    record = ngx_counters_cell(zone, cell);

    /* it may have been given back by this very edit */

    ngx_counters_edit_save_locked(zone, record, NGX_COUNTERS_CELL);
    ngx_memzero(record, NGX_COUNTERS_CELL);

    return record;
}


void
ngx_counters_cells_give_locked(ngx_counters_zone_t *zone, void *record)
{
    uint32_t              cell;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;
    cell = ngx_counters_ref(zone, record);

    ngx_counters_edit_save_locked(zone, &zone->slots[cell].next,
                                  sizeof(uint32_t));

    zone->slots[cell].next = vars->free;
    vars->free = cell;
    vars->nfree++;
}


void
ngx_counters_cells_give_chain_locked(ngx_counters_zone_t *zone, uint32_t cell)
{
    uint32_t              n, last;
    ngx_counters_vars_t  *vars;

    if (cell == 0) {
        return;
    }

    vars = &zone->sh->vars;

    for (n = 1, last = cell; zone->slots[last].next; n++) {
        last = zone->slots[last].next;
    }

    ngx_counters_edit_save_locked(zone, &zone->slots[last].next,
                                  sizeof(uint32_t));

    zone->slots[last].next = vars->free;
    vars->free = cell;
    vars->nfree += n;
}


ngx_counters_draft_t *
ngx_counters_cells_draft_locked(ngx_counters_zone_t *zone)
{
    ngx_uint_t             i;
    ngx_counters_draft_t  *draft;

    for (i = 0; i < NGX_COUNTERS_DRAFTS; i++) {
        draft = &zone->sh->drafts[i];

        if (draft->pid == 0) {
            ngx_counters_save_record(zone, draft);

            draft->pid = ngx_pid;
            draft->body = 0;

            return draft;
        }
    }

    return NULL;
}


uint32_t
ngx_counters_cells_extend_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft, uint32_t n)
{
    uint32_t              i, cell, *next;
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;

    ngx_counters_save_record(zone, draft);

    for (i = 0, cell = vars->free; i < n && cell; i++) {

        next = &zone->slots[cell].next;

        if (i + 1 < n && *next) {
            cell = *next;
            continue;
        }

        ngx_counters_edit_save_locked(zone, next, sizeof(uint32_t));

        cell = *next;
        *next = draft->body;
        draft->body = vars->free;

        vars->free = cell;
        vars->nfree -= i + 1;
        i++;
        break;
    }

    /* nothing leads to those that were never used: not even this is saved */

    for ( /* void */ ; i < n && vars->fresh < zone->sh->ncells; i++) {
        cell = vars->fresh++;

        zone->slots[cell].next = draft->body;
        draft->body = cell;
    }

    return i;
}


uint32_t
ngx_counters_cells_done_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft)
{
    ngx_counters_save_record(zone, draft);

    if (ngx_counters_list_in(&draft->link)) {
        ngx_counters_list_remove(zone, &draft->link);
    }

    draft->pid = 0;

    return draft->body;
}


void
ngx_counters_cells_drop_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft)
{
    ngx_counters_cells_give_chain_locked(zone,
                               ngx_counters_cells_done_locked(zone, draft));
}


void
ngx_counters_cells_sweep(ngx_counters_zone_t *zone)
{
    ngx_pid_t              pid;
    ngx_uint_t             i;
    ngx_counters_draft_t  *draft;

    for (i = 0; i < NGX_COUNTERS_DRAFTS; i++) {

        draft = &zone->sh->drafts[i];
        pid = *(volatile ngx_pid_t *) &draft->pid;

        /* a process has none while it is here */

        if (pid == 0
            || (pid != ngx_pid && (kill(pid, 0) == 0 || ngx_errno != ESRCH)))
        {
            continue;
        }

        ngx_counters_edit_lock(zone);

        if (draft->pid == pid) {
            ngx_counters_cells_drop_locked(zone, draft);
        }

        ngx_counters_edit_unlock(zone);
    }
}


void
ngx_counters_cells_write(ngx_counters_zone_t *zone, uint32_t cell,
    ngx_str_t *data)
{
    u_char  *p;
    size_t   left, n;

    p = data->data;

    for (left = data->len; left; left -= n) {
        n = ngx_min(left, NGX_COUNTERS_CELL);

        ngx_memcpy(ngx_counters_cell(zone, cell), p, n);

        p += n;
        cell = zone->slots[cell].next;
    }
}


/* cells that lie one behind the other are copied in one go */

ngx_int_t
ngx_counters_cells_read(ngx_counters_zone_t *zone, u_char *p, uint32_t cell,
    size_t len)
{
    size_t    n;
    uint32_t  first, ncells;

    ncells = zone->sh->ncells;

    while (len) {

        first = cell;
        n = 0;

        do {
            if (cell == 0 || cell >= ncells) {
                return NGX_DECLINED;
            }

            n += NGX_COUNTERS_CELL;

            if (n >= len) {
                n = len;
                break;
            }

            cell = *(volatile uint32_t *) &zone->slots[cell].next;

        } while (cell == first + n / NGX_COUNTERS_CELL);

        p = ngx_cpymem(p, ngx_counters_cell(zone, first), n);
        len -= n;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_counters_cells_same(ngx_counters_zone_t *zone, uint32_t cell,
    ngx_str_t *data)
{
    u_char  *p;
    size_t   left, n;

    p = data->data;

    for (left = data->len; left; left -= n) {
        n = ngx_min(left, NGX_COUNTERS_CELL);

        if (ngx_memcmp(ngx_counters_cell(zone, cell), p, n) != 0) {
            return 0;
        }

        p += n;
        cell = zone->slots[cell].next;
    }

    return 1;
}
