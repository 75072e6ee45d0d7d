
/*
 * Copyright (C) The nginx counters module authors
 *
 * ngx_counters_capacity.c: how many entries can be kept fresh, under one
 * credential, under one each, and when calls take their time.
 */


#include "ngx_counters_capacity.h"
#include "tap.h"


static ngx_counters_use_t  use;


/* "n" credentials of so many entries, in batches of 50; ttl a minute, 2r/s */

static void
used_by(unsigned n, unsigned entries, unsigned operating)
{
    use.rate = 2000;
    use.ttl = 60000;
    use.entries = (uint64_t) n * entries;
    use.requests = (uint64_t) n * (entries < 50 ? 1000 : entries * 20);
    use.largest = entries;
    use.operating = operating;
}


int
main(void)
{
    used_by(1, 4500, 0);
    is_int(ngx_counters_capacity_quota(&use), 6000, "one webhook");
    ok(ngx_counters_capacity_operating(&use) == UINT64_MAX,
       "of whose calls nothing is known");

    used_by(300, 1, 0);
    is_int(ngx_counters_capacity_quota(&use), 120, "a token per user");
    used_by(300, 3, 0);
    is_int(ngx_counters_capacity_quota(&use), 360, "with three entries each");

    use.rate = 1600;
    is_int(ngx_counters_capacity_quota(&use), 288, "the reserve taken off");

    /* 16,000 calls of 0.03 s in ten minutes are 1,600 in one */

    used_by(1, 4500, 30000);
    is_int(ngx_counters_capacity_operating(&use), 1600, "operating time");
    used_by(2, 4500, 30000);
    is_int(ngx_counters_capacity_operating(&use), 3200, "of two webhooks");

    use.entries = 5000;
    use.largest = 4000;
    is_int(ngx_counters_capacity_operating(&use), 2000, "one larger by far");

    used_by(300, 1, 30000);
    is_int(ngx_counters_capacity_operating(&use), 480000, "and of 300 tokens");

    /* no sum grows over */

    use.rate = 1000000;
    use.ttl = 86400000;
    use.entries = 10000000;
    use.requests = 200000000;
    ok(ngx_counters_capacity_quota(&use) == 4320000000ULL, "a large portal");

    return done();
}
