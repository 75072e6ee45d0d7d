
/*
 * Copyright (C) The nginx counters module authors
 *
 * What counters_status shows, from two lists: what is counted is in
 * ngx_counters_stats.h, everything else is here.
 *
 * JSON: an object per group; a figure that does not apply is null.
 * Prometheus: nginx_counters_<metric>, and <name>_total of what is counted.
 */


#ifndef _NGX_HTTP_COUNTERS_STATUS_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_STATUS_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/* X(id, name): the groups in their order */

#define NGX_HTTP_COUNTERS_GROUPS(X)                                           \
    X(REQUESTS, "requests")                                                   \
    X(SOURCES, "sources")                                                     \
    X(PORTAL, "portal")                                                       \
    X(HOLD, "hold")                                                           \
    X(QUOTA, "quota")                                                         \
    X(QUEUE, "queue")                                                         \
    X(ZONE, "zone")                                                           \
    X(REDIS, "redis")                                                         \
    X(TTL, "ttl")                                                             \
    X(CONFIG, "config")                                                       \
    X(WORKER, "worker")


/* X(id, group, member, kind, metric or "", labels, help) */

#define NGX_HTTP_COUNTERS_FIGURES(X)                                          \
    X(FAILING, PORTAL, "failing", INTEGER, "portal_failing", "",              \
      "failures of the portal in a row, now")                                 \
    X(BACKOFF, HOLD, "backoff", BOOLEAN, "hold", ",reason=\"backoff\"",       \
      "why the portal is not asked now")                                      \
    X(LIMITED, HOLD, "limited", BOOLEAN, "hold", ",reason=\"limited\"",       \
      "QUERY_LIMIT_EXCEEDED")                                                 \
    X(OVERLOADED, HOLD, "overloaded", BOOLEAN, "hold",                        \
      ",reason=\"overloaded\"", "OVERLOAD_LIMIT")                             \
    X(HOLD_TIME, HOLD, "seconds", DECIMAL, "hold_seconds", "",                \
      "how long the portal will not be asked")                                \
    X(RATE, QUOTA, "rate", DECIMAL, "quota_rate", "",                         \
      "requests a second that the portal allows in the long run")             \
    X(BURST, QUOTA, "burst", DECIMAL, "quota_burst", "",                      \
      "requests that the portal allows at once")                              \
    X(RESERVE, QUOTA, "reserve", DECIMAL, "quota_reserve_ratio", "",          \
      "share of the quota that refreshes leave to requests passed on")        \
    X(SHARED, QUOTA, "shared", BOOLEAN, "quota_shared", "",                   \
      "whether the quota is shared with other nodes through Redis")           \
    X(LEVEL, QUOTA, "level", DECIMAL, "quota_level", "",                      \
      "level of the bucket: requests that have not drained yet")              \
    X(TOKENS, QUOTA, "tokens", DECIMAL, "quota_tokens", "",                   \
      "requests left before the portal would refuse one")                     \
    X(REFRESHES, QUOTA, "refreshes", DECIMAL, "quota_refreshes", "",          \
      "requests left to refreshes, the reserve taken off")                    \
    X(BATCH, QUOTA, "batch", INTEGER, "quota_batch", "",                      \
      "calls that fit into one request")                                      \
    X(CAPACITY, QUOTA, "capacity", INTEGER, "capacity", "",                   \
      "entries like those in use that can be kept fresh, the reserve "        \
      "taken off")                                                            \
    X(CAPACITY_MAX, QUOTA, "capacity_max", INTEGER, "capacity_max", "",       \
      "entries like those in use that can be kept fresh by all of the quota") \
    X(OPERATING_BINDS, QUOTA, "operating_binds", BOOLEAN,                     \
      "capacity_operating_binds", "",                                         \
      "whether operating time allows fewer of them than the quota does")      \
    X(OPERATING_CALL, QUOTA, "operating_call", DECIMAL,                       \
      "operating_call_seconds", "",                                           \
      "operating time that a call takes, on average")                         \
    X(WAITING, QUEUE, "waiting", INTEGER, "queue_length",                     \
      ",class=\"waiting\"", "calls that wait to be sent")                     \
    X(STALE, QUEUE, "stale", INTEGER, "queue_length", ",class=\"stale\"",     \
      "refreshes of what was answered stale")                                 \
    X(AHEAD, QUEUE, "ahead", INTEGER, "queue_length", ",class=\"ahead\"",     \
      "refreshes that nobody waits for")                                      \
    X(UNKNOWN, QUEUE, "unknown", INTEGER, "queue_length",                     \
      ",class=\"unknown\"", "calls under credentials never accepted")         \
    X(FLYING, QUEUE, "flying", INTEGER, "flying", "",                         \
      "calls that the portal is answering now")                               \
    X(SIZE, ZONE, "size", INTEGER, "zone_size_bytes", "",                     \
      "shared memory of the portal")                                          \
    X(FREE, ZONE, "free", INTEGER, "zone_free_bytes", "",                     \
      "pages of it that hold nothing")                                        \
    X(ENTRIES, ZONE, "entries", INTEGER, "entries", "",                       \
      "entries in shared memory")                                             \
    X(ACTIVE, ZONE, "active", INTEGER, "entries_active", "",                  \
      "entries asked for within ahead, or within a minute")                   \
    X(CREDENTIALS, ZONE, "credentials", INTEGER, "credentials", "",           \
      "credentials that entries belong to")                                   \
    X(SINCE, ZONE, "since", DECIMAL, "start_time_seconds", "",                \
      "when counting began, Unix time")                                       \
    X(CONFIGURED, REDIS, "configured", BOOLEAN, "redis_configured", "",       \
      "whether there is a Redis")                                             \
    X(CONNECTED, REDIS, "connected", BOOLEAN, "redis_connected", "",          \
      "whether the worker that tells this is connected to Redis")             \
    X(BREAKER, REDIS, "breaker", BOOLEAN, "redis_breaker", "",                \
      "whether that worker does without Redis for now")                       \
    X(PENDING, REDIS, "pending", INTEGER, "redis_pending", "",                \
      "commands of that worker without an answer yet")                        \
    X(TTL_TASKS, TTL, "tasks.task.counters.get", DECIMAL, "ttl_seconds",      \
      ",method=\"tasks.task.counters.get\"", "how long an answer is fresh")   \
    X(TTL_IM, TTL, "im.counters.get", DECIMAL, "ttl_seconds",                 \
      ",method=\"im.counters.get\"", "the same of the other method")          \
    X(STALE_TIME, CONFIG, "stale", DECIMAL, "stale_seconds", "",              \
      "how long after that it is answered while being refreshed")             \
    X(ERROR_TIME, CONFIG, "stale_error", DECIMAL, "stale_error_seconds", "",  \
      "how long after that it is answered if the portal fails")               \
    X(NEGATIVE_TIME, CONFIG, "negative", DECIMAL, "negative_seconds", "",     \
      "how long a refusal is remembered")                                     \
    X(WAIT_TIME, CONFIG, "wait", DECIMAL, "wait_seconds", "",                 \
      "how long a request is held for quota")                                 \
    X(AHEAD_TIME, CONFIG, "ahead", DECIMAL, "ahead_seconds", "",              \
      "entries asked for within this are kept fresh")                         \
    X(PID, WORKER, "pid", INTEGER, "", "", "the worker that tells this")      \
    X(SLOT, WORKER, "slot", INTEGER, "", "", "its number, from 0")            \
    X(WORKERS, WORKER, "workers", INTEGER, "", "", "of how many")


#define NGX_HTTP_COUNTERS_GROUP_ENUM(id, name)                                \
    NGX_HTTP_COUNTERS_IN_##id,

typedef enum {
    NGX_HTTP_COUNTERS_GROUPS(NGX_HTTP_COUNTERS_GROUP_ENUM)
    NGX_HTTP_COUNTERS_GROUP_COUNT
} ngx_http_counters_group_e;


#define NGX_HTTP_COUNTERS_FIGURE_ENUM(id, group, member, kind, metric,        \
    labels, help)                                                             \
    NGX_HTTP_COUNTERS_FIGURE_##id,

typedef enum {
    NGX_HTTP_COUNTERS_FIGURES(NGX_HTTP_COUNTERS_FIGURE_ENUM)
    NGX_HTTP_COUNTERS_FIGURE_COUNT
} ngx_http_counters_figure_e;


/* decimals are kept in thousandths */

typedef enum {
    NGX_HTTP_COUNTERS_AS_INTEGER = 0,
    NGX_HTTP_COUNTERS_AS_DECIMAL,
    NGX_HTTP_COUNTERS_AS_BOOLEAN
} ngx_http_counters_figure_as_e;


/* of a figure that does not apply */

#define NGX_HTTP_COUNTERS_NO_FIGURE  ((uint64_t) -1)


typedef enum {
    NGX_HTTP_COUNTERS_HEALTH_OK = 0,
    NGX_HTTP_COUNTERS_HEALTH_IDLE,        /* nothing was asked for yet */
    NGX_HTTP_COUNTERS_HEALTH_WARNING,
    NGX_HTTP_COUNTERS_HEALTH_FAILING,
    NGX_HTTP_COUNTERS_HEALTHS
} ngx_http_counters_health_e;


typedef struct {
    ngx_counters_portal_t         *portal;
    uint64_t                       now;           /* Unix ms */

    uint64_t                       stats[NGX_COUNTERS_STAT_COUNT];
    uint64_t                       figures[NGX_HTTP_COUNTERS_FIGURE_COUNT];

    ngx_http_counters_health_e     health;
    ngx_str_t                      message;       /* plain words, no markup */
    u_char                         text[128];     /* where they are */
} ngx_http_counters_status_t;


#define ngx_http_counters_stat(s, id)                                         \
    ((s)->stats[NGX_COUNTERS_STAT_##id])

#define ngx_http_counters_figure(s, id)                                       \
    ((s)->figures[NGX_HTTP_COUNTERS_FIGURE_##id])


/* content handler */

ngx_int_t ngx_http_counters_status_handler(ngx_http_request_t *r);


extern ngx_str_t
    ngx_http_counters_status_text_healths[NGX_HTTP_COUNTERS_HEALTHS];
extern const char  ngx_http_counters_status_style[];


/*
 * The writers never go beyond "last"; the sizes are enough for every value
 * of every figure.  Each returns the new end.
 */

#define NGX_HTTP_COUNTERS_JSON_LEN        8192
#define NGX_HTTP_COUNTERS_PROMETHEUS_LEN  32768
#define NGX_HTTP_COUNTERS_HTML_LEN        32768

u_char *ngx_http_counters_status_text_json(ngx_http_counters_status_t *s,
    u_char *p, u_char *last);
u_char *ngx_http_counters_status_text_prometheus(ngx_http_counters_status_t *s,
    u_char *p, u_char *last);
u_char *ngx_http_counters_status_html(ngx_http_counters_status_t *s,
    u_char *p, u_char *last);

/* thousandths without trailing zeros */

u_char *ngx_http_counters_status_text_decimal(u_char *p, u_char *last,
    uint64_t n);


#endif /* _NGX_HTTP_COUNTERS_STATUS_H_INCLUDED_ */
