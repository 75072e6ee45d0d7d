#!/usr/bin/perl

# What is in Redis is used although the portal is not asked for a while, because it
# fails: to know what Redis has, nobody has to ask the portal.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$t->config(<<'EOF', workers => 2);
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h; secret one;
                            batch off; redis %%REDIS%% timeout=2s; }
    counters_portal stale { url %%PORTAL%%; zone 1m; rate off; ttl 1ms; stale 0;
                            secret one; batch off; redis %%REDIS%% timeout=2s; }

    add_header X-Status "$counters_cache_status $counters_source" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /acme/  { counters acme;  proxy_pass %%PORTAL%%; }
        location /stale/ { counters stale; proxy_pass %%PORTAL%%; }
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

# --- the portal is held back

for my $name ('acme', 'stale') {
    is(status(hook($name, $_)), '200 MISS portal', "$name: stored") for 1 .. 4;
    ok(in_redis($name, 4), "$name: in Redis");
}

$t->restart;
ok($redis->linked(2), 'connected again');
$portal->refuse;

for my $name ('acme', 'stale') {
    my $how = $name eq 'acme' ? 'HIT' : 'STALE';

    like(status(hook($name, 100 + $_)), qr/^502 ERROR/, "$name: no portal")
        for 1 .. 6;
    is(status(hook($name, $_)), "200 $how redis", "$name: Redis has it")
        for 1 .. 4;
    like(status(hook($name, 110)), qr/^502 ERROR/, "$name: Redis has not");
}

$t->done;
