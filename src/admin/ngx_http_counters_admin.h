
/*
 * Copyright (C) The nginx counters module authors
 *
 * Plain answers of the handlers that are not about one client's counters.
 */


#ifndef _NGX_HTTP_COUNTERS_ADMIN_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_ADMIN_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/*
 * Each sends a whole answer that nobody may store, and returns what a
 * content handler may return.  The request's body, if any, must have been
 * read or discarded.
 */

ngx_int_t ngx_http_counters_admin_send(ngx_http_request_t *r,
    ngx_uint_t status, const char *type, ngx_str_t *body);

/* an error envelope; the texts need no escaping */

ngx_int_t ngx_http_counters_admin_error(ngx_http_request_t *r,
    ngx_uint_t status, const char *error, const char *description);

/* 405; "allow" lists the verbs there are.  Discards the body. */

ngx_int_t ngx_http_counters_admin_not_allowed(ngx_http_request_t *r,
    const char *allow);

/* the texts are constants, or live as long as the request */

ngx_int_t ngx_http_counters_admin_header(ngx_http_request_t *r,
    const char *name, const char *value);


#endif /* _NGX_HTTP_COUNTERS_ADMIN_H_INCLUDED_ */
