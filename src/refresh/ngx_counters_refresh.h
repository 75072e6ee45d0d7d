
/*
 * Copyright (C) The nginx counters module authors
 *
 * Refreshing an entry: one at a time per key over all workers, from Redis
 * first, then from the portal through the zone's queue; and who waits for it.
 *
 * This is all that requests know of refreshes: look, peek, background, wait,
 * leave, keep, ready.
 */


#ifndef _NGX_COUNTERS_REFRESH_H_INCLUDED_
#define _NGX_COUNTERS_REFRESH_H_INCLUDED_


#include "ngx_counters_worker.h"


typedef struct ngx_counters_waiter_s   ngx_counters_waiter_t;
typedef struct ngx_counters_waiters_s  ngx_counters_waiters_t;


/*
 * One call of somebody's, part of a larger structure of theirs.  "key",
 * "pool", "cred", "done", "bypass" and "must" are set before all else, and
 * what they point to lives as long as the waiter; "seen", "until" and "force"
 * before the wait.
 */

struct ngx_counters_waiter_s {
    ngx_queue_t                 queue;     /* while "waiting" */
    ngx_counters_key_t          key;
    ngx_pool_t                 *pool;      /* for what the view holds */
    const ngx_counters_cred_t  *cred;      /* in the clear */

    /* the view holds what there is now, and the waiter is out of the list */

    void                      (*done)(ngx_counters_waiter_t *waiter);

    ngx_counters_view_t         view;
    uint64_t                    seen;      /* view.fetched when parked */
    uint64_t                    until;     /* no hold is waited for beyond */

    unsigned                    waiting:1;
    unsigned                    leader:1;  /* the refresh is its own */
    unsigned                    force:1;   /* wants one newer than seen */
    unsigned                    stored:1;  /* the zone has the view */
    unsigned                    bypass:1;  /* what it asks for is forced */
    unsigned                    must:1;    /* nobody else could answer it */
};


/* in init_process */

ngx_int_t ngx_counters_refresh_init(ngx_cycle_t *cycle,
    ngx_counters_worker_t *w);

/*
 * Fills the view with what the zone has.  NGX_OK, NGX_DECLINED when that is
 * nothing, NGX_ERROR when the pool is out of memory.  To peek is to do so
 * without the strings.
 */

ngx_int_t ngx_counters_refresh_look(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter);
ngx_int_t ngx_counters_refresh_peek(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter);

/*
 * Asks for a refresh of the key after its client has been answered.  NGX_OK
 * when it is under way, NGX_DECLINED when not.
 */

ngx_int_t ngx_counters_refresh_background(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter);

/*
 * Parks the waiter until its key has an answer, or there is none to wait
 * for; then "done" is called, never before this returns.  NGX_AGAIN when
 * parked, NGX_DECLINED when the entry has changed meanwhile (look again),
 * NGX_ERROR when the zone has no room and the waiter must not be answered.
 */

ngx_int_t ngx_counters_refresh_wait(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter);

/* takes a waiter out again; harmless if it is not parked */

void ngx_counters_refresh_leave(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter);

/* the credential will be needed, though nothing is asked for now */

void ngx_counters_refresh_keep(ngx_counters_worker_t *w,
    ngx_counters_waiter_t *waiter);

/* whether there is Redis to be asked now */

ngx_uint_t ngx_counters_refresh_ready(ngx_counters_worker_t *w);


/*
 * For the other files here.  When something may have changed elsewhere: looks
 * at every waiter.  With "check" also at whether the workers they wait for
 * are alive.
 */

void ngx_counters_refresh_scan(ngx_counters_worker_t *w, ngx_uint_t check);

/*
 * A refresh of this worker has ended: keeps the answer (NULL: none), answers
 * those who wait for it and wakes the other workers that have such.
 */

void ngx_counters_refresh_finish(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_answer_in_t *answer);


#endif /* _NGX_COUNTERS_REFRESH_H_INCLUDED_ */
