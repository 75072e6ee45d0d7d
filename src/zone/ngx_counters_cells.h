
/*
 * Copyright (C) The nginx counters module authors
 *
 * The memory of a zone, in cells.  A record is one of them, an answer is a
 * chain of as many as it needs.  What is taken or given back when an edit is
 * undone is undone as well.
 *
 * An answer is copied while the lock is not held: its cells are taken first,
 * into a draft, which is found by others if its process dies.
 */


#ifndef _NGX_COUNTERS_CELLS_H_INCLUDED_
#define _NGX_COUNTERS_CELLS_H_INCLUDED_


#include "ngx_counters_shm.h"


/* whether a link is an entry's, or marks a place */

#define ngx_counters_cells_mark(zone, link)                                   \
    ((u_char *) (link) >= (u_char *) (zone)->sh->drafts                       \
     && (u_char *) (link) < (u_char *) (zone)->sh->drafts                     \
                            + sizeof((zone)->sh->drafts))

#define ngx_counters_cells_for(len)                                           \
    (((len) + NGX_COUNTERS_CELL - 1) / NGX_COUNTERS_CELL)


/*
 * All that is free of the pool becomes the zone's; NULL if that is too
 * little.  Then where everything lies is noted in "zone", as it is for a zone
 * that is there already.
 */

ngx_counters_zone_sh_t *ngx_counters_cells_init(ngx_slab_pool_t *pool);
void ngx_counters_cells_map(ngx_counters_zone_t *zone);

/* how many are free; without the lock it may be wrong a moment later */

uint32_t ngx_counters_cells_free(ngx_counters_zone_t *zone);


/* the lock is held */

/* for a record: zeroed, NULL if none is free */

void *ngx_counters_cells_take_locked(ngx_counters_zone_t *zone);

/* a record, or a chain from its first cell, 0: none */

void ngx_counters_cells_give_locked(ngx_counters_zone_t *zone, void *record);
void ngx_counters_cells_give_chain_locked(ngx_counters_zone_t *zone,
    uint32_t cell);

/*
 * A draft of this process, NULL if there are too many.  It is extended by n
 * cells that are free, or by fewer: returns by how many.
 *
 * Its link may be put into a list, to find the place again after the lock was
 * let go.
 */

ngx_counters_draft_t *ngx_counters_cells_draft_locked(
    ngx_counters_zone_t *zone);
uint32_t ngx_counters_cells_extend_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft, uint32_t n);

/*
 * Its cells are somebody's now: returns the first; or they go back.  It is
 * taken out of the list that it is in.
 */

uint32_t ngx_counters_cells_done_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft);
void ngx_counters_cells_drop_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft);


/* those of processes that have died; takes the lock if there are any */

void ngx_counters_cells_sweep(ngx_counters_zone_t *zone);


/* needs no lock: into a draft's cells */

void ngx_counters_cells_write(ngx_counters_zone_t *zone, uint32_t cell,
    ngx_str_t *data);

/*
 * Out of a chain, whose cells may be another's meanwhile: what is copied is
 * to be thrown away then.  NGX_OK, NGX_DECLINED if it cannot be a chain.
 */

ngx_int_t ngx_counters_cells_read(ngx_counters_zone_t *zone, u_char *p,
    uint32_t cell, size_t len);
ngx_uint_t ngx_counters_cells_same(ngx_counters_zone_t *zone, uint32_t cell,
    ngx_str_t *data);


#endif /* _NGX_COUNTERS_CELLS_H_INCLUDED_ */
