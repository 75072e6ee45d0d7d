#!/usr/bin/perl

# A portal whose batch fails while single calls do not: after two in a row calls
# go one by one, and a batch is tried now and then.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 1);
    counters_portal acme { url %%PORTAL%%; zone 1m; ttl 1h; rate off;
                           webhook %%WEBHOOK_1%%; batch 50 wait=100ms; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;

        location ~ ^/user/([0-9]+)$ { counters acme; counters_user $1; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $user = 100;


# $n users who have nothing come at the same time; their statuses, sorted

sub together ($n) {
    my @workers = $t->workers;

    kill 'STOP', @workers;
    my @clients = map { $t->client->begin(GET => '/user/' . $user++) } 1 .. $n;
    kill 'CONT', @workers;

    my %status;

    $status{ $t->client->receive($_)->status }++ for @clients;

    return \%status;
}


is_deeply(together(20), { 200 => 20 }, 'twenty users');
is($portal->count(method => 'batch'), 1, 'in a batch');

for my $fault ([ status => status => 500, error => 'INTERNAL_SERVER_ERROR' ],
               [ status => status => 502, body => 'html' ],
               [ status => status => 200, body => 'html' ]) {

    my ($kind, %how) = @$fault;

    $portal->reset;
    $portal->fault(kind => $kind, method => 'batch', %how);

    is_deeply(together(20), { 200 => 20 }, "$how{status}: all are answered");
    my $failed = $portal->count(method => 'batch');

    # the parts of the first leave together
    cmp_ok($failed, '<=', 5, "$how{status}: it and its parts have failed");
    is($portal->count(method => $METHOD), 20, "$how{status}: all went one by one");

    is_deeply(together(10), { 200 => 10 }, "$how{status}: so do others");
    is($portal->count(method => $METHOD), 30, "$how{status}: one by one");
    cmp_ok($portal->count(method => 'batch'), '<=', $failed + 1,
           "$how{status}: with one batch tried at most");

    ok(wait_for(sub { together(3); $portal->count(method => 'batch') > $failed }, 30),
       "$how{status}: a batch is tried");

    my $before = $portal->count(method => 'batch');
    is_deeply(together(10), { 200 => 10 }, "$how{status}: in vain");
    is($portal->count(method => 'batch'), $before, "$how{status}: they rest again");

    $portal->heal;
    $portal->forget;
    ok(wait_for(sub { together(3); $portal->count(method => 'batch') }, 40),
       "$how{status}: the next is answered");

    $before = $portal->count;
    is_deeply(together(10), { 200 => 10 }, "$how{status}: ten more");
    is($portal->count - $before, 1, "$how{status}: in a batch again");
}

# --- one without an answer may only be too large: its halves are tried

$portal->reset;
$portal->fault(kind => 'reset', method => 'batch', times => 1);
is_deeply(together(20), { 200 => 20 }, 'reset: all are answered');
cmp_ok($portal->count(method => 'batch'), '>', 1, 'reset: in smaller batches');
is($portal->count(method => $METHOD), 0, 'reset: none of them alone');

$portal->reset;
$portal->fault(kind => 'reset', method => 'batch');
is_deeply(together(20), { 200 => 20 }, 'always reset: all are answered');
my $failed = $portal->count(method => 'batch');
is_deeply(together(20), { 200 => 20 }, 'always reset: and others');
cmp_ok($portal->count(method => 'batch'), '<=', $failed + 1,
       'always reset: without trying batches of all sizes again');

# --- a call that fails by itself is not the fault of batches

$portal->reset;
$portal->fault(kind => 'error', status => 500, target => $user + 2);
is_deeply(together(20), { 200 => 19, 500 => 1 }, 'one fails');

my $before = $portal->count;
is_deeply(together(10), { 200 => 10 }, 'others do not');
is($portal->count - $before, 1, 'they share a batch');

$t->expect(qr/the portal failed|no answer from the portal/);
$t->done;
