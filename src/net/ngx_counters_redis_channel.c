
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_channel.h"
#include "ngx_counters_redis_hello.h"


struct ngx_counters_redis_channel_s {
    ngx_counters_redis_link_t      *link;
    ngx_counters_redis_user_t       user;
    ngx_str_t                      *name;
    void                           *data;
    uint64_t                        asked;     /* when SUBSCRIBE was sent */

    const ngx_counters_redis_listener_t  *listener;

    unsigned                        asking:1;  /* and not confirmed yet */
    unsigned                        stands:1;
    unsigned                        closing:1;
};


static void ngx_counters_redis_channel_ready(void *data);
static void ngx_counters_redis_channel_down(void *data);
static ngx_int_t ngx_counters_redis_channel_ping(
    ngx_counters_redis_link_t *link);
static void ngx_counters_redis_channel_handler(redisAsyncContext *ac,
    void *data, void *owner);


static ngx_counters_redis_use_t  ngx_counters_redis_channel_channels = {
    ngx_counters_redis_hello,
    ngx_counters_redis_channel_ping
};

static ngx_str_t  ngx_counters_redis_channel_command = ngx_string("SUBSCRIBE");


ngx_counters_redis_channel_t *
ngx_counters_redis_channel_subscribe(ngx_cycle_t *cycle,
    ngx_counters_redis_links_t *links, ngx_counters_redis_conf_t *conf,
    ngx_str_t *name, const ngx_counters_redis_listener_t *listener,
    void *data)
{
    ngx_counters_redis_channel_t  *channel;

    channel = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_redis_channel_t));
    if (channel == NULL) {
        return NULL;
    }

    channel->name = name;
    channel->listener = listener;
    channel->data = data;

    channel->user.ready = ngx_counters_redis_channel_ready;
    channel->user.down = ngx_counters_redis_channel_down;
    channel->user.data = channel;

    channel->link = ngx_counters_redis_links_get(links, conf,
                                           &ngx_counters_redis_channel_channels,
                                                 &channel->user, cycle->log);

    return channel->link ? channel : NULL;
}


void
ngx_counters_redis_channel_unsubscribe(ngx_counters_redis_channel_t *channel)
{
    channel->closing = 1;

    ngx_counters_redis_links_put(channel->link, &channel->user);
}


/* hiredis tells the channels of a connection apart */

static void
ngx_counters_redis_channel_ready(void *data)
{
    ngx_counters_redis_channel_t *channel = data;

    ngx_str_t     args[2];
    ngx_time_t   *tp;

    if (channel->closing) {
        return;
    }

    if (!channel->asking) {
        tp = ngx_timeofday();
        channel->asked = (uint64_t) tp->sec * 1000 + tp->msec;
        channel->asking = 1;
    }

    args[0] = ngx_counters_redis_channel_command;
    args[1] = *channel->name;

    if (ngx_counters_redis_link_send(channel->link,
                                     ngx_counters_redis_channel_handler,
                                     channel, args, 2)
        != NGX_OK)
    {
        ngx_counters_redis_link_drop(channel->link, "SUBSCRIBE failed");
    }
}


static void
ngx_counters_redis_channel_down(void *data)
{
    ngx_counters_redis_channel_t *channel = data;

    channel->asking = 0;
    channel->stands = 0;
}


/* subscribing again changes nothing, and is confirmed */

static ngx_int_t
ngx_counters_redis_channel_ping(ngx_counters_redis_link_t *link)
{
    ngx_queue_t                *q;
    ngx_counters_redis_user_t  *user;

    for (q = ngx_queue_head(&link->users);
         q != ngx_queue_sentinel(&link->users);
         q = ngx_queue_next(q))
    {
        if (link->state != NGX_COUNTERS_REDIS_READY) {
            break;
        }

        user = ngx_queue_data(q, ngx_counters_redis_user_t, queue);
        user->ready(user->data);
    }

    return NGX_OK;
}


/* ["subscribe", channel, n], then ["message", channel, text] */

static void
ngx_counters_redis_channel_handler(redisAsyncContext *ac, void *data,
    void *owner)
{
    ngx_str_t                      message;
    ngx_uint_t                     fresh;
    redisReply                    *reply, *element;
    ngx_counters_redis_channel_t  *channel;

    reply = data;
    channel = owner;

    if (reply == NULL) {
        ngx_counters_redis_link_lost(channel->link);
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_counters_redis_links_refused(channel->link,
                                         &ngx_counters_redis_channel_command,
                                         reply->str);
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
        channel->listener->message(channel->data, &message);
        return;
    }

    fresh = !channel->stands;

    channel->asking = 0;
    channel->stands = 1;

    channel->listener->confirmed(channel->data, channel->asked, fresh);
}
