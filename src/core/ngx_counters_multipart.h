
/*
 * Copyright (C) The nginx counters module authors
 *
 * A multipart/form-data body (RFC 7578).
 */


#ifndef _NGX_COUNTERS_MULTIPART_H_INCLUDED_
#define _NGX_COUNTERS_MULTIPART_H_INCLUDED_


#include "ngx_counters_args.h"


/* returns what the readers of ngx_counters_args.h do, of which it is one */

int ngx_counters_multipart_args(ngx_counters_args_t *args,
    const ngx_counters_str_t *content_type, const ngx_counters_str_t *in);


#endif /* _NGX_COUNTERS_MULTIPART_H_INCLUDED_ */
