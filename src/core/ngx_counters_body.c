
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_body.h"
#include "ngx_counters_multipart.h"


static int ngx_counters_body_json(const ngx_counters_str_t *content_type);


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

    if (ngx_counters_body_json(content_type)) {
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


/*
 * The portal cuts parameters off, and space around what is left; it compares
 * the case, too.  As a form it reads any other type but PHP's own.
 */

static int
ngx_counters_body_json(const ngx_counters_str_t *content_type)
{
    unsigned char       *p, *end;
    ngx_counters_str_t   type;

    p = content_type->data;
    end = memchr(p, ';', content_type->len);

    if (end == NULL) {
        end = p + content_type->len;
    }

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }

    type.len = end - p;
    type.data = p;

    return ngx_counters_str_eq(&type, "application/json",
                               sizeof("application/json") - 1);
}
