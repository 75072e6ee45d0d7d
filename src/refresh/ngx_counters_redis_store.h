
/*
 * Copyright (C) The nginx counters module authors
 *
 * The second tier: what is kept in Redis, under which names, and what of it
 * may be used.  Without Redis, or while it is away, all of this does nothing.
 *
 *     {prefix}{portal}:c:{digest}     an entry, see ngx_counters_record.h
 *     {prefix}{portal}:r:{credential} when the credential was refused
 *     {prefix}{portal}:p:a            when everything was purged
 *     {prefix}{portal}:p:u:{user}     when the user's entries were
 *     {prefix}{portal}:p:g:{group}    when the group's entries were
 *     {prefix}{portal}:p:l            the latest of these three, to look at
 *                                     first
 *
 * All but the first are marks, Unix milliseconds in decimal, which only ever
 * move forward: an entry fetched no later than a mark of its own is not used.
 * What leaves a mark is also told to the other nodes, see ngx_counters_peers.h.
 */


#ifndef _NGX_COUNTERS_REDIS_STORE_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_STORE_H_INCLUDED_


#include "ngx_counters_worker.h"


/*
 * Called once per accepted read, never before it has returned.  "answer" is
 * newer than what was known and gone after the call; NULL: there is none.
 */

typedef void (*ngx_counters_redis_store_pt)(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_uint_t class,
    ngx_counters_answer_in_t *answer);


/* whether Redis can be asked now */

ngx_uint_t ngx_counters_redis_store_ready(ngx_counters_worker_t *w);

/* NGX_OK when Redis is being asked, NGX_DECLINED when not */

ngx_int_t ngx_counters_redis_store_read(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, uint64_t seen, ngx_uint_t class,
    ngx_counters_redis_store_pt handler);

void ngx_counters_redis_store_save(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_answer_in_t *answer);

/* one entry, after the portal has refused the call; other nodes drop it too */

void ngx_counters_redis_store_forget(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, uint64_t now);

/* all that a credential owns, and the same on the other nodes */

void ngx_counters_redis_store_revoke(ngx_counters_worker_t *w,
    const u_char *digest, uint64_t now);

/*
 * The entries of a user, of a group, or of all (both NULL).  Softly or not,
 * no copy in Redis is used any more; other nodes do in their zones what this
 * one has done in its own.
 */

void ngx_counters_redis_store_purge(ngx_counters_worker_t *w,
    uint64_t *user, uint64_t *group, ngx_uint_t soft, uint64_t now);

/* the same, softly, for users of whom an event tells: sorted, with repeats */

void ngx_counters_redis_store_stale(ngx_counters_worker_t *w,
    uint64_t *users, ngx_uint_t n, uint64_t now);


#endif /* _NGX_COUNTERS_REDIS_STORE_H_INCLUDED_ */
