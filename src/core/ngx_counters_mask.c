
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_mask.h"
#include "ngx_counters_mask_path.h"
#include "ngx_counters_mask_text.h"


/* how often a value may be encoded before it is masked unread */

#define NGX_COUNTERS_MASK_LEVELS  3


static unsigned char *ngx_counters_mask_args(unsigned char *out,
    unsigned char *p, unsigned char *last);
static unsigned char *ngx_counters_mask_piece(unsigned char *out,
    unsigned char *p, unsigned char *end);
static unsigned ngx_counters_mask_look(unsigned char *scratch,
    unsigned char *p, unsigned char *end);


unsigned char *
ngx_counters_mask_uri(unsigned char *out, const ngx_counters_str_t *uri)
{
    unsigned char  *p, *end, *fragment, *query;

    if (uri->len == 0) {
        return out;
    }

    p = uri->data;
    end = p + uri->len;

    fragment = memchr(p, '#', end - p);
    if (fragment == NULL) {
        fragment = end;
    }

    query = memchr(p, '?', fragment - p);
    if (query == NULL) {
        query = fragment;
    }

    out = ngx_counters_mask_path(out, p, query);

    if (query < fragment) {
        *out++ = '?';
        out = ngx_counters_mask_args(out, query + 1, fragment);
    }

    if (fragment < end) {
        *out++ = '#';
    }

    /* where OAuth's implicit grant has its token */

    return (end - fragment > 1) ? ngx_counters_mask_text_stars(out) : out;
}


static unsigned char *
ngx_counters_mask_args(unsigned char *out, unsigned char *p,
    unsigned char *last)
{
    unsigned char  *end;

    for ( ;; ) {
        end = memchr(p, '&', last - p);
        if (end == NULL) {
            end = last;
        }

        out = ngx_counters_mask_piece(out, p, end);

        if (end == last) {
            return out;
        }

        *out++ = '&';
        p = end + 1;
    }
}


/*
 * One name=value.  The bytes at "out" serve as scratch space first: at least
 * as many as the piece has are left there.
 */

static unsigned char *
ngx_counters_mask_piece(unsigned char *out, unsigned char *p,
    unsigned char *end)
{
    unsigned        found;
    unsigned char  *eq;

    eq = memchr(p, '=', end - p);

    found = ngx_counters_mask_look(out, p, eq ? eq : end);

    if (found & (NGX_COUNTERS_MASK_TEXT_PAIR|NGX_COUNTERS_MASK_TEXT_URL)) {
        return ngx_counters_mask_text_stars(out);
    }

    if (eq == NULL) {
        return ngx_counters_mask_text_escape(out, p, end);
    }

    if (!(found & NGX_COUNTERS_MASK_TEXT_NAME)) {
        found = ngx_counters_mask_look(out, eq + 1, end);
        found &= ~NGX_COUNTERS_MASK_TEXT_NAME;
    }

    out = ngx_counters_mask_text_escape(out, p, eq);
    *out++ = '=';

    if (eq + 1 == end) {
        return out;
    }

    return found ? ngx_counters_mask_text_stars(out)
                 : ngx_counters_mask_text_escape(out, eq + 1, end);
}


/* what stands in a text, however often it is encoded */

static unsigned
ngx_counters_mask_look(unsigned char *scratch, unsigned char *p,
    unsigned char *end)
{
    size_t    len, left;
    unsigned  i, found;

    len = end - p;
    memcpy(scratch, p, len);

    found = 0;

    for (i = 0; i < NGX_COUNTERS_MASK_LEVELS; i++) {
        left = ngx_counters_mask_text_decode(scratch, len);
        found |= ngx_counters_mask_text_scan(scratch, scratch + left);

        if (left == len) {
            return found;
        }

        len = left;
    }

    if (ngx_counters_mask_text_decode(scratch, len) != len) {
        found |= NGX_COUNTERS_MASK_TEXT_PAIR;
    }

    return found;
}
