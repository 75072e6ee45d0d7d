#!/usr/bin/perl

# Old workers that a reload has left behind still hear the other nodes: what these
# have sent to the portal counts once all the same, in the bucket that all share,
# however many generations there are. A worker that has taken over does so without
# a gap, and the old ones do not keep their connection.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Parked;
use Counters::Test;

my $t = Counters::Test->new;
my $other = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$other->marker(PORTAL => $portal->url, REDIS => $redis->url);

# so slow a drain that nothing leaves the bucket meanwhile
for my $node ($t, $other) {
    $node->config(<<'EOF');
        counters_portal acme {
            url    %%PORTAL%%;
            zone   1m;
            redis  %%REDIS%% timeout=2s;
            secret both-nodes-have-this-one;
            rate   1r/s burst=1000 scope=redis;
            batch  off;
            ttl    1h;
        }
        server {
            listen 127.0.0.1:%%PORT_8080%%;
            location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
            location /slow/ { proxy_pass %%PORTAL%%/rest/; }
            location = /status { counters_status acme json; }
            location = /parked { stub_status; }
        }
EOF
    $node->start;
}


sub listening ($n) {
    return wait_for(sub {
        ($redis->command('PUBSUB', 'NUMSUB', 'b24:acme:n')->[1] // 0) == $n
    }, 30);
}


sub level () { return $t->get('/status')->json->{quota}{level} }

ok(listening(2), 'both listen');

# --- each generation has a request that lasts

my $method = 'tasks.task.counters.get';
my $user = 1000;
my @slow;

$portal->fault(kind => 'latency', delay => 600, user => 999);

for my $round (1 .. 3) {
    push @slow, $t->client->begin(GET => '/slow' . ($portal->hook(999, $method) =~ s{^/rest}{}r));
    ok(wait_for(sub { parked($t) >= 1 }), "$round: a long request");
    ok($t->reload, "$round: reloaded");
    ok(wait_for(sub { $t->get('/status')->json->{redis}{connected} }), "$round: connected");
    ok(listening(2), "$round: the old one does not listen any more");
}

my $before = level();

for (1 .. 40) {
    $user++;
    is($other->get($portal->hook($user, $method))->status, 200, 'sent by the other');
}

ok(wait_for(sub { level() >= $before + 20 }), 'counted here');
is($other->get($portal->hook($user + 1, $method))->status, 200, 'one more');
cmp_ok(level(), '<=', $before + 41, 'but once');

close $_ for @slow;
is(join("\n", $other->finish), '', 'no alert in the logs of the other node');
$t->done;
