#!/usr/bin/perl

# What counters_purge has dropped does not come back from Redis, softly or not,
# and what was fetched since does.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$t->config(<<'EOF');
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                           redis %%REDIS%%; secret one; }

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location = /purge { counters_purge acme; }
        location = /status { counters_status acme json; }
    }
EOF

$t->start;

# A new zone, and Redis there

sub forget () {
    $t->restart;
    wait_for(sub { $t->get('/status')->json->{redis}{connected} }, 10, 'Redis');
}

sub purge ($query) {
    return $t->post("/purge?$query", '')->json->{purged};
}

# How many of these calls went to the portal

sub asked (@calls) {
    my $before = $portal->count;

    $t->get($portal->hook($$_[0], 'tasks.task.counters.get') . $$_[1]) for @calls;
    return $portal->count - $before;
}

my @FIVE = ([5, ''], [5, '?groupId=7'], [1, '?userId=5']);
my @SIX = ([6, '?groupId=7'], [6, '?groupId=8']);

forget();
is(asked(@FIVE, @SIX), 5, 'fetched');

forget();
is(asked(@FIVE, @SIX), 0, 'all from Redis');

for my $soft ('', '&soft=1') {
    is(purge("user=5$soft"), 3, "a user purged$soft");
    forget();
    is(asked(@FIVE), 3, 'Redis does not bring it back');
    is(asked(@SIX), 0, 'the other user is there');

    forget();
    is(asked(@FIVE, @SIX), 0, 'what was fetched since is used');

    is(purge("group=7$soft"), 2, "a group purged$soft");
    forget();
    is(asked(@FIVE, @SIX), 2, 'the group is asked for again');

    forget();
    is(purge("all=1$soft"), 0, "all purged, which is in Redis only$soft");
    is(asked(@FIVE, @SIX), 5, 'all of it is asked for again');
}

$redis->stop;
is(purge('user=5'), 3, 'without Redis the zone is purged all the same');

$t->expect(qr/redis/);
$t->no_secrets(map { webhook_code($_) } 1, 5, 6);
$t->done;
