
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_http_counters_variables.h"
#include "ngx_http_counters_request.h"
#include "ngx_counters_mask.h"


static ngx_int_t ngx_http_counters_variables_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_counters_variables_source(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_counters_variables_age(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_counters_variables_ttl(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_counters_variables_uri(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_counters_variables_str(ngx_http_variable_value_t *v,
    ngx_str_t *s);
static ngx_int_t ngx_http_counters_variables_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, int64_t n);


ngx_str_t
    ngx_http_counters_variables_cache_statuses[NGX_HTTP_COUNTERS_STATUSES] =
{
    ngx_null_string,
    ngx_string("HIT"),
    ngx_string("STALE"),
    ngx_string("UPDATING"),
    ngx_string("MISS"),
    ngx_string("COALESCED"),
    ngx_string("NEGATIVE"),
    ngx_string("BYPASS"),
    ngx_string("PASS"),
    ngx_string("ERROR")
};


/* indexed by ngx_http_counters_source_e */

static ngx_str_t  ngx_http_counters_variables_sources[] = {
    ngx_null_string,
    ngx_string("memory"),
    ngx_string("redis"),
    ngx_string("portal")
};


static ngx_http_variable_t  ngx_http_counters_variables_table[] = {

    { ngx_string("counters_cache_status"), NULL,
      ngx_http_counters_variables_status, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("counters_source"), NULL,
      ngx_http_counters_variables_source, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("counters_age"), NULL,
      ngx_http_counters_variables_age, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("counters_ttl"), NULL,
      ngx_http_counters_variables_ttl, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("counters_uri"), NULL,
      ngx_http_counters_variables_uri, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_counters_variables_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_counters_variables_table; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_counters_variables_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_http_counters_request_get_ctx(r);

    if (ctx == NULL || ctx->cache_status == NGX_HTTP_COUNTERS_NONE) {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_http_counters_variables_str(v,
                &ngx_http_counters_variables_cache_statuses[ctx->cache_status]);

    return NGX_OK;
}


static ngx_int_t
ngx_http_counters_variables_source(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_http_counters_request_get_ctx(r);

    if (ctx == NULL || ctx->source == NGX_HTTP_COUNTERS_NOWHERE) {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_http_counters_variables_str(v,
                             &ngx_http_counters_variables_sources[ctx->source]);

    return NGX_OK;
}


static ngx_int_t
ngx_http_counters_variables_age(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    int64_t                   age;
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_http_counters_request_get_ctx(r);

    if (ctx == NULL || ctx->fetched == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    /* another node's clock may be ahead */

    age = (int64_t) (ngx_counters_worker_now() - ctx->fetched);

    return ngx_http_counters_variables_number(r, v, ngx_max(age, 0) / 1000);
}


static ngx_int_t
ngx_http_counters_variables_ttl(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_counters_ctx_t  *ctx;

    ctx = ngx_http_counters_request_get_ctx(r);

    if (ctx == NULL || ctx->fetched == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_counters_variables_number(r, v,
                                    ngx_http_counters_seconds(ctx->remains));
}


/* as $request_uri: what the client sent, in subrequests, too */

static ngx_int_t
ngx_http_counters_variables_uri(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char              *p;
    ngx_counters_str_t   uri;

    if (r->unparsed_uri.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    uri.len = r->unparsed_uri.len;
    uri.data = r->unparsed_uri.data;

    p = ngx_pnalloc(r->pool, 3 * uri.len + 16);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->data = p;
    v->len = ngx_counters_mask_uri(p, &uri) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static void
ngx_http_counters_variables_str(ngx_http_variable_value_t *v, ngx_str_t *s)
{
    v->len = s->len;
    v->data = s->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
}


static ngx_int_t
ngx_http_counters_variables_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, int64_t n)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->data = p;
    v->len = ngx_sprintf(p, "%L", n) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
