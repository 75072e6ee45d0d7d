#!/usr/bin/perl

# Two nodes on one Redis: what is purged on one of them is gone from the other,
# hard or soft, by user, by group and altogether, while what was not named stays;
# also from a node that could not be told.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $other = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$other->marker(PORTAL => $portal->url, REDIS => $redis->url);

for my $node ($t, $other) {
    $node->config(<<'EOF', workers => 2);
    counters_portal acme {
        url     %%PORTAL%%;
        zone    1m;
        redis   %%REDIS%% timeout=1s;
        secret  both-nodes-have-this-one;
        webhook %%WEBHOOK_1%%;
        ttl     1h;
        rate    off;
    }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location = /counters { counters acme; counters_user $http_x_user; }
        location = /purge { counters_purge acme; }
        location = /status { counters_status acme json; }
    }
EOF
    $node->start;
}


sub listening ($n) {
    return wait_for(sub {
        ($redis->command('PUBSUB', 'NUMSUB', 'b24:acme:n')->[1] // 0) == $n
    });
}

ok(listening(2), 'both listen');


sub ask ($node, $call) {
    my ($user, $args, $managed) = @$call;

    return $node->get("/counters?$args", headers => { 'X-User' => $user }) if $managed;
    return $node->get($portal->hook($user, 'tasks.task.counters.get') . "?$args");
}


sub revision ($node, $call) {
    return ask($node, $call)->body =~ /"revision":(\d+)/ ? $1 : 'none';
}


sub revisions ($node, @calls) {
    return join ' ', map { revision($node, $_) } @calls;
}

# about user 5: his own, by others, by the managed webhook
my @FIVE = ([ 5, '' ], [ 5, 'groupId=7' ], [ 1, 'userId=5' ], [ 5, '', 1 ]);
my @SIX = ([ 6, '' ], [ 6, 'groupId=7' ], [ 6, '', 1 ]);
my @ALL = (@FIVE, @SIX);

my $now = 0;

# the other node learns them from Redis, a few from the portal

sub fill () {
    $t->post('/purge?all=1', '');
    ok(wait_for(sub { revisions($t, @ALL) eq join ' ', ($now) x @ALL }), "at revision $now");
    ok(wait_for(sub { revisions($other, @ALL) eq join ' ', ($now) x @ALL }),
       'at the other node too');
}


# Counters change, which nobody notices before a purge

sub change (@nodes) {
    $portal->bump;
    $now++;

    for my $node (@nodes) {
        is(revisions($node, @ALL), join(' ', ($now - 1) x @ALL), 'all cached');
    }
}


sub seen ($name, $node, $gone, $left) {
    ok(wait_for(sub { revisions($node, @$gone) eq join ' ', ($now) x @$gone }),
       "$name: gone") or diag revisions($node, @$gone);
    is(revisions($node, @$left), join(' ', ($now - 1) x @$left), "$name: the rest stays");
}

for my $case (
    [ 'user=5', \@FIVE, \@SIX ],
    [ 'group=7', [ $FIVE[1], $SIX[1] ], [ @FIVE[0, 2, 3], @SIX[0, 2] ] ],
    [ 'all=1', \@ALL, [] ],
) {
    my ($query, $gone, $left) = @$case;

    for my $soft ('', '&soft=1') {
        for my $from ($t, $other) {
            my ($name, $to) = $from == $t ? ('from the first', $other)
                                          : ('from the second', $t);
            fill();
            change($t, $other);

            my $r = $from->post("/purge?$query$soft", '');

            is($r->status, 200, "$query$soft $name");
            is($r->json->{purged}, scalar @$gone, "$query$soft $name: how many");
            seen("$query$soft $name, there", $to, $gone, $left);
            seen("$query$soft $name, here", $from, $gone, $left);
        }
    }
}

# --- soft: the old one is served while the new one is fetched

fill();
change($t, $other);
$t->post('/purge?user=5&soft=1', '');

my %seen;

ok(wait_for(sub {
    my $cache = ask($other, $FIVE[0])->header('cache-status');
    $seen{ $cache =~ s/; ttl=-?\d+//r }++;
    return revision($other, $FIVE[0]) == $now;
}), 'soft: refreshed at the other node');

ok(!$seen{'acme; fwd=miss; stored'}, 'soft: nobody waited') or diag(explain(\%seen));

# --- nothing at the other node was forgotten that was fetched since

fill();
$portal->forget;
$t->post('/purge?user=5', '');
revisions($other, @FIVE);
revisions($t, @ALL);
cmp_ok($portal->count, '<=', 2 * @FIVE, 'fetched again by the nodes, others not');

my $settled = wait_for(sub {
    my $before = $portal->count;
    revisions($_, @ALL) for $t, $other;
    return $portal->count == $before;
});
ok($settled, 'and then no more');

# --- a node that is down when it happens knows nothing, and Redis does not tell it

fill();
$other->stop;
change($t);
$t->post('/purge?user=5', '');
$other->start;
wait_for(sub { $other->get('/status')->json->{redis}{connected} }, 10, 'Redis');

is(revisions($other, @FIVE), join(' ', ($now) x @FIVE), 'a node started since: gone');
is(revisions($other, @SIX), join(' ', ($now - 1) x @SIX), 'and the rest from Redis');

# --- words that nobody said

fill();
$portal->forget;

for my $words ('p', 'p u', 'p u 5', 'p u x 1', 'p u 5 x', 'p x', 's', 'p u 5 99999999999999999999',
               'r', 'r zz 1', "p u 5 1\n", '', 'x' x 300, "p\0u 5 1")
{
    $redis->command('PUBLISH', 'b24:acme:n', $words);
}

$redis->command('PUBLISH', 'b24:acme:n', 'p u 5 1');    # long ago
is(revisions($other, @ALL), join(' ', ($now) x @ALL), 'nonsense: all is there');
is($portal->count, 0, 'nonsense: without a call');

is(join("\n", $other->finish), '', 'no alert in the logs of the other node');
$t->no_secrets(map { webhook_code($_) } 1, 5, 6);
$t->done;
