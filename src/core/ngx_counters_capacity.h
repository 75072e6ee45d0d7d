
/*
 * Copyright (C) The nginx counters module authors
 *
 * How many entries can be kept within ttl: by the portal's quota of requests,
 * and by the operating time that it grants to a credential (480 seconds in
 * ten minutes, limits.md).
 */


#ifndef _NGX_COUNTERS_CAPACITY_H_INCLUDED_
#define _NGX_COUNTERS_CAPACITY_H_INCLUDED_


#include "ngx_counters_core.h"


/*
 * What there is to be kept.  Calls under one credential share requests, so
 * what a request carries is seen by the entries that are in use; "entries",
 * "requests" and "largest" are never 0.
 */

typedef struct {
    uint64_t    rate;           /* thousandths of a request a second */
    uint32_t    ttl;            /* milliseconds */
    uint64_t    entries;        /* in use */
    uint64_t    requests;       /* that all of them take, thousandths */
    uint64_t    largest;        /* entries of the credential with most */
    uint64_t    operating;      /* of a call, microseconds; 0: not known */
} ngx_counters_use_t;


/* entries like these; the second is UINT64_MAX if nothing is known */

uint64_t ngx_counters_capacity_quota(const ngx_counters_use_t *use);
uint64_t ngx_counters_capacity_operating(const ngx_counters_use_t *use);


#endif /* _NGX_COUNTERS_CAPACITY_H_INCLUDED_ */
