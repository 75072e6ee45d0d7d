
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_cells.h"
#include "ngx_counters_evict.h"
#include "ngx_counters_fill.h"
#include "ngx_counters_table.h"
#include "ngx_counters_wheel.h"


/* looked at for the same header lines */
#define NGX_COUNTERS_HEADERS     4

/* while the lock is held: cells taken for an answer, others that go for it */
#define NGX_COUNTERS_FILL_CELLS  128
#define NGX_COUNTERS_FILL_EVICT  16


static ngx_uint_t ngx_counters_fill_cells_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft, uint32_t n, uint64_t now, ngx_uint_t *gone);
static uint32_t ngx_counters_fill_headers_locked(ngx_counters_zone_t *zone,
    ngx_str_t *lines, ngx_counters_fill_t *fill, uint64_t now);
static ngx_counters_headers_t *ngx_counters_fill_same_locked(
    ngx_counters_zone_t *zone, ngx_str_t *lines);
static void *ngx_counters_fill_record_locked(ngx_counters_zone_t *zone,
    void *keep, uint64_t now);
static uint64_t ngx_counters_fill_hash(ngx_str_t *body);


void
ngx_counters_fill_draft(ngx_counters_zone_t *zone, ngx_counters_fill_t *fill,
    ngx_counters_answer_in_t *answer, uint64_t now)
{
    ngx_uint_t  same;

    fill->headers = NULL;
    fill->body = ngx_counters_fill_copy(zone, &answer->body, now);

    if (fill->body == NULL) {
        return;
    }

    fill->etag = ngx_counters_fill_hash(&answer->body);

    ngx_counters_edit_lock(zone);
    same = (ngx_counters_fill_same_locked(zone, &answer->headers) != NULL);
    ngx_counters_edit_unlock(zone);

    if (!same) {
        fill->headers = ngx_counters_fill_copy(zone, &answer->headers, now);
    }
}


ngx_counters_draft_t *
ngx_counters_fill_copy(ngx_counters_zone_t *zone, ngx_str_t *data,
    uint64_t now)
{
    uint32_t               n;
    ngx_uint_t             took, gone;
    ngx_counters_draft_t  *draft;

    n = ngx_counters_cells_for(data->len);

    if (n > ngx_counters_cells_free(zone) && n > zone->sh->ncells / 4) {

        /* one answer must not turn the whole zone out */
        return NULL;
    }

    ngx_counters_edit_lock(zone);
    draft = ngx_counters_cells_draft_locked(zone);
    ngx_counters_edit_unlock(zone);

    if (draft == NULL) {
        return NULL;
    }

    while (n) {
        ngx_counters_edit_lock(zone);

        took = ngx_counters_fill_cells_locked(zone, draft, n, now, &gone);

        if (took == 0 && gone == 0) {
            ngx_counters_cells_drop_locked(zone, draft);
            draft = NULL;
            n = took;
        }

        ngx_counters_edit_unlock(zone);

        n -= took;
    }

    if (draft) {
        ngx_counters_cells_write(zone, draft->body, data);
    }

    return draft;
}


static ngx_uint_t
ngx_counters_fill_cells_locked(ngx_counters_zone_t *zone,
    ngx_counters_draft_t *draft, uint32_t n, uint64_t now, ngx_uint_t *gone)
{
    n = ngx_min(n, NGX_COUNTERS_FILL_CELLS);

    for (*gone = 0; *gone < NGX_COUNTERS_FILL_EVICT; (*gone)++) {

        if (ngx_counters_cells_free(zone) >= n
            || ngx_counters_evict_one_locked(zone, NULL, now) != NGX_OK)
        {
            break;
        }

        /* what is written into their cells cannot be undone */

        ngx_counters_edit_commit_locked(zone);
    }

    return ngx_counters_cells_extend_locked(zone, draft, n);
}


void
ngx_counters_fill_end_locked(ngx_counters_zone_t *zone,
    ngx_counters_fill_t *fill)
{
    if (fill->body) {
        ngx_counters_cells_drop_locked(zone, fill->body);
    }

    if (fill->headers) {
        ngx_counters_cells_drop_locked(zone, fill->headers);
    }
}


ngx_int_t
ngx_counters_fill_locked(ngx_counters_zone_t *zone, ngx_counters_entry_t *e,
    ngx_counters_answer_in_t *answer, ngx_counters_fill_t *fill, uint64_t now)
{
    uint32_t  headers;

    if (fill->body == NULL) {
        return NGX_ERROR;
    }

    headers = ngx_counters_fill_headers_locked(zone, &answer->headers, fill,
                                               now);
    if (headers == 0) {
        return NGX_ERROR;
    }

    ngx_counters_edit_entry(zone, e);
    ngx_counters_table_clear_locked(zone, e, now);

    e->body = ngx_counters_cells_done_locked(zone, fill->body);
    fill->body = NULL;

    e->headers = headers;
    e->len = answer->body.len;
    e->etag = fill->etag;
    e->kind = answer->kind;
    e->origin = answer->origin;
    e->status = answer->status;
    e->fetched = answer->fetched;
    e->ttl = answer->ttl;
    e->marked = 0;
    e->purges = zone->sh->fade.purges;

    zone->sh->vars.newest = ngx_max(zone->sh->vars.newest, e->fetched);

    ngx_counters_table_place_locked(zone, e, e->kind == NGX_COUNTERS_DATA,
                                    now);

    if (e->listed) {
        zone->sh->vars.ndata++;
        ngx_counters_wheel_insert_locked(zone, e);
    }

    return NGX_OK;
}


static uint32_t
ngx_counters_fill_headers_locked(ngx_counters_zone_t *zone, ngx_str_t *lines,
    ngx_counters_fill_t *fill, uint64_t now)
{
    ngx_counters_headers_t  *headers;

    headers = ngx_counters_fill_same_locked(zone, lines);

    if (headers) {
        ngx_counters_save_record(zone, headers);
        ngx_counters_list_remove(zone, &headers->queue);

    } else {
        if (fill->headers == NULL) {
            return 0;
        }

        headers = ngx_counters_fill_record_locked(zone, NULL, now);
        if (headers == NULL) {
            return 0;
        }

        headers->len = lines->len;
        headers->body = ngx_counters_cells_done_locked(zone, fill->headers);
        fill->headers = NULL;
    }

    headers->refs++;
    ngx_counters_list_insert_head(zone, &zone->sh->headers, &headers->queue);

    return ngx_counters_ref(zone, headers);
}


static ngx_counters_headers_t *
ngx_counters_fill_same_locked(ngx_counters_zone_t *zone, ngx_str_t *lines)
{
    ngx_uint_t               i;
    ngx_counters_link_t     *q;
    ngx_counters_headers_t  *headers;

    q = ngx_counters_list_head(zone, &zone->sh->headers);

    for (i = 0; i < NGX_COUNTERS_HEADERS && q != &zone->sh->headers; i++) {

        headers = ngx_counters_list_data(q, ngx_counters_headers_t, queue);

        if (headers->len == lines->len
            && ngx_counters_cells_same(zone, headers->body, lines))
        {
            return headers;
        }

        q = ngx_counters_list_next(zone, q);
    }

    return NULL;
}


ngx_counters_entry_t *
ngx_counters_fill_insert_locked(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, uint64_t now)
{
    ngx_counters_entry_t      *e;
    ngx_counters_cred_node_t  *cred;

    (void) ngx_counters_evict_expire_locked(zone, &zone->sh->lru, now, 1);
    (void) ngx_counters_evict_expire_locked(zone, &zone->sh->bare, now, 2);

    cred = ngx_counters_fill_cred_locked(zone, key->cred, now);
    if (cred == NULL) {
        return NULL;
    }

    /* counted first, so that making room cannot free it */

    ngx_counters_table_join_locked(zone, cred);

    e = ngx_counters_fill_record_locked(zone, NULL, now);
    if (e == NULL) {
        ngx_counters_table_leave_locked(zone, cred, now);
        return NULL;
    }

    e->hash = ngx_counters_key_hash(key);
    e->user = key->user;
    e->group = key->group;
    e->method = key->method;
    e->type = key->type;
    e->cred = ngx_counters_ref(zone, cred);

    zone->slots[ngx_counters_ref(zone, e)].asked = now / 1000;

    ngx_counters_table_link_locked(zone, e, now);

    return e;
}


ngx_counters_cred_node_t *
ngx_counters_fill_cred_locked(ngx_counters_zone_t *zone,
    const u_char *digest, uint64_t now)
{
    ngx_counters_cred_node_t  *cred;

    cred = ngx_counters_table_find_cred_locked(zone, digest);

    if (cred) {
        ngx_counters_save_record(zone, cred);

        if (cred->nentries == 0) {
            cred->used = now;
            ngx_counters_list_remove(zone, &cred->idle);
            ngx_counters_list_insert_head(zone, &zone->sh->idle,
                                          &cred->idle);
        }

        return cred;
    }

    cred = ngx_counters_fill_record_locked(zone, NULL, now);
    if (cred == NULL) {
        return NULL;
    }

    ngx_memcpy(cred->digest, digest, NGX_COUNTERS_DIGEST_LEN);

    cred->used = now;
    ngx_counters_list_init(zone, &cred->entries);

    ngx_counters_table_link_cred_locked(zone, cred);

    return cred;
}


ngx_counters_work_t *
ngx_counters_fill_work_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    ngx_counters_work_t  *work;

    if (e->work) {
        work = ngx_counters_work(zone, e);
        ngx_counters_save_record(zone, work);

        return work;
    }

    work = ngx_counters_fill_record_locked(zone, e, now);

    if (work) {
        ngx_counters_edit_entry(zone, e);

        e->work = ngx_counters_ref(zone, work);
        work->entry = ngx_counters_ref(zone, e);
    }

    return work;
}


ngx_counters_limits_t *
ngx_counters_fill_limits_locked(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, uint64_t now)
{
    ngx_counters_limits_t  *limits;

    if (cred->limits) {
        limits = ngx_counters_limits(zone, cred);
        ngx_counters_save_record(zone, limits);

        return limits;
    }

    limits = ngx_counters_fill_record_locked(zone, cred, now);

    if (limits) {
        ngx_counters_save_record(zone, cred);
        cred->limits = ngx_counters_ref(zone, limits);
    }

    return limits;
}


ngx_counters_turn_t *
ngx_counters_fill_turn_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, uint64_t now)
{
    ngx_uint_t                 i;
    ngx_counters_turn_t       *turn;
    ngx_counters_cred_node_t  *cred;

    cred = ngx_counters_cred(zone, e);

    if (cred->turn) {
        turn = ngx_counters_turn(zone, cred);
        ngx_counters_save_record(zone, turn);

        return turn;
    }

    turn = ngx_counters_fill_record_locked(zone, e, now);
    if (turn == NULL) {
        return NULL;
    }

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        ngx_counters_list_init(zone, &turn->pending[i]);
    }

    turn->cred = ngx_counters_ref(zone, cred);

    ngx_counters_save_record(zone, cred);
    cred->turn = ngx_counters_ref(zone, turn);

    return turn;
}


static void *
ngx_counters_fill_record_locked(ngx_counters_zone_t *zone, void *keep,
    uint64_t now)
{
    void        *record;
    ngx_uint_t   i;

    for (i = 0; i < NGX_COUNTERS_FILL_EVICT; i++) {

        record = ngx_counters_cells_take_locked(zone);
        if (record) {
            return record;
        }

        if (ngx_counters_evict_one_locked(zone, keep, now) != NGX_OK) {
            return NULL;
        }
    }

    return NULL;
}


/*
 * Tells the successive answers to one call apart: a lane of xxHash64.  Every
 * step is one to one in the word taken in and in the hash so far.
 */

static uint64_t
ngx_counters_fill_hash(ngx_str_t *body)
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

    return hash ^ hash >> 32;
}


void
ngx_counters_fill_etag(u_char *out, uint64_t etag)
{
    ngx_counters_key_hex(out, (u_char *) &etag, NGX_COUNTERS_ETAG_LEN / 2);
}
