
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_redis_link.h"
#include "ngx_counters_redis_tls.h"


#define NGX_COUNTERS_REDIS_BACKOFF      100     /* msec */
#define NGX_COUNTERS_REDIS_MAX_BACKOFF  5000
#define NGX_COUNTERS_REDIS_STABLE       1000    /* lost later: not flapping */
#define NGX_COUNTERS_REDIS_PING         10000

#define NGX_COUNTERS_REDIS_SLICES       4       /* of the handshake's time */


static void ngx_counters_redis_link_tell(ngx_counters_redis_link_t *link,
    ngx_uint_t ready);
static void ngx_counters_redis_link_connect(ngx_counters_redis_link_t *link);
static void ngx_counters_redis_link_slice(ngx_counters_redis_link_t *link);
static void ngx_counters_redis_link_locate(ngx_counters_redis_link_t *link);
static void ngx_counters_redis_link_located(void *data,
    ngx_counters_resolve_addr_t *addr, const char *reason);
static void ngx_counters_redis_link_closed_handler(void *data,
    const char *reason);
static void ngx_counters_redis_link_down(ngx_counters_redis_link_t *link);
static ngx_msec_t ngx_counters_redis_link_backoff(
    ngx_counters_redis_link_t *link);
static void ngx_counters_redis_link_log_down(ngx_counters_redis_link_t *link);
static void ngx_counters_redis_link_resolve(ngx_counters_redis_link_t *link);
static void ngx_counters_redis_link_resolved(void *data,
    ngx_counters_resolve_addr_t *addrs, ngx_uint_t naddrs);
static void ngx_counters_redis_link_timer_handler(ngx_event_t *ev);
static void ngx_counters_redis_link_watch(ngx_counters_redis_link_t *link);


/*
 * What a node says that cannot serve: a replica, one that starts or is stuck,
 * one that wants us to authenticate anew.
 */

static ngx_str_t  ngx_counters_redis_link_unfits[] = {
    ngx_string("READONLY"),
    ngx_string("MASTERDOWN"),
    ngx_string("LOADING"),
    ngx_string("BUSY"),
    ngx_string("CLUSTERDOWN"),
    ngx_string("NOAUTH"),
    ngx_null_string
};


ngx_counters_redis_link_t *
ngx_counters_redis_link_open(ngx_counters_redis_links_t *links,
    ngx_counters_redis_conf_t *conf, ngx_counters_redis_use_t *use,
    ngx_log_t *log)
{
    ngx_uint_t                  i;
    ngx_counters_redis_link_t  *link;

    link = ngx_calloc(sizeof(ngx_counters_redis_link_t), log);
    if (link == NULL) {
        return NULL;
    }

    link->ident = (ngx_socket_t) -1;
    link->links = links;
    link->use = use;
    link->conf = conf;
    link->early = 1;

    /* the addresses of sentinels are not the node's, which has one */

    link->naddrs = conf->master.len ? 1
                   : ngx_min(conf->naddrs, NGX_COUNTERS_RESOLVE_MAX);

    for (i = 0; i < link->naddrs; i++) {
        link->addrs[i].socklen = conf->addrs[i].socklen;
        ngx_memcpy(&link->addrs[i].sockaddr, conf->addrs[i].sockaddr,
                   conf->addrs[i].socklen);

        /* as the resolver gives them */

        if (conf->host.len) {
            ngx_inet_set_port(&link->addrs[i].sockaddr.sockaddr, 0);
        }
    }

    link->event.secure = (conf->tls.ctx != NULL);
    link->event.closed = ngx_counters_redis_link_closed_handler;
    link->event.data = link;

    link->timer.handler = ngx_counters_redis_link_timer_handler;
    link->timer.data = link;
    link->timer.log = log;
    link->timer.cancelable = 1;

    ngx_queue_init(&link->users);
    ngx_queue_insert_tail(&links->queue, &link->queue);

    /* connects in the event loop, where the time is right */

    ngx_add_timer(&link->timer, 1);

    return link;
}


void
ngx_counters_redis_link_close(ngx_counters_redis_link_t *link)
{
    if (link->event.ac) {
        ngx_counters_redis_link_drop(link, "closed");
    }

    if (link->resolve) {
        ngx_counters_resolve_cancel(link->resolve);
    }

    if (link->sentinel) {
        ngx_counters_redis_sentinel_cancel(link->sentinel);
    }

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    ngx_queue_remove(&link->queue);
    ngx_counters_redis_wire_redis_buf_free(&link->buf);
    ngx_free(link);
}


static void
ngx_counters_redis_link_tell(ngx_counters_redis_link_t *link,
    ngx_uint_t ready)
{
    ngx_queue_t                *q;
    ngx_counters_redis_user_t  *user;

    for (q = ngx_queue_head(&link->users);
         q != ngx_queue_sentinel(&link->users);
         q = ngx_queue_next(q))
    {
        user = ngx_queue_data(q, ngx_counters_redis_user_t, queue);

        if (!ready) {
            user->down(user->data);
            continue;
        }

        /* one of them may have found that it is gone again */

        if (link->state == NGX_COUNTERS_REDIS_READY) {
            user->ready(user->data);
        }
    }
}


ngx_int_t
ngx_counters_redis_link_send(ngx_counters_redis_link_t *link,
    redisCallbackFn *handler, void *data, ngx_str_t *args, ngx_uint_t nargs)
{
    size_t   len;
    u_char  *p;

    p = ngx_counters_redis_wire(&link->buf, args, nargs, &len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (redisAsyncFormattedCommand(link->event.ac, handler, data, (char *) p,
                                   len)
        != REDIS_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_counters_redis_link_drop(ngx_counters_redis_link_t *link,
    const char *reason)
{
    if (link->state == NGX_COUNTERS_REDIS_CLOSING) {
        return;
    }

    link->state = NGX_COUNTERS_REDIS_CLOSING;
    ngx_counters_redis_wire_redis_text(link->reason, reason,
                                       &link->conf->password);

    redisAsyncFree(link->event.ac);
}


void
ngx_counters_redis_link_lost(ngx_counters_redis_link_t *link)
{
    link->state = NGX_COUNTERS_REDIS_CLOSING;
}


ngx_uint_t
ngx_counters_redis_link_unfit(const char *text)
{
    size_t      len;
    ngx_uint_t  i;

    len = strcspn(text, " ");

    for (i = 0; ngx_counters_redis_link_unfits[i].len; i++) {
        if (len == ngx_counters_redis_link_unfits[i].len
            && ngx_strncmp(text, ngx_counters_redis_link_unfits[i].data,
                           len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_counters_redis_link_connect(ngx_counters_redis_link_t *link)
{
    in_port_t                     port;
    const char                   *reason;
    redisAsyncContext            *ac;
    ngx_counters_resolve_addr_t  *addr;

    link->ready = 0;
    link->pinged = 0;
    link->timeouts = 0;

    addr = &link->addrs[link->addr];

    /* the resolver knows no ports */

    port = ngx_inet_get_port(link->conf->host.len
                             ? link->conf->addrs[0].sockaddr
                             : &addr->sockaddr.sockaddr);

    ac = ngx_counters_redis_event_connect(&addr->sockaddr.sockaddr,
                                          addr->socklen, port);

    if (ac == NULL) {
        reason = "no memory";
        goto failed;
    }

    if (ac->err) {
        reason = ac->errstr;
        goto failed;
    }

    if (link->conf->tls.ctx) {
        reason = ngx_counters_redis_tls_start(&ac->c, &link->conf->tls);

        if (reason) {
            goto failed;
        }
    }

    if (ngx_counters_redis_event_attach(&link->event, ac, ngx_cycle->log)
        != NGX_OK)
    {
        reason = "no free connection";
        goto failed;
    }

    ac->data = link;
    link->state = NGX_COUNTERS_REDIS_HANDSHAKE;
    link->slices = NGX_COUNTERS_REDIS_SLICES;

    ngx_counters_redis_link_slice(link);

    if (link->use->hello(link) != NGX_OK) {
        ngx_counters_redis_link_drop(link, "no memory");
    }

    return;

failed:

    ngx_counters_redis_wire_redis_text(link->reason, reason,
                                       &link->conf->password);

    if (ac) {
        redisAsyncFree(ac);
    }

    ngx_counters_redis_link_down(link);
}


/*
 * A handshake takes a few iterations of the event loop, and under load these
 * alone may last longer than the timeout: each counts as a slice of it only.
 */

static void
ngx_counters_redis_link_slice(ngx_counters_redis_link_t *link)
{
    link->slices--;

    ngx_add_timer(&link->timer,
                  link->timeout / NGX_COUNTERS_REDIS_SLICES + 1);
}


void
ngx_counters_redis_link_opened(ngx_counters_redis_link_t *link,
    const char *reason)
{
    if (reason) {
        ngx_counters_redis_link_drop(link, reason);
        return;
    }

    link->state = NGX_COUNTERS_REDIS_READY;
    link->ready = 1;
    link->early = 0;
    link->since = ngx_current_msec;

    ngx_add_timer(&link->timer, NGX_COUNTERS_REDIS_PING);

    if (link->down) {
        link->down = 0;
        link->reported[0] = '\0';

        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "counters: redis %V is back", &link->conf->url);
    }

    ngx_counters_redis_link_tell(link, 1);
}


static void
ngx_counters_redis_link_closed_handler(void *data, const char *reason)
{
    ngx_counters_redis_link_t  *link;

    link = data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, ngx_cycle->log, 0,
                   "counters redis closed handler: %s",
                   reason ? reason : "dropped");

    if (reason) {
        ngx_counters_redis_wire_redis_text(link->reason, reason,
                                           &link->conf->password);
    }

    ngx_counters_redis_link_down(link);
}


static void
ngx_counters_redis_link_down(ngx_counters_redis_link_t *link)
{
    link->state = NGX_COUNTERS_REDIS_DOWN;

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    if (!link->ready) {
        link->addr = (link->addr + 1) % link->naddrs;

    } else if (ngx_current_msec - link->since >= NGX_COUNTERS_REDIS_STABLE) {
        link->failures = 0;
    }

    ngx_counters_redis_link_log_down(link);

    ngx_add_timer(&link->timer, ngx_counters_redis_link_backoff(link));

    link->failures++;

    /* a primary that was replaced, a service that has moved */

    ngx_counters_redis_link_resolve(link);

    if (link->ready || link->addr == 0) {
        link->early = 0;
        ngx_counters_redis_link_tell(link, 0);
    }
}


/* a step is a round through all addresses, of which the first makes haste */

static ngx_msec_t
ngx_counters_redis_link_backoff(ngx_counters_redis_link_t *link)
{
    ngx_msec_t  delay;
    ngx_uint_t  n;

    if (link->early && link->addr != 0) {
        return 1;
    }

    n = ngx_min(link->failures / link->naddrs, 10);
    delay = ngx_min(NGX_COUNTERS_REDIS_BACKOFF << n,
                    NGX_COUNTERS_REDIS_MAX_BACKOFF);

    return delay - ngx_random() % (delay / 2);
}


static void
ngx_counters_redis_link_log_down(ngx_counters_redis_link_t *link)
{
    if (link->ready) {
        link->down = 1;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "counters: redis %V lost: %s",
                      &link->conf->url, link->reason);
        return;
    }

    /* no news: one address of several, the same again */

    if (link->failures + 1 < link->naddrs
        || link->logged == ngx_time()
        || ngx_strcmp(link->reason, link->reported) == 0)
    {
        return;
    }

    link->down = 1;
    link->logged = ngx_time();
    ngx_cpystrn(link->reported, link->reason, sizeof(link->reported));

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "counters: redis %V is not available: %s",
                  &link->conf->url, link->reason);
}


static void
ngx_counters_redis_link_resolve(ngx_counters_redis_link_t *link)
{
    if (link->conf->host.len == 0 || link->resolve) {
        return;
    }

    link->resolve = ngx_counters_resolve(link->conf->host.data,
                                         ngx_counters_redis_link_resolved,
                                         link, ngx_cycle->log);
}


/* while nobody knows, the addresses that were known are as good as any */

static void
ngx_counters_redis_link_resolved(void *data,
    ngx_counters_resolve_addr_t *addrs, ngx_uint_t naddrs)
{
    ngx_counters_redis_link_t *link = data;

    link->resolve = NULL;

    if (naddrs == 0) {
        return;
    }

    if (naddrs == link->naddrs
        && ngx_memcmp(addrs, link->addrs,
                      naddrs * sizeof(ngx_counters_resolve_addr_t))
           == 0)
    {
        return;
    }

    ngx_memcpy(link->addrs, addrs,
               naddrs * sizeof(ngx_counters_resolve_addr_t));
    link->naddrs = naddrs;
    link->addr = 0;
}


/* sentinels are asked each time: where the primary was says nothing */

static void
ngx_counters_redis_link_locate(ngx_counters_redis_link_t *link)
{
    link->ready = 0;

    link->sentinel = ngx_counters_redis_sentinel_ask(link->conf, link->timeout,
                                              ngx_counters_redis_link_located,
                                              link, ngx_cycle->log);

    if (link->sentinel == NULL) {
        ngx_counters_redis_link_located(link, NULL, "no memory");
    }
}


static void
ngx_counters_redis_link_located(void *data, ngx_counters_resolve_addr_t *addr,
    const char *reason)
{
    ngx_counters_redis_link_t *link = data;

    link->sentinel = NULL;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    if (addr) {
        link->addrs[0] = *addr;
        ngx_counters_redis_link_connect(link);
        return;
    }

    ngx_counters_redis_wire_redis_text(link->reason, reason,
                                       &link->conf->password);
    ngx_counters_redis_link_down(link);
}


static void
ngx_counters_redis_link_timer_handler(ngx_event_t *ev)
{
    ngx_counters_redis_link_t  *link;

    link = ev->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters redis link timer handler, state:%d failures:%ui",
                   link->state, link->failures);

    switch (link->state) {

    case NGX_COUNTERS_REDIS_HANDSHAKE:

        if (link->slices) {
            ngx_counters_redis_link_slice(link);

        } else {
            ngx_counters_redis_link_drop(link, "timed out while connecting");
        }

        return;

    case NGX_COUNTERS_REDIS_READY:
        ngx_counters_redis_link_watch(link);
        return;

    default:

        if (ngx_exiting || ngx_quit || ngx_terminate) {
            return;
        }

        if (link->conf->master.len) {
            ngx_counters_redis_link_locate(link);
            return;
        }

        ngx_counters_redis_link_connect(link);
    }
}


/*
 * Balancers and firewalls forget silent connections without a word, and a
 * host that is gone says nothing either.
 */

static void
ngx_counters_redis_link_watch(ngx_counters_redis_link_t *link)
{
    if (link->pinged && !link->event.heard) {

        /* this process may have been late itself, and the answer be here */

        ngx_counters_redis_event_read(&link->event);

        if (link->state == NGX_COUNTERS_REDIS_READY && !link->event.heard) {
            ngx_counters_redis_link_drop(link, "timed out");
        }

        if (link->state != NGX_COUNTERS_REDIS_READY) {
            return;
        }
    }

    if (link->pinged) {
        link->pinged = 0;
        ngx_add_timer(&link->timer, NGX_COUNTERS_REDIS_PING);
        return;
    }

    link->pinged = 1;
    link->event.heard = 0;

    ngx_add_timer(&link->timer, link->timeout);

    if (link->use->ping(link) != NGX_OK
        && link->state == NGX_COUNTERS_REDIS_READY)
    {
        ngx_counters_redis_link_drop(link, "no memory");
    }
}
