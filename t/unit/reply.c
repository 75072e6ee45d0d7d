
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_reply.c: what a portal's answer means, whose bytes stay as
 * they are.
 */


#include "ngx_counters_reply.h"
#include "ngx_counters_json.h"
#include "tap.h"

#include <stdlib.h>


#define NOW  1724916859421ULL


typedef struct {
    int                      status;
    ngx_counters_verdict_e   verdict;
    const char              *body;
} verdict_t;


static const char  html[] = "<html><body>Bad gateway</body></html>";


static const verdict_t  verdicts[] = {

    { 200, NGX_COUNTERS_REPLY_GOOD, "{\"result\":[]}" },
    { 200, NGX_COUNTERS_REPLY_GOOD, " {\"time\":{},\"result\":null} \n" },
    { 200, NGX_COUNTERS_REPLY_GOOD, "{\"result\":{\"error\":\"x\"}}" },
    { 200, NGX_COUNTERS_REPLY_GOOD, "{\"result\":1,\"time\":7}" },
    { 200, NGX_COUNTERS_REPLY_GOOD, "\xef\xbb\xbf{\"result\":[]}" },
    { 200, NGX_COUNTERS_REPLY_GOOD, "\xef\xbb\xbf \n{\"result\":[]}\n" },
    { 200, NGX_COUNTERS_REPLY_GOOD, "{\"result\":{\"a\":1,\"a\":2}}" },
    { 200, NGX_COUNTERS_REPLY_GOOD,
      "{\"result\":[{\"a\":1,\"\\u0061\":2}],\"time\":{\"a\":1,\"a\":1}}" },
    { 200, NGX_COUNTERS_REPLY_GOOD, "{\"result\":\"}],{\\\"error\\\":1\"}" },

    /* 200 is no proof of success */

    { 200, NGX_COUNTERS_REPLY_FAILED, "{\"result\":[],\"error\":\"\"}" },
    { 200, NGX_COUNTERS_REPLY_FAILED, "{\"result\":[],\"error\":null}" },
    { 200, NGX_COUNTERS_REPLY_FAILED, "{\"error\":{\"code\":1}}" },
    { 200, NGX_COUNTERS_REPLY_FAILED, "{\"error\":0}" },
    { 200, NGX_COUNTERS_REPLY_FAILED, "{\"error\":\"SOMETHING\"}" },
    { 200, NGX_COUNTERS_REPLY_FAILED,
      "{\"error\":\"ERROR_METHOD_NOT_FOUND\"}" },
    { 200, NGX_COUNTERS_REPLY_UNAUTHORIZED, "{\"error\":\"EXPIRED_TOKEN\"}" },
    { 200, NGX_COUNTERS_REPLY_BARRED,
      "{\"result\":1,\"error\":\"insufficient_scope\"}" },
    { 200, NGX_COUNTERS_REPLY_LIMIT,
      "{\"error\":\"query_limit_exceeded\"}" },
    { 200, NGX_COUNTERS_REPLY_OVERLOAD, "{\"error\":\"OVERLOAD_LIMIT\"}" },
    { 200, NGX_COUNTERS_REPLY_OPERATING,
      "{\"error\":\"OPERATION_TIME_LIMIT\"}" },

    { 200, NGX_COUNTERS_REPLY_GOOD,
      "{\"result\":[123456789012345678901234567890,-0.10,\"\\u0000\"]}" },

    /* no answer of the portal's */

    { 200, NGX_COUNTERS_REPLY_MALFORMED, "" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, html },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "[]" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "[{\"result\":1}]" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "\"result\"" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "5" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "null" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "{}" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "{\"time\":{\"result\":1}}" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "{\"result\":[]" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "{\"result\":[]}x" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "{\"result\":1,\"result\":2}" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "\xef\xbb\xbf" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "\xef\xbb{\"result\":[]}" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, " \xef\xbb\xbf{\"result\":[]}" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED,
      "\xef\xbb\xbf\xef\xbb\xbf{\"result\":[]}" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED, "\xef\xbb\xbf<html></html>" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED,
      "{\"result\":1,\"error\":\"x\",\"error\":\"y\"}" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED,
      "{\"result\":1,\"a\":1,\"\\u0061\":2}" },
    { 200, NGX_COUNTERS_REPLY_MALFORMED,
      "{\"result\":1,\"\\u0065rror\":\"x\"}" },
    { 201, NGX_COUNTERS_REPLY_MALFORMED, html },
    { 202, NGX_COUNTERS_REPLY_MALFORMED, "{}" },
    { 203, NGX_COUNTERS_REPLY_MALFORMED, "[]" },
    { 204, NGX_COUNTERS_REPLY_MALFORMED, "" },
    { 205, NGX_COUNTERS_REPLY_MALFORMED, "" },
    { 206, NGX_COUNTERS_REPLY_MALFORMED, "{\"result\":[" },
    { 299, NGX_COUNTERS_REPLY_MALFORMED, "" },
    { 300, NGX_COUNTERS_REPLY_MALFORMED, html },
    { 301, NGX_COUNTERS_REPLY_MALFORMED, html },
    { 302, NGX_COUNTERS_REPLY_MALFORMED, "{\"result\":[]}" },
    { 303, NGX_COUNTERS_REPLY_MALFORMED, "{\"error\":\"expired_token\"}" },
    { 304, NGX_COUNTERS_REPLY_MALFORMED, "" },
    { 399, NGX_COUNTERS_REPLY_MALFORMED, "" },
    { 0, NGX_COUNTERS_REPLY_MALFORMED, "" },
    { 101, NGX_COUNTERS_REPLY_MALFORMED, "" },
    { 199, NGX_COUNTERS_REPLY_MALFORMED, "{\"result\":[]}" },
    { 600, NGX_COUNTERS_REPLY_MALFORMED, "" },
    { 999, NGX_COUNTERS_REPLY_MALFORMED, "{\"result\":[]}" },

    /* the method's and the credential's own refusals */

    { 400, NGX_COUNTERS_REPLY_REFUSED, "{\"error\":\"0\"}" },
    { 400, NGX_COUNTERS_REPLY_REFUSED, "{\"error\":0}" },
    { 400, NGX_COUNTERS_REPLY_REFUSED, "{\"error\":-3}" },
    { 400, NGX_COUNTERS_REPLY_REFUSED, "{\"error\":\"\"}" },
    { 400, NGX_COUNTERS_REPLY_REFUSED, "{\"error\":\"expired_token\"}" },
    { 401, NGX_COUNTERS_REPLY_UNAUTHORIZED, "{\"error\":\"NO_AUTH_FOUND\"}" },
    { 401, NGX_COUNTERS_REPLY_UNAUTHORIZED,
      "{\"error\":\"INVALID_CREDENTIALS\"}" },
    { 401, NGX_COUNTERS_REPLY_UNAUTHORIZED, "{\"error\":\"NEW_CODE\"}" },
    { 403, NGX_COUNTERS_REPLY_FORBIDDEN, "{\"error\":\"ACCESS_DENIED\"}" },
    { 403, NGX_COUNTERS_REPLY_BARRED, "{\"error\":\"insufficient_scope\"}" },
    { 403, NGX_COUNTERS_REPLY_DEAD, "{\"error\":\"INVALID_CREDENTIALS\"}" },
    { 403, NGX_COUNTERS_REPLY_DEAD, "{\"error\":\"invalid_credentials\"}" },
    { 403, NGX_COUNTERS_REPLY_DEAD,
      "\xef\xbb\xbf{\"error\":\"Invalid_Credentials\"}" },
    { 403, NGX_COUNTERS_REPLY_FORBIDDEN,
      "{\"error\":\"INVALID_CREDENTIALS2\"}" },
    { 400, NGX_COUNTERS_REPLY_REFUSED,
      "{\"error\":\"INVALID_CREDENTIALS\"}" },
    { 503, NGX_COUNTERS_REPLY_FAILED,
      "{\"error\":\"INVALID_CREDENTIALS\"}" },
    { 403, NGX_COUNTERS_REPLY_FORBIDDEN, "{\"error\":\"expired_token\"}" },

    /* somebody else's */

    { 400, NGX_COUNTERS_REPLY_FAILED, html },
    { 403, NGX_COUNTERS_REPLY_FAILED, html },
    { 403, NGX_COUNTERS_REPLY_FAILED, "" },
    { 403, NGX_COUNTERS_REPLY_FAILED, "{\"message\":\"blocked\"}" },
    { 403, NGX_COUNTERS_REPLY_FAILED, "{\"error\":null}" },
    { 403, NGX_COUNTERS_REPLY_FAILED, "{\"error\":{\"code\":\"x\"}}" },
    { 403, NGX_COUNTERS_REPLY_FAILED, "[\"error\"]" },
    { 403, NGX_COUNTERS_REPLY_FAILED, "{\"error\":\"ACCESS_DENIED\"" },

    /* a 401 is a 401 */

    { 401, NGX_COUNTERS_REPLY_UNAUTHORIZED, html },
    { 401, NGX_COUNTERS_REPLY_UNAUTHORIZED, "" },
    { 401, NGX_COUNTERS_REPLY_UNAUTHORIZED, "{\"error\":null}" },
    { 401, NGX_COUNTERS_REPLY_UNAUTHORIZED, "{\"error\":\"expired_token\"" },

    /* the set-up's or the portal's fault under a client error's status */

    { 400, NGX_COUNTERS_REPLY_FAILED, "{\"error\":\"INVALID_REQUEST\"}" },
    { 400, NGX_COUNTERS_REPLY_FAILED,
      "{\"error\":\"ERROR_BATCH_LENGTH_EXCEEDED\"}" },
    { 401, NGX_COUNTERS_REPLY_LIMIT, "{\"error\":\"QUERY_LIMIT_EXCEEDED\"}" },
    { 403, NGX_COUNTERS_REPLY_OVERLOAD, "{\"error\":\"overload_limit\"}" },
    { 403, NGX_COUNTERS_REPLY_OPERATING,
      "{\"error\":\"OPERATION_TIME_LIMIT\"}" },

    { 429, NGX_COUNTERS_REPLY_OPERATING,
      "{\"error\":\"OPERATION_TIME_LIMIT\"}" },
    { 429, NGX_COUNTERS_REPLY_OPERATING, html },
    { 503, NGX_COUNTERS_REPLY_LIMIT, "{\"error\":\"Query_Limit_Exceeded\"}" },
    { 503, NGX_COUNTERS_REPLY_OVERLOAD, "{\"error\":\"OVERLOAD_LIMIT\"}" },
    { 503, NGX_COUNTERS_REPLY_FAILED, "{\"error\":\"expired_token\"}" },
    { 503, NGX_COUNTERS_REPLY_FAILED, "{\"error\":\"QUERY_LIMIT_EXCEEDE\"}" },
    { 503, NGX_COUNTERS_REPLY_FAILED,
      "{\"error\":\"QUERY_LIMIT_EXCEEDED2\"}" },
    { 503, NGX_COUNTERS_REPLY_FAILED, html },
    { 500, NGX_COUNTERS_REPLY_FAILED, "{\"error\":\"x\"}" },
    { 500, NGX_COUNTERS_REPLY_FAILED, "{\"result\":[]}" },
    { 502, NGX_COUNTERS_REPLY_FAILED, html },
    { 504, NGX_COUNTERS_REPLY_FAILED, "" },
    { 599, NGX_COUNTERS_REPLY_FAILED, "" },

    { 404, NGX_COUNTERS_REPLY_FOREIGN, html },
    { 404, NGX_COUNTERS_REPLY_FOREIGN,
      "{\"error\":\"ERROR_METHOD_NOT_FOUND\"}" },
    { 405, NGX_COUNTERS_REPLY_FOREIGN, "" },
    { 413, NGX_COUNTERS_REPLY_FOREIGN, html },
    { 402, NGX_COUNTERS_REPLY_FOREIGN, "{\"error\":\"expired_token\"}" },
    { 201, NGX_COUNTERS_REPLY_FOREIGN, "{\"result\":[]}" },
    { 206, NGX_COUNTERS_REPLY_FOREIGN, "{\"result\":[]}" },

    /* an error is one with any status that means success */

    { 202, NGX_COUNTERS_REPLY_LIMIT,
      "{\"error\":\"QUERY_LIMIT_EXCEEDED\"}" },
    { 201, NGX_COUNTERS_REPLY_FAILED, "{\"error\":\"SOMETHING\"}" }
};


/* exact size on the heap, so that a sanitizer sees a byte too far */

static void
judge(ngx_counters_reply_t *reply, int status, const char *text)
{
    static ngx_counters_str_t  body;

    free(body.data);

    body.len = strlen(text);
    body.data = malloc(body.len ? body.len : 1);
    memcpy(body.data, text, body.len);

    ngx_counters_reply_judge(reply, status, &body);
}


static void
test_verdicts(void)
{
    size_t                i;
    ngx_counters_reply_t  reply;

    for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        judge(&reply, verdicts[i].status, verdicts[i].body);
        is_int(reply.verdict, verdicts[i].verdict, "%d %.60s",
               verdicts[i].status, verdicts[i].body);
    }
}


static void
test_slices(void)
{
    ngx_counters_reply_t  reply;

    judge(&reply, 200,
          "{ \"result\" : {\"a\\/b\":\"\\u0416 \\\"}\",\"n\":"
          "0.05025482177734375,\"list\":[1,{\"x\":[]}]} ,\"total\": 1 ,"
          "\"next\":50,\"time\":{\"start\":1552383141.526606,\"duration\":"
          "0.05025482177734375,\"operating_reset_at\":1778747792,"
          "\"operating\":3.3076241016387939}}\r\n");

    is_int(reply.verdict, NGX_COUNTERS_REPLY_GOOD, "good");
    is_str(reply.result.data, reply.result.len,
           "{\"a\\/b\":\"\\u0416 \\\"}\",\"n\":0.05025482177734375,"
           "\"list\":[1,{\"x\":[]}]}", "result byte for byte");
    is_str(reply.total.data, reply.total.len, "1", "total");
    is_str(reply.time.data, reply.time.len,
           "{\"start\":1552383141.526606,\"duration\":0.05025482177734375,"
           "\"operating_reset_at\":1778747792,"
           "\"operating\":3.3076241016387939}", "time byte for byte");
    ok(reply.error.data == NULL, "no error");
    is_int(reply.operating, 3307, "operating in milliseconds");
    is_int(reply.reset_at, 1778747792, "operating_reset_at");

    judge(&reply, 200, "{\"result\":[],\"time\":[]}");
    is_str(reply.result.data, reply.result.len, "[]", "an empty list");
    ok(reply.total.data == NULL, "no total");
    ok(reply.time.data == NULL, "a time that is no object is none");

    judge(&reply, 503, "{\"error\":\"QUERY_LIMIT_EXCEEDED\",\"time\":"
                       "{\"operating_reset_at\":12}}");
    is_str(reply.error.data, reply.error.len, "QUERY_LIMIT_EXCEEDED",
           "the code of a 503");
    is_int(reply.reset_at, 12, "its reset");

    judge(&reply, 429, "{\"error\":7}");
    is_str(reply.error.data, reply.error.len, "7", "a number as a code");

    judge(&reply, 502, html);
    ok(reply.error.data == NULL && reply.time.data == NULL
       && reply.result.data == NULL && reply.total.data == NULL,
       "no slices of a page");
}


static void
is_operating(const char *number, unsigned long long operating,
    unsigned long long reset_at)
{
    char                  text[256];
    ngx_counters_reply_t  reply;

    snprintf(text, sizeof(text),
             "{\"result\":1,\"time\":{\"operating\":%s,"
             "\"operating_reset_at\":%s}}", number, number);

    judge(&reply, 200, text);

    is_int(reply.operating, operating, "%s as operating", number);
    is_int(reply.reset_at, reset_at, "%s as operating_reset_at", number);
}


static void
test_numbers(void)
{
    is_operating("0", 0, 0);
    is_operating("1", 1000, 1);
    is_operating("0.5", 500, 0);
    is_operating("0.0009", 0, 0);
    is_operating("0.0010", 1, 0);
    is_operating("479.999999999999999999999999", 479999, 479);
    is_operating("1778747792.000001", 1778747792000ULL, 1778747792);
    is_operating("5.0E-3", 5, 0);
    is_operating("5.0e-5", 0, 0);
    is_operating("1.5e2", 150000, 150);
    is_operating("1.5E+2", 150000, 150);
    is_operating("-1", 0, 0);
    is_operating("-0.5", 0, 0);
    is_operating("\"12\"", 0, 0);
    is_operating("true", 0, 0);
    is_operating("null", 0, 0);
    is_operating("{}", 0, 0);
    is_operating("[3]", 0, 0);
    is_operating("999999999999999999", 0, 999999999999999999ULL);
    is_operating("1e16", 10000000000000000000ULL, 10000000000000000ULL);
    is_operating("1e17", 0, 100000000000000000ULL);
    is_operating("1e300", 0, 0);
    is_operating("1e-300", 0, 0);
    is_operating("0e300", 0, 0);
    is_operating("0.00000000000000000000000000000001e35", 1000000, 1000);
}


static void
is_code(const char *text, ngx_counters_verdict_e verdict, int expected)
{
    int                 status;
    ngx_counters_str_t  code;

    code.data = (unsigned char *) text;
    code.len = strlen(text);
    status = 0;

    is_int(ngx_counters_reply_code(&code, &status), verdict, "code %s", text);
    is_int(status, expected, "status of %s", text);
}


static void
test_codes(void)
{
    is_code("expired_token", NGX_COUNTERS_REPLY_UNAUTHORIZED, 401);
    is_code("EXPIRED_TOKEN", NGX_COUNTERS_REPLY_UNAUTHORIZED, 401);
    is_code("no_auth_found", NGX_COUNTERS_REPLY_UNAUTHORIZED, 401);
    is_code("INVALID_TOKEN", NGX_COUNTERS_REPLY_UNAUTHORIZED, 401);
    is_code("INVALID_CREDENTIALS", NGX_COUNTERS_REPLY_DEAD, 403);
    is_code("invalid_credentials", NGX_COUNTERS_REPLY_DEAD, 403);
    is_code("INSUFFICIENT_SCOPE", NGX_COUNTERS_REPLY_BARRED, 403);
    is_code("user_access_error", NGX_COUNTERS_REPLY_BARRED, 403);
    is_code("ACCESS_DENIED", NGX_COUNTERS_REPLY_FORBIDDEN, 403);
    is_code("WRONG_AUTH_TYPE", NGX_COUNTERS_REPLY_BARRED, 403);
    is_code("allowed_only_intranet_user", NGX_COUNTERS_REPLY_BARRED, 403);
    is_code("ERROR_METHOD_NOT_FOUND", NGX_COUNTERS_REPLY_FOREIGN, 404);
    is_code("QUERY_LIMIT_EXCEEDED", NGX_COUNTERS_REPLY_LIMIT, 503);
    is_code("OVERLOAD_LIMIT", NGX_COUNTERS_REPLY_OVERLOAD, 503);
    is_code("OPERATION_TIME_LIMIT", NGX_COUNTERS_REPLY_OPERATING, 429);
    is_code("INTERNAL_SERVER_ERROR", NGX_COUNTERS_REPLY_FAILED, 500);
    is_code("ERROR_UNEXPECTED_ANSWER", NGX_COUNTERS_REPLY_FAILED, 500);
    is_code("PORTAL_DELETED", NGX_COUNTERS_REPLY_FAILED, 500);
    is_code("INVALID_REQUEST", NGX_COUNTERS_REPLY_FAILED, 400);
    is_code("ERROR_BATCH_LENGTH_EXCEEDED", NGX_COUNTERS_REPLY_FAILED, 400);
    is_code("ERROR_BATCH_METHOD_NOT_ALLOWED", NGX_COUNTERS_REPLY_FAILED, 405);
    is_code("0", NGX_COUNTERS_REPLY_REFUSED, 400);
    is_code("", NGX_COUNTERS_REPLY_REFUSED, 400);
    is_code("expired_token ", NGX_COUNTERS_REPLY_REFUSED, 400);
    is_code("expired", NGX_COUNTERS_REPLY_REFUSED, 400);
}


static void
is_error_code(const char *text, const char *expected)
{
    int                 rc;
    ngx_counters_str_t  object, code;

    object.data = (unsigned char *) text;
    object.len = strlen(text);
    code.len = 0;
    code.data = NULL;

    rc = ngx_counters_reply_error_code(&object, &code);

    is_int(rc, expected ? NGX_COUNTERS_OK : NGX_COUNTERS_DECLINED,
           "error code of %s", text);
    is_str(code.data, code.len, expected ? expected : "", "it is");
}


static void
test_error_code(void)
{
    is_error_code("{\"error_description\":\"\",\"error\":\"a\"}", "a");
    is_error_code("{\"error\":0}", "0");
    is_error_code("{\"error\":\"\"}", "");
    is_error_code("{\"error\":null}", NULL);
    is_error_code("{\"error\":[\"a\"]}", NULL);
    is_error_code("{\"x\":{\"error\":\"a\"}}", NULL);
    is_error_code("[\"error\"]", NULL);
    is_error_code("\"error\"", NULL);
    is_error_code("", NULL);
}


static void
is_time(uint64_t now, const char *expected)
{
    unsigned char        *p;
    unsigned char         out[NGX_COUNTERS_TIME_LEN + 1];
    ngx_counters_str_t    text;

    out[NGX_COUNTERS_TIME_LEN] = 0x5a;
    p = ngx_counters_reply_time(out, now);

    is_str(out, p - out, expected, "time at %llu", (unsigned long long) now);
    ok(out[NGX_COUNTERS_TIME_LEN] == 0x5a, "within its space");

    text.data = out;
    text.len = p - out;

    is_int(ngx_counters_json_valid(&text), NGX_COUNTERS_OK, "valid JSON");
}


static void
test_time(void)
{
    is_time(NOW, "{\"start\":1724916859.421000,\"finish\":1724916859.421000,"
                 "\"duration\":0,\"processing\":0,"
                 "\"date_start\":\"2024-08-29T07:34:19+00:00\","
                 "\"date_finish\":\"2024-08-29T07:34:19+00:00\"}");

    is_time(1709164800007ULL,
            "{\"start\":1709164800.007000,\"finish\":1709164800.007000,"
            "\"duration\":0,\"processing\":0,"
            "\"date_start\":\"2024-02-29T00:00:00+00:00\","
            "\"date_finish\":\"2024-02-29T00:00:00+00:00\"}");

    is_time(0, "{\"start\":0.000000,\"finish\":0.000000,\"duration\":0,"
               "\"processing\":0,"
               "\"date_start\":\"1970-01-01T00:00:00+00:00\","
               "\"date_finish\":\"1970-01-01T00:00:00+00:00\"}");

    is_time(UINT64_MAX,
            "{\"start\":253402300799.999000,"
            "\"finish\":253402300799.999000,\"duration\":0,"
            "\"processing\":0,"
            "\"date_start\":\"9999-12-31T23:59:59+00:00\","
            "\"date_finish\":\"9999-12-31T23:59:59+00:00\"}");
}


static void
test_error(void)
{
    unsigned char  *p, out[1 + 2 + 64];

    memset(out, 0x5a, sizeof(out));

    p = ngx_counters_reply_error(out, "A", "b");
    is_str(out, p - out, "{\"error\":\"A\",\"error_description\":\"b\"}",
           "an error envelope");

    p = ngx_counters_reply_error(out, "", "");
    is_str(out, p - out, "{\"error\":\"\",\"error_description\":\"\"}",
           "an empty one");
}


int
main(void)
{
    test_verdicts();
    test_slices();
    test_numbers();
    test_codes();
    test_error_code();
    test_time();
    test_error();

    return done();
}
