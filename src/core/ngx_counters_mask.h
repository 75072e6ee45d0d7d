
/*
 * Copyright (C) The nginx counters module authors
 *
 * A request URI fit for a log: every secret in it replaced by three stars.
 */


#ifndef _NGX_COUNTERS_MASK_H_INCLUDED_
#define _NGX_COUNTERS_MASK_H_INCLUDED_


#include "ngx_counters_core.h"


/*
 * "path" is decoded, "args" is the raw query without "?".  The path is
 * escaped again.  Writes at most 3 * path->len + 4 * args->len + 16 bytes to
 * "out" and returns its new end.
 */

unsigned char *ngx_counters_mask_uri(unsigned char *out,
    const ngx_counters_str_t *path, const ngx_counters_str_t *args);


#endif /* _NGX_COUNTERS_MASK_H_INCLUDED_ */
