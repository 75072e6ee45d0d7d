
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_record.h"

#include <openssl/crypto.h>


/* the bytes before the MAC, which it covers */

#define NGX_COUNTERS_RECORD_FIXED_LEN                                         \
    (NGX_COUNTERS_RECORD_HEADER_LEN - NGX_COUNTERS_RECORD_MAC_LEN)


static int ngx_counters_record_mac(ngx_counters_hmac_t *hmac,
    const unsigned char *digest, const unsigned char *fixed,
    const ngx_counters_record_t *e, unsigned char *mac);
static unsigned char *ngx_counters_record_write(unsigned char *p, uint64_t n,
    size_t size);
static uint64_t ngx_counters_record_read(const unsigned char *p, size_t size);


static const unsigned char  ngx_counters_record_magic[] = {
    'B', '2', '4', 'C', NGX_COUNTERS_RECORD_VERSION, 0
};


size_t
ngx_counters_record_len(const ngx_counters_record_t *e)
{
    return NGX_COUNTERS_RECORD_HEADER_LEN + e->headers.len + e->body.len;
}


int
ngx_counters_record_encode(ngx_counters_hmac_t *hmac,
    const unsigned char digest[NGX_COUNTERS_DIGEST_LEN],
    const ngx_counters_record_t *e, unsigned char *out)
{
    unsigned char  *p;

    if (e->headers.len > UINT32_MAX || e->body.len > UINT32_MAX) {
        return NGX_COUNTERS_ERROR;
    }

    memcpy(out, ngx_counters_record_magic, sizeof(ngx_counters_record_magic));

    p = out + sizeof(ngx_counters_record_magic);
    p = ngx_counters_record_write(p, e->status, 2);
    p = ngx_counters_record_write(p, e->fetched, 8);
    p = ngx_counters_record_write(p, e->ttl, 4);
    p = ngx_counters_record_write(p, e->headers.len, 4);
    p = ngx_counters_record_write(p, e->body.len, 4);

    if (ngx_counters_record_mac(hmac, digest, out, e, p) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_ERROR;
    }

    p += NGX_COUNTERS_RECORD_MAC_LEN;

    if (e->headers.len) {
        memcpy(p, e->headers.data, e->headers.len);
        p += e->headers.len;
    }

    if (e->body.len) {
        memcpy(p, e->body.data, e->body.len);
    }

    return NGX_COUNTERS_OK;
}


int
ngx_counters_record_decode(ngx_counters_hmac_t *hmac,
    const unsigned char digest[NGX_COUNTERS_DIGEST_LEN],
    const ngx_counters_str_t *in, ngx_counters_record_t *e)
{
    size_t          rest;
    uint64_t        headers, body;
    unsigned char  *p, mac[NGX_COUNTERS_RECORD_MAC_LEN];

    if (in->len < NGX_COUNTERS_RECORD_HEADER_LEN) {
        return NGX_COUNTERS_DECLINED;
    }

    p = in->data;
    rest = in->len - NGX_COUNTERS_RECORD_HEADER_LEN;

    if (memcmp(p, ngx_counters_record_magic, sizeof(ngx_counters_record_magic))
        != 0)
    {
        return NGX_COUNTERS_DECLINED;
    }

    /* 32 bits each: the sum cannot overflow */

    headers = ngx_counters_record_read(p + 20, 4);
    body = ngx_counters_record_read(p + 24, 4);

    if (headers + body != rest) {
        return NGX_COUNTERS_DECLINED;
    }

    e->status = (uint16_t) ngx_counters_record_read(p + 6, 2);
    e->fetched = ngx_counters_record_read(p + 8, 8);
    e->ttl = (uint32_t) ngx_counters_record_read(p + 16, 4);

    e->headers.data = p + NGX_COUNTERS_RECORD_HEADER_LEN;
    e->headers.len = (size_t) headers;

    e->body.data = e->headers.data + e->headers.len;
    e->body.len = (size_t) body;

    if (ngx_counters_record_mac(hmac, digest, p, e, mac) != NGX_COUNTERS_OK
        || CRYPTO_memcmp(mac, p + NGX_COUNTERS_RECORD_FIXED_LEN,
                         NGX_COUNTERS_RECORD_MAC_LEN)
           != 0)
    {
        memset(e, 0, sizeof(ngx_counters_record_t));
        return NGX_COUNTERS_DECLINED;
    }

    return NGX_COUNTERS_OK;
}


static int
ngx_counters_record_mac(ngx_counters_hmac_t *hmac, const unsigned char *digest,
    const unsigned char *fixed, const ngx_counters_record_t *e,
    unsigned char *mac)
{
    unsigned char       full[NGX_COUNTERS_DIGEST_LEN];
    ngx_counters_str_t  parts[4];

    parts[0].data = (unsigned char *) digest;
    parts[0].len = NGX_COUNTERS_DIGEST_LEN;

    parts[1].data = (unsigned char *) fixed;
    parts[1].len = NGX_COUNTERS_RECORD_FIXED_LEN;

    parts[2] = e->headers;
    parts[3] = e->body;

    if (ngx_counters_key_hmac_record(hmac, parts, 4, full) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_ERROR;
    }

    memcpy(mac, full, NGX_COUNTERS_RECORD_MAC_LEN);

    return NGX_COUNTERS_OK;
}


static unsigned char *
ngx_counters_record_write(unsigned char *p, uint64_t n, size_t size)
{
    size_t  i;

    for (i = size; i > 0; i--) {
        p[i - 1] = (unsigned char) (n & 0xff);
        n >>= 8;
    }

    return p + size;
}


static uint64_t
ngx_counters_record_read(const unsigned char *p, size_t size)
{
    size_t    i;
    uint64_t  n;

    n = 0;

    for (i = 0; i < size; i++) {
        n = n << 8 | p[i];
    }

    return n;
}
