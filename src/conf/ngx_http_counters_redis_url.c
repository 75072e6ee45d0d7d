
/*
 * Copyright (C) The nginx counters module authors
 *
 * The "redis" directive.  Its URL may carry a password, so none of its
 * errors quotes it.
 */


#include "ngx_http_counters_setters.h"
#include "ngx_http_counters_source.h"
#include "ngx_http_counters_value.h"
#include "ngx_counters_redis_tls.h"


#define NGX_HTTP_COUNTERS_REDIS_PORT        6379
#define NGX_HTTP_COUNTERS_SENTINEL_PORT     26379
#define NGX_HTTP_COUNTERS_REDIS_DB_MAX      65535


static char *ngx_http_counters_redis_url_parameter(ngx_conf_t *cf,
    ngx_str_t *arg, ngx_uint_t tls, ngx_counters_redis_conf_t *rcf);
static char *ngx_http_counters_redis_url_tls_parameter(ngx_conf_t *cf,
    ngx_str_t *arg, ngx_counters_redis_tls_t *tls);
static char *ngx_http_counters_redis_url_tls(ngx_conf_t *cf,
    ngx_counters_redis_conf_t *rcf);
static char *ngx_http_counters_redis_url_prefix(ngx_conf_t *cf,
    ngx_str_t *value, ngx_counters_redis_conf_t *rcf);
static char *ngx_http_counters_redis_url_password(ngx_conf_t *cf,
    ngx_str_t *source, ngx_counters_redis_conf_t *rcf);
static char *ngx_http_counters_redis_url_tcp(ngx_conf_t *cf, ngx_str_t *text,
    size_t scheme, ngx_counters_redis_conf_t *rcf);
static char *ngx_http_counters_redis_url_sentinel(ngx_conf_t *cf,
    ngx_str_t *text, ngx_counters_redis_conf_t *rcf);
static char *ngx_http_counters_redis_url_unix(ngx_conf_t *cf, ngx_str_t *text,
    ngx_counters_redis_conf_t *rcf);
static ngx_int_t ngx_http_counters_redis_url_user(u_char *p, u_char *last,
    ngx_counters_redis_conf_t *rcf);
static ngx_int_t ngx_http_counters_redis_url_unescape(ngx_str_t *s);
static ngx_int_t ngx_http_counters_redis_url_db(u_char *p, u_char *last,
    ngx_counters_redis_conf_t *rcf);
static char *ngx_http_counters_redis_url_resolve(ngx_conf_t *cf,
    ngx_str_t *addr, ngx_counters_redis_conf_t *rcf);


static ngx_conf_num_bounds_t  ngx_http_counters_redis_url_timeout = {
    NULL, 1, 60 * 1000
};


char *
ngx_http_counters_redis_url_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    char                       *rv;
    ngx_str_t                  *value;
    ngx_uint_t                  i, tls;
    ngx_counters_redis_conf_t  *rcf;

    value = cf->args->elts;

    rcf = ngx_pcalloc(cf->pool, sizeof(ngx_counters_redis_conf_t));
    if (rcf == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_str_set(&rcf->prefix, "b24:");
    rcf->timeout = 50;
    rcf->tls.verify = 1;
    tls = 0;

    if (ngx_strncasecmp(value[1].data, (u_char *) "redis://", 8) == 0) {
        rv = ngx_http_counters_redis_url_tcp(cf, &value[1], 8, rcf);

    } else if (ngx_strncasecmp(value[1].data, (u_char *) "rediss://", 9) == 0)
    {
        tls = 1;
        rv = ngx_http_counters_redis_url_tcp(cf, &value[1], 9, rcf);

    } else if (ngx_strncasecmp(value[1].data, (u_char *) "sentinel://", 11)
               == 0)
    {
        rv = ngx_http_counters_redis_url_sentinel(cf, &value[1], rcf);

    } else if (ngx_strncmp(value[1].data, "unix:", 5) == 0) {
        rv = ngx_http_counters_redis_url_unix(cf, &value[1], rcf);

    } else {
        return "must begin with redis://HOST, rediss://HOST, "
               "sentinel://HOST or unix:/PATH";
    }

    for (i = 2; rv == NGX_CONF_OK && i < cf->args->nelts; i++) {
        rv = ngx_http_counters_value_parameter_once(cf, i);

        if (rv == NGX_CONF_OK) {
            rv = ngx_http_counters_redis_url_parameter(cf, &value[i], tls, rcf);
        }
    }

    if (rv == NGX_CONF_OK && tls) {
        rv = ngx_http_counters_redis_url_tls(cf, rcf);
    }

    if (rv == NGX_CONF_OK && rcf->user.len && rcf->password.len == 0) {
        return "has a user without a password";
    }

    block->portal->redis = rcf;

    return rv;
}


static char *
ngx_http_counters_redis_url_parameter(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_uint_t tls, ngx_counters_redis_conf_t *rcf)
{
    char       *rv;
    ngx_str_t   s;

    if (ngx_http_counters_value_parameter(arg, "prefix=", &s)) {
        return ngx_http_counters_redis_url_prefix(cf, &s, rcf);
    }

    if (ngx_http_counters_value_parameter(arg, "timeout=", &s)) {
        return ngx_http_counters_value_time(cf, &s,
                                           &ngx_http_counters_redis_url_timeout,
                                            &rcf->timeout);
    }

    if (ngx_http_counters_value_parameter(arg, "password=", &s)) {
        return ngx_http_counters_redis_url_password(cf, &s, rcf);
    }

    if (ngx_http_counters_value_parameter(arg, "sentinel_password=", &s)) {
        return rcf->master.len
               ? ngx_http_counters_source(cf, &s, &rcf->sentinel_password)
               : "has a \"sentinel_password\", which needs sentinel://";
    }

    rv = ngx_http_counters_redis_url_tls_parameter(cf, arg, &rcf->tls);

    if (rv != NGX_CONF_ERROR) {
        return (rv == NGX_CONF_OK && !tls)
               ? "has a parameter of TLS, which needs rediss://" : rv;
    }

    if (ngx_strncasecmp(arg->data, (u_char *) "redis://", 8) == 0
        || ngx_strncasecmp(arg->data, (u_char *) "rediss://", 9) == 0
        || ngx_strncmp(arg->data, "unix:", 5) == 0)
    {
        return "takes one URL, Redis Cluster is not supported yet";
    }

    return "has an invalid parameter, the known ones are \"prefix=\", "
           "\"timeout=\", \"password=\", with sentinel:// "
           "\"sentinel_password=\", and with rediss:// \"ca=\", "
           "\"cert=\", \"key=\", \"verify=\" and \"sni=\"";
}


/* NGX_CONF_ERROR: not one of these */

static char *
ngx_http_counters_redis_url_tls_parameter(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_counters_redis_tls_t *tls)
{
    ngx_str_t  s, *file;

    if (ngx_http_counters_value_parameter(arg, "verify=", &s)) {

        if (s.len == 3 && ngx_strncmp(s.data, "off", 3) == 0) {
            tls->verify = 0;
            return NGX_CONF_OK;
        }

        return (s.len == 2 && ngx_strncmp(s.data, "on", 2) == 0)
               ? NGX_CONF_OK : "has a \"verify\" that is neither on nor off";
    }

    if (ngx_http_counters_value_parameter(arg, "sni=", &s)) {
        tls->name = s;
        return s.len ? NGX_CONF_OK : "has an empty \"sni\"";
    }

    if (ngx_http_counters_value_parameter(arg, "ca=", &s)) {
        file = &tls->ca;

    } else if (ngx_http_counters_value_parameter(arg, "cert=", &s)) {
        file = &tls->cert;

    } else if (ngx_http_counters_value_parameter(arg, "key=", &s)) {
        file = &tls->key;

    } else {
        return NGX_CONF_ERROR;
    }

    if (s.len == 0 || ngx_conf_full_name(cf->cycle, &s, 1) != NGX_OK) {
        return "has an empty file name";
    }

    *file = s;

    return NGX_CONF_OK;
}


/* whom to expect is the host of the URL, unless "sni" says otherwise */

static char *
ngx_http_counters_redis_url_tls(ngx_conf_t *cf, ngx_counters_redis_conf_t *rcf)
{
    char  *rv;

    if ((rcf->tls.cert.len == 0) != (rcf->tls.key.len == 0)) {
        return "needs \"cert\" and \"key\", or neither";
    }

    if (rcf->tls.name.len == 0) {
        rcf->tls.name = rcf->peer;
    }

    rv = ngx_counters_redis_tls_init(cf->pool, &rcf->tls);

    return rv ? rv : NGX_CONF_OK;
}


/* braces would choose a Cluster slot, others need quoting in tools */

static char *
ngx_http_counters_redis_url_prefix(ngx_conf_t *cf, ngx_str_t *value,
    ngx_counters_redis_conf_t *rcf)
{
    size_t  i;
    u_char  ch;

    if (value->len > NGX_COUNTERS_REDIS_MAX_PREFIX) {
        return "has a prefix that is too long";
    }

    for (i = 0; i < value->len; i++) {
        ch = value->data[i];

        if (ch <= 0x20 || ch >= 0x7f || ch == '{' || ch == '}') {
            return "has a prefix with spaces, braces, control or non-ASCII "
                   "characters";
        }
    }

    rcf->prefix = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_counters_redis_url_password(ngx_conf_t *cf, ngx_str_t *source,
    ngx_counters_redis_conf_t *rcf)
{
    if (rcf->password.len) {
        return "has two passwords";
    }

    return ngx_http_counters_source(cf, source, &rcf->password);
}


/* redis://[user:password@]host[:port][/db], "scheme" its first bytes */

static char *
ngx_http_counters_redis_url_tcp(ngx_conf_t *cf, ngx_str_t *text, size_t scheme,
    ngx_counters_redis_conf_t *rcf)
{
    u_char     *p, *last, *end, *at, *db;
    ngx_str_t   addr;

    p = text->data + scheme;
    last = text->data + text->len;

    end = ngx_strlchr(p, last, '/');
    db = end ? end + 1 : last;

    if (end == NULL) {
        end = last;
    }

    for (at = end; at > p && at[-1] != '@'; at--) { /* void */ }

    if (at > p && ngx_http_counters_redis_url_user(p, at - 1, rcf) != NGX_OK) {
        return "has an invalid user or password in its URL";
    }

    if (ngx_http_counters_redis_url_db(db, last, rcf) != NGX_OK) {
        return "has an invalid database number in its URL";
    }

    addr.len = end - at;
    addr.data = at;

    if (ngx_strncasecmp(at, (u_char *) "unix:", 5) == 0) {
        return "has an invalid host in its URL";
    }

    rcf->url.data = ngx_pnalloc(cf->pool, scheme + 1 + addr.len
                                          + NGX_INT_T_LEN);
    if (rcf->url.data == NULL) {
        return NGX_CONF_ERROR;
    }

    rcf->url.len = ngx_sprintf(rcf->url.data, "%*s%V/%ui", scheme, text->data,
                               &addr, rcf->db)
                   - rcf->url.data;

    return ngx_http_counters_redis_url_resolve(cf, &addr, rcf);
}


/* sentinel://host[:port][,host[:port]...]/NAME[/db] */

static char *
ngx_http_counters_redis_url_sentinel(ngx_conf_t *cf, ngx_str_t *text,
    ngx_counters_redis_conf_t *rcf)
{
    u_char       *p, *last, *end, *slash, *comma;
    ngx_url_t     u;
    ngx_uint_t    i;
    ngx_array_t   addrs;
    ngx_addr_t   *addr;

    p = text->data + sizeof("sentinel://") - 1;
    last = text->data + text->len;
    end = ngx_strlchr(p, last, '/');

    if (end == NULL || ngx_strlchr(p, last, '@')) {
        return "needs sentinel://HOST[:PORT][,...]/NAME, and the password "
               "apart";
    }

    slash = ngx_strlchr(end + 1, last, '/');

    rcf->master.data = end + 1;
    rcf->master.len = (slash ? slash : last) - rcf->master.data;

    if (rcf->master.len == 0) {
        return "needs the name of a primary after its sentinels";
    }

    if (ngx_http_counters_redis_url_db(slash ? slash + 1 : last, last, rcf)
        != NGX_OK)
    {
        return "has an invalid database number in its URL";
    }

    if (ngx_array_init(&addrs, cf->pool, 3, sizeof(ngx_addr_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for ( ;; ) {
        comma = ngx_strlchr(p, end, ',');

        ngx_memzero(&u, sizeof(ngx_url_t));

        u.url.data = p;
        u.url.len = (comma ? comma : end) - p;
        u.default_port = NGX_HTTP_COUNTERS_SENTINEL_PORT;

        if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.family == AF_UNIX) {
            return "has a sentinel that cannot be found";
        }

        for (i = 0; i < u.naddrs; i++) {
            addr = ngx_array_push(&addrs);
            if (addr == NULL) {
                return NGX_CONF_ERROR;
            }

            *addr = u.addrs[i];
        }

        if (comma == NULL) {
            break;
        }

        p = comma + 1;
    }

    rcf->url = *text;
    rcf->addrs = addrs.elts;
    rcf->naddrs = addrs.nelts;

    return NGX_CONF_OK;
}


/* unix:/path[?db=N] */

static char *
ngx_http_counters_redis_url_unix(ngx_conf_t *cf, ngx_str_t *text,
    ngx_counters_redis_conf_t *rcf)
{
    u_char     *last, *args;
    ngx_str_t   addr;

    last = text->data + text->len;

    if (text->len < 7 || text->data[5] != '/') {
        return "needs an absolute path after unix:";
    }

    args = ngx_strlchr(text->data, last, '?');

    addr.len = (args ? args : last) - text->data;
    addr.data = text->data;

    if (args) {
        args++;

        if (last - args < 4
            || ngx_strncmp(args, "db=", 3) != 0
            || ngx_http_counters_redis_url_db(args + 3, last, rcf) != NGX_OK)
        {
            return "has an invalid database number in its URL";
        }
    }

    rcf->url = *text;

    return ngx_http_counters_redis_url_resolve(cf, &addr, rcf);
}


/* [user][:password], decoded where they stand, so that there is no copy */

static ngx_int_t
ngx_http_counters_redis_url_user(u_char *p, u_char *last,
    ngx_counters_redis_conf_t *rcf)
{
    u_char  *colon;

    colon = ngx_strlchr(p, last, ':');

    rcf->user.len = (colon ? colon : last) - p;
    rcf->user.data = p;

    if (ngx_http_counters_redis_url_unescape(&rcf->user) != NGX_OK) {
        return NGX_ERROR;
    }

    if (colon == NULL) {
        return NGX_OK;
    }

    rcf->password.len = last - (colon + 1);
    rcf->password.data = colon + 1;

    if (ngx_http_counters_redis_url_unescape(&rcf->password) != NGX_OK) {
        return NGX_ERROR;
    }

    return rcf->password.len ? NGX_OK : NGX_ERROR;
}


/* wipes what is left over, and the delimiter, which ends the string */

static ngx_int_t
ngx_http_counters_redis_url_unescape(ngx_str_t *s)
{
    u_char     *p, *last, *d;
    ngx_int_t   n;

    d = s->data;
    last = s->data + s->len;

    for (p = s->data; p < last; p++) {

        if (*p != '%') {
            *d++ = *p;
            continue;
        }

        if (last - p < 3) {
            return NGX_ERROR;
        }

        n = ngx_hextoi(p + 1, 2);

        if (n == NGX_ERROR || n == 0) {
            return NGX_ERROR;
        }

        *d++ = (u_char) n;
        p += 2;
    }

    s->len = d - s->data;

    ngx_explicit_memzero(d, last + 1 - d);

    return NGX_OK;
}


static ngx_int_t
ngx_http_counters_redis_url_db(u_char *p, u_char *last,
    ngx_counters_redis_conf_t *rcf)
{
    ngx_int_t  n;

    if (p == last) {
        return NGX_OK;
    }

    n = ngx_atoi(p, last - p);

    if (n == NGX_ERROR || n > NGX_HTTP_COUNTERS_REDIS_DB_MAX) {
        return NGX_ERROR;
    }

    rcf->db = n;

    return NGX_OK;
}


/*
 * Now, so that the first connection waits for no name server.  What is no
 * address but a name is looked up again when a connection fails.
 */

static char *
ngx_http_counters_redis_url_resolve(ngx_conf_t *cf, ngx_str_t *addr,
    ngx_counters_redis_conf_t *rcf)
{
    ngx_url_t   u;
    ngx_uint_t  named;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *addr;
    u.default_port = NGX_HTTP_COUNTERS_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {

        if (u.err == NULL) {
            return NGX_CONF_ERROR;
        }

        /* what is no name at all may be part of a password */

        if (ngx_strcmp(u.err, "host not found") == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%s in \"redis\" directive: \"%V\"",
                               u.err, &u.host);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%s in \"redis\" directive", u.err);
        }

        return NGX_CONF_ERROR;
    }

    rcf->addrs = u.addrs;
    rcf->naddrs = u.naddrs;

    if (u.family == AF_UNIX) {
        return NGX_CONF_OK;
    }

    if (u.host.data[0] == '[') {
        u.host.data++;
        u.host.len -= 2;
        named = 0;

    } else {
        named = (ngx_inet_addr(u.host.data, u.host.len) == INADDR_NONE);
    }

    rcf->peer.len = u.host.len;
    rcf->peer.data = ngx_pnalloc(cf->pool, u.host.len + 1);
    if (rcf->peer.data == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) ngx_cpystrn(rcf->peer.data, u.host.data, u.host.len + 1);

    if (named) {
        rcf->host = rcf->peer;
    }

    return NGX_CONF_OK;
}
