
/*
 * Copyright (C) The nginx counters module authors
 *
 * Input: a byte, then a stored value.  With an odd byte the value gets the
 * MAC it should have, as no fuzzer would guess one.
 */


#include <stdlib.h>

#include "ngx_counters_record.h"


#define FIXED  28


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static ngx_counters_hmac_t  *hmac;
static const unsigned char   digest[NGX_COUNTERS_DIGEST_LEN];


static void
check(int cond)
{
    if (!cond) {
        abort();
    }
}


/* as far as the lengths make sense */

static void
sign(const ngx_counters_str_t *in)
{
    size_t               headers;
    unsigned char       *p, mac[NGX_COUNTERS_DIGEST_LEN];
    ngx_counters_str_t   parts[4];

    if (in->len < NGX_COUNTERS_RECORD_HEADER_LEN) {
        return;
    }

    p = in->data;
    headers = (size_t) p[20] << 24 | p[21] << 16 | p[22] << 8 | p[23];

    if (headers > in->len - NGX_COUNTERS_RECORD_HEADER_LEN) {
        return;
    }

    parts[0].data = (unsigned char *) digest;
    parts[0].len = NGX_COUNTERS_DIGEST_LEN;
    parts[1].data = p;
    parts[1].len = FIXED;
    parts[2].data = p + NGX_COUNTERS_RECORD_HEADER_LEN;
    parts[2].len = headers;
    parts[3].data = parts[2].data + headers;
    parts[3].len = in->len - NGX_COUNTERS_RECORD_HEADER_LEN - headers;

    check(ngx_counters_key_hmac_record(hmac, parts, 4, mac) == NGX_COUNTERS_OK);
    memcpy(p + FIXED, mac, NGX_COUNTERS_RECORD_MAC_LEN);
}


/* what is accepted is written as it was read */

static void
again(const ngx_counters_str_t *in, const ngx_counters_record_t *e)
{
    unsigned char  *out;

    check(e->headers.data == in->data + NGX_COUNTERS_RECORD_HEADER_LEN);
    check(e->body.data == e->headers.data + e->headers.len);
    check(ngx_counters_record_len(e) == in->len);

    out = malloc(in->len);
    check(ngx_counters_record_encode(hmac, digest, e, out)
          == NGX_COUNTERS_OK);
    check(memcmp(out, in->data, in->len) == 0);

    free(out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_counters_str_t     in;
    ngx_counters_record_t  e;

    if (hmac == NULL) {
        hmac = ngx_counters_key_hmac_create((const unsigned char *) "fuzz", 4);
    }

    if (size == 0) {
        return 0;
    }

    in.len = size - 1;
    in.data = malloc(in.len ? in.len : 1);
    memcpy(in.data, data + 1, in.len);

    if (data[0] & 1) {
        sign(&in);
    }

    if (ngx_counters_record_decode(hmac, digest, &in, &e) == NGX_COUNTERS_OK) {
        again(&in, &e);
    }

    free(in.data);

    return 0;
}
