
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_call.h"
#include "request.h"


/* what a call that means the defaults comes to */

#define DEFAULT       "hook 7 c0de: tasks user=7 group=0 type=0"
#define DEFAULT_AUTH  "token t0ken: tasks user=0 group=0 type=0"


static const case_t  calls[] = {

    /* the wire forms of the clients */

    { "BX24.js", "/rest/tasks.task.counters.get.json", "",
      FORM, "auth=t0ken&userId=5&type=view_role_auditor", NULL,
      "token t0ken: tasks user=5 group=0 type=3" },
    { "b24jssdk, webhook", HOOK,
      "bx24_request_id=0190f-1&bx24_sdk_ver=1.0.1&bx24_sdk_type=b24-js-sdk",
      JSON, "{\"userId\":5,\"groupId\":0}", NULL,
      "hook 7 c0de: tasks user=5 group=0 type=0" },
    { "b24jssdk, webhook, no parameters", HOOK, "bx24_request_id=0190f-2",
      JSON, "{}", NULL, DEFAULT },
    { "b24jssdk, OAuth", "/rest//tasks.task.counters.get",
      "bx24_request_id=0190f-3&bx24_sdk_ver=1.0.1&bx24_sdk_type=b24-js-sdk",
      JSON, "{\"auth\":\"t0ken\",\"type\":\"view_all\"}", NULL, DEFAULT_AUTH },
    { "b24jssdk, logTag", OAUTH, "logTag=x&auth=t0ken", NULL, "", NULL,
      DEFAULT_AUTH },
    { "b24phpsdk, webhook", HOOK, "bx24_request_id=8d2e-4", JSON,
      "{\"userId\":5}", NULL, "hook 7 c0de: tasks user=5 group=0 type=0" },
    { "b24phpsdk, OAuth, no parameters", OAUTH, "bx24_request_id=8d2e-5",
      JSON, "{\"auth\":\"t0ken\"}", NULL, DEFAULT_AUTH },
    { "b24phpsdk, an empty PHP array", HOOK, "bx24_request_id=8d2e-6",
      JSON, "[]", NULL, DEFAULT },
    { "b24pysdk", "/rest/7/c0de/tasks.task.counters.get.json", "",
      JSON, "{\"userId\": \"5\", \"type\": \"view_all\"}", NULL,
      "hook 7 c0de: tasks user=5 group=0 type=0" },
    { "b24pysdk, OAuth", "/rest/tasks.task.counters.get.json", "",
      JSON, "{\"auth\": \"t0ken\", \"userId\": 5}", NULL,
      "token t0ken: tasks user=5 group=0 type=0" },
    { "CRest, POST", "/rest/7/c0de/tasks.task.counters.get.json", "",
      FORM, "userId=5&groupId=3", NULL,
      "hook 7 c0de: tasks user=5 group=3 type=0" },
    { "CRest, OAuth", "/rest/tasks.task.counters.get.json", "",
      FORM, "userId=5&auth=t0ken", NULL,
      "token t0ken: tasks user=5 group=0 type=0" },
    { "CRest, GET", "/rest/7/c0de/tasks.task.counters.get.json", "",
      NULL, "", NULL, DEFAULT },
    { "curl, GET", HOOK "/", "userId=5&type=view_role_originator",
      NULL, "", NULL, "hook 7 c0de: tasks user=5 group=0 type=4" },
    { "multipart", HOOK, "", "multipart/form-data; boundary=b",
      "--b\r\nContent-Disposition: form-data; name=\"userId\"\r\n\r\n5\r\n"
      "--b--\r\n", NULL, "hook 7 c0de: tasks user=5 group=0 type=0" },
    { "jQuery, cache: false", HOOK, "_=1700000000000", NULL, "", NULL,
      DEFAULT },
    { "Bearer", OAUTH, "", NULL, "", "Bearer t0ken", DEFAULT_AUTH },

    /* the same token, or none, in several places */
    { "webhook and an empty Bearer", HOOK, "", NULL, "", "Bearer", DEFAULT },
    { "webhook and an empty bearer", HOOK, "", NULL, "", "bEARER", DEFAULT },
    { "webhook and an empty header", HOOK, "", NULL, "", "", DEFAULT },
    { "auth and an empty Bearer", OAUTH, "auth=t0ken", NULL, "", "Bearer",
      DEFAULT_AUTH },
    { "auth and Bearer, the same", OAUTH, "auth=t0ken", NULL, "",
      "Bearer t0ken", DEFAULT_AUTH },
    { "auth and access_token, the same", OAUTH,
      "auth=t0ken&access_token=t0ken", NULL, "", NULL, DEFAULT_AUTH },
    { "auth twice, the same", OAUTH, "auth=t0ken&auth=t0ken", NULL, "", NULL,
      DEFAULT_AUTH },
    { "auth in query and body, the same", OAUTH, "auth=t0ke%6e", JSON,
      "{\"auth\":\"t0ken\"}", NULL, DEFAULT_AUTH },
    { "all places, the same", OAUTH, "auth=t0ken", FORM,
      "access_token=t0ken&auth=t0ken", "Bearer t0ken", DEFAULT_AUTH },

    /* the page of a list, which this is not */
    { "start 0", HOOK, "start=0", NULL, "", NULL, DEFAULT },
    { "start 50", HOOK, "start=50&userId=7", NULL, "", NULL, DEFAULT },
    { "start -1", HOOK, "", FORM, "start=-1", NULL, DEFAULT },
    { "start in JSON", HOOK, "", JSON "; charset=utf-8", "{\"start\":0}", NULL,
      DEFAULT },
    { "start in JSON, a text", OAUTH, "", JSON,
      "{\"auth\":\"t0ken\",\"start\":\"-1\"}", NULL, DEFAULT_AUTH },
    { "start of im", IM, "start=0", NULL, "", NULL,
      "hook 7 c0de: im user=7 group=0 type=0" },
    { "access_token", OAUTH, "access_token=t0ken", NULL, "", NULL,
      DEFAULT_AUTH },
    { "access_token in the body", OAUTH, "", FORM, "access_token=t0ken", NULL,
      DEFAULT_AUTH },

    /* canonical parameters */

    { "userId 0 is the webhook's own", HOOK, "userId=0", NULL, "", NULL,
      DEFAULT },
    { "so is its own number", HOOK, "userId=7", NULL, "", NULL, DEFAULT },
    { "in JSON too", HOOK, "", JSON, "{\"userId\":0}", NULL, DEFAULT },
    { "userId 0 of a token", OAUTH, "auth=t0ken&userId=0", NULL, "", NULL,
      DEFAULT_AUTH },
    { "a type in upper case", HOOK, "type=VIEW_ALL", NULL, "", NULL,
      DEFAULT },
    { "a mixed type", HOOK, "type=View_Role_Responsible", NULL, "", NULL,
      "hook 7 c0de: tasks user=7 group=0 type=1" },
    { "accomplice", HOOK, "type=view_role_accomplice", NULL, "", NULL,
      "hook 7 c0de: tasks user=7 group=0 type=2" },
    { "parameters in query and body", HOOK, "userId=5", FORM, "groupId=3",
      NULL, "hook 7 c0de: tasks user=5 group=3 type=0" },
    { "the largest number", HOOK, "groupId=9223372036854775807", NULL, "",
      NULL, "hook 7 c0de: tasks user=7 group=9223372036854775807 type=0" },
    { "encoded names and values", HOOK, "%75serId=%35", NULL, "", NULL,
      "hook 7 c0de: tasks user=5 group=0 type=0" },
    { "a method in upper case", "/rest/7/c0de/TASKS.Task.counters.GET", "",
      NULL, "", NULL, DEFAULT },
    { "im", IM, "", NULL, "", NULL, "hook 7 c0de: im user=7 group=0 type=0" },
    { "im with a token", "/rest/im.counters.get", "_=1", JSON,
      "{\"auth\":\"t0ken\"}", NULL,
      "token t0ken: im user=0 group=0 type=0" },
    { "a token of odd bytes", OAUTH, "", NULL, "", "bEARER   a.b-c_~+/=|!",
      "token a.b-c_~+/=|!: tasks user=0 group=0 type=0" },

    /* values */

    { "group too large", HOOK, "groupId=9223372036854775808", NULL, "", NULL,
      NULL },
    { "group of twenty digits", HOOK, "groupId=10000000000000000000", NULL,
      "", NULL, NULL },
    { "leading zero", HOOK, "userId=012", NULL, "", NULL, NULL },
    { "two zeros", HOOK, "userId=00", NULL, "", NULL, NULL },
    { "plus sign", HOOK, "userId=%2B12", NULL, "", NULL, NULL },
    { "leading space", HOOK, "userId=+5", NULL, "", NULL, NULL },
    { "trailing space", HOOK, "userId=5+", NULL, "", NULL, NULL },
    { "empty userId", HOOK, "userId=", NULL, "", NULL, NULL },
    { "no value", HOOK, "userId", NULL, "", NULL, NULL },
    { "empty groupId", HOOK, "groupId=", NULL, "", NULL, NULL },
    { "negative", HOOK, "userId=-5", NULL, "", NULL, NULL },
    { "negative in JSON", HOOK, "", JSON, "{\"userId\":-5}", NULL, NULL },
    { "hexadecimal", HOOK, "userId=0x5", NULL, "", NULL, NULL },
    { "exponent", HOOK, "userId=5e0", NULL, "", NULL, NULL },
    { "a real", HOOK, "", JSON, "{\"userId\":5.0}", NULL, NULL },
    { "null", HOOK, "", JSON, "{\"userId\":null}", NULL, NULL },
    { "a boolean", HOOK, "", JSON, "{\"userId\":true}", NULL, NULL },
    { "a boolean group", HOOK, "", JSON, "{\"groupId\":false}", NULL, NULL },
    { "a list", HOOK, "", JSON, "{\"userId\":[5]}", NULL, NULL },
    { "an empty list", HOOK, "", JSON, "{\"userId\":[]}", NULL, NULL },
    { "an array in a query", HOOK, "userId[]=5", NULL, "", NULL, NULL },
    { "an array of types", HOOK, "type[0]=view_all", NULL, "", NULL, NULL },
    { "unknown type", HOOK, "type=view_role", NULL, "", NULL, NULL },
    { "empty type", HOOK, "type=", NULL, "", NULL, NULL },
    { "type with a space", HOOK, "type=view_all+", NULL, "", NULL, NULL },
    { "a number for a type", HOOK, "", JSON, "{\"type\":0}", NULL, NULL },
    { "userid", HOOK, "userid=5", NULL, "", NULL, NULL },
    { "USERID", HOOK, "USERID=5", NULL, "", NULL, NULL },
    { "Type", HOOK, "Type=view_all", NULL, "", NULL, NULL },
    { "unknown parameter", HOOK, "select=x", NULL, "", NULL, NULL },
    { "unknown in the body", HOOK, "", JSON, "{\"params\":{\"a\":1}}", NULL,
      NULL },
    { "no name", HOOK, "=5", NULL, "", NULL, NULL },
    { "no start of a list", HOOK, "start=", NULL, "", NULL, NULL },
    { "start of a list, a word", HOOK, "start=x", NULL, "", NULL, NULL },
    { "start of a list, a sign", HOOK, "start=-", NULL, "", NULL, NULL },
    { "start of a list, 00", HOOK, "start=00", NULL, "", NULL, NULL },
    { "start of a list, a sum", HOOK, "start=1%2B1", NULL, "", NULL, NULL },
    { "start of a list, a space", HOOK, "start=+1", NULL, "", NULL, NULL },
    { "start of a list, 0.0", HOOK, "", JSON, "{\"start\":0.0}", NULL, NULL },
    { "start of a list, null", HOOK, "", JSON, "{\"start\":null}", NULL,
      NULL },
    { "start of a list, true", HOOK, "", JSON, "{\"start\":true}", NULL,
      NULL },
    { "start of a list, an array", HOOK, "start[]=0", NULL, "", NULL, NULL },
    { "start of a list, twice", HOOK, "start=0&start=0", NULL, "", NULL,
      NULL },
    { "start of a list in both", HOOK, "start=0", JSON, "{\"start\":0}", NULL,
      NULL },
    { "START", HOOK, "START=0", NULL, "", NULL, NULL },
    { "a command's order", HOOK, "__order=order0", NULL, "", NULL, NULL },
    { "a batch's cmd", HOOK, "cmd[a]=x", NULL, "", NULL, NULL },
    { "a batch's halt", HOOK, "halt=0", NULL, "", NULL, NULL },
    { "a managed method", HOOK, "method=x", NULL, "", NULL, NULL },
    { "im with userId", IM, "userId=7", NULL, "", NULL, NULL },
    { "im with type", IM, "", FORM, "type=view_all", NULL, NULL },
    { "malformed query", HOOK, "userId=%3", NULL, "", NULL, NULL },
    { "malformed body", HOOK, "", JSON, "{", NULL, NULL },
    { "text body", HOOK, "", "text/plain", "userId=5", NULL, NULL },
    { "body without a type", HOOK, "", NULL, "userId=5", NULL, NULL },

    /* duplicates */

    { "twice in the query", HOOK, "userId=5&userId=5", NULL, "", NULL, NULL },
    { "twice in the body", HOOK, "", FORM, "type=view_all&type=view_all",
      NULL, NULL },
    { "in query and body", HOOK, "groupId=0", JSON, "{\"groupId\":0}", NULL,
      NULL },
    { "telemetry twice", HOOK, "_=1&_=2", NULL, "", NULL, NULL },
    { "request id twice", HOOK, "bx24_request_id=1&bx24_request_id=1", NULL,
      "", NULL, NULL },

    /* telemetry is no argument in the query only */

    { "all telemetry", HOOK,
      "bx24_request_id=1&bx24_sdk_ver=&bx24_sdk_type&logTag=a&_=b",
      NULL, "", NULL, DEFAULT },
    { "telemetry as an array", HOOK, "_[]=1", NULL, "", NULL, NULL },
    { "telemetry in a form", HOOK, "", FORM, "_=1", NULL, NULL },
    { "logTag in JSON", HOOK, "", JSON, "{\"logTag\":\"x\"}", NULL, NULL },
    { "request id in JSON", HOOK, "", JSON, "{\"bx24_request_id\":\"x\"}",
      NULL, NULL },
    { "sdk_ver in JSON", HOOK, "", JSON, "{\"bx24_sdk_ver\":\"x\"}", NULL,
      NULL },
    { "sdk_type in JSON", HOOK, "", JSON, "{\"bx24_sdk_type\":\"x\"}", NULL,
      NULL },
    { "other case", HOOK, "logtag=1", NULL, "", NULL, NULL },

    /* credentials */

    { "none", OAUTH, "", NULL, "", NULL, NULL },
    { "none, with parameters", OAUTH, "userId=5", NULL, "", NULL, NULL },
    { "session", OAUTH, "sessid=abc", NULL, "", NULL, NULL },
    { "webhook and auth", HOOK, "auth=t0ken", NULL, "", NULL, NULL },
    { "webhook and an empty auth", HOOK, "auth=", NULL, "", NULL, NULL },
    { "webhook and access_token", HOOK, "", FORM, "access_token=x", NULL,
      NULL },
    { "webhook and Bearer", HOOK, "", NULL, "", "Bearer t0ken", NULL },
    { "webhook and Basic", HOOK, "", NULL, "", "Basic dTpw", NULL },
    { "webhook and Bearer and space", HOOK, "", NULL, "", "Bearer ", NULL },
    { "webhook and its code as a token", HOOK, "auth=c0de", NULL, "", NULL,
      NULL },
    { "auth and access_token", OAUTH, "auth=t0ken&access_token=x", NULL, "",
      NULL, NULL },
    { "auth and access_token, of another case", OAUTH,
      "auth=t0ken&access_token=T0ken", NULL, "", NULL, NULL },
    { "auth and a longer access_token", OAUTH, "auth=t0ken&access_token=t0ken1",
      NULL, "", NULL, NULL },
    { "auth and an empty access_token", OAUTH, "auth=t0ken&access_token=",
      NULL, "", NULL, NULL },
    { "an empty auth and access_token", OAUTH, "auth=&access_token=t0ken",
      NULL, "", NULL, NULL },
    { "auth and another Bearer", OAUTH, "auth=t0ken", NULL, "", "Bearer x",
      NULL },
    { "auth and Basic", OAUTH, "auth=t0ken", NULL, "", "Basic dTpw", NULL },
    { "access_token and another Bearer", OAUTH, "access_token=t0ken", NULL, "",
      "Bearer t0kem", NULL },
    { "the third differs", OAUTH, "auth=t0ken", FORM, "access_token=x",
      "Bearer t0ken", NULL },
    { "auth twice", OAUTH, "auth=t0ken&auth=x", NULL, "", NULL, NULL },
    { "auth twice, empty", OAUTH, "auth=&auth=", NULL, "", NULL, NULL },
    { "auth in query and body", OAUTH, "auth=t0ken", FORM, "auth=x", NULL,
      NULL },
    { "auth in query and an empty one in the body", OAUTH, "auth=t0ken", FORM,
      "auth=", NULL, NULL },
    { "auth in query and a number in the body", OAUTH, "auth=5", JSON,
      "{\"auth\":5}", NULL, NULL },
    { "auth as an array", OAUTH, "auth[]=t0ken", NULL, "", NULL, NULL },
    { "auth as a number", OAUTH, "", JSON, "{\"auth\":5}", NULL, NULL },
    { "auth as a boolean", OAUTH, "", JSON, "{\"auth\":true}", NULL, NULL },
    { "auth null", OAUTH, "", JSON, "{\"auth\":null}", NULL, NULL },
    { "empty auth", OAUTH, "auth=", NULL, "", NULL, NULL },
    { "auth with a space", OAUTH, "auth=a+b", NULL, "", NULL, NULL },
    { "auth with a quote", OAUTH, "auth=a%22b", NULL, "", NULL, NULL },
    { "auth with an apostrophe", OAUTH, "auth=a'b", NULL, "", NULL, NULL },
    { "auth with a comma", OAUTH, "auth=a,b", NULL, "", NULL, NULL },
    { "auth with a line feed", OAUTH, "auth=a%0Ab", NULL, "", NULL, NULL },
    { "auth with a DEL", OAUTH, "auth=a%7F", NULL, "", NULL, NULL },
    { "auth beyond ASCII", OAUTH, "auth=a%D1%81", NULL, "", NULL, NULL },
    { "Auth", OAUTH, "Auth=t0ken", NULL, "", NULL, NULL },
    { "Basic", OAUTH, "", NULL, "", "Basic dTpw", NULL },
    { "Bearer alone", OAUTH, "", NULL, "", "Bearer", NULL },
    { "Bearer and a space", OAUTH, "", NULL, "", "Bearer ", NULL },
    { "Digest", OAUTH, "", NULL, "", "Digest t0ken", NULL },
    { "Bearer without a space", OAUTH, "", NULL, "", "Bearert0ken", NULL },
    { "Bearers", OAUTH, "", NULL, "", "Bearers t0ken", NULL },
    { "Bearer with a tab", OAUTH, "", NULL, "", "Bearer\tt0ken", NULL },
    { "two tokens", OAUTH, "", NULL, "", "Bearer a b", NULL },
    { "two schemes", OAUTH, "", NULL, "", "Bearer a, Basic b", NULL },
    { "trailing space", OAUTH, "", NULL, "", "Bearer a ", NULL },
    { "a token without a scheme", OAUTH, "", NULL, "", "t0ken", NULL },
    { NULL, NULL, NULL, NULL, NULL, NULL, NULL }
};


/* "path" gets what ngx_counters_path_parse() finds */

/* path: the user that nginx vouches for; out: status and code, or the call */

static const case_t  managed[] = {
    { "nothing", "7", "", NULL, "", NULL, "7,0,0" },
    { "own", "7", "userId=7&groupId=3&type=View_All", NULL, "", NULL,
      "7,3,0" },
    { "0", "7", "userId=0", NULL, "", NULL, "7,0,0" },
    { "body", "7", "groupId=3", JSON, "{\"type\":\"view_role_auditor\"}",
      NULL, "7,3,3" },
    { "method", "7", "method=Tasks.Task.Counters.Get", NULL, "", NULL,
      "7,0,0" },
    { "telemetry", "7", "_=1&bx24_request_id=2", JSON,
      "{\"logTag\":\"x\",\"bx24_sdk_ver\":1}", NULL, "7,0,0" },
    { "start", "7", "start=0", NULL, "", NULL, "7,0,0" },
    { "a word for a start", "7", "start=x", NULL, "", NULL,
      "400 INVALID_REQUEST" },
    { "a command's order", "7", "__order=x", NULL, "", NULL,
      "400 INVALID_REQUEST" },
    { "credentials", "7", "auth=x", JSON, "{\"access_token\":5}", NULL,
      "7,0,0" },
    { "no user", "", "", NULL, "", NULL, "401 NO_AUTH_FOUND" },
    { "no user comes first", "", "x=1", NULL, "", NULL, "401 NO_AUTH_FOUND" },
    { "user 0", "0", "", NULL, "", NULL, "400 INVALID_USER" },
    { "user 07", "07", "", NULL, "", NULL, "400 INVALID_USER" },
    { "user x", "x", "", NULL, "", NULL, "400 INVALID_USER" },
    { "user -7", "-7", "", NULL, "", NULL, "400 INVALID_USER" },
    { "user with a comma", "7, 8", "", NULL, "", NULL, "400 INVALID_USER" },
    { "another user", "7", "userId=8", NULL, "", NULL, "403 ACCESS_DENIED" },
    { "another user in the body", "7", "", JSON, "{\"userId\":8}", NULL,
      "403 ACCESS_DENIED" },
    { "own and another", "7", "userId=7", JSON, "{\"userId\":8}", NULL,
      "400 INVALID_REQUEST" },
    { "malformed user", "7", "userId=07", NULL, "", NULL,
      "400 INVALID_REQUEST" },
    { "malformed group", "7", "groupId=x", NULL, "", NULL,
      "400 INVALID_REQUEST" },
    { "unknown type", "7", "type=x", NULL, "", NULL, "400 INVALID_REQUEST" },
    { "a list", "7", "groupId[]=1", NULL, "", NULL, "400 INVALID_REQUEST" },
    { "telemetry twice", "7", "_=1&_=1", NULL, "", NULL,
      "400 INVALID_REQUEST" },
    { "session", "7", "sessid=1", NULL, "", NULL, "400 INVALID_REQUEST" },
    { "unknown", "7", "x=1", NULL, "", NULL, "400 INVALID_REQUEST" },
    { "cmd", "7", "cmd[a]=x", NULL, "", NULL, "400 INVALID_REQUEST" },
    { "halt", "7", "halt=0", NULL, "", NULL, "400 INVALID_REQUEST" },
    { "im", "7", "method=im.counters.get", NULL, "", NULL,
      "403 ACCESS_DENIED" },
    { "batch", "7", "method=batch", NULL, "", NULL, "403 ACCESS_DENIED" },
    { "another method", "7", "method=user.get", NULL, "", NULL,
      "403 ACCESS_DENIED" },
    { "empty method", "7", "method=", NULL, "", NULL, "403 ACCESS_DENIED" },
    { "method with a suffix", "7", "method=" M ".json", NULL, "", NULL,
      "403 ACCESS_DENIED" },
    { "a method in the path", "7/m/" M, "", NULL, "", NULL, "7,0,0" },
    { "a method in path and query", "7/" M ".json/", "method=" M, NULL, "",
      NULL, "7,0,0" },
    { "another in the path", "7/m/user.get", "", NULL, "", NULL,
      "403 ACCESS_DENIED" },
    { "im in the path", "7/m/im.counters.get", "", NULL, "", NULL,
      "403 ACCESS_DENIED" },
    { "im in the path, not in the query", "7/im.counters.get", "method=" M,
      NULL, "", NULL, "403 ACCESS_DENIED" },
    { "im in the query, not in the path", "7/" M, "method=im.counters.get",
      NULL, "", NULL, "403 ACCESS_DENIED" },
    { "a method in the path, no user", "/m/im.counters.get", "", NULL, "",
      NULL, "401 NO_AUTH_FOUND" },
    { "a number for a method", "7", "", JSON, "{\"method\":1}", NULL,
      "400 INVALID_REQUEST" },
    { NULL, NULL, NULL, NULL, NULL, NULL, NULL }
};


static int
parse(const case_t *c)
{
    int                   rc;
    char                 *p;
    request_t             r;
    ngx_counters_call_t   call;
    ngx_counters_cred_t   cred;

    rc = request(&r, c);

    if (rc != NGX_COUNTERS_OK) {
        return rc;
    }

    memset(&call, 0xff, sizeof(call));

    rc = ngx_counters_call_parse(&r.path, &r.query, &r.body,
                                 c->authorization ? &r.authorization : NULL,
                                 &cred, &call);

    if (rc != NGX_COUNTERS_OK) {
        return rc;
    }

    p = show_cred(&cred);
    sprintf(p, " %s user=%llu group=%llu type=%d",
            call.method == NGX_COUNTERS_TASKS ? "tasks" : "im",
            (unsigned long long) call.user, (unsigned long long) call.group,
            call.type);

    return rc;
}


static void
run_calls(const case_t *c)
{
    for ( /* void */ ; c->name; c++) {
        verdict(c, parse(c));
    }
}


static void
run_managed(const case_t *c)
{
    int                     rc;
    request_t               r;
    ngx_counters_str_t      uri, user;
    ngx_counters_call_t     call;
    ngx_counters_refusal_t  refusal;

    for ( /* void */ ; c->name; c++) {
        request_args(&r, c);
        uri = str(strchr(c->path, '/') ? strchr(c->path, '/') : "/counters");
        user = str(c->path);
        user.len = strcspn(c->path, "/");
        rc = ngx_counters_call_managed(&uri, &user, &r.query, &r.body, &call,
                                       &refusal);

        if (rc == NGX_COUNTERS_OK) {
            sprintf(text, "%d,%d,%d", (int) call.user, (int) call.group,
                    call.type);
            is_int(call.method, NGX_COUNTERS_TASKS, "managed: the method");

        } else {
            sprintf(text, "%d %s", rc, refusal.error);
            ok(strpbrk(refusal.description, "\"\\") == NULL,
               "managed: a description without need of escapes");
        }

        is_str(text, strlen(text), c->out, "managed: %s", c->name);
    }
}


/* tokens, codes */

static void
run_lengths(void)
{
    char    query[2048], path[512], bearer[2048], x[1026];
    case_t  c;

    memset(x, 'x', sizeof(x));

    c = (case_t) { "length", OAUTH, query, NULL, "", NULL, NULL };

    sprintf(query, "auth=%.1024s", x);
    is_int(parse(&c), NGX_COUNTERS_OK, "a token of 1024 bytes");

    sprintf(query, "auth=%.1025s", x);
    is_int(parse(&c), NGX_COUNTERS_DECLINED, "a token of 1025 bytes");

    query[0] = '\0';
    c.authorization = bearer;

    sprintf(bearer, "Bearer %.1024s", x);
    is_int(parse(&c), NGX_COUNTERS_OK, "a Bearer of 1024 bytes");

    sprintf(bearer, "Bearer %.1025s", x);
    is_int(parse(&c), NGX_COUNTERS_DECLINED, "a Bearer of 1025 bytes");

    c.authorization = NULL;
    c.path = path;

    sprintf(path, "/rest/7/%.128s/" M, x);
    is_int(parse(&c), NGX_COUNTERS_OK, "a code of 128 bytes");

    sprintf(path, "/rest/7/%.129s/" M, x);
    is_int(parse(&c), NGX_COUNTERS_DECLINED, "a code of 129 bytes");
}


static void
run_rest(void)
{
    request_t            r;
    ngx_counters_cred_t  cred;
    ngx_counters_call_t  call;

    /* a request without a query or a body may come without the lists */

    request(&r, &(case_t) { "", HOOK, "", NULL, "", NULL, NULL });
    is_int(ngx_counters_call_parse(&r.path, NULL, NULL, NULL, &cred, &call),
           NGX_COUNTERS_OK, "no lists");
    is_int(call.user, 7, "the user");

    r.path.method = NGX_COUNTERS_BATCH;
    is_int(ngx_counters_call_parse(&r.path, NULL, NULL, NULL, &cred, &call),
           NGX_COUNTERS_DECLINED, "a batch is not one call");
}


int
main(void)
{
    run_calls(calls);
    run_managed(managed);
    run_lengths();
    run_rest();

    return done();
}
