
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_channel.h"
#include "ngx_counters_redis_link.h"


struct ngx_counters_redis_channel_s {
    ngx_counters_redis_link_t       link;
    ngx_str_t                      *name;
    ngx_counters_redis_message_pt   handler;
    void                           *data;
    ngx_uint_t                      closing;   /* unsigned  closing:1 */
};


static void ngx_counters_redis_channel_ready(void *data);
static void ngx_counters_redis_channel_handler(redisAsyncContext *ac,
    void *data, void *channel);


ngx_counters_redis_channel_t *
ngx_counters_redis_subscribe(ngx_cycle_t *cycle,
    ngx_counters_redis_conf_t *conf, ngx_str_t *name,
    ngx_counters_redis_message_pt handler, void *data)
{
    ngx_counters_redis_channel_t  *channel;

    channel = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_redis_channel_t));
    if (channel == NULL) {
        return NULL;
    }

    channel->name = name;
    channel->handler = handler;
    channel->data = data;

    channel->link.opened = ngx_counters_redis_channel_ready;
    channel->link.data = channel;

    if (ngx_counters_redis_link_open(&channel->link, conf, cycle->log)
        != NGX_OK)
    {
        return NULL;
    }

    return channel;
}


void
ngx_counters_redis_unsubscribe(ngx_counters_redis_channel_t *channel)
{
    channel->closing = 1;

    ngx_counters_redis_link_close(&channel->link);
}


static void
ngx_counters_redis_channel_ready(void *data)
{
    ngx_counters_redis_channel_t *channel = data;

    ngx_str_t  args[2];

    ngx_str_set(&args[0], "SUBSCRIBE");
    args[1] = *channel->name;

    if (ngx_counters_redis_link_send(&channel->link,
                                     ngx_counters_redis_channel_handler,
                                     channel, args, 2)
        != NGX_OK)
    {
        ngx_counters_redis_link_drop(&channel->link, "SUBSCRIBE failed");
    }
}


/* ["subscribe", channel, n] once, then ["message", channel, text] */

static void
ngx_counters_redis_channel_handler(redisAsyncContext *ac, void *data,
    void *owner)
{
    ngx_str_t                      message, name;
    redisReply                    *reply, *element;
    ngx_counters_redis_channel_t  *channel;

    reply = data;
    channel = owner;

    if (reply == NULL) {
        ngx_counters_redis_link_lost(&channel->link);
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_str_set(&name, "SUBSCRIBE");
        ngx_counters_redis_link_refused(&channel->link, &name, reply->str);
        return;
    }

    if (channel->closing || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 3)
    {
        return;
    }

    element = reply->element[2];

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, ngx_cycle->log, 0,
                   "counters redis channel handler, type:%d", element->type);

    if (element->type == REDIS_REPLY_STRING) {
        message.len = element->len;
        message.data = (u_char *) element->str;
        channel->handler(channel->data, &message);
    }
}
