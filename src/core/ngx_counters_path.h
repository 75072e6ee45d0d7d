
/*
 * Copyright (C) The nginx counters module authors
 *
 * The path of a REST call: which method it names, and the webhook that may
 * stand before it.
 */


#ifndef _NGX_COUNTERS_PATH_H_INCLUDED_
#define _NGX_COUNTERS_PATH_H_INCLUDED_


#include "ngx_counters_core.h"


typedef enum {
    NGX_COUNTERS_TASKS = 0,     /* tasks.task.counters.get */
    NGX_COUNTERS_IM,            /* im.counters.get */
    NGX_COUNTERS_METHODS,       /* how many methods are cached */
    NGX_COUNTERS_BATCH,
    NGX_COUNTERS_OTHER
} ngx_counters_method_e;


/* a credential in the clear: lives only as long as a call needs it */

typedef enum {
    NGX_COUNTERS_CRED_NONE = 0,
    NGX_COUNTERS_CRED_WEBHOOK,
    NGX_COUNTERS_CRED_TOKEN,
    NGX_COUNTERS_CRED_MANAGED   /* the webhook that nginx holds: entries of
                                   its own, even if a client knows it too */
} ngx_counters_cred_e;


typedef struct {
    ngx_counters_cred_e      kind;
    uint64_t                 user;         /* of a webhook, else 0 */
    ngx_counters_str_t       secret;       /* webhook code or token */
} ngx_counters_cred_t;


/* what stands in the path; strings point into the URI */

typedef struct {
    ngx_counters_method_e    method;
    ngx_counters_cred_t      cred;         /* NONE for /rest/{method} */
} ngx_counters_path_t;


extern const ngx_counters_str_t
    ngx_counters_path_method_names[NGX_COUNTERS_METHODS];


/* any case; NGX_COUNTERS_OTHER when the name is none of ours */

ngx_counters_method_e ngx_counters_path_method_id(
    const ngx_counters_str_t *name);

/*
 * Decimal without sign or leading zeros, at most 2^63 - 1 (PHP's integer).
 * NGX_COUNTERS_OK or NGX_COUNTERS_DECLINED.
 */

int ngx_counters_path_number(const ngx_counters_str_t *s, uint64_t *n);

/*
 * USERID/CODE, or a whole webhook URL with or without a method after it.
 * The secret points into "s".  NGX_COUNTERS_OK or NGX_COUNTERS_DECLINED.
 */

int ngx_counters_path_webhook(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred);

/*
 * A decoded path: .../rest/{user}/{code}/{method} or .../rest/{method}, with
 * optional .json, optional trailing slash, repeated slashes.
 * NGX_COUNTERS_OK when the method is a known one (batch included),
 * NGX_COUNTERS_DECLINED otherwise.
 */

int ngx_counters_path_parse(const ngx_counters_str_t *uri,
    ngx_counters_path_t *path);

/*
 * Whether the last part of a decoded path is the name of a REST method, known
 * or not: letters and dots, one of each at least; .json and slashes after it
 * are no part of it.  NGX_COUNTERS_OK with "name" pointing into "uri", or
 * NGX_COUNTERS_DECLINED.
 */

int ngx_counters_path_method(const ngx_counters_str_t *uri,
    ngx_counters_str_t *name);


#endif /* _NGX_COUNTERS_PATH_H_INCLUDED_ */
