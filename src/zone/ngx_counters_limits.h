
/*
 * Copyright (C) The nginx counters module authors
 *
 * What limits the calls of one credential.
 */


#ifndef _NGX_COUNTERS_LIMITS_H_INCLUDED_
#define _NGX_COUNTERS_LIMITS_H_INCLUDED_


#include "ngx_counters_types.h"


/*
 * OPERATION_TIME_LIMIT of one credential's method.  "until" is when it may be
 * asked again, 0 if the portal did not say: then each time in a row is twice
 * as long as the one before, and ends with one call that is tried.  Returns 0
 * if it is on hold already.
 */

ngx_uint_t ngx_counters_limits_zone_method_hold(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_uint_t method, uint64_t now, uint64_t until);

/*
 * The same of batch itself: calls leave one by one meanwhile, then one batch
 * is tried.
 */

void ngx_counters_limits_zone_batch_hold(ngx_counters_zone_t *zone,
    const u_char *digest, uint64_t now, uint64_t until);

/*
 * A batch of the credential's has failed, or has been answered; or a call has
 * failed alone, so that it is not due to batches.  After two failures in a row
 * that "count" batches rest, longer each time, until one that is tried has
 * been answered.  The first returns whether they rest now.
 */

ngx_uint_t ngx_counters_limits_batch_failed(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_uint_t count, uint64_t now);
void ngx_counters_limits_batch_good(ngx_counters_zone_t *zone,
    const u_char *digest);
void ngx_counters_limits_single_failed(ngx_counters_zone_t *zone,
    const u_char *digest);

/*
 * The operating time that the portal says has been used, milliseconds, by
 * the last "n" calls too, and when it begins to be forgotten, Unix seconds.
 * What nobody waits for is refreshed only as fast as the rest of that time
 * lasts until then.
 */

void ngx_counters_limits_zone_operating(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_uint_t method, uint64_t now, ngx_uint_t n,
    uint64_t used, uint64_t reset_at);

/*
 * What the portal said of it last, or would say now: the same.  Returns 0 if
 * this portal never does.
 */

ngx_uint_t ngx_counters_limits_used(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_uint_t method, uint64_t now, uint64_t *used,
    uint64_t *reset_at);

/*
 * The portal refuses the managed webhook: what it owns stays, and is not
 * asked for again for a while.  Returns 0 if that is known already.
 */

ngx_uint_t ngx_counters_limits_zone_refused_hold(ngx_counters_zone_t *zone,
    uint64_t now);


/* for the files of the zone: the portal has answered a call of that method */

void ngx_counters_limits_method_open_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, ngx_uint_t method);


#endif /* _NGX_COUNTERS_LIMITS_H_INCLUDED_ */
