#!/usr/bin/perl

# Two nodes behind one address share the portal's bucket (scope=redis): what
# one sends the other counts, and the portal never has to say no.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $other = Counters::Test->new;
my $portal = $t->portal(rate => 2, burst => 50);
my $redis = $t->redis;

$other->marker(PORTAL => $portal->url, REDIS => $redis->url);

for my $node ($t, $other) {
    $node->config(<<'EOF', workers => 2);
        counters_portal acme {
            url    %%PORTAL%%;
            redis  %%REDIS%% timeout=1s;
            secret both-nodes-have-this-one;
            rate   2r/s burst=50 scope=redis;
            batch  off;
            ttl    5m;
            wait   300ms;
        }
        server {
            listen 127.0.0.1:%%PORT_8080%%;
            location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        }
EOF
    $node->start;
}

ok(wait_for(sub {
    ($redis->command('PUBSUB', 'NUMSUB', 'b24:acme:n')->[1] // 0) == 2
}), 'both listen');

# 35 misses through each: one node alone might send that many at once, both
# together must not

my $call = $portal->hook(1, 'tasks.task.counters.get');
my %status;

for my $user (2 .. 36) {
    $status{ $t->get("$call?userId=$user")->status }++;
    $status{ $other->get("$call?userId=" . ($user + 100))->status }++;
}

my $calls = $portal->count;

cmp_ok($calls, '>', 40, "the portal was asked, $calls times");
is($portal->totals->{statuses}{503} // 0, 0, 'and never above its limit');
cmp_ok($status{200}, '<=', $calls, 'nobody has what was not asked for');
is(70 - $status{200}, $status{503} // 0, 'the nodes tell the others themselves');

$other->stop;
$t->done;
