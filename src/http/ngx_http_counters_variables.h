
/*
 * Copyright (C) The nginx counters module authors
 */


#ifndef _NGX_HTTP_COUNTERS_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_VARIABLES_H_INCLUDED_


#include "ngx_http_counters_conf.h"


extern ngx_str_t
    ngx_http_counters_variables_cache_statuses[NGX_HTTP_COUNTERS_STATUSES];


/* registers $counters_cache_status and the others, in preconfiguration */

ngx_int_t ngx_http_counters_variables_add(ngx_conf_t *cf);


#endif /* _NGX_HTTP_COUNTERS_VARIABLES_H_INCLUDED_ */
