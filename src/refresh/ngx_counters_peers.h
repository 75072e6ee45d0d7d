
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the nodes that share a Redis tell each other, on the channel
 * {prefix}{portal}:n, so that their zones follow at once:
 *
 *     k CREDENTIAL METHOD TYPE USER GROUP TIME   a call was refused
 *     r CREDENTIAL TIME                          a credential was
 *     p u|g|a ID TIME                            purged: a user, a group, all
 *     s u|g|a ID TIME                            softly
 *     f TIME                                     all become stale one by one
 *     t NODE N                                   requests that were sent
 *
 * Credentials by their digest, times in Unix milliseconds.  What is said while
 * Redis is away is lost: it is the marks in Redis that keep old copies from
 * coming back.
 */


#ifndef _NGX_COUNTERS_PEERS_H_INCLUDED_
#define _NGX_COUNTERS_PEERS_H_INCLUDED_


#include "ngx_counters_worker.h"


typedef struct ngx_counters_peers_s  ngx_counters_peers_t;


/*
 * In init_process, after w->redis is there.  One worker listens to the other
 * nodes on behalf of all.  NGX_ERROR is logged.
 */

ngx_int_t ngx_http_counters_nodes_init(ngx_cycle_t *cycle,
    ngx_http_counters_worker_t *w);

/* in exit_process */

void ngx_counters_peers_exit(ngx_http_counters_worker_t *w);

/* without Redis, or while it is away, these do nothing */

void ngx_http_counters_nodes_refused(ngx_http_counters_worker_t *w,
    ngx_counters_key_t *key, uint64_t now);
void ngx_http_counters_nodes_revoked(ngx_http_counters_worker_t *w,
    const u_char *digest, uint64_t now);
void ngx_http_counters_nodes_purged(ngx_http_counters_worker_t *w,
    uint64_t *user, uint64_t *group, ngx_uint_t soft, uint64_t now);

/* no mark is left of this: copies in Redis have their age, and go that way */

void ngx_http_counters_nodes_faded(ngx_http_counters_worker_t *w,
    uint64_t now);

/*
 * With scope=redis: n requests were sent to the portal.  Each node adds them
 * to its own bucket, so that all buckets show what all nodes have sent.  A
 * request or two may cross the news; the reserve is wider.
 */

void ngx_http_counters_nodes_spent(ngx_http_counters_worker_t *w,
    ngx_uint_t n);


#endif /* _NGX_COUNTERS_PEERS_H_INCLUDED_ */
