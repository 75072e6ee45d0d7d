
/*
 * Copyright (C) The nginx counters module authors
 *
 * The status for programs: JSON, and the Prometheus text format 0.0.4.  The
 * names come from the lists, so a new figure shows up in both by itself.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_counters_status.h"


#define NGX_HTTP_COUNTERS_METRIC  "nginx_counters_"


typedef struct {
    ngx_str_t                      name;
    const char                    *help;
} ngx_http_counters_stat_name_t;


typedef struct {
    ngx_http_counters_group_e      group;
    ngx_str_t                      member;
    ngx_http_counters_figure_as_e  as;
    const char                    *metric;
    const char                    *labels;
    const char                    *help;
} ngx_http_counters_figure_name_t;


/*
 * What is counted from "first" on, up to the next range, is in this group.
 * With a label it is one metric, whose values are told apart by it.
 */

typedef struct {
    ngx_counters_stat_e            first;
    ngx_http_counters_group_e      group;
    const char                    *metric;
    const char                    *label;
    const char                    *help;
} ngx_http_counters_stat_range_t;


typedef struct {
    u_char                        *pos;
    u_char                        *last;
    ngx_str_t                     *portal;
    const char                    *metric;     /* whose header is written */
} ngx_http_counters_metrics_t;


static u_char *ngx_http_counters_json_group(ngx_http_counters_status_t *s,
    ngx_uint_t group, u_char *p, u_char *last);
static u_char *ngx_http_counters_json_member(u_char *p, u_char *last,
    u_char *start, ngx_str_t *name);
static u_char *ngx_http_counters_json_value(u_char *p, u_char *last,
    ngx_http_counters_figure_as_e as, uint64_t value);
static ngx_str_t ngx_http_counters_stat_member(ngx_uint_t stat);
static ngx_http_counters_stat_range_t *ngx_http_counters_stat_range(
    ngx_uint_t stat);
static void ngx_http_counters_metric_stat(ngx_http_counters_metrics_t *m,
    ngx_uint_t stat, uint64_t value);
static void ngx_http_counters_metric_figure(ngx_http_counters_metrics_t *m,
    ngx_http_counters_figure_name_t *f, uint64_t value);
static void ngx_http_counters_metric_header(ngx_http_counters_metrics_t *m,
    const char *metric, const char *suffix, const char *help);


#define NGX_HTTP_COUNTERS_GROUP_NAME(id, name)  ngx_string(name),

static ngx_str_t  ngx_http_counters_groups[] = {
    NGX_HTTP_COUNTERS_GROUPS(NGX_HTTP_COUNTERS_GROUP_NAME)
};


#define NGX_HTTP_COUNTERS_STAT_NAME(id, name, help)                           \
    { ngx_string(name), help },

static ngx_http_counters_stat_name_t  ngx_http_counters_stats[] = {
    NGX_COUNTERS_STATS(NGX_HTTP_COUNTERS_STAT_NAME)
};


#define NGX_HTTP_COUNTERS_FIGURE_NAME(id, group, member, kind, metric,        \
    labels, help)                                                             \
    { NGX_HTTP_COUNTERS_IN_##group, ngx_string(member),                       \
      NGX_HTTP_COUNTERS_AS_##kind, metric, labels, help },

static ngx_http_counters_figure_name_t  ngx_http_counters_figures[] = {
    NGX_HTTP_COUNTERS_FIGURES(NGX_HTTP_COUNTERS_FIGURE_NAME)
};


static ngx_http_counters_stat_range_t  ngx_http_counters_stat_ranges[] = {

    { NGX_COUNTERS_STAT_HIT, NGX_HTTP_COUNTERS_IN_REQUESTS,
      "requests", "status", "requests by cache status" },

    { NGX_COUNTERS_STAT_FROM_MEMORY, NGX_HTTP_COUNTERS_IN_SOURCES,
      "answers", "source", "answers by where they came from" },

    { NGX_COUNTERS_STAT_PORTAL_REQUESTS, NGX_HTTP_COUNTERS_IN_PORTAL,
      NULL, NULL, NULL },

    { NGX_COUNTERS_STAT_QUOTA_WAITS, NGX_HTTP_COUNTERS_IN_QUOTA,
      NULL, NULL, NULL },

    { NGX_COUNTERS_STAT_REVOKED, NGX_HTTP_COUNTERS_IN_PORTAL,
      NULL, NULL, NULL },

    { NGX_COUNTERS_STAT_EVICTED, NGX_HTTP_COUNTERS_IN_ZONE,
      NULL, NULL, NULL },

    { NGX_COUNTERS_STAT_REDIS_READS, NGX_HTTP_COUNTERS_IN_REDIS,
      NULL, NULL, NULL },

    { NGX_COUNTERS_STAT_EVENTS, NGX_HTTP_COUNTERS_IN_PORTAL,
      NULL, NULL, NULL },

    { NGX_COUNTERS_STAT_COUNT, NGX_HTTP_COUNTERS_GROUP_COUNT,
      NULL, NULL, NULL }
};


/* JSON; no name or text in it needs escaping */


ngx_str_t  ngx_http_counters_status_text_healths[NGX_HTTP_COUNTERS_HEALTHS] = {
    ngx_string("ok"),
    ngx_string("idle"),
    ngx_string("warning"),
    ngx_string("failing")
};


u_char *
ngx_http_counters_status_text_json(ngx_http_counters_status_t *s, u_char *p,
    u_char *last)
{
    ngx_uint_t  group;

    p = ngx_slprintf(p, last, "{\n  \"name\": \"%V\",\n  \"time\": ",
                     &s->portal->name);
    p = ngx_http_counters_status_text_decimal(p, last, s->now);

    p = ngx_slprintf(p, last, ",\n  \"health\": {\n    \"state\": \"%V\",\n"
                     "    \"message\": \"%V\"\n  }",
                     &ngx_http_counters_status_text_healths[s->health],
                     &s->message);

    for (group = 0; group < NGX_HTTP_COUNTERS_GROUP_COUNT; group++) {
        p = ngx_http_counters_json_group(s, group, p, last);
    }

    return ngx_slprintf(p, last, "\n}\n");
}


static u_char *
ngx_http_counters_json_group(ngx_http_counters_status_t *s, ngx_uint_t group,
    u_char *p, u_char *last)
{
    u_char                           *start;
    ngx_str_t                         name;
    ngx_uint_t                        i;
    ngx_http_counters_figure_name_t  *f;

    p = ngx_slprintf(p, last, ",\n  \"%V\": {",
                     &ngx_http_counters_groups[group]);
    start = p;

    for (i = 0; i < NGX_COUNTERS_STAT_COUNT; i++) {

        if (ngx_http_counters_stat_range(i)->group != group) {
            continue;
        }

        name = ngx_http_counters_stat_member(i);

        p = ngx_http_counters_json_member(p, last, start, &name);
        p = ngx_http_counters_json_value(p, last,
                                         NGX_HTTP_COUNTERS_AS_INTEGER,
                                         s->stats[i]);
    }

    for (i = 0; i < NGX_HTTP_COUNTERS_FIGURE_COUNT; i++) {

        f = &ngx_http_counters_figures[i];

        if (f->group != group) {
            continue;
        }

        p = ngx_http_counters_json_member(p, last, start, &f->member);
        p = ngx_http_counters_json_value(p, last, f->as, s->figures[i]);
    }

    return ngx_slprintf(p, last, "\n  }");
}


static u_char *
ngx_http_counters_json_member(u_char *p, u_char *last, u_char *start,
    ngx_str_t *name)
{
    return ngx_slprintf(p, last, "%s\n    \"%V\": ", (p == start) ? "" : ",",
                        name);
}


static u_char *
ngx_http_counters_json_value(u_char *p, u_char *last,
    ngx_http_counters_figure_as_e as, uint64_t value)
{
    if (value == NGX_HTTP_COUNTERS_NO_FIGURE) {
        return ngx_slprintf(p, last, "null");
    }

    switch (as) {

    case NGX_HTTP_COUNTERS_AS_DECIMAL:
        return ngx_http_counters_status_text_decimal(p, last, value);

    case NGX_HTTP_COUNTERS_AS_BOOLEAN:
        return ngx_slprintf(p, last, "%s", value ? "true" : "false");

    default: /* NGX_HTTP_COUNTERS_AS_INTEGER */
        return ngx_slprintf(p, last, "%uL", value);
    }
}


u_char *
ngx_http_counters_status_text_decimal(u_char *p, u_char *last, uint64_t n)
{
    p = ngx_slprintf(p, last, "%uL", n / 1000);

    if (n % 1000 == 0) {
        return p;
    }

    p = ngx_slprintf(p, last, ".%03uL", n % 1000);

    while (p[-1] == '0') {
        p--;
    }

    return p;
}


/* "portal_requests" is "requests" in "portal" */

static ngx_str_t
ngx_http_counters_stat_member(ngx_uint_t stat)
{
    ngx_str_t   name, *group;

    name = ngx_http_counters_stats[stat].name;
    group = &ngx_http_counters_groups[
                                  ngx_http_counters_stat_range(stat)->group];

    if (name.len > group->len + 1
        && name.data[group->len] == '_'
        && ngx_strncmp(name.data, group->data, group->len) == 0)
    {
        name.data += group->len + 1;
        name.len -= group->len + 1;
    }

    return name;
}


static ngx_http_counters_stat_range_t *
ngx_http_counters_stat_range(ngx_uint_t stat)
{
    ngx_http_counters_stat_range_t  *range;

    range = ngx_http_counters_stat_ranges;

    while (stat >= (ngx_uint_t) range[1].first) {
        range++;
    }

    return range;
}


/* Prometheus */


u_char *
ngx_http_counters_status_text_prometheus(ngx_http_counters_status_t *s,
    u_char *p, u_char *last)
{
    ngx_uint_t                   i;
    ngx_http_counters_metrics_t  m;

    m.pos = p;
    m.last = last;
    m.portal = &s->portal->name;
    m.metric = NULL;

    for (i = 0; i < NGX_COUNTERS_STAT_COUNT; i++) {
        ngx_http_counters_metric_stat(&m, i, s->stats[i]);
    }

    for (i = 0; i < NGX_HTTP_COUNTERS_FIGURE_COUNT; i++) {
        ngx_http_counters_metric_figure(&m, &ngx_http_counters_figures[i],
                                        s->figures[i]);
    }

    return m.pos;
}


static void
ngx_http_counters_metric_stat(ngx_http_counters_metrics_t *m, ngx_uint_t stat,
    uint64_t value)
{
    u_char                          *p;
    ngx_http_counters_stat_name_t   *name;
    ngx_http_counters_stat_range_t  *range;

    name = &ngx_http_counters_stats[stat];
    range = ngx_http_counters_stat_range(stat);

    if (range->label == NULL) {
        ngx_http_counters_metric_header(m, (char *) name->name.data, "_total",
                                        name->help);

        m->pos = ngx_slprintf(m->pos, m->last, NGX_HTTP_COUNTERS_METRIC
                              "%V_total{portal=\"%V\"} %uL\n",
                              &name->name, m->portal, value);
        return;
    }

    ngx_http_counters_metric_header(m, range->metric, "_total", range->help);

    m->pos = ngx_slprintf(m->pos, m->last, NGX_HTTP_COUNTERS_METRIC
                          "%s_total{portal=\"%V\",%s=\"",
                          range->metric, m->portal, range->label);
    p = m->pos;

    m->pos = ngx_slprintf(p, m->last, "%V", &name->name);

    /* statuses are written as in $counters_cache_status */

    if (range->group == NGX_HTTP_COUNTERS_IN_REQUESTS) {
        for ( /* void */ ; p < m->pos; p++) {
            *p = ngx_toupper(*p);
        }
    }

    m->pos = ngx_slprintf(m->pos, m->last, "\"} %uL\n", value);
}


static void
ngx_http_counters_metric_figure(ngx_http_counters_metrics_t *m,
    ngx_http_counters_figure_name_t *f, uint64_t value)
{
    if (f->metric[0] == '\0' || value == NGX_HTTP_COUNTERS_NO_FIGURE) {
        return;
    }

    ngx_http_counters_metric_header(m, f->metric, "", f->help);

    m->pos = ngx_slprintf(m->pos, m->last, NGX_HTTP_COUNTERS_METRIC
                          "%s{portal=\"%V\"%s} ",
                          f->metric, m->portal, f->labels);

    if (f->as == NGX_HTTP_COUNTERS_AS_DECIMAL) {
        m->pos = ngx_http_counters_status_text_decimal(m->pos, m->last, value);

    } else {
        m->pos = ngx_slprintf(m->pos, m->last, "%uL", value);
    }

    m->pos = ngx_slprintf(m->pos, m->last, "\n");
}


/* once for all values of a metric, which stand together in the lists */

static void
ngx_http_counters_metric_header(ngx_http_counters_metrics_t *m,
    const char *metric, const char *suffix, const char *help)
{
    if (m->metric && ngx_strcmp(m->metric, metric) == 0) {
        return;
    }

    m->metric = metric;

    m->pos = ngx_slprintf(m->pos, m->last,
                          "# HELP " NGX_HTTP_COUNTERS_METRIC "%s%s %s\n"
                          "# TYPE " NGX_HTTP_COUNTERS_METRIC "%s%s %s\n",
                          metric, suffix, help, metric, suffix,
                          (suffix[0] == '\0') ? "gauge" : "counter");
}
