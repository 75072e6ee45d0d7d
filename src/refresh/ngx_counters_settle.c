
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_batch.h"
#include "ngx_counters_hold.h"
#include "ngx_counters_redis_store.h"
#include "ngx_counters_refresh.h"
#include "ngx_counters_reply.h"
#include "ngx_counters_settle.h"


/* a call that must leave alone from now on: batch >> 7 is 0 */
#define NGX_COUNTERS_SETTLE_SINGLE     7

/* the halves of such a batch are no batches */
#define NGX_COUNTERS_SETTLE_SMALL      3

#define NGX_COUNTERS_SETTLE_ERROR_LEN  256

/* without the second one a browser would hide the error from its page */
#define NGX_COUNTERS_SETTLE_HEADERS                                           \
    "Content-Type: application/json; charset=utf-8" CRLF                      \
    "Access-Control-Allow-Origin: *" CRLF


/* flights */
static void ngx_counters_settle_lost(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result);
static void ngx_counters_settle_limit(ngx_counters_worker_t *w,
    ngx_counters_verdict_e verdict, time_t retry_after);
static void ngx_counters_settle_single(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result,
    ngx_counters_reply_t *reply);
static void ngx_counters_settle_single_failed(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result);
static void ngx_counters_settle_batch(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result,
    ngx_counters_reply_t *reply);
static void ngx_counters_settle_batch_failed(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result);
static void ngx_counters_settle_parts(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result,
    ngx_counters_part_t *parts);
static void ngx_counters_settle_part(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, ngx_uint_t n, ngx_counters_part_t *part,
    const ngx_counters_fetch_result_t *result);
static ngx_uint_t ngx_counters_settle_batch_error(ngx_counters_str_t *code);
static void ngx_counters_settle_operating(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, ngx_counters_reply_t *reply,
    ngx_counters_part_t *parts);

/* back into the queue */
static void ngx_counters_settle_retry(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, ngx_uint_t split);
static void ngx_counters_settle_retry_one(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_uint_t split);
static void ngx_counters_settle_halve(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls);
static void ngx_counters_settle_singly(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, uint64_t reset_at);

/* one call */
static void ngx_counters_settle_call(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_verdict_e verdict,
    ngx_counters_answer_in_t *answer, uint64_t reset_at);
static ngx_uint_t ngx_counters_settle_refusal(ngx_counters_verdict_e verdict);
static void ngx_counters_settle_webhook(ngx_counters_worker_t *w,
    ngx_counters_verdict_e verdict, ngx_counters_answer_in_t *answer,
    u_char *buf);
static void ngx_counters_settle_envelope(ngx_counters_answer_in_t *answer,
    u_char *buf, ngx_uint_t status, const char *error, const char *text);


void
ngx_counters_settle(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result)
{
    ngx_counters_str_t    body;
    ngx_counters_reply_t  reply;

    if (result->rc != NGX_COUNTERS_FETCH_OK) {
        ngx_counters_settle_lost(w, calls, result);
        return;
    }

    body.len = result->body.len;
    body.data = result->body.data;

    ngx_counters_reply_judge(&reply, result->status, &body);

    ngx_counters_settle_limit(w, reply.verdict, result->retry_after);

    if (calls->n > 1) {
        ngx_counters_settle_batch(w, calls, result, &reply);

    } else {
        ngx_counters_settle_single(w, calls, result, &reply);
    }
}


static void
ngx_counters_settle_lost(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result)
{
    uint64_t                  now;
    ngx_uint_t                i;
    ngx_counters_answer_in_t  answer;
    u_char                    buf[NGX_COUNTERS_SETTLE_ERROR_LEN];

    if (calls->n > 1 && result->rc != NGX_COUNTERS_FETCH_CONNECT) {
        ngx_counters_settle_batch_failed(w, calls, result);
        return;
    }

    now = ngx_counters_worker_now();

    ngx_counters_settle_single_failed(w, calls, result);

    switch (result->rc) {

    case NGX_COUNTERS_FETCH_CONNECT:
        ngx_counters_settle_envelope(&answer, buf, 502, "PORTAL_UNAVAILABLE",
                                     "The portal could not be reached");
        break;

    case NGX_COUNTERS_FETCH_TIMEOUT:
        ngx_counters_settle_envelope(&answer, buf, 504, "PORTAL_TIMEOUT",
                                     "The portal did not answer in time");
        break;

    default:
        ngx_counters_settle_envelope(&answer, buf, 502,
                                     "PORTAL_MALFORMED_ANSWER",
                                     "The portal's answer is unusable");
    }

    for (i = 0; i < calls->n; i++) {
        answer.fetched = now;
        ngx_counters_refresh_finish(w, &calls->keys[i], &answer);
    }
}


/* the whole portal says no, whatever was asked */

static void
ngx_counters_settle_limit(ngx_counters_worker_t *w,
    ngx_counters_verdict_e verdict, time_t retry_after)
{
    switch (verdict) {

    case NGX_COUNTERS_REPLY_LIMIT:
        ngx_counters_hold_limit(w, NGX_COUNTERS_LIMITED, retry_after,
                                "a refresh");
        break;

    case NGX_COUNTERS_REPLY_OVERLOAD:
        ngx_counters_hold_limit(w, NGX_COUNTERS_OVERLOADED, retry_after,
                                "a refresh");
        break;

    default:
        break;
    }
}


static void
ngx_counters_settle_single(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result,
    ngx_counters_reply_t *reply)
{
    uint64_t                  reset_at;
    ngx_counters_answer_in_t  answer;

    switch (reply->verdict) {

    case NGX_COUNTERS_REPLY_LIMIT:
        ngx_counters_settle_retry(w, calls, calls->split);
        return;

    case NGX_COUNTERS_REPLY_MALFORMED:
    case NGX_COUNTERS_REPLY_FAILED:
        ngx_counters_settle_single_failed(w, calls, result);
        break;

    default:
        break;
    }

    ngx_counters_settle_operating(w, calls, reply, NULL);

    reset_at = reply->reset_at;

    if (reply->verdict == NGX_COUNTERS_REPLY_OPERATING
        && result->retry_after > 0)
    {
        reset_at = ngx_time() + result->retry_after;
    }

    ngx_memzero(&answer, sizeof(ngx_counters_answer_in_t));

    answer.status = result->status;
    answer.headers = result->headers;
    answer.body = result->body;

    ngx_counters_settle_call(w, &calls->keys[0], reply->verdict, &answer,
                             reset_at);
}


/* or all of a batch, if there was no connection */

static void
ngx_counters_settle_single_failed(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result)
{
    ngx_counters_hold_failed(w, "a refresh", result, 0);
    ngx_counters_limits_single_failed(w->portal->zone, calls->cred);
}


static void
ngx_counters_settle_batch(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result,
    ngx_counters_reply_t *reply)
{
    ngx_uint_t                i;
    ngx_counters_str_t        body;
    ngx_counters_part_t       parts[NGX_COUNTERS_BATCH_MAX];
    ngx_counters_answer_in_t  answer;

    switch (reply->verdict) {

    case NGX_COUNTERS_REPLY_GOOD:

        body.len = result->body.len;
        body.data = result->body.data;

        if (ngx_counters_batch_split(&body, parts, calls->n)
            == NGX_COUNTERS_OK)
        {
            ngx_counters_limits_batch_good(w->portal->zone, calls->cred);
            ngx_counters_settle_operating(w, calls, reply, parts);
            ngx_counters_settle_parts(w, calls, result, parts);
            return;
        }

        break;

    case NGX_COUNTERS_REPLY_LIMIT:
    case NGX_COUNTERS_REPLY_OVERLOAD:
        ngx_counters_settle_retry(w, calls, calls->split);
        return;

    case NGX_COUNTERS_REPLY_UNAUTHORIZED:
    case NGX_COUNTERS_REPLY_DEAD:

        for (i = 0; i < calls->n; i++) {
            ngx_memzero(&answer, sizeof(ngx_counters_answer_in_t));
            answer.status = result->status;
            answer.headers = result->headers;
            answer.body = result->body;
            ngx_counters_settle_call(w, &calls->keys[i], reply->verdict,
                                     &answer, 0);
        }

        return;

    case NGX_COUNTERS_REPLY_REFUSED:
    case NGX_COUNTERS_REPLY_FORBIDDEN:
    case NGX_COUNTERS_REPLY_BARRED:
    case NGX_COUNTERS_REPLY_OPERATING:
    case NGX_COUNTERS_REPLY_FOREIGN:
        ngx_counters_settle_singly(w, calls, reply->reset_at);
        return;

    case NGX_COUNTERS_REPLY_FAILED:

        if (ngx_counters_settle_batch_error(&reply->error)) {
            ngx_counters_settle_singly(w, calls, 0);
            return;
        }

        break;

    default: /* NGX_COUNTERS_REPLY_MALFORMED */
        break;
    }

    ngx_counters_settle_batch_failed(w, calls, result);
}


static void
ngx_counters_settle_batch_failed(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result)
{
    ngx_uint_t  count, rest;

    /* one without an answer may have been too large, unless it was small */

    count = (result->rc == NGX_COUNTERS_FETCH_OK
             || calls->n <= NGX_COUNTERS_SETTLE_SMALL);

    rest = ngx_counters_limits_batch_failed(w->portal->zone, calls->cred,
                                           count, ngx_counters_worker_now());

    /*
     * A half of what has failed fails for one call, as likely as not: it is
     * not held against the portal until that one does alone.
     */

    ngx_counters_hold_failed(w, "a batch", result, rest || calls->split);

    if (rest) {
        /* singly, until one is tried again */
        ngx_counters_settle_retry(w, calls, 0);
        return;
    }

    ngx_counters_settle_halve(w, calls);
}


/*
 * A limit, once, before good parts might lift it; then refusals: a good part
 * shows that the credential is.
 */

static void
ngx_counters_settle_parts(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, const ngx_counters_fetch_result_t *result,
    ngx_counters_part_t *parts)
{
    ngx_uint_t  i;

    for (i = 0; i < calls->n; i++) {

        if (parts[i].verdict == NGX_COUNTERS_REPLY_LIMIT
            || parts[i].verdict == NGX_COUNTERS_REPLY_OVERLOAD)
        {
            ngx_counters_settle_limit(w, parts[i].verdict,
                                      result->retry_after);
            break;
        }
    }

    for (i = 0; i < calls->n; i++) {
        if (ngx_counters_settle_refusal(parts[i].verdict)) {
            ngx_counters_settle_part(w, calls, i, &parts[i], result);
        }
    }

    for (i = 0; i < calls->n; i++) {
        if (!ngx_counters_settle_refusal(parts[i].verdict)) {
            ngx_counters_settle_part(w, calls, i, &parts[i], result);
        }
    }
}


/* one command's part: an envelope of its own, of the portal's own bytes */

static void
ngx_counters_settle_part(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, ngx_uint_t n, ngx_counters_part_t *part,
    const ngx_counters_fetch_result_t *result)
{
    u_char                    *envelope;
    ngx_counters_key_t        *key;
    ngx_counters_answer_in_t   answer;

    key = &calls->keys[n];

    switch (part->verdict) {

    case NGX_COUNTERS_REPLY_LIMIT:
    case NGX_COUNTERS_REPLY_OVERLOAD:
        ngx_counters_settle_retry_one(w, key, calls->split);
        return;

    case NGX_COUNTERS_REPLY_MALFORMED:
    case NGX_COUNTERS_REPLY_FAILED:

        /* alone it fails, or not, with an answer of its own */

        ngx_counters_settle_retry_one(w, key, NGX_COUNTERS_SETTLE_SINGLE);
        return;

    default:
        break;
    }

    ngx_memzero(&answer, sizeof(ngx_counters_answer_in_t));

    envelope = ngx_alloc(ngx_counters_batch_part_len(part) + 1, ngx_cycle->log);
    if (envelope == NULL) {
        ngx_counters_refresh_finish(w, key, NULL);
        return;
    }

    answer.body.len = ngx_counters_batch_part_envelope(envelope,
                                                       part) - envelope;
    answer.body.data = envelope;
    answer.status = part->status;
    answer.headers = result->headers;

    ngx_counters_settle_call(w, key, part->verdict, &answer, part->reset_at);

    ngx_free(envelope);
}


static ngx_uint_t
ngx_counters_settle_batch_error(ngx_counters_str_t *code)
{
    static u_char  prefix[] = "ERROR_BATCH_";

    return code->len >= sizeof(prefix) - 1
           && ngx_strncasecmp(code->data, prefix, sizeof(prefix) - 1) == 0;
}


/* the most that any call of a method says has been used of its time */

static void
ngx_counters_settle_operating(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, ngx_counters_reply_t *reply,
    ngx_counters_part_t *parts)
{
    ngx_uint_t  i, method, n[NGX_COUNTERS_METHODS];
    uint64_t    used[NGX_COUNTERS_METHODS], reset[NGX_COUNTERS_METHODS];

    ngx_memzero(n, sizeof(n));
    ngx_memzero(used, sizeof(used));
    ngx_memzero(reset, sizeof(reset));

    for (i = 0; i < calls->n; i++) {

        method = calls->keys[i].method;
        n[method]++;

        used[method] = ngx_max(used[method], reply->operating);
        reset[method] = ngx_max(reset[method], reply->reset_at);

        if (parts) {
            used[method] = ngx_max(used[method], parts[i].operating);
            reset[method] = ngx_max(reset[method], parts[i].reset_at);
        }
    }

    for (method = 0; method < NGX_COUNTERS_METHODS; method++) {

        if (reset[method]) {
            ngx_counters_limits_zone_operating(w->portal->zone, calls->cred,
                                               method,
                                               ngx_counters_worker_now(),
                                               n[method],
                                               used[method], reset[method]);
        }
    }
}


/* back into the queue, to leave in smaller company */

static void
ngx_counters_settle_retry(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, ngx_uint_t split)
{
    ngx_uint_t  i;

    for (i = calls->n; i-- > 0; /* void */ ) {
        ngx_counters_settle_retry_one(w, &calls->keys[i], split);
    }
}


static void
ngx_counters_settle_retry_one(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_uint_t split)
{
    (void) ngx_counters_lease_enqueue(w->portal->zone, key,
                                      ngx_counters_worker_me(),
                                      NGX_COUNTERS_WAITING,
                                      ngx_min(split,
                                              NGX_COUNTERS_SETTLE_SINGLE),
                                      ngx_counters_worker_now());
}


/* batches may be smaller than they are allowed to be */

static void
ngx_counters_settle_halve(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls)
{
    ngx_uint_t  split;

    split = calls->split + 1;

    while ((w->portal->batch >> split) > (calls->n + 1) / 2) {
        split++;
    }

    ngx_counters_settle_retry(w, calls, split);
}


/* it is batch that is refused: the calls may well be welcome, and others */

static void
ngx_counters_settle_singly(ngx_counters_worker_t *w,
    ngx_counters_flight_t *calls, uint64_t reset_at)
{
    ngx_counters_limits_zone_batch_hold(w->portal->zone, calls->cred,
                                        ngx_counters_worker_now(),
                                        reset_at * 1000);

    ngx_counters_settle_retry(w, calls, NGX_COUNTERS_SETTLE_SINGLE);
}


/* what one call's answer means for its key, its credential, the portal */

static void
ngx_counters_settle_call(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_verdict_e verdict,
    ngx_counters_answer_in_t *answer, uint64_t reset_at)
{
    uint64_t                now;
    ngx_uint_t              good;
    ngx_counters_portal_t  *portal;
    u_char                  buf[NGX_COUNTERS_SETTLE_ERROR_LEN];

    portal = w->portal;
    now = ngx_counters_worker_now();
    good = 1;

    if (ngx_counters_settle_refusal(verdict)
        && ngx_counters_zone_common(portal->zone, key->cred))
    {
        ngx_counters_settle_webhook(w, verdict, answer, buf);
        verdict = NGX_COUNTERS_REPLY_FOREIGN;
    }

    switch (verdict) {

    case NGX_COUNTERS_REPLY_GOOD:
        answer->kind = NGX_COUNTERS_DATA;
        answer->ttl = ngx_counters_policy_jitter_ttl(portal->ttl[key->method],
                                                     ngx_random());
        break;

    case NGX_COUNTERS_REPLY_UNAUTHORIZED:
    case NGX_COUNTERS_REPLY_DEAD:
        (void) ngx_counters_refusal_revoke(portal->zone, key->cred, now);
        ngx_counters_redis_store_revoke(w, key->cred, now);
        ngx_counters_worker_count(w, NGX_COUNTERS_STAT_REVOKED, 1);

        /* fall through */

    case NGX_COUNTERS_REPLY_REFUSED:
    case NGX_COUNTERS_REPLY_FORBIDDEN:
    case NGX_COUNTERS_REPLY_BARRED:
        answer->kind = NGX_COUNTERS_NEGATIVE;
        answer->ttl = portal->negative;
        ngx_counters_redis_store_forget(w, key, now);
        break;

    case NGX_COUNTERS_REPLY_OPERATING:
        answer->kind = NGX_COUNTERS_FAILURE;
        ngx_counters_hold_method(w, key, reset_at);
        break;

    case NGX_COUNTERS_REPLY_MALFORMED:
        ngx_counters_settle_envelope(answer, buf, 502,
                                     "PORTAL_MALFORMED_ANSWER",
                                     "The portal's answer is unusable");
        good = 0;
        break;

    case NGX_COUNTERS_REPLY_FAILED:
    case NGX_COUNTERS_REPLY_OVERLOAD:
        answer->kind = NGX_COUNTERS_FAILURE;
        good = 0;
        break;

    default: /* NGX_COUNTERS_REPLY_FOREIGN */
        answer->kind = NGX_COUNTERS_FAILURE;
    }

    answer->origin = NGX_COUNTERS_FROM_PORTAL;
    answer->fetched = now;

    if (good) {
        ngx_counters_hold_good(w);
    }

    if (answer->kind == NGX_COUNTERS_DATA) {
        ngx_counters_redis_store_save(w, key, answer);
    }

    ngx_counters_refresh_finish(w, key, answer);
}


/* whether it is the credential that is not good enough, 401 or 403 */

static ngx_uint_t
ngx_counters_settle_refusal(ngx_counters_verdict_e verdict)
{
    return verdict == NGX_COUNTERS_REPLY_UNAUTHORIZED
           || verdict == NGX_COUNTERS_REPLY_FORBIDDEN
           || verdict == NGX_COUNTERS_REPLY_BARRED
           || verdict == NGX_COUNTERS_REPLY_DEAD;
}


/*
 * Not the visitor's fault, who never had it: theirs is stale data, or 502.
 * That one call is forbidden says nothing of others.
 */

static void
ngx_counters_settle_webhook(ngx_counters_worker_t *w,
    ngx_counters_verdict_e verdict, ngx_counters_answer_in_t *answer,
    u_char *buf)
{
    if (verdict == NGX_COUNTERS_REPLY_FORBIDDEN) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the portal forbids the webhook "
                      "a call", &w->portal->name);

    } else {
        ngx_counters_hold_webhook(w, answer->status);
    }

    ngx_counters_settle_envelope(answer, buf, 502, "PORTAL_REFUSED_WEBHOOK",
                                 "The portal refuses the configured "
                                 "webhook");
}


static void
ngx_counters_settle_envelope(ngx_counters_answer_in_t *answer, u_char *buf,
    ngx_uint_t status, const char *error, const char *text)
{
    ngx_memzero(answer, sizeof(ngx_counters_answer_in_t));

    answer->kind = NGX_COUNTERS_FAILURE;
    answer->origin = NGX_COUNTERS_FROM_PORTAL;
    answer->status = status;

    ngx_str_set(&answer->headers, NGX_COUNTERS_SETTLE_HEADERS);

    answer->body.data = buf;
    answer->body.len = ngx_counters_reply_error(buf, error, text) - buf;
}
