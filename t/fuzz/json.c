
/*
 * Copyright (C) The nginx counters module authors
 *
 * Any bytes are iterated without harm; of valid JSON jansson and the slices
 * must tell the same.
 */


#include <stdlib.h>

#include <jansson.h>

#include "ngx_counters_json.h"


#define FLAGS  (JSON_DECODE_INT_AS_REAL|JSON_ALLOW_NUL)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* the slice is one value, the same that jansson has */

static void
same(const ngx_counters_str_t *slice, json_t *value)
{
    json_t  *json;

    json = json_loadb((char *) slice->data, slice->len,
                      FLAGS|JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, NULL);

    if (json == NULL || !json_equal(json, value)) {
        abort();
    }

    json_decref(json);
}


static void
walk(const ngx_counters_str_t *text, json_t *json, unsigned depth)
{
    void                      *member;
    size_t                     n;
    json_t                    *value;
    ngx_counters_str_t         name, slice;
    ngx_counters_json_iter_t   it;

    if (ngx_counters_json_start(&it, text) != NGX_COUNTERS_OK) {
        if (json_is_object(json) || json_is_array(json)) {
            abort();
        }

        return;
    }

    n = 0;
    member = json_object_iter(json);

    while (ngx_counters_json_next(&it, &name, &slice) == NGX_COUNTERS_OK) {

        if (name.data < text->data || slice.data < text->data
            || name.data + name.len > text->data + text->len
            || slice.data + slice.len > text->data + text->len
            || slice.len == 0)
        {
            abort();
        }

        if (json) {
            value = json_is_array(json) ? json_array_get(json, n)
                                        : json_object_iter_value(member);
            same(&slice, value);

            if (depth < 4 && (json_is_object(value) || json_is_array(value))) {
                walk(&slice, value, depth + 1);
            }

            member = json_object_iter_next(json, member);
        }

        n++;
    }

    if (json && n != json_array_size(json) + json_object_size(json)) {
        abort();
    }
}


/* whether an object has as many members as names */

static int
members(const ngx_counters_str_t *text, json_t *json)
{
    size_t                     n;
    ngx_counters_str_t         name, slice;
    ngx_counters_json_iter_t   it;

    if (!json_is_object(json)
        || ngx_counters_json_start(&it, text) != NGX_COUNTERS_OK)
    {
        return 1;
    }

    for (n = 0; ngx_counters_json_next(&it, &name, &slice)
                == NGX_COUNTERS_OK; n++)
    {
        /* void */
    }

    return n == json_object_size(json);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                  valid;
    json_t              *json, *loose;
    unsigned char       *copy;
    ngx_counters_str_t   text, value, bare;

    copy = malloc(size ? size : 1);

    if (size) {
        memcpy(copy, data, size);
    }

    text.len = size;
    text.data = copy;

    bare = ngx_counters_json_unmarked(&text);
    json = NULL;
    loose = NULL;

    if (bare.len && !memchr(bare.data, '\0', bare.len)) {
        json = json_loadb((char *) bare.data, bare.len,
                          FLAGS|JSON_REJECT_DUPLICATES, NULL);
        loose = json_loadb((char *) bare.data, bare.len, FLAGS, NULL);
    }

    /* names may be there twice, but not at the top */

    valid = ngx_counters_json_valid(&text) == NGX_COUNTERS_OK;

    if ((json && !valid) || (valid && !loose)
        || (loose && valid != members(&text, loose)))
    {
        abort();
    }

    walk(&text, json, 0);

    if (ngx_counters_json_member(&text, "a", &value) == NGX_COUNTERS_OK
        && json)
    {
        same(&value, json_object_get(json, "a"));
    }

    json_decref(json);
    json_decref(loose);
    free(copy);

    return 0;
}
