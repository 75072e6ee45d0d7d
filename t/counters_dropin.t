#!/usr/bin/perl

# The module in front of a portal: what is fetched, what is remembered, and that
# the client gets the portal's own bytes and none of its other headers. The exact
# Cache-Status of every case.
#
# valgrind

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 2);
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }
    counters_portal brief { url %%PORTAL%%; zone 1m; rate off; ttl 100ms;
                            stale 1h error=2h; }
    counters_portal old   { url %%PORTAL%%; zone 1m; rate off; ttl 100ms;
                            stale 0 error=1h; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location /rest/ { counters brief; proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8082%%;
        location /rest/ { counters old; proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8083%%;
        location /rest/ {
            counters acme;
            counters_bypass 1;
            proxy_pass %%PORTAL%%;
        }
    }
EOF

$t->start;

my $url = $portal->hook(5, 'tasks.task.counters.get');

# --- a miss, then hits

my $direct = Counters::Http->new(port => $portal->port);
$portal->known_time;
my $original = $direct->request(GET => $url)->body;
$portal->forget;

my $miss = $t->get($url);

is($miss->status, 200, 'miss');
is($miss->header('cache-status'), 'acme; fwd=miss; stored', 'MISS');
is($miss->body, $original, "the portal's bytes");
like($miss->body, qr/"duration":0\.05025482177734375,/, 'number as it came');
like($miss->body, qr/"processing":6\.4849853515625e-5,/, 'another one');

my $hit = $t->get($url);

is($hit->status, 200, 'hit');
like($hit->header('cache-status'), qr/^acme; hit; ttl=3[2-6]\d\d$/, 'HIT');
is($hit->body, $original, 'the same bytes');
is($portal->count, 1, 'the portal was asked once');

# --- headers

my @kept = qw(access-control-allow-headers access-control-allow-origin age
              cache-control cache-status connection content-length content-type
              date etag server x-content-type-options);

for my $r ($miss, $hit) {
    my $name = $r == $miss ? 'miss' : 'hit';

    is_deeply([ sort map { lc $_->[0] } $r->headers ], \@kept,
              "$name: these headers and no other");
    is($r->header('content-type'), 'application/json; charset=utf-8',
       "$name: Content-Type");
    is($r->header('content-length'), length $original, "$name: Content-Length");
    is($r->header('access-control-allow-origin'), '*', "$name: any origin");
    is($r->header('access-control-allow-headers'),
       'origin, content-type, accept', "$name: allowed headers");
    is($r->header('x-content-type-options'), 'nosniff', "$name: nosniff");
    is($r->header('cache-control'), 'private, no-cache', "$name: Cache-Control");
    like($r->header('age'), qr/^\d+$/, "$name: Age");
}

is($miss->header('etag'), $hit->header('etag'), 'one ETag');

# --- every role and group is an entry of its own; others' counters as well

for my $args ('groupId=3', 'type=view_role_auditor', 'userId=6',
              'userId=6&groupId=3&type=view_role_originator')
{
    my $r = $t->get($portal->hook(1, "tasks.task.counters.get?$args"));
    is($r->header('cache-status'), 'acme; fwd=miss; stored', "$args: a miss");

    my %arg = map { split /=/ } split /&/, $args;
    is(whose($r->body), join('/', 1, $arg{userId} // 1, $arg{groupId} // 0,
                             $arg{type} // 'view_all'), "$args: whose");
}

# --- bypass, once the entry is old enough for it

ok(wait_for(sub { $t->get($url, port => 8083)->header('cache-status')
                  eq 'acme; fwd=bypass' }), 'BYPASS');

# --- stale while it is refreshed

$t->get($url, port => 8081);
$portal->bump(5);
$portal->fault(kind => 'latency', delay => 0.2);

my $updating = wait_for(sub {
    my $r = $t->get($url, port => 8081);
    return $r->header('cache-status') =~ /UPDATING/ ? $r : undef;
});

like($updating->header('cache-status'),
     qr/^brief; hit; ttl=(?:0|-\d+); detail=UPDATING$/, 'UPDATING');
is($updating->body, $original, 'answered with what was there');

ok(wait_for(sub { $t->get($url, port => 8081)->body ne $original }),
   'and refreshed');
$portal->heal;

# --- many at once

$portal->forget;
$portal->fault(kind => 'latency', delay => 0.5);

my %seen;
$seen{ $_->header('cache-status') . ' ' . whose($_->body) }++
    for $t->many([ ($portal->hook(7, 'tasks.task.counters.get')) x 20 ],
                 concurrency => 20);

is_deeply(\%seen, { 'acme; fwd=miss; stored 7/7/0/view_all'    => 1,
                    'acme; fwd=miss; collapsed 7/7/0/view_all' => 19 },
          'MISS and COALESCED');
is($portal->count(user => 7), 1, 'one call for all of them');
$portal->heal;

# --- a refusal

my $group = $portal->hook(5, 'tasks.task.counters.get?groupId=99999');

my $refused = $t->get($group);
is($refused->status, 400, 'refused by the method');
is($refused->header('cache-status'), 'acme; fwd=miss; stored', 'first a MISS');

my $negative = $t->get($group);
is($negative->status, 400, 'and again');
is($negative->header('cache-status'), 'acme; hit; detail=NEGATIVE', 'NEGATIVE');
is($negative->body, $refused->body, 'the same words');
is($negative->header('etag'), undef, 'no ETag on an error');

# --- the portal is gone

my $known = $t->get($url, port => 8082);
$portal->refuse;

my $stale = wait_for(sub {
    my $r = $t->get($url, port => 8082);
    return $r->header('cache-status') =~ /STALE/ ? $r : undef;
});

like($stale->header('cache-status'),
     qr/^old; hit; ttl=(?:0|-\d+); detail=STALE$/, 'STALE');
is($stale->status, 200, 'answered all the same');
is($stale->body, $known->body, 'with what was there');

my $error = $t->get($portal->hook(8, 'tasks.task.counters.get'));
is($error->status, 502, 'nothing cached');
is($error->header('cache-status'), 'acme; fwd=miss; detail=ERROR', 'ERROR');
like($error->body, qr/^\{"error":"\w+","error_description":"[^"]+"\}$/,
     'an error envelope');
is($error->header('access-control-allow-origin'), '*', 'for browsers too');

like($t->get($url)->header('cache-status'), qr/^acme; hit; ttl=\d+$/,
     'what is fresh is served as before');

$t->done;
