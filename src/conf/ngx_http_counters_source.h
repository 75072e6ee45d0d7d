
/*
 * Copyright (C) The nginx counters module authors
 *
 * Where a secret comes from: itself, file:PATH or env:NAME.
 */


#ifndef _NGX_HTTP_COUNTERS_SOURCE_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_SOURCE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_HTTP_COUNTERS_SOURCE_MAX  1024


/*
 * NGX_CONF_OK with a NUL-terminated secret in the configuration's pool, of 1
 * to NGX_HTTP_COUNTERS_SOURCE_MAX bytes.  Otherwise as a directive's setter:
 * NGX_CONF_ERROR when it is logged, or a text to follow the directive's name.
 * No text shows a secret.
 */

char *ngx_http_counters_source(ngx_conf_t *cf, ngx_str_t *source,
    ngx_str_t *secret);

/* whether it is the value itself */

ngx_uint_t ngx_http_counters_source_literal(ngx_str_t *source);


#endif /* _NGX_HTTP_COUNTERS_SOURCE_H_INCLUDED_ */
