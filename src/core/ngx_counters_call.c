
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_call.h"

#include <strings.h>


#define NGX_COUNTERS_TOKEN_LEN   1024
#define NGX_COUNTERS_ID_LEN      64

/* a command has three parameters at most; more are declined in any case */

#define NGX_COUNTERS_COMMAND_ARGS  4


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
    NGX_COUNTERS_NAME_CMD,
    NGX_COUNTERS_NAME_HALT,
    NGX_COUNTERS_NAME_METHOD,
    NGX_COUNTERS_NAMES
} ngx_counters_name_e;


#define NGX_COUNTERS_SET_NONE       0
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


/* by name; NULL where the request has no such argument */

typedef const ngx_counters_arg_t  *ngx_counters_found_t[NGX_COUNTERS_NAMES];


static int ngx_counters_call_collect(ngx_counters_found_t found,
    const ngx_counters_args_t *args, unsigned allowed);
static ngx_counters_name_e ngx_counters_call_name(
    const ngx_counters_str_t *name);
static int ngx_counters_call_cred(const ngx_counters_path_t *path,
    ngx_counters_found_t found, const ngx_counters_str_t *authorization,
    ngx_counters_cred_t *cred);
static int ngx_counters_call_token(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred);
static int ngx_counters_call_bearer(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred);
static int ngx_counters_call_params(ngx_counters_found_t found,
    uint64_t own, ngx_counters_call_t *call);
static int ngx_counters_call_id(const ngx_counters_arg_t *arg, uint64_t *n);
static int ngx_counters_call_type(const ngx_counters_arg_t *arg,
    ngx_counters_call_type_e *type);

static int ngx_counters_call_halt(const ngx_counters_arg_t *arg,
    ngx_counters_commands_t *cmds);
static int ngx_counters_call_commands(const ngx_counters_args_t *args,
    unsigned char *space, size_t len, uint64_t own,
    ngx_counters_commands_t *cmds);
static int ngx_counters_call_command(const ngx_counters_str_t *s,
    unsigned char *space, size_t len, uint64_t own, ngx_counters_call_t *call);
static int ngx_counters_call_command_id(const ngx_counters_str_t *id,
    ngx_counters_commands_t *cmds);
static int ngx_counters_call_refuse(ngx_counters_refusal_t *refusal,
    int status, const char *error, const char *description);


const ngx_counters_str_t
    ngx_counters_call_type_names[NGX_COUNTERS_TYPES] =
{
    ngx_counters_string("view_all"),
    ngx_counters_string("view_role_responsible"),
    ngx_counters_string("view_role_accomplice"),
    ngx_counters_string("view_role_auditor"),
    ngx_counters_string("view_role_originator")
};


/* in the order of ngx_counters_name_e */

static const ngx_counters_str_t
    ngx_counters_call_names[NGX_COUNTERS_NAMES] =
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
    ngx_counters_string("cmd"),
    ngx_counters_string("halt"),
    ngx_counters_string("method")
};


int
ngx_counters_call_parse(const ngx_counters_path_t *path,
    const ngx_counters_args_t *query, const ngx_counters_args_t *body,
    const ngx_counters_str_t *authorization, ngx_counters_cred_t *cred,
    ngx_counters_call_t *call)
{
    unsigned              allowed;
    ngx_counters_found_t  found;

    if (path->method >= NGX_COUNTERS_METHODS) {
        return NGX_COUNTERS_DECLINED;
    }

    memset(found, 0, sizeof(found));

    allowed = NGX_COUNTERS_SET_CRED;

    if (path->method == NGX_COUNTERS_TASKS) {
        allowed |= NGX_COUNTERS_SET_PARAMS;
    }

    if (ngx_counters_call_collect(found, query,
                                  allowed | NGX_COUNTERS_SET_TELEMETRY)
        != NGX_COUNTERS_OK
        || ngx_counters_call_collect(found, body, allowed) != NGX_COUNTERS_OK
        || ngx_counters_call_cred(path, found, authorization, cred)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    call->method = path->method;

    return ngx_counters_call_params(found, cred->user, call);
}


/* every argument is an allowed one and comes once, over all lists collected */

static int
ngx_counters_call_collect(ngx_counters_found_t found,
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
        name = ngx_counters_call_name(&arg->name);

        if (name == NGX_COUNTERS_NAMES || !(allowed & 1u << name)) {
            return NGX_COUNTERS_DECLINED;
        }

        if (name == NGX_COUNTERS_NAME_CMD && arg->subscript) {
            continue;
        }

        if (name == NGX_COUNTERS_NAME_CMD || arg->subscript || found[name]) {
            return NGX_COUNTERS_DECLINED;
        }

        found[name] = arg;
    }

    return NGX_COUNTERS_OK;
}


static ngx_counters_name_e
ngx_counters_call_name(const ngx_counters_str_t *name)
{
    int                        i;
    const ngx_counters_str_t  *known;

    for (i = 0; i < NGX_COUNTERS_NAMES; i++) {
        known = &ngx_counters_call_names[i];

        if (name->len == known->len
            && memcmp(name->data, known->data, known->len) == 0)
        {
            break;
        }
    }

    return i;
}


/* exactly one credential, or the portal decides which of them wins */

static int
ngx_counters_call_cred(const ngx_counters_path_t *path,
    ngx_counters_found_t found, const ngx_counters_str_t *authorization,
    ngx_counters_cred_t *cred)
{
    const ngx_counters_arg_t  *arg, *auth, *token;

    auth = found[NGX_COUNTERS_NAME_AUTH];
    token = found[NGX_COUNTERS_NAME_ACCESS_TOKEN];

    if ((path->cred.kind != NGX_COUNTERS_CRED_NONE) + (auth != NULL)
        + (token != NULL) + (authorization != NULL) != 1)
    {
        return NGX_COUNTERS_DECLINED;
    }

    if (path->cred.kind != NGX_COUNTERS_CRED_NONE) {
        *cred = path->cred;
        return NGX_COUNTERS_OK;
    }

    if (authorization) {
        return ngx_counters_call_bearer(authorization, cred);
    }

    arg = auth ? auth : token;

    if (arg->kind != NGX_COUNTERS_ARG_STRING) {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_call_token(&arg->value, cred);
}


static int
ngx_counters_call_bearer(const ngx_counters_str_t *s,
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

    return ngx_counters_call_token(&token, cred);
}


static int
ngx_counters_call_token(const ngx_counters_str_t *s, ngx_counters_cred_t *cred)
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

    cred->kind = NGX_COUNTERS_CRED_TOKEN;
    cred->user = 0;
    cred->secret = *s;

    return NGX_COUNTERS_OK;
}


/* "own" is whom no userId means, 0 if only the portal knows */

static int
ngx_counters_call_params(ngx_counters_found_t found, uint64_t own,
    ngx_counters_call_t *call)
{
    call->type = NGX_COUNTERS_TYPE_ALL;
    call->user = 0;
    call->group = 0;

    if (ngx_counters_call_id(found[NGX_COUNTERS_NAME_USER], &call->user)
        != NGX_COUNTERS_OK
        || ngx_counters_call_id(found[NGX_COUNTERS_NAME_GROUP], &call->group)
           != NGX_COUNTERS_OK
        || ngx_counters_call_type(found[NGX_COUNTERS_NAME_TYPE], &call->type)
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
ngx_counters_call_id(const ngx_counters_arg_t *arg, uint64_t *n)
{
    if (arg == NULL) {
        return NGX_COUNTERS_OK;
    }

    if (arg->kind != NGX_COUNTERS_ARG_STRING
        && arg->kind != NGX_COUNTERS_ARG_INTEGER)
    {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_number(&arg->value, n);
}


static int
ngx_counters_call_type(const ngx_counters_arg_t *arg,
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
        name = &ngx_counters_call_type_names[i];

        if (ngx_counters_args_same(&arg->value, (char *) name->data, name->len))
        {
            *type = i;
            return NGX_COUNTERS_OK;
        }
    }

    return NGX_COUNTERS_DECLINED;
}


int
ngx_counters_call_batch(const ngx_counters_path_t *path,
    const ngx_counters_args_t *query, const ngx_counters_args_t *body,
    const ngx_counters_str_t *authorization, unsigned char *space, size_t len,
    ngx_counters_cred_t *cred, ngx_counters_commands_t *cmds)
{
    unsigned              allowed;
    ngx_counters_found_t  found;

    if (path->method != NGX_COUNTERS_BATCH) {
        return NGX_COUNTERS_DECLINED;
    }

    memset(found, 0, sizeof(found));

    allowed = NGX_COUNTERS_SET_CRED|NGX_COUNTERS_SET_BATCH;

    if (ngx_counters_call_collect(found, query,
                                  allowed | NGX_COUNTERS_SET_TELEMETRY)
        != NGX_COUNTERS_OK
        || ngx_counters_call_collect(found, body, allowed) != NGX_COUNTERS_OK
        || ngx_counters_call_cred(path, found, authorization, cred)
           != NGX_COUNTERS_OK
        || ngx_counters_call_halt(found[NGX_COUNTERS_NAME_HALT], cmds)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    cmds->ncommands = 0;
    cmds->list = 1;

    if (ngx_counters_call_commands(query, space, len, cred->user, cmds)
        != NGX_COUNTERS_OK
        || ngx_counters_call_commands(body, space, len, cred->user, cmds)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    return cmds->ncommands ? NGX_COUNTERS_OK : NGX_COUNTERS_DECLINED;
}


static int
ngx_counters_call_halt(const ngx_counters_arg_t *arg,
    ngx_counters_commands_t *cmds)
{
    cmds->halt = 0;

    if (arg == NULL) {
        return NGX_COUNTERS_OK;
    }

    if (arg->kind == NGX_COUNTERS_ARG_OTHER || arg->value.len != 1
        || (arg->value.data[0] != '0' && arg->value.data[0] != '1'))
    {
        return NGX_COUNTERS_DECLINED;
    }

    cmds->halt = (arg->value.data[0] == '1');

    return NGX_COUNTERS_OK;
}


/*
 * References to earlier answers need no check of their own: no value that
 * is accepted has a "$" in it.
 */

static int
ngx_counters_call_commands(const ngx_counters_args_t *args,
    unsigned char *space, size_t len, uint64_t own,
    ngx_counters_commands_t *cmds)
{
    size_t                     i, before;
    ngx_counters_command_t    *cmd;
    const ngx_counters_arg_t  *arg;

    if (args == NULL) {
        return NGX_COUNTERS_OK;
    }

    before = cmds->ncommands;

    for (i = 0; i < args->nelts; i++) {
        arg = &args->elts[i];

        if (!arg->subscript) {
            continue;
        }

        /* how the portal merges a split cmd is not for us to guess */

        if (before || cmds->ncommands == NGX_COUNTERS_BATCH_MAX
            || arg->kind != NGX_COUNTERS_ARG_STRING
            || ngx_counters_call_command_id(&arg->key, cmds)
               != NGX_COUNTERS_OK)
        {
            return NGX_COUNTERS_DECLINED;
        }

        cmd = &cmds->commands[cmds->ncommands];
        cmd->id = arg->key;

        if (ngx_counters_call_command(&arg->value, space, len, own, &cmd->call)
            != NGX_COUNTERS_OK)
        {
            return NGX_COUNTERS_DECLINED;
        }

        cmds->ncommands++;
    }

    return NGX_COUNTERS_OK;
}


/* an id that is new and can be written into JSON as it is */

static int
ngx_counters_call_command_id(const ngx_counters_str_t *id,
    ngx_counters_commands_t *cmds)
{
    size_t               i;
    uint64_t             n;
    unsigned char        ch;
    ngx_counters_str_t  *other;

    if (id->len == 0 || id->len > NGX_COUNTERS_ID_LEN) {
        return NGX_COUNTERS_DECLINED;
    }

    for (i = 0; i < id->len; i++) {
        ch = id->data[i];

        if (ch <= ' ' || ch >= 0x7f || strchr("\"\\/<>&'", ch)) {
            return NGX_COUNTERS_DECLINED;
        }
    }

    for (i = 0; i < cmds->ncommands; i++) {
        other = &cmds->commands[i].id;

        if (other->len == id->len
            && memcmp(other->data, id->data, id->len) == 0)
        {
            return NGX_COUNTERS_DECLINED;
        }
    }

    if (ngx_counters_number(id, &n) != NGX_COUNTERS_OK
        || n != cmds->ncommands)
    {
        cmds->list = 0;
    }

    return NGX_COUNTERS_OK;
}


/* method?urlencoded-params; nothing of it is needed once it is read */

static int
ngx_counters_call_command(const ngx_counters_str_t *s, unsigned char *space,
    size_t len, uint64_t own, ngx_counters_call_t *call)
{
    unsigned              allowed;
    unsigned char        *p;
    ngx_counters_arg_t    elts[NGX_COUNTERS_COMMAND_ARGS];
    ngx_counters_str_t    method, params;
    ngx_counters_args_t   args;
    ngx_counters_found_t  found;

    if (s->len == 0) {
        return NGX_COUNTERS_DECLINED;
    }

    method = *s;
    params.len = 0;
    params.data = NULL;

    p = memchr(s->data, '?', s->len);

    if (p) {
        method.len = p - s->data;
        params.data = p + 1;
        params.len = s->len - method.len - 1;
    }

    call->method = ngx_counters_method(&method);

    if (call->method >= NGX_COUNTERS_METHODS) {
        return NGX_COUNTERS_DECLINED;
    }

    args.elts = elts;
    args.nelts = 0;
    args.nalloc = NGX_COUNTERS_COMMAND_ARGS;
    args.pos = space;
    args.end = space + len;

    memset(found, 0, sizeof(found));

    allowed = (call->method == NGX_COUNTERS_TASKS) ? NGX_COUNTERS_SET_PARAMS
                                                   : NGX_COUNTERS_SET_NONE;

    if (ngx_counters_args_form(&args, &params) != NGX_COUNTERS_OK
        || ngx_counters_call_collect(found, &args, allowed)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_call_params(found, own, call);
}


int
ngx_counters_call_managed(const ngx_counters_str_t *user,
    const ngx_counters_args_t *query, const ngx_counters_args_t *body,
    ngx_counters_call_t *call, ngx_counters_refusal_t *refusal)
{
    uint64_t                   own;
    unsigned                   allowed;
    ngx_counters_found_t       found;
    const ngx_counters_arg_t  *method;

    if (user->len == 0) {
        return ngx_counters_call_refuse(refusal, 401, "NO_AUTH_FOUND",
                                        "No user is authenticated");
    }

    if (ngx_counters_number(user, &own) != NGX_COUNTERS_OK || own == 0) {
        return ngx_counters_call_refuse(refusal, 400, "INVALID_USER",
                                        "The user is no positive integer");
    }

    memset(found, 0, sizeof(found));

    allowed = NGX_COUNTERS_SET_CRED|NGX_COUNTERS_SET_PARAMS
              |NGX_COUNTERS_SET_TELEMETRY|NGX_COUNTERS_SET_METHOD;

    if (ngx_counters_call_collect(found, query, allowed) != NGX_COUNTERS_OK
        || ngx_counters_call_collect(found, body, allowed) != NGX_COUNTERS_OK)
    {
        return ngx_counters_call_refuse(refusal, 400, "INVALID_REQUEST",
                            "Unknown, repeated or array-valued argument");
    }

    method = found[NGX_COUNTERS_NAME_METHOD];

    if (method && method->kind != NGX_COUNTERS_ARG_STRING) {
        return ngx_counters_call_refuse(refusal, 400, "INVALID_REQUEST",
                                        "The method is no string");
    }

    call->method = method ? ngx_counters_method(&method->value)
                          : NGX_COUNTERS_TASKS;

    if (call->method != NGX_COUNTERS_TASKS) {
        return ngx_counters_call_refuse(refusal, 403, "ACCESS_DENIED",
                                        "The method is not allowed here");
    }

    if (ngx_counters_call_params(found, own, call) != NGX_COUNTERS_OK) {
        return ngx_counters_call_refuse(refusal, 400, "INVALID_REQUEST",
                                        "Malformed userId, groupId or type");
    }

    if (call->user != own) {
        return ngx_counters_call_refuse(refusal, 403, "ACCESS_DENIED",
                                        "Counters of another user");
    }

    return NGX_COUNTERS_OK;
}


static int
ngx_counters_call_refuse(ngx_counters_refusal_t *refusal, int status,
    const char *error, const char *description)
{
    refusal->error = error;
    refusal->description = description;

    return status;
}
