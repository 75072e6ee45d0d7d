
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_cmd.h"
#include "ngx_counters_redis_hello.h"


typedef struct {
    ngx_str_t                   name;
    int                         type;
} ngx_counters_redis_reply_t;


static ngx_int_t ngx_counters_redis_write(ngx_counters_redis_t *redis,
    ngx_counters_redis_op_e op, ngx_str_t *args, ngx_uint_t nargs,
    ngx_counters_redis_pt handler, void *data);
static void ngx_counters_redis_reply_handler(redisAsyncContext *ac,
    void *data, void *command);
static ngx_int_t ngx_counters_redis_check(ngx_counters_redis_t *redis,
    ngx_counters_redis_cmd_t *cmd, redisReply *reply);
static void ngx_counters_redis_complete(ngx_counters_redis_cmd_t *cmd,
    ngx_int_t rc, redisReply *reply);


static ngx_counters_redis_use_t  ngx_counters_redis_commands = {
    ngx_counters_redis_hello,
    ngx_counters_redis_hello_redis_ping
};


static ngx_counters_redis_reply_t  ngx_counters_redis_replies[] = {
    { ngx_string("MGET"), REDIS_REPLY_ARRAY },
    { ngx_string("SET"), REDIS_REPLY_STATUS },
    { ngx_string("DEL"), REDIS_REPLY_INTEGER },
    { ngx_string("PUBLISH"), REDIS_REPLY_INTEGER },
    { ngx_string("EVAL"), REDIS_REPLY_INTEGER }
};


ngx_counters_redis_t *
ngx_counters_redis_create(ngx_cycle_t *cycle,
    ngx_counters_redis_links_t *links, ngx_counters_redis_conf_t *conf)
{
    ngx_counters_redis_t  *redis;

    redis = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->timeout = conf->timeout;

    ngx_counters_redis_cmd_init(redis, ngx_counters_redis_reply_handler,
                                cycle->log);

    redis->link = ngx_counters_redis_links_get(links, conf,
                                               &ngx_counters_redis_commands,
                                               &redis->user, cycle->log);

    return redis->link ? redis : NULL;
}


void
ngx_counters_redis_destroy(ngx_counters_redis_t *redis)
{
    ngx_queue_t               *q, *next;
    ngx_counters_redis_cmd_t  *cmd;

    redis->closing = 1;

    for (q = ngx_queue_head(&redis->waiting);
         q != ngx_queue_sentinel(&redis->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        cmd = ngx_queue_data(q, ngx_counters_redis_cmd_t, queue);

        if (cmd->op == NGX_COUNTERS_REDIS_MGET) {
            ngx_counters_redis_cmd_give_up(redis, cmd);
        }
    }

    /* writes are done, or given up, as long as others have the connection */

    ngx_counters_redis_links_put(redis->link, &redis->user);

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

    if (ngx_counters_redis_cmd_send(redis, &cmd, args, nkeys + 1) != NGX_OK) {
        return NGX_DECLINED;
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_counters_redis_set(ngx_counters_redis_t *redis, ngx_str_t *key,
    ngx_str_t *value, uint64_t px, ngx_counters_redis_pt handler, void *data)
{
    u_char     buf[NGX_INT64_LEN];
    ngx_str_t  args[5];

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

    return ngx_counters_redis_write(redis, NGX_COUNTERS_REDIS_SET, args, 5,
                                    handler, data);
}


ngx_int_t
ngx_counters_redis_del(ngx_counters_redis_t *redis, ngx_str_t *key,
    ngx_counters_redis_pt handler, void *data)
{
    ngx_str_t  args[2];

    ngx_str_set(&args[0], "DEL");
    args[1] = *key;

    return ngx_counters_redis_write(redis, NGX_COUNTERS_REDIS_DEL, args, 2,
                                    handler, data);
}


ngx_int_t
ngx_counters_redis_publish(ngx_counters_redis_t *redis, ngx_str_t *channel,
    ngx_str_t *message, ngx_counters_redis_pt handler, void *data)
{
    ngx_str_t  args[3];

    ngx_str_set(&args[0], "PUBLISH");
    args[1] = *channel;
    args[2] = *message;

    return ngx_counters_redis_write(redis, NGX_COUNTERS_REDIS_PUBLISH, args, 3,
                                    handler, data);
}


ngx_int_t
ngx_counters_redis_eval(ngx_counters_redis_t *redis, ngx_str_t *script,
    ngx_str_t *words, ngx_uint_t nwords, ngx_uint_t nkeys,
    ngx_counters_redis_pt handler, void *data)
{
    u_char      buf[NGX_INT_T_LEN];
    ngx_str_t   args[3 + NGX_COUNTERS_REDIS_MAX_WORDS];

    if (nwords > NGX_COUNTERS_REDIS_MAX_WORDS) {
        return NGX_DECLINED;
    }

    ngx_str_set(&args[0], "EVAL");
    args[1] = *script;
    args[2].data = buf;
    args[2].len = ngx_sprintf(buf, "%ui", nkeys) - buf;
    ngx_memcpy(&args[3], words, nwords * sizeof(ngx_str_t));

    return ngx_counters_redis_write(redis, NGX_COUNTERS_REDIS_EVAL, args,
                                    3 + nwords, handler, data);
}


void
ngx_counters_redis_state(ngx_counters_redis_t *redis,
    ngx_counters_redis_state_t *state)
{
    ngx_counters_redis_link_t  *link;

    link = redis->link;

    state->connected = (link->state == NGX_COUNTERS_REDIS_READY);
    state->breaker = !ngx_counters_redis_cmd_accepts(redis);
    state->pending = redis->pending;
}


static ngx_int_t
ngx_counters_redis_write(ngx_counters_redis_t *redis,
    ngx_counters_redis_op_e op, ngx_str_t *args, ngx_uint_t nargs,
    ngx_counters_redis_pt handler, void *data)
{
    ngx_counters_redis_cmd_t  cmd;

    cmd.op = op;
    cmd.handler = handler;
    cmd.data = data;
    cmd.nvalues = 0;

    return ngx_counters_redis_cmd_send(redis, &cmd, args, nargs);
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

    ngx_counters_redis_cmd_free(redis, p);

    if (reply == NULL) {
        ngx_counters_redis_link_lost(redis->link);
        rc = NGX_ERROR;

    } else {

        if (!cmd.late) {
            redis->link->timeouts = 0;
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
        ngx_counters_redis_links_refused(redis->link, &expected->name,
                                         reply->str);
        return NGX_DECLINED;
    }

    /* once out of step, the next answer might be another request's value */

    if (reply->type != expected->type
        || (reply->type == REDIS_REPLY_ARRAY
            && reply->elements != cmd->nvalues))
    {
        ngx_counters_redis_link_drop(redis->link, "unexpected reply");
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
