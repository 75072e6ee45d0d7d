
/*
 * Copyright (C) The nginx counters module authors
 *
 * One transfer: what curl is asked for and what it has to tell afterwards.
 */


#ifndef _NGX_COUNTERS_FETCH_EASY_H_INCLUDED_
#define _NGX_COUNTERS_FETCH_EASY_H_INCLUDED_


#include "ngx_counters_fetch.h"

#include <curl/curl.h>


/* bytes of headers handed on */

#define NGX_COUNTERS_FETCH_HEADERS  4096


/* the body of an answer, by ngx_alloc(); the caller sets max and log */

typedef struct {
    ngx_str_t     body;
    size_t        size;     /* allocated */
    size_t        max;
    const char   *error;    /* why it was refused, or NULL */
    ngx_log_t    *log;
} ngx_counters_fetch_answer_t;


/*
 * A POST of "body", which is not copied, as curl's headers are not.  NULL on
 * failure.
 */

CURL *ngx_counters_fetch_easy_create(ngx_counters_fetch_conf_t *conf,
    struct curl_slist *headers, ngx_str_t *body,
    ngx_counters_fetch_answer_t *answer, void *data);

/* the "data" given to create, NULL if curl fails */

void *ngx_counters_fetch_easy_data(CURL *easy);

/* "url" ends with a NUL and is copied by curl */

ngx_int_t ngx_counters_fetch_easy_url(CURL *easy, ngx_str_t *url);

ngx_uint_t ngx_counters_fetch_easy_status(CURL *easy);

/* the connection carries several transfers at a time */

ngx_uint_t ngx_counters_fetch_easy_shared(CURL *easy);

/*
 * status, retry_after and headers of a transfer that went well; "buf" has
 * NGX_COUNTERS_FETCH_HEADERS bytes for the latter.
 */

void ngx_counters_fetch_easy_result(CURL *easy, u_char *buf,
    ngx_counters_fetch_result_t *result);

/* of a transfer that did not go well */

ngx_counters_fetch_rc_e ngx_counters_fetch_easy_code(CURLcode code);


#endif /* _NGX_COUNTERS_FETCH_EASY_H_INCLUDED_ */
