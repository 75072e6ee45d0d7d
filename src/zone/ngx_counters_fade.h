
/*
 * Copyright (C) The nginx counters module authors
 *
 * Marks that make entries stale.
 */


#ifndef _NGX_COUNTERS_FADE_H_INCLUDED_
#define _NGX_COUNTERS_FADE_H_INCLUDED_


#include "ngx_counters_types.h"


/*
 * Marks all entries stale that were fetched before "when", each at a moment
 * of its own: as slowly as the quota can refresh those in use.  Returns 0 if
 * this is old news.
 */

ngx_uint_t ngx_counters_fade(ngx_counters_zone_t *zone, uint64_t when,
    uint64_t now);

/*
 * Drops all that was fetched until "when", or with "soft" marks it stale: at
 * once, however much it is.  Returns how many there were.
 */

ngx_uint_t ngx_counters_fade_all(ngx_counters_zone_t *zone, ngx_uint_t soft,
    uint64_t when);


/* for the files of the zone: the lock is held */

/*
 * Marks the entry stale, as it was at "when".  What is on its way was asked
 * for before and comes in stale as well, what is asked for from now on does
 * not.
 */

void ngx_counters_fade_stale_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t when);

/* marks the entry if the zone's fading has come to it, or clears it */

void ngx_counters_fade_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);

/* the mark that an entry keeps although the answer has come, or 0 */

uint64_t ngx_counters_fade_mark_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_answer_in_t *answer);


#endif /* _NGX_COUNTERS_FADE_H_INCLUDED_ */
