
/*
 * Copyright (C) The nginx counters module authors
 */


#include <stdlib.h>

#include "ngx_counters_json.h"
#include "tap.h"


/* members as name=value, elements as =value, each followed by a bar */

typedef struct {
    const char  *in;
    const char  *out;           /* NULL: neither an object nor an array */
} case_t;


static const case_t  slices[] = {

    { "{}", "" },
    { "[]", "" },
    { " { } ", "" },
    { "\t[\r\n]", "" },
    { "{\"a\":1}", "a=1|" },
    { " { \"a\" : 1 , \"b\" : 2 } ", "a=1|b=2|" },
    { "{\"a\":\"x\",\"b\":null,\"c\":true,\"d\":-1.50e+10}",
      "a=\"x\"|b=null|c=true|d=-1.50e+10|" },
    { "{\"a\":\"}\",\"b\":\"\\\"\",\"c\":\"\\\\\"}",
      "a=\"}\"|b=\"\\\"\"|c=\"\\\\\"|" },
    { "{\"a\":{\"b\":[1,{\"c\":\"]}\"}]},\"d\":[]}",
      "a={\"b\":[1,{\"c\":\"]}\"}]}|d=[]|" },
    { "{\"x\\\"y\":1}", "x\\\"y=1|" },
    { "{\"\":1}", "=1|" },
    { "[1,\"a\",[2],{\"b\":3}]", "=1|=\"a\"|=[2]|={\"b\":3}|" },
    { "[ 1 , 2\n]", "=1|=2|" },
    { "{\"start\":1552383141.526606,\"d\":0.05025482177734375}",
      "start=1552383141.526606|d=0.05025482177734375|" },
    { "{\"u\":\"https:\\/\\/h\\u0441\"}", "u=\"https:\\/\\/h\\u0441\"|" },

    { "", NULL },
    { " ", NULL },
    { "1", NULL },
    { "\"{}\"", NULL },
    { "null", NULL },

    /* not JSON: some members are lost, nothing worse */
    { "{", "" },
    { "{\"a", "" },
    { "{\"a\"", "" },
    { "{\"a\":", "" },
    { "{\"a\":\"", "" },
    { "{\"a\":\"\\", "" },
    { "{\"a\":{", "" },
    { "{\"a\":{\"", "" },
    { "{\"a\":1", "a=1|" },
    { "{\"a\":,\"b\":1}", "" },
    { "{a:1}", "" },
    { "[,]", "" },
    { "[:]", "" },
    { NULL, NULL }
};


static const char  *valid[] = {
    "{}", "[]", " {\"a\":[1,2.5,null,true,\"\\u0441\"]} ",
    "{\"result\":[],\"time\":{\"start\":1552383141.526606}}",
    "[18446744073709551616,-9223372036854775809,1.0e+25]",
    "{\"a\":\"\\u0000\"}", "\xef\xbb\xbf{}", "\xef\xbb\xbf [1] ",
    "{\"a\":{\"b\":1,\"b\":1}}", "[{\"a\":1,\"a\":2}]",
    NULL
};


static const char  *invalid[] = {
    "", " ", "1", "\"a\"", "null", "{", "{}}", "{} x", "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"b\":2,\"\\u0061\":3}", "{\"a\":\"\xff\"}", "{\"a\":\"b\\u00\"}",
    "{\"a\":01}", "{\"a\":.5}", "{a:1}", "[1,]", "{\"a\":1,}", "[1 2]",
    "\xef\xbb\xbf", "\xef\xbb", "\xef\xbb\xbf\xef\xbb\xbf{}",
    " \xef\xbb\xbf{}", "{}\xef\xbb\xbf", "{\xef\xbb\xbf}", "<html></html>",
    "\xff\xfe{\0}\0",

    /* what is not to be had of jansson: they cannot come from PHP */
    "[1e400]", "[\"\\ud800\"]",
    NULL
};


/* an exact copy, so that a sanitizer sees the first byte too many */

static ngx_counters_str_t
exact(const char *in)
{
    ngx_counters_str_t     s;
    static unsigned char  *copy;

    free(copy);

    s.len = strlen(in);
    copy = malloc(s.len ? s.len : 1);
    s.data = memcpy(copy, in, s.len);

    return s;
}


static void
slice(const case_t *c)
{
    char                      out[512], *p;
    ngx_counters_str_t        s, name, value;
    ngx_counters_json_iter_t  it;

    s = exact(c->in);

    if (ngx_counters_json_start(&it, &s) != NGX_COUNTERS_OK) {
        ok(c->out == NULL, "neither object nor array: %s", label(c->in));
        return;
    }

    p = out;
    *p = '\0';

    while (ngx_counters_json_next(&it, &name, &value) == NGX_COUNTERS_OK) {
        p += sprintf(p, "%.*s=%.*s|", (int) name.len, (char *) name.data,
                     (int) value.len, (char *) value.data);
    }

    is_str(out, p - out, c->out ? c->out : "refused", "%s", label(c->in));
    is_int(ngx_counters_json_next(&it, &name, &value), NGX_COUNTERS_DONE,
           "it stays done");
}


static void
member(const char *in, const char *name, const char *out)
{
    int                 rc;
    ngx_counters_str_t  s, value;

    s = exact(in);
    rc = ngx_counters_json_member(&s, name, &value);

    if (rc == NGX_COUNTERS_OK) {
        is_str(value.data, value.len, out ? out : "none", "\"%s\" in %s", name,
               label(in));
        return;
    }

    ok(out == NULL && rc == NGX_COUNTERS_DECLINED, "no \"%s\" in %s", name,
       label(in));
}


int
main(void)
{
    int                 i;
    char               *deep;
    ngx_counters_str_t  s;

    for (i = 0; slices[i].in; i++) {
        slice(&slices[i]);
    }

    for (i = 0; valid[i]; i++) {
        s = exact(valid[i]);
        is_int(ngx_counters_json_valid(&s), NGX_COUNTERS_OK, "valid: %s",
               label(valid[i]));
    }

    for (i = 0; invalid[i]; i++) {
        s = exact(invalid[i]);
        is_int(ngx_counters_json_valid(&s), NGX_COUNTERS_DECLINED,
               "invalid: %s", label(invalid[i]));
    }

    s.data = (unsigned char *) "{\"a\":7\0}";
    s.len = sizeof("{\"a\":7\0}") - 1;
    is_int(ngx_counters_json_valid(&s), NGX_COUNTERS_DECLINED,
           "a NUL behind a number is invalid");

    deep = malloc(1000001);
    memset(deep, '[', 1000000);
    deep[1000000] = '\0';
    s = exact(deep);
    is_int(ngx_counters_json_valid(&s), NGX_COUNTERS_DECLINED,
           "endless nesting is invalid");
    slice(&(case_t) { deep, "" });
    free(deep);

    member("{\"result\":{\"total\":5},\"total\":1}", "total", "1");
    member("{\"result\":{\"total\":5}}", "total", NULL);
    member("{\"result\":{\"total\":5}}", "result", "{\"total\":5}");
    member("{\"error\":\"\"}", "error", "\"\"");
    member("{\"errors\":1,\"err\":2}", "error", NULL);
    member("{}", "error", NULL);
    member("[\"error\"]", "error", NULL);
    member("[\"error\"]", "", NULL);
    member("\"error\"", "error", NULL);
    member("\xef\xbb\xbf{\"error\":1}", "error", "1");
    member("\xef\xbb\xbf", "error", NULL);
    member("{\"a\":1,\"b\":2,\"a\":3}", "a", "3");
    member("", "error", NULL);
    member("{\"a\":\"\\\"error\\\":1\"}", "error", NULL);

    return done();
}
