#!/usr/bin/perl

# Refresh-ahead: what was asked for lately is refreshed before it is stale, in
# batches, by whoever has its credential; what was not is left alone. When there is
# more of it than the quota can keep fresh, all get older alike.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(min max sum0);
use Test::More;
use Counters::Polls;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $tight = $t->portal(name => 'TIGHT', rate => 2, burst => 4);

$t->config(<<'EOF', workers => 2, connections => 4096);
    counters_portal acme  { url %%PORTAL%%; zone 2m; webhook %%WEBHOOK_1%%;
                            ttl 8s; ahead 1h; }
    counters_portal token { url %%PORTAL%%; zone 2m; ttl 4s; ahead 1h; }
    counters_portal left  { url %%PORTAL%%; zone 2m; webhook %%WEBHOOK_1%%;
                            ttl 2s; ahead 3s; rate off; }
    counters_portal tight { url %%TIGHT%%; zone 2m; webhook %%WEBHOOK_1%%;
                            ttl 2s; ahead 1h; wait 60s; reserve 0%; batch 5;
                            rate 2r/s burst=4; }
    server {
        listen 127.0.0.1:%%PORT_8080%% reuseport;

        location ~ ^/acme/([0-9]+)$  { counters acme;  counters_user $1; }
        location ~ ^/left/([0-9]+)$  { counters left;  counters_user $1; }
        location ~ ^/tight/([0-9]+)$ { counters tight; counters_user $1; }
        location /token/rest/ { counters token; proxy_pass %%PORTAL%%/rest/; }
    }
EOF

$t->start;

my $method = 'tasks.task.counters.get';


# How often the portal was asked for each user: {1001 => 3, ...}; and by how many
# requests

sub refreshes ($portal, %filter) {
    my (%times, $requests);

    for my $call ($portal->calls(full => 1, %filter)) {
        my @commands = map { $_->[1] } @{ $call->{commands} // [] };

        $requests++;
        # user 1 asks for himself
        $times{$_}++ for @commands ? map { /userId=(\d+)/ ? $1 : 1 } @commands
                                   : $call->{userId} // 1;
    }

    return (\%times, $requests // 0);
}


sub least ($portal, @users) {
    my ($times) = refreshes($portal);
    return min(map { $times->{$_} // 0 } @users);
}


# They ask once a second until the condition holds

sub poll ($users, $path, $condition, $seconds) {
    my $polls = Counters::Polls->new(port => $t->port, users => $users, every => 1,
                                     target => sub ($user) { "/$path/$user" });

    my $held = wait_for(sub { Counters::Polls::run(1, $polls); $condition->() },
                        $seconds);

    return ($held, $polls->take);
}


# --- asked for once, then kept fresh for a while

my @users = (1 .. 60);
my @answers = $t->many([ map { "/acme/$_" } @users ]);

is(scalar(grep { $_->status == 200 } @answers), 60, 'all have asked');

my ($held, $sum) = poll(10, 'acme', sub { least($portal, @users) >= 3 }, 90);

ok($held, 'each is refreshed, again and again');
cmp_ok($sum->{caches}{HIT}, '>=', 0.98 * sum0(values %{ $sum->{caches} }),
       'before it is stale, if there is a processor for it')
    || diag(explain($sum->{caches}));

my ($times, $requests) = refreshes($portal);

cmp_ok(max(values %$times) - min(values %$times), '<=', 2, 'all as often');
cmp_ok($requests, '<', sum0(values %$times) / 3, 'in batches');

# --- with a token that a client has brought

my $token = access_token(7);
my $call = "/token/rest/$method?auth=$token";

is($t->get($call)->status, 200, 'a client brings a token');
ok(wait_for(sub { $portal->count(credential => 'token 7/1') >= 3 }, 30),
   'and it is used ahead, though the client is gone');
like($t->get($call)->header('cache-status'), qr/^token; hit; ttl=\d/,
     'what it finds is fresh');

# --- what nobody asks for any more is left alone

$portal->reset;
is($t->get("/left/$_")->status, 200, "user $_") for 1, 2;

($held) = poll(1, 'left', sub { least($portal, 1) >= 6 }, 60);
ok($held, 'one asks all the time');
($times) = refreshes($portal);
cmp_ok($times->{2}, '<=', 3, 'the other, who asked once, is soon left alone');
like($t->get('/left/2')->header('cache-status'), qr/detail=UPDATING/,
     'and finds what is stale');
ok(wait_for(sub { $t->get('/left/2')->header('cache-status') =~ /; hit; ttl=\d/ }),
   'but once');

# --- more than the quota can keep fresh: 10 a second for 60 users every 2 seconds

($held, $sum) = poll(60, 'tight', sub { least($tight, @users) >= 3 }, 90);
($times, $requests) = refreshes($tight);

ok($held, 'each is refreshed');
is($sum->{failed} + $sum->{said}, 0, 'nobody goes without');
cmp_ok(max(values %$times) - min(values %$times), '<=', 2, 'all as often');
cmp_ok($requests, '<=', sum0(values %$times) / 5 + 8, 'by full batches');
is($tight->totals->{statuses}{503}, undef, 'within the quota');

$t->done;
