
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_http_counters_value.h"


char *
ngx_http_counters_value_time(ngx_conf_t *cf, ngx_str_t *value,
    ngx_conf_num_bounds_t *bounds, ngx_msec_t *msec)
{
    ngx_int_t   n;
    ngx_str_t  *args;

    n = ngx_parse_time(value, 0);

    if (n == NGX_ERROR) {
        return ngx_http_counters_value_invalid(cf, value,
                                        "a time, such as 500ms, 30s or 5m");
    }

    if (n < bounds->low || n > bounds->high) {
        args = cf->args->elts;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive, "
                           "it must be between %ims and %ims",
                           value, &args[0], bounds->low, bounds->high);
        return NGX_CONF_ERROR;
    }

    *msec = n;

    return NGX_CONF_OK;
}


char *
ngx_http_counters_value_size(ngx_conf_t *cf, ngx_str_t *value, ssize_t min,
    size_t *size)
{
    ssize_t     n;
    ngx_str_t  *args;

    n = ngx_parse_size(value);

    if (n == NGX_ERROR) {
        return ngx_http_counters_value_invalid(cf, value,
                                        "a size, such as 256k or 32m");
    }

    if (n < min) {
        args = cf->args->elts;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive, "
                           "it must be at least %zk",
                           value, &args[0], min / 1024);
        return NGX_CONF_ERROR;
    }

    *size = n;

    return NGX_CONF_OK;
}


char *
ngx_http_counters_value_invalid(ngx_conf_t *cf, ngx_str_t *value,
    const char *form)
{
    ngx_str_t  *args;

    args = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive, "
                       "it must be %s", value, &args[0], form);

    return NGX_CONF_ERROR;
}


char *
ngx_http_counters_value_invalid_parameter(ngx_conf_t *cf, ngx_str_t *value,
    const char *known)
{
    ngx_str_t  *args;

    args = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"%V\" directive, "
                       "%s", value, &args[0], known);

    return NGX_CONF_ERROR;
}


char *
ngx_http_counters_value_parameter_once(ngx_conf_t *cf, ngx_uint_t n)
{
    size_t       len;
    ngx_str_t   *args;
    ngx_uint_t   i;

    args = cf->args->elts;

    for (i = 2; i < n; i++) {

        /* a value may be a secret */

        len = strcspn((char *) args[i].data, "=") + 1;

        if (len <= args[i].len
            && ngx_strncmp(args[i].data, args[n].data, len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%*s\" in \"%V\" "
                               "directive", len, args[i].data, &args[0]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_uint_t
ngx_http_counters_value_parameter(ngx_str_t *arg, const char *name,
    ngx_str_t *value)
{
    size_t  len;

    len = ngx_strlen(name);

    if (ngx_strncmp(arg->data, name, len) != 0) {
        return 0;
    }

    value->len = arg->len - len;
    value->data = arg->data + len;

    return 1;
}
