
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


/* what its two files share: the path alone, and work on pieces of text */

unsigned char *ngx_counters_mask_path(unsigned char *out, unsigned char *p,
    unsigned char *end);

/* a secret's name with a value behind it, in a decoded text */

int ngx_counters_mask_pair(unsigned char *p, unsigned char *end);

/* in place; what is no valid sequence stays as it is */

size_t ngx_counters_mask_decode(unsigned char *p, size_t len);

/* the character that is escaped at p, -1 if none is */

int ngx_counters_mask_escaped(const unsigned char *p,
    const unsigned char *end);

/* a byte of a word */

int ngx_counters_mask_alnum(unsigned char ch);

unsigned char *ngx_counters_mask_stars(unsigned char *out);

/* what is unsafe in any log; what is escaped stays so */

unsigned char *ngx_counters_mask_escape(unsigned char *out, unsigned char *p,
    unsigned char *end);


#endif /* _NGX_COUNTERS_MASK_H_INCLUDED_ */
