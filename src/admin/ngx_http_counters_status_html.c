
/*
 * Copyright (C) The nginx counters module authors
 *
 * The status for people: one page without scripts or anything to load.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_counters_status.h"


#define NGX_HTTP_COUNTERS_NBSP  "\xe2\x80\xaf"


typedef struct {
    u_char                       *pos;
    u_char                       *last;
    ngx_http_counters_status_t   *status;
} ngx_http_counters_html_t;


/*
 * One line of a card.  A colour also makes it a part of the card's bar; ""
 * leaves room for one.
 */

typedef struct {
    const char                   *label;
    ngx_uint_t                    index;      /* of a stat or a figure */
    ngx_uint_t                    figure;     /* unsigned  figure:1 */
    const char                   *colour;
} ngx_http_counters_html_row_t;


typedef struct {
    const char                   *title;
    void                        (*headline)(ngx_http_counters_html_t *h);
    ngx_http_counters_html_row_t *rows;
} ngx_http_counters_html_card_t;


static void ngx_http_counters_html_top(ngx_http_counters_html_t *h);
static void ngx_http_counters_html_card(ngx_http_counters_html_t *h,
    ngx_http_counters_html_card_t *card);
static void ngx_http_counters_html_requests(ngx_http_counters_html_t *h);
static void ngx_http_counters_html_portal(ngx_http_counters_html_t *h);
static void ngx_http_counters_html_quota(ngx_http_counters_html_t *h);
static void ngx_http_counters_html_queue(ngx_http_counters_html_t *h);
static void ngx_http_counters_html_zone(ngx_http_counters_html_t *h);
static void ngx_http_counters_html_redis(ngx_http_counters_html_t *h);
static void ngx_http_counters_html_parts(ngx_http_counters_html_t *h,
    ngx_http_counters_html_row_t *rows);
static void ngx_http_counters_html_gauge(ngx_http_counters_html_t *h,
    uint64_t n, uint64_t total, ngx_uint_t mark);
static void ngx_http_counters_html_bottom(ngx_http_counters_html_t *h);
static uint64_t ngx_http_counters_html_value(ngx_http_counters_html_t *h,
    ngx_http_counters_html_row_t *row);
static void ngx_http_counters_html_add(ngx_http_counters_html_t *h,
    const char *text);
static void ngx_http_counters_html_number(ngx_http_counters_html_t *h,
    uint64_t n);
static void ngx_http_counters_html_share(ngx_http_counters_html_t *h,
    uint64_t n, uint64_t total);
static void ngx_http_counters_html_bytes(ngx_http_counters_html_t *h,
    uint64_t n);
static void ngx_http_counters_html_span(ngx_http_counters_html_t *h,
    uint64_t ms);


#define ngx_http_counters_html_stat(label, id, colour)                        \
    { label, NGX_COUNTERS_STAT_##id, 0, colour }

#define ngx_http_counters_html_figure(label, id, colour)                      \
    { label, NGX_HTTP_COUNTERS_FIGURE_##id, 1, colour }

#define ngx_http_counters_html_end  { NULL, 0, 0, NULL }


static ngx_http_counters_html_row_t  ngx_http_counters_html_requests_rows[] = {
    ngx_http_counters_html_stat("Fresh, <b>HIT</b>", HIT, "#1f9d63"),
    ngx_http_counters_html_stat("Stale while refreshed, <b>UPDATING</b>",
                                UPDATING, "#7cc48f"),
    ngx_http_counters_html_stat("Stale, <b>STALE</b>", STALE, "#e0a526"),
    ngx_http_counters_html_stat("Refused again, <b>NEGATIVE</b>", NEGATIVE,
                                "#a5805a"),
    ngx_http_counters_html_stat("Fetched, <b>MISS</b>", MISS, "#3578c8"),
    ngx_http_counters_html_stat("Joined a fetch, <b>COALESCED</b>",
                                COALESCED, "#85b3e6"),
    ngx_http_counters_html_stat("Forced, <b>BYPASS</b>", BYPASS, "#8a63c7"),
    ngx_http_counters_html_stat("Failed, <b>ERROR</b>", ERROR, "#d1434b"),
    ngx_http_counters_html_stat("Other calls, <b>PASS</b>", PASS, ""),
    ngx_http_counters_html_end
};


static ngx_http_counters_html_row_t  ngx_http_counters_html_portal_rows[] = {
    ngx_http_counters_html_stat("Calls refreshed", COMMANDS, NULL),
    ngx_http_counters_html_stat("Sent as a batch", BATCHES, NULL),
    ngx_http_counters_html_stat("Without a usable answer", PORTAL_FAILURES,
                                NULL),
    ngx_http_counters_html_stat("<b>QUERY_LIMIT_EXCEEDED</b>", LIMITS, NULL),
    ngx_http_counters_html_stat("<b>OPERATION_TIME_LIMIT</b>", OPERATING,
                                NULL),
    ngx_http_counters_html_stat("<b>OVERLOAD_LIMIT</b>", OVERLOADS, NULL),
    ngx_http_counters_html_stat("Credentials refused", REVOKED, NULL),
    ngx_http_counters_html_stat("Events received", EVENTS, NULL),
    ngx_http_counters_html_end
};


static ngx_http_counters_html_row_t  ngx_http_counters_html_quota_rows[] = {
    ngx_http_counters_html_figure("Left to refreshes now", REFRESHES, NULL),
    ngx_http_counters_html_figure("Calls in a batch, at most", BATCH, NULL),
    ngx_http_counters_html_figure("Entries it keeps fresh, about", CAPACITY,
                                  NULL),
    ngx_http_counters_html_figure("Entries in use now", ACTIVE, NULL),
    ngx_http_counters_html_stat("Requests that waited", QUOTA_WAITS, NULL),
    ngx_http_counters_html_stat("Refused for want of it", QUOTA_REFUSED, NULL),
    ngx_http_counters_html_end
};


static ngx_http_counters_html_row_t  ngx_http_counters_html_queue_rows[] = {
    ngx_http_counters_html_figure("A client waits", WAITING, "#d1434b"),
    ngx_http_counters_html_figure("Was answered stale", STALE, "#e0a526"),
    ngx_http_counters_html_figure("Refreshed ahead", AHEAD, "#1f9d63"),
    ngx_http_counters_html_figure("Unknown credential", UNKNOWN, "#8b96a3"),
    ngx_http_counters_html_end
};


static ngx_http_counters_html_row_t  ngx_http_counters_html_zone_rows[] = {
    ngx_http_counters_html_figure("Entries", ENTRIES, NULL),
    ngx_http_counters_html_figure("Credentials", CREDENTIALS, NULL),
    ngx_http_counters_html_stat("Dropped for want of room", EVICTED, NULL),
    ngx_http_counters_html_stat("Dropped for their age", EXPIRED, NULL),
    ngx_http_counters_html_stat("Purged", PURGED, NULL),
    ngx_http_counters_html_end
};


static ngx_http_counters_html_row_t  ngx_http_counters_html_redis_rows[] = {
    ngx_http_counters_html_stat("Looked up", REDIS_READS, NULL),
    ngx_http_counters_html_stat("Found", REDIS_HITS, NULL),
    ngx_http_counters_html_stat("No answer in time", REDIS_ERRORS, NULL),
    ngx_http_counters_html_stat("Did not verify", REDIS_REJECTED, NULL),
    ngx_http_counters_html_figure("Under way in this worker", PENDING, NULL),
    ngx_http_counters_html_end
};


static ngx_http_counters_html_card_t  ngx_http_counters_html_cards[] = {
    { "Requests", ngx_http_counters_html_requests,
      ngx_http_counters_html_requests_rows },

    { "Portal", ngx_http_counters_html_portal,
      ngx_http_counters_html_portal_rows },

    { "Quota", ngx_http_counters_html_quota,
      ngx_http_counters_html_quota_rows },

    { "Queue", ngx_http_counters_html_queue,
      ngx_http_counters_html_queue_rows },

    { "Memory", ngx_http_counters_html_zone,
      ngx_http_counters_html_zone_rows },

    { "Redis", ngx_http_counters_html_redis,
      ngx_http_counters_html_redis_rows },

    { NULL, NULL, NULL }
};


u_char *
ngx_http_counters_status_html(ngx_http_counters_status_t *s, u_char *p,
    u_char *last)
{
    ngx_http_counters_html_t        h;
    ngx_http_counters_html_card_t  *card;

    h.pos = p;
    h.last = last;
    h.status = s;

    ngx_http_counters_html_top(&h);

    for (card = ngx_http_counters_html_cards; card->title; card++) {
        ngx_http_counters_html_card(&h, card);
    }

    ngx_http_counters_html_bottom(&h);

    return h.pos;
}


/* a portal's name consists of letters, digits, "-", "_" and "." */

static void
ngx_http_counters_html_top(ngx_http_counters_html_t *h)
{
    uint64_t                     since;
    ngx_http_counters_status_t  *s;

    s = h->status;

    h->pos = ngx_slprintf(h->pos, h->last,
                          "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                          "<meta charset=\"utf-8\">\n"
                          "<meta http-equiv=\"refresh\" content=\"5\">\n"
                          "<meta name=\"viewport\" "
                          "content=\"width=device-width,initial-scale=1\">\n"
                          "<link rel=\"icon\" href=\"data:,\">\n"
                          "<title>%V: counters</title>\n<style>\n",
                          &s->portal->name);

    ngx_http_counters_html_add(h, ngx_http_counters_status_style);

    h->pos = ngx_slprintf(h->pos, h->last,
                          "</style>\n</head>\n<body>\n<header>\n"
                          "<h1>%V</h1>\n<p>Bitrix24 counters, counted for ",
                          &s->portal->name);

    since = ngx_http_counters_figure(s, SINCE);
    ngx_http_counters_html_span(h, s->now - ngx_min(since, s->now));

    h->pos = ngx_slprintf(h->pos, h->last,
                          "</p>\n</header>\n"
                          "<p class=\"health %V\">%V</p>\n<main>\n",
                          &ngx_http_counters_status_text_healths[s->health],
                          &s->message);
}


static void
ngx_http_counters_html_card(ngx_http_counters_html_t *h,
    ngx_http_counters_html_card_t *card)
{
    uint64_t                       n;
    ngx_http_counters_html_row_t  *row;

    h->pos = ngx_slprintf(h->pos, h->last, "<section>\n<h2>%s</h2>\n",
                          card->title);

    card->headline(h);

    ngx_http_counters_html_add(h, "<dl>\n");

    for (row = card->rows; row->label; row++) {

        n = ngx_http_counters_html_value(h, row);

        h->pos = ngx_slprintf(h->pos, h->last, "<div%s><dt>",
                              n ? "" : " class=\"zero\"");

        if (row->colour) {
            h->pos = ngx_slprintf(h->pos, h->last,
                                  "<i style=\"background:%s\"></i>",
                                  row->colour[0] ? row->colour : "none");
        }

        h->pos = ngx_slprintf(h->pos, h->last, "%s</dt><dd>", row->label);

        ngx_http_counters_html_number(h, n);
        ngx_http_counters_html_add(h, "</dd></div>\n");
    }

    ngx_http_counters_html_add(h, "</dl>\n</section>\n");
}


/* headlines: a figure, what it is, and a bar */


static void
ngx_http_counters_html_requests(ngx_http_counters_html_t *h)
{
    uint64_t                     cached, all;
    ngx_http_counters_status_t  *s;

    s = h->status;

    cached = ngx_http_counters_stat(s, HIT)
             + ngx_http_counters_stat(s, UPDATING)
             + ngx_http_counters_stat(s, STALE)
             + ngx_http_counters_stat(s, NEGATIVE);

    all = cached + ngx_http_counters_stat(s, MISS)
          + ngx_http_counters_stat(s, COALESCED)
          + ngx_http_counters_stat(s, BYPASS)
          + ngx_http_counters_stat(s, ERROR);

    ngx_http_counters_html_add(h, "<p class=\"big\">");
    ngx_http_counters_html_share(h, cached, all);
    ngx_http_counters_html_add(h, "</p>\n<p class=\"what\">of ");
    ngx_http_counters_html_number(h, all);
    ngx_http_counters_html_add(h, " counter calls answered from the cache"
                                  "</p>\n");

    ngx_http_counters_html_parts(h, ngx_http_counters_html_requests_rows);
}


static void
ngx_http_counters_html_portal(ngx_http_counters_html_t *h)
{
    uint64_t                     requests, commands, failures, average;
    ngx_http_counters_status_t  *s;

    s = h->status;
    requests = ngx_http_counters_stat(s, PORTAL_REQUESTS);
    failures = ngx_http_counters_stat(s, PORTAL_FAILURES);
    commands = ngx_http_counters_stat(s, COMMANDS);

    ngx_http_counters_html_add(h, "<p class=\"big\">");
    ngx_http_counters_html_number(h, requests);
    ngx_http_counters_html_add(h, "</p>\n<p class=\"what\">requests sent");

    if (requests) {
        average = commands * 10 / requests * 100;

        ngx_http_counters_html_add(h, ", ");
        h->pos = ngx_http_counters_status_text_decimal(h->pos, h->last,
                                                       average);
        ngx_http_counters_html_add(h, (average == 1000)
                                      ? " call in each on average"
                                      : " calls in each on average");
    }

    ngx_http_counters_html_add(h, "</p>\n");
    ngx_http_counters_html_gauge(h, requests - ngx_min(failures, requests),
                                 requests, 0);
}


static void
ngx_http_counters_html_quota(ngx_http_counters_html_t *h)
{
    uint64_t                     burst;
    ngx_http_counters_status_t  *s;

    s = h->status;
    burst = ngx_http_counters_figure(s, BURST);

    if (burst == NGX_HTTP_COUNTERS_NO_FIGURE) {
        ngx_http_counters_html_add(h, "<p class=\"big\">off</p>\n"
                                      "<p class=\"what\">the portal sets no "
                                      "limit</p>\n");
        ngx_http_counters_html_gauge(h, 0, 1, 0);
        return;
    }

    ngx_http_counters_html_add(h, "<p class=\"big\">");
    h->pos = ngx_http_counters_status_text_decimal(h->pos, h->last,
                                                   ngx_http_counters_figure(s,
                                                                       TOKENS));
    ngx_http_counters_html_add(h, " <small>of ");
    h->pos = ngx_http_counters_status_text_decimal(h->pos, h->last, burst);
    ngx_http_counters_html_add(h, "</small></p>\n<p class=\"what\">requests "
                                  "left, ");
    h->pos = ngx_http_counters_status_text_decimal(h->pos, h->last,
                                                   ngx_http_counters_figure(s,
                                                                         RATE));
    ngx_http_counters_html_add(h, " more a second");

    if (s->portal->reserve) {
        h->pos = ngx_slprintf(h->pos, h->last, ", %ui" NGX_HTTP_COUNTERS_NBSP
                              "%% reserved", s->portal->reserve);
    }

    ngx_http_counters_html_add(h, "</p>\n");
    ngx_http_counters_html_gauge(h, ngx_http_counters_figure(s, TOKENS),
                                 burst, s->portal->reserve);
}


static void
ngx_http_counters_html_queue(ngx_http_counters_html_t *h)
{
    uint64_t                     n;
    ngx_uint_t                   i;
    ngx_http_counters_status_t  *s;

    s = h->status;
    n = 0;

    for (i = 0; i < NGX_COUNTERS_CLASSES; i++) {
        n += s->figures[NGX_HTTP_COUNTERS_FIGURE_WAITING + i];
    }

    ngx_http_counters_html_add(h, "<p class=\"big\">");
    ngx_http_counters_html_number(h, n);
    ngx_http_counters_html_add(h, "</p>\n<p class=\"what\">calls queued, ");
    ngx_http_counters_html_number(h, ngx_http_counters_figure(s, FLYING));
    ngx_http_counters_html_add(h, " at the portal now</p>\n");

    ngx_http_counters_html_parts(h, ngx_http_counters_html_queue_rows);
}


static void
ngx_http_counters_html_zone(ngx_http_counters_html_t *h)
{
    uint64_t                     size, used;
    ngx_http_counters_status_t  *s;

    s = h->status;
    size = ngx_http_counters_figure(s, SIZE);
    used = size - ngx_min(ngx_http_counters_figure(s, FREE), size);

    ngx_http_counters_html_add(h, "<p class=\"big\">");
    ngx_http_counters_html_share(h, used, size);
    ngx_http_counters_html_add(h, "</p>\n<p class=\"what\">of ");
    ngx_http_counters_html_bytes(h, size);
    ngx_http_counters_html_add(h, " shared memory in use</p>\n");
    ngx_http_counters_html_gauge(h, used, size, 0);
}


static void
ngx_http_counters_html_redis(ngx_http_counters_html_t *h)
{
    uint64_t                     reads, hits;
    ngx_http_counters_status_t  *s;

    s = h->status;
    reads = ngx_http_counters_stat(s, REDIS_READS);
    hits = ngx_http_counters_stat(s, REDIS_HITS);

    if (!ngx_http_counters_figure(s, CONFIGURED)) {
        ngx_http_counters_html_add(h, "<p class=\"big\">none</p>\n"
                                      "<p class=\"what\">shared memory is the "
                                      "only cache</p>\n");
        ngx_http_counters_html_gauge(h, 0, 1, 0);
        return;
    }

    h->pos = ngx_slprintf(h->pos, h->last, "<p class=\"big\">%s</p>\n"
                          "<p class=\"what\">",
                          !ngx_http_counters_figure(s, CONNECTED)
                          ? "not connected"
                          : ngx_http_counters_figure(s, BREAKER)
                          ? "paused" : "connected");

    if (reads) {
        ngx_http_counters_html_share(h, hits, reads);
        ngx_http_counters_html_add(h, " of lookups found an answer");

    } else {
        ngx_http_counters_html_add(h, "nothing was looked up yet");
    }

    ngx_http_counters_html_add(h, "</p>\n");
    ngx_http_counters_html_gauge(h, hits, reads, 0);
}


/* a bar made of the rows that have a colour */

static void
ngx_http_counters_html_parts(ngx_http_counters_html_t *h,
    ngx_http_counters_html_row_t *rows)
{
    uint64_t                       n;
    ngx_http_counters_html_row_t  *row;

    ngx_http_counters_html_add(h, "<div class=\"bar\">");

    for (row = rows; row->label; row++) {

        n = ngx_http_counters_html_value(h, row);

        if (row->colour && row->colour[0] && n) {
            h->pos = ngx_slprintf(h->pos, h->last,
                                  "<i style=\"flex-grow:%uL;background:%s\">"
                                  "</i>", n, row->colour);
        }
    }

    ngx_http_counters_html_add(h, "</div>\n");
}


/* "mark": per cent, 0 for none */

static void
ngx_http_counters_html_gauge(ngx_http_counters_html_t *h, uint64_t n,
    uint64_t total, ngx_uint_t mark)
{
    uint64_t  share;

    ngx_http_counters_html_add(h, "<div class=\"bar\">");

    share = total ? n * 1000 / total : 0;

    if (share) {
        h->pos = ngx_slprintf(h->pos, h->last,
                              "<i style=\"flex:none;width:%uL.%uL%%;"
                              "background:var(--ok)\"></i>",
                              share / 10, share % 10);
    }

    if (mark) {
        h->pos = ngx_slprintf(h->pos, h->last,
                              "<i class=\"mark\" style=\"left:%ui%%\"></i>",
                              mark);
    }

    ngx_http_counters_html_add(h, "</div>\n");
}


static void
ngx_http_counters_html_bottom(ngx_http_counters_html_t *h)
{
    ngx_uint_t                   i;
    ngx_http_counters_status_t  *s;
    ngx_counters_portal_t       *portal;

    s = h->status;
    portal = s->portal;

    ngx_http_counters_html_add(h, "</main>\n<footer>\nFresh for ");

    for (i = 0; i < NGX_COUNTERS_METHODS; i++) {

        if (!(portal->methods & (1 << i))) {
            continue;
        }

        ngx_http_counters_html_span(h, portal->ttl[i]);

        h->pos = ngx_slprintf(h->pos, h->last, " (%V), ",
                              (ngx_str_t *) &ngx_counters_path_method_names[i]);
    }

    ngx_http_counters_html_add(h, "then stale for ");
    ngx_http_counters_html_span(h, portal->stale);
    ngx_http_counters_html_add(h, ", or ");
    ngx_http_counters_html_span(h, portal->stale_error);
    ngx_http_counters_html_add(h, " while the portal fails. Refresh-ahead ");

    if (portal->ahead) {
        ngx_http_counters_html_add(h, "for what was asked for within ");
        ngx_http_counters_html_span(h, portal->ahead);

    } else {
        ngx_http_counters_html_add(h, "is off");
    }

    h->pos = ngx_slprintf(h->pos, h->last,
                          ".<br>\nCounted over all workers, and across "
                          "reloads. Settings, and the connection to Redis, "
                          "are those of worker %uL of %uL, pid %P. This page "
                          "renews itself every 5 seconds.\n</footer>\n"
                          "</body>\n</html>\n",
                          ngx_http_counters_figure(s, SLOT) + 1,
                          ngx_http_counters_figure(s, WORKERS), ngx_pid);
}


/* values */


static uint64_t
ngx_http_counters_html_value(ngx_http_counters_html_t *h,
    ngx_http_counters_html_row_t *row)
{
    ngx_http_counters_status_t  *s;

    s = h->status;

    if (!row->figure) {
        return s->stats[row->index];
    }

    if (row->index == NGX_HTTP_COUNTERS_FIGURE_REFRESHES
        && s->figures[row->index] != NGX_HTTP_COUNTERS_NO_FIGURE)
    {
        return s->figures[row->index] / 1000;
    }

    return s->figures[row->index];
}


static void
ngx_http_counters_html_add(ngx_http_counters_html_t *h, const char *text)
{
    size_t  len;

    len = ngx_strlen(text);

    h->pos = ngx_cpymem(h->pos, text,
                        ngx_min(len, (size_t) (h->last - h->pos)));
}


/* digits in groups of three */

static void
ngx_http_counters_html_number(ngx_http_counters_html_t *h, uint64_t n)
{
    u_char  *p, *last;
    u_char   digits[NGX_INT64_LEN];

    if (n == NGX_HTTP_COUNTERS_NO_FIGURE) {
        ngx_http_counters_html_add(h, "&ndash;");
        return;
    }

    last = ngx_sprintf(digits, "%uL", n);

    for (p = digits; p < last; p++) {

        if (p > digits && (last - p) % 3 == 0) {
            ngx_http_counters_html_add(h, NGX_HTTP_COUNTERS_NBSP);
        }

        h->pos = ngx_slprintf(h->pos, h->last, "%c", *p);
    }
}


static void
ngx_http_counters_html_share(ngx_http_counters_html_t *h, uint64_t n,
    uint64_t total)
{
    uint64_t  share;

    if (total == 0) {
        ngx_http_counters_html_add(h, "&ndash;");
        return;
    }

    share = n * 1000 / total;

    h->pos = ngx_slprintf(h->pos, h->last,
                          "%uL.%uL" NGX_HTTP_COUNTERS_NBSP "%%",
                          share / 10, share % 10);
}


static void
ngx_http_counters_html_bytes(ngx_http_counters_html_t *h, uint64_t n)
{
    ngx_uint_t  mega;

    mega = (n >= 1024 * 1024);

    h->pos = ngx_http_counters_status_text_decimal(h->pos, h->last,
                               n * 10 / (mega ? 1024 * 1024 : 1024) * 100);

    ngx_http_counters_html_add(h, mega ? NGX_HTTP_COUNTERS_NBSP "MB"
                                       : NGX_HTTP_COUNTERS_NBSP "KB");
}


/* the two largest units */

static void
ngx_http_counters_html_span(ngx_http_counters_html_t *h, uint64_t ms)
{
    uint64_t           n, left;
    ngx_uint_t         i, shown;
    static uint64_t    sizes[] = { 86400, 3600, 60, 1 };
    static const char  names[] = "dhms";

    if (ms % 1000 && ms < 10000) {
        h->pos = ngx_slprintf(h->pos, h->last,
                              "%uL" NGX_HTTP_COUNTERS_NBSP "ms", ms);
        return;
    }

    left = ms / 1000;
    shown = 0;

    for (i = 0; i < 4; i++) {

        n = left / sizes[i];
        left %= sizes[i];

        if (n == 0 && (left || shown || i < 3)) {
            continue;
        }

        h->pos = ngx_slprintf(h->pos, h->last,
                              "%s%uL" NGX_HTTP_COUNTERS_NBSP "%c",
                              shown ? " " : "", n, names[i]);

        if (++shown == 2) {
            return;
        }
    }
}
