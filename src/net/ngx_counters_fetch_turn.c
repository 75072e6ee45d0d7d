
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_fetch_turn.h"


struct ngx_counters_fetch_portal_s {
    ngx_queue_t   queue;
    ngx_str_t     url;      /* follows the structure */
    ngx_queue_t   waiting;  /* in the order of arrival */
    ngx_uint_t    running;
    ngx_uint_t    limit;
};


ngx_counters_fetch_portal_t *
ngx_counters_fetch_turn_portal(ngx_queue_t *portals, ngx_str_t *url,
    ngx_log_t *log)
{
    ngx_queue_t                  *q;
    ngx_counters_fetch_portal_t  *portal;

    for (q = ngx_queue_head(portals);
         q != ngx_queue_sentinel(portals);
         q = ngx_queue_next(q))
    {
        portal = ngx_queue_data(q, ngx_counters_fetch_portal_t, queue);

        if (portal->url.len == url->len
            && ngx_memcmp(portal->url.data, url->data, url->len) == 0)
        {
            return portal;
        }
    }

    portal = ngx_calloc(sizeof(ngx_counters_fetch_portal_t) + url->len, log);
    if (portal == NULL) {
        return NULL;
    }

    portal->url.len = url->len;
    portal->url.data = (u_char *) portal + sizeof(ngx_counters_fetch_portal_t);
    ngx_memcpy(portal->url.data, url->data, url->len);

    portal->limit = NGX_COUNTERS_FETCH_TURN_CONNS;
    ngx_queue_init(&portal->waiting);

    ngx_queue_insert_tail(portals, &portal->queue);

    return portal;
}


void
ngx_counters_fetch_turn_take(ngx_counters_fetch_turn_t *turn,
    ngx_counters_fetch_portal_t *portal)
{
    turn->portal = portal;

    if (ngx_queue_empty(&portal->waiting) && portal->running < portal->limit) {
        portal->running++;
        turn->waiting = 0;

    } else {
        ngx_queue_insert_tail(&portal->waiting, &turn->queue);
        turn->waiting = 1;
    }
}


ngx_uint_t
ngx_counters_fetch_turn_leave(ngx_counters_fetch_turn_t *turn)
{
    ngx_counters_fetch_portal_t  *portal;

    portal = turn->portal;

    if (turn->waiting) {
        ngx_queue_remove(&turn->queue);
        turn->waiting = 0;

    } else {
        portal->running--;
    }

    return !ngx_queue_empty(&portal->waiting);
}


ngx_counters_fetch_turn_t *
ngx_counters_fetch_turn_next(ngx_queue_t *portals)
{
    ngx_queue_t                  *q, *next;
    ngx_counters_fetch_turn_t    *turn;
    ngx_counters_fetch_portal_t  *portal;

    for (q = ngx_queue_head(portals);
         q != ngx_queue_sentinel(portals);
         q = ngx_queue_next(q))
    {
        portal = ngx_queue_data(q, ngx_counters_fetch_portal_t, queue);

        if (ngx_queue_empty(&portal->waiting)
            || portal->running >= portal->limit)
        {
            continue;
        }

        next = ngx_queue_head(&portal->waiting);
        turn = ngx_queue_data(next, ngx_counters_fetch_turn_t, queue);

        ngx_queue_remove(next);
        turn->waiting = 0;
        portal->running++;

        return turn;
    }

    return NULL;
}


void
ngx_counters_fetch_turn_shared(ngx_counters_fetch_turn_t *turn,
    ngx_uint_t shared)
{
    turn->portal->limit = shared ? NGX_COUNTERS_FETCH_TURN_STREAMS
                                 : NGX_COUNTERS_FETCH_TURN_CONNS;
}


void
ngx_counters_fetch_turn_clear(ngx_queue_t *portals)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(portals)) {
        q = ngx_queue_head(portals);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_counters_fetch_portal_t, queue));
    }
}
