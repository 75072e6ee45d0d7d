
/*
 * Copyright (C) The nginx counters module authors
 *
 * The setters of the directives inside counters_portal.  Their "conf" is an
 * ngx_http_counters_block_t; a text that they return follows the directive's
 * name.
 */


#ifndef _NGX_HTTP_COUNTERS_SETTERS_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_SETTERS_H_INCLUDED_


#include "ngx_counters_portal.h"
#include "ngx_http_counters_place.h"


/* a counters_portal block while it is read */

typedef struct {
    ngx_counters_portal_t     *portal;
    void                      *tag;           /* of its shared memory */
    ngx_http_counters_place_t  place;         /* of counters_portal itself */
    ngx_array_t                places;        /* of the directives read in it,
                                                 ngx_http_counters_place_t */
    ngx_msec_t                 ttl;           /* of methods without their own */
    ngx_http_counters_place_t  ttls[NGX_COUNTERS_METHODS];
    ngx_str_t                  webhook;       /* judged when url is known */
} ngx_http_counters_block_t;


/* directives that are one time, 0 allowed: cmd->offset is into the portal */

char *ngx_http_counters_setters_time(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

char *ngx_http_counters_setters_url(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_redis_url_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_webhook(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_methods(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_ttl(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_stale(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_rate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_reserve(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_batch(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_ahead(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_timeout(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_max_body(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_ca_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_verify(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_counters_setters_events_token(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_HTTP_COUNTERS_SETTERS_H_INCLUDED_ */
