
/*
 * Copyright (C) The nginx counters module authors
 *
 * Input: a byte that picks the status, then the body of an answer.
 */


#include <stdlib.h>

#include "ngx_counters_json.h"
#include "ngx_counters_reply.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const int  statuses[] = {
    200, 200, 200, 200, 302, 400, 401, 403, 404, 429, 500, 503, 201, 204, 101
};


static void
check(int cond)
{
    if (!cond) {
        abort();
    }
}


/* none, or some bytes of the body */

static void
inside(const ngx_counters_str_t *s, const ngx_counters_str_t *body)
{
    if (s->data == NULL) {
        check(s->len == 0);
        return;
    }

    check(s->data >= body->data
          && s->data + s->len <= body->data + body->len);
}


/* a slice is JSON by itself; jansson takes no scalars, hence the list */

static void
json(const ngx_counters_str_t *s)
{
    ngx_counters_str_t  list;

    if (s->data == NULL) {
        return;
    }

    list.len = s->len + 2;
    list.data = malloc(list.len);

    list.data[0] = '[';
    memcpy(list.data + 1, s->data, s->len);
    list.data[list.len - 1] = ']';

    check(ngx_counters_json_valid(&list) == NGX_COUNTERS_OK);

    free(list.data);
}


/* a code is a number, or all there is between two quotes */

static void
whole(const ngx_counters_str_t *code)
{
    ngx_counters_str_t  value;

    if (code->data == NULL) {
        return;
    }

    value = *code;

    if (value.data[-1] == '"') {
        value.data--;
        value.len += 2;
    }

    json(&value);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                   status;
    ngx_counters_str_t    body, code;
    ngx_counters_reply_t  reply;

    if (size == 0) {
        return 0;
    }

    status = statuses[data[0] % (sizeof(statuses) / sizeof(statuses[0]))];

    body.len = size - 1;
    body.data = malloc(body.len ? body.len : 1);
    memcpy(body.data, data + 1, body.len);

    ngx_counters_reply_judge(&reply, status, &body);

    inside(&reply.result, &body);
    inside(&reply.total, &body);
    inside(&reply.time, &body);
    inside(&reply.error, &body);

    json(&reply.result);
    json(&reply.total);
    json(&reply.time);

    whole(&reply.error);

    if (reply.verdict == NGX_COUNTERS_REPLY_GOOD) {
        check(status == 200 && reply.result.data && reply.error.data == NULL);
    }

    if (ngx_counters_json_valid(&body) == NGX_COUNTERS_OK
        && ngx_counters_reply_error_code(&body, &code) == NGX_COUNTERS_OK)
    {
        inside(&code, &body);
        whole(&code);

        (void) ngx_counters_reply_code(&code, &status);
        check(status >= 400 && status < 600);
    }

    free(body.data);

    return 0;
}
