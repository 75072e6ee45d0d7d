
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the portal has accepted and refused.
 */


#ifndef _NGX_COUNTERS_REFUSAL_H_INCLUDED_
#define _NGX_COUNTERS_REFUSAL_H_INCLUDED_


#include "ngx_counters_types.h"


void ngx_counters_refusal_accepted(ngx_counters_zone_t *zone,
    const u_char *cred, uint64_t now);

/*
 * The portal has refused the credential at "now", which may lie in the past:
 * drops all it owns.  The time is kept, so that nothing fetched earlier comes
 * back (from Redis).  Returns how many entries were dropped.
 */

ngx_uint_t ngx_counters_refusal_revoke(ngx_counters_zone_t *zone,
    const u_char *cred, uint64_t now);

/*
 * The portal has refused this call at "now", as another node has been told:
 * nothing fetched earlier is used any more.
 */

void ngx_counters_refusal_forget(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, uint64_t now);

/* when the credential, or this key, was last refused; 0: never known */

uint64_t ngx_counters_refusal_refused(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key);

/* calls of this credential that are queued, or under way and may return */

ngx_uint_t ngx_counters_refusal_pending(ngx_counters_zone_t *zone,
    const u_char *cred);


#endif /* _NGX_COUNTERS_REFUSAL_H_INCLUDED_ */
