
/*
 * Copyright (C) The nginx counters module authors
 *
 * A module of nginx that is nothing but tests: the directive "counters_test"
 * runs a suite, prints TAP and ends the process while the configuration is
 * still being read.
 */


#include "zone_test.h"


static char *ngx_counters_test(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


typedef struct {
    const char  *name;
    int        (*run)(void);
} ngx_counters_suite_t;


static ngx_counters_suite_t  ngx_counters_suites[] = {
    { "zone", test_zone },
    { "evict", test_evict },
    { "refusal", test_refusal },
    { "lease", test_lease },
    { "dispatch", test_dispatch },
    { "quota", test_quota },
    { "ahead", test_ahead },
    { "crash", test_crash },
    { "pace", test_pace },
    { "fair", test_fair },
    { "creds", test_creds },
    { "model", test_model },
    { NULL, NULL }
};


static ngx_command_t  ngx_counters_test_commands[] = {

    { ngx_string("counters_test"),
      NGX_MAIN_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_counters_test,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_core_module_t  ngx_counters_test_module_ctx = {
    ngx_string("counters_test"),
    NULL,
    NULL
};


ngx_module_t  ngx_counters_test_module = {
    NGX_MODULE_V1,
    &ngx_counters_test_module_ctx,         /* module context */
    ngx_counters_test_commands,            /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* what load_module looks for */

ngx_module_t  *ngx_modules[] = { &ngx_counters_test_module, NULL };
char          *ngx_module_names[] = { "ngx_counters_test_module", NULL };
char          *ngx_module_order[] = { NULL };


static char *
ngx_counters_test(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t             *value;
    ngx_counters_suite_t  *suite;

    value = cf->args->elts;
    test_pool = cf->temp_pool;

    for (suite = ngx_counters_suites; suite->name; suite++) {

        if (ngx_strcmp(value[1].data, suite->name) == 0) {
            exit(suite->run());
        }
    }

    return "names no suite of tests";
}
