
/*
 * Copyright (C) The nginx counters module authors
 *
 * Is this request a counter call, whose credential does it carry, and what
 * are its canonical parameters?  Anything that is not plainly a counter call
 * is declined and left to the portal to judge.
 */


#ifndef _NGX_COUNTERS_CALL_H_INCLUDED_
#define _NGX_COUNTERS_CALL_H_INCLUDED_


#include "ngx_counters_params.h"


/*
 * "authorization" is the header's value, NULL if the request has none.  The
 * query and the body are separate lists, because one argument in both is
 * declined.  On NGX_COUNTERS_OK "cred" points into the arguments' memory.
 */

int ngx_counters_call_parse(const ngx_counters_path_t *path,
    const ngx_counters_args_t *query, const ngx_counters_args_t *body,
    const ngx_counters_str_t *authorization, ngx_counters_cred_t *cred,
    ngx_counters_call_t *call);

/*
 * A managed location: "user" is whom nginx vouches for, "uri" the decoded
 * path.  The method may be the last part of the path or an argument; what is
 * named in both places must be allowed in both.  Returns
 * NGX_COUNTERS_OK or the HTTP status of the refusal (400, 401, 403) with
 * "error" and "description" pointing to constants.
 */

typedef struct {
    const char              *error;
    const char              *description;
} ngx_counters_refusal_t;

int ngx_counters_call_managed(const ngx_counters_str_t *uri,
    const ngx_counters_str_t *user, const ngx_counters_args_t *query,
    const ngx_counters_args_t *body, ngx_counters_call_t *call,
    ngx_counters_refusal_t *refusal);


#endif /* _NGX_COUNTERS_CALL_H_INCLUDED_ */
