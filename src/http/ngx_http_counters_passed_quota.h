
/*
 * Copyright (C) The nginx counters module authors
 *
 * What of the requests passed on goes to the portal's REST API: it fills the
 * bucket that the refreshes have to do with as well.
 */


#ifndef _NGX_HTTP_COUNTERS_PASSED_QUOTA_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_PASSED_QUOTA_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/*
 * At the end of the location's merge: where requests are passed on, each is
 * counted when the location's handler sends it to an upstream with "/rest/"
 * in the path, every time and at that moment.  What is answered here, or
 * goes elsewhere, is not.  ctx->sent is set with the first.
 */

void ngx_http_counters_passed_quota_wrap(ngx_http_core_loc_conf_t *clcf,
    ngx_http_counters_loc_conf_t *prev, ngx_http_counters_loc_conf_t *conf);


#endif /* _NGX_HTTP_COUNTERS_PASSED_QUOTA_H_INCLUDED_ */
