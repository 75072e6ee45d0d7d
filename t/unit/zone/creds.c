
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_creds.c: credentials in the clear, for as long as needed.
 */


#include "ngx_counters_creds.h"
#include "zone_test.h"


static ngx_uint_t  wiped;
static char        last[64];

void __wrap_ngx_explicit_memzero(void *buf, size_t n);
void __real_ngx_explicit_memzero(void *buf, size_t n);

static ngx_int_t keep(ngx_counters_creds_t *creds, ngx_uint_t cred,
    const char *secret, uint64_t now, ngx_uint_t forever);
static int has(ngx_counters_creds_t *creds, ngx_uint_t cred,
    const char *secret);
static ngx_uint_t needs_odd(void *data, const u_char *digest);


void
__wrap_ngx_explicit_memzero(void *buf, size_t n)
{
    wiped++;

    ngx_memzero(last, sizeof(last));
    ngx_memcpy(last, buf, ngx_min(n, sizeof(last) - 1));

    __real_ngx_explicit_memzero(buf, n);
}


static void
kept(void)
{
    char                   secret[] = "abc";
    ngx_counters_cred_t    cred;
    ngx_counters_creds_t  *creds;

    creds = ngx_counters_creds_create(3, ngx_cycle->log);
    ok(creds != NULL, "a table");

    is_int(keep(creds, 1, "one", NOW, 0), NGX_OK, "one is kept");
    ok(has(creds, 1, "one"), "and found");
    ok(!has(creds, 2, "one"), "no other is");

    cred.kind = NGX_COUNTERS_CRED_WEBHOOK;
    cred.user = 7;
    cred.secret.len = 3;
    cred.secret.data = (u_char *) secret;

    ngx_counters_creds_keep(creds, digest(256 + 2), &cred, NOW + 1, 0);
    memset(secret, 'x', 3);
    ok(has(creds, 256 + 2, "abc"), "what is kept is a copy");
    is_int(ngx_counters_creds_find(creds, digest(256 + 2))->user, 7,
           "of everything");

    /* the first bytes are all that the tree has */

    is_int(keep(creds, 3, "three", NOW + 1, 0), NGX_ERROR,
           "one with the beginning of another is not kept");
    ok(!has(creds, 3, "one"), "nor taken for it");

    /* full: whoever was needed longest ago goes, and is wiped */

    keep(creds, 256 + 3, "three", NOW + 2, 0);
    keep(creds, 1, "one", NOW + 3, 0);
    wiped = 0;
    is_int(keep(creds, 256 + 4, "four", NOW + 4, 0), NGX_OK, "a fourth");
    ok(!has(creds, 256 + 2, "abc"), "takes the place of the oldest");
    is_int(wiped, 1, "which is wiped");
    is_str(last, strlen(last), "abc", "its secret");
    ok(has(creds, 1, "one") && has(creds, 256 + 3, "three"), "others stay");

    wiped = 0;
    ngx_counters_creds_destroy(creds);
    is_int(wiped, 3, "at the end all are wiped");
}


/* the managed webhook never goes, and does not keep others from going */

static void
kept_forever(void)
{
    ngx_uint_t             i, n;
    ngx_counters_creds_t  *creds;

    creds = ngx_counters_creds_create(3, ngx_cycle->log);

    keep(creds, 0, "managed", 0, 1);
    wiped = 0;

    for (i = 1; i <= 50; i++) {
        keep(creds, 256 + i, "other", NOW + i, 0);
    }

    for (i = 1, n = 0; i <= 50; i++) {
        n += has(creds, 256 + i, "other");
    }

    is_int(n, 2, "a full table stays full");
    is_int(wiped, 48, "of fifty all but two were wiped");
    ok(has(creds, 0, "managed"), "the managed one stays");

    ngx_counters_creds_sweep(creds, NOW + 1000, 1000, needs_odd, NULL);
    ok(has(creds, 0, "managed"), "always");

    ngx_counters_creds_destroy(creds);

    /* alone it may be one too many */

    creds = ngx_counters_creds_create(1, ngx_cycle->log);
    keep(creds, 0, "managed", 0, 1);
    keep(creds, 256 + 1, "other", NOW, 0);
    ok(has(creds, 0, "managed"), "even where there is room for one");
    ngx_counters_creds_destroy(creds);
}


static void
swept(void)
{
    ngx_uint_t             i, n;
    ngx_counters_creds_t  *creds;

    creds = ngx_counters_creds_create(100, ngx_cycle->log);

    for (i = 0; i < 20; i++) {
        keep(creds, 256 + i, "secret", NOW + i * 100, 0);
    }

    ngx_counters_creds_sweep(creds, NOW + 1000, 100, needs_odd, NULL);

    for (i = 0, n = 0; i < 20; i++) {
        n += has(creds, 256 + i, "secret");
    }

    is_int(n, 15, "five of ten that are old are not needed");
    ok(!has(creds, 256 + 0, "secret") && has(creds, 256 + 1, "secret"),
       "those");

    /* needed again later */

    keep(creds, 256 + 1, "secret", NOW + 5000, 0);

    for (i = 0; i < 5; i++) {
        ngx_counters_creds_sweep(creds, NOW + 4000 + i, 100, needs_odd, NULL);
    }

    for (i = 0, n = 0; i < 20; i++) {
        n += has(creds, 256 + i, "secret");
    }

    is_int(n, 10, "those that are needed stay");

    ngx_counters_creds_destroy(creds);

    /* a few at a time, all in the end */

    creds = ngx_counters_creds_create(100, ngx_cycle->log);

    for (i = 0; i < 20; i++) {
        keep(creds, 256 + i, "secret", NOW, 0);
    }

    ngx_counters_creds_sweep(creds, NOW + 1, 6, needs_odd, NULL);

    for (i = 0, n = 0; i < 20; i++) {
        n += has(creds, 256 + i, "secret");
    }

    is_int(n, 17, "of six three");

    for (i = 2; i < 5; i++) {
        ngx_counters_creds_sweep(creds, NOW + i, 6, needs_odd, NULL);
    }

    for (i = 0, n = 0; i < 20; i++) {
        n += has(creds, 256 + i, "secret");
    }

    is_int(n, 10, "by and by all that are not needed");

    ngx_counters_creds_destroy(creds);
}


int
test_creds(void)
{
    kept();
    kept_forever();
    swept();

    return done();
}


static ngx_int_t
keep(ngx_counters_creds_t *creds, ngx_uint_t cred, const char *secret,
    uint64_t now, ngx_uint_t forever)
{
    ngx_counters_cred_t  c;

    c.kind = NGX_COUNTERS_CRED_TOKEN;
    c.user = 0;
    c.secret.len = strlen(secret);
    c.secret.data = (u_char *) secret;

    return ngx_counters_creds_keep(creds, digest(cred), &c, now, forever);
}


static int
has(ngx_counters_creds_t *creds, ngx_uint_t cred, const char *secret)
{
    const ngx_counters_cred_t  *c;

    c = ngx_counters_creds_find(creds, digest(cred));

    return c && c->secret.len == strlen(secret)
           && ngx_memcmp(c->secret.data, secret, c->secret.len) == 0;
}


static ngx_uint_t
needs_odd(void *data, const u_char *digest)
{
    return digest[0] % 2;
}
