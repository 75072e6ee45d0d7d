
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_path.h"
#include "ngx_counters_args.h"

#include <strings.h>


#define NGX_COUNTERS_CODE_LEN  128


static int ngx_counters_path_segment(unsigned char *start, unsigned char **end,
    ngx_counters_str_t *segment);
static int ngx_counters_path_hook(const ngx_counters_str_t *user,
    const ngx_counters_str_t *code, ngx_counters_cred_t *cred);
static int ngx_counters_path_webhook_url(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred);
static void ngx_counters_path_json(ngx_counters_str_t *s);


const ngx_counters_str_t
    ngx_counters_path_method_names[NGX_COUNTERS_METHODS] =
{
    ngx_counters_string("tasks.task.counters.get"),
    ngx_counters_string("im.counters.get")
};


ngx_counters_method_e
ngx_counters_path_method_id(const ngx_counters_str_t *name)
{
    int                        i;
    const ngx_counters_str_t  *known;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        known = &ngx_counters_path_method_names[i];

        if (ngx_counters_args_same(name, (char *) known->data, known->len)) {
            return i;
        }
    }

    if (ngx_counters_args_is(name, "batch")) {
        return NGX_COUNTERS_BATCH;
    }

    return NGX_COUNTERS_OTHER;
}


int
ngx_counters_path_number(const ngx_counters_str_t *s, uint64_t *n)
{
    size_t    i;
    uint64_t  value;

    if (s->len == 0 || s->len > sizeof("9223372036854775807") - 1
        || (s->len > 1 && s->data[0] == '0'))
    {
        return NGX_COUNTERS_DECLINED;
    }

    value = 0;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < '0' || s->data[i] > '9') {
            return NGX_COUNTERS_DECLINED;
        }

        value = value * 10 + (s->data[i] - '0');
    }

    if (value > INT64_MAX) {
        return NGX_COUNTERS_DECLINED;
    }

    *n = value;

    return NGX_COUNTERS_OK;
}


int
ngx_counters_path_parse(const ngx_counters_str_t *uri,
    ngx_counters_path_t *path)
{
    unsigned char       *start, *p;
    ngx_counters_str_t   method, code, user, rest;

    if (uri->len == 0) {
        return NGX_COUNTERS_DECLINED;
    }

    /* from the end: most requests are told by their last segment */

    start = uri->data;
    p = start + uri->len;

    if (ngx_counters_path_segment(start, &p, &method) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_DECLINED;
    }

    ngx_counters_path_json(&method);

    path->method = ngx_counters_path_method_id(&method);

    if (path->method == NGX_COUNTERS_OTHER
        || ngx_counters_path_segment(start, &p, &code) != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    if (ngx_counters_str_eq(&code, "rest", 4)) {
        memset(&path->cred, 0, sizeof(ngx_counters_cred_t));
        return NGX_COUNTERS_OK;
    }

    if (ngx_counters_path_segment(start, &p, &user) != NGX_COUNTERS_OK
        || ngx_counters_path_segment(start, &p, &rest) != NGX_COUNTERS_OK
        || !ngx_counters_str_eq(&rest, "rest", 4))
    {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_path_hook(&user, &code, &path->cred);
}


int
ngx_counters_path_method(const ngx_counters_str_t *uri,
    ngx_counters_str_t *name)
{
    int             dot, letter;
    size_t          i;
    unsigned char   ch, *end;

    end = uri->data + uri->len;

    if (ngx_counters_path_segment(uri->data, &end, name) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_DECLINED;
    }

    ngx_counters_path_json(name);

    dot = 0;
    letter = 0;

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if (ch == '.') {
            dot = 1;

        } else if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')) {
            letter = 1;

        } else {
            return NGX_COUNTERS_DECLINED;
        }
    }

    return dot && letter ? NGX_COUNTERS_OK : NGX_COUNTERS_DECLINED;
}


/*
 * The last segment before *end; trailing slashes are skipped, *end becomes
 * the slash before the segment.
 */

static int
ngx_counters_path_segment(unsigned char *start, unsigned char **end,
    ngx_counters_str_t *segment)
{
    unsigned char  *p, *last;

    for (last = *end; last > start && last[-1] == '/'; last--) { /* void */ }
    for (p = last; p > start && p[-1] != '/'; p--) { /* void */ }

    if (p == last || p == start) {
        return NGX_COUNTERS_DECLINED;
    }

    segment->len = last - p;
    segment->data = p;
    *end = p - 1;

    return NGX_COUNTERS_OK;
}


static void
ngx_counters_path_json(ngx_counters_str_t *s)
{
    if (s->len > 5 && memcmp(s->data + s->len - 5, ".json", 5) == 0) {
        s->len -= 5;
    }
}


static int
ngx_counters_path_hook(const ngx_counters_str_t *user,
    const ngx_counters_str_t *code, ngx_counters_cred_t *cred)
{
    size_t         i;
    unsigned char  ch;

    if (ngx_counters_path_number(user, &cred->user) != NGX_COUNTERS_OK
        || cred->user == 0
        || code->len == 0 || code->len > NGX_COUNTERS_CODE_LEN)
    {
        return NGX_COUNTERS_DECLINED;
    }

    for (i = 0; i < code->len; i++) {
        ch = code->data[i];

        if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z')
              || (ch >= 'A' && ch <= 'Z') || ch == '_' || ch == '-'))
        {
            return NGX_COUNTERS_DECLINED;
        }
    }

    cred->kind = NGX_COUNTERS_CRED_WEBHOOK;
    cred->secret = *code;

    return NGX_COUNTERS_OK;
}


int
ngx_counters_path_webhook(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred)
{
    unsigned char       *slash;
    ngx_counters_str_t   user, code;

    if (s->len == 0) {
        return NGX_COUNTERS_DECLINED;
    }

    slash = memchr(s->data, '/', s->len);
    if (slash == NULL) {
        return NGX_COUNTERS_DECLINED;
    }

    user.data = s->data;
    user.len = slash - s->data;

    code.data = slash + 1;
    code.len = s->len - user.len - 1;

    if (ngx_counters_path_hook(&user, &code, cred) == NGX_COUNTERS_OK) {
        return NGX_COUNTERS_OK;
    }

    return ngx_counters_path_webhook_url(s, cred);
}


static int
ngx_counters_path_webhook_url(const ngx_counters_str_t *s,
    ngx_counters_cred_t *cred)
{
    unsigned char       *p, *path, *end;
    ngx_counters_str_t   code, user, rest;

    if (s->len > 7 && strncasecmp((char *) s->data, "http://", 7) == 0) {
        path = s->data + 7;

    } else if (s->len > 8
               && strncasecmp((char *) s->data, "https://", 8) == 0)
    {
        path = s->data + 8;

    } else {
        return NGX_COUNTERS_DECLINED;
    }

    end = s->data + s->len;

    for (p = path; p < end; p++) {
        if (*p <= ' ' || *p >= 0x7f || strchr("\"#%<>?@\\", *p)) {
            return NGX_COUNTERS_DECLINED;
        }
    }

    p = memchr(path, '/', end - path);
    if (p == NULL || p == path) {
        return NGX_COUNTERS_DECLINED;
    }

    path = p;
    p = end;

    if (ngx_counters_path_segment(path, &p, &code) != NGX_COUNTERS_OK
        || ngx_counters_path_segment(path, &p, &user) != NGX_COUNTERS_OK
        || ngx_counters_path_segment(path, &p, &rest) != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    if (ngx_counters_str_eq(&rest, "rest", 4)
        && ngx_counters_path_hook(&user, &code, cred) == NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_OK;
    }

    /* a method stands behind the code */

    code = user;
    user = rest;

    if (ngx_counters_path_segment(path, &p, &rest) != NGX_COUNTERS_OK
        || !ngx_counters_str_eq(&rest, "rest", 4))
    {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_path_hook(&user, &code, cred);
}
