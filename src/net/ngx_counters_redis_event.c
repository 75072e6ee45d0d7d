
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_event.h"
#include "ngx_counters_redis_tls.h"


/* reads in a row while a reply is incomplete, 16K each: other events wait */

#define NGX_COUNTERS_REDIS_EVENT_READS  16


#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_counters_redis_elements_t;
#else
typedef int     ngx_counters_redis_elements_t;
#endif


typedef void (*ngx_counters_redis_event_handle_pt)(redisAsyncContext *ac);


static void ngx_counters_redis_event_handle(ngx_counters_redis_event_t *e,
    ngx_counters_redis_event_handle_pt handle);
static void ngx_counters_redis_event_guard(ngx_counters_redis_event_t *e);
static void ngx_counters_redis_event_read_handler(ngx_event_t *ev);
static void ngx_counters_redis_event_write_handler(ngx_event_t *ev);

static void ngx_counters_redis_event_add_read(void *data);
static void ngx_counters_redis_event_del_read(void *data);
static void ngx_counters_redis_event_add_write(void *data);
static void ngx_counters_redis_event_del_write(void *data);
static void ngx_counters_redis_event_cleanup(void *data);

static ngx_uint_t ngx_counters_redis_event_expected(
    ngx_counters_redis_event_t *e, const redisReadTask *task, size_t items);
static ngx_int_t ngx_counters_redis_event_admit(const redisReadTask *task,
    size_t len, size_t items);
static void *ngx_counters_redis_event_string(const redisReadTask *task,
    char *str, size_t len);
static void *ngx_counters_redis_event_array(const redisReadTask *task,
    ngx_counters_redis_elements_t n);
static void *ngx_counters_redis_event_integer(const redisReadTask *task,
    long long value);
static void *ngx_counters_redis_event_nil(const redisReadTask *task);
#if (HIREDIS_MAJOR >= 1)
static void *ngx_counters_redis_event_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_counters_redis_event_bool(const redisReadTask *task,
    int value);
#endif


/* hiredis wants text; numeric addresses make it ask no name server */

redisAsyncContext *
ngx_counters_redis_event_connect(struct sockaddr *addr, socklen_t len,
    in_port_t port)
{
    size_t               n;
    u_char               text[NGX_SOCKADDR_STRLEN + 1];
    redisAsyncContext   *ac;
#if (NGX_HAVE_UNIX_DOMAIN)
    struct sockaddr_un  *saun;

    if (addr->sa_family == AF_UNIX) {
        saun = (struct sockaddr_un *) addr;
        return redisAsyncConnectUnix(saun->sun_path);
    }
#endif

    n = ngx_sock_ntop(addr, len, text, NGX_SOCKADDR_STRLEN, 0);
    text[n] = '\0';

    ac = redisAsyncConnect((char *) text, port);

    if (ac && !ac->err) {
        (void) redisEnableKeepAlive(&ac->c);
    }

    return ac;
}


ngx_int_t
ngx_counters_redis_event_attach(ngx_counters_redis_event_t *e,
    redisAsyncContext *ac, ngx_log_t *log)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(ac->c.fd, log);

    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = e;
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_counters_redis_event_read_handler;
    c->write->handler = ngx_counters_redis_event_write_handler;

    e->ac = ac;
    e->connection = c;
    e->error = NULL;
    e->writing = 0;

    ac->ev.data = e;
    ac->ev.addRead = ngx_counters_redis_event_add_read;
    ac->ev.delRead = ngx_counters_redis_event_del_read;
    ac->ev.addWrite = ngx_counters_redis_event_add_write;
    ac->ev.delWrite = ngx_counters_redis_event_del_write;
    ac->ev.cleanup = ngx_counters_redis_event_cleanup;

    ngx_counters_redis_event_guard(e);

    return NGX_OK;
}


/*
 * hiredis allocates whatever array length a peer announces and calls abort()
 * on a reply that nobody asked for; its constructors of replies are the one
 * place where both can be refused.  A refusal ends the connection.
 */

static void
ngx_counters_redis_event_guard(ngx_counters_redis_event_t *e)
{
    redisReader  *reader;

    reader = e->ac->c.reader;

    e->origin = reader->fn;
    e->guard = *reader->fn;
    e->guard.createString = ngx_counters_redis_event_string;
    e->guard.createArray = ngx_counters_redis_event_array;
    e->guard.createInteger = ngx_counters_redis_event_integer;
    e->guard.createNil = ngx_counters_redis_event_nil;
#if (HIREDIS_MAJOR >= 1)
    e->guard.createDouble = ngx_counters_redis_event_double;
    e->guard.createBool = ngx_counters_redis_event_bool;
#endif

    reader->fn = &e->guard;
    reader->privdata = e;
}


static void
ngx_counters_redis_event_read_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters redis read handler, fd:%d", c->fd);

    ngx_counters_redis_event_read(c->data);
}


static void
ngx_counters_redis_event_write_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters redis write handler, fd:%d", c->fd);

    ngx_counters_redis_event_write(c->data);
}


void
ngx_counters_redis_event_read(ngx_counters_redis_event_t *e)
{
    ngx_uint_t    n;
    redisReader  *reader;

    for (n = 0; n < NGX_COUNTERS_REDIS_EVENT_READS; n++) {

        ngx_counters_redis_event_handle(e, redisAsyncHandleRead);

        if (e->ac == NULL) {
            return;
        }

        reader = e->ac->c.reader;

        if (reader->len > NGX_COUNTERS_REDIS_MAX_STRING) {
            e->error = "reply too large";
            redisAsyncFree(e->ac);
            return;
        }

        if (reader->len == reader->pos && reader->ridx <= 0) {
            return;
        }

        /* a part of a reply: what is missing may have arrived as well */
    }
}


void
ngx_counters_redis_event_write(ngx_counters_redis_event_t *e)
{
    e->writing = 1;

    ngx_counters_redis_event_handle(e, redisAsyncHandleWrite);

    e->writing = 0;
}


static void
ngx_counters_redis_event_handle(ngx_counters_redis_event_t *e,
    ngx_counters_redis_event_handle_pt handle)
{
    if (!e->secure) {
        handle(e->ac);
        return;
    }

    ngx_counters_redis_tls_clear();
    handle(e->ac);
    ngx_counters_redis_tls_clear();
}


/* an event that cannot be added ends in a timeout of the first command */

static void
ngx_counters_redis_event_add_read(void *data)
{
    ngx_counters_redis_event_t *e = data;

    ngx_event_t  *ev;

    ev = e->connection->read;

    if (!ev->active) {
        (void) ngx_add_event(ev, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_counters_redis_event_del_read(void *data)
{
    ngx_counters_redis_event_t *e = data;

    ngx_event_t  *ev;

    ev = e->connection->read;

    if (ev->active) {
        (void) ngx_del_event(ev, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }
}


/*
 * A socket can nearly always be written to, so commands wait only for the
 * end of this iteration of the event loop and leave in one write().  The
 * kernel is asked while connecting and when the socket's buffer is full.
 */

static void
ngx_counters_redis_event_add_write(void *data)
{
    ngx_counters_redis_event_t *e = data;

    ngx_event_t  *ev;

    ev = e->connection->write;

    if (ev->active) {
        return;
    }

    if (e->writing || !(e->ac->c.flags & REDIS_CONNECTED)) {
        (void) ngx_add_event(ev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
        return;
    }

    if (!ev->posted) {
        ngx_post_event(ev, &ngx_posted_events);
    }
}


static void
ngx_counters_redis_event_del_write(void *data)
{
    ngx_counters_redis_event_t *e = data;

    ngx_event_t  *ev;

    ev = e->connection->write;

    if (ev->active) {
        (void) ngx_del_event(ev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_counters_redis_event_cleanup(void *data)
{
    ngx_counters_redis_event_t *e = data;

    const char        *reason;
    ngx_connection_t  *c;

    c = e->connection;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, c->log, 0,
                   "counters redis cleanup, fd:%d", c->fd);

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    /* hiredis closes the descriptor, so it is removed, not left to close() */

    ngx_counters_redis_event_del_read(e);
    ngx_counters_redis_event_del_write(e);

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;

    reason = e->error;

    if (reason == NULL && e->ac->err) {

        /* hiredis would say "Success" */

        reason = e->secure ? ngx_counters_redis_tls_error() : NULL;
        reason = reason ? reason : e->ac->errstr;
    }

    e->connection = NULL;
    e->ac = NULL;

    e->closed(e->data, reason);
}


/*
 * No command is waiting for an answer.  An error is left to hiredis (too many
 * clients), and so is what
 * a subscriber is sent: ["message", channel, text], or the confirmation with
 * a number in the third place.  hiredis asserts that it has this form.
 */

static ngx_uint_t
ngx_counters_redis_event_expected(ngx_counters_redis_event_t *e,
    const redisReadTask *task, size_t items)
{
    redisReply  *reply;

    if (!(e->ac->c.flags & REDIS_SUBSCRIBED)) {
        return task->parent != NULL || task->type == REDIS_REPLY_ERROR;
    }

    if (task->parent == NULL) {
        return task->type == REDIS_REPLY_ERROR
               || (task->type == REDIS_REPLY_ARRAY && items == 3);
    }

    if (task->idx < 2) {
        return task->type == REDIS_REPLY_STRING;
    }

    reply = task->parent->obj;

    return task->type == REDIS_REPLY_INTEGER
           || (task->type == REDIS_REPLY_STRING
               && ngx_strcmp(reply->element[0]->str, "message") == 0);
}


static ngx_int_t
ngx_counters_redis_event_admit(const redisReadTask *task, size_t len,
    size_t items)
{
    ngx_counters_redis_event_t  *e;

    e = task->privdata;

    if (e->ac->replies.head == NULL
        && !ngx_counters_redis_event_expected(e, task, items))
    {
        e->error = "reply without a command";
        return NGX_DECLINED;
    }

    if (task->parent == NULL) {
        e->heard = 1;
        e->bytes = 0;
        e->items = 0;
    }

    e->bytes += len;
    e->items += items;

    if (e->bytes > NGX_COUNTERS_REDIS_MAX_REPLY
        || e->items > NGX_COUNTERS_REDIS_MAX_ITEMS)
    {
        e->error = "reply too large";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void *
ngx_counters_redis_event_string(const redisReadTask *task, char *str,
    size_t len)
{
    ngx_counters_redis_event_t  *e;

    e = task->privdata;

    /* what is not a type of RESP2 was not negotiated */

    if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_STATUS
        && task->type != REDIS_REPLY_ERROR)
    {
        e->error = "unexpected type of reply";
        return NULL;
    }

    if (ngx_counters_redis_event_admit(task, len, 0) != NGX_OK) {
        return NULL;
    }

    return e->origin->createString(task, str, len);
}


static void *
ngx_counters_redis_event_array(const redisReadTask *task,
    ngx_counters_redis_elements_t n)
{
    ngx_counters_redis_event_t  *e;

    e = task->privdata;

    if (task->type != REDIS_REPLY_ARRAY) {
        e->error = "unexpected type of reply";
        return NULL;
    }

    if (ngx_counters_redis_event_admit(task, 0, n) != NGX_OK) {
        return NULL;
    }

    return e->origin->createArray(task, n);
}


static void *
ngx_counters_redis_event_integer(const redisReadTask *task, long long value)
{
    ngx_counters_redis_event_t  *e;

    e = task->privdata;

    if (ngx_counters_redis_event_admit(task, 0, 0) != NGX_OK) {
        return NULL;
    }

    return e->origin->createInteger(task, value);
}


static void *
ngx_counters_redis_event_nil(const redisReadTask *task)
{
    ngx_counters_redis_event_t  *e;

    e = task->privdata;

    if (ngx_counters_redis_event_admit(task, 0, 0) != NGX_OK) {
        return NULL;
    }

    return e->origin->createNil(task);
}


#if (HIREDIS_MAJOR >= 1)

static void *
ngx_counters_redis_event_double(const redisReadTask *task, double value,
    char *str, size_t len)
{
    ngx_counters_redis_event_t  *e;

    e = task->privdata;
    e->error = "unexpected type of reply";

    return NULL;
}


static void *
ngx_counters_redis_event_bool(const redisReadTask *task, int value)
{
    ngx_counters_redis_event_t  *e;

    e = task->privdata;
    e->error = "unexpected type of reply";

    return NULL;
}

#endif
