
/*
 * Copyright (C) The nginx counters module authors
 *
 * A connection to one Redis node that opens itself again: connects, presents
 * itself, asks for a sign of life when nothing was heard for long, and once
 * it is lost looks the name up anew and tries again with backoff.  One worker
 * has one to a node, for all who name it in the same way.  For the use of the
 * other files of redis only.
 */


#ifndef _NGX_COUNTERS_REDIS_LINK_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_LINK_H_INCLUDED_


#include "ngx_counters_redis.h"
#include "ngx_counters_redis_event.h"
#include "ngx_counters_redis_sentinel.h"
#include "ngx_counters_redis_wire.h"
#include "ngx_counters_resolve.h"


typedef struct ngx_counters_redis_link_s  ngx_counters_redis_link_t;


typedef enum {
    NGX_COUNTERS_REDIS_DOWN = 0,       /* the timer is that of the next try */
    NGX_COUNTERS_REDIS_HANDSHAKE,      /* connecting included */
    NGX_COUNTERS_REDIS_READY,          /* the timer is that of the next ping */
    NGX_COUNTERS_REDIS_CLOSING         /* the context is being freed */
} ngx_counters_redis_link_e;


/*
 * What a link is for: a connection that has subscribed takes no other
 * commands.  "hello" says what is said first, whose answer is given to
 * ngx_counters_redis_link_opened(); "ping" something that is answered when
 * there is nothing else to say.  NGX_ERROR: no memory.
 */

typedef struct {
    ngx_int_t                  (*hello)(ngx_counters_redis_link_t *link);
    ngx_int_t                  (*ping)(ngx_counters_redis_link_t *link);
} ngx_counters_redis_use_t;


/*
 * Who has a link, part of its owner.  Callbacks are called from the event
 * loop, when a connection stands, and when it was lost or, the first time,
 * did not come about; all pending commands have been given up by then.
 */

typedef struct {
    ngx_queue_t                  queue;
    void                       (*ready)(void *data);
    void                       (*down)(void *data);
    void                        *data;
} ngx_counters_redis_user_t;


struct ngx_counters_redis_link_s {
    void                        *dummy[3];
    /* a timer's ident must be after 3 pointers as in ngx_connection_t */
    ngx_socket_t                 ident;

    ngx_queue_t                  queue;      /* in the worker's links */
    ngx_queue_t                  users;
    ngx_counters_redis_links_t  *links;
    ngx_counters_redis_use_t    *use;

    ngx_counters_redis_link_e    state;
    ngx_counters_redis_conf_t   *conf;       /* of who came first */
    ngx_msec_t                   timeout;    /* of the most patient user */
    ngx_counters_redis_event_t   event;
    ngx_event_t                  timer;
    ngx_counters_redis_buf_t     buf;

    ngx_counters_resolve_t      *resolve;    /* the name is being looked up */

    ngx_counters_redis_sentinel_t  *sentinel;   /* is being asked */

    ngx_counters_resolve_addr_t  addrs[NGX_COUNTERS_RESOLVE_MAX];
    ngx_uint_t                   naddrs;
    ngx_uint_t                   addr;       /* the one to try */

    ngx_uint_t                   slices;     /* left for the handshake */
    ngx_uint_t                   failures;   /* in a row */
    ngx_msec_t                   since;      /* ready */
    time_t                       logged;

    /* of the commands of all users */
    ngx_uint_t                   timeouts;   /* in a row */
    ngx_uint_t                   pending;
    ngx_uint_t                   writes;     /* all but reads among them */

    u_char                       reason[NGX_COUNTERS_REDIS_MAX_TEXT + 1];
    u_char                       reported[NGX_COUNTERS_REDIS_MAX_TEXT + 1];

    unsigned                     early:1;    /* nobody knows yet if it is
                                                there: wait for it */
    unsigned                     ready:1;    /* this connection has been */
    unsigned                     pinged:1;   /* and nothing was heard since */
    unsigned                     down:1;     /* that it is lost was logged */
};


/* "links" has it until it is closed, which calls pending callbacks with NULL */

ngx_counters_redis_link_t *ngx_counters_redis_link_open(
    ngx_counters_redis_links_t *links, ngx_counters_redis_conf_t *conf,
    ngx_counters_redis_use_t *use, ngx_log_t *log);
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

/* whether an error reply means that this node cannot serve at all */

ngx_uint_t ngx_counters_redis_link_unfit(const char *text);

/* the handshake is over; its error, or NULL */

void ngx_counters_redis_link_opened(ngx_counters_redis_link_t *link,
    const char *reason);


/* in ngx_counters_redis_links.c */

/*
 * The link to a node, opened if there is none.  "user" comes with its
 * callbacks set, and is the link's until put back.  NULL on failure, logged.
 */

ngx_counters_redis_link_t *ngx_counters_redis_links_get(
    ngx_counters_redis_links_t *links, ngx_counters_redis_conf_t *conf,
    ngx_counters_redis_use_t *use, ngx_counters_redis_user_t *user,
    ngx_log_t *log);

/*
 * When the last user leaves, what was written is given a short time to be
 * answered, and the link is closed.
 */

void ngx_counters_redis_links_put(ngx_counters_redis_link_t *link,
    ngx_counters_redis_user_t *user);

/*
 * An error reply to the command "name": logged, at most once a second.  What
 * means that this node cannot serve at all ends all connections to it: also
 * what nodes tell each other is told where the primary is.
 */

void ngx_counters_redis_links_refused(ngx_counters_redis_link_t *link,
    ngx_str_t *name, const char *text);


#endif /* _NGX_COUNTERS_REDIS_LINK_H_INCLUDED_ */
