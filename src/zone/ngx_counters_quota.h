
/*
 * Copyright (C) The nginx counters module authors
 *
 * May the portal be asked now?
 */


#ifndef _NGX_COUNTERS_QUOTA_H_INCLUDED_
#define _NGX_COUNTERS_QUOTA_H_INCLUDED_


#include "ngx_counters_types.h"


/*
 * The portal has answered, or failed, or has set a limit.  "until" is when
 * it may be asked again, 0 if it did not say: then each time in a row is
 * twice as long as the one before.  A hold ends with one call that is tried.
 * Both return 1 when this has changed something that other workers should
 * look at.
 */

ngx_uint_t ngx_counters_quota_portal_good(ngx_counters_zone_t *zone,
    uint64_t now);
ngx_uint_t ngx_counters_quota_portal_hold(ngx_counters_zone_t *zone,
    ngx_counters_hold_e hold, uint64_t now, uint64_t until);

/* a request of a location with counters on that is not ours to delay */

void ngx_counters_quota_passed(ngx_counters_zone_t *zone, uint64_t now);


/* for the files of the zone: the mutex is held */

/* whether a refresh of the entry (NULL: a new one) may be asked for */

ngx_counters_hold_e ngx_counters_quota_hold_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_cred_node_t *cred,
    ngx_uint_t method, uint64_t now, uint64_t *until);

/*
 * Whether a call of that class would have to wait for quota, when so many
 * requests leave before it, and about until when one that is asked for now.
 */

ngx_uint_t ngx_counters_quota_dry_locked(ngx_counters_zone_t *zone,
    ngx_uint_t class, uint64_t before, uint64_t now);
uint64_t ngx_counters_quota_leaves_locked(ngx_counters_zone_t *zone,
    ngx_uint_t class, uint64_t now);

/*
 * The class of a call that a client could wait for, although it has something:
 * there is one line for them, and while nobody stands in it they may have what
 * those may who have nothing.  Whether there is no quota for one more (of "e",
 * which may be in line already, or NULL) with those who stand before it.
 */

ngx_counters_class_e ngx_counters_quota_class(ngx_counters_zone_t *zone);
ngx_uint_t ngx_counters_quota_line_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);

/*
 * Takes one request from the refreshes' share of the quota.  Returns 0, or
 * the milliseconds until it may be tried again.
 */

uint32_t ngx_counters_quota_spend_locked(ngx_counters_zone_t *zone,
    uint64_t now);

/* up to which level of the bucket a class may take, thousandths */

uint64_t ngx_counters_quota_limit(ngx_counters_zone_t *zone, ngx_uint_t class,
    ngx_uint_t first);

/* milliseconds until there is quota for one more, 0: now */

ngx_msec_t ngx_counters_quota_delay_locked(ngx_counters_zone_t *zone,
    uint64_t limit, uint64_t now);


#endif /* _NGX_COUNTERS_QUOTA_H_INCLUDED_ */
