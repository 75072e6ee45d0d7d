
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_peers.h"
#include "ngx_counters_post.h"


static ngx_int_t ngx_counters_post_form(ngx_counters_post_t *post,
    const ngx_counters_cred_t *cred, const ngx_counters_str_t *method,
    u_char *p);
static void ngx_counters_post_handler(void *data,
    const ngx_counters_fetch_result_t *result);


ngx_int_t
ngx_counters_post(ngx_counters_post_t *post, const ngx_counters_cred_t *cred,
    const ngx_counters_str_t *method, ngx_uint_t n, size_t len)
{
    u_char     *p;
    ngx_int_t   rc;

    static ngx_counters_str_t  batch = ngx_counters_string("batch");

    if (n > 1) {
        method = &batch;
    }

    /* path, then body, where a token may take three bytes for each */

    len += sizeof("/rest///auth=&") + NGX_INT64_LEN + method->len
           + 3 * cred->secret.len;

    p = ngx_alloc(len, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_counters_post_form(post, cred, method, p);

    ngx_explicit_memzero(p, len);
    ngx_free(p);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (n > 1) {
        ngx_counters_worker_count(post->worker, NGX_COUNTERS_STAT_BATCHES, 1);
    }

    ngx_counters_peers_spent(post->worker, 1);

    return NGX_OK;
}


/* a token travels in the body, where no access log of the portal sees it */

static ngx_int_t
ngx_counters_post_form(ngx_counters_post_t *post,
    const ngx_counters_cred_t *cred, const ngx_counters_str_t *method,
    u_char *p)
{
    ngx_str_t  path, body;

    path.data = p;
    p = ngx_cpymem(p, "/rest/", sizeof("/rest/") - 1);

    if (cred->kind != NGX_COUNTERS_CRED_TOKEN) {
        p = ngx_sprintf(p, "%uL/", cred->user);
        p = ngx_cpymem(p, cred->secret.data, cred->secret.len);
        *p++ = '/';
    }

    p = ngx_cpymem(p, method->data, method->len);

    path.len = p - path.data;
    body.data = p;

    if (cred->kind == NGX_COUNTERS_CRED_TOKEN) {
        p = ngx_cpymem(p, "auth=", sizeof("auth=") - 1);
        p = (u_char *) ngx_escape_uri(p, cred->secret.data, cred->secret.len,
                                      NGX_ESCAPE_URI_COMPONENT);
        *p++ = '&';
    }

    p = post->write(post, p, cred->user);

    body.len = p - body.data;

    if (body.len && body.data[body.len - 1] == '&') {
        body.len--;
    }

    return (ngx_counters_fetch_post(ngx_counters_worker_fetcher(),
                                    &post->worker->portal->fetch, &path,
                                    &body, ngx_counters_post_handler, post)
            != NULL)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_counters_post_handler(void *data,
    const ngx_counters_fetch_result_t *result)
{
    ngx_counters_post_t *post = data;

    ngx_counters_worker_t  *w;

    w = post->worker;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "counters portal answer: %d, status %ui",
                   result->rc, result->status);

    if (result->rc != NGX_COUNTERS_FETCH_CLOSED) {

        /* none at all, if no connection became free in time */

        ngx_counters_worker_count(w, NGX_COUNTERS_STAT_PORTAL_REQUESTS,
                                  result->requests);

        /* a redirect that was followed cost a request more */

        if (result->requests > 1) {
            ngx_counters_post_spent(w, result->requests - 1);
        }
    }

    post->done(post, result);
}


void
ngx_counters_post_spent(ngx_counters_worker_t *w, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        ngx_counters_quota_passed(w->portal->zone, ngx_counters_worker_now());
    }

    ngx_counters_peers_spent(w, n);
}
