
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_reply.h"
#include "ngx_counters_json.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>


/* 9999-12-31T23:59:59.999Z: keeps the year at four digits */

#define NGX_COUNTERS_REPLY_LAST_MSEC  253402300799999ULL

/* so many decimal digits always fit in 64 bits */

#define NGX_COUNTERS_REPLY_DIGITS     18


typedef struct {
    ngx_counters_str_t       name;
    ngx_counters_verdict_e   verdict;
    int                      status;
} ngx_counters_reply_code_t;


static void ngx_counters_reply_parse(ngx_counters_reply_t *reply,
    const ngx_counters_str_t *body, int *object, int *error);
static int ngx_counters_reply_code_value(const ngx_counters_str_t *value,
    ngx_counters_str_t *code);
static ngx_counters_verdict_e ngx_counters_reply_success(
    ngx_counters_reply_t *reply, int status, int error);
static ngx_counters_verdict_e ngx_counters_reply_refused(
    ngx_counters_reply_t *reply, ngx_counters_verdict_e verdict);
static ngx_counters_verdict_e ngx_counters_reply_unavailable(
    ngx_counters_reply_t *reply);
static uint64_t ngx_counters_reply_decimal(const ngx_counters_str_t *text,
    int places);
static int ngx_counters_reply_exponent(const unsigned char *p,
    const unsigned char *last);


/* what the portal answers to a single call that fails with this code */

static const ngx_counters_reply_code_t  ngx_counters_reply_codes[] = {
    { ngx_counters_string("expired_token"),
      NGX_COUNTERS_REPLY_UNAUTHORIZED, 401 },
    { ngx_counters_string("NO_AUTH_FOUND"),
      NGX_COUNTERS_REPLY_UNAUTHORIZED, 401 },
    { ngx_counters_string("invalid_token"),
      NGX_COUNTERS_REPLY_UNAUTHORIZED, 401 },
    { ngx_counters_string("INVALID_CREDENTIALS"),
      NGX_COUNTERS_REPLY_DEAD, 403 },
    { ngx_counters_string("insufficient_scope"),
      NGX_COUNTERS_REPLY_BARRED, 403 },
    { ngx_counters_string("user_access_error"),
      NGX_COUNTERS_REPLY_BARRED, 403 },
    { ngx_counters_string("ACCESS_DENIED"),
      NGX_COUNTERS_REPLY_FORBIDDEN, 403 },
    { ngx_counters_string("WRONG_AUTH_TYPE"),
      NGX_COUNTERS_REPLY_BARRED, 403 },
    { ngx_counters_string("allowed_only_intranet_user"),
      NGX_COUNTERS_REPLY_BARRED, 403 },
    { ngx_counters_string("ERROR_METHOD_NOT_FOUND"),
      NGX_COUNTERS_REPLY_FOREIGN, 404 },
    { ngx_counters_string("QUERY_LIMIT_EXCEEDED"),
      NGX_COUNTERS_REPLY_LIMIT, 503 },
    { ngx_counters_string("OVERLOAD_LIMIT"),
      NGX_COUNTERS_REPLY_OVERLOAD, 503 },
    { ngx_counters_string("OPERATION_TIME_LIMIT"),
      NGX_COUNTERS_REPLY_OPERATING, 429 },
    { ngx_counters_string("INTERNAL_SERVER_ERROR"),
      NGX_COUNTERS_REPLY_FAILED, 500 },
    { ngx_counters_string("ERROR_UNEXPECTED_ANSWER"),
      NGX_COUNTERS_REPLY_FAILED, 500 },
    { ngx_counters_string("PORTAL_DELETED"),
      NGX_COUNTERS_REPLY_FAILED, 500 },
    { ngx_counters_string("ERROR_BATCH_METHOD_NOT_ALLOWED"),
      NGX_COUNTERS_REPLY_FAILED, 405 },
    { ngx_counters_string("ERROR_BATCH_LENGTH_EXCEEDED"),
      NGX_COUNTERS_REPLY_FAILED, 400 },

    /* "Https required": the set-up is at fault, not the call */

    { ngx_counters_string("INVALID_REQUEST"),
      NGX_COUNTERS_REPLY_FAILED, 400 }
};


#define NGX_COUNTERS_REPLY_CODES                                              \
    (sizeof(ngx_counters_reply_codes) / sizeof(ngx_counters_reply_codes[0]))


void
ngx_counters_reply_judge(ngx_counters_reply_t *reply, int status,
    const ngx_counters_str_t *body)
{
    int  object, error;

    memset(reply, 0, sizeof(ngx_counters_reply_t));

    ngx_counters_reply_parse(reply, body, &object, &error);

    if (status >= 200 && status < 300 && object) {
        reply->verdict = ngx_counters_reply_success(reply, status, error);

    } else if (status < 400 || status >= 600) {
        reply->verdict = NGX_COUNTERS_REPLY_MALFORMED;

    } else if (status == 400) {
        reply->verdict = ngx_counters_reply_refused(reply,
                                            NGX_COUNTERS_REPLY_REFUSED);

    } else if (status == 401) {
        reply->verdict = ngx_counters_reply_refused(reply,
                                            NGX_COUNTERS_REPLY_UNAUTHORIZED);

    } else if (status == 403) {
        reply->verdict = ngx_counters_reply_refused(reply,
                                            NGX_COUNTERS_REPLY_FORBIDDEN);

    } else if (status == 429) {
        reply->verdict = NGX_COUNTERS_REPLY_OPERATING;

    } else if (status == 503) {
        reply->verdict = ngx_counters_reply_unavailable(reply);

    } else if (status >= 500) {
        reply->verdict = NGX_COUNTERS_REPLY_FAILED;

    } else {
        reply->verdict = NGX_COUNTERS_REPLY_FOREIGN;
    }
}


/* "error" is set for a member of that name, even when it is no code */

static void
ngx_counters_reply_parse(ngx_counters_reply_t *reply,
    const ngx_counters_str_t *body, int *object, int *error)
{
    ngx_counters_str_t        name, value;
    ngx_counters_json_iter_t  it;

    *object = 0;
    *error = 0;

    if (ngx_counters_json_valid(body) != NGX_COUNTERS_OK
        || ngx_counters_json_start(&it, body) != NGX_COUNTERS_OK
        || it.array)
    {
        return;
    }

    *object = 1;

    while (ngx_counters_json_next(&it, &name, &value) == NGX_COUNTERS_OK) {

        if (memchr(name.data, '\\', name.len)) {

            /* whatever it is called in the end, no portal writes it so */

            *object = 0;
            return;
        }

        if (ngx_counters_str_eq(&name, "result", 6)) {
            reply->result = value;

        } else if (ngx_counters_str_eq(&name, "total", 5)) {
            reply->total = value;

        } else if (ngx_counters_str_eq(&name, "time", 4)) {

            if (value.data[0] == '{') {
                reply->time = value;
            }

        } else if (ngx_counters_str_eq(&name, "error", 5)) {
            *error = 1;
            (void) ngx_counters_reply_code_value(&value, &reply->error);
        }
    }

    if (reply->time.data) {
        ngx_counters_reply_operating(&reply->time, &reply->operating,
                                     &reply->reset_at);
    }
}


static int
ngx_counters_reply_code_value(const ngx_counters_str_t *value,
    ngx_counters_str_t *code)
{
    unsigned char  c;

    c = value->data[0];

    if (c == '"') {
        code->data = value->data + 1;
        code->len = value->len - 2;
        return NGX_COUNTERS_OK;
    }

    if (c == '-' || (c >= '0' && c <= '9')) {
        *code = *value;
        return NGX_COUNTERS_OK;
    }

    return NGX_COUNTERS_DECLINED;
}


/* an object with 2xx; what the portal means by another one than 200 is open */

static ngx_counters_verdict_e
ngx_counters_reply_success(ngx_counters_reply_t *reply, int status, int error)
{
    int                     by_code;
    ngx_counters_verdict_e  verdict;

    if (!error) {

        if (reply->result.data == NULL) {
            return NGX_COUNTERS_REPLY_MALFORMED;
        }

        return (status == 200) ? NGX_COUNTERS_REPLY_GOOD
                               : NGX_COUNTERS_REPLY_FOREIGN;
    }

    verdict = ngx_counters_reply_code(&reply->error, &by_code);

    /* to be believed, a refusal of the call itself comes with its status */

    if (verdict == NGX_COUNTERS_REPLY_REFUSED
        || verdict == NGX_COUNTERS_REPLY_FOREIGN)
    {
        return NGX_COUNTERS_REPLY_FAILED;
    }

    return verdict;
}


/*
 * 400 and 403 count only in the portal's own words: a page of a firewall in
 * between says nothing of a call.  A 401 does, from whomever it comes.
 */

static ngx_counters_verdict_e
ngx_counters_reply_refused(ngx_counters_reply_t *reply,
    ngx_counters_verdict_e verdict)
{
    int                     status;
    ngx_counters_verdict_e  by_code;

    if (reply->error.data == NULL) {
        return (verdict == NGX_COUNTERS_REPLY_UNAUTHORIZED)
               ? verdict : NGX_COUNTERS_REPLY_FAILED;
    }

    by_code = ngx_counters_reply_code(&reply->error, &status);

    switch (by_code) {

    case NGX_COUNTERS_REPLY_LIMIT:
    case NGX_COUNTERS_REPLY_OVERLOAD:
    case NGX_COUNTERS_REPLY_OPERATING:
    case NGX_COUNTERS_REPLY_FAILED:
        return by_code;

    case NGX_COUNTERS_REPLY_BARRED:
    case NGX_COUNTERS_REPLY_DEAD:
        return (verdict == NGX_COUNTERS_REPLY_FORBIDDEN) ? by_code : verdict;

    default:
        return verdict;
    }
}


static ngx_counters_verdict_e
ngx_counters_reply_unavailable(ngx_counters_reply_t *reply)
{
    int                     status;
    ngx_counters_verdict_e  verdict;

    verdict = ngx_counters_reply_code(&reply->error, &status);

    if (verdict == NGX_COUNTERS_REPLY_LIMIT
        || verdict == NGX_COUNTERS_REPLY_OVERLOAD)
    {
        return verdict;
    }

    return NGX_COUNTERS_REPLY_FAILED;
}


ngx_counters_verdict_e
ngx_counters_reply_code(const ngx_counters_str_t *code, int *status)
{
    size_t                            i;
    const ngx_counters_reply_code_t  *c;

    for (i = 0; i < NGX_COUNTERS_REPLY_CODES; i++) {
        c = &ngx_counters_reply_codes[i];

        if (code->len == c->name.len
            && strncasecmp((const char *) code->data,
                           (const char *) c->name.data, code->len)
               == 0)
        {
            *status = c->status;
            return c->verdict;
        }
    }

    *status = 400;

    return NGX_COUNTERS_REPLY_REFUSED;
}


int
ngx_counters_reply_error_code(const ngx_counters_str_t *object,
    ngx_counters_str_t *code)
{
    ngx_counters_str_t  value;

    if (ngx_counters_json_valid(object) != NGX_COUNTERS_OK
        || ngx_counters_json_member(object, "error", &value)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_reply_code_value(&value, code);
}


void
ngx_counters_reply_operating(const ngx_counters_str_t *time,
    uint64_t *operating, uint64_t *reset_at)
{
    ngx_counters_str_t        name, value;
    ngx_counters_json_iter_t  it;

    *operating = 0;
    *reset_at = 0;

    if (ngx_counters_json_start(&it, time) != NGX_COUNTERS_OK) {
        return;
    }

    while (ngx_counters_json_next(&it, &name, &value) == NGX_COUNTERS_OK) {

        if (ngx_counters_str_eq(&name, "operating", 9)) {
            *operating = ngx_counters_reply_decimal(&value, 3);

        } else if (ngx_counters_str_eq(&name, "operating_reset_at", 18)) {
            *reset_at = ngx_counters_reply_decimal(&value, 0);
        }
    }
}


/*
 * A JSON number times ten to the power of "places", cut to an integer; 0 for
 * what is negative, out of range or no number.  No strtod(): it would obey
 * the locale.
 */

static uint64_t
ngx_counters_reply_decimal(const ngx_counters_str_t *text, int places)
{
    int                   digits, fraction;
    uint64_t              n;
    const unsigned char  *p, *last;

    n = 0;
    digits = 0;
    fraction = 0;

    p = text->data;
    last = text->data + text->len;

    for ( /* void */ ; p < last; p++) {

        if (*p == '.' && !fraction) {
            fraction = 1;
            continue;
        }

        if (*p < '0' || *p > '9') {
            break;
        }

        if (digits == NGX_COUNTERS_REPLY_DIGITS) {

            /* what is left of a fraction is below the precision */

            if (fraction) {
                continue;
            }

            return 0;
        }

        n = n * 10 + (*p - '0');
        digits += (n != 0);
        places -= fraction;
    }

    places += ngx_counters_reply_exponent(p, last);

    for ( /* void */ ; places < 0 && n; places++) {
        n /= 10;
    }

    for ( /* void */ ; places > 0 && n; places--) {

        if (n > UINT64_MAX / 10) {
            return 0;
        }

        n *= 10;
    }

    return n;
}


static int
ngx_counters_reply_exponent(const unsigned char *p, const unsigned char *last)
{
    int  n, sign;

    if (p == last || (*p != 'e' && *p != 'E')) {
        return 0;
    }

    p++;
    sign = 1;

    if (p < last && (*p == '+' || *p == '-')) {
        sign = (*p == '-') ? -1 : 1;
        p++;
    }

    for (n = 0; p < last && *p >= '0' && *p <= '9'; p++) {

        if (n < 10000) {
            n = n * 10 + (*p - '0');
        }
    }

    return sign * n;
}


unsigned char *
ngx_counters_reply_time(unsigned char *out, uint64_t now)
{
    int        n;
    time_t     sec;
    struct tm  tm;
    char       start[32], date[32];

    if (now > NGX_COUNTERS_REPLY_LAST_MSEC) {
        now = NGX_COUNTERS_REPLY_LAST_MSEC;
    }

    sec = now / 1000;

    gmtime_r(&sec, &tm);

    (void) snprintf(start, sizeof(start), "%llu.%03u000",
                    (unsigned long long) (now / 1000),
                    (unsigned) (now % 1000));

    (void) strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S+00:00", &tm);

    n = snprintf((char *) out, NGX_COUNTERS_TIME_LEN,
                 "{\"start\":%s,\"finish\":%s,\"duration\":0,"
                 "\"processing\":0,\"date_start\":\"%s\","
                 "\"date_finish\":\"%s\"}",
                 start, start, date, date);

    return out + n;
}


unsigned char *
ngx_counters_reply_error(unsigned char *out, const char *error,
    const char *description)
{
    int  n;

    n = sprintf((char *) out,
                "{\"error\":\"%s\",\"error_description\":\"%s\"}",
                error, description);

    return out + n;
}
