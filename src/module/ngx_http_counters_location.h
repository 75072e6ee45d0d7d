
/*
 * Copyright (C) The nginx counters module authors
 *
 * The configuration of http, a server, a location: what is inherited, which
 * handler serves, and what cannot be so.
 */


#ifndef _NGX_HTTP_COUNTERS_LOCATION_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_LOCATION_H_INCLUDED_


#include "ngx_http_counters_conf.h"
#include "ngx_http_counters_place.h"


/*
 * The module's loc conf, and behind it what only checks need.  The places are
 * those of directives written here: line 0 if one is inherited or not there.
 */

typedef struct ngx_http_counters_location_s  ngx_http_counters_location_t;

struct ngx_http_counters_location_s {
    ngx_http_counters_loc_conf_t   conf;
    ngx_http_handler_pt            handler;   /* the location's, if ours */
    ngx_http_counters_place_t      portal;    /* of counters */
    ngx_http_counters_place_t      user;      /* of counters_user */
    ngx_http_counters_place_t      task;      /* of counters_status and such */
    ngx_http_counters_location_t  *origin;    /* where the counters that is in
                                                 effect is written, or NULL */
    ngx_uint_t                     warned;    /* an origin's: access_log */
};


void *ngx_http_counters_location_create(ngx_conf_t *cf);
char *ngx_http_counters_location_merge(ngx_conf_t *cf, void *parent,
    void *child);


#endif /* _NGX_HTTP_COUNTERS_LOCATION_H_INCLUDED_ */
