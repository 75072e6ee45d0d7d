
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_commands.h"
#include "request.h"


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

    { "fast_bitrix24", BATCH, "", JSON, "{\"halt\":0,\"cmd\":{"
      "\"order0000000000\":\"" M "?__order=order0000000000&userId=5&\","
      "\"order0000000001\":\"" M "?__order=order0000000001&\"}}", NULL,
      "hook 7 c0de: halt=0 list=0 order0000000000:0,5,0,0 "
      "order0000000001:0,7,0,0" },
    { "bitrix24-rest", BATCH, "", JSON "; charset=utf-8",
      "{\"start\":0,\"halt\":0,\"cmd\":[\"" M "?start=0\",\"" T
      "?__order=x&start=-1\"]}", NULL,
      "hook 7 c0de: halt=0 list=1 0:0,7,0,0 1:1,7,0,0" },
    { "all that a command may have", BATCH,
      "cmd[]=" M "%3F__order%3D1%26start%3D0%26userId%3D5"
      "%26groupId%3D3%26type%3Dview_role_auditor", NULL, "", NULL,
      "hook 7 c0de: halt=0 list=1 0:0,5,3,3" },

    { "no cmd", BATCH, "", NULL, "", NULL, NULL },
    { "an order beside cmd", BATCH, "__order=1&cmd[a]=" M, NULL, "", NULL,
      NULL },
    { "a reference for an order", BATCH,
      "cmd[a]=" M "%3F__order%3D$result[x]", NULL, "", NULL, NULL },
    { "an encoded reference for an order", BATCH,
      "cmd[a]=" M "%3F__order%3D%2524result[x]", NULL, "", NULL, NULL },
    { "an order twice", BATCH, "cmd[a]=" M "%3F__order%3D1%26__order%3D1",
      NULL, "", NULL, NULL },
    { "an order as an array", BATCH, "cmd[a]=" M "%3F__order%5Ba%5D%3D1", NULL,
      "", NULL, NULL },
    { "a word for a start", BATCH, "cmd[a]=" M "%3Fstart%3Dx", NULL, "", NULL,
      NULL },
    { "a reference for a start", BATCH, "cmd[a]=" M "%3Fstart%3D$result[x]",
      NULL, "", NULL, NULL },
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


static unsigned char            space[65536];
static ngx_counters_commands_t  cmds;


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

    rc = ngx_counters_commands_parse(&r.path, &r.query, &r.body,
                                     c->authorization ? &r.authorization
                                                      : NULL,
                                     space,
                                     strlen(c->query) + strlen(c->body),
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


/* ids, commands */

static void
run_lengths(void)
{
    int     i, n;
    char    query[8192], x[66], *p;
    case_t  c;

    memset(x, 'x', sizeof(x));

    c = (case_t) { "length", BATCH, query, NULL, "", NULL, NULL };

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
    request_t            r;
    ngx_counters_cred_t  cred;

    request(&r, &(case_t) { "", BATCH, "", NULL, "", NULL, NULL });

    is_int(ngx_counters_commands_parse(&r.path, NULL, NULL, NULL, space, 0,
                                       &cred, &cmds),
           NGX_COUNTERS_DECLINED, "a batch of nothing");
}


int
main(void)
{
    run_batches(batches);
    run_lengths();
    run_rest();

    return done();
}
