
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_http_counters_source.h"


static char *ngx_http_counters_source_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *secret);
static ssize_t ngx_http_counters_source_read(ngx_conf_t *cf, u_char *name,
    u_char *buf, size_t size);
static ngx_int_t ngx_http_counters_source_failed(ngx_conf_t *cf,
    ngx_err_t err, char *call, u_char *name);
static char *ngx_http_counters_source_env(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *secret);
static char *ngx_http_counters_source_copy(ngx_conf_t *cf, u_char *data,
    size_t len, ngx_str_t *secret);
static char *ngx_http_counters_source_check(ngx_str_t *secret);


char *
ngx_http_counters_source(ngx_conf_t *cf, ngx_str_t *source, ngx_str_t *secret)
{
    ngx_str_t  s;

    if (ngx_http_counters_source_literal(source)) {

        /* the configuration's own copy, the only one */

        *secret = *source;

        return ngx_http_counters_source_check(secret);
    }

    if (ngx_strncmp(source->data, "file:", 5) == 0) {
        s.len = source->len - 5;
        s.data = source->data + 5;

        return ngx_http_counters_source_file(cf, &s, secret);
    }

    s.len = source->len - 4;
    s.data = source->data + 4;

    return ngx_http_counters_source_env(cf, &s, secret);
}


ngx_uint_t
ngx_http_counters_source_literal(ngx_str_t *source)
{
    return ngx_strncmp(source->data, "file:", 5) != 0
           && ngx_strncmp(source->data, "env:", 4) != 0;
}


static char *
ngx_http_counters_source_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *secret)
{
    char       *rv;
    u_char      buf[NGX_HTTP_COUNTERS_SOURCE_MAX + 3];
    size_t      len;
    ssize_t     n;
    ngx_str_t   name;

    if (path->len == 0) {
        return "has no path after \"file:\"";
    }

    name = *path;

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    n = ngx_http_counters_source_read(cf, name.data, buf, sizeof(buf));

    if (n == NGX_ERROR) {
        ngx_explicit_memzero(buf, sizeof(buf));
        return NGX_CONF_ERROR;
    }

    len = n;

    if (len && buf[len - 1] == LF) {
        len--;
    }

    if (len && buf[len - 1] == CR) {
        len--;
    }

    rv = ngx_http_counters_source_copy(cf, buf, len, secret);

    ngx_explicit_memzero(buf, sizeof(buf));

    return rv;
}


/* reads what fits: a full buffer holds more than a secret may */

static ssize_t
ngx_http_counters_source_read(ngx_conf_t *cf, u_char *name, u_char *buf,
    size_t size)
{
    size_t    len;
    ssize_t   n;
    ngx_fd_t  fd;

    fd = ngx_open_file(name, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return ngx_http_counters_source_failed(cf, ngx_errno,
                                               ngx_open_file_n, name);
    }

    n = 0;

    for (len = 0; len < size; len += n) {
        n = ngx_read_fd(fd, buf + len, size - len);

        if (n == -1) {
            ngx_http_counters_source_failed(cf, ngx_errno, ngx_read_fd_n,
                                            name);
            break;
        }

        if (n == 0) {
            break;
        }
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%s\" failed", name);
    }

    return (n == -1) ? NGX_ERROR : (ssize_t) len;
}


static ngx_int_t
ngx_http_counters_source_failed(ngx_conf_t *cf, ngx_err_t err, char *call,
    u_char *name)
{
    ngx_str_t  *args;

    args = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                       "\"%V\" directive: %s \"%s\" failed",
                       &args[0], call, name);

    return NGX_ERROR;
}


static char *
ngx_http_counters_source_env(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *secret)
{
    char       *env;
    ngx_str_t  *args;

    if (name->len == 0) {
        return "has no name after \"env:\"";
    }

    env = getenv((char *) name->data);

    if (env == NULL) {
        args = cf->args->elts;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" directive: environment variable \"%V\" "
                           "is not set", &args[0], name);
        return NGX_CONF_ERROR;
    }

    return ngx_http_counters_source_copy(cf, (u_char *) env, ngx_strlen(env),
                                         secret);
}


static char *
ngx_http_counters_source_copy(ngx_conf_t *cf, u_char *data, size_t len,
    ngx_str_t *secret)
{
    secret->len = len;
    secret->data = ngx_pnalloc(cf->pool, len + 1);
    if (secret->data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(secret->data, data, len);
    secret->data[len] = '\0';

    return ngx_http_counters_source_check(secret);
}


static char *
ngx_http_counters_source_check(ngx_str_t *secret)
{
    size_t  i;

    if (secret->len == 0) {
        return "has an empty value";
    }

    if (secret->len > NGX_HTTP_COUNTERS_SOURCE_MAX) {
        return "has a value that is too long";
    }

    for (i = 0; i < secret->len; i++) {
        if (secret->data[i] < 0x20 || secret->data[i] == 0x7f) {
            return "has a value of several lines or with control characters";
        }
    }

    return NGX_CONF_OK;
}
