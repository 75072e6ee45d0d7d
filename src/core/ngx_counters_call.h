
/*
 * Copyright (C) The nginx counters module authors
 *
 * Is this request a counter call, whose credential does it carry, and what
 * are its canonical parameters?  Anything that is not plainly a counter call
 * is declined and left to the portal to judge.
 */


#ifndef _NGX_COUNTERS_CALL_H_INCLUDED_
#define _NGX_COUNTERS_CALL_H_INCLUDED_


#include "ngx_counters_args.h"


#define NGX_COUNTERS_BATCH_MAX  50    /* settings/how-to-call-rest-api/batch */


typedef enum {
    NGX_COUNTERS_TASKS = 0,     /* tasks.task.counters.get */
    NGX_COUNTERS_IM,            /* im.counters.get */
    NGX_COUNTERS_METHODS,       /* how many methods are cached */
    NGX_COUNTERS_BATCH,
    NGX_COUNTERS_OTHER
} ngx_counters_method_e;


typedef enum {
    NGX_COUNTERS_TYPE_ALL = 0,
    NGX_COUNTERS_TYPE_RESPONSIBLE,
    NGX_COUNTERS_TYPE_ACCOMPLICE,
    NGX_COUNTERS_TYPE_AUDITOR,
    NGX_COUNTERS_TYPE_ORIGINATOR,
    NGX_COUNTERS_TYPES
} ngx_counters_call_type_e;


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


typedef struct {
    ngx_counters_method_e    method;
    ngx_counters_call_type_e type;
    uint64_t                 user;         /* 0: a token's own user */
    uint64_t                 group;        /* 0: all groups */
} ngx_counters_call_t;


/* what stands in the path; strings point into the URI */

typedef struct {
    ngx_counters_method_e    method;
    ngx_counters_cred_t      cred;         /* NONE for /rest/{method} */
} ngx_counters_path_t;


typedef struct {
    ngx_counters_str_t       id;           /* key of the command in cmd */
    ngx_counters_call_t      call;
} ngx_counters_command_t;


typedef struct {
    ngx_counters_command_t   commands[NGX_COUNTERS_BATCH_MAX];
    size_t                   ncommands;
    unsigned                 halt:1;
    unsigned                 list:1;       /* ids are 0, 1, 2 ... in order */
} ngx_counters_commands_t;


extern const ngx_counters_str_t
    ngx_counters_method_names[NGX_COUNTERS_METHODS];
extern const ngx_counters_str_t
    ngx_counters_call_type_names[NGX_COUNTERS_TYPES];


/* any case; NGX_COUNTERS_OTHER when the name is none of ours */

ngx_counters_method_e ngx_counters_method(const ngx_counters_str_t *name);

/*
 * Decimal without sign or leading zeros, at most 2^63 - 1 (PHP's integer).
 * NGX_COUNTERS_OK or NGX_COUNTERS_DECLINED.
 */

int ngx_counters_number(const ngx_counters_str_t *s, uint64_t *n);

/*
 * USERID/CODE, or a whole webhook URL with or without a method after it.
 * The secret points into "s".  NGX_COUNTERS_OK or NGX_COUNTERS_DECLINED.
 */

int ngx_counters_webhook(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred);

/*
 * A decoded path: .../rest/{user}/{code}/{method} or .../rest/{method}, with
 * optional .json, optional trailing slash, repeated slashes.
 * NGX_COUNTERS_OK when the method is a known one (batch included),
 * NGX_COUNTERS_DECLINED otherwise.
 */

int ngx_counters_call_path(const ngx_counters_str_t *uri,
    ngx_counters_path_t *path);

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
 * The same for a path whose method is batch.  Commands without userId get
 * the credential's own user.  "space" must hold as many bytes as the body
 * and the query together; the commands' ids point into the arguments.
 */

int ngx_counters_call_batch(const ngx_counters_path_t *path,
    const ngx_counters_args_t *query, const ngx_counters_args_t *body,
    const ngx_counters_str_t *authorization, unsigned char *space,
    size_t len, ngx_counters_cred_t *cred, ngx_counters_commands_t *cmds);

/*
 * A managed location: "user" is whom nginx vouches for.  Returns
 * NGX_COUNTERS_OK or the HTTP status of the refusal (400, 401, 403) with
 * "error" and "description" pointing to constants.
 */

typedef struct {
    const char              *error;
    const char              *description;
} ngx_counters_refusal_t;

int ngx_counters_call_managed(const ngx_counters_str_t *user,
    const ngx_counters_args_t *query, const ngx_counters_args_t *body,
    ngx_counters_call_t *call, ngx_counters_refusal_t *refusal);


#endif /* _NGX_COUNTERS_CALL_H_INCLUDED_ */
