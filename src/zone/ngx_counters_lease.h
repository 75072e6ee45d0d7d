
/*
 * Copyright (C) The nginx counters module authors
 *
 * Who refreshes what: one refresh per key over all workers.
 */


#ifndef _NGX_COUNTERS_LEASE_H_INCLUDED_
#define _NGX_COUNTERS_LEASE_H_INCLUDED_


#include "ngx_counters_types.h"


/*
 * Asks for a refresh.  NGX_OK: the caller is the one to do it, under a lease
 * until now + lease.  NGX_AGAIN: it is being done; with "wait" this worker is
 * woken when it is over.  NGX_DECLINED: the entry has an answer newer than
 * "seen" (a fetched time, 0 for none).  NGX_BUSY: too many wait already, it
 * may be asked again later; NGX_ERROR: no room for an entry.  With "check" a
 * lease is taken over from a worker that is dead.
 */

ngx_int_t ngx_counters_lease_acquire(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, ngx_counters_owner_t *me,
    ngx_counters_ask_t *ask, uint64_t now);

/*
 * A lease, or a flight that came to nothing, becomes a place in the queue.
 * "split" halves the batches it may leave in.  The class becomes UNKNOWN for
 * a credential that was never accepted, and WAITING becomes STALE for what has
 * an answer, if others stand in that line; a flight returns to the front of
 * the class it came from.  NGX_OK, NGX_BUSY when the queue is full,
 * NGX_DECLINED when the caller does not own the key.
 */

ngx_int_t ngx_counters_lease_enqueue(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, ngx_counters_owner_t *me,
    ngx_counters_class_e class, ngx_uint_t split, uint64_t now);

/*
 * Ends a lease or a flight of one key with an answer, or with none (NULL:
 * nothing was learnt).  A FAILURE keeps data that is there and starts the
 * key's backoff.  *stored tells whether the answer is in the zone now: never
 * if the caller has lost its lease.
 * Returns the slots (bit slot % 64) of the workers to be woken.
 */

uint64_t ngx_counters_lease_finish(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, ngx_counters_owner_t *me,
    ngx_counters_answer_in_t *answer, uint64_t now, ngx_uint_t *stored);


#endif /* _NGX_COUNTERS_LEASE_H_INCLUDED_ */
