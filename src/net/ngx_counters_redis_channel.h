
/*
 * Copyright (C) The nginx counters module authors
 *
 * One channel of Redis's publish/subscribe, on a connection that all channels
 * of a node share and that opens itself again.  What is published while it is
 * away is not seen.
 */


#ifndef _NGX_COUNTERS_REDIS_CHANNEL_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_CHANNEL_H_INCLUDED_


#include "ngx_counters_redis.h"


typedef struct ngx_counters_redis_channel_s  ngx_counters_redis_channel_t;

/* from the event loop; the message is gone afterwards */

typedef void (*ngx_counters_redis_message_pt)(void *data, ngx_str_t *message);


/*
 * In init_process.  "conf" and "name" must live as long as the channel.
 * NULL on failure, logged.
 */

ngx_counters_redis_channel_t *ngx_counters_redis_subscribe(
    ngx_cycle_t *cycle, ngx_counters_redis_links_t *links,
    ngx_counters_redis_conf_t *conf, ngx_str_t *name,
    ngx_counters_redis_message_pt handler, void *data);

/* in exit_process */

void ngx_counters_redis_unsubscribe(ngx_counters_redis_channel_t *channel);


#endif /* _NGX_COUNTERS_REDIS_CHANNEL_H_INCLUDED_ */
