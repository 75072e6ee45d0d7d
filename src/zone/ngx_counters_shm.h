
/*
 * Copyright (C) The nginx counters module authors
 *
 * How a zone lies in shared memory: for the files of the zone alone.
 * "_locked" functions want the zone's mutex held.
 */


#ifndef _NGX_COUNTERS_SHM_H_INCLUDED_
#define _NGX_COUNTERS_SHM_H_INCLUDED_


#include "ngx_counters_stats.h"
#include "ngx_counters_types.h"


#define NGX_COUNTERS_STAT_ROWS    16

#define NGX_COUNTERS_QUEUE_MAX    20000

/* so many new credentials accepted in a row make the next ones credible */
#define NGX_COUNTERS_TRUST        10

/* a flight's lease outlives its timeout by this */
#define NGX_COUNTERS_LEASE_SLACK  1000


typedef enum {
    NGX_COUNTERS_IDLE = 0,
    NGX_COUNTERS_LEASED,        /* its owner looks into Redis */
    NGX_COUNTERS_QUEUED,        /* in the refresh queue */
    NGX_COUNTERS_FLYING         /* its owner asks the portal */
} ngx_counters_state_e;


/* the header lines that answers have in common, nearly always the same */

typedef struct {
    ngx_queue_t             queue;        /* in sh->headers */
    uint32_t                refs;         /* answers with them */
    uint32_t                len;
    u_char                  data[1];
} ngx_counters_headers_t;


typedef struct {
    ngx_counters_headers_t *headers;
    uint32_t                len;          /* of the body */
    u_char                  etag[NGX_COUNTERS_ETAG_LEN];
    u_char                  data[1];
} ngx_counters_blob_t;


/*
 * A credential by its digest; node.key is its first bytes.  One that owns no
 * entry is kept while it is worth remembering that it was accepted or
 * refused.  It shares a slab slot's size with entries, so that one that goes
 * makes room for any of them.
 */

struct ngx_counters_cred_node_s {
    ngx_rbtree_node_t       node;
    uint64_t                used;         /* idle: when it was last used */
    uint64_t                accepted;     /* 0: never */
    uint64_t                refused;      /* 0: never */

    /* a cache line of its own, the only one that a hit reads */

    u_char                  digest[NGX_COUNTERS_DIGEST_LEN];

    ngx_queue_t             idle;         /* in sh->idle, if no entries */
    ngx_queue_t             entries;
    ngx_queue_t             pending[NGX_COUNTERS_CLASSES];
    uint64_t                hold[NGX_COUNTERS_METHODS];
    uint64_t                slow[NGX_COUNTERS_METHODS];
                                          /* until: for those who wait only */
    uint32_t                reset[NGX_COUNTERS_METHODS];
                                          /* when operating time is forgotten,
                                             seconds */
    struct {
        unsigned            spent:24;     /* of it, milliseconds */
        unsigned            held:8;       /* limits in a row */
    }                       operating[NGX_COUNTERS_METHODS];
    uint32_t                alone;        /* until: no batches, seconds; not
                                             0 before one has been answered */
    uint32_t                nentries;
    uint32_t                npending;     /* QUEUED */
    unsigned                nflying:21;
    unsigned                probe:2;      /* 1 << method: one call first; */
    unsigned                trying:3;     /* it is under way, or the batch */
    unsigned                failing:2;    /* batches, in a row */
    unsigned                rests:4;      /* of batches, in a row */
};


/* in "trying", beside the methods */

#define NGX_COUNTERS_BATCHES    NGX_COUNTERS_METHODS

_Static_assert(NGX_COUNTERS_METHODS == 2, "a bit for each, and for batches");


/* what a fresh hit reads comes first, within two cache lines */

struct ngx_counters_entry_s {
    ngx_rbtree_node_t          node;
    ngx_counters_cred_node_t  *cred;
    ngx_counters_blob_t       *blob;

    uint64_t                   user;
    uint64_t                   group;
    uint64_t                   fetched;
    uint64_t                   asked;     /* to within a second */
    uint64_t                   marked;    /* marked stale, 0: not */

    uint32_t                   ttl;
    ngx_pid_t                  pid;       /* the owner, unless IDLE */
    uint16_t                   status;
    uint16_t                   slot;
    unsigned                   method:2;
    unsigned                   type:3;
    unsigned                   kind:2;
    unsigned                   origin:1;
    unsigned                   state:2;
    unsigned                   class:2;
    unsigned                   failures:5;
    unsigned                   split:3;   /* halved so often */
    unsigned                   listed:1;  /* in sh->lru, not sh->bare */
    unsigned                   force:1;   /* what is under way was forced, */
    unsigned                   forced:1;  /* what is here was */

    ngx_queue_t                lru;       /* in sh->lru, or sh->bare */
    ngx_queue_t                siblings;  /* in cred->entries */
    ngx_queue_t                queue;     /* in sh->queue, while QUEUED */
    ngx_queue_t                pending;   /* in cred->pending, likewise */
    ngx_queue_t                age;       /* in sh->ages; next NULL: not */

    uint64_t                   since;     /* in this state */
    uint64_t                   lease;     /* until when it is the owner's */
    uint64_t                   failed;    /* last failure */
    uint64_t                   retry;     /* not asked again before */
    uint64_t                   refused;   /* a 400, 401 or 403 */
    uint64_t                   wake;      /* slots whose clients wait */
};


#define NGX_COUNTERS_SLOT         256

_Static_assert(sizeof(ngx_counters_cred_node_t) <= NGX_COUNTERS_SLOT
               && sizeof(ngx_counters_entry_t) <= NGX_COUNTERS_SLOT,
               "one slab slot for credentials and entries");


/*
 * All entries fetched before "since" become stale, each at a moment of its
 * own within "span"; then those fetched before "next", unless it is 0.
 */

typedef struct {
    uint64_t                   since;     /* 0: never */
    uint64_t                   next;
    uint32_t                   span;
} ngx_counters_fade_t;


/* the events that wait to be acted upon, and who takes part in which task */

typedef struct {
    ngx_rbtree_t               tree;      /* tasks, by id */
    ngx_rbtree_node_t          sentinel;
    ngx_queue_t                lru;       /* head: latest event */
    ngx_queue_t                pending;   /* head: waits longest */
    ngx_queue_t                asked;     /* by the owner */
    void                      *cells;     /* NULL: no tasks are kept */
    void                      *free;

    ngx_uint_t                 npending;
    ngx_uint_t                 nasked;
    ngx_uint_t                 wide;      /* all entries are to be marked */

    ngx_pid_t                  pid;       /* the owner, if any are asked */
    uint64_t                   lease;     /* until when they are its own */
    uint64_t                   first;     /* event that waits */
    uint64_t                   last;      /* when some were acted upon */
    uint64_t                   hold;      /* not asked before */
    uint32_t                   gap;       /* from "last" to the next time */
    unsigned                   failures;  /* in a row */
} ngx_counters_tasks_t;


struct ngx_counters_zone_sh_s {
    uint64_t                   layout;    /* stays first, see below */

    ngx_rbtree_t               entries;
    ngx_rbtree_node_t          entries_sentinel;
    ngx_rbtree_t               creds;
    ngx_rbtree_node_t          creds_sentinel;

    ngx_queue_t                lru;       /* with an answer; head: latest */
    ngx_queue_t                bare;      /* without: leave first */
    ngx_queue_t                idle;      /* credentials without entries */
    ngx_queue_t                headers;   /* head: used latest */
    ngx_queue_t                ages[NGX_COUNTERS_METHODS];
                                          /* data, head: fetched longest ago;
                                             a method has a ttl of its own */
    ngx_queue_t                queue[NGX_COUNTERS_CLASSES];

    ngx_counters_fade_t        fade;
    ngx_counters_tasks_t       tasks;

    ngx_counters_bucket_t      bucket;
    ngx_counters_hold_e        hold;
    uint64_t                   hold_until;
    uint64_t                   probe;     /* until: one call is trying */
    uint64_t                   recovered; /* last success after a hold */
    unsigned                   failures;  /* in a row */
    unsigned                   turn;      /* dispatches, see the queue */
    uint64_t                   starved;   /* when clients last had to wait
                                             for quota */
    unsigned                   timed;     /* the portal tells of operating
                                             time */
    unsigned                   trust;     /* in new credentials, up to
                                             NGX_COUNTERS_TRUST */

    uint64_t                   offered;   /* when the queue's head was left
                                             to another worker */
    void                      *offer;
    uint64_t                   busy;      /* slots of workers passed over */
    uint64_t                   busy_until;

    ngx_uint_t                 nentries;
    ngx_uint_t                 ncreds;
    ngx_uint_t                 nqueued[NGX_COUNTERS_CLASSES];
    ngx_uint_t                 nowners;   /* credentials with calls queued */
    ngx_uint_t                 nleased;
    ngx_uint_t                 nflying;

    ngx_pid_t                  listener;  /* hears other nodes; 0: nobody */
    uint64_t                   heard;     /* until when all they told */

    uint32_t                   operating; /* of a call, microseconds */
    uint64_t                   since;     /* the zone was made */
    uint64_t                   clock;     /* last time it was looked over */
    u_char                     secret[NGX_COUNTERS_SECRET_LEN];
    ngx_atomic_t               stats[NGX_COUNTERS_STAT_ROWS]
                                    [NGX_COUNTERS_STAT_COUNT];
};


/*
 * A reload may bring another build of the module to the zone of this one.  If
 * that build would lay it out otherwise, the reload is refused.  One number
 * is for what the sizes do not show.
 */

#define NGX_COUNTERS_LAYOUT                                                   \
    (((uint64_t) 2 << 48) + ((uint64_t) sizeof(ngx_counters_zone_sh_t) << 24) \
     + (sizeof(ngx_counters_cred_node_t) << 12) + sizeof(ngx_counters_entry_t) \
     + sizeof(ngx_counters_blob_t))

/*
 * A tree holds the address of its function, which differs between builds that
 * share the zone for a while: it is set anew each time, under the mutex.
 */

#define ngx_counters_tree_insert(tree, node, function)                        \
    (tree)->insert = function;                                                \
    ngx_rbtree_insert(tree, node)


#define ngx_counters_lock(zone)    ngx_shmtx_lock(&(zone)->shpool->mutex)
#define ngx_counters_unlock(zone)  ngx_shmtx_unlock(&(zone)->shpool->mutex)


#endif /* _NGX_COUNTERS_SHM_H_INCLUDED_ */
