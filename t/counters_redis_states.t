#!/usr/bin/perl

# A Redis that answers, but says that it cannot do what it is asked: a replica (a
# failover has made it one), one that is loading or stuck, one that wants a
# password, that is full or a node of a cluster. No request fails for it, each is
# counted and logged; whoever cannot serve at all is left, and tried again until
# it can.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $fake = $t->fake_redis(password => 'fake-pa55word');
my $strict = $t->fake_redis(name => 'STRICT', password => 'fake-pa55word');
my $one = $t->redis(name => 'ONE');
my $two = $t->redis(name => 'TWO');

$t->marker(WRONG => 'redis://:wr0ng-pa55word@127.0.0.1:' . $strict->port);

$t->config(join '', (map {
    my ($name, $redis) = @$_;
    "counters_portal $name { url %%PORTAL%%; zone 1m; rate off; batch off; ttl 1h;"
    . " secret one; redis $redis timeout=2s; }\n" }
    [ fake => '%%FAKE_REDIS%%' ], [ wrong => '%%WRONG%%' ], [ real => '%%ONE%%' ]),
    "server { listen 127.0.0.1:%%PORT_8080%%;\n",
    "add_header X-Source \$counters_source always;\n",
    (map { "location /$_/rest/ { counters $_; proxy_pass %%PORTAL%%/rest/; }\n"
           . "location = /$_/status { counters_status $_ json; }\n"
           . "location = /$_/purge { counters_purge $_; }\n" } qw(fake wrong real)),
    "}\n");

$t->start;

my $method = 'tasks.task.counters.get';
my $user = 100;


sub redis_of ($name) {
    return $t->get("/$name/status")->json->{redis};
}


sub connected ($name) {
    return wait_for(sub { redis_of($name)->{connected} }, 30, "$name is connected");
}


sub fetched ($name) {
    $user++;
    my $r = $t->get("/$name" . $portal->hook($user, $method));
    return join ' ', $r->status, whose($r->body), $r->header('x-source');
}


sub mine () {
    return "200 $user/$user/0/view_all portal";
}


sub said ($pattern) {
    return scalar $t->log_lines($pattern);
}


# the connections that were made, each of which names itself
sub greetings () {
    return scalar grep { $_->[1] eq 'SETNAME' } $fake->calls('CLIENT');
}


ok(connected('fake'), 'connected');

# --- what cannot serve is left, told of, counted, and tried again

my @unfit = (
    [ READONLY   => "READONLY You can't write against a read only replica.",
      qr/lost: READONLY You can't write against a read only replica\./ ],
    [ MASTERDOWN => 'MASTERDOWN Link with MASTER is down', qr/lost: MASTERDOWN/ ],
    [ LOADING    => 'LOADING Redis is loading the dataset in memory', qr/lost: LOADING/ ],
    [ BUSY       => 'BUSY Redis is busy running a script.', qr/lost: BUSY Redis is busy/ ],
    [ NOAUTH     => 'NOAUTH Authentication required.', qr/lost: NOAUTH/ ],
);

for my $case (@unfit) {
    my ($name, $text, $log) = @$case;

    for my $command (qw(SET MGET)) {
        my $errors = redis_of('fake')->{errors};
        my $logged = said($log);
        $fake->forget;
        $fake->rule(kind => 'error', command => $command, text => $text, times => 1);

        is(fetched('fake'), mine(), "$name to $command: answered");
        ok(wait_for(sub { redis_of('fake')->{errors} == $errors + 1 }),
           "$name to $command: counted") or diag explain redis_of('fake');
        ok(wait_for(sub { greetings() }), "$name to $command: a new connection");
        cmp_ok(said($log), '>', $logged, "$name to $command: logged");
        ok(connected('fake'), "$name to $command: connected again");
    }

    # it goes on saying so

    $fake->rule(kind => 'error', command => $_, text => $text) for qw(SET DEL PING);
    is(fetched('fake'), mine(), "$name for good: answered");
    ok(wait_for(sub { !redis_of('fake')->{connected} }), "$name for good: not connected");
    ok(wait_for(sub { redis_of('fake')->{breaker} }), "$name for good: left alone");
    $fake->forget;
    ok(wait_for(sub { greetings() >= 2 }, 30), "$name for good: tried again");
    is(scalar(grep { !redis_of('fake')->{connected} } 1 .. 20), 20,
       "$name for good: never taken for connected");
    is(fetched('fake'), mine(), "$name for good: answered still");

    $fake->heal;
    ok(connected('fake'), "$name is over");
    $fake->forget;
    is(fetched('fake'), mine(), "$name is over: fetched");
    ok(wait_for(sub { $fake->calls('SET') }), "$name is over: stored");
}

# --- what is about a command only is counted and logged; the connection stays

for my $case (
    [ OOM    => "OOM command not allowed when used memory > 'maxmemory'.", 'SET' ],
    [ NOPERM => "NOPERM this user has no permissions to run the 'set' command", 'SET' ],
    [ NOPERM => 'NOPERM this user has no permissions to access one of the keys', 'MGET' ],
    [ MOVED  => 'MOVED 3999 127.0.0.1:6381', 'SET' ],
    [ MOVED  => 'MOVED 3999 127.0.0.1:6381', 'MGET' ],
    [ MISCONF => 'MISCONF Redis is configured to save RDB snapshots', 'SET' ],
) {
    my ($name, $text, $command) = @$case;
    my $errors = redis_of('fake')->{errors};
    $fake->forget;
    $fake->rule(kind => 'error', command => $command, text => $text);

    # a line a second at most
    ok(wait_for(sub { fetched('fake') eq mine() && said(qr/refused $command: $name/) }),
       "$name to $command: answered, and logged");
    ok(wait_for(sub { redis_of('fake')->{errors} > $errors }), "$name to $command: counted");
    ok(redis_of('fake')->{connected}, "$name to $command: connected");
    is(greetings(), 0, "$name to $command: no new connection");
    $fake->heal;
}

# --- a wrong password is no connection at all

is(fetched('wrong'), mine(), 'WRONGPASS: answered');
ok(!redis_of('wrong')->{connected}, 'WRONGPASS: not connected');
ok(wait_for(sub { said(qr/redis \S+ is not available: WRONGPASS/) }), 'WRONGPASS: logged');

# --- a real one becomes the replica of another, and a primary again

ok(connected('real'), 'the real one is connected');
is(fetched('real'), mine(), 'fetched');
ok(wait_for(sub { my @keys = $one->keys('b24:real:c:*'); @keys }), 'stored');

$one->command('REPLICAOF', '127.0.0.1', $two->port);
ok(wait_for(sub { fetched('real') eq mine() && !redis_of('real')->{connected} }, 30),
   'a replica now: not connected');
cmp_ok(redis_of('real')->{errors}, '>', 0, 'counted');
is($t->post('/real/purge?user=5', '')->status, 200, 'purged meanwhile');

$one->command('REPLICAOF', 'NO', 'ONE');
ok(connected('real'), 'a primary again: connected');
ok(wait_for(sub { my @keys = $one->keys('b24:real:p:u:5'); @keys }, 20),
   'and told of the purge');

$t->no_secrets('fake-pa55word', 'wr0ng-pa55word', map { webhook_code($_) } 100 .. $user);
$t->done;
