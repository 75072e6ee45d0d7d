
/*
 * Copyright (C) The nginx counters module authors
 *
 * Where a redirect may take a call that carries credentials.
 */


#include "ngx_counters_redirect.h"

#include <stdlib.h>

#include "tap.h"


typedef struct {
    const char  *url;
    const char  *location;
    const char  *base;        /* NULL: not followed */
} redirect_t;


#define CLOUD  "https://acme.bitrix24.com"
#define LABEL  "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff."


static const redirect_t  redirects[] = {

    /* a renamed portal */
    { CLOUD, "https://new.bitrix24.com/rest/1/x", "https://new.bitrix24.com" },
    { CLOUD, "https://new.bitrix24.com", "https://new.bitrix24.com" },
    { CLOUD, "https://new.bitrix24.com?a=b", "https://new.bitrix24.com" },
    { CLOUD, "https://new.bitrix24.com#a", "https://new.bitrix24.com" },
    { CLOUD, "HTTPS://New.Bitrix24.COM/", "https://new.bitrix24.com" },
    { CLOUD, "https://a.b.bitrix24.com/", "https://a.b.bitrix24.com" },
    { "https://ACME.Bitrix24.com", "https://new.bitrix24.com/",
      "https://new.bitrix24.com" },
    { "https://acme.bitrix24.com.br", "https://new.bitrix24.com.br/",
      "https://new.bitrix24.com.br" },

    /* the same host: to https, to another port */
    { "http://acme.bitrix24.com", CLOUD "/rest/", CLOUD },
    { CLOUD, CLOUD ":8443/", CLOUD ":8443" },
    { CLOUD, CLOUD ":443/", CLOUD },
    { CLOUD ":8443", CLOUD "/", CLOUD },
    { "http://portal", "https://portal/", "https://portal" },
    { "http://my_portal", "https://my_portal/", "https://my_portal" },
    { "http://10.0.0.1:8080", "https://10.0.0.1/", "https://10.0.0.1" },
    { "http://[::1]:8080", "https://[::1]:8443/", "https://[::1]:8443" },
    { "https://[FE80::1]", "https://[fe80::1]:1/", "https://[fe80::1]:1" },

    /* the configured prefix stays, the location's path does not matter */
    { CLOUD "/portal", "https://new.bitrix24.com/other/",
      "https://new.bitrix24.com/portal" },
    { CLOUD ":8443/p/q", "https://new.bitrix24.com:1/",
      "https://new.bitrix24.com:1/p/q" },

    /* not https, not absolute */
    { CLOUD, "http://acme.bitrix24.com/", NULL },
    { CLOUD, "http://new.bitrix24.com/", NULL },
    { "http://acme.bitrix24.com", "http://acme.bitrix24.com/x", NULL },
    { CLOUD, "ftp://new.bitrix24.com/", NULL },
    { CLOUD, "file:///etc/passwd", NULL },
    { CLOUD, "//new.bitrix24.com/", NULL },
    { CLOUD, "/rest/", NULL },
    { CLOUD, "rest", NULL },
    { CLOUD, "https:new.bitrix24.com", NULL },
    { CLOUD, "https:/new.bitrix24.com", NULL },
    { CLOUD, "https:\\\\new.bitrix24.com", NULL },
    { CLOUD, " https://new.bitrix24.com/", NULL },
    { CLOUD, "https://", NULL },
    { CLOUD, "https:///", NULL },
    { CLOUD, "", NULL },

    /* another family */
    { CLOUD, "https://evil.com/", NULL },
    { CLOUD, "https://bitrix24.com/", NULL },
    { CLOUD, "https://.bitrix24.com/", NULL },
    { CLOUD, "https://evilbitrix24.com/", NULL },
    { CLOUD, "https://acme.bitrix24.com.evil.com/", NULL },
    { CLOUD, "https://acme.bitrix24.ru/", NULL },
    { CLOUD, "https://evil.com/.bitrix24.com", NULL },
    { CLOUD, "https://evil.com?.bitrix24.com", NULL },
    { CLOUD, "https://evil.com#.bitrix24.com", NULL },
    { CLOUD, "https://evil.com\\.bitrix24.com/", NULL },
    { CLOUD, "https://evil.com%2f.bitrix24.com/", NULL },
    { CLOUD, "https://evil.com%00.bitrix24.com/", NULL },
    { CLOUD, "https://evil.com\t.bitrix24.com/", NULL },
    { CLOUD, "https://evil.com,new.bitrix24.com/", NULL },
    { CLOUD, "https://\xd0\xb5.bitrix24.com/", NULL },
    { CLOUD, "https://a..bitrix24.com/", NULL },
    { CLOUD, "https://new.bitrix24.com./", NULL },
    { CLOUD, "https://acme.bitrix24.com./", NULL },
    { CLOUD, "https://10.0.0.1/", NULL },

    /* a domain that is too wide to be a family */
    { "https://example.com", "https://other.com/", NULL },
    { "https://example.com", "https://a.example.com/", NULL },
    { "https://example.co.uk", "https://evil.co.uk/", NULL },
    { "https://example.COM.br", "https://evil.com.br/", NULL },
    { "https://b24.example.co.uk", "https://new.example.co.uk/",
      "https://new.example.co.uk" },
    { "https://b24.firm.ru", "https://new.firm.ru/", "https://new.firm.ru" },
    { "https://portal", "https://other/", NULL },

    /* addresses: nothing is below them */
    { "https://10.0.0.1", "https://11.0.0.1/", NULL },
    { "https://10.0.0.1", "https://10.0.0.2/", NULL },
    { "https://a.b.0x7f", "https://c.b.0x7f/", NULL },
    { "https://[::1]", "https://[::2]/", NULL },
    { "https://[::1]", "https://[::1/", NULL },
    { "https://[::1]", "https://[::1]x/", NULL },
    { "https://[::1]", "https://[::1%25lo]/", NULL },
    { "https://[::1]", "https://[\x1a::1]/", NULL },
    { "https://[::1]", "https://::1/", NULL },

    /* users, ports */
    { CLOUD, "https://user@new.bitrix24.com/", NULL },
    { CLOUD, "https://user:pw@new.bitrix24.com/", NULL },
    { CLOUD, "https://new.bitrix24.com@evil.com/", NULL },
    { CLOUD, "https://new.bitrix24.com:443@evil.com/", NULL },
    { CLOUD, "https://new.bitrix24.com:/", NULL },
    { CLOUD, "https://new.bitrix24.com:0/", NULL },
    { CLOUD, "https://new.bitrix24.com:65535/",
      "https://new.bitrix24.com:65535" },
    { CLOUD, "https://new.bitrix24.com:65536/", NULL },
    { CLOUD, "https://new.bitrix24.com:4294967739/", NULL },
    { CLOUD, "https://new.bitrix24.com:44x/", NULL },
    { CLOUD, "https://new.bitrix24.com:-1/", NULL },

    /* the longest host there may be, and a longer one */
    { "https://a.b.cc", "https://" LABEL LABEL LABEL LABEL "1234.b.cc:65535/",
      "https://" LABEL LABEL LABEL LABEL "1234.b.cc:65535" },
    { "https://a.b.cc", "https://" LABEL LABEL LABEL LABEL "12345.b.cc/",
      NULL },
};


/* exact sizes: a sanitizer sees a byte too many */

static unsigned char *
copy(ngx_counters_str_t *s, const char *text)
{
    s->len = strlen(text);
    s->data = malloc(s->len ? s->len : 1);

    return memcpy(s->data, text, s->len);
}


int
main(void)
{
    int                  rc;
    size_t               i;
    const redirect_t    *r;
    ngx_counters_str_t   url, location, base;

    for (i = 0; i < sizeof(redirects) / sizeof(redirects[0]); i++) {
        r = &redirects[i];

        copy(&url, r->url);
        copy(&location, r->location);
        base.data = malloc(url.len + NGX_COUNTERS_REDIRECT_LEN);
        base.len = 0;

        rc = ngx_counters_redirect(&url, &location, &base);

        if (r->base == NULL) {
            is_int(rc, NGX_COUNTERS_DECLINED, "%s from %s is not followed",
                   r->location, r->url);

        } else {
            is_str(base.data, rc == NGX_COUNTERS_OK ? base.len : 0, r->base,
                   "%s from %s", r->location, r->url);
        }

        free(url.data);
        free(location.data);
        free(base.data);
    }

    return done();
}
