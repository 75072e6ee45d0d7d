
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_tls.h"


#if (NGX_COUNTERS_HIREDIS_SSL)

#include <hiredis/hiredis_ssl.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>


static char *ngx_counters_redis_tls_files(SSL_CTX *ctx,
    ngx_counters_redis_tls_t *tls);
static int ngx_counters_redis_tls_name(SSL *ssl, ngx_counters_redis_tls_t *tls);
static int ngx_counters_redis_tls_is_address(ngx_str_t *name);
static void ngx_counters_redis_tls_cleanup(void *data);


char *
ngx_counters_redis_tls_init(ngx_pool_t *pool, ngx_counters_redis_tls_t *tls)
{
    char                *rv;
    SSL_CTX             *ctx;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return "has no memory for TLS";
    }

    ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) {
        return "has no memory for TLS";
    }

    cln->handler = ngx_counters_redis_tls_cleanup;
    cln->data = ctx;

    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx, tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       NULL);

    rv = ngx_counters_redis_tls_files(ctx, tls);

    ERR_clear_error();

    tls->ctx = ctx;

    return rv;
}


static char *
ngx_counters_redis_tls_files(SSL_CTX *ctx, ngx_counters_redis_tls_t *tls)
{
    if (tls->ca.len) {
        if (!SSL_CTX_load_verify_locations(ctx, (char *) tls->ca.data, NULL)) {
            return "has a \"ca\" that is no readable file of certificates";
        }

    } else if (!SSL_CTX_set_default_verify_paths(ctx)) {
        return "has no \"ca\", and the system has no certificates";
    }

    if (tls->cert.len == 0) {
        return NULL;
    }

    if (!SSL_CTX_use_certificate_chain_file(ctx, (char *) tls->cert.data)) {
        return "has a \"cert\" that is no readable certificate";
    }

    if (!SSL_CTX_use_PrivateKey_file(ctx, (char *) tls->key.data,
                                     SSL_FILETYPE_PEM))
    {
        return "has a \"key\" that is no readable key of its \"cert\"";
    }

    return NULL;
}


static void
ngx_counters_redis_tls_cleanup(void *data)
{
    SSL_CTX_free(data);
}


const char *
ngx_counters_redis_tls_start(redisContext *c, ngx_counters_redis_tls_t *tls)
{
    SSL  *ssl;

    ERR_clear_error();

    ssl = SSL_new(tls->ctx);
    if (ssl == NULL) {
        return "no memory for TLS";
    }

    if (!ngx_counters_redis_tls_name(ssl, tls)
        || redisInitiateSSL(c, ssl) != REDIS_OK)
    {
        SSL_free(ssl);
        ERR_clear_error();

        return c->err ? c->errstr : "no memory for TLS";
    }

    /* the handshake goes on when the socket may be written to */

    ERR_clear_error();

    return NULL;
}


/* hiredis itself would verify whose certificate it is of nobody */

static int
ngx_counters_redis_tls_name(SSL *ssl, ngx_counters_redis_tls_t *tls)
{
    char  *name;

    name = (char *) tls->name.data;

    if (ngx_counters_redis_tls_is_address(&tls->name)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    }

    return SSL_set_tlsext_host_name(ssl, name)
           && X509_VERIFY_PARAM_set1_host(SSL_get0_param(ssl), name, 0);
}


static int
ngx_counters_redis_tls_is_address(ngx_str_t *name)
{
    u_char  addr[16];

    return ngx_inet_addr(name->data, name->len) != INADDR_NONE
#if (NGX_HAVE_INET6)
           || ngx_inet6_addr(name->data, name->len, addr) == NGX_OK
#endif
           ;
}


const char *
ngx_counters_redis_tls_error(void)
{
    return ERR_reason_error_string(ERR_peek_last_error());
}


void
ngx_counters_redis_tls_clear(void)
{
    ERR_clear_error();
}


#else


/* nginx -t has refused what would lead here */

char *
ngx_counters_redis_tls_init(ngx_pool_t *pool, ngx_counters_redis_tls_t *tls)
{
    return "cannot use rediss://, TLS is not supported by the hiredis this "
           "module was built with; run a TLS client such as stunnel and name "
           "its socket as unix:/path";
}


const char *
ngx_counters_redis_tls_start(redisContext *c, ngx_counters_redis_tls_t *tls)
{
    return "TLS is not supported";
}


const char *
ngx_counters_redis_tls_error(void)
{
    return NULL;
}


void
ngx_counters_redis_tls_clear(void)
{
    /* void */
}


#endif
