
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>


#define NGX_COUNTERS_HMAC_BLOCK   64     /* of SHA-256 */

/* the first byte of a message, so that no digest serves two purposes */

#define NGX_COUNTERS_LABEL_CRED   'c'
#define NGX_COUNTERS_LABEL_KEY    'k'
#define NGX_COUNTERS_LABEL_PARTS  'p'
#define NGX_COUNTERS_LABEL_RECORD  'e'


/*
 * HMAC (RFC 2104) as two digests that have taken in their padded key.  To
 * copy them costs less than to start EVP_MAC anew with the key it holds, and
 * this is done for every request.
 */

struct ngx_counters_hmac_s {
    EVP_MD                  *md;
    EVP_MD_CTX              *inner;
    EVP_MD_CTX              *outer;
    EVP_MD_CTX              *work;
};


static int ngx_counters_key_hmac_key(ngx_counters_hmac_t *hmac,
    const unsigned char *secret, size_t len);
static int ngx_counters_key_hmac_pad(ngx_counters_hmac_t *hmac, EVP_MD_CTX *ctx,
    const unsigned char *key, size_t len, unsigned char byte);
static int ngx_counters_key_hmac_start(ngx_counters_hmac_t *hmac,
    const unsigned char *head, size_t len);
static int ngx_counters_key_hmac_finish(ngx_counters_hmac_t *hmac,
    unsigned char *digest);
static int ngx_counters_key_hmac_labeled(ngx_counters_hmac_t *hmac,
    unsigned char label, const ngx_counters_str_t *parts, size_t nparts,
    unsigned char *digest);
static unsigned char *ngx_counters_key_uint64(unsigned char *p, uint64_t n);
static uint64_t ngx_counters_key_mix(uint64_t h);


ngx_counters_hmac_t *
ngx_counters_key_hmac_create(const unsigned char *secret, size_t len)
{
    ngx_counters_hmac_t  *hmac;

    if (len == 0) {
        return NULL;
    }

    hmac = OPENSSL_zalloc(sizeof(ngx_counters_hmac_t));
    if (hmac == NULL) {
        return NULL;
    }

    hmac->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    hmac->inner = EVP_MD_CTX_new();
    hmac->outer = EVP_MD_CTX_new();
    hmac->work = EVP_MD_CTX_new();

    if (hmac->md == NULL
        || hmac->inner == NULL
        || hmac->outer == NULL
        || hmac->work == NULL
        || ngx_counters_key_hmac_key(hmac, secret, len) != NGX_COUNTERS_OK)
    {
        ngx_counters_key_hmac_free(hmac);
        return NULL;
    }

    return hmac;
}


void
ngx_counters_key_hmac_free(ngx_counters_hmac_t *hmac)
{
    if (hmac == NULL) {
        return;
    }

    /* OpenSSL wipes the states as it frees them */

    EVP_MD_CTX_free(hmac->work);
    EVP_MD_CTX_free(hmac->outer);
    EVP_MD_CTX_free(hmac->inner);
    EVP_MD_free(hmac->md);

    OPENSSL_free(hmac);
}


static int
ngx_counters_key_hmac_key(ngx_counters_hmac_t *hmac,
    const unsigned char *secret, size_t len)
{
    int            rc;
    unsigned char  key[NGX_COUNTERS_DIGEST_LEN];

    rc = NGX_COUNTERS_ERROR;

    if (len > NGX_COUNTERS_HMAC_BLOCK) {

        if (!EVP_DigestInit_ex2(hmac->work, hmac->md, NULL)
            || !EVP_DigestUpdate(hmac->work, secret, len)
            || !EVP_DigestFinal_ex(hmac->work, key, NULL))
        {
            goto done;
        }

        secret = key;
        len = NGX_COUNTERS_DIGEST_LEN;
    }

    if (ngx_counters_key_hmac_pad(hmac, hmac->inner, secret, len, 0x36)
        != NGX_COUNTERS_OK)
    {
        goto done;
    }

    rc = ngx_counters_key_hmac_pad(hmac, hmac->outer, secret, len, 0x5c);

done:

    OPENSSL_cleanse(key, sizeof(key));

    return rc;
}


static int
ngx_counters_key_hmac_pad(ngx_counters_hmac_t *hmac, EVP_MD_CTX *ctx,
    const unsigned char *key, size_t len, unsigned char byte)
{
    int            rc;
    size_t         i;
    unsigned char  pad[NGX_COUNTERS_HMAC_BLOCK];

    for (i = 0; i < NGX_COUNTERS_HMAC_BLOCK; i++) {
        pad[i] = (i < len) ? (key[i] ^ byte) : byte;
    }

    rc = EVP_DigestInit_ex2(ctx, hmac->md, NULL)
         && EVP_DigestUpdate(ctx, pad, NGX_COUNTERS_HMAC_BLOCK);

    OPENSSL_cleanse(pad, sizeof(pad));

    return rc ? NGX_COUNTERS_OK : NGX_COUNTERS_ERROR;
}


static int
ngx_counters_key_hmac_start(ngx_counters_hmac_t *hmac,
    const unsigned char *head, size_t len)
{
    if (!EVP_MD_CTX_copy_ex(hmac->work, hmac->inner)
        || !EVP_DigestUpdate(hmac->work, head, len))
    {
        return NGX_COUNTERS_ERROR;
    }

    return NGX_COUNTERS_OK;
}


static int
ngx_counters_key_hmac_finish(ngx_counters_hmac_t *hmac, unsigned char *digest)
{
    if (!EVP_DigestFinal_ex(hmac->work, digest, NULL)
        || !EVP_MD_CTX_copy_ex(hmac->work, hmac->outer)
        || !EVP_DigestUpdate(hmac->work, digest, NGX_COUNTERS_DIGEST_LEN)
        || !EVP_DigestFinal_ex(hmac->work, digest, NULL))
    {
        return NGX_COUNTERS_ERROR;
    }

    return NGX_COUNTERS_OK;
}


int
ngx_counters_key_hmac_parts(ngx_counters_hmac_t *hmac,
    const ngx_counters_str_t *parts, size_t nparts,
    unsigned char digest[NGX_COUNTERS_DIGEST_LEN])
{
    return ngx_counters_key_hmac_labeled(hmac, NGX_COUNTERS_LABEL_PARTS, parts,
                                         nparts, digest);
}


int
ngx_counters_key_hmac_record(ngx_counters_hmac_t *hmac,
    const ngx_counters_str_t *parts, size_t nparts,
    unsigned char digest[NGX_COUNTERS_DIGEST_LEN])
{
    return ngx_counters_key_hmac_labeled(hmac, NGX_COUNTERS_LABEL_RECORD, parts,
                                         nparts, digest);
}


static int
ngx_counters_key_hmac_labeled(ngx_counters_hmac_t *hmac, unsigned char label,
    const ngx_counters_str_t *parts, size_t nparts, unsigned char *digest)
{
    size_t         i;
    unsigned char  head[1 + 8];

    head[0] = label;
    ngx_counters_key_uint64(head + 1, nparts);

    if (ngx_counters_key_hmac_start(hmac, head, sizeof(head))
        != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_ERROR;
    }

    for (i = 0; i < nparts; i++) {
        ngx_counters_key_uint64(head + 1, parts[i].len);

        if (!EVP_DigestUpdate(hmac->work, head + 1, 8)
            || !EVP_DigestUpdate(hmac->work, parts[i].data, parts[i].len))
        {
            return NGX_COUNTERS_ERROR;
        }
    }

    return ngx_counters_key_hmac_finish(hmac, digest);
}


int
ngx_counters_key_hmac_same(ngx_counters_hmac_t *hmac,
    const ngx_counters_str_t *secret, const ngx_counters_str_t *expected)
{
    unsigned char  a[NGX_COUNTERS_DIGEST_LEN], b[NGX_COUNTERS_DIGEST_LEN];

    if (ngx_counters_key_hmac_parts(hmac, secret, 1, a) != NGX_COUNTERS_OK
        || ngx_counters_key_hmac_parts(hmac, expected, 1, b) != NGX_COUNTERS_OK)
    {
        return 0;
    }

    return CRYPTO_memcmp(a, b, NGX_COUNTERS_DIGEST_LEN) == 0;
}


int
ngx_counters_key_cred(ngx_counters_hmac_t *hmac,
    const ngx_counters_str_t *portal, const ngx_counters_cred_t *cred,
    unsigned char digest[NGX_COUNTERS_DIGEST_LEN])
{
    unsigned char  *p, head[1 + 1 + 3 * 8];

    /* nobody's entries would be everybody's */

    if (cred->kind == NGX_COUNTERS_CRED_NONE) {
        return NGX_COUNTERS_ERROR;
    }

    p = head;
    *p++ = NGX_COUNTERS_LABEL_CRED;
    *p++ = (unsigned char) cred->kind;
    p = ngx_counters_key_uint64(p, cred->user);
    p = ngx_counters_key_uint64(p, portal->len);
    ngx_counters_key_uint64(p, cred->secret.len);

    if (ngx_counters_key_hmac_start(hmac, head, sizeof(head)) != NGX_COUNTERS_OK
        || !EVP_DigestUpdate(hmac->work, portal->data, portal->len)
        || !EVP_DigestUpdate(hmac->work, cred->secret.data,
                             cred->secret.len))
    {
        return NGX_COUNTERS_ERROR;
    }

    return ngx_counters_key_hmac_finish(hmac, digest);
}


void
ngx_counters_key_make(ngx_counters_key_t *key,
    const unsigned char cred[NGX_COUNTERS_DIGEST_LEN],
    const ngx_counters_call_t *call)
{
    memset(key, 0, sizeof(ngx_counters_key_t));
    memcpy(key->cred, cred, NGX_COUNTERS_DIGEST_LEN);

    key->user = call->user;
    key->group = call->group;
    key->method = call->method;
    key->type = call->type;
}


uint32_t
ngx_counters_key_hash(const ngx_counters_key_t *key)
{
    uint64_t  h;

    memcpy(&h, key->cred, sizeof(h));

    h = ngx_counters_key_mix(h ^ key->user);
    h = ngx_counters_key_mix(h ^ key->group);
    h = ngx_counters_key_mix(h ^ ((uint64_t) key->method << 32 | key->type));

    return (uint32_t) (h >> 32);
}


int
ngx_counters_key_digest(ngx_counters_hmac_t *hmac,
    const ngx_counters_key_t *key,
    unsigned char digest[NGX_COUNTERS_DIGEST_LEN])
{
    unsigned char  *p, head[1 + NGX_COUNTERS_DIGEST_LEN + 4 * 8];

    /* every field at its width: nothing to prefix with a length */

    p = head;
    *p++ = NGX_COUNTERS_LABEL_KEY;

    memcpy(p, key->cred, NGX_COUNTERS_DIGEST_LEN);
    p += NGX_COUNTERS_DIGEST_LEN;

    p = ngx_counters_key_uint64(p, key->user);
    p = ngx_counters_key_uint64(p, key->group);
    p = ngx_counters_key_uint64(p, key->method);
    ngx_counters_key_uint64(p, key->type);

    if (ngx_counters_key_hmac_start(hmac, head, sizeof(head))
        != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_ERROR;
    }

    return ngx_counters_key_hmac_finish(hmac, digest);
}


/* big-endian, so that nodes of different kinds agree */

static unsigned char *
ngx_counters_key_uint64(unsigned char *p, uint64_t n)
{
    size_t  i;

    for (i = 0; i < 8; i++) {
        p[i] = (unsigned char) (n >> (56 - 8 * i));
    }

    return p + 8;
}


/* a step of splitmix64 */

static uint64_t
ngx_counters_key_mix(uint64_t h)
{
    h += 0x9e3779b97f4a7c15ULL;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ULL;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebULL;

    return h ^ (h >> 31);
}


unsigned char *
ngx_counters_key_hex(unsigned char *out, const unsigned char *in, size_t len)
{
    size_t             i;
    static const char  digits[] = "0123456789abcdef";

    for (i = 0; i < len; i++) {
        *out++ = digits[in[i] >> 4];
        *out++ = digits[in[i] & 0xf];
    }

    return out;
}


int
ngx_counters_key_unhex(unsigned char *out, const ngx_counters_str_t *in,
    size_t len)
{
    size_t          i;
    unsigned char   c, n;

    if (in->len != 2 * len) {
        return NGX_COUNTERS_DECLINED;
    }

    for (i = 0; i < in->len; i++) {
        c = in->data[i];

        if (c >= '0' && c <= '9') {
            n = c - '0';

        } else if (c >= 'a' && c <= 'f') {
            n = c - 'a' + 10;

        } else {
            return NGX_COUNTERS_DECLINED;
        }

        if (i % 2 == 0) {
            out[i / 2] = n << 4;

        } else {
            out[i / 2] |= n;
        }
    }

    return NGX_COUNTERS_OK;
}
