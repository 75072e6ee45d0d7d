
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_json.h"

#include <jansson.h>


static int ngx_counters_json_unique(const ngx_counters_str_t *text, size_t n);
static unsigned char *ngx_counters_json_space(unsigned char *p,
    unsigned char *end);
static unsigned char *ngx_counters_json_quoted(unsigned char *p,
    unsigned char *end);
static unsigned char *ngx_counters_json_value(unsigned char *p,
    unsigned char *end);
static unsigned char *ngx_counters_json_nested(unsigned char *p,
    unsigned char *end);


int
ngx_counters_json_valid(const ngx_counters_str_t *text)
{
    int                  rc;
    json_t              *json;
    json_error_t         error;
    ngx_counters_str_t   s;

    s = ngx_counters_json_unmarked(text);

    /* jansson skips a NUL behind a number */

    if (s.len == 0 || memchr(s.data, '\0', s.len)) {
        return NGX_COUNTERS_DECLINED;
    }

    /* whole numbers of any size, and PHP's way to write a NUL in a text */

    json = json_loadb((const char *) s.data, s.len,
                      JSON_DECODE_INT_AS_REAL|JSON_ALLOW_NUL, &error);
    if (json == NULL) {
        return NGX_COUNTERS_DECLINED;
    }

    rc = ngx_counters_json_unique(&s, json_object_size(json));

    json_decref(json);

    return rc;
}


/* "n" is how many members remain when there is one of each name */

static int
ngx_counters_json_unique(const ngx_counters_str_t *text, size_t n)
{
    ngx_counters_str_t        name, value;
    ngx_counters_json_iter_t  it;

    if (ngx_counters_json_start(&it, text) != NGX_COUNTERS_OK || it.array) {
        return NGX_COUNTERS_OK;
    }

    while (ngx_counters_json_next(&it, &name, &value) == NGX_COUNTERS_OK) {
        if (n-- == 0) {
            return NGX_COUNTERS_DECLINED;
        }
    }

    return NGX_COUNTERS_OK;
}


ngx_counters_str_t
ngx_counters_json_unmarked(const ngx_counters_str_t *text)
{
    ngx_counters_str_t  s;

    s = *text;

    if (s.len >= 3 && memcmp(s.data, "\xef\xbb\xbf", 3) == 0) {
        s.data += 3;
        s.len -= 3;
    }

    return s;
}


int
ngx_counters_json_start(ngx_counters_json_iter_t *it,
    const ngx_counters_str_t *text)
{
    unsigned char       *p, *end;
    ngx_counters_str_t   s;

    s = ngx_counters_json_unmarked(text);

    if (s.len == 0) {
        return NGX_COUNTERS_DECLINED;
    }

    end = s.data + s.len;
    p = ngx_counters_json_space(s.data, end);

    if (p == end || (*p != '{' && *p != '[')) {
        return NGX_COUNTERS_DECLINED;
    }

    it->array = (*p == '[');
    it->pos = p + 1;
    it->end = end;

    return NGX_COUNTERS_OK;
}


/*
 * What is not JSON after all ends the iteration: a caller that did not
 * validate loses members, not memory.
 */

int
ngx_counters_json_next(ngx_counters_json_iter_t *it, ngx_counters_str_t *name,
    ngx_counters_str_t *value)
{
    unsigned char  *p, *end;

    end = it->end;
    p = ngx_counters_json_space(it->pos, end);

    if (p < end && *p == ',') {
        p = ngx_counters_json_space(p + 1, end);
    }

    it->pos = end;

    if (p == end || *p == '}' || *p == ']') {
        return NGX_COUNTERS_DONE;
    }

    name->len = 0;
    name->data = p;

    if (!it->array) {
        if (*p != '"') {
            return NGX_COUNTERS_DONE;
        }

        name->data = p + 1;
        p = ngx_counters_json_quoted(p, end);

        if (p == NULL) {
            return NGX_COUNTERS_DONE;
        }

        name->len = p - name->data - 1;
        p = ngx_counters_json_space(p, end);

        if (p == end || *p != ':') {
            return NGX_COUNTERS_DONE;
        }

        p = ngx_counters_json_space(p + 1, end);
    }

    value->data = p;
    p = ngx_counters_json_value(p, end);

    if (p == NULL) {
        return NGX_COUNTERS_DONE;
    }

    value->len = p - value->data;
    it->pos = p;

    return NGX_COUNTERS_OK;
}


int
ngx_counters_json_member(const ngx_counters_str_t *object, const char *name,
    ngx_counters_str_t *value)
{
    int                       rc;
    size_t                    len;
    ngx_counters_str_t        found, slice;
    ngx_counters_json_iter_t  it;

    if (ngx_counters_json_start(&it, object) != NGX_COUNTERS_OK || it.array) {
        return NGX_COUNTERS_DECLINED;
    }

    len = strlen(name);
    rc = NGX_COUNTERS_DECLINED;

    while (ngx_counters_json_next(&it, &found, &slice) == NGX_COUNTERS_OK) {
        if (ngx_counters_str_eq(&found, name, len)) {
            *value = slice;
            rc = NGX_COUNTERS_OK;
        }
    }

    return rc;
}


static unsigned char *
ngx_counters_json_space(unsigned char *p, unsigned char *end)
{
    while (p < end
           && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
    {
        p++;
    }

    return p;
}


/* from the opening quote to behind the closing one, NULL if there is none */

static unsigned char *
ngx_counters_json_quoted(unsigned char *p, unsigned char *end)
{
    for (p++; p < end; p++) {
        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\') {
            p++;
        }
    }

    return NULL;
}


/* the end of the value that begins at p, NULL if there is no value */

static unsigned char *
ngx_counters_json_value(unsigned char *p, unsigned char *end)
{
    unsigned char  *start;

    if (p == end) {
        return NULL;
    }

    if (*p == '"') {
        return ngx_counters_json_quoted(p, end);
    }

    if (*p == '{' || *p == '[') {
        return ngx_counters_json_nested(p, end);
    }

    start = p;

    while (p < end) {
        switch (*p) {

        case ' ':
        case '\t':
        case '\r':
        case '\n':
        case ',':
        case ':':
        case ']':
        case '}':
        case '"':
            return p == start ? NULL : p;

        default:
            p++;
        }
    }

    return p;
}


/* brackets are only counted: that they pair is jansson's finding */

static unsigned char *
ngx_counters_json_nested(unsigned char *p, unsigned char *end)
{
    size_t  depth;

    depth = 0;

    while (p < end) {
        switch (*p) {

        case '"':
            p = ngx_counters_json_quoted(p, end);
            if (p == NULL) {
                return NULL;
            }

            continue;

        case '{':
        case '[':
            depth++;
            break;

        case '}':
        case ']':
            if (--depth == 0) {
                return p + 1;
            }

            break;
        }

        p++;
    }

    return NULL;
}
