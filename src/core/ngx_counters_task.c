
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_task.h"
#include "ngx_counters_json.h"
#include "ngx_counters_path.h"


#define NGX_COUNTERS_TASK_SELECT                                              \
    "&select%5B%5D=ID&select%5B%5D=CREATED_BY&select%5B%5D=RESPONSIBLE_ID"    \
    "&select%5B%5D=ACCOMPLICES&select%5B%5D=AUDITORS"

/* the same as part of a command */

#define NGX_COUNTERS_TASK_COMMAND_SELECT                                      \
    "%26select%5B%5D%3DID%26select%5B%5D%3DCREATED_BY"                        \
    "%26select%5B%5D%3DRESPONSIBLE_ID%26select%5B%5D%3DACCOMPLICES"           \
    "%26select%5B%5D%3DAUDITORS"


typedef struct {
    uint64_t                *elts;
    size_t                   n;
    size_t                   max;
} ngx_counters_task_list_t;


#define ngx_counters_task_literal(p, s)                                       \
    ((unsigned char *) memcpy(p, s, sizeof(s) - 1) + sizeof(s) - 1)


static size_t ngx_counters_task_find(const ngx_counters_args_t *args,
    const char *name, const char *key, const char *rest,
    ngx_counters_str_t *value);
static ngx_counters_event_e ngx_counters_task_kind(
    const ngx_counters_str_t *name, const char **field);
static int ngx_counters_task_number(const ngx_counters_args_t *args,
    const char *fields, const char *field, uint64_t *id);
static unsigned char *ngx_counters_task_digits(unsigned char *out,
    uint64_t n);
static int ngx_counters_task_empty(const ngx_counters_str_t *value);
static int ngx_counters_task_one(const ngx_counters_str_t *task,
    const char *name, ngx_counters_task_list_t *list);
static int ngx_counters_task_several(const ngx_counters_str_t *task,
    const char *name, ngx_counters_task_list_t *list);
static int ngx_counters_task_scalar(const ngx_counters_str_t *value,
    uint64_t *n);
static int ngx_counters_task_add(ngx_counters_task_list_t *list,
    const ngx_counters_str_t *value);


int
ngx_counters_task_event(const ngx_counters_args_t *args,
    ngx_counters_event_t *event)
{
    const char          *field;
    ngx_counters_str_t   name;

    memset(event, 0, sizeof(ngx_counters_event_t));

    if (ngx_counters_task_find(args, "auth", "application_token", "",
                               &event->token)
        != 1)
    {
        event->token.len = 0;
        event->token.data = NULL;
    }

    if (ngx_counters_task_find(args, "event", NULL, "", &name) != 1) {
        return NGX_COUNTERS_DECLINED;
    }

    event->kind = ngx_counters_task_kind(&name, &field);

    if (event->kind == NGX_COUNTERS_EVENT_OTHER) {
        return NGX_COUNTERS_OK;
    }

    if (ngx_counters_task_number(args, "FIELDS_AFTER", field, &event->task)
        == NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_OK;
    }

    return ngx_counters_task_number(args, "FIELDS_BEFORE", field,
                                    &event->task);
}


/*
 * How many arguments name[key]rest there are, without a key plain names;
 * "value" is that of the last.
 */

static size_t
ngx_counters_task_find(const ngx_counters_args_t *args, const char *name,
    const char *key, const char *rest, ngx_counters_str_t *value)
{
    size_t                     i, n;
    const ngx_counters_arg_t  *arg;

    n = 0;

    for (i = 0; i < args->nelts; i++) {
        arg = &args->elts[i];

        if (arg->subscript != (key != NULL)
            || !ngx_counters_str_eq(&arg->name, name, strlen(name))
            || (key && !ngx_counters_str_eq(&arg->key, key, strlen(key)))
            || arg->rest.len != strlen(rest)
            || (arg->rest.len
                && memcmp(arg->rest.data, rest, arg->rest.len) != 0))
        {
            continue;
        }

        *value = arg->rest.len ? arg->deep : arg->value;
        n++;
    }

    return n;
}


static ngx_counters_event_e
ngx_counters_task_kind(const ngx_counters_str_t *name, const char **field)
{
    *field = "[ID]";

    if (ngx_counters_args_is(name, "ONTASKADD")
        || ngx_counters_args_is(name, "ONTASKUPDATE"))
    {
        return NGX_COUNTERS_EVENT_CHANGED;
    }

    if (ngx_counters_args_is(name, "ONTASKDELETE")) {
        return NGX_COUNTERS_EVENT_DELETED;
    }

    /* its ID is that of the comment */

    if (ngx_counters_args_is(name, "ONTASKCOMMENTADD")) {
        *field = "[TASK_ID]";
        return NGX_COUNTERS_EVENT_CHANGED;
    }

    return NGX_COUNTERS_EVENT_OTHER;
}


static int
ngx_counters_task_number(const ngx_counters_args_t *args, const char *fields,
    const char *field, uint64_t *id)
{
    ngx_counters_str_t  value;

    if (ngx_counters_task_find(args, "data", fields, field, &value) != 1
        || ngx_counters_path_number(&value, id) != NGX_COUNTERS_OK
        || *id == 0)
    {
        return NGX_COUNTERS_DECLINED;
    }

    return NGX_COUNTERS_OK;
}


unsigned char *
ngx_counters_task_params(unsigned char *out, uint64_t id)
{
    out = ngx_counters_task_literal(out, "taskId=");
    out = ngx_counters_task_digits(out, id);

    return ngx_counters_task_literal(out, NGX_COUNTERS_TASK_SELECT);
}


unsigned char *
ngx_counters_task_pack(unsigned char *out, const uint64_t *ids, size_t n)
{
    size_t  i;

    out = ngx_counters_task_literal(out, "halt=0");

    for (i = 0; i < n; i++) {
        out = ngx_counters_task_literal(out, "&cmd%5B");
        out = ngx_counters_task_digits(out, i);
        out = ngx_counters_task_literal(out,
                                        "%5D=tasks.task.get%3FtaskId%3D");
        out = ngx_counters_task_digits(out, ids[i]);
        out = ngx_counters_task_literal(out,
                                        NGX_COUNTERS_TASK_COMMAND_SELECT);
    }

    return out;
}


static unsigned char *
ngx_counters_task_digits(unsigned char *out, uint64_t n)
{
    size_t          len;
    unsigned char  *p, digits[20];

    p = digits + sizeof(digits);

    do {
        *--p = (unsigned char) (n % 10 + '0');
        n /= 10;
    } while (n);

    len = digits + sizeof(digits) - p;

    return (unsigned char *) memcpy(out, p, len) + len;
}


int
ngx_counters_task_users(const ngx_counters_str_t *result, uint64_t id,
    uint64_t *users, size_t max, size_t *n)
{
    uint64_t                  number;
    ngx_counters_str_t        task, value;
    ngx_counters_task_list_t  list;

    *n = 0;

    if (ngx_counters_task_empty(result)) {
        return NGX_COUNTERS_DECLINED;
    }

    if (ngx_counters_json_member(result, "task", &task) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_ERROR;
    }

    if (ngx_counters_task_empty(&task)) {
        return NGX_COUNTERS_DECLINED;
    }

    if (ngx_counters_json_member(&task, "id", &value) != NGX_COUNTERS_OK
        || ngx_counters_task_scalar(&value, &number) != NGX_COUNTERS_OK
        || number != id)
    {
        return NGX_COUNTERS_ERROR;
    }

    list.elts = users;
    list.n = 0;
    list.max = max;

    if (ngx_counters_task_one(&task, "createdBy", &list) != NGX_COUNTERS_OK
        || ngx_counters_task_one(&task, "responsibleId", &list)
           != NGX_COUNTERS_OK
        || ngx_counters_task_several(&task, "accomplices", &list)
           != NGX_COUNTERS_OK
        || ngx_counters_task_several(&task, "auditors", &list)
           != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_ERROR;
    }

    *n = list.n;

    return NGX_COUNTERS_OK;
}


/* null, [] or {} */

static int
ngx_counters_task_empty(const ngx_counters_str_t *value)
{
    ngx_counters_str_t        name, member;
    ngx_counters_json_iter_t  it;

    if (ngx_counters_str_eq(value, "null", 4)) {
        return 1;
    }

    return ngx_counters_json_start(&it, value) == NGX_COUNTERS_OK
           && ngx_counters_json_next(&it, &name, &member)
              == NGX_COUNTERS_DONE;
}


static int
ngx_counters_task_one(const ngx_counters_str_t *task, const char *name,
    ngx_counters_task_list_t *list)
{
    ngx_counters_str_t  value;

    if (ngx_counters_json_member(task, name, &value) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_ERROR;
    }

    return ngx_counters_task_add(list, &value);
}


/* a list, or what PHP makes of one with gaps; none is as good as empty */

static int
ngx_counters_task_several(const ngx_counters_str_t *task, const char *name,
    ngx_counters_task_list_t *list)
{
    ngx_counters_str_t        values, key, value;
    ngx_counters_json_iter_t  it;

    if (ngx_counters_json_member(task, name, &values) != NGX_COUNTERS_OK
        || ngx_counters_str_eq(&values, "null", 4))
    {
        return NGX_COUNTERS_OK;
    }

    if (ngx_counters_json_start(&it, &values) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_ERROR;
    }

    while (ngx_counters_json_next(&it, &key, &value) == NGX_COUNTERS_OK) {
        if (ngx_counters_task_add(list, &value) != NGX_COUNTERS_OK) {
            return NGX_COUNTERS_ERROR;
        }
    }

    return NGX_COUNTERS_OK;
}


/* numbers come as strings, or as numbers */

static int
ngx_counters_task_scalar(const ngx_counters_str_t *value, uint64_t *n)
{
    ngx_counters_str_t  digits;

    digits = *value;

    if (digits.len > 2 && digits.data[0] == '"') {
        digits.data++;
        digits.len -= 2;
    }

    return ngx_counters_path_number(&digits, n);
}


static int
ngx_counters_task_add(ngx_counters_task_list_t *list,
    const ngx_counters_str_t *value)
{
    size_t    i;
    uint64_t  user;

    if (ngx_counters_task_scalar(value, &user) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_ERROR;
    }

    if (user == 0) {
        return NGX_COUNTERS_OK;
    }

    for (i = 0; i < list->n; i++) {
        if (list->elts[i] == user) {
            return NGX_COUNTERS_OK;
        }
    }

    if (list->n == list->max) {
        return NGX_COUNTERS_ERROR;
    }

    list->elts[list->n++] = user;

    return NGX_COUNTERS_OK;
}
