#!/usr/bin/perl

# Two nodes on one Redis: the portal tells one of them of an event, and the users
# of the other see the change too, softly and without a copy in Redis from before
# it; also when all entries become stale.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $other = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$other->marker(PORTAL => $portal->url, REDIS => $redis->url);

for my $node ($t, $other) {
    $node->config(<<'EOF', workers => 2);
    counters_portal acme {
        url          %%PORTAL%%;
        zone         1m;
        redis        %%REDIS%% timeout=1s;
        secret       both-nodes-have-this-one;
        webhook      %%WEBHOOK_1%%;
        ttl          1h;
        rate         off;
        events_token application-token-4711;
    }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location = /events { counters_events acme; }
        location = /counters { counters acme; counters_user $http_x_user; }
    }
EOF
    $node->start;
}

ok(wait_for(sub {
    ($redis->command('PUBSUB', 'NUMSUB', 'b24:acme:n')->[1] // 0) == 2
}), 'both listen');


sub poll ($node, $user) {
    return $node->get('/counters', headers => { 'X-User' => $user });
}


sub revision ($r) {
    return $r->body =~ /"revision":(\d+)/ ? $1 : -1;
}


sub event ($node, $event, $id) {
    my $status = $node->post('/events', "event=$event&data[FIELDS_AFTER][ID]=$id"
                                        . '&auth[application_token]=application-token-4711')
                      ->status;
    is($status, 200, "$event $id");
}


# --- those who take part

$portal->task(id => 70, createdBy => 5, responsibleId => 6);

for my $user (5 .. 7) {
    is(revision(poll($t, $user)), 0, "user $user at one node");
    ok(wait_for(sub { my @keys = $redis->keys('b24:acme:c:*'); @keys == $user - 4 }),
       'which stores it');
    is(revision(poll($other, $user)), 0, "user $user at the other");
}

is($portal->count(method => 'tasks.task.counters.get'), 3,
   'the other had it from Redis');

$portal->bump($_) for 5 .. 7;
event($t, 'ONTASKUPDATE', 70);

for my $user (5, 6) {
    ok(wait_for(sub { revision(poll($t, $user)) == 1 }), "user $user sees it");
    ok(wait_for(sub { revision(poll($other, $user)) == 1 }),
       "user $user sees it at the other node");
}

like(poll($_, 7)->header('cache-status'), qr/; hit; ttl=[1-9]/,
     'nothing for user 7') for $t, $other;

# --- a copy from before the event does not come back

poll($other, 8);
$portal->bump(8);
$portal->task(id => 71, createdBy => 8, responsibleId => 8);
event($t, 'ONTASKUPDATE', 71);
ok(wait_for(sub { $redis->command('GET', 'b24:acme:p:u:8') }), 'a mark in Redis');
is(revision(poll($t, 8)), 1, 'a node that had nothing asks the portal');

# --- all entries

$portal->bump($_) for 5 .. 8;
event($other, 'ONTASKDELETE', 72);

for my $user (5 .. 8) {
    ok(wait_for(sub { revision(poll($other, $user)) == 2 }, 20),
       "user $user sees it");
    ok(wait_for(sub { revision(poll($t, $user)) == 2 }, 20),
       "user $user sees it at the other node");
}

my @marks = @{ $redis->command('KEYS', 'b24:acme:p:a') };
is(@marks, 0, 'what is in Redis is still good for those who have nothing');

is(join("\n", $other->finish), '', 'no alert in the logs of the other node');
$t->done;
