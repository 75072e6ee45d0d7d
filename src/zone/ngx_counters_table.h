
/*
 * Copyright (C) The nginx counters module authors
 *
 * The entries and the credentials of a zone, by key, by user and by group.
 * The lock is held, unless a prototype says otherwise.  Nothing here makes
 * room; what is removed is freed.
 */


#ifndef _NGX_COUNTERS_TABLE_H_INCLUDED_
#define _NGX_COUNTERS_TABLE_H_INCLUDED_


#include "ngx_counters_shm.h"


/* of a zone that is made */

void ngx_counters_table_init(ngx_counters_zone_t *zone);

/* NULL: there is none */

ngx_counters_entry_t *ngx_counters_table_find_locked(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key);
ngx_counters_cred_node_t *ngx_counters_table_find_cred_locked(
    ngx_counters_zone_t *zone, const u_char *digest);

/* whether an entry of this credential, and of the key's hash, is the key's */

ngx_uint_t ngx_counters_table_is(ngx_counters_entry_t *e,
    ngx_counters_cred_node_t *cred, ngx_counters_key_t *key);

void ngx_counters_table_key_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_key_t *key);

/* the lists in which all entries of a user, or of a group, are among others */

ngx_counters_link_t *ngx_counters_table_users(ngx_counters_zone_t *zone,
    uint64_t user);
ngx_counters_link_t *ngx_counters_table_groups(ngx_counters_zone_t *zone,
    uint64_t group);

/*
 * Put what has its key, and is not there yet, into the tables and lists.  An
 * entry's credential has been joined before.
 */

void ngx_counters_table_link_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
void ngx_counters_table_link_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred);

/*
 * A credential stays for as long as entries have joined it.  One that is left
 * by the last, and of which nothing is worth remembering, is freed.
 */

void ngx_counters_table_join_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred);
void ngx_counters_table_leave_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, uint64_t now);

/* out of any state, and gone, with what they hold; only idle credentials */

void ngx_counters_table_delete_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
void ngx_counters_table_delete_cred_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred);

/* what the entry holds goes */

void ngx_counters_table_clear_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now);
void ngx_counters_table_leave_headers_locked(ngx_counters_zone_t *zone,
    uint32_t headers);

/* to the head of the list that it belongs to, as used latest */

void ngx_counters_table_place_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_uint_t listed, uint64_t now);


#endif /* _NGX_COUNTERS_TABLE_H_INCLUDED_ */
