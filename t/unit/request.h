
/*
 * Copyright (C) The nginx counters module authors
 *
 * Requests as the tests of call and commands write them.
 */


#ifndef _REQUEST_H_INCLUDED_
#define _REQUEST_H_INCLUDED_


#include "ngx_counters_body.h"
#include "ngx_counters_params.h"
#include "tap.h"


#define JSON    "application/json"
#define FORM    "application/x-www-form-urlencoded"
#define HOOK    "/rest/7/c0de/tasks.task.counters.get"
#define OAUTH   "/rest/tasks.task.counters.get"
#define IM      "/rest/7/c0de/im.counters.get"
#define BATCH   "/rest/7/c0de/batch"

#define M  "tasks.task.counters.get"
#define T  "im.counters.get"


typedef struct {
    const char  *name;
    const char  *path;
    const char  *query;
    const char  *type;
    const char  *body;
    const char  *authorization;
    const char  *out;           /* NULL: declined, to be passed on */
} case_t;


#define NARGS  80


typedef struct {
    ngx_counters_path_t   path;
    ngx_counters_args_t   query;
    ngx_counters_args_t   body;
    ngx_counters_str_t    authorization;
} request_t;


static char                text[65536];
static ngx_counters_arg_t  elts[2][NARGS];
static unsigned char       room[2][65536];


static inline ngx_counters_str_t
str(const char *s)
{
    ngx_counters_str_t  r;

    r.len = s ? strlen(s) : 0;
    r.data = (unsigned char *) s;

    return r;
}


static inline int
request_args(request_t *r, const case_t *c)
{
    ngx_counters_str_t  query, type, body;

    r->query = (ngx_counters_args_t) { elts[0], 0, NARGS, room[0],
                                       room[0] + sizeof(room[0]) };
    r->body = (ngx_counters_args_t) { elts[1], 0, NARGS, room[1],
                                      room[1] + sizeof(room[1]) };
    query = str(c->query);
    type = str(c->type);
    body = str(c->body);

    if (ngx_counters_args_form(&r->query, &query) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_body_args(&r->body, &type, &body);
}


static inline int
request(request_t *r, const case_t *c)
{
    ngx_counters_str_t  uri;

    uri = str(c->path);
    r->authorization = str(c->authorization);

    if (ngx_counters_path_parse(&uri, &r->path) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_DECLINED;
    }

    return request_args(r, c);
}


static inline char *
show_cred(const ngx_counters_cred_t *cred)
{
    if (cred->kind == NGX_COUNTERS_CRED_TOKEN) {
        return text + sprintf(text, "token %.*s:", (int) cred->secret.len,
                              (char *) cred->secret.data);
    }

    return text + sprintf(text, "hook %d %.*s:", (int) cred->user,
                          (int) cred->secret.len, (char *) cred->secret.data);
}


static inline void
verdict(const case_t *c, int rc)
{
    if (rc != NGX_COUNTERS_OK) {
        ok(c->out == NULL && rc == NGX_COUNTERS_DECLINED, "declined: %s",
           c->name);
        return;
    }

    is_str(text, strlen(text), c->out ? c->out : "declined", "%s", c->name);
}


#endif /* _REQUEST_H_INCLUDED_ */
