
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_commands.h"


#define NGX_COUNTERS_ID_LEN         64

/* so many parameters have a meaning in a command; more are declined */

#define NGX_COUNTERS_COMMANDS_ARGS  5


static int ngx_counters_commands_halt(const ngx_counters_arg_t *arg,
    ngx_counters_commands_t *cmds);
static int ngx_counters_commands_list(const ngx_counters_args_t *args,
    unsigned char *space, size_t len, uint64_t own,
    ngx_counters_commands_t *cmds);
static int ngx_counters_commands_id(const ngx_counters_str_t *id,
    ngx_counters_commands_t *cmds);
static int ngx_counters_commands_one(const ngx_counters_str_t *s,
    unsigned char *space, size_t len, uint64_t own, ngx_counters_call_t *call);


int
ngx_counters_commands_parse(const ngx_counters_path_t *path,
    const ngx_counters_args_t *query, const ngx_counters_args_t *body,
    const ngx_counters_str_t *authorization, unsigned char *space, size_t len,
    ngx_counters_cred_t *cred, ngx_counters_commands_t *cmds)
{
    unsigned               allowed;
    ngx_counters_params_t  found;

    if (path->method != NGX_COUNTERS_BATCH) {
        return NGX_COUNTERS_DECLINED;
    }

    memset(found, 0, sizeof(found));

    allowed = NGX_COUNTERS_SET_CRED|NGX_COUNTERS_SET_BATCH
              |NGX_COUNTERS_SET_START;

    if (ngx_counters_params_collect(found, query,
                                    allowed | NGX_COUNTERS_SET_TELEMETRY)
        != NGX_COUNTERS_OK
        || ngx_counters_params_collect(found, body, allowed) != NGX_COUNTERS_OK
        || ngx_counters_params_cred(&path->cred, found, authorization, cred)
           != NGX_COUNTERS_OK
        || ngx_counters_commands_halt(found[NGX_COUNTERS_NAME_HALT], cmds)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    cmds->ncommands = 0;
    cmds->list = 1;

    if (ngx_counters_commands_list(query, space, len, cred->user, cmds)
        != NGX_COUNTERS_OK
        || ngx_counters_commands_list(body, space, len, cred->user, cmds)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    return cmds->ncommands ? NGX_COUNTERS_OK : NGX_COUNTERS_DECLINED;
}


static int
ngx_counters_commands_halt(const ngx_counters_arg_t *arg,
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


static int
ngx_counters_commands_list(const ngx_counters_args_t *args,
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
            || ngx_counters_commands_id(&arg->key, cmds) != NGX_COUNTERS_OK)
        {
            return NGX_COUNTERS_DECLINED;
        }

        cmd = &cmds->commands[cmds->ncommands];
        cmd->id = arg->key;

        if (ngx_counters_commands_one(&arg->value, space, len, own, &cmd->call)
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
ngx_counters_commands_id(const ngx_counters_str_t *id,
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

    if (ngx_counters_path_number(id, &n) != NGX_COUNTERS_OK
        || n != cmds->ncommands)
    {
        cmds->list = 0;
    }

    return NGX_COUNTERS_OK;
}


/*
 * method?urlencoded-params; nothing of it is needed once it is read.  What
 * may refer to an earlier answer, with a "$", is declined: values that mean
 * something to the call have none as it is.
 */

static int
ngx_counters_commands_one(const ngx_counters_str_t *s, unsigned char *space,
    size_t len, uint64_t own, ngx_counters_call_t *call)
{
    unsigned                   allowed;
    unsigned char             *p;
    ngx_counters_arg_t         elts[NGX_COUNTERS_COMMANDS_ARGS];
    ngx_counters_str_t         method, params;
    ngx_counters_args_t        args;
    ngx_counters_params_t      found;
    const ngx_counters_arg_t  *order;

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

    call->method = ngx_counters_path_method_id(&method);

    if (call->method >= NGX_COUNTERS_METHODS) {
        return NGX_COUNTERS_DECLINED;
    }

    args.elts = elts;
    args.nelts = 0;
    args.nalloc = NGX_COUNTERS_COMMANDS_ARGS;
    args.pos = space;
    args.end = space + len;

    memset(found, 0, sizeof(found));

    allowed = NGX_COUNTERS_SET_START|NGX_COUNTERS_SET_ORDER;

    if (call->method == NGX_COUNTERS_TASKS) {
        allowed |= NGX_COUNTERS_SET_PARAMS;
    }

    if (ngx_counters_args_form(&args, &params) != NGX_COUNTERS_OK
        || ngx_counters_params_collect(found, &args, allowed)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    order = found[NGX_COUNTERS_NAME_ORDER];

    if (order && order->value.len
        && memchr(order->value.data, '$', order->value.len))
    {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_params_call(found, own, call);
}
