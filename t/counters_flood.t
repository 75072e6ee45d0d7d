#!/usr/bin/perl

# Credentials that somebody makes up, thousands a second: they take neither the
# cache's room nor the users' quota, and the portal sees few of them.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 2, burst => 50);

$t->config(<<'EOF', workers => 2, connections => 4096);
    counters_portal acme { url %%PORTAL%%; zone 1m; webhook %%WEBHOOK_1%%; wait 10s;
                           ttl 1h; }
    server {
        listen 127.0.0.1:%%PORT_8080%% reuseport backlog=4096;
        listen 127.0.0.1:%%PORT_8081%% reuseport;

        location ~ ^/managed/([0-9]+)$ { counters acme; counters_user $1; }
        location = /status { counters_status acme json; }
        location /rest/    { counters acme; proxy_pass %%PORTAL%%; }
    }
EOF

$t->start;

my $method = 'tasks.task.counters.get';


# How many of these users are shown their own counters, and how

sub shown ($how, @users) {
    return scalar grep {
        my $r = $t->get("/managed/$_", port => 8081);
        whose($r->body) eq "1/$_/0/view_all"
            && $r->header('cache-status') =~ $how;
    } @users;
}


is(shown(qr/fwd=miss/, 1 .. 20), 20, 'twenty users');

# they hang up at once, or wait to be told
for my $turn (1 .. 3) {
    close $t->client->begin(GET => "/rest/$method?auth=gone.$turn.$_") for 1 .. 1000;
}

my @clients = map { $t->client->begin(GET => "/rest/$method?auth=made.up.$_") }
              1 .. 1500;

is(shown(qr/; hit/, 1 .. 20), 20, 'are still known');
is(shown(qr/fwd=miss/, 21 .. 30), 10, 'new ones are asked for');

my %answers;

for my $r (map { $t->client->receive($_, 'GET', 60) } @clients) {
    $answers{ $r->status . ' ' . ($r->status == 503 ? $r->json->{error} : '') }++;
}

is(($answers{'401 '} // 0) + ($answers{'503 QUERY_LIMIT_EXCEEDED'} // 0), 1500,
   'of the others some are refused, the rest is told to come back');
cmp_ok($portal->count(status => 401), '<', 100, 'and the portal saw few of them');
is($portal->totals->{statuses}{503} // 0, 0, 'none too many');

my $state = $t->get('/status')->json;

is($state->{zone}{evicted}, 0, 'nothing was evicted for them');
is($state->{requests}{pass}, 0, 'nothing passed on');

# a real user, new to the portal, does not wait for all of them
ok(wait_for(sub { $t->get($portal->hook(40, $method))->status == 200 }, 60),
   'a user whom nobody knows yet');
cmp_ok($portal->count(status => 401), '<', 200, 'long before the last of them');

$t->done;
