
/*
 * Copyright (C) The nginx counters module authors
 *
 * Finding, adding and removing: the entries of the zone, and the credentials
 * that own them.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_table.h"


static void ngx_counters_table_lists(ngx_counters_zone_t *zone,
    ngx_counters_link_t *lists, ngx_uint_t n);
static uint32_t *ngx_counters_table_creds(ngx_counters_zone_t *zone,
    const u_char *digest);
static uint32_t ngx_counters_table_place(uint64_t n, uint32_t places);
static void ngx_counters_table_unlink_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e);


void
ngx_counters_table_init(ngx_counters_zone_t *zone)
{
    ngx_counters_zone_sh_t  *sh;

    sh = zone->sh;

    ngx_counters_list_init(zone, &sh->lru);
    ngx_counters_list_init(zone, &sh->bare);
    ngx_counters_list_init(zone, &sh->idle);
    ngx_counters_list_init(zone, &sh->headers);

    ngx_counters_table_lists(zone, sh->queue, NGX_COUNTERS_CLASSES);
    ngx_counters_table_lists(zone, sh->wheel, NGX_COUNTERS_WHEEL);
    ngx_counters_table_lists(zone, zone->users, sh->nlists);
    ngx_counters_table_lists(zone, zone->groups, sh->ngroups);
}


static void
ngx_counters_table_lists(ngx_counters_zone_t *zone,
    ngx_counters_link_t *lists, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        ngx_counters_list_init(zone, &lists[i]);
    }
}


ngx_counters_entry_t *
ngx_counters_table_find_locked(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key)
{
    uint32_t               hash, ref;
    ngx_counters_entry_t  *e;

    hash = ngx_counters_key_hash(key);
    ref = zone->buckets[ngx_counters_bucket_of(zone, hash)].entry;

    while (ref) {
        e = ngx_counters_cell(zone, ref);

        if (e->hash == hash
            && ngx_counters_table_is(e, ngx_counters_cred(zone, e), key))
        {
            return e;
        }

        ref = e->next;
    }

    return NULL;
}


/* the whole key, so that no collision of hashes mixes two entries */

ngx_uint_t
ngx_counters_table_is(ngx_counters_entry_t *e,
    ngx_counters_cred_node_t *cred, ngx_counters_key_t *key)
{
    return key->user == e->user
           && key->group == e->group
           && key->method == e->method
           && key->type == e->type
           && ngx_memcmp(key->cred, cred->digest, NGX_COUNTERS_DIGEST_LEN)
              == 0;
}


ngx_counters_cred_node_t *
ngx_counters_table_find_cred_locked(ngx_counters_zone_t *zone,
    const u_char *digest)
{
    uint32_t                   ref;
    ngx_counters_cred_node_t  *cred;

    ref = *ngx_counters_table_creds(zone, digest);

    while (ref) {
        cred = ngx_counters_cell(zone, ref);

        if (ngx_memcmp(digest, cred->digest, NGX_COUNTERS_DIGEST_LEN) == 0) {
            return cred;
        }

        ref = cred->next;
    }

    return NULL;
}


static uint32_t *
ngx_counters_table_creds(ngx_counters_zone_t *zone, const u_char *digest)
{
    uint64_t  n[NGX_COUNTERS_DIGEST_LEN / sizeof(uint64_t)];

    ngx_memcpy(n, digest, NGX_COUNTERS_DIGEST_LEN);

    n[0] ^= n[1] ^ n[2] ^ n[3];

    return &zone->creds[ngx_counters_table_place(n[0], zone->sh->nlists)];
}


ngx_counters_link_t *
ngx_counters_table_users(ngx_counters_zone_t *zone, uint64_t user)
{
    return &zone->users[ngx_counters_table_place(user, zone->sh->nlists)];
}


ngx_counters_link_t *
ngx_counters_table_groups(ngx_counters_zone_t *zone, uint64_t group)
{
    return &zone->groups[ngx_counters_table_place(group, zone->sh->ngroups)];
}


static uint32_t
ngx_counters_table_place(uint64_t n, uint32_t places)
{
    return ((n * 0x9e3779b97f4a7c15ULL >> 32) * places) >> 32;
}


void
ngx_counters_table_key_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_key_t *key)
{
    ngx_counters_call_t  call;

    call.method = e->method;
    call.type = e->type;
    call.user = e->user;
    call.group = e->group;

    ngx_counters_key_make(key, ngx_counters_cred(zone, e)->digest, &call);
}


void
ngx_counters_table_link_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    uint32_t                     bucket;
    ngx_counters_bucket_head_t  *head;

    bucket = ngx_counters_bucket_of(zone, e->hash);
    head = &zone->buckets[bucket];

    ngx_counters_edit_hide_locked(zone, bucket);
    ngx_counters_save_record(zone, &head->entry);

    e->next = head->entry;
    head->entry = ngx_counters_ref(zone, e);

    ngx_counters_list_insert_tail(zone, &ngx_counters_cred(zone, e)->entries,
                                  &e->siblings);
    ngx_counters_list_insert_head(zone,
                                  ngx_counters_table_users(zone, e->user),
                                  &e->users);

    if (e->group) {
        ngx_counters_list_insert_head(zone,
                                  ngx_counters_table_groups(zone, e->group),
                                  &e->groups);
    }

    ngx_counters_table_place_locked(zone, e, 0, now);

    zone->sh->vars.nentries++;
}


void
ngx_counters_table_delete_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    ngx_counters_cred_node_t  *cred;

    ngx_counters_edit_entry(zone, e);

    cred = ngx_counters_cred(zone, e);

    ngx_counters_state_release_locked(zone, e);
    ngx_counters_table_clear_locked(zone, e, now);

    ngx_counters_table_unlink_locked(zone, e);

    if (e->work) {
        ngx_counters_cells_give_locked(zone,
                                       ngx_counters_cell(zone, e->work));
    }

    ngx_counters_cells_give_locked(zone, e);
    zone->sh->vars.nentries--;

    ngx_counters_table_leave_locked(zone, cred, now);
}


static void
ngx_counters_table_unlink_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e)
{
    uint32_t               ref, *p;
    ngx_counters_entry_t  *other;

    ref = ngx_counters_ref(zone, e);
    p = &zone->buckets[ngx_counters_bucket_of(zone, e->hash)].entry;

    while (*p != ref) {
        other = ngx_counters_cell(zone, *p);
        p = &other->next;
    }

    ngx_counters_save_record(zone, p);
    *p = e->next;

    ngx_counters_list_remove(zone, &e->lru);
    ngx_counters_list_remove(zone, &e->siblings);
    ngx_counters_list_remove(zone, &e->users);

    if (e->group) {
        ngx_counters_list_remove(zone, &e->groups);
    }
}


void
ngx_counters_table_clear_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    ngx_counters_vars_t  *vars;

    vars = &zone->sh->vars;

    ngx_counters_edit_entry(zone, e);

    if (e->kind != NGX_COUNTERS_EMPTY) {
        ngx_counters_cells_give_chain_locked(zone, e->body);
        ngx_counters_table_leave_headers_locked(zone, e->headers);
    }

    if (ngx_counters_list_in(&e->age)) {
        ngx_counters_list_remove(zone, &e->age);
    }

    if (e->listed) {
        vars->ndata--;

        if (ngx_counters_dropped(zone, e) && vars->ndropped) {
            vars->ndropped--;
        }

        vars->ndropped = ngx_min(vars->ndropped, vars->ndata);

        ngx_counters_table_place_locked(zone, e, 0, now);
    }

    e->kind = NGX_COUNTERS_EMPTY;
    e->body = 0;
    e->len = 0;
    e->headers = 0;
    e->fetched = 0;
    e->ttl = 0;

    /* what is on its way to it may have been asked for before the mark */

    if (e->state == NGX_COUNTERS_IDLE) {
        e->marked = 0;
    }
}


void
ngx_counters_table_leave_headers_locked(ngx_counters_zone_t *zone,
    uint32_t ref)
{
    ngx_counters_headers_t  *headers;

    headers = ngx_counters_cell(zone, ref);
    ngx_counters_save_record(zone, headers);

    if (--headers->refs == 0) {
        ngx_counters_list_remove(zone, &headers->queue);
        ngx_counters_cells_give_chain_locked(zone, headers->body);
        ngx_counters_cells_give_locked(zone, headers);
    }
}


void
ngx_counters_table_place_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_uint_t listed, uint64_t now)
{
    /* nothing that readers see */

    ngx_counters_save_record(zone, e);

    if (ngx_counters_list_in(&e->lru)) {
        ngx_counters_list_remove(zone, &e->lru);
    }

    e->listed = (listed != 0);
    e->placed = now / 1000;

    ngx_counters_list_insert_head(zone, listed ? &zone->sh->lru
                                               : &zone->sh->bare,
                                  &e->lru);
}


void
ngx_counters_table_link_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred)
{
    uint32_t  *head;

    head = ngx_counters_table_creds(zone, cred->digest);

    ngx_counters_save_record(zone, head);

    cred->next = *head;
    *head = ngx_counters_ref(zone, cred);

    ngx_counters_list_insert_head(zone, &zone->sh->idle, &cred->idle);
    zone->sh->vars.ncreds++;
}


/* for as long as it has entries it is not idle, and stays */

void
ngx_counters_table_join_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred)
{
    ngx_counters_save_record(zone, cred);

    if (cred->nentries++ == 0) {
        ngx_counters_list_remove(zone, &cred->idle);
    }
}


void
ngx_counters_table_leave_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, uint64_t now)
{
    ngx_counters_save_record(zone, cred);

    if (--cred->nentries) {
        return;
    }

    cred->used = now;
    ngx_counters_list_insert_head(zone, &zone->sh->idle, &cred->idle);

    if (cred->accepted == 0 && cred->refused == 0) {
        ngx_counters_table_delete_cred_locked(zone, cred);
    }
}


void
ngx_counters_table_delete_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred)
{
    uint32_t                   ref, *p;
    ngx_counters_cred_node_t  *other;

    ref = ngx_counters_ref(zone, cred);
    p = ngx_counters_table_creds(zone, cred->digest);

    while (*p != ref) {
        other = ngx_counters_cell(zone, *p);
        p = &other->next;
    }

    ngx_counters_save_record(zone, p);
    *p = cred->next;

    ngx_counters_list_remove(zone, &cred->idle);

    /* whoever goes through its entries is at the end */

    while (!ngx_counters_list_empty(zone, &cred->entries)) {
        ngx_counters_list_remove(zone, ngx_counters_list_head(zone,
                                                          &cred->entries));
    }

    if (cred->limits) {
        ngx_counters_cells_give_locked(zone,
                                       ngx_counters_cell(zone, cred->limits));
    }

    ngx_counters_cells_give_locked(zone, cred);
    zone->sh->vars.ncreds--;
}
