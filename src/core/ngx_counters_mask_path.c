
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_mask_path.h"
#include "ngx_counters_mask_text.h"

#include <strings.h>


/* no webhook's code is shorter */

#define NGX_COUNTERS_MASK_CODE    8


/* a path, segment by segment */

typedef struct {
    int                      named;     /* the last one is a method's name */
    int                      number;    /* there was a number */
    int                      rest;      /* there was a "rest" */
    int                      api;       /* then "api" */
    int                      hidden;    /* no telling what the others are */
    size_t                   n;         /* so many behind the first "rest" */
    size_t                   since;     /* and behind the last */
} ngx_counters_mask_walk_t;


static unsigned char *ngx_counters_mask_path_separators(unsigned char *p,
    unsigned char *end);
static size_t ngx_counters_mask_path_separator(unsigned char *p,
    unsigned char *end);
static unsigned char *ngx_counters_mask_path_segment(unsigned char *scratch,
    unsigned char *p, unsigned char *end, ngx_counters_str_t *s);
static int ngx_counters_mask_path_named(unsigned char *scratch,
    unsigned char *p, unsigned char *end);
static int ngx_counters_mask_path_before(ngx_counters_mask_walk_t *walk,
    const ngx_counters_str_t *s, int more);
static int ngx_counters_mask_path_behind(ngx_counters_mask_walk_t *walk,
    const ngx_counters_str_t *s, int more);
static int ngx_counters_mask_path_is(const ngx_counters_str_t *s,
    const char *name);
static int ngx_counters_mask_path_encoded(const ngx_counters_str_t *s);
static int ngx_counters_mask_path_plain(const ngx_counters_str_t *s);
static int ngx_counters_mask_path_digits(const ngx_counters_str_t *s);
static int ngx_counters_mask_path_method(const ngx_counters_str_t *s);


/* methods without a dot in their names */

static const ngx_counters_str_t  ngx_counters_mask_path_methods[] = {
    ngx_counters_string("batch"),
    ngx_counters_string("profile"),
    ngx_counters_string("methods"),
    ngx_counters_string("scope"),
    { 0, NULL }
};


unsigned char *
ngx_counters_mask_path(unsigned char *out, unsigned char *p,
    unsigned char *end)
{
    int                        keep, more;
    unsigned char             *last, *next;
    ngx_counters_str_t         s;
    ngx_counters_mask_walk_t   walk;

    memset(&walk, 0, sizeof(ngx_counters_mask_walk_t));

    next = ngx_counters_mask_path_separators(p, end);
    walk.named = ngx_counters_mask_path_named(out, next, end);

    for ( ;; ) {
        out = ngx_counters_mask_text_escape(out, p, next);

        if (next == end) {
            return out;
        }

        p = next;
        last = ngx_counters_mask_path_segment(out, p, end, &s);
        next = ngx_counters_mask_path_separators(last, end);
        more = (next < end);

        if (ngx_counters_mask_path_encoded(&s)) {
            walk.hidden = 1;
        }

        if (walk.hidden) {
            keep = 0;

        } else if (walk.rest) {
            keep = ngx_counters_mask_path_behind(&walk, &s, more);

        } else {
            keep = ngx_counters_mask_path_before(&walk, &s, more);
        }

        out = keep ? ngx_counters_mask_text_escape(out, p, last)
                   : ngx_counters_mask_text_stars(out);
        p = last;
    }
}


/* the end of the separators at p; a decoded slash is one to nginx */

static unsigned char *
ngx_counters_mask_path_separators(unsigned char *p, unsigned char *end)
{
    size_t  len;

    while (p < end) {
        len = ngx_counters_mask_path_separator(p, end);
        if (len == 0) {
            break;
        }

        p += len;
    }

    return p;
}


/* how long the separator at p is; 0 if there is none */

static size_t
ngx_counters_mask_path_separator(unsigned char *p, unsigned char *end)
{
    int  ch;

    if (*p == '/' || *p == '\\') {
        return 1;
    }

    ch = ngx_counters_mask_text_escaped(p, end);

    return (ch == '/' || ch == '\\') ? 3 : 0;
}


/* the end of the segment at p; what it says is written to "scratch" */

static unsigned char *
ngx_counters_mask_path_segment(unsigned char *scratch, unsigned char *p,
    unsigned char *end, ngx_counters_str_t *s)
{
    unsigned char  *last;

    for (last = p; last < end; last++) {
        if (ngx_counters_mask_path_separator(last, end)) {
            break;
        }
    }

    memcpy(scratch, p, last - p);

    s->data = scratch;
    s->len = ngx_counters_mask_text_decode(scratch, last - p);

    return last;
}


/* whether the last segment is the name of a method */

static int
ngx_counters_mask_path_named(unsigned char *scratch, unsigned char *p,
    unsigned char *end)
{
    int                 named;
    ngx_counters_str_t  s;

    named = 0;

    while (p < end) {
        p = ngx_counters_mask_path_segment(scratch, p, end, &s);
        p = ngx_counters_mask_path_separators(p, end);
        named = ngx_counters_mask_path_method(&s);
    }

    return named;
}


/*
 * Whether to keep a segment that is not behind /rest/.  A rewrite may put
 * that in front later: number, code, method are masked without it, too.
 */

static int
ngx_counters_mask_path_before(ngx_counters_mask_walk_t *walk,
    const ngx_counters_str_t *s, int more)
{
    if (more && ngx_counters_mask_path_is(s, "rest")) {
        walk->rest = 1;
        return 1;
    }

    if (ngx_counters_mask_path_digits(s)) {
        walk->number = 1;
        return 1;
    }

    if (walk->number && walk->named && more
        && s->len >= NGX_COUNTERS_MASK_CODE)
    {
        return 0;
    }

    return !(ngx_counters_mask_text_scan(s->data, s->data + s->len)
             & NGX_COUNTERS_MASK_TEXT_PAIR);
}


/*
 * The same behind the first /rest/.  Kept are the user's number and the
 * method, if it cannot be the code: the only segment, or the third or later
 * one.
 */

static int
ngx_counters_mask_path_behind(ngx_counters_mask_walk_t *walk,
    const ngx_counters_str_t *s, int more)
{
    if (s->len == 1 && s->data[0] == '.') {
        return 1;
    }

    if (s->len == 2 && s->data[0] == '.' && s->data[1] == '.') {
        /* which segments count is not known any more */
        walk->hidden = 1;
        return 1;
    }

    walk->n++;
    walk->since++;

    if (ngx_counters_mask_path_is(s, "rest")) {
        walk->since = 0;
    }

    if (walk->n == 1 && ngx_counters_mask_path_is(s, "api")) {
        /* version 3: the user follows */
        walk->api = 1;
        walk->n = 0;
        walk->since = 0;
        return 1;
    }

    if (walk->n == 1 && ngx_counters_mask_path_digits(s)) {
        return 1;
    }

    if (more) {
        return 0;
    }

    if (walk->n == 1) {
        return !walk->api && ngx_counters_mask_path_plain(s);
    }

    return walk->n >= 3 && walk->since != 2 && ngx_counters_mask_path_method(s);
}


static int
ngx_counters_mask_path_is(const ngx_counters_str_t *s, const char *name)
{
    return s->len == strlen(name)
           && strncasecmp((char *) s->data, name, s->len) == 0;
}


/* whether there is something left to decode */

static int
ngx_counters_mask_path_encoded(const ngx_counters_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (ngx_counters_mask_text_escaped(&s->data[i], s->data + s->len)
            >= 0)
        {
            return 1;
        }
    }

    return 0;
}


static int
ngx_counters_mask_path_plain(const ngx_counters_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (!ngx_counters_mask_text_alnum(s->data[i])
            && s->data[i] != '.' && s->data[i] != '-')
        {
            return 0;
        }
    }

    return 1;
}


static int
ngx_counters_mask_path_digits(const ngx_counters_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < '0' || s->data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


static int
ngx_counters_mask_path_method(const ngx_counters_str_t *s)
{
    const ngx_counters_str_t  *m;

    if (!ngx_counters_mask_path_plain(s)) {
        return 0;
    }

    if (memchr(s->data, '.', s->len)) {
        return 1;
    }

    for (m = ngx_counters_mask_path_methods; m->len; m++) {
        if (ngx_counters_mask_path_is(s, (char *) m->data)) {
            return 1;
        }
    }

    return 0;
}
