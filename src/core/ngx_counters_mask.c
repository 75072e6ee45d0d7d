
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


static unsigned char *ngx_counters_mask_path(unsigned char *out,
    const ngx_counters_str_t *path);
static unsigned char *ngx_counters_mask_segments(unsigned char *out,
    unsigned char *p, unsigned char *end);
static int ngx_counters_mask_rest(unsigned char *p, unsigned char *end);
static int ngx_counters_mask_plain(const ngx_counters_str_t *s);
static int ngx_counters_mask_digits(const ngx_counters_str_t *s);
static int ngx_counters_mask_method(const ngx_counters_str_t *s);
static unsigned char *ngx_counters_mask_piece(unsigned char *out,
    unsigned char *p, unsigned char *end);
static unsigned ngx_counters_mask_look(unsigned char *scratch,
    unsigned char *p, unsigned char *end);
static size_t ngx_counters_mask_decode(unsigned char *p, size_t len);
static unsigned ngx_counters_mask_scan(unsigned char *p, unsigned char *end);
static unsigned ngx_counters_mask_word(unsigned char *start,
    unsigned char *p, unsigned char *end);
static unsigned char *ngx_counters_mask_secret(unsigned char *p,
    unsigned char *end, const ngx_counters_str_t *s);
static int ngx_counters_mask_hex(unsigned char ch);
static int ngx_counters_mask_alnum(unsigned char ch);
static unsigned char *ngx_counters_mask_stars(unsigned char *out);
static unsigned char *ngx_counters_mask_escape(unsigned char *out,
    unsigned char *p, unsigned char *end, const char *special);


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


/* methods without a dot in their names */

static const ngx_counters_str_t  ngx_counters_mask_methods[] = {
    ngx_counters_string("batch"),
    ngx_counters_string("profile"),
    ngx_counters_string("methods"),
    ngx_counters_string("scope"),
    { 0, NULL }
};


unsigned char *
ngx_counters_mask_uri(unsigned char *out, const ngx_counters_str_t *path,
    const ngx_counters_str_t *args)
{
    unsigned char  *p, *end, *last;

    if (path->len) {
        out = ngx_counters_mask_path(out, path);
    }

    if (args->len == 0) {
        return out;
    }

    *out++ = '?';

    p = args->data;
    last = p + args->len;

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

        if (p == last) {
            return out;
        }
    }
}


static unsigned char *
ngx_counters_mask_path(unsigned char *out, const ngx_counters_str_t *path)
{
    unsigned char  *p, *end;

    end = path->data + path->len;

    for (p = path->data; p < end; p++) {
        if (ngx_counters_mask_rest(p, end)) {
            p += sizeof("/rest") - 1;
            break;
        }
    }

    out = ngx_counters_mask_escape(out, path->data, p, "?#%");

    return ngx_counters_mask_segments(out, p, end);
}


/*
 * Behind the first /rest/.  Kept are the user's number and the method, if it
 * cannot be the code: the only segment, or the third or later one.
 */

static unsigned char *
ngx_counters_mask_segments(unsigned char *out, unsigned char *p,
    unsigned char *end)
{
    int                 api, keep;
    size_t              n, since;
    unsigned char      *rest;
    ngx_counters_str_t  s;

    api = 0;
    n = 0;
    since = 0;

    while (p < end) {

        if (*p == '/') {
            *out++ = *p++;
            continue;
        }

        s.data = p;

        while (p < end && *p != '/') {
            p++;
        }

        s.len = p - s.data;

        for (rest = p; rest < end && *rest == '/'; rest++) { /* void */ }

        n++;
        since++;

        if (n == 1 && s.len == 3
            && strncasecmp((char *) s.data, "api", 3) == 0)
        {
            /* version 3: the user follows */
            api = 1;
            n = 0;
            since = 0;
            keep = 1;

        } else if (n == 1 && ngx_counters_mask_digits(&s)) {
            keep = 1;

        } else if (rest < end) {
            keep = 0;

        } else if (n == 1) {
            keep = !api && ngx_counters_mask_plain(&s);

        } else {
            keep = n >= 3 && since != 2 && ngx_counters_mask_method(&s);
        }

        if (s.len == 4 && strncasecmp((char *) s.data, "rest", 4) == 0) {
            since = 0;
        }

        out = keep ? ngx_counters_mask_escape(out, s.data, p, "?#%")
                   : ngx_counters_mask_stars(out);
    }

    return out;
}


/* /rest/ at p; its second slash may be written \/, as JSON does */

static int
ngx_counters_mask_rest(unsigned char *p, unsigned char *end)
{
    if (end - p < 6 || *p != '/' || strncasecmp((char *) p, "/rest", 5) != 0) {
        return 0;
    }

    return p[5] == '/' || (p[5] == '\\' && end - p > 6 && p[6] == '/');
}


static int
ngx_counters_mask_plain(const ngx_counters_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (!ngx_counters_mask_alnum(s->data[i])
            && s->data[i] != '.' && s->data[i] != '-')
        {
            return 0;
        }
    }

    return 1;
}


static int
ngx_counters_mask_digits(const ngx_counters_str_t *s)
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
ngx_counters_mask_method(const ngx_counters_str_t *s)
{
    const ngx_counters_str_t  *m;

    if (!ngx_counters_mask_plain(s)) {
        return 0;
    }

    if (memchr(s->data, '.', s->len)) {
        return 1;
    }

    for (m = ngx_counters_mask_methods; m->len; m++) {
        if (s->len == m->len
            && strncasecmp((char *) s->data, (char *) m->data, m->len) == 0)
        {
            return 1;
        }
    }

    return 0;
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
        return ngx_counters_mask_escape(out, p, end, "#");
    }

    if (!(found & NGX_COUNTERS_MASK_NAME)) {
        found = ngx_counters_mask_look(out, eq + 1, end);
        found &= ~NGX_COUNTERS_MASK_NAME;
    }

    out = ngx_counters_mask_escape(out, p, eq, "#");
    *out++ = '=';

    if (eq + 1 == end) {
        return out;
    }

    return found ? ngx_counters_mask_stars(out)
                 : ngx_counters_mask_escape(out, eq + 1, end, "#");
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


/* in place; what is no valid sequence stays as it is */

static size_t
ngx_counters_mask_decode(unsigned char *p, size_t len)
{
    int     hi, lo;
    size_t  i, n;

    n = 0;

    for (i = 0; i < len; i++) {

        if (p[i] == '%' && len - i > 2) {
            hi = ngx_counters_mask_hex(p[i + 1]);
            lo = ngx_counters_mask_hex(p[i + 2]);

            if (hi >= 0 && lo >= 0) {
                p[n++] = (unsigned char) (hi << 4 | lo);
                i += 2;
                continue;
            }
        }

        p[n++] = (p[i] == '+') ? ' ' : p[i];
    }

    return n;
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


static int
ngx_counters_mask_hex(unsigned char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}


/* a byte of a word */

static int
ngx_counters_mask_alnum(unsigned char ch)
{
    return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z')
           || (ch >= 'A' && ch <= 'Z') || ch == '_';
}


static unsigned char *
ngx_counters_mask_stars(unsigned char *out)
{
    memcpy(out, "***", 3);

    return out + 3;
}


/* what is unsafe in any log, and the special characters */

static unsigned char *
ngx_counters_mask_escape(unsigned char *out, unsigned char *p,
    unsigned char *end, const char *special)
{
    static const char  hex[] = "0123456789ABCDEF";

    for ( /* void */ ; p < end; p++) {
        if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '\\'
            || strchr(special, *p))
        {
            *out++ = '%';
            *out++ = hex[*p >> 4];
            *out++ = hex[*p & 0xf];
            continue;
        }

        *out++ = *p;
    }

    return out;
}
