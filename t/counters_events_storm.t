#!/usr/bin/perl

# Many events cost few calls, and nobody misses what the last of them told: a
# thousand about one task, a thousand about as many tasks, more tasks and users
# than a small zone has room for.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal;

$t->config(<<'EOF', workers => 2);
    counters_portal acme {
        url          %%PORTAL%%;
        zone         1m;
        webhook      %%WEBHOOK_1%%;
        ttl          1h;
        events_token application-token-4711;
    }
    counters_portal small {
        url          %%PORTAL%%;
        zone         128k;
        webhook      %%WEBHOOK_1%%;
        ttl          1h;
        rate         off;
        events_token application-token-4711;
    }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location = /events { counters_events acme; }
        location = /status { counters_status acme json; }
        location = /counters { counters acme; counters_user $http_x_user; }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location = /events { counters_events small; }
        location = /status { counters_status small json; }
        location = /counters { counters small; counters_user $http_x_user; }
    }
EOF

$t->start;


sub event ($event, $id) {
    return { verb => 'POST', target => '/events',
             headers => { 'Content-Type' => 'application/x-www-form-urlencoded' },
             body => "event=$event&data[FIELDS_AFTER][ID]=$id"
                     . '&auth[application_token]=application-token-4711' };
}


sub request ($user) {
    return { target => '/counters', headers => { 'X-User' => $user } };
}


sub revision ($user, $port = 8080) {
    return $t->get('/counters', port => $port, headers => { 'X-User' => $user })
             ->body =~ /"revision":(\d+)/ ? $1 : -1;
}


sub counted ($name, $port = 8080) {
    return $t->get('/status', port => $port)->json->{portal}{$name};
}


# A thousand events, and a change in their midst. How many calls they may cost
# depends on how long they take to be told

sub storm ($name, $users, @events) {
    my %before = map { $_ => revision($_) } @$users;

    $portal->forget;

    my $start = time;
    my @answers = $t->many(\@events, concurrency => 20,
                           at => { 500 => sub { $portal->bump($_) for @$users } });

    is(scalar(grep { $_->status == 200 } @answers), scalar @events,
       "$name: all are accepted");

    for my $user (@$users) {
        ok(wait_for(sub { revision($user) > $before{$user} }, 30),
           "$name: user $user sees the change");
    }

    my $seconds = time - $start;
    my $calls = $portal->count;

    note(sprintf '%s: %d calls in %.1f s', $name, $calls, $seconds);
    cmp_ok($calls, '<=', 4 + 2 * $seconds / 0.4, "$name: few calls");
    is($portal->totals->{statuses}{503}, undef, "$name: within the quota");
}


# --- one task

$portal->task(id => 70, createdBy => 5, responsibleId => 6);

storm('one task', [ 5, 6 ], (event('ONTASKUPDATE', 70)) x 1000);
is(counted('events'), 1000, 'all are counted');
is(counted('events_wide'), 0, 'nobody else is concerned');

# --- as many tasks as events

$portal->task(id => $_, createdBy => $_ % 2 + 5, responsibleId => 7)
    for 1000 .. 1999;

storm('many tasks', [ 5, 6, 7, 80 ],
      map { event('ONTASKUPDATE', $_) } 1000 .. 1999);

# --- deletions of tasks that nobody has heard of

storm('deletions', [ 5, 6, 7, 80 ],
      map { event('ONTASKDELETE', $_) } 2000 .. 2999);

cmp_ok(counted('events_wide'), '>', 0, 'all entries have become stale');

# --- a zone that is full

$portal->set(rate => 0);
$portal->task(id => $_, createdBy => $_, responsibleId => $_ + 1,
              auditors => [ $_ + 2 .. $_ + 20 ])
    for 100 .. 300;

my @answers = $t->many([ map { request($_) } 1 .. 600 ], port => 8081,
                       concurrency => 20);
is(scalar(grep { $_->status == 200 } @answers), 600, 'more users than have room');

for my $id (map { $_ * 20 + 100 } 1 .. 10) {
    @answers = $t->many([ map { event('ONTASKADD', $id + $_) } 0 .. 19 ],
                        port => 8081, concurrency => 5);
    is(scalar(grep { $_->status == 200 } @answers), 20,
       'more participants than have room');
}

my $before = revision(300, 8081);
$portal->bump(300);
$t->many([ event('ONTASKUPDATE', 300) ], port => 8081);
ok(wait_for(sub { revision(300, 8081) > $before }), 'they still see a change');

$before = revision(300, 8081);
$portal->bump(300);
$t->many([ event('ONTASKDELETE', 300) ], port => 8081);
ok(wait_for(sub { revision(300, 8081) > $before }), 'and a deletion');

$t->done;
