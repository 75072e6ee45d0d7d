
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_counters_handler.h"


ngx_int_t
ngx_http_counters_managed_handler(ngx_http_request_t *r)
{
    return NGX_HTTP_NOT_FOUND;
}


ngx_int_t
ngx_http_counters_status_handler(ngx_http_request_t *r)
{
    return NGX_HTTP_NOT_FOUND;
}


ngx_int_t
ngx_http_counters_purge_handler(ngx_http_request_t *r)
{
    return NGX_HTTP_NOT_FOUND;
}


ngx_int_t
ngx_http_counters_events_handler(ngx_http_request_t *r)
{
    return NGX_HTTP_NOT_FOUND;
}
