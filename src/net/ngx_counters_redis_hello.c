
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_hello.h"


/* in the order of sending; the answer to the last one makes the link ready */

typedef enum {
    NGX_COUNTERS_REDIS_AUTH = 0,
    NGX_COUNTERS_REDIS_SELECT,
    NGX_COUNTERS_REDIS_SETNAME,
    NGX_COUNTERS_REDIS_PROBE,
    NGX_COUNTERS_REDIS_PING
} ngx_counters_redis_step_e;


static ngx_int_t ngx_counters_redis_hello_auth(
    ngx_counters_redis_link_t *link);
static ngx_int_t ngx_counters_redis_hello_select(
    ngx_counters_redis_link_t *link);
static ngx_int_t ngx_counters_redis_hello_probe(
    ngx_counters_redis_link_t *link, redisCallbackFn *handler);
static ngx_int_t ngx_counters_redis_hello_step(
    ngx_counters_redis_link_t *link, ngx_counters_redis_step_e step,
    ngx_str_t *args, ngx_uint_t nargs);
static void ngx_counters_redis_hello_handler(redisAsyncContext *ac,
    void *data, void *step);
static const char *ngx_counters_redis_hello_error(redisReply *reply,
    ngx_counters_redis_step_e step);
static void ngx_counters_redis_hello_redis_ping_handler(redisAsyncContext *ac,
    void *data, void *step);


static ngx_str_t  ngx_counters_redis_hello_redis_steps[] = {
    ngx_string("AUTH"),
    ngx_string("SELECT"),
    ngx_string("CLIENT SETNAME"),
    ngx_string("DEL"),
    ngx_string("PING")
};


/* sent without waiting for each other: all of it takes one round trip */

ngx_int_t
ngx_counters_redis_hello(ngx_counters_redis_link_t *link)
{
    ngx_str_t  args[3];

    if (ngx_counters_redis_hello_auth(link) != NGX_OK
        || ngx_counters_redis_hello_select(link) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&args[0], "CLIENT");
    ngx_str_set(&args[1], "SETNAME");
    ngx_str_set(&args[2], "nginx-counters");

    if (ngx_counters_redis_hello_step(link, NGX_COUNTERS_REDIS_SETNAME, args,
                                      3)
        != NGX_OK
        || ngx_counters_redis_hello_probe(link,
                                          ngx_counters_redis_hello_handler)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_counters_redis_hello_step(link, NGX_COUNTERS_REDIS_PING,
                 &ngx_counters_redis_hello_redis_steps[NGX_COUNTERS_REDIS_PING],
                           1);
}


static ngx_int_t
ngx_counters_redis_hello_auth(ngx_counters_redis_link_t *link)
{
    ngx_int_t   rc;
    ngx_str_t   args[3];
    ngx_uint_t  n;

    if (link->conf->password.len == 0) {
        return NGX_OK;
    }

    n = 0;
    args[n++] = ngx_counters_redis_hello_redis_steps[NGX_COUNTERS_REDIS_AUTH];

    if (link->conf->user.len) {
        args[n++] = link->conf->user;
    }

    args[n++] = link->conf->password;

    rc = ngx_counters_redis_hello_step(link, NGX_COUNTERS_REDIS_AUTH, args, n);

    ngx_counters_redis_wire_redis_buf_free(&link->buf);

    return rc;
}


static ngx_int_t
ngx_counters_redis_hello_select(ngx_counters_redis_link_t *link)
{
    u_char     db[NGX_INT_T_LEN];
    ngx_str_t  args[2];

    if (link->conf->db == 0) {
        return NGX_OK;
    }

    args[0] = ngx_counters_redis_hello_redis_steps[NGX_COUNTERS_REDIS_SELECT];
    args[1].data = db;
    args[1].len = ngx_sprintf(db, "%ui", link->conf->db) - db;

    return ngx_counters_redis_hello_step(link, NGX_COUNTERS_REDIS_SELECT, args,
                                         2);
}


/*
 * A write that changes nothing: a replica, which a primary becomes when
 * another has taken its place, refuses it.
 */

static ngx_int_t
ngx_counters_redis_hello_probe(ngx_counters_redis_link_t *link,
    redisCallbackFn *handler)
{
    u_char     name[NGX_COUNTERS_REDIS_MAX_PREFIX + sizeof("nginx:probe")];
    ngx_str_t  args[2];

    args[0] = ngx_counters_redis_hello_redis_steps[NGX_COUNTERS_REDIS_PROBE];
    args[1].data = name;
    args[1].len = ngx_sprintf(name, "%Vnginx:probe", &link->conf->prefix)
                  - name;

    return ngx_counters_redis_link_send(link, handler,
                &ngx_counters_redis_hello_redis_steps[NGX_COUNTERS_REDIS_PROBE],
                          args, 2);
}


static ngx_int_t
ngx_counters_redis_hello_step(ngx_counters_redis_link_t *link,
    ngx_counters_redis_step_e step, ngx_str_t *args, ngx_uint_t nargs)
{
    return ngx_counters_redis_link_send(link, ngx_counters_redis_hello_handler,
                              &ngx_counters_redis_hello_redis_steps[step], args,
                                        nargs);
}


static void
ngx_counters_redis_hello_handler(redisAsyncContext *ac, void *data,
    void *step)
{
    ngx_str_t                  *name;
    const char                 *error;
    redisReply                 *reply;
    ngx_counters_redis_step_e   n;
    ngx_counters_redis_link_t  *link;

    reply = data;
    link = ac->data;
    name = step;
    n = name - ngx_counters_redis_hello_redis_steps;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ngx_cycle->log, 0,
                   "counters redis hello handler: %V, state:%d",
                   name, link->state);

    if (reply == NULL) {
        ngx_counters_redis_link_lost(link);
        return;
    }

    if (link->state != NGX_COUNTERS_REDIS_HANDSHAKE) {
        return;
    }

    error = ngx_counters_redis_hello_error(reply, n);

    if (error || n == NGX_COUNTERS_REDIS_PING) {
        ngx_counters_redis_link_opened(link, error);
    }
}


static const char *
ngx_counters_redis_hello_error(redisReply *reply,
    ngx_counters_redis_step_e step)
{
    if (reply->type != REDIS_REPLY_ERROR) {
        return (reply->type == (step == NGX_COUNTERS_REDIS_PROBE
                                ? REDIS_REPLY_INTEGER : REDIS_REPLY_STATUS))
               ? NULL : "unexpected reply";
    }

    switch (step) {

    case NGX_COUNTERS_REDIS_SETNAME:

        /* a convenience */

        return NULL;

    case NGX_COUNTERS_REDIS_PROBE:

        /* a node that takes no more data has some to give all the same */

        return ngx_counters_redis_link_unfit(reply->str) ? reply->str : NULL;

    case NGX_COUNTERS_REDIS_PING:

        /* one that an ACL refuses is answered */

        return ngx_strncmp(reply->str, "NOPERM", 6) == 0 ? NULL : reply->str;

    default:
        return reply->str;
    }
}


/* finds a node that is gone, and one that is not the primary any more */

ngx_int_t
ngx_counters_redis_hello_redis_ping(ngx_counters_redis_link_t *link)
{
    return ngx_counters_redis_hello_probe(link,
                                   ngx_counters_redis_hello_redis_ping_handler);
}


static void
ngx_counters_redis_hello_redis_ping_handler(redisAsyncContext *ac, void *data,
    void *step)
{
    redisReply                 *reply;
    ngx_counters_redis_link_t  *link;

    reply = data;
    link = ac->data;

    if (reply == NULL) {
        ngx_counters_redis_link_lost(link);

    } else if (reply->type == REDIS_REPLY_ERROR
               && ngx_counters_redis_link_unfit(reply->str))
    {
        ngx_counters_redis_links_refused(link, step, reply->str);
    }
}
