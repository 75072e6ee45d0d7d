
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_record.c: what was written is read, nothing else is.
 */


#include "ngx_counters_record.h"
#include "tap.h"

#include <stdlib.h>


static unsigned char         digest[NGX_COUNTERS_DIGEST_LEN];
static ngx_counters_hmac_t  *hmac;


static ngx_counters_str_t
str(const char *text)
{
    ngx_counters_str_t  s;

    s.data = (unsigned char *) text;
    s.len = strlen(text);

    return s;
}


/* decodes a copy of exact size, for the sanitizer's sake */

static int
decode(const unsigned char *data, size_t len)
{
    int                    rc;
    ngx_counters_str_t     in;
    ngx_counters_record_t  e;

    in.len = len;
    in.data = malloc(len ? len : 1);
    memcpy(in.data, data, len);

    rc = ngx_counters_record_decode(hmac, digest, &in, &e);

    free(in.data);

    return rc;
}


static void
test_round(uint64_t fetched, uint32_t ttl, uint16_t status,
    const char *headers, const char *body)
{
    size_t                 len;
    ngx_counters_str_t     in;
    ngx_counters_record_t  e, d;

    e.fetched = fetched;
    e.ttl = ttl;
    e.status = status;
    e.headers = str(headers);
    e.body = str(body);

    len = ngx_counters_record_len(&e);
    is_int(len, 44 + strlen(headers) + strlen(body), "length");

    in.len = len;
    in.data = malloc(len);

    is_int(ngx_counters_record_encode(hmac, digest, &e, in.data),
           NGX_COUNTERS_OK, "encode");
    is_int(ngx_counters_record_decode(hmac, digest, &in, &d), NGX_COUNTERS_OK,
           "decode");

    ok(d.fetched == fetched && d.ttl == ttl && d.status == status, "numbers");
    is_str(d.headers.data, d.headers.len, headers, "headers");
    is_str(d.body.data, d.body.len, body, "body");
    ok(d.headers.data == in.data + 44, "in place");

    free(in.data);
}


static void
test_layout(void)
{
    unsigned char          out[64];
    ngx_counters_record_t  e;

    e.fetched = 0x0102030405060708ULL;
    e.ttl = 0x11121314;
    e.status = 0x2122;
    e.headers = str("HH");
    e.body = str("BBB");

    (void) ngx_counters_record_encode(hmac, digest, &e, out);

    ok(memcmp(out, "B24C\1\0\x21\x22\1\2\3\4\5\6\7\x08\x11\x12\x13\x14"
                   "\0\0\0\2\0\0\0\3", 28) == 0, "the documented bytes");
    ok(memcmp(out + 44, "HHBBB", 5) == 0, "headers, then the body");
}


static void
test_too_long(void)
{
    unsigned char          out[64];
    ngx_counters_record_t  e;

    memset(&e, 0, sizeof(e));
    e.body.len = (size_t) UINT32_MAX + 1;

    is_int(ngx_counters_record_encode(hmac, digest, &e, out),
           NGX_COUNTERS_ERROR, "a body that has no length in 32 bits");
}


static void
test_foreign(void)
{
    int                     taken;
    size_t                  i, len;
    unsigned                bit;
    unsigned char           out[100], key[4];
    ngx_counters_record_t   e;
    ngx_counters_hmac_t    *own;

    memset(&e, 0, sizeof(e));
    e.fetched = 1700000000000ULL;
    e.ttl = 30000;
    e.status = 200;
    e.headers = str("Content-Type: a\r\n");
    e.body = str("{\"result\":[]}");

    len = ngx_counters_record_len(&e);
    (void) ngx_counters_record_encode(hmac, digest, &e, out);

    is_int(decode(out, len), NGX_COUNTERS_OK, "whole");

    for (taken = 0, i = 0; i < len; i++) {
        taken += decode(out, i) == NGX_COUNTERS_OK;
    }

    is_int(taken, 0, "cut anywhere");

    out[len] = 0;
    is_int(decode(out, len + 1), NGX_COUNTERS_DECLINED, "a byte too many");

    for (taken = 0, i = 0; i < len; i++) {
        for (bit = 1; bit < 256; bit <<= 1) {
            out[i] ^= bit;
            taken += decode(out, len) == NGX_COUNTERS_OK;
            out[i] ^= bit;
        }
    }

    is_int(taken, 0, "any bit changed");

    /* the border between the headers and the body is covered, too */

    out[23]--;
    out[27]++;
    is_int(decode(out, len), NGX_COUNTERS_DECLINED, "a border moved");
    out[23]++;
    out[27]--;

    digest[0] ^= 1;
    is_int(decode(out, len), NGX_COUNTERS_DECLINED, "another key");
    digest[0] ^= 1;

    memcpy(key, "none", 4);
    own = hmac;
    hmac = ngx_counters_key_hmac_create(key, 4);
    is_int(decode(out, len), NGX_COUNTERS_DECLINED, "another secret");
    ngx_counters_key_hmac_free(hmac);
    hmac = own;

    is_int(decode(out, len), NGX_COUNTERS_OK, "whole again");
}


/* a later version may use the byte under the same secret */

static void
test_reserved(void)
{
    unsigned char       out[44], mac[NGX_COUNTERS_DIGEST_LEN];
    ngx_counters_str_t  parts[4];

    memset(out, 0, sizeof(out));
    memcpy(out, "B24C\1\0", 6);

    parts[0].data = digest;
    parts[0].len = sizeof(digest);
    parts[1].data = out;
    parts[1].len = 28;
    parts[2] = str("");
    parts[3] = str("");

    (void) ngx_counters_key_hmac_record(hmac, parts, 4, mac);
    memcpy(out + 28, mac, 16);
    is_int(decode(out, 44), NGX_COUNTERS_OK, "made by hand");

    (void) ngx_counters_key_hmac_parts(hmac, parts, 4, mac);
    memcpy(out + 28, mac, 16);
    is_int(decode(out, 44), NGX_COUNTERS_DECLINED,
           "a MAC made for something else");

    out[5] = 1;
    (void) ngx_counters_key_hmac_record(hmac, parts, 4, mac);
    memcpy(out + 28, mac, 16);
    is_int(decode(out, 44), NGX_COUNTERS_DECLINED, "a reserved byte in use");

    out[5] = 0;
    out[4] = 2;
    (void) ngx_counters_key_hmac_record(hmac, parts, 4, mac);
    memcpy(out + 28, mac, 16);
    is_int(decode(out, 44), NGX_COUNTERS_DECLINED, "another version");

    /* lengths whose sum wraps in 32 bits */

    out[4] = 1;
    memset(out + 20, 0xff, 4);
    memcpy(out + 24, "\0\0\0\1", 4);
    (void) ngx_counters_key_hmac_record(hmac, parts, 4, mac);
    memcpy(out + 28, mac, 16);
    is_int(decode(out, 44), NGX_COUNTERS_DECLINED, "lengths that wrap");
}


int
main(void)
{
    hmac = ngx_counters_key_hmac_create((const unsigned char *) "secret", 6);
    memset(digest, 0xd1, sizeof(digest));

    test_round(1700000000000ULL, 30000, 200,
               "Content-Type: application/json; charset=utf-8\r\n",
               "{\"result\":{\"a\\/b\":0.05025482177734375}}");
    test_round(0, 0, 0, "", "");
    test_round(UINT64_MAX, UINT32_MAX, UINT16_MAX, "", "x");
    test_round(1, 1, 403, "X: y\r\n", "");
    test_layout();
    test_too_long();
    test_foreign();
    test_reserved();

    ngx_counters_key_hmac_free(hmac);

    return done();
}
