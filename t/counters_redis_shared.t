#!/usr/bin/perl

# Many portals on one Redis: a worker has one connection to a node, and the first
# worker one more for what other nodes tell, shared by all portals that name the
# node with the same database, user and password, however long each may wait. All
# the same each portal has its own data and hears its own news.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $PORTALS = 60;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$redis->command('ACL', 'SETUSER', 'other', 'on', '>other-pa55word', '~*', '&*', '+@all');
$t->marker(OTHER => 'redis://other:other-pa55word@127.0.0.1:' . $redis->port);
$t->marker(PLAIN => 'redis://127.0.0.1:' . $redis->port);

my @names = map { "p$_" } 1 .. $PORTALS;
my %url = (p1 => '%%PLAIN%% timeout=1s', p2 => '%%PLAIN%%/ timeout=3s',
           p3 => '%%REDIS%% timeout=2s prefix=my:',
           other => '%%OTHER%%', db => '%%PLAIN%%/3');

$t->config(join('', (map {
    "counters_portal $_ { url %%PORTAL%%; zone 128k; rate off; ttl 1h; secret one;"
    . " redis " . ($url{$_} // '%%REDIS%% timeout=2s') . "; }\n" } @names, 'other', 'db'),
    "server { listen 127.0.0.1:%%PORT_8080%%;\n",
    "add_header X-Source \$counters_source always;\n",
    (map { "location /$_/rest/ { counters $_; proxy_pass %%PORTAL%%/rest/; }\n"
           . "location = /$_/purge { counters_purge $_; }\n"
           . "location = /$_/status { counters_status $_ json; }\n" }
     @names, 'other', 'db'),
    "}\n"), workers => 2);

$t->start;

my $method = 'tasks.task.counters.get';


sub clients (%want) {
    my @list = grep { / name=nginx-counters / }
               split /\n/, $redis->command('CLIENT', 'LIST');

    while (my ($name, $value) = each %want) {
        @list = grep { / \Q$name\E=\Q$value\E / } @list;
    }

    return scalar @list;
}


sub stored ($pattern) {
    my @keys = $redis->keys($pattern);
    return scalar @keys;
}


# one for commands in each worker, one to listen: for each way to name the node
ok(wait_for(sub { clients() >= 9 && clients(sub => $PORTALS) == 1 }, 30),
   'connected');
is(clients(), 9, 'no more connections than nodes, of two workers and a listener');
is(clients(user => 'other'), 3, 'three of another user');
is(clients(db => 3, sub => 0), 2, 'two on another database');
is(scalar $t->log_lines(qr/timed out/), 0, 'nothing timed out');

# --- each portal's own data

for my $name (@names, 'other', 'db') {
    my $r = $t->get("/$name" . $portal->hook(5, $method));
    is($r->header('x-source'), 'portal', "$name: fetched");
}

is(stored('*:c:*'), $PORTALS + 1, 'all stored');
is(stored('my:p3:c:*'), 1, 'under the prefix of its own');

$t->restart;
ok(wait_for(sub { clients(sub => $PORTALS) == 1 }, 30), 'connected again');

for my $name (@names, 'other', 'db') {
    my $r = $t->get("/$name" . $portal->hook(5, $method));
    is($r->header('x-source'), 'redis', "$name: in Redis");
}

# --- the connection is lost: all of them have it again

$redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
$redis->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
ok(wait_for(sub { clients() == 9 && clients(sub => $PORTALS) == 1 }, 30),
   'connected anew');

for my $name ($names[0], $names[-1]) {
    ok($t->get("/$name/status")->json->{redis}{connected}, "$name: connected");
    is($t->get("/$name" . $portal->hook(6, $method))->status, 200, "$name: stored");
    ok(wait_for(sub { stored("b24:$name:c:*") == 2 }), "$name: in Redis");
}

# --- news reach the portal they are for

my $node = Counters::Test->new;
$node->marker(PORTAL => $portal->url, REDIS => $redis->url);
$node->config(<<'EOF');
    counters_portal p7 { url %%PORTAL%%; zone 128k; rate off; secret one; redis %%REDIS%%; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location = /purge { counters_purge p7; }
        location = /status { counters_status p7 json; }
    }
EOF
$node->start;
ok(wait_for(sub { $node->get('/status')->json->{redis}{connected} }), 'another node');


sub source ($name) {
    return $t->get("/$name" . $portal->hook(5, $method))->header('x-source');
}


is(source($_), 'memory', "$_ has it") for qw(p7 p8);
is($node->post('/purge?all=1', '')->status, 200, 'purged at the other');
ok(wait_for(sub { source('p7') eq 'portal' }), 'gone here');
is(source('p8'), 'memory', 'and of no other portal');

is(join("\n", $node->finish), '', 'no alert in the logs of the other node');
$t->no_secrets('other-pa55word', webhook_code(5));
$t->done;
