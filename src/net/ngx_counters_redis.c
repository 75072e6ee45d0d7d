
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis.h"
#include "ngx_counters_redis_link.h"

#include <poll.h>


#define NGX_COUNTERS_REDIS_MAX_PENDING   4096
#define NGX_COUNTERS_REDIS_MAX_OUTPUT    (16 * 1024 * 1024)
#define NGX_COUNTERS_REDIS_MAX_TIMEOUTS  3
#define NGX_COUNTERS_REDIS_MAX_AGE       4      /* of a command, in timeouts */
#define NGX_COUNTERS_REDIS_FLUSH         200    /* msec */


typedef enum {
    NGX_COUNTERS_REDIS_MGET = 0,
    NGX_COUNTERS_REDIS_SET,
    NGX_COUNTERS_REDIS_DEL,
    NGX_COUNTERS_REDIS_PUBLISH
} ngx_counters_redis_op_e;


typedef struct {
    ngx_queue_t                 queue;
    ngx_counters_redis_t       *redis;
    ngx_counters_redis_op_e     op;
    ngx_msec_t                  sent;
    ngx_counters_redis_pt       handler;    /* NULL once it was called */
    void                       *data;
    ngx_uint_t                  nvalues;
    unsigned                    late:1;     /* timed out, answer to come */
} ngx_counters_redis_cmd_t;


typedef struct {
    ngx_str_t                   name;
    int                         type;
} ngx_counters_redis_reply_t;


struct ngx_counters_redis_s {
    void                       *dummy[3];
    /* a timer's ident must be after 3 pointers as in ngx_connection_t */
    ngx_socket_t                ident;

    ngx_counters_redis_link_t   link;
    ngx_event_t                 timer;      /* of the oldest command */

    /* answers come in order: whatever is late is older than any waiting */
    ngx_queue_t                 late;
    ngx_queue_t                 waiting;
    ngx_queue_t                 free;
    ngx_uint_t                  pending;    /* late and waiting */
    ngx_uint_t                  writes;     /* all but MGET among them */

    unsigned                    closing:1;
};


static ngx_int_t ngx_counters_redis_send(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *tmpl, ngx_str_t *args, ngx_uint_t nargs);
static ngx_counters_redis_cmd_t *ngx_counters_redis_alloc(
    ngx_counters_redis_t *redis);
static void ngx_counters_redis_reply_handler(redisAsyncContext *ac,
    void *data, void *command);
static ngx_int_t ngx_counters_redis_check(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *cmd, redisReply *reply);
static void ngx_counters_redis_complete(ngx_counters_redis_cmd_t *cmd,
    ngx_int_t rc, redisReply *reply);

static void ngx_counters_redis_timer_handler(ngx_event_t *ev);
static void ngx_counters_redis_expire(ngx_counters_redis_t *redis);
static ngx_uint_t ngx_counters_redis_overdue(ngx_counters_redis_t *redis);
static ngx_uint_t ngx_counters_redis_stuck(ngx_counters_redis_t *redis);
static void ngx_counters_redis_give_up(ngx_counters_redis_t *redis);
static void ngx_counters_redis_arm(ngx_counters_redis_t *redis);
static void ngx_counters_redis_flush(ngx_counters_redis_t *redis);


static ngx_counters_redis_reply_t  ngx_counters_redis_replies[] = {
    { ngx_string("MGET"), REDIS_REPLY_ARRAY },
    { ngx_string("SET"), REDIS_REPLY_STATUS },
    { ngx_string("DEL"), REDIS_REPLY_INTEGER },
    { ngx_string("PUBLISH"), REDIS_REPLY_INTEGER }
};


ngx_counters_redis_t *
ngx_counters_redis_create(ngx_cycle_t *cycle, ngx_counters_redis_conf_t *conf)
{
    ngx_counters_redis_t  *redis;

    redis = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->ident = (ngx_socket_t) -1;

    redis->timer.handler = ngx_counters_redis_timer_handler;
    redis->timer.data = redis;
    redis->timer.log = cycle->log;
    redis->timer.cancelable = 1;

    ngx_queue_init(&redis->late);
    ngx_queue_init(&redis->waiting);
    ngx_queue_init(&redis->free);

    if (ngx_counters_redis_link_open(&redis->link, conf, cycle->log)
        != NGX_OK)
    {
        return NULL;
    }

    return redis;
}


void
ngx_counters_redis_destroy(ngx_counters_redis_t *redis)
{
    ngx_queue_t  *q;

    redis->closing = 1;

    while (!ngx_queue_empty(&redis->waiting)) {
        ngx_counters_redis_give_up(redis);
    }

    ngx_counters_redis_flush(redis);

    ngx_counters_redis_link_close(&redis->link);

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    while (!ngx_queue_empty(&redis->free)) {
        q = ngx_queue_head(&redis->free);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_counters_redis_cmd_t, queue));
    }
}


ngx_int_t
ngx_counters_redis_get(ngx_counters_redis_t *redis, ngx_str_t *keys,
    ngx_uint_t nkeys, ngx_counters_redis_pt handler, void *data)
{
    ngx_str_t                 args[1 + NGX_COUNTERS_REDIS_MAX_VALUES];
    ngx_uint_t                i;
    ngx_counters_redis_cmd_t  cmd;

    if (nkeys == 0 || nkeys > NGX_COUNTERS_REDIS_MAX_VALUES) {
        return NGX_DECLINED;
    }

    ngx_str_set(&args[0], "MGET");

    for (i = 0; i < nkeys; i++) {
        args[i + 1] = keys[i];
    }

    cmd.op = NGX_COUNTERS_REDIS_MGET;
    cmd.handler = handler;
    cmd.data = data;
    cmd.nvalues = nkeys;

    if (ngx_counters_redis_send(redis, &cmd, args, nkeys + 1) != NGX_OK) {
        return NGX_DECLINED;
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_counters_redis_set(ngx_counters_redis_t *redis, ngx_str_t *key,
    ngx_str_t *value, uint64_t px)
{
    u_char                    buf[NGX_INT64_LEN];
    ngx_str_t                 args[5];
    ngx_counters_redis_cmd_t  cmd;

    /* Redis takes no zero, and what expires at once is not worth sending */

    if (px == 0) {
        return NGX_DECLINED;
    }

    ngx_str_set(&args[0], "SET");
    args[1] = *key;
    args[2] = *value;
    ngx_str_set(&args[3], "PX");
    args[4].data = buf;
    args[4].len = ngx_sprintf(buf, "%uL", px) - buf;

    cmd.op = NGX_COUNTERS_REDIS_SET;
    cmd.handler = NULL;
    cmd.data = NULL;
    cmd.nvalues = 0;

    return ngx_counters_redis_send(redis, &cmd, args, 5);
}


ngx_int_t
ngx_counters_redis_del(ngx_counters_redis_t *redis, ngx_str_t *key)
{
    ngx_str_t                 args[2];
    ngx_counters_redis_cmd_t  cmd;

    ngx_str_set(&args[0], "DEL");
    args[1] = *key;

    cmd.op = NGX_COUNTERS_REDIS_DEL;
    cmd.handler = NULL;
    cmd.data = NULL;
    cmd.nvalues = 0;

    return ngx_counters_redis_send(redis, &cmd, args, 2);
}


ngx_int_t
ngx_counters_redis_publish(ngx_counters_redis_t *redis, ngx_str_t *channel,
    ngx_str_t *message)
{
    ngx_str_t                 args[3];
    ngx_counters_redis_cmd_t  cmd;

    ngx_str_set(&args[0], "PUBLISH");
    args[1] = *channel;
    args[2] = *message;

    cmd.op = NGX_COUNTERS_REDIS_PUBLISH;
    cmd.handler = NULL;
    cmd.data = NULL;
    cmd.nvalues = 0;

    return ngx_counters_redis_send(redis, &cmd, args, 3);
}


void
ngx_counters_redis_state(ngx_counters_redis_t *redis,
    ngx_counters_redis_state_t *state)
{
    state->connected = (redis->link.state == NGX_COUNTERS_REDIS_READY);
    state->breaker = (redis->link.state != NGX_COUNTERS_REDIS_READY
                      || redis->pending >= NGX_COUNTERS_REDIS_MAX_PENDING);
    state->pending = redis->pending;
}


static ngx_int_t
ngx_counters_redis_send(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *tmpl, ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_counters_redis_cmd_t   *cmd;
    ngx_counters_redis_link_t  *link;

    link = &redis->link;

    if (redis->closing
        || link->state != NGX_COUNTERS_REDIS_READY
        || redis->pending >= NGX_COUNTERS_REDIS_MAX_PENDING
        || sdslen(link->event.ac->c.obuf) >= NGX_COUNTERS_REDIS_MAX_OUTPUT)
    {
        return NGX_DECLINED;
    }

    cmd = ngx_counters_redis_alloc(redis);
    if (cmd == NULL) {
        return NGX_DECLINED;
    }

    cmd->redis = redis;
    cmd->op = tmpl->op;
    cmd->sent = ngx_current_msec;
    cmd->handler = tmpl->handler;
    cmd->data = tmpl->data;
    cmd->nvalues = tmpl->nvalues;
    cmd->late = 0;

    if (ngx_counters_redis_link_send(link, ngx_counters_redis_reply_handler,
                                     cmd, args, nargs)
        != NGX_OK)
    {
        ngx_queue_insert_head(&redis->free, &cmd->queue);
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&redis->waiting, &cmd->queue);
    redis->pending++;

    if (cmd->op != NGX_COUNTERS_REDIS_MGET) {
        redis->writes++;
    }

    /* one that is set for late commands alone may be too far away */

    if (!redis->timer.timer_set
        || (!ngx_queue_empty(&redis->late)
            && ngx_queue_head(&redis->waiting) == &cmd->queue))
    {
        ngx_counters_redis_arm(redis);
    }

    return NGX_OK;
}


/* used again and again: there are as many as were ever pending at once */

static ngx_counters_redis_cmd_t *
ngx_counters_redis_alloc(ngx_counters_redis_t *redis)
{
    ngx_queue_t  *q;

    if (ngx_queue_empty(&redis->free)) {
        return ngx_alloc(sizeof(ngx_counters_redis_cmd_t), ngx_cycle->log);
    }

    q = ngx_queue_head(&redis->free);
    ngx_queue_remove(q);

    return ngx_queue_data(q, ngx_counters_redis_cmd_t, queue);
}


static void
ngx_counters_redis_reply_handler(redisAsyncContext *ac, void *data,
    void *command)
{
    ngx_int_t                  rc;
    redisReply                *reply;
    ngx_counters_redis_t      *redis;
    ngx_counters_redis_cmd_t  *p, cmd;

    reply = data;
    p = command;
    redis = p->redis;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, ngx_cycle->log, 0,
                   "counters redis reply handler: %V, late:%d pending:%ui",
                   &ngx_counters_redis_replies[p->op].name, p->late,
                   redis->pending);

    /* a copy: the handler may give commands, which may use the record */

    cmd = *p;

    ngx_queue_remove(&p->queue);
    ngx_queue_insert_head(&redis->free, &p->queue);
    redis->pending--;

    if (cmd.op != NGX_COUNTERS_REDIS_MGET) {
        redis->writes--;
    }

    if (reply == NULL) {
        ngx_counters_redis_link_lost(&redis->link);
        rc = NGX_ERROR;

    } else {

        if (!cmd.late) {
            redis->link.timeouts = 0;
        }

        rc = ngx_counters_redis_check(redis, &cmd, reply);
    }

    ngx_counters_redis_complete(&cmd, rc, reply);
}


static ngx_int_t
ngx_counters_redis_check(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *cmd, redisReply *reply)
{
    ngx_counters_redis_reply_t  *expected;

    expected = &ngx_counters_redis_replies[cmd->op];

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_counters_redis_link_refused(&redis->link, &expected->name,
                                        reply->str);

        /* a new connection authenticates again */

        if (ngx_strncmp(reply->str, "NOAUTH", 6) == 0) {
            ngx_counters_redis_link_drop(&redis->link, reply->str);
        }

        return NGX_ERROR;
    }

    /* once out of step, the next answer might be another request's value */

    if (reply->type != expected->type
        || (reply->type == REDIS_REPLY_ARRAY
            && reply->elements != cmd->nvalues))
    {
        ngx_counters_redis_link_drop(&redis->link, "unexpected reply");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_counters_redis_complete(ngx_counters_redis_cmd_t *cmd, ngx_int_t rc,
    redisReply *reply)
{
    ngx_str_t    values[NGX_COUNTERS_REDIS_MAX_VALUES];
    ngx_uint_t   i;
    redisReply  *element;

    if (cmd->handler == NULL) {
        return;
    }

    if (rc != NGX_OK) {
        cmd->handler(cmd->data, rc, NULL, 0);
        return;
    }

    for (i = 0; i < cmd->nvalues; i++) {
        element = reply->element[i];

        if (element->type == REDIS_REPLY_STRING) {
            values[i].len = element->len;
            values[i].data = (u_char *) element->str;

        } else {
            ngx_str_null(&values[i]);
        }
    }

    cmd->handler(cmd->data, NGX_OK, values, cmd->nvalues);
}


static void
ngx_counters_redis_timer_handler(ngx_event_t *ev)
{
    ngx_counters_redis_t  *redis;

    redis = ev->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters redis timer handler, pending:%ui timeouts:%ui",
                   redis->pending, redis->link.timeouts);

    if (redis->link.state != NGX_COUNTERS_REDIS_READY) {
        return;
    }

    if (ngx_counters_redis_overdue(redis) || ngx_counters_redis_stuck(redis)) {
        ngx_counters_redis_expire(redis);
    }

    ngx_counters_redis_arm(redis);
}


static void
ngx_counters_redis_expire(ngx_counters_redis_t *redis)
{
    ngx_uint_t  n;

    /* this process may have been late itself, and the answers be here */

    ngx_counters_redis_event_read(&redis->link.event);

    if (redis->link.state != NGX_COUNTERS_REDIS_READY) {
        return;
    }

    n = ngx_counters_redis_overdue(redis);
    redis->link.timeouts += n;

    if (redis->link.timeouts >= NGX_COUNTERS_REDIS_MAX_TIMEOUTS
        || ngx_counters_redis_stuck(redis))
    {
        ngx_counters_redis_link_drop(&redis->link, "timed out");
        return;
    }

    while (n--) {
        ngx_counters_redis_give_up(redis);
    }
}


static ngx_uint_t
ngx_counters_redis_overdue(ngx_counters_redis_t *redis)
{
    ngx_uint_t                 n;
    ngx_queue_t               *q;
    ngx_counters_redis_cmd_t  *cmd;

    n = 0;

    for (q = ngx_queue_head(&redis->waiting);
         q != ngx_queue_sentinel(&redis->waiting);
         q = ngx_queue_next(q))
    {
        cmd = ngx_queue_data(q, ngx_counters_redis_cmd_t, queue);

        if (ngx_current_msec - cmd->sent < redis->link.conf->timeout) {
            break;
        }

        n++;
    }

    return n;
}


/* the oldest command of all is the first of the late ones */

static ngx_uint_t
ngx_counters_redis_stuck(ngx_counters_redis_t *redis)
{
    ngx_queue_t               *q;
    ngx_counters_redis_cmd_t  *cmd;

    if (ngx_queue_empty(&redis->late)) {
        return 0;
    }

    q = ngx_queue_head(&redis->late);
    cmd = ngx_queue_data(q, ngx_counters_redis_cmd_t, queue);

    return (ngx_current_msec - cmd->sent
            >= redis->link.conf->timeout * NGX_COUNTERS_REDIS_MAX_AGE);
}


/* the record of the oldest waiting command stays, to swallow its answer */

static void
ngx_counters_redis_give_up(ngx_counters_redis_t *redis)
{
    void                      *data;
    ngx_queue_t               *q;
    ngx_counters_redis_pt      handler;
    ngx_counters_redis_cmd_t  *cmd;

    q = ngx_queue_head(&redis->waiting);
    cmd = ngx_queue_data(q, ngx_counters_redis_cmd_t, queue);

    ngx_queue_remove(q);
    ngx_queue_insert_tail(&redis->late, q);

    handler = cmd->handler;
    data = cmd->data;

    cmd->late = 1;
    cmd->handler = NULL;

    if (handler) {
        handler(data, NGX_ERROR, NULL, 0);
    }
}


static void
ngx_counters_redis_arm(ngx_counters_redis_t *redis)
{
    ngx_msec_t                 end;
    ngx_queue_t               *q;
    ngx_msec_int_t             left;
    ngx_counters_redis_cmd_t  *cmd;

    /* set anew if a handler gave a command, which is not the oldest one */

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    if (redis->pending == 0) {
        return;
    }

    end = redis->link.conf->timeout;

    if (!ngx_queue_empty(&redis->waiting)) {
        q = ngx_queue_head(&redis->waiting);

    } else {
        q = ngx_queue_head(&redis->late);
        end *= NGX_COUNTERS_REDIS_MAX_AGE;
    }

    cmd = ngx_queue_data(q, ngx_counters_redis_cmd_t, queue);

    left = (ngx_msec_int_t) (cmd->sent + end - ngx_current_msec);

    ngx_add_timer(&redis->timer, (ngx_msec_t) ngx_max(left, 1));
}


static void
ngx_counters_redis_flush(ngx_counters_redis_t *redis)
{
    int                          n;
    ngx_msec_t                   end;
    struct pollfd                pfd;
    ngx_msec_int_t               left;
    ngx_counters_redis_event_t  *e;

    if (redis->link.state != NGX_COUNTERS_REDIS_READY || redis->writes == 0) {
        return;
    }

    e = &redis->link.event;

    ngx_time_update();
    end = ngx_current_msec
          + ngx_min(redis->link.conf->timeout, NGX_COUNTERS_REDIS_FLUSH);

    ngx_counters_redis_event_write(e);

    while (e->ac && redis->writes) {

        left = (ngx_msec_int_t) (end - ngx_current_msec);

        if (left <= 0) {
            break;
        }

        pfd.fd = e->ac->c.fd;
        pfd.events = POLLIN;
        pfd.revents = 0;

        if (sdslen(e->ac->c.obuf)) {
            pfd.events |= POLLOUT;
        }

        n = poll(&pfd, 1, (int) left);

        if (n == -1 && ngx_errno != NGX_EINTR) {
            break;
        }

        if (n == 1 && (pfd.revents & POLLOUT)) {
            ngx_counters_redis_event_write(e);
        }

        if (n == 1 && e->ac && (pfd.revents & ~POLLOUT)) {
            ngx_counters_redis_event_read(e);
        }

        ngx_time_update();
    }
}
