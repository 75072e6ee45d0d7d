
/*
 * Copyright (C) The nginx counters module authors
 *
 * The commands that one portal has given and whose answers are awaited, with
 * their timeouts.  For the use of ngx_counters_redis.c only.
 */


#ifndef _NGX_COUNTERS_REDIS_CMD_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_CMD_H_INCLUDED_


#include "ngx_counters_redis_link.h"


#define NGX_COUNTERS_REDIS_MAX_PENDING  4096   /* of all users of a link */


typedef enum {
    NGX_COUNTERS_REDIS_MGET = 0,
    NGX_COUNTERS_REDIS_SET,
    NGX_COUNTERS_REDIS_DEL,
    NGX_COUNTERS_REDIS_PUBLISH,
    NGX_COUNTERS_REDIS_EVAL
} ngx_counters_redis_op_e;


typedef struct {
    ngx_queue_t                 queue;
    ngx_counters_redis_t       *redis;
    ngx_counters_redis_op_e     op;
    ngx_msec_t                  sent;
    ngx_counters_redis_pt       handler;    /* NULL once it was called */
    void                       *data;
    ngx_uint_t                  nvalues;
    size_t                      len;        /* of what was not sent yet */
    u_char                     *wire;       /* or NULL: was sent */
    unsigned                    late:1;     /* timed out, answer to come */
} ngx_counters_redis_cmd_t;


struct ngx_counters_redis_s {
    void                       *dummy[3];
    /* a timer's ident must be after 3 pointers as in ngx_connection_t */
    ngx_socket_t                ident;

    ngx_counters_redis_link_t  *link;
    ngx_counters_redis_user_t   user;
    ngx_msec_t                  timeout;
    redisCallbackFn            *reply;
    ngx_event_t                 timer;      /* of the oldest command */

    /* answers come in order: whatever is late is older than any waiting */
    ngx_queue_t                 late;
    ngx_queue_t                 waiting;
    ngx_queue_t                 free;
    ngx_uint_t                  pending;    /* late and waiting */

    unsigned                    closing:1;
    unsigned                    waited:1;   /* for a connection, in vain */
};


/* "reply" gets the answers, with the command, which it frees */

void ngx_counters_redis_cmd_init(ngx_counters_redis_t *redis,
    redisCallbackFn *reply, ngx_log_t *log);

/*
 * Sends a copy of "tmpl", of which op, handler, data and nvalues are set; a
 * read is kept for later while nobody knows yet if the node is there.
 * NGX_OK, NGX_DECLINED.
 */

ngx_int_t ngx_counters_redis_cmd_send(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *tmpl, ngx_str_t *args, ngx_uint_t nargs);

/* whether a read would be taken now */

ngx_uint_t ngx_counters_redis_cmd_accepts(ngx_counters_redis_t *redis);

/* its answer has come, or never will */

void ngx_counters_redis_cmd_free(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *cmd);

/* nobody waits for its answer any longer: calls the handler */

void ngx_counters_redis_cmd_give_up(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *cmd);


#endif /* _NGX_COUNTERS_REDIS_CMD_H_INCLUDED_ */
