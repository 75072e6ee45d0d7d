
/*
 * Copyright (C) The nginx counters module authors
 *
 * Refreshes that nobody has asked for yet: of what is about to expire, and of
 * what an event has made stale.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_counters_ahead.h"
#include "ngx_counters_fade.h"
#include "ngx_counters_fill.h"
#include "ngx_counters_quota.h"
#include "ngx_counters_shm.h"
#include "ngx_counters_state.h"
#include "ngx_counters_table.h"
#include "ngx_counters_walk.h"
#include "ngx_counters_wheel.h"


/* entries looked at in one go for refresh-ahead */
#define NGX_COUNTERS_AHEAD_SCAN   256

/* and before the lock is let go */
#define NGX_COUNTERS_AHEAD_LOOK   64

/* what is under way is looked at again after this, milliseconds */
#define NGX_COUNTERS_AHEAD_AGAIN  1000


/* what a refresh that nobody asks for is queued by, and for whom */

typedef struct {
    ngx_counters_owner_t       *me;
    uint64_t                    now;
    ngx_counters_has_pt         has;
    void                       *data;
    uint64_t                    user;
} ngx_counters_ahead_t;


static ngx_uint_t ngx_counters_ahead_turn_locked(ngx_counters_zone_t *zone,
    ngx_counters_ahead_t *ahead);
static ngx_uint_t ngx_counters_ahead_look_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_ahead_t *ahead, uint64_t tick);
static ngx_uint_t ngx_counters_ahead_refresh_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_class_e class,
    ngx_counters_ahead_t *ahead);
static ngx_uint_t ngx_counters_ahead_mark_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, void *data);
static int ngx_libc_cdecl ngx_counters_ahead_users_cmp(const void *one,
    const void *two);


ngx_uint_t
ngx_counters_ahead(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    uint64_t now, ngx_counters_has_pt has, void *data)
{
    uint64_t              until;
    ngx_uint_t            queued;
    ngx_counters_ahead_t  ahead;

    ahead.me = me;
    ahead.now = now;
    ahead.has = has;
    ahead.data = data;

    queued = 0;

    ngx_counters_edit_lock(zone);

    if (ngx_counters_quota_hold_locked(zone, NULL, NULL, 0, now, &until)
        == NGX_COUNTERS_OPEN)
    {
        queued = ngx_counters_ahead_turn_locked(zone, &ahead);
    }

    ngx_counters_edit_unlock(zone);

    return queued;
}


/*
 * The lists until that of now.  What stays due, for another worker or later,
 * goes to the end of the last.
 */

static ngx_uint_t
ngx_counters_ahead_turn_locked(ngx_counters_zone_t *zone,
    ngx_counters_ahead_t *ahead)
{
    uint64_t               tick;
    ngx_uint_t             i, queued;
    ngx_counters_vars_t   *vars;
    ngx_counters_link_t   *q, *list, *end;
    ngx_counters_entry_t  *e;

    vars = &zone->sh->vars;
    tick = ahead->now / NGX_COUNTERS_WHEEL_TICK;

    if (vars->wheel > tick
        && vars->wheel - tick <= NGX_COUNTERS_LAG / NGX_COUNTERS_WHEEL_TICK)
    {
        /* the time of another worker is a little ahead */
        tick = vars->wheel;
    }

    /* nobody has turned it for long, or the clock has been set back */

    if (vars->wheel > tick || vars->wheel + NGX_COUNTERS_WHEEL <= tick) {
        vars->wheel = tick - NGX_COUNTERS_WHEEL + 1;
    }

    end = NULL;
    queued = 0;

    for (i = 0; i < NGX_COUNTERS_AHEAD_SCAN; /* void */ ) {

        list = ngx_counters_wheel_list(zone, vars->wheel);
        q = ngx_counters_list_head(zone, list);

        if (q == list) {

            /* so has another one meanwhile, if it is beyond */

            if (vars->wheel >= tick) {
                break;
            }

            vars->wheel++;
            continue;
        }

        if (q == end) {
            break;
        }

        e = ngx_counters_list_data(q, ngx_counters_entry_t, age);

        queued += ngx_counters_ahead_look_locked(zone, e, ahead, tick);

        if (end == NULL && ngx_counters_list_last(zone,
                               ngx_counters_wheel_list(zone, tick)) == q)
        {
            end = q;
        }

        if (++i % NGX_COUNTERS_AHEAD_LOOK) {
            ngx_counters_edit_commit_locked(zone);

        } else {
            ngx_counters_edit_yield_locked(zone);
        }
    }

    return queued;
}


static ngx_uint_t
ngx_counters_ahead_look_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_ahead_t *ahead, uint64_t tick)
{
    uint64_t    now, end, until;
    ngx_uint_t  queued;

    now = ahead->now;
    queued = 0;

    ngx_counters_fade_locked(zone, e, now);

    if (!ngx_counters_list_in(&e->age)) {

        /* it has been dropped */
        return 0;
    }

    end = e->fetched + e->ttl;

    if (now + ngx_counters_wheel_lead(e) < end && e->marked == 0) {

        /* the wheel goes round in less than it takes */

        if ((end - ngx_counters_wheel_lead(e)) / NGX_COUNTERS_WHEEL_TICK
            > tick)
        {
            ngx_counters_wheel_insert_locked(zone, e);
            return 0;
        }

    } else {
        if (ngx_counters_asked(zone, e) + zone->conf.ahead < now) {
            ngx_counters_list_remove(zone, &e->age);
            return 0;
        }

        queued = ngx_counters_ahead_refresh_locked(zone, e,
                                                   NGX_COUNTERS_AHEAD, ahead);

        if (e->state != NGX_COUNTERS_IDLE) {

            /* with its end it gets another place, if it comes to that */

            until = (e->state == NGX_COUNTERS_QUEUED)
                    ? now + NGX_COUNTERS_AHEAD_AGAIN
                    : ngx_counters_work(zone, e)->lease + 1;

            ngx_counters_wheel_put_locked(zone, e, until);
            return queued;
        }
    }

    ngx_counters_list_remove(zone, &e->age);
    ngx_counters_list_insert_tail(zone, ngx_counters_wheel_list(zone, tick),
                                  &e->age);
    return 0;
}


/* queues an idle entry, if its credential is there */

static ngx_uint_t
ngx_counters_ahead_refresh_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, ngx_counters_class_e class,
    ngx_counters_ahead_t *ahead)
{
    uint64_t                   now, until;
    ngx_counters_cred_node_t  *cred;

    now = ahead->now;
    cred = ngx_counters_cred(zone, e);

    ngx_counters_state_lapse_locked(zone, e, now);

    if (e->state != NGX_COUNTERS_IDLE
        || zone->sh->vars.nqueued[class] >= NGX_COUNTERS_QUEUE_MAX
        || ngx_counters_quota_hold_locked(zone, e, cred, e->method, now,
                                          &until)
           != NGX_COUNTERS_OPEN
        || !ahead->has(ahead->data, cred->digest)
        || ngx_counters_fill_work_locked(zone, e, now) == NULL
        || ngx_counters_fill_turn_locked(zone, e, now) == NULL)
    {
        return 0;
    }

    ngx_counters_state_own_locked(zone, e, ahead->me, NGX_COUNTERS_QUEUED,
                                  now);
    e->split = 0;
    ngx_counters_state_queue_locked(zone, e, class, 0);

    return 1;
}


ngx_uint_t
ngx_counters_ahead_mark(ngx_counters_zone_t *zone, ngx_counters_owner_t *me,
    ngx_counters_users_t *users, uint64_t now, ngx_counters_has_pt has,
    void *data)
{
    ngx_uint_t            i, n;
    ngx_counters_ahead_t  ahead;

    ahead.me = me;
    ahead.now = now;
    ahead.has = has;
    ahead.data = data;

    n = 0;

    ngx_qsort(users->elts, users->n, sizeof(uint64_t),
              ngx_counters_ahead_users_cmp);

    for (i = 0; i < users->n; i++) {

        /* calls without a user are about whose credential it is */

        ahead.user = users->elts[i];

        if (ahead.user == 0 || (i && ahead.user == users->elts[i - 1])) {
            continue;
        }

        ngx_counters_edit_lock(zone);

        n += ngx_counters_walk_locked(zone,
                                ngx_counters_table_users(zone, ahead.user),
                                offsetof(ngx_counters_entry_t, users),
                                ngx_counters_ahead_mark_locked, &ahead);

        ngx_counters_edit_unlock(zone);
    }

    return n;
}


static ngx_uint_t
ngx_counters_ahead_mark_locked(ngx_counters_zone_t *zone,
    ngx_counters_entry_t *e, void *data)
{
    ngx_counters_ahead_t  *ahead = data;

    uint64_t  now;

    now = ahead->now;

    if (e->user != ahead->user) {
        return 0;
    }

    ngx_counters_fade_stale_locked(zone, e, now);

    if (e->kind != NGX_COUNTERS_DATA) {
        return 0;
    }

    if (now < ngx_counters_asked(zone, e) + NGX_COUNTERS_ACTIVE) {
        (void) ngx_counters_ahead_refresh_locked(zone, e, NGX_COUNTERS_STALE,
                                                 ahead);
    }

    return 1;
}


static int ngx_libc_cdecl
ngx_counters_ahead_users_cmp(const void *one, const void *two)
{
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

    return (a > b) - (a < b);
}
