
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_counters_batch.h"
#include "ngx_counters_settle.h"
#include "ngx_counters_peers.h"
#include "ngx_counters_refresh.h"


/* requests to one portal under way in one worker */
#define NGX_HTTP_COUNTERS_FLIGHTS    8


static ngx_int_t ngx_http_counters_send(ngx_http_counters_worker_t *w,
    ngx_http_counters_flight_t *flight);
static ngx_int_t ngx_http_counters_post(ngx_http_counters_worker_t *w,
    ngx_http_counters_flight_t *flight, const ngx_counters_cred_t *cred,
    u_char *p);
static void ngx_http_counters_call(ngx_counters_key_t *key,
    ngx_counters_call_t *call);
static void ngx_http_counters_abandon(ngx_http_counters_worker_t *w,
    ngx_http_counters_flight_t *flight);
static void ngx_http_counters_flight_handler(void *data,
    const ngx_counters_fetch_result_t *result);


void
ngx_http_counters_flight_pump_later(ngx_http_counters_worker_t *w)
{
    if (!w->closing) {
        ngx_post_event(&w->pump, &ngx_posted_events);
    }
}


void
ngx_http_counters_flight_pump(ngx_http_counters_worker_t *w)
{
    ngx_int_t                    rc;
    ngx_uint_t                   slot;
    ngx_msec_t                   delay;
    ngx_http_counters_flight_t  *flight;

    /* milliseconds count, and are compared with those of other workers */

    ngx_time_update();

    while (!w->closing && w->nflights < NGX_HTTP_COUNTERS_FLIGHTS) {

        flight = ngx_alloc(sizeof(ngx_http_counters_flight_t),
                           ngx_cycle->log);
        if (flight == NULL) {
            return;
        }

        rc = ngx_counters_zone_dispatch(w->portal->zone,
                                        ngx_http_counters_me(),
                                        ngx_http_counters_now(),
                                        &flight->calls, &delay, &slot);

        if (rc == NGX_OK) {
            flight->worker = w;
            ngx_queue_insert_tail(&w->flights, &flight->queue);
            w->nflights++;

            if (ngx_http_counters_send(w, flight) != NGX_OK) {
                ngx_http_counters_abandon(w, flight);

            } else {
                ngx_http_counters_nodes_spent(w, 1);
            }

            continue;
        }

        ngx_free(flight);

        if (rc == NGX_DONE) {
            return;
        }

        if (rc == NGX_BUSY) {
            ngx_http_counters_wake((uint64_t) 1 << (slot % 64));
        }

        if (w->pump.timer_set) {
            ngx_del_timer(&w->pump);
        }

        ngx_add_timer(&w->pump, delay);

        return;
    }
}


static ngx_int_t
ngx_http_counters_send(ngx_http_counters_worker_t *w,
    ngx_http_counters_flight_t *flight)
{
    size_t                      size;
    u_char                     *p;
    ngx_int_t                   rc;
    const ngx_counters_cred_t  *cred;

    cred = ngx_counters_creds_find(w->creds, flight->calls.cred);
    if (cred == NULL) {
        return NGX_ERROR;
    }

    /* path, then body */

    size = sizeof("/rest///") + NGX_INT64_LEN + 64
           + sizeof("auth=&") + 4 * cred->secret.len
           + NGX_COUNTERS_PARAMS_LEN
           + flight->calls.n * NGX_COUNTERS_COMMAND_LEN + 16;

    p = ngx_alloc(size, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_counters_post(w, flight, cred, p);

    ngx_explicit_memzero(p, size);
    ngx_free(p);

    return rc;
}


/* a token travels in the body, where no access log of the portal sees it */

static ngx_int_t
ngx_http_counters_post(ngx_http_counters_worker_t *w,
    ngx_http_counters_flight_t *flight, const ngx_counters_cred_t *cred,
    u_char *p)
{
    ngx_str_t                  path, body;
    ngx_uint_t                 i;
    const ngx_counters_str_t  *method;
    ngx_counters_call_t        calls[NGX_COUNTERS_BATCH_MAX];

    for (i = 0; i < flight->calls.n; i++) {
        ngx_http_counters_call(&flight->calls.keys[i], &calls[i]);
    }

    path.data = p;
    p = ngx_cpymem(p, "/rest/", sizeof("/rest/") - 1);

    if (cred->kind != NGX_COUNTERS_CRED_TOKEN) {
        p = ngx_sprintf(p, "%uL/", cred->user);
        p = ngx_cpymem(p, cred->secret.data, cred->secret.len);
        *p++ = '/';
    }

    if (flight->calls.n == 1) {
        method = &ngx_counters_method_names[calls[0].method];
        p = ngx_cpymem(p, method->data, method->len);

    } else {
        p = ngx_cpymem(p, "batch", sizeof("batch") - 1);
    }

    path.len = p - path.data;
    body.data = p;

    if (cred->kind == NGX_COUNTERS_CRED_TOKEN) {
        p = ngx_cpymem(p, "auth=", sizeof("auth=") - 1);
        p = (u_char *) ngx_escape_uri(p, cred->secret.data, cred->secret.len,
                                      NGX_ESCAPE_URI_COMPONENT);
        *p++ = '&';
    }

    if (flight->calls.n == 1) {
        p = ngx_counters_batch_params(p, &calls[0], cred->user);

    } else {
        p = ngx_counters_batch_pack(p, calls, flight->calls.n, cred->user);
    }

    body.len = p - body.data;

    if (body.len && body.data[body.len - 1] == '&') {
        body.len--;
    }

    ngx_http_counters_count(w, NGX_COUNTERS_STAT_COMMANDS, flight->calls.n);

    if (flight->calls.n > 1) {
        ngx_http_counters_count(w, NGX_COUNTERS_STAT_BATCHES, 1);
    }

    if (ngx_counters_fetch_post(ngx_http_counters_fetcher(),
                                &w->portal->fetch, &path, &body,
                                ngx_http_counters_flight_handler, flight)
        == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_counters_call(ngx_counters_key_t *key, ngx_counters_call_t *call)
{
    call->method = key->method;
    call->type = key->type;
    call->user = key->user;
    call->group = key->group;
}


/* it never left: those who wait ask again */

static void
ngx_http_counters_abandon(ngx_http_counters_worker_t *w,
    ngx_http_counters_flight_t *flight)
{
    ngx_uint_t  i;

    for (i = 0; i < flight->calls.n; i++) {
        ngx_http_counters_refresh_finish(w, &flight->calls.keys[i], NULL);
    }

    ngx_queue_remove(&flight->queue);
    w->nflights--;
    ngx_free(flight);
}


static void
ngx_http_counters_flight_handler(void *data,
    const ngx_counters_fetch_result_t *result)
{
    ngx_http_counters_flight_t *flight = data;

    ngx_uint_t                   i;
    ngx_http_counters_worker_t  *w;

    w = flight->worker;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "counters portal answer: %d, status %ui, %ui calls",
                   result->rc, result->status, flight->calls.n);

    if (result->rc == NGX_COUNTERS_FETCH_CLOSED) {
        ngx_http_counters_abandon(w, flight);
        return;
    }

    ngx_http_counters_count(w, NGX_COUNTERS_STAT_PORTAL_REQUESTS,
                            result->requests);

    /* a redirect that was followed cost a request more */

    for (i = 1; i < result->requests; i++) {
        ngx_counters_zone_passed(w->portal->zone, ngx_http_counters_now());
        ngx_http_counters_nodes_spent(w, 1);
    }

    if (result->rc == NGX_COUNTERS_FETCH_OK) {
        ngx_http_counters_landed(flight, result);

    } else {
        ngx_http_counters_lost(flight, result);
    }

    ngx_queue_remove(&flight->queue);
    w->nflights--;
    ngx_free(flight);

    ngx_http_counters_flight_pump_later(w);
}
