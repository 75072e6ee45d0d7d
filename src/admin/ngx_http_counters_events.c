
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_counters_task.h"
#include "ngx_http_counters_admin.h"
#include "ngx_http_counters_events.h"
#include "ngx_http_counters_request.h"
#include "ngx_http_counters_send.h"
#include "ngx_counters_inquiry.h"


#define NGX_HTTP_COUNTERS_EVENT_BODY  65536

/* of other kinds of events too, which are larger than those of tasks */
#define NGX_HTTP_COUNTERS_EVENT_ARGS  512

/* the address may have a query of its own */
#define NGX_HTTP_COUNTERS_EVENT_QUERY 32


static void ngx_http_counters_events_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_counters_events(ngx_http_request_t *r);
static ngx_int_t ngx_http_counters_events_parse(ngx_http_request_t *r,
    ngx_counters_event_t *event);
static ngx_uint_t ngx_http_counters_events_form(ngx_http_request_t *r);
static ngx_uint_t ngx_http_counters_events_genuine(
    ngx_counters_worker_t *w, ngx_counters_str_t *token);
static ngx_int_t ngx_http_counters_events_too_large(ngx_http_request_t *r);


ngx_int_t
ngx_http_counters_events_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_counters_admin_not_allowed(r, "POST");
    }

    if (r->headers_in.content_length_n > NGX_HTTP_COUNTERS_EVENT_BODY) {

        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }

        return ngx_http_counters_events_too_large(r);
    }

    rc = ngx_http_read_client_request_body(r,
                                       ngx_http_counters_events_body_handler);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static void
ngx_http_counters_events_body_handler(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r, ngx_http_counters_events(r));
}


static ngx_int_t
ngx_http_counters_events(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_counters_event_t           event;
    ngx_counters_worker_t         *w;
    ngx_counters_portal_t         *portal;
    ngx_http_counters_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_counters_module);

    portal = lcf->events;
    w = ngx_counters_worker(portal);

    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* that of a chunked body is known by now */

    if (r->headers_in.content_length_n > NGX_HTTP_COUNTERS_EVENT_BODY) {
        return ngx_http_counters_events_too_large(r);
    }

    rc = ngx_http_counters_events_parse(r, &event);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_ABORT && !ngx_http_counters_events_genuine(w, &event.token))
    {
        /* not through the request's log, which would add its line */

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "counters_portal \"%V\": an event from %V has no token "
                      "that is expected", &portal->name,
                      &r->connection->addr_text);

        return ngx_http_counters_admin_error(r, NGX_HTTP_FORBIDDEN,
                                             "INVALID_TOKEN",
                                             "This is not a token of the "
                                             "portal's");
    }

    if (rc != NGX_OK) {
        return ngx_http_counters_admin_error(r, NGX_HTTP_BAD_REQUEST,
                                             "INVALID_REQUEST",
                                             "This is not an event");
    }

    if (event.kind != NGX_COUNTERS_EVENT_OTHER) {
        ngx_counters_inquiry_event(w, event.task,
                                   event.kind == NGX_COUNTERS_EVENT_DELETED);
    }

    r->headers_out.status = NGX_HTTP_OK;

    return ngx_http_counters_send_body(r, NULL, 0);
}


/*
 * NGX_ABORT: the body cannot be read; NGX_DECLINED: it is not an event, but
 * may have a token.
 */

static ngx_int_t
ngx_http_counters_events_parse(ngx_http_request_t *r,
    ngx_counters_event_t *event)
{
    ngx_int_t            rc;
    ngx_counters_args_t  query, body;
    ngx_counters_arg_t   args[NGX_HTTP_COUNTERS_EVENT_QUERY];

    if (!ngx_http_counters_events_form(r)) {
        return NGX_ABORT;
    }

    query.elts = args;
    query.nalloc = NGX_HTTP_COUNTERS_EVENT_QUERY;
    body.nalloc = NGX_HTTP_COUNTERS_EVENT_ARGS;

    body.elts = ngx_palloc(r->pool, body.nalloc * sizeof(ngx_counters_arg_t));
    if (body.elts == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_counters_request_args(r, &query, &body);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_ABORT : NGX_ERROR;
    }

    return ngx_counters_task_event(&body, event);
}


static ngx_uint_t
ngx_http_counters_events_form(ngx_http_request_t *r)
{
    u_char           *p;
    ngx_table_elt_t  *type;

    type = r->headers_in.content_type;

    if (type == NULL) {
        return 0;
    }

    p = type->value.data;

    return ngx_counters_args_type(&p, p + type->value.len,
                                  "application/x-www-form-urlencoded")
           == NGX_COUNTERS_OK;
}


/* all tokens are compared, so that the time does not tell which it was */

static ngx_uint_t
ngx_http_counters_events_genuine(ngx_counters_worker_t *w,
    ngx_counters_str_t *token)
{
    ngx_str_t           *tokens;
    ngx_uint_t           i, genuine;
    ngx_counters_str_t   expected;

    if (token->data == NULL) {
        return 0;
    }

    genuine = 0;
    tokens = w->portal->events_tokens->elts;

    for (i = 0; i < w->portal->events_tokens->nelts; i++) {
        expected.len = tokens[i].len;
        expected.data = tokens[i].data;

        genuine |= ngx_counters_key_hmac_same(w->hmac, token, &expected);
    }

    return genuine;
}


static ngx_int_t
ngx_http_counters_events_too_large(ngx_http_request_t *r)
{
    return ngx_http_counters_admin_error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                         "REQUEST_TOO_LARGE",
                                         "An event is never so large");
}
