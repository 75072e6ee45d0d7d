
/*
 * Copyright (C) The nginx counters module authors
 *
 * What comes into the zone: entries, credentials and answers, at the cost of
 * others when there is no room.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_evict.h"
#include "ngx_counters_fill.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_table.h"


/* looked at for the same header lines */
#define NGX_COUNTERS_HEADERS  4


static ngx_counters_headers_t *ngx_counters_fill_headers_locked(
    ngx_counters_zone_t *zone, ngx_counters_entry_t *e, ngx_str_t *lines,
    uint64_t now);
static void ngx_counters_fill_etag(u_char *out, ngx_str_t *body);


ngx_counters_entry_t *
ngx_counters_fill_insert_locked(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, uint64_t now)
{
    ngx_counters_entry_t      *e;
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;

    (void) ngx_counters_evict_expire_locked(zone, &sh->lru, now, 1);
    (void) ngx_counters_evict_expire_locked(zone, &sh->bare, now, 2);

    cred = ngx_counters_fill_cred_locked(zone, key->cred, now);
    if (cred == NULL) {
        return NULL;
    }

    /* counted first, so that making room cannot free it */

    ngx_counters_table_join_locked(cred);

    e = ngx_counters_evict_alloc_locked(zone, sizeof(ngx_counters_entry_t),
                                        NULL, now);
    if (e == NULL) {
        ngx_counters_table_leave_locked(zone, cred, now);
        return NULL;
    }

    ngx_memzero(e, sizeof(ngx_counters_entry_t));

    e->node.key = ngx_counters_key_hash(key);
    e->user = key->user;
    e->group = key->group;
    e->method = key->method;
    e->type = key->type;
    e->cred = cred;
    e->since = now;
    e->asked = now;

    ngx_counters_table_link_locked(zone, e);

    return e;
}


ngx_counters_cred_node_t *
ngx_counters_fill_cred_locked(ngx_counters_zone_t *zone,
    const u_char *digest, uint64_t now)
{
    ngx_uint_t                 i;
    ngx_counters_cred_node_t  *cred;

    cred = ngx_counters_table_find_cred_locked(zone, digest);

    if (cred) {

        if (cred->nentries == 0) {
            cred->used = now;
            ngx_queue_remove(&cred->idle);
            ngx_queue_insert_head(&zone->sh->idle, &cred->idle);
        }

        return cred;
    }

    cred = ngx_counters_evict_alloc_locked(zone,
                                           sizeof(ngx_counters_cred_node_t),
                                           NULL, now);
    if (cred == NULL) {
        return NULL;
    }

    ngx_memzero(cred, sizeof(ngx_counters_cred_node_t));
    ngx_memcpy(cred->digest, digest, NGX_COUNTERS_DIGEST_LEN);
    ngx_memcpy(&cred->node.key, digest, sizeof(ngx_rbtree_key_t));

    cred->used = now;
    ngx_queue_init(&cred->entries);

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        ngx_queue_init(&cred->pending[i]);
    }

    ngx_counters_table_link_cred_locked(zone, cred);

    return cred;
}


ngx_int_t
ngx_counters_fill_locked(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    ngx_counters_answer_in_t *answer, uint64_t now)
{
    ngx_counters_blob_t     *blob;
    ngx_counters_headers_t  *headers;

    ngx_counters_table_clear_locked(zone, e);
    e->marked = 0;

    headers = ngx_counters_fill_headers_locked(zone, e, &answer->headers, now);
    if (headers == NULL) {
        return NGX_ERROR;
    }

    blob = ngx_counters_evict_alloc_locked(zone,
                                           offsetof(ngx_counters_blob_t, data)
                                           + answer->body.len, e, now);
    if (blob == NULL) {
        ngx_counters_table_leave_headers_locked(zone, headers);
        return NGX_ERROR;
    }

    blob->headers = headers;
    blob->len = answer->body.len;

    ngx_memcpy(blob->data, answer->body.data, answer->body.len);

    ngx_counters_fill_etag(blob->etag, &answer->body);

    e->blob = blob;
    e->kind = answer->kind;
    e->origin = answer->origin;
    e->status = answer->status;
    e->fetched = answer->fetched;
    e->ttl = answer->ttl;

    ngx_queue_remove(&e->lru);
    e->listed = (e->kind == NGX_COUNTERS_DATA);
    ngx_queue_insert_head(e->listed ? &zone->sh->lru : &zone->sh->bare,
                          &e->lru);

    if (e->listed) {
        ngx_queue_insert_tail(&zone->sh->ages[e->method], &e->age);
    }

    return NGX_OK;
}


static ngx_counters_headers_t *
ngx_counters_fill_headers_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_str_t *lines, uint64_t now)
{
    size_t                   size;
    ngx_uint_t               i;
    ngx_queue_t             *q;
    ngx_counters_headers_t  *headers;

    q = ngx_queue_head(&zone->sh->headers);

    for (i = 0; i < NGX_COUNTERS_HEADERS; i++) {

        if (q == ngx_queue_sentinel(&zone->sh->headers)) {
            break;
        }

        headers = ngx_queue_data(q, ngx_counters_headers_t, queue);
        q = ngx_queue_next(q);

        if (headers->len == lines->len
            && ngx_memcmp(headers->data, lines->data, lines->len) == 0)
        {
            ngx_queue_remove(&headers->queue);
            goto found;
        }
    }

    /* of an entry's size, so that an entry which goes makes room for them */

    size = offsetof(ngx_counters_headers_t, data) + lines->len;
    size = ngx_max(size, sizeof(ngx_counters_entry_t));

    headers = ngx_counters_evict_alloc_locked(zone, size, e, now);
    if (headers == NULL) {
        return NULL;
    }

    headers->refs = 0;
    headers->len = lines->len;
    ngx_memcpy(headers->data, lines->data, lines->len);

found:

    headers->refs++;
    ngx_queue_insert_head(&zone->sh->headers, &headers->queue);

    return headers;
}


/*
 * Tells the successive answers to one call apart, and is computed under the
 * mutex, where MD5 would take longer than all the rest: a lane of xxHash64.
 * Every step is one to one in the word taken in and in the hash so far.
 */

static void
ngx_counters_fill_etag(u_char *out, ngx_str_t *body)
{
    u_char    *p;
    size_t     left, n;
    uint64_t   hash, word;

    p = body->data;
    hash = body->len;

    for (left = body->len; left; left -= n, p += n) {

        if (left >= sizeof(word)) {
            n = sizeof(word);
            ngx_memcpy(&word, p, sizeof(word));

        } else {
            n = left;
            word = 0;
            ngx_memcpy(&word, p, n);
        }

        hash = (hash ^ word) * 0x9e3779b185ebca87ULL;
        hash = (hash << 31 | hash >> 33) * 0xc2b2ae3d27d4eb4fULL;
    }

    hash ^= hash >> 32;

    ngx_counters_hex(out, (u_char *) &hash, NGX_COUNTERS_ETAG_LEN / 2);
}
