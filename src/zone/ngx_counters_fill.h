
/*
 * Copyright (C) The nginx counters module authors
 *
 * What comes into the zone.  The mutex is held.
 */


#ifndef _NGX_COUNTERS_FILL_H_INCLUDED_
#define _NGX_COUNTERS_FILL_H_INCLUDED_


#include "ngx_counters_types.h"


/* an entry that is not there yet; NULL when there is no room */

ngx_counters_entry_t *ngx_counters_fill_insert_locked(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, uint64_t now);

/* finds or inserts; NULL when there is no room */

ngx_counters_cred_node_t *ngx_counters_fill_cred_locked(
    ngx_counters_zone_t *zone, const u_char *digest, uint64_t now);

/* replaces what an entry holds; NGX_ERROR when there is no room */

ngx_int_t ngx_counters_fill_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_answer_in_t *answer, uint64_t now);


#endif /* _NGX_COUNTERS_FILL_H_INCLUDED_ */
