
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_http_counters_url.h"


static char *ngx_http_counters_url_authority(u_char *p, u_char *last,
    ngx_http_counters_url_t *url);
static ngx_int_t ngx_http_counters_url_host(ngx_str_t *host);
static char *ngx_http_counters_url_prefix(ngx_str_t *path);
static char *ngx_http_counters_url_build(ngx_conf_t *cf,
    ngx_http_counters_url_t *url, ngx_str_t *base);
static void ngx_http_counters_url_error(ngx_conf_t *cf, ngx_str_t *text,
    char *reason);


char *
ngx_http_counters_url_parse(ngx_str_t *text, ngx_http_counters_url_t *url)
{
    u_char  *p, *last, *end;

    p = text->data;
    last = p + text->len;

    if (text->len > 8 && ngx_strncasecmp(p, (u_char *) "https://", 8) == 0) {
        url->https = 1;
        url->port = 443;
        p += 8;

    } else if (text->len > 7
               && ngx_strncasecmp(p, (u_char *) "http://", 7) == 0)
    {
        url->https = 0;
        url->port = 80;
        p += 7;

    } else {
        return "it must begin with http:// or https://";
    }

    if (ngx_strlchr(p, last, '?') || ngx_strlchr(p, last, '#')) {
        return "a query or a fragment is not allowed";
    }

    end = ngx_strlchr(p, last, '/');
    if (end == NULL) {
        end = last;
    }

    url->path.len = last - end;
    url->path.data = end;

    return ngx_http_counters_url_authority(p, end, url);
}


static char *
ngx_http_counters_url_authority(u_char *p, u_char *last,
    ngx_http_counters_url_t *url)
{
    u_char     *port;
    ngx_int_t   n;

    if (ngx_strlchr(p, last, '@')) {
        return "a user or a password is not allowed";
    }

    port = (p < last && *p == '[') ? ngx_strlchr(p, last, ']') : p;

    if (port) {
        port = ngx_strlchr(port, last, ':');
    }

    url->host.len = (port ? port : last) - p;
    url->host.data = p;

    if (ngx_http_counters_url_host(&url->host) != NGX_OK) {
        return "the host is missing or invalid";
    }

    if (port) {
        n = ngx_atoi(port + 1, last - port - 1);

        if (n < 1 || n > 65535) {
            return "the port is invalid";
        }

        url->port = (in_port_t) n;
    }

    return NULL;
}


/* names in other alphabets come as xn--...: curl may be built without IDN */

static ngx_int_t
ngx_http_counters_url_host(ngx_str_t *host)
{
    u_char   ch, *p, *last;
#if (NGX_HAVE_INET6)
    u_char   addr[16];
#endif

    p = host->data;
    last = p + host->len;

    if (host->len == 0 || host->len > 255) {
        return NGX_ERROR;
    }

    if (*p == '[') {
#if (NGX_HAVE_INET6)
        if (last[-1] == ']') {
            return ngx_inet6_addr(p + 1, host->len - 2, addr);
        }
#endif
        return NGX_ERROR;
    }

    if (*p == '.' || *p == '-') {
        return NGX_ERROR;
    }

    for ( /* void */ ; p < last; p++) {
        ch = ngx_tolower(*p);

        if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9')
            && ch != '-' && ch != '.' && ch != '_')
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_counters_url_same_origin(ngx_http_counters_url_t *a,
    ngx_http_counters_url_t *b)
{
    return a->https == b->https
           && a->port == b->port
           && a->host.len == b->host.len
           && ngx_strncasecmp(a->host.data, b->host.data, a->host.len) == 0;
}


char *
ngx_http_counters_url_base(ngx_conf_t *cf, ngx_str_t *text, ngx_str_t *base)
{
    char                     *reason;
    ngx_http_counters_url_t   url;

    reason = ngx_http_counters_url_parse(text, &url);

    if (reason == NULL) {
        reason = ngx_http_counters_url_prefix(&url.path);
    }

    if (reason) {
        ngx_http_counters_url_error(cf, text, reason);
        return NGX_CONF_ERROR;
    }

    return ngx_http_counters_url_build(cf, &url, base);
}


static char *
ngx_http_counters_url_prefix(ngx_str_t *path)
{
    size_t   len;
    u_char  *p, *last, *end;

    while (path->len && path->data[path->len - 1] == '/') {
        path->len--;
    }

    p = path->data;
    last = p + path->len;

    for ( /* void */ ; p < last; p++) {
        if (*p <= 0x20 || *p >= 0x7f || *p == '"' || *p == '\\') {
            return "the path has a character that must be encoded";
        }
    }

    for (p = path->data; p < last; p = end) {
        p++;

        end = ngx_strlchr(p, last, '/');
        if (end == NULL) {
            end = last;
        }

        len = end - p;

        if (len == 4 && ngx_strncasecmp(p, (u_char *) "rest", 4) == 0) {
            return "the path must not have \"/rest\", calls add it";
        }

        if ((len == 1 && *p == '.')
            || (len == 2 && p[0] == '.' && p[1] == '.'))
        {
            return "the path must not have \".\" or \"..\"";
        }
    }

    return NULL;
}


static char *
ngx_http_counters_url_build(ngx_conf_t *cf, ngx_http_counters_url_t *url,
    ngx_str_t *base)
{
    u_char  *p;

    p = ngx_pnalloc(cf->pool, sizeof("https://:65535") + url->host.len
                              + url->path.len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    base->data = p;

    p = ngx_sprintf(p, "http%s://", url->https ? "s" : "");

    ngx_strlow(p, url->host.data, url->host.len);
    p += url->host.len;

    if (url->port != (url->https ? 443 : 80)) {
        p = ngx_sprintf(p, ":%ui", (ngx_uint_t) url->port);
    }

    p = ngx_cpymem(p, url->path.data, url->path.len);
    *p = '\0';

    base->len = p - base->data;

    return NGX_CONF_OK;
}


/* the value may be a webhook's URL, or carry a password or a token */

static void
ngx_http_counters_url_error(ngx_conf_t *cf, ngx_str_t *text, char *reason)
{
    if (ngx_strlcasestrn(text->data, text->data + text->len,
                         (u_char *) "rest", 4 - 1)
        || ngx_strlchr(text->data, text->data + text->len, '@')
        || ngx_strlchr(text->data, text->data + text->len, '?')
        || ngx_strlchr(text->data, text->data + text->len, '#'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value in \"url\" directive: %s", reason);
        return;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"url\" directive: %s",
                       text, reason);
}
