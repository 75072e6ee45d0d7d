
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_counters_batch.h"
#include "ngx_counters_flight.h"
#include "ngx_counters_post.h"
#include "ngx_counters_refresh.h"
#include "ngx_counters_settle.h"


/* requests to one portal under way in one worker */
#define NGX_COUNTERS_FLIGHTS    8


struct ngx_counters_flights_s {
    ngx_uint_t                   n;          /* under way in this worker */
};


typedef struct {
    ngx_counters_post_t          post;       /* stays first */
    ngx_counters_flight_t        calls;
} ngx_counters_flight_post_t;


static ngx_int_t ngx_counters_flight_send(ngx_counters_worker_t *w,
    ngx_counters_flight_post_t *flight);
static u_char *ngx_counters_flight_write(ngx_counters_post_t *post, u_char *p,
    uint64_t user);
static void ngx_counters_flight_abandon(ngx_counters_flight_post_t *flight);
static void ngx_counters_flight_done(ngx_counters_post_t *post,
    const ngx_counters_fetch_result_t *result);


ngx_int_t
ngx_counters_flight_init(ngx_cycle_t *cycle, ngx_counters_worker_t *w)
{
    w->flights = ngx_pcalloc(cycle->pool,
                             sizeof(struct ngx_counters_flights_s));

    return w->flights ? NGX_OK : NGX_ERROR;
}


void
ngx_counters_flight_pump(ngx_counters_worker_t *w)
{
    ngx_int_t                    rc;
    ngx_uint_t                   slot;
    ngx_msec_t                   delay;
    ngx_counters_flight_post_t  *flight;

    /* milliseconds count, and are compared with those of other workers */

    ngx_time_update();

    while (!w->closing && w->flights->n < NGX_COUNTERS_FLIGHTS) {

        flight = ngx_alloc(sizeof(ngx_counters_flight_post_t),
                           ngx_cycle->log);
        if (flight == NULL) {
            return;
        }

        rc = ngx_counters_dispatch(w->portal->zone,
                                   ngx_counters_worker_me(),
                                   ngx_counters_worker_now(),
                                   &flight->calls, &delay, &slot);

        if (rc == NGX_OK) {
            w->flights->n++;

            if (ngx_counters_flight_send(w, flight) != NGX_OK) {
                ngx_counters_flight_abandon(flight);
            }

            continue;
        }

        ngx_free(flight);

        if (rc == NGX_DONE) {
            return;
        }

        if (rc == NGX_BUSY) {
            ngx_counters_worker_wake((uint64_t) 1 << (slot % 64));
        }

        ngx_counters_worker_delay_pump(w, delay);

        return;
    }
}


static ngx_int_t
ngx_counters_flight_send(ngx_counters_worker_t *w,
    ngx_counters_flight_post_t *flight)
{
    ngx_uint_t                  n;
    const ngx_counters_cred_t  *cred;

    flight->post.worker = w;
    flight->post.write = ngx_counters_flight_write;
    flight->post.done = ngx_counters_flight_done;

    cred = ngx_counters_creds_find(w->creds, flight->calls.cred);
    if (cred == NULL) {
        return NGX_ERROR;
    }

    n = flight->calls.n;

    if (ngx_counters_post(&flight->post, cred,
                  &ngx_counters_path_method_names[flight->calls.keys[0].method],
                   n, NGX_COUNTERS_PARAMS_LEN + n * NGX_COUNTERS_COMMAND_LEN)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_counters_worker_count(w, NGX_COUNTERS_STAT_COMMANDS, n);

    return NGX_OK;
}


static u_char *
ngx_counters_flight_write(ngx_counters_post_t *post, u_char *p, uint64_t user)
{
    ngx_counters_flight_post_t *flight = (ngx_counters_flight_post_t *) post;

    ngx_uint_t            i;
    ngx_counters_key_t   *key;
    ngx_counters_call_t   calls[NGX_COUNTERS_BATCH_MAX];

    for (i = 0; i < flight->calls.n; i++) {
        key = &flight->calls.keys[i];

        calls[i].method = key->method;
        calls[i].type = key->type;
        calls[i].user = key->user;
        calls[i].group = key->group;
    }

    return (i == 1) ? ngx_counters_batch_params(p, &calls[0], user)
                    : ngx_counters_batch_pack(p, calls, i, user);
}


/* it never left, or the worker exits: those who wait ask again */

static void
ngx_counters_flight_abandon(ngx_counters_flight_post_t *flight)
{
    ngx_uint_t              i;
    ngx_counters_worker_t  *w;

    w = flight->post.worker;

    for (i = 0; i < flight->calls.n; i++) {
        ngx_counters_refresh_finish(w, &flight->calls.keys[i], NULL);
    }

    w->flights->n--;
    ngx_free(flight);
}


static void
ngx_counters_flight_done(ngx_counters_post_t *post,
    const ngx_counters_fetch_result_t *result)
{
    ngx_counters_flight_post_t *flight = (ngx_counters_flight_post_t *) post;

    ngx_counters_worker_t  *w;

    w = post->worker;

    if (result->rc == NGX_COUNTERS_FETCH_CLOSED) {
        ngx_counters_flight_abandon(flight);
        return;
    }

    ngx_counters_settle(w, &flight->calls, result);

    w->flights->n--;
    ngx_free(flight);

    ngx_counters_worker_post_pump(w);
}
