#!/usr/bin/perl

# Refreshes under one credential leave as one request, from all workers; what comes
# back is as if each had been called alone. What is wrong with one call is its own
# affair, and what is wrong with a batch is found out by halves, or goes around it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Parked;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 2, burst => 50);
my $free = $t->portal(name => 'FREE', rate => 0);

# a "tight" one has no quota when its test begins: calls gather
$t->config(<<'EOF', workers => 4, log => 'debug', connections => 4096);
    log_format worker '$pid $uri $status';

    counters_portal tight  { url %%PORTAL%%; zone 2m; webhook %%WEBHOOK_1%%;
                             wait 60s; ttl 1h; }
    counters_portal hooks  { url %%PORTAL%%; zone 2m; wait 60s; ttl 1h; }
    counters_portal free   { url %%FREE%%; zone 2m; webhook %%WEBHOOK_1%%;
                             wait 60s; ttl 1h; batch 50 wait=200ms; }
    counters_portal error  { url %%FREE%%; zone 2m; webhook %%WEBHOOK_1%%;
                             wait 60s; ttl 1h; batch 50 wait=200ms; }
    counters_portal slow   { url %%FREE%%; zone 2m; webhook %%WEBHOOK_1%%;
                             wait 60s; ttl 1h; batch 50 wait=200ms;
                             timeout 500ms; }
    counters_portal killed { url %%FREE%%; zone 2m; webhook %%WEBHOOK_1%%;
                             wait 10m; ttl 1h; batch 50 wait=200ms;
                             timeout 10m; rate off; }
    server {
        listen 127.0.0.1:%%PORT_8080%% reuseport;
        access_log %%DIR%%/worker_access.log worker;

        location ~ ^/tight/([0-9]+)$  { counters tight;  counters_user $1; }
        location ~ ^/free/([0-9]+)$   { counters free;   counters_user $1; }
        location ~ ^/error/([0-9]+)$  { counters error;  counters_user $1; }
        location ~ ^/slow/([0-9]+)$   { counters slow;   counters_user $1; }
        location ~ ^/killed/([0-9]+)$ { counters killed; counters_user $1; }

        location /tight/rest/ { counters tight; proxy_pass %%PORTAL%%/rest/; }
        location /hooks/rest/ { counters hooks; proxy_pass %%PORTAL%%/rest/; }
        location = /parked    { stub_status; access_log off; }
    }
EOF

$t->start;

my $method = 'tasks.task.counters.get';
my $first = 301;    # user that has not been asked for
my $stuck = 0;      # what stub_status goes on counting for killed workers


sub begin (@targets) {
    return map { $t->client->begin(GET => $_) } @targets;
}


sub answers (@sockets) {
    return map { $t->client->receive($_, 'GET', 60) } @sockets;
}


# All ask before any worker looks

sub at_once (@targets) {
    my @workers = $t->workers;

    kill 'STOP', @workers;
    my @clients = begin(@targets);
    kill 'CONT', @workers;

    return answers(@clients);
}


sub right (@answers) {
    return map { $_->status == 200 ? whose($_->body) : $_->status } @answers;
}


sub own ($caller, @users) {
    return map { "$caller/$_/0/view_all" } @users;
}


# The sizes of the portal's requests, in their order: 1 is a call of its own

sub sizes ($portal, %filter) {
    return map { $_->{commands} ? scalar @{ $_->{commands} } : 1 }
           $portal->calls(full => 1, %filter);
}


sub workers_of ($pattern) {
    my %pids = map { $_->[0] => 1 } grep { $_->[1] =~ $pattern } map { [ split ] }
               split /\n/, $t->read('worker_access.log');
    return scalar keys %pids;
}


# --- one alone is a plain call

is($t->get('/free/7')->status, 200, 'one user asks');
is_deeply([ map { $_->{method} } $free->calls ], [ $method ], 'by a plain call');

# --- from four workers, without quota

my @spent = at_once(map { "/tight" . $portal->hook($_, 'profile') } 11 .. 55);
is(scalar(grep { $_->status == 200 } @spent), 45, 'the quota is spent');
$portal->forget;

my @users = (1001 .. 1200);
is_deeply([ right(at_once(map { "/tight/$_" } @users)) ], [ own(1, @users) ],
          '200 users are answered');
is_deeply([ sizes($portal) ], [ (50) x 4 ], 'by four full batches');
cmp_ok(workers_of(qr{^/tight/1}), '==', 4, 'of all workers');

# --- the same with a webhook that clients hold

@spent = at_once(map { '/hooks' . $portal->hook($_, 'profile') } 11 .. 55);
$portal->reset;
is($t->get('/hooks' . $portal->hook(1, "$method?userId=9"))->status, 200,
   'the portal has accepted a webhook');
$portal->forget;

is_deeply([ right(at_once(map { '/hooks' . $portal->hook(1, "$method?userId=$_") }
                          @users)) ],
          [ own(1, @users) ], '200 users are answered');
is_deeply([ sizes($portal) ], [ (50) x 4 ], 'by four full batches');
is($portal->totals->{statuses}{503}, undef, 'within the quota');

# --- as if called alone, byte for byte

$free->known_time;
$free->result($method, '{"a\/b":1.50,"c":[],"d":"\u0416"}', total => 7);

my @batched = at_once(map { "/free/$_" } 31 .. 33);
$free->forget;
my $alone = Counters::Http->new(port => $free->port)
    ->request(GET => $free->hook(1, "$method?userId=31"));

is_deeply([ map { $_->body } @batched ], [ ($alone->body) x 3 ],
          'a part of a batch is an answer of its own');
is($batched[0]->header('content-type'), $alone->header('content-type'),
   'with its headers');
$free->reset;

# --- a command that fails

$free->fault(kind => 'error', target => 42, status => 400, error => '0',
             error_description => 'no group');
$free->fault(kind => 'error', target => 43, times => 1, status => 500,
             error => 'INTERNAL_SERVER_ERROR');
$free->fault(kind => 'error', target => 44, times => 1, status => 400,
             error => 'ERROR_BATCH_LENGTH_EXCEEDED');

my @got = at_once(map { "/free/$_" } 41 .. 45);

is_deeply([ right(@got) ], [ own(1, 41), 400, own(1, 43, 44, 45) ],
          'a failed command fails for its own key only');
is($got[1]->body, '{"error":"0","error_description":"no group"}',
   'with its own words');
is_deeply([ sort { $a <=> $b } sizes($free) ], [ 1, 1, 5 ],
          'others are called alone');
is_deeply([ map { $t->get("/free/$_")->header('cache-status') =~ s/; ttl=\d+//r }
            41 .. 43 ],
          [ 'free; hit', 'free; hit; detail=NEGATIVE', 'free; hit' ],
          'each is remembered for itself');

# refused under a credential that is good for the others

for my $case ([ 403 => 'ACCESS_DENIED' ], [ 403 => 'insufficient_scope' ],
              [ 401 => 'expired_token' ])
{
    my ($status, $error) = @$case;
    my @users = map { $first++ } 1 .. 5;

    $free->fault(kind => 'error', target => $users[2], status => $status,
                 error => $error);

    is_deeply([ right(at_once(map { "/free/$_" } @users)) ],
              [ own(1, @users[0, 1]), 502, own(1, @users[3, 4]) ],
              "$error: of one");
    is_deeply([ right($t->get('/free/' . $first)) ], [ own(1, $first) ],
              "$error: nothing keeps the next from being asked for");
    $first++;
}

# --- batches that fail as such

$free->reset;
$free->fault(kind => 'status', method => 'batch', status => 500, times => 1);
@users = (101 .. 150);

is_deeply([ right(at_once(map { "/free/$_" } @users)) ], [ own(1, @users) ],
          'all are answered after a batch has failed');
is_deeply([ sizes($free) ], [ 50, 25, 25 ], 'by its halves');

# more of them than a portal that is down would be allowed
$free->reset;
$free->fault(kind => 'status', method => 'batch', status => 500, times => 4);
@users = (151 .. 200);

is_deeply([ right(at_once(map { "/free/$_" } @users)) ], [ own(1, @users) ],
          'all are answered although more have failed');
is((sizes($free))[0], 50, 'the batch itself');
cmp_ok(scalar(grep { $_ > 1 } sizes($free)), '<=', 5, 'and its parts, if at all');
ok(wait_for(sub {
    $free->forget;
    at_once(map { '/free/' . $first++ } 1 .. 3);

    return join(' ', sizes($free)) eq '3';
}, 30), 'until a batch that is tried is answered');

# --- batches that are lost

for my $kind (qw(hang malformed truncate close reset)) {
    $free->reset;
    $free->fault(kind => $kind, method => 'batch', times => 1);
    @users = ($first .. $first + 5);
    $first += 10;

    is_deeply([ right(at_once(map { "/slow/$_" } @users)) ], [ own(1, @users) ],
              "$kind: all are answered");

    # a kept connection may have been closed before: then once more as it was
    like(join(' ', sizes($free)), $kind =~ /close|reset/ ? qr/^6 (?:6|3 3)$/
                                                         : qr/^6 3 3$/, 'by halves');
}

# --- batches that are refused

for my $error (qw(ERROR_BATCH_METHOD_NOT_ALLOWED OPERATION_TIME_LIMIT)) {
    my $block = $error =~ /BATCH/ ? 'error' : 'slow';

    $free->reset;
    $free->fault(kind => 'status', method => 'batch', error => $error,
                 status => $error =~ /BATCH/ ? 400 : 429);

    is_deeply([ right(at_once(map { "/$block/$_" } 301 .. 305)) ],
              [ own(1, 301 .. 305) ], "$error: all are answered");
    is_deeply([ sizes($free) ], [ 5, (1) x 5 ], 'one by one');

    is_deeply([ right(at_once(map { "/$block/$_" } 311 .. 315)) ],
              [ own(1, 311 .. 315) ], 'so are others');
    is_deeply([ sizes($free) ], [ 5, (1) x 10 ], 'without another batch');
}

# --- a limit that only the portal knows of

$free->reset;
$free->fault(kind => 'status', method => 'batch', status => 503, times => 1,
             error => 'QUERY_LIMIT_EXCEEDED');
@users = (401 .. 410);

is_deeply([ right(at_once(map { "/free/$_" } @users)) ], [ own(1, @users) ],
          'all are answered after a limit');
is_deeply([ sizes($free) ], [ 10, 1, 9 ], 'one call is tried first');

# --- the worker that has a batch in flight is killed

$free->reset;
$free->fault(kind => 'hang', method => 'batch', times => 1);
@users = (501 .. 540);

my @workers = $t->workers;
kill 'STOP', @workers;
my @clients = begin(map { "/killed/$_" } @users);
kill 'CONT', @workers;

ok(wait_for(sub { $free->count == 1 }), 'a batch is under way');
ok(await_parked($t, 40), 'for all');

my ($fetcher) = (map { /\] (\d+)#.*counters fetch post: / ? $1 : () }
                 $t->log_lines(qr/counters fetch post: /))[-1];
$t->kill_worker($fetcher);

@got = answers(@clients);
my @lost = grep { ($_->error // '') eq 'closed' } @got;

is_deeply([ right(grep { !$_->error } @got) ],
          [ own(1, map { $users[$_] } grep { !$got[$_]->error } 0 .. $#got) ],
          'the clients of other workers are answered all the same');
cmp_ok(scalar @lost, '<', 40, 'so they are');
is_deeply([ right(at_once(map { "/killed/$_" } @users)) ], [ own(1, @users) ],
          'and no entry is lost');

$t->done;
