
/*
 * Copyright (C) The nginx counters module authors
 *
 * Refreshes that nobody has asked for yet.
 */


#ifndef _NGX_COUNTERS_AHEAD_H_INCLUDED_
#define _NGX_COUNTERS_AHEAD_H_INCLUDED_


#include "ngx_counters_types.h"


/*
 * Queues what is about to expire and was asked for within "ahead", if "has"
 * says that this worker has its credential.  Returns how many were queued.
 */

ngx_uint_t ngx_counters_ahead(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now, ngx_counters_has_pt has,
    void *data);

/*
 * Marks the entries of the users stale, and queues a refresh of those that
 * were asked for lately, if "has" says that this worker has their credential.
 * Sorts the users.  Returns how many entries were marked.
 */

ngx_uint_t ngx_counters_ahead_mark(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, ngx_counters_users_t *users, uint64_t now,
    ngx_counters_has_pt has, void *data);


#endif /* _NGX_COUNTERS_AHEAD_H_INCLUDED_ */
