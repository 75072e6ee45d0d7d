
/*
 * Copyright (C) The nginx counters module authors
 *
 * A host's addresses, asked of the system's resolver in a thread, since
 * getaddrinfo() may block for as long as name servers do not answer.  Nobody
 * ever waits for that thread: who loses interest lets it go.
 */


#ifndef _NGX_COUNTERS_RESOLVE_H_INCLUDED_
#define _NGX_COUNTERS_RESOLVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


#define NGX_COUNTERS_RESOLVE_MAX  8     /* addresses of a host that count */


typedef struct ngx_counters_resolve_s  ngx_counters_resolve_t;

typedef struct {
    ngx_sockaddr_t  sockaddr;           /* without a port */
    socklen_t       socklen;
} ngx_counters_resolve_addr_t;


/*
 * Called once, from the event loop, never before ngx_counters_resolve() has
 * returned; naddrs is 0 if there is no such host or nobody knows.  The lookup
 * and "addrs" are gone afterwards.
 */

typedef void (*ngx_counters_resolve_pt)(void *data,
    ngx_counters_resolve_addr_t *addrs, ngx_uint_t naddrs);


/* "host" is NUL-terminated.  NULL on failure, logged; nothing is called then */

ngx_counters_resolve_t *ngx_counters_resolve(u_char *host,
    ngx_counters_resolve_pt handler, void *data, ngx_log_t *log);

/* the handler will not be called */

void ngx_counters_resolve_cancel(ngx_counters_resolve_t *rs);


#endif /* _NGX_COUNTERS_RESOLVE_H_INCLUDED_ */
