
/*
 * Copyright (C) The nginx counters module authors
 *
 * The portal's batch method (settings/how-to-call-rest-api/batch.md): many
 * calls packed into one request, its reply cut into envelopes of their own,
 * and the reverse, a response assembled from cached envelopes.
 */


#ifndef _NGX_COUNTERS_BATCH_H_INCLUDED_
#define _NGX_COUNTERS_BATCH_H_INCLUDED_


#include "ngx_counters_commands.h"
#include "ngx_counters_reply.h"


/*
 * The parameters of one call as a query string: only those that differ from
 * the defaults.  "own" is the credential's own user, which is left out too.
 * Writes at most NGX_COUNTERS_PARAMS_LEN bytes; returns the new end.
 */

#define NGX_COUNTERS_PARAMS_LEN  128

unsigned char *ngx_counters_batch_params(unsigned char *out,
    const ngx_counters_call_t *call, uint64_t own);

/*
 * The urlencoded body of a batch: halt=0 and one command a call, its index
 * as its id.  Writes at most ncalls * NGX_COUNTERS_COMMAND_LEN + 16 bytes.
 */

#define NGX_COUNTERS_COMMAND_LEN  512

unsigned char *ngx_counters_batch_pack(unsigned char *out,
    const ngx_counters_call_t *calls, size_t ncalls, uint64_t own);

/* one command's part of a reply to a batch */

typedef struct {
    ngx_counters_verdict_e   verdict;     /* MALFORMED when it is missing */
    int                      status;      /* 200, or that of the error code;
                                             0 when MALFORMED */
    ngx_counters_str_t       result;      /* raw slices of the batch body */
    ngx_counters_str_t       total;
    ngx_counters_str_t       time;        /* of result_time, else of all */
    ngx_counters_str_t       error;       /* raw object in result_error */
    uint64_t                 operating;   /* milliseconds, 0 unknown */
    uint64_t                 reset_at;    /* Unix seconds, 0 unknown */
} ngx_counters_part_t;

/*
 * Splits the body of a good reply to a batch whose ids are 0 ... nparts - 1;
 * maps and lists are both accepted.  NGX_COUNTERS_ERROR when it is not the
 * reply to a batch at all.
 */

int ngx_counters_batch_split(const ngx_counters_str_t *body,
    ngx_counters_part_t *parts, size_t nparts);

/*
 * The envelope of one part, {"result":...,"total":...,"time":...}, or the
 * error object as it stands.  ngx_counters_batch_part_len() is its exact
 * length, 0 for a part that is MALFORMED.
 */

size_t ngx_counters_batch_part_len(const ngx_counters_part_t *part);
unsigned char *ngx_counters_batch_part_envelope(unsigned char *out,
    const ngx_counters_part_t *part);

/*
 * The response to a client's batch: one envelope a command, good ones and
 * error objects, in the order of the commands.  A good envelope's "result",
 * "total" and "time" go to result, result_total and result_time, an error
 * object to result_error; empty maps are written as [] and maps whose keys
 * are 0, 1, 2 ... as lists, as PHP does.  With halt nothing after the first
 * error is answered.  An envelope must be valid.
 *
 * Its own "time" is "now", in milliseconds.  The operating time of the command
 * that has used most stands there, if any tells it, and "used" if there are
 * errors only, which never do; with NULL none.
 */

typedef struct {
    ngx_counters_str_t       envelope;
    unsigned                 error:1;
} ngx_counters_batch_content_t;

typedef struct {
    uint64_t                 used;        /* milliseconds */
    uint64_t                 reset_at;    /* Unix seconds, 0: it is not told */
} ngx_counters_batch_used_t;

/* at most so many bytes are written by ngx_counters_batch_assemble() */

size_t ngx_counters_batch_len(const ngx_counters_commands_t *cmds,
    const ngx_counters_batch_content_t *contents);
unsigned char *ngx_counters_batch_assemble(unsigned char *out,
    const ngx_counters_commands_t *cmds,
    const ngx_counters_batch_content_t *contents, uint64_t now,
    const ngx_counters_batch_used_t *used);


#endif /* _NGX_COUNTERS_BATCH_H_INCLUDED_ */
