
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the arguments of a call mean: by their names, the credential among
 * them, the canonical parameters.
 */


#ifndef _NGX_COUNTERS_PARAMS_H_INCLUDED_
#define _NGX_COUNTERS_PARAMS_H_INCLUDED_


#include "ngx_counters_args.h"
#include "ngx_counters_path.h"


/* commands of a batch (settings/how-to-call-rest-api/batch.md) */

#define NGX_COUNTERS_BATCH_MAX  50


typedef enum {
    NGX_COUNTERS_TYPE_ALL = 0,
    NGX_COUNTERS_TYPE_RESPONSIBLE,
    NGX_COUNTERS_TYPE_ACCOMPLICE,
    NGX_COUNTERS_TYPE_AUDITOR,
    NGX_COUNTERS_TYPE_ORIGINATOR,
    NGX_COUNTERS_TYPES
} ngx_counters_call_type_e;


typedef struct {
    ngx_counters_method_e    method;
    ngx_counters_call_type_e type;
    uint64_t                 user;         /* 0: a token's own user */
    uint64_t                 group;        /* 0: all groups */
} ngx_counters_call_t;


extern const ngx_counters_str_t
    ngx_counters_params_call_types[NGX_COUNTERS_TYPES];


/* the arguments that have a meaning, here or at the portal */

typedef enum {
    NGX_COUNTERS_NAME_AUTH = 0,
    NGX_COUNTERS_NAME_ACCESS_TOKEN,
    NGX_COUNTERS_NAME_USER,
    NGX_COUNTERS_NAME_GROUP,
    NGX_COUNTERS_NAME_TYPE,
    NGX_COUNTERS_NAME_REQUEST_ID,
    NGX_COUNTERS_NAME_SDK_VER,
    NGX_COUNTERS_NAME_SDK_TYPE,
    NGX_COUNTERS_NAME_LOG_TAG,
    NGX_COUNTERS_NAME_UNDERSCORE,
    NGX_COUNTERS_NAME_START,
    NGX_COUNTERS_NAME_ORDER,
    NGX_COUNTERS_NAME_CMD,
    NGX_COUNTERS_NAME_HALT,
    NGX_COUNTERS_NAME_METHOD,
    NGX_COUNTERS_NAMES
} ngx_counters_name_e;


/* sets of them */

#define NGX_COUNTERS_SET_CRED                                                 \
    (1 << NGX_COUNTERS_NAME_AUTH | 1 << NGX_COUNTERS_NAME_ACCESS_TOKEN)
#define NGX_COUNTERS_SET_PARAMS                                               \
    (1 << NGX_COUNTERS_NAME_USER | 1 << NGX_COUNTERS_NAME_GROUP               \
     | 1 << NGX_COUNTERS_NAME_TYPE)
#define NGX_COUNTERS_SET_TELEMETRY                                            \
    (1 << NGX_COUNTERS_NAME_REQUEST_ID | 1 << NGX_COUNTERS_NAME_SDK_VER       \
     | 1 << NGX_COUNTERS_NAME_SDK_TYPE | 1 << NGX_COUNTERS_NAME_LOG_TAG       \
     | 1 << NGX_COUNTERS_NAME_UNDERSCORE)
#define NGX_COUNTERS_SET_BATCH                                                \
    (1 << NGX_COUNTERS_NAME_CMD | 1 << NGX_COUNTERS_NAME_HALT)
#define NGX_COUNTERS_SET_METHOD     (1 << NGX_COUNTERS_NAME_METHOD)

/* which page is wanted: the portal takes it away before any method runs */
#define NGX_COUNTERS_SET_START      (1 << NGX_COUNTERS_NAME_START)

/* how fast_bitrix24 numbers the commands of a batch */
#define NGX_COUNTERS_SET_ORDER      (1 << NGX_COUNTERS_NAME_ORDER)


/* by name; NULL where the request has no such argument */

typedef const ngx_counters_arg_t  *ngx_counters_params_t[NGX_COUNTERS_NAMES];


/*
 * Adds a list to what has been found, which starts out zeroed.
 * NGX_COUNTERS_DECLINED unless every argument is of the set "allowed", is a
 * plain one and comes once, over all lists; a token may come again with the
 * same value.  The subscripts of cmd are left for the caller.
 */

int ngx_counters_params_collect(ngx_counters_params_t found,
    const ngx_counters_args_t *args, unsigned allowed);

/*
 * The one credential of a request, be it that of the path.  "authorization"
 * is the header's value, NULL if there is none.  NGX_COUNTERS_DECLINED for
 * none and for several: the portal decides which of them wins.
 */

int ngx_counters_params_cred(const ngx_counters_cred_t *path,
    ngx_counters_params_t found, const ngx_counters_str_t *authorization,
    ngx_counters_cred_t *cred);

/*
 * All but the method.  "own" is whom no userId means, 0 if only the portal
 * knows.  NGX_COUNTERS_OK or NGX_COUNTERS_DECLINED.
 */

int ngx_counters_params_call(ngx_counters_params_t found, uint64_t own,
    ngx_counters_call_t *call);


#endif /* _NGX_COUNTERS_PARAMS_H_INCLUDED_ */
