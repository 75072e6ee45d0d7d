
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redirect.h"

#include <strings.h>


/* RFC 1035: as text, without the final dot */

#define NGX_COUNTERS_REDIRECT_HOST  253


typedef struct {
    int                 https;
    ngx_counters_str_t  host;    /* an IPv6 address with its brackets */
    ngx_counters_str_t  port;    /* digits, or empty */
    ngx_counters_str_t  rest;    /* all that follows */
} ngx_counters_origin_t;


static int ngx_counters_redirect_split(const ngx_counters_str_t *url,
    ngx_counters_origin_t *origin);
static size_t ngx_counters_redirect_host(unsigned char *p,
    unsigned char *last);
static size_t ngx_counters_redirect_port(unsigned char *p,
    unsigned char *last);
static int ngx_counters_redirect_family(const ngx_counters_str_t *portal,
    const ngx_counters_str_t *host);
static int ngx_counters_redirect_address(const ngx_counters_str_t *host);
static int ngx_counters_redirect_registry(const ngx_counters_str_t *parent);
static unsigned char *ngx_counters_redirect_copy(unsigned char *p,
    const ngx_counters_str_t *s);


/* under two-letter domains these belong to everybody: example.co.uk */

static const ngx_counters_str_t  ngx_counters_redirect_registries[] = {
    ngx_counters_string("ac"),
    ngx_counters_string("co"),
    ngx_counters_string("com"),
    ngx_counters_string("edu"),
    ngx_counters_string("gob"),
    ngx_counters_string("gov"),
    ngx_counters_string("ltd"),
    ngx_counters_string("mil"),
    ngx_counters_string("ne"),
    ngx_counters_string("net"),
    ngx_counters_string("or"),
    ngx_counters_string("org"),
    { 0, NULL }
};


int
ngx_counters_redirect(const ngx_counters_str_t *url,
    const ngx_counters_str_t *location, ngx_counters_str_t *base)
{
    size_t                            i;
    unsigned char                    *p;
    ngx_counters_origin_t             portal, target;
    static const ngx_counters_str_t   scheme = ngx_counters_string("https://");

    if (ngx_counters_redirect_split(url, &portal) != NGX_COUNTERS_OK
        || ngx_counters_redirect_split(location, &target) != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    if (!target.https
        || !ngx_counters_redirect_family(&portal.host, &target.host))
    {
        return NGX_COUNTERS_DECLINED;
    }

    p = ngx_counters_redirect_copy(base->data, &scheme);

    for (i = 0; i < target.host.len; i++) {
        if (target.host.data[i] >= 'A' && target.host.data[i] <= 'Z') {
            *p++ = target.host.data[i] | 0x20;

        } else {
            *p++ = target.host.data[i];
        }
    }

    if (target.port.len && !ngx_counters_str_eq(&target.port, "443", 3)) {
        *p++ = ':';
        p = ngx_counters_redirect_copy(p, &target.port);
    }

    p = ngx_counters_redirect_copy(p, &portal.rest);

    base->len = p - base->data;

    return NGX_COUNTERS_OK;
}


/*
 * Stricter than RFC 3986: no user, no escapes, no empty port.  What is not
 * understood to the letter is not followed.
 */

static int
ngx_counters_redirect_split(const ngx_counters_str_t *url,
    ngx_counters_origin_t *origin)
{
    unsigned char  *p, *last;

    p = url->data;
    last = p + url->len;

    if (url->len > 8 && strncasecmp((char *) p, "https://", 8) == 0) {
        origin->https = 1;
        p += 8;

    } else if (url->len > 7 && strncasecmp((char *) p, "http://", 7) == 0) {
        origin->https = 0;
        p += 7;

    } else {
        return NGX_COUNTERS_DECLINED;
    }

    origin->host.data = p;
    origin->host.len = ngx_counters_redirect_host(p, last);

    if (origin->host.len == 0) {
        return NGX_COUNTERS_DECLINED;
    }

    p += origin->host.len;

    origin->port.data = p;
    origin->port.len = 0;

    if (p < last && *p == ':') {
        p++;

        origin->port.data = p;
        origin->port.len = ngx_counters_redirect_port(p, last);

        if (origin->port.len == 0) {
            return NGX_COUNTERS_DECLINED;
        }

        p += origin->port.len;
    }

    if (p < last && *p != '/' && *p != '?' && *p != '#') {
        return NGX_COUNTERS_DECLINED;
    }

    origin->rest.data = p;
    origin->rest.len = last - p;

    return NGX_COUNTERS_OK;
}


/* the length of a host name or an address at p, 0 if there is none */

static size_t
ngx_counters_redirect_host(unsigned char *p, unsigned char *last)
{
    unsigned char  *start, c;

    start = p;

    if (p < last && *p == '[') {
        for (p++; p < last && *p != ']'; p++) {
            c = *p | 0x20;

            if (!((c >= 'a' && c <= 'f') || (*p >= '0' && *p <= '9')
                  || *p == ':' || *p == '.'))
            {
                return 0;
            }
        }

        if (p == last || p - start > 46) {
            return 0;
        }

        return p + 1 - start;
    }

    for ( /* void */ ; p < last; p++) {
        c = *p | 0x20;

        if (*p == '.') {
            if (p == start || p[-1] == '.') {
                return 0;
            }

            continue;
        }

        if (!((c >= 'a' && c <= 'z') || (*p >= '0' && *p <= '9')
              || *p == '-' || *p == '_'))
        {
            break;
        }
    }

    if (p == start || p[-1] == '.'
        || p - start > NGX_COUNTERS_REDIRECT_HOST)
    {
        return 0;
    }

    return p - start;
}


/* the length of a port number at p, 0 if there is none */

static size_t
ngx_counters_redirect_port(unsigned char *p, unsigned char *last)
{
    unsigned        port;
    unsigned char  *start;

    start = p;
    port = 0;

    while (p < last && *p >= '0' && *p <= '9') {
        port = port * 10 + (*p++ - '0');

        if (port == 0 || port > 65535) {
            return 0;
        }
    }

    return p - start;
}


/* the portal's own host, or one below the domain that the portal is in */

static int
ngx_counters_redirect_family(const ngx_counters_str_t *portal,
    const ngx_counters_str_t *host)
{
    unsigned char       *dot;
    ngx_counters_str_t   parent;

    if (host->len == portal->len
        && strncasecmp((char *) host->data, (char *) portal->data, host->len)
           == 0)
    {
        return 1;
    }

    if (ngx_counters_redirect_address(portal)) {
        return 0;
    }

    dot = memchr(portal->data, '.', portal->len);

    if (dot == NULL) {
        return 0;
    }

    parent.data = dot + 1;
    parent.len = portal->data + portal->len - parent.data;

    if (memchr(parent.data, '.', parent.len) == NULL
        || ngx_counters_redirect_registry(&parent))
    {
        return 0;
    }

    /* with the dot before it */

    parent.data--;
    parent.len++;

    return host->len > parent.len
           && strncasecmp((char *) host->data + host->len - parent.len,
                          (char *) parent.data, parent.len)
              == 0;
}


/* resolvers read 10.1, 0x7f.1 and 2130706433 as IPv4 addresses, too */

static int
ngx_counters_redirect_address(const ngx_counters_str_t *host)
{
    unsigned char  *p, *last;

    if (host->data[0] == '[') {
        return 1;
    }

    last = host->data + host->len;

    for (p = last; p > host->data && p[-1] != '.'; p--) { /* void */ }

    return *p >= '0' && *p <= '9';
}


/* the parent is as wide as a country's co or com */

static int
ngx_counters_redirect_registry(const ngx_counters_str_t *parent)
{
    size_t                     len;
    unsigned char             *dot;
    const ngx_counters_str_t  *registry;

    dot = memchr(parent->data, '.', parent->len);
    len = dot - parent->data;

    if (parent->len - len != sizeof(".uk") - 1) {
        return 0;
    }

    for (registry = ngx_counters_redirect_registries;
         registry->len;
         registry++)
    {
        if (registry->len == len
            && strncasecmp((char *) registry->data, (char *) parent->data, len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


static unsigned char *
ngx_counters_redirect_copy(unsigned char *p, const ngx_counters_str_t *s)
{
    memcpy(p, s->data, s->len);

    return p + s->len;
}
