
/*
 * Copyright (C) The nginx counters module authors
 *
 * Whether the portal may be asked, by what it has answered, be that to a
 * refresh, to a question about tasks, or to a request passed on: each answer
 * is counted, a hold is logged, and all workers are told of what changes.
 */


#ifndef _NGX_COUNTERS_HOLD_H_INCLUDED_
#define _NGX_COUNTERS_HOLD_H_INCLUDED_


#include "ngx_counters_worker.h"


/*
 * "hold" is LIMITED or OVERLOADED, "retry_after" in seconds, not positive if
 * the portal did not say, "to" what it was answered, for the log.
 */

void ngx_counters_hold_limit(ngx_counters_worker_t *w,
    ngx_counters_hold_e hold, time_t retry_after, const char *to);

/*
 * A request has failed: it has no answer, or none of use.  With "partly" that
 * may be due to what was asked, and is not held against the portal.
 */

void ngx_counters_hold_failed(ngx_counters_worker_t *w, const char *to,
    const ngx_counters_fetch_result_t *result, ngx_uint_t partly);

/*
 * OPERATION_TIME_LIMIT of the key's method under its credential.  "reset_at"
 * in Unix seconds, 0 if the portal did not say.
 */

void ngx_counters_hold_method(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, uint64_t reset_at);

/* the managed webhook is refused as such */

void ngx_counters_hold_webhook(ngx_counters_worker_t *w, ngx_uint_t status);

/* the portal has answered, be it a refusal */

void ngx_counters_hold_good(ngx_counters_worker_t *w);


#endif /* _NGX_COUNTERS_HOLD_H_INCLUDED_ */
