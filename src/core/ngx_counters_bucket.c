
/*
 * Copyright (C) The nginx counters module authors
 */


#include "ngx_counters_bucket.h"


#define NGX_COUNTERS_BUCKET_ONE   1000    /* one request, thousandths */
#define NGX_COUNTERS_BUCKET_TICK  1000    /* between drains, milliseconds */

/* by so much may the time of one process lag: more is a clock set back */
#define NGX_COUNTERS_BUCKET_BACK  10000

/* requests may reach the portal by so much closer together than they left */
#define NGX_COUNTERS_BUCKET_LAG   100


static void ngx_counters_bucket_drain(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now);
static void ngx_counters_bucket_phase(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now);


uint64_t
ngx_counters_bucket_level(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now)
{
    if (conf->rate == 0) {
        return 0;
    }

    ngx_counters_bucket_drain(b, conf, now);

    return b->level;
}


uint32_t
ngx_counters_bucket_take(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now, uint64_t limit)
{
    uint64_t  excess, ticks, wait;

    if (conf->rate == 0) {
        return 0;
    }

    /* a reserve that leaves less than one request would forbid all of them */

    if (limit < NGX_COUNTERS_BUCKET_ONE) {
        limit = NGX_COUNTERS_BUCKET_ONE;
    }

    ngx_counters_bucket_drain(b, conf, now);

    if (b->level + NGX_COUNTERS_BUCKET_ONE <= limit) {
        ngx_counters_bucket_phase(b, conf, now);
        b->level += NGX_COUNTERS_BUCKET_ONE;
        return 0;
    }

    excess = b->level + NGX_COUNTERS_BUCKET_ONE - limit;
    ticks = (excess + conf->rate - 1) / conf->rate;
    wait = b->drained + ticks * NGX_COUNTERS_BUCKET_TICK - now;

    return (wait < UINT32_MAX) ? (uint32_t) wait : UINT32_MAX;
}


void
ngx_counters_bucket_add(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now)
{
    if (conf->rate == 0) {
        return;
    }

    ngx_counters_bucket_drain(b, conf, now);
    ngx_counters_bucket_phase(b, conf, now);

    if (b->level <= conf->burst) {
        b->level += NGX_COUNTERS_BUCKET_ONE;
    }
}


void
ngx_counters_bucket_fill(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now)
{
    if (conf->rate == 0) {
        return;
    }

    ngx_counters_bucket_drain(b, conf, now);

    if (b->level < conf->burst) {
        b->level = conf->burst;
    }

    /* nothing is known of the portal's phase but that it is full now */

    if (b->drained < now) {
        b->drained = now;
    }
}


static void
ngx_counters_bucket_drain(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now)
{
    uint64_t  ticks;

    if (now < b->drained) {

        /*
         * Processes share the bucket and cache the time each for itself, so
         * a step back of seconds is no change of the clock; to follow it
         * would let the drains come early, over and over.
         */

        if (b->drained - now > NGX_COUNTERS_BUCKET_BACK) {
            b->drained = now;
        }

        return;
    }

    ticks = (now - b->drained) / NGX_COUNTERS_BUCKET_TICK;

    if (ticks > b->level / conf->rate) {
        b->level = 0;

    } else {
        b->level -= ticks * conf->rate;
    }

    b->drained += ticks * NGX_COUNTERS_BUCKET_TICK;
}


/*
 * If the model's next drain could empty it, the portal may be empty already,
 * part of its last drain having come to nothing.  Its next one is then up to
 * a second away from when the request arrives, however soon the model's would
 * be.  A portal that is full is not empty, and a bucket of less than two
 * drains is not looked at so closely: it would never drain.
 */

static void
ngx_counters_bucket_phase(ngx_counters_bucket_t *b,
    const ngx_counters_bucket_conf_t *conf, uint64_t now)
{
    uint64_t  level, arrival;

    arrival = now + NGX_COUNTERS_BUCKET_LAG;

    if (arrival <= b->drained) {
        return;
    }

    level = b->level;

    if (level + NGX_COUNTERS_BUCKET_ONE > conf->burst) {
        return;
    }

    if (conf->burst >= 2 * (uint64_t) conf->rate
        && arrival - b->drained >= NGX_COUNTERS_BUCKET_TICK)
    {
        level -= (level < conf->rate) ? level : conf->rate;
    }

    if (level < conf->rate) {
        b->drained = arrival;
    }
}
