
/*
 * Copyright (C) The nginx counters module authors
 *
 * One Redis node, asked asynchronously over one connection per worker, which
 * all portals share that name the node in the same way: pipelined, with a
 * timeout per command, reconnecting with backoff.  While the node does not
 * answer, commands are declined at once (a breaker), so a dead Redis costs
 * nothing.
 */


#ifndef _NGX_COUNTERS_REDIS_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


typedef struct ngx_counters_redis_s  ngx_counters_redis_t;


#define NGX_COUNTERS_REDIS_MAX_PREFIX  64


/* rediss://, with its parameters: NUL-terminated, or empty */

typedef struct {
    ngx_str_t                 ca;       /* else the system's */
    ngx_str_t                 cert;
    ngx_str_t                 key;      /* if there is a cert */
    ngx_str_t                 name;     /* whom to ask for, and to expect */
    void                     *ctx;      /* of OpenSSL; NULL: no TLS */
    unsigned                  verify:1;
} ngx_counters_redis_tls_t;


/* names are resolved at configuration time, and again after each failure */

typedef struct {
    ngx_str_t                 url;      /* without user and password: logs */
    ngx_str_t                 peer;     /* as in the URL, NUL-terminated */
    ngx_str_t                 host;     /* the same; empty: an address */
    ngx_addr_t               *addrs;    /* tried in turn; at least one */
    ngx_uint_t                naddrs;
    ngx_str_t                 master;   /* addrs are sentinels that know it */
    ngx_str_t                 sentinel_password;  /* or empty */
    ngx_str_t                 user;     /* NUL-terminated, or empty */
    ngx_str_t                 password; /* NUL-terminated, or empty */
    ngx_uint_t                db;
    ngx_counters_redis_tls_t  tls;
    ngx_str_t                 prefix;
    ngx_msec_t                timeout;  /* one command, connecting included */
} ngx_counters_redis_conf_t;


#define NGX_COUNTERS_REDIS_MAX_VALUES  8


/* the connections of one worker */

typedef struct {
    ngx_queue_t               queue;
} ngx_counters_redis_links_t;

ngx_counters_redis_links_t *ngx_counters_redis_links_create(
    ngx_cycle_t *cycle);


/*
 * Called exactly once per accepted command that has one, from the event loop,
 * never before the command was accepted.  rc is NGX_OK, for a read with one
 * value per key (data NULL where Redis has none or holds another type, gone
 * afterwards); NGX_DECLINED when Redis refused the command; NGX_ERROR when no
 * answer came in time or at all, so that a write may have been done or not.
 */

typedef void (*ngx_counters_redis_pt)(void *data, ngx_int_t rc,
    ngx_str_t *values, ngx_uint_t nvalues);


/*
 * In init_process.  The first portal of a node starts to connect in the
 * background: authenticates, selects the database, names the connection.
 * NULL on failure, logged.  "conf" must live as long as the client.
 */

ngx_counters_redis_t *ngx_counters_redis_create(ngx_cycle_t *cycle,
    ngx_counters_redis_links_t *links, ngx_counters_redis_conf_t *conf);

/*
 * In exit_process: pending commands complete with NGX_ERROR.  The last one of
 * a node gives outstanding writes a short time to be done, then closes.
 */

void ngx_counters_redis_destroy(ngx_counters_redis_t *redis);

/*
 * MGET.  NGX_AGAIN when accepted, NGX_DECLINED when the node is not there
 * now (nothing will be called).  At the start, when nobody knows whether it
 * is there, commands wait for that, within their timeout.  Keys are copied.
 */

ngx_int_t ngx_counters_redis_get(ngx_counters_redis_t *redis,
    ngx_str_t *keys, ngx_uint_t nkeys, ngx_counters_redis_pt handler,
    void *data);

/*
 * SET key value PX px, DEL, PUBLISH.  NGX_OK when accepted, NGX_DECLINED when
 * the node is not there now.  Errors are logged, at most one line a second.
 * "handler" may be NULL.
 */

ngx_int_t ngx_counters_redis_set(ngx_counters_redis_t *redis, ngx_str_t *key,
    ngx_str_t *value, uint64_t px, ngx_counters_redis_pt handler, void *data);
ngx_int_t ngx_counters_redis_del(ngx_counters_redis_t *redis, ngx_str_t *key,
    ngx_counters_redis_pt handler, void *data);
ngx_int_t ngx_counters_redis_publish(ngx_counters_redis_t *redis,
    ngx_str_t *channel, ngx_str_t *message, ngx_counters_redis_pt handler,
    void *data);

/*
 * EVAL of a script that returns a number: "words" are its keys, of which there
 * are nkeys, and then its arguments, at most ..._MAX_WORDS in all.
 */

#define NGX_COUNTERS_REDIS_MAX_WORDS  80

ngx_int_t ngx_counters_redis_eval(ngx_counters_redis_t *redis,
    ngx_str_t *script, ngx_str_t *words, ngx_uint_t nwords, ngx_uint_t nkeys,
    ngx_counters_redis_pt handler, void *data);

/* for the status page */

typedef struct {
    unsigned                  connected:1;
    unsigned                  breaker:1;   /* commands are being declined */
    ngx_uint_t                pending;     /* commands without an answer */
} ngx_counters_redis_state_t;

void ngx_counters_redis_state(ngx_counters_redis_t *redis,
    ngx_counters_redis_state_t *state);


#endif /* _NGX_COUNTERS_REDIS_H_INCLUDED_ */
