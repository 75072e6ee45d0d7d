
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_http_counters_check.h"
#include "ngx_http_counters_url.h"


/* above, or below, these a value is hardly meant; ms, bytes */

#define NGX_HTTP_COUNTERS_CHECK_WAIT    60000
#define NGX_HTTP_COUNTERS_CHECK_REDIS   1000
#define NGX_HTTP_COUNTERS_CHECK_SECRET  16


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
static void ngx_http_counters_check_warn(ngx_conf_t *cf,
    ngx_http_counters_block_t *block, const char *name, const char *what,
    const char *why);


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
                               (ngx_str_t *) &ngx_counters_path_method_names[i],
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
    ngx_str_t               *webhook;
    ngx_http_counters_url_t  url, base;
    ngx_counters_portal_t   *portal;

    portal = block->portal;
    webhook = &block->webhook;

    if (webhook->len == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_counters_path_webhook((ngx_counters_str_t *) webhook,
                                  &portal->webhook)
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
    ngx_counters_portal_t  *portal;

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
    ngx_counters_portal_t  *portal;

    portal = block->portal;

    if (portal->fetch.max_body != NGX_CONF_UNSET_SIZE
        && portal->fetch.max_body > portal->zone_size)
    {
        ngx_http_counters_check_warn(cf, block, "max_body",
                                     "\"max_body\" is larger than \"zone\"",
                                     "");
    }

    if (portal->webhook.kind != NGX_COUNTERS_CRED_NONE && portal->ahead == 0) {
        ngx_http_counters_check_warn(cf, block,
                       ngx_http_counters_check_place(block, "ahead")
                       ? "ahead" : "webhook",
                       "\"ahead\" is off with \"webhook\"",
                       ": nobody's counters are refreshed before somebody asks "
                       "for them");
    }

    if (portal->wait > NGX_HTTP_COUNTERS_CHECK_WAIT) {
        ngx_http_counters_check_warn(cf, block, "wait", "\"wait\"",
                       " is above 60s: clients and proxies give up before");
    }

    if (portal->fetch.timeout > NGX_HTTP_COUNTERS_CHECK_WAIT) {
        ngx_http_counters_check_warn(cf, block, "timeout", "\"timeout\"",
                       " is above 60s: clients and proxies give up before");
    }

    if (portal->secret.len
        && portal->secret.len < NGX_HTTP_COUNTERS_CHECK_SECRET)
    {
        ngx_http_counters_check_warn(cf, block, "secret", "\"secret\"",
                       " has less than 16 characters: it could be found by "
                       "trying");
    }

    if (portal->redis == NULL) {
        return;
    }

    if (portal->secret.len == 0) {
        ngx_http_counters_check_warn(cf, block, "redis",
                       "\"redis\" without \"secret\"",
                       ": what is stored is lost on restart and not shared "
                       "with other nodes");
    }

    if (portal->redis->timeout > NGX_HTTP_COUNTERS_CHECK_REDIS) {
        ngx_http_counters_check_warn(cf, block, "redis",
                       "\"timeout=\" of \"redis\"",
                       " is above 1s: that long a request waits for a Redis "
                       "that does not answer");
    }
}


static ngx_http_counters_place_t *
ngx_http_counters_check_place(ngx_http_counters_block_t *block,
    const char *name)
{
    return ngx_http_counters_place_find(&block->places, name);
}


static void
ngx_http_counters_check_warn(ngx_conf_t *cf, ngx_http_counters_block_t *block,
    const char *name, const char *what, const char *why)
{
    ngx_http_counters_place_log(NGX_LOG_WARN, cf,
                                ngx_http_counters_check_place(block, name),
                                "%s in \"counters_portal\" \"%V\"%s",
                                what, &block->portal->name, why);
}
