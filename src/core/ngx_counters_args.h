
/*
 * Copyright (C) The nginx counters module authors
 *
 * The arguments of a REST call, in whichever form they come, read into one
 * flat list.  Percent-decoding and the bracket syntax follow PHP, which is
 * what the portal runs.
 */


#ifndef _NGX_COUNTERS_ARGS_H_INCLUDED_
#define _NGX_COUNTERS_ARGS_H_INCLUDED_


#include "ngx_counters_core.h"


typedef enum {
    NGX_COUNTERS_ARG_STRING = 0,
    NGX_COUNTERS_ARG_INTEGER,   /* a JSON integer; value is its decimal text */
    NGX_COUNTERS_ARG_BOOLEAN,   /* JSON true, false; value is "1" or "0" */
    NGX_COUNTERS_ARG_OTHER      /* null, real, list, deeper nesting, file */
} ngx_counters_arg_kind_e;


typedef struct {
    ngx_counters_arg_kind_e  kind;
    unsigned                 subscript:1;  /* name[key], or a JSON member of
                                              the object or list "name" */
    ngx_counters_str_t       name;
    ngx_counters_str_t       key;          /* decoded; "0", "1", ... for [] */
    ngx_counters_str_t       value;        /* decoded; empty for OTHER */
    ngx_counters_str_t       rest;         /* "[c]..." of name[key][c]...= */
    ngx_counters_str_t       deep;         /* the value of one with a rest */
} ngx_counters_arg_t;


/*
 * Both areas are the caller's.  Names and values point into the parsed input
 * where nothing had to be decoded, into "pos" otherwise, so the input must
 * live as long as the list.  A list may be filled by several calls.
 */

typedef struct {
    ngx_counters_arg_t      *elts;
    size_t                   nelts;
    size_t                   nalloc;
    unsigned char           *pos;          /* free space for decoded bytes */
    unsigned char           *end;
} ngx_counters_args_t;


/*
 * Each returns NGX_COUNTERS_OK, or NGX_COUNTERS_DECLINED for what the module
 * does not read: malformed input, too many arguments, no space left.  Space
 * as long as the input plus 24 bytes per argument is always enough.
 */

int ngx_counters_args_form(ngx_counters_args_t *args,
    const ngx_counters_str_t *in);

/* an object, or the empty list that PHP clients write for no parameters */

int ngx_counters_args_json(ngx_counters_args_t *args,
    const ngx_counters_str_t *in);

/*
 * What the readers of the formats share.  A new argument is cleared, and is
 * NULL when the list is full; the reader counts it in once it is whole.
 */

ngx_counters_arg_t *ngx_counters_args_new(ngx_counters_args_t *args);

/* splits name[key] in arg->name */

int ngx_counters_args_subscript(ngx_counters_args_t *args,
    ngx_counters_arg_t *arg);

/*
 * Steps over a media type in any case, alone or with parameters: they are
 * left at *pos.
 */

int ngx_counters_args_type(unsigned char **pos, unsigned char *end,
    const char *type);

/* without regard to case */

int ngx_counters_args_same(const ngx_counters_str_t *s, const char *p,
    size_t len);

#define ngx_counters_args_is(s, literal)                                      \
    ngx_counters_args_same(s, literal, sizeof(literal) - 1)


#endif /* _NGX_COUNTERS_ARGS_H_INCLUDED_ */
