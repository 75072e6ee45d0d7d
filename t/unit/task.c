
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_task.c: outgoing webhooks as the portal sends them, and who
 * takes part in a task.
 */


#include <stdlib.h>

#include "ngx_counters_task.h"
#include "tap.h"


#define NARGS   32
#define MAX     8

#define AUTH    "&auth[domain]=a.example&auth[application_token]=t1"
#define AFTER   "&data[FIELDS_AFTER][ID]="
#define BEFORE  "&data[FIELDS_BEFORE][ID]="


/* what comes out, as text: kind, task, token */

typedef struct {
    const char  *in;
    const char  *out;
} case_t;


static const case_t  events[] = {

    { "event=ONTASKADD" BEFORE "undefined" AFTER "17" AUTH, "changed 17 t1" },
    { "event=ONTASKUPDATE" BEFORE "17" AFTER "17" AUTH, "changed 17 t1" },
    { "event=OnTaskUpdate" AFTER "17" AUTH, "changed 17 t1" },
    { "event=ontaskdelete" BEFORE "17" "&data[FIELDS_AFTER]=undefined" AUTH,
      "deleted 17 t1" },
    { "event=ONTASKDELETE" AFTER "17" AUTH, "deleted 17 t1" },
    { "event=ONTASKCOMMENTADD" AFTER "901&data[FIELDS_AFTER][TASK_ID]=17"
      AUTH, "changed 17 t1" },
    { "event=ONTASKCOMMENTADD" BEFORE "901&data[FIELDS_BEFORE][TASK_ID]=17"
      AUTH, "changed 17 t1" },
    { "event=ONTASKUPDATE&data%5BFIELDS_AFTER%5D%5BID%5D=%31%37"
      "&auth%5Bapplication_token%5D=t%31", "changed 17 t1" },
    { "event=ONTASKUPDATE" AFTER "0" BEFORE "17" AUTH, "changed 17 t1" },
    { "event=ONTASKADD" AFTER "9223372036854775807" AUTH,
      "changed 9223372036854775807 t1" },

    /* of another kind: nothing else matters */
    { "event=ONCRMDEALADD&data[FIELDS][ID]=662" AUTH, "other 0 t1" },
    { "event=ONTASKCOMMENTDELETE" AUTH, "other 0 t1" },
    { "event=ONTASKUPDATE1" AUTH, "other 0 t1" },
    { "event=" AUTH, "other 0 t1" },

    /* the token */
    { "event=ONTASKADD" AFTER "17", "changed 17 -" },
    { "event=ONTASKADD" AFTER "17&auth[application_token]=", "changed 17 " },
    { "event=ONTASKADD" AFTER "17&application_token=t1", "changed 17 -" },
    { "event=ONTASKADD" AFTER "17&auth=t1", "changed 17 -" },
    { "event=ONTASKADD" AFTER "17&auth[application_token][]=t1",
      "changed 17 -" },
    { "event=ONTASKADD" AFTER "17&auth[APPLICATION_TOKEN]=t1",
      "changed 17 -" },
    { "event=ONTASKADD" AFTER "17&data[application_token]=t1",
      "changed 17 -" },
    { "event=ONTASKADD" AFTER "17" AUTH "&auth[application_token]=t2",
      "changed 17 -" },

    /* malformed, but for the token */
    { "", "declined -" },
    { "data[FIELDS_AFTER][ID]=17" AUTH, "declined t1" },
    { "event[]=ONTASKADD" AFTER "17" AUTH, "declined t1" },
    { "event=ONTASKADD&event=ONTASKADD" AFTER "17" AUTH, "declined t1" },
    { "event=ONTASKADD" AUTH, "declined t1" },
    { "event=ONTASKADD" AFTER AUTH, "declined t1" },
    { "event=ONTASKADD" AFTER "0" AUTH, "declined t1" },
    { "event=ONTASKADD" AFTER "-1" AUTH, "declined t1" },
    { "event=ONTASKADD" AFTER "017" AUTH, "declined t1" },
    { "event=ONTASKADD" AFTER "17x" AUTH, "declined t1" },
    { "event=ONTASKADD" AFTER "9223372036854775808" AUTH, "declined t1" },
    { "event=ONTASKADD" AFTER "17" AFTER "18" AUTH, "declined t1" },
    { "event=ONTASKADD&data[FIELDS_AFTER]=17" AUTH, "declined t1" },
    { "event=ONTASKADD&data[FIELDS_AFTER][ID][0]=17" AUTH, "declined t1" },
    { "event=ONTASKADD&data[FIELDS_AFTER][TASK_ID]=17" AUTH, "declined t1" },
    { "event=ONTASKADD&ID=17&data[ID]=17" AUTH, "declined t1" },
    { "event=ONTASKCOMMENTADD" AFTER "901" AUTH, "declined t1" },
    { NULL, NULL }
};


static void
run_event(const case_t *c)
{
    int                   rc;
    char                  text[256], *p;
    ngx_counters_str_t    in;
    ngx_counters_arg_t    elts[NARGS];
    ngx_counters_args_t   args;
    ngx_counters_event_t  event;
    static unsigned char  room[4096];

    in.len = strlen(c->in);
    in.data = (unsigned char *) c->in;

    args.elts = elts;
    args.nelts = 0;
    args.nalloc = NARGS;
    args.pos = room;
    args.end = room + sizeof(room);

    is_int(ngx_counters_args_form(&args, &in), NGX_COUNTERS_OK, "read: %s",
           label(c->in));

    rc = ngx_counters_task_event(&args, &event);

    if (rc == NGX_COUNTERS_OK) {
        p = text + sprintf(text, "%s %llu ",
                           event.kind == NGX_COUNTERS_EVENT_OTHER ? "other"
                           : event.kind == NGX_COUNTERS_EVENT_CHANGED
                             ? "changed" : "deleted",
                           (unsigned long long) event.task);

    } else {
        p = text + sprintf(text, "declined ");
    }

    p += event.token.data
         ? sprintf(p, "%.*s", (int) event.token.len, event.token.data)
         : sprintf(p, "-");

    is_str(text, p - text, c->out, "event: %s", label(c->in));
}


/* of task 17; users joined with blanks, "none": no such task, "error" */

#define TASK(members)  "{\"task\":{\"id\":\"17\"," members "}}"

static const case_t  tasks[] = {

    { TASK("\"createdBy\":\"5\",\"responsibleId\":\"6\",\"accomplices\":[],"
           "\"auditors\":[]"), "5 6" },
    { TASK("\"createdBy\":\"5\",\"responsibleId\":\"6\","
           "\"accomplices\":[\"7\",\"8\"],\"auditors\":[\"9\"]"),
      "5 6 7 8 9" },
    { TASK("\"createdBy\":5,\"responsibleId\":6,\"accomplices\":[7],"
           "\"auditors\":[8]"), "5 6 7 8" },
    { TASK("\"createdBy\":\"5\",\"responsibleId\":\"5\","
           "\"accomplices\":[\"5\",\"6\",\"6\"],\"auditors\":[\"6\"]"),
      "5 6" },
    { TASK("\"createdBy\":\"5\",\"responsibleId\":\"6\","
           "\"accomplices\":{\"0\":\"7\",\"2\":\"8\"},"
           "\"auditors\":{\"9\":\"9\"}"), "5 6 7 8 9" },
    { TASK("\"createdBy\":\"5\",\"responsibleId\":\"6\""), "5 6" },
    { TASK("\"createdBy\":\"5\",\"responsibleId\":\"0\",\"auditors\":null"),
      "5" },
    { TASK("\"title\":\"\\\"createdBy\\\":\\\"9\\\"\",\"createdBy\":\"5\","
           "\"responsibleId\":\"6\",\"creator\":{\"id\":\"7\"}"), "5 6" },
    { " { \"task\" : { \"id\" : 17 , \"createdBy\" : 5 , "
      "\"responsibleId\" : 6 , \"accomplices\" : [ 7 , 8 ] } } ", "5 6 7 8" },
    { TASK("\"createdBy\":\"1\",\"responsibleId\":\"2\",\"accomplices\":"
           "[3,4,5],\"auditors\":[6,7,8]"), "1 2 3 4 5 6 7 8" },

    { "[]", "none" },
    { "{}", "none" },
    { "null", "none" },
    { "{\"task\":[]}", "none" },
    { "{\"task\":null}", "none" },

    { "true", "error" },
    { "17", "error" },
    { "[17]", "error" },
    { "{\"tasks\":[]}", "error" },
    { "{\"task\":17}", "error" },
    { "{\"task\":[17]}", "error" },
    { TASK("\"createdBy\":\"5\""), "error" },
    { TASK("\"responsibleId\":\"5\""), "error" },
    { TASK("\"createdBy\":\"x\",\"responsibleId\":\"5\""), "error" },
    { TASK("\"createdBy\":\"\",\"responsibleId\":\"5\""), "error" },
    { TASK("\"createdBy\":[5],\"responsibleId\":\"5\""), "error" },
    { TASK("\"createdBy\":5.0,\"responsibleId\":\"5\""), "error" },
    { TASK("\"createdBy\":-5,\"responsibleId\":\"5\""), "error" },
    { TASK("\"createdBy\":5,\"responsibleId\":6,\"auditors\":\"7\""),
      "error" },
    { TASK("\"createdBy\":5,\"responsibleId\":6,\"auditors\":[[7]]"),
      "error" },
    { "{\"task\":{\"id\":\"18\",\"createdBy\":5,\"responsibleId\":6}}",
      "error" },
    { "{\"task\":{\"createdBy\":5,\"responsibleId\":6}}", "error" },
    { TASK("\"createdBy\":\"1\",\"responsibleId\":\"2\",\"accomplices\":"
           "[3,4,5],\"auditors\":[6,7,8,9]"), "error" },
    { NULL, NULL }
};


static void
run_task(const case_t *c)
{
    char                 text[256], *p;
    size_t               i, n;
    uint64_t            *users;
    unsigned char       *copy;
    ngx_counters_str_t   result;

    /* both exactly as large as they may be */

    result.len = strlen(c->in);
    copy = malloc(result.len);
    result.data = memcpy(copy, c->in, result.len);
    users = malloc(MAX * sizeof(uint64_t));

    p = text;
    *p = '\0';

    switch (ngx_counters_task_users(&result, 17, users, MAX, &n)) {

    case NGX_COUNTERS_OK:
        for (i = 0; i < n; i++) {
            p += sprintf(p, "%s%llu", i ? " " : "",
                         (unsigned long long) users[i]);
        }

        break;

    case NGX_COUNTERS_DECLINED:
        p += sprintf(p, "none");
        break;

    default:
        p += sprintf(p, "error");
    }

    is_str(text, p - text, c->out, "task: %s", label(c->in));

    free(users);
    free(copy);
}


static void
test_requests(void)
{
    size_t                 i;
    uint64_t               ids[50];
    unsigned char         *p, *last;
    ngx_counters_str_t     in;
    ngx_counters_arg_t     elts[64];
    ngx_counters_args_t    args;
    static unsigned char   out[50 * NGX_COUNTERS_TASK_PARAMS_LEN];
    static unsigned char   room[sizeof(out)];

    p = ngx_counters_task_params(out, 17);
    is_str(out, p - out, "taskId=17&select%5B%5D=ID&select%5B%5D=CREATED_BY"
           "&select%5B%5D=RESPONSIBLE_ID&select%5B%5D=ACCOMPLICES"
           "&select%5B%5D=AUDITORS", "one call");

    for (i = 0; i < 50; i++) {
        ids[i] = INT64_MAX;
    }

    p = ngx_counters_task_params(out, ids[0]);
    ok(p - out <= NGX_COUNTERS_TASK_PARAMS_LEN, "the longest call");

    for (i = 1; i <= 50; i += 49) {
        last = ngx_counters_task_pack(out, ids, i);
        ok((size_t) (last - out) <= i * NGX_COUNTERS_TASK_PARAMS_LEN,
           "the longest batch of %d", (int) i);
    }

    in.len = last - out;
    in.data = out;

    args.elts = elts;
    args.nelts = 0;
    args.nalloc = 64;
    args.pos = room;
    args.end = room + sizeof(room);

    is_int(ngx_counters_args_form(&args, &in), NGX_COUNTERS_OK,
           "a batch is a form");
    is_int(args.nelts, 51, "of halt and its commands");
    is_str(elts[50].key.data, elts[50].key.len, "49", "the last one's id");
    is_str(elts[50].value.data, elts[50].value.len,
           "tasks.task.get?taskId=9223372036854775807&select[]=ID"
           "&select[]=CREATED_BY&select[]=RESPONSIBLE_ID"
           "&select[]=ACCOMPLICES&select[]=AUDITORS", "and the command");
}


int
main(void)
{
    const case_t  *c;

    for (c = events; c->in; c++) {
        run_event(c);
    }

    for (c = tasks; c->in; c++) {
        run_task(c);
    }

    test_requests();

    return done();
}
