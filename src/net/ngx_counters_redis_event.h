
/*
 * Copyright (C) The nginx counters module authors
 *
 * hiredis in nginx's event loop: the hooks, and a guard in front of its
 * parser.  Knows no commands.
 */


#ifndef _NGX_COUNTERS_REDIS_EVENT_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_EVENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <hiredis/hiredis.h>
#include <hiredis/async.h>


/*
 * What a peer may make us allocate: one string, all strings of a reply, the
 * items of its arrays.
 */

#define NGX_COUNTERS_REDIS_MAX_STRING  (4 * 1024 * 1024)
#define NGX_COUNTERS_REDIS_MAX_REPLY   (16 * 1024 * 1024)
#define NGX_COUNTERS_REDIS_MAX_ITEMS   4096


/*
 * The context is about to be freed and all its callbacks have been called:
 * nothing of hiredis may be used any more.  "reason" is NULL if
 * redisAsyncFree() was called by the user of the context, and lives no
 * longer than the call.
 */

typedef void (*ngx_counters_redis_event_pt)(void *data, const char *reason);


/* zeroed by its owner; outlives the context and serves the next one too */

typedef struct {
    redisAsyncContext            *ac;       /* NULL when there is none */
    ngx_connection_t             *connection;

    ngx_counters_redis_event_pt   closed;
    void                         *data;

    redisReplyObjectFunctions     guard;
    redisReplyObjectFunctions    *origin;
    size_t                        bytes;    /* of the reply being parsed */
    size_t                        items;    /* of its arrays, announced */
    const char                   *error;

    unsigned                      secure:1; /* by its owner: TLS */
    unsigned                      writing:1;
    unsigned                      heard:1;  /* set when the peer has answered;
                                               cleared by who wants to know */
} ngx_counters_redis_event_t;


/* starts to connect; may return NULL or a context with an error */

redisAsyncContext *ngx_counters_redis_event_connect(struct sockaddr *addr,
    socklen_t len, in_port_t port);

/*
 * "closed" and "data" are set by the caller.  NGX_ERROR if there is no free
 * connection, logged; the context stays the caller's then, and "closed" is
 * not called for it.
 */

ngx_int_t ngx_counters_redis_event_attach(ngx_counters_redis_event_t *e,
    redisAsyncContext *ac, ngx_log_t *log);

/*
 * Read what has arrived and write what is buffered, now, as the event
 * handlers do.  Not from a reply's callback.  e->ac is NULL afterwards if
 * the context is gone.
 */

void ngx_counters_redis_event_read(ngx_counters_redis_event_t *e);
void ngx_counters_redis_event_write(ngx_counters_redis_event_t *e);


#endif /* _NGX_COUNTERS_REDIS_EVENT_H_INCLUDED_ */
