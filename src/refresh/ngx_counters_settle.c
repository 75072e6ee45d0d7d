
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_counters_batch.h"
#include "ngx_counters_reply.h"
#include "ngx_counters_settle.h"
#include "ngx_counters_refresh.h"
#include "ngx_counters_redis_store.h"


/* a call that must leave alone from now on: batch >> 7 is 0 */
#define NGX_HTTP_COUNTERS_SINGLE     7

#define NGX_HTTP_COUNTERS_ERROR_LEN  256

/* without the second one a browser would hide the error from its page */
#define NGX_HTTP_COUNTERS_ERROR_HEADERS                                       \
    "Content-Type: application/json; charset=utf-8" CRLF                      \
    "Access-Control-Allow-Origin: *" CRLF


static void ngx_http_counters_retry(ngx_http_counters_flight_t *flight,
    ngx_uint_t split);
static void ngx_http_counters_halve(ngx_http_counters_flight_t *flight);
static void ngx_http_counters_batch(ngx_http_counters_flight_t *flight,
    const ngx_counters_fetch_result_t *result, ngx_counters_reply_t *reply);
static ngx_uint_t ngx_http_counters_failed(
    ngx_http_counters_flight_t *flight);
static void ngx_http_counters_singly(ngx_http_counters_flight_t *flight,
    uint64_t reset_at);
static ngx_uint_t ngx_http_counters_batch_error(ngx_counters_str_t *code);
static ngx_uint_t ngx_http_counters_refusal(ngx_counters_verdict_e verdict);
static void ngx_http_counters_part(ngx_http_counters_flight_t *flight,
    ngx_uint_t n, ngx_counters_part_t *part,
    const ngx_counters_fetch_result_t *result);
static void ngx_http_counters_operating(ngx_http_counters_flight_t *flight,
    ngx_counters_reply_t *reply, ngx_counters_part_t *parts);
static void ngx_http_counters_settle(ngx_http_counters_flight_t *flight,
    ngx_uint_t n, ngx_counters_verdict_e verdict,
    ngx_counters_answer_in_t *answer, uint64_t reset_at);
static void ngx_http_counters_limit(ngx_http_counters_flight_t *flight,
    ngx_counters_verdict_e verdict, time_t retry_after);
static void ngx_http_counters_webhook_refused(ngx_http_counters_worker_t *w,
    ngx_counters_verdict_e verdict, ngx_counters_answer_in_t *answer,
    u_char *buf);
static void ngx_http_counters_envelope(ngx_counters_answer_in_t *answer,
    u_char *buf, ngx_uint_t status, const char *error, const char *text);


void
ngx_http_counters_landed(ngx_http_counters_flight_t *flight,
    const ngx_counters_fetch_result_t *result)
{
    ngx_counters_str_t        body;
    ngx_counters_reply_t      reply;
    ngx_counters_answer_in_t  answer;

    body.len = result->body.len;
    body.data = result->body.data;

    ngx_counters_reply_judge(&reply, result->status, &body);

    switch (reply.verdict) {

    case NGX_COUNTERS_REPLY_LIMIT:
    case NGX_COUNTERS_REPLY_OVERLOAD:
        ngx_http_counters_limit(flight, reply.verdict, result->retry_after);
        break;

    default:
        break;
    }

    if (flight->calls.n > 1) {
        ngx_http_counters_batch(flight, result, &reply);
        return;
    }

    ngx_memzero(&answer, sizeof(ngx_counters_answer_in_t));

    answer.status = result->status;
    answer.headers = result->headers;
    answer.body = result->body;

    ngx_http_counters_operating(flight, &reply, NULL);

    if (reply.verdict == NGX_COUNTERS_REPLY_OPERATING
        && result->retry_after > 0)
    {
        reply.reset_at = ngx_time() + result->retry_after;
    }

    ngx_http_counters_settle(flight, 0, reply.verdict, &answer,
                             reply.reset_at);
}


void
ngx_http_counters_lost(ngx_http_counters_flight_t *flight,
    const ngx_counters_fetch_result_t *result)
{
    uint64_t                     now;
    ngx_uint_t                   i, held;
    ngx_http_counters_worker_t  *w;
    ngx_counters_answer_in_t     answer;
    u_char                       buf[NGX_HTTP_COUNTERS_ERROR_LEN];

    w = flight->worker;
    now = ngx_http_counters_now();

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "counters_portal \"%V\": no answer from the portal: %s",
                  &w->portal->name, result->error);

    ngx_http_counters_count(w, NGX_COUNTERS_STAT_PORTAL_FAILURES, 1);

    held = ngx_http_counters_failed(flight);

    if (flight->calls.n > 1 && result->rc != NGX_COUNTERS_FETCH_CONNECT) {
        ngx_http_counters_halve(flight);

    } else {

        switch (result->rc) {

        case NGX_COUNTERS_FETCH_CONNECT:
            ngx_http_counters_envelope(&answer, buf, NGX_HTTP_BAD_GATEWAY,
                                       "PORTAL_UNAVAILABLE",
                                       "The portal could not be reached");
            break;

        case NGX_COUNTERS_FETCH_TIMEOUT:
            ngx_http_counters_envelope(&answer, buf,
                                       NGX_HTTP_GATEWAY_TIME_OUT,
                                       "PORTAL_TIMEOUT",
                                       "The portal did not answer in time");
            break;

        default:
            ngx_http_counters_envelope(&answer, buf, NGX_HTTP_BAD_GATEWAY,
                                       "PORTAL_MALFORMED_ANSWER",
                                       "The portal's answer is unusable");
        }

        for (i = 0; i < flight->calls.n; i++) {
            answer.fetched = now;
            ngx_http_counters_refresh_finish(w, &flight->calls.keys[i],
                                             &answer);
        }
    }

    if (held) {
        ngx_http_counters_refresh_alarm(w);
    }
}


/* the whole portal says no, whatever was asked */

static void
ngx_http_counters_limit(ngx_http_counters_flight_t *flight,
    ngx_counters_verdict_e verdict, time_t retry_after)
{
    uint64_t                     now, until;
    ngx_counters_hold_e          hold;
    ngx_http_counters_worker_t  *w;

    w = flight->worker;
    now = ngx_http_counters_now();
    until = (retry_after > 0) ? now + (uint64_t) retry_after * 1000 : 0;

    if (verdict == NGX_COUNTERS_REPLY_LIMIT) {
        hold = NGX_COUNTERS_LIMITED;
        ngx_http_counters_count(w, NGX_COUNTERS_STAT_LIMITS, 1);

    } else {
        hold = NGX_COUNTERS_OVERLOADED;
        ngx_http_counters_count(w, NGX_COUNTERS_STAT_OVERLOADS, 1);
    }

    if (ngx_counters_zone_portal_hold(w->portal->zone, hold, now, until)) {

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the portal answered %s",
                      &w->portal->name,
                      hold == NGX_COUNTERS_LIMITED ? "QUERY_LIMIT_EXCEEDED"
                                                   : "OVERLOAD_LIMIT");

        if (hold == NGX_COUNTERS_OVERLOADED) {
            ngx_http_counters_refresh_alarm(w);
        }
    }
}


/* back into the queue, to leave in smaller company */

static void
ngx_http_counters_retry(ngx_http_counters_flight_t *flight, ngx_uint_t split)
{
    uint64_t                     now;
    ngx_uint_t                   i;
    ngx_http_counters_worker_t  *w;

    w = flight->worker;
    now = ngx_http_counters_now();
    split = ngx_min(split, NGX_HTTP_COUNTERS_SINGLE);

    for (i = flight->calls.n; i-- > 0; /* void */ ) {
        (void) ngx_counters_zone_enqueue(w->portal->zone,
                                         &flight->calls.keys[i],
                                         ngx_http_counters_me(),
                                         NGX_COUNTERS_WAITING, split, now);
    }
}


/* batches may be smaller than they are allowed to be */

static void
ngx_http_counters_halve(ngx_http_counters_flight_t *flight)
{
    ngx_uint_t  split;

    split = flight->calls.split + 1;

    while ((flight->worker->portal->batch >> split)
           > (flight->calls.n + 1) / 2)
    {
        split++;
    }

    ngx_http_counters_retry(flight, split);
}


static void
ngx_http_counters_batch(ngx_http_counters_flight_t *flight,
    const ngx_counters_fetch_result_t *result, ngx_counters_reply_t *reply)
{
    ngx_uint_t                i, n;
    ngx_counters_str_t        body;
    ngx_counters_part_t       parts[NGX_COUNTERS_BATCH_MAX];
    ngx_counters_answer_in_t  answer;

    n = flight->calls.n;

    body.len = result->body.len;
    body.data = result->body.data;

    switch (reply->verdict) {

    case NGX_COUNTERS_REPLY_GOOD:

        if (ngx_counters_batch_split(&body, parts, n) == NGX_COUNTERS_OK) {

            ngx_http_counters_operating(flight, reply, parts);

            /* refusals first: a good part shows that the credential is */

            for (i = 0; i < n; i++) {
                if (ngx_http_counters_refusal(parts[i].verdict)) {
                    ngx_http_counters_part(flight, i, &parts[i], result);
                }
            }

            for (i = 0; i < n; i++) {
                if (!ngx_http_counters_refusal(parts[i].verdict)) {
                    ngx_http_counters_part(flight, i, &parts[i], result);
                }
            }

            return;
        }

        break;

    case NGX_COUNTERS_REPLY_LIMIT:
    case NGX_COUNTERS_REPLY_OVERLOAD:
        ngx_http_counters_retry(flight, flight->calls.split);
        return;

    case NGX_COUNTERS_REPLY_UNAUTHORIZED:

        for (i = 0; i < n; i++) {
            ngx_memzero(&answer, sizeof(ngx_counters_answer_in_t));
            answer.status = result->status;
            answer.headers = result->headers;
            answer.body = result->body;
            ngx_http_counters_settle(flight, i, reply->verdict, &answer, 0);
        }

        return;

    case NGX_COUNTERS_REPLY_REFUSED:
    case NGX_COUNTERS_REPLY_FORBIDDEN:
    case NGX_COUNTERS_REPLY_BARRED:
    case NGX_COUNTERS_REPLY_OPERATING:
    case NGX_COUNTERS_REPLY_FOREIGN:
        ngx_http_counters_singly(flight, reply->reset_at);
        ngx_http_counters_retry(flight, NGX_HTTP_COUNTERS_SINGLE);
        return;

    case NGX_COUNTERS_REPLY_FAILED:

        if (ngx_http_counters_batch_error(&reply->error)) {
            ngx_http_counters_singly(flight, 0);
            ngx_http_counters_retry(flight, NGX_HTTP_COUNTERS_SINGLE);
            return;
        }

        break;

    default:
        break;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "counters_portal \"%V\": a batch of %ui failed with status "
                  "%ui", &flight->worker->portal->name, n, result->status);

    ngx_http_counters_count(flight->worker, NGX_COUNTERS_STAT_PORTAL_FAILURES,
                            1);

    if (ngx_http_counters_failed(flight)) {
        ngx_http_counters_refresh_alarm(flight->worker);
    }

    ngx_http_counters_halve(flight);
}


/*
 * A half of what has failed fails for one call, as likely as not: it is not
 * held against the portal until that one does alone.
 */

static ngx_uint_t
ngx_http_counters_failed(ngx_http_counters_flight_t *flight)
{
    if (flight->calls.split && flight->calls.n > 1) {
        return 0;
    }

    return ngx_counters_zone_portal_hold(flight->worker->portal->zone,
                                         NGX_COUNTERS_BACKOFF,
                                         ngx_http_counters_now(), 0);
}


/* it is batch that is refused: the calls may well be welcome, and others */

static void
ngx_http_counters_singly(ngx_http_counters_flight_t *flight,
    uint64_t reset_at)
{
    ngx_counters_zone_batch_hold(flight->worker->portal->zone,
                                 flight->calls.cred, ngx_http_counters_now(),
                                 reset_at * 1000);
}


static ngx_uint_t
ngx_http_counters_batch_error(ngx_counters_str_t *code)
{
    static u_char  prefix[] = "ERROR_BATCH_";

    return code->len >= sizeof(prefix) - 1
           && ngx_strncasecmp(code->data, prefix, sizeof(prefix) - 1) == 0;
}


/* whether it is the credential that is not good enough, 401 or 403 */

static ngx_uint_t
ngx_http_counters_refusal(ngx_counters_verdict_e verdict)
{
    return verdict == NGX_COUNTERS_REPLY_UNAUTHORIZED
           || verdict == NGX_COUNTERS_REPLY_FORBIDDEN
           || verdict == NGX_COUNTERS_REPLY_BARRED;
}


/* one command's part: an envelope of its own, of the portal's own bytes */

static void
ngx_http_counters_part(ngx_http_counters_flight_t *flight, ngx_uint_t n,
    ngx_counters_part_t *part, const ngx_counters_fetch_result_t *result)
{
    u_char                      *envelope;
    ngx_http_counters_worker_t  *w;
    ngx_counters_answer_in_t     answer;

    w = flight->worker;

    if (part->verdict == NGX_COUNTERS_REPLY_MALFORMED
        || part->verdict == NGX_COUNTERS_REPLY_FAILED
        || part->verdict == NGX_COUNTERS_REPLY_LIMIT)
    {
        /* alone it fails, or not, with an answer of its own */

        (void) ngx_counters_zone_enqueue(w->portal->zone,
                                         &flight->calls.keys[n],
                                         ngx_http_counters_me(),
                                         NGX_COUNTERS_WAITING,
                                         NGX_HTTP_COUNTERS_SINGLE,
                                         ngx_http_counters_now());
        return;
    }

    ngx_memzero(&answer, sizeof(ngx_counters_answer_in_t));

    envelope = ngx_alloc(ngx_counters_part_len(part) + 1, ngx_cycle->log);
    if (envelope == NULL) {
        ngx_http_counters_refresh_finish(w, &flight->calls.keys[n], NULL);
        return;
    }

    answer.body.len = ngx_counters_part_envelope(envelope, part) - envelope;
    answer.body.data = envelope;
    answer.status = part->status;
    answer.headers = result->headers;

    ngx_http_counters_settle(flight, n, part->verdict, &answer,
                             part->reset_at);

    ngx_free(envelope);
}


/* the most that any call of a method says has been used of its time */

static void
ngx_http_counters_operating(ngx_http_counters_flight_t *flight,
    ngx_counters_reply_t *reply, ngx_counters_part_t *parts)
{
    ngx_uint_t  i, method;
    uint64_t    used[NGX_COUNTERS_METHODS], reset[NGX_COUNTERS_METHODS];

    ngx_memzero(used, sizeof(used));
    ngx_memzero(reset, sizeof(reset));

    for (i = 0; i < flight->calls.n; i++) {

        method = flight->calls.keys[i].method;

        used[method] = ngx_max(used[method], reply->operating);
        reset[method] = ngx_max(reset[method], reply->reset_at);

        if (parts) {
            used[method] = ngx_max(used[method], parts[i].operating);
            reset[method] = ngx_max(reset[method], parts[i].reset_at);
        }
    }

    for (method = 0; method < NGX_COUNTERS_METHODS; method++) {

        if (reset[method]) {
            ngx_counters_zone_operating(flight->worker->portal->zone,
                                        flight->calls.cred, method,
                                        ngx_http_counters_now(),
                                        used[method], reset[method]);
        }
    }
}


/* what one call's answer means for its key, its credential, the portal */

static void
ngx_http_counters_settle(ngx_http_counters_flight_t *flight, ngx_uint_t n,
    ngx_counters_verdict_e verdict, ngx_counters_answer_in_t *answer,
    uint64_t reset_at)
{
    uint64_t                     now;
    ngx_uint_t                   changed;
    ngx_counters_key_t          *key;
    ngx_http_counters_worker_t  *w;
    ngx_http_counters_portal_t  *portal;
    u_char                       buf[NGX_HTTP_COUNTERS_ERROR_LEN];

    w = flight->worker;
    portal = w->portal;
    key = &flight->calls.keys[n];
    now = ngx_http_counters_now();
    changed = 0;

    if (ngx_http_counters_refusal(verdict)
        && ngx_counters_zone_common(portal->zone, key->cred))
    {
        ngx_http_counters_webhook_refused(w, verdict, answer, buf);
        verdict = NGX_COUNTERS_REPLY_FOREIGN;
    }

    answer->origin = NGX_COUNTERS_FROM_PORTAL;
    answer->fetched = now;

    switch (verdict) {

    case NGX_COUNTERS_REPLY_GOOD:
        answer->kind = NGX_COUNTERS_DATA;
        answer->ttl = ngx_counters_jitter_ttl(portal->ttl[key->method],
                                              ngx_random());
        break;

    case NGX_COUNTERS_REPLY_UNAUTHORIZED:
        (void) ngx_counters_zone_revoke(portal->zone, key->cred, now);
        ngx_http_counters_store_revoke(w, key->cred, now);
        ngx_http_counters_count(w, NGX_COUNTERS_STAT_REVOKED, 1);

        /* fall through */

    case NGX_COUNTERS_REPLY_REFUSED:
    case NGX_COUNTERS_REPLY_FORBIDDEN:
    case NGX_COUNTERS_REPLY_BARRED:
        answer->kind = NGX_COUNTERS_NEGATIVE;
        answer->ttl = portal->negative;
        ngx_http_counters_store_forget(w, key, now);
        break;

    case NGX_COUNTERS_REPLY_LIMIT:
        (void) ngx_counters_zone_enqueue(portal->zone, key,
                                         ngx_http_counters_me(),
                                         NGX_COUNTERS_WAITING,
                                         flight->calls.split, now);
        return;

    case NGX_COUNTERS_REPLY_OPERATING:
        answer->kind = NGX_COUNTERS_FAILURE;
        ngx_http_counters_count(w, NGX_COUNTERS_STAT_OPERATING, 1);

        if (ngx_counters_zone_method_hold(portal->zone, key->cred,
                                          key->method, now,
                                          reset_at ? (reset_at + 1) * 1000
                                                   : 0))
        {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "counters_portal \"%V\": the portal answered "
                          "OPERATION_TIME_LIMIT", &portal->name);
        }

        break;

    case NGX_COUNTERS_REPLY_MALFORMED:
        ngx_http_counters_envelope(answer, buf, NGX_HTTP_BAD_GATEWAY,
                                   "PORTAL_MALFORMED_ANSWER",
                                   "The portal's answer is unusable");
        answer->fetched = now;

        /* fall through */

    case NGX_COUNTERS_REPLY_FAILED:
        answer->kind = NGX_COUNTERS_FAILURE;
        ngx_http_counters_count(w, NGX_COUNTERS_STAT_PORTAL_FAILURES, 1);

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the portal failed with status "
                      "%ui", &portal->name, answer->status);

        changed = ngx_counters_zone_portal_hold(portal->zone,
                                                NGX_COUNTERS_BACKOFF, now, 0);
        break;

    default: /* OVERLOAD, FOREIGN */
        answer->kind = NGX_COUNTERS_FAILURE;
    }

    switch (verdict) {

    case NGX_COUNTERS_REPLY_OVERLOAD:
    case NGX_COUNTERS_REPLY_MALFORMED:
    case NGX_COUNTERS_REPLY_FAILED:
        break;

    default:
        changed = ngx_counters_zone_portal_good(portal->zone, now);
    }

    if (answer->kind == NGX_COUNTERS_DATA) {
        ngx_http_counters_store_save(w, key, answer);
    }

    ngx_http_counters_refresh_finish(w, key, answer);

    if (changed) {
        ngx_http_counters_refresh_alarm(w);
    }
}


/*
 * Not the visitor's fault, who never had it: theirs is stale data, or 502.
 * That one call is forbidden says nothing of others.
 */

static void
ngx_http_counters_webhook_refused(ngx_http_counters_worker_t *w,
    ngx_counters_verdict_e verdict, ngx_counters_answer_in_t *answer,
    u_char *buf)
{
    if (verdict == NGX_COUNTERS_REPLY_FORBIDDEN) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the portal forbids the webhook "
                      "a call", &w->portal->name);

    } else if (ngx_counters_zone_refused_hold(w->portal->zone,
                                              ngx_http_counters_now()))
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "counters_portal \"%V\": the portal refuses the "
                      "webhook, status %ui",
                      &w->portal->name, answer->status);
    }

    ngx_http_counters_envelope(answer, buf, NGX_HTTP_BAD_GATEWAY,
                               "PORTAL_REFUSED_WEBHOOK",
                               "The portal refuses the configured webhook");
}


static void
ngx_http_counters_envelope(ngx_counters_answer_in_t *answer, u_char *buf,
    ngx_uint_t status, const char *error, const char *text)
{
    ngx_memzero(answer, sizeof(ngx_counters_answer_in_t));

    answer->kind = NGX_COUNTERS_FAILURE;
    answer->origin = NGX_COUNTERS_FROM_PORTAL;
    answer->status = status;

    ngx_str_set(&answer->headers, NGX_HTTP_COUNTERS_ERROR_HEADERS);

    answer->body.data = buf;
    answer->body.len = ngx_counters_reply_error(buf, error, text) - buf;
}
