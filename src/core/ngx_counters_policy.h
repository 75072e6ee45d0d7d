
/*
 * Copyright (C) The nginx counters module authors
 *
 * Freshness (RFC 9111, section 4.2; RFC 5861) and retry rules.  Times are
 * Unix milliseconds, spans milliseconds; randomness is an argument.
 */


#ifndef _NGX_COUNTERS_POLICY_H_INCLUDED_
#define _NGX_COUNTERS_POLICY_H_INCLUDED_


#include "ngx_counters_core.h"


typedef enum {
    NGX_COUNTERS_FRESH = 0,     /* within ttl */
    NGX_COUNTERS_REVALIDATE,    /* within stale: answered while refreshed */
    NGX_COUNTERS_IF_ERROR,      /* within error: only if the portal fails */
    NGX_COUNTERS_EXPIRED
} ngx_counters_fresh_e;


/*
 * "marked": marked stale early (purge, events), the entry is at best
 * REVALIDATE.  "stale" and "error" count from the end of the ttl; the span of
 * IF_ERROR is never shorter than that of REVALIDATE.  A "fetched" in the
 * future counts as now.
 */

ngx_counters_fresh_e ngx_counters_policy_freshness(uint64_t now,
    uint64_t fetched, uint32_t ttl, uint32_t stale, uint32_t error, int marked);

/* 90 to 100 % of ttl; never 0 */

uint32_t ngx_counters_policy_jitter_ttl(uint32_t ttl, uint32_t random);

/*
 * The pause after "failures" failures in a row (1 or more): first doubled
 * with each, at most max, then 50 to 100 % of that.
 */

uint32_t ngx_counters_policy_backoff(unsigned failures, uint32_t first,
    uint32_t max, uint32_t random);


/*
 * The pause after which a method may be refreshed once more, so that its
 * operating time (limits.md) lasts for what is "left" until some of it is
 * forgotten: "used" of it is used, "before" was when it was last looked at.
 * None while little is used; never 0 afterwards, and all that is left when
 * it is nearly used up, for the rest belongs to those who wait.
 */

uint32_t ngx_counters_policy_operating_pause(uint64_t used, uint64_t before,
    uint32_t left);


#endif /* _NGX_COUNTERS_POLICY_H_INCLUDED_ */
