
/*
 * Copyright (C) The nginx counters module authors
 *
 * Going through many entries without holding the lock for long.
 */


#ifndef _NGX_COUNTERS_WALK_H_INCLUDED_
#define _NGX_COUNTERS_WALK_H_INCLUDED_


#include "ngx_counters_shm.h"


/* what is done with an entry; returns how many that counts for */

typedef ngx_uint_t (*ngx_counters_walk_pt)(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, void *data);


/*
 * Calls the handler with each entry of a list, whose links are at "offset" of
 * them.  It may change the entry but not delete it; each time is an edit of
 * its own.  The lock is held, and let go now and then.  Returns the sum.
 */

ngx_uint_t ngx_counters_walk_locked(ngx_counters_zone_t *zone,
    ngx_counters_link_t *list, size_t offset, ngx_counters_walk_pt handler,
    void *data);


/* entries that were asked for lately; no lock is needed nor held */

typedef struct {
    ngx_uint_t               common;      /* of the managed webhook */
    ngx_uint_t               others;
    ngx_uint_t               requests;    /* all of them take, thousandths */
    ngx_uint_t               largest;     /* entries of one credential */
} ngx_counters_active_t;


/*
 * Within "span" milliseconds.  Of many it looks at a part, from which it tells
 * about how many there are.
 */

void ngx_counters_walk_active(ngx_counters_zone_t *zone, uint64_t now,
    uint32_t span, ngx_counters_active_t *active);

/* data that was fetched until then */

ngx_uint_t ngx_counters_walk_count(ngx_counters_zone_t *zone, uint64_t until);


#endif /* _NGX_COUNTERS_WALK_H_INCLUDED_ */
