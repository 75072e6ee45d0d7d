
/*
 * Copyright (C) The nginx counters module authors
 */


#include <stdlib.h>

#include "ngx_counters_mask.h"
#include "tap.h"


typedef struct {
    const char  *uri;
    const char  *out;
} case_t;


/* "S3CRET" is what must never come through */

static const case_t  cases[] = {

    /* paths */
    { "/", "/" },
    { "", "" },
    { "/index.html", "/index.html" },
    { "/rest", "/rest" },
    { "/rest/", "/rest/" },
    { "/rest//", "/rest//" },
    { "/arrest/S3/x", "/arrest/S3/x" },
    { "/rest/tasks.task.counters.get", "/rest/tasks.task.counters.get" },
    { "/rest//tasks.task.counters.get.json",
      "/rest//tasks.task.counters.get.json" },
    { "/rest/batch/", "/rest/batch/" },
    { "/rest/1/S3CRET/tasks.task.counters.get",
      "/rest/1/***/tasks.task.counters.get" },
    { "/rest/1/S3CRET/tasks.task.counters.get/",
      "/rest/1/***/tasks.task.counters.get/" },
    { "/rest/1//S3CRET//im.counters.get.json",
      "/rest/1//***//im.counters.get.json" },
    { "/REST/1/S3CRET/batch", "/REST/1/***/batch" },
    { "/rest/1/S3CRET/profile", "/rest/1/***/profile" },
    { "/rest/1/S3CRET/Methods", "/rest/1/***/Methods" },
    { "/rest/1/S3CRET/scope", "/rest/1/***/scope" },
    { "/rest/1/S3CRET", "/rest/1/***" },
    { "/rest/1/S3CRET/", "/rest/1/***/" },
    { "/rest/1/S3CRET//", "/rest/1/***//" },
    { "/rest/1/", "/rest/1/" },
    { "/rest/1/x/S3CRET", "/rest/1/***/***" },
    { "/rest/x/S3CRET/batch", "/rest/***/***/batch" },
    { "/rest/abc/S3CRET/batch", "/rest/***/***/batch" },
    { "/rest/1234567890/S3CRET/batch", "/rest/1234567890/***/batch" },
    { "/rest/1/abcd/x/a.b", "/rest/1/***/***/a.b" },
    { "/rest/1/x/abcde", "/rest/1/***/***" },
    { "/rest/S3CRET/", "/rest/S3CRET/" },    /* a method to the portal */
    { "/rest/S3%252FCRET/", "/rest/***/" },
    { "/rest/1/a/S3CRET/user.get", "/rest/1/***/***/user.get" },
    { "/portal/rest/1/S3CRET/user.get", "/portal/rest/1/***/user.get" },
    { "/rest/rest/1/S3CRET/user.get", "/rest/***/***/***/user.get" },
    { "/rest/rest/1/S3CRET", "/rest/***/***/***" },
    { "/rest/rest/1/S3.CRET", "/rest/***/***/***" },
    { "/rest/api/1/S3CRET/user.get", "/rest/api/1/***/user.get" },
    { "/rest/api/1/S3CRET", "/rest/api/1/***" },
    { "/rest/api/1/S3CRET/", "/rest/api/1/***/" },
    { "/rest/api/S3CRET", "/rest/api/***" },
    { "/rest/1/S3CRET/user.get;x", "/rest/1/***/***" },

    /* paths as they may be sent */
    { "rest/1/S3CRET/batch", "rest/1/***/batch" },
    { "*", "*" },
    { "///", "///" },
    { "//rest//1//S3CRET//user.get//", "//rest//1//***//user.get//" },
    { "/./rest/./1/./S3CRET/./user.get", "/./rest/./1/./***/./user.get" },
    { "/rest/1/./S3CRET/.", "/rest/1/./***/." },
    { "/a/../rest/1/S3CRET/m.n", "/a/../rest/1/***/m.n" },
    { "/rest/1/x/../S3CRET.json", "/rest/1/***/../***" },
    { "/rest/1/x/%2e%2E/S3CRET.json", "/rest/1/***/%2e%2E/***" },
    { "/rest/../rest/1/S3CRET/m.n", "/rest/../***/***/***/***" },
    { "/rest/1/x/..", "/rest/1/***/.." },
    { "/%72est/1/S3CRET", "/%72est/1/***" },
    { "/%52%45%53%54/%31/S%33CRET/%75ser.get",
      "/%52%45%53%54/%31/***/%75ser.get" },
    { "/rest%2f1%2fS3CRET", "/rest%2f1%2f***" },
    { "%2Frest%2F1%2FS3CRET%2Fuser.get%2F",
      "%2Frest%2F1%2F***%2Fuser.get%2F" },
    { "/rest/1/S3%2FCRET", "/rest/1/***%2F***" },
    { "/rest%5c1\\S3CRET%5Cuser.get", "/rest%5c1%5C***%5Cuser.get" },
    { "/rest\\/1\\/S3CRET\\/user.get", "/rest%5C/1%5C/***%5C/user.get" },
    { "/%2572est/1/S3CRET/user.get", "/***/***/***/***" },
    { "/a/x%252Frest%252f1%252fS3CRET/b", "/a/***/***" },
    { "/rest/1/%2553S3CRET/user.get", "/rest/1/***/***" },
    { "/a%20b%E4%25/c%zz%4", "/a%20b%E4%25/c%zz%4" },
    { "/x&auth=S3CRET/y", "/***/y" },
    { "/x%26auth%3DS3CRET/y", "/***/y" },
    { "/access_token:S3CRET", "/***" },
    { "/rest/user.get&auth=S3CRET", "/rest/***" },
    { "/rest/user.get%3Fauth=S3CRET", "/rest/***" },

    /* before a rewrite makes webhooks of them */
    { "/hook/1/S3CRETS3CRET/user.get", "/hook/1/***/user.get" },
    { "/1/x/S3CRETS3CRET/batch/", "/1/x/***/batch/" },
    { "/files/2024/report/summary.pdf", "/files/2024/report/summary.pdf" },
    { "/users/1/administrator/groups", "/users/1/administrator/groups" },

    /* queries and fragments */
    { "?", "?" },
    { "?auth=S3CRET", "?auth=***" },
    { "/?#", "/?#" },
    { "/a#S3CRET", "/a#***" },
    { "/a?b=c#access_token=S3CRET", "/a?b=c#***" },
    { "/a#b?auth=S3CRET", "/a#***" },
    { "/rest/1/S3#CRET", "/rest/1/***#***" },
    { "#", "#" },

    /* escapes */
    { "/a b\"c%f\\g\x01\x7f\xff", "/a%20b%22c%f%5Cg%01%7F%FF" },
    { "/rest/1/S3CRET/a b.c", "/rest/1/***/***" },
    { "/?a=\x01 \"\\\xff\x7f<", "/?a=%01%20%22%5C%FF%7F<" },
    { "/?a=%41+%zz&b", "/?a=%41+%zz&b" },

    /* what stays */
    { "/rest/batch?userId=5&groupId=0&type=view_all",
      "/rest/batch?userId=5&groupId=0&type=view_all" },
    { "/?&&a&=&b=&", "/?&&a&=&b=&" },
    { "/?author=me&codec=x&tokens=2&encode=1",
      "/?author=me&codec=x&tokens=2&encode=1" },
    { "/?authz=1&auth0=2&auth9=3&authA=4&authZ=5&autha=6",
      "/?authz=1&auth0=2&auth9=3&authA=4&authZ=5&autha=6" },
    { "/?a=%4zauth%3&b=%z4", "/?a=%4zauth%3&b=%z4" },
    { "/?q=the+code+is+lost", "/?q=the+code+is+lost" },
    { "/?to=/arrest/warrant&x=/rest", "/?to=/arrest/warrant&x=/rest" },
    { "/?auth=", "/?auth=" },
    { "/?auth", "/?auth" },
    { "/?x=100%25", "/?x=100%25" },

    /* by name */
    { "/?auth=S3CRET", "/?auth=***" },
    { "/?a=1&access_token=S3CRET&b=2", "/?a=1&access_token=***&b=2" },
    { "/?refresh_token=S3CRET", "/?refresh_token=***" },
    { "/?application_token=S3CRET", "/?application_token=***" },
    { "/?client_secret=S3CRET", "/?client_secret=***" },
    { "/?code=S3CRET", "/?code=***" },
    { "/?sessid=S3CRET", "/?sessid=***" },
    { "/?password=S3CRET", "/?password=***" },
    { "/?token=S3CRET", "/?token=***" },
    { "/?secret=S3CRET", "/?secret=***" },
    { "/?AUTH_ID=S3CRET", "/?AUTH_ID=***" },
    { "/?REFRESH_ID=S3CRET", "/?REFRESH_ID=***" },
    { "/?APP_SID=S3CRET", "/?APP_SID=***" },
    { "/?Auth=S3CRET", "/?Auth=***" },
    { "/?auth=x&auth=S3CRET", "/?auth=***&auth=***" },
    { "/?auth=S3=CRET", "/?auth=***" },
    { "/?%61uth=S3CRET", "/?%61uth=***" },
    { "/?a%75%74h=S3CRET", "/?a%75%74h=***" },
    { "/?+auth+=S3CRET", "/?+auth+=***" },
    { "/?%20auth=S3CRET", "/?%20auth=***" },
    { "/?auth%zz=S3CRET", "/?auth%zz=***" },
    { "/?access.token=S3CRET", "/?access.token=***" },
    { "/?refresh+id=S3CRET", "/?refresh+id=***" },
    { "/?app[sid=S3CRET", "/?app[sid=***" },
    { "/?auth[]=S3CRET", "/?auth[]=***" },
    { "/?auth[0]=S3CRET", "/?auth[0]=***" },
    { "/?auth[application_token]=S3CRET", "/?auth[application_token]=***" },
    { "/?auth%5Bapplication_token%5D=S3CRET",
      "/?auth%5Bapplication_token%5D=***" },
    { "/?x[auth]=S3CRET", "/?x[auth]=***" },
    { "/?x[0][Access_Token]=S3CRET", "/?x[0][Access_Token]=***" },
    { "/?auth%5B=S3CRET", "/?auth%5B=***" },

    /* by value */
    { "/?cmd[a]=m%3Fauth%3DS3CRET", "/?cmd[a]=***" },
    { "/?cmd[a]=m%253Fauth%253DS3CRET", "/?cmd[a]=***" },
    { "/?cmd[a]=m%25253Fauth%25253DS3CRET", "/?cmd[a]=***" },
    { "/?cmd[a]=m%2525253Fauth%2525253DS3CRET", "/?cmd[a]=***" },
    { "/?x=%25252541", "/?x=***" },
    { "/?a=b;auth=S3CRET", "/?a=***" },
    { "/?a=xauth=S3CRET", "/?a=***" },
    { "/?a=AUTH%3dS3CRET", "/?a=***" },
    { "/?a=auth%5Bx%5D%3DS3CRET", "/?a=***" },
    { "/?a=x%5Bauth%5D%3DS3CRET", "/?a=***" },
    { "/?a={\"auth\":\"S3CRET\"}", "/?a=***" },
    { "/?a=%7B%22access_token%22+%3A+%22S3CRET%22%7D", "/?a=***" },
    { "/?url=https://h/rest/1/S3CRET/m", "/?url=***" },
    { "/?url=https%3A%2F%2Fh%2Frest%2F1%2FS3CRET%2Fm", "/?url=***" },
    { "/?url=https%253A%252F%252Fh%252FREST%252F1%252FS3CRET", "/?url=***" },
    { "/?url=h%5Crest%5C1%5CS3CRET&b=\\rest\\S3CRET", "/?url=***&b=***" },
    { "/?a={\"u\":\"https:\\/\\/h\\/rest\\/1\\/S3CRET\"}", "/?a=***" },

    /* in names and in pieces without a value */
    { "/?https://h/rest/1/S3CRET/m", "/?***" },
    { "/?https://h/rest/1/S3CRET/m?a=b", "/?***" },
    { "/?https://h/?auth=S3CRET", "/?https://h/?auth=***" },
    { "/?m%3Fauth%3DS3CRET", "/?***" },
    { "/?m%3Fauth%3DS3CRET=x", "/?***" },
    { "/?auth%3DS3CRET", "/?***" },
    { "/rest/1/S3CRET/user.get?x=1&auth=S3CRET",
      "/rest/1/***/user.get?x=1&auth=***" },
    { NULL, NULL }
};


int
main(void)
{
    size_t               size;
    unsigned char       *out, *end;
    const case_t        *c;
    ngx_counters_str_t   uri;

    for (c = cases; c->uri; c++) {
        uri.len = strlen(c->uri);
        uri.data = malloc(uri.len ? uri.len : 1);
        memcpy(uri.data, c->uri, uri.len);

        /* no byte more than the header promises to be enough */

        size = 3 * uri.len + 16;
        out = malloc(size);
        end = ngx_counters_mask_uri(out, &uri);

        ok((size_t) (end - out) <= size, "room for %s", label(c->uri));
        is_str(out, end - out, c->out, "uri %s", label(c->uri));

        free(out);
        free(uri.data);
    }

    uri.len = 0;
    uri.data = NULL;
    out = malloc(16);
    ok(ngx_counters_mask_uri(out, &uri) == out, "nothing at all");
    free(out);

    return done();
}
