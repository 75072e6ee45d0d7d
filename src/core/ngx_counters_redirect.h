
/*
 * Copyright (C) The nginx counters module authors
 *
 * Where a portal may redirect to.  A renamed portal answers with its new
 * address; the call carries credentials, so it is repeated only within the
 * configured portal's own domain family and only over https.
 */


#ifndef _NGX_COUNTERS_REDIRECT_H_INCLUDED_
#define _NGX_COUNTERS_REDIRECT_H_INCLUDED_


#include "ngx_counters_core.h"


/* what the base needs besides the length of "url" */

#define NGX_COUNTERS_REDIRECT_LEN  (sizeof("https://:65535") - 1 + 255)


/*
 * "url" is the configured scheme://host[:port][/prefix], "location" what the
 * portal answered.  NGX_COUNTERS_OK: "base" holds what replaces url: https,
 * the location's host in lower case and its port, url's prefix; the rest of
 * the location is not looked at.  NGX_COUNTERS_DECLINED: not to be followed.
 *
 * The caller owns base->data, of url's length and NGX_COUNTERS_REDIRECT_LEN.
 */

int ngx_counters_redirect(const ngx_counters_str_t *url,
    const ngx_counters_str_t *location, ngx_counters_str_t *base);


#endif /* _NGX_COUNTERS_REDIRECT_H_INCLUDED_ */
