
/*
 * Copyright (C) The nginx counters module authors
 *
 * What the portal tells of tasks: its outgoing webhooks
 * (local-integrations/local-webhooks.md) and tasks.task.get.
 */


#ifndef _NGX_COUNTERS_TASK_H_INCLUDED_
#define _NGX_COUNTERS_TASK_H_INCLUDED_


#include "ngx_counters_args.h"


typedef enum {
    NGX_COUNTERS_EVENT_OTHER = 0,
    NGX_COUNTERS_EVENT_CHANGED,  /* added, updated, commented on */
    NGX_COUNTERS_EVENT_DELETED
} ngx_counters_event_e;


typedef struct {
    ngx_counters_event_e     kind;
    uint64_t                 task;         /* of CHANGED and DELETED */
    ngx_counters_str_t       token;        /* data NULL: none, or several */
} ngx_counters_event_t;


/*
 * Reads the form of an outgoing webhook.  NGX_COUNTERS_OK, or
 * NGX_COUNTERS_DECLINED when it is not one, or tells no task where it should;
 * the token is there all the same, pointing into the arguments.
 */

int ngx_counters_task_event(const ngx_counters_args_t *args,
    ngx_counters_event_t *event);

/*
 * The parameters of tasks.task.get, and the urlencoded body of a batch of it:
 * one command a task, its index as its id.  At most
 * NGX_COUNTERS_TASK_PARAMS_LEN bytes are written, a task.
 */

#define NGX_COUNTERS_TASK_PARAMS_LEN  256

unsigned char *ngx_counters_task_params(unsigned char *out, uint64_t id);
unsigned char *ngx_counters_task_pack(unsigned char *out, const uint64_t *ids,
    size_t n);

/*
 * Who takes part in a task, each once: the creator, the responsible person,
 * accomplices and auditors.  "result" is that of tasks.task.get and valid
 * JSON.  NGX_COUNTERS_DECLINED when the portal shows no such task;
 * NGX_COUNTERS_ERROR when the answer is another one, or more than "max" take
 * part.
 */

#define NGX_COUNTERS_TASK_USERS  256

int ngx_counters_task_users(const ngx_counters_str_t *result, uint64_t id,
    uint64_t *users, size_t max, size_t *n);


#endif /* _NGX_COUNTERS_TASK_H_INCLUDED_ */
