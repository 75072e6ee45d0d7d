
/*
 * Copyright (C) The nginx counters module authors
 *
 * What of a counters_portal block can be judged only when all of it has been
 * read.
 */


#ifndef _NGX_HTTP_COUNTERS_CHECK_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_CHECK_H_INCLUDED_


#include "ngx_http_counters_setters.h"


/*
 * NGX_CONF_OK with the portal's webhook set, or NGX_CONF_ERROR when what is
 * wrong has been logged.  Called before defaults are filled in.
 */

char *ngx_http_counters_check_block(ngx_conf_t *cf,
    ngx_http_counters_block_t *block);


#endif /* _NGX_HTTP_COUNTERS_CHECK_H_INCLUDED_ */
