
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_batch.c: packing, splitting and assembling.
 */


#include "ngx_counters_batch.h"
#include "ngx_counters_json.h"
#include "tap.h"

#include <stdlib.h>
#include <time.h>


#define NOW  1724916859421ULL

#define TIME                                                                  \
    "{\"start\":1724916859.421000,\"finish\":1724916859.421000,"              \
    "\"duration\":0,\"processing\":0,"                                        \
    "\"date_start\":\"2024-08-29T07:34:19+00:00\","                           \
    "\"date_finish\":\"2024-08-29T07:34:19+00:00\"}"

#define LIMITED  "{\"error\":\"QUERY_LIMIT_EXCEEDED\"}"


static ngx_counters_part_t  parts[64];


static ngx_counters_str_t
str(const char *text)
{
    ngx_counters_str_t  s;

    s.data = (unsigned char *) text;
    s.len = strlen(text);

    return s;
}


static ngx_counters_call_t
call(ngx_counters_method_e method, ngx_counters_call_type_e type,
    uint64_t user, uint64_t group)
{
    ngx_counters_call_t  c;

    c.method = method;
    c.type = type;
    c.user = user;
    c.group = group;

    return c;
}


static void
is_params(ngx_counters_call_t c, uint64_t own, const char *expected)
{
    unsigned char  *p, out[NGX_COUNTERS_PARAMS_LEN];

    p = ngx_counters_batch_params(out, &c, own);
    is_str(out, p - out, expected, "params \"%s\"", expected);
}


static void
test_params(void)
{
    unsigned char             *p, out[512];
    ngx_counters_call_t        c;
    ngx_counters_call_type_e   type;

    is_params(call(NGX_COUNTERS_TASKS, 0, 0, 0), 0, "");
    is_params(call(NGX_COUNTERS_TASKS, 0, 0, 0), 5, "");
    is_params(call(NGX_COUNTERS_TASKS, 0, 5, 0), 5, "");
    is_params(call(NGX_COUNTERS_TASKS, 0, 5, 0), 0, "userId=5");
    is_params(call(NGX_COUNTERS_TASKS, 0, 5, 0), 6, "userId=5");
    is_params(call(NGX_COUNTERS_TASKS, 0, 6, 7), 6, "groupId=7");
    is_params(call(NGX_COUNTERS_TASKS, NGX_COUNTERS_TYPE_AUDITOR, 6, 0), 6,
              "type=view_role_auditor");
    is_params(call(NGX_COUNTERS_TASKS, NGX_COUNTERS_TYPE_RESPONSIBLE, 10,
                   200), 6,
              "userId=10&groupId=200&type=view_role_responsible");
    is_params(call(NGX_COUNTERS_IM, NGX_COUNTERS_TYPE_AUDITOR, 6, 7), 1, "");

    for (type = 0; type < NGX_COUNTERS_TYPES; type++) {
        c = call(NGX_COUNTERS_TASKS, type, UINT64_MAX, UINT64_MAX);
        p = ngx_counters_batch_params(out, &c, 1);
        ok(p - out <= NGX_COUNTERS_PARAMS_LEN, "the longest of view %d fits",
           type);
    }
}


static void
test_pack(void)
{
    size_t                i;
    unsigned char        *p, *out;
    ngx_counters_call_t   calls[NGX_COUNTERS_BATCH_MAX];

    out = malloc(sizeof(calls) / sizeof(calls[0]) * NGX_COUNTERS_COMMAND_LEN
                 + 16);

    calls[0] = call(NGX_COUNTERS_TASKS, 0, 5, 0);
    calls[1] = call(NGX_COUNTERS_IM, 0, 0, 0);
    calls[2] = call(NGX_COUNTERS_TASKS, NGX_COUNTERS_TYPE_AUDITOR, 7, 3);
    calls[3] = call(NGX_COUNTERS_TASKS, 0, 1, 0);

    p = ngx_counters_batch_pack(out, calls, 4, 1);

    is_str(out, p - out,
           "halt=0&cmd%5B0%5D=tasks.task.counters.get%3FuserId%3D5"
           "&cmd%5B1%5D=im.counters.get"
           "&cmd%5B2%5D=tasks.task.counters.get%3FuserId%3D7%26groupId%3D3"
           "%26type%3Dview_role_auditor"
           "&cmd%5B3%5D=tasks.task.counters.get", "packed");

    p = ngx_counters_batch_pack(out, calls, 0, 1);
    is_str(out, p - out, "halt=0", "nothing to pack");

    for (i = 0; i < NGX_COUNTERS_BATCH_MAX; i++) {
        calls[i] = call(NGX_COUNTERS_TASKS, NGX_COUNTERS_TYPE_RESPONSIBLE,
                        UINT64_MAX, UINT64_MAX);
    }

    p = ngx_counters_batch_pack(out, calls, NGX_COUNTERS_BATCH_MAX, 1);
    ok((size_t) (p - out)
       <= NGX_COUNTERS_BATCH_MAX * NGX_COUNTERS_COMMAND_LEN + 16,
       "the longest fits");

    free(out);
}


/* splits a copy of exact size, which lives until the next one */

static int
split(size_t nparts, const char *text)
{
    static ngx_counters_str_t  body;

    free(body.data);

    body.len = strlen(text);
    body.data = malloc(body.len ? body.len : 1);
    memcpy(body.data, text, body.len);

    memset(parts, 0x5a, sizeof(parts));

    return ngx_counters_batch_split(&body, parts, nparts);
}


static void
is_part(size_t i, ngx_counters_verdict_e verdict, int status,
    const char *envelope)
{
    size_t          len;
    unsigned char  *p, *out;

    is_int(parts[i].verdict, verdict, "verdict of part %d", (int) i);
    is_int(parts[i].status, status, "its status");

    len = ngx_counters_batch_part_len(&parts[i]);
    out = malloc(len ? len : 1);
    p = ngx_counters_batch_part_envelope(out, &parts[i]);

    is_int(p - out, len, "its length");
    is_str(out, p - out, envelope, "its envelope");

    free(out);
}


static void
test_split_lists(void)
{
    is_int(split(2, "{\"result\":{\"result\":[{\"a\\/b\":"
                    "0.05025482177734375},[]],\"result_error\":[],"
                    "\"result_total\":[1,1],\"result_next\":[],"
                    "\"result_time\":[{\"start\":1552383141.526606,"
                    "\"operating\":1.5,\"operating_reset_at\":77},"
                    "{\"operating\":2}]},\"time\":{\"operating\":9}}"),
           NGX_COUNTERS_OK, "lists");

    is_part(0, NGX_COUNTERS_REPLY_GOOD, 200,
            "{\"result\":{\"a\\/b\":0.05025482177734375},\"total\":1,"
            "\"time\":{\"start\":1552383141.526606,\"operating\":1.5,"
            "\"operating_reset_at\":77}}");
    is_int(parts[0].operating, 1500, "its operating");
    is_int(parts[0].reset_at, 77, "its reset");

    is_part(1, NGX_COUNTERS_REPLY_GOOD, 200,
            "{\"result\":[],\"total\":1,\"time\":{\"operating\":2}}");
    is_int(parts[1].operating, 2000, "the other's operating");
    is_int(parts[1].reset_at, 0, "no reset");

    is_int(split(0, "{\"result\":{\"result\":[],\"result_error\":[]}}"),
           NGX_COUNTERS_OK, "no commands");

    is_int(split(1, "\xef\xbb\xbf{\"result\":{\"result\":[{\"a\":1,\"a\":2}],"
                    "\"result_error\":[]},\"time\":{\"t\":1}}"),
           NGX_COUNTERS_OK, "behind a byte order mark");
    is_part(0, NGX_COUNTERS_REPLY_GOOD, 200,
            "{\"result\":{\"a\":1,\"a\":2},\"time\":{\"t\":1}}");
}


static void
test_split_maps(void)
{
    is_int(split(4, "{\"time\":{\"t\":1},\"result\":{"
                    "\"result_time\":{\"3\":{\"t\":3}},"
                    "\"result\":{\"3\":\"\\u0416 {\\\"}\",\"0\":null},"
                    "\"result_total\":{\"3\":7},"
                    "\"result_error\":{\"1\":" LIMITED ",\"2\":{\"error\":"
                    "0,\"error_description\":\"x\"}}}}"),
           NGX_COUNTERS_OK, "maps");

    is_part(0, NGX_COUNTERS_REPLY_GOOD, 200,
            "{\"result\":null,\"time\":{\"t\":1}}");
    is_part(1, NGX_COUNTERS_REPLY_LIMIT, 503, LIMITED);
    is_part(2, NGX_COUNTERS_REPLY_REFUSED, 400,
            "{\"error\":0,\"error_description\":\"x\"}");
    is_part(3, NGX_COUNTERS_REPLY_GOOD, 200,
            "{\"result\":\"\\u0416 {\\\"}\",\"total\":7,\"time\":{\"t\":3}}");
}


static void
test_split_mixed(void)
{
    /* the first failed: errors are a list, results cannot be one */

    is_int(split(3, "{\"result\":{\"result\":{\"1\":5,\"2\":6},"
                    "\"result_error\":[{\"error\":\"expired_token\"}],"
                    "\"result_total\":[],\"result_time\":[]}}"),
           NGX_COUNTERS_OK, "a list and a map");

    is_part(0, NGX_COUNTERS_REPLY_UNAUTHORIZED, 401,
            "{\"error\":\"expired_token\"}");
    is_part(1, NGX_COUNTERS_REPLY_GOOD, 200, "{\"result\":5}");
    is_part(2, NGX_COUNTERS_REPLY_GOOD, 200, "{\"result\":6}");

    /* the last failed: results are a list that ends early */

    is_int(split(3, "{\"result\":{\"result\":[5,6],\"result_error\":{\"2\":"
                    "{\"error\":\"ERROR_METHOD_NOT_FOUND\"}}}}"),
           NGX_COUNTERS_OK, "a list that ends early");

    is_part(0, NGX_COUNTERS_REPLY_GOOD, 200, "{\"result\":5}");
    is_part(1, NGX_COUNTERS_REPLY_GOOD, 200, "{\"result\":6}");
    is_part(2, NGX_COUNTERS_REPLY_FOREIGN, 404,
            "{\"error\":\"ERROR_METHOD_NOT_FOUND\"}");
}


static void
test_split_odd(void)
{
    ngx_counters_part_t  untouched;

    is_int(split(9, "{\"result\":{\"result\":{\"0\":1,\"1\":1,\"03\":1,"
                    "\"\":1,\"a\":1,\"-1\":1,\"9\":1,\"5\":[],"
                    "\"18446744073709551621\":1,\"10\":1,\"7x\":1},"
                    "\"result_error\":{\"1\":" LIMITED ",\"2\":\"text\","
                    "\"4\":{\"x\":1},\"6\":[]},\"result_total\":null,"
                    "\"result_time\":{\"0\":5}},\"time\":7}"),
           NGX_COUNTERS_OK, "odd members");

    is_part(0, NGX_COUNTERS_REPLY_GOOD, 200, "{\"result\":1}");
    is_part(1, NGX_COUNTERS_REPLY_MALFORMED, 0, "");
    is_part(2, NGX_COUNTERS_REPLY_MALFORMED, 0, "");
    is_part(3, NGX_COUNTERS_REPLY_MALFORMED, 0, "");
    is_part(4, NGX_COUNTERS_REPLY_MALFORMED, 0, "");
    is_part(5, NGX_COUNTERS_REPLY_GOOD, 200, "{\"result\":[]}");
    is_part(6, NGX_COUNTERS_REPLY_MALFORMED, 0, "");
    is_part(7, NGX_COUNTERS_REPLY_MALFORMED, 0, "");
    is_part(8, NGX_COUNTERS_REPLY_MALFORMED, 0, "");

    memset(&untouched, 0x5a, sizeof(untouched));

    is_int(split(1, "{\"result\":{\"result\":[1,2,3],\"result_error\":[]}}"),
           NGX_COUNTERS_OK, "more than were asked for");
    is_part(0, NGX_COUNTERS_REPLY_GOOD, 200, "{\"result\":1}");
    ok(memcmp(&parts[1], &untouched, sizeof(untouched)) == 0,
       "nothing is placed behind the parts");
}


static void
test_split_foreign(void)
{
    is_int(split(1, "{\"result\":[]}"), NGX_COUNTERS_ERROR,
           "the answer of a counter call");
    is_int(split(1, "{\"result\":{\"open\":{\"counter\":1}}}"),
           NGX_COUNTERS_ERROR, "another");
    is_int(split(1, "{\"result\":{\"result\":[]}}"), NGX_COUNTERS_ERROR,
           "no result_error");
    is_int(split(1, "{\"result\":{\"result\":1,\"result_error\":[]}}"),
           NGX_COUNTERS_ERROR, "a number for a map");
    is_int(split(1, "{\"result\":{\"result\":[],\"result_error\":null}}"),
           NGX_COUNTERS_ERROR, "null for a map");
    is_int(split(1, "{\"time\":{}}"), NGX_COUNTERS_ERROR, "no result");
    is_int(split(1, "[]"), NGX_COUNTERS_ERROR, "a list");
    is_int(split(1, ""), NGX_COUNTERS_ERROR, "nothing");
}


/* a quadratic split would need minutes */

static void
test_split_long(void)
{
    size_t    i;
    char     *text, *p;
    clock_t   start;

    text = malloc(8 * 1024 * 1024);
    p = text + sprintf(text, "{\"result\":{\"result_error\":[],\"result\":{");

    for (i = 0; i < 500000; i++) {
        p += sprintf(p, "\"%d\":1,", (int) (499999 - i));
    }

    sprintf(p - 1, "}}}");

    start = clock();
    is_int(split(50, text), NGX_COUNTERS_OK, "half a million members");
    ok(clock() - start < 2 * CLOCKS_PER_SEC, "in linear time");
    is_int(parts[49].verdict, NGX_COUNTERS_REPLY_GOOD, "and all are found");

    free(text);
}


static ngx_counters_commands_t  cmds;
static ngx_counters_batch_content_t  answers[NGX_COUNTERS_BATCH_MAX];

/* what is said when all are errors: nothing */
static const ngx_counters_batch_used_t  untold = { 0, 0 };


static void
command(const char *id, const char *envelope, int error)
{
    cmds.commands[cmds.ncommands].id = str(id);
    answers[cmds.ncommands].envelope = str(envelope);
    answers[cmds.ncommands].error = error;
    cmds.ncommands++;
}


/* forgets the commands */

static void
is_assembled(const char *expected, const char *what)
{
    size_t               len;
    unsigned char       *p, *out;
    ngx_counters_str_t   text;

    len = ngx_counters_batch_len(&cmds, answers);
    out = malloc(len);
    p = ngx_counters_batch_assemble(out, &cmds, answers, NOW, &untold);

    is_str(out, p - out, expected, "%s", what);
    ok((size_t) (p - out) <= len, "it fits");

    text.data = out;
    text.len = p - out;
    is_int(ngx_counters_json_valid(&text), NGX_COUNTERS_OK, "it is JSON");

    free(out);
    memset(&cmds, 0, sizeof(cmds));
}


static void
test_assemble(void)
{
    command("all", "{\"result\":{\"a\\/b\":0.05025482177734375},\"total\":1,"
                   "\"time\":{\"start\":1552383141.526606}}", 0);
    command("im", "{ \"time\" : {\"t\":2}, \"result\" : [ ] }", 0);
    is_assembled("{\"result\":{\"result\":{\"all\":{\"a\\/b\":"
                 "0.05025482177734375},\"im\":[ ]},\"result_error\":[],"
                 "\"result_total\":{\"all\":1},\"result_next\":[],"
                 "\"result_time\":{\"all\":{\"start\":1552383141.526606},"
                 "\"im\":{\"t\":2}}},\"time\":" TIME "}", "maps");

    command("0", "{\"result\":5,\"total\":1,\"time\":{}}", 0);
    command("1", "{\"result\":6,\"total\":2,\"time\":{}}", 0);
    is_assembled("{\"result\":{\"result\":[5,6],\"result_error\":[],"
                 "\"result_total\":[1,2],\"result_next\":[],"
                 "\"result_time\":[{},{}]},\"time\":" TIME "}", "lists");

    command("0", "\xef\xbb\xbf {\"result\":5,\"total\":1}", 0);
    command("1", "\xef\xbb\xbf" LIMITED, 1);
    is_assembled("{\"result\":{\"result\":[5],\"result_error\":{\"1\":"
                 LIMITED "},\"result_total\":[1],\"result_next\":[],"
                 "\"result_time\":[]},\"time\":" TIME "}",
                 "without their byte order marks");

    is_assembled("{\"result\":{\"result\":[],\"result_error\":[],"
                 "\"result_total\":[],\"result_next\":[],"
                 "\"result_time\":[]},\"time\":" TIME "}", "nothing");
}


#define WITHOUT  "{\"result\":5,\"time\":{\"start\":1}}"
#define LITTLE   "{\"result\":5,\"time\":{\"operating\":9.50,"                \
                 "\"operating_reset_at\":17}}"
#define MUCH     "{\"result\":5,\"time\":{\"start\":1,"                       \
                 "\"operating_reset_at\":18,\"operating\":1.0e1}}"


static void
is_time(const char *expected, const ngx_counters_batch_used_t *used)
{
    size_t          len;
    unsigned char  *p, *out, *time;

    out = malloc(ngx_counters_batch_len(&cmds, answers));
    p = ngx_counters_batch_assemble(out, &cmds, answers, NOW, used);

    len = strlen(expected);
    time = (size_t) (p - out) < len ? out : p - len;

    is_str(time, p - time, expected, "operating time %s", expected);

    free(out);
}


/* of the command that has used most, as it is written there */

static void
test_assemble_operating(void)
{
    char  text[256];

    static const ngx_counters_batch_used_t  used = { 9050, 1700000060 };
    static const ngx_counters_batch_used_t  most = { UINT64_MAX, UINT64_MAX };

    command("a", WITHOUT, 0);
    is_time("+00:00\"}}", &untold);

    command("b", LITTLE, 0);
    is_time("+00:00\",\"operating_reset_at\":17,\"operating\":9.50}}", &untold);

    command("c", MUCH, 0);
    command("d", LITTLE, 0);
    is_time("+00:00\",\"operating_reset_at\":18,\"operating\":1.0e1}}",
            &untold);
    is_time("+00:00\"}}", NULL);
    memset(&cmds, 0, sizeof(cmds));

    command("a", "{\"result\":5,\"time\":{\"operating\":0}}", 0);
    is_time("+00:00\",\"operating\":0}}", &untold);
    memset(&cmds, 0, sizeof(cmds));

    command("a", "{\"result\":5,\"time\":{\"operating_reset_at\":18}}", 0);
    is_time("+00:00\"}}", &untold);
    memset(&cmds, 0, sizeof(cmds));

    cmds.halt = 1;
    command("a", LITTLE, 0);
    command("b", LIMITED, 1);
    command("c", MUCH, 0);
    is_time("+00:00\",\"operating_reset_at\":17,\"operating\":9.50}}", &untold);
    memset(&cmds, 0, sizeof(cmds));

    /* as long as may be, and longer */

    snprintf(text, sizeof(text), "{\"time\":{\"operating_reset_at\":%064d,"
             "\"operating\":%064d}}", 1, 2);
    command("", text, 0);
    is_time("2}}", &untold);
    memset(&cmds, 0, sizeof(cmds));

    snprintf(text, sizeof(text), "{\"time\":{\"operating\":%065d}}", 1);
    command("", text, 0);
    is_time("+00:00\"}}", &untold);
    memset(&cmds, 0, sizeof(cmds));

    /* errors tell of none, what good ones do not tell is not */

    command("a", LIMITED, 1);
    is_time("+00:00\"}}", &untold);
    is_time("+00:00\"}}", NULL);
    is_time("+00:00\",\"operating_reset_at\":1700000060,"
            "\"operating\":9.050}}", &used);
    is_time("+00:00\",\"operating_reset_at\":18446744073709551615,"
            "\"operating\":18446744073709551.615}}", &most);

    command("b", WITHOUT, 0);
    is_time("+00:00\"}}", &used);

    command("c", LITTLE, 0);
    is_time("+00:00\",\"operating_reset_at\":17,\"operating\":9.50}}", &used);
    memset(&cmds, 0, sizeof(cmds));
}


static void
test_assemble_errors(void)
{
    command("0", "{\"result\":5}", 0);
    command("1", LIMITED, 1);
    command("2", "{\"result\":7,\"total\":1}", 0);
    is_assembled("{\"result\":{\"result\":{\"0\":5,\"2\":7},"
                 "\"result_error\":{\"1\":" LIMITED "},"
                 "\"result_total\":{\"2\":1},\"result_next\":[],"
                 "\"result_time\":[]},\"time\":" TIME "}",
                 "an error makes maps of lists");

    command("0", LIMITED, 1);
    command("1", LIMITED, 1);
    is_assembled("{\"result\":{\"result\":[],\"result_error\":[" LIMITED ","
                 LIMITED "],\"result_total\":[],\"result_next\":[],"
                 "\"result_time\":[]},\"time\":" TIME "}",
                 "errors alone are a list");

    cmds.halt = 1;
    command("a", "{\"result\":5}", 0);
    command("b", LIMITED, 1);
    command("c", "{\"result\":7,\"total\":1,\"time\":{}}", 0);
    command("d", LIMITED, 1);
    is_assembled("{\"result\":{\"result\":{\"a\":5},\"result_error\":{\"b\":"
                 LIMITED "},\"result_total\":[],\"result_next\":[],"
                 "\"result_time\":[]},\"time\":" TIME "}",
                 "halt: nothing after the first error");

    cmds.halt = 1;
    command("a", "{\"result\":5}", 0);
    command("b", "{\"result\":6}", 0);
    is_assembled("{\"result\":{\"result\":{\"a\":5,\"b\":6},"
                 "\"result_error\":[],\"result_total\":[],"
                 "\"result_next\":[],\"result_time\":[]},\"time\":" TIME "}",
                 "halt without an error");
}


/* as json_encode(): list or map is decided by the keys that are there */

static void
is_map(const char *first, const char *second, const char *expected)
{
    char  text[512];

    command(first, "{\"result\":5}", 0);
    command(second, "{\"result\":6}", 0);

    snprintf(text, sizeof(text),
             "{\"result\":{\"result\":%s,\"result_error\":[],"
             "\"result_total\":[],\"result_next\":[],\"result_time\":[]},"
             "\"time\":" TIME "}", expected);

    is_assembled(text, expected);
}


static void
test_assemble_keys(void)
{
    is_map("0", "1", "[5,6]");
    is_map("1", "0", "{\"1\":5,\"0\":6}");
    is_map("0", "2", "{\"0\":5,\"2\":6}");
    is_map("1", "2", "{\"1\":5,\"2\":6}");
    is_map("0", "01", "{\"0\":5,\"01\":6}");
    is_map("00", "1", "{\"00\":5,\"1\":6}");
    is_map("0", "a", "{\"0\":5,\"a\":6}");
    is_map("-0", "1", "{\"-0\":5,\"1\":6}");
    is_map("", "1", "{\"\":5,\"1\":6}");
}


static void
test_assemble_many(void)
{
    size_t               i, len;
    char                 ids[NGX_COUNTERS_BATCH_MAX][8];
    unsigned char       *p, *out;
    ngx_counters_str_t   body;

    for (i = 0; i < NGX_COUNTERS_BATCH_MAX; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%d", (int) i);
        command(ids[i], "{\"result\":{\"n\":[1,2]},\"total\":1,\"time\":{}}",
                0);
    }

    len = ngx_counters_batch_len(&cmds, answers);
    out = malloc(len);
    p = ngx_counters_batch_assemble(out, &cmds, answers, NOW, &untold);

    body.data = out;
    body.len = p - out;

    is_int(ngx_counters_batch_split(&body, parts, NGX_COUNTERS_BATCH_MAX),
           NGX_COUNTERS_OK, "what was assembled can be split");
    is_part(0, NGX_COUNTERS_REPLY_GOOD, 200,
            "{\"result\":{\"n\":[1,2]},\"total\":1,\"time\":{}}");
    is_part(10, NGX_COUNTERS_REPLY_GOOD, 200,
            "{\"result\":{\"n\":[1,2]},\"total\":1,\"time\":{}}");
    is_part(49, NGX_COUNTERS_REPLY_GOOD, 200,
            "{\"result\":{\"n\":[1,2]},\"total\":1,\"time\":{}}");

    free(out);
    memset(&cmds, 0, sizeof(cmds));
}


/* errors have the least to leave out: all of an id is needed */

static void
test_assemble_length(void)
{
    size_t          i, len;
    char            ids[NGX_COUNTERS_BATCH_MAX][101];
    unsigned char  *p, *out;

    for (i = 0; i < NGX_COUNTERS_BATCH_MAX; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%0100d", (int) i);
        command(ids[i], LIMITED, 1);
    }

    len = ngx_counters_batch_len(&cmds, answers);
    out = malloc(2 * len);
    p = ngx_counters_batch_assemble(out, &cmds, answers, NOW, &untold);

    ok((size_t) (p - out) <= len, "long ids fit");

    free(out);
    memset(&cmds, 0, sizeof(cmds));
}


int
main(void)
{
    test_params();
    test_pack();
    test_split_lists();
    test_split_maps();
    test_split_mixed();
    test_split_odd();
    test_split_foreign();
    test_split_long();
    test_assemble();
    test_assemble_operating();
    test_assemble_errors();
    test_assemble_keys();
    test_assemble_many();
    test_assemble_length();

    return done();
}
