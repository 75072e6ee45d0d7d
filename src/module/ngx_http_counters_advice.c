
/*
 * Copyright (C) The nginx counters module authors
 *
 * nginx's modules keep their configuration to themselves.  What is declared
 * here of it is the same in nginx 1.18 to 1.31; a format of access_log, of
 * which most is read, is looked at only if its arrays have the sizes of that.
 */


#include "ngx_http_counters_advice.h"
#include "ngx_http_counters_purge.h"
#include "ngx_http_counters_status.h"

#if (NGX_HTTP_SSL)
#include <ngx_http_ssl_module.h>
#endif


/* ngx_http_access_module: allow, deny */

typedef struct {
    ngx_array_t                *rules;
#if (NGX_HAVE_INET6)
    ngx_array_t                *rules6;
#endif
#if (NGX_HAVE_UNIX_DOMAIN)
    ngx_array_t                *rules_un;
#endif
} ngx_http_counters_access_conf_t;


/* ngx_http_auth_request_module, the beginning */

typedef struct {
    ngx_str_t                   uri;
} ngx_http_counters_auth_request_conf_t;


/* ngx_http_log_module: log_format, access_log */

typedef struct {
    size_t                      len;
    size_t                    (*getlen)(ngx_http_request_t *r,
                                        uintptr_t data);
    void                       *run;
    uintptr_t                   data;
} ngx_http_counters_log_op_t;


typedef struct {
    ngx_str_t                   name;
    ngx_array_t                *flushes;
    ngx_array_t                *ops;
} ngx_http_counters_log_fmt_t;


typedef struct {
    ngx_open_file_t            *file;
    void                       *script;
    time_t                      disk_full_time;
    time_t                      error_log_time;
    void                       *syslog_peer;
    ngx_http_counters_log_fmt_t  *format;
    ngx_http_complex_value_t   *filter;
} ngx_http_counters_log_t;


typedef struct {
    ngx_array_t                *logs;
} ngx_http_counters_log_conf_t;


static void ngx_http_counters_advice_log(ngx_conf_t *cf,
    ngx_http_counters_location_t *location);
static ngx_str_t *ngx_http_counters_advice_format(ngx_conf_t *cf,
    ngx_http_counters_log_fmt_t *format);
static ngx_uint_t ngx_http_counters_advice_guarded(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf);
static ngx_uint_t ngx_http_counters_advice_basic(ngx_conf_t *cf);
static ngx_uint_t ngx_http_counters_advice_certificate(ngx_conf_t *cf);
static ngx_uint_t ngx_http_counters_advice_local(ngx_conf_t *cf);
static ngx_uint_t ngx_http_counters_advice_serves(ngx_http_conf_addr_t *addr,
    ngx_http_core_srv_conf_t *cscf);
static ngx_uint_t ngx_http_counters_advice_loopback(struct sockaddr *sa);
static ngx_module_t *ngx_http_counters_advice_module(ngx_conf_t *cf,
    const char *name);
static void *ngx_http_counters_advice_conf(ngx_conf_t *cf, const char *name);


/* in all of them a webhook's code or a token may stand */

static ngx_str_t  ngx_http_counters_advice_variables[] = {
    ngx_string("request"),
    ngx_string("request_uri"),
    ngx_string("uri"),
    ngx_string("document_uri"),
    ngx_string("request_filename"),
    ngx_string("args"),
    ngx_string("query_string"),
    ngx_string("arg_auth"),
    ngx_string("arg_access_token"),
    ngx_string("request_body"),
    ngx_string("http_authorization"),
    ngx_null_string
};


void
ngx_http_counters_advice(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_http_counters_location_t *location)
{
    /* of a managed location the requests have no secrets */

    if (location->conf.portal && clcf->name.len && !location->conf.own) {
        ngx_http_counters_advice_log(cf, location);
    }

    if ((location->handler == ngx_http_counters_status_handler
         || location->handler == ngx_http_counters_purge_handler)
        && !ngx_http_counters_advice_guarded(cf, clcf))
    {
        ngx_http_counters_place_log(NGX_LOG_WARN, cf, &location->task,
                                    "\"%V\" is open to everybody, restrict it "
                                    "by \"allow\" and \"deny\" or by "
                                    "\"auth_basic\"", &location->task.name);
    }
}


/* once for each "counters", in however many locations it is in effect */

static void
ngx_http_counters_advice_log(ngx_conf_t *cf,
    ngx_http_counters_location_t *location)
{
    ngx_str_t                     *variable;
    ngx_uint_t                     i;
    ngx_http_counters_log_t       *log;
    ngx_http_counters_location_t  *origin;
    ngx_http_counters_log_conf_t  *llcf;

    origin = location->origin;
    llcf = ngx_http_counters_advice_conf(cf, "ngx_http_log_module");

    if (origin->warned || llcf == NULL || llcf->logs == NULL
        || llcf->logs->size != sizeof(ngx_http_counters_log_t))
    {
        return;
    }

    log = llcf->logs->elts;

    for (i = 0; i < llcf->logs->nelts; i++) {
        variable = ngx_http_counters_advice_format(cf, log[i].format);

        if (variable == NULL) {
            continue;
        }

        ngx_http_counters_place_log(NGX_LOG_WARN, cf, &origin->portal,
                                    "\"access_log\" in format \"%V\" writes "
                                    "the secrets in \"$%V\" where \"counters\" "
                                    "is in effect, use \"$counters_uri\"",
                                    &log[i].format->name, variable);
        origin->warned = 1;
        return;
    }
}


/* the first variable that may show a secret, or NULL */

static ngx_str_t *
ngx_http_counters_advice_format(ngx_conf_t *cf,
    ngx_http_counters_log_fmt_t *format)
{
    ngx_str_t                   *secret;
    ngx_uint_t                   i;
    ngx_http_variable_t         *v;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_counters_log_op_t  *op;

    secret = ngx_http_counters_advice_variables;

    /* what nginx brings along is compiled when all has been read */

    if (ngx_strcmp(format->name.data, "combined") == 0) {
        return &secret[0];
    }

    if (format->ops->size != sizeof(ngx_http_counters_log_op_t)) {
        return NULL;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    v = cmcf->variables.elts;
    op = format->ops->elts;

    for (i = 0; i < format->ops->nelts; i++) {

        if (op[i].getlen == NULL || op[i].data >= cmcf->variables.nelts) {
            continue;
        }

        for (secret = ngx_http_counters_advice_variables;
             secret->len;
             secret++)
        {
            if (v[op[i].data].name.len == secret->len
                && ngx_strncmp(v[op[i].data].name.data, secret->data,
                               secret->len)
                   == 0)
            {
                return secret;
            }
        }
    }

    return NULL;
}


/* any rule will do: "allow all" says that everybody is meant */

static ngx_uint_t
ngx_http_counters_advice_guarded(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf)
{
    ngx_http_counters_access_conf_t        *access;
    ngx_http_counters_auth_request_conf_t  *auth;

    access = ngx_http_counters_advice_conf(cf, "ngx_http_access_module");

    if (access) {

        if (access->rules) {
            return 1;
        }

#if (NGX_HAVE_INET6)
        if (access->rules6) {
            return 1;
        }
#endif

#if (NGX_HAVE_UNIX_DOMAIN)
        if (access->rules_un) {
            return 1;
        }
#endif
    }

    auth = ngx_http_counters_advice_conf(cf, "ngx_http_auth_request_module");

    return (auth && auth->uri.len)
           || clcf->internal
           || ngx_http_counters_advice_basic(cf)
           || ngx_http_counters_advice_certificate(cf)
           || ngx_http_counters_advice_local(cf);
}


/* where the realm is, the directive itself tells */

static ngx_uint_t
ngx_http_counters_advice_basic(ngx_conf_t *cf)
{
    u_char                    *conf;
    ngx_module_t              *module;
    ngx_command_t             *cmd;
    ngx_http_complex_value_t  *realm;

    module = ngx_http_counters_advice_module(cf, "ngx_http_auth_basic_module");

    if (module == NULL) {
        return 0;
    }

    conf = ngx_http_counters_advice_conf(cf, module->name);

    for (cmd = module->commands; cmd->name.len; cmd++) {

        if (ngx_strcmp(cmd->name.data, "auth_basic") != 0
            || cmd->set != ngx_http_set_complex_value_slot)
        {
            continue;
        }

        realm = *(ngx_http_complex_value_t **) (conf + cmd->offset);

        return realm && realm != NGX_CONF_UNSET_PTR
               && (realm->lengths
                   || ngx_strcmp(realm->value.data, "off") != 0);
    }

    return 0;
}


static ngx_uint_t
ngx_http_counters_advice_certificate(ngx_conf_t *cf)
{
#if (NGX_HTTP_SSL)

    ngx_module_t             *module;
    ngx_http_conf_ctx_t      *ctx;
    ngx_http_ssl_srv_conf_t  *sscf;

    /* the nginx that loads this may have been built without it */

    module = ngx_http_counters_advice_module(cf, "ngx_http_ssl_module");

    if (module == NULL) {
        return 0;
    }

    ctx = cf->ctx;
    sscf = ctx->srv_conf[module->ctx_index];

    return sscf->verify == 1;

#else

    return 0;

#endif
}


/* whether this machine alone can reach the server */

static ngx_uint_t
ngx_http_counters_advice_local(ngx_conf_t *cf)
{
    ngx_uint_t                  i, k;
    ngx_http_conf_addr_t       *addr;
    ngx_http_conf_port_t       *port;
    ngx_http_core_srv_conf_t   *cscf;
    ngx_http_core_main_conf_t  *cmcf;

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return 0;
    }

    port = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {
        addr = port[i].addrs.elts;

        for (k = 0; k < port[i].addrs.nelts; k++) {
            if (ngx_http_counters_advice_serves(&addr[k], cscf)
                && !ngx_http_counters_advice_loopback(addr[k].opt.sockaddr))
            {
                return 0;
            }
        }
    }

    return 1;
}


static ngx_uint_t
ngx_http_counters_advice_serves(ngx_http_conf_addr_t *addr,
    ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                  i;
    ngx_http_core_srv_conf_t  **server;

    server = addr->servers.elts;

    for (i = 0; i < addr->servers.nelts; i++) {
        if (server[i] == cscf) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_counters_advice_loopback(struct sockaddr *sa)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sa->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;

        return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr);
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) sa;

        return ntohl(sin->sin_addr.s_addr) >> 24 == 127;

    default: /* AF_UNIX */
        return 1;
    }
}


static ngx_module_t *
ngx_http_counters_advice_module(ngx_conf_t *cf, const char *name)
{
    ngx_uint_t  i;

    for (i = 0; cf->cycle->modules[i]; i++) {
        if (ngx_strcmp(cf->cycle->modules[i]->name, name) == 0) {
            return cf->cycle->modules[i];
        }
    }

    return NULL;
}


/* another module's in the location that is merged now, or NULL */

static void *
ngx_http_counters_advice_conf(ngx_conf_t *cf, const char *name)
{
    ngx_module_t         *module;
    ngx_http_conf_ctx_t  *ctx;

    module = ngx_http_counters_advice_module(cf, name);

    if (module == NULL) {
        return NULL;
    }

    ctx = cf->ctx;

    return ctx->loc_conf[module->ctx_index];
}
