
/*
 * Copyright (C) The nginx counters module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_counters_owed.h"


/* what one worker keeps at most; beyond, the oldest is given up */
#define NGX_COUNTERS_OWED_MAX    1024

/* and what it has sent at a time: Redis may be slow to refuse it */
#define NGX_COUNTERS_OWED_SENT   64


typedef struct {
    ngx_queue_t               queue;
    ngx_counters_worker_t    *worker;
    ngx_counters_owed_news_t  news;
    ngx_uint_t                awaited;       /* answers, to what was sent */

    unsigned                  plain:1;       /* no scripts there */
    unsigned                  told:1;        /* only the marks are left */
    unsigned                  early:1;       /* told before them */
    unsigned                  failed:1;
    unsigned                  refused:1;

    u_char                    data[1];
} ngx_counters_owed_item_t;


struct ngx_counters_owed_s {
    ngx_queue_t                  queue;      /* head: owed longest */
    ngx_uint_t                   n;
    ngx_uint_t                   nsent;      /* these are in no queue */
};


static ngx_counters_owed_item_t *ngx_counters_owed_copy(
    ngx_counters_worker_t *w, ngx_counters_owed_news_t *news);
static u_char *ngx_counters_owed_str(u_char *p, ngx_str_t *s);
static void ngx_counters_owed_keep(ngx_counters_owed_item_t *item);
static ngx_int_t ngx_counters_owed_send(ngx_counters_owed_item_t *item,
    uint64_t px);
static ngx_int_t ngx_counters_owed_script(ngx_counters_owed_item_t *item,
    uint64_t px);
static ngx_int_t ngx_counters_owed_plain(ngx_counters_owed_item_t *item,
    uint64_t px);
static void ngx_counters_owed_sent(ngx_counters_owed_item_t *item,
    ngx_int_t rc);
static void ngx_counters_owed_handler(void *data, ngx_int_t rc,
    ngx_str_t *values, ngx_uint_t nvalues);
static void ngx_counters_owed_told_handler(void *data, ngx_int_t rc,
    ngx_str_t *values, ngx_uint_t nvalues);
static void ngx_counters_owed_settle(ngx_counters_owed_item_t *item);


/* a mark that cannot be read gives way */

static ngx_str_t  ngx_counters_owed_lua = ngx_string(
    "for i, key in ipairs(KEYS) do\n"
    "  if i > tonumber(ARGV[5]) then\n"
    "    redis.call('DEL', key)\n"
    "  else\n"
    "    local mark = tonumber(redis.call('GET', key) or '')\n"
    "    if not mark or mark < tonumber(ARGV[1]) then\n"
    "      redis.call('SET', key, ARGV[1], 'PX', ARGV[2])\n"
    "    end\n"
    "  end\n"
    "end\n"
    "return redis.call('PUBLISH', ARGV[3], ARGV[4])\n"
);


ngx_int_t
ngx_counters_owed_init(ngx_cycle_t *cycle, ngx_counters_worker_t *w)
{
    w->owed = ngx_pcalloc(cycle->pool, sizeof(ngx_counters_owed_t));
    if (w->owed == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&w->owed->queue);

    return NGX_OK;
}


void
ngx_counters_owed_tell(ngx_counters_worker_t *w, ngx_counters_owed_news_t *news)
{
    ngx_counters_owed_item_t  *item;

    item = ngx_counters_owed_copy(w, news);
    if (item == NULL) {
        return;
    }

    if (w->owed->nsent >= NGX_COUNTERS_OWED_SENT
        || ngx_counters_owed_send(item, news->px) != NGX_OK)
    {
        ngx_counters_owed_keep(item);
    }
}


static ngx_counters_owed_item_t *
ngx_counters_owed_copy(ngx_counters_worker_t *w, ngx_counters_owed_news_t *news)
{
    size_t                     len;
    u_char                    *p;
    ngx_uint_t                 i;
    ngx_counters_owed_item_t  *item;

    len = news->entry.len + news->channel.len + news->message.len;

    for (i = 0; i < news->nmarks; i++) {
        len += news->marks[i].len;
    }

    item = ngx_alloc(sizeof(ngx_counters_owed_item_t) + len, ngx_cycle->log);
    if (item == NULL) {
        return NULL;
    }

    ngx_memzero(item, sizeof(ngx_counters_owed_item_t));

    item->worker = w;
    item->news = *news;

    p = item->data;

    for (i = 0; i < news->nmarks; i++) {
        p = ngx_counters_owed_str(p, &item->news.marks[i]);
    }

    p = ngx_counters_owed_str(p, &item->news.entry);
    p = ngx_counters_owed_str(p, &item->news.channel);
    (void) ngx_counters_owed_str(p, &item->news.message);

    return item;
}


static u_char *
ngx_counters_owed_str(u_char *p, ngx_str_t *s)
{
    u_char  *last;

    if (s->len == 0) {
        return p;
    }

    last = ngx_cpymem(p, s->data, s->len);
    s->data = p;

    return last;
}


static void
ngx_counters_owed_keep(ngx_counters_owed_item_t *item)
{
    ngx_queue_t            *q;
    ngx_counters_owed_t    *owed;
    ngx_counters_worker_t  *w;

    w = item->worker;
    owed = w->owed;

    if (w->closing) {
        ngx_free(item);
        return;
    }

    if (owed->n >= NGX_COUNTERS_OWED_MAX) {
        q = ngx_queue_head(&owed->queue);
        ngx_queue_remove(q);
        owed->n--;
        ngx_free(ngx_queue_data(q, ngx_counters_owed_item_t, queue));
    }

    ngx_queue_insert_tail(&owed->queue, &item->queue);
    owed->n++;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "counters redis: %ui news kept for later", owed->n);
}


/* in no order: marks and news have their times */

void
ngx_counters_owed_retry(ngx_counters_worker_t *w)
{
    uint64_t                   now, until;
    ngx_queue_t               *q;
    ngx_counters_owed_t       *owed;
    ngx_counters_owed_item_t  *item;

    owed = w->owed;
    now = ngx_counters_worker_now();

    while (owed->n && owed->nsent < NGX_COUNTERS_OWED_SENT) {

        q = ngx_queue_head(&owed->queue);
        item = ngx_queue_data(q, ngx_counters_owed_item_t, queue);
        until = item->news.now + item->news.px;

        ngx_queue_remove(q);
        owed->n--;

        if (now >= until) {
            ngx_free(item);
            continue;
        }

        if (ngx_counters_owed_send(item, until - now) != NGX_OK) {
            ngx_queue_insert_head(&owed->queue, &item->queue);
            owed->n++;
            return;
        }
    }
}


void
ngx_counters_owed_exit(ngx_counters_worker_t *w)
{
    ngx_queue_t  *q;

    while (w->owed->n) {
        q = ngx_queue_head(&w->owed->queue);
        ngx_queue_remove(q);
        w->owed->n--;
        ngx_free(ngx_queue_data(q, ngx_counters_owed_item_t, queue));
    }
}


/* NGX_OK: ngx_counters_owed_settle() will be called, but not yet */

static ngx_int_t
ngx_counters_owed_send(ngx_counters_owed_item_t *item, uint64_t px)
{
    ngx_int_t  rc;

    item->failed = 0;
    item->refused = 0;
    item->awaited = 0;

    rc = item->plain ? ngx_counters_owed_plain(item, px)
                     : ngx_counters_owed_script(item, px);

    if (rc == NGX_OK) {
        item->worker->owed->nsent++;
    }

    return rc;
}


static ngx_int_t
ngx_counters_owed_script(ngx_counters_owed_item_t *item, uint64_t px)
{
    ngx_str_t                  words[NGX_COUNTERS_OWED_MARKS + 6];
    ngx_uint_t                 n, nkeys;
    ngx_counters_owed_news_t  *news;
    u_char                     now[NGX_INT64_LEN];
    u_char                     span[NGX_INT64_LEN];
    u_char                     nmarks[NGX_INT_T_LEN];

    news = &item->news;

    ngx_memcpy(words, news->marks, news->nmarks * sizeof(ngx_str_t));
    n = news->nmarks;

    if (news->entry.len) {
        words[n++] = news->entry;
    }

    nkeys = n;

    words[n].data = now;
    words[n++].len = ngx_sprintf(now, "%uL", news->now) - now;
    words[n].data = span;
    words[n++].len = ngx_sprintf(span, "%uL", px) - span;
    words[n++] = news->channel;
    words[n++] = news->message;
    words[n].data = nmarks;
    words[n++].len = ngx_sprintf(nmarks, "%ui", news->nmarks) - nmarks;

    ngx_counters_owed_sent(item,
              ngx_counters_redis_eval(item->worker->redis,
                                      &ngx_counters_owed_lua, words, n, nkeys,
                                      ngx_counters_owed_handler, item));

    return item->awaited ? NGX_OK : NGX_DECLINED;
}


/* where scripts are not to be had, a mark that comes late may lower another */

static ngx_int_t
ngx_counters_owed_plain(ngx_counters_owed_item_t *item, uint64_t px)
{
    ngx_str_t                  now;
    ngx_uint_t                 i;
    ngx_counters_redis_t      *redis;
    ngx_counters_owed_news_t  *news;
    u_char                     buf[NGX_INT64_LEN];

    redis = item->worker->redis;
    news = &item->news;

    now.data = buf;
    now.len = ngx_sprintf(buf, "%uL", news->now) - buf;

    for (i = 0; i < news->nmarks; i++) {
        ngx_counters_owed_sent(item,
                   ngx_counters_redis_set(redis, &news->marks[i], &now, px,
                                          ngx_counters_owed_handler, item));
    }

    if (news->entry.len) {
        ngx_counters_owed_sent(item,
                   ngx_counters_redis_del(redis, &news->entry,
                                          ngx_counters_owed_handler, item));
    }

    if (!item->told) {
        ngx_counters_owed_sent(item,
                   ngx_counters_redis_publish(redis, &news->channel,
                                              &news->message,
                                              ngx_counters_owed_told_handler,
                                              item));
    }

    return item->awaited ? NGX_OK : NGX_DECLINED;
}


static void
ngx_counters_owed_sent(ngx_counters_owed_item_t *item, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        item->awaited++;

    } else {
        item->failed = 1;
    }
}


static void
ngx_counters_owed_handler(void *data, ngx_int_t rc, ngx_str_t *values,
    ngx_uint_t nvalues)
{
    ngx_counters_owed_item_t *item = data;

    ngx_counters_worker_written(item->worker, rc, values, nvalues);

    if (rc != NGX_OK) {
        item->failed = 1;
        item->refused |= (rc == NGX_DECLINED);
    }

    if (--item->awaited == 0) {
        ngx_counters_owed_settle(item);
    }
}


/* nodes hear it once, however long Redis has no room for the marks */

static void
ngx_counters_owed_told_handler(void *data, ngx_int_t rc, ngx_str_t *values,
    ngx_uint_t nvalues)
{
    ngx_counters_owed_item_t *item = data;

    item->told = (rc == NGX_OK);

    ngx_counters_owed_handler(data, rc, values, nvalues);
}


static void
ngx_counters_owed_settle(ngx_counters_owed_item_t *item)
{
    ngx_counters_worker_t  *w;

    w = item->worker;
    w->owed->nsent--;

    if (!item->failed && item->early) {

        /* who has read it from Redis since hears it again */

        item->early = 0;
        item->told = 0;
        item->news.nmarks = 0;
        item->news.entry.len = 0;

        if (!w->closing
            && ngx_counters_owed_send(item, item->news.px) == NGX_OK)
        {
            return;
        }

        ngx_counters_owed_keep(item);
        return;
    }

    if (!item->failed) {
        ngx_free(item);

        /* what else is owed may be done, too */

        if (!w->closing) {
            ngx_counters_owed_retry(w);
        }

        return;
    }

    item->early = item->told;

    /* a new connection may lead to a server that has scripts */

    item->plain = item->refused && !item->plain;

    if (item->plain && !w->closing
        && ngx_counters_owed_send(item, item->news.px) == NGX_OK)
    {
        return;
    }

    item->plain = 0;

    ngx_counters_owed_keep(item);
}
