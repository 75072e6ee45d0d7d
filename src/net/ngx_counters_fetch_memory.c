
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <curl/curl.h>
#include <malloc.h>

#include "ngx_counters_fetch_memory.h"


static void ngx_counters_fetch_memory_free(void *p);
static void *ngx_counters_fetch_memory_realloc(void *p, size_t size);


/* may be called by curl's own threads, which look names up */

ngx_int_t
ngx_counters_fetch_memory_init(void)
{
    return (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc,
                                 ngx_counters_fetch_memory_free,
                                 ngx_counters_fetch_memory_realloc, strdup,
                                 calloc)
            == CURLE_OK)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_counters_fetch_memory_free(void *p)
{
    if (p) {
        ngx_explicit_memzero(p, malloc_usable_size(p));
        free(p);
    }
}


/* never where it is: realloc() would leave what it moves as it was */

static void *
ngx_counters_fetch_memory_realloc(void *p, size_t size)
{
    void    *new;
    size_t   old;

    if (p == NULL) {
        return malloc(size);
    }

    old = malloc_usable_size(p);

    if (size && size <= old && size > old / 2) {
        return p;
    }

    new = malloc(size);
    if (new == NULL) {
        return NULL;
    }

    ngx_memcpy(new, p, ngx_min(old, size));
    ngx_counters_fetch_memory_free(p);

    return new;
}
