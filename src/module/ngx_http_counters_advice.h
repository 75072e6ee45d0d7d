
/*
 * Copyright (C) The nginx counters module authors
 *
 * What nginx -t warns of in a location: it works, but other modules'
 * directives there make it hurt.
 */


#ifndef _NGX_HTTP_COUNTERS_ADVICE_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_ADVICE_H_INCLUDED_


#include "ngx_http_counters_location.h"


/* of a location that is merged already */

void ngx_http_counters_advice(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_http_counters_location_t *location);


#endif /* _NGX_HTTP_COUNTERS_ADVICE_H_INCLUDED_ */
