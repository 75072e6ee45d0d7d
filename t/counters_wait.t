#!/usr/bin/perl

# "wait" is for quota alone: whoever waits for something else, for Redis, for
# others to share a batch with, for a place among the calls under way, is not told
# that the quota is spent while it is not.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$t->config(<<'EOF', workers => 2);
    counters_portal plain { url %%PORTAL%%; zone 1m; wait 0; ttl 1h; }
    counters_portal batch { url %%PORTAL%%; zone 1m; wait 0; ttl 1h;
                            batch 50 wait=200ms; }
    counters_portal redis { url %%PORTAL%%; zone 1m; wait 0; ttl 1h; secret one;
                            redis %%REDIS%% timeout=2s; }
    counters_portal spent { url %%PORTAL%%; zone 1m; wait 0; ttl 1h;
                            rate 1r/s burst=1; reserve 0%; }

    add_header X-Status "$counters_cache_status $counters_source" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /plain/ { counters plain; proxy_pass %%PORTAL%%; }
        location /batch/ { counters batch; proxy_pass %%PORTAL%%; }
        location /redis/ { counters redis; proxy_pass %%PORTAL%%; }
        location /spent/ { counters spent; proxy_pass %%PORTAL%%; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';


sub status ($name, $user) {
    my $r = $t->get("/$name" . $portal->hook($user, $METHOD));
    return join ' ', $r->status, $r->header('x-status');
}


for my $name ('plain', 'batch', 'redis') {
    is(status($name, $_), '200 MISS portal', "$name: fetched") for 1 .. 5;
}

is(status('spent', 1), '200 MISS portal', 'quota for one');

my $start = time;
like(status('spent', 2), qr/^503 ERROR/, 'not for two');
cmp_ok(time - $start, '<', 1, 'which is said at once');

$t->done;
