#!/usr/bin/perl

# A worker that is killed while it fetches, or while requests of its are queued,
# takes only its own clients with it: those in other workers are answered by a
# takeover long before the lease has run out (here it lasts longer than any client
# of this test waits), by one more call, and nothing stays stuck.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Parked;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 4, log => 'debug');
    log_format worker '$pid $arg_n $counters_cache_status $status';

    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                            timeout 10m; batch off; wait 10m; }
    counters_portal tight { url %%PORTAL%%; zone 1m; ttl 1h; timeout 10m;
                            rate 2r/s burst=1; reserve 0%; batch off; wait 10m; }
    server {
        listen 127.0.0.1:%%PORT_8080%% reuseport;
        access_log %%DIR%%/worker_access.log worker;

        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location /tight/rest/ { counters tight; proxy_pass %%PORTAL%%/rest/; }
        location = /parked { stub_status; access_log off; }
    }
EOF

$t->start;

my $method = 'tasks.task.counters.get';
my $stuck = 0;      # what stub_status goes on counting for the killed ones


sub begin ($target) {
    return $t->client->begin(GET => $target);
}


# The pids of the workers that asked the portal, in that order

sub fetchers () {
    return map { /\] (\d+)#.*counters fetch post: / ? $1 : () }
           $t->log_lines(qr/counters fetch post: /);
}


sub dead ($pid) {
    return !kill 0, $pid;
}


# The answers to all clients, and how many had none because theirs was killed

sub answers (@clients) {
    my @all = map { $t->client->receive($_, 'GET', 30) } @clients;
    my @none = grep { ($_->error // '') eq 'closed' && $_->status == 0 } @all;
    my @some = grep { !$_->error } @all;

    is(@none + @some, @all, 'a client is answered, or its connection is closed');

    $stuck += @none;
    return (\@some, scalar @none);
}


# --- the worker that fetches

for my $round (1 .. 3) {
    my $user = 10 + $round;
    my $target = $portal->hook($user, $method);

    $portal->fault(kind => 'hang', user => $user, times => 1);

    my @clients = map { begin($target) } 1 .. 60;
    ok(await_parked($t, 60 + $stuck), "$round: all wait");
    ok(wait_for(sub { $portal->count(user => $user) == 1 }), 'for one call');

    my $fetcher = (fetchers())[-1];
    $t->kill_worker($fetcher);

    my ($answers, $lost) = answers(@clients);

    cmp_ok($lost, '>', 0, 'the killed worker had clients');
    cmp_ok(scalar @$answers, '>', 0, 'and others had some');
    is(scalar(grep { $_->status == 200
                     && whose($_->body) eq "$user/$user/0/view_all" } @$answers),
       @$answers, 'these are answered');

    my %how;
    $how{ $_->header('cache-status') }++ for @$answers;

    is_deeply(\%how, { 'acme; fwd=miss; stored' => 1,
                       'acme; fwd=miss; collapsed' => @$answers - 1 },
              'by one that took over');
    is($portal->count(user => $user), 2, 'with one call more');
    isnt((fetchers())[-1], $fetcher, 'from another worker');

    like($t->get($target)->header('cache-status'), qr/^acme; hit; ttl=/,
         'the answer is kept');
}

# --- the killed one was alone with its key: the next request takes over

$portal->fault(kind => 'hang', user => 20, times => 1);

my $alone = begin($portal->hook(20, $method));
ok(wait_for(sub { $portal->count(user => 20) == 1 }), 'one call hangs');
$t->kill_worker((fetchers())[-1]);
answers($alone);

is($t->get($portal->hook(20, $method))->status, 200, 'the key is not stuck');
is($portal->count(user => 20), 2, 'one call more');

# --- a client had gone, so that nobody at all waits

$portal->fault(kind => 'hang', user => 21, times => 1);

$alone = begin($portal->hook(21, $method));
ok(wait_for(sub { $portal->count(user => 21) == 1 }), 'a call hangs');
close $alone;
ok(await_parked($t, $stuck), 'its client has gone');
$t->kill_worker((fetchers())[-1]);

is(whose($t->get($portal->hook(21, $method))->body), '21/21/0/view_all',
   'the next one is answered');

# --- with requests in the queue: the quota lets two calls a second leave

my @before = $t->workers;
my @users = (31 .. 36);
my @queued = map { begin('/tight' . $portal->hook($_, $method)) } (@users) x 10;

ok(wait_for(sub { $portal->count(user => 31) + $portal->count(user => 32) > 0 }),
   'the first call has left');
$t->kill_worker($before[0]);

my ($answers, $lost) = answers(@queued);
my %served;
$served{ whose($_->body) }++ for @$answers;

is(scalar(grep { $_->status == 200 } @$answers), @$answers, 'all are answered');
is_deeply([ sort keys %served ], [ map { "$_/$_/0/view_all" } @users ],
          'every user');

# one more if the call under way was the killed worker's
my $calls = 0;
$calls += $portal->count(user => $_) for @users;
cmp_ok($calls, '<=', @users + 1, 'no call is repeated without need');

# --- all workers still do their work

my %pids = map { $_ => 1 } $t->workers;
is(scalar(grep { $pids{$_} } @before), 3, 'one worker is a new one');

ok(wait_for(sub {
    $t->many([ map { $portal->hook($_, $method) } 100 .. 149 ]);
    my %seen = map { (split)[0] => 1 }
               split /\n/, Counters::Test::slurp($t->dir . '/worker_access.log');
    return !grep { !$seen{$_} } $t->workers;
}), 'every worker serves');

my @calls = $portal->calls(method => $method);
is(scalar(grep { !defined $_->{status} } @calls), 5, 'only those ordered hung');

$t->done;
