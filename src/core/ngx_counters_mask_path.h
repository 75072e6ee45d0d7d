
/*
 * Copyright (C) The nginx counters module authors
 *
 * The path of a URI that is being masked: which of its segments may be a
 * webhook's code.
 */


#ifndef _NGX_COUNTERS_MASK_PATH_H_INCLUDED_
#define _NGX_COUNTERS_MASK_PATH_H_INCLUDED_


#include "ngx_counters_core.h"


/*
 * The path from p to end, as a client sent it.  Writes at most three bytes
 * for one, and 16 more; returns the new end.
 */

unsigned char *ngx_counters_mask_path(unsigned char *out, unsigned char *p,
    unsigned char *end);


#endif /* _NGX_COUNTERS_MASK_PATH_H_INCLUDED_ */
