
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_mask_text.h"

#include <strings.h>


static int ngx_counters_mask_text_rest(unsigned char *p, unsigned char *end);
static unsigned ngx_counters_mask_text_word(unsigned char *start,
    unsigned char *p, unsigned char *end);
static unsigned char *ngx_counters_mask_text_secret(unsigned char *p,
    unsigned char *end, const ngx_counters_str_t *s);
static int ngx_counters_mask_text_hex(unsigned char ch);


/* lower case; an underscore stands for what PHP turns into one, too */

static const ngx_counters_str_t  ngx_counters_mask_text_secrets[] = {
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


unsigned
ngx_counters_mask_text_scan(unsigned char *p, unsigned char *end)
{
    unsigned        found;
    unsigned char  *start;

    found = 0;

    for (start = p; p < end; p++) {

        if (ngx_counters_mask_text_rest(p, end)) {
            found |= NGX_COUNTERS_MASK_TEXT_URL;
        }

        found |= ngx_counters_mask_text_word(start, p, end);
    }

    return found;
}


/* /rest/ at p; a slash may be written \/, as JSON does */

static int
ngx_counters_mask_text_rest(unsigned char *p, unsigned char *end)
{
    return end - p > 5
           && (p[0] == '/' || p[0] == '\\')
           && strncasecmp((char *) p + 1, "rest", 4) == 0
           && (p[5] == '/' || p[5] == '\\');
}


/*
 * The secrets' names at p.  Inside a longer word a name counts only when a
 * value follows: rather mask "unicode=" than miss "x5Fauth=".
 */

static unsigned
ngx_counters_mask_text_word(unsigned char *start, unsigned char *p,
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
    word = p == start || !ngx_counters_mask_text_alnum(p[-1]);

    for (s = ngx_counters_mask_text_secrets; s->len; s++) {

        last = ngx_counters_mask_text_secret(p, end, s);

        if (last == NULL
            || (last < end && ngx_counters_mask_text_alnum(*last)))
        {
            continue;
        }

        if (word) {
            found |= NGX_COUNTERS_MASK_TEXT_NAME;

            if (last < end && *last == '[') {
                found |= NGX_COUNTERS_MASK_TEXT_LIST;
            }
        }

        while (last < end && memchr("]\"' \t\\", *last, 6)) {
            last++;
        }

        if (last < end && (*last == '=' || *last == ':')) {
            found |= NGX_COUNTERS_MASK_TEXT_PAIR;
        }
    }

    return found;
}


/* the end of the name "s" at p, NULL if something else stands there */

static unsigned char *
ngx_counters_mask_text_secret(unsigned char *p, unsigned char *end,
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


size_t
ngx_counters_mask_text_decode(unsigned char *p, size_t len)
{
    int     ch;
    size_t  i, n;

    n = 0;

    for (i = 0; i < len; i++) {
        ch = ngx_counters_mask_text_escaped(&p[i], p + len);

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
ngx_counters_mask_text_escaped(const unsigned char *p,
    const unsigned char *end)
{
    int  hi, lo;

    if (*p != '%' || end - p < 3) {
        return -1;
    }

    hi = ngx_counters_mask_text_hex(p[1]);
    lo = ngx_counters_mask_text_hex(p[2]);

    return (hi >= 0 && lo >= 0) ? (hi << 4 | lo) : -1;
}


static int
ngx_counters_mask_text_hex(unsigned char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}


int
ngx_counters_mask_text_alnum(unsigned char ch)
{
    return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z')
           || (ch >= 'A' && ch <= 'Z') || ch == '_';
}


unsigned char *
ngx_counters_mask_text_stars(unsigned char *out)
{
    memcpy(out, "***", 3);

    return out + 3;
}


unsigned char *
ngx_counters_mask_text_escape(unsigned char *out, unsigned char *p,
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
