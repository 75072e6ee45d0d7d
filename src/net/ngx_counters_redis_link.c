
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_link.h"


#define NGX_COUNTERS_REDIS_BACKOFF      100     /* msec */
#define NGX_COUNTERS_REDIS_MAX_BACKOFF  5000
#define NGX_COUNTERS_REDIS_STABLE       1000    /* lost later: not flapping */

#define NGX_COUNTERS_REDIS_SLICES       4       /* of the handshake's time */

#define NGX_COUNTERS_REDIS_BUFFER       1024    /* holds a usual MGET */
#define NGX_COUNTERS_REDIS_MAX_BUFFER   65536   /* is not kept if larger */


/* in the order of sending; the answer to the last one makes the link ready */

typedef enum {
    NGX_COUNTERS_REDIS_AUTH = 0,
    NGX_COUNTERS_REDIS_SELECT,
    NGX_COUNTERS_REDIS_SETNAME,
    NGX_COUNTERS_REDIS_PING
} ngx_counters_redis_step_e;


static void ngx_counters_redis_link_connect(ngx_counters_redis_link_t *link);
static void ngx_counters_redis_link_slice(ngx_counters_redis_link_t *link);
static redisAsyncContext *ngx_counters_redis_link_context(ngx_addr_t *addr);
static ngx_int_t ngx_counters_redis_link_handshake(
    ngx_counters_redis_link_t *link);
static ngx_int_t ngx_counters_redis_link_auth(ngx_counters_redis_link_t *link);
static ngx_int_t ngx_counters_redis_link_step(ngx_counters_redis_link_t *link,
    ngx_counters_redis_step_e step, ngx_str_t *args, ngx_uint_t nargs);
static void ngx_counters_redis_link_step_handler(redisAsyncContext *ac,
    void *data, void *step);
static void ngx_counters_redis_link_ready(ngx_counters_redis_link_t *link);
static void ngx_counters_redis_link_closed_handler(void *data,
    const char *reason);
static void ngx_counters_redis_link_down(ngx_counters_redis_link_t *link);
static void ngx_counters_redis_link_log_down(ngx_counters_redis_link_t *link);
static void ngx_counters_redis_link_timer_handler(ngx_event_t *ev);
static u_char *ngx_counters_redis_link_format(ngx_counters_redis_link_t *link,
    ngx_str_t *args, ngx_uint_t nargs, size_t *len);
static ngx_int_t ngx_counters_redis_link_buffer(
    ngx_counters_redis_link_t *link, size_t size);
static void ngx_counters_redis_link_text(ngx_counters_redis_link_t *link,
    u_char *out, const char *text);


static ngx_str_t  ngx_counters_redis_link_steps[] = {
    ngx_string("AUTH"),
    ngx_string("SELECT"),
    ngx_string("CLIENT SETNAME"),
    ngx_string("PING")
};


ngx_int_t
ngx_counters_redis_link_open(ngx_counters_redis_link_t *link,
    ngx_counters_redis_conf_t *conf, ngx_log_t *log)
{
    link->size = NGX_COUNTERS_REDIS_BUFFER;
    link->buf = ngx_alloc(link->size, log);
    if (link->buf == NULL) {
        return NGX_ERROR;
    }

    link->ident = (ngx_socket_t) -1;
    link->conf = conf;

    link->event.closed = ngx_counters_redis_link_closed_handler;
    link->event.data = link;

    link->timer.handler = ngx_counters_redis_link_timer_handler;
    link->timer.data = link;
    link->timer.log = log;
    link->timer.cancelable = 1;

    /* connects in the event loop, where the time is right */

    ngx_add_timer(&link->timer, 1);

    return NGX_OK;
}


void
ngx_counters_redis_link_close(ngx_counters_redis_link_t *link)
{
    if (link->event.ac) {
        ngx_counters_redis_link_drop(link, "closed");
    }

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    ngx_free(link->buf);
    link->buf = NULL;
}


ngx_int_t
ngx_counters_redis_link_send(ngx_counters_redis_link_t *link,
    redisCallbackFn *handler, void *data, ngx_str_t *args, ngx_uint_t nargs)
{
    size_t   len;
    u_char  *p;

    p = ngx_counters_redis_link_format(link, args, nargs, &len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (redisAsyncFormattedCommand(link->event.ac, handler, data, (char *) p,
                                   len)
        != REDIS_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_counters_redis_link_drop(ngx_counters_redis_link_t *link,
    const char *reason)
{
    if (link->state == NGX_COUNTERS_REDIS_CLOSING) {
        return;
    }

    link->state = NGX_COUNTERS_REDIS_CLOSING;
    ngx_counters_redis_link_text(link, link->reason, reason);

    redisAsyncFree(link->event.ac);
}


void
ngx_counters_redis_link_lost(ngx_counters_redis_link_t *link)
{
    link->state = NGX_COUNTERS_REDIS_CLOSING;
}


void
ngx_counters_redis_link_refused(ngx_counters_redis_link_t *link,
    ngx_str_t *name, const char *text)
{
    u_char  buf[NGX_COUNTERS_REDIS_MAX_TEXT + 1];

    if (link->logged == ngx_time()) {
        return;
    }

    link->logged = ngx_time();
    ngx_counters_redis_link_text(link, buf, text);

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "counters: redis %V refused %V: %s",
                  &link->conf->url, name, buf);
}


static void
ngx_counters_redis_link_connect(ngx_counters_redis_link_t *link)
{
    const char         *reason;
    redisAsyncContext  *ac;

    link->ready = 0;
    link->timeouts = 0;

    ac = ngx_counters_redis_link_context(&link->conf->addrs[link->addr]);

    if (ac == NULL) {
        reason = "no memory";
        goto failed;
    }

    if (ac->err) {
        reason = ac->errstr;
        goto failed;
    }

    if (ngx_counters_redis_event_attach(&link->event, ac, ngx_cycle->log)
        != NGX_OK)
    {
        reason = "no free connection";
        goto failed;
    }

    ac->data = link;
    link->state = NGX_COUNTERS_REDIS_HANDSHAKE;
    link->slices = NGX_COUNTERS_REDIS_SLICES;

    ngx_counters_redis_link_slice(link);

    if (ngx_counters_redis_link_handshake(link) != NGX_OK) {
        ngx_counters_redis_link_drop(link, "no memory");
    }

    return;

failed:

    ngx_counters_redis_link_text(link, link->reason, reason);

    if (ac) {
        redisAsyncFree(ac);
    }

    ngx_counters_redis_link_down(link);
}


/*
 * A handshake takes a few iterations of the event loop, and under load these
 * alone may last longer than the timeout: each counts as a slice of it only.
 */

static void
ngx_counters_redis_link_slice(ngx_counters_redis_link_t *link)
{
    link->slices--;

    ngx_add_timer(&link->timer,
                  link->conf->timeout / NGX_COUNTERS_REDIS_SLICES + 1);
}


/* hiredis wants text; numeric addresses make it ask no name server */

static redisAsyncContext *
ngx_counters_redis_link_context(ngx_addr_t *addr)
{
    size_t               len;
    u_char               text[NGX_SOCKADDR_STRLEN + 1];
    redisAsyncContext   *ac;
#if (NGX_HAVE_UNIX_DOMAIN)
    struct sockaddr_un  *saun;

    if (addr->sockaddr->sa_family == AF_UNIX) {
        saun = (struct sockaddr_un *) addr->sockaddr;
        return redisAsyncConnectUnix(saun->sun_path);
    }
#endif

    len = ngx_sock_ntop(addr->sockaddr, addr->socklen, text,
                        NGX_SOCKADDR_STRLEN, 0);
    text[len] = '\0';

    ac = redisAsyncConnect((char *) text, ngx_inet_get_port(addr->sockaddr));

    if (ac && !ac->err) {
        (void) redisEnableKeepAlive(&ac->c);
    }

    return ac;
}


/* sent without waiting for each other: all of it takes one round trip */

static ngx_int_t
ngx_counters_redis_link_handshake(ngx_counters_redis_link_t *link)
{
    u_char     db[NGX_INT_T_LEN];
    ngx_str_t  args[3];

    if (ngx_counters_redis_link_auth(link) != NGX_OK) {
        return NGX_ERROR;
    }

    if (link->conf->db) {
        ngx_str_set(&args[0], "SELECT");
        args[1].data = db;
        args[1].len = ngx_sprintf(db, "%ui", link->conf->db) - db;

        if (ngx_counters_redis_link_step(link, NGX_COUNTERS_REDIS_SELECT,
                                         args, 2)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_str_set(&args[0], "CLIENT");
    ngx_str_set(&args[1], "SETNAME");
    ngx_str_set(&args[2], "nginx-counters");

    if (ngx_counters_redis_link_step(link, NGX_COUNTERS_REDIS_SETNAME, args, 3)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&args[0], "PING");

    return ngx_counters_redis_link_step(link, NGX_COUNTERS_REDIS_PING, args,
                                        1);
}


static ngx_int_t
ngx_counters_redis_link_auth(ngx_counters_redis_link_t *link)
{
    ngx_int_t   rc;
    ngx_str_t   args[3];
    ngx_uint_t  n;

    if (link->conf->password.len == 0) {
        return NGX_OK;
    }

    n = 0;
    args[n++] = ngx_counters_redis_link_steps[NGX_COUNTERS_REDIS_AUTH];

    if (link->conf->user.len) {
        args[n++] = link->conf->user;
    }

    args[n++] = link->conf->password;

    rc = ngx_counters_redis_link_step(link, NGX_COUNTERS_REDIS_AUTH, args, n);

    ngx_explicit_memzero(link->buf, link->size);

    return rc;
}


static ngx_int_t
ngx_counters_redis_link_step(ngx_counters_redis_link_t *link,
    ngx_counters_redis_step_e step, ngx_str_t *args, ngx_uint_t nargs)
{
    return ngx_counters_redis_link_send(link,
                                        ngx_counters_redis_link_step_handler,
                                        &ngx_counters_redis_link_steps[step],
                                        args, nargs);
}


static void
ngx_counters_redis_link_step_handler(redisAsyncContext *ac, void *data,
    void *step)
{
    ngx_str_t                  *name;
    redisReply                 *reply;
    ngx_counters_redis_step_e   n;
    ngx_counters_redis_link_t  *link;

    reply = data;
    link = ac->data;
    name = step;
    n = name - ngx_counters_redis_link_steps;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ngx_cycle->log, 0,
                   "counters redis step handler: %V, state:%d",
                   name, link->state);

    if (reply == NULL) {
        ngx_counters_redis_link_lost(link);
        return;
    }

    if (link->state != NGX_COUNTERS_REDIS_HANDSHAKE) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {

        /* the name is a convenience; a PING that an ACL refuses is answered */

        if (n != NGX_COUNTERS_REDIS_SETNAME
            && (n != NGX_COUNTERS_REDIS_PING
                || ngx_strncmp(reply->str, "NOPERM", 6) != 0))
        {
            ngx_counters_redis_link_drop(link, reply->str);
            return;
        }

    } else if (reply->type != REDIS_REPLY_STATUS) {
        ngx_counters_redis_link_drop(link, "unexpected reply");
        return;
    }

    if (n == NGX_COUNTERS_REDIS_PING) {
        ngx_counters_redis_link_ready(link);
    }
}


static void
ngx_counters_redis_link_ready(ngx_counters_redis_link_t *link)
{
    ngx_del_timer(&link->timer);

    link->state = NGX_COUNTERS_REDIS_READY;
    link->ready = 1;
    link->since = ngx_current_msec;

    if (link->down) {
        link->down = 0;
        link->reported[0] = '\0';

        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "counters: redis %V is back", &link->conf->url);
    }

    if (link->opened) {
        link->opened(link->data);
    }
}


static void
ngx_counters_redis_link_closed_handler(void *data, const char *reason)
{
    ngx_counters_redis_link_t  *link;

    link = data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, ngx_cycle->log, 0,
                   "counters redis closed handler: %s",
                   reason ? reason : "dropped");

    if (reason) {
        ngx_counters_redis_link_text(link, link->reason, reason);
    }

    ngx_counters_redis_link_down(link);
}


static void
ngx_counters_redis_link_down(ngx_counters_redis_link_t *link)
{
    ngx_msec_t  delay;
    ngx_uint_t  n;

    link->state = NGX_COUNTERS_REDIS_DOWN;

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    if (!link->ready) {
        link->addr = (link->addr + 1) % link->conf->naddrs;

    } else if (ngx_current_msec - link->since >= NGX_COUNTERS_REDIS_STABLE) {
        link->failures = 0;
    }

    ngx_counters_redis_link_log_down(link);

    /* a step of the backoff is a round through all addresses */

    n = ngx_min(link->failures / link->conf->naddrs, 10);
    delay = ngx_min(NGX_COUNTERS_REDIS_BACKOFF << n,
                    NGX_COUNTERS_REDIS_MAX_BACKOFF);
    delay -= ngx_random() % (delay / 4);

    link->failures++;

    ngx_add_timer(&link->timer, delay);
}


static void
ngx_counters_redis_link_log_down(ngx_counters_redis_link_t *link)
{
    if (link->ready) {
        link->down = 1;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "counters: redis %V lost: %s",
                      &link->conf->url, link->reason);
        return;
    }

    /* no news: one address of several, the same again */

    if (link->failures + 1 < link->conf->naddrs
        || link->logged == ngx_time()
        || ngx_strcmp(link->reason, link->reported) == 0)
    {
        return;
    }

    link->down = 1;
    link->logged = ngx_time();
    ngx_cpystrn(link->reported, link->reason, sizeof(link->reported));

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "counters: redis %V is not available: %s",
                  &link->conf->url, link->reason);
}


static void
ngx_counters_redis_link_timer_handler(ngx_event_t *ev)
{
    ngx_counters_redis_link_t  *link;

    link = ev->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters redis link timer handler, state:%d failures:%ui",
                   link->state, link->failures);

    if (link->state == NGX_COUNTERS_REDIS_HANDSHAKE) {

        if (link->slices) {
            ngx_counters_redis_link_slice(link);

        } else {
            ngx_counters_redis_link_drop(link, "timed out while connecting");
        }

        return;
    }

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    ngx_counters_redis_link_connect(link);
}


/* the command stays in link->buf until the next one is formatted */

static u_char *
ngx_counters_redis_link_format(ngx_counters_redis_link_t *link,
    ngx_str_t *args, ngx_uint_t nargs, size_t *len)
{
    size_t       size;
    u_char      *p;
    ngx_uint_t   i;

    /* hiredis looks for further channels of a SUBSCRIBE up to a zero byte */

    size = sizeof("*" CRLF) + NGX_INT_T_LEN;

    for (i = 0; i < nargs; i++) {
        size += sizeof("$" CRLF CRLF) - 1 + NGX_SIZE_T_LEN + args[i].len;
    }

    if (ngx_counters_redis_link_buffer(link, size) != NGX_OK) {
        return NULL;
    }

    p = ngx_sprintf(link->buf, "*%ui" CRLF, nargs);

    for (i = 0; i < nargs; i++) {
        p = ngx_sprintf(p, "$%uz" CRLF, args[i].len);
        p = ngx_cpymem(p, args[i].data, args[i].len);
        *p++ = CR;
        *p++ = LF;
    }

    *len = p - link->buf;
    *p = '\0';

    return link->buf;
}


static ngx_int_t
ngx_counters_redis_link_buffer(ngx_counters_redis_link_t *link, size_t size)
{
    u_char  *p;

    size = ngx_max(size, NGX_COUNTERS_REDIS_BUFFER);

    if (size <= link->size && link->size <= NGX_COUNTERS_REDIS_MAX_BUFFER) {
        return NGX_OK;
    }

    p = ngx_alloc(size, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_free(link->buf);

    link->buf = p;
    link->size = size;

    return NGX_OK;
}


/*
 * Errors of Redis may repeat arguments, in quotes or after a comma, and a
 * peer may say anything: the log gets neither a password nor a line break.
 */

static void
ngx_counters_redis_link_text(ngx_counters_redis_link_t *link, u_char *out,
    const char *text)
{
    u_char      ch, *p;
    ngx_uint_t  i;

    p = out;

    for (i = 0; i < NGX_COUNTERS_REDIS_MAX_TEXT && text[i]; i++) {
        ch = text[i];

        if (ch < 0x20 || ch > 0x7e || ch == '\'' || ch == '"' || ch == '`'
            || ch == ',')
        {
            break;
        }

        *p++ = ch;
    }

    while (p > out && p[-1] == ' ') {
        p--;
    }

    *p = '\0';

    if (p == out
        || (link->conf->password.len
            && ngx_strstr(out, link->conf->password.data) != NULL))
    {
        ngx_cpystrn(out, (u_char *) "error", sizeof("error"));
    }
}
