
/*
 * Copyright (C) The nginx counters module authors
 *
 * Lists in the zone: as ngx_queue_t, but half its size, and what changes is
 * saved first.  The links are in units of 8 bytes from the zone's begin; 0 is
 * no link: the item is in no list.  The lock is held.
 */


#ifndef _NGX_COUNTERS_LIST_H_INCLUDED_
#define _NGX_COUNTERS_LIST_H_INCLUDED_


#include "ngx_counters_edit.h"


#define ngx_counters_list_at(zone, ref)                                       \
    ((ngx_counters_link_t *) ((u_char *) (zone)->sh + (size_t) (ref) * 8))

#define ngx_counters_list_ref(zone, link)                                     \
    ((uint32_t) (((u_char *) (link) - (u_char *) (zone)->sh) / 8))

#define ngx_counters_list_head(zone, list)                                    \
    ngx_counters_list_at(zone, (list)->next)

#define ngx_counters_list_last(zone, list)                                    \
    ngx_counters_list_at(zone, (list)->prev)

#define ngx_counters_list_next(zone, link)  ngx_counters_list_head(zone, link)
#define ngx_counters_list_prev(zone, link)  ngx_counters_list_last(zone, link)

#define ngx_counters_list_empty(zone, list)                                   \
    ((list)->next == ngx_counters_list_ref(zone, list))

#define ngx_counters_list_in(link)  ((link)->next != 0)

#define ngx_counters_list_data(link, type, member)                            \
    ((type *) ((u_char *) (link) - offsetof(type, member)))


/* of memory that is saved, or not yet in use */

static ngx_inline void
ngx_counters_list_init(ngx_counters_zone_t *zone, ngx_counters_link_t *list)
{
    list->prev = ngx_counters_list_ref(zone, list);
    list->next = list->prev;
}


/* after "prev" */

static ngx_inline void
ngx_counters_list_insert(ngx_counters_zone_t *zone, ngx_counters_link_t *prev,
    ngx_counters_link_t *link)
{
    ngx_counters_link_t  *next;

    next = ngx_counters_list_next(zone, prev);

    ngx_counters_edit_save_locked(zone, prev, sizeof(ngx_counters_link_t));
    ngx_counters_edit_save_locked(zone, next, sizeof(ngx_counters_link_t));
    ngx_counters_edit_save_locked(zone, link, sizeof(ngx_counters_link_t));

    link->prev = ngx_counters_list_ref(zone, prev);
    link->next = ngx_counters_list_ref(zone, next);
    next->prev = ngx_counters_list_ref(zone, link);
    prev->next = next->prev;
}


#define ngx_counters_list_insert_head(zone, list, link)                       \
    ngx_counters_list_insert(zone, list, link)

#define ngx_counters_list_insert_tail(zone, list, link)                       \
    ngx_counters_list_insert(zone, ngx_counters_list_last(zone, list), link)


static ngx_inline void
ngx_counters_list_remove(ngx_counters_zone_t *zone, ngx_counters_link_t *link)
{
    ngx_counters_link_t  *prev, *next;

    prev = ngx_counters_list_prev(zone, link);
    next = ngx_counters_list_next(zone, link);

    ngx_counters_edit_save_locked(zone, prev, sizeof(ngx_counters_link_t));
    ngx_counters_edit_save_locked(zone, next, sizeof(ngx_counters_link_t));
    ngx_counters_edit_save_locked(zone, link, sizeof(ngx_counters_link_t));

    prev->next = link->next;
    next->prev = link->prev;
    link->prev = 0;
    link->next = 0;
}


#endif /* _NGX_COUNTERS_LIST_H_INCLUDED_ */
