#!/usr/bin/perl

# Two nodes on one Redis, one of which cannot hear the other for a while: what was
# purged, revoked or refused meanwhile it does not go on serving once it hears
# again. What it holds is looked up in Redis then, without asking the portal. A node
# that cannot write what forbids something tells it all the same, and writes it
# later.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $deaf = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

# whoever loses a channel is disconnected, and may not subscribe again
sub user ($name, @rights) {
    $redis->command('ACL', 'SETUSER', $name, 'on', ">$name-pa55word", '~b24:*', @rights);
}

my @ALL = ('&b24:*', '-@all', map { "+$_" }
           qw(mget set del get eval publish subscribe ping client|setname select));

user($_, @ALL) for qw(node deaf);

for ([ $t, 'node' ], [ $deaf, 'deaf' ]) {
    my ($node, $name) = @$_;

    $node->marker(PORTAL => $portal->url, URL => "redis://$name:$name-pa55word\@127.0.0.1:"
                                                 . $redis->port);
    $node->config(<<'EOF', workers => 2);
    counters_portal acme {
        url     %%PORTAL%%;
        zone    1m;
        redis   %%URL%% timeout=2s;
        secret  both-nodes-have-this-one;
        ttl     1h;
        rate    off;
        batch   off;
    }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        add_header X-Source $counters_source always;
        location /rest/ { counters acme; counters_bypass $http_x_fresh; proxy_pass %%PORTAL%%; }
        location = /purge { counters_purge acme; }
        location = /status { counters_status acme json; }
    }
EOF
    $node->start;
}


sub listening ($n) {
    return wait_for(sub {
        ($redis->command('PUBSUB', 'NUMSUB', 'b24:acme:n')->[1] // 0) == $n
    }, 30);
}

ok(listening(2), 'both listen');

my $method = 'tasks.task.counters.get';


sub seen ($node, $user, $args = '', %how) {
    my $r = $node->get($portal->hook($user, $method) . $args, %how);
    return join ' ', $r->status, $r->header('x-source');
}


sub fill () {
    for my $user (5 .. 9) {
        seen($t, $user);
        ok(wait_for(sub { my @keys = $redis->keys('b24:acme:c:*'); @keys == $user - 4 }),
           'stored');
        ok(wait_for(sub { seen($deaf, $user) eq '200 memory' }), "user $user: both have it");
    }

    seen($_, 9, '?groupId=7') for $t, $deaf;
}


fill();

# --- deaf for a while

user('deaf', 'resetchannels');
ok(listening(1), 'one does not hear any more');

$portal->bump;
is($t->post('/purge?user=5', '')->status, 200, 'a purge');
$portal->credential('6/' . webhook_code(6) => 'revoked');
like(seen($t, 6, '?groupId=1'), qr/^401/, 'a revocation');
$portal->credential('9/' . webhook_code(9) => 'scope');
like(seen($t, 9, '?groupId=7', headers => { 'X-Fresh' => 1 }), qr/^403/, 'a refusal');
is(seen($deaf, 5), '200 memory', 'it has not heard');
$portal->credential('9/' . webhook_code(9) => 'ok');

user('deaf', '&b24:*');
ok(listening(2), 'it hears again');

ok(wait_for(sub { seen($deaf, 5) ne '200 memory' || $portal->count(user => 5) > 1 }),
   'what was purged is gone');
is($deaf->get($portal->hook(5, $method))->body =~ /"revision":(\d+)/ && $1, 1,
   'and fetched anew');
like(seen($deaf, 6), qr/^401/, 'so is what was revoked');

$portal->forget;
is(seen($deaf, $_), '200 redis', "user $_: read again from Redis") for 7, 8;
is(seen($deaf, $_), '200 memory', "user $_: and once only") for 7, 8;
is($portal->count, 0, 'without asking the portal');
is(seen($deaf, 9, '?groupId=7'), '200 portal', 'what was refused is asked for again');

# --- nothing was said: nothing is looked up again

wait_for(sub { $redis->command('DEL', 'b24:acme:p:t') });
$redis->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
ok(listening(2), 'both listen again');
is(seen($deaf, $_), '200 memory', "user $_: still there") for 7, 8;

# --- a node that may not write marks: told at once, written later

user('node', '-set', '-del', '-eval');
$portal->bump;
is($t->post('/purge?user=7', '')->status, 200, 'a purge that cannot be written');
ok(wait_for(sub { seen($deaf, 7) =~ /redis|portal/ }), 'is heard all the same');
ok(!$redis->command('EXISTS', 'b24:acme:p:u:7'), 'no mark');
cmp_ok($t->get('/status')->json->{redis}{errors}, '>', 0, 'counted');

user('node', '+set', '+del');
ok(wait_for(sub { $redis->command('EXISTS', 'b24:acme:p:u:7') }, 20),
   'written when it may, without scripts');
ok(wait_for(sub { seen($deaf, 7) =~ /portal|memory/
                  && $deaf->get($portal->hook(7, $method))->body =~ /"revision":2/ }),
   'and gone there') or diag $deaf->get($portal->hook(7, $method))->body, seen($deaf, 7);

user('node', '+eval');
is($t->post('/purge?user=8', '')->status, 200, 'with scripts again');
ok(wait_for(sub { $redis->command('EXISTS', 'b24:acme:p:u:8') }), 'written');

# --- Redis is full

$redis->command('CONFIG', 'SET', 'maxmemory', 1);
is($t->post('/purge?user=9', '')->status, 200, 'a purge when Redis is full');
ok(wait_for(sub { seen($deaf, 9) ne '200 memory' }), 'is heard');
$redis->command('CONFIG', 'SET', 'maxmemory', 0);
ok(wait_for(sub { $redis->command('EXISTS', 'b24:acme:p:u:9') }, 20),
   'and written when there is room');

is(join("\n", $deaf->finish), '', 'no alert in the logs of the other node');
$t->no_secrets('node-pa55word', 'deaf-pa55word', map { webhook_code($_) } 5 .. 9);
$t->done;
