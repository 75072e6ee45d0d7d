
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_key.c: the digests are HMAC-SHA256 and never meet.
 */


#include "ngx_counters_key.h"
#include "tap.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>


#define DIGEST  NGX_COUNTERS_DIGEST_LEN


static const unsigned char  secret[] = "0123456789abcdef0123456789abcdef";


static ngx_counters_str_t
str(const char *text)
{
    ngx_counters_str_t  s;

    s.data = (unsigned char *) text;
    s.len = strlen(text);

    return s;
}


static ngx_counters_cred_t
cred(ngx_counters_cred_e kind, uint64_t user, const char *text)
{
    ngx_counters_cred_t  c;

    c.kind = kind;
    c.user = user;
    c.secret = str(text);

    return c;
}


static unsigned char *
number(unsigned char *p, uint64_t n)
{
    int  i;

    for (i = 56; i >= 0; i -= 8) {
        *p++ = (unsigned char) (n >> i);
    }

    return p;
}


/* OpenSSL's own HMAC over the message as it is documented */

static void
test_reference(const unsigned char *key, size_t len)
{
    unsigned              n;
    unsigned char        *p, message[256], expected[DIGEST], digest[DIGEST];
    ngx_counters_str_t    parts[2], portal;
    ngx_counters_key_t    k;
    ngx_counters_cred_t   c;
    ngx_counters_call_t   call;
    ngx_counters_hmac_t  *hmac;

    hmac = ngx_counters_key_hmac_create(key, len);
    ok(hmac != NULL, "a secret of %d bytes", (int) len);

    parts[0] = str("one");
    parts[1] = str("");

    p = message;
    *p++ = 'p';
    p = number(p, 2);
    p = number(p, 3);
    memcpy(p, "one", 3);
    p = number(p + 3, 0);

    HMAC(EVP_sha256(), key, (int) len, message, p - message, expected, &n);
    is_int(ngx_counters_key_hmac_parts(hmac, parts, 2, digest), NGX_COUNTERS_OK,
           "parts");
    ok(memcmp(digest, expected, DIGEST) == 0, "parts as HMAC() has them");

    message[0] = 'e';
    HMAC(EVP_sha256(), key, (int) len, message, p - message, expected, &n);
    is_int(ngx_counters_key_hmac_record(hmac, parts, 2, digest),
           NGX_COUNTERS_OK,
           "entry");
    ok(memcmp(digest, expected, DIGEST) == 0, "entry as HMAC() has it");

    portal = str("acme https://acme.bitrix24.com");
    c = cred(NGX_COUNTERS_CRED_WEBHOOK, 0x0102030405060708ULL, "code");

    p = message;
    *p++ = 'c';
    *p++ = 1;
    p = number(p, 0x0102030405060708ULL);
    p = number(p, portal.len);
    p = number(p, 4);
    memcpy(p, portal.data, portal.len);
    p += portal.len;
    memcpy(p, "code", 4);
    p += 4;

    HMAC(EVP_sha256(), key, (int) len, message, p - message, expected, &n);
    is_int(ngx_counters_key_cred(hmac, &portal, &c, digest), NGX_COUNTERS_OK,
           "cred");
    ok(memcmp(digest, expected, DIGEST) == 0, "cred as HMAC() has it");

    call.method = NGX_COUNTERS_IM;
    call.type = NGX_COUNTERS_TYPE_AUDITOR;
    call.user = 7;
    call.group = 1ULL << 40;

    ngx_counters_key_make(&k, digest, &call);

    p = message;
    *p++ = 'k';
    memcpy(p, digest, DIGEST);
    p = number(p + DIGEST, 7);
    p = number(p, 1ULL << 40);
    p = number(p, 1);
    p = number(p, 3);

    HMAC(EVP_sha256(), key, (int) len, message, p - message, expected, &n);
    is_int(ngx_counters_key_digest(hmac, &k, digest), NGX_COUNTERS_OK, "key");
    ok(memcmp(digest, expected, DIGEST) == 0, "key as HMAC() has it");

    ngx_counters_key_hmac_free(hmac);
}


static void
test_secrets(void)
{
    static unsigned char  key[1000];
    static const size_t   lens[] = { 1, 31, 32, 63, 64, 65, 1000 };

    size_t  i;

    for (i = 0; i < sizeof(key); i++) {
        key[i] = (unsigned char) (i * 7 + 1);
    }

    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        test_reference(key, lens[i]);
    }

    ok(ngx_counters_key_hmac_create(key, 0) == NULL, "no secret, no state");
    ngx_counters_key_hmac_free(NULL);
}


static void
differ(ngx_counters_hmac_t *hmac, const char *portal1,
    ngx_counters_cred_t cred1, const char *portal2,
    ngx_counters_cred_t cred2, const char *what)
{
    unsigned char       a[DIGEST], b[DIGEST];
    ngx_counters_str_t  p1, p2;

    p1 = str(portal1);
    p2 = str(portal2);

    memset(a, 0, DIGEST);
    memset(b, 0, DIGEST);

    (void) ngx_counters_key_cred(hmac, &p1, &cred1, a);
    (void) ngx_counters_key_cred(hmac, &p2, &cred2, b);

    ok(memcmp(a, b, DIGEST) != 0, "%s", what);
}


static void
test_cred(ngx_counters_hmac_t *hmac)
{
    unsigned char         a[DIGEST], b[DIGEST];
    ngx_counters_str_t    portal;
    ngx_counters_cred_t   c;
    ngx_counters_hmac_t  *other;

    portal = str("acme");
    c = cred(NGX_COUNTERS_CRED_WEBHOOK, 5, "abc");

    (void) ngx_counters_key_cred(hmac, &portal, &c, a);
    (void) ngx_counters_key_cred(hmac, &portal, &c, b);
    ok(memcmp(a, b, DIGEST) == 0, "the same each time");

    other = ngx_counters_key_hmac_create(secret, sizeof(secret) - 2);
    (void) ngx_counters_key_cred(other, &portal, &c, b);
    ok(memcmp(a, b, DIGEST) != 0, "another secret");
    ngx_counters_key_hmac_free(other);

    differ(hmac, "acme", c, "acme2", c, "another portal");
    differ(hmac, "acme", c, "acme", cred(NGX_COUNTERS_CRED_WEBHOOK, 6, "abc"),
           "another user");
    differ(hmac, "acme", c, "acme", cred(NGX_COUNTERS_CRED_TOKEN, 5, "abc"),
           "another kind");
    differ(hmac, "acme", c, "acme", cred(NGX_COUNTERS_CRED_WEBHOOK, 5, "abd"),
           "another code");
    differ(hmac, "acme", c, "acm", cred(NGX_COUNTERS_CRED_WEBHOOK, 5, "eabc"),
           "the border between portal and code");

    c = cred(NGX_COUNTERS_CRED_NONE, 0, "");
    is_int(ngx_counters_key_cred(hmac, &portal, &c, a), NGX_COUNTERS_ERROR,
           "nobody has no digest");
}


static void
test_parts(ngx_counters_hmac_t *hmac)
{
    unsigned char       a[DIGEST], b[DIGEST];
    ngx_counters_str_t  parts[3];

    parts[0] = str("ab");
    parts[1] = str("c");
    parts[2] = str("");
    (void) ngx_counters_key_hmac_parts(hmac, parts, 2, a);

    (void) ngx_counters_key_hmac_record(hmac, parts, 2, b);
    ok(memcmp(a, b, DIGEST) != 0, "parts and entry are apart");

    (void) ngx_counters_key_hmac_parts(hmac, parts, 3, b);
    ok(memcmp(a, b, DIGEST) != 0, "an empty part counts");

    parts[0] = str("a");
    parts[1] = str("bc");
    (void) ngx_counters_key_hmac_parts(hmac, parts, 2, b);
    ok(memcmp(a, b, DIGEST) != 0, "so does a border");

    parts[0].len = 0;
    parts[0].data = NULL;
    is_int(ngx_counters_key_hmac_parts(hmac, parts, 1, b), NGX_COUNTERS_OK,
           "a part that is nowhere");
    is_int(ngx_counters_key_hmac_parts(hmac, NULL, 0, b), NGX_COUNTERS_OK,
           "no parts");
}


static void
test_same(ngx_counters_hmac_t *hmac)
{
    ngx_counters_str_t  a, b;

    a = str("token");
    b = str("token");
    ok(ngx_counters_key_hmac_same(hmac, &a, &b), "the same");

    b = str("tokem");
    ok(!ngx_counters_key_hmac_same(hmac, &a, &b), "the last byte differs");

    b = str("toke");
    ok(!ngx_counters_key_hmac_same(hmac, &a, &b), "shorter");

    b = str("tokens");
    ok(!ngx_counters_key_hmac_same(hmac, &a, &b), "longer");

    a = str("");
    ok(!ngx_counters_key_hmac_same(hmac, &a, &b), "nothing");
}


static void
test_make(ngx_counters_hmac_t *hmac)
{
    int                  i, j, same_key, same_hash, same_digest;
    unsigned char        digest[DIGEST], digests[6][DIGEST];
    ngx_counters_key_t   keys[6], again;
    ngx_counters_call_t  call;

    memset(digest, 0xab, DIGEST);
    memset(keys, 0x5a, sizeof(keys));
    memset(&again, 0xa5, sizeof(again));
    memset(&call, 0, sizeof(call));

    call.user = 5;
    ngx_counters_key_make(&keys[0], digest, &call);
    ngx_counters_key_make(&again, digest, &call);
    ok(memcmp(&keys[0], &again, sizeof(again)) == 0, "no stray bytes");
    ok(ngx_counters_key_hash(&keys[0]) == ngx_counters_key_hash(&again),
       "the same hash");

    call.user = 6;
    ngx_counters_key_make(&keys[1], digest, &call);

    call.user = 5;
    call.group = 5;
    ngx_counters_key_make(&keys[2], digest, &call);

    call.group = 0;
    call.method = NGX_COUNTERS_IM;
    ngx_counters_key_make(&keys[3], digest, &call);

    call.method = NGX_COUNTERS_TASKS;
    call.type = NGX_COUNTERS_TYPE_RESPONSIBLE;
    ngx_counters_key_make(&keys[4], digest, &call);

    call.type = NGX_COUNTERS_TYPE_ALL;
    digest[31] ^= 1;
    ngx_counters_key_make(&keys[5], digest, &call);

    same_key = same_hash = same_digest = 0;

    for (i = 0; i < 6; i++) {
        (void) ngx_counters_key_digest(hmac, &keys[i], digests[i]);

        for (j = 0; j < i; j++) {
            same_key += memcmp(&keys[i], &keys[j], sizeof(keys[0])) == 0;
            same_digest += memcmp(digests[i], digests[j], DIGEST) == 0;

            /* the tree compares the rest of the credential */

            same_hash += i < 5 && ngx_counters_key_hash(&keys[i])
                                  == ngx_counters_key_hash(&keys[j]);
        }
    }

    is_int(same_key, 0, "each field is in the key");
    is_int(same_digest, 0, "each field is in the digest");
    is_int(same_hash, 0, "each field is in the hash");
}


static void
test_hash(void)
{
    int                   empty, i;
    unsigned char         digest[DIGEST];
    ngx_counters_key_t    key;
    ngx_counters_call_t   call;
    static unsigned char  seen[4096];

    memset(digest, 0, DIGEST);
    memset(&call, 0, sizeof(call));

    for (i = 0; i < 16 * 4096; i++) {
        call.user = i;
        ngx_counters_key_make(&key, digest, &call);
        seen[ngx_counters_key_hash(&key) & 4095] = 1;
    }

    for (empty = 0, i = 0; i < 4096; i++) {
        empty += !seen[i];
    }

    ok(empty < 8, "users in a row are spread");
}


static void
test_hex(void)
{
    unsigned char         *p, out[9];
    static unsigned char   in[] = { 0x00, 0x9f, 0xa0, 0xff };

    out[8] = '!';
    p = ngx_counters_key_hex(out, in, 4);

    is_str(out, p - out, "009fa0ff", "hex");
    ok(out[8] == '!', "no terminator");
    ok(ngx_counters_key_hex(out, in, 0) == out, "nothing");
}


int
main(void)
{
    ngx_counters_hmac_t  *hmac;

    hmac = ngx_counters_key_hmac_create(secret, sizeof(secret) - 1);

    test_secrets();
    test_cred(hmac);
    test_parts(hmac);
    test_same(hmac);
    test_make(hmac);
    test_hash();
    test_hex();

    ngx_counters_key_hmac_free(hmac);

    return done();
}
