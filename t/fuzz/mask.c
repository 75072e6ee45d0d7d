
/*
 * Copyright (C) The nginx counters module authors
 *
 * Input: a path, then a line feed, then a query.  Once as it is; once with a
 * webhook's path and a token among it, neither of which may come through.
 */


#define _GNU_SOURCE

#include <stdlib.h>

#include "ngx_counters_mask.h"


#define SECRET  "S3CRET"
#define HOOK    "/rest/1/" SECRET
#define TOKEN   "&auth=" SECRET "&"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
run(const ngx_counters_str_t *path, const ngx_counters_str_t *args,
    int hidden)
{
    size_t          size;
    unsigned char  *out, *end, *p;

    size = 3 * path->len + 4 * args->len + 16;
    out = malloc(size);

    end = ngx_counters_mask_uri(out, path, args);

    if (end < out || end > out + size) {
        abort();
    }

    for (p = out; p < end; p++) {
        if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '\\') {
            abort();
        }
    }

    if (hidden && memmem(out, end - out, SECRET, sizeof(SECRET) - 1)) {
        abort();
    }

    free(out);
}


/* a, then s, then b */

static void
join(ngx_counters_str_t *out, const ngx_counters_str_t *a, const char *s,
    const ngx_counters_str_t *b)
{
    size_t  len;

    len = strlen(s);
    out->len = a->len + len + b->len;
    out->data = malloc(out->len);

    memcpy(out->data, a->data, a->len);
    memcpy(out->data + a->len, s, len);
    memcpy(out->data + a->len + len, b->data, b->len);
}


static void
cut(const ngx_counters_str_t *s, size_t at, ngx_counters_str_t *a,
    ngx_counters_str_t *b)
{
    a->len = at;
    a->data = s->data;
    b->len = s->len - at;
    b->data = s->data + at;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t       *lf;
    unsigned char       *slash, *copy;
    ngx_counters_str_t   path, args, a, b, hook, token;

    lf = size ? memchr(data, '\n', size) : NULL;
    if (lf == NULL) {
        return 0;
    }

    /* two pieces, so that each has an end that a sanitizer knows */

    path.len = lf - data;
    path.data = malloc(path.len + 1);
    memcpy(path.data, data, path.len);

    args.len = size - path.len - 1;
    args.data = copy = malloc(args.len ? args.len : 1);
    memcpy(args.data, lf + 1, args.len);

    run(&path, &args, 0);

    if (memmem(data, size, SECRET, sizeof(SECRET) - 1) == NULL) {

        /* the webhook's path stands before a slash or at the end */

        slash = path.len ? memchr(path.data, '/', path.len) : NULL;
        cut(&path, slash ? (size_t) (slash - path.data) : path.len, &a, &b);
        join(&hook, &a, HOOK, &b);

        cut(&args, args.len / 2, &a, &b);
        join(&token, &a, TOKEN, &b);

        run(&hook, &token, 1);

        free(hook.data);
        free(token.data);
    }

    free(path.data);
    free(copy);

    return 0;
}
