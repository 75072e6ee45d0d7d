
/*
 * Copyright (C) The nginx counters module authors
 *
 * The memory of curl, which has held tokens: in requests that wait to be sent,
 * and in answers that repeat them.  It is wiped before it is free for others.
 */


#ifndef _NGX_COUNTERS_FETCH_MEMORY_H_INCLUDED_
#define _NGX_COUNTERS_FETCH_MEMORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Instead of curl_global_init().  If another module has called that before,
 * curl keeps what memory it had then.  NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_counters_fetch_memory_init(void);


#endif /* _NGX_COUNTERS_FETCH_MEMORY_H_INCLUDED_ */
