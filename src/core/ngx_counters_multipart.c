
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_multipart.h"


#define NGX_COUNTERS_BOUNDARY_LEN  70          /* RFC 2046, section 5.1.1 */


static int ngx_counters_multipart_boundary(ngx_counters_str_t *delimiter,
    const ngx_counters_str_t *content_type);
static int ngx_counters_multipart_part(ngx_counters_arg_t *arg,
    unsigned char **pos, unsigned char *last);
static int ngx_counters_multipart_header(ngx_counters_arg_t *arg,
    ngx_counters_str_t *name, unsigned char *p, unsigned char *end);
static int ngx_counters_multipart_disposition(ngx_counters_arg_t *arg,
    unsigned char *p, unsigned char *end);
static int ngx_counters_multipart_parameter(unsigned char **pos,
    unsigned char *end, ngx_counters_str_t *name, ngx_counters_str_t *value);
static unsigned char *ngx_counters_multipart_space(unsigned char *p,
    unsigned char *end);
static unsigned char *ngx_counters_multipart_token(unsigned char *p,
    unsigned char *end);
static unsigned char *ngx_counters_multipart_find(unsigned char *p,
    unsigned char *last, const ngx_counters_str_t *s);


int
ngx_counters_multipart_args(ngx_counters_args_t *args,
    const ngx_counters_str_t *content_type, const ngx_counters_str_t *in)
{
    unsigned char       *p, *last;
    unsigned char        buf[NGX_COUNTERS_BOUNDARY_LEN + 4];
    ngx_counters_arg_t  *arg;
    ngx_counters_str_t   delimiter;

    delimiter.data = buf;

    if (ngx_counters_multipart_boundary(&delimiter, content_type)
        != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    /* the first delimiter has no line before it */

    if (in->len < delimiter.len - 2
        || memcmp(in->data, buf + 2, delimiter.len - 2) != 0)
    {
        return NGX_COUNTERS_DECLINED;
    }

    p = in->data + delimiter.len - 2;
    last = in->data + in->len;

    while (last - p >= 2 && memcmp(p, "\r\n", 2) == 0) {

        p += 2;

        arg = ngx_counters_args_new(args);

        if (arg == NULL
            || ngx_counters_multipart_part(arg, &p, last) != NGX_COUNTERS_OK)
        {
            return NGX_COUNTERS_DECLINED;
        }

        arg->value.data = p;

        p = ngx_counters_multipart_find(p, last, &delimiter);
        if (p == NULL) {
            return NGX_COUNTERS_DECLINED;
        }

        if (arg->kind == NGX_COUNTERS_ARG_STRING) {
            arg->value.len = p - arg->value.data;
        }

        p += delimiter.len;

        if (memchr(arg->value.data, '\0', arg->value.len)
            || ngx_counters_args_subscript(args, arg) != NGX_COUNTERS_OK)
        {
            return NGX_COUNTERS_DECLINED;
        }

        args->nelts++;
    }

    if ((last - p == 2 && memcmp(p, "--", 2) == 0)
        || (last - p == 4 && memcmp(p, "--\r\n", 4) == 0))
    {
        return NGX_COUNTERS_OK;
    }

    return NGX_COUNTERS_DECLINED;
}


/*
 * Makes the delimiter between parts: CR LF, two hyphens, the boundary.  Some
 * clients say their charset beside it, which means nothing to PHP.
 */

static int
ngx_counters_multipart_boundary(ngx_counters_str_t *delimiter,
    const ngx_counters_str_t *content_type)
{
    unsigned char       *p, *end;
    ngx_counters_str_t   name, value;

    if (content_type->len == 0) {
        return NGX_COUNTERS_DECLINED;
    }

    p = content_type->data;
    end = p + content_type->len;

    if (ngx_counters_args_type(&p, end, "multipart/form-data")
        != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    delimiter->len = 0;

    while (p < end) {

        if (ngx_counters_multipart_parameter(&p, end, &name, &value)
            != NGX_COUNTERS_OK)
        {
            return NGX_COUNTERS_DECLINED;
        }

        if (ngx_counters_args_is(&name, "charset")
            && ngx_counters_args_is(&value, "UTF-8"))
        {
            continue;
        }

        if (!ngx_counters_args_is(&name, "boundary") || delimiter->len
            || value.len == 0 || value.len > NGX_COUNTERS_BOUNDARY_LEN)
        {
            return NGX_COUNTERS_DECLINED;
        }

        /* to PHP the boundary would end in that space */

        if (p < end && (p[-1] == ' ' || p[-1] == '\t')) {
            return NGX_COUNTERS_DECLINED;
        }

        memcpy(delimiter->data, "\r\n--", 4);
        memcpy(delimiter->data + 4, value.data, value.len);
        delimiter->len = 4 + value.len;
    }

    return delimiter->len ? NGX_COUNTERS_OK : NGX_COUNTERS_DECLINED;
}


/* the headers of one part, up to and including the empty line */

static int
ngx_counters_multipart_part(ngx_counters_arg_t *arg, unsigned char **pos,
    unsigned char *last)
{
    unsigned char       *p, *end;
    ngx_counters_str_t   name;

    for (p = *pos; p < last; p = end + 1) {

        end = memchr(p, '\n', last - p);

        if (end == NULL || end == p || end[-1] != '\r') {
            return NGX_COUNTERS_DECLINED;
        }

        if (end - p == 1) {
            *pos = end + 1;
            return arg->name.len ? NGX_COUNTERS_OK : NGX_COUNTERS_DECLINED;
        }

        name.data = p;
        p = ngx_counters_multipart_token(p, end - 1);
        name.len = p - name.data;

        if (name.len == 0 || *p != ':'
            || ngx_counters_multipart_header(arg, &name, p + 1, end - 1)
               != NGX_COUNTERS_OK)
        {
            return NGX_COUNTERS_DECLINED;
        }
    }

    return NGX_COUNTERS_DECLINED;
}


static int
ngx_counters_multipart_header(ngx_counters_arg_t *arg,
    ngx_counters_str_t *name, unsigned char *p, unsigned char *end)
{
    p = ngx_counters_multipart_space(p, end);

    if (ngx_counters_args_is(name, "Content-Disposition")) {
        return ngx_counters_multipart_disposition(arg, p, end);
    }

    if (ngx_counters_args_is(name, "Content-Type")) {
        if (ngx_counters_args_type(&p, end, "text/plain") != NGX_COUNTERS_OK) {
            arg->kind = NGX_COUNTERS_ARG_OTHER;
        }

        return NGX_COUNTERS_OK;
    }

    if (ngx_counters_args_is(name, "Content-Transfer-Encoding")) {
        arg->kind = NGX_COUNTERS_ARG_OTHER;
        return NGX_COUNTERS_OK;
    }

    /* written by some clients, read by no server */

    if (ngx_counters_args_is(name, "Content-Length")) {
        return NGX_COUNTERS_OK;
    }

    return NGX_COUNTERS_DECLINED;
}


static int
ngx_counters_multipart_disposition(ngx_counters_arg_t *arg, unsigned char *p,
    unsigned char *end)
{
    ngx_counters_str_t  name, value;

    if (arg->name.len
        || ngx_counters_args_type(&p, end, "form-data") != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    while (p < end) {

        if (ngx_counters_multipart_parameter(&p, end, &name, &value)
            != NGX_COUNTERS_OK)
        {
            return NGX_COUNTERS_DECLINED;
        }

        if (ngx_counters_args_is(&name, "name")) {
            if (arg->name.len || value.len == 0) {
                return NGX_COUNTERS_DECLINED;
            }

            arg->name = value;

        } else if (ngx_counters_args_is(&name, "filename")
                   || ngx_counters_args_is(&name, "filename*"))
        {
            arg->kind = NGX_COUNTERS_ARG_OTHER;

        } else {
            return NGX_COUNTERS_DECLINED;
        }
    }

    return arg->name.len ? NGX_COUNTERS_OK : NGX_COUNTERS_DECLINED;
}


/*
 * "; name=value" with or without quotes.  Escapes in quotes are declined:
 * browsers and PHP disagree on them.
 */

static int
ngx_counters_multipart_parameter(unsigned char **pos, unsigned char *end,
    ngx_counters_str_t *name, ngx_counters_str_t *value)
{
    unsigned char  *p;

    p = *pos;

    if (p == end || *p != ';') {
        return NGX_COUNTERS_DECLINED;
    }

    name->data = ngx_counters_multipart_space(p + 1, end);
    p = ngx_counters_multipart_token(name->data, end);
    name->len = p - name->data;

    if (name->len == 0 || p == end || *p++ != '=') {
        return NGX_COUNTERS_DECLINED;
    }

    if (p == end || *p != '"') {
        value->data = p;
        p = ngx_counters_multipart_token(p, end);
        value->len = p - value->data;

    } else {
        value->data = ++p;

        while (p < end && *p != '"' && *p != '\\' && *p >= ' ') {
            p++;
        }

        if (p == end || *p != '"') {
            return NGX_COUNTERS_DECLINED;
        }

        value->len = p - value->data;
        p++;
    }

    *pos = ngx_counters_multipart_space(p, end);

    return NGX_COUNTERS_OK;
}


/* RFC 7230's token, and what unquoted boundaries have besides */

static unsigned char *
ngx_counters_multipart_token(unsigned char *p, unsigned char *end)
{
    while (p < end && *p > ' ' && *p < 0x7f
           && !strchr("\"(),:;<=>?@[\\]{}", *p))
    {
        p++;
    }

    return p;
}


static unsigned char *
ngx_counters_multipart_find(unsigned char *p, unsigned char *last,
    const ngx_counters_str_t *s)
{
    while ((size_t) (last - p) >= s->len) {

        p = memchr(p, '\r', last - p - s->len + 1);
        if (p == NULL) {
            return NULL;
        }

        if (memcmp(p, s->data, s->len) == 0) {
            return p;
        }

        p++;
    }

    return NULL;
}


static unsigned char *
ngx_counters_multipart_space(unsigned char *p, unsigned char *end)
{
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    return p;
}
