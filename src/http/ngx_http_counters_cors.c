
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_counters_cors.h"
#include "ngx_http_counters_request.h"


/* longer than the name of any header that is kept */
#define NGX_HTTP_COUNTERS_CORS_NAME  64


static ngx_uint_t ngx_http_counters_cors_same(ngx_http_request_t *r,
    ngx_str_t *origin);
static ngx_http_upstream_conf_t *ngx_http_counters_cors_upstream(
    ngx_conf_t *cf);


/* what is kept of the portal's headers, see ngx_counters_fetch.h */

static ngx_str_t  ngx_http_counters_cors_names[] = {
    ngx_string("access-control-allow-origin"),
    ngx_string("access-control-allow-credentials"),
    ngx_string("access-control-allow-headers"),
    ngx_string("access-control-allow-methods"),
    ngx_string("access-control-allow-private-network"),
    ngx_string("access-control-expose-headers"),
    ngx_string("access-control-max-age"),
    ngx_string("x-content-type-options"),
    ngx_null_string
};


/* what passes requests on; nginx may have been built without some of them */

static char  *ngx_http_counters_cors_modules[] = {
    "ngx_http_proxy_module",
    "ngx_http_fastcgi_module",
    "ngx_http_uwsgi_module",
    "ngx_http_scgi_module",
    "ngx_http_grpc_module",
    NULL
};


ngx_str_t *
ngx_http_counters_cors_origin(ngx_http_request_t *r)
{
    ngx_str_t  *origin;

    origin = ngx_http_counters_request_find(r, "Origin");

    if (origin && ngx_http_counters_cors_same(r, origin)) {
        return NULL;
    }

    return origin;
}


ngx_uint_t
ngx_http_counters_cors_preflight(ngx_http_request_t *r)
{
    return r->method == NGX_HTTP_OPTIONS
           && ngx_http_counters_cors_origin(r)
           && ngx_http_counters_request_find(r,
                                            "Access-Control-Request-Method");
}


/* the scheme is not compared: TLS may end before it comes here */

static ngx_uint_t
ngx_http_counters_cors_same(ngx_http_request_t *r, ngx_str_t *origin)
{
    u_char     *p, *last;
    ngx_str_t  *host;

    if (r->headers_in.host == NULL) {
        return 0;
    }

    host = &r->headers_in.host->value;

    last = origin->data + origin->len;
    p = ngx_strlchr(origin->data, last, '/');

    if (p == NULL || last - p < 2 || p[1] != '/') {
        return 0;
    }

    p += 2;

    return (size_t) (last - p) == host->len
           && ngx_strncasecmp(p, host->data, host->len) == 0;
}


ngx_uint_t
ngx_http_counters_cors_fits(ngx_str_t *headers, ngx_str_t *origin)
{
    size_t   len;
    u_char  *p, *last, *end;

    p = headers->data;
    last = p + headers->len;

    len = sizeof("Access-Control-Allow-Origin: ") - 1;

    while (p < last) {

        end = memchr(p, CR, last - p);

        if (end == NULL) {
            break;
        }

        if ((size_t) (end - p) > len
            && ngx_strncasecmp(p, (u_char *) "Access-Control-Allow-Origin: ",
                               len)
               == 0)
        {
            p += len;

            return (end - p == 1 && *p == '*')
                   || ((size_t) (end - p) == origin->len
                       && ngx_memcmp(p, origin->data, origin->len) == 0);
        }

        p = end + 2;
    }

    return 0;
}


ngx_hash_t *
ngx_http_counters_cors_hidden(ngx_conf_t *cf)
{
    ngx_str_t                 *name;
    ngx_hash_t                *hash;
    ngx_http_upstream_conf_t  *conf;

    conf = ngx_http_counters_cors_upstream(cf);

    if (conf == NULL || conf->hide_headers_hash.buckets == NULL) {
        return NULL;
    }

    hash = &conf->hide_headers_hash;

    for (name = ngx_http_counters_cors_names; name->len; name++) {

        if (ngx_hash_find(hash, ngx_hash_key(name->data, name->len),
                          name->data, name->len))
        {
            return hash;
        }
    }

    return NULL;
}


/*
 * The configuration of the module that serves the location.  All of them
 * begin theirs with ngx_http_upstream_conf_t, and are not declared in any
 * header.  An address with variables is set by none; it is proxy_pass then.
 */

static ngx_http_upstream_conf_t *
ngx_http_counters_cors_upstream(ngx_conf_t *cf)
{
    char                      **name;
    ngx_uint_t                  i;
    ngx_module_t              **modules;
    ngx_http_conf_ctx_t        *ctx;
    ngx_http_upstream_conf_t   *conf, *first;

    ctx = cf->ctx;
    modules = cf->cycle->modules;
    first = NULL;

    for (name = ngx_http_counters_cors_modules; *name; name++) {

        for (i = 0; modules[i]; i++) {

            if (ngx_strcmp(modules[i]->name, *name) != 0) {
                continue;
            }

            conf = ctx->loc_conf[modules[i]->ctx_index];

            if (conf->upstream) {
                return conf;
            }

            if (first == NULL) {
                first = conf;
            }
        }
    }

    return first;
}


ngx_uint_t
ngx_http_counters_cors_withheld(ngx_http_counters_loc_conf_t *lcf,
    ngx_str_t *name)
{
    ngx_uint_t  hash;
    u_char      lowcase[NGX_HTTP_COUNTERS_CORS_NAME];

    if (lcf->own) {
        return name->len > sizeof("Access-Control-") - 1
               && ngx_strncasecmp(name->data, (u_char *) "Access-Control-",
                                  sizeof("Access-Control-") - 1)
                  == 0;
    }

    if (lcf->hidden == NULL || name->len > NGX_HTTP_COUNTERS_CORS_NAME) {
        return 0;
    }

    hash = ngx_hash_strlow(lowcase, name->data, name->len);

    return ngx_hash_find(lcf->hidden, hash, lowcase, name->len) != NULL;
}
