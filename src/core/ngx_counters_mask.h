
/*
 * Copyright (C) The nginx counters module authors
 *
 * A request URI fit for a log: every secret in it replaced by three stars.
 */


#ifndef _NGX_COUNTERS_MASK_H_INCLUDED_
#define _NGX_COUNTERS_MASK_H_INCLUDED_


#include "ngx_counters_core.h"


/*
 * "uri" is as a client sent it, nothing decoded or normalised: a path, a
 * query, a fragment.  It stays so but for the stars; what could break a line
 * of a log is escaped.  Where it cannot be told what a segment of the path
 * is, behind "/rest/../" or "%2572est", it is masked, as is any fragment.
 * Writes at most 3 * uri->len + 16 bytes to "out" and returns its new end.
 */

unsigned char *ngx_counters_mask_uri(unsigned char *out,
    const ngx_counters_str_t *uri);


#endif /* _NGX_COUNTERS_MASK_H_INCLUDED_ */
