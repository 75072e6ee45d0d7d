#!/usr/bin/perl

# What comes from Redis is taken for as old as it is, also when the zone has no
# room to keep it; news of other nodes whose clock is ahead do not last until then.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::News;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$t->config(<<'EOF', workers => 2);
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h; secret one;
                            batch off; redis %%REDIS%% timeout=2s; }
    counters_portal small { url %%PORTAL%%; zone 128k; rate off; ttl 100ms;
                            stale 0 error=1h; secret one; batch off;
                            redis %%REDIS%% timeout=2s; }

    add_header X-Status "$counters_cache_status $counters_source" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /acme/  { counters acme;  proxy_pass %%PORTAL%%; }
        location /small/ { counters small; proxy_pass %%PORTAL%%; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';


sub hook ($name, $user) {
    return "/$name" . $portal->hook($user, $METHOD);
}


sub status ($target) {
    my $r = $t->get($target);
    return join ' ', $r->status, $r->header('x-status');
}


sub in_redis ($name, $n) {
    return wait_for(sub { my @keys = $redis->keys("b24:$name:c:*"); @keys == $n });
}


ok($redis->linked(2), 'connected');

# --- the zone has no room

$portal->result($METHOD, '{"text":"' . 'x' x 200_000 . '"}');

is(status(hook('small', 20)), '200 MISS portal', 'too large for the zone');
ok(in_redis('small', 1), 'not for Redis');
ok(wait_for(sub { status(hook('small', 20)) eq '200 MISS portal' }),
   'past ttl and stale: asked for');
is($portal->count(user => 20, status => 200), 2, 'of the portal');

# --- news from the future

my $future = (time + 3600) * 1000;

$portal->result($METHOD, '{"small":1}');
is(status(hook('acme', 1)), '200 MISS portal', 'stored');
$redis->command('PUBLISH', 'b24:acme:n',
                news('one', 'b24:acme:n', 'fedcba9876543210', "s a 0 $future"));

ok(wait_for(sub { status(hook('acme', 1)) =~ /UPDATING/ }, 5), 'marked as stale');
ok(wait_for(sub { status(hook('acme', 1)) =~ /^200 HIT/ }, 5), 'but only once');

$t->done;
