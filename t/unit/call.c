
/*
 * Copyright (C) The nginx counters module authors
 */


#include <stdlib.h>

#include "ngx_counters_body.h"
#include "ngx_counters_call.h"
#include "tap.h"


#define JSON    "application/json"
#define FORM    "application/x-www-form-urlencoded"
#define HOOK    "/rest/7/c0de/tasks.task.counters.get"
#define OAUTH   "/rest/tasks.task.counters.get"
#define IM      "/rest/7/c0de/im.counters.get"
#define BATCH   "/rest/7/c0de/batch"

/* what a call that means the defaults comes to */

#define DEFAULT       "hook 7 c0de: tasks user=7 group=0 type=0"
#define DEFAULT_AUTH  "token t0ken: tasks user=0 group=0 type=0"


typedef struct {
    const char  *name;
    const char  *path;
    const char  *query;
    const char  *type;
    const char  *body;
    const char  *authorization;
    const char  *out;           /* NULL: declined, to be passed on */
} case_t;


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
    { "start of a list", HOOK, "start=0", NULL, "", NULL, NULL },
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
    { "webhook and an empty header", HOOK, "", NULL, "", "", NULL },
    { "auth and access_token", OAUTH, "auth=t0ken&access_token=t0ken", NULL,
      "", NULL, NULL },
    { "auth and Bearer", OAUTH, "auth=t0ken", NULL, "", "Bearer t0ken",
      NULL },
    { "auth twice", OAUTH, "auth=t0ken&auth=t0ken", NULL, "", NULL, NULL },
    { "auth in query and body", OAUTH, "auth=t0ken", FORM, "auth=t0ken", NULL,
      NULL },
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


/* "path" gets what ngx_counters_call_path() finds */

typedef struct {
    const char  *in;
    const char  *out;
} path_t;


static const path_t  paths[] = {
    { "/rest/tasks.task.counters.get", "0 none" },
    { "/rest/im.counters.get", "1 none" },
    { "/rest/batch", "3 none" },
    { "/rest/Batch.json", "3 none" },
    { "/rest/TASKS.TASK.COUNTERS.GET", "0 none" },
    { "/rest/7/c0de/batch", "3 7 c0de" },
    { "/rest/7/A-b_9/im.counters.get", "1 7 A-b_9" },
    { "/rest/7/azAZ09/im.counters.get", "1 7 azAZ09" },
    { "//rest///7//c0de////im.counters.get.json///", "1 7 c0de" },
    { "/portal/rest/7/c0de/batch", "3 7 c0de" },
    { "/a/b/c/d/rest/batch", "3 none" },
    { "/rest/9223372036854775807/c/batch", "3 9223372036854775807 c" },
    { "/rest/rest/7/c0de/batch", "3 7 c0de" },
    { "/rest/7/c0de/rest/batch", "3 none" },
    { "/rest/7/rest/batch", "3 none" },
    { "/rest/rest/batch", "3 none" },

    { "", NULL },
    { "/", NULL },
    { "///", NULL },
    { "/rest", NULL },
    { "/rest/", NULL },
    { "batch", NULL },
    { "/batch", NULL },
    { "rest/batch", NULL },
    { "/xrest/batch", NULL },
    { "/REST/batch", NULL },
    { "/restx/batch", NULL },
    { "/rest/x/batch", NULL },
    { "/rest/7/batch", NULL },
    { "/rest/7/c0de/x/batch", NULL },
    { "/rest/api/batch", NULL },
    { "/rest/api/c0de/batch", NULL },
    { "/rest/api/7/c0de/batch", NULL },
    { "/rest/0/c0de/batch", NULL },
    { "/rest/07/c0de/batch", NULL },
    { "/rest/+7/c0de/batch", NULL },
    { "/rest/-7/c0de/batch", NULL },
    { "/rest/9223372036854775808/c0de/batch", NULL },
    { "/rest/7/c0.de/batch", NULL },
    { "/rest/7/c0 de/batch", NULL },
    { "/rest/7/c0%64e/batch", NULL },
    { "/rest/batch.xml", NULL },
    { "/rest/batch.JSON", NULL },
    { "/rest/batch.json.json", NULL },
    { "/rest/batch.json.xml", NULL },
    { "/rest/batch.", NULL },
    { "/rest/.json", NULL },
    { "/rest/batc", NULL },
    { "/rest/batch?x=1", NULL },
    { "/rest/tasks.task.counters.get2", NULL },
    { "/rest/tasks.task.list", NULL },
    { "/rest/im.counters.get\n", NULL },
    { NULL, NULL }
};


static const path_t  webhooks[] = {
    { "7/c0de", "7 c0de" },
    { "https://acme.bitrix24.com/rest/7/c0de/", "7 c0de" },
    { "https://acme.bitrix24.com/rest/7/c0de", "7 c0de" },
    { "HTTP://127.0.0.1:8080/rest/7/c0de/profile.json", "7 c0de" },
    { "http://[::1]:8080/rest/7/c0de/profile", "7 c0de" },
    { "https://h/portal/rest/7/c0de/tasks.task.counters.get/", "7 c0de" },
    { "https://h/rest//7//c0de//", "7 c0de" },
    { "https://rest/rest/7/c0de", "7 c0de" },

    { "", NULL },
    { "7", NULL },
    { "7/", NULL },
    { "/c0de", NULL },
    { "0/c0de", NULL },
    { "07/c0de", NULL },
    { "x/c0de", NULL },
    { "7/c0de/", NULL },
    { "7/c0de\n", NULL },
    { "7/c0de/profile", NULL },
    { "7/c0 de", NULL },
    { "7c0de", NULL },
    { "acme/rest/7/c0de", NULL },
    { "//acme/rest/7/c0de", NULL },
    { "ftp://acme/rest/7/c0de", NULL },
    { "https://", NULL },
    { "https://acme", NULL },
    { "https:///rest/7/c0de", NULL },
    { "https://rest/7/c0de", NULL },
    { "https://acme/7/c0de", NULL },
    { "https://acme/rest/c0de", NULL },
    { "https://acme/rest/0/c0de", NULL },
    { "https://acme/rest/7/c0de/a/b", NULL },
    { "https://acme/rest/api/7/c0de/", NULL },
    { "https://acme/xrest/7/c0de", NULL },
    { "https://acme/xrest/7/c0de/profile", NULL },
    { "https://acme/rest/7/c0de/\x7f", NULL },
    { "https://acme/rest/7/c0de?x", NULL },
    { "https://acme/rest/7/c0de/x#y", NULL },
    { "https://u:p@acme/rest/7/c0de", NULL },
    { "https://ac me/rest/7/c0de", NULL },
    { "https://acme/rest/7/c0de\n", NULL },
    { NULL, NULL }
};


#define M  "tasks.task.counters.get"
#define T  "im.counters.get"


static const case_t  batches[] = {

    { "BX24.js", "/rest/batch.json", "", FORM, "auth=t0ken&halt=0"
      "&cmd%5Ba%5D=" M "%3FuserId%3D5%26type%3Dview_role_auditor"
      "&cmd%5Bb%5D=" T, NULL,
      "token t0ken: halt=0 list=0 a:0,5,0,3 b:1,0,0,0" },
    { "b24jssdk, map", BATCH, "bx24_request_id=1&bx24_sdk_ver=2", JSON,
      "{\"cmd\":{\"x\":\"" M "?type=view_role_originator\",\"y\":\"" M "\"},"
      "\"halt\":1}", NULL, "hook 7 c0de: halt=1 list=0 x:0,7,0,4 y:0,7,0,0" },
    { "b24jssdk, list", BATCH, "", JSON,
      "{\"halt\":0,\"cmd\":[\"" M "\",\"" T "\"]}", NULL,
      "hook 7 c0de: halt=0 list=1 0:0,7,0,0 1:1,7,0,0" },
    { "b24jssdk, boolean halt", BATCH, "", JSON,
      "{\"halt\":true,\"cmd\":[\"" M "\"]}", NULL,
      "hook 7 c0de: halt=1 list=1 0:0,7,0,0" },
    { "halt false", BATCH, "", JSON, "{\"halt\":false,\"cmd\":[\"" M "\"]}",
      NULL, "hook 7 c0de: halt=0 list=1 0:0,7,0,0" },
    { "CRest", "/rest/7/c0de/batch.json", "", FORM,
      "halt=1&cmd%5Bs%5D=" M "%3FgroupId%3D3", NULL,
      "hook 7 c0de: halt=1 list=0 s:0,7,3,0" },
    { "no halt", BATCH, "cmd[]=" M "&cmd[]=" M "?userId=7", NULL, "", NULL,
      "hook 7 c0de: halt=0 list=1 0:0,7,0,0 1:0,7,0,0" },
    { "appended, in a query", BATCH, "cmd[]=" M "&cmd[]=" M "%3FuserId=5",
      NULL, "", NULL, "hook 7 c0de: halt=0 list=1 0:0,7,0,0 1:0,5,0,0" },
    { "out of order", BATCH, "cmd[1]=" M "&cmd[0]=" M, NULL, "", NULL,
      "hook 7 c0de: halt=0 list=0 1:0,7,0,0 0:0,7,0,0" },
    { "not from 0", BATCH, "cmd[1]=" M, NULL, "", NULL,
      "hook 7 c0de: halt=0 list=0 1:0,7,0,0" },
    { "00 is no index", BATCH, "cmd[00]=" M, NULL, "", NULL,
      "hook 7 c0de: halt=0 list=0 00:0,7,0,0" },
    { "an odd id", BATCH, "cmd[a.b:c-d_e!$%23]=" M, NULL, "", NULL,
      "hook 7 c0de: halt=0 list=0 a.b:c-d_e!$#:0,7,0,0" },
    { "method in upper case", BATCH, "cmd[]=TASKS.TASK.COUNTERS.GET%3F", NULL,
      "", NULL, "hook 7 c0de: halt=0 list=1 0:0,7,0,0" },
    { "encoded in a command", BATCH, "cmd[]=" M "%3F%2575serId%3D%2535", NULL,
      "", NULL, "hook 7 c0de: halt=0 list=1 0:0,5,0,0" },
    { "cmd in the body, auth in the query", "/rest/batch", "auth=t0ken", FORM,
      "cmd[]=" M, NULL, "token t0ken: halt=0 list=1 0:0,0,0,0" },
    { "Bearer", "/rest/batch", "", FORM, "cmd[]=" M "%3FuserId=0",
      "Bearer t0ken", "token t0ken: halt=0 list=1 0:0,0,0,0" },

    { "no cmd", BATCH, "", NULL, "", NULL, NULL },
    { "halt alone", BATCH, "halt=0", NULL, "", NULL, NULL },
    { "empty list", BATCH, "", JSON, "{\"cmd\":[]}", NULL, NULL },
    { "empty map", BATCH, "", JSON, "{\"cmd\":{}}", NULL, NULL },
    { "a plain cmd", BATCH, "cmd=" M, NULL, "", NULL, NULL },
    { "a plain cmd and a map", BATCH, "cmd[a]=" M "&cmd=" M, NULL, "", NULL,
      NULL },
    { "nested", BATCH, "cmd[a][b]=" M, NULL, "", NULL, NULL },
    { "a number for a command", BATCH, "", JSON, "{\"cmd\":[5]}", NULL,
      NULL },
    { "an object for a command", BATCH, "", JSON,
      "{\"cmd\":[{\"method\":\"" M "\"}]}", NULL, NULL },
    { "null for a command", BATCH, "", JSON, "{\"cmd\":[null]}", NULL, NULL },
    { "an empty command", BATCH, "cmd[a]=", NULL, "", NULL, NULL },
    { "cmd in both", BATCH, "cmd[a]=" M, FORM, "cmd[b]=" M, NULL, NULL },
    { "an id twice", BATCH, "cmd[a]=" M "&cmd[a]=" M, NULL, "", NULL, NULL },
    { "a distant id twice", BATCH, "cmd[a]=" M "&cmd[b]=" M "&cmd[a]=" M,
      NULL, "", NULL, NULL },
    { "another method", BATCH, "cmd[a]=" M "&cmd[b]=user.current", NULL, "",
      NULL, NULL },
    { "a batch in a batch", BATCH, "cmd[a]=batch", NULL, "", NULL, NULL },
    { "a suffix", BATCH, "cmd[a]=" M ".json", NULL, "", NULL, NULL },
    { "a slash", BATCH, "cmd[a]=/" M, NULL, "", NULL, NULL },
    { "a trailing slash", BATCH, "cmd[a]=" M "/", NULL, "", NULL, NULL },
    { "a space", BATCH, "cmd[a]=+" M, NULL, "", NULL, NULL },
    { "a URL", BATCH, "cmd[a]=http://h/" M, NULL, "", NULL, NULL },
    { "a fragment", BATCH, "cmd[a]=" M "%3FuserId=5%23x", NULL, "", NULL,
      NULL },
    { "a fragment of its own", BATCH, "cmd[a]=" M "%23x", NULL, "", NULL,
      NULL },

    { "a reference", BATCH, "cmd[a]=" M "%3FuserId=$result[x]", NULL, "",
      NULL, NULL },
    { "an encoded reference", BATCH, "cmd[a]=" M "%3FuserId=%2524result[x]",
      NULL, "", NULL, NULL },
    { "a reference in a type", BATCH, "cmd[a]=" M "%3Ftype=$result[x]", NULL,
      "", NULL, NULL },
    { "a reference for a method", BATCH, "cmd[a]=$result[x]", NULL, "", NULL,
      NULL },
    { "a reference for a name", BATCH, "cmd[a]=" M "%3F$result[x]=5", NULL,
      "", NULL, NULL },

    { "auth in a command", BATCH, "cmd[a]=" M "%3Fauth=x", NULL, "", NULL,
      NULL },
    { "access_token in a command", BATCH, "cmd[a]=" M "%3Faccess_token=x",
      NULL, "", NULL, NULL },
    { "telemetry in a command", BATCH, "cmd[a]=" M "%3F_=1", NULL, "", NULL,
      NULL },
    { "unknown in a command", BATCH, "cmd[a]=" M "%3Fx=1", NULL, "", NULL,
      NULL },
    { "cmd in a command", BATCH, "cmd[a]=" M "%3Fcmd[a]=1", NULL, "", NULL,
      NULL },
    { "halt in a command", BATCH, "cmd[a]=" M "%3Fhalt=0", NULL, "", NULL,
      NULL },
    { "twice in a command", BATCH, "cmd[a]=" M "%3FuserId=5%26userId=5", NULL,
      "", NULL, NULL },
    { "an array in a command", BATCH, "cmd[a]=" M "%3FuserId[]=5", NULL, "",
      NULL, NULL },
    { "malformed in a command", BATCH, "cmd[a]=" M "%3FuserId=%254", NULL, "",
      NULL, NULL },
    { "not canonical in a command", BATCH, "cmd[a]=" M "%3FuserId=05", NULL,
      "", NULL, NULL },
    { "im with userId", BATCH, "cmd[a]=" T "%3FuserId=7", NULL, "", NULL,
      NULL },

    { "halt 2", BATCH, "halt=2&cmd[a]=" M, NULL, "", NULL, NULL },
    { "halt empty", BATCH, "halt=&cmd[a]=" M, NULL, "", NULL, NULL },
    { "halt true", BATCH, "halt=true&cmd[a]=" M, NULL, "", NULL, NULL },
    { "halt false", BATCH, "halt=false&cmd[a]=" M, NULL, "", NULL, NULL },
    { "halt 00", BATCH, "halt=00&cmd[a]=" M, NULL, "", NULL, NULL },
    { "halt 2 in JSON", BATCH, "", JSON, "{\"halt\":2,\"cmd\":[\"" M "\"]}",
      NULL, NULL },
    { "halt null", BATCH, "", JSON, "{\"halt\":null,\"cmd\":[\"" M "\"]}",
      NULL, NULL },
    { "halt twice", BATCH, "halt=0&halt=0&cmd[a]=" M, NULL, "", NULL, NULL },
    { "halt as an array", BATCH, "halt[]=0&cmd[a]=" M, NULL, "", NULL, NULL },

    { "userId beside cmd", BATCH, "userId=5&cmd[a]=" M, NULL, "", NULL,
      NULL },
    { "unknown beside cmd", BATCH, "x=5&cmd[a]=" M, NULL, "", NULL, NULL },
    { "telemetry in the body", BATCH, "", FORM, "_=5&cmd[a]=" M, NULL, NULL },
    { "no credential", "/rest/batch", "cmd[a]=" M, NULL, "", NULL, NULL },
    { "two credentials", BATCH, "auth=x&cmd[a]=" M, NULL, "", NULL, NULL },

    { "an empty id", BATCH, "", JSON, "{\"cmd\":{\"\":\"" M "\"}}", NULL,
      NULL },
    { "a space in an id", BATCH, "cmd[a+b]=" M, NULL, "", NULL, NULL },
    { "a quote in an id", BATCH, "cmd[a%22]=" M, NULL, "", NULL, NULL },
    { "a backslash in an id", BATCH, "cmd[a%5C]=" M, NULL, "", NULL, NULL },
    { "a slash in an id", BATCH, "cmd[a/b]=" M, NULL, "", NULL, NULL },
    { "markup in an id", BATCH, "cmd[<a]=" M, NULL, "", NULL, NULL },
    { "markup in an id", BATCH, "cmd[a>]=" M, NULL, "", NULL, NULL },
    { "an ampersand in an id", BATCH, "cmd[a%26]=" M, NULL, "", NULL, NULL },
    { "an apostrophe in an id", BATCH, "cmd[a']=" M, NULL, "", NULL, NULL },
    { "a control in an id", BATCH, "cmd[a%1F]=" M, NULL, "", NULL, NULL },
    { "a DEL in an id", BATCH, "cmd[a%7F]=" M, NULL, "", NULL, NULL },
    { "an id beyond ASCII", BATCH, "cmd[%D1%81]=" M, NULL, "", NULL, NULL },
    { "not a batch", HOOK, "cmd[a]=" M, NULL, "", NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL, NULL, NULL }
};


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
    { "a number for a method", "7", "", JSON, "{\"method\":1}", NULL,
      "400 INVALID_REQUEST" },
    { NULL, NULL, NULL, NULL, NULL, NULL, NULL }
};


#define NARGS  80


typedef struct {
    ngx_counters_path_t   path;
    ngx_counters_args_t   query;
    ngx_counters_args_t   body;
    ngx_counters_str_t    authorization;
} request_t;


static char                     text[65536];
static unsigned char            space[65536];
static ngx_counters_arg_t       elts[2][NARGS];
static unsigned char            room[2][65536];
static ngx_counters_commands_t  cmds;


static ngx_counters_str_t
str(const char *s)
{
    ngx_counters_str_t  r;

    r.len = s ? strlen(s) : 0;
    r.data = (unsigned char *) s;

    return r;
}


static int
request_args(request_t *r, const case_t *c)
{
    ngx_counters_str_t  query, type, body;

    r->query = (ngx_counters_args_t) { elts[0], 0, NARGS, room[0],
                                       room[0] + sizeof(room[0]) };
    r->body = (ngx_counters_args_t) { elts[1], 0, NARGS, room[1],
                                      room[1] + sizeof(room[1]) };
    query = str(c->query);
    type = str(c->type);
    body = str(c->body);

    if (ngx_counters_args_form(&r->query, &query) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_DECLINED;
    }

    return ngx_counters_body_args(&r->body, &type, &body);
}


static int
request(request_t *r, const case_t *c)
{
    ngx_counters_str_t  uri;

    uri = str(c->path);
    r->authorization = str(c->authorization);

    if (ngx_counters_call_path(&uri, &r->path) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_DECLINED;
    }

    return request_args(r, c);
}


static char *
show_cred(const ngx_counters_cred_t *cred)
{
    if (cred->kind == NGX_COUNTERS_CRED_TOKEN) {
        return text + sprintf(text, "token %.*s:", (int) cred->secret.len,
                              (char *) cred->secret.data);
    }

    return text + sprintf(text, "hook %d %.*s:", (int) cred->user,
                          (int) cred->secret.len, (char *) cred->secret.data);
}


static void
verdict(const case_t *c, int rc)
{
    if (rc != NGX_COUNTERS_OK) {
        ok(c->out == NULL && rc == NGX_COUNTERS_DECLINED, "declined: %s",
           c->name);
        return;
    }

    is_str(text, strlen(text), c->out ? c->out : "declined", "%s", c->name);
}


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


static int
batch(const case_t *c)
{
    int                   rc;
    char                 *p;
    size_t                i;
    request_t             r;
    ngx_counters_call_t  *call;
    ngx_counters_cred_t   cred;

    rc = request(&r, c);

    if (rc != NGX_COUNTERS_OK) {
        return rc;
    }

    memset(&cmds, 0xff, sizeof(cmds));

    rc = ngx_counters_call_batch(&r.path, &r.query, &r.body,
                                 c->authorization ? &r.authorization : NULL,
                                 space, strlen(c->query) + strlen(c->body),
                                 &cred, &cmds);

    if (rc != NGX_COUNTERS_OK) {
        return rc;
    }

    p = show_cred(&cred);
    p += sprintf(p, " halt=%d list=%d", cmds.halt, cmds.list);

    for (i = 0; i < cmds.ncommands; i++) {
        call = &cmds.commands[i].call;
        p += sprintf(p, " %.*s:%d,%d,%d,%d", (int) cmds.commands[i].id.len,
                     (char *) cmds.commands[i].id.data, call->method,
                     (int) call->user, (int) call->group, call->type);
    }

    return rc;
}


static void
run_batches(const case_t *c)
{
    for ( /* void */ ; c->name; c++) {
        verdict(c, batch(c));
    }
}


static void
run_managed(const case_t *c)
{
    int                     rc;
    request_t               r;
    ngx_counters_str_t      user;
    ngx_counters_call_t     call;
    ngx_counters_refusal_t  refusal;

    for ( /* void */ ; c->name; c++) {
        request_args(&r, c);
        user = str(c->path);
        rc = ngx_counters_call_managed(&user, &r.query, &r.body, &call,
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


static void
run_paths(void)
{
    const path_t         *c;
    ngx_counters_str_t    s;
    ngx_counters_path_t   path;
    ngx_counters_cred_t  *cred;

    cred = &path.cred;

    for (c = paths; c->in; c++) {
        s = str(c->in);
        memset(&path, 0xff, sizeof(path));

        if (ngx_counters_call_path(&s, &path) != NGX_COUNTERS_OK) {
            ok(c->out == NULL, "path declined: %s", label(c->in));
            continue;
        }

        if (cred->kind == NGX_COUNTERS_CRED_NONE) {
            sprintf(text, "%d none", path.method);

        } else {
            sprintf(text, "%d %llu %.*s", path.method,
                    (unsigned long long) cred->user, (int) cred->secret.len,
                    (char *) cred->secret.data);
        }

        is_str(text, strlen(text), c->out ? c->out : "declined", "path %s",
               label(c->in));
    }
}


static void
run_webhooks(void)
{
    const path_t         *c;
    ngx_counters_str_t    s;
    ngx_counters_cred_t   cred;

    for (c = webhooks; c->in; c++) {
        s = str(c->in);

        if (ngx_counters_webhook(&s, &cred) != NGX_COUNTERS_OK) {
            ok(c->out == NULL, "webhook declined: %s", label(c->in));
            continue;
        }

        sprintf(text, "%llu %.*s", (unsigned long long) cred.user,
                (int) cred.secret.len, (char *) cred.secret.data);

        is_str(text, strlen(text), c->out ? c->out : "declined", "webhook %s",
               label(c->in));
        is_int(cred.kind, NGX_COUNTERS_CRED_WEBHOOK, "its kind");
    }
}


/* what comes in lengths: tokens, codes, ids, commands */

static void
run_lengths(void)
{
    int     i, n;
    char    query[8192], path[512], bearer[2048], x[1026], *p;
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

    c.path = BATCH;

    sprintf(query, "cmd[%.64s]=" M, x);
    is_int(batch(&c), NGX_COUNTERS_OK, "an id of 64 bytes");

    sprintf(query, "cmd[%.65s]=" M, x);
    is_int(batch(&c), NGX_COUNTERS_DECLINED, "an id of 65 bytes");

    for (n = 49; n <= 51; n++) {
        for (p = query, i = 0; i < n; i++) {
            p += sprintf(p, "%scmd[]=" M "%%3FgroupId=%d", i ? "&" : "",
                         i + 1);
        }

        if (n <= NGX_COUNTERS_BATCH_MAX) {
            is_int(batch(&c), NGX_COUNTERS_OK, "%d commands", n);
            is_int(cmds.ncommands, n, "all are there");
            is_int(cmds.list, 1, "and are a list");
            is_int(cmds.commands[n - 1].call.group, n, "the last is the last");
            is_str(cmds.commands[n - 1].id.data, cmds.commands[n - 1].id.len,
                   n == 49 ? "48" : "49", "so is its id");

        } else {
            is_int(batch(&c), NGX_COUNTERS_DECLINED, "%d commands", n);
        }
    }
}


static void
run_rest(void)
{
    int                  i;
    request_t            r;
    ngx_counters_str_t   s;
    ngx_counters_cred_t  cred;
    ngx_counters_call_t  call;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        is_int(ngx_counters_method(&ngx_counters_method_names[i]), i,
               "a method by its name");
    }

    s = str("batch");
    is_int(ngx_counters_method(&s), NGX_COUNTERS_BATCH, "batch");
    s = str("");
    is_int(ngx_counters_method(&s), NGX_COUNTERS_OTHER, "no name");

    /* a request without a query or a body may come without the lists */

    request(&r, &(case_t) { "", HOOK, "", NULL, "", NULL, NULL });
    is_int(ngx_counters_call_parse(&r.path, NULL, NULL, NULL, &cred, &call),
           NGX_COUNTERS_OK, "no lists");
    is_int(call.user, 7, "the user");

    r.path.method = NGX_COUNTERS_BATCH;
    is_int(ngx_counters_call_parse(&r.path, NULL, NULL, NULL, &cred, &call),
           NGX_COUNTERS_DECLINED, "a batch is not one call");
    is_int(ngx_counters_call_batch(&r.path, NULL, NULL, NULL, space, 0, &cred,
                                   &cmds),
           NGX_COUNTERS_DECLINED, "a batch of nothing");
}


int
main(void)
{
    run_paths();
    run_webhooks();
    run_calls(calls);
    run_batches(batches);
    run_managed(managed);
    run_lengths();
    run_rest();

    return done();
}
