
/*
 * Copyright (C) The nginx counters module authors
 *
 * The stored form of an answer: what a Redis value is made of.
 */


#ifndef _NGX_COUNTERS_RECORD_H_INCLUDED_
#define _NGX_COUNTERS_RECORD_H_INCLUDED_


#include "ngx_counters_key.h"


#define NGX_COUNTERS_RECORD_VERSION  1
#define NGX_COUNTERS_RECORD_MAC_LEN  16

/*
 * Offset and size in bytes, numbers big-endian:
 *
 *    0   4  "B24C"
 *    4   1  version
 *    5   1  reserved, 0
 *    6   2  status
 *    8   8  fetched, Unix time in milliseconds
 *   16   4  ttl, milliseconds, jitter applied
 *   20   4  length of the headers
 *   24   4  length of the body
 *   28  16  HMAC-SHA256 under the secret, cut to 16 bytes, of the entry's
 *           key digest, the 28 bytes before, the headers and the body
 *   44      the headers, "Name: value" CR LF each, then the body
 */

#define NGX_COUNTERS_RECORD_HEADER_LEN  44


typedef struct {
    uint64_t                 fetched;     /* Unix time, milliseconds */
    uint32_t                 ttl;         /* milliseconds */
    uint16_t                 status;
    ngx_counters_str_t       headers;     /* Content-Type comes first */
    ngx_counters_str_t       body;
} ngx_counters_record_t;


size_t ngx_counters_record_len(const ngx_counters_record_t *e);

/*
 * "digest" names the key: a value read under another key does not verify.
 * Writes ngx_counters_record_len() bytes.
 */

int ngx_counters_record_encode(ngx_counters_hmac_t *hmac,
    const unsigned char digest[NGX_COUNTERS_DIGEST_LEN],
    const ngx_counters_record_t *e, unsigned char *out);

/*
 * The strings point into "in".  NGX_COUNTERS_DECLINED for any value that is
 * not whole, not of this version, or was not written under this secret and
 * key.
 */

int ngx_counters_record_decode(ngx_counters_hmac_t *hmac,
    const unsigned char digest[NGX_COUNTERS_DIGEST_LEN],
    const ngx_counters_str_t *in, ngx_counters_record_t *e);


#endif /* _NGX_COUNTERS_RECORD_H_INCLUDED_ */
