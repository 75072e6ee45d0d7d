
/*
 * Copyright (C) The nginx counters module authors
 *
 * One portal's shared memory: the entries, the credentials they belong to,
 * the refresh queue and the quota.  Every function takes the zone's mutex
 * itself and yields nothing while it holds it; no pointer into the zone
 * leaves this file.  Times are Unix milliseconds and arguments.
 */


#ifndef _NGX_COUNTERS_ZONE_H_INCLUDED_
#define _NGX_COUNTERS_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_bucket.h"
#include "ngx_counters_key.h"
#include "ngx_counters_policy.h"
#include "ngx_counters_stats.h"


#define NGX_COUNTERS_ETAG_LEN     16
#define NGX_COUNTERS_SECRET_LEN   32
#define NGX_COUNTERS_ZONE_MIN     (128 * 1024)

/* an entry is active when asked for within this, or within "ahead", ms */
#define NGX_COUNTERS_ACTIVE       60000


/* what an entry holds */

typedef enum {
    NGX_COUNTERS_EMPTY = 0,     /* a place for a refresh under way */
    NGX_COUNTERS_DATA,          /* a 200 */
    NGX_COUNTERS_NEGATIVE,      /* a remembered 400, 401 or 403 */
    NGX_COUNTERS_FAILURE        /* what the portal said when it failed */
} ngx_counters_kind_e;


/* where an answer came from */

typedef enum {
    NGX_COUNTERS_FROM_PORTAL = 0,
    NGX_COUNTERS_FROM_REDIS
} ngx_counters_origin_e;


/* the order in which refreshes leave; within a class the oldest goes first */

typedef enum {
    NGX_COUNTERS_WAITING = 0,   /* a client waits and has nothing cached */
    NGX_COUNTERS_STALE,         /* a client was answered stale */
    NGX_COUNTERS_AHEAD,         /* nobody has asked yet */
    NGX_COUNTERS_UNKNOWN,       /* under a credential never accepted */
    NGX_COUNTERS_CLASSES
} ngx_counters_class_e;


/* why the portal is not asked now */

typedef enum {
    NGX_COUNTERS_OPEN = 0,      /* it may be asked */
    NGX_COUNTERS_BACKOFF,       /* it has failed, for this key or at all */
    NGX_COUNTERS_LIMITED,       /* QUERY_LIMIT_EXCEEDED */
    NGX_COUNTERS_OVERLOADED,    /* OVERLOAD_LIMIT */
    NGX_COUNTERS_OPERATED       /* OPERATION_TIME_LIMIT, this method */
} ngx_counters_hold_e;


/* what the zone needs of the configuration; spans in milliseconds */

typedef struct {
    uint32_t                     stale;
    uint32_t                     error;
    uint32_t                     timeout;     /* of one portal call */
    uint32_t                     ahead;       /* 0: off */
    uint32_t                     batch;       /* calls a request, 1: off */
    uint32_t                     batch_wait;
    uint32_t                     reserve;     /* per cent */
    uint32_t                     tasks;       /* participants are kept */
    ngx_counters_bucket_conf_t   bucket;
} ngx_counters_zone_conf_t;


typedef struct ngx_counters_zone_sh_s  ngx_counters_zone_sh_t;


/* per cycle; the data in shared memory outlives it */

typedef struct {
    ngx_counters_zone_sh_t      *sh;
    ngx_slab_pool_t             *shpool;
    ngx_counters_zone_conf_t     conf;
    ngx_str_t                    name;        /* of the portal, for logs */

    /* the managed webhook, which every worker has; per process */
    ngx_uint_t                   common;
    u_char                       common_cred[NGX_COUNTERS_DIGEST_LEN];
} ngx_counters_zone_t;


/* whether it is the digest of the managed webhook */

static ngx_inline ngx_uint_t
ngx_counters_zone_common(ngx_counters_zone_t *zone, const u_char *digest)
{
    return zone->common
           && ngx_memcmp(digest, zone->common_cred, NGX_COUNTERS_DIGEST_LEN)
              == 0;
}


/* an answer to be kept, or kept */

typedef struct {
    ngx_counters_kind_e          kind;
    ngx_counters_origin_e        origin;
    ngx_uint_t                   status;
    uint64_t                     fetched;
    uint32_t                     ttl;         /* how long kind holds: fresh,
                                                 negative, backoff */
    ngx_str_t                    headers;
    ngx_str_t                    body;
} ngx_counters_answer_in_t;


/* a copy of an entry; the strings are in the pool given */

typedef struct {
    ngx_counters_kind_e          kind;
    ngx_counters_origin_e        origin;
    ngx_counters_fresh_e         fresh;       /* of DATA */
    ngx_uint_t                   status;
    uint64_t                     fetched;
    int64_t                      remains;     /* of the ttl, ms; <= 0 stale */
    ngx_counters_hold_e          hold;        /* whether a refresh may be
                                                 asked for now */
    uint64_t                     hold_until;
    unsigned                     refreshing:1;
    unsigned                     leased:1;    /* Redis is being asked */
    unsigned                     flying:1;    /* its request is under way */
    unsigned                     dry:1;       /* no quota for it now */
    unsigned                     forced:1;    /* counters_bypass asked for it */
    ngx_str_t                    headers;
    ngx_str_t                    body;
    u_char                       etag[NGX_COUNTERS_ETAG_LEN];
} ngx_counters_view_t;


/* a worker as other workers see it */

typedef struct {
    ngx_pid_t                    pid;
    ngx_uint_t                   slot;        /* ngx_worker */
} ngx_counters_owner_t;


/* calls under one credential that leave together */

typedef struct {
    u_char                       cred[NGX_COUNTERS_DIGEST_LEN];
    ngx_uint_t                   n;
    ngx_counters_key_t           keys[NGX_COUNTERS_BATCH_MAX];
    ngx_uint_t                   split;       /* halvings behind them */
} ngx_counters_flight_t;


/*
 * For the shm zone's init: "data" is the old cycle's zone or NULL.  A new
 * zone gets a random secret.  NGX_OK or NGX_ERROR, logged.
 */

ngx_int_t ngx_counters_zone_init(ngx_counters_zone_t *zone,
    ngx_shm_zone_t *shm_zone, ngx_counters_zone_t *old);

/* the random secret made with the zone, NGX_COUNTERS_SECRET_LEN bytes */

u_char *ngx_counters_zone_secret(ngx_counters_zone_t *zone);

/*
 * NGX_OK with a copy, NGX_DECLINED if there is no such entry (the view tells
 * of holds and refreshes all the same), NGX_ERROR when the pool is out of
 * memory.  Without a pool nothing is copied.  Records that the entry was
 * asked for.
 */

ngx_int_t ngx_counters_zone_lookup(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, uint64_t now, ngx_pool_t *pool,
    ngx_counters_view_t *view);

/* whether there is no quota now for what could wait */

ngx_uint_t ngx_counters_zone_dry(ngx_counters_zone_t *zone, uint64_t now);

/* when there was none last for those who wait, 0: always was */

uint64_t ngx_counters_zone_starved(ngx_counters_zone_t *zone);

/*
 * Asks for a refresh.  NGX_OK: the caller is the one to do it, under a lease
 * until now + lease.  NGX_AGAIN: it is being done; with "wait" this worker is
 * woken when it is over.  NGX_DECLINED: the entry has an answer newer than
 * "seen" (a fetched time, 0 for none).  NGX_BUSY: too many wait already, it
 * may be asked again later; NGX_ERROR: no room for an entry.  With "check" a
 * lease is taken over from a worker that is dead.
 */

typedef struct {
    ngx_counters_class_e         class;
    uint32_t                     lease;
    uint64_t                     seen;
    unsigned                     wait:1;
    unsigned                     check:1;
    unsigned                     force:1;     /* by counters_bypass */
} ngx_counters_ask_t;

ngx_int_t ngx_counters_zone_acquire(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, ngx_counters_owner_t *me,
    ngx_counters_ask_t *ask, uint64_t now);

/*
 * A lease, or a flight that came to nothing, becomes a place in the queue.
 * "split" halves the batches it may leave in.  The class becomes UNKNOWN for
 * a credential that was never accepted; a flight returns to the front of the
 * class it came from.  NGX_OK, NGX_BUSY when the queue is
 * full, NGX_DECLINED when the caller does not own the key.
 */

ngx_int_t ngx_counters_zone_enqueue(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, ngx_counters_owner_t *me,
    ngx_counters_class_e class, ngx_uint_t split, uint64_t now);

/*
 * The next calls to leave.  NGX_OK with a flight, its quota taken.
 * NGX_AGAIN: try again after *delay milliseconds.  NGX_BUSY: it is the turn
 * of the worker in slot *slot, which is to be woken, and *delay is when to
 * look again in case it is dead.  NGX_DONE: nothing is queued.
 */

ngx_int_t ngx_counters_zone_dispatch(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now, ngx_counters_flight_t *flight,
    ngx_msec_t *delay, ngx_uint_t *slot);

/*
 * Queues what is about to expire and was asked for within "ahead", if "has"
 * says that this worker has its credential.  "has" is called with the mutex
 * held.  Returns how many were queued.
 */

typedef ngx_uint_t (*ngx_counters_has_pt)(void *data, const u_char *digest);

ngx_uint_t ngx_counters_zone_ahead(ngx_counters_zone_t *zone,
    ngx_counters_owner_t *me, uint64_t now, ngx_counters_has_pt has,
    void *data);

/*
 * Ends a lease or a flight of one key with an answer, or with none (NULL:
 * nothing was learnt).  A FAILURE keeps data that is there and starts the
 * key's backoff.  *stored tells whether the answer is in the zone now: never
 * if the caller has lost its lease.
 * Returns the slots (bit slot % 64) of the workers to be woken.
 */

uint64_t ngx_counters_zone_finish(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, ngx_counters_owner_t *me,
    ngx_counters_answer_in_t *answer, uint64_t now, ngx_uint_t *stored);

/*
 * The portal has answered, or failed, or has set a limit.  "until" is when
 * it may be asked again, 0 if it did not say.  A backoff doubles with each
 * time in a row, and ends with one call that is tried.  Both return 1 when
 * this has changed something that other workers should look at.
 */

ngx_uint_t ngx_counters_zone_portal_good(ngx_counters_zone_t *zone,
    uint64_t now);
ngx_uint_t ngx_counters_zone_portal_hold(ngx_counters_zone_t *zone,
    ngx_counters_hold_e hold, uint64_t now, uint64_t until);

/*
 * OPERATION_TIME_LIMIT of one credential's method.  "until" is 0 when the
 * portal did not say.  Returns 0 if it is on hold already.
 */

ngx_uint_t ngx_counters_zone_method_hold(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_uint_t method, uint64_t now, uint64_t until);

/* the same of batch itself: calls leave one by one meanwhile */

void ngx_counters_zone_batch_hold(ngx_counters_zone_t *zone,
    const u_char *digest, uint64_t now, uint64_t until);

/*
 * The operating time that the portal says has been used, milliseconds, and
 * when it begins to be forgotten, Unix seconds.  What nobody waits for is
 * refreshed only as fast as the rest of that time lasts until then.
 */

void ngx_counters_zone_operating(ngx_counters_zone_t *zone,
    const u_char *digest, ngx_uint_t method, uint64_t now, uint64_t used,
    uint64_t reset_at);

/*
 * The portal refuses the managed webhook: what it owns stays, and is not
 * asked for again for a while.  Returns 0 if that is known already.
 */

ngx_uint_t ngx_counters_zone_refused_hold(ngx_counters_zone_t *zone,
    uint64_t now);

/* a request of a location with counters on that is not ours to delay */

void ngx_counters_zone_passed(ngx_counters_zone_t *zone, uint64_t now);

/* credentials */

void ngx_counters_zone_accepted(ngx_counters_zone_t *zone,
    const u_char *cred, uint64_t now);

/*
 * The portal has refused the credential at "now", which may lie in the past:
 * drops all it owns.  The time is kept, so that nothing fetched earlier comes
 * back (from Redis).  Returns how many entries were dropped.
 */

ngx_uint_t ngx_counters_zone_revoke(ngx_counters_zone_t *zone,
    const u_char *cred, uint64_t now);

/*
 * The portal has refused this call at "now", as another node has been told:
 * nothing fetched earlier is used any more.
 */

void ngx_counters_zone_forget(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key, uint64_t now);

/* when the credential, or this key, was last refused; 0: never known */

uint64_t ngx_counters_zone_refused(ngx_counters_zone_t *zone,
    ngx_counters_key_t *key);

/* calls of this credential that are queued, or under way and may return */

ngx_uint_t ngx_counters_zone_pending(ngx_counters_zone_t *zone,
    const u_char *cred);

/*
 * Drops, or with "soft" marks stale, the entries of "user", of "group", or
 * of all (both NULL) that were fetched no later than "now".  Returns how many
 * there were.
 */

ngx_uint_t ngx_counters_zone_purge(ngx_counters_zone_t *zone, uint64_t *user,
    uint64_t *group, ngx_uint_t soft, uint64_t now);

/*
 * Marks all entries stale that were fetched before "when", each at a moment
 * of its own: as slowly as the quota can refresh those in use.  Returns 0 if
 * this is old news.
 */

ngx_uint_t ngx_counters_zone_fade(ngx_counters_zone_t *zone, uint64_t when,
    uint64_t now);

/*
 * Drops what has expired; looks at "n" of each list, oldest first.  Called
 * every second, it also notices when the clock has been set back.
 */

void ngx_counters_zone_expire(ngx_counters_zone_t *zone, uint64_t now,
    ngx_uint_t n);

/* counts, for this worker; needs no lock */

void ngx_counters_zone_count(ngx_counters_zone_t *zone, ngx_uint_t slot,
    ngx_counters_stat_e stat, ngx_uint_t n);

typedef struct {
    uint64_t                     stats[NGX_COUNTERS_STAT_COUNT];
    ngx_uint_t                   entries;
    ngx_uint_t                   creds;
    ngx_uint_t                   queued[NGX_COUNTERS_CLASSES];
    ngx_uint_t                   flying;
    ngx_uint_t                   active;      /* asked for lately */
    size_t                       size;
    size_t                       free;
    uint64_t                     level;       /* of the bucket, thousandths */
    ngx_counters_hold_e          hold;
    uint64_t                     hold_until;
    ngx_uint_t                   failures;    /* of the portal, in a row */
    uint64_t                     since;       /* when counting began */
} ngx_counters_zone_state_t;

void ngx_counters_zone_state(ngx_counters_zone_t *zone, uint64_t now,
    ngx_counters_zone_state_t *state);


#endif /* _NGX_COUNTERS_ZONE_H_INCLUDED_ */
