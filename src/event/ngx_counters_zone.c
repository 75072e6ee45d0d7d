
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/rand.h>

#include "ngx_counters_shm.h"


/* an entry's place in the LRU list is exact to within this, milliseconds */
#define NGX_COUNTERS_TOUCH        1000

/* how many may go to make room for one allocation */
#define NGX_COUNTERS_EVICT        64

/* how long a failed or refused key is remembered without data, at least */
#define NGX_COUNTERS_REMEMBER     60000

/* and a credential without entries, whether accepted or refused */
#define NGX_COUNTERS_CRED_KEEP    86400000

/* by so much may the time of one worker lag behind another's, milliseconds */
#define NGX_COUNTERS_LAG          10000


static void ngx_counters_entry_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_counters_cred_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_counters_node_cmp(ngx_counters_node_t *e,
    ngx_counters_key_t *key);
static void ngx_counters_etag(u_char *out, ngx_str_t *body);
static void *ngx_counters_alloc_locked(ngx_counters_zone_t *zone, size_t size,
    ngx_counters_node_t *keep, uint64_t now);
static ngx_int_t ngx_counters_evict_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *keep, uint64_t now);
static ngx_int_t ngx_counters_evict_entry_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, ngx_counters_node_t *keep, uint64_t now);
static void ngx_counters_join_cred_locked(ngx_counters_cred_node_t *cred);
static void ngx_counters_leave_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, uint64_t now);
static void ngx_counters_delete_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred);
static uint64_t ngx_counters_refusal_span(ngx_counters_zone_t *zone);
static ngx_uint_t ngx_counters_outlived(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, uint64_t now);
static ngx_uint_t ngx_counters_expire_list_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, uint64_t now, ngx_uint_t n);
static void ngx_counters_expire_creds_locked(ngx_counters_zone_t *zone,
    uint64_t now, ngx_uint_t n);
static void ngx_counters_rewind_locked(ngx_counters_zone_t *zone,
    uint64_t now);
static void ngx_counters_rewind_list_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, uint64_t now);
static void ngx_counters_rewind_creds_locked(ngx_counters_zone_t *zone,
    ngx_rbtree_node_t *node, uint64_t now);
static ngx_int_t ngx_counters_view_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view);
static void ngx_counters_touch_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *e, uint64_t now);
static ngx_uint_t ngx_counters_purge_list_locked(ngx_counters_zone_t *zone,
    ngx_queue_t *list, uint64_t *user, uint64_t *group, ngx_uint_t soft,
    uint64_t now);


ngx_int_t
ngx_counters_zone_init(ngx_counters_zone_t *zone, ngx_shm_zone_t *shm_zone,
    ngx_counters_zone_t *old)
{
    ngx_uint_t               i;
    ngx_counters_zone_sh_t  *sh;

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        zone->sh = old->sh;
        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;
        return NGX_OK;
    }

    sh = ngx_slab_calloc(zone->shpool, sizeof(ngx_counters_zone_sh_t));
    if (sh == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone of counters_portal \"%V\" is too small",
                      &zone->name);
        return NGX_ERROR;
    }

    if (RAND_bytes(sh->secret, NGX_COUNTERS_SECRET_LEN) != 1) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "no random bytes for counters_portal \"%V\"",
                      &zone->name);
        return NGX_ERROR;
    }

    sh->since = (uint64_t) ngx_time() * 1000;

    ngx_rbtree_init(&sh->entries, &sh->entries_sentinel,
                    ngx_counters_entry_insert);
    ngx_rbtree_init(&sh->creds, &sh->creds_sentinel,
                    ngx_counters_cred_insert);

    ngx_queue_init(&sh->lru);
    ngx_queue_init(&sh->bare);
    ngx_queue_init(&sh->idle);
    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        ngx_queue_init(&sh->ages[i]);
    }

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        ngx_queue_init(&sh->queue[i]);
    }

    /* a full zone is everyday life here, not worth a "crit" */
    zone->shpool->log_nomem = 0;

    zone->shpool->data = sh;
    zone->sh = sh;

    return NGX_OK;
}


u_char *
ngx_counters_zone_secret(ngx_counters_zone_t *zone)
{
    return zone->sh->secret;
}


ngx_int_t
ngx_counters_zone_lookup(ngx_counters_zone_t *zone, ngx_counters_key_t *key,
    uint64_t now, ngx_pool_t *pool, ngx_counters_view_t *view)
{
    ngx_int_t                  rc;
    ngx_counters_node_t       *e;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    e = ngx_counters_find_locked(zone, key);

    if (e) {
        ngx_counters_touch_locked(zone, e, now);
        rc = ngx_counters_view_locked(zone, e, now, pool, view);

    } else {
        ngx_memzero(view, sizeof(ngx_counters_view_t));

        cred = ngx_counters_find_cred_locked(zone, key->cred);
        view->hold = ngx_counters_hold_locked(zone, NULL, cred, key->method,
                                              now, &view->hold_until);
        view->dry = ngx_counters_dry_locked(zone, now);
        rc = NGX_DECLINED;
    }

    ngx_counters_unlock(zone);

    return rc;
}


ngx_uint_t
ngx_counters_zone_dry(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_uint_t  dry;

    ngx_counters_lock(zone);
    dry = ngx_counters_dry_locked(zone, now);
    ngx_counters_unlock(zone);

    return dry;
}


static void
ngx_counters_touch_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t now)
{
    if (now < e->asked + NGX_COUNTERS_TOUCH && now >= e->asked) {
        return;
    }

    e->asked = now;

    ngx_queue_remove(&e->lru);
    ngx_queue_insert_head(e->listed ? &zone->sh->lru : &zone->sh->bare,
                          &e->lru);
}


static ngx_int_t
ngx_counters_view_locked(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t now, ngx_pool_t *pool, ngx_counters_view_t *view)
{
    u_char               *p;
    ngx_counters_blob_t  *blob;

    ngx_counters_fade_locked(zone, e, now);

    view->kind = e->kind;
    view->origin = e->origin;
    view->status = e->status;
    view->fetched = e->fetched;
    view->remains = (int64_t) (e->fetched + e->ttl) - (int64_t) now;
    view->refreshing = (e->state != NGX_COUNTERS_IDLE);
    view->flying = (e->state == NGX_COUNTERS_FLYING && now <= e->lease);
    view->fresh = NGX_COUNTERS_FRESH;
    view->hold = NGX_COUNTERS_OPEN;
    view->hold_until = 0;
    view->dry = 0;

    if (e->kind == NGX_COUNTERS_DATA) {
        view->fresh = ngx_counters_freshness(now, e->fetched, e->ttl,
                                             zone->conf.stale,
                                             zone->conf.error,
                                             e->marked != 0);
        if (e->marked && view->remains > 0) {
            view->remains = 0;
        }

        view->hold = ngx_counters_hold_locked(zone, e, e->cred, e->method,
                                              now, &view->hold_until);

        if (view->fresh == NGX_COUNTERS_IF_ERROR) {
            view->dry = ngx_counters_dry_locked(zone, now);

        } else if (view->fresh == NGX_COUNTERS_EXPIRED) {
            view->kind = NGX_COUNTERS_EMPTY;
        }

    } else {
        if (view->remains <= 0) {
            view->kind = NGX_COUNTERS_EMPTY;
        }

        view->hold = ngx_counters_hold_locked(zone, e, e->cred, e->method,
                                              now, &view->hold_until);
    }

    if (view->kind == NGX_COUNTERS_EMPTY) {
        view->fetched = 0;
        view->dry = ngx_counters_dry_locked(zone, now);
        return NGX_DECLINED;
    }

    if (pool == NULL) {
        return NGX_OK;
    }

    blob = e->blob;

    p = ngx_pnalloc(pool, blob->headers + blob->body);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, blob->data, blob->headers + blob->body);
    ngx_memcpy(view->etag, blob->etag, NGX_COUNTERS_ETAG_LEN);

    view->headers.len = blob->headers;
    view->headers.data = p;
    view->body.len = blob->body;
    view->body.data = p + blob->headers;

    return NGX_OK;
}


/* entries */


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
    ngx_rbtree_insert(&sh->entries, &e->node);
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
    size_t                len;
    ngx_counters_blob_t  *blob;

    ngx_counters_clear_locked(zone, e);

    len = offsetof(ngx_counters_blob_t, data) + answer->headers.len
          + answer->body.len;

    blob = ngx_counters_alloc_locked(zone, len, e, now);
    if (blob == NULL) {
        return NGX_ERROR;
    }

    blob->headers = answer->headers.len;
    blob->body = answer->body.len;

    ngx_memcpy(blob->data, answer->headers.data, answer->headers.len);
    ngx_memcpy(blob->data + answer->headers.len, answer->body.data,
               answer->body.len);

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
    e->marked = 0;
    e->fetched = 0;
    e->ttl = 0;
}


/* credentials */


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
    ngx_rbtree_insert(&zone->sh->creds, &cred->node);
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


static void
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


uint64_t
ngx_counters_zone_refused(ngx_counters_zone_t *zone, ngx_counters_key_t *key)
{
    uint64_t                   refused;
    ngx_counters_node_t       *e;
    ngx_counters_cred_node_t  *cred;

    ngx_counters_lock(zone);

    e = ngx_counters_find_locked(zone, key);
    cred = e ? e->cred : ngx_counters_find_cred_locked(zone, key->cred);

    refused = cred ? cred->refused : 0;

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


/* room */


static void *
ngx_counters_alloc_locked(ngx_counters_zone_t *zone, size_t size,
    ngx_counters_node_t *keep, uint64_t now)
{
    void        *p;
    ngx_uint_t   i;

    if (size > zone->shpool->pfree * ngx_pagesize
        && size > (size_t) (zone->shpool->end - zone->shpool->start) / 4)
    {
        /* one answer must not turn the whole zone out */
        return NULL;
    }

    for (i = 0; i < NGX_COUNTERS_EVICT; i++) {

        p = ngx_slab_alloc_locked(zone->shpool, size);
        if (p) {
            return p;
        }

        if (ngx_counters_evict_locked(zone, keep, now) != NGX_OK) {
            return NULL;
        }
    }

    return NULL;
}


/* what holds no answer goes first, then whatever was used longest ago */

static ngx_int_t
ngx_counters_evict_locked(ngx_counters_zone_t *zone,
    ngx_counters_node_t *keep, uint64_t now)
{
    ngx_counters_node_t       *e;
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;

    if (ngx_counters_evict_entry_locked(zone, &sh->bare, keep, now)
        == NGX_OK)
    {
        return NGX_OK;
    }

    cred = ngx_queue_empty(&sh->idle) ? NULL
           : ngx_queue_data(ngx_queue_last(&sh->idle),
                            ngx_counters_cred_node_t, idle);

    e = ngx_queue_empty(&sh->lru) ? NULL
        : ngx_queue_data(ngx_queue_last(&sh->lru), ngx_counters_node_t, lru);

    if (e && (cred == NULL || cred->used > e->asked)
        && ngx_counters_evict_entry_locked(zone, &sh->lru, keep, now)
           == NGX_OK)
    {
        return NGX_OK;
    }

    if (cred) {
        ngx_counters_delete_cred_locked(zone, cred);
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_counters_evict_entry_locked(ngx_counters_zone_t *zone, ngx_queue_t *list,
    ngx_counters_node_t *keep, uint64_t now)
{
    ngx_uint_t            i;
    ngx_queue_t          *q;
    ngx_counters_node_t  *e;

    q = ngx_queue_last(list);

    /* refreshes under way stay: those who wait for them find them here */

    for (i = 0; i < NGX_COUNTERS_EVICT; i++) {

        if (q == ngx_queue_sentinel(list)) {
            return NGX_DECLINED;
        }

        e = ngx_queue_data(q, ngx_counters_node_t, lru);
        q = ngx_queue_prev(q);

        if (e == keep || e->state != NGX_COUNTERS_IDLE) {
            continue;
        }

        ngx_counters_delete_locked(zone, e, now);
        ngx_atomic_fetch_add(&zone->sh->stats[0][NGX_COUNTERS_STAT_EVICTED],
                             1);
        return NGX_OK;
    }

    return NGX_DECLINED;
}


/* a refusal is to outlive every copy that Redis may still have */

static uint64_t
ngx_counters_refusal_span(ngx_counters_zone_t *zone)
{
    return 2 * (uint64_t) ngx_max(zone->conf.stale, zone->conf.error)
           + NGX_COUNTERS_REMEMBER;
}


static ngx_uint_t
ngx_counters_outlived(ngx_counters_zone_t *zone, ngx_counters_node_t *e,
    uint64_t now)
{
    uint64_t  span, last;

    if (e->state != NGX_COUNTERS_IDLE) {
        return 0;
    }

    span = ngx_max(zone->conf.stale, zone->conf.error);

    if (e->kind == NGX_COUNTERS_DATA) {
        return now > e->fetched + e->ttl + span;
    }

    if (e->kind != NGX_COUNTERS_EMPTY && now < e->fetched + e->ttl) {
        return 0;
    }

    if (e->refused
        && now < e->refused + ngx_counters_refusal_span(zone))
    {
        return 0;
    }

    last = ngx_max(e->since, e->retry);

    return now > last + NGX_COUNTERS_REMEMBER;
}


static ngx_uint_t
ngx_counters_expire_list_locked(ngx_counters_zone_t *zone, ngx_queue_t *list,
    uint64_t now, ngx_uint_t n)
{
    ngx_uint_t            dropped;
    ngx_queue_t          *q;
    ngx_counters_node_t  *e;

    dropped = 0;

    for (q = ngx_queue_last(list);
         n && q != ngx_queue_sentinel(list);
         n--)
    {
        e = ngx_queue_data(q, ngx_counters_node_t, lru);
        q = ngx_queue_prev(q);

        if (ngx_counters_outlived(zone, e, now)) {
            ngx_counters_delete_locked(zone, e, now);
            dropped++;
        }
    }

    if (dropped) {
        ngx_atomic_fetch_add(&zone->sh->stats[0][NGX_COUNTERS_STAT_EXPIRED],
                             dropped);
    }

    return dropped;
}


static void
ngx_counters_expire_creds_locked(ngx_counters_zone_t *zone, uint64_t now,
    ngx_uint_t n)
{
    uint64_t                   span;
    ngx_queue_t               *q;
    ngx_counters_cred_node_t  *cred;

    span = ngx_max(ngx_counters_refusal_span(zone), NGX_COUNTERS_CRED_KEEP);

    while (n-- && !ngx_queue_empty(&zone->sh->idle)) {

        q = ngx_queue_last(&zone->sh->idle);
        cred = ngx_queue_data(q, ngx_counters_cred_node_t, idle);

        if (now <= cred->used + span) {
            return;
        }

        ngx_counters_delete_cred_locked(zone, cred);
    }
}


/*
 * The clock has been set back.  Times that lie ahead would hold refreshes up,
 * and keep answers fresh, until it has caught up with them.
 */

static void
ngx_counters_rewind_locked(ngx_counters_zone_t *zone, uint64_t now)
{
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;

    sh->hold_until = ngx_min(sh->hold_until, now);
    sh->probe = ngx_min(sh->probe, now);
    sh->recovered = ngx_min(sh->recovered, now);
    sh->offered = ngx_min(sh->offered, now);
    sh->busy_until = ngx_min(sh->busy_until, now);
    sh->since = ngx_min(sh->since, now);

    sh->fade.since = ngx_min(sh->fade.since, now);
    sh->fade.next = ngx_min(sh->fade.next, now);

    sh->tasks.lease = ngx_min(sh->tasks.lease, now);
    sh->tasks.first = ngx_min(sh->tasks.first, now);
    sh->tasks.last = ngx_min(sh->tasks.last, now);
    sh->tasks.hold = ngx_min(sh->tasks.hold, now);

    ngx_counters_rewind_list_locked(zone, &sh->lru, now);
    ngx_counters_rewind_list_locked(zone, &sh->bare, now);
    ngx_counters_rewind_creds_locked(zone, sh->creds.root, now);
}


static void
ngx_counters_rewind_list_locked(ngx_counters_zone_t *zone, ngx_queue_t *list,
    uint64_t now)
{
    ngx_queue_t          *q;
    ngx_counters_node_t  *e;

    for (q = ngx_queue_head(list);
         q != ngx_queue_sentinel(list);
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_counters_node_t, lru);

        /* how old data is cannot be known any more: it is stale */

        if (e->fetched > now) {
            e->fetched = now;
            e->marked = (e->kind == NGX_COUNTERS_DATA) ? now - 1 : 0;
        }

        e->marked = ngx_min(e->marked, now);
        e->asked = ngx_min(e->asked, now);
        e->since = ngx_min(e->since, now);
        e->lease = ngx_min(e->lease, now + zone->conf.timeout);
        e->failed = ngx_min(e->failed, now);
        e->retry = ngx_min(e->retry, now);
        e->refused = ngx_min(e->refused, now);
    }
}


static void
ngx_counters_rewind_creds_locked(ngx_counters_zone_t *zone,
    ngx_rbtree_node_t *node, uint64_t now)
{
    ngx_uint_t                 i;
    ngx_counters_cred_node_t  *cred;

    if (node == zone->sh->creds.sentinel) {
        return;
    }

    cred = (ngx_counters_cred_node_t *) node;

    cred->used = ngx_min(cred->used, now);
    cred->accepted = ngx_min(cred->accepted, now);
    cred->refused = ngx_min(cred->refused, now);

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        cred->hold[i] = ngx_min(cred->hold[i], now);
    }

    ngx_counters_rewind_creds_locked(zone, node->left, now);
    ngx_counters_rewind_creds_locked(zone, node->right, now);
}


void
ngx_counters_zone_expire(ngx_counters_zone_t *zone, uint64_t now,
    ngx_uint_t n)
{
    ngx_counters_lock(zone);

    if (now + NGX_COUNTERS_LAG < zone->sh->clock) {
        ngx_counters_rewind_locked(zone, now);
    }

    zone->sh->clock = now;

    (void) ngx_counters_expire_list_locked(zone, &zone->sh->lru, now, n);
    (void) ngx_counters_expire_list_locked(zone, &zone->sh->bare, now, n);
    ngx_counters_expire_creds_locked(zone, now, n);

    ngx_counters_unlock(zone);
}


ngx_uint_t
ngx_counters_zone_purge(ngx_counters_zone_t *zone, uint64_t *user,
    uint64_t *group, ngx_uint_t soft, uint64_t now)
{
    ngx_uint_t  n;

    ngx_counters_lock(zone);

    n = ngx_counters_purge_list_locked(zone, &zone->sh->lru, user, group,
                                       soft, now);
    n += ngx_counters_purge_list_locked(zone, &zone->sh->bare, user, group,
                                        soft, now);

    ngx_counters_unlock(zone);

    return n;
}


static ngx_uint_t
ngx_counters_purge_list_locked(ngx_counters_zone_t *zone, ngx_queue_t *list,
    uint64_t *user, uint64_t *group, ngx_uint_t soft, uint64_t now)
{
    ngx_uint_t            n, data;
    ngx_queue_t          *q, *next;
    ngx_counters_node_t  *e;

    n = 0;

    for (q = ngx_queue_head(list); q != ngx_queue_sentinel(list); q = next) {

        next = ngx_queue_next(q);
        e = ngx_queue_data(q, ngx_counters_node_t, lru);

        if ((user && e->user != *user) || (group && e->group != *group)) {
            continue;
        }

        data = (e->kind == NGX_COUNTERS_DATA);

        if (data && e->fetched > now) {
            continue;
        }

        /* what is on its way was asked for before: it comes in stale */

        e->marked = now;

        if (!soft) {
            ngx_counters_clear_locked(zone, e);
            e->marked = (e->state == NGX_COUNTERS_IDLE) ? 0 : now;
        }

        n += data;
    }

    return n;
}


/* statistics */


void
ngx_counters_zone_count(ngx_counters_zone_t *zone, ngx_uint_t slot,
    ngx_counters_stat_e stat, ngx_uint_t n)
{
    ngx_atomic_t  *row;

    row = zone->sh->stats[slot % NGX_COUNTERS_STAT_ROWS];

    (void) ngx_atomic_fetch_add(&row[stat], n);
}


void
ngx_counters_zone_state(ngx_counters_zone_t *zone, uint64_t now,
    ngx_counters_zone_state_t *state)
{
    uint32_t                 span;
    ngx_uint_t               i, n, idle;
    ngx_queue_t             *q;
    ngx_counters_node_t     *e;
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;
    span = zone->conf.ahead ? zone->conf.ahead : NGX_COUNTERS_ACTIVE;

    ngx_memzero(state, sizeof(ngx_counters_zone_state_t));

    for (i = 0; i < NGX_COUNTERS_STAT_ROWS; i++) {
        for (n = 0; n < NGX_COUNTERS_STAT_COUNT; n++) {
            state->stats[n] += sh->stats[i][n];
        }
    }

    state->size = zone->shpool->end - (u_char *) zone->shpool;
    state->since = sh->since;

    ngx_counters_lock(zone);

    state->entries = sh->nentries;
    state->creds = sh->ncreds;
    state->flying = sh->nflying;
    state->failures = sh->failures;
    state->free = zone->shpool->pfree * ngx_pagesize;
    state->level = ngx_counters_bucket_level(&sh->bucket, &zone->conf.bucket,
                                             now);
    state->hold = ngx_counters_hold_locked(zone, NULL, NULL, 0, now,
                                           &state->hold_until);

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        state->queued[i] = sh->nqueued[i];
    }

    /* a late refresh brings an entry to the front too */

    for (q = ngx_queue_head(&sh->lru), idle = 0;
         q != ngx_queue_sentinel(&sh->lru) && idle < NGX_COUNTERS_EVICT;
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_counters_node_t, lru);

        if (e->asked + span + NGX_COUNTERS_TOUCH < now) {
            idle++;
            continue;
        }

        idle = 0;
        state->active++;
    }

    ngx_counters_unlock(zone);
}
