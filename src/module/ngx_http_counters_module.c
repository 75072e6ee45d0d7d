
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_http_counters_conf.h"
#include "ngx_http_counters_events.h"
#include "ngx_http_counters_handler.h"
#include "ngx_http_counters_location.h"
#include "ngx_http_counters_log.h"
#include "ngx_http_counters_portal.h"
#include "ngx_http_counters_purge.h"
#include "ngx_http_counters_status.h"
#include "ngx_http_counters_value.h"
#include "ngx_http_counters_variables.h"
#include "ngx_counters_process.h"
#include "ngx_http_counters_passed_limits.h"


static ngx_int_t ngx_http_counters_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_counters_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_counters_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_counters_set_portal(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_counters_set_user(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_counters_set_bypass(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_uint_t ngx_http_counters_directive(ngx_conf_t *cf,
    ngx_str_t *name);
static char *ngx_http_counters_set_enum(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_counters_enum(ngx_conf_t *cf, ngx_str_t *value,
    ngx_conf_enum_t *e, ngx_uint_t *n);
static char *ngx_http_counters_set_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_counters_set_purge(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_counters_set_events(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_counters_set_handler(ngx_conf_t *cf, void *conf,
    ngx_counters_portal_t **portal, ngx_http_handler_pt handler);
static char *ngx_http_counters_named_portal(ngx_conf_t *cf,
    ngx_counters_portal_t **portal);
static ngx_int_t ngx_http_counters_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_counters_init_process(ngx_cycle_t *cycle);
static void ngx_http_counters_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_http_counters_times[] = {
    { ngx_string("original"), NGX_HTTP_COUNTERS_TIME_ORIGINAL },
    { ngx_string("current"), NGX_HTTP_COUNTERS_TIME_CURRENT },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_counters_status_formats[] = {
    { ngx_string("html"), NGX_HTTP_COUNTERS_STATUS_HTML },
    { ngx_string("json"), NGX_HTTP_COUNTERS_STATUS_JSON },
    { ngx_string("prometheus"), NGX_HTTP_COUNTERS_STATUS_PROMETHEUS },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_counters_commands[] = {

    { ngx_string("counters_portal"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_counters_portal_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_counters_main_conf_t, portals),
      &ngx_http_counters_module },

    { ngx_string("counters"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_counters_set_portal,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("counters_user"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_counters_set_user,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_counters_loc_conf_t, user),
      NULL },

    { ngx_string("counters_bypass"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_counters_set_bypass,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_counters_loc_conf_t, bypass),
      NULL },

    { ngx_string("counters_headers"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_counters_loc_conf_t, headers),
      NULL },

    { ngx_string("counters_intercept_errors"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_counters_loc_conf_t, intercept),
      NULL },

    { ngx_string("counters_time"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_counters_set_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_counters_loc_conf_t, time),
      &ngx_http_counters_times },

    { ngx_string("counters_status"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_counters_set_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("counters_purge"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_counters_set_purge,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("counters_events"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_counters_set_events,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_counters_module_ctx = {
    ngx_http_counters_preconfiguration,    /* preconfiguration */
    ngx_http_counters_postconfiguration,   /* postconfiguration */

    ngx_http_counters_create_main_conf,    /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_counters_location_create,     /* create location configuration */
    ngx_http_counters_location_merge       /* merge location configuration */
};


ngx_module_t  ngx_http_counters_module = {
    NGX_MODULE_V1,
    &ngx_http_counters_module_ctx,         /* module context */
    ngx_http_counters_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_counters_init_module,         /* init module */
    ngx_http_counters_init_process,        /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_counters_exit_process,        /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_counters_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_counters_variables_add(cf);
}


static ngx_int_t
ngx_http_counters_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt            *h;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_counters_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_counters_module);

    if (mcf->portals.nelts == 0) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_counters_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_SERVER_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_counters_log_phase_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_counters_log_phase_handler;

    ngx_http_counters_passed_limits_init();

    return NGX_OK;
}


static void *
ngx_http_counters_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_counters_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_counters_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mcf->portals, cf->pool, 4,
                       sizeof(ngx_counters_portal_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}


static char *
ngx_http_counters_set_portal(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_location_t *location = conf;

    ngx_str_t                     *value;
    ngx_http_counters_loc_conf_t  *lcf;

    value = cf->args->elts;
    lcf = &location->conf;

    if (lcf->portal != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    ngx_http_counters_place_set(cf, &location->portal);

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->portal = NULL;
        return NGX_CONF_OK;
    }

    return ngx_http_counters_named_portal(cf, &lcf->portal);
}


static char *
ngx_http_counters_set_user(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_location_t *location = conf;

    ngx_http_counters_place_set(cf, &location->user);

    return ngx_http_set_complex_value_slot(cf, cmd, &location->conf);
}


/*
 * A name of a directive among the values comes from a forgotten ";", and
 * would be true in every request.
 */

static char *
ngx_http_counters_set_bypass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_counters_directive(cf, &value[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "directive \"%V\" is not terminated by \";\" "
                               "before \"%V\"", &value[0], &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_set_predicate_slot(cf, cmd, conf);
}


/* whether any module has a directive of that name */

static ngx_uint_t
ngx_http_counters_directive(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t      i;
    ngx_command_t  *cmd;

    for (i = 0; cf->cycle->modules[i]; i++) {
        cmd = cf->cycle->modules[i]->commands;

        for ( /* void */ ; cmd && cmd->name.len; cmd++) {
            if (cmd->name.len == name->len
                && ngx_strcmp(cmd->name.data, name->data) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


/* ngx_conf_set_enum_slot() does not tell which directive it is */

static char *
ngx_http_counters_set_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t   *value;
    ngx_uint_t  *n;

    value = cf->args->elts;
    n = (ngx_uint_t *) ((char *) conf + cmd->offset);

    if (*n != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    return ngx_http_counters_enum(cf, &value[1], cmd->post, n);
}


static char *
ngx_http_counters_enum(ngx_conf_t *cf, ngx_str_t *value, ngx_conf_enum_t *e,
    ngx_uint_t *n)
{
    u_char      *p, *last;
    ngx_uint_t   i;
    u_char       form[64];

    p = form;
    last = form + sizeof(form) - 1;

    for (i = 0; e[i].name.len; i++) {
        if (ngx_strcmp(e[i].name.data, value->data) == 0) {
            *n = e[i].value;
            return NGX_CONF_OK;
        }

        p = ngx_slprintf(p, last, "%s%V",
                         i == 0 ? "" : e[i + 1].name.len ? ", " : " or ",
                         &e[i].name);
    }

    *p = '\0';

    return ngx_http_counters_value_invalid(cf, value, (char *) form);
}


static char *
ngx_http_counters_set_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts == 3
        && ngx_http_counters_enum(cf, &value[2],
                                  ngx_http_counters_status_formats,
                                  &lcf->status_format)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_counters_set_handler(cf, conf, &lcf->status,
                                         ngx_http_counters_status_handler);
}


static char *
ngx_http_counters_set_purge(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_loc_conf_t *lcf = conf;

    return ngx_http_counters_set_handler(cf, conf, &lcf->purge,
                                         ngx_http_counters_purge_handler);
}


static char *
ngx_http_counters_set_events(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_loc_conf_t *lcf = conf;

    char  *rv;

    rv = ngx_http_counters_set_handler(cf, conf, &lcf->events,
                                       ngx_http_counters_events_handler);

    if (rv == NGX_CONF_OK && lcf->events->events_tokens == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"counters_events\" needs an \"events_token\" in "
                           "\"counters_portal\" \"%V\"", &lcf->events->name);
        return NGX_CONF_ERROR;
    }

    return rv;
}


static char *
ngx_http_counters_set_handler(ngx_conf_t *cf, void *conf,
    ngx_counters_portal_t **portal, ngx_http_handler_pt handler)
{
    ngx_http_counters_location_t *location = conf;

    ngx_http_core_loc_conf_t  *clcf;

    if (*portal) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another handler of this location";
    }

    ngx_http_counters_place_set(cf, &location->task);

    location->handler = handler;
    clcf->handler = handler;

    return ngx_http_counters_named_portal(cf, portal);
}


/* the portal that the directive's first argument names */

static char *
ngx_http_counters_named_portal(ngx_conf_t *cf, ngx_counters_portal_t **portal)
{
    ngx_str_t                      *value;
    ngx_http_counters_main_conf_t  *mcf;

    value = cf->args->elts;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_counters_module);

    *portal = ngx_http_counters_portal_find(&mcf->portals, &value[1]);

    if (*portal == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown portal \"%V\" in \"%V\" directive, it "
                           "must be defined above", &value[1], &value[0]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* in the master: the eventfds must be there before the workers are */

static ngx_int_t
ngx_http_counters_init_module(ngx_cycle_t *cycle)
{
    ngx_http_counters_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_counters_module);

    if (mcf == NULL || mcf->portals.nelts == 0 || ngx_test_config) {
        return NGX_OK;
    }

    return ngx_counters_process_prepare(cycle, &mcf->wakes);
}


static ngx_int_t
ngx_http_counters_init_process(ngx_cycle_t *cycle)
{
    ngx_http_counters_main_conf_t  *mcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_counters_module);

    if (mcf == NULL || mcf->portals.nelts == 0) {
        return NGX_OK;
    }

    return ngx_counters_process_init(cycle, &mcf->portals, &mcf->wakes);
}


static void
ngx_http_counters_exit_process(ngx_cycle_t *cycle)
{
    ngx_counters_process_exit();
}
