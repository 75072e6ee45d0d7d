
/*
 * Copyright (C) The nginx counters module authors
 *
 * Input: a path, then a line feed, then a query; the URI is the two.  Once as
 * it is; then with a webhook's path, in each of its spellings, and a token
 * among it, neither of which may come through.
 */


#define _GNU_SOURCE

#include <stdlib.h>

#include "ngx_counters_mask.h"


#define SECRET  "S3CRET"
#define TOKEN   "&auth=" SECRET "&"


static const char  *hooks[] = {
    "/rest/1/" SECRET,
    "//REST//1///" SECRET,
    "/%72est/%31/" SECRET,
    "%2Frest%2f1%2F" SECRET,
    "\\rest\\1%5C" SECRET,
    "/rest/./1/./" SECRET,
    "/x/../rest/1/" SECRET,
    "/rest/../rest/1/" SECRET,
    "/%2572est/1/" SECRET,
    "/rest%252f1%252f" SECRET,
    NULL
};


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
run(const ngx_counters_str_t *uri, int hidden)
{
    size_t          size;
    unsigned char  *out, *end, *p;

    size = 3 * uri->len + 16;
    out = malloc(size);

    end = ngx_counters_mask_uri(out, uri);

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


/* the webhook's path stands before a slash or at the end of the path */

static void
hide(const ngx_counters_str_t *path, const ngx_counters_str_t *args,
    const char *hook)
{
    unsigned char       *slash;
    ngx_counters_str_t   a, b, hooked, token, uri;

    slash = path->len ? memchr(path->data, '/', path->len) : NULL;
    cut(path, slash ? (size_t) (slash - path->data) : path->len, &a, &b);
    join(&hooked, &a, hook, &b);

    cut(args, args->len / 2, &a, &b);
    join(&token, &a, TOKEN, &b);

    join(&uri, &hooked, "?", &token);
    run(&uri, 1);

    free(hooked.data);
    free(token.data);
    free(uri.data);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t               i;
    const uint8_t       *lf;
    ngx_counters_str_t   path, args, uri;

    lf = size ? memchr(data, '\n', size) : NULL;
    if (lf == NULL) {
        return 0;
    }

    path.len = lf - data;
    path.data = (unsigned char *) data;

    args.len = size - path.len - 1;
    args.data = (unsigned char *) lf + 1;

    join(&uri, &path, "?", &args);
    run(&uri, 0);
    run(&path, 0);

    free(uri.data);

    if (memmem(data, size, SECRET, sizeof(SECRET) - 1)) {
        return 0;
    }

    for (i = 0; hooks[i]; i++) {
        hide(&path, &args, hooks[i]);
    }

    return 0;
}
