#!/usr/bin/perl

# Requests that come before the connection to Redis stands wait for it, at most for
# "timeout": what Redis has is not asked of the portal because nginx has just
# started. Nobody waits for a Redis that is known not to be there.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Parked;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $fake = $t->fake_redis;

my @names = map { "p$_" } 1 .. 13;

$t->config(join('', (map {
    "counters_portal $_ { url %%PORTAL%%; zone 256k; rate off; batch off; ttl 1h; secret one;"
    . " redis %%FAKE_REDIS%% timeout=" . ($_ eq 'brief' ? '200ms' : '30s') . "; }\n" }
    @names, 'brief'),
    "server { listen 127.0.0.1:%%PORT_8080%% reuseport;\n",
    "keepalive_timeout 0;\n",
    "add_header X-Source \$counters_source always;\n",
    "location = /parked { stub_status; }\n",
    (map { "location /$_/rest/ { counters $_; proxy_pass %%PORTAL%%/rest/; }\n"
           . "location = /$_/status { counters_status $_ json; }\n" } @names, 'brief'),
    "}\n"), workers => 4);

$t->start;

my $method = 'tasks.task.counters.get';
my @USERS = (5, 6, 7);


sub target ($name, $user) {
    return "/$name" . $portal->hook($user, $method);
}


sub source ($r) { return $r->header('x-source') // 'none' }


# all four workers are there

ok(wait_for(sub { $fake->clients == 5 }), 'connected');

for my $name (@names, 'brief') {
    $t->get(target($name, $_)) for @USERS;
}

ok(wait_for(sub { my @keys = $fake->keys; @keys == @USERS * (@names + 1) }, 30),
   'stored');
$t->stop;

# --- the answer to the greeting takes a while

$fake->rule(kind => 'slow', command => 'PING', delay => 0.5);
$portal->forget;
$t->start;

my @clients = map { my $name = $_;
                    map { $t->client->begin(GET => target($name, $_)) } @USERS } @names;
my @answers = map { $t->client->receive($_) } @clients;

is(scalar(grep { source($_) eq 'redis' } @answers), @USERS * @names,
   'all are answered from Redis');
is($portal->count, 0, 'none by the portal');

$t->stop;

# --- it takes longer than one has time

$fake->heal;
$fake->rule(kind => 'hang', command => 'PING');
$t->start;

my @waiting = map { $t->client->begin(GET => target('p1', $_)) } @USERS;
is(source($t->get(target('brief', 5))), 'portal', 'who has no time does not wait');
ok(wait_for(sub { $t->get('/brief/status')->json->{redis}{breaker} }),
   'nor do those who come after');
is(scalar(grep { !ready($_) } @waiting), 3, 'others wait on');


sub ready ($socket) {
    vec(my $bits = '', fileno $socket, 1) = 1;
    return select $bits, undef, undef, 0;
}


# --- until it is known that there is none

$fake->refuse;
is(source($t->client->receive($_)), 'portal', 'it is gone: the portal') for @waiting;
is($t->get('/p1/status')->json->{redis}{pending}, 0, 'nothing is left');
is(source($t->get(target('p2', 5))), 'portal', 'nobody waits any more');

# --- nginx leaves while some wait

$t->stop;
$fake->heal;
$fake->accept;
$fake->rule(kind => 'hang', command => 'PING');
$t->start;
@waiting = map { $t->client->begin(GET => target('p3', $_)) } @USERS;
ok(wait_for(sub { $fake->calls('PING') }), 'some wait');
close $_ for @waiting;
ok($t->stop, 'nginx leaves');

$t->done;
