
/*
 * Copyright (C) The nginx counters module authors
 *
 * Input: a byte, then text.  An even byte: the body of a batch answer to
 * split into so many parts.  An odd one: lines "id envelope" to assemble;
 * the second bit is halt.
 */


#include <stdlib.h>

#include "ngx_counters_batch.h"
#include "ngx_counters_json.h"


/* jansson's limit on nesting, which an envelope within another may reach */

#define DEEP  2000


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int cond)
{
    if (!cond) {
        abort();
    }
}


static int
valid(const ngx_counters_str_t *text)
{
    return ngx_counters_json_valid(text) == NGX_COUNTERS_OK;
}


static void
envelope(const ngx_counters_part_t *part, int judged)
{
    size_t              len;
    ngx_counters_str_t  text;

    len = ngx_counters_batch_part_len(part);

    text.data = malloc(len ? len : 1);
    text.len = ngx_counters_batch_part_envelope(text.data, part) - text.data;

    check(text.len == len);

    if (part->verdict == NGX_COUNTERS_REPLY_MALFORMED) {
        check(len == 0);

    } else if (judged) {
        check(valid(&text));
    }

    free(text.data);
}


/* a body that was not judged may give nonsense, but nothing worse */

static void
split(const ngx_counters_str_t *body, size_t nparts)
{
    size_t                i;
    ngx_counters_part_t  *parts;

    parts = malloc(nparts * sizeof(ngx_counters_part_t) + 1);

    if (ngx_counters_batch_split(body, parts, nparts) == NGX_COUNTERS_OK) {
        for (i = 0; i < nparts; i++) {
            envelope(&parts[i], valid(body));
        }
    }

    free(parts);
}


static int
good(const ngx_counters_str_t *text)
{
    ngx_counters_reply_t  reply;

    ngx_counters_reply_judge(&reply, 200, text);

    return reply.verdict == NGX_COUNTERS_REPLY_GOOD;
}


static int
has(const ngx_counters_commands_t *cmds, const ngx_counters_str_t *id)
{
    size_t  i;

    for (i = 0; i < cmds->ncommands; i++) {
        if (ngx_counters_str_eq(&cmds->commands[i].id,
                                (const char *) id->data, id->len))
        {
            return 1;
        }
    }

    return 0;
}


/* ids as call.c lets them through: nothing to escape, none twice */

static int
plain(const ngx_counters_str_t *id)
{
    size_t  i;

    for (i = 0; i < id->len; i++) {
        if (id->data[i] <= ' ' || id->data[i] >= 0x7f || id->data[i] == '"'
            || id->data[i] == '\\')
        {
            return 0;
        }
    }

    return 1;
}


static void
command(ngx_counters_commands_t *cmds, ngx_counters_batch_content_t *answers,
    const ngx_counters_str_t *line)
{
    size_t                         n;
    unsigned char                 *space;
    ngx_counters_str_t             id;
    ngx_counters_batch_content_t  *answer;

    n = cmds->ncommands;
    space = memchr(line->data, ' ', line->len);

    if (space == NULL || n == NGX_COUNTERS_BATCH_MAX) {
        return;
    }

    id.data = line->data;
    id.len = space - line->data;

    answer = &answers[n];
    answer->envelope.data = space + 1;
    answer->envelope.len = line->data + line->len - space - 1;
    answer->error = !good(&answer->envelope);

    if (!plain(&id) || has(cmds, &id) || !valid(&answer->envelope)) {
        return;
    }

    cmds->commands[n].id = id;
    cmds->ncommands++;
}


static void
assemble(const ngx_counters_str_t *in, int halt)
{
    size_t                         len;
    unsigned char                 *p, *end;
    ngx_counters_str_t             line, text;
    ngx_counters_batch_content_t   answers[NGX_COUNTERS_BATCH_MAX];
    ngx_counters_commands_t        cmds;
    ngx_counters_batch_used_t      used;

    memset(&cmds, 0, sizeof(cmds));
    memset(&used, 0xff, sizeof(used));
    memset(answers, 0, sizeof(answers));

    cmds.halt = halt;

    for (p = in->data; p < in->data + in->len; p = end + 1) {
        end = memchr(p, '\n', in->data + in->len - p);

        if (end == NULL) {
            end = in->data + in->len;
        }

        line.data = p;
        line.len = end - p;

        command(&cmds, answers, &line);
    }

    len = ngx_counters_batch_len(&cmds, answers);

    text.data = malloc(len);
    text.len = ngx_counters_batch_assemble(text.data, &cmds, answers,
                                           1724916859421ULL, &used)
               - text.data;

    check(text.len <= len);
    check(in->len > DEEP || valid(&text));

    split(&text, cmds.ncommands);

    free(text.data);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_counters_str_t  in;

    if (size == 0) {
        return 0;
    }

    in.len = size - 1;
    in.data = malloc(in.len ? in.len : 1);
    memcpy(in.data, data + 1, in.len);

    if (data[0] & 1) {
        assemble(&in, data[0] & 2);

    } else {
        split(&in, data[0] % (NGX_COUNTERS_BATCH_MAX + 1));
    }

    free(in.data);

    return 0;
}
