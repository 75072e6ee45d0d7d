
/*
 * Copyright (C) The nginx counters module authors
 *
 * How a zone lies in shared memory: for the files of the zone alone.
 * "_locked" functions want the zone's lock held.
 *
 * Behind the struct of the zone come the heads of its tables, and then cells
 * of one size.  Entries, credentials and tasks are a cell each; answers are
 * as many as they need, wherever they lie.  So memory never falls to pieces,
 * and whatever leaves makes room for whatever comes.
 *
 * A cell is named by its number, 0 is none.  Everything that changes while
 * the lock is held is saved first (ngx_counters_edit.h): the variables when
 * the lock is taken, links by the functions of ngx_counters_list.h, records
 * by those who change them.
 */


#ifndef _NGX_COUNTERS_SHM_H_INCLUDED_
#define _NGX_COUNTERS_SHM_H_INCLUDED_


#include "ngx_counters_edit.h"
#include "ngx_counters_list.h"
#include "ngx_counters_stats.h"
#include "ngx_counters_types.h"


#define NGX_COUNTERS_STAT_ROWS    16

#define NGX_COUNTERS_QUEUE_MAX    20000

/* so many new credentials accepted in a row make the next ones credible */
#define NGX_COUNTERS_TRUST        10

/* a flight's lease outlives its timeout by this */
#define NGX_COUNTERS_LEASE_SLACK  1000

#define NGX_COUNTERS_CELL         128

/* seconds that the wheel of what is to be refreshed ahead goes round in */
#define NGX_COUNTERS_WHEEL        512

/* answers that are being written, over all processes */
#define NGX_COUNTERS_DRAFTS       64

/* the portal is not taken at its word for longer, milliseconds */
#define NGX_COUNTERS_HOLD_LONGEST  600000

/* by so much may the time of one worker lag behind another's, milliseconds */
#define NGX_COUNTERS_LAG          10000


typedef enum {
    NGX_COUNTERS_IDLE = 0,
    NGX_COUNTERS_LEASED,        /* its owner looks into Redis */
    NGX_COUNTERS_QUEUED,        /* in the refresh queue */
    NGX_COUNTERS_FLYING         /* its owner asks the portal */
} ngx_counters_state_e;


/*
 * What there is of each cell beside it.  "asked" may be written by anybody at
 * any time: if the entry has just gone, it does no harm here.
 */

struct ngx_counters_slot_s {
    uint32_t                   next;      /* cell of an answer, or free one */
    uint32_t                   asked;     /* for this entry, last, seconds */
};


/*
 * Readers look at "seq" before and after.  It is odd while something in the
 * bucket is being changed.
 */

struct ngx_counters_bucket_head_s {
    uint32_t                   seq;
    uint32_t                   entry;
};


/* what is known of a credential's limits; nothing of most of them */

typedef struct {
    uint64_t                   hold[NGX_COUNTERS_METHODS];
    uint64_t                   slow[NGX_COUNTERS_METHODS];
                                          /* until: for those who wait only */
    uint32_t                   alone;     /* until: no batches, seconds; not
                                             0 before one was answered */
    uint32_t                   probe;     /* 1 << method: one call first; */
    uint32_t                   trying;    /* it is under way, or the batch */
    uint32_t                   held[NGX_COUNTERS_METHODS];
                                          /* limits in a row */
    uint32_t                   failing;   /* batches, in a row */
    uint32_t                   rests;     /* of batches, in a row */
} ngx_counters_limits_t;


/* in "trying", beside the methods */

#define NGX_COUNTERS_BATCHES    NGX_COUNTERS_METHODS


/* where a credential with calls in the queue stands */

typedef struct {
    ngx_counters_link_t        pending[NGX_COUNTERS_CLASSES];
    uint32_t                   npending;
    uint32_t                   cred;
} ngx_counters_turn_t;


/*
 * A credential by its digest.  One that owns no entry is kept while it is
 * worth remembering that it was accepted or refused.
 */

struct ngx_counters_cred_node_s {
    uint32_t                   next;      /* in its bucket */
    uint32_t                   nentries;
    u_char                     digest[NGX_COUNTERS_DIGEST_LEN];
    uint64_t                   refused;   /* 0: never */
    uint64_t                   accepted;  /* 0: never */

    uint64_t                   used;      /* idle: when it was last used */
    ngx_counters_link_t        idle;      /* in sh->idle, if no entries */
    ngx_counters_link_t        entries;
    uint32_t                   spent[NGX_COUNTERS_METHODS];
                                          /* operating time, milliseconds */
    uint32_t                   reset[NGX_COUNTERS_METHODS];
                                          /* when it is forgotten, seconds */
    uint32_t                   nflying;
    uint32_t                   limits;    /* cells, or 0 */
    uint32_t                   turn;
};


/* of an entry that is refreshed, or for which there is none: it was refused */

typedef struct {
    uint32_t                   entry;
    ngx_pid_t                  pid;       /* the owner, unless IDLE */
    uint32_t                   slot;
    uint32_t                   purges;    /* of all, when it was asked for */

    ngx_counters_link_t        queue;     /* in sh->queue, while QUEUED */
    ngx_counters_link_t        pending;   /* in turn->pending, likewise */

    uint64_t                   since;     /* in this state */
    uint64_t                   lease;     /* until when it is the owner's */
    uint64_t                   failed;    /* last failure */
    uint64_t                   retry;     /* not asked again before */
    uint64_t                   refused;   /* a 400, 401 or 403 */
    uint64_t                   wake;      /* slots whose clients wait */
} ngx_counters_work_t;


/* a cell, two cache lines: what a fresh hit reads comes first */

struct ngx_counters_entry_s {
    uint32_t                   next;      /* in its bucket */
    uint32_t                   hash;
    uint64_t                   user;
    uint64_t                   group;
    uint64_t                   fetched;
    uint64_t                   marked;    /* marked stale, 0: not */
    uint32_t                   ttl;
    uint32_t                   cred;
    uint32_t                   body;      /* first cell, 0: empty */
    uint32_t                   len;

    uint64_t                   etag;
    uint32_t                   headers;   /* cell */
    uint16_t                   status;
    uint16_t                   failures;
    unsigned                   method:2;
    unsigned                   type:3;
    unsigned                   kind:2;
    unsigned                   origin:1;
    unsigned                   state:2;
    unsigned                   class:2;
    unsigned                   split:3;   /* halved so often */
    unsigned                   listed:1;  /* in sh->lru, not sh->bare */
    unsigned                   force:1;   /* what is under way was forced, */
    unsigned                   forced:1;  /* what is here was */

    uint32_t                   work;      /* cell, or 0 */
    uint32_t                   placed;    /* in its list, seconds */
    uint32_t                   purges;    /* of all, when this was stored */
    ngx_counters_link_t        lru;       /* in sh->lru, or sh->bare */
    ngx_counters_link_t        siblings;  /* in cred->entries */
    ngx_counters_link_t        users;     /* in a list of zone->users */
    ngx_counters_link_t        groups;    /* likewise, if it has a group */
    ngx_counters_link_t        age;       /* in sh->wheel, or in no list */
};


/* the header lines that answers have in common, nearly always the same */

typedef struct {
    ngx_counters_link_t        queue;     /* in sh->headers */
    uint32_t                   refs;      /* answers with them */
    uint32_t                   len;
    uint32_t                   body;      /* first cell, 0: empty */
} ngx_counters_headers_t;


_Static_assert(sizeof(ngx_counters_cred_node_t) <= NGX_COUNTERS_CELL
               && sizeof(ngx_counters_entry_t) <= NGX_COUNTERS_CELL
               && sizeof(ngx_counters_work_t) <= NGX_COUNTERS_CELL
               && sizeof(ngx_counters_turn_t) <= NGX_COUNTERS_CELL
               && sizeof(ngx_counters_limits_t) <= NGX_COUNTERS_CELL,
               "a cell is enough for each");


/*
 * All entries fetched before "since" become stale, each at a moment of its
 * own within "span"; then those fetched before "next", unless it is 0.  Those
 * that were there when all were purged, and fetched until "stale", are so at
 * once; those until "dropped" have gone.
 */

typedef struct {
    uint64_t                   since;     /* 0: never */
    uint64_t                   next;
    uint64_t                   stale;
    uint64_t                   dropped;
    uint32_t                   span;
    uint32_t                   purges;    /* of all, so far */
} ngx_counters_fade_t;

#define ngx_counters_dropped(zone, e)                                         \
    ((e)->purges != (zone)->sh->fade.purges                                   \
     && (e)->fetched <= (zone)->sh->fade.dropped)

#define ngx_counters_fade_at(since, span, hash)                               \
    ((since) + ((span) ? (hash) % (span) : 0))


/*
 * What a process has in hand while it does not hold the lock: the cells of an
 * answer that it copies, or its place in a list that it goes through.
 */

typedef struct {
    ngx_pid_t                  pid;       /* 0: free */
    uint32_t                   body;
    ngx_counters_link_t        link;
} ngx_counters_draft_t;


/* the events that wait to be acted upon, and who takes part in which task */

typedef struct {
    ngx_counters_link_t        lru;       /* head: latest event */
    ngx_counters_link_t        pending;   /* head: waits longest */
    ngx_counters_link_t        asked;     /* by the owner */
} ngx_counters_tasks_lists_t;


typedef struct {
    uint32_t                   kept;      /* participants are */
    uint32_t                   ncells;    /* in use */

    uint32_t                   npending;
    uint32_t                   nasked;
    uint32_t                   wide;      /* all entries are to be marked */

    ngx_pid_t                  pid;       /* the owner, if any are asked */
    uint64_t                   lease;     /* until when they are its own */
    uint64_t                   first;     /* event that waits */
    uint64_t                   last;      /* when some were acted upon */
    uint64_t                   hold;      /* not asked before */
    uint32_t                   gap;       /* from "last" to the next time */
    uint32_t                   failures;  /* in a row */
} ngx_counters_tasks_t;


/* saved whenever the lock is taken */

typedef struct {
    uint32_t                   free;      /* cell */
    uint32_t                   nfree;
    uint32_t                   fresh;     /* from here on never used */

    ngx_counters_tasks_t       tasks;

    ngx_counters_bucket_t      bucket;
    uint32_t                   hold;      /* ngx_counters_hold_e */
    uint32_t                   failures;  /* in a row */
    uint64_t                   hold_until;
    uint64_t                   probe;     /* until: one call is trying */
    uint64_t                   recovered; /* last success after a hold */
    uint64_t                   starved;   /* when clients last had to wait
                                             for quota */
    uint32_t                   timed;     /* the portal tells of operating
                                             time */
    uint32_t                   turn;      /* dispatches, see the queue */
    uint32_t                   trust;     /* in new credentials, up to
                                             NGX_COUNTERS_TRUST */

    uint64_t                   offered;   /* when the queue's head was left
                                             to another worker */
    uint32_t                   offer;     /* the cell of its work */
    uint64_t                   wheel;     /* tick: done until there */
    uint64_t                   busy;      /* slots of workers passed over */
    uint64_t                   busy_until;

    uint32_t                   nentries;
    uint32_t                   ndata;     /* of those that hold some */
    uint32_t                   ndropped;  /* of those, by a purge of all */
    uint32_t                   ncreds;
    uint32_t                   nqueued[NGX_COUNTERS_CLASSES];
    uint32_t                   nowners;   /* credentials with calls queued */
    uint32_t                   nleased;
    uint32_t                   nflying;

    ngx_pid_t                  listener;  /* hears other nodes; 0: nobody */
    uint64_t                   heard;     /* until when all they told */

    uint32_t                   operating; /* of a call, microseconds */
    uint64_t                   newest;    /* "fetched" of any */
    uint64_t                   clock;     /* last time it was looked over */
} ngx_counters_vars_t;


struct ngx_counters_zone_sh_s {
    uint64_t                   layout;    /* stays first, see below */
    uint32_t                   ncells;
    uint32_t                   nbuckets;  /* of entries */
    uint32_t                   nlists;    /* of credentials, and of users */
    uint32_t                   ngroups;
    uint32_t                   ntasks;
    uint64_t                   since;     /* the zone was made */
    u_char                     secret[NGX_COUNTERS_SECRET_LEN];

    /* what readers read, and is seldom written: a line of its own */

    ngx_counters_fade_t        fade NGX_COUNTERS_LINE;
    ngx_counters_vars_t        vars NGX_COUNTERS_LINE;

    ngx_counters_link_t        lru;       /* with an answer; head: latest */
    ngx_counters_link_t        bare;      /* without: leave first */
    ngx_counters_link_t        idle;      /* credentials without entries */
    ngx_counters_link_t        headers;   /* head: used latest */
    ngx_counters_link_t        queue[NGX_COUNTERS_CLASSES];
    ngx_counters_tasks_lists_t tasks;
    ngx_counters_link_t        wheel[NGX_COUNTERS_WHEEL];

    ngx_counters_draft_t       drafts[NGX_COUNTERS_DRAFTS];
    ngx_counters_work_t        no_work;   /* zeroes, for what has none */
    ngx_counters_limits_t      no_limits;

    ngx_counters_edit_t        edit;

    ngx_atomic_t               stats[NGX_COUNTERS_STAT_ROWS]
                                    [NGX_COUNTERS_STAT_COUNT];
};


/*
 * A reload may bring another build of the module to the zone of this one.  If
 * that build would lay it out otherwise, the reload is refused.  One number
 * is for what the sizes do not show.
 */

#define NGX_COUNTERS_LAYOUT                                                   \
    (((uint64_t) 3 << 48) + ((uint64_t) sizeof(ngx_counters_zone_sh_t) << 24) \
     + (sizeof(ngx_counters_cred_node_t) << 12) + sizeof(ngx_counters_entry_t) \
     + sizeof(ngx_counters_work_t))


#define ngx_counters_cell(zone, ref)                                          \
    ((void *) ((zone)->cells + (size_t) (ref) * NGX_COUNTERS_CELL))

#define ngx_counters_ref(zone, p)                                             \
    ((uint32_t) (((u_char *) (p) - (zone)->cells) / NGX_COUNTERS_CELL))

#define ngx_counters_cred(zone, e)                                            \
    ((ngx_counters_cred_node_t *) ngx_counters_cell(zone, (e)->cred))

/* to be read: what there is not is zeroes */

#define ngx_counters_work(zone, e)                                            \
    ((e)->work ? (ngx_counters_work_t *) ngx_counters_cell(zone, (e)->work)   \
               : &(zone)->sh->no_work)

#define ngx_counters_limits(zone, c)                                          \
    ((c)->limits ? (ngx_counters_limits_t *) ngx_counters_cell(zone,          \
                                                               (c)->limits)   \
                 : &(zone)->sh->no_limits)

#define ngx_counters_turn(zone, c)                                            \
    ((ngx_counters_turn_t *) ngx_counters_cell(zone, (c)->turn))

#define ngx_counters_npending(zone, c)                                        \
    ((c)->turn ? ngx_counters_turn(zone, c)->npending : 0)

/* when the entry was asked for, exact to within a second, milliseconds */

#define ngx_counters_asked(zone, e)                                           \
    ((uint64_t) (zone)->slots[ngx_counters_ref(zone, e)].asked * 1000)

/* what changes of a record */

#define ngx_counters_save_record(zone, p)                                     \
    ngx_counters_edit_save_locked(zone, p, sizeof(*(p)))

#define ngx_counters_bucket_of(zone, hash)                                    \
    ((uint32_t) (((uint64_t) (hash) * (zone)->sh->nbuckets) >> 32))


/* before an entry is changed: readers do not see it until the edit's end */

static ngx_inline void
ngx_counters_edit_entry(ngx_counters_zone_t *zone, ngx_counters_entry_t *e)
{
    ngx_counters_edit_hide_locked(zone, ngx_counters_bucket_of(zone, e->hash));
    ngx_counters_edit_save_locked(zone, e, sizeof(ngx_counters_entry_t));
}


#endif /* _NGX_COUNTERS_SHM_H_INCLUDED_ */
