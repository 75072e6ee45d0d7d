
/*
 * Copyright (C) The nginx counters module authors
 *
 * counters_portal NAME { }: parsing, defaults and checks.
 */


#ifndef _NGX_HTTP_COUNTERS_PORTAL_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_PORTAL_H_INCLUDED_


#include "ngx_counters_portal.h"


/*
 * The setter of the block directive: cmd->offset is that of the array of
 * ngx_counters_portal_t * in "conf", cmd->post the module whose shared
 * memory it is.
 */

char *ngx_http_counters_portal_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* NULL when no such portal has been defined above */

ngx_counters_portal_t *ngx_http_counters_portal_find(
    ngx_array_t *portals, ngx_str_t *name);


#endif /* _NGX_HTTP_COUNTERS_PORTAL_H_INCLUDED_ */
