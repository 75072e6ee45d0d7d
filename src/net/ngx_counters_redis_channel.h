
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

/*
 * Called from the event loop.  "message" is gone after the call.  "confirmed"
 * tells that the subscription stands: all that was published since it has
 * done so, until "asked" (Unix milliseconds), has been seen.  "fresh": it did
 * not stand before.
 */

typedef struct {
    void  (*message)(void *data, ngx_str_t *message);
    void  (*confirmed)(void *data, uint64_t asked, ngx_uint_t fresh);
} ngx_counters_redis_listener_t;


/*
 * In init_process.  "conf", "name" and "listener" must live as long as the
 * channel.  NULL on failure, logged.
 */

ngx_counters_redis_channel_t *ngx_counters_redis_channel_subscribe(
    ngx_cycle_t *cycle, ngx_counters_redis_links_t *links,
    ngx_counters_redis_conf_t *conf, ngx_str_t *name,
    const ngx_counters_redis_listener_t *listener, void *data);

/* in exit_process, or before; not from its callbacks */

void ngx_counters_redis_channel_unsubscribe(
    ngx_counters_redis_channel_t *channel);


#endif /* _NGX_COUNTERS_REDIS_CHANNEL_H_INCLUDED_ */
