
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_counters_news.h"
#include "ngx_counters_peers.h"
#include "ngx_counters_redis_channel.h"


#define NGX_COUNTERS_PEERS_ID     16    /* hex digits of a node, and of a MAC */
#define NGX_COUNTERS_PEERS_WORDS  9

/* the longest message: all users of an event */
#define NGX_COUNTERS_PEERS_NEWS                                               \
    (256 + NGX_COUNTERS_OWED_MARKS * (NGX_INT64_LEN + 1))

/* requests that one message may tell of, and for how long, milliseconds */
#define NGX_COUNTERS_PEERS_SPENT  1000
#define NGX_COUNTERS_PEERS_LATE   5000

/* nodes' clocks may differ by this, milliseconds */
#define NGX_COUNTERS_PEERS_SKEW   1000

/* all become stale within a minute, so this may come as late */
#define NGX_COUNTERS_PEERS_FADE   60000


struct ngx_counters_peers_s {
    u_char                         node[NGX_COUNTERS_PEERS_ID];
    ngx_str_t                      name;       /* of the channel */
    ngx_str_t                      told;       /* {prefix}{portal}:p:t */
    ngx_counters_redis_channel_t  *channel;    /* in the first worker only */
    uint64_t                       asked;      /* for the subscription */

    unsigned                       missed:1;   /* perhaps, before that */
    unsigned                       reading:1;  /* whether anything was told */
};


static u_char *ngx_counters_peers_begin(ngx_counters_worker_t *w, u_char *buf);
static ngx_int_t ngx_counters_peers_sign(ngx_counters_worker_t *w,
    u_char *buf, u_char *last, u_char *mac);
static void ngx_counters_peers_tell(ngx_counters_worker_t *w,
    ngx_counters_owed_news_t *news, u_char *buf, u_char *last);

static void ngx_counters_peers_confirmed(void *data, uint64_t asked,
    ngx_uint_t fresh);
static void ngx_counters_peers_look(ngx_counters_worker_t *w);
static void ngx_counters_peers_look_handler(void *data, ngx_int_t rc,
    ngx_str_t *values, ngx_uint_t nvalues);

static void ngx_counters_peers_message(void *data, ngx_str_t *message);
static ngx_int_t ngx_counters_peers_verify(ngx_counters_worker_t *w,
    ngx_str_t *message);
static void ngx_counters_peers_hear(ngx_counters_worker_t *w,
    ngx_counters_str_t *words);
static void ngx_counters_peers_purge(ngx_counters_zone_t *zone,
    ngx_counters_str_t *words, uint64_t now);
static void ngx_counters_peers_pass(ngx_counters_worker_t *w,
    ngx_counters_str_t *words, uint64_t now);
static ngx_int_t ngx_counters_peers_key(ngx_counters_str_t *words,
    ngx_counters_key_t *key);
static void ngx_counters_peers_words(u_char *p, u_char *last,
    ngx_counters_str_t *words);


static const ngx_counters_redis_listener_t  ngx_counters_peers_listener = {
    ngx_counters_peers_message,
    ngx_counters_peers_confirmed
};


ngx_int_t
ngx_counters_peers_init(ngx_cycle_t *cycle, ngx_counters_worker_t *w)
{
    size_t                  len;
    ngx_counters_str_t      part;
    ngx_counters_peers_t   *peers;
    ngx_counters_portal_t  *portal;
    u_char                  digest[NGX_COUNTERS_DIGEST_LEN];

    portal = w->portal;

    peers = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_peers_t));
    if (peers == NULL) {
        return NGX_ERROR;
    }

    w->peers = peers;

    /* every zone has random bytes of its own, which tell the nodes apart */

    part.len = NGX_COUNTERS_SECRET_LEN;
    part.data = ngx_counters_zone_secret(portal->zone);

    if (ngx_counters_key_hmac_parts(w->hmac, &part, 1,
                                    digest) != NGX_COUNTERS_OK)
    {
        return NGX_ERROR;
    }

    ngx_counters_key_hex(peers->node, digest, NGX_COUNTERS_PEERS_ID / 2);

    len = portal->redis->prefix.len + portal->name.len;

    peers->name.len = len + sizeof(":n") - 1;
    peers->told.len = len + sizeof(":p:t") - 1;

    peers->name.data = ngx_pnalloc(cycle->pool,
                                   peers->name.len + peers->told.len);
    if (peers->name.data == NULL) {
        return NGX_ERROR;
    }

    peers->told.data = ngx_sprintf(peers->name.data, "%V%V:n",
                                   &portal->redis->prefix, &portal->name);
    (void) ngx_sprintf(peers->told.data, "%V%V:p:t", &portal->redis->prefix,
                       &portal->name);

    if (ngx_worker != 0) {
        return NGX_OK;
    }

    peers->channel = ngx_counters_redis_channel_subscribe(cycle, w->links,
                                                          portal->redis,
                                                          &peers->name,
                                                   &ngx_counters_peers_listener,
                                                          w);

    return peers->channel ? NGX_OK : NGX_ERROR;
}


void
ngx_counters_peers_exit(ngx_counters_worker_t *w)
{
    if (w->peers && w->peers->channel) {
        ngx_counters_redis_channel_unsubscribe(w->peers->channel);
        w->peers->channel = NULL;
    }
}


void
ngx_counters_peers_tick(ngx_counters_worker_t *w)
{
    ngx_counters_peers_t  *peers;

    peers = w->peers;

    if (peers == NULL || peers->channel == NULL) {
        return;
    }

    if (ngx_exiting
        && !ngx_counters_news_listens(w->portal->zone, ngx_pid))
    {
        ngx_counters_peers_exit(w);
        return;
    }

    if (peers->missed) {
        ngx_counters_peers_look(w);
    }
}


/* telling */


void
ngx_counters_peers_refused(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_owed_news_t *news)
{
    u_char  *last;
    u_char   buf[NGX_COUNTERS_PEERS_NEWS];

    last = ngx_sprintf(ngx_counters_peers_begin(w, buf), "k ");
    last = ngx_counters_key_hex(last, key->cred, NGX_COUNTERS_DIGEST_LEN);
    last = ngx_sprintf(last, " %uL %uL %uL %uL %uL", (uint64_t) key->method,
                       (uint64_t) key->type, key->user, key->group, news->now);

    news->marks[news->nmarks++] = w->peers->told;

    ngx_counters_peers_tell(w, news, buf, last);
}


void
ngx_counters_peers_revoked(ngx_counters_worker_t *w,
    const u_char *digest, ngx_counters_owed_news_t *news)
{
    u_char  *last;
    u_char   buf[NGX_COUNTERS_PEERS_NEWS];

    last = ngx_sprintf(ngx_counters_peers_begin(w, buf), "r ");
    last = ngx_counters_key_hex(last, digest, NGX_COUNTERS_DIGEST_LEN);
    last = ngx_sprintf(last, " %uL", news->now);

    news->marks[news->nmarks++] = w->peers->told;

    ngx_counters_peers_tell(w, news, buf, last);
}


void
ngx_counters_peers_purged(ngx_counters_worker_t *w, u_char kind,
    uint64_t *ids, ngx_uint_t n, ngx_uint_t soft,
    ngx_counters_owed_news_t *news)
{
    u_char      *last;
    u_char       buf[NGX_COUNTERS_PEERS_NEWS];
    ngx_uint_t   i;

    last = ngx_sprintf(ngx_counters_peers_begin(w, buf), "%c %c %uL",
                       soft ? 's' : 'p', kind, n ? ids[0] : (uint64_t) 0);

    for (i = 1; i < n; i++) {
        last = ngx_sprintf(last, ",%uL", ids[i]);
    }

    last = ngx_sprintf(last, " %uL", news->now);

    news->marks[news->nmarks++] = w->peers->told;

    ngx_counters_peers_tell(w, news, buf, last);
}


void
ngx_counters_peers_faded(ngx_counters_worker_t *w, uint64_t now)
{
    u_char                    *last;
    u_char                     buf[NGX_COUNTERS_PEERS_NEWS];
    ngx_counters_owed_news_t   news;

    if (w->redis == NULL) {
        return;
    }

    last = ngx_sprintf(ngx_counters_peers_begin(w, buf), "f %uL", now);

    news.nmarks = 0;
    ngx_str_null(&news.entry);
    news.now = now;
    news.px = NGX_COUNTERS_PEERS_FADE;

    ngx_counters_peers_tell(w, &news, buf, last);
}


/* not owed: told late, these requests would count when they do not any more */

void
ngx_counters_peers_spent(ngx_counters_worker_t *w, ngx_uint_t n)
{
    u_char     *last;
    u_char      buf[NGX_COUNTERS_PEERS_NEWS];
    ngx_str_t   message;

    if (w->redis == NULL || !w->portal->rate_shared || n == 0) {
        return;
    }

    last = ngx_sprintf(ngx_counters_peers_begin(w, buf), "t %ui %uL", n,
                       ngx_counters_worker_now());

    if (ngx_counters_peers_sign(w, buf, last, buf) == NGX_OK) {
        message.data = buf;
        message.len = last - buf;

        (void) ngx_counters_redis_publish(w->redis, &w->peers->name, &message,
                                          ngx_counters_worker_written, w);
    }
}


/* room for the MAC, and the node */

static u_char *
ngx_counters_peers_begin(ngx_counters_worker_t *w, u_char *buf)
{
    size_t  len;

    len = NGX_COUNTERS_PEERS_ID;

    return ngx_sprintf(buf, "%*s %*s ", len, w->peers->node, len,
                       w->peers->node);
}


/* over all but the MAC itself, which may be written to its place in "buf" */

static ngx_int_t
ngx_counters_peers_sign(ngx_counters_worker_t *w, u_char *buf,
    u_char *last, u_char *mac)
{
    ngx_counters_str_t  parts[3];
    u_char              digest[NGX_COUNTERS_DIGEST_LEN];

    parts[0].data = (u_char *) "news";
    parts[0].len = sizeof("news") - 1;
    parts[1].data = w->peers->name.data;
    parts[1].len = w->peers->name.len;
    parts[2].data = buf + NGX_COUNTERS_PEERS_ID;
    parts[2].len = last - parts[2].data;

    if (ngx_counters_key_hmac_parts(w->hmac, parts, 3,
                                    digest) != NGX_COUNTERS_OK)
    {
        return NGX_ERROR;
    }

    ngx_counters_key_hex(mac, digest, NGX_COUNTERS_PEERS_ID / 2);

    return NGX_OK;
}


static void
ngx_counters_peers_tell(ngx_counters_worker_t *w,
    ngx_counters_owed_news_t *news, u_char *buf, u_char *last)
{
    if (ngx_counters_peers_sign(w, buf, last, buf) != NGX_OK) {
        return;
    }

    news->channel = w->peers->name;
    news->message.data = buf;
    news->message.len = last - buf;

    ngx_counters_owed_tell(w, news);
}


/* what may have been missed */


static void
ngx_counters_peers_confirmed(void *data, uint64_t asked, ngx_uint_t fresh)
{
    ngx_counters_worker_t *w = data;

    ngx_counters_zone_t   *zone;
    ngx_counters_peers_t  *peers;

    peers = w->peers;
    zone = w->portal->zone;

    peers->asked = asked;

    if (fresh) {

        if (ngx_exiting) {
            return;
        }

        ngx_counters_news_listen(zone, ngx_pid);
        peers->missed = 1;
    }

    if (peers->missed) {
        ngx_counters_peers_look(w);

    } else if (ngx_counters_news_listens(zone, ngx_pid)) {
        ngx_counters_news_hear(zone, asked);
    }
}


static void
ngx_counters_peers_look(ngx_counters_worker_t *w)
{
    if (!w->peers->reading
        && ngx_counters_redis_get(w->redis, &w->peers->told, 1,
                                  ngx_counters_peers_look_handler, w)
           == NGX_AGAIN)
    {
        w->peers->reading = 1;
    }
}


static void
ngx_counters_peers_look_handler(void *data, ngx_int_t rc, ngx_str_t *values,
    ngx_uint_t nvalues)
{
    ngx_counters_worker_t *w = data;

    uint64_t               told, now;
    ngx_uint_t             n;
    ngx_counters_str_t     s;
    ngx_counters_zone_t   *zone;
    ngx_counters_peers_t  *peers;

    peers = w->peers;
    zone = w->portal->zone;
    now = ngx_counters_worker_now();

    peers->reading = 0;

    if (rc != NGX_OK) {

        /* the tick tries again */

        ngx_counters_worker_written(w, rc, values, nvalues);
        return;
    }

    peers->missed = 0;

    if (values[0].data) {
        s.len = values[0].len;
        s.data = values[0].data;

        if (ngx_counters_path_number(&s,
                                     &told) != NGX_COUNTERS_OK || told > now)
        {
            told = now;
        }

        if (told + NGX_COUNTERS_PEERS_SKEW > ngx_counters_news_heard(zone)) {

            n = ngx_counters_news_doubt(zone, told);

            ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                          "counters_portal \"%V\": news may have been missed, "
                          "%ui entries are looked up again",
                          &w->portal->name, n);
        }
    }

    ngx_counters_news_hear(zone, peers->asked);
}


/* hearing */


static void
ngx_counters_peers_message(void *data, ngx_str_t *message)
{
    ngx_counters_worker_t *w = data;

    ngx_counters_str_t  words[NGX_COUNTERS_PEERS_WORDS];

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "counters news: %uz bytes", message->len);

    ngx_memzero(words, sizeof(words));
    ngx_counters_peers_words(message->data, message->data + message->len,
                             words);

    /* its own, or heard by a worker of a newer generation as well */

    if (ngx_counters_str_eq(&words[1], (char *) w->peers->node,
                            NGX_COUNTERS_PEERS_ID)
        || !ngx_counters_news_listens(w->portal->zone, ngx_pid)
        || ngx_counters_peers_verify(w, message) != NGX_OK)
    {
        return;
    }

    ngx_counters_peers_hear(w, &words[2]);
}


static ngx_int_t
ngx_counters_peers_verify(ngx_counters_worker_t *w, ngx_str_t *message)
{
    ngx_counters_str_t  said, right;
    u_char              mac[NGX_COUNTERS_PEERS_ID];

    if (message->len < NGX_COUNTERS_PEERS_ID
        || ngx_counters_peers_sign(w, message->data,
                                   message->data + message->len, mac)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    said.data = message->data;
    said.len = NGX_COUNTERS_PEERS_ID;
    right.data = mac;
    right.len = NGX_COUNTERS_PEERS_ID;

    return ngx_counters_key_hmac_same(w->hmac, &said, &right) ? NGX_OK
                                                          : NGX_DECLINED;
}


/*
 * A time that lies ahead, since clocks differ, is taken for this moment, or
 * else whatever is fetched until then would count as refused or stale.
 */

static void
ngx_counters_peers_hear(ngx_counters_worker_t *w, ngx_counters_str_t *words)
{
    uint64_t              ms, now;
    ngx_counters_key_t    key;
    ngx_counters_zone_t  *zone;
    u_char                digest[NGX_COUNTERS_DIGEST_LEN];

    zone = w->portal->zone;
    now = ngx_counters_worker_now();

    switch (words[0].len == 1 ? words[0].data[0] : 0) {

    case 'r':
        if (ngx_counters_key_unhex(digest, &words[1], NGX_COUNTERS_DIGEST_LEN)
            == NGX_COUNTERS_OK
            && ngx_counters_path_number(&words[2], &ms) == NGX_COUNTERS_OK)
        {
            (void) ngx_counters_refusal_revoke(zone, digest, ngx_min(ms, now));
        }

        break;

    case 'k':
        if (ngx_counters_peers_key(words, &key) == NGX_OK
            && ngx_counters_path_number(&words[6], &ms) == NGX_COUNTERS_OK)
        {
            ngx_counters_refusal_forget(zone, &key, ngx_min(ms, now));
        }

        break;

    case 'p':
    case 's':
        ngx_counters_peers_purge(zone, words, now);
        break;

    case 'f':
        if (ngx_counters_path_number(&words[1], &ms) == NGX_COUNTERS_OK) {
            (void) ngx_counters_fade(zone, ms, now);
        }

        break;

    case 't':
        ngx_counters_peers_pass(w, words, now);
        break;

    default:
        break;
    }
}


static void
ngx_counters_peers_purge(ngx_counters_zone_t *zone, ngx_counters_str_t *words,
    uint64_t now)
{
    u_char              *p, *last, *comma;
    uint64_t             id, ms;
    ngx_counters_str_t   s;

    if (words[1].len != 1
        || ngx_counters_path_number(&words[3], &ms) != NGX_COUNTERS_OK)
    {
        return;
    }

    p = (u_char *) words[2].data;
    last = p + words[2].len;

    while (p < last) {
        comma = ngx_strlchr(p, last, ',');

        s.data = p;
        s.len = (comma ? comma : last) - p;

        if (ngx_counters_path_number(&s, &id) == NGX_COUNTERS_OK) {
            (void) ngx_counters_zone_purge(zone,
                                     words[1].data[0] == 'u' ? &id : NULL,
                                     words[1].data[0] == 'g' ? &id : NULL,
                                     words[0].data[0] == 's',
                                     ngx_min(ms, now));
        }

        p = (u_char *) s.data + s.len + 1;
    }
}


static void
ngx_counters_peers_pass(ngx_counters_worker_t *w,
    ngx_counters_str_t *words, uint64_t now)
{
    uint64_t  n, ms;

    if (ngx_counters_path_number(&words[1], &n) != NGX_COUNTERS_OK
        || ngx_counters_path_number(&words[2], &ms) != NGX_COUNTERS_OK
        || ms + NGX_COUNTERS_PEERS_LATE < now)
    {
        return;
    }

    for (n = ngx_min(n, NGX_COUNTERS_PEERS_SPENT); n; n--) {
        ngx_counters_quota_passed(w->portal->zone, now);
    }
}


static ngx_int_t
ngx_counters_peers_key(ngx_counters_str_t *words, ngx_counters_key_t *key)
{
    uint64_t             method, type;
    ngx_counters_call_t  call;
    u_char               digest[NGX_COUNTERS_DIGEST_LEN];

    if (ngx_counters_key_unhex(digest, &words[1], NGX_COUNTERS_DIGEST_LEN)
        != NGX_COUNTERS_OK
        || ngx_counters_path_number(&words[2], &method) != NGX_COUNTERS_OK
        || ngx_counters_path_number(&words[3], &type) != NGX_COUNTERS_OK
        || ngx_counters_path_number(&words[4], &call.user) != NGX_COUNTERS_OK
        || ngx_counters_path_number(&words[5], &call.group) != NGX_COUNTERS_OK
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
ngx_counters_peers_words(u_char *p, u_char *last, ngx_counters_str_t *words)
{
    u_char      *space;
    ngx_uint_t   i;

    for (i = 0; i < NGX_COUNTERS_PEERS_WORDS && p < last; i++) {
        space = memchr(p, ' ', last - p);

        words[i].data = p;
        words[i].len = (space ? space : last) - p;

        p += words[i].len + 1;
    }
}
