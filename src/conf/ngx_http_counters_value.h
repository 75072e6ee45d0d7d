
/*
 * Copyright (C) The nginx counters module authors
 *
 * The words of a directive: what setters share.
 */


#ifndef _NGX_HTTP_COUNTERS_VALUE_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_VALUE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Each logs what it does not like.  The texts finish the sentence: what a
 * value must be, "such as 30s"; which parameters are known.
 */

char *ngx_http_counters_value_time(ngx_conf_t *cf, ngx_str_t *value,
    ngx_conf_num_bounds_t *bounds, ngx_msec_t *msec);
char *ngx_http_counters_value_size(ngx_conf_t *cf, ngx_str_t *value,
    ssize_t min, size_t *size);
char *ngx_http_counters_value_invalid(ngx_conf_t *cf, ngx_str_t *value,
    const char *form);
char *ngx_http_counters_value_invalid_parameter(ngx_conf_t *cf,
    ngx_str_t *value, const char *known);

/* whether the name in args[n] is new; those from args[2] on must be known */

char *ngx_http_counters_value_parameter_once(ngx_conf_t *cf, ngx_uint_t n);

/* whether "arg" is name=value; "name" includes the sign */

ngx_uint_t ngx_http_counters_value_parameter(ngx_str_t *arg, const char *name,
    ngx_str_t *value);


#endif /* _NGX_HTTP_COUNTERS_VALUE_H_INCLUDED_ */
