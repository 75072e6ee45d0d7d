
/*
 * Copyright (C) The nginx counters module authors
 *
 * The body of a REST call, in whichever form it is.
 */


#ifndef _NGX_COUNTERS_BODY_H_INCLUDED_
#define _NGX_COUNTERS_BODY_H_INCLUDED_


#include "ngx_counters_args.h"


/*
 * Adds the body's arguments to the list, by the reader that its Content-Type
 * asks for; an empty body has none, whatever its type.  Returns what the
 * readers of ngx_counters_args.h do, NGX_COUNTERS_DECLINED for other types.
 */

int ngx_counters_body_args(ngx_counters_args_t *args,
    const ngx_counters_str_t *content_type, const ngx_counters_str_t *in);


#endif /* _NGX_COUNTERS_BODY_H_INCLUDED_ */
