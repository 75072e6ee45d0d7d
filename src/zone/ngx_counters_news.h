
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the processes that share a zone have heard of other nodes: one of them
 * listens for all, and what it may have missed puts entries in doubt.
 */


#ifndef _NGX_COUNTERS_NEWS_H_INCLUDED_
#define _NGX_COUNTERS_NEWS_H_INCLUDED_


#include "ngx_counters_zone.h"


/*
 * From now on this process acts upon the news, and no other: an old worker
 * that a reload has left behind hears them too.
 */

void ngx_counters_news_listen(ngx_counters_zone_t *zone, ngx_pid_t pid);
ngx_uint_t ngx_counters_news_listens(ngx_counters_zone_t *zone,
    ngx_pid_t pid);

/* all that was told until "when", Unix milliseconds, has been heard */

void ngx_counters_news_hear(ngx_counters_zone_t *zone, uint64_t when);
uint64_t ngx_counters_news_heard(ngx_counters_zone_t *zone);

/*
 * Drops the data that were fetched no later than "when": Redis is asked for
 * them again, where what forbids them is.  Returns how many.
 */

ngx_uint_t ngx_counters_news_doubt(ngx_counters_zone_t *zone, uint64_t when);


#endif /* _NGX_COUNTERS_NEWS_H_INCLUDED_ */
