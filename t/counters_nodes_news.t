#!/usr/bin/perl

# What nodes tell each other: one message for all users of an event, none of one's own
# is acted upon, nobody without the secret can say anything, and what was said once
# may be said again without effect. What they leave in Redis only moves forward, and
# a token that somebody has made up does not make others' hits dearer.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Test::More;
use Time::HiRes qw(time);
use Counters::News;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;
my $fake = $t->fake_redis;

$t->config(<<'EOF', workers => 2);
    counters_portal acme {
        url          %%PORTAL%%;
        zone         1m;
        redis        %%REDIS%% timeout=2s;
        secret       a-secret-that-nodes-have;
        webhook      %%WEBHOOK_1%%;
        ttl          1h;
        rate         off;
        events_token application-token-4711;
    }
    counters_portal fake {
        url    %%PORTAL%%;
        zone   128k;
        redis  %%FAKE_REDIS%% timeout=2s;
        secret a-secret-that-nodes-have;
        ttl    1h;
        rate   off;
        batch  off;
    }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        add_header X-Source $counters_source always;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location /fake/rest/ { counters fake; proxy_pass %%PORTAL%%/rest/; }
        location /fake/status { counters_status fake json; }
        location = /events { counters_events acme; }
        location = /counters { counters acme; counters_user $http_x_user; }
        location = /purge { counters_purge acme; }
    }
EOF
$t->start;

ok(wait_for(sub {
    ($redis->command('PUBSUB', 'NUMSUB', 'b24:acme:n')->[1] // 0) == 1
}), 'it listens');

my $method = 'tasks.task.counters.get';
my @USERS = (5 .. 14);


sub source ($user) {
    return $t->get('/counters', headers => { 'X-User' => $user })->header('x-source');
}


# what is told, from now on

my $spy = $redis->client;
$spy->command('SUBSCRIBE', 'b24:acme:n');


sub told () {
    my @list;
    my $select = IO::Select->new($spy->{socket});

    # all that was said before the answer has been said by then
    $redis->command('PING');
    push @list, $spy->reply->[2] while $spy->{buffer} ne '' || $select->can_read(0.3);

    return @list;
}


source($_) for @USERS;

# --- an event

$portal->task(id => 70, createdBy => 5, responsibleId => 6, auditors => [ 7 .. 14 ]);
my $r = $t->post('/events', 'event=ONTASKUPDATE&data[FIELDS_AFTER][ID]=70'
                            . '&auth[application_token]=application-token-4711');
is($r->status, 200, 'an event');
ok(wait_for(sub { $redis->command('EXISTS', 'b24:acme:p:u:14') }), 'all are marked');

my @told = told();
is(scalar @told, 1, 'one message for all') or diag explain \@told;
my $all = join ',', @USERS;
like($told[0], qr/^[0-9a-f]{16} [0-9a-f]{16} s u $all \d{13}$/, 'that names them');
is(scalar(grep { $redis->command('EXISTS', "b24:acme:p:u:$_") } @USERS), 10,
   'a mark for each');

# --- said again, and by strangers

ok(wait_for(sub { !grep { source($_) ne 'memory' } @USERS }), 'fetched anew');
$t->post('/purge?all=1', '');
my ($purge) = told();
like($purge, qr/ p a 0 \d+$/, 'a purge');
source($_) for @USERS;
$portal->forget;

my $now = int(time * 1000);
my ($mac, $node) = split / /, $purge;
my $node2 = 'fedcba9876543210';

$redis->command('PUBLISH', 'b24:acme:n', $_)
    for $purge, "p a 0 $now", "$node2 p a 0 $now", "$mac $node2 p a 0 $now",
        news('another-secret', 'b24:acme:n', $node2, "p a 0 $now"),
        news('a-secret-that-nodes-have', 'b24:fake:n', $node2, "p a 0 $now"),
        news('a-secret-that-nodes-have', 'b24:acme:n', $node, "p a 0 $now"),
        news('a-secret-that-nodes-have', 'b24:acme:n', $node2, "p a 0 " . ($now - 3_600_000)),
        '', ' ', 'x' x 5000, $mac;

is(scalar(grep { source($_) eq 'memory' } @USERS), 10, 'nothing is gone');
is($portal->count, 0, 'nobody asks the portal');

$redis->command('PUBLISH', 'b24:acme:n',
                news('a-secret-that-nodes-have', 'b24:acme:n', $node2, "p u 5,7 $now"));
ok(wait_for(sub { source(5) ne 'memory' && source(7) ne 'memory' }),
   'another node is believed');
is(source(6), 'memory', 'about those it names');

# --- marks move forward only

my $later = int(time * 1000) + 30_000;
$redis->command('SET', "b24:acme:p:$_", $later, 'PX', 3_600_000) for 'u:9', 'l';
$redis->command('SET', 'b24:acme:p:u:10', 'nonsense');
$t->post("/purge?user=$_", '') for 9, 10;
ok(wait_for(sub { $redis->command('GET', 'b24:acme:p:u:10') =~ /^\d+$/ }), 'both are told');
is($redis->command('GET', 'b24:acme:p:u:9'), $later, 'a newer mark is not lowered');
is($redis->command('GET', 'b24:acme:p:l'), $later, 'nor the latest of all');
cmp_ok($redis->command('PTTL', 'b24:acme:p:u:10'), '>', 0, 'what is no mark is replaced');

# --- a token that is made up

ok(wait_for(sub { $t->get('/fake/status')->json->{redis}{connected} }), 'connected');


sub fake_source ($user) {
    return $t->get('/fake' . $portal->hook($user, $method))->header('x-source');
}


for my $user (@USERS) {
    fake_source($user);
}

ok(wait_for(sub { $fake->calls('SET') == @USERS }), 'stored');
$t->restart;
ok(wait_for(sub { $t->get('/fake/status')->json->{redis}{connected} }), 'connected again');
is($t->get("/fake/rest/$method?auth=made-up-token-of-somebody")->status, 401, 'refused');
ok(wait_for(sub { grep { $_->[1] =~ /:r:/ } $fake->calls('SET') }), 'and marked');

$fake->forget;
is(scalar(grep { fake_source($_) eq 'redis' } @USERS), 10, 'others are in Redis');
is(scalar $fake->calls('MGET'), 10, 'which is asked once for each');

$t->no_secrets('a-secret-that-nodes-have', 'made-up-token', map { webhook_code($_) } @USERS);
$t->done;
