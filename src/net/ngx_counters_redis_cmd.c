
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_cmd.h"


#define NGX_COUNTERS_REDIS_MAX_OUTPUT    (16 * 1024 * 1024)
#define NGX_COUNTERS_REDIS_MAX_TIMEOUTS  3
#define NGX_COUNTERS_REDIS_MAX_AGE       4      /* of a command, in timeouts */


static ngx_int_t ngx_counters_redis_cmd_hold(ngx_counters_redis_cmd_t *cmd,
    ngx_str_t *args, ngx_uint_t nargs);
static ngx_counters_redis_cmd_t *ngx_counters_redis_cmd_alloc(
    ngx_counters_redis_t *redis);
static void ngx_counters_redis_cmd_ready(void *data);
static void ngx_counters_redis_cmd_down(void *data);
static void ngx_counters_redis_cmd_timer_handler(ngx_event_t *ev);
static void ngx_counters_redis_cmd_expire(ngx_counters_redis_t *redis);
static ngx_uint_t ngx_counters_redis_cmd_overdue(ngx_counters_redis_t *redis);
static ngx_uint_t ngx_counters_redis_cmd_stuck(ngx_counters_redis_t *redis);
static ngx_counters_redis_cmd_t *ngx_counters_redis_cmd_oldest(
    ngx_counters_redis_t *redis);
static void ngx_counters_redis_cmd_arm(ngx_counters_redis_t *redis);


void
ngx_counters_redis_cmd_init(ngx_counters_redis_t *redis,
    redisCallbackFn *reply, ngx_log_t *log)
{
    redis->reply = reply;
    redis->ident = (ngx_socket_t) -1;

    redis->timer.handler = ngx_counters_redis_cmd_timer_handler;
    redis->timer.data = redis;
    redis->timer.log = log;
    redis->timer.cancelable = 1;

    ngx_queue_init(&redis->late);
    ngx_queue_init(&redis->waiting);
    ngx_queue_init(&redis->free);

    redis->user.ready = ngx_counters_redis_cmd_ready;
    redis->user.down = ngx_counters_redis_cmd_down;
    redis->user.data = redis;
}


ngx_int_t
ngx_counters_redis_cmd_send(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *tmpl, ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_int_t                   rc;
    ngx_counters_redis_cmd_t   *cmd;
    ngx_counters_redis_link_t  *link;

    link = redis->link;

    if (redis->closing || !ngx_counters_redis_cmd_accepts(redis)) {
        return NGX_DECLINED;
    }

    if (link->state == NGX_COUNTERS_REDIS_READY) {
        if (sdslen(link->event.ac->c.obuf) >= NGX_COUNTERS_REDIS_MAX_OUTPUT) {
            return NGX_DECLINED;
        }

    } else if (tmpl->op != NGX_COUNTERS_REDIS_MGET) {
        return NGX_DECLINED;
    }

    cmd = ngx_counters_redis_cmd_alloc(redis);
    if (cmd == NULL) {
        return NGX_DECLINED;
    }

    cmd->redis = redis;
    cmd->op = tmpl->op;
    cmd->sent = ngx_current_msec;
    cmd->handler = tmpl->handler;
    cmd->data = tmpl->data;
    cmd->nvalues = tmpl->nvalues;
    cmd->wire = NULL;
    cmd->late = 0;

    rc = (link->state == NGX_COUNTERS_REDIS_READY)
         ? ngx_counters_redis_link_send(link, redis->reply, cmd, args, nargs)
         : ngx_counters_redis_cmd_hold(cmd, args, nargs);

    if (rc != NGX_OK) {
        ngx_queue_insert_head(&redis->free, &cmd->queue);
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&redis->waiting, &cmd->queue);
    redis->pending++;
    link->pending++;

    if (cmd->op != NGX_COUNTERS_REDIS_MGET) {
        link->writes++;
    }

    /* one that is set for late commands alone may be too far away */

    if (!redis->timer.timer_set
        || (!ngx_queue_empty(&redis->late)
            && ngx_queue_head(&redis->waiting) == &cmd->queue))
    {
        ngx_counters_redis_cmd_arm(redis);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_counters_redis_cmd_accepts(ngx_counters_redis_t *redis)
{
    ngx_counters_redis_link_t  *link;

    link = redis->link;

    return link->pending < NGX_COUNTERS_REDIS_MAX_PENDING
           && (link->state == NGX_COUNTERS_REDIS_READY
               || (link->early && !redis->waited));
}


/* until the connection stands */

static ngx_int_t
ngx_counters_redis_cmd_hold(ngx_counters_redis_cmd_t *cmd, ngx_str_t *args,
    ngx_uint_t nargs)
{
    ngx_counters_redis_buf_t  b;

    ngx_memzero(&b, sizeof(ngx_counters_redis_buf_t));

    cmd->wire = ngx_counters_redis_wire(&b, args, nargs, &cmd->len);

    return cmd->wire ? NGX_OK : NGX_ERROR;
}


/* used again and again: there are as many as were ever pending at once */

static ngx_counters_redis_cmd_t *
ngx_counters_redis_cmd_alloc(ngx_counters_redis_t *redis)
{
    ngx_queue_t  *q;

    if (ngx_queue_empty(&redis->free)) {
        return ngx_alloc(sizeof(ngx_counters_redis_cmd_t), ngx_cycle->log);
    }

    q = ngx_queue_head(&redis->free);
    ngx_queue_remove(q);

    return ngx_queue_data(q, ngx_counters_redis_cmd_t, queue);
}


void
ngx_counters_redis_cmd_free(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *cmd)
{
    ngx_queue_remove(&cmd->queue);

    redis->pending--;
    redis->link->pending--;

    if (cmd->op != NGX_COUNTERS_REDIS_MGET) {
        redis->link->writes--;
    }

    if (cmd->wire) {
        ngx_free(cmd->wire);
        cmd->wire = NULL;
    }

    if (redis->closing) {
        ngx_free(cmd);

    } else {
        ngx_queue_insert_head(&redis->free, &cmd->queue);
    }
}


/* what has waited for the connection is sent, as old as it is by now */

static void
ngx_counters_redis_cmd_ready(void *data)
{
    ngx_counters_redis_t *redis = data;

    ngx_queue_t               *q;
    ngx_counters_redis_cmd_t  *cmd;

    redis->waited = 0;

    for (q = ngx_queue_head(&redis->waiting);
         q != ngx_queue_sentinel(&redis->waiting);
         q = ngx_queue_next(q))
    {
        cmd = ngx_queue_data(q, ngx_counters_redis_cmd_t, queue);

        if (cmd->wire == NULL) {
            continue;
        }

        if (redisAsyncFormattedCommand(redis->link->event.ac, redis->reply,
                                       cmd, (char *) cmd->wire, cmd->len)
            != REDIS_OK)
        {
            ngx_counters_redis_link_drop(redis->link, "no memory");
            return;
        }

        ngx_free(cmd->wire);
        cmd->wire = NULL;
    }
}


/* only what has waited for the connection is left */

static void
ngx_counters_redis_cmd_down(void *data)
{
    ngx_counters_redis_t *redis = data;

    while (!ngx_queue_empty(&redis->waiting)) {
        ngx_counters_redis_cmd_give_up(redis,
                                       ngx_counters_redis_cmd_oldest(redis));
    }
}


static void
ngx_counters_redis_cmd_timer_handler(ngx_event_t *ev)
{
    ngx_counters_redis_t  *redis;

    redis = ev->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters redis timer handler, pending:%ui timeouts:%ui",
                   redis->pending, redis->link->timeouts);

    if (ngx_counters_redis_cmd_overdue(redis)
        || ngx_counters_redis_cmd_stuck(redis))
    {
        ngx_counters_redis_cmd_expire(redis);
    }

    ngx_counters_redis_cmd_arm(redis);
}


static void
ngx_counters_redis_cmd_expire(ngx_counters_redis_t *redis)
{
    ngx_uint_t                  n;
    ngx_counters_redis_link_t  *link;

    link = redis->link;

    if (link->state == NGX_COUNTERS_REDIS_READY) {

        /* this process may have been late itself, and the answers be here */

        ngx_counters_redis_event_read(&link->event);

        if (link->state != NGX_COUNTERS_REDIS_READY) {
            return;
        }

        n = ngx_counters_redis_cmd_overdue(redis);
        link->timeouts += n;

        if (link->timeouts >= NGX_COUNTERS_REDIS_MAX_TIMEOUTS
            || ngx_counters_redis_cmd_stuck(redis))
        {
            ngx_counters_redis_link_drop(link, "timed out");
            return;
        }

    } else {

        /* the others need not wait as long to learn the same */

        redis->waited = 1;
        n = ngx_counters_redis_cmd_overdue(redis);
    }

    while (n--) {
        ngx_counters_redis_cmd_give_up(redis,
                                       ngx_counters_redis_cmd_oldest(redis));
    }
}


static ngx_uint_t
ngx_counters_redis_cmd_overdue(ngx_counters_redis_t *redis)
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

        if (ngx_current_msec - cmd->sent < redis->timeout) {
            break;
        }

        n++;
    }

    return n;
}


/* the oldest command of all is the first of the late ones */

static ngx_uint_t
ngx_counters_redis_cmd_stuck(ngx_counters_redis_t *redis)
{
    ngx_queue_t               *q;
    ngx_counters_redis_cmd_t  *cmd;

    if (ngx_queue_empty(&redis->late)) {
        return 0;
    }

    q = ngx_queue_head(&redis->late);
    cmd = ngx_queue_data(q, ngx_counters_redis_cmd_t, queue);

    return (ngx_current_msec - cmd->sent
            >= redis->timeout * NGX_COUNTERS_REDIS_MAX_AGE);
}


/* if it was sent, its record stays, to swallow the answer */

void
ngx_counters_redis_cmd_give_up(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *cmd)
{
    void                   *data;
    ngx_counters_redis_pt   handler;

    handler = cmd->handler;
    data = cmd->data;

    if (cmd->wire) {
        ngx_counters_redis_cmd_free(redis, cmd);

    } else {
        ngx_queue_remove(&cmd->queue);
        ngx_queue_insert_tail(&redis->late, &cmd->queue);

        cmd->late = 1;
        cmd->handler = NULL;
    }

    if (handler) {
        handler(data, NGX_ERROR, NULL, 0);
    }
}


static ngx_counters_redis_cmd_t *
ngx_counters_redis_cmd_oldest(ngx_counters_redis_t *redis)
{
    ngx_queue_t  *q;

    q = ngx_queue_head(&redis->waiting);

    return ngx_queue_data(q, ngx_counters_redis_cmd_t, queue);
}


static void
ngx_counters_redis_cmd_arm(ngx_counters_redis_t *redis)
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

    end = redis->timeout;

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
