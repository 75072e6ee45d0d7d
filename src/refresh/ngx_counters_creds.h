
/*
 * Copyright (C) The nginx counters module authors
 *
 * The credentials of one portal that this worker needs in the clear, because
 * a refresh under them is queued or under way: private memory of the worker,
 * looked up by digest, wiped as soon as they are let go.
 */


#ifndef _NGX_COUNTERS_CREDS_H_INCLUDED_
#define _NGX_COUNTERS_CREDS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_key.h"


typedef struct ngx_counters_creds_s  ngx_counters_creds_t;


/* holds at most "max" credentials; NULL on failure */

ngx_counters_creds_t *ngx_counters_creds_create(ngx_uint_t max,
    ngx_log_t *log);
void ngx_counters_creds_destroy(ngx_counters_creds_t *creds);

/*
 * Copies the credential, or notes that it was needed at "now" (Unix
 * milliseconds).  A full table lets the one go that was needed longest ago.
 * "forever" is for the managed webhook.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_counters_creds_keep(ngx_counters_creds_t *creds,
    const u_char *digest,
    const ngx_counters_cred_t *cred, uint64_t now, ngx_uint_t forever);

/* NULL if this worker does not have it; valid until the next call here */

const ngx_counters_cred_t *ngx_counters_creds_find(
    ngx_counters_creds_t *creds,
    const u_char *digest);

/* the same question, as the zone asks it; "data" are the credentials */

ngx_uint_t ngx_counters_creds_has(void *data, const u_char *digest);

/*
 * Lets those go that were last needed before "before", oldest first, as long
 * as "needed" (given the digest) says no.  Looks at most at "n" of them.
 */

typedef ngx_uint_t (*ngx_counters_creds_needed_pt)(void *data,
    const u_char *digest);

void ngx_counters_creds_sweep(ngx_counters_creds_t *creds, uint64_t before,
    ngx_uint_t n, ngx_counters_creds_needed_pt needed, void *data);


#endif /* _NGX_COUNTERS_CREDS_H_INCLUDED_ */
