
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_http_counters_place.h"


void
ngx_http_counters_place_set(ngx_conf_t *cf, ngx_http_counters_place_t *place)
{
    ngx_str_t  *args;

    args = cf->args->elts;

    place->name = args[0];
    place->file = cf->conf_file->file.name.data;
    place->line = cf->conf_file->line;
}


ngx_http_counters_place_t *
ngx_http_counters_place_find(ngx_array_t *places, const char *name)
{
    ngx_uint_t                  i;
    ngx_http_counters_place_t  *place;

    place = places->elts;

    for (i = places->nelts; i > 0; i--) {
        if (ngx_strcmp(place[i - 1].name.data, name) == 0) {
            return &place[i - 1];
        }
    }

    return NULL;
}


void ngx_cdecl
ngx_http_counters_place_log(ngx_uint_t level, ngx_conf_t *cf,
    ngx_http_counters_place_t *place, const char *fmt, ...)
{
    u_char   text[NGX_MAX_CONF_ERRSTR], *p;
    va_list  args;

    va_start(args, fmt);
    p = ngx_vslprintf(text, text + sizeof(text), fmt, args);
    va_end(args);

    ngx_log_error(level, cf->log, 0, "%*s in %s:%ui",
                  (size_t) (p - text), text, place->file, place->line);
}
