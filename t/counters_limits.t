#!/usr/bin/perl

# Limits other than the bucket: a method's operating time, which refreshes stay
# below and wait for when it is used up; and the portal's own block.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0, operating_window => 8, operating_basket => 1);
my $block = $t->portal(name => 'BLOCK', rate => 0);

$t->config(<<'EOF', workers => 2);
    counters_portal used  { url %%PORTAL%%; zone 1m; ttl 1h; negative 0; wait 5s;
                            methods tasks.task.counters.get im.counters.get; }
    counters_portal group { url %%PORTAL%%; zone 1m; ttl 1h; wait 5s;
                            webhook %%WEBHOOK_1%%; batch 50 wait=300ms; }
    counters_portal slow  { url %%PORTAL%%; zone 1m; ttl 1s; stale 1h; wait 5s;
                            webhook %%WEBHOOK_1%%; ahead 1h; }
    counters_portal block { url %%BLOCK%%; zone 1m; ttl 1s; wait 5s; }
    counters_portal pass  { url %%BLOCK%%; zone 1m; ttl 1s; wait 5s; }
    server {
        listen 127.0.0.1:%%PORT_8080%% reuseport;

        location ~ ^/group/([0-9]+)$ { counters group; counters_user $1; }
        location ~ ^/slow/([0-9]+)$  { counters slow;  counters_user $1; }

        location /used/rest/  { counters used;  proxy_pass %%PORTAL%%/rest/; }
        location /pass/rest/  { counters pass;  proxy_pass %%BLOCK%%/rest/; }
        location /block/rest/ { counters block; proxy_pass %%BLOCK%%/rest/; }
    }
EOF

$t->start;

my $method = 'tasks.task.counters.get';


sub used ($user, $group, $method = $method) {
    return $t->get('/used' . $portal->hook($user, $method)
                   . ($group ? "?groupId=$group" : ''));
}


sub retry_after ($response) {
    return $response->header('retry-after') // 0;
}


# --- OPERATION_TIME_LIMIT

$portal->set(cost => 200);

is(used(5, $_)->status, 200, "call $_ of 200 seconds") for 1 .. 3;

my $limited = used(5, 4);

is($limited->status, 429, 'the fourth is one too many');
is($limited->json->{error}, 'OPERATION_TIME_LIMIT', 'says the portal');

my $before = $portal->count;
$limited = used(5, 5);

is($limited->status, 429, 'the next too');
is($limited->json->{error}, 'OPERATION_TIME_LIMIT', 'in the same words');
cmp_ok(retry_after($limited), '<=', 10, 'and when it ends');
cmp_ok(retry_after($limited), '>', 0, 'not now');
is($portal->count, $before, 'without asking the portal');

is(used(5, 1)->status, 200, 'what is there is there');
is(used(5, 0, 'im.counters.get')->status, 200, 'another method is not concerned');
is(used(6, 1)->status, 200, 'nor another credential');

$portal->set(cost => 0.001);
ok(wait_for(sub { used(5, 5)->status == 200 }, 20), 'it ends when the portal said');
is(scalar(grep { $_->{status} == 429 } $portal->calls(method => $method)), 1,
   'and has been asked for in vain once');

# --- in the middle of a batch

$portal->reset;
$portal->set(cost => 200);

my @workers = $t->workers;
kill 'STOP', @workers;
my @clients = map { $t->client->begin(GET => "/group/$_") } 11 .. 16;
kill 'CONT', @workers;

my @got = map { $t->client->receive($_) } @clients;

is_deeply([ sort map { $_->status } @got ], [ 200, 200, 200, 429, 429, 429 ],
          'the calls before it are answered');
is($portal->count, 1, 'in one batch');
is($t->get('/group/17')->status, 429, 'the next is not sent');
is($portal->count, 1, 'any more');

# --- before the limit: what nobody waits for is slower, who waits is not

$portal->reset;
$portal->set(operating_window => 600, cost => 20);

is($t->get("/slow/$_")->status, 200, "user $_, 20 seconds") for 21 .. 30;

ok(wait_for(sub { $t->get('/slow/21')->header('cache-status') =~ /UPDATING/ }),
   'one is stale');

$before = $portal->count(userId => 21);

for my $user (31 .. 34) {
    is($t->get("/slow/$user")->status, 200, "user $user is answered all the same");
    is($t->get('/slow/21')->status, 200, 'the other with what there is');
}

is($portal->count(userId => 21), $before, 'but not refreshed');
is($portal->count(status => 429), 0, 'the portal has not refused anything');

# time comes back, as the next answer tells
$portal->set(operating_window => 1, cost => 0.001);
$portal->forget;

ok(wait_for(sub { $t->get('/slow/35'); $portal->count(userId => 35) }, 20),
   'somebody waits again');
ok(wait_for(sub { $portal->count(userId => 21)
                  || grep { $_->{commands} && grep { $_->[1] =~ /userId=21\b/ }
                                                   @{ $_->{commands} } }
                     $portal->calls(full => 1) }, 20), 'and the others follow');

# --- OVERLOAD_LIMIT


sub blocked ($user) {
    return $t->get('/block' . $block->hook($user, $method));
}


is(blocked(5)->status, 200, 'before');
$block->fault(kind => 'status', status => 503, error => 'OVERLOAD_LIMIT',
              error_description => 'blocked', headers => [ [ 'Retry-After', 2 ] ]);
is(blocked(6)->json->{error}, 'OVERLOAD_LIMIT', 'the portal is blocked');

$before = $block->count;
my $overload = blocked(7);

is($overload->status, 503, 'so it is for others');
is($overload->json->{error}, 'OVERLOAD_LIMIT', 'who are told');
like(retry_after($overload), qr/^[12]$/, 'until when');
is($block->count, $before, 'and not asked for');

ok(wait_for(sub { blocked(5)->header('cache-status') =~ /STALE/ }),
   'what is there is given, though it is stale');
is(whose(blocked(5)->body), '5/5/0/view_all', 'to whom it belongs');

$block->heal;
ok(wait_for(sub { blocked(7)->status == 200 }, 20), 'it is tried when it should end');
ok(wait_for(sub { blocked(5)->header('cache-status') =~ /; hit; ttl=[01]/ }, 20),
   'and all is well');
is(scalar(() = $t->log_lines(qr/portal "block": the portal answered OVERLOAD/)), 1,
   'the log tells of it');

# the answer to a request passed on tells as much
$block->fault(kind => 'status', status => 503, error => 'OVERLOAD_LIMIT',
              headers => [ [ 'Retry-After', 20 ] ]);
is($t->get('/pass' . $block->hook(5, 'profile'))->json->{error}, 'OVERLOAD_LIMIT',
   'a request passed on is blocked');
$before = $block->count;
$overload = $t->get('/pass' . $block->hook(5, $method));
is($overload->json->{error}, 'OVERLOAD_LIMIT', 'refreshes are as well');
like(retry_after($overload), qr/^(?:20|1\d)$/, 'for as long as the portal said');
is($block->count, $before, 'without asking it');
$block->heal;

# it did not say until when
$block->fault(kind => 'status', status => 503, error => 'OVERLOAD_LIMIT');
is(blocked(8)->json->{error}, 'OVERLOAD_LIMIT', 'blocked again');
like(retry_after(blocked(9)), qr/^[1-5]$/, 'it is tried soon');

$t->done;
