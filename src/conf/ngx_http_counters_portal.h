
/*
 * Copyright (C) The nginx counters module authors
 *
 * counters_portal NAME { }: parsing, defaults and checks.
 */


#ifndef _NGX_HTTP_COUNTERS_PORTAL_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_PORTAL_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/* the setter of the block directive; conf is the module's main conf */

char *ngx_http_counters_portal_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* NULL when no such portal has been defined above */

ngx_http_counters_portal_t *ngx_http_counters_portal_find(
    ngx_http_counters_main_conf_t *mcf, ngx_str_t *name);


#endif /* _NGX_HTTP_COUNTERS_PORTAL_H_INCLUDED_ */
