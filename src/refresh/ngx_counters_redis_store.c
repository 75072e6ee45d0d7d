
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_counters_record.h"
#include "ngx_counters_owed.h"
#include "ngx_counters_peers.h"
#include "ngx_counters_redis_store.h"


/* nodes' clocks may differ by this, milliseconds */
#define NGX_COUNTERS_SKEW        1000

/* of what is kept */
#define NGX_COUNTERS_STATUS_OK   200

/*
 * The entry with what forbids all of its credential, and the time of the
 * latest purge or all purges that may have been its own.
 */
#define NGX_COUNTERS_QUICK       3
#define NGX_COUNTERS_STORE_NAMES 5

/* users that one message names */
#define NGX_COUNTERS_STORE_USERS  (NGX_COUNTERS_OWED_MARKS - 2)


/* Redis is being asked for one key */

typedef struct {
    ngx_counters_worker_t       *worker;
    ngx_counters_redis_store_pt  handler;
    ngx_counters_key_t           key;
    ngx_uint_t                   class;
    ngx_uint_t                   nnames;     /* that were asked for */
    uint64_t                     seen;       /* fetched time known already */
    u_char                       digest[NGX_COUNTERS_DIGEST_LEN];
} ngx_counters_redis_store_read_t;


static ngx_int_t ngx_counters_redis_store_read_ask(
    ngx_counters_redis_store_read_t *rd, ngx_uint_t n);
static void ngx_counters_redis_store_read_handler(void *data, ngx_int_t rc,
    ngx_str_t *values, ngx_uint_t nvalues);
static ngx_int_t ngx_counters_redis_store_read_value(
    ngx_counters_redis_store_read_t *rd,
    ngx_str_t *values, ngx_counters_answer_in_t *answer);
static ngx_uint_t ngx_counters_redis_store_marked(ngx_str_t *mark,
    uint64_t fetched);
static void ngx_counters_redis_store_purged(ngx_counters_worker_t *w,
    u_char kind, uint64_t *ids, ngx_uint_t n, ngx_uint_t soft, uint64_t now);
static void ngx_counters_redis_store_news(ngx_counters_worker_t *w,
    ngx_counters_owed_news_t *news, uint64_t now);
static uint64_t ngx_counters_redis_store_span(ngx_counters_worker_t *w);
static u_char *ngx_counters_redis_store_name(ngx_counters_worker_t *w,
    u_char *p);
static u_char *ngx_counters_redis_store_digest_name(ngx_counters_worker_t *w,
    u_char *p, u_char kind, const u_char *digest);
static u_char *ngx_counters_redis_store_purge_name(ngx_counters_worker_t *w,
    u_char *p, u_char kind, uint64_t *id);


/* the longest name: that of an entry, for a portal's name is bounded too */

#define NGX_COUNTERS_STORE_NAME                                               \
    (NGX_COUNTERS_REDIS_MAX_PREFIX + NGX_COUNTERS_PORTAL_MAX_NAME             \
     + sizeof(":c:") - 1 + 2 * NGX_COUNTERS_DIGEST_LEN)

/* the longest of the names above */

#define ngx_counters_redis_store_name_len(w)                                  \
    ((w)->portal->redis->prefix.len + (w)->portal->name.len                   \
     + sizeof(":c:") - 1 + 2 * NGX_COUNTERS_DIGEST_LEN)


ngx_uint_t
ngx_counters_redis_store_ready(ngx_counters_worker_t *w)
{
    ngx_counters_redis_state_t  state;

    if (w->redis == NULL) {
        return 0;
    }

    ngx_counters_redis_state(w->redis, &state);

    return !state.breaker;
}


ngx_int_t
ngx_counters_redis_store_read(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, uint64_t seen, ngx_uint_t class,
    ngx_counters_redis_store_pt handler)
{
    ngx_counters_redis_store_read_t  *rd;

    if (w->redis == NULL) {
        return NGX_DECLINED;
    }

    rd = ngx_alloc(sizeof(ngx_counters_redis_store_read_t)
              + NGX_COUNTERS_STORE_NAMES * ngx_counters_redis_store_name_len(w),
                   ngx_cycle->log);
    if (rd == NULL) {
        return NGX_DECLINED;
    }

    rd->worker = w;
    rd->handler = handler;
    rd->key = *key;
    rd->class = class;
    rd->seen = seen;

    if (ngx_counters_key_digest(w->hmac, key, rd->digest) != NGX_COUNTERS_OK)
    {
        ngx_free(rd);
        return NGX_DECLINED;
    }

    if (ngx_counters_redis_store_read_ask(rd, NGX_COUNTERS_QUICK) != NGX_OK) {
        ngx_free(rd);
        return NGX_DECLINED;
    }

    ngx_counters_worker_count(w, NGX_COUNTERS_STAT_REDIS_READS, 1);

    return NGX_OK;
}


static ngx_int_t
ngx_counters_redis_store_read_ask(ngx_counters_redis_store_read_t *rd,
    ngx_uint_t n)
{
    u_char                 *p;
    ngx_str_t               names[NGX_COUNTERS_STORE_NAMES];
    ngx_uint_t              i;
    ngx_counters_key_t     *key;
    ngx_counters_worker_t  *w;

    w = rd->worker;
    key = &rd->key;
    rd->nnames = n;

    p = (u_char *) rd + sizeof(ngx_counters_redis_store_read_t);

    for (i = 0; i < n; i++) {
        names[i].data = p;

        if (i == 0) {
            p = ngx_counters_redis_store_digest_name(w, p, 'c', rd->digest);

        } else if (i == 1) {
            p = ngx_counters_redis_store_digest_name(w, p, 'r', key->cred);

        } else if (n == NGX_COUNTERS_QUICK) {
            p = ngx_counters_redis_store_purge_name(w, p, 'l', NULL);

        } else if (i == 2) {
            p = ngx_counters_redis_store_purge_name(w, p, 'a', NULL);

        } else if (i == 3) {
            p = ngx_counters_redis_store_purge_name(w, p, 'u', &key->user);

        } else {
            p = ngx_counters_redis_store_purge_name(w, p, 'g', &key->group);
        }

        names[i].len = p - names[i].data;
    }

    return (ngx_counters_redis_get(w->redis, names, n,
                                   ngx_counters_redis_store_read_handler, rd)
            == NGX_AGAIN)
           ? NGX_OK : NGX_DECLINED;
}


static void
ngx_counters_redis_store_read_handler(void *data, ngx_int_t rc,
    ngx_str_t *values, ngx_uint_t nvalues)
{
    ngx_counters_redis_store_read_t *rd = data;

    ngx_counters_answer_in_t  answer;
    ngx_counters_worker_t    *w;

    w = rd->worker;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "counters redis answer: %i", rc);

    if (rc == NGX_OK && nvalues == rd->nnames) {

        rc = ngx_counters_redis_store_read_value(rd, values, &answer);

        if (rc == NGX_AGAIN) {

            /* something was forbidden since: perhaps this */

            if (ngx_counters_redis_store_read_ask(rd, NGX_COUNTERS_STORE_NAMES)
                == NGX_OK)
            {
                return;
            }

            rc = NGX_DECLINED;
        }

    } else {
        ngx_counters_worker_count(w, NGX_COUNTERS_STAT_REDIS_ERRORS, 1);
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        ngx_counters_worker_count(w, NGX_COUNTERS_STAT_REDIS_HITS, 1);
    }

    rd->handler(w, &rd->key, rd->class, (rc == NGX_OK) ? &answer : NULL);

    ngx_free(rd);
}


/*
 * A value counts if it is newer than what is known, and than any refusal.
 * NGX_AGAIN: there are marks that may forbid it.
 */

static ngx_int_t
ngx_counters_redis_store_read_value(ngx_counters_redis_store_read_t *rd,
    ngx_str_t *values, ngx_counters_answer_in_t *answer)
{
    uint64_t                now;
    ngx_uint_t              i;
    ngx_counters_str_t      in;
    ngx_counters_record_t   e;
    ngx_counters_worker_t  *w;
    ngx_counters_portal_t  *portal;

    w = rd->worker;
    portal = w->portal;
    now = ngx_counters_worker_now();

    if (values[0].data == NULL) {
        return NGX_DECLINED;
    }

    in.len = values[0].len;
    in.data = values[0].data;

    if (ngx_counters_record_decode(w->hmac, rd->digest, &in, &e)
        != NGX_COUNTERS_OK
        || e.status != NGX_COUNTERS_STATUS_OK
        || e.body.len > portal->fetch.max_body
        || e.fetched > now + NGX_COUNTERS_SKEW)
    {
        ngx_counters_worker_count(w, NGX_COUNTERS_STAT_REDIS_REJECTED, 1);
        return NGX_DECLINED;
    }

    if (e.fetched <= rd->seen
        || e.fetched <= ngx_counters_refusal_refused(portal->zone, &rd->key)
        || ngx_counters_policy_freshness(now, e.fetched, e.ttl, portal->stale,
                                         portal->stale_error, 0)
           == NGX_COUNTERS_EXPIRED)
    {
        return NGX_DECLINED;
    }

    if (ngx_counters_redis_store_marked(&values[1], e.fetched)) {
        return NGX_DECLINED;
    }

    if (rd->nnames == NGX_COUNTERS_QUICK) {

        /* nodes with different clocks write the latest mark */

        if (ngx_counters_redis_store_marked(&values[2],
                             e.fetched - ngx_min(e.fetched, NGX_COUNTERS_SKEW)))
        {
            return NGX_AGAIN;
        }

    } else {

        for (i = 2; i < NGX_COUNTERS_STORE_NAMES; i++) {
            if (ngx_counters_redis_store_marked(&values[i], e.fetched)) {
                return NGX_DECLINED;
            }
        }
    }

    ngx_memzero(answer, sizeof(ngx_counters_answer_in_t));

    answer->kind = NGX_COUNTERS_DATA;
    answer->origin = NGX_COUNTERS_FROM_REDIS;
    answer->status = NGX_COUNTERS_STATUS_OK;
    answer->fetched = ngx_min(e.fetched, now);
    answer->ttl = e.ttl;
    answer->headers.len = e.headers.len;
    answer->headers.data = e.headers.data;
    answer->body.len = e.body.len;
    answer->body.data = e.body.data;

    return NGX_OK;
}


/* a mark that cannot be read is taken as one of just now */

static ngx_uint_t
ngx_counters_redis_store_marked(ngx_str_t *mark, uint64_t fetched)
{
    uint64_t            ms;
    ngx_counters_str_t  s;

    if (mark->data == NULL) {
        return 0;
    }

    s.len = mark->len;
    s.data = mark->data;

    return ngx_counters_path_number(&s,
                                    &ms) != NGX_COUNTERS_OK || fetched <= ms;
}


void
ngx_counters_redis_store_save(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, ngx_counters_answer_in_t *answer)
{
    u_char                 *p;
    size_t                  len;
    ngx_str_t               name, value;
    ngx_counters_record_t   e;
    ngx_counters_portal_t  *portal;
    u_char                  digest[NGX_COUNTERS_DIGEST_LEN];

    portal = w->portal;

    if (w->redis == NULL
        || ngx_counters_key_digest(w->hmac, key, digest) != NGX_COUNTERS_OK)
    {
        return;
    }

    e.fetched = answer->fetched;
    e.ttl = answer->ttl;
    e.status = answer->status;
    e.headers.len = answer->headers.len;
    e.headers.data = answer->headers.data;
    e.body.len = answer->body.len;
    e.body.data = answer->body.data;

    len = ngx_counters_record_len(&e);

    p = ngx_alloc(len + ngx_counters_redis_store_name_len(w), ngx_cycle->log);
    if (p == NULL) {
        return;
    }

    value.data = p;
    value.len = len;

    if (ngx_counters_record_encode(w->hmac, digest, &e, p) == NGX_COUNTERS_OK)
    {
        name.data = p + len;
        name.len = ngx_counters_redis_store_digest_name(w, name.data, 'c',
                                                        digest)
                   - name.data;

        (void) ngx_counters_redis_set(w->redis, &name, &value,
                        (uint64_t) e.ttl
                        + ngx_max(portal->stale, portal->stale_error),
                        ngx_counters_worker_written, w);
    }

    ngx_free(p);
}


void
ngx_counters_redis_store_forget(ngx_counters_worker_t *w,
    ngx_counters_key_t *key, uint64_t now)
{
    ngx_counters_owed_news_t  news;
    u_char                    digest[NGX_COUNTERS_DIGEST_LEN];
    u_char                    room[NGX_COUNTERS_STORE_NAME];

    if (w->redis == NULL
        || ngx_counters_key_digest(w->hmac, key, digest) != NGX_COUNTERS_OK)
    {
        return;
    }

    ngx_counters_redis_store_news(w, &news, now);

    news.entry.data = room;
    news.entry.len = ngx_counters_redis_store_digest_name(w, room, 'c', digest)
                     - room;

    ngx_counters_peers_refused(w, key, &news);
}


void
ngx_counters_redis_store_revoke(ngx_counters_worker_t *w,
    const u_char *digest, uint64_t now)
{
    ngx_counters_owed_news_t  news;
    u_char                    room[NGX_COUNTERS_STORE_NAME];

    if (w->redis == NULL) {
        return;
    }

    ngx_counters_redis_store_news(w, &news, now);

    news.marks[0].data = room;
    news.marks[0].len = ngx_counters_redis_store_digest_name(w, room, 'r',
                                                             digest)
                        - room;
    news.nmarks = 1;

    ngx_counters_peers_revoked(w, digest, &news);
}


void
ngx_counters_redis_store_purge(ngx_counters_worker_t *w, uint64_t *user,
    uint64_t *group, ngx_uint_t soft, uint64_t now)
{
    u_char     kind;
    uint64_t  *id;

    kind = user ? 'u' : group ? 'g' : 'a';
    id = user ? user : group;

    ngx_counters_redis_store_purged(w, kind, id, id ? 1 : 0, soft, now);
}


void
ngx_counters_redis_store_stale(ngx_counters_worker_t *w, uint64_t *users,
    ngx_uint_t n, uint64_t now)
{
    uint64_t    ids[NGX_COUNTERS_STORE_USERS];
    ngx_uint_t  i, nids;

    nids = 0;

    for (i = 0; i < n; i++) {

        if (i && users[i] == users[i - 1]) {
            continue;
        }

        if (nids == NGX_COUNTERS_STORE_USERS) {
            ngx_counters_redis_store_purged(w, 'u', ids, nids, 1, now);
            nids = 0;
        }

        ids[nids++] = users[i];
    }

    if (nids) {
        ngx_counters_redis_store_purged(w, 'u', ids, nids, 1, now);
    }
}


/* no ids: everything */

static void
ngx_counters_redis_store_purged(ngx_counters_worker_t *w, u_char kind,
    uint64_t *ids, ngx_uint_t n, ngx_uint_t soft, uint64_t now)
{
    u_char                    *p;
    ngx_uint_t                 i;
    ngx_counters_owed_news_t   news;
    u_char                     room[NGX_COUNTERS_OWED_MARKS]
                                   [NGX_COUNTERS_STORE_NAME];

    if (w->redis == NULL) {
        return;
    }

    ngx_counters_redis_store_news(w, &news, now);

    for (i = 0; i < n || i == 0; i++) {
        p = room[i];

        news.marks[i].data = p;
        news.marks[i].len = ngx_counters_redis_store_purge_name(w, p, kind,
                                                             n ? &ids[i] : NULL)
                            - p;
    }

    /* after the marks themselves: who sees the one must find the others */

    p = room[i];

    news.marks[i].data = p;
    news.marks[i].len = ngx_counters_redis_store_purge_name(w, p, 'l',
                                                            NULL) - p;
    news.nmarks = i + 1;

    ngx_counters_peers_purged(w, kind, ids, n, soft, &news);
}


static void
ngx_counters_redis_store_news(ngx_counters_worker_t *w,
    ngx_counters_owed_news_t *news, uint64_t now)
{
    news->nmarks = 0;
    ngx_str_null(&news->entry);

    news->now = now;
    news->px = ngx_counters_redis_store_span(w);
}


/* as long as any copy lasts that has been stored by now, milliseconds */

static uint64_t
ngx_counters_redis_store_span(ngx_counters_worker_t *w)
{
    ngx_uint_t              i;
    ngx_msec_t              ttl;
    ngx_counters_portal_t  *portal;

    portal = w->portal;
    ttl = 0;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {
        ttl = ngx_max(ttl, portal->ttl[i]);
    }

    return (uint64_t) ttl + NGX_COUNTERS_SKEW
           + ngx_max(portal->stale, portal->stale_error);
}


static u_char *
ngx_counters_redis_store_name(ngx_counters_worker_t *w, u_char *p)
{
    ngx_counters_portal_t  *portal;

    portal = w->portal;

    p = ngx_cpymem(p, portal->redis->prefix.data, portal->redis->prefix.len);
    p = ngx_cpymem(p, portal->name.data, portal->name.len);

    *p++ = ':';

    return p;
}


static u_char *
ngx_counters_redis_store_digest_name(ngx_counters_worker_t *w, u_char *p,
    u_char kind, const u_char *digest)
{
    p = ngx_counters_redis_store_name(w, p);

    *p++ = kind;
    *p++ = ':';

    return ngx_counters_key_hex(p, digest, NGX_COUNTERS_DIGEST_LEN);
}


static u_char *
ngx_counters_redis_store_purge_name(ngx_counters_worker_t *w, u_char *p,
    u_char kind, uint64_t *id)
{
    p = ngx_counters_redis_store_name(w, p);

    *p++ = 'p';
    *p++ = ':';
    *p++ = kind;

    return id ? ngx_sprintf(p, ":%uL", *id) : p;
}
