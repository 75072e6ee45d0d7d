
/*
 * Copyright (C) The nginx counters module authors
 *
 * The "ca" directive.  curl reads the file only when it connects, and would
 * fail each call then: what it could not use is refused here.
 */


#include "ngx_http_counters_setters.h"
#include "ngx_http_counters_value.h"

#include <openssl/err.h>
#include <openssl/pem.h>


static ngx_uint_t ngx_http_counters_ca_certificates(BIO *bio);


char *
ngx_http_counters_ca_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_counters_block_t *block = conf;

    BIO              *bio;
    ngx_str_t        *value;
    ngx_uint_t        n;
    ngx_file_info_t   fi;

    value = cf->args->elts;

    if (value[1].len == 0) {
        return ngx_http_counters_value_invalid(cf, &value[1],
                                               "a file of certificates");
    }

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* to open a pipe could wait for ever */

    if (ngx_file_info(value[1].data, &fi) != NGX_FILE_ERROR
        && !ngx_is_file(&fi))
    {
        return ngx_http_counters_value_invalid(cf, &value[1],
                                               "a file of certificates");
    }

    bio = BIO_new_file((char *) value[1].data, "r");

    if (bio == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"ca\" directive: " ngx_open_file_n
                           " \"%V\" failed", &value[1]);
        ERR_clear_error();
        return NGX_CONF_ERROR;
    }

    n = ngx_http_counters_ca_certificates(bio);

    BIO_free(bio);

    if (n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ca\" directive: no certificate can be read "
                           "from \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    block->portal->fetch.ca = value[1];

    return NGX_CONF_OK;
}


/* as OpenSSL loads such a file: what is broken in it spoils all of it */

static ngx_uint_t
ngx_http_counters_ca_certificates(BIO *bio)
{
    int                   i;
    ngx_uint_t            n;
    STACK_OF(X509_INFO)  *infos;

    n = 0;
    infos = PEM_X509_INFO_read_bio(bio, NULL, NULL, (void *) "");

    for (i = 0; i < sk_X509_INFO_num(infos); i++) {
        n += (sk_X509_INFO_value(infos, i)->x509 != NULL);
    }

    sk_X509_INFO_pop_free(infos, X509_INFO_free);
    ERR_clear_error();

    return n;
}
