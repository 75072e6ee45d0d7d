
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_batch.h"
#include "ngx_counters_json.h"

#include <inttypes.h>
#include <stdio.h>


/* the longest text of a member of "time" that is taken over */

#define NGX_COUNTERS_BATCH_NUMBER  64

/* what an assembled response holds besides its commands */

#define NGX_COUNTERS_BATCH_FRAME                                              \
    (256 + NGX_COUNTERS_TIME_LEN + 2 * NGX_COUNTERS_BATCH_NUMBER)

/* "ID":VALUE, around a value, in the three maps that a command may be in */

#define NGX_COUNTERS_BATCH_ITEM   (3 * 4)


/* the maps of a reply, in the portal's order */

typedef struct {
    ngx_counters_str_t       result;
    ngx_counters_str_t       error;
    ngx_counters_str_t       total;
    ngx_counters_str_t       time;
} ngx_counters_batch_maps_t;


#define ngx_counters_batch_copy(p, s, n)                                      \
    ((unsigned char *) memcpy(p, s, n) + (n))

#define ngx_counters_batch_literal(p, s)                                      \
    ngx_counters_batch_copy(p, s, sizeof(s) - 1)


static unsigned char *ngx_counters_batch_number(unsigned char *out,
    uint64_t n);
static unsigned char *ngx_counters_batch_escape(unsigned char *out,
    const unsigned char *p, const unsigned char *last);
static int ngx_counters_batch_maps(const ngx_counters_str_t *body,
    ngx_counters_batch_maps_t *maps, ngx_counters_str_t *time);
static int ngx_counters_batch_container(const ngx_counters_str_t *value);
static void ngx_counters_batch_place(const ngx_counters_str_t *map,
    ngx_counters_part_t *parts, size_t nparts, size_t offset);
static size_t ngx_counters_batch_index(const ngx_counters_str_t *name,
    size_t n);
static void ngx_counters_batch_judge(ngx_counters_part_t *part,
    const ngx_counters_str_t *time);
static size_t ngx_counters_batch_cut(const ngx_counters_commands_t *cmds,
    const ngx_counters_batch_content_t *contents,
    ngx_counters_batch_maps_t *cuts);
static unsigned char *ngx_counters_batch_map(unsigned char *out,
    const ngx_counters_commands_t *cmds,
    const ngx_counters_batch_maps_t *cuts, size_t n, size_t offset);
static unsigned char *ngx_counters_batch_operating(unsigned char *out,
    const ngx_counters_batch_maps_t *cuts, size_t n,
    const ngx_counters_batch_used_t *used);
static unsigned char *ngx_counters_batch_used(unsigned char *out,
    const ngx_counters_batch_used_t *used);
static int ngx_counters_batch_time_member(const ngx_counters_str_t *time,
    const char *name, ngx_counters_str_t *value);


unsigned char *
ngx_counters_batch_params(unsigned char *out, const ngx_counters_call_t *call,
    uint64_t own)
{
    unsigned char             *p;
    const ngx_counters_str_t  *type;

    if (call->method != NGX_COUNTERS_TASKS) {
        return out;
    }

    p = out;

    if (call->user && call->user != own) {
        p = ngx_counters_batch_literal(p, "&userId=");
        p = ngx_counters_batch_number(p, call->user);
    }

    if (call->group) {
        p = ngx_counters_batch_literal(p, "&groupId=");
        p = ngx_counters_batch_number(p, call->group);
    }

    if (call->type != NGX_COUNTERS_TYPE_ALL) {
        type = &ngx_counters_params_call_types[call->type];

        p = ngx_counters_batch_literal(p, "&type=");
        p = ngx_counters_batch_copy(p, type->data, type->len);
    }

    if (p == out) {
        return out;
    }

    /* the first ampersand goes */

    memmove(out, out + 1, p - out - 1);

    return p - 1;
}


unsigned char *
ngx_counters_batch_pack(unsigned char *out, const ngx_counters_call_t *calls,
    size_t ncalls, uint64_t own)
{
    size_t                     i;
    unsigned char             *p, *params;
    unsigned char              command[64 + NGX_COUNTERS_PARAMS_LEN];
    const ngx_counters_str_t  *name;

    out = ngx_counters_batch_literal(out, "halt=0");

    for (i = 0; i < ncalls; i++) {
        name = &ngx_counters_path_method_names[calls[i].method];

        p = ngx_counters_batch_copy(command, name->data, name->len);
        *p++ = '?';

        params = p;
        p = ngx_counters_batch_params(params, &calls[i], own);

        if (p == params) {
            p--;
        }

        out = ngx_counters_batch_literal(out, "&cmd%5B");
        out = ngx_counters_batch_number(out, i);
        out = ngx_counters_batch_literal(out, "%5D=");
        out = ngx_counters_batch_escape(out, command, p);
    }

    return out;
}


static unsigned char *
ngx_counters_batch_number(unsigned char *out, uint64_t n)
{
    unsigned char  *p, digits[20];

    p = digits + sizeof(digits);

    do {
        *--p = (unsigned char) (n % 10 + '0');
        n /= 10;
    } while (n);

    return ngx_counters_batch_copy(out, p, digits + sizeof(digits) - p);
}


/* method names and numbers: nothing but the three needs it */

static unsigned char *
ngx_counters_batch_escape(unsigned char *out, const unsigned char *p,
    const unsigned char *last)
{
    for ( /* void */ ; p < last; p++) {

        switch (*p) {

        case '?':
            out = ngx_counters_batch_literal(out, "%3F");
            break;

        case '&':
            out = ngx_counters_batch_literal(out, "%26");
            break;

        case '=':
            out = ngx_counters_batch_literal(out, "%3D");
            break;

        default:
            *out++ = *p;
        }
    }

    return out;
}


int
ngx_counters_batch_split(const ngx_counters_str_t *body,
    ngx_counters_part_t *parts, size_t nparts)
{
    size_t                     i;
    ngx_counters_str_t         time;
    ngx_counters_batch_maps_t  maps;

    if (ngx_counters_batch_maps(body, &maps, &time) != NGX_COUNTERS_OK) {
        return NGX_COUNTERS_ERROR;
    }

    memset(parts, 0, nparts * sizeof(ngx_counters_part_t));

    ngx_counters_batch_place(&maps.result, parts, nparts,
                             offsetof(ngx_counters_part_t, result));
    ngx_counters_batch_place(&maps.error, parts, nparts,
                             offsetof(ngx_counters_part_t, error));
    ngx_counters_batch_place(&maps.total, parts, nparts,
                             offsetof(ngx_counters_part_t, total));
    ngx_counters_batch_place(&maps.time, parts, nparts,
                             offsetof(ngx_counters_part_t, time));

    for (i = 0; i < nparts; i++) {
        ngx_counters_batch_judge(&parts[i], &time);
    }

    return NGX_COUNTERS_OK;
}


static int
ngx_counters_batch_maps(const ngx_counters_str_t *body,
    ngx_counters_batch_maps_t *maps, ngx_counters_str_t *time)
{
    ngx_counters_str_t        name, value, result;
    ngx_counters_json_iter_t  it;

    memset(maps, 0, sizeof(ngx_counters_batch_maps_t));

    if (ngx_counters_json_member(body, "result", &result) != NGX_COUNTERS_OK
        || ngx_counters_json_start(&it, &result) != NGX_COUNTERS_OK)
    {
        return NGX_COUNTERS_ERROR;
    }

    while (ngx_counters_json_next(&it, &name, &value) == NGX_COUNTERS_OK) {

        if (ngx_counters_str_eq(&name, "result", 6)) {
            maps->result = value;

        } else if (ngx_counters_str_eq(&name, "result_error", 12)) {
            maps->error = value;

        } else if (ngx_counters_str_eq(&name, "result_total", 12)) {
            maps->total = value;

        } else if (ngx_counters_str_eq(&name, "result_time", 11)) {
            maps->time = value;
        }
    }

    if (!ngx_counters_batch_container(&maps->result)
        || !ngx_counters_batch_container(&maps->error))
    {
        return NGX_COUNTERS_ERROR;
    }

    if (ngx_counters_json_member(body, "time", time) != NGX_COUNTERS_OK
        || time->data[0] != '{')
    {
        time->len = 0;
        time->data = NULL;
    }

    return NGX_COUNTERS_OK;
}


static int
ngx_counters_batch_container(const ngx_counters_str_t *value)
{
    return value->data && (value->data[0] == '{' || value->data[0] == '[');
}


/* "offset" tells which string of a part the members of the map are */

static void
ngx_counters_batch_place(const ngx_counters_str_t *map,
    ngx_counters_part_t *parts, size_t nparts, size_t offset)
{
    size_t                    i, n;
    ngx_counters_str_t        name, value;
    ngx_counters_json_iter_t  it;

    if (ngx_counters_json_start(&it, map) != NGX_COUNTERS_OK) {
        return;
    }

    for (n = 0;
         ngx_counters_json_next(&it, &name, &value) == NGX_COUNTERS_OK;
         n++)
    {
        i = it.array ? n : ngx_counters_batch_index(&name, nparts);

        if (i < nparts) {
            memcpy((unsigned char *) &parts[i] + offset, &value,
                   sizeof(ngx_counters_str_t));
        }
    }
}


/* "n" or more for a name that is no number below it, as PHP writes one */

static size_t
ngx_counters_batch_index(const ngx_counters_str_t *name, size_t n)
{
    size_t  i, index;

    if (name->len == 0 || (name->data[0] == '0' && name->len > 1)) {
        return n;
    }

    index = 0;

    for (i = 0; i < name->len; i++) {

        if (name->data[i] < '0' || name->data[i] > '9' || index >= n) {
            return n;
        }

        index = index * 10 + (name->data[i] - '0');
    }

    return index;
}


static void
ngx_counters_batch_judge(ngx_counters_part_t *part,
    const ngx_counters_str_t *time)
{
    ngx_counters_str_t  code;

    if (part->result.data && !part->error.data) {
        part->verdict = NGX_COUNTERS_REPLY_GOOD;
        part->status = 200;

    } else if (part->error.data && !part->result.data
               && ngx_counters_reply_error_code(&part->error, &code)
                  == NGX_COUNTERS_OK)
    {
        part->verdict = ngx_counters_reply_code(&code, &part->status);

    } else {
        memset(part, 0, sizeof(ngx_counters_part_t));
        part->verdict = NGX_COUNTERS_REPLY_MALFORMED;
        return;
    }

    if (part->time.data == NULL || part->time.data[0] != '{') {
        part->time = *time;
    }

    if (part->time.data) {
        ngx_counters_reply_operating(&part->time, &part->operating,
                                     &part->reset_at);
    }
}


size_t
ngx_counters_batch_part_len(const ngx_counters_part_t *part)
{
    size_t  len;

    if (part->verdict != NGX_COUNTERS_REPLY_GOOD) {
        return part->error.len;
    }

    len = sizeof("{\"result\":}") - 1 + part->result.len;

    if (part->total.data) {
        len += sizeof(",\"total\":") - 1 + part->total.len;
    }

    if (part->time.data) {
        len += sizeof(",\"time\":") - 1 + part->time.len;
    }

    return len;
}


unsigned char *
ngx_counters_batch_part_envelope(unsigned char *out,
    const ngx_counters_part_t *part)
{
    if (part->verdict != NGX_COUNTERS_REPLY_GOOD) {

        if (part->error.len == 0) {
            return out;
        }

        return ngx_counters_batch_copy(out, part->error.data,
                                       part->error.len);
    }

    out = ngx_counters_batch_literal(out, "{\"result\":");
    out = ngx_counters_batch_copy(out, part->result.data, part->result.len);

    if (part->total.data) {
        out = ngx_counters_batch_literal(out, ",\"total\":");
        out = ngx_counters_batch_copy(out, part->total.data, part->total.len);
    }

    if (part->time.data) {
        out = ngx_counters_batch_literal(out, ",\"time\":");
        out = ngx_counters_batch_copy(out, part->time.data, part->time.len);
    }

    *out++ = '}';

    return out;
}


size_t
ngx_counters_batch_len(const ngx_counters_commands_t *cmds,
    const ngx_counters_batch_content_t *contents)
{
    size_t  i, len;

    len = NGX_COUNTERS_BATCH_FRAME;

    for (i = 0; i < cmds->ncommands; i++) {
        len += contents[i].envelope.len
               + 3 * cmds->commands[i].id.len + NGX_COUNTERS_BATCH_ITEM;
    }

    return len;
}


unsigned char *
ngx_counters_batch_assemble(unsigned char *out,
    const ngx_counters_commands_t *cmds,
    const ngx_counters_batch_content_t *contents, uint64_t now,
    const ngx_counters_batch_used_t *used)
{
    size_t                     n;
    ngx_counters_batch_maps_t  cuts[NGX_COUNTERS_BATCH_MAX];

    n = ngx_counters_batch_cut(cmds, contents, cuts);

    out = ngx_counters_batch_literal(out, "{\"result\":{\"result\":");
    out = ngx_counters_batch_map(out, cmds, cuts, n,
                                 offsetof(ngx_counters_batch_maps_t, result));

    out = ngx_counters_batch_literal(out, ",\"result_error\":");
    out = ngx_counters_batch_map(out, cmds, cuts, n,
                                 offsetof(ngx_counters_batch_maps_t, error));

    out = ngx_counters_batch_literal(out, ",\"result_total\":");
    out = ngx_counters_batch_map(out, cmds, cuts, n,
                                 offsetof(ngx_counters_batch_maps_t, total));

    /* counters have no next page */

    out = ngx_counters_batch_literal(out,
                                     ",\"result_next\":[],\"result_time\":");
    out = ngx_counters_batch_map(out, cmds, cuts, n,
                                 offsetof(ngx_counters_batch_maps_t, time));

    out = ngx_counters_batch_literal(out, "},\"time\":");
    out = ngx_counters_reply_time(out, now);

    if (used) {
        out = ngx_counters_batch_operating(out, cuts, n, used);
    }

    *out++ = '}';

    return out;
}


/* cuts the envelopes into the maps' values; returns how many are answered */

static size_t
ngx_counters_batch_cut(const ngx_counters_commands_t *cmds,
    const ngx_counters_batch_content_t *contents,
    ngx_counters_batch_maps_t *cuts)
{
    size_t                    i;
    ngx_counters_str_t        name, value;
    ngx_counters_json_iter_t  it;

    memset(cuts, 0, cmds->ncommands * sizeof(ngx_counters_batch_maps_t));

    for (i = 0; i < cmds->ncommands; i++) {

        if (contents[i].error) {
            cuts[i].error = ngx_counters_json_unmarked(&contents[i].envelope);

            if (cmds->halt) {
                return i + 1;
            }

            continue;
        }

        if (ngx_counters_json_start(&it, &contents[i].envelope)
            != NGX_COUNTERS_OK)
        {
            continue;
        }

        while (ngx_counters_json_next(&it, &name, &value)
               == NGX_COUNTERS_OK)
        {
            if (ngx_counters_str_eq(&name, "result", 6)) {
                cuts[i].result = value;

            } else if (ngx_counters_str_eq(&name, "total", 5)) {
                cuts[i].total = value;

            } else if (ngx_counters_str_eq(&name, "time", 4)) {
                cuts[i].time = value;
            }
        }
    }

    return i;
}


/* as json_encode() of PHP: a list if the keys are 0, 1, 2 ..., or none */

static unsigned char *
ngx_counters_batch_map(unsigned char *out,
    const ngx_counters_commands_t *cmds,
    const ngx_counters_batch_maps_t *cuts, size_t n, size_t offset)
{
    int                        list;
    size_t                     i, count;
    unsigned char             *open;
    ngx_counters_str_t         value;
    const ngx_counters_str_t  *id;

    list = 1;
    count = 0;

    for (i = 0; i < n; i++) {
        memcpy(&value, (unsigned char *) &cuts[i] + offset, sizeof(value));

        if (value.data) {
            id = &cmds->commands[i].id;
            list &= ngx_counters_batch_index(id, count + 1) == count;
            count++;
        }
    }

    open = out;

    for (i = 0; i < n; i++) {
        memcpy(&value, (unsigned char *) &cuts[i] + offset, sizeof(value));

        if (value.data == NULL) {
            continue;
        }

        *out++ = ',';

        if (!list) {
            id = &cmds->commands[i].id;

            *out++ = '"';
            out = ngx_counters_batch_copy(out, id->data, id->len);
            out = ngx_counters_batch_literal(out, "\":");
        }

        out = ngx_counters_batch_copy(out, value.data, value.len);
    }

    /* the first comma stands where the bracket belongs */

    if (count == 0) {
        out++;
    }

    *open = list ? '[' : '{';
    *out++ = list ? ']' : '}';

    return out;
}


/* adds to the "time" that ends at "out" */

static unsigned char *
ngx_counters_batch_operating(unsigned char *out,
    const ngx_counters_batch_maps_t *cuts, size_t n,
    const ngx_counters_batch_used_t *used)
{
    int                 told;
    size_t              i;
    uint64_t            one, most, reset_at;
    ngx_counters_str_t  operating, reset, value;

    operating.data = NULL;
    reset.data = NULL;
    most = 0;
    told = 0;

    for (i = 0; i < n; i++) {

        told |= (cuts[i].result.data != NULL);

        if (ngx_counters_batch_time_member(&cuts[i].time, "operating", &value)
            != NGX_COUNTERS_OK)
        {
            continue;
        }

        ngx_counters_reply_operating(&cuts[i].time, &one, &reset_at);

        if (operating.data && one <= most) {
            continue;
        }

        most = one;
        operating = value;

        if (ngx_counters_batch_time_member(&cuts[i].time,
                                           "operating_reset_at", &reset)
            != NGX_COUNTERS_OK)
        {
            reset.data = NULL;
        }
    }

    if (operating.data == NULL) {
        return (told || used->reset_at == 0)
               ? out : ngx_counters_batch_used(out, used);
    }

    /* in place of the brace */

    out--;

    if (reset.data) {
        out = ngx_counters_batch_literal(out, ",\"operating_reset_at\":");
        out = ngx_counters_batch_copy(out, reset.data, reset.len);
    }

    out = ngx_counters_batch_literal(out, ",\"operating\":");
    out = ngx_counters_batch_copy(out, operating.data, operating.len);

    *out++ = '}';

    return out;
}


/* both numbers have 20 digits at most */

static unsigned char *
ngx_counters_batch_used(unsigned char *out,
    const ngx_counters_batch_used_t *used)
{
    char  text[2 * NGX_COUNTERS_BATCH_NUMBER];
    int   len;

    len = snprintf(text, sizeof(text),
                   ",\"operating_reset_at\":%" PRIu64
                   ",\"operating\":%" PRIu64 ".%03d}",
                   used->reset_at, used->used / 1000,
                   (int) (used->used % 1000));

    return ngx_counters_batch_copy(out - 1, (unsigned char *) text, len);
}


static int
ngx_counters_batch_time_member(const ngx_counters_str_t *time,
    const char *name, ngx_counters_str_t *value)
{
    if (ngx_counters_json_member(time, name, value) != NGX_COUNTERS_OK
        || value->len > NGX_COUNTERS_BATCH_NUMBER)
    {
        return NGX_COUNTERS_DECLINED;
    }

    return NGX_COUNTERS_OK;
}
