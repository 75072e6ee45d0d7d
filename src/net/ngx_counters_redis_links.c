
/*
 * Copyright (C) The nginx counters module authors
 *
 * Who shares which connection to Redis.
 */


#include "ngx_counters_redis_link.h"

#include <poll.h>


/* msec, for what was written, when the last user leaves */
#define NGX_COUNTERS_REDIS_FLUSH  200


static ngx_uint_t ngx_counters_redis_links_same(
    ngx_counters_redis_link_t *link, ngx_counters_redis_conf_t *conf);
static ngx_uint_t ngx_counters_redis_links_same_tls(
    ngx_counters_redis_tls_t *a, ngx_counters_redis_tls_t *b);
static ngx_uint_t ngx_counters_redis_links_equal(ngx_str_t *a, ngx_str_t *b);
static void ngx_counters_redis_links_flush(ngx_counters_redis_link_t *link);


ngx_counters_redis_links_t *
ngx_counters_redis_links_create(ngx_cycle_t *cycle)
{
    ngx_counters_redis_links_t  *links;

    links = ngx_palloc(cycle->pool, sizeof(ngx_counters_redis_links_t));
    if (links == NULL) {
        return NULL;
    }

    ngx_queue_init(&links->queue);

    return links;
}


ngx_counters_redis_link_t *
ngx_counters_redis_links_get(ngx_counters_redis_links_t *links,
    ngx_counters_redis_conf_t *conf, ngx_counters_redis_use_t *use,
    ngx_counters_redis_user_t *user, ngx_log_t *log)
{
    ngx_queue_t                *q;
    ngx_counters_redis_link_t  *link;

    for (q = ngx_queue_head(&links->queue);
         q != ngx_queue_sentinel(&links->queue);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_counters_redis_link_t, queue);

        if (link->use == use && ngx_counters_redis_links_same(link, conf)) {
            goto found;
        }
    }

    link = ngx_counters_redis_link_open(links, conf, use, log);
    if (link == NULL) {
        return NULL;
    }

found:

    link->timeout = ngx_max(link->timeout, conf->timeout);
    ngx_queue_insert_tail(&link->users, &user->queue);

    return link;
}


/* by the name as it is written: two that have one address may part */

static ngx_uint_t
ngx_counters_redis_links_same(ngx_counters_redis_link_t *link,
    ngx_counters_redis_conf_t *conf)
{
    ngx_counters_redis_conf_t  *own;

    own = link->conf;

    if (own == conf) {
        return 1;
    }

    if (own->db != conf->db
        || !ngx_counters_redis_links_equal(&own->host, &conf->host)
        || !ngx_counters_redis_links_equal(&own->user, &conf->user)
        || !ngx_counters_redis_links_equal(&own->password, &conf->password)
        || !ngx_counters_redis_links_same_tls(&own->tls, &conf->tls))
    {
        return 0;
    }

    if (own->master.len || conf->master.len) {
        return ngx_counters_redis_links_equal(&own->url, &conf->url)
               && ngx_counters_redis_links_equal(&own->sentinel_password,
                                                 &conf->sentinel_password);
    }

    if (own->host.len) {
        return ngx_inet_get_port(own->addrs[0].sockaddr)
               == ngx_inet_get_port(conf->addrs[0].sockaddr);
    }

    return ngx_cmp_sockaddr(own->addrs[0].sockaddr, own->addrs[0].socklen,
                            conf->addrs[0].sockaddr, conf->addrs[0].socklen, 1)
           == NGX_OK;
}


static ngx_uint_t
ngx_counters_redis_links_same_tls(ngx_counters_redis_tls_t *a,
    ngx_counters_redis_tls_t *b)
{
    return (a->ctx == NULL) == (b->ctx == NULL)
           && a->verify == b->verify
           && ngx_counters_redis_links_equal(&a->ca, &b->ca)
           && ngx_counters_redis_links_equal(&a->cert, &b->cert)
           && ngx_counters_redis_links_equal(&a->key, &b->key)
           && ngx_counters_redis_links_equal(&a->name, &b->name);
}


static ngx_uint_t
ngx_counters_redis_links_equal(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || ngx_memcmp(a->data, b->data, a->len) == 0);
}


void
ngx_counters_redis_links_put(ngx_counters_redis_link_t *link,
    ngx_counters_redis_user_t *user)
{
    ngx_queue_remove(&user->queue);

    if (!ngx_queue_empty(&link->users)) {
        return;
    }

    ngx_counters_redis_links_flush(link);
    ngx_counters_redis_link_close(link);
}


static void
ngx_counters_redis_links_flush(ngx_counters_redis_link_t *link)
{
    int                          n;
    ngx_msec_t                   end;
    struct pollfd                pfd;
    ngx_msec_int_t               left;
    ngx_counters_redis_event_t  *e;

    if (link->state != NGX_COUNTERS_REDIS_READY || link->writes == 0) {
        return;
    }

    e = &link->event;

    ngx_time_update();
    end = ngx_current_msec
          + ngx_min(link->timeout, NGX_COUNTERS_REDIS_FLUSH);

    ngx_counters_redis_event_write(e);

    while (e->ac && link->writes) {

        left = (ngx_msec_int_t) (end - ngx_current_msec);

        if (left <= 0) {
            break;
        }

        pfd.fd = e->ac->c.fd;
        pfd.events = POLLIN;
        pfd.revents = 0;

        if (sdslen(e->ac->c.obuf)) {
            pfd.events |= POLLOUT;
        }

        n = poll(&pfd, 1, (int) left);

        if (n == -1 && ngx_errno != NGX_EINTR) {
            break;
        }

        if (n == 1 && (pfd.revents & POLLOUT)) {
            ngx_counters_redis_event_write(e);
        }

        if (n == 1 && e->ac && (pfd.revents & ~POLLOUT)) {
            ngx_counters_redis_event_read(e);
        }

        ngx_time_update();
    }
}


void
ngx_counters_redis_links_refused(ngx_counters_redis_link_t *link,
    ngx_str_t *name, const char *text)
{
    u_char                      buf[NGX_COUNTERS_REDIS_MAX_TEXT + 1];
    ngx_queue_t                *q;
    ngx_counters_redis_link_t  *other;

    if (!ngx_counters_redis_link_unfit(text)) {

        if (link->logged != ngx_time()) {
            link->logged = ngx_time();
            ngx_counters_redis_wire_redis_text(buf, text,
                                               &link->conf->password);

            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "counters: redis %V refused %V: %s",
                          &link->conf->url, name, buf);
        }

        return;
    }

    for (q = ngx_queue_head(&link->links->queue);
         q != ngx_queue_sentinel(&link->links->queue);
         q = ngx_queue_next(q))
    {
        other = ngx_queue_data(q, ngx_counters_redis_link_t, queue);

        if (other->state == NGX_COUNTERS_REDIS_READY
            && ngx_counters_redis_links_same(other, link->conf))
        {
            ngx_counters_redis_link_drop(other, text);
        }
    }
}
