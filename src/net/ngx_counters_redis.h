
/*
 * Copyright (C) The nginx counters module authors
 *
 * One Redis node, asked asynchronously over one connection per worker:
 * pipelined, with a timeout per command, reconnecting with backoff.  While
 * the node does not answer, commands are declined at once (a breaker), so a
 * dead Redis costs nothing.
 */


#ifndef _NGX_COUNTERS_REDIS_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


typedef struct ngx_counters_redis_s  ngx_counters_redis_t;


/* addresses are resolved at configuration time: hiredis would block */

typedef struct {
    ngx_str_t                 url;      /* without user and password: logs */
    ngx_addr_t               *addrs;    /* tried in turn on reconnect */
    ngx_uint_t                naddrs;
    ngx_str_t                 user;     /* NUL-terminated, or empty */
    ngx_str_t                 password; /* NUL-terminated, or empty */
    ngx_uint_t                db;
    ngx_str_t                 prefix;
    ngx_msec_t                timeout;  /* one command, connecting included */
} ngx_counters_redis_conf_t;


#define NGX_COUNTERS_REDIS_MAX_VALUES  8


/*
 * Called exactly once per accepted ngx_counters_redis_get(), from the event
 * loop, never before the call has returned.  rc is NGX_OK with one value per
 * key (data NULL where Redis has none or holds another type), NGX_ERROR when
 * the answer did not come in time or not at all.  Values are gone afterwards.
 */

typedef void (*ngx_counters_redis_pt)(void *data, ngx_int_t rc,
    ngx_str_t *values, ngx_uint_t nvalues);


/*
 * In init_process: starts to connect in the background and authenticates,
 * selects the database, names the connection.  NULL on failure, logged.
 * "conf" must live as long as the client.
 */

ngx_counters_redis_t *ngx_counters_redis_create(ngx_cycle_t *cycle,
    ngx_counters_redis_conf_t *conf);

/*
 * In exit_process: gives outstanding SET and DEL commands up to one timeout
 * to be written out, then closes.  Pending gets complete with NGX_ERROR.
 */

void ngx_counters_redis_destroy(ngx_counters_redis_t *redis);

/*
 * MGET.  NGX_AGAIN when accepted, NGX_DECLINED when the node is not there
 * now (nothing will be called).  Keys are copied.
 */

ngx_int_t ngx_counters_redis_get(ngx_counters_redis_t *redis,
    ngx_str_t *keys, ngx_uint_t nkeys, ngx_counters_redis_pt handler,
    void *data);

/*
 * SET key value PX px, and DEL.  Fire and forget: NGX_OK when accepted,
 * NGX_DECLINED when the node is not there now.  Errors are logged, at most
 * one line a second.
 */

ngx_int_t ngx_counters_redis_set(ngx_counters_redis_t *redis, ngx_str_t *key,
    ngx_str_t *value, uint64_t px);
ngx_int_t ngx_counters_redis_del(ngx_counters_redis_t *redis, ngx_str_t *key);

/* PUBLISH, likewise: whoever is subscribed to the channel sees it */

ngx_int_t ngx_counters_redis_publish(ngx_counters_redis_t *redis,
    ngx_str_t *channel, ngx_str_t *message);

/* for the status page */

typedef struct {
    unsigned                  connected:1;
    unsigned                  breaker:1;   /* commands are being declined */
    ngx_uint_t                pending;     /* commands without an answer */
} ngx_counters_redis_state_t;

void ngx_counters_redis_state(ngx_counters_redis_t *redis,
    ngx_counters_redis_state_t *state);


#endif /* _NGX_COUNTERS_REDIS_H_INCLUDED_ */
