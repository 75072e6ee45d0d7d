
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_mask.h"
#include "ngx_http_counters_log.h"


/* how much is shown of a path and of arguments; a whole line has 2048 bytes */
#define NGX_HTTP_COUNTERS_LOG_PART  256


static u_char *ngx_http_counters_log_handler(ngx_http_request_t *r,
    ngx_http_request_t *sr, u_char *buf, size_t len);
static u_char *ngx_http_counters_log_uri(ngx_http_request_t *r, u_char *buf);


ngx_int_t
ngx_http_counters_log_phase_handler(ngx_http_request_t *r)
{
    ngx_http_counters_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    if (lcf->portal) {
        r->main->log_handler = ngx_http_counters_log_handler;
    }

    return NGX_DECLINED;
}


/*
 * What nginx's own handler writes, but for what can hold a secret: masked
 * URIs, the upstream without its URI, and no referrer.
 */

static u_char *
ngx_http_counters_log_handler(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char                    *p, *last;
    ngx_http_upstream_t       *u;
    ngx_http_core_srv_conf_t  *cscf;
    u_char                     uri[7 * NGX_HTTP_COUNTERS_LOG_PART + 16];

    p = buf;
    last = buf + len;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    p = ngx_slprintf(p, last, ", server: %V, request: \"%V %*s %V\"",
                     &cscf->server_name, &r->method_name,
                     (size_t) (ngx_http_counters_log_uri(r, uri) - uri), uri,
                     &r->http_protocol);

    if (r != sr) {
        p = ngx_slprintf(p, last, ", subrequest: \"%*s\"",
                         (size_t) (ngx_http_counters_log_uri(sr, uri) - uri),
                         uri);
    }

    u = sr->upstream;

    if (u && u->peer.name) {
        p = ngx_slprintf(p, last, ", upstream: \"%V%V\"",
                         &u->schema, u->peer.name);
    }

    if (r->headers_in.host) {
        p = ngx_slprintf(p, last, ", host: \"%V\"",
                         &r->headers_in.host->value);
    }

    return p;
}


static u_char *
ngx_http_counters_log_uri(ngx_http_request_t *r, u_char *buf)
{
    ngx_counters_str_t  path, args;

    path.len = ngx_min(r->uri.len, NGX_HTTP_COUNTERS_LOG_PART);
    path.data = r->uri.data;

    args.len = ngx_min(r->args.len, NGX_HTTP_COUNTERS_LOG_PART);
    args.data = r->args.data;

    return ngx_counters_mask_uri(buf, &path, &args);
}
