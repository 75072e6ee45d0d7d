
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_counters_peers.h"
#include "ngx_counters_redis_channel.h"


/* requests that one message may tell of */
#define NGX_HTTP_COUNTERS_SPENT  1000

/* the longest message: a whole key, its digest in hex, and a time */
#define NGX_HTTP_COUNTERS_NEWS   192
#define NGX_HTTP_COUNTERS_WORDS  7


struct ngx_counters_peers_s {
    u_char                         node[16];   /* this one, for the others */
    ngx_str_t                      news;       /* where they are told */
    ngx_counters_redis_channel_t  *channel;    /* in the first worker only */
};


static void ngx_http_counters_tell(ngx_http_counters_worker_t *w,
    u_char *news, u_char *last);
static void ngx_http_counters_nodes_handler(void *data, ngx_str_t *message);
static ngx_int_t ngx_http_counters_news_key(ngx_counters_str_t *words,
    ngx_counters_key_t *key);
static void ngx_http_counters_words(u_char *p, u_char *last,
    ngx_counters_str_t *words);


ngx_int_t
ngx_http_counters_nodes_init(ngx_cycle_t *cycle,
    ngx_http_counters_worker_t *w)
{
    ngx_counters_str_t           part;
    ngx_counters_peers_t        *peers;
    ngx_http_counters_portal_t  *portal;
    u_char                       digest[NGX_COUNTERS_DIGEST_LEN];

    portal = w->portal;

    peers = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_peers_t));
    if (peers == NULL) {
        return NGX_ERROR;
    }

    w->peers = peers;

    /* every zone has random bytes of its own, which tell the nodes apart */

    part.len = NGX_COUNTERS_SECRET_LEN;
    part.data = ngx_counters_zone_secret(portal->zone);

    if (ngx_counters_hmac_parts(w->hmac, &part, 1, digest) != NGX_COUNTERS_OK)
    {
        return NGX_ERROR;
    }

    ngx_counters_hex(peers->node, digest, sizeof(peers->node) / 2);

    peers->news.data = ngx_pnalloc(cycle->pool, portal->redis->prefix.len
                                            + portal->name.len + 2);
    if (peers->news.data == NULL) {
        return NGX_ERROR;
    }

    peers->news.len = ngx_sprintf(peers->news.data, "%V%V:n",
                                  &portal->redis->prefix, &portal->name)
                  - peers->news.data;

    if (ngx_worker != 0) {
        return NGX_OK;
    }

    peers->channel = ngx_counters_redis_subscribe(cycle, w->links,
                                              portal->redis, &peers->news,
                                              ngx_http_counters_nodes_handler,
                                              w);

    return peers->channel ? NGX_OK : NGX_ERROR;
}


void
ngx_counters_peers_exit(ngx_http_counters_worker_t *w)
{
    if (w->peers && w->peers->channel) {
        ngx_counters_redis_unsubscribe(w->peers->channel);
        w->peers->channel = NULL;
    }
}


void
ngx_http_counters_nodes_refused(ngx_http_counters_worker_t *w,
    ngx_counters_key_t *key, uint64_t now)
{
    u_char  *last;
    u_char   news[NGX_HTTP_COUNTERS_NEWS];

    last = ngx_sprintf(news, "k ");
    last = ngx_counters_hex(last, key->cred, NGX_COUNTERS_DIGEST_LEN);
    last = ngx_sprintf(last, " %uL %uL %uL %uL %uL", (uint64_t) key->method,
                       (uint64_t) key->type, key->user, key->group, now);

    ngx_http_counters_tell(w, news, last);
}


void
ngx_http_counters_nodes_revoked(ngx_http_counters_worker_t *w,
    const u_char *digest, uint64_t now)
{
    u_char  *last;
    u_char   news[NGX_HTTP_COUNTERS_NEWS];

    last = ngx_sprintf(news, "r ");
    last = ngx_counters_hex(last, digest, NGX_COUNTERS_DIGEST_LEN);
    last = ngx_sprintf(last, " %uL", now);

    ngx_http_counters_tell(w, news, last);
}


void
ngx_http_counters_nodes_purged(ngx_http_counters_worker_t *w, uint64_t *user,
    uint64_t *group, ngx_uint_t soft, uint64_t now)
{
    u_char  *last;
    u_char   news[NGX_HTTP_COUNTERS_NEWS];

    last = ngx_sprintf(news, "%c %c %uL %uL", soft ? 's' : 'p',
                       user ? 'u' : group ? 'g' : 'a',
                       user ? *user : group ? *group : (uint64_t) 0, now);

    ngx_http_counters_tell(w, news, last);
}


void
ngx_http_counters_nodes_faded(ngx_http_counters_worker_t *w, uint64_t now)
{
    u_char  *last;
    u_char   news[NGX_HTTP_COUNTERS_NEWS];

    last = ngx_sprintf(news, "f %uL", now);

    ngx_http_counters_tell(w, news, last);
}


void
ngx_http_counters_nodes_spent(ngx_http_counters_worker_t *w, ngx_uint_t n)
{
    u_char  *last;
    u_char   news[NGX_HTTP_COUNTERS_NEWS];

    if (w->redis && w->portal->rate_shared && n) {
        last = ngx_sprintf(news, "t %*s %ui", sizeof(w->peers->node),
                           w->peers->node, n);

        ngx_http_counters_tell(w, news, last);
    }
}


static void
ngx_http_counters_tell(ngx_http_counters_worker_t *w, u_char *news,
    u_char *last)
{
    ngx_str_t  message;

    if (w->redis == NULL) {
        return;
    }

    message.data = news;
    message.len = last - news;

    (void) ngx_counters_redis_publish(w->redis, &w->peers->news, &message,
                                      ngx_counters_worker_written, w);
}


/*
 * What another node did, and this one's own words coming back.  All that a
 * forged message could do is cause refreshes: a time that lies ahead, whether
 * of a clock that does or not, is taken for this moment, or else whatever is
 * fetched until then would count as refused or stale.
 */

static void
ngx_http_counters_nodes_handler(void *data, ngx_str_t *message)
{
    ngx_http_counters_worker_t *w = data;

    u_char                *last;
    uint64_t               id, ms, now;
    ngx_counters_key_t     key;
    ngx_counters_str_t     words[NGX_HTTP_COUNTERS_WORDS];
    ngx_counters_zone_t   *zone;
    u_char                 digest[NGX_COUNTERS_DIGEST_LEN];

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "counters news: %uz bytes", message->len);

    zone = w->portal->zone;
    now = ngx_http_counters_now();
    last = message->data + message->len;

    ngx_memzero(words, sizeof(words));
    ngx_http_counters_words(message->data, last, words);

    switch (words[0].len == 1 ? words[0].data[0] : 0) {

    case 'r':
        if (ngx_counters_unhex(digest, &words[1], NGX_COUNTERS_DIGEST_LEN)
            == NGX_COUNTERS_OK
            && ngx_counters_number(&words[2], &ms) == NGX_COUNTERS_OK)
        {
            (void) ngx_counters_zone_revoke(zone, digest, ngx_min(ms, now));
        }

        break;

    case 'k':
        if (ngx_http_counters_news_key(words, &key) == NGX_OK
            && ngx_counters_number(&words[6], &ms) == NGX_COUNTERS_OK)
        {
            ngx_counters_zone_forget(zone, &key, ngx_min(ms, now));
        }

        break;

    case 'p':
    case 's':
        if (words[1].len == 1
            && ngx_counters_number(&words[2], &id) == NGX_COUNTERS_OK
            && ngx_counters_number(&words[3], &ms) == NGX_COUNTERS_OK)
        {
            (void) ngx_counters_zone_purge(zone,
                                     words[1].data[0] == 'u' ? &id : NULL,
                                     words[1].data[0] == 'g' ? &id : NULL,
                                     words[0].data[0] == 's',
                                     ngx_min(ms, now));
        }

        break;

    case 'f':
        if (ngx_counters_number(&words[1], &ms) == NGX_COUNTERS_OK) {
            (void) ngx_counters_zone_fade(zone, ms, now);
        }

        break;

    case 't':
        if (ngx_counters_number(&words[2], &id) == NGX_COUNTERS_OK
            && !ngx_counters_str_eq(&words[1], (char *) w->peers->node,
                                    sizeof(w->peers->node)))
        {
            for (id = ngx_min(id, NGX_HTTP_COUNTERS_SPENT); id; id--) {
                ngx_counters_zone_passed(zone, now);
            }
        }

        break;

    default:
        break;
    }
}


static ngx_int_t
ngx_http_counters_news_key(ngx_counters_str_t *words, ngx_counters_key_t *key)
{
    uint64_t             method, type;
    ngx_counters_call_t  call;
    u_char               digest[NGX_COUNTERS_DIGEST_LEN];

    if (ngx_counters_unhex(digest, &words[1], NGX_COUNTERS_DIGEST_LEN)
        != NGX_COUNTERS_OK
        || ngx_counters_number(&words[2], &method) != NGX_COUNTERS_OK
        || ngx_counters_number(&words[3], &type) != NGX_COUNTERS_OK
        || ngx_counters_number(&words[4], &call.user) != NGX_COUNTERS_OK
        || ngx_counters_number(&words[5], &call.group) != NGX_COUNTERS_OK
        || method >= NGX_COUNTERS_METHODS
        || type >= NGX_COUNTERS_TYPES)
    {
        return NGX_DECLINED;
    }

    call.method = method;
    call.type = type;

    ngx_counters_key_make(key, digest, &call);

    return NGX_OK;
}


/* separated by single spaces */

static void
ngx_http_counters_words(u_char *p, u_char *last, ngx_counters_str_t *words)
{
    u_char      *space;
    ngx_uint_t   i;

    for (i = 0; i < NGX_HTTP_COUNTERS_WORDS && p < last; i++) {
        space = memchr(p, ' ', last - p);

        words[i].data = p;
        words[i].len = (space ? space : last) - p;

        p += words[i].len + 1;
    }
}
