#!/usr/bin/perl

# A Redis that answers wrongly, late, in pieces or not at all. No request fails or
# gets somebody else's answer for it: what Redis does not tell is asked of the
# portal, and a Redis that keeps still is not asked again and again.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Test::More;
use Counters::Parked;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->fake_redis;

# --- replies that say nothing

my @wrong = (
    [ 'nil',       { kind => 'nil' } ],
    [ 'error',     { kind => 'error' } ],
    [ 'busy',      { kind => 'error', text => 'LOADING Redis is loading' } ],
    [ 'no rights', { kind => 'error', text => 'NOPERM this user has none' } ],
    [ 'login',     { kind => 'error', text => 'NOAUTH Authentication required.' } ],
    [ 'MOVED',     { kind => 'moved' } ],
    [ 'ASK',       { kind => 'ask' } ],
    [ 'number',    { kind => 'reply', text => ":5\r\n" } ],
    [ 'status',    { kind => 'reply', text => "+OK\r\n" } ],
    [ 'string',    { kind => 'reply', text => "\$3\r\nabc\r\n" } ],
    [ 'empty array', { kind => 'reply', text => "*0\r\n" } ],
    [ 'nil array', { kind => 'reply', text => "*-1\r\n" } ],
    [ 'short array', { kind => 'reply', text => "*1\r\n\$3\r\nabc\r\n" } ],
    [ 'numbers',   { kind => 'reply', text => '*5' . "\r\n:1" x 5 . "\r\n" } ],
    [ 'nested',    { kind => 'reply', text => '*5' . "\r\n*1\r\n:1" x 5 . "\r\n" } ],
    [ 'endless array', { kind => 'reply', text => "*2147483647\r\n" } ],
    [ 'endless string', { kind => 'reply', text => "*5\r\n\$2147483647\r\n" } ],
    [ 'negative',  { kind => 'reply', text => "*5\r\n\$-7\r\n" } ],
    [ 'two replies', { kind => 'reply', text => '*5' . "\r\n\$-1" x 5
                                                . "\r\n+OK\r\n" } ],
    [ 'garbage',   { kind => 'garbage' } ],
    [ 'half',      { kind => 'half' } ],
    [ 'closed',    { kind => 'close' } ],
    [ 'reset',     { kind => 'reset' } ],
    [ 'none',      { kind => 'hang' } ],
);

push @wrong, map { [ "SET, $_->{kind}", { %$_, command => 'SET' } ] }
             { kind => 'error' }, { kind => 'close' }, { kind => 'hang' },
             { kind => 'reply', text => ":1\r\n" };

# A connection to Redis for each of them, since each has its database: one that is
# lost again and again is made anew ever more slowly.

my @blocks = ('hasty', 'still', 'patient', map { "wrong$_" } 0 .. $#wrong);
my $db = 0;

$t->config(join '', (map {
    my $timeout = { patient => '1m', still => '1s' }->{$_} // '200ms';
    "counters_portal $_ { url %%PORTAL%%; zone 256k; rate off; batch off; ttl 1h;"
    . " redis redis://127.0.0.1:" . $redis->port . '/' . $db++
    . " timeout=$timeout; secret one; }\n" } @blocks),
    "server { listen 127.0.0.1:%%PORT_8080%%;\n",
    "add_header X-Source \$counters_source always;\n",
    "location = /parked { stub_status; }\n",
    (map { "location /$_/rest/ { counters $_; proxy_pass %%PORTAL%%/rest/; }\n" }
     @blocks),
    "}\n");

$t->start;

my $method = 'tasks.task.counters.get';
my $user = 100;


sub target ($block, $user) {
    return "/$block" . $portal->hook($user, $method);
}


sub said ($r) {
    return join ' ', $r->status, whose($r->body), $r->header('x-source') // '';
}


sub fetched ($block) {
    $user++;
    return said($t->get(target($block, $user))) eq "200 $user/$user/0/view_all portal";
}


# Redis is asked again: the connection is there, however often it was lost

sub asked ($block) {
    return wait_for(sub {
        $redis->forget;
        fetched($block) or return;
        return grep { $_->[1] =~ /:$block:c:/ } $redis->calls('MGET');
    }, 20);
}


ok(asked($_), "$_: connected") for @blocks;

for my $n (0 .. $#wrong) {
    my ($name, $rule) = @{ $wrong[$n] };

    $redis->rule(command => 'MGET', %$rule, times => 1);
    ok(fetched("wrong$n"), "$name: answered by the portal");
    ok(asked("wrong$n"), "$name: Redis is asked again");
    $redis->heal;
}

# --- bytes that nobody has asked for

$redis->push("+OK\r\n");
ok(asked('hasty'), 'an unasked reply');
$redis->push("*5\r\n" . "\$-1\r\n" x 5);
ok(asked('patient'), 'an unasked value');
$redis->drop;
ok(asked('hasty'), 'all connections reset');

# --- in pieces, and slowly: it is the right one in the end

sub stored ($block) {
    fetched($block);
    wait_for(sub { grep { $_->[1] =~ /:$block:c:/ } $redis->calls('SET') });
    return ($redis->calls('SET'))[-1];
}


asked('patient');
$redis->forget;
my (undef, $key, $value) = @{ stored('patient') };
my $known = $user;

$t->stop;
$t->start;
ok(asked('patient'), 'after a restart');

$redis->rule(kind => 'split', command => 'MGET', bytes => 7, every => 0.001,
             times => 1);
is(said($t->get(target('patient', $known))),
   "200 $known/$known/0/view_all redis", 'a reply in pieces');

# --- late replies, for which nobody waits any longer, are nobody else's

$t->stop;
$t->start;
ok(asked('patient') && asked('hasty'), 'after another restart');

for my $n (1 .. 20) {
    # the value of "known" comes when others have asked for theirs
    $redis->rule(kind => 'reply', command => 'MGET', times => 1, delay => 0.25,
                 text => "*5\r\n\$" . length($value) . "\r\n$value\r\n"
                         . "\$-1\r\n" x 4) if $n % 5 == 1;
    ok(fetched('hasty'), "$n: its own answer");
}

$redis->heal;

# --- a Redis that keeps still is left alone

ok(asked('hasty'), 'connected');
$redis->rule(kind => 'hang', command => 'MGET');
$redis->forget;

my @all = $t->many([ map { target('hasty', 9500 + $_) } 1 .. 200 ],
                   concurrency => 4);
my @calls = $redis->calls('MGET');

is(scalar(grep { $_->status == 200 && whose($_->body) } @all), 200,
   'all are answered');
cmp_ok(scalar @calls, '>', 0, 'Redis was asked');
cmp_ok(scalar @calls, '<', 60, 'and then left alone');

# --- nobody waits longer for it than "timeout", whoever waited before

$redis->heal;
ok(asked('still'), 'connected');
$redis->rule(kind => 'hang', command => 'MGET');
ok(fetched('still'), 'it keeps still, once');

$portal->fault(kind => 'latency', delay => 2, user => 9800);

my $clock = $t->client->begin(GET => target('wrong0', 9800));
my $second = $t->client->begin(GET => target('still', 9801));
my @first = IO::Select->new($clock, $second)->can_read(60);

ok(@first == 1 && $first[0] == $second, 'the next one is through within twice that');
is($t->client->receive($_)->status, 200, 'answered') for $second, $clock;
$portal->heal;

# --- those who wait for it wait at the same time

$redis->heal;
ok(asked('patient'), 'connected again');
$redis->rule(kind => 'hang', command => 'MGET');

my @clients = map { $t->client->begin(GET => target('patient', 9900 + $_ % 5)) }
              1 .. 50;
ok(await_parked($t, 50), 'fifty wait for Redis');
$redis->drop;
is(scalar(grep { $t->client->receive($_)->status == 200 } @clients), 50,
   'and go to the portal when it is gone');
is($portal->count(user => 9900 + $_), 1, 'once for each user') for 0 .. 4;

$redis->heal;

# --- it is gone for good

$redis->refuse;
ok(fetched('hasty'), 'no Redis: answered');
$redis->accept;
ok(asked('hasty'), 'asked when it is back');

$t->no_secrets(map { webhook_code($_) } 100 .. $user);
$t->done;
