
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_http_counters_check.h"
#include "ngx_http_counters_url.h"


static char *ngx_http_counters_check_ttl(ngx_conf_t *cf,
    ngx_http_counters_block_t *block);
static char *ngx_http_counters_check_webhook(ngx_conf_t *cf,
    ngx_http_counters_block_t *block);
static char *ngx_http_counters_check_limits(ngx_conf_t *cf,
    ngx_http_counters_block_t *block);
static void ngx_http_counters_check_advice(ngx_conf_t *cf,
    ngx_http_counters_block_t *block);
static ngx_http_counters_place_t *ngx_http_counters_check_place(
    ngx_http_counters_block_t *block, const char *name);


char *
ngx_http_counters_check_block(ngx_conf_t *cf,
    ngx_http_counters_block_t *block)
{
    if (block->portal->fetch.url.len == 0) {
        ngx_http_counters_place_log(NGX_LOG_EMERG, cf, &block->place,
                                    "no \"url\" in \"counters_portal\" \"%V\"",
                                    &block->portal->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_counters_check_ttl(cf, block) != NGX_CONF_OK
        || ngx_http_counters_check_webhook(cf, block) != NGX_CONF_OK
        || ngx_http_counters_check_limits(cf, block) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_http_counters_check_advice(cf, block);

    return NGX_CONF_OK;
}


static char *
ngx_http_counters_check_ttl(ngx_conf_t *cf, ngx_http_counters_block_t *block)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {

        if (block->ttls[i].line && !(block->portal->methods & (1 << i))) {
            ngx_http_counters_place_log(NGX_LOG_EMERG, cf, &block->ttls[i],
                               "\"ttl\" for \"%V\", which is not in "
                               "\"methods\", in \"counters_portal\" \"%V\"",
                               (ngx_str_t *) &ngx_counters_method_names[i],
                               &block->portal->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_counters_check_webhook(ngx_conf_t *cf,
    ngx_http_counters_block_t *block)
{
    ngx_str_t                   *webhook;
    ngx_http_counters_url_t      url, base;
    ngx_http_counters_portal_t  *portal;

    portal = block->portal;
    webhook = &block->webhook;

    if (webhook->len == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_counters_webhook((ngx_counters_str_t *) webhook, &portal->webhook)
        != NGX_COUNTERS_OK)
    {
        ngx_http_counters_place_log(NGX_LOG_EMERG, cf,
                           ngx_http_counters_check_place(block, "webhook"),
                           "invalid \"webhook\" in \"counters_portal\" \"%V\", "
                           "it must be USERID/CODE or the URL of a webhook",
                           &portal->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_strstr(webhook->data, "://") == NULL) {
        return NGX_CONF_OK;
    }

    if (ngx_http_counters_url_parse(webhook, &url) != NULL
        || ngx_http_counters_url_parse(&portal->fetch.url, &base) != NULL
        || !ngx_http_counters_url_same_origin(&url, &base))
    {
        ngx_http_counters_place_log(NGX_LOG_EMERG, cf,
                           ngx_http_counters_check_place(block, "webhook"),
                           "\"webhook\" in \"counters_portal\" \"%V\" is of "
                           "another portal than \"url\"", &portal->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_counters_check_limits(ngx_conf_t *cf,
    ngx_http_counters_block_t *block)
{
    ngx_http_counters_portal_t  *portal;

    portal = block->portal;

    if (portal->rate_shared && portal->redis == NULL) {
        ngx_http_counters_place_log(NGX_LOG_EMERG, cf,
                           ngx_http_counters_check_place(block, "rate"),
                           "\"scope=redis\" without \"redis\" in "
                           "\"counters_portal\" \"%V\"", &portal->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* what works, but hardly as it was meant */

static void
ngx_http_counters_check_advice(ngx_conf_t *cf,
    ngx_http_counters_block_t *block)
{
    ngx_http_counters_portal_t  *portal;

    portal = block->portal;

    if (portal->fetch.max_body != NGX_CONF_UNSET_SIZE
        && portal->fetch.max_body > portal->zone_size)
    {
        ngx_http_counters_place_log(NGX_LOG_WARN, cf,
                           ngx_http_counters_check_place(block, "max_body"),
                           "\"max_body\" is larger than \"zone\" in "
                           "\"counters_portal\" \"%V\"", &portal->name);
    }

    if (portal->redis && portal->secret.len == 0) {
        ngx_http_counters_place_log(NGX_LOG_WARN, cf,
                           ngx_http_counters_check_place(block, "redis"),
                           "\"redis\" without \"secret\" in "
                           "\"counters_portal\" \"%V\": what is stored is "
                           "lost on restart and not shared with other nodes",
                           &portal->name);
    }
}


/* the block's own where the directive was not written */

static ngx_http_counters_place_t *
ngx_http_counters_check_place(ngx_http_counters_block_t *block,
    const char *name)
{
    ngx_http_counters_place_t  *place;

    place = ngx_http_counters_place_find(&block->places, name);

    return place ? place : &block->place;
}
