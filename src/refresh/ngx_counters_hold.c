
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_hold.h"


void
ngx_counters_hold_limit(ngx_counters_worker_t *w,
    ngx_counters_hold_e hold, time_t retry_after, const char *to)
{
    uint64_t  now, until;

    now = ngx_counters_worker_now();
    until = (retry_after > 0) ? now + (uint64_t) retry_after * 1000 : 0;

    ngx_counters_worker_count(w, (hold == NGX_COUNTERS_LIMITED)
                               ? NGX_COUNTERS_STAT_LIMITS
                               : NGX_COUNTERS_STAT_OVERLOADS, 1);

    if (ngx_counters_quota_portal_hold(w->portal->zone, hold, now, until)) {

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the portal answered %s to %s",
                      &w->portal->name,
                      hold == NGX_COUNTERS_LIMITED ? "QUERY_LIMIT_EXCEEDED"
                                                   : "OVERLOAD_LIMIT", to);

        ngx_counters_worker_alarm();
    }
}


void
ngx_counters_hold_failed(ngx_counters_worker_t *w, const char *to,
    const ngx_counters_fetch_result_t *result, ngx_uint_t partly)
{
    if (result->rc == NGX_COUNTERS_FETCH_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the portal failed with status "
                      "%ui to answer %s", &w->portal->name, result->status,
                      to);

    } else {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "counters_portal \"%V\": no answer from the portal to "
                      "%s: %s", &w->portal->name, to, result->error);
    }

    ngx_counters_worker_count(w, NGX_COUNTERS_STAT_PORTAL_FAILURES, 1);

    if (!partly
        && ngx_counters_quota_portal_hold(w->portal->zone,
                                          NGX_COUNTERS_BACKOFF,
                                          ngx_counters_worker_now(), 0))
    {
        ngx_counters_worker_alarm();
    }
}


void
ngx_counters_hold_method(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, uint64_t reset_at)
{
    uint64_t  until;

    /* a whole second, of whose parts nothing is known */

    until = reset_at ? (reset_at + 1) * 1000 : 0;

    ngx_counters_worker_count(w, NGX_COUNTERS_STAT_OPERATING, 1);

    if (ngx_counters_limits_zone_method_hold(w->portal->zone, key->cred,
                                             key->method,
                                             ngx_counters_worker_now(), until))
    {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the portal answered "
                      "OPERATION_TIME_LIMIT", &w->portal->name);

        ngx_counters_worker_alarm();
    }
}


void
ngx_counters_hold_webhook(ngx_counters_worker_t *w, ngx_uint_t status)
{
    if (ngx_counters_limits_zone_refused_hold(w->portal->zone,
                                              ngx_counters_worker_now()))
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the portal refuses the "
                      "webhook, status %ui", &w->portal->name, status);

        ngx_counters_worker_alarm();
    }
}


void
ngx_counters_hold_good(ngx_counters_worker_t *w)
{
    if (ngx_counters_quota_portal_good(w->portal->zone,
                                       ngx_counters_worker_now()))
    {
        ngx_counters_worker_alarm();
    }
}
