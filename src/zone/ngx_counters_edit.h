
/*
 * Copyright (C) The nginx counters module authors
 *
 * The zone's lock, and edits that are made whole or not at all.
 *
 * Whoever holds the lock saves what it is about to change; who takes a lock
 * whose last holder has died finds what that one had saved, and puts it back.
 * So nothing half-made is ever seen, nothing else is lost, and nothing has to
 * be told apart from nothing.  Memory that is free is not saved.
 *
 * Readers need no lock: they look whether a bucket of the table has changed
 * while they read (see ngx_counters_read.c).  A bucket is hidden from them
 * before anything in it changes, and shown again with the edit's end.
 */


#ifndef _NGX_COUNTERS_EDIT_H_INCLUDED_
#define _NGX_COUNTERS_EDIT_H_INCLUDED_


#include "ngx_counters_types.h"


/* of one edit: pieces saved, their bytes, and buckets hidden */

#define NGX_COUNTERS_EDIT_SAVED    768
#define NGX_COUNTERS_EDIT_SIZE     16384
#define NGX_COUNTERS_EDIT_HIDDEN   256


typedef struct {
    uint32_t                  at;         /* from the zone's begin, / 4 */
    uint16_t                  len;
    uint16_t                  data;       /* where it is saved, / 4 */
} ngx_counters_saved_t;


typedef struct {
    uint32_t                  nsaved;     /* 0: nothing is half-made */
    uint32_t                  used;       /* of data */
    uint32_t                  nhidden;
    uint32_t                  undone;     /* edits, since the zone was made */

    uint32_t                  hidden[NGX_COUNTERS_EDIT_HIDDEN];
    ngx_counters_saved_t      saved[NGX_COUNTERS_EDIT_SAVED];
    u_char                    data[NGX_COUNTERS_EDIT_SIZE];
} ngx_counters_edit_t;


/* undoes what a dead holder has left; saves the zone's variables */

void ngx_counters_edit_lock(ngx_counters_zone_t *zone);

/* commits, and lets others come before what is left to do */

void ngx_counters_edit_yield_locked(ngx_counters_zone_t *zone);

/* what was done since the lock was taken, or since the last commit, is done */

void ngx_counters_edit_commit_locked(ngx_counters_zone_t *zone);
void ngx_counters_edit_unlock(ngx_counters_zone_t *zone);

/*
 * Before "size" bytes at "p", both multiples of 4, are changed.  An edit that
 * is too large to be saved ends the process, which undoes it.
 */

void ngx_counters_edit_save_locked(ngx_counters_zone_t *zone, void *p,
    size_t size);

/* before anything is changed that is found by this bucket */

void ngx_counters_edit_hide_locked(ngx_counters_zone_t *zone, uint32_t bucket);


#endif /* _NGX_COUNTERS_EDIT_H_INCLUDED_ */
