
/*
 * Copyright (C) The nginx counters module authors
 *
 * Answers to requests that were passed on: the portal's limits concern the
 * refreshes as well, since both come from one address.
 */


#ifndef _NGX_HTTP_COUNTERS_PASSED_LIMITS_H_INCLUDED_
#define _NGX_HTTP_COUNTERS_PASSED_LIMITS_H_INCLUDED_


#include "ngx_http_counters_conf.h"


/* installs the filters, in postconfiguration */

void ngx_http_counters_passed_limits_init(void);


#endif /* _NGX_HTTP_COUNTERS_PASSED_LIMITS_H_INCLUDED_ */
