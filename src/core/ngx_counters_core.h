
/*
 * Copyright (C) The nginx counters module authors
 *
 * Types that the core layer shares.  Nothing under src/core includes an nginx
 * header, reads a clock or performs I/O: time is an argument, memory belongs
 * to the caller unless a prototype says otherwise.
 */


#ifndef _NGX_COUNTERS_CORE_H_INCLUDED_
#define _NGX_COUNTERS_CORE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <string.h>


/* the values of NGX_OK, NGX_ERROR and NGX_DECLINED */

#define NGX_COUNTERS_OK         0
#define NGX_COUNTERS_ERROR     -1
#define NGX_COUNTERS_DECLINED  -5


/* laid out as ngx_str_t */

typedef struct {
    size_t          len;
    unsigned char  *data;
} ngx_counters_str_t;


#define ngx_counters_string(s)  { sizeof(s) - 1, (unsigned char *) (s) }


static inline int
ngx_counters_str_eq(const ngx_counters_str_t *s, const char *p, size_t len)
{
    return s->len == len && memcmp(s->data, p, len) == 0;
}


#endif /* _NGX_COUNTERS_CORE_H_INCLUDED_ */
