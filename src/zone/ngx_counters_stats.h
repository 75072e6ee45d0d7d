
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the module counts, from one list: the status pages and the zone's
 * array are both made of it.  X(id, name, help); the id becomes
 * NGX_COUNTERS_STAT_<id>.
 */


#ifndef _NGX_COUNTERS_STATS_H_INCLUDED_
#define _NGX_COUNTERS_STATS_H_INCLUDED_


/*
 * HIT to ERROR, and FROM_MEMORY to FROM_PORTAL, stand as the statuses and the
 * sources of the variables do: ngx_http_counters_conf.h sees to that.
 */

#define NGX_COUNTERS_STATS(X)                                                 \
    X(HIT, "hit", "requests answered fresh")                                  \
    X(STALE, "stale",                                                         \
      "answered stale: the portal failed or the quota was spent")             \
    X(UPDATING, "updating", "answered stale while being refreshed")           \
    X(MISS, "miss", "fetched for the request")                                \
    X(COALESCED, "coalesced", "waited for another request's fetch")           \
    X(NEGATIVE, "negative", "answered with a remembered refusal")             \
    X(BYPASS, "bypass", "refreshed because counters_bypass said so")          \
    X(PASS, "pass", "passed on untouched")                                    \
    X(ERROR, "error", "nothing cached and no good answer")                    \
    X(FROM_MEMORY, "memory", "answers from shared memory")                    \
    X(FROM_REDIS, "redis", "answers from Redis")                              \
    X(FROM_PORTAL, "portal", "answers from the portal")                       \
    X(PORTAL_REQUESTS, "portal_requests", "requests sent to the portal")      \
    X(PORTAL_FAILURES, "portal_failures",                                     \
      "requests without a usable answer")                                     \
    X(BATCHES, "batches", "batch requests among them")                        \
    X(COMMANDS, "commands", "calls refreshed, alone or in a batch")           \
    X(LIMITS, "limits", "QUERY_LIMIT_EXCEEDED answers seen")                  \
    X(OVERLOADS, "overloads", "OVERLOAD_LIMIT answers seen")                  \
    X(OPERATING, "operating", "OPERATION_TIME_LIMIT answers seen")            \
    X(QUOTA_WAITS, "quota_waits", "requests held for quota")                  \
    X(QUOTA_REFUSED, "quota_refused",                                         \
      "requests answered QUERY_LIMIT_EXCEEDED by the module")                 \
    X(REVOKED, "revoked", "credentials the portal has refused")               \
    X(EVICTED, "evicted", "entries dropped for want of room")                 \
    X(EXPIRED, "expired", "entries dropped for their age")                    \
    X(PURGED, "purged", "entries purged or marked stale on demand")           \
    X(REDIS_READS, "redis_reads", "Redis lookups")                            \
    X(REDIS_HITS, "redis_hits", "Redis lookups that found a usable value")    \
    X(REDIS_ERRORS, "redis_errors", "Redis lookups without an answer")        \
    X(REDIS_REJECTED, "redis_rejected",                                       \
      "Redis values that did not verify")                                     \
    X(EVENTS, "events", "portal events accepted")                             \
    X(EVENTS_MARKED, "events_marked",                                         \
      "entries marked stale for the participants of a task")                  \
    X(EVENTS_WIDE, "events_wide",                                             \
      "times that events made all entries become stale")


#define NGX_COUNTERS_STAT_ENUM(id, name, help)  NGX_COUNTERS_STAT_##id,

typedef enum {
    NGX_COUNTERS_STATS(NGX_COUNTERS_STAT_ENUM)
    NGX_COUNTERS_STAT_COUNT
} ngx_counters_stat_e;


#endif /* _NGX_COUNTERS_STATS_H_INCLUDED_ */
