
/*
 * Copyright (C) The nginx counters module authors
 *
 * TLS towards Redis, where hiredis was built with it; all that knows OpenSSL
 * here.
 */


#ifndef _NGX_COUNTERS_REDIS_TLS_H_INCLUDED_
#define _NGX_COUNTERS_REDIS_TLS_H_INCLUDED_


#include "ngx_counters_redis.h"

#include <hiredis/hiredis.h>


/*
 * When the configuration is read: loads the files that "tls" names.  What is
 * wrong, as the end of "redis directive ...", or NULL.  It lives as long as
 * the pool.
 */

char *ngx_counters_redis_tls_init(ngx_pool_t *pool,
    ngx_counters_redis_tls_t *tls);

/*
 * On a connection that is being made, before anything is sent.  NULL, or why
 * not; the text is gone with the connection.
 */

const char *ngx_counters_redis_tls_start(redisContext *c,
    ngx_counters_redis_tls_t *tls);

/*
 * OpenSSL keeps errors of a thread in a queue, where one connection's would be
 * taken for the next one's, and by nginx for a reason to alert: it is cleared
 * before and after whatever hiredis does.  The text of the latest error, or
 * NULL.
 */

const char *ngx_counters_redis_tls_error(void);
void ngx_counters_redis_tls_clear(void);


#endif /* _NGX_COUNTERS_REDIS_TLS_H_INCLUDED_ */
