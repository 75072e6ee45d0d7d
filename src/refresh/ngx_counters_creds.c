
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_creds.h"


typedef struct {
    ngx_rbtree_node_t      node;
    ngx_queue_t            queue;       /* head: needed latest */
    uint64_t               needed;      /* Unix milliseconds */
    ngx_uint_t             forever;     /* unsigned  forever:1 */
    u_char                 digest[NGX_COUNTERS_DIGEST_LEN];
    ngx_counters_cred_t    cred;
    u_char                 secret[1];
} ngx_counters_kept_t;


struct ngx_counters_creds_s {
    ngx_rbtree_t           rbtree;
    ngx_rbtree_node_t      sentinel;
    ngx_queue_t            queue;
    ngx_uint_t             n;
    ngx_uint_t             max;
    ngx_log_t             *log;
};


static ngx_counters_kept_t *ngx_counters_creds_lookup(
    ngx_counters_creds_t *creds, const u_char *digest);
static void ngx_counters_creds_let_go(ngx_counters_creds_t *creds,
    ngx_counters_kept_t *kept);


ngx_counters_creds_t *
ngx_counters_creds_create(ngx_uint_t max, ngx_log_t *log)
{
    ngx_counters_creds_t  *creds;

    creds = ngx_calloc(sizeof(ngx_counters_creds_t), log);
    if (creds == NULL) {
        return NULL;
    }

    /*
     * Digests are uniform and keyed: their first bytes do for the tree, and
     * equal ones are so rare that the later is simply not kept.
     */

    ngx_rbtree_init(&creds->rbtree, &creds->sentinel,
                    ngx_rbtree_insert_value);
    ngx_queue_init(&creds->queue);

    creds->max = max;
    creds->log = log;

    return creds;
}


void
ngx_counters_creds_destroy(ngx_counters_creds_t *creds)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&creds->queue)) {
        q = ngx_queue_head(&creds->queue);
        ngx_counters_creds_let_go(creds,
                             ngx_queue_data(q, ngx_counters_kept_t, queue));
    }

    ngx_free(creds);
}


ngx_int_t
ngx_counters_creds_keep(ngx_counters_creds_t *creds, const u_char *digest,
    const ngx_counters_cred_t *cred, uint64_t now, ngx_uint_t forever)
{
    ngx_queue_t          *q;
    ngx_counters_kept_t  *kept;

    kept = ngx_counters_creds_lookup(creds, digest);

    if (kept) {

        if (ngx_memcmp(kept->digest, digest, NGX_COUNTERS_DIGEST_LEN) != 0) {
            return NGX_ERROR;
        }

        kept->needed = now;
        ngx_queue_remove(&kept->queue);
        ngx_queue_insert_head(&creds->queue, &kept->queue);

        return NGX_OK;
    }

    if (creds->n >= creds->max) {
        q = ngx_queue_last(&creds->queue);
        kept = ngx_queue_data(q, ngx_counters_kept_t, queue);

        if (kept->forever) {

            /* the one such: whoever is behind it goes instead */

            ngx_queue_remove(q);
            ngx_queue_insert_head(&creds->queue, q);

            q = ngx_queue_last(&creds->queue);
            kept = ngx_queue_data(q, ngx_counters_kept_t, queue);
        }

        if (!kept->forever) {
            ngx_counters_creds_let_go(creds, kept);
        }
    }

    kept = ngx_alloc(sizeof(ngx_counters_kept_t) + cred->secret.len,
                     creds->log);
    if (kept == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(&kept->node.key, digest, sizeof(ngx_rbtree_key_t));
    ngx_memcpy(kept->digest, digest, NGX_COUNTERS_DIGEST_LEN);
    ngx_memcpy(kept->secret, cred->secret.data, cred->secret.len);

    kept->cred = *cred;
    kept->cred.secret.data = kept->secret;
    kept->needed = now;
    kept->forever = forever;

    ngx_rbtree_insert(&creds->rbtree, &kept->node);
    ngx_queue_insert_head(&creds->queue, &kept->queue);
    creds->n++;

    return NGX_OK;
}


const ngx_counters_cred_t *
ngx_counters_creds_find(ngx_counters_creds_t *creds, const u_char *digest)
{
    ngx_counters_kept_t  *kept;

    kept = ngx_counters_creds_lookup(creds, digest);

    if (kept == NULL
        || ngx_memcmp(kept->digest, digest, NGX_COUNTERS_DIGEST_LEN) != 0)
    {
        return NULL;
    }

    return &kept->cred;
}


ngx_uint_t
ngx_counters_creds_has(void *data, const u_char *digest)
{
    ngx_counters_creds_t *creds = data;

    return ngx_counters_creds_find(creds, digest) != NULL;
}


static ngx_counters_kept_t *
ngx_counters_creds_lookup(ngx_counters_creds_t *creds, const u_char *digest)
{
    ngx_rbtree_key_t    key;
    ngx_rbtree_node_t  *node, *sentinel;

    ngx_memcpy(&key, digest, sizeof(ngx_rbtree_key_t));

    node = creds->rbtree.root;
    sentinel = creds->rbtree.sentinel;

    while (node != sentinel) {

        if (key == node->key) {
            return (ngx_counters_kept_t *) node;
        }

        node = (key < node->key) ? node->left : node->right;
    }

    return NULL;
}


static void
ngx_counters_creds_let_go(ngx_counters_creds_t *creds,
    ngx_counters_kept_t *kept)
{
    ngx_rbtree_delete(&creds->rbtree, &kept->node);
    ngx_queue_remove(&kept->queue);
    creds->n--;

    ngx_explicit_memzero(kept->secret, kept->cred.secret.len);
    ngx_free(kept);
}


void
ngx_counters_creds_sweep(ngx_counters_creds_t *creds, uint64_t before,
    ngx_uint_t n, ngx_counters_creds_needed_pt needed, void *data)
{
    ngx_queue_t          *q, *prev;
    ngx_counters_kept_t  *kept;

    for (q = ngx_queue_last(&creds->queue);
         n && q != ngx_queue_sentinel(&creds->queue);
         q = prev, n--)
    {
        prev = ngx_queue_prev(q);
        kept = ngx_queue_data(q, ngx_counters_kept_t, queue);

        if (kept->needed >= before) {
            return;
        }

        if (kept->forever || needed(data, kept->digest)) {

            /* to the other end, so that the next sweep sees others */

            kept->needed = before;
            ngx_queue_remove(q);
            ngx_queue_insert_head(&creds->queue, q);
            continue;
        }

        ngx_counters_creds_let_go(creds, kept);
    }
}
