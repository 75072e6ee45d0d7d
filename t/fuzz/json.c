
/*
 * Copyright (C) The nginx counters module authors
 *
 * Any bytes are iterated without harm; of valid JSON jansson and the slices
 * must tell the same.
 */


#include <stdlib.h>

#include <jansson.h>

#include "ngx_counters_json.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* the slice is one value, the same that jansson has */

static void
same(const ngx_counters_str_t *slice, json_t *value)
{
    json_t  *json;

    json = json_loadb((char *) slice->data, slice->len,
                      JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, NULL);

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


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t              *json;
    unsigned char       *copy;
    ngx_counters_str_t   text, value;

    copy = malloc(size ? size : 1);

    if (size) {
        memcpy(copy, data, size);
    }

    text.len = size;
    text.data = copy;

    json = size ? json_loadb((char *) copy, size, JSON_REJECT_DUPLICATES, NULL)
                : NULL;

    if ((ngx_counters_json_valid(&text) == NGX_COUNTERS_OK) != (json != NULL))
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
    free(copy);

    return 0;
}
