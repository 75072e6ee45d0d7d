
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_http_counters_setters.h"
#include "ngx_http_counters_source.h"
#include "ngx_http_counters_url.h"
#include "ngx_http_counters_value.h"


/* the zone keeps spans in 32 bits of milliseconds */

#define NGX_HTTP_COUNTERS_TIME_MAX      (30 * 24 * 3600 * (ngx_int_t) 1000)

#define NGX_HTTP_COUNTERS_WAIT_MAX      (10 * 1000)
#define NGX_HTTP_COUNTERS_RATE_MAX      1000000
#define NGX_HTTP_COUNTERS_MAX_BODY_MIN  1024

/* the portal's have 32 characters */

#define NGX_HTTP_COUNTERS_TOKEN_MIN     16


static char *ngx_http_counters_setters_unknown_method(ngx_conf_t *cf,
    ngx_str_t *name);
static ngx_int_t ngx_http_counters_setters_parse_rate(ngx_str_t *value,
    uint32_t *rate);
static char *ngx_http_counters_setters_rate_parameter(ngx_conf_t *cf,
    ngx_str_t *arg, ngx_counters_portal_t *portal);


static ngx_conf_num_bounds_t  ngx_http_counters_setters_any_time = {
    NULL, 0, NGX_HTTP_COUNTERS_TIME_MAX
};

static ngx_conf_num_bounds_t  ngx_http_counters_setters_positive_time = {
    NULL, 1, NGX_HTTP_COUNTERS_TIME_MAX
};

static ngx_conf_num_bounds_t  ngx_http_counters_setters_batch_wait = {
    NULL, 0, NGX_HTTP_COUNTERS_WAIT_MAX
};


char *
ngx_http_counters_setters_url(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_counters_url_base(cf, &value[1],
                                      &block->portal->fetch.url);
}


char *
ngx_http_counters_setters_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_counters_value_size(cf, &value[1], NGX_COUNTERS_ZONE_MIN,
                                        &block->portal->zone_size);
}


char *
ngx_http_counters_setters_webhook(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_counters_source(cf, &value[1], &block->webhook);
}


char *
ngx_http_counters_setters_methods(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_str_t              *value;
    ngx_uint_t              i, methods;
    ngx_counters_method_e   method;

    value = cf->args->elts;
    methods = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        method = ngx_counters_path_method_id((ngx_counters_str_t *) &value[i]);

        if (method >= NGX_COUNTERS_METHODS) {
            return ngx_http_counters_setters_unknown_method(cf, &value[i]);
        }

        if (methods & (1 << method)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate method \"%V\" in \"methods\" "
                               "directive", &value[i]);
            return NGX_CONF_ERROR;
        }

        methods |= 1 << method;
    }

    block->portal->methods = methods;

    return NGX_CONF_OK;
}


static char *
ngx_http_counters_setters_unknown_method(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown method \"%V\" in \"%V\" directive, the known "
                       "ones are \"%V\" and \"%V\"", name, &value[0],
                       (ngx_str_t *) &ngx_counters_path_method_names[0],
                       (ngx_str_t *) &ngx_counters_path_method_names[1]);

    return NGX_CONF_ERROR;
}


char *
ngx_http_counters_setters_ttl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_str_t              *value;
    ngx_msec_t             *ttl;
    ngx_counters_method_e   method;

    value = cf->args->elts;
    ttl = &block->ttl;

    if (cf->args->nelts == 3) {
        method = ngx_counters_path_method_id((ngx_counters_str_t *) &value[2]);

        if (method >= NGX_COUNTERS_METHODS) {
            return ngx_http_counters_setters_unknown_method(cf, &value[2]);
        }

        ttl = &block->portal->ttl[method];
        ngx_http_counters_place_set(cf, &block->ttls[method]);
    }

    if (*ttl != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    return ngx_http_counters_value_time(cf, &value[1],
                                 &ngx_http_counters_setters_positive_time, ttl);
}


char *
ngx_http_counters_setters_stale(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    char       *rv;
    ngx_str_t  *value, s;

    value = cf->args->elts;

    rv = ngx_http_counters_value_time(cf, &value[1],
                                      &ngx_http_counters_setters_any_time,
                                      &block->portal->stale);

    if (rv != NGX_CONF_OK || cf->args->nelts == 2) {
        return rv;
    }

    if (!ngx_http_counters_value_parameter(&value[2], "error=", &s)) {
        return ngx_http_counters_value_invalid_parameter(cf, &value[2],
                                           "the known one is \"error=\"");
    }

    return ngx_http_counters_value_time(cf, &s,
                                        &ngx_http_counters_setters_any_time,
                                        &block->portal->stale_error);
}


char *
ngx_http_counters_setters_rate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_str_t              *value;
    ngx_uint_t              i;
    ngx_counters_portal_t  *portal;

    value = cf->args->elts;
    portal = block->portal;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        portal->bucket.rate = 0;

        if (cf->args->nelts > 2) {
            return ngx_http_counters_value_invalid_parameter(cf, &value[2],
                                                      "\"off\" has none");
        }

        return NGX_CONF_OK;
    }

    if (ngx_http_counters_setters_parse_rate(&value[1], &portal->bucket.rate)
        != NGX_OK)
    {
        return ngx_http_counters_value_invalid(cf, &value[1],
                              "\"off\" or a whole number a second or a "
                              "minute, such as 2r/s or 30r/m");
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_counters_value_parameter_once(cf, i) != NGX_CONF_OK
            || ngx_http_counters_setters_rate_parameter(cf, &value[i], portal)
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_counters_setters_parse_rate(ngx_str_t *value, uint32_t *rate)
{
    u_char     *p;
    ngx_int_t   n, scale;

    if (value->len < 4) {
        return NGX_ERROR;
    }

    p = value->data + value->len - 3;

    if (ngx_strcmp(p, "r/s") == 0) {
        scale = 1;

    } else if (ngx_strcmp(p, "r/m") == 0) {
        scale = 60;

    } else {
        return NGX_ERROR;
    }

    n = ngx_atoi(value->data, value->len - 3);

    if (n < 1 || n > NGX_HTTP_COUNTERS_RATE_MAX) {
        return NGX_ERROR;
    }

    *rate = (uint32_t) (n * 1000 / scale);

    return NGX_OK;
}


static char *
ngx_http_counters_setters_rate_parameter(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_counters_portal_t *portal)
{
    ngx_int_t  n;
    ngx_str_t  s;

    if (ngx_http_counters_value_parameter(arg, "burst=", &s)) {
        n = ngx_atoi(s.data, s.len);

        if (n < 1 || n > NGX_HTTP_COUNTERS_RATE_MAX) {
            return ngx_http_counters_value_invalid(cf, arg,
                              "a whole number of requests, such as burst=50");
        }

        portal->bucket.burst = (uint32_t) n * 1000;

        return NGX_CONF_OK;
    }

    if (ngx_http_counters_value_parameter(arg, "scope=", &s)) {

        if (ngx_strcmp(s.data, "node") == 0) {
            portal->rate_shared = 0;
            return NGX_CONF_OK;
        }

        if (ngx_strcmp(s.data, "redis") == 0) {
            portal->rate_shared = 1;
            return NGX_CONF_OK;
        }

        return ngx_http_counters_value_invalid(cf, arg,
                                               "scope=node or scope=redis");
    }

    return ngx_http_counters_value_invalid_parameter(cf, arg,
                              "the known ones are \"burst=\" and \"scope=\"");
}


char *
ngx_http_counters_setters_reserve(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    n = NGX_ERROR;

    if (value[1].len && value[1].data[value[1].len - 1] == '%') {
        n = ngx_atoi(value[1].data, value[1].len - 1);
    }

    if (n == NGX_ERROR || n > 100) {
        return ngx_http_counters_value_invalid(cf, &value[1],
                              "a share from 0% to 100%, such as 20%");
    }

    block->portal->reserve = n;

    return NGX_CONF_OK;
}


char *
ngx_http_counters_setters_batch(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_int_t   n;
    ngx_str_t  *value, s;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        n = 1;

    } else {
        n = ngx_atoi(value[1].data, value[1].len);
    }

    if (n < 1 || n > NGX_COUNTERS_BATCH_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"batch\" directive, "
                           "it must be \"off\" or between 1 and %d",
                           &value[1], NGX_COUNTERS_BATCH_MAX);
        return NGX_CONF_ERROR;
    }

    block->portal->batch = n;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return ngx_http_counters_value_invalid_parameter(cf, &value[2],
                                                   "\"off\" has none");
    }

    if (!ngx_http_counters_value_parameter(&value[2], "wait=", &s)) {
        return ngx_http_counters_value_invalid_parameter(cf, &value[2],
                                           "the known one is \"wait=\"");
    }

    return ngx_http_counters_value_time(cf, &s,
                                        &ngx_http_counters_setters_batch_wait,
                                        &block->portal->batch_wait);
}


char *
ngx_http_counters_setters_ahead(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        block->portal->ahead = 0;
        return NGX_CONF_OK;
    }

    return ngx_http_counters_value_time(cf, &value[1],
                                        &ngx_http_counters_setters_any_time,
                                        &block->portal->ahead);
}


char *
ngx_http_counters_setters_timeout(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_counters_block_t *block = conf;

    char       *rv;
    ngx_str_t  *value, s;

    value = cf->args->elts;

    rv = ngx_http_counters_value_time(cf, &value[1],
                                      &ngx_http_counters_setters_positive_time,
                                      &block->portal->fetch.timeout);

    if (rv != NGX_CONF_OK || cf->args->nelts == 2) {
        return rv;
    }

    if (!ngx_http_counters_value_parameter(&value[2], "connect=", &s)) {
        return ngx_http_counters_value_invalid_parameter(cf, &value[2],
                                           "the known one is \"connect=\"");
    }

    return ngx_http_counters_value_time(cf, &s,
                                       &ngx_http_counters_setters_positive_time,
                                        &block->portal->fetch.connect_timeout);
}


char *
ngx_http_counters_setters_secret(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_counters_source(cf, &value[1], &block->portal->secret);
}


char *
ngx_http_counters_setters_max_body(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_counters_block_t *block = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_counters_value_size(cf, &value[1],
                                        NGX_HTTP_COUNTERS_MAX_BODY_MIN,
                                        &block->portal->fetch.max_body);
}


char *
ngx_http_counters_setters_verify(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    return ngx_conf_set_flag_slot(cf, cmd, block->portal);
}


char *
ngx_http_counters_setters_events_token(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_counters_block_t *block = conf;

    char         *rv;
    ngx_str_t    *value, *token;
    ngx_uint_t    i;
    ngx_array_t  *tokens;

    value = cf->args->elts;

    tokens = ngx_array_create(cf->pool, cf->args->nelts - 1,
                              sizeof(ngx_str_t));
    if (tokens == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        token = ngx_array_push(tokens);
        if (token == NULL) {
            return NGX_CONF_ERROR;
        }

        rv = ngx_http_counters_source(cf, &value[i], token);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        /* it is more likely to be something else than to be a token */

        if (ngx_http_counters_source_literal(&value[i])
            && token->len < NGX_HTTP_COUNTERS_TOKEN_MIN)
        {
            return "has a token of less than 16 characters";
        }
    }

    block->portal->events_tokens = tokens;

    return NGX_CONF_OK;
}


char *
ngx_http_counters_setters_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    char       *p;
    ngx_str_t  *value;

    value = cf->args->elts;
    p = (char *) block->portal;

    return ngx_http_counters_value_time(cf, &value[1],
                                        &ngx_http_counters_setters_any_time,
                                        (ngx_msec_t *) (p + cmd->offset));
}
