
/*
 * Copyright (C) The nginx counters module authors
 *
 * Input: a byte for the length of the list, then the Content-Type (none for
 * a query string) up to a line feed, then the text.
 */


#include <stdlib.h>

#include "ngx_counters_body.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* every byte that is said to be there is read */

static void
touch(const ngx_counters_str_t *s)
{
    size_t                  i;
    volatile unsigned char  ch;

    for (i = 0; i < s->len; i++) {
        ch = s->data[i];
        (void) ch;
    }
}


static unsigned char *
copy(ngx_counters_str_t *s, const uint8_t *data, size_t size)
{
    s->len = size;
    s->data = malloc(size ? size : 1);

    if (size) {
        memcpy(s->data, data, size);
    }

    return s->data;
}


static void
run(size_t nalloc, size_t len, const ngx_counters_str_t *type,
    const ngx_counters_str_t *in)
{
    int                  rc;
    size_t               i;
    unsigned char       *room;
    ngx_counters_args_t  args;

    room = malloc(len ? len : 1);

    args.elts = malloc(nalloc * sizeof(ngx_counters_arg_t) + 1);
    args.nelts = 0;
    args.nalloc = nalloc;
    args.pos = room;
    args.end = room + len;

    rc = type->len ? ngx_counters_body_args(&args, type, in)
                   : ngx_counters_args_form(&args, in);

    if (rc != NGX_COUNTERS_OK && rc != NGX_COUNTERS_DECLINED) {
        abort();
    }

    if (args.nelts > nalloc || args.pos > args.end) {
        abort();
    }

    for (i = 0; i < args.nelts; i++) {
        touch(&args.elts[i].name);
        touch(&args.elts[i].key);
        touch(&args.elts[i].value);

        if (memchr(args.elts[i].name.data, '\0', args.elts[i].name.len)
            || (args.elts[i].value.len
                && memchr(args.elts[i].value.data, '\0',
                          args.elts[i].value.len)))
        {
            abort();
        }
    }

    free(args.elts);
    free(room);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t               nalloc;
    const uint8_t       *lf;
    unsigned char       *t, *p;
    ngx_counters_str_t   type, in;

    if (size == 0) {
        return 0;
    }

    nalloc = *data++ & 0x3f;
    size--;

    lf = memchr(data, '\n', size);
    if (lf == NULL) {
        return 0;
    }

    t = copy(&type, data, lf - data);
    p = copy(&in, lf + 1, size - (lf - data) - 1);

    run(nalloc, in.len + 24 * nalloc, &type, &in);
    run(nalloc, in.len / 4, &type, &in);

    free(t);
    free(p);

    return 0;
}
