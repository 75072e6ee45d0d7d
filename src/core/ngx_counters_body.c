
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_body.h"
#include "ngx_counters_multipart.h"


int
ngx_counters_body_args(ngx_counters_args_t *args,
    const ngx_counters_str_t *content_type, const ngx_counters_str_t *in)
{
    unsigned char  *p, *end;

    if (in->len == 0) {
        return NGX_COUNTERS_OK;
    }

    if (content_type->len == 0) {
        return NGX_COUNTERS_DECLINED;
    }

    /* the portal compares the whole header with this one spelling */

    if (ngx_counters_str_eq(content_type, "application/json",
                            sizeof("application/json") - 1))
    {
        return ngx_counters_args_json(args, in);
    }

    p = content_type->data;
    end = p + content_type->len;

    if (ngx_counters_args_type(&p, end, "application/x-www-form-urlencoded")
        == NGX_COUNTERS_OK)
    {
        return ngx_counters_args_form(args, in);
    }

    return ngx_counters_multipart_args(args, content_type, in);
}
