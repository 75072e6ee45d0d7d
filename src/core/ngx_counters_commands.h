
/*
 * Copyright (C) The nginx counters module authors
 *
 * A client's batch: its commands, when each of them is a counter call.
 */


#ifndef _NGX_COUNTERS_COMMANDS_H_INCLUDED_
#define _NGX_COUNTERS_COMMANDS_H_INCLUDED_


#include "ngx_counters_params.h"


typedef struct {
    ngx_counters_str_t       id;           /* key of the command in cmd */
    ngx_counters_call_t      call;
} ngx_counters_command_t;


typedef struct {
    ngx_counters_command_t   commands[NGX_COUNTERS_BATCH_MAX];
    size_t                   ncommands;
    unsigned                 halt:1;
    unsigned                 list:1;       /* ids are 0, 1, 2 ... in order */
} ngx_counters_commands_t;


/*
 * As ngx_counters_call_parse(), for a path whose method is batch.  Commands
 * without userId get the credential's own user.  "space" must hold as many
 * bytes as the body and the query together; the commands' ids point into the
 * arguments.
 */

int ngx_counters_commands_parse(const ngx_counters_path_t *path,
    const ngx_counters_args_t *query, const ngx_counters_args_t *body,
    const ngx_counters_str_t *authorization, unsigned char *space,
    size_t len, ngx_counters_cred_t *cred, ngx_counters_commands_t *cmds);


#endif /* _NGX_COUNTERS_COMMANDS_H_INCLUDED_ */
