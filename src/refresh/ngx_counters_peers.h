
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the nodes that share a Redis tell each other, on the channel
 * {prefix}{portal}:n, so that their zones follow at once:
 *
 *     MAC NODE k CREDENTIAL METHOD TYPE USER GROUP TIME   a call was refused
 *     MAC NODE r CREDENTIAL TIME                   a credential was
 *     MAC NODE p|s u ID[,ID...] TIME               users were purged, softly
 *     MAC NODE p|s g ID TIME                       a group was
 *     MAC NODE p|s a 0 TIME                        everything was
 *     MAC NODE f TIME                              all become stale one by one
 *     MAC NODE t N TIME                            requests that were sent
 *
 * Credentials by their digest, times in Unix milliseconds.  NODE tells a node
 * its own words, which it does not need to hear.  MAC is of the rest of the
 * message and the channel, under the secret that all nodes have: nobody else
 * can say anything.  What was said may be said again by others, which changes
 * nothing: what was fetched since is not concerned, and a number of requests
 * counts for a few seconds only.  Who may write to Redis can take from it, and
 * mark, what is there: it is fetched anew then, within the quota.
 *
 * What could not be said is said later, see ngx_counters_owed.h.  What was not
 * heard leaves a trace: {prefix}{portal}:p:t is the time of the latest of
 * these that forbids something.  When a subscription begins, and more may have
 * been said than was heard, all that was fetched before is read again from
 * Redis, where marks tell what is forbidden.
 */


#ifndef _NGX_COUNTERS_PEERS_H_INCLUDED_
#define _NGX_COUNTERS_PEERS_H_INCLUDED_


#include "ngx_counters_owed.h"
#include "ngx_counters_worker.h"


typedef struct ngx_counters_peers_s  ngx_counters_peers_t;


/*
 * In init_process, after w->redis is there.  One worker listens to the other
 * nodes on behalf of all.  NGX_ERROR is logged.
 */

ngx_int_t ngx_counters_peers_init(ngx_cycle_t *cycle, ngx_counters_worker_t *w);

/* in exit_process */

void ngx_counters_peers_exit(ngx_counters_worker_t *w);

/* from the worker's tick, also when the worker is leaving */

void ngx_counters_peers_tick(ngx_counters_worker_t *w);

/*
 * "news" comes with its marks, of which there is room for one more, its entry
 * and its time.
 */

void ngx_counters_peers_refused(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_owed_news_t *news);
void ngx_counters_peers_revoked(ngx_counters_worker_t *w,
    const u_char *digest, ngx_counters_owed_news_t *news);

/* kind is 'u', 'g' or 'a', which has no ids */

void ngx_counters_peers_purged(ngx_counters_worker_t *w, u_char kind,
    uint64_t *ids, ngx_uint_t n, ngx_uint_t soft,
    ngx_counters_owed_news_t *news);

/*
 * No mark is left of this: copies in Redis have their age, and go that way.
 * Without Redis it does nothing.
 */

void ngx_counters_peers_faded(ngx_counters_worker_t *w, uint64_t now);

/*
 * With scope=redis: n requests were sent to the portal.  Each node adds them
 * to its own bucket, so that all buckets show what all nodes have sent.  A
 * request or two may cross the news; the reserve is wider.
 */

void ngx_counters_peers_spent(ngx_counters_worker_t *w, ngx_uint_t n);


#endif /* _NGX_COUNTERS_PEERS_H_INCLUDED_ */
