
/*
 * Copyright (C) The nginx counters module authors
 *
 * Commands as Redis reads them, and what of its words may be logged.
 */


#ifndef _NGX_COUNTERS_REDIS_WIRE_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_WIRE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_COUNTERS_REDIS_MAX_TEXT  80


/* room for commands, one at a time; zeroed at first */

typedef struct {
    u_char  *data;
    size_t   size;
} ngx_counters_redis_buf_t;


/*
 * The command, followed by a zero byte that does not belong to it, which
 * hiredis needs.  It stays in "b" until the next one.  NULL: no memory.
 */

u_char *ngx_counters_redis_wire(ngx_counters_redis_buf_t *b, ngx_str_t *args,
    ngx_uint_t nargs, size_t *len);

/* also wipes it: there may have been a password in it */

void ngx_counters_redis_wire_redis_buf_free(ngx_counters_redis_buf_t *b);

/*
 * Errors of Redis may repeat arguments, in quotes or after a comma, and a
 * peer may say anything: "out", of ..._MAX_TEXT + 1 bytes, gets neither
 * "password" nor a line break, and is never empty.
 */

void ngx_counters_redis_wire_redis_text(u_char *out, const char *text,
    ngx_str_t *password);


#endif /* _NGX_COUNTERS_REDIS_WIRE_H_INCLUDED_ */
