
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_wire.h"


#define NGX_COUNTERS_REDIS_BUFFER      1024     /* holds a usual MGET */
#define NGX_COUNTERS_REDIS_MAX_BUFFER  65536    /* is not kept if larger */


static ngx_int_t ngx_counters_redis_wire_redis_buf_reserve(
    ngx_counters_redis_buf_t *b, size_t size);


u_char *
ngx_counters_redis_wire(ngx_counters_redis_buf_t *b, ngx_str_t *args,
    ngx_uint_t nargs, size_t *len)
{
    size_t       size;
    u_char      *p;
    ngx_uint_t   i;

    /* hiredis looks for further channels of a SUBSCRIBE up to a zero byte */

    size = sizeof("*" CRLF) + NGX_INT_T_LEN;

    for (i = 0; i < nargs; i++) {
        size += sizeof("$" CRLF CRLF) - 1 + NGX_SIZE_T_LEN + args[i].len;
    }

    if (ngx_counters_redis_wire_redis_buf_reserve(b, size) != NGX_OK) {
        return NULL;
    }

    p = ngx_sprintf(b->data, "*%ui" CRLF, nargs);

    for (i = 0; i < nargs; i++) {
        p = ngx_sprintf(p, "$%uz" CRLF, args[i].len);
        p = ngx_cpymem(p, args[i].data, args[i].len);
        *p++ = CR;
        *p++ = LF;
    }

    *len = p - b->data;
    *p = '\0';

    return b->data;
}


static ngx_int_t
ngx_counters_redis_wire_redis_buf_reserve(ngx_counters_redis_buf_t *b,
    size_t size)
{
    u_char  *p;

    size = ngx_max(size, NGX_COUNTERS_REDIS_BUFFER);

    if (size <= b->size && b->size <= NGX_COUNTERS_REDIS_MAX_BUFFER) {
        return NGX_OK;
    }

    p = ngx_alloc(size, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_counters_redis_wire_redis_buf_free(b);

    b->data = p;
    b->size = size;

    return NGX_OK;
}


void
ngx_counters_redis_wire_redis_buf_free(ngx_counters_redis_buf_t *b)
{
    if (b->data) {
        ngx_explicit_memzero(b->data, b->size);
        ngx_free(b->data);
    }

    b->data = NULL;
    b->size = 0;
}


void
ngx_counters_redis_wire_redis_text(u_char *out, const char *text,
    ngx_str_t *password)
{
    u_char      ch, *p;
    ngx_uint_t  i;

    p = out;

    for (i = 0; i < NGX_COUNTERS_REDIS_MAX_TEXT && text[i]; i++) {
        ch = text[i];

        if (ch == '\'' && p > out && p[-1] == 'n' && text[i + 1] == 't') {

            /* "READONLY You can't write against a read only replica." */

        } else if (ch < 0x20 || ch > 0x7e || ch == '\'' || ch == '"'
                   || ch == '`' || ch == ',')
        {
            break;
        }

        *p++ = ch;
    }

    while (p > out && p[-1] == ' ') {
        p--;
    }

    *p = '\0';

    if (p == out
        || (password->len && ngx_strstr(out, password->data) != NULL))
    {
        ngx_cpystrn(out, (u_char *) "error", sizeof("error"));
    }
}
