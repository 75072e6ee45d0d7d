
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_http_counters_advice.h"
#include "ngx_http_counters_cors.h"
#include "ngx_http_counters_managed.h"
#include "ngx_http_counters_passed_quota.h"


static void ngx_http_counters_location_noname(ngx_http_core_loc_conf_t *clcf,
    ngx_http_counters_location_t *prev, ngx_http_counters_location_t *conf);
static char *ngx_http_counters_location_handler(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_counters_location_t *location);
static char *ngx_http_counters_location_managed(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_counters_location_t *location);
static char *ngx_http_counters_location_webhook(ngx_conf_t *cf,
    ngx_http_counters_location_t *location, ngx_http_counters_place_t *place);


void *
ngx_http_counters_location_create(ngx_conf_t *cf)
{
    ngx_http_counters_location_t  *location;

    location = ngx_pcalloc(cf->pool, sizeof(ngx_http_counters_location_t));
    if (location == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     location->conf.user = NULL;
     *     location->conf.status = NULL;
     *     location->conf.status_format = NGX_HTTP_COUNTERS_STATUS_AUTO;
     *     location->conf.purge = NULL;
     *     location->conf.events = NULL;
     *     location->handler = NULL;
     *     location->portal.line = 0;
     *     location->user.line = 0;
     *     location->task.line = 0;
     *     location->origin = NULL;
     *     location->warned = 0;
     */

    location->conf.portal = NGX_CONF_UNSET_PTR;
    location->conf.bypass = NGX_CONF_UNSET_PTR;
    location->conf.headers = NGX_CONF_UNSET;
    location->conf.intercept = NGX_CONF_UNSET;
    location->conf.time = NGX_CONF_UNSET_UINT;

    return location;
}


char *
ngx_http_counters_location_merge(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_counters_location_t *above = parent;
    ngx_http_counters_location_t *location = child;

    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_core_srv_conf_t      *cscf;
    ngx_http_counters_loc_conf_t  *prev, *conf, *server;

    prev = &above->conf;
    conf = &location->conf;

    /* http itself is merged with nothing */

    if (above->user.line
        && ngx_http_counters_location_webhook(cf, above, &above->user)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_conf_merge_ptr_value(conf->portal, prev->portal, NULL);
    ngx_conf_merge_ptr_value(conf->bypass, prev->bypass, NULL);
    ngx_conf_merge_value(conf->headers, prev->headers, 1);
    ngx_conf_merge_value(conf->intercept, prev->intercept, 0);
    ngx_conf_merge_uint_value(conf->time, prev->time,
                              NGX_HTTP_COUNTERS_TIME_ORIGINAL);

    if (conf->user == NULL) {
        conf->user = prev->user;
    }

    if (conf->portal) {
        cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
        server = cscf->ctx->loc_conf[ngx_http_counters_module.ctx_index];
        server->masked = 1;
    }

    location->origin = location->portal.line ? location
                       : above->portal.line ? above : above->origin;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname) {
        ngx_http_counters_location_noname(clcf, above, location);

    } else if (ngx_http_counters_location_handler(cf, clcf, location)
               != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* an "if" may have a proxy_pass of its own */

    conf->own = (location->handler && clcf->handler == location->handler);

    conf->hidden = ngx_http_counters_cors_hidden(cf);

    if (!clcf->noname) {
        ngx_http_counters_advice(cf, clcf, location);
    }

    ngx_http_counters_passed_quota_wrap(clcf, prev, conf);

    return NGX_CONF_OK;
}


/* an "if" or a limit_except goes on with the handler of its location */

static void
ngx_http_counters_location_noname(ngx_http_core_loc_conf_t *clcf,
    ngx_http_counters_location_t *prev, ngx_http_counters_location_t *location)
{
    location->conf.status = prev->conf.status;
    location->conf.status_format = prev->conf.status_format;
    location->conf.purge = prev->conf.purge;
    location->conf.events = prev->conf.events;
    location->handler = prev->handler;

    if (clcf->handler == NULL) {
        clcf->handler = location->handler;
    }
}


/* one alone serves a location, in whatever order they are written */

static char *
ngx_http_counters_location_handler(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_counters_location_t *location)
{
    if (location->handler && clcf->handler != location->handler) {
        ngx_http_counters_place_log(NGX_LOG_EMERG, cf, &location->task,
                                    "\"%V\" directive conflicts with another "
                                    "handler of this location",
                                    &location->task.name);
        return NGX_CONF_ERROR;
    }

    return ngx_http_counters_location_managed(cf, clcf, location);
}


/*
 * A location is managed where counters and counters_user are in effect and
 * one of them is written in it.  Inherited ones leave files and handlers in
 * their place; a server's are meant for its locations.
 */

static char *
ngx_http_counters_location_managed(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_counters_location_t *location)
{
    ngx_http_counters_place_t  *user;
    ngx_counters_portal_t      *portal;

    user = location->user.line ? &location->user : NULL;
    portal = location->conf.portal;

    if (portal == NULL) {

        if (user && clcf->name.len) {
            ngx_http_counters_place_log(NGX_LOG_EMERG, cf, user,
                                        "\"counters_user\" directive has no "
                                        "\"counters\"");
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    if (location->conf.user == NULL) {
        return NGX_CONF_OK;
    }

    if (user == NULL
        && (location->portal.line == 0 || clcf->name.len == 0))
    {
        return NGX_CONF_OK;
    }

    if (clcf->handler) {

        if (user) {
            ngx_http_counters_place_log(NGX_LOG_EMERG, cf, user,
                                        "\"counters_user\" directive conflicts "
                                        "with the location's handler");
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    if (ngx_http_counters_location_webhook(cf, location,
                                           user ? user : &location->portal)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (clcf->name.len) {
        location->handler = ngx_http_counters_managed_handler;
        clcf->handler = location->handler;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_counters_location_webhook(ngx_conf_t *cf,
    ngx_http_counters_location_t *location, ngx_http_counters_place_t *place)
{
    ngx_counters_portal_t  *portal;

    portal = location->conf.portal;

    if (portal == NULL
        || portal == NGX_CONF_UNSET_PTR
        || portal->webhook.kind != NGX_COUNTERS_CRED_NONE)
    {
        return NGX_CONF_OK;
    }

    ngx_http_counters_place_log(NGX_LOG_EMERG, cf, place,
                                "%s\"counters_user\" directive needs a "
                                "\"webhook\" in \"counters_portal\" \"%V\"",
                                place == &location->portal ? "inherited " : "",
                                &portal->name);
    return NGX_CONF_ERROR;
}
