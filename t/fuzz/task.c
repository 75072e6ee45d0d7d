
/*
 * Copyright (C) The nginx counters module authors
 *
 * Input: an outgoing webhook, or the result of tasks.task.get.
 */


#include <stdlib.h>

#include "ngx_counters_json.h"
#include "ngx_counters_task.h"


#define NARGS  32
#define MAX    8


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
event(const ngx_counters_str_t *in)
{
    size_t                 i;
    unsigned char         *room;
    ngx_counters_arg_t     elts[NARGS];
    ngx_counters_args_t    args;
    ngx_counters_event_t   e;

    room = malloc(in->len + 24 * NARGS);

    args.elts = elts;
    args.nelts = 0;
    args.nalloc = NARGS;
    args.pos = room;
    args.end = room + in->len + 24 * NARGS;

    if (ngx_counters_args_form(&args, in) == NGX_COUNTERS_OK) {

        if (ngx_counters_task_event(&args, &e) == NGX_COUNTERS_OK
            && (e.task == 0) != (e.kind == NGX_COUNTERS_EVENT_OTHER))
        {
            abort();
        }

        /* every byte of a token is read */

        for (i = 0; e.token.data && i < e.token.len; i++) {
            if (e.token.data[i] == '\0') {
                abort();
            }
        }
    }

    free(room);
}


static void
task(const ngx_counters_str_t *in)
{
    size_t     i, j, n;
    uint64_t  *users;

    if (ngx_counters_json_valid(in) != NGX_COUNTERS_OK) {
        return;
    }

    users = malloc(MAX * sizeof(uint64_t));

    if (ngx_counters_task_users(in, 17, users, MAX, &n) == NGX_COUNTERS_OK) {

        for (i = 0; i < n; i++) {
            for (j = 0; j < i; j++) {
                if (users[i] == users[j]) {
                    abort();
                }
            }

            if (users[i] == 0) {
                abort();
            }
        }

    } else if (n) {
        abort();
    }

    free(users);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char       *copy;
    ngx_counters_str_t   in;

    copy = malloc(size ? size : 1);

    if (size) {
        memcpy(copy, data, size);
    }

    in.len = size;
    in.data = copy;

    event(&in);
    task(&in);

    free(copy);

    return 0;
}
