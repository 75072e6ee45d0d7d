
/*
 * Copyright (C) The nginx counters module authors
 *
 * What comes into the zone, at the cost of others when there is no room.
 */


#ifndef _NGX_COUNTERS_FILL_H_INCLUDED_
#define _NGX_COUNTERS_FILL_H_INCLUDED_


#include "ngx_counters_shm.h"


/* an answer that lies in the zone already, and is nobody's yet */

typedef struct {
    ngx_counters_draft_t        *body;        /* NULL: there is no room */
    ngx_counters_draft_t        *headers;     /* NULL: others have the same */
    uint64_t                     etag;
} ngx_counters_fill_t;


/*
 * Copies an answer, for which the lock is taken now and then: the body, and
 * the header lines unless there are the same.  What does not fit turns nobody
 * out.  To be ended with the next.
 */

void ngx_counters_fill_draft(ngx_counters_zone_t *zone,
    ngx_counters_fill_t *fill, ngx_counters_answer_in_t *answer,
    uint64_t now);

/* the same of any data; NULL: there is no room */

ngx_counters_draft_t *ngx_counters_fill_copy(ngx_counters_zone_t *zone,
    ngx_str_t *data, uint64_t now);


/* the lock is held */

/* gives back what has not been used */

void ngx_counters_fill_end_locked(ngx_counters_zone_t *zone,
    ngx_counters_fill_t *fill);

/* replaces what an entry holds; NGX_ERROR: it has what it had */

ngx_int_t ngx_counters_fill_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_answer_in_t *answer,
    ngx_counters_fill_t *fill, uint64_t now);

/* an entry that is not there yet; NULL when there is no room */

ngx_counters_entry_t *ngx_counters_fill_insert_locked(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, uint64_t now);

/*
 * Finds or adds, and saves, since it is to be changed; NULL when there is no
 * room.
 */

ngx_counters_cred_node_t *ngx_counters_fill_cred_locked(
    ngx_counters_zone_t *zone, const u_char *digest, uint64_t now);
ngx_counters_work_t *ngx_counters_fill_work_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
ngx_counters_limits_t *ngx_counters_fill_limits_locked(
    ngx_counters_zone_t *zone, ngx_counters_cred_node_t *cred, uint64_t now);
ngx_counters_turn_t *ngx_counters_fill_turn_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);


/* the etag of an entry, NGX_COUNTERS_ETAG_LEN digits; needs no lock */

void ngx_counters_fill_etag(u_char *out, uint64_t etag);


#endif /* _NGX_COUNTERS_FILL_H_INCLUDED_ */
