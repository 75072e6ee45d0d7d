
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_mask.h"
#include "ngx_http_counters_log.h"


/* how much is masked and shown of a URI; a whole line has 2048 bytes */
#define NGX_HTTP_COUNTERS_LOG_URI   512
#define NGX_HTTP_COUNTERS_LOG_MASK  (3 * NGX_HTTP_COUNTERS_LOG_URI + 16)


static u_char *ngx_http_counters_log_handler(ngx_http_request_t *r,
    ngx_http_request_t *sr, u_char *buf, size_t len);
static size_t ngx_http_counters_log_sent(ngx_http_request_t *r, u_char *buf);
static size_t ngx_http_counters_log_made(ngx_http_request_t *sr, u_char *buf);


ngx_int_t
ngx_http_counters_log_phase_handler(ngx_http_request_t *r)
{
    ngx_http_counters_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    /* what finds the location also refuses bodies, and logs that */

    if (lcf->portal
        || (lcf->masked && r->headers_in.content_length_n > 0
            && ngx_strlcasestrn(r->uri.data, r->uri.data + r->uri.len,
                                (u_char *) "/rest/", sizeof("/rest/") - 2)))
    {
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
    u_char                     uri[NGX_HTTP_COUNTERS_LOG_MASK];

    p = buf;
    last = buf + len;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    p = ngx_slprintf(p, last, ", server: %V, request: \"%V %*s %V\"",
                     &cscf->server_name, &r->method_name,
                     ngx_http_counters_log_sent(r, uri), uri,
                     &r->http_protocol);

    if (r != sr) {
        p = ngx_slprintf(p, last, ", subrequest: \"%*s\"",
                         ngx_http_counters_log_made(sr, uri), uri);
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


static size_t
ngx_http_counters_log_sent(ngx_http_request_t *r, u_char *buf)
{
    ngx_counters_str_t  uri;

    uri.len = ngx_min(r->unparsed_uri.len, NGX_HTTP_COUNTERS_LOG_URI);
    uri.data = r->unparsed_uri.data;

    return ngx_counters_mask_uri(buf, &uri) - buf;
}


/* a subrequest was sent by nobody: its URI is what nginx has decoded */

static size_t
ngx_http_counters_log_made(ngx_http_request_t *sr, u_char *buf)
{
    u_char              *p, *last;
    size_t               len;
    ngx_counters_str_t   uri;
    u_char               made[NGX_HTTP_COUNTERS_LOG_URI];

    /* a third of a path is sure to fit when it is escaped */

    len = ngx_min(sr->uri.len, NGX_HTTP_COUNTERS_LOG_URI / 3);
    last = made + NGX_HTTP_COUNTERS_LOG_URI;

    p = (u_char *) ngx_escape_uri(made, sr->uri.data, len, NGX_ESCAPE_URI);

    if (sr->args.len) {
        p = ngx_slprintf(p, last, "?%V", &sr->args);
    }

    uri.len = p - made;
    uri.data = made;

    return ngx_counters_mask_uri(buf, &uri) - buf;
}
