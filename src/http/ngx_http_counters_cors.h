
/*
 * Copyright (C) The nginx counters module authors
 *
 * What a page of another origin may read of an answer: Access-Control-*, and
 * which of the portal's headers a location withholds.
 */


#ifndef _NGX_HTTP_COUNTERS_CORS_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_CORS_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/*
 * The other origin whose page has sent the request.  NULL if there is none,
 * or it is this very host, for which browsers need no permission.
 */

ngx_str_t *ngx_http_counters_cors_origin(ngx_http_request_t *r);

/*
 * Whether a browser asks on behalf of such a page if a request that is to
 * follow may be sent.
 */

ngx_uint_t ngx_http_counters_cors_preflight(ngx_http_request_t *r);

/*
 * Whether "headers", as they are kept, are what the portal tells the origin.
 * They were given to a refresh, which has none: if they do not allow any
 * origin, what this one would be told is not known here.
 */

ngx_uint_t ngx_http_counters_cors_fits(ngx_str_t *headers,
    ngx_str_t *origin);

/*
 * While a location is merged: what proxy_hide_header, or its like of the
 * protocol spoken there, takes from answers passed on, if that is anything
 * the module would send; otherwise NULL.
 */

ngx_hash_t *ngx_http_counters_cors_hidden(ngx_conf_t *cf);

/*
 * Whether a header of the portal's is not sent in this location: it is
 * hidden, or the location is a managed one, where the administrator alone
 * says who may read the answers.
 */

ngx_uint_t ngx_http_counters_cors_withheld(ngx_http_counters_loc_conf_t *lcf,
    ngx_str_t *name);


#endif /* _NGX_HTTP_COUNTERS_CORS_H_INCLUDED_ */
