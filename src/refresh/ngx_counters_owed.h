
/*
 * Copyright (C) The nginx counters module authors
 *
 * What Redis and the other nodes must be told, since it forbids what they
 * hold: kept, per worker, until it has been done, however long Redis is away
 * or refuses it.
 */


#ifndef _NGX_COUNTERS_OWED_H_INCLUDED_
#define _NGX_COUNTERS_OWED_H_INCLUDED_


#include "ngx_counters_worker.h"


/* that many marks at once */
#define NGX_COUNTERS_OWED_MARKS  66


typedef struct ngx_counters_owed_s  ngx_counters_owed_t;


/*
 * Marks are keys that hold a time, raised to "now", never lowered; "entry"
 * is a key to be deleted, empty for none.  After that the message is
 * published.  All of it is pointless once "px" milliseconds are over.
 */

typedef struct {
    ngx_str_t    marks[NGX_COUNTERS_OWED_MARKS];
    ngx_uint_t   nmarks;
    ngx_str_t    entry;
    uint64_t     now;            /* Unix milliseconds */
    uint64_t     px;
    ngx_str_t    channel;
    ngx_str_t    message;
} ngx_counters_owed_news_t;


/* in init_process */

ngx_int_t ngx_counters_owed_init(ngx_cycle_t *cycle, ngx_counters_worker_t *w);

/* now or later; "news" is copied */

void ngx_counters_owed_tell(ngx_counters_worker_t *w,
    ngx_counters_owed_news_t *news);

/* does what can be done now; from the worker's tick */

void ngx_counters_owed_retry(ngx_counters_worker_t *w);

/* in exit_process, before Redis goes */

void ngx_counters_owed_exit(ngx_counters_worker_t *w);


#endif /* _NGX_COUNTERS_OWED_H_INCLUDED_ */
