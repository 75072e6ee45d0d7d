
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_mask.h"

#include <strings.h>


/* how often a value may be encoded before it is masked unread */

#define NGX_COUNTERS_MASK_LEVELS  3

/* what a scan has found in a decoded text */

#define NGX_COUNTERS_MASK_NAME    0x1     /* a secret's name, as a word */
#define NGX_COUNTERS_MASK_PAIR    0x2     /* a secret's name, then = or : */
#define NGX_COUNTERS_MASK_LIST    0x4     /* a secret's name, then [ */
#define NGX_COUNTERS_MASK_URL     0x8     /* a path with /rest/ */


static unsigned char *ngx_counters_mask_args(unsigned char *out,
    unsigned char *p, unsigned char *last);
static int ngx_counters_mask_rest(unsigned char *p, unsigned char *end);
static unsigned char *ngx_counters_mask_piece(unsigned char *out,
    unsigned char *p, unsigned char *end);
static unsigned ngx_counters_mask_look(unsigned char *scratch,
    unsigned char *p, unsigned char *end);
static unsigned ngx_counters_mask_scan(unsigned char *p, unsigned char *end);
static unsigned ngx_counters_mask_word(unsigned char *start,
    unsigned char *p, unsigned char *end);
static unsigned char *ngx_counters_mask_secret(unsigned char *p,
    unsigned char *end, const ngx_counters_str_t *s);
static int ngx_counters_mask_hex(unsigned char ch);


/* lower case; an underscore stands for what PHP turns into one, too */

static const ngx_counters_str_t  ngx_counters_mask_secrets[] = {
    ngx_counters_string("auth"),
    ngx_counters_string("access_token"),
    ngx_counters_string("refresh_token"),
    ngx_counters_string("application_token"),
    ngx_counters_string("client_secret"),
    ngx_counters_string("code"),
    ngx_counters_string("sessid"),
    ngx_counters_string("password"),
    ngx_counters_string("token"),
    ngx_counters_string("secret"),
    ngx_counters_string("auth_id"),
    ngx_counters_string("refresh_id"),
    ngx_counters_string("app_sid"),
    { 0, NULL }
};


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

    return (end - fragment > 1) ? ngx_counters_mask_stars(out) : out;
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


/* /rest/ at p; a slash may be written \/, as JSON does */

static int
ngx_counters_mask_rest(unsigned char *p, unsigned char *end)
{
    return end - p > 5
           && (p[0] == '/' || p[0] == '\\')
           && strncasecmp((char *) p + 1, "rest", 4) == 0
           && (p[5] == '/' || p[5] == '\\');
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

    if (found & (NGX_COUNTERS_MASK_PAIR|NGX_COUNTERS_MASK_URL)) {
        return ngx_counters_mask_stars(out);
    }

    if (eq == NULL) {
        return ngx_counters_mask_escape(out, p, end);
    }

    if (!(found & NGX_COUNTERS_MASK_NAME)) {
        found = ngx_counters_mask_look(out, eq + 1, end);
        found &= ~NGX_COUNTERS_MASK_NAME;
    }

    out = ngx_counters_mask_escape(out, p, eq);
    *out++ = '=';

    if (eq + 1 == end) {
        return out;
    }

    return found ? ngx_counters_mask_stars(out)
                 : ngx_counters_mask_escape(out, eq + 1, end);
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
        left = ngx_counters_mask_decode(scratch, len);
        found |= ngx_counters_mask_scan(scratch, scratch + left);

        if (left == len) {
            return found;
        }

        len = left;
    }

    if (ngx_counters_mask_decode(scratch, len) != len) {
        found |= NGX_COUNTERS_MASK_PAIR;
    }

    return found;
}


size_t
ngx_counters_mask_decode(unsigned char *p, size_t len)
{
    int     ch;
    size_t  i, n;

    n = 0;

    for (i = 0; i < len; i++) {
        ch = ngx_counters_mask_escaped(&p[i], p + len);

        if (ch >= 0) {
            p[n++] = (unsigned char) ch;
            i += 2;
            continue;
        }

        p[n++] = (p[i] == '+') ? ' ' : p[i];
    }

    return n;
}


int
ngx_counters_mask_pair(unsigned char *p, unsigned char *end)
{
    return (ngx_counters_mask_scan(p, end) & NGX_COUNTERS_MASK_PAIR) != 0;
}


static unsigned
ngx_counters_mask_scan(unsigned char *p, unsigned char *end)
{
    unsigned        found;
    unsigned char  *start;

    found = 0;

    for (start = p; p < end; p++) {

        if (ngx_counters_mask_rest(p, end)) {
            found |= NGX_COUNTERS_MASK_URL;
        }

        found |= ngx_counters_mask_word(start, p, end);
    }

    return found;
}


/*
 * The secrets' names at p.  Inside a longer word a name counts only when a
 * value follows: rather mask "unicode=" than miss "x5Fauth=".
 */

static unsigned
ngx_counters_mask_word(unsigned char *start, unsigned char *p,
    unsigned char *end)
{
    unsigned                   found, word;
    unsigned char             *last;
    const ngx_counters_str_t  *s;

    /* the first letters of all the names, to be quick on other text */

    if (!memchr("acprst", *p | 0x20, 6)) {
        return 0;
    }

    found = 0;
    word = p == start || !ngx_counters_mask_alnum(p[-1]);

    for (s = ngx_counters_mask_secrets; s->len; s++) {

        last = ngx_counters_mask_secret(p, end, s);

        if (last == NULL || (last < end && ngx_counters_mask_alnum(*last))) {
            continue;
        }

        if (word) {
            found |= NGX_COUNTERS_MASK_NAME;

            if (last < end && *last == '[') {
                found |= NGX_COUNTERS_MASK_LIST;
            }
        }

        while (last < end && memchr("]\"' \t\\", *last, 6)) {
            last++;
        }

        if (last < end && (*last == '=' || *last == ':')) {
            found |= NGX_COUNTERS_MASK_PAIR;
        }
    }

    return found;
}


/* the end of the name "s" at p, NULL if something else stands there */

static unsigned char *
ngx_counters_mask_secret(unsigned char *p, unsigned char *end,
    const ngx_counters_str_t *s)
{
    size_t         i;
    unsigned char  ch;

    if ((size_t) (end - p) < s->len) {
        return NULL;
    }

    for (i = 0; i < s->len; i++) {
        ch = p[i];

        if (ch >= 'A' && ch <= 'Z') {
            ch |= 0x20;

        } else if (ch == '.' || ch == ' ' || ch == '[') {
            ch = '_';
        }

        if (ch != s->data[i]) {
            return NULL;
        }
    }

    return p + s->len;
}


int
ngx_counters_mask_escaped(const unsigned char *p, const unsigned char *end)
{
    int  hi, lo;

    if (*p != '%' || end - p < 3) {
        return -1;
    }

    hi = ngx_counters_mask_hex(p[1]);
    lo = ngx_counters_mask_hex(p[2]);

    return (hi >= 0 && lo >= 0) ? (hi << 4 | lo) : -1;
}


static int
ngx_counters_mask_hex(unsigned char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}


int
ngx_counters_mask_alnum(unsigned char ch)
{
    return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z')
           || (ch >= 'A' && ch <= 'Z') || ch == '_';
}


unsigned char *
ngx_counters_mask_stars(unsigned char *out)
{
    memcpy(out, "***", 3);

    return out + 3;
}


unsigned char *
ngx_counters_mask_escape(unsigned char *out, unsigned char *p,
    unsigned char *end)
{
    static const char  hex[] = "0123456789ABCDEF";

    for ( /* void */ ; p < end; p++) {
        if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '\\') {
            *out++ = '%';
            *out++ = hex[*p >> 4];
            *out++ = hex[*p & 0xf];
            continue;
        }

        *out++ = *p;
    }

    return out;
}
