
/*
 * Copyright (C) The nginx counters module authors
 *
 * An entry's place in its refresh.  The lock is held.
 */


#ifndef _NGX_COUNTERS_STATE_H_INCLUDED_
#define _NGX_COUNTERS_STATE_H_INCLUDED_


#include "ngx_counters_shm.h"


/* a lease that has run out is nobody's */

void ngx_counters_state_lapse_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);

/* an entry that has its work becomes a worker's, in a state */

void ngx_counters_state_own_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_owner_t *me,
    ngx_counters_state_e state, uint64_t now);

/* it takes its place in a class; its credential has a turn */

void ngx_counters_state_queue_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_class_e class, ngx_uint_t front);

/* out of any state, IDLE */

void ngx_counters_state_release_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e);

/* IDLE, it gives up its work if that says nothing */

void ngx_counters_state_rest_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e);

/*
 * The class of a call that a client waits for, under a credential that may be
 * new (NULL).
 */

ngx_uint_t ngx_counters_state_class_locked(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_counters_cred_node_t *cred);

/* whether there is such a process; needs no lock */

ngx_uint_t ngx_counters_state_alive(ngx_pid_t pid);


#endif /* _NGX_COUNTERS_STATE_H_INCLUDED_ */
