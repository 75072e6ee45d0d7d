
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_reply.h"
#include "ngx_http_counters_admin.h"
#include "ngx_http_counters_send.h"


ngx_int_t
ngx_http_counters_admin_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body)
{
    size_t                           len;
    ngx_http_counters_send_decoy_t  *decoy;

    r->headers_out.status = status;

    len = ngx_strlen(type);

    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = len;
    r->headers_out.content_type_len = strcspn(type, ";");
    r->headers_out.content_type_lowcase = NULL;

    decoy = ngx_pcalloc(r->pool, sizeof(ngx_http_counters_send_decoy_t));
    if (decoy == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_counters_send_uncached(r, decoy);

    if (ngx_http_counters_admin_header(r, "Cache-Control", "no-store")
        != NGX_OK
        || ngx_http_counters_admin_header(r, "X-Content-Type-Options",
                                          "nosniff")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_counters_send_body(r, body, 1);
}


ngx_int_t
ngx_http_counters_admin_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *error, const char *description)
{
    ngx_str_t  body;

    if (ngx_http_counters_send_intercepts(r, status)) {
        return status;
    }

    body.data = ngx_pnalloc(r->pool, ngx_strlen(error)
                                     + ngx_strlen(description) + 64);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = ngx_counters_reply_error(body.data, error, description)
               - body.data;

    return ngx_http_counters_admin_send(r, status,
                                        "application/json; charset=utf-8",
                                        &body);
}


ngx_int_t
ngx_http_counters_admin_not_allowed(ngx_http_request_t *r, const char *allow)
{
    ngx_int_t  rc;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_counters_admin_header(r, "Allow", allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_counters_admin_error(r, NGX_HTTP_NOT_ALLOWED,
                                         "METHOD_NOT_ALLOWED",
                                         "This verb is not for this address");
}


ngx_int_t
ngx_http_counters_admin_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_http_counters_send_header(r, (u_char *) name, ngx_strlen(name));
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

    return NGX_OK;
}
