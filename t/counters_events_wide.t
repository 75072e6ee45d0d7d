#!/usr/bin/perl

# When it cannot be known whom an event concerns, all entries become stale, not at
# once but softly: each is answered as it is while it is refreshed. Without a
# webhook; when tasks.task.get fails; when workers are killed between the event and
# the answer, which loses nothing.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 2);
    counters_portal plain {
        url          %%PORTAL%%;
        zone         1m;
        ttl          1h;
        rate         off;
        events_token application-token-4711;
    }
    counters_portal acme {
        url          %%PORTAL%%;
        zone         1m;
        webhook      %%WEBHOOK_1%%;
        ttl          1h;
        timeout      10s;
        rate         off;
        events_token application-token-4711;
    }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location = /plain/events { counters_events plain; }
        location = /plain/status { counters_status plain json; }
        location /rest/ { counters plain; proxy_pass %%PORTAL%%; }

        location = /acme/events { counters_events acme; }
        location = /acme/status { counters_status acme json; }
        location = /acme { counters acme; counters_user $http_x_user; }
    }
EOF

$t->start;

my $method = 'tasks.task.get';


sub event ($name, $event, $id) {
    my $status = $t->post("/$name/events",
                          "event=$event&data[FIELDS_AFTER][ID]=$id"
                          . '&auth[application_token]=application-token-4711')->status;
    is($status, 200, "$name: $event $id");
}


sub counted ($name, $what) {
    return $t->get("/$name/status")->json->{portal}{$what};
}


sub managed ($user) {
    return $t->get('/acme', headers => { 'X-User' => $user });
}


sub revision ($r) {
    return $r->body =~ /"revision":(\d+)/ ? $1 : -1;
}


# Asks until the change is there; every answer on the way was good for something

sub sees ($name, $get, $revision) {
    my (%statuses, $seen);

    wait_for(sub {
        my $r = $get->();
        $statuses{$1}++
            if $r->header('cache-status') =~ /(UPDATING|hit; ttl=[1-9]|fwd)/;
        return $seen = revision($r) == $revision;
    }, 20);

    ok($seen, "$name: seen");
    ok(!$statuses{fwd}, "$name: nobody had to wait");

    return \%statuses;
}


# --- no webhook: whatever there is, of tokens and of webhooks

my %client = (
    token   => sub { $t->post('/rest/tasks.task.counters.get',
                              'auth=' . access_token(5)) },
    webhook => sub { $t->get($portal->hook(6, 'tasks.task.counters.get')) },
    other   => sub { $t->get($portal->hook(1, 'tasks.task.counters.get?userId=7')) },
);

is(revision($_->()), 0, 'stored') for values %client;
$portal->bump($_) for 5 .. 7;

event('plain', 'ONTASKUPDATE', 70);

for my $name (sort keys %client) {
    my $statuses = sees($name, $client{$name}, 1);
    ok($statuses->{UPDATING}, "$name: softly");
}

is(counted('plain', 'events_wide'), 1, 'once');

# one during which another one comes

$portal->bump($_) for 5 .. 7;
event('plain', 'ONTASKUPDATE', 71);
ok(wait_for(sub { counted('plain', 'events_wide') == 2 }), 'twice');
$portal->bump($_) for 5 .. 7;
event('plain', 'ONTASKDELETE', 71);

sees($_, $client{$_}, 3) for sort keys %client;
is($portal->count(method => $method), 0, 'nobody to ask with');

# --- a deletion of a task that is not known

is(revision(managed(5)), 3, 'stored');
is(revision(managed(8)), 0, 'stored');
$portal->bump($_) for 5, 8;

event('acme', 'ONTASKDELETE', 72);
sees('deletion', sub { managed(5) }, 4);
sees('deletion', sub { managed(8) }, 1);
is(counted('acme', 'events_wide'), 1, 'all entries');
is($portal->count(method => $method), 0, 'nothing to ask about');

# --- a task that the webhook may not see, and did not before

$portal->bump(8);
$portal->task(id => 73, gone => 1);
event('acme', 'ONTASKUPDATE', 73);
sees('not shown', sub { managed(8) }, 2);
is($portal->count(method => $method), 1, 'asked');

# --- the portal fails, whichever way; it is not asked again at once

my @faults = (
    { kind => 'error', status => 403, error => 'insufficient_scope' },
    { kind => 'status', status => 500 },
    { kind => 'malformed' },
    { kind => 'close' },
);

my $revision = 2;

for my $fault (@faults) {
    $t->restart;
    is(revision(managed(8)), $revision, 'stored');

    $portal->forget;
    $portal->bump(8);
    $portal->fault(%$fault, method => $method);
    event('acme', 'ONTASKUPDATE', 74);
    sees("$fault->{kind}", sub { managed(8) }, ++$revision);
    is(counted('acme', 'events_wide'), 1, "$fault->{kind}: all entries");

    # a kept connection that is closed is no answer: curl takes a new one
    cmp_ok($portal->count(method => $method), '<=',
           $fault->{kind} eq 'close' ? 2 : 1, "$fault->{kind}: asked once");
    $portal->heal;
}

# --- workers die while they ask

$t->restart;
$portal->forget;
$portal->task(id => 75, createdBy => 8, responsibleId => 8);
is(revision(managed($_)), $_ == 5 ? 4 : $revision, 'stored') for 5, 8;

$portal->bump($_) for 5, 8;
my $hang = $portal->fault(kind => 'hang', method => $method);
event('acme', 'ONTASKUPDATE', 75);
ok(wait_for(sub { $portal->count(method => $method) == 1 }), 'asked');
event('acme', 'ONTASKUPDATE', 75);

$portal->heal($hang);
$t->kill_worker($_) for $t->workers;

sees('workers killed', sub { managed(8) }, ++$revision);
is(revision(managed(5)), 4, 'nobody else');
is($portal->count(method => $method), 2, 'asked again, by another worker');

# --- a reload while they ask

$portal->bump(8);
$portal->forget;
$portal->fault(kind => 'latency', delay => 1, method => $method);
event('acme', 'ONTASKUPDATE', 75);
ok($t->reload, 'reloaded');
sees('reload', sub { managed(8) }, ++$revision);

$t->expect(qr/no answer from the portal|portal failed|tells nothing about tasks/);
$t->no_secrets('application-token-4711', webhook_code(1), access_token(5));

$t->done;
