
/*
 * Copyright (C) The nginx counters module authors
 *
 * Finding, adding and removing: the entries of the zone, and the credentials
 * that own them.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_shm.h"


/* looked at for the same header lines */
#define NGX_COUNTERS_HEADERS  4


static void ngx_counters_entry_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_counters_cred_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_counters_node_cmp(ngx_counters_node_t *e,
    ngx_counters_key_t *key);
static ngx_counters_headers_t *ngx_counters_use_headers_locked(
    ngx_counters_zone_t *zone, ngx_counters_node_t *e, ngx_str_t *lines,
    uint64_t now);
static void ngx_counters_leave_headers_locked(ngx_counters_zone_t *zone,
    ngx_counters_headers_t *headers);
static void ngx_counters_etag(u_char *out, ngx_str_t *body);
static void ngx_counters_join_cred_locked(ngx_counters_cred_node_t *cred);
static void ngx_counters_leave_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, uint64_t now);


void
ngx_counters_table_init(ngx_counters_zone_sh_t *sh)
{
    ngx_rbtree_init(&sh->entries, &sh->entries_sentinel,
                    ngx_counters_entry_insert);
    ngx_rbtree_init(&sh->creds, &sh->creds_sentinel,
                    ngx_counters_cred_insert);
}


ngx_counters_node_t *
ngx_counters_find_locked(ngx_counters_zone_t *zone, ngx_counters_key_t *key)
{
    uint32_t              hash;
    ngx_int_t             rc;
    ngx_rbtree_node_t    *node, *sentinel;
    ngx_counters_node_t  *e;

    hash = ngx_counters_key_hash(key);

    node = zone->sh->entries.root;
    sentinel = zone->sh->entries.sentinel;

    while (node != sentinel) {

        if (hash != node->key) {
            node = (hash < node->key) ? node->left : node->right;
            continue;
        }

        e = (ngx_counters_node_t *) node;

        rc = ngx_counters_node_cmp(e, key);

        if (rc == 0) {
            return e;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


/* the whole key, so that no collision of hashes mixes two entries */

static ngx_int_t
ngx_counters_node_cmp(ngx_counters_node_t *e, ngx_counters_key_t *key)
{
    if (key->user != e->user) {
        return (key->user < e->user) ? -1 : 1;
    }

    if (key->group != e->group) {
        return (key->group < e->group) ? -1 : 1;
    }

    if (key->method != e->method) {
        return (key->method < e->method) ? -1 : 1;
    }

    if (key->type != e->type) {
        return (key->type < e->type) ? -1 : 1;
    }

    return ngx_memcmp(key->cred, e->cred->digest, NGX_COUNTERS_DIGEST_LEN);
}


void
ngx_counters_key_locked(ngx_counters_node_t *e, ngx_counters_key_t *key)
{
    ngx_counters_call_t  call;

    call.method = e->method;
    call.type = e->type;
    call.user = e->user;
    call.group = e->group;

    ngx_counters_key_make(key, e->cred->digest, &call);
}


static void
ngx_counters_entry_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t   **p;
    ngx_counters_key_t    key;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            ngx_counters_key_locked((ngx_counters_node_t *) node, &key);

            p = (ngx_counters_node_cmp((ngx_counters_node_t *) temp, &key) < 0)
                ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


ngx_counters_node_t *
ngx_counters_insert_locked(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    uint64_t now)
{
    ngx_counters_node_t       *e;
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;

    (void) ngx_counters_expire_list_locked(zone, &sh->lru, now, 1);
    (void) ngx_counters_expire_list_locked(zone, &sh->bare, now, 2);

    cred = ngx_counters_insert_cred_locked(zone, key->cred, now);
    if (cred == NULL) {
        return NULL;
    }

    /* counted first, so that making room cannot free it */

    ngx_counters_join_cred_locked(cred);

    e = ngx_counters_alloc_locked(zone, sizeof(ngx_counters_node_t), NULL,
                                  now);
    if (e == NULL) {
        ngx_counters_leave_cred_locked(zone, cred, now);
        return NULL;
    }

    ngx_memzero(e, sizeof(ngx_counters_node_t));

    e->node.key = ngx_counters_key_hash(key);
    e->user = key->user;
    e->group = key->group;
    e->method = key->method;
    e->type = key->type;
    e->cred = cred;
    e->since = now;
    e->asked = now;

    ngx_queue_insert_tail(&cred->entries, &e->siblings);
    ngx_queue_insert_head(&sh->bare, &e->lru);
    ngx_counters_tree_insert(&sh->entries, &e->node,
                             ngx_counters_entry_insert);
    sh->nentries++;

    return e;
}


void
ngx_counters_delete_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t now)
{
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;
    cred = e->cred;

    ngx_counters_release_locked(zone, e);
    ngx_counters_clear_locked(zone, e);

    ngx_queue_remove(&e->lru);
    ngx_queue_remove(&e->siblings);
    ngx_rbtree_delete(&sh->entries, &e->node);
    ngx_slab_free_locked(zone->shpool, e);
    sh->nentries--;

    ngx_counters_leave_cred_locked(zone, cred, now);
}


ngx_int_t
ngx_counters_fill_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    ngx_counters_answer_in_t *answer, uint64_t now)
{
    ngx_counters_blob_t     *blob;
    ngx_counters_headers_t  *headers;

    ngx_counters_clear_locked(zone, e);
    e->marked = 0;

    headers = ngx_counters_use_headers_locked(zone, e, &answer->headers, now);
    if (headers == NULL) {
        return NGX_ERROR;
    }

    blob = ngx_counters_alloc_locked(zone, offsetof(ngx_counters_blob_t, data)
                                           + answer->body.len, e, now);
    if (blob == NULL) {
        ngx_counters_leave_headers_locked(zone, headers);
        return NGX_ERROR;
    }

    blob->headers = headers;
    blob->len = answer->body.len;

    ngx_memcpy(blob->data, answer->body.data, answer->body.len);

    ngx_counters_etag(blob->etag, &answer->body);

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
ngx_counters_use_headers_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, ngx_str_t *lines, uint64_t now)
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
    size = ngx_max(size, sizeof(ngx_counters_node_t));

    headers = ngx_counters_alloc_locked(zone, size, e, now);
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


static void
ngx_counters_leave_headers_locked(ngx_counters_zone_t *zone,
    ngx_counters_headers_t *headers)
{
    if (--headers->refs == 0) {
        ngx_queue_remove(&headers->queue);
        ngx_slab_free_locked(zone->shpool, headers);
    }
}


/*
 * Tells the successive answers to one call apart, and is computed under the
 * mutex, where MD5 would take longer than all the rest: a lane of xxHash64.
 * Every step is one to one in the word taken in and in the hash so far.
 */

static void
ngx_counters_etag(u_char *out, ngx_str_t *body)
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


void
ngx_counters_clear_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e)
{
    if (e->blob) {
        ngx_counters_leave_headers_locked(zone, e->blob->headers);
        ngx_slab_free_locked(zone->shpool, e->blob);
        e->blob = NULL;
    }

    if (e->age.next) {
        ngx_queue_remove(&e->age);
        e->age.next = NULL;
    }

    if (e->listed) {
        ngx_queue_remove(&e->lru);
        ngx_queue_insert_head(&zone->sh->bare, &e->lru);
        e->listed = 0;
    }

    e->kind = NGX_COUNTERS_EMPTY;
    e->fetched = 0;
    e->ttl = 0;

    /* what is on its way to it may have been asked for before the mark */

    if (e->state == NGX_COUNTERS_IDLE) {
        e->marked = 0;
    }
}


ngx_counters_cred_node_t *
ngx_counters_find_cred_locked(ngx_counters_zone_t *zone, const u_char *digest)
{
    ngx_int_t                  rc;
    ngx_rbtree_key_t           key;
    ngx_rbtree_node_t         *node, *sentinel;
    ngx_counters_cred_node_t  *cred;

    ngx_memcpy(&key, digest, sizeof(ngx_rbtree_key_t));

    node = zone->sh->creds.root;
    sentinel = zone->sh->creds.sentinel;

    while (node != sentinel) {

        if (key != node->key) {
            node = (key < node->key) ? node->left : node->right;
            continue;
        }

        cred = (ngx_counters_cred_node_t *) node;

        rc = ngx_memcmp(digest, cred->digest, NGX_COUNTERS_DIGEST_LEN);

        if (rc == 0) {
            return cred;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


static void
ngx_counters_cred_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t  **p;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            p = (ngx_memcmp(((ngx_counters_cred_node_t *) node)->digest,
                            ((ngx_counters_cred_node_t *) temp)->digest,
                            NGX_COUNTERS_DIGEST_LEN)
                 < 0)
                ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


ngx_counters_cred_node_t *
ngx_counters_insert_cred_locked(ngx_counters_zone_t *zone,
    const u_char *digest, uint64_t now)
{
    ngx_uint_t                 i;
    ngx_counters_cred_node_t  *cred;

    cred = ngx_counters_find_cred_locked(zone, digest);

    if (cred) {

        if (cred->nentries == 0) {
            cred->used = now;
            ngx_queue_remove(&cred->idle);
            ngx_queue_insert_head(&zone->sh->idle, &cred->idle);
        }

        return cred;
    }

    cred = ngx_counters_alloc_locked(zone, sizeof(ngx_counters_cred_node_t),
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

    ngx_queue_insert_head(&zone->sh->idle, &cred->idle);
    ngx_counters_tree_insert(&zone->sh->creds, &cred->node,
                             ngx_counters_cred_insert);
    zone->sh->ncreds++;

    return cred;
}


/* for as long as it has entries it is not idle, and stays */

static void
ngx_counters_join_cred_locked(ngx_counters_cred_node_t *cred)
{
    if (cred->nentries++ == 0) {
        ngx_queue_remove(&cred->idle);
    }
}


static void
ngx_counters_leave_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, uint64_t now)
{
    if (--cred->nentries) {
        return;
    }

    cred->used = now;
    ngx_queue_insert_head(&zone->sh->idle, &cred->idle);

    if (cred->accepted == 0 && cred->refused == 0) {
        ngx_counters_delete_cred_locked(zone, cred);
    }
}


void
ngx_counters_delete_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred)
{
    ngx_queue_remove(&cred->idle);
    ngx_rbtree_delete(&zone->sh->creds, &cred->node);
    ngx_slab_free_locked(zone->shpool, cred);
    zone->sh->ncreds--;
}


void
ngx_counters_zone_accepted(ngx_counters_zone_t *zone, const u_char *digest,
    uint64_t now)
{
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    cred = ngx_counters_find_cred_locked(zone, digest);

    if (cred) {
        cred->accepted = now;
    }

    ngx_counters_unlock(zone);
}


ngx_uint_t
ngx_counters_zone_revoke(ngx_counters_zone_t *zone, const u_char *digest,
    uint64_t now)
{
    ngx_uint_t                 n;
    ngx_queue_t               *q, *next;
    ngx_counters_node_t       *e;
    ngx_counters_cred_node_t  *cred;

    n = 0;

    ngx_counters_lock(zone);

    cred = ngx_counters_insert_cred_locked(zone, digest, now);
    if (cred == NULL) {
        ngx_counters_unlock(zone);
        return 0;
    }

    if (cred->accepted > now || cred->refused >= now) {

        /* old news, from another node */

        ngx_counters_unlock(zone);
        return 0;
    }

    cred->accepted = 0;
    cred->refused = now;

    for (q = ngx_queue_head(&cred->entries);
         q != ngx_queue_sentinel(&cred->entries);
         q = next)
    {
        next = ngx_queue_next(q);
        e = ngx_queue_data(q, ngx_counters_node_t, siblings);

        if (e->kind == NGX_COUNTERS_DATA) {
            ngx_counters_clear_locked(zone, e);
            n++;
        }
    }

    ngx_counters_unlock(zone);

    return n;
}


void
ngx_counters_zone_forget(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    uint64_t now)
{
    ngx_counters_node_t  *e;

    ngx_counters_lock(zone);

    e = ngx_counters_find_locked(zone, key);

    if (e && e->fetched <= now) {

        if (e->kind == NGX_COUNTERS_DATA) {
            ngx_counters_clear_locked(zone, e);
        }

        e->refused = ngx_max(e->refused, now);
    }

    ngx_counters_unlock(zone);
}


uint64_t
ngx_counters_zone_refused(ngx_counters_zone_t *zone, ngx_counters_key_t *key)
{
    uint64_t                   refused;
    ngx_counters_node_t       *e;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    e = ngx_counters_find_locked(zone, key);
    cred = e ? e->cred : ngx_counters_find_cred_locked(zone, key->cred);

    refused = 0;

    /* what the managed webhook owns outlives its refusal */

    if (cred && !ngx_counters_zone_common(zone, cred->digest)) {
        refused = cred->refused;
    }

    if (e && e->refused > refused) {
        refused = e->refused;
    }

    ngx_counters_unlock(zone);

    return refused;
}


ngx_uint_t
ngx_counters_zone_pending(ngx_counters_zone_t *zone, const u_char *digest)
{
    ngx_uint_t                 n;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    cred = ngx_counters_find_cred_locked(zone, digest);
    n = cred ? cred->npending + cred->nflying : 0;

    ngx_counters_unlock(zone);

    return n;
}
