
/*
 * Copyright (C) The nginx counters module authors
 *
 * One request to the portal: under which path, with which credential, and
 * what it costs of the quota.
 */


#ifndef _NGX_COUNTERS_POST_H_INCLUDED_
#define _NGX_COUNTERS_POST_H_INCLUDED_


#include "ngx_counters_worker.h"


typedef struct ngx_counters_post_s  ngx_counters_post_t;


/* part of what the caller keeps until "done" is called */

struct ngx_counters_post_s {
    ngx_counters_worker_t  *worker;

    /* writes the arguments as a form; "user" is the credential's own */

    u_char                    *(*write)(ngx_counters_post_t *post, u_char *p,
                                        uint64_t user);

    /*
     * Called once, from the event loop; what "result" holds is gone
     * afterwards.  With NGX_COUNTERS_FETCH_CLOSED the worker exits.
     */

    void                       (*done)(ngx_counters_post_t *post,
                                       const ngx_counters_fetch_result_t
                                           *result);
};


/*
 * Posts "method", or a batch if "n" is more than one; "write" writes at most
 * "len" bytes.  Its quota has been taken.  NGX_OK, or NGX_ERROR when nothing
 * has been sent and "done" is not called.
 */

ngx_int_t ngx_counters_post(ngx_counters_post_t *post,
    const ngx_counters_cred_t *cred, const ngx_counters_str_t *method,
    ngx_uint_t n, size_t len);

/* "n" requests were sent for which no quota had been taken */

void ngx_counters_post_spent(ngx_counters_worker_t *w, ngx_uint_t n);


#endif /* _NGX_COUNTERS_POST_H_INCLUDED_ */
