
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>


/* what the thread and the worker share; whoever is last frees it */

struct ngx_counters_resolve_s {
    ngx_atomic_t                  users;
    ngx_socket_t                  fd;         /* an eventfd: it is done */

    /* of the thread until then */
    ngx_uint_t                    naddrs;
    ngx_counters_resolve_addr_t   addrs[NGX_COUNTERS_RESOLVE_MAX];

    /* of the worker alone */
    ngx_connection_t             *connection;
    ngx_counters_resolve_pt       handler;
    void                         *data;

    u_char                        host[1];
};


static ngx_int_t ngx_counters_resolve_start(ngx_counters_resolve_t *rs,
    ngx_log_t *log);
static int ngx_counters_resolve_thread(ngx_counters_resolve_t *rs);
static void *ngx_counters_resolve_run(void *data);
static void ngx_counters_resolve_take(ngx_counters_resolve_t *rs,
    struct addrinfo *list, int family);
static void ngx_counters_resolve_handler(ngx_event_t *ev);
static void ngx_counters_resolve_detach(ngx_counters_resolve_t *rs);
static void ngx_counters_resolve_release(ngx_counters_resolve_t *rs);


ngx_counters_resolve_t *
ngx_counters_resolve(u_char *host, ngx_counters_resolve_pt handler,
    void *data, ngx_log_t *log)
{
    ngx_counters_resolve_t  *rs;

    rs = ngx_calloc(sizeof(ngx_counters_resolve_t)
                    + ngx_strlen(host), log);
    if (rs == NULL) {
        return NULL;
    }

    rs->users = 1;
    rs->handler = handler;
    rs->data = data;
    ngx_memcpy(rs->host, host, ngx_strlen(host) + 1);

    rs->fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

    if (rs->fd == (ngx_socket_t) -1) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno, "eventfd() failed");
        ngx_free(rs);
        return NULL;
    }

    if (ngx_counters_resolve_start(rs, log) != NGX_OK) {
        ngx_counters_resolve_cancel(rs);
        return NULL;
    }

    return rs;
}


static ngx_int_t
ngx_counters_resolve_start(ngx_counters_resolve_t *rs, ngx_log_t *log)
{
    int                err;
    ngx_connection_t  *c;

    c = ngx_get_connection(rs->fd, log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    rs->connection = c;

    c->data = rs;
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_counters_resolve_handler;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        return NGX_ERROR;
    }

    err = ngx_counters_resolve_thread(rs);

    if (err) {
        ngx_log_error(NGX_LOG_ERR, log, err,
                      "counters: no thread to look up \"%s\"", rs->host);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* nginx's signals are for its own thread */

static int
ngx_counters_resolve_thread(ngx_counters_resolve_t *rs)
{
    int             err;
    sigset_t        all, before;
    pthread_t       tid;
    pthread_attr_t  attr;

    err = pthread_attr_init(&attr);
    if (err) {
        return err;
    }

    (void) pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);

    sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);

    rs->users++;
    err = pthread_create(&tid, &attr, ngx_counters_resolve_run, rs);

    if (err) {
        rs->users--;
    }

    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void) pthread_attr_destroy(&attr);

    return err;
}


/* in the thread: nothing of nginx, not even its log */

static void *
ngx_counters_resolve_run(void *data)
{
    ngx_counters_resolve_t *rs = data;

    uint64_t          one;
    struct addrinfo   hints, *list;

    ngx_memzero(&hints, sizeof(struct addrinfo));

    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
#ifdef AI_ADDRCONFIG
    hints.ai_flags = AI_ADDRCONFIG;
#endif

    if (getaddrinfo((char *) rs->host, NULL, &hints, &list) == 0) {

        /* in the order of those that nginx finds when it starts */

        ngx_counters_resolve_take(rs, list, AF_INET);
        ngx_counters_resolve_take(rs, list, AF_INET6);

        freeaddrinfo(list);
    }

    /* the counter cannot be full */

    one = 1;
    (void) !write(rs->fd, &one, sizeof(one));

    ngx_counters_resolve_release(rs);

    return NULL;
}


static void
ngx_counters_resolve_take(ngx_counters_resolve_t *rs, struct addrinfo *list,
    int family)
{
    struct addrinfo              *ai;
    ngx_counters_resolve_addr_t  *addr;

    for (ai = list; ai; ai = ai->ai_next) {

        if (ai->ai_family != family
            || rs->naddrs == NGX_COUNTERS_RESOLVE_MAX)
        {
            continue;
        }

        addr = &rs->addrs[rs->naddrs++];
        addr->socklen = ai->ai_addrlen;
        ngx_memcpy(&addr->sockaddr, ai->ai_addr, ai->ai_addrlen);
    }
}


static void
ngx_counters_resolve_handler(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_counters_resolve_t  *rs;

    c = ev->data;
    rs = c->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters resolved \"%s\": %ui addresses",
                   rs->host, rs->naddrs);

    ngx_counters_resolve_detach(rs);

    rs->handler(rs->data, rs->addrs, rs->naddrs);

    ngx_counters_resolve_release(rs);
}


void
ngx_counters_resolve_cancel(ngx_counters_resolve_t *rs)
{
    ngx_counters_resolve_detach(rs);
    ngx_counters_resolve_release(rs);
}


static void
ngx_counters_resolve_detach(ngx_counters_resolve_t *rs)
{
    ngx_connection_t  *c;

    c = rs->connection;

    if (c == NULL) {
        return;
    }

    rs->connection = NULL;

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
}


static void
ngx_counters_resolve_release(ngx_counters_resolve_t *rs)
{
    if (ngx_atomic_fetch_add(&rs->users, -1) == 1) {
        (void) close(rs->fd);
        ngx_free(rs);
    }
}
