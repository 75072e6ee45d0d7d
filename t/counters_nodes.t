#!/usr/bin/perl

# Two nodes on one Redis: what one of them learns of a credential, the other
# must not go on answering from its own memory.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

# the nodes differ in nothing but their zones

sub node ($port, $zone) {
    return <<"EOF";
    counters_portal $zone {
        url    %%PORTAL%%;
        zone   1m;
        redis  %%REDIS%% timeout=1s;
        secret both-nodes-have-this-one;
        ttl    1m;
    }
    server {
        listen 127.0.0.1:%%PORT_$port%%;
        location /rest/ {
            counters        $zone;
            counters_bypass \$http_x_fresh;
            proxy_pass      %%PORTAL%%;
        }
    }
EOF
}

my $other = Counters::Test->new;
$other->marker(PORTAL => $portal->url, REDIS => $redis->url);

$t->config(node(8080, 'acme'), workers => 2);
$other->config(node(8080, 'acme'), workers => 2);

$t->start;
$other->start;

ok(wait_for(sub {
    ($redis->command('PUBSUB', 'NUMSUB', 'b24:acme:n')->[1] // 0) == 2
}), 'both listen');

my $mine = $portal->hook(5, 'tasks.task.counters.get');
my $group = "$mine?groupId=7";

sub entries () {
    return scalar @{ $redis->command('KEYS', 'b24:acme:c:*') };
}

sub status ($node, $uri, %how) {
    my $r = $node->get($uri, %how);
    return $r->status . ' ' . ($r->header('cache-status') =~ s/; ttl=.*//r);
}

is(status($t, $mine), '200 acme; fwd=miss; stored', 'fetched by one');
wait_for(sub { entries() == 1 });

is(status($other, $mine), '200 acme; hit', 'found in Redis by the other');
is(status($other, $group), '200 acme; fwd=miss; stored', 'fetched by the other');
wait_for(sub { entries() == 2 });

is($portal->count, 2, 'two calls');

# the first node is told by the portal, the second by the first; it is a 401, or a
# 403 that says INVALID_CREDENTIALS

for my $case ([ revoked => 401 ], [ invalid => 403 ]) {
    my ($state, $code) = @$case;

    is(status($other, $_), '200 acme; hit', "$state: there") for $mine, $group;

    $portal->credential('5/' . webhook_code(5) => $state);

    is(status($t, "$mine?groupId=$code"), "$code acme; fwd=miss; stored",
       "$state: refused");

    ok(wait_for(sub { status($other, $group) =~ /^$code/ }), "$state: dropped there");
    like(status($other, $mine), qr/^$code /, "$state: and all else of the credential");
    like(status($t, $mine), qr/^$code /, "$state: Redis does not bring it back");

    $other->stop;
    $other->start;

    like(status($other, $mine), qr/^$code /, "$state: nor to a node that knows nothing");

    # accepted again, the old marks are no hindrance

    $portal->credential('5/' . webhook_code(5) => 'ok');

    for my $call ($mine, $group) {
        ok(wait_for(sub { status($t, $call) eq '200 acme; fwd=miss; stored' }),
           "$state: accepted again");
        ok(wait_for(sub { status($other, $call) eq '200 acme; hit' }),
           "$state: and shared again");
    }
}

# a call that is refused is dropped by both as well, and it alone

status($_, $group) for $t, $other;
is(status($_, $group), '200 acme; hit', 'both have the other call') for $t, $other;

$portal->credential('5/' . webhook_code(5) => 'scope');

ok(wait_for(sub { status($t, $group, headers => { 'X-Fresh' => 1 }) =~ /^403/ }),
   'one of its calls is refused');
ok(wait_for(sub { status($other, $group) =~ /^403/ }, 5), 'and dropped there');
is(status($other, $mine), '200 acme; hit', 'no other is');

$other->stop;
$t->done;
