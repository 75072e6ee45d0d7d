
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_path.h"
#include "tap.h"


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


/* the name of a method at the end, known or not */

static const path_t  methods[] = {
    { "/tasks.task.counters.get", "tasks.task.counters.get" },
    { "/m/IM.Counters.Get", "IM.Counters.Get" },
    { "/m/user.get/", "user.get" },
    { "/m/user.get.json", "user.get" },
    { "/m//user.get.json///", "user.get" },
    { "/m/user.get.JSON", "user.get.JSON" },
    { "/m/user.get.xml", "user.get.xml" },
    { "/m/user.get.json.json", "user.get.json" },
    { "/m/a..b", "a..b" },
    { "/.a", ".a" },
    { "/a.", "a." },
    { "/.json", ".json" },

    { "", NULL },
    { "/", NULL },
    { "///", NULL },
    { "user.get", NULL },
    { "/m/user", NULL },
    { "/m/user.json", NULL },
    { "/user.get/m", NULL },
    { "/m/...", NULL },
    { "/m/user.get2", NULL },
    { "/m/user_get.x", NULL },
    { "/m/user.get:", NULL },
    { "/m/user.get\xc3\xa4", NULL },
    { "/m/user get.x", NULL },
    { NULL, NULL }
};


static char  text[512];


static ngx_counters_str_t
str(const char *s)
{
    ngx_counters_str_t  r;

    r.len = s ? strlen(s) : 0;
    r.data = (unsigned char *) s;

    return r;
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

        if (ngx_counters_path_parse(&s, &path) != NGX_COUNTERS_OK) {
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
run_ends(void)
{
    const path_t        *c;
    ngx_counters_str_t   s, name;

    for (c = methods; c->in; c++) {
        s = str(c->in);

        if (ngx_counters_path_method(&s, &name) != NGX_COUNTERS_OK) {
            ok(c->out == NULL, "no method at the end: %s", label(c->in));
            continue;
        }

        is_str((char *) name.data, name.len, c->out ? c->out : "none",
               "the method at the end of %s", label(c->in));
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

        if (ngx_counters_path_webhook(&s, &cred) != NGX_COUNTERS_OK) {
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


static void
run_methods(void)
{
    int                 i;
    ngx_counters_str_t  s;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        is_int(ngx_counters_path_method_id(&ngx_counters_path_method_names[i]),
               i,
               "a method by its name");
    }

    s = str("batch");
    is_int(ngx_counters_path_method_id(&s), NGX_COUNTERS_BATCH, "batch");
    s = str("");
    is_int(ngx_counters_path_method_id(&s), NGX_COUNTERS_OTHER, "no name");
}


int
main(void)
{
    run_paths();
    run_ends();
    run_webhooks();
    run_methods();

    return done();
}
