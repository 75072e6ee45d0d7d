
/*
 * Copyright (C) The nginx counters module authors
 *
 * Judges the portal's answer.  The bytes are never printed anew: what is
 * needed of them is cut out as it stands, so numbers keep their text.
 */


#ifndef _NGX_COUNTERS_REPLY_H_INCLUDED_
#define _NGX_COUNTERS_REPLY_H_INCLUDED_


#include "ngx_counters_core.h"


/* statuses and codes: _includes/system-errors.md and limits.md */

typedef enum {
    NGX_COUNTERS_REPLY_GOOD = 0,      /* 200, an object, result, no error */
    NGX_COUNTERS_REPLY_REFUSED,       /* 400 of the method itself */
    NGX_COUNTERS_REPLY_UNAUTHORIZED,  /* 401 */
    NGX_COUNTERS_REPLY_FORBIDDEN,     /* 403 of this call */
    NGX_COUNTERS_REPLY_BARRED,        /* 403 of the credential as such */
    NGX_COUNTERS_REPLY_DEAD,          /* 403 INVALID_CREDENTIALS: it is of
                                         no use any more, as with 401 */
    NGX_COUNTERS_REPLY_LIMIT,         /* 503 QUERY_LIMIT_EXCEEDED */
    NGX_COUNTERS_REPLY_OVERLOAD,      /* 503 OVERLOAD_LIMIT */
    NGX_COUNTERS_REPLY_OPERATING,     /* 429 */
    NGX_COUNTERS_REPLY_FAILED,        /* 5xx, and a 2xx that is an error */
    NGX_COUNTERS_REPLY_MALFORMED,     /* 2xx that is no envelope, 3xx, and
                                         what is no final status at all */
    NGX_COUNTERS_REPLY_FOREIGN        /* any other status: for the client */
} ngx_counters_verdict_e;


/* slices point into the judged body; data is NULL where there is none */

typedef struct {
    ngx_counters_verdict_e   verdict;
    ngx_counters_str_t       result;      /* raw JSON */
    ngx_counters_str_t       total;       /* raw JSON */
    ngx_counters_str_t       time;        /* raw JSON object */
    ngx_counters_str_t       error;       /* the code, without quotes */
    uint64_t                 operating;   /* milliseconds used, 0 unknown */
    uint64_t                 reset_at;    /* operating_reset_at, Unix
                                             seconds, 0 unknown */
} ngx_counters_reply_t;


void ngx_counters_reply_judge(ngx_counters_reply_t *reply, int status,
    const ngx_counters_str_t *body);

/*
 * The same verdict for one command of a batch, from its member of
 * result_error ({"error":..., "error_description":...}).  Codes compare
 * without regard to case.
 */

ngx_counters_verdict_e ngx_counters_reply_code(const ngx_counters_str_t *code,
    int *status);

/*
 * The code in {"error":...}, a string without its quotes or a number.
 * NGX_COUNTERS_DECLINED when the text is no such object.
 */

int ngx_counters_reply_error_code(const ngx_counters_str_t *object,
    ngx_counters_str_t *code);

/* time.operating and time.operating_reset_at; 0 for what is not there */

void ngx_counters_reply_operating(const ngx_counters_str_t *time,
    uint64_t *operating, uint64_t *reset_at);

/*
 * Rewrites the envelope's time for one serving: start and finish become
 * "now" (milliseconds), the duration and processing 0, the dates ISO 8601 in
 * UTC; operating and operating_reset_at are left out.  Writes at most
 * NGX_COUNTERS_TIME_LEN bytes, the braces included; returns the new end.
 */

#define NGX_COUNTERS_TIME_LEN  256

unsigned char *ngx_counters_reply_time(unsigned char *out, uint64_t now);

/*
 * An error envelope, as the portal writes them: {"error":"...",
 * "error_description":"..."}.  Neither argument needs escaping.  Writes at
 * most len of both plus 64 bytes; returns the new end.
 */

unsigned char *ngx_counters_reply_error(unsigned char *out, const char *error,
    const char *description);


#endif /* _NGX_COUNTERS_REPLY_H_INCLUDED_ */
