
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_fetch_event.h"


static int ngx_counters_fetch_event_opened(void *data, curl_socket_t s,
    curlsocktype purpose);
static int ngx_counters_fetch_event_socket(CURL *easy, curl_socket_t s,
    int what, void *data, void *sockp);
static ngx_int_t ngx_counters_fetch_event_watch(ngx_connection_t *c, int what);
static ngx_connection_t *ngx_counters_fetch_event_connection(
    ngx_counters_fetch_loop_t *loop, curl_socket_t s);
static ngx_uint_t ngx_counters_fetch_event_closed(curl_socket_t s);
static void ngx_counters_fetch_event_free_connection(ngx_connection_t *c);
static void ngx_counters_fetch_event_socket_handler(ngx_event_t *ev);
static int ngx_counters_fetch_event_timeout(CURLM *multi, long timeout,
    void *data);
static void ngx_counters_fetch_event_timeout_handler(ngx_event_t *ev);
static void ngx_counters_fetch_event_action(ngx_counters_fetch_loop_t *loop,
    curl_socket_t s, int mask);


ngx_int_t
ngx_counters_fetch_event_open(ngx_counters_fetch_loop_t *loop)
{
    CURLM  *multi;

    ngx_queue_init(&loop->connections);

    loop->dummy.fd = (ngx_socket_t) -1;
    loop->dummy.data = loop;

    loop->timer.data = &loop->dummy;
    loop->timer.handler = ngx_counters_fetch_event_timeout_handler;
    loop->timer.log = loop->log;

    /* those who wait for a call hold an exiting worker, not curl */
    loop->timer.cancelable = 1;

    loop->posted.data = &loop->dummy;
    loop->posted.handler = ngx_counters_fetch_event_timeout_handler;
    loop->posted.log = loop->log;

    multi = loop->multi;

    if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                          ngx_counters_fetch_event_socket)
        != CURLM_OK
        || curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, loop) != CURLM_OK
        || curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                             ngx_counters_fetch_event_timeout)
           != CURLM_OK
        || curl_multi_setopt(multi, CURLMOPT_TIMERDATA, loop) != CURLM_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_counters_fetch_event_close(ngx_counters_fetch_loop_t *loop)
{
    ngx_queue_t       *q;
    ngx_connection_t  *c;

    /* while curl cleans up it closes sockets: they are forgotten by then */

    (void) curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, NULL);
    (void) curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, NULL);

    while (!ngx_queue_empty(&loop->connections)) {
        q = ngx_queue_head(&loop->connections);
        c = ngx_queue_data(q, ngx_connection_t, queue);

        ngx_counters_fetch_event_free_connection(c);
    }

    if (loop->timer.timer_set) {
        ngx_del_timer(&loop->timer);
    }

    if (loop->posted.posted) {
        ngx_delete_posted_event(&loop->posted);
    }
}


ngx_int_t
ngx_counters_fetch_event_attach(ngx_counters_fetch_loop_t *loop, CURL *easy)
{
    if (curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION,
                         ngx_counters_fetch_event_opened)
        != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, loop) != CURLE_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * When a host's address has not answered, curl 7.88 prepares the next one
 * and waits for an event that nobody will send.  The public way to have it
 * look at a transfer is to change what is paused and to undo that.
 */

void
ngx_counters_fetch_event_wake(CURL *easy)
{
    (void) curl_easy_pause(easy, CURLPAUSE_RECV);
    (void) curl_easy_pause(easy, CURLPAUSE_CONT);
}


/*
 * A new socket.  If there is a connection with its number, curl 7.88 has
 * closed a socket that did not connect, has not told so yet, and will not
 * when it goes on to another address of the host with the same number: for
 * curl that socket is watched.
 */

static int
ngx_counters_fetch_event_opened(void *data, curl_socket_t s,
    curlsocktype purpose)
{
    ngx_counters_fetch_loop_t *loop = data;

    int                what;
    ngx_queue_t       *q;
    ngx_connection_t  *c;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, loop->log, 0,
                   "counters fetch opened: fd:%d", s);

    for (q = ngx_queue_head(&loop->connections);
         q != ngx_queue_sentinel(&loop->connections);
         q = ngx_queue_next(q))
    {
        c = ngx_queue_data(q, ngx_connection_t, queue);

        if (c->fd != s) {
            continue;
        }

        what = 0;

        if (c->read->active) {
            what |= CURL_POLL_IN;
            (void) ngx_del_event(c->read, NGX_READ_EVENT, NGX_CLOSE_EVENT);
        }

        if (c->write->active) {
            what |= CURL_POLL_OUT;
            (void) ngx_del_event(c->write, NGX_WRITE_EVENT, NGX_CLOSE_EVENT);
        }

        if (ngx_counters_fetch_event_watch(c, what) != NGX_OK) {
            return CURL_SOCKOPT_ERROR;
        }

        break;
    }

    return CURL_SOCKOPT_OK;
}


/*
 * A failure returned to curl would end all transfers, not only this one:
 * the owner of the transfer ends it alone.
 */

static int
ngx_counters_fetch_event_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *sockp)
{
    ngx_counters_fetch_loop_t *loop = data;

    ngx_connection_t  *c;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, loop->log, 0,
                   "counters fetch socket: fd:%d what:%d c:%p",
                   s, what, sockp);

    c = sockp;

    if (what == CURL_POLL_REMOVE) {

        if (ngx_counters_fetch_event_closed(s)) {
            loop->stuck(easy, NGX_AGAIN);
        }

        if (c != NULL) {
            ngx_counters_fetch_event_free_connection(c);
        }

        return 0;
    }

    if (c == NULL) {
        c = ngx_counters_fetch_event_connection(loop, s);
    }

    if (c == NULL || ngx_counters_fetch_event_watch(c, what) != NGX_OK) {
        loop->stuck(easy, NGX_ERROR);
    }

    return 0;
}


/*
 * Level-triggered: curl does not read a socket until EAGAIN.  The last
 * change sets the mode of both directions, so the flags are always the same.
 */

static ngx_int_t
ngx_counters_fetch_event_watch(ngx_connection_t *c, int what)
{
    ngx_event_t  *rev, *wev;

    rev = c->read;
    wev = c->write;

    if ((what & CURL_POLL_IN) && !rev->active) {
        if (ngx_add_event(rev, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if ((what & CURL_POLL_OUT) && !wev->active) {
        if (ngx_add_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (!(what & CURL_POLL_IN) && rev->active) {
        if (ngx_del_event(rev, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (!(what & CURL_POLL_OUT) && wev->active) {
        if (ngx_del_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_connection_t *
ngx_counters_fetch_event_connection(ngx_counters_fetch_loop_t *loop,
    curl_socket_t s)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(s, loop->log);

    if (c == NULL) {
        return NULL;
    }

    c->data = loop;

    c->read->handler = ngx_counters_fetch_event_socket_handler;
    c->read->log = loop->log;

    c->write->handler = ngx_counters_fetch_event_socket_handler;
    c->write->log = loop->log;

    ngx_queue_insert_tail(&loop->connections, &c->queue);

    (void) curl_multi_assign(loop->multi, s, c);

    return c;
}


/* curl 7.88 tells of a socket that did not connect after closing it */

static ngx_uint_t
ngx_counters_fetch_event_closed(curl_socket_t s)
{
    return fcntl(s, F_GETFD) == -1;
}


static void
ngx_counters_fetch_event_free_connection(ngx_connection_t *c)
{
    ngx_uint_t  flags;

    /* if the descriptor, which is curl's, is open, it stays so */

    flags = ngx_counters_fetch_event_closed(c->fd) ? NGX_CLOSE_EVENT
                                             : NGX_LEVEL_EVENT;

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, flags);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, flags);
    }

    ngx_queue_remove(&c->queue);

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
}


static void
ngx_counters_fetch_event_socket_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters fetch socket handler: fd:%d write:%d",
                   c->fd, ev->write);

    ngx_counters_fetch_event_action(c->data, c->fd,
                                ev->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
}


/* curl's request for a call in "timeout" milliseconds; -1 for none */

static int
ngx_counters_fetch_event_timeout(CURLM *multi, long timeout, void *data)
{
    ngx_counters_fetch_loop_t *loop = data;

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, loop->log, 0,
                   "counters fetch timeout: %l", timeout);

    /* a timer that is set would not be moved by less than 300 ms */

    if (loop->timer.timer_set) {
        ngx_del_timer(&loop->timer);
    }

    if (loop->posted.posted) {
        ngx_delete_posted_event(&loop->posted);
    }

    if (timeout > 0) {
        ngx_add_timer(&loop->timer, (ngx_msec_t) timeout);

    } else if (timeout == 0) {

        /* sockets are polled in between, even if curl asks again and again */

        ngx_post_event(&loop->posted, &ngx_posted_next_events);
    }

    return 0;
}


static void
ngx_counters_fetch_event_timeout_handler(ngx_event_t *ev)
{
    ngx_connection_t  *dummy;

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "counters fetch timeout handler");

    dummy = ev->data;

    ngx_counters_fetch_event_action(dummy->data, CURL_SOCKET_TIMEOUT, 0);
}


/* the connection of "s" may be gone afterwards */

static void
ngx_counters_fetch_event_action(ngx_counters_fetch_loop_t *loop,
    curl_socket_t s, int mask)
{
    int         left;
    CURL       *easy;
    CURLMsg    *msg;
    CURLcode    code;
    CURLMcode   rc;

    rc = curl_multi_socket_action(loop->multi, s, mask, &left);

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_ERR, loop->log, 0,
                      "counters: curl_multi_socket_action() failed (%d: %s)",
                      rc, curl_multi_strerror(rc));
    }

    /*
     * curl's queue is asked anew each time: what is called may add transfers
     * and remove any, also one whose message is in the queue.  The message
     * itself is gone with its handle.
     */

    while ((msg = curl_multi_info_read(loop->multi, &left)) != NULL) {

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        easy = msg->easy_handle;
        code = msg->data.result;

        loop->done(easy, code);
    }
}
