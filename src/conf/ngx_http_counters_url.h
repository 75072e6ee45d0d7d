
/*
 * Copyright (C) The nginx counters module authors
 *
 * The portal's address.
 */


#ifndef _NGX_HTTP_COUNTERS_URL_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_URL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* strings point into the text that was parsed */

typedef struct {
    ngx_uint_t                  https;        /* unsigned  https:1; */
    ngx_str_t                   host;         /* with brackets if IPv6 */
    in_port_t                   port;
    ngx_str_t                   path;         /* begins with a slash if any */
} ngx_http_counters_url_t;


/* NULL, or why it is no http or https URL without user, query, fragment */

char *ngx_http_counters_url_parse(ngx_str_t *text,
    ngx_http_counters_url_t *url);

/* whether scheme, host and port are the same */

ngx_uint_t ngx_http_counters_url_same_origin(ngx_http_counters_url_t *a,
    ngx_http_counters_url_t *b);

/*
 * The base of all calls: scheme and host lower-cased, without the default
 * port and trailing slashes, NUL-terminated.  As a directive's setter.
 */

char *ngx_http_counters_url_base(ngx_conf_t *cf, ngx_str_t *text,
    ngx_str_t *base);


#endif /* _NGX_HTTP_COUNTERS_URL_H_INCLUDED_ */
