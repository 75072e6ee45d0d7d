
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_tasks.h"
#include "ngx_http_counters_check.h"
#include "ngx_http_counters_portal.h"



/* the directive may be given again; next to nginx's own NGX_CONF_* */

#define NGX_HTTP_COUNTERS_REPEATED  0x00010000


static ngx_int_t ngx_http_counters_portal_name(ngx_str_t *name);
static ngx_counters_portal_t *ngx_http_counters_portal_create(
    ngx_conf_t *cf, ngx_str_t *name);
static char *ngx_http_counters_portal_directive(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static ngx_command_t *ngx_http_counters_portal_command(ngx_str_t *name);
static void ngx_http_counters_portal_unknown(ngx_conf_t *cf, ngx_str_t *name);
static char *ngx_http_counters_portal_words(ngx_conf_t *cf,
    ngx_command_t *cmd);
static ngx_uint_t ngx_http_counters_portal_nargs(ngx_conf_t *cf,
    ngx_command_t *cmd);
static char *ngx_http_counters_portal_finish(ngx_conf_t *cf,
    ngx_http_counters_block_t *block);
static void ngx_http_counters_portal_defaults(
    ngx_http_counters_block_t *block);
static char *ngx_http_counters_portal_identity(ngx_conf_t *cf,
    ngx_counters_portal_t *portal);
static char *ngx_http_counters_portal_zone(ngx_conf_t *cf,
    ngx_http_counters_block_t *block);
static ngx_int_t ngx_http_counters_portal_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);


/* what may stand inside the block; offsets are into the portal */

static ngx_command_t  ngx_http_counters_portal_commands[] = {

    { ngx_string("url"),
      NGX_CONF_TAKE1,
      ngx_http_counters_setters_url,
      0,
      0,
      NULL },

    { ngx_string("zone"),
      NGX_CONF_TAKE1,
      ngx_http_counters_setters_zone,
      0,
      0,
      NULL },

    { ngx_string("redis"),
      NGX_CONF_1MORE,
      ngx_http_counters_redis_url_set,
      0,
      0,
      NULL },

    { ngx_string("webhook"),
      NGX_CONF_TAKE1,
      ngx_http_counters_setters_webhook,
      0,
      0,
      NULL },

    { ngx_string("methods"),
      NGX_CONF_1MORE,
      ngx_http_counters_setters_methods,
      0,
      0,
      NULL },

    { ngx_string("ttl"),
      NGX_CONF_TAKE12|NGX_HTTP_COUNTERS_REPEATED,
      ngx_http_counters_setters_ttl,
      0,
      0,
      NULL },

    { ngx_string("stale"),
      NGX_CONF_TAKE12,
      ngx_http_counters_setters_stale,
      0,
      0,
      NULL },

    { ngx_string("negative"),
      NGX_CONF_TAKE1,
      ngx_http_counters_setters_time,
      0,
      offsetof(ngx_counters_portal_t, negative),
      NULL },

    { ngx_string("rate"),
      NGX_CONF_TAKE123,
      ngx_http_counters_setters_rate,
      0,
      0,
      NULL },

    { ngx_string("reserve"),
      NGX_CONF_TAKE1,
      ngx_http_counters_setters_reserve,
      0,
      0,
      NULL },

    { ngx_string("batch"),
      NGX_CONF_TAKE12,
      ngx_http_counters_setters_batch,
      0,
      0,
      NULL },

    { ngx_string("ahead"),
      NGX_CONF_TAKE1,
      ngx_http_counters_setters_ahead,
      0,
      0,
      NULL },

    { ngx_string("timeout"),
      NGX_CONF_TAKE12,
      ngx_http_counters_setters_timeout,
      0,
      0,
      NULL },

    { ngx_string("wait"),
      NGX_CONF_TAKE1,
      ngx_http_counters_setters_time,
      0,
      offsetof(ngx_counters_portal_t, wait),
      NULL },

    { ngx_string("secret"),
      NGX_CONF_TAKE1,
      ngx_http_counters_setters_secret,
      0,
      0,
      NULL },

    { ngx_string("max_body"),
      NGX_CONF_TAKE1,
      ngx_http_counters_setters_max_body,
      0,
      0,
      NULL },

    { ngx_string("ca"),
      NGX_CONF_TAKE1,
      ngx_http_counters_ca_set,
      0,
      0,
      NULL },

    { ngx_string("verify"),
      NGX_CONF_TAKE1,
      ngx_http_counters_setters_verify,
      0,
      offsetof(ngx_counters_portal_t, fetch.verify),
      NULL },

    { ngx_string("events_token"),
      NGX_CONF_1MORE,
      ngx_http_counters_setters_events_token,
      0,
      0,
      NULL },

    { ngx_string("include"),
      NGX_CONF_TAKE1|NGX_HTTP_COUNTERS_REPEATED,
      ngx_conf_include,
      0,
      0,
      NULL },

      ngx_null_command
};


char *
ngx_http_counters_portal_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                      *rv;
    ngx_str_t                 *value;
    ngx_conf_t                 save;
    ngx_array_t               *portals;
    ngx_http_counters_block_t  block;
    ngx_counters_portal_t    **portal;

    value = cf->args->elts;
    portals = (ngx_array_t *) ((u_char *) conf + cmd->offset);

    if (ngx_http_counters_portal_name(&value[1]) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" in \"counters_portal\" "
                           "directive", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_counters_portal_find(portals, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"counters_portal\" \"%V\" is duplicate",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&block, sizeof(ngx_http_counters_block_t));

    if (ngx_array_init(&block.places, cf->temp_pool, 16,
                       sizeof(ngx_http_counters_place_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_http_counters_place_set(cf, &block.place);

    block.tag = cmd->post;
    block.ttl = NGX_CONF_UNSET_MSEC;
    block.portal = ngx_http_counters_portal_create(cf, &value[1]);
    if (block.portal == NULL) {
        return NGX_CONF_ERROR;
    }

    save = *cf;
    cf->handler = ngx_http_counters_portal_directive;
    cf->handler_conf = &block;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_http_counters_portal_finish(cf, &block) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    portal = ngx_array_push(portals);
    if (portal == NULL) {
        return NGX_CONF_ERROR;
    }

    *portal = block.portal;
    block.portal->index = portals->nelts - 1;

    return NGX_CONF_OK;
}


ngx_counters_portal_t *
ngx_http_counters_portal_find(ngx_array_t *portals, ngx_str_t *name)
{
    ngx_uint_t               i;
    ngx_counters_portal_t  **portal;

    portal = portals->elts;

    for (i = 0; i < portals->nelts; i++) {
        if (portal[i]->name.len == name->len
            && ngx_strncmp(portal[i]->name.data, name->data, name->len) == 0)
        {
            return portal[i];
        }
    }

    return NULL;
}


/* the name is part of Redis keys and of Cache-Status */

static ngx_int_t
ngx_http_counters_portal_name(ngx_str_t *name)
{
    size_t  i;
    u_char  ch;

    if (name->len == 0
        || name->len > NGX_COUNTERS_PORTAL_MAX_NAME
        || ngx_strcmp(name->data, "off") == 0)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < name->len; i++) {
        ch = ngx_tolower(name->data[i]);

        if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9')
            && ch != '-' && ch != '_' && ch != '.')
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_counters_portal_t *
ngx_http_counters_portal_create(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_counters_portal_t  *portal;

    portal = ngx_pcalloc(cf->pool, sizeof(ngx_counters_portal_t));
    if (portal == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     portal->redis = NULL;
     *     portal->rate_shared = 0;
     *     portal->ahead = 0;
     *     portal->secret = { 0, NULL };
     *     portal->webhook.kind = NGX_COUNTERS_CRED_NONE;
     *     portal->events_tokens = NULL;
     */

    portal->name = *name;

    portal->fetch.timeout = 10000;
    portal->fetch.connect_timeout = 3000;
    portal->fetch.max_body = NGX_CONF_UNSET_SIZE;
    portal->fetch.verify = NGX_CONF_UNSET;

    portal->zone_size = 32 * 1024 * 1024;

    portal->methods = 1 << NGX_COUNTERS_TASKS;
    portal->stale = 5 * 60 * 1000;
    portal->stale_error = 60 * 60 * 1000;
    portal->negative = 5000;
    portal->wait = 5000;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        portal->ttl[i] = NGX_CONF_UNSET_MSEC;
    }

    portal->bucket.rate = 2000;
    portal->bucket.burst = 50000;
    portal->reserve = 20;
    portal->batch = NGX_COUNTERS_BATCH_MAX;
    portal->batch_wait = 5;

    return portal;
}


static char *
ngx_http_counters_portal_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    ngx_http_counters_block_t *block = conf;

    char                       *rv;
    ngx_str_t                  *value;
    ngx_command_t              *cmd;
    ngx_http_counters_place_t  *place;

    value = cf->args->elts;
    cmd = ngx_http_counters_portal_command(&value[0]);

    if (cmd == NULL) {
        ngx_http_counters_portal_unknown(cf, &value[0]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_counters_portal_words(cf, cmd) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (!(cmd->type & NGX_HTTP_COUNTERS_REPEATED)
        && ngx_http_counters_place_find(&block->places,
                                        (char *) cmd->name.data))
    {
        rv = "is duplicate";

    } else {
        place = ngx_array_push(&block->places);
        if (place == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_http_counters_place_set(cf, place);

        rv = cmd->set(cf, cmd, block);
    }

    if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR) {
        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                       &cmd->name, rv);

    return NGX_CONF_ERROR;
}


static ngx_command_t *
ngx_http_counters_portal_command(ngx_str_t *name)
{
    ngx_command_t  *cmd;

    for (cmd = ngx_http_counters_portal_commands; cmd->name.len; cmd++) {
        if (cmd->name.len == name->len
            && ngx_strcmp(cmd->name.data, name->data) == 0)
        {
            return cmd;
        }
    }

    return NULL;
}


/* what does not look like a name may be a secret: "webhook=...", "TOKEN;" */

static void
ngx_http_counters_portal_unknown(ngx_conf_t *cf, ngx_str_t *name)
{
    size_t  len;

    len = strspn((char *) name->data, "abcdefghijklmnopqrstuvwxyz_");

    if (len == 0 || (len < name->len && name->data[len] != '=')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive in \"counters_portal\"");
        return;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "unknown directive \"%*s\"",
                       len, name->data);
}


/*
 * Whether there are as many as there may be.  What follows a value and is a
 * directive's name is no value: a ";" was forgotten before it, and a list
 * would take it, and all up to the next one, for values of its own.
 */

static char *
ngx_http_counters_portal_words(ngx_conf_t *cf, ngx_command_t *cmd)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_counters_portal_command(&value[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "directive \"%V\" is not terminated by \";\" "
                               "before \"%V\"", &cmd->name, &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    if (!ngx_http_counters_portal_nargs(cf, cmd)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" directive",
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_counters_portal_nargs(ngx_conf_t *cf, ngx_command_t *cmd)
{
    ngx_uint_t  n;

    n = cf->args->nelts;

    if (cmd->type & NGX_CONF_1MORE) {
        return n > 1;
    }

    return n <= NGX_CONF_MAX_ARGS && (cmd->type & (NGX_CONF_NOARGS << (n - 1)));
}


static char *
ngx_http_counters_portal_finish(ngx_conf_t *cf,
    ngx_http_counters_block_t *block)
{
    ngx_counters_portal_t  *portal;

    if (ngx_http_counters_check_block(cf, block) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    portal = block->portal;

    ngx_http_counters_portal_defaults(block);

    if (ngx_http_counters_portal_identity(cf, portal) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_counters_portal_zone(cf, block);
}


/* of what the checks tell from a value that was given */

static void
ngx_http_counters_portal_defaults(ngx_http_counters_block_t *block)
{
    ngx_uint_t              i;
    ngx_counters_portal_t  *portal;

    portal = block->portal;

    ngx_conf_init_value(portal->fetch.verify, 1);
    ngx_conf_init_size_value(portal->fetch.max_body, 256 * 1024);
    ngx_conf_init_msec_value(block->ttl, 30000);

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        ngx_conf_init_msec_value(portal->ttl[i], block->ttl);
    }

    if (portal->fetch.connect_timeout > portal->fetch.timeout) {
        portal->fetch.connect_timeout = portal->fetch.timeout;
    }
}


static char *
ngx_http_counters_portal_identity(ngx_conf_t *cf, ngx_counters_portal_t *portal)
{
    ngx_str_t  *id;

    id = &portal->identity;

    id->len = portal->name.len + 1 + portal->fetch.url.len;
    id->data = ngx_pnalloc(cf->pool, id->len);
    if (id->data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_sprintf(id->data, "%V %V", &portal->name, &portal->fetch.url);

    return NGX_CONF_OK;
}


static char *
ngx_http_counters_portal_zone(ngx_conf_t *cf,
    ngx_http_counters_block_t *block)
{
    ngx_str_t                  name;
    ngx_shm_zone_t            *shm_zone;
    ngx_counters_zone_t       *zone;
    ngx_counters_zone_conf_t  *zcf;
    ngx_counters_portal_t     *portal;

    portal = block->portal;

    name.len = sizeof("counters:") - 1 + portal->name.len;
    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_sprintf(name.data, "counters:%V", &portal->name);

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_counters_zone_t));
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->name = portal->name;

    zcf = &zone->conf;

    zcf->stale = (uint32_t) portal->stale;
    zcf->error = (uint32_t) portal->stale_error;
    zcf->timeout = (uint32_t) portal->fetch.timeout;
    zcf->ahead = (uint32_t) portal->ahead;
    zcf->batch = (uint32_t) portal->batch;
    zcf->batch_wait = (uint32_t) portal->batch_wait;
    zcf->reserve = (uint32_t) portal->reserve;
    zcf->tasks = (portal->events_tokens
                  && portal->webhook.kind != NGX_COUNTERS_CRED_NONE);
    zcf->bucket = portal->bucket;

    shm_zone = ngx_shared_memory_add(cf, &name, portal->zone_size,
                                     block->tag);
    if (shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    shm_zone->init = ngx_http_counters_portal_init_zone;
    shm_zone->data = portal;

    portal->shm_zone = shm_zone;
    portal->zone = zone;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_counters_portal_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_counters_portal_t  *old = data;

    ngx_counters_portal_t  *portal;

    portal = shm_zone->data;

    if (ngx_counters_zone_init(portal->zone, shm_zone, old ? old->zone : NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (portal->zone->conf.tasks) {
        ngx_counters_tasks_init(portal->zone);
    }

    return NGX_OK;
}
