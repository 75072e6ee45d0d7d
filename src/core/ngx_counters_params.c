
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_params.h"

#include <strings.h>


#define NGX_COUNTERS_TOKEN_LEN   1024


static ngx_counters_name_e ngx_counters_params_name(
    const ngx_counters_str_t *name);
static int ngx_counters_params_integer(const ngx_counters_arg_t *arg);
static int ngx_counters_params_same(const ngx_counters_arg_t *a,
    const ngx_counters_arg_t *b);
static int ngx_counters_params_empty(const ngx_counters_str_t *authorization);
static int ngx_counters_params_bearer(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred);
static int ngx_counters_params_arg(const ngx_counters_arg_t *arg,
    ngx_counters_cred_t *cred);
static int ngx_counters_params_token(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred);
static int ngx_counters_params_id(const ngx_counters_arg_t *arg, uint64_t *n);
static int ngx_counters_params_type(const ngx_counters_arg_t *arg,
    ngx_counters_call_type_e *type);


const ngx_counters_str_t
    ngx_counters_params_call_types[NGX_COUNTERS_TYPES] =
{
    ngx_counters_string("view_all"),
    ngx_counters_string("view_role_responsible"),
    ngx_counters_string("view_role_accomplice"),
    ngx_counters_string("view_role_auditor"),
    ngx_counters_string("view_role_originator")
};


/* in the order of ngx_counters_name_e */

static const ngx_counters_str_t
    ngx_counters_params_names[NGX_COUNTERS_NAMES] =
{
    ngx_counters_string("auth"),
    ngx_counters_string("access_token"),
    ngx_counters_string("userId"),
    ngx_counters_string("groupId"),
    ngx_counters_string("type"),
    ngx_counters_string("bx24_request_id"),
    ngx_counters_string("bx24_sdk_ver"),
    ngx_counters_string("bx24_sdk_type"),
    ngx_counters_string("logTag"),
    ngx_counters_string("_"),
    ngx_counters_string("start"),
    ngx_counters_string("__order"),
    ngx_counters_string("cmd"),
    ngx_counters_string("halt"),
    ngx_counters_string("method")
};


int
ngx_counters_params_collect(ngx_counters_params_t found,
    const ngx_counters_args_t *args, unsigned allowed)
{
    size_t                     i;
    ngx_counters_name_e        name;
    const ngx_counters_arg_t  *arg;

    if (args == NULL) {
        return NGX_COUNTERS_OK;
    }

    for (i = 0; i < args->nelts; i++) {
        arg = &args->elts[i];
        name = ngx_counters_params_name(&arg->name);

        if (name == NGX_COUNTERS_NAMES || !(allowed & 1u << name)) {
            return NGX_COUNTERS_DECLINED;
        }

        if (name == NGX_COUNTERS_NAME_CMD && arg->subscript) {
            continue;
        }

        if (name == NGX_COUNTERS_NAME_CMD || arg->subscript
            || (name == NGX_COUNTERS_NAME_START
                && !ngx_counters_params_integer(arg)))
        {
            return NGX_COUNTERS_DECLINED;
        }

        if (found[name]
            && !(NGX_COUNTERS_SET_CRED & 1u << name
                 && ngx_counters_params_same(found[name], arg)))
        {
            return NGX_COUNTERS_DECLINED;
        }

        found[name] = arg;
    }

    return NGX_COUNTERS_OK;
}


static ngx_counters_name_e
ngx_counters_params_name(const ngx_counters_str_t *name)
{
    int                        i;
    const ngx_counters_str_t  *known;

    for (i = 0; i < NGX_COUNTERS_NAMES; i++) {
        known = &ngx_counters_params_names[i];

        if (name->len == known->len
            && memcmp(name->data, known->data, known->len) == 0)
        {
            break;
        }
    }

    return i;
}


/* of either sign */

static int
ngx_counters_params_integer(const ngx_counters_arg_t *arg)
{
    uint64_t            n;
    ngx_counters_str_t  digits;

    if (arg->kind != NGX_COUNTERS_ARG_STRING
        && arg->kind != NGX_COUNTERS_ARG_INTEGER)
    {
        return 0;
    }

    digits = arg->value;

    if (digits.len && digits.data[0] == '-') {
        digits.data++;
        digits.len--;
    }

    return ngx_counters_path_number(&digits, &n) == NGX_COUNTERS_OK;
}


/* two texts */

static int
ngx_counters_params_same(const ngx_counters_arg_t *a,
    const ngx_counters_arg_t *b)
{
    return a->kind == NGX_COUNTERS_ARG_STRING
           && b->kind == NGX_COUNTERS_ARG_STRING
           && a->value.len
           && ngx_counters_str_eq(&a->value, (char *) b->value.data,
                                  b->value.len);
}


int
ngx_counters_params_cred(const ngx_counters_cred_t *path,
    ngx_counters_params_t found, const ngx_counters_str_t *authorization,
    ngx_counters_cred_t *cred)
{
    const ngx_counters_arg_t  *auth, *token;

    auth = found[NGX_COUNTERS_NAME_AUTH];
    token = found[NGX_COUNTERS_NAME_ACCESS_TOKEN];

    if (authorization && ngx_counters_params_empty(authorization)) {
        authorization = NULL;
    }

    if (path->kind != NGX_COUNTERS_CRED_NONE) {

        if (auth || token || authorization) {
            return NGX_COUNTERS_DECLINED;
        }

        *cred = *path;

        return NGX_COUNTERS_OK;
    }

    cred->kind = NGX_COUNTERS_CRED_NONE;

    if (authorization
        && ngx_counters_params_bearer(authorization, cred)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    if (auth && ngx_counters_params_arg(auth, cred) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_DECLINED;
    }

    if (token && ngx_counters_params_arg(token, cred) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_DECLINED;
    }

    return (cred->kind == NGX_COUNTERS_CRED_NONE) ? NGX_COUNTERS_DECLINED
                                                  : NGX_COUNTERS_OK;
}


/* no credential to the portal, which asks for space behind "Bearer" */

static int
ngx_counters_params_empty(const ngx_counters_str_t *authorization)
{
    return authorization->len == 0
           || ngx_counters_args_is(authorization, "Bearer");
}


static int
ngx_counters_params_bearer(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred)
{
    size_t              n;
    ngx_counters_str_t  token;

    n = sizeof("Bearer") - 1;

    if (s->len <= n || strncasecmp((char *) s->data, "Bearer", n) != 0
        || s->data[n] != ' ')
    {
        return NGX_COUNTERS_DECLINED;
    }

    while (n < s->len && s->data[n] == ' ') {
        n++;
    }

    token.len = s->len - n;
    token.data = s->data + n;

    return ngx_counters_params_token(&token, cred);
}


static int
ngx_counters_params_arg(const ngx_counters_arg_t *arg,
    ngx_counters_cred_t *cred)
{
    if (arg->kind != NGX_COUNTERS_ARG_STRING) {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_params_token(&arg->value, cred);
}


/* the first token, or the same once more */

static int
ngx_counters_params_token(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred)
{
    size_t         i;
    unsigned char  ch;

    if (s->len == 0 || s->len > NGX_COUNTERS_TOKEN_LEN) {
        return NGX_COUNTERS_DECLINED;
    }

    for (i = 0; i < s->len; i++) {
        ch = s->data[i];

        if (ch <= ' ' || ch >= 0x7f || ch == '"' || ch == '\'' || ch == ',') {
            return NGX_COUNTERS_DECLINED;
        }
    }

    if (cred->kind == NGX_COUNTERS_CRED_TOKEN) {
        return ngx_counters_str_eq(s, (char *) cred->secret.data,
                                   cred->secret.len)
               ? NGX_COUNTERS_OK : NGX_COUNTERS_DECLINED;
    }

    cred->kind = NGX_COUNTERS_CRED_TOKEN;
    cred->user = 0;
    cred->secret = *s;

    return NGX_COUNTERS_OK;
}


int
ngx_counters_params_call(ngx_counters_params_t found, uint64_t own,
    ngx_counters_call_t *call)
{
    call->type = NGX_COUNTERS_TYPE_ALL;
    call->user = 0;
    call->group = 0;

    if (ngx_counters_params_id(found[NGX_COUNTERS_NAME_USER], &call->user)
        != NGX_COUNTERS_OK
        || ngx_counters_params_id(found[NGX_COUNTERS_NAME_GROUP], &call->group)
           != NGX_COUNTERS_OK
        || ngx_counters_params_type(found[NGX_COUNTERS_NAME_TYPE], &call->type)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    if (call->user == 0) {
        call->user = own;
    }

    return NGX_COUNTERS_OK;
}


static int
ngx_counters_params_id(const ngx_counters_arg_t *arg, uint64_t *n)
{
    if (arg == NULL) {
        return NGX_COUNTERS_OK;
    }

    if (arg->kind != NGX_COUNTERS_ARG_STRING
        && arg->kind != NGX_COUNTERS_ARG_INTEGER)
    {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_path_number(&arg->value, n);
}


static int
ngx_counters_params_type(const ngx_counters_arg_t *arg,
    ngx_counters_call_type_e *type)
{
    int                        i;
    const ngx_counters_str_t  *name;

    if (arg == NULL) {
        return NGX_COUNTERS_OK;
    }

    if (arg->kind != NGX_COUNTERS_ARG_STRING) {
        return NGX_COUNTERS_DECLINED;
    }

    for (i = 0; i < NGX_COUNTERS_TYPES; i++) {
        name = &ngx_counters_params_call_types[i];

        if (ngx_counters_args_same(&arg->value, (char *) name->data, name->len))
        {
            *type = i;
            return NGX_COUNTERS_OK;
        }
    }

    return NGX_COUNTERS_DECLINED;
}
