
/*
 * Copyright (C) The nginx counters module authors
 *
 * Raw slices of a JSON text that jansson has found valid: where each member
 * of an object, or element of an array, begins and ends.
 */


#ifndef _NGX_COUNTERS_JSON_H_INCLUDED_
#define _NGX_COUNTERS_JSON_H_INCLUDED_


#include "ngx_counters_core.h"


/*
 * jansson's strict parser, which also refuses invalid UTF-8, trailing bytes,
 * lone surrogates and numbers that no double holds, none of which PHP writes;
 * nesting is bounded by it.  Of an object's own members none may have the
 * name of another; deeper down the last of them counts, as it does for PHP and
 * JavaScript.  A byte order mark before the text is skipped (RFC 8259, section
 * 8.1), here and in all that reads a text.  NGX_COUNTERS_OK or
 * NGX_COUNTERS_DECLINED.
 */

int ngx_counters_json_valid(const ngx_counters_str_t *text);

/* the text without a byte order mark, to be put into another one */

ngx_counters_str_t ngx_counters_json_unmarked(const ngx_counters_str_t *text);

typedef struct {
    unsigned char           *pos;
    unsigned char           *end;
    unsigned                 array:1;
} ngx_counters_json_iter_t;

/*
 * Starts over the members of an object or the elements of an array.  "text"
 * must be valid JSON.  NGX_COUNTERS_DECLINED when it is neither.
 */

int ngx_counters_json_start(ngx_counters_json_iter_t *it,
    const ngx_counters_str_t *text);

/*
 * The next member; the name is raw, without its quotes, and empty in an
 * array.  NGX_COUNTERS_DONE after the last one.
 */

#define NGX_COUNTERS_DONE  -4

int ngx_counters_json_next(ngx_counters_json_iter_t *it,
    ngx_counters_str_t *name, ngx_counters_str_t *value);

/*
 * One member of an object by its name, the last of that name.  Names are
 * compared as they are written, escapes unread.  NGX_COUNTERS_DECLINED if it
 * is not there.
 */

int ngx_counters_json_member(const ngx_counters_str_t *object,
    const char *name, ngx_counters_str_t *value);


#endif /* _NGX_COUNTERS_JSON_H_INCLUDED_ */
