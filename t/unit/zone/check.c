
/*
 * Copyright (C) The nginx counters module authors
 *
 * Everything that must be true of a zone whenever nobody holds its mutex.
 */


#include "zone_test.h"


/* what the entries are found to be in one walk over the tree */

typedef struct {
    ngx_uint_t  entries;
    ngx_uint_t  listed;
    ngx_uint_t  aged;
    ngx_uint_t  blobs;
    ngx_uint_t  flying;
    ngx_uint_t  queued[NGX_COUNTERS_CLASSES];
    ngx_uint_t  creds;
    ngx_uint_t  idle;
    ngx_uint_t  offered;
} tally_t;


static const char *check_entry(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, tally_t *t);
static const char *check_entries(ngx_counters_zone_t *zone,
    ngx_rbtree_node_t *node, tally_t *t);
static const char *check_cred(ngx_counters_zone_t *zone,
    ngx_counters_cred_node_t *cred, tally_t *t);
static const char *check_creds(ngx_counters_zone_t *zone,
    ngx_rbtree_node_t *node, tally_t *t);
static const char *check_lists(ngx_counters_zone_t *zone, tally_t *t);
static ngx_uint_t length(ngx_queue_t *list, ngx_uint_t max);


static char  text[200];


#define expect(cond, ...)                                                     \
    if (!(cond)) {                                                            \
        snprintf(text, sizeof(text), __VA_ARGS__);                            \
        return text;                                                          \
    }

#define n(value)  ((unsigned long) (value))


const char *
zone_check(ngx_counters_zone_t *zone)
{
    tally_t                  t;
    ngx_uint_t               i, pieces, headers, refs;
    ngx_queue_t             *q;
    const char              *wrong;
    ngx_counters_zone_sh_t  *sh;
    ngx_counters_headers_t  *shared;

    sh = zone->sh;

    ngx_memzero(&t, sizeof(t));

    wrong = check_creds(zone, sh->creds.root, &t);

    if (wrong == NULL) {
        wrong = check_entries(zone, sh->entries.root, &t);
    }

    if (wrong == NULL) {
        wrong = check_lists(zone, &t);
    }

    if (wrong) {
        return wrong;
    }

    expect(t.entries == sh->nentries, "%lu entries are counted as %lu",
           n(t.entries), n(sh->nentries));
    expect(t.creds == sh->ncreds, "%lu credentials are counted as %lu",
           n(t.creds), n(sh->ncreds));
    expect(t.flying == sh->nflying, "%lu in flight are counted as %lu",
           n(t.flying), n(sh->nflying));

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        expect(t.queued[i] == sh->nqueued[i],
               "%lu queued in class %lu are counted as %lu",
               n(t.queued[i]), n(i), n(sh->nqueued[i]));
    }

    expect(sh->offer == NULL || t.offered, "an offer is of none in the queue");

    /* the zone itself is one */

    zone_used(&pieces);

    headers = 0;
    refs = 0;

    for (q = ngx_queue_head(&sh->headers);
         q != ngx_queue_sentinel(&sh->headers);
         q = ngx_queue_next(q))
    {
        headers++;
        shared = ngx_queue_data(q, ngx_counters_headers_t, queue);
        refs += shared->refs;
    }

    expect(refs == t.blobs, "%lu answers, but headers are used %lu times",
           n(t.blobs), n(refs));

    expect(pieces == 1 + t.entries + t.creds + t.blobs + headers,
           "%lu pieces for %lu entries, %lu credentials, %lu answers",
           n(pieces), n(t.entries), n(t.creds), n(t.blobs));

    return NULL;
}


static const char *
check_entries(ngx_counters_zone_t *zone, ngx_rbtree_node_t *node, tally_t *t)
{
    const char         *wrong;
    ngx_rbtree_node_t  *sentinel;

    sentinel = zone->sh->entries.sentinel;

    if (node == sentinel) {
        return NULL;
    }

    expect(node->left == sentinel || node->left->parent == node,
           "a tree's child has another parent");
    expect(node->right == sentinel || node->right->parent == node,
           "a tree's child has another parent");

    wrong = check_entries(zone, node->left, t);

    if (wrong == NULL) {
        wrong = check_entry(zone, (ngx_counters_entry_t *) node, t);
    }

    return wrong ? wrong : check_entries(zone, node->right, t);
}


static const char *
check_entry(ngx_counters_zone_t *zone, ngx_counters_entry_t *e, tally_t *t)
{
    ngx_counters_key_t         key;
    ngx_counters_cred_node_t  *cred;

    t->entries++;

    cred = e->cred;

    expect(ngx_counters_table_find_cred_locked(zone, cred->digest) == cred,
           "an entry's credential is not in the tree");

    ngx_counters_table_key_locked(e, &key);

    expect(ngx_counters_table_find_locked(zone, &key) == e,
           "an entry is not found by its key");

    expect((e->kind == NGX_COUNTERS_EMPTY) == (e->blob == NULL),
           "an entry of kind %d has%s an answer", e->kind,
           e->blob ? "" : " not");
    expect(e->listed == (e->kind == NGX_COUNTERS_DATA),
           "an entry of kind %d is listed as %d", e->kind, e->listed);
    expect(e->age.next == NULL || e->listed, "an entry without data ages");

    t->blobs += (e->blob != NULL);
    t->listed += e->listed;
    t->aged += (e->age.next != NULL);

    switch (e->state) {

    case NGX_COUNTERS_QUEUED:
        t->queued[e->class]++;
        t->offered += (zone->sh->offer == e);
        break;

    case NGX_COUNTERS_FLYING:
        t->flying++;
        break;

    default:
        break;
    }

    expect(e->state == NGX_COUNTERS_IDLE || e->pid != 0,
           "an entry in state %d has no owner", e->state);

    return NULL;
}


static const char *
check_creds(ngx_counters_zone_t *zone, ngx_rbtree_node_t *node, tally_t *t)
{
    const char         *wrong;
    ngx_rbtree_node_t  *sentinel;

    sentinel = zone->sh->creds.sentinel;

    if (node == sentinel) {
        return NULL;
    }

    expect(node->left == sentinel || node->left->parent == node,
           "a tree's child has another parent");
    expect(node->right == sentinel || node->right->parent == node,
           "a tree's child has another parent");

    wrong = check_creds(zone, node->left, t);

    if (wrong == NULL) {
        wrong = check_cred(zone, (ngx_counters_cred_node_t *) node, t);
    }

    return wrong ? wrong : check_creds(zone, node->right, t);
}


static const char *
check_cred(ngx_counters_zone_t *zone, ngx_counters_cred_node_t *cred,
    tally_t *t)
{
    ngx_uint_t             i, entries, pending, flying, queued;
    ngx_queue_t           *q;
    ngx_counters_entry_t  *e;

    t->creds++;
    t->idle += (cred->nentries == 0);

    expect(ngx_counters_table_find_cred_locked(zone, cred->digest) == cred,
           "a credential is not found by its digest");

    entries = 0;
    pending = 0;
    flying = 0;
    queued = 0;

    for (q = ngx_queue_head(&cred->entries);
         q != ngx_queue_sentinel(&cred->entries);
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_counters_entry_t, siblings);

        expect(q->next->prev == q, "a list of siblings is torn");
        expect(e->cred == cred, "an entry is among another's siblings");

        flying += (e->state == NGX_COUNTERS_FLYING);
        queued += (e->state == NGX_COUNTERS_QUEUED);
        entries++;

        expect(entries <= zone->sh->nentries, "a list of siblings is a loop");
    }

    expect(entries == cred->nentries, "%lu siblings are counted as %lu",
           n(entries), n(cred->nentries));
    expect(flying == cred->nflying, "%lu in flight are counted as %lu",
           n(flying), n(cred->nflying));

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {

        for (q = ngx_queue_head(&cred->pending[i]);
             q != ngx_queue_sentinel(&cred->pending[i]);
             q = ngx_queue_next(q))
        {
            e = ngx_queue_data(q, ngx_counters_entry_t, pending);

            expect(q->next->prev == q, "a list of pending ones is torn");
            expect(e->cred == cred && e->class == i
                   && e->state == NGX_COUNTERS_QUEUED,
                   "an entry is pending in class %lu, but in state %d, "
                   "class %d", n(i), e->state, e->class);

            pending++;

            expect(pending <= entries, "a list of pending ones is a loop");
        }
    }

    expect(pending == queued && pending == cred->npending,
           "%lu pending ones are counted as %lu, %lu are queued",
           n(pending), n(cred->npending), n(queued));

    return NULL;
}


static const char *
check_lists(ngx_counters_zone_t *zone, tally_t *t)
{
    ngx_uint_t                 i, max;
    ngx_queue_t               *q;
    ngx_counters_entry_t      *e;
    ngx_counters_zone_sh_t    *sh;
    ngx_counters_cred_node_t  *cred;

    sh = zone->sh;
    max = t->entries;

    expect(length(&sh->lru, max) == t->listed, "the LRU list is wrong");
    expect(length(&sh->bare, max) == t->entries - t->listed,
           "the list of bare entries is wrong");
    expect(length(&sh->idle, t->creds) == t->idle,
           "the list of idle credentials is wrong");

    for (q = ngx_queue_head(&sh->lru);
         q != ngx_queue_sentinel(&sh->lru);
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_counters_entry_t, lru);
        expect(e->listed, "a bare entry is in the LRU list");
    }

    for (q = ngx_queue_head(&sh->bare);
         q != ngx_queue_sentinel(&sh->bare);
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_counters_entry_t, lru);
        expect(!e->listed, "an entry of the LRU list is among the bare ones");
    }

    for (q = ngx_queue_head(&sh->idle);
         q != ngx_queue_sentinel(&sh->idle);
         q = ngx_queue_next(q))
    {
        cred = ngx_queue_data(q, ngx_counters_cred_node_t, idle);
        expect(cred->nentries == 0, "a credential with entries is idle");
    }

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {

        expect(length(&sh->queue[i], max) == t->queued[i],
               "the queue of class %lu is wrong", n(i));

        for (q = ngx_queue_head(&sh->queue[i]);
             q != ngx_queue_sentinel(&sh->queue[i]);
             q = ngx_queue_next(q))
        {
            e = ngx_queue_data(q, ngx_counters_entry_t, queue);

            expect(e->state == NGX_COUNTERS_QUEUED && e->class == i,
                   "an entry is in queue %lu, but in state %d, class %d",
                   n(i), e->state, e->class);
        }
    }

    max = 0;

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {

        for (q = ngx_queue_head(&sh->ages[i]);
             q != ngx_queue_sentinel(&sh->ages[i]);
             q = ngx_queue_next(q))
        {
            e = ngx_queue_data(q, ngx_counters_entry_t, age);

            expect(q->next->prev == q, "the list of ages is torn");
            expect(e->listed && e->method == i,
                   "an entry of method %d, listed as %d, ages with method %lu",
                   e->method, e->listed, n(i));

            max++;

            expect(max <= t->aged, "the list of ages is wrong");
        }
    }

    expect(max == t->aged, "%lu ages are counted as %lu", n(max), n(t->aged));

    return NULL;
}


/* of a sound list; max + 1 of any other */

static ngx_uint_t
length(ngx_queue_t *list, ngx_uint_t max)
{
    ngx_uint_t    len;
    ngx_queue_t  *q;

    len = 0;

    for (q = ngx_queue_head(list);
         q != ngx_queue_sentinel(list) && len <= max;
         q = ngx_queue_next(q))
    {
        if (q->next->prev != q) {
            return max + 1;
        }

        len++;
    }

    return len;
}
