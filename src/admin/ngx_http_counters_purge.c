
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_counters_admin.h"
#include "ngx_http_counters_cors.h"
#include "ngx_http_counters_purge.h"
#include "ngx_http_counters_request.h"
#include "ngx_counters_redis_store.h"


#define NGX_HTTP_COUNTERS_PURGE_BODY   4096
#define NGX_HTTP_COUNTERS_PURGE_ARGS   8

#define NGX_HTTP_COUNTERS_PURGE_USER   0x01
#define NGX_HTTP_COUNTERS_PURGE_GROUP  0x02
#define NGX_HTTP_COUNTERS_PURGE_ALL    0x04
#define NGX_HTTP_COUNTERS_PURGE_SOFT   0x08


typedef struct {
    ngx_uint_t   named;            /* NGX_HTTP_COUNTERS_PURGE_* */
    uint64_t     id;               /* of the user or the group */
    ngx_uint_t   soft;             /* unsigned  soft:1 */
} ngx_http_counters_purge_t;


static ngx_uint_t ngx_http_counters_purge_foreign(ngx_http_request_t *r);
static void ngx_http_counters_purge_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_counters_purge(ngx_http_request_t *r);
static ngx_int_t ngx_http_counters_purge_parse(ngx_http_request_t *r,
    ngx_http_counters_purge_t *purge);
static ngx_int_t ngx_http_counters_purge_args(ngx_http_counters_purge_t *purge,
    ngx_counters_args_t *args);
static ngx_uint_t ngx_http_counters_purge_bit(ngx_counters_str_t *name);
static ngx_uint_t ngx_http_counters_purge_entries(
    ngx_counters_portal_t *portal, ngx_http_counters_purge_t *purge);
static ngx_int_t ngx_http_counters_purge_too_large(ngx_http_request_t *r);


static struct {
    ngx_counters_str_t  name;
    ngx_uint_t          bit;

} ngx_http_counters_purge_names[] = {

    { ngx_counters_string("user"), NGX_HTTP_COUNTERS_PURGE_USER },
    { ngx_counters_string("group"), NGX_HTTP_COUNTERS_PURGE_GROUP },
    { ngx_counters_string("all"), NGX_HTTP_COUNTERS_PURGE_ALL },
    { ngx_counters_string("soft"), NGX_HTTP_COUNTERS_PURGE_SOFT },
    { { 0, NULL }, 0 }
};


ngx_int_t
ngx_http_counters_purge_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (!(r->method & (NGX_HTTP_POST|NGX_HTTP_DELETE))) {
        return ngx_http_counters_admin_not_allowed(r, "POST, DELETE");
    }

    if (ngx_http_counters_purge_foreign(r)) {

        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }

        return ngx_http_counters_admin_error(r, NGX_HTTP_FORBIDDEN,
                                             "CROSS_SITE_REQUEST",
                                             "Pages of other sites may not "
                                             "purge");
    }

    if (r->headers_in.content_length_n > NGX_HTTP_COUNTERS_PURGE_BODY) {

        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }

        return ngx_http_counters_purge_too_large(r);
    }

    rc = ngx_http_read_client_request_body(r,
                                         ngx_http_counters_purge_body_handler);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


/*
 * Whether the page of another site has an administrator's browser, whose
 * address is allowed, send this.  What is no browser sends neither header.
 */

static ngx_uint_t
ngx_http_counters_purge_foreign(ngx_http_request_t *r)
{
    ngx_str_t  *site;

    site = ngx_http_counters_request_find(r, "Sec-Fetch-Site");

    if (site) {
        return !((site->len == sizeof("same-origin") - 1
                  && ngx_strncmp(site->data, "same-origin", site->len) == 0)
                 || (site->len == sizeof("none") - 1
                     && ngx_strncmp(site->data, "none", site->len) == 0));
    }

    return ngx_http_counters_cors_origin(r) != NULL;
}


static void
ngx_http_counters_purge_body_handler(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r, ngx_http_counters_purge(r));
}


static ngx_int_t
ngx_http_counters_purge(ngx_http_request_t *r)
{
    off_t                          size;
    ngx_int_t                      rc;
    ngx_str_t                      body;
    ngx_uint_t                     n;
    ngx_chain_t                   *cl;
    ngx_http_counters_purge_t      purge;
    ngx_http_counters_loc_conf_t  *lcf;
    u_char                         text[NGX_INT_T_LEN + 16];

    size = 0;

    for (cl = r->request_body ? r->request_body->bufs : NULL;
         cl;
         cl = cl->next)
    {
        size += ngx_buf_size(cl->buf);
    }

    if (size > NGX_HTTP_COUNTERS_PURGE_BODY) {
        return ngx_http_counters_purge_too_large(r);
    }

    rc = ngx_http_counters_purge_parse(r, &purge);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_http_counters_admin_error(r, NGX_HTTP_BAD_REQUEST,
                                  "INVALID_REQUEST",
                                  "Name one of user=ID, group=ID and all=1, "
                                  "with soft=1 if it shall only become stale");
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    n = ngx_http_counters_purge_entries(lcf->purge, &purge);

    body.len = ngx_sprintf(text, "{\"purged\":%ui}", n) - text;

    body.data = ngx_pnalloc(r->pool, body.len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(body.data, text, body.len);

    return ngx_http_counters_admin_send(r, NGX_HTTP_OK,
                                        "application/json; charset=utf-8",
                                        &body);
}


/* NGX_DECLINED: not one thing is named that can be purged */

static ngx_int_t
ngx_http_counters_purge_parse(ngx_http_request_t *r,
    ngx_http_counters_purge_t *purge)
{
    ngx_int_t            rc;
    ngx_counters_args_t  query, body;
    ngx_counters_arg_t   query_args[NGX_HTTP_COUNTERS_PURGE_ARGS];
    ngx_counters_arg_t   body_args[NGX_HTTP_COUNTERS_PURGE_ARGS];

    query.elts = query_args;
    query.nalloc = NGX_HTTP_COUNTERS_PURGE_ARGS;
    body.elts = body_args;
    body.nalloc = NGX_HTTP_COUNTERS_PURGE_ARGS;

    rc = ngx_http_counters_request_args(r, &query, &body);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(purge, sizeof(ngx_http_counters_purge_t));

    if (ngx_http_counters_purge_args(purge, &query) != NGX_OK
        || ngx_http_counters_purge_args(purge, &body) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    switch (purge->named & ~NGX_HTTP_COUNTERS_PURGE_SOFT) {

    case NGX_HTTP_COUNTERS_PURGE_USER:
    case NGX_HTTP_COUNTERS_PURGE_GROUP:
    case NGX_HTTP_COUNTERS_PURGE_ALL:
        return NGX_OK;

    default:
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_http_counters_purge_args(ngx_http_counters_purge_t *purge,
    ngx_counters_args_t *args)
{
    size_t               i;
    uint64_t             n;
    ngx_uint_t           bit;
    ngx_counters_arg_t  *arg;

    for (i = 0; i < args->nelts; i++) {

        arg = &args->elts[i];
        bit = ngx_http_counters_purge_bit(&arg->name);

        if (bit == 0
            || (purge->named & bit)
            || arg->subscript
            || arg->kind == NGX_COUNTERS_ARG_OTHER
            || ngx_counters_path_number(&arg->value, &n) != NGX_COUNTERS_OK)
        {
            return NGX_DECLINED;
        }

        purge->named |= bit;

        switch (bit) {

        case NGX_HTTP_COUNTERS_PURGE_SOFT:
            if (n > 1) {
                return NGX_DECLINED;
            }

            purge->soft = (ngx_uint_t) n;
            break;

        case NGX_HTTP_COUNTERS_PURGE_ALL:
            if (n != 1) {
                return NGX_DECLINED;
            }

            break;

        default:
            if (n == 0 || arg->kind == NGX_COUNTERS_ARG_BOOLEAN) {
                return NGX_DECLINED;
            }

            purge->id = n;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_counters_purge_bit(ngx_counters_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; ngx_http_counters_purge_names[i].bit; i++) {

        if (ngx_counters_str_eq(name,
                      (char *) ngx_http_counters_purge_names[i].name.data,
                      ngx_http_counters_purge_names[i].name.len))
        {
            break;
        }
    }

    return ngx_http_counters_purge_names[i].bit;
}


static ngx_uint_t
ngx_http_counters_purge_entries(ngx_counters_portal_t *portal,
    ngx_http_counters_purge_t *purge)
{
    uint64_t               *user, *group, now;
    ngx_uint_t              n;
    ngx_counters_worker_t  *w;

    now = ngx_counters_worker_now();

    user = (purge->named & NGX_HTTP_COUNTERS_PURGE_USER) ? &purge->id : NULL;
    group = (purge->named & NGX_HTTP_COUNTERS_PURGE_GROUP) ? &purge->id : NULL;

    n = ngx_counters_zone_purge(portal->zone, user, group, purge->soft, now);

    w = ngx_counters_worker(portal);

    if (w) {
        ngx_counters_redis_store_purge(w, user, group, purge->soft, now);
        ngx_counters_worker_count(w, NGX_COUNTERS_STAT_PURGED, n);
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "counters_portal \"%V\": %ui entries %s on demand",
                  &portal->name, n, purge->soft ? "marked stale" : "purged");

    return n;
}


static ngx_int_t
ngx_http_counters_purge_too_large(ngx_http_request_t *r)
{
    return ngx_http_counters_admin_error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                         "REQUEST_TOO_LARGE",
                                         "A purge is never so large");
}
