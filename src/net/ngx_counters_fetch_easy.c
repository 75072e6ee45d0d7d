
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_fetch_easy.h"


/* bytes, the first buffer of a body */

#define NGX_COUNTERS_FETCH_BUFFER  4096


static ngx_int_t ngx_counters_fetch_easy_options(CURL *easy);
static ngx_int_t ngx_counters_fetch_easy_tls(CURL *easy,
    ngx_counters_fetch_conf_t *conf);
static size_t ngx_counters_fetch_easy_write(char *p, size_t size, size_t n,
    void *data);
static time_t ngx_counters_fetch_easy_retry_after(CURL *easy);
static u_char *ngx_counters_fetch_easy_headers(CURL *easy, u_char *p,
    u_char *last);
static ngx_uint_t ngx_counters_fetch_easy_varies(CURL *easy);
static u_char *ngx_counters_fetch_easy_header(struct curl_header *h,
    u_char *p, u_char *last);


static const struct {
    CURLoption   option;
    long         value;
} ngx_counters_fetch_easy_flags[] = {
    { CURLOPT_POST, 1 },
    { CURLOPT_FOLLOWLOCATION, 0 },
    { CURLOPT_PATH_AS_IS, 1 },
    { CURLOPT_NETRC, CURL_NETRC_IGNORED },

    /* a resolver's thread uses no signals and is not waited for */
    { CURLOPT_NOSIGNAL, 1 },
    { CURLOPT_QUICK_EXIT, 1 },

    { CURLOPT_TCP_NODELAY, 1 },
    { CURLOPT_TCP_KEEPALIVE, 1 }
};


/* the environment chooses no proxy; files and mail are none of our business */

static const struct {
    CURLoption   option;
    const char  *value;
} ngx_counters_fetch_easy_strings[] = {
    { CURLOPT_PROXY, "" },
    { CURLOPT_NOPROXY, "*" },
    { CURLOPT_PROTOCOLS_STR, "http,https" },
    { CURLOPT_USERAGENT, "nginx-counters" },

    /* some compress what nobody asked them to; what is kept is plain */
    { CURLOPT_ACCEPT_ENCODING, "gzip" }
};


CURL *
ngx_counters_fetch_easy_create(ngx_counters_fetch_conf_t *conf,
    struct curl_slist *headers, ngx_str_t *body,
    ngx_counters_fetch_answer_t *answer, void *data)
{
    CURL        *easy;
    curl_off_t   len, max;

    easy = curl_easy_init();
    if (easy == NULL) {
        return NULL;
    }

    len = body->len;
    max = conf->max_body;

    if (ngx_counters_fetch_easy_options(easy) != NGX_OK
        || ngx_counters_fetch_easy_tls(easy, conf) != NGX_OK
        || curl_easy_setopt(easy, CURLOPT_PRIVATE, data) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->data) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, len) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION,
                            ngx_counters_fetch_easy_write)
           != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, max) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            (long) conf->connect_timeout)
           != CURLE_OK)
    {
        curl_easy_cleanup(easy);
        return NULL;
    }

    return easy;
}


static ngx_int_t
ngx_counters_fetch_easy_options(CURL *easy)
{
    size_t  i;

    for (i = 0;
         i < sizeof(ngx_counters_fetch_easy_flags)
             / sizeof(ngx_counters_fetch_easy_flags[0]);
         i++)
    {
        if (curl_easy_setopt(easy, ngx_counters_fetch_easy_flags[i].option,
                             ngx_counters_fetch_easy_flags[i].value)
            != CURLE_OK)
        {
            return NGX_ERROR;
        }
    }

    for (i = 0;
         i < sizeof(ngx_counters_fetch_easy_strings)
             / sizeof(ngx_counters_fetch_easy_strings[0]);
         i++)
    {
        if (curl_easy_setopt(easy, ngx_counters_fetch_easy_strings[i].option,
                             ngx_counters_fetch_easy_strings[i].value)
            != CURLE_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * The authorities come from one file: curl keeps it parsed from connection
 * to connection then, which it does not if there is a directory as well.
 * The directory would also add the system's authorities to those of "ca".
 */

static ngx_int_t
ngx_counters_fetch_easy_tls(CURL *easy, ngx_counters_fetch_conf_t *conf)
{
    char  *ca;

    if (curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, conf->verify ? 1L : 0L)
        != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST,
                            conf->verify ? 2L : 0L)
           != CURLE_OK)
    {
        return NGX_ERROR;
    }

    if (conf->ca.len) {
        ca = (char *) conf->ca.data;

        if (curl_easy_setopt(easy, CURLOPT_CAINFO, ca) != CURLE_OK) {
            return NGX_ERROR;
        }

    } else if (curl_easy_getinfo(easy, CURLINFO_CAINFO, &ca) != CURLE_OK) {
        return NGX_ERROR;
    }

    if (ca != NULL
        && curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static size_t
ngx_counters_fetch_easy_write(char *p, size_t size, size_t n, void *data)
{
    ngx_counters_fetch_answer_t *answer = data;

    size_t      len;
    u_char     *buf;
    ngx_str_t  *body;

    n *= size;
    body = &answer->body;

    if (n > answer->max - body->len) {
        answer->error = "answer is larger than max_body";
        return CURL_WRITEFUNC_ERROR;
    }

    if (n > answer->size - body->len) {

        len = ngx_max(2 * answer->size, NGX_COUNTERS_FETCH_BUFFER);
        len = ngx_max(len, body->len + n);

        buf = ngx_alloc(len, answer->log);
        if (buf == NULL) {
            answer->error = "no memory for the answer";
            return CURL_WRITEFUNC_ERROR;
        }

        if (body->data != NULL) {
            ngx_memcpy(buf, body->data, body->len);
            ngx_free(body->data);
        }

        body->data = buf;
        answer->size = len;
    }

    ngx_memcpy(body->data + body->len, p, n);
    body->len += n;

    return n;
}


void *
ngx_counters_fetch_easy_data(CURL *easy)
{
    char  *data;

    if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &data) != CURLE_OK) {
        return NULL;
    }

    return data;
}


/*
 * Over TLS the handshake tells whether calls can share a connection, and it
 * pays to wait for that.  Without it only the first answer would tell.
 */

ngx_int_t
ngx_counters_fetch_easy_url(CURL *easy, ngx_str_t *url)
{
    long  version, wait;

    if (ngx_strncasecmp(url->data, (u_char *) "https:", 6) == 0) {
        version = CURL_HTTP_VERSION_2TLS;
        wait = 1;

    } else {
        version = CURL_HTTP_VERSION_1_1;
        wait = 0;
    }

    if (curl_easy_setopt(easy, CURLOPT_URL, url->data) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_PIPEWAIT, wait) != CURLE_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_counters_fetch_easy_status(CURL *easy)
{
    long  status;

    if (curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK) {
        return 0;
    }

    return status;
}


ngx_uint_t
ngx_counters_fetch_easy_shared(CURL *easy)
{
    long  version;

    return curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version)
           == CURLE_OK
           && version == CURL_HTTP_VERSION_2_0;
}


ngx_counters_fetch_rc_e
ngx_counters_fetch_easy_code(CURLcode code)
{
    switch (code) {

    case CURLE_OPERATION_TIMEDOUT:
        return NGX_COUNTERS_FETCH_TIMEOUT;

    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:     /* HTTP/0.9 */
    case CURLE_BAD_FUNCTION_ARGUMENT:    /* a header without a colon */
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_WRITE_ERROR:
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
#if (LIBCURL_VERSION_NUM >= 0x080600)
    case CURLE_TOO_LARGE:
#endif
        return NGX_COUNTERS_FETCH_MALFORMED;

    default:
        return NGX_COUNTERS_FETCH_CONNECT;
    }
}


void
ngx_counters_fetch_easy_result(CURL *easy, u_char *buf,
    ngx_counters_fetch_result_t *result)
{
    u_char  *last;

    last = ngx_counters_fetch_easy_headers(easy, buf,
                                           buf + NGX_COUNTERS_FETCH_HEADERS);

    result->headers.data = buf;
    result->headers.len = last - buf;

    result->status = ngx_counters_fetch_easy_status(easy);
    result->retry_after = ngx_counters_fetch_easy_retry_after(easy);
}


static time_t
ngx_counters_fetch_easy_retry_after(CURL *easy)
{
    struct curl_header  *h;

    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &h)
        != CURLHE_OK)
    {
        return -1;
    }

    return ngx_counters_fetch_easy_parse_delay((u_char *) h->value,
                                               ngx_strlen(h->value));
}


time_t
ngx_counters_fetch_easy_parse_delay(u_char *p, size_t len)
{
    time_t  value;

    value = ngx_atotm(p, len);

    if (value != NGX_ERROR) {
        return value;
    }

    value = ngx_parse_http_time(p, len);

    if (value == NGX_ERROR) {
        return -1;
    }

    return ngx_max(value - ngx_time(), 0);
}


static u_char *
ngx_counters_fetch_easy_headers(CURL *easy, u_char *p, u_char *last)
{
    ngx_uint_t           varies;
    struct curl_header  *h;

    if (curl_easy_header(easy, "Content-Type", 0, CURLH_HEADER, -1, &h)
        == CURLHE_OK)
    {
        p = ngx_counters_fetch_easy_header(h, p, last);
    }

    varies = ngx_counters_fetch_easy_varies(easy);
    h = NULL;

    for ( ;; ) {
        h = curl_easy_nextheader(easy, CURLH_HEADER, -1, h);

        if (h == NULL) {
            break;
        }

        if (ngx_strcasecmp((u_char *) h->name,
                           (u_char *) "X-Content-Type-Options")
            == 0
            || (!varies
                && ngx_strncasecmp((u_char *) h->name,
                                   (u_char *) "Access-Control-",
                                   sizeof("Access-Control-") - 1)
                   == 0))
        {
            p = ngx_counters_fetch_easy_header(h, p, last);
        }
    }

    return p;
}


/* what it says of origins is for a request without one, and for no other */

static ngx_uint_t
ngx_counters_fetch_easy_varies(CURL *easy)
{
    size_t               i;
    u_char              *p;
    struct curl_header  *h;

    for (i = 0;
         curl_easy_header(easy, "Vary", i, CURLH_HEADER, -1, &h) == CURLHE_OK;
         i++)
    {
        p = (u_char *) h->value;

        if (ngx_strchr(p, '*')
            || ngx_strcasestrn(p, "origin", sizeof("origin") - 2))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * HTTP/2 has names in lower case: they are made uniform.  A header with an
 * odd name or value, or one for which there is no room, is left out.
 */

static u_char *
ngx_counters_fetch_easy_header(struct curl_header *h, u_char *p, u_char *last)
{
    u_char   ch, prev, *s;
    size_t   len;

    len = ngx_strlen(h->name) + ngx_strlen(h->value) + sizeof(": " CRLF) - 1;

    if (len > (size_t) (last - p)) {
        return p;
    }

    for (s = (u_char *) h->name; *s; s++) {
        ch = ngx_tolower(*s);

        if ((ch < 'a' || ch > 'z') && ch != '-') {
            return p;
        }
    }

    for (s = (u_char *) h->value; *s; s++) {
        if (*s < 0x20 || *s == 0x7f) {
            return p;
        }
    }

    prev = '-';

    for (s = (u_char *) h->name; *s; s++) {
        *p++ = (prev == '-') ? ngx_toupper(*s) : ngx_tolower(*s);
        prev = *s;
    }

    return ngx_sprintf(p, ": %s" CRLF, h->value);
}
