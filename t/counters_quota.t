#!/usr/bin/perl

# The portal's leaky bucket: it never has to say no to what this module sends, nor
# to what is passed on beside it; clients are answered or told when to come back;
# what is wasted on credentials that nobody has accepted is not taken from those
# that somebody has; and a limit that is seen all the same stops everything.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 2, burst => 50);

# where calls are still queued when the test is through with them
my $told_portal = $t->portal(name => 'TOLD', rate => 2, burst => 50);
my $mixed_portal = $t->portal(name => 'MIXED', rate => 2, burst => 50);
my $large_portal = $t->portal(name => 'LARGE', rate => 5, burst => 250);
my $fresh_portal = $t->portal(name => 'FRESH', rate => 2, burst => 50);

$t->config(<<'EOF', workers => 4, connections => 4096);
    counters_portal burst { url %%PORTAL%%; zone 8m; webhook %%WEBHOOK_1%%;
                            wait 60s; ttl 1h; }
    counters_portal told  { url %%TOLD%%; zone 8m; webhook %%WEBHOOK_1%%;
                            wait 1s; ttl 1h; batch off; }
    counters_portal mixed { url %%MIXED%%; zone 8m; webhook %%WEBHOOK_1%%;
                            wait 60s; ttl 1h; batch off; }
    counters_portal flood { url %%PORTAL%%; zone 8m; wait 5s; ttl 1h; }
    counters_portal large { url %%LARGE%%; zone 8m; webhook %%WEBHOOK_1%%;
                            rate 5r/s burst=250; wait 60s; ttl 1h; batch off; }
    counters_portal fresh { url %%FRESH%%; zone 8m; wait 5s; ttl 1h; }
    counters_portal limit { url %%PORTAL%%; zone 8m; webhook %%WEBHOOK_1%%;
                            wait 100ms; ttl 1h; }
    server {
        listen 127.0.0.1:%%PORT_8080%% reuseport backlog=4096;

        location ~ ^/burst/([0-9]+)$ { counters burst; counters_user $1; }
        location ~ ^/told/([0-9]+)$  { counters told;  counters_user $1; }
        location ~ ^/mixed/([0-9]+)$ { counters mixed; counters_user $1; }
        location ~ ^/large/([0-9]+)$ { counters large; counters_user $1; }
        location ~ ^/limit/([0-9]+)$ { counters limit; counters_user $1; }
        location /mixed/rest/ { counters mixed; proxy_pass %%MIXED%%/rest/; }
        location /fresh/rest/ { counters fresh; proxy_pass %%FRESH%%/rest/; }
        location /flood/rest/ { counters flood; proxy_pass %%PORTAL%%/rest/; }
        location /limit/rest/ { counters limit; proxy_pass %%PORTAL%%/rest/; }
    }
EOF

$t->start;

my $method = 'tasks.task.counters.get';


sub refused ($portal) {
    return $portal->totals->{statuses}{503} // 0;
}


sub begin ($target) {
    return $t->client->begin(GET => $target);
}


sub answers (@sockets) {
    return map { $t->client->receive($_, 'GET', 90) } @sockets;
}


# How many have their own counters

sub right ($users, $answers) {
    return scalar grep { $answers->[$_]->status == 200
                         && whose($answers->[$_]->body)
                            eq "1/$users->[$_]/0/view_all" } 0 .. $#$answers;
}


# Those that are told to come back later, as the portal would and more

sub told (@answers) {
    return grep { $_->status == 503
                  && $_->json->{error} eq 'QUERY_LIMIT_EXCEEDED'
                  && $_->header('retry-after') =~ /^[1-9][0-9]?$/ } @answers;
}


# --- a thousand users at once: all have asked before a worker looks

my @workers = $t->workers;
my @users = (1001 .. 2000);

kill 'STOP', @workers;
my @clients = map { begin("/burst/$_") } @users;
kill 'CONT', @workers;

my @got = answers(@clients);

is(right(\@users, \@got), 1000, 'a thousand are answered, each with their own');
is(refused($portal), 0, 'the portal has refused nothing');

my @calls = $portal->calls(full => 1);
my %asked;

for my $call (@calls) {
    my @commands = map { $_->[1] } @{ $call->{commands} // [] };

    $asked{$_}++ for @commands ? map { /userId=(\d+)/ } @commands : $call->{userId};
}

cmp_ok(scalar @calls, '<=', 26, 'by 20 requests and a few: ' . @calls);
is_deeply(\%asked, { map { $_ => 1 } @users }, 'which ask for each of them once');

# --- one by one there is not enough for all

@users = (1001 .. 1300);
@got = answers(map { begin("/told/$_") } @users);

my @told = told(@got);

cmp_ok(right(\@users, \@got), '>=', 40, 'what the bucket gives is given');
is(right(\@users, \@got) + @told, 300, 'the others are told to come back later');
is(refused($told_portal), 0, 'and not by the portal');
cmp_ok(scalar(grep { $_->header('retry-after') > 1 } @told), '>', 200,
       'the later, the more were before them');

my $before = $told_portal->count;
ok(wait_for(sub { $told_portal->count >= $before + 4 }, 20), 'their calls go on');

# --- a portal that grants more

@users = (1001 .. 1230);
@clients = map { begin("/large/$_") } @users;
ok(wait_for(sub { $large_portal->count >= 200 }, 20), 'four fifths of 250 at once');
@got = answers(@clients);
is(right(\@users, \@got), 230, 'then five a second, until all are answered');
is(refused($large_portal), 0, 'within what it grants');

# --- requests passed on while refreshes take all they may

my @waiting = map { begin("/mixed/$_") } 1001 .. 1200;
ok(wait_for(sub { $mixed_portal->count >= 40 }, 20), 'refreshes have their share');

my $pass = '/mixed' . $portal->hook(1, 'profile');
my %passed;

$passed{ $t->get($pass)->status }++ for 1 .. 8;
is_deeply(\%passed, { 200 => 8 }, 'the rest is there for the requests passed on');

# one whenever a refresh has left
for (1 .. 8) {
    $before = $mixed_portal->count(method => $method);
    wait_for(sub { $mixed_portal->count(method => $method) > $before }, 30);
    $passed{ $t->get($pass)->status }++;
}

is_deeply(\%passed, { 200 => 16 }, 'and stays there');
is(refused($mixed_portal), 0, 'nobody is refused');
close $_ for @waiting;

# --- the first forty users, whom the portal has never seen, but accepts

@users = (1001 .. 1040);
@got = answers(map { begin('/fresh' . $fresh_portal->hook($_, $method)) } @users);
is(scalar(grep { $_->status == 200 } @got), 40, 'what is not reserved is theirs');
is(refused($fresh_portal), 0, 'and no more');

# --- made-up tokens

$portal->reset;


sub known ($user, $group) {
    return "/flood/rest/$method?auth=" . access_token($user) . "&groupId=$group";
}


is($t->get(known($_, 0))->status, 200, "the portal has accepted user $_")
    for 21 .. 24;

my @flood = map { begin("/flood/rest/$method?auth=made.up.token.$_") } 1 .. 400;
ok(wait_for(sub { $portal->count(status => 401) >= 10 }, 20), 'a flood of tokens');

my @known = map { my $user = $_; map { [ $user, $_ ] } 1 .. 4 } 21 .. 24;
@got = answers(map { begin(known(@$_)) } @known);

is(scalar(grep { $got[$_]->status == 200
                 && whose($got[$_]->body)
                    eq "$known[$_][0]/$known[$_][0]/$known[$_][1]/view_all" } 0 .. $#got),
   16, 'whom the portal knows are answered');
cmp_ok($portal->count(status => 401), '<=', 30, 'before most of the flood');

@flood = answers(@flood);
is(told(@flood) + (grep { $_->status == 401 } @flood), 400,
   'which is refused, or told to come back');
cmp_ok(scalar(grep { $_->header('retry-after') > 10 } told(@flood)), '>', 200,
       'when its turn may come');
is(refused($portal), 0, 'not by the limit');

# --- the portal refuses a request that was passed on

$portal->set(burst => 1, rate => 0.001);
$pass = '/limit' . $portal->hook(1, 'profile');

is($t->get($pass)->json->{error}, 'QUERY_LIMIT_EXCEEDED', 'a limit is passed on');

$portal->reset;

is(scalar told($t->get('/limit/30')), 1, 'then clients are told the same');
is($portal->count(userId => 30), 0, 'and the portal is not even asked');
ok(wait_for(sub { $t->get('/limit/30')->status == 200 }, 30), 'until it is over');
is($portal->count(userId => 30), 1, 'then once');
is(scalar(() = $t->log_lines(qr/"limit": the portal answered \w+ to a request passed on/)),
   1, 'the log tells of it');

$t->done;
