
/*
 * Copyright (C) The nginx counters module authors
 *
 * A connection to one Redis node that opens itself again: connects, presents
 * itself, and once it is lost tries anew with backoff.  For the use of
 * ngx_counters_redis.c and ngx_counters_redis_channel.c only.
 */


#ifndef _NGX_COUNTERS_REDIS_LINK_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_LINK_H_INCLUDED_


#include "ngx_counters_redis.h"
#include "ngx_counters_redis_event.h"


#define NGX_COUNTERS_REDIS_MAX_TEXT  80


typedef enum {
    NGX_COUNTERS_REDIS_DOWN = 0,       /* the timer is that of the next try */
    NGX_COUNTERS_REDIS_HANDSHAKE,      /* connecting included */
    NGX_COUNTERS_REDIS_READY,
    NGX_COUNTERS_REDIS_CLOSING         /* the context is being freed */
} ngx_counters_redis_link_e;


typedef struct {
    void                        *dummy[3];
    /* a timer's ident must be after 3 pointers as in ngx_connection_t */
    ngx_socket_t                 ident;

    ngx_counters_redis_link_e    state;
    ngx_counters_redis_conf_t   *conf;
    ngx_counters_redis_event_t   event;
    ngx_event_t                  timer;

    ngx_uint_t                   addr;
    ngx_uint_t                   slices;     /* left for the handshake */
    ngx_uint_t                   failures;
    ngx_uint_t                   timeouts;   /* in a row, of commands */
    ngx_msec_t                   since;      /* ready */
    time_t                       logged;

    void                       (*opened)(void *data);  /* or NULL: ready */
    void                        *data;

    u_char                      *buf;
    size_t                       size;

    u_char                       reason[NGX_COUNTERS_REDIS_MAX_TEXT + 1];
    u_char                       reported[NGX_COUNTERS_REDIS_MAX_TEXT + 1];

    unsigned                     ready:1;    /* this connection has been */
    unsigned                     down:1;     /* and that was logged */
} ngx_counters_redis_link_t;


/*
 * "link" is zeroed, but for "opened" and "data", and lives until ngx_counters_redis_link_close(), which
 * calls all pending callbacks with NULL.
 */

ngx_int_t ngx_counters_redis_link_open(ngx_counters_redis_link_t *link,
    ngx_counters_redis_conf_t *conf, ngx_log_t *log);
void ngx_counters_redis_link_close(ngx_counters_redis_link_t *link);

/*
 * Gives a command to hiredis, which writes it at the end of this iteration
 * of the event loop.  NGX_ERROR if it was not taken: "handler" is not called
 * then.  A handler that gets NULL calls ngx_counters_redis_link_lost().
 */

ngx_int_t ngx_counters_redis_link_send(ngx_counters_redis_link_t *link,
    redisCallbackFn *handler, void *data, ngx_str_t *args, ngx_uint_t nargs);

/*
 * Ends the connection.  All pending callbacks are called with NULL: at once
 * or, from a callback, after it has returned.
 */

void ngx_counters_redis_link_drop(ngx_counters_redis_link_t *link,
    const char *reason);
void ngx_counters_redis_link_lost(ngx_counters_redis_link_t *link);

/* logs an error reply to the command "name", at most one a second */

void ngx_counters_redis_link_refused(ngx_counters_redis_link_t *link,
    ngx_str_t *name, const char *text);


#endif /* _NGX_COUNTERS_REDIS_LINK_H_INCLUDED_ */
