
/*
 * Copyright (C) The nginx counters module authors
 *
 * Work on pieces of a URI that is being masked.
 */


#ifndef _NGX_COUNTERS_MASK_TEXT_H_INCLUDED_
#define _NGX_COUNTERS_MASK_TEXT_H_INCLUDED_


#include "ngx_counters_core.h"


/* what a scan has found in a decoded text */

#define NGX_COUNTERS_MASK_TEXT_NAME  0x1     /* a secret's name, as a word */
#define NGX_COUNTERS_MASK_TEXT_PAIR  0x2     /* a secret's name, then = or : */
#define NGX_COUNTERS_MASK_TEXT_LIST  0x4     /* a secret's name, then [ */
#define NGX_COUNTERS_MASK_TEXT_URL   0x8     /* a path with /rest/ */


/* what there is in a decoded text: the flags above, 0 for nothing secret */

unsigned ngx_counters_mask_text_scan(unsigned char *p, unsigned char *end);

/*
 * Decodes percent signs and pluses in place; what is no valid sequence stays
 * as it is.  Returns the new length.
 */

size_t ngx_counters_mask_text_decode(unsigned char *p, size_t len);

/* the character that is escaped at p, -1 if none is */

int ngx_counters_mask_text_escaped(const unsigned char *p,
    const unsigned char *end);

/* a byte of a word */

int ngx_counters_mask_text_alnum(unsigned char ch);

/* in place of a secret; three bytes */

unsigned char *ngx_counters_mask_text_stars(unsigned char *out);

/*
 * Copies a text and escapes what is unsafe in any log; what is escaped
 * stays so.  Writes at most three bytes for one.
 */

unsigned char *ngx_counters_mask_text_escape(unsigned char *out,
    unsigned char *p, unsigned char *end);


#endif /* _NGX_COUNTERS_MASK_TEXT_H_INCLUDED_ */
