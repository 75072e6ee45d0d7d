
/*
 * Copyright (C) The nginx counters module authors
 *
 * Where a directive stands.  What can be judged only at the end of a block,
 * or of the configuration, is reported with the line of the directive that
 * is to blame, in whatever file it is.
 */


#ifndef _NGX_HTTP_COUNTERS_PLACE_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_PLACE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_str_t                    name;        /* of the directive */
    u_char                      *file;
    ngx_uint_t                   line;        /* 0: it was not written */
} ngx_http_counters_place_t;


/* that of the directive which is read now; its strings live with the cycle */

void ngx_http_counters_place_set(ngx_conf_t *cf,
    ngx_http_counters_place_t *place);

/* the last of that name in an array of places, or NULL */

ngx_http_counters_place_t *ngx_http_counters_place_find(ngx_array_t *places,
    const char *name);

/* as ngx_conf_log_error(), with the place in place of where parsing stands */

void ngx_cdecl ngx_http_counters_place_log(ngx_uint_t level, ngx_conf_t *cf,
    ngx_http_counters_place_t *place, const char *fmt, ...);


#endif /* _NGX_HTTP_COUNTERS_PLACE_H_INCLUDED_ */
