
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_args.h"

#include <stdio.h>
#include <strings.h>

#include <jansson.h>


#define NGX_COUNTERS_NUMBER_LEN  20            /* of -2^63 */

/* PHP appends after the largest index; no client comes near this one */

#define NGX_COUNTERS_INDEX_MAX   999999999


static int ngx_counters_args_copy(ngx_counters_args_t *args,
    ngx_counters_str_t *dst, const char *src, size_t len);
static int ngx_counters_args_decode(ngx_counters_args_t *args,
    ngx_counters_str_t *dst, unsigned char *p, unsigned char *end);
static int ngx_counters_args_hex(unsigned char ch);
static int ngx_counters_args_append(ngx_counters_args_t *args,
    ngx_counters_arg_t *arg);
static int ngx_counters_args_index(const ngx_counters_str_t *key,
    unsigned long *index);

static int ngx_counters_args_member(ngx_counters_args_t *args,
    const char *name, json_t *value);
static int ngx_counters_args_element(ngx_counters_args_t *args,
    const ngx_counters_str_t *name, const char *key, size_t index,
    json_t *value);
static int ngx_counters_args_scalar(ngx_counters_args_t *args,
    ngx_counters_arg_t *arg, json_t *value);


int
ngx_counters_args_form(ngx_counters_args_t *args, const ngx_counters_str_t *in)
{
    unsigned char       *p, *eq, *end, *last;
    ngx_counters_arg_t  *arg;

    if (in->len == 0) {
        return NGX_COUNTERS_OK;
    }

    p = in->data;
    last = p + in->len;

    for ( ;; ) {

        end = memchr(p, '&', last - p);
        if (end == NULL) {
            end = last;
        }

        if (end > p) {
            arg = ngx_counters_args_new(args);
            if (arg == NULL) {
                return NGX_COUNTERS_DECLINED;
            }

            eq = memchr(p, '=', end - p);
            if (eq == NULL) {
                eq = end;
            }

            if (ngx_counters_args_decode(args, &arg->name, p, eq)
                != NGX_COUNTERS_OK
                || ngx_counters_args_decode(args, &arg->value,
                                            eq + (eq < end), end)
                   != NGX_COUNTERS_OK
                || ngx_counters_args_subscript(args, arg) != NGX_COUNTERS_OK)
            {
                return NGX_COUNTERS_DECLINED;
            }

            args->nelts++;
        }

        if (end == last) {
            return NGX_COUNTERS_OK;
        }

        p = end + 1;
    }
}


ngx_counters_arg_t *
ngx_counters_args_new(ngx_counters_args_t *args)
{
    ngx_counters_arg_t  *arg;

    if (args->nelts >= args->nalloc) {
        return NULL;
    }

    arg = &args->elts[args->nelts];
    memset(arg, 0, sizeof(ngx_counters_arg_t));

    return arg;
}


static int
ngx_counters_args_copy(ngx_counters_args_t *args, ngx_counters_str_t *dst,
    const char *src, size_t len)
{
    if ((size_t) (args->end - args->pos) < len) {
        return NGX_COUNTERS_DECLINED;
    }

    dst->len = len;
    dst->data = args->pos;

    if (len) {
        memcpy(args->pos, src, len);
        args->pos += len;
    }

    return NGX_COUNTERS_OK;
}


static int
ngx_counters_args_decode(ngx_counters_args_t *args, ngx_counters_str_t *dst,
    unsigned char *p, unsigned char *end)
{
    int             hi, lo;
    unsigned char  *s, *out;

    for (s = p; s < end && *s != '%' && *s != '+'; s++) {
        if (*s == '\0') {
            return NGX_COUNTERS_DECLINED;
        }
    }

    if (s == end) {
        dst->len = end - p;
        dst->data = p;
        return NGX_COUNTERS_OK;
    }

    if (args->end - args->pos < end - p) {
        return NGX_COUNTERS_DECLINED;
    }

    out = args->pos;
    dst->data = out;

    memcpy(out, p, s - p);
    out += s - p;

    for (p = s; p < end; out++) {

        *out = *p++;

        if (*out == '+') {
            *out = ' ';

        } else if (*out == '%') {
            hi = end - p < 2 ? -1 : ngx_counters_args_hex(p[0]);
            lo = end - p < 2 ? -1 : ngx_counters_args_hex(p[1]);

            if (hi < 0 || lo < 0) {
                return NGX_COUNTERS_DECLINED;
            }

            *out = (unsigned char) (hi << 4 | lo);
            p += 2;
        }

        if (*out == '\0') {
            return NGX_COUNTERS_DECLINED;
        }
    }

    dst->len = out - dst->data;
    args->pos = out;

    return NGX_COUNTERS_OK;
}


static int
ngx_counters_args_hex(unsigned char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}


/*
 * Splits name[key].  What PHP mends rather than reads (an unclosed bracket,
 * text behind the last one) is declined.
 */

int
ngx_counters_args_subscript(ngx_counters_args_t *args, ngx_counters_arg_t *arg)
{
    unsigned char  *open, *close, *end;

    if (arg->name.len == 0) {
        return NGX_COUNTERS_OK;
    }

    end = arg->name.data + arg->name.len;

    open = memchr(arg->name.data, '[', arg->name.len);
    if (open == NULL) {
        return NGX_COUNTERS_OK;
    }

    close = memchr(open, ']', end - open);
    if (close == NULL || open == arg->name.data) {
        return NGX_COUNTERS_DECLINED;
    }

    arg->subscript = 1;
    arg->name.len = open - arg->name.data;
    arg->key.data = open + 1;
    arg->key.len = close - open - 1;

    if (close + 1 < end) {
        if (close[1] != '[') {
            return NGX_COUNTERS_DECLINED;
        }

        arg->kind = NGX_COUNTERS_ARG_OTHER;
        arg->rest.data = close + 1;
        arg->rest.len = end - arg->rest.data;
        arg->deep = arg->value;
        arg->value.len = 0;
    }

    if (arg->key.len == 0) {
        return ngx_counters_args_append(args, arg);
    }

    /* PHP takes one space in the brackets for none */

    if (arg->key.len == 1 && memchr(" \t\n\v\f\r", arg->key.data[0], 6)) {
        return NGX_COUNTERS_DECLINED;
    }

    return NGX_COUNTERS_OK;
}


/* the key of name[]: the largest index so far plus one */

static int
ngx_counters_args_append(ngx_counters_args_t *args, ngx_counters_arg_t *arg)
{
    int                  n;
    char                 buf[NGX_COUNTERS_NUMBER_LEN + 1];
    size_t               i;
    unsigned long        index, next;
    ngx_counters_arg_t  *other;

    next = 0;

    for (i = 0; i < args->nelts; i++) {
        other = &args->elts[i];

        if (!other->subscript
            || !ngx_counters_str_eq(&other->name, (char *) arg->name.data,
                                    arg->name.len))
        {
            continue;
        }

        if (ngx_counters_args_index(&other->key, &index) != NGX_COUNTERS_OK) {
            return NGX_COUNTERS_DECLINED;
        }

        if (index >= next) {
            next = index + 1;
        }
    }

    n = snprintf(buf, sizeof(buf), "%lu", next);

    return ngx_counters_args_copy(args, &arg->key, buf, n);
}


/*
 * Keys that are not plain indices next to an appended one are declined:
 * versions of PHP differ on negative ones.
 */

static int
ngx_counters_args_index(const ngx_counters_str_t *key, unsigned long *index)
{
    size_t         i;
    unsigned long  n;

    if (key->len == 0 || (key->len > 1 && key->data[0] == '0')) {
        return NGX_COUNTERS_DECLINED;
    }

    n = 0;

    for (i = 0; i < key->len; i++) {
        if (key->data[i] < '0' || key->data[i] > '9') {
            return NGX_COUNTERS_DECLINED;
        }

        n = n * 10 + (key->data[i] - '0');

        if (n >= NGX_COUNTERS_INDEX_MAX) {
            return NGX_COUNTERS_DECLINED;
        }
    }

    *index = n;

    return NGX_COUNTERS_OK;
}


int
ngx_counters_args_json(ngx_counters_args_t *args, const ngx_counters_str_t *in)
{
    int            rc;
    json_t        *json, *value;
    const char    *name;
    json_error_t   error;

    /* jansson skips a NUL behind a number */

    if (in->len == 0 || memchr(in->data, '\0', in->len)) {
        return NGX_COUNTERS_DECLINED;
    }

    json = json_loadb((char *) in->data, in->len, JSON_REJECT_DUPLICATES,
                      &error);
    if (json == NULL) {
        return NGX_COUNTERS_DECLINED;
    }

    rc = NGX_COUNTERS_OK;

    if (json_is_array(json)) {
        if (json_array_size(json)) {
            rc = NGX_COUNTERS_DECLINED;
        }

        json_decref(json);

        return rc;
    }

    json_object_foreach(json, name, value) {
        rc = ngx_counters_args_member(args, name, value);
        if (rc != NGX_COUNTERS_OK) {
            break;
        }
    }

    json_decref(json);

    return rc;
}


static int
ngx_counters_args_member(ngx_counters_args_t *args, const char *name,
    json_t *value)
{
    int                  rc;
    json_t              *inner;
    size_t               i;
    const char          *key;
    ngx_counters_arg_t  *arg;
    ngx_counters_str_t   copy;

    if (ngx_counters_args_copy(args, &copy, name, strlen(name))
        != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    if (json_object_size(value) == 0 && json_array_size(value) == 0) {

        arg = ngx_counters_args_new(args);
        if (arg == NULL) {
            return NGX_COUNTERS_DECLINED;
        }

        arg->name = copy;

        return ngx_counters_args_scalar(args, arg, value);
    }

    rc = NGX_COUNTERS_OK;

    if (json_is_object(value)) {
        json_object_foreach(value, key, inner) {
            rc = ngx_counters_args_element(args, &copy, key, 0, inner);
            if (rc != NGX_COUNTERS_OK) {
                break;
            }
        }

        return rc;
    }

    for (i = 0; i < json_array_size(value) && rc == NGX_COUNTERS_OK; i++) {
        rc = ngx_counters_args_element(args, &copy, NULL, i,
                                       json_array_get(value, i));
    }

    return rc;
}


/* a member of the inner object, or with no key an element of the list */

static int
ngx_counters_args_element(ngx_counters_args_t *args,
    const ngx_counters_str_t *name, const char *key, size_t index,
    json_t *value)
{
    int                  n;
    char                 buf[NGX_COUNTERS_NUMBER_LEN + 1];
    ngx_counters_arg_t  *arg;

    arg = ngx_counters_args_new(args);
    if (arg == NULL) {
        return NGX_COUNTERS_DECLINED;
    }

    arg->name = *name;
    arg->subscript = 1;

    if (key == NULL) {
        n = snprintf(buf, sizeof(buf), "%zu", index);
        key = buf;

    } else {
        n = strlen(key);
    }

    if (ngx_counters_args_copy(args, &arg->key, key, n) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_args_scalar(args, arg, value);
}


static int
ngx_counters_args_scalar(ngx_counters_args_t *args, ngx_counters_arg_t *arg,
    json_t *value)
{
    int          n, rc;
    char         buf[NGX_COUNTERS_NUMBER_LEN + 1];

    switch (json_typeof(value)) {

    case JSON_STRING:
        arg->kind = NGX_COUNTERS_ARG_STRING;
        rc = ngx_counters_args_copy(args, &arg->value,
                                    json_string_value(value),
                                    json_string_length(value));
        break;

    case JSON_INTEGER:
        arg->kind = NGX_COUNTERS_ARG_INTEGER;
        n = snprintf(buf, sizeof(buf), "%" JSON_INTEGER_FORMAT,
                     json_integer_value(value));
        rc = ngx_counters_args_copy(args, &arg->value, buf, n);
        break;

    case JSON_TRUE:
    case JSON_FALSE:
        arg->kind = NGX_COUNTERS_ARG_BOOLEAN;
        arg->value.len = 1;
        arg->value.data = (unsigned char *) (json_is_true(value) ? "1" : "0");
        rc = NGX_COUNTERS_OK;
        break;

    default:
        arg->kind = NGX_COUNTERS_ARG_OTHER;
        rc = NGX_COUNTERS_OK;
        break;
    }

    if (rc == NGX_COUNTERS_OK) {
        args->nelts++;
    }

    return rc;
}


int
ngx_counters_args_type(unsigned char **pos, unsigned char *end,
    const char *type)
{
    size_t          len;
    unsigned char  *p;

    p = *pos;
    len = strlen(type);

    if ((size_t) (end - p) < len || strncasecmp((char *) p, type, len) != 0) {
        return NGX_COUNTERS_DECLINED;
    }

    for (p += len; p < end && (*p == ' ' || *p == '\t'); p++) { /* void */ }

    if (p < end && *p != ';') {
        return NGX_COUNTERS_DECLINED;
    }

    *pos = p;

    return NGX_COUNTERS_OK;
}


int
ngx_counters_args_same(const ngx_counters_str_t *s, const char *p, size_t len)
{
    return s->len == len && strncasecmp((char *) s->data, p, len) == 0;
}
