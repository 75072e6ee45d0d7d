
/*
 * Copyright (C) The nginx counters module authors
 *
 * Finding, linking and removing: the entries of the zone, and the credentials
 * that own them.  Nothing is allocated here.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_table.h"


static ngx_int_t ngx_counters_table_cmp(ngx_counters_entry_t *e,
    ngx_counters_key_t *key);
static void ngx_counters_table_insert_entry(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_counters_table_insert_cred(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);


void
ngx_counters_table_init(ngx_counters_zone_sh_t *sh)
{
    ngx_rbtree_init(&sh->entries, &sh->entries_sentinel,
                    ngx_counters_table_insert_entry);
    ngx_rbtree_init(&sh->creds, &sh->creds_sentinel,
                    ngx_counters_table_insert_cred);
}


ngx_counters_entry_t *
ngx_counters_table_find_locked(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key)
{
    uint32_t               hash;
    ngx_int_t              rc;
    ngx_rbtree_node_t     *node, *sentinel;
    ngx_counters_entry_t  *e;

    hash = ngx_counters_key_hash(key);

    node = zone->sh->entries.root;
    sentinel = zone->sh->entries.sentinel;

    while (node != sentinel) {

        if (hash != node->key) {
            node = (hash < node->key) ? node->left : node->right;
            continue;
        }

        e = (ngx_counters_entry_t *) node;

        rc = ngx_counters_table_cmp(e, key);

        if (rc == 0) {
            return e;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


/* the whole key, so that no collision of hashes mixes two entries */

static ngx_int_t
ngx_counters_table_cmp(ngx_counters_entry_t *e, ngx_counters_key_t *key)
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
ngx_counters_table_key_locked(ngx_counters_entry_t *e, ngx_counters_key_t *key)
{
    ngx_counters_call_t  call;

    call.method = e->method;
    call.type = e->type;
    call.user = e->user;
    call.group = e->group;

    ngx_counters_key_make(key, e->cred->digest, &call);
}


void
ngx_counters_table_link_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e)
{
    ngx_queue_insert_tail(&e->cred->entries, &e->siblings);
    ngx_queue_insert_head(&zone->sh->bare, &e->lru);
    ngx_counters_tree_insert(&zone->sh->entries, &e->node,
                             ngx_counters_table_insert_entry);
    zone->sh->nentries++;
}


static void
ngx_counters_table_insert_entry(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t   **p;
    ngx_counters_key_t    key;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            ngx_counters_table_key_locked((ngx_counters_entry_t *) node, &key);

            p = (ngx_counters_table_cmp((ngx_counters_entry_t *) temp, &key)
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


void
ngx_counters_table_delete_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;
    cred = e->cred;

    ngx_counters_state_release_locked(zone, e);
    ngx_counters_table_clear_locked(zone, e);

    ngx_queue_remove(&e->lru);
    ngx_queue_remove(&e->siblings);
    ngx_rbtree_delete(&sh->entries, &e->node);
    ngx_slab_free_locked(zone->shpool, e);
    sh->nentries--;

    ngx_counters_table_leave_locked(zone, cred, now);
}


void
ngx_counters_table_clear_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e)
{
    if (e->blob) {
        ngx_counters_table_leave_headers_locked(zone, e->blob->headers);
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


void
ngx_counters_table_leave_headers_locked(ngx_counters_zone_t *zone,
    ngx_counters_headers_t *headers)
{
    if (--headers->refs == 0) {
        ngx_queue_remove(&headers->queue);
        ngx_slab_free_locked(zone->shpool, headers);
    }
}


ngx_counters_cred_node_t *
ngx_counters_table_find_cred_locked(ngx_counters_zone_t *zone,
    const u_char *digest)
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


void
ngx_counters_table_link_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred)
{
    ngx_queue_insert_head(&zone->sh->idle, &cred->idle);
    ngx_counters_tree_insert(&zone->sh->creds, &cred->node,
                             ngx_counters_table_insert_cred);
    zone->sh->ncreds++;
}


static void
ngx_counters_table_insert_cred(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
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


/* for as long as it has entries it is not idle, and stays */

void
ngx_counters_table_join_locked(ngx_counters_cred_node_t *cred)
{
    if (cred->nentries++ == 0) {
        ngx_queue_remove(&cred->idle);
    }
}


void
ngx_counters_table_leave_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, uint64_t now)
{
    if (--cred->nentries) {
        return;
    }

    cred->used = now;
    ngx_queue_insert_head(&zone->sh->idle, &cred->idle);

    if (cred->accepted == 0 && cred->refused == 0) {
        ngx_counters_table_delete_cred_locked(zone, cred);
    }
}


void
ngx_counters_table_delete_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred)
{
    ngx_queue_remove(&cred->idle);
    ngx_rbtree_delete(&zone->sh->creds, &cred->node);
    ngx_slab_free_locked(zone->shpool, cred);
    zone->sh->ncreds--;
}
