#!/usr/bin/perl

# counters_bypass forces a refresh, but is no way around the quota: it does so once a
# second per entry, no more than the bucket allows, and not while the portal wants
# peace.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
$t->redis;

my $CONFIG = <<'EOF';
    counters_portal acme {
        url      %%PORTAL%%;
        zone     1m;
        redis    %%REDIS%%;
        secret   one;
        ttl      1h;
        %%RATE%%
    }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location / {
            counters acme;
            counters_bypass $http_x_force $http_x_also;
            add_header X-Status $counters_cache_status always;
            proxy_pass %%PORTAL%%;
        }
    }
EOF

$t->marker(RATE => 'rate off; wait 1h;');
$t->config($CONFIG, workers => 2);
$t->start;

my $METHOD = 'tasks.task.counters.get';
my $url = $portal->hook(5, $METHOD);

sub force ($target, %headers) {
    return $t->get($target, headers => { 'X-Force' => 1, %headers });
}

sub revision ($body) {
    return ($body =~ /"revision":(\d+)/)[0];
}

# Forced as soon as the entry is old enough for it

sub forced ($target, %headers) {
    my $r;
    wait_for(sub { $r = force($target, %headers);
                   $r->header('x-status') ne 'HIT' });

    return $r;
}

# --- it forces

is(force($url)->header('x-status'), 'BYPASS', 'nothing cached');
is(force($url)->header('x-status'), 'HIT', 'not again at once');

my $other = $portal->hook(7, $METHOD);

is($t->get($other)->header('x-status'), 'MISS', 'fetched for somebody else');
is(force($other)->header('x-status'), 'BYPASS', 'forced at once');

$other = $portal->hook(7, "$METHOD?groupId=99999");

is($t->get($other)->header('x-status'), 'MISS', 'a refusal');
is($t->get($other)->header('x-status'), 'NEGATIVE', 'remembered');
is(force($other)->header('x-status') . ' ' . force($other)->header('x-status'),
   'BYPASS NEGATIVE', 'forced, but not again at once');

$portal->bump(5);
my $r = forced($url);

is($r->header('x-status'), 'BYPASS', 'forced');
is($r->header('cache-status'), 'acme; fwd=bypass', 'Cache-Status');
is(revision($r->body), 1, 'the answer of now');
is($t->get($url)->body, $r->body, 'which others get from then on');
is($t->get($url)->header('x-status'), 'HIT', 'as a hit');

$portal->bump(5);
is(forced($url, 'X-Force' => '', 'X-Also' => 'yes')->header('x-status'), 'BYPASS',
   'by the second value');

# --- by these values only; the entry is old enough for any of them by now

$portal->forget;
ok(wait_for(sub { $t->get($url)->header('age') >= 2 }), 'time has passed');

for my $headers ({}, { 'X-Force' => 0 }, { 'X-Force' => '' },
                 { 'X-Force' => 0, 'X-Also' => 0 })
{
    is($t->get($url, headers => $headers)->header('x-status'), 'HIT',
       join ' ', 'not by', %$headers);
}

is($portal->count, 0, 'the portal was left alone');

# --- once a second

$portal->forget;

my $start = time;
my %seen;
$seen{ $_->header('x-status') }++
    for $t->many([ ({ target => $url, headers => { 'X-Force' => 1 } }) x 2000 ],
                 concurrency => 16);
my $most = 2 + int(time - $start);

cmp_ok($portal->count, '>=', 1, 'asked');
cmp_ok($portal->count, '<=', $most, "at most once a second: $most");
cmp_ok($seen{HIT}, '>', 1000, 'most were hits');
is(join(' ', sort keys %seen), 'BYPASS HIT', 'nothing else');

# --- an entry that nobody forces is not

$t->get($portal->hook(6, $METHOD));
$portal->forget;
forced($url);
is($portal->count(user => 6), 0, "another's entry is not refreshed");

# --- when the portal fails

$portal->fault(kind => 'status', status => 500, times => 1);
$portal->forget;
ok(wait_for(sub { force($url)->status == 200 && $portal->count >= 1 }),
   'the portal fails');
is($t->get($url)->header('x-status'), 'HIT', 'the entry stays');

# --- within the quota: what was cached before is answered all the same

my @urls = map { $portal->hook($_, $METHOD) } 100 .. 139;
my $burst = 5;

$t->get($_) for @urls;
$t->marker(RATE => "rate 1r/s burst=$burst; reserve 0%; wait 1h; batch off;");
$t->config($CONFIG, workers => 2);
ok($t->reload(gone => 1), 'with a small bucket');

$portal->forget;
ok(wait_for(sub { $t->get($urls[-1])->header('age') >= 1 }), 'old enough');

$start = time;
%seen = ();
$seen{ $_->header('x-status') . ' ' . $_->status }++
    for $t->many([ map { { target => $_, headers => { 'X-Force' => 1 } } } @urls ],
                 concurrency => 8);
$most = $burst + 1 + int(time - $start);

cmp_ok($portal->count, '>=', $burst, 'what the bucket gives');
cmp_ok($portal->count, '<=', $most, "and no more: $most");
cmp_ok($seen{'HIT 200'}, '>=', @urls - $most, 'the others are hits');
is(($seen{'HIT 200'} // 0) + ($seen{'BYPASS 200'} // 0), scalar @urls,
   'all are answered');

# --- not while the portal is overloaded, which lasts longer than any client

$t->marker(RATE => 'rate off; wait 1h;');
$t->config($CONFIG, workers => 2);
ok($t->reload(gone => 1), 'with no limit');

$portal->fault(kind => 'status', status => 503, error => 'OVERLOAD_LIMIT',
               headers => [ [ 'Retry-After', 600 ] ]);
ok(wait_for(sub { force($_)->status == 200 || return 0 for $urls[0];
                  $portal->count(status => 503) >= 1 }), 'told of the overload');
$portal->heal;
$portal->forget;

for my $target (@urls[1 .. 5]) {
    my $r = force($target);

    is($r->status, 200, 'answered');
    is($r->header('x-status'), 'HIT', 'with what there is');
}

is($portal->count, 0, 'the portal is left in peace');

$t->done;
