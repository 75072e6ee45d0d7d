#!/usr/bin/perl

# Single flight: one call to the portal for all who miss the same entry at the
# same time, whichever worker they are connected to, and all of them woken by its
# answer and not by a poll. A slow portal holds up nobody who asks for something
# else, and a call outlives the client that caused it.
#
# valgrind

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Parked;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

# reuseport spreads the connections over the workers
$t->config(<<'EOF', workers => 4, log => 'debug');
    log_format worker '$pid $counters_cache_status $status';

    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                           timeout 60s; webhook %%WEBHOOK_1%%; }
    server {
        listen 127.0.0.1:%%PORT_8080%% reuseport;
        access_log %%DIR%%/worker_access.log worker;

        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location ~ ^/managed/([0-9]+)$ { counters acme; counters_user $1; }
        location = /parked { stub_status; access_log off; }
    }
EOF

$t->start;


sub stop_portal () { $portal->process->signal('STOP') }
sub go_on ()       { $portal->process->signal('CONT') }


# What the workers have written so far: [pid, cache status, HTTP status]

sub served () {
    return map { [ split ] }
           split /\n/, Counters::Test::slurp($t->dir . '/worker_access.log');
}


sub kinds (@served) {
    my %n;
    $n{"$_->[1] $_->[2]"}++ for @served;
    return \%n;
}


sub begin ($target) {
    return $t->client->begin(GET => $target);
}


sub answer ($socket) {
    return $t->client->receive($socket);
}


my $method = 'tasks.task.counters.get';
my $five = $portal->hook(5, $method);

# --- a hundred at once, over all workers

stop_portal();
my @clients = map { begin($five) } 1 .. 100;

ok(await_parked($t, 100), 'all of them wait');
go_on();

my @answers = map { answer($_) } @clients;

is(scalar(grep { $_->status == 200 && whose($_->body) eq '5/5/0/view_all' }
          @answers), 100, 'all are answered');
is(scalar(keys %{ { map { $_->body => 1 } @answers } }), 1, 'with the same bytes');
is($portal->count(user => 5), 1, 'by one call');

ok(wait_for(sub { served() == 100 }), 'all are in the log');
is_deeply(kinds(served()), { 'MISS 200' => 1, 'COALESCED 200' => 99 },
          'MISS once, COALESCED the rest');
is(scalar(keys %{ { map { $_->[0] => 1 } served() } }), 4, 'in four workers');

# --- woken by the answer: a poll comes after 200 ms, and would be in the log of
# every round if those in other workers had to wait for it

sub round_without_poll (@targets) {
    my $polls = () = $t->log_lines(qr/counters poll, [1-9]/);
    my $before = () = served();

    my %seen = map { $_->status => 1 } $t->many(\@targets, concurrency => 24);

    return if keys %seen != 1 || !$seen{200};
    wait_for(sub { served() == $before + @targets });

    my @served = served();
    my %pids = map { $_->[0] => 1 } @served[$before .. $#served];

    return keys %pids > 2
           && $polls == (() = $t->log_lines(qr/counters poll, [1-9]/));
}


$portal->fault(kind => 'latency', delay => 0.05);
my $user = 100;

ok(wait_for(sub {
    $user++;
    round_without_poll(($portal->hook($user, $method)) x 24);
}, 30), 'waiters in other workers need no poll');

# one worker takes along what the others have put into the queue
ok(wait_for(sub {
    $user += 24;
    round_without_poll(map { "/managed/$_" } $user .. $user + 23);
}, 30), 'nor do those of a batch that leaves from another worker');

$portal->heal;

# --- a portal that does not answer holds up nobody else

$portal->forget;
stop_portal();

my $slow = begin($portal->hook(6, $method));
ok(await_parked($t, 1), 'one waits for the portal');

my %other;
$other{ $_->status . ' ' . whose($_->body) }++
    for map { $t->client->request(GET => $five) } 1 .. 40;

is_deeply(\%other, { '200 5/5/0/view_all' => 40 }, 'others have their hits');
is(parked($t), 1, 'while it still waits');

go_on();
is(whose(answer($slow)->body), '6/6/0/view_all', 'and is answered in the end');

# --- the client that caused the call goes away

stop_portal();
my $gone = begin($portal->hook(7, $method));
ok(await_parked($t, 1), 'the call is under way');

close $gone;
ok(await_parked($t, 0), 'its client is not');
go_on();

ok(wait_for(sub { $portal->count(user => 7, status => 200) }), 'it is answered');
ok(wait_for(sub { ($t->get($portal->hook(7, $method))->header('cache-status'))
                  =~ /^acme; hit; ttl=/ }), 'the next one is a HIT');
is($portal->count(user => 7), 1, 'of the same call');
is($portal->count(user => 7, aborted => 1), 0, 'which was not given up');

# --- so do others who wait, the one that leads included, and all of them

for my $left (0, 1) {
    my $eight = $portal->hook(8 + $left, $method);

    stop_portal();
    my @waiting = map { begin($eight) } 1 .. 20;
    ok(await_parked($t, 20), 'twenty wait');

    my @stay = $left ? splice @waiting, 10, 1 : ();
    close $_ for @waiting;
    ok(await_parked($t, $left), "$left stay");
    go_on();

    is(whose(answer($_)->body), '9/9/0/view_all', 'who stays is answered')
        for @stay;

    ok(wait_for(sub { $t->get($eight)->header('cache-status') =~ /; hit;/ }),
       'the answer is kept');
    is($portal->count(user => 8 + $left), 1, 'one call');
}

$t->done;
