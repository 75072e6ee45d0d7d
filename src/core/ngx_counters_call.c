
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_call.h"


static int ngx_counters_call_allowed(const ngx_counters_str_t *uri,
    const ngx_counters_arg_t *method);
static int ngx_counters_call_refuse(ngx_counters_refusal_t *refusal,
    int status, const char *error, const char *description);


int
ngx_counters_call_parse(const ngx_counters_path_t *path,
    const ngx_counters_args_t *query, const ngx_counters_args_t *body,
    const ngx_counters_str_t *authorization, ngx_counters_cred_t *cred,
    ngx_counters_call_t *call)
{
    unsigned               allowed;
    ngx_counters_params_t  found;

    if (path->method >= NGX_COUNTERS_METHODS) {
        return NGX_COUNTERS_DECLINED;
    }

    memset(found, 0, sizeof(found));

    allowed = NGX_COUNTERS_SET_CRED|NGX_COUNTERS_SET_START;

    if (path->method == NGX_COUNTERS_TASKS) {
        allowed |= NGX_COUNTERS_SET_PARAMS;
    }

    if (ngx_counters_params_collect(found, query,
                                    allowed | NGX_COUNTERS_SET_TELEMETRY)
        != NGX_COUNTERS_OK
        || ngx_counters_params_collect(found, body, allowed) != NGX_COUNTERS_OK
        || ngx_counters_params_cred(&path->cred, found, authorization, cred)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    call->method = path->method;

    return ngx_counters_params_call(found, cred->user, call);
}


int
ngx_counters_call_managed(const ngx_counters_str_t *uri,
    const ngx_counters_str_t *user, const ngx_counters_args_t *query,
    const ngx_counters_args_t *body, ngx_counters_call_t *call,
    ngx_counters_refusal_t *refusal)
{
    uint64_t                   own;
    unsigned                   allowed;
    ngx_counters_params_t      found;
    const ngx_counters_arg_t  *method;

    if (user->len == 0) {
        return ngx_counters_call_refuse(refusal, 401, "NO_AUTH_FOUND",
                                        "No user is authenticated");
    }

    if (ngx_counters_path_number(user, &own) != NGX_COUNTERS_OK || own == 0) {
        return ngx_counters_call_refuse(refusal, 400, "INVALID_USER",
                                        "The user is no positive integer");
    }

    memset(found, 0, sizeof(found));

    allowed = NGX_COUNTERS_SET_CRED|NGX_COUNTERS_SET_PARAMS
              |NGX_COUNTERS_SET_TELEMETRY|NGX_COUNTERS_SET_START
              |NGX_COUNTERS_SET_METHOD;

    if (ngx_counters_params_collect(found, query, allowed) != NGX_COUNTERS_OK
        || ngx_counters_params_collect(found, body, allowed) != NGX_COUNTERS_OK)
    {
        return ngx_counters_call_refuse(refusal, 400, "INVALID_REQUEST",
                            "Unknown, repeated or array-valued argument");
    }

    method = found[NGX_COUNTERS_NAME_METHOD];

    if (method && method->kind != NGX_COUNTERS_ARG_STRING) {
        return ngx_counters_call_refuse(refusal, 400, "INVALID_REQUEST",
                                        "The method is no string");
    }

    if (!ngx_counters_call_allowed(uri, method)) {
        return ngx_counters_call_refuse(refusal, 403, "ACCESS_DENIED",
                                        "The method is not allowed here");
    }

    call->method = NGX_COUNTERS_TASKS;

    if (ngx_counters_params_call(found, own, call) != NGX_COUNTERS_OK) {
        return ngx_counters_call_refuse(refusal, 400, "INVALID_REQUEST",
                                        "Malformed userId, groupId or type");
    }

    if (call->user != own) {
        return ngx_counters_call_refuse(refusal, 403, "ACCESS_DENIED",
                                        "Counters of another user");
    }

    return NGX_COUNTERS_OK;
}


/* im.counters.get would show what is the webhook owner's */

static int
ngx_counters_call_allowed(const ngx_counters_str_t *uri,
    const ngx_counters_arg_t *method)
{
    ngx_counters_str_t  name;

    if (ngx_counters_path_method(uri, &name) == NGX_COUNTERS_OK
        && ngx_counters_path_method_id(&name) != NGX_COUNTERS_TASKS)
    {
        return 0;
    }

    return method == NULL
           || ngx_counters_path_method_id(&method->value) == NGX_COUNTERS_TASKS;
}


static int
ngx_counters_call_refuse(ngx_counters_refusal_t *refusal, int status,
    const char *error, const char *description)
{
    refusal->error = error;
    refusal->description = description;

    return status;
}
