
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_sentinel.h"


struct ngx_counters_redis_sentinel_s {
    void                            *dummy[3];
    /* a timer's ident must be after 3 pointers as in ngx_connection_t */
    ngx_socket_t                     ident;

    ngx_counters_redis_conf_t       *conf;
    ngx_counters_redis_event_t       event;
    ngx_counters_redis_buf_t         buf;
    ngx_event_t                      timer;
    ngx_msec_t                       timeout;
    ngx_uint_t                       n;          /* the one that is asked */

    ngx_counters_resolve_addr_t      addr;
    ngx_counters_redis_sentinel_pt   handler;
    void                            *data;
    u_char                           reason[NGX_COUNTERS_REDIS_MAX_TEXT + 1];

    unsigned                         found:1;
    unsigned                         closing:1;  /* the context is freed */
};


static void ngx_counters_redis_sentinel_next(
    ngx_counters_redis_sentinel_t *s);
static ngx_int_t ngx_counters_redis_sentinel_open(
    ngx_counters_redis_sentinel_t *s);
static ngx_int_t ngx_counters_redis_sentinel_send(
    ngx_counters_redis_sentinel_t *s, ngx_str_t *args, ngx_uint_t nargs);
static void ngx_counters_redis_sentinel_reply_handler(redisAsyncContext *ac,
    void *data, void *privdata);
static const char *ngx_counters_redis_sentinel_read(
    ngx_counters_redis_sentinel_t *s, redisReply *reply);
static void ngx_counters_redis_sentinel_timer_handler(ngx_event_t *ev);
static void ngx_counters_redis_sentinel_closed_handler(void *data,
    const char *reason);
static void ngx_counters_redis_sentinel_drop(ngx_counters_redis_sentinel_t *s,
    const char *reason);
static void ngx_counters_redis_sentinel_free(
    ngx_counters_redis_sentinel_t *s);


ngx_counters_redis_sentinel_t *
ngx_counters_redis_sentinel_ask(ngx_counters_redis_conf_t *conf,
    ngx_msec_t timeout, ngx_counters_redis_sentinel_pt handler, void *data,
    ngx_log_t *log)
{
    ngx_counters_redis_sentinel_t  *s;

    s = ngx_calloc(sizeof(ngx_counters_redis_sentinel_t), log);
    if (s == NULL) {
        return NULL;
    }

    s->ident = (ngx_socket_t) -1;
    s->conf = conf;
    s->timeout = timeout;
    s->handler = handler;
    s->data = data;

    s->event.closed = ngx_counters_redis_sentinel_closed_handler;
    s->event.data = s;

    s->timer.handler = ngx_counters_redis_sentinel_timer_handler;
    s->timer.data = s;
    s->timer.log = log;
    s->timer.cancelable = 1;

    /* in the event loop, where the handler may be called */

    ngx_add_timer(&s->timer, 1);

    return s;
}


void
ngx_counters_redis_sentinel_cancel(ngx_counters_redis_sentinel_t *s)
{
    s->handler = NULL;

    if (s->event.ac) {
        ngx_counters_redis_sentinel_drop(s, "cancelled");
    }

    ngx_counters_redis_sentinel_free(s);
}


static void
ngx_counters_redis_sentinel_next(ngx_counters_redis_sentinel_t *s)
{
    while (s->n < s->conf->naddrs) {

        if (ngx_counters_redis_sentinel_open(s) == NGX_OK) {
            ngx_add_timer(&s->timer, s->timeout);
            return;
        }

        s->n++;
    }

    s->handler(s->data, NULL, (char *) s->reason);

    ngx_counters_redis_sentinel_free(s);
}


static ngx_int_t
ngx_counters_redis_sentinel_open(ngx_counters_redis_sentinel_t *s)
{
    ngx_str_t           args[3];
    ngx_addr_t         *addr;
    redisAsyncContext  *ac;

    ngx_cpystrn(s->reason, (u_char *) "no sentinel answers",
                sizeof(s->reason));

    s->closing = 0;

    addr = &s->conf->addrs[s->n];

    ac = ngx_counters_redis_event_connect(addr->sockaddr, addr->socklen,
                                          ngx_inet_get_port(addr->sockaddr));
    if (ac == NULL) {
        return NGX_ERROR;
    }

    if (ac->err
        || ngx_counters_redis_event_attach(&s->event, ac, ngx_cycle->log)
           != NGX_OK)
    {
        redisAsyncFree(ac);
        return NGX_ERROR;
    }

    ngx_str_set(&args[0], "AUTH");
    args[1] = s->conf->sentinel_password;

    if (args[1].len
        && ngx_counters_redis_sentinel_send(s, args, 2) != NGX_OK)
    {
        goto failed;
    }

    ngx_str_set(&args[0], "SENTINEL");
    ngx_str_set(&args[1], "GET-MASTER-ADDR-BY-NAME");
    args[2] = s->conf->master;

    if (ngx_counters_redis_sentinel_send(s, args, 3) == NGX_OK) {
        return NGX_OK;
    }

failed:

    /* as if it had not answered: the next one is asked when this is closed */

    ngx_counters_redis_sentinel_drop(s, "no memory");

    return NGX_OK;
}


static ngx_int_t
ngx_counters_redis_sentinel_send(ngx_counters_redis_sentinel_t *s,
    ngx_str_t *args, ngx_uint_t nargs)
{
    size_t   len;
    u_char  *p;

    p = ngx_counters_redis_wire(&s->buf, args, nargs, &len);

    return (p && redisAsyncFormattedCommand(s->event.ac,
                                    ngx_counters_redis_sentinel_reply_handler,
                                    s, (char *) p, len)
                 == REDIS_OK)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_counters_redis_sentinel_reply_handler(redisAsyncContext *ac, void *data,
    void *privdata)
{
    const char                     *error;
    redisReply                     *reply;
    ngx_counters_redis_sentinel_t  *s;

    reply = data;
    s = privdata;

    if (reply == NULL || s->closing || reply->type == REDIS_REPLY_STATUS) {
        return;
    }

    error = (reply->type == REDIS_REPLY_ERROR)
            ? reply->str : ngx_counters_redis_sentinel_read(s, reply);

    s->found = (error == NULL);

    ngx_counters_redis_sentinel_drop(s, error ? error : "answered");
}


/* [address, port], or nil */

static const char *
ngx_counters_redis_sentinel_read(ngx_counters_redis_sentinel_t *s,
    redisReply *reply)
{
    ngx_int_t    port;
    ngx_addr_t   addr;
    redisReply  *host;
    ngx_pool_t  *pool;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return "the sentinel knows no such primary";
    }

    host = reply->element[0];
    port = ngx_atoi((u_char *) reply->element[1]->str, reply->element[1]->len);

    if (port < 1 || port > 65535) {
        return "the sentinel names no port";
    }

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        return "no memory";
    }

    if (ngx_parse_addr(pool, &addr, (u_char *) host->str, host->len)
        != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return "the sentinel names a primary that is no address";
    }

    ngx_memzero(&s->addr, sizeof(ngx_counters_resolve_addr_t));
    ngx_memcpy(&s->addr.sockaddr, addr.sockaddr, addr.socklen);
    s->addr.socklen = addr.socklen;
    ngx_inet_set_port(&s->addr.sockaddr.sockaddr, (in_port_t) port);

    ngx_destroy_pool(pool);

    return NULL;
}


static void
ngx_counters_redis_sentinel_timer_handler(ngx_event_t *ev)
{
    ngx_counters_redis_sentinel_t  *s;

    s = ev->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters redis sentinel timer handler, n:%ui", s->n);

    if (s->event.ac) {
        ngx_counters_redis_sentinel_drop(s, "no sentinel answers in time");

    } else if (s->found) {
        s->handler(s->data, &s->addr, NULL);
        ngx_counters_redis_sentinel_free(s);

    } else {
        ngx_counters_redis_sentinel_next(s);
    }
}


/* hiredis has not quite done with the connection: what comes next is later */

static void
ngx_counters_redis_sentinel_closed_handler(void *data, const char *reason)
{
    ngx_counters_redis_sentinel_t *s = data;

    if (reason) {
        ngx_counters_redis_wire_redis_text(s->reason, reason,
                                           &s->conf->sentinel_password);
    }

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    if (s->handler) {
        s->n += !s->found;
        ngx_add_timer(&s->timer, 1);
    }
}


static void
ngx_counters_redis_sentinel_drop(ngx_counters_redis_sentinel_t *s,
    const char *reason)
{
    if (s->closing) {
        return;
    }

    s->closing = 1;
    ngx_counters_redis_wire_redis_text(s->reason, reason,
                                       &s->conf->sentinel_password);

    redisAsyncFree(s->event.ac);
}


static void
ngx_counters_redis_sentinel_free(ngx_counters_redis_sentinel_t *s)
{
    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    ngx_counters_redis_wire_redis_buf_free(&s->buf);
    ngx_free(s);
}
