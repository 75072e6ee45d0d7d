
/*
 * Copyright (C) The nginx counters module authors
 *
 * Keyed digests: the only form in which a credential is ever kept.
 */


#ifndef _NGX_COUNTERS_KEY_H_INCLUDED_
#define _NGX_COUNTERS_KEY_H_INCLUDED_


#include "ngx_counters_params.h"


#define NGX_COUNTERS_DIGEST_LEN  32


/*
 * The whole key of an entry.  Made by ngx_counters_key_make() only, which
 * clears the padding, so that two keys compare with memcmp().
 */

typedef struct {
    unsigned char            cred[NGX_COUNTERS_DIGEST_LEN];
    uint64_t                 user;
    uint64_t                 group;
    uint32_t                 method;
    uint32_t                 type;
} ngx_counters_key_t;


/* HMAC-SHA256 under one secret; keeps the keyed state, one per process */

typedef struct ngx_counters_hmac_s  ngx_counters_hmac_t;


/*
 * The state is allocated by OpenSSL; NULL if it could not be.  The secret is
 * not kept in the clear.
 */

ngx_counters_hmac_t *ngx_counters_key_hmac_create(const unsigned char *secret,
    size_t len);
void ngx_counters_key_hmac_free(ngx_counters_hmac_t *hmac);

/*
 * The digest of a credential of one portal.  "portal" is the portal's name
 * and URL, so that entries of different portals never meet, even in one
 * Redis.  NGX_COUNTERS_OK or NGX_COUNTERS_ERROR.
 */

int ngx_counters_key_cred(ngx_counters_hmac_t *hmac,
    const ngx_counters_str_t *portal, const ngx_counters_cred_t *cred,
    unsigned char digest[NGX_COUNTERS_DIGEST_LEN]);

void ngx_counters_key_make(ngx_counters_key_t *key,
    const unsigned char cred[NGX_COUNTERS_DIGEST_LEN],
    const ngx_counters_call_t *call);

/* for a table lookup; cred is a digest already, so this needs no keying */

uint32_t ngx_counters_key_hash(const ngx_counters_key_t *key);

/* the digest of the whole key, which names the entry in Redis */

int ngx_counters_key_digest(ngx_counters_hmac_t *hmac,
    const ngx_counters_key_t *key,
    unsigned char digest[NGX_COUNTERS_DIGEST_LEN]);

/*
 * A MAC over several parts; each part's length is covered too.  It never
 * equals a digest made by another function of this header.
 */

int ngx_counters_key_hmac_parts(ngx_counters_hmac_t *hmac,
    const ngx_counters_str_t *parts, size_t nparts,
    unsigned char digest[NGX_COUNTERS_DIGEST_LEN]);

/* the same, set apart from it, for the records of ngx_counters_record.c */

int ngx_counters_key_hmac_record(ngx_counters_hmac_t *hmac,
    const ngx_counters_str_t *parts, size_t nparts,
    unsigned char digest[NGX_COUNTERS_DIGEST_LEN]);

/*
 * Whether a secret is the one that is expected; the time it takes tells
 * nothing of either.
 */

int ngx_counters_key_hmac_same(ngx_counters_hmac_t *hmac,
    const ngx_counters_str_t *secret, const ngx_counters_str_t *expected);

/* lower-case hex, 2 * len bytes, no terminator; returns the new end */

unsigned char *ngx_counters_key_hex(unsigned char *out, const unsigned char *in,
    size_t len);

/* the reverse; NGX_COUNTERS_DECLINED unless "in" is exactly 2 * len digits */

int ngx_counters_key_unhex(unsigned char *out, const ngx_counters_str_t *in,
    size_t len);


#endif /* _NGX_COUNTERS_KEY_H_INCLUDED_ */
