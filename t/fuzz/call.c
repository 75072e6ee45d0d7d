
/*
 * Copyright (C) The nginx counters module authors
 *
 * Input, by lines: path, query, Content-Type, Authorization ("-" for none);
 * the rest is the body.
 */


#include <stdlib.h>

#include "ngx_counters_body.h"
#include "ngx_counters_call.h"
#include "ngx_counters_commands.h"


#define NARGS  60


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static unsigned char *
line(ngx_counters_str_t *s, const uint8_t **pos, const uint8_t *end, int rest)
{
    const uint8_t  *p, *lf;

    p = *pos;
    lf = (p < end && !rest) ? memchr(p, '\n', end - p) : NULL;

    if (lf == NULL) {
        lf = end;
        *pos = end;

    } else {
        *pos = lf + 1;
    }

    s->len = lf - p;
    s->data = malloc(s->len ? s->len : 1);

    if (s->len) {
        memcpy(s->data, p, s->len);
    }

    return s->data;
}


static void
check_call(const ngx_counters_call_t *call)
{
    if (call->method >= NGX_COUNTERS_METHODS
        || call->type >= NGX_COUNTERS_TYPES
        || call->user > INT64_MAX || call->group > INT64_MAX
        || (call->method == NGX_COUNTERS_IM && (call->type || call->group)))
    {
        abort();
    }
}


static void
check_cred(const ngx_counters_cred_t *cred)
{
    size_t  i;

    if (cred->kind == NGX_COUNTERS_CRED_NONE || cred->secret.len == 0
        || cred->secret.len > 1024
        || (cred->kind == NGX_COUNTERS_CRED_WEBHOOK) != (cred->user != 0))
    {
        abort();
    }

    for (i = 0; i < cred->secret.len; i++) {
        if (cred->secret.data[i] <= ' ' || cred->secret.data[i] >= 0x7f) {
            abort();
        }
    }
}


static void
check_batch(const ngx_counters_commands_t *cmds)
{
    size_t                     i, j;
    const ngx_counters_str_t  *id;

    if (cmds->ncommands == 0 || cmds->ncommands > NGX_COUNTERS_BATCH_MAX) {
        abort();
    }

    for (i = 0; i < cmds->ncommands; i++) {
        check_call(&cmds->commands[i].call);

        id = &cmds->commands[i].id;

        if (id->len == 0 || id->len > 64) {
            abort();
        }

        for (j = 0; j < id->len; j++) {
            if (id->data[j] <= ' ' || id->data[j] >= 0x7f
                || strchr("\"\\/<>&'", id->data[j]))
            {
                abort();
            }
        }
    }
}


static void
run(const ngx_counters_str_t *uri, const ngx_counters_args_t *query,
    const ngx_counters_args_t *body, const ngx_counters_str_t *authorization,
    size_t len)
{
    int                             rc;
    unsigned char                  *space;
    ngx_counters_call_t             call;
    ngx_counters_cred_t             cred;
    ngx_counters_path_t             path;
    ngx_counters_str_t              name;
    ngx_counters_refusal_t          refusal;
    static ngx_counters_commands_t  cmds;

    rc = ngx_counters_call_managed(uri, uri, query, body, &call, &refusal);

    if (rc == NGX_COUNTERS_OK) {
        check_call(&call);

    } else if (rc != 400 && rc != 401 && rc != 403) {
        abort();
    }

    if (ngx_counters_path_method(uri, &name) == NGX_COUNTERS_OK
        && (name.len < 2 || name.data < uri->data
            || name.data + name.len > uri->data + uri->len))
    {
        abort();
    }

    if (ngx_counters_path_webhook(uri, &cred) == NGX_COUNTERS_OK) {
        check_cred(&cred);
    }

    if (ngx_counters_path_parse(uri, &path) != NGX_COUNTERS_OK) {
        return;
    }

    if (ngx_counters_call_parse(&path, query, body, authorization, &cred,
                                &call)
        == NGX_COUNTERS_OK)
    {
        check_cred(&cred);
        check_call(&call);
    }

    space = malloc(len ? len : 1);

    if (ngx_counters_commands_parse(&path, query, body, authorization, space,
                                    len, &cred, &cmds)
        == NGX_COUNTERS_OK)
    {
        check_cred(&cred);
        check_batch(&cmds);
    }

    free(space);
}


static void
args_init(ngx_counters_args_t *args, size_t len)
{
    len += 24 * NARGS;

    args->elts = malloc(NARGS * sizeof(ngx_counters_arg_t));
    args->nelts = 0;
    args->nalloc = NARGS;
    args->pos = malloc(len);
    args->end = args->pos + len;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char        *p[5], *room[2];
    const uint8_t        *end;
    ngx_counters_str_t    uri, in, type, authorization, text;
    ngx_counters_args_t   query, body;

    end = data + size;

    p[0] = line(&uri, &data, end, 0);
    p[1] = line(&in, &data, end, 0);
    p[2] = line(&type, &data, end, 0);
    p[3] = line(&authorization, &data, end, 0);
    p[4] = line(&text, &data, end, 1);

    args_init(&query, in.len);
    args_init(&body, text.len);

    room[0] = query.pos;
    room[1] = body.pos;

    if (ngx_counters_args_form(&query, &in) == NGX_COUNTERS_OK
        && ngx_counters_body_args(&body, &type, &text) == NGX_COUNTERS_OK)
    {
        run(&uri, &query, &body,
            ngx_counters_str_eq(&authorization, "-", 1) ? NULL
                                                        : &authorization,
            in.len + text.len);
    }

    free(room[0]);
    free(room[1]);
    free(query.elts);
    free(body.elts);
    free(p[0]);
    free(p[1]);
    free(p[2]);
    free(p[3]);
    free(p[4]);

    return 0;
}
