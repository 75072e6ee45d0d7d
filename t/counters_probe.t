#!/usr/bin/perl

# A hold whose end the portal did not tell may be over at once: one call tries,
# first soon and then ever later, and the first good answer ends it. Who has
# nothing cached is not kept waiting for a hold that is known to last longer.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Parked;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

# Nobody here waits for as long as "wait" would allow in "told" and "dry"
$t->config(<<'EOF', workers => 2);
    counters_portal block { url %%PORTAL%%; zone 1m; ttl 1h; wait 10ms; }
    counters_portal used  { url %%PORTAL%%; zone 1m; ttl 1h; wait 10ms;
                            methods tasks.task.counters.get im.counters.get; }
    counters_portal free  { url %%PORTAL%%; zone 1m; ttl 1h; wait 10ms; rate off; }
    counters_portal told  { url %%PORTAL%%; zone 1m; ttl 1h; wait 200s; rate off; }
    counters_portal tier  { url %%PORTAL%%; zone 1m; ttl 1h; wait 200s; rate off;
                            secret x; redis %%REDIS%%; }
    counters_portal dry   { url %%PORTAL%%; zone 1m; ttl 1h; wait 200s; batch off;
                            rate 1r/m burst=1; reserve 0%; }
    server {
        listen 127.0.0.1:%%PORT_8080%% reuseport;

        location /block/rest/ { counters block; proxy_pass %%PORTAL%%/rest/; }
        location /used/rest/  { counters used;  proxy_pass %%PORTAL%%/rest/; }
        location /free/rest/  { counters free;  proxy_pass %%PORTAL%%/rest/; }
        location /told/rest/  { counters told;  proxy_pass %%PORTAL%%/rest/; }
        location /tier/rest/  { counters tier;  proxy_pass %%PORTAL%%/rest/; }
        location /dry/rest/   { counters dry;   proxy_pass %%PORTAL%%/rest/; }

        location = /parked { stub_status; }
        location = /status { counters_status free json; }
        location = /status/block { counters_status block json; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';


sub path ($name, $user, $method = $METHOD) {
    return "/$name" . $portal->hook($user, $method);
}


sub ask ($name, $user, $method = $METHOD) {
    return $t->get(path($name, $user, $method));
}


sub limit ($status, $error, %more) {
    return $portal->fault(kind => 'status', status => $status, error => $error,
                          error_description => 'so', %more);
}


# "error" and Retry-After of an answer that has one

sub told ($r) {
    my $error = ($r->json // {})->{error} // $r->status;

    return "$error " . ($r->header('retry-after') // 'never');
}


# A client that comes again and again sees one call in vain after the other, each
# later than the one before, and none in between

sub probed ($name, $status, $error, $user, @pauses) {
    $portal->reset;
    limit($status, $error);

    is(ask($name, $user)->status, $status, "$name: the first is the portal's own");

    for my $n (1 .. @pauses) {
        my $pause = $pauses[$n - 1];
        my $told = told(ask($name, $user, "$METHOD?groupId=7"));

        like($told, qr/^$error \d+$/, "$name: $n: told of it");

        my ($after) = $told =~ /(\d+)$/;

        cmp_ok($after, '<=', $pause, "$name: $n: for $pause s at most");
        cmp_ok($after, '>', $pause / 2, "$name: $n: and about so long");
        is($portal->count, $n, "$name: $n: without asking");

        last if $n == @pauses;

        ok(wait_for(sub { ask($name, $user); $portal->count > $n }, 4 * $pause),
           "$name: $n: then one tries");
    }

    $portal->heal;

    ok(wait_for(sub { ask($name, $user)->status == 200 }, 4 * $pauses[-1]),
       "$name: the first good answer");
    is(ask($name, $user + 10)->status, 200, "$name: opens it for others");
}


probed('block', 503, 'OVERLOAD_LIMIT', 5, 5, 10);

# once open it begins anew, with the first pause
probed('block', 503, 'OVERLOAD_LIMIT', 6, 5);

# --- a limit that the parts of a batch tell of is one like any other

$portal->reset;
$portal->fault(kind => 'error', target => $_, status => 503, error => 'OVERLOAD_LIMIT')
    for 7, 8;

my $before = $t->get('/status/block')->json->{portal}{overloads};
my $r = $t->post(path('block', 1, 'batch'),
                 join '&', map { "cmd[u$_]=$METHOD%3FuserId%3D$_" } 6 .. 8);

like(told($r), qr/^OVERLOAD_LIMIT [1-5]$/, 'parts of a batch tell of a limit');
is($portal->count, 1, 'once');
is($t->get('/status/block')->json->{portal}{overloads}, $before + 1, 'it is counted once');
like(told(ask('block', 9)), qr/^OVERLOAD_LIMIT [1-5]$/, 'it holds the portal');
is($portal->count, 1, 'which is not asked');
$portal->heal;
ok(wait_for(sub { ask('block', 9)->status == 200 }, 20), 'until one that tries is answered');

# a portal that is said to have no limit
probed('free', 503, 'QUERY_LIMIT_EXCEEDED', 5, 1, 2, 4);

# while the one that tries is under way nobody is sent away for as long as that may
# take at most
$portal->reset;
limit(503, 'QUERY_LIMIT_EXCEEDED', times => 1);
is(ask('free', 25)->status, 503, 'a limit');
ok(wait_for(sub { told(ask('free', 26)) !~ /QUERY_LIMIT/ }, 20), 'that passes');

limit(503, 'QUERY_LIMIT_EXCEEDED', times => 1);
is(ask('free', 27)->status, 503, 'another');
$portal->process->signal('STOP');
ok(wait_for(sub { $t->get('/status')->json->{queue}{flying} }), 'what met it tries');

my %told = map { told(ask('free', 30 + $_)) => 1 } 1 .. 5;

is_deeply(\%told, { 'QUERY_LIMIT_EXCEEDED 1' => 1 }, 'others may come again soon');
$portal->process->signal('CONT');
ok(wait_for(sub { ask('free', 27)->status == 200 }, 20), 'it is answered');

# --- OPERATION_TIME_LIMIT without a time: its method under its credential

probed('used', 429, 'OPERATION_TIME_LIMIT', 5, 5);

$portal->reset;
limit(429, 'OPERATION_TIME_LIMIT', method => $METHOD, user => 6);
is(ask('used', 6)->status, 429, 'used: limited');
is(ask('used', 6, 'im.counters.get')->status, 200, 'used: another method is not');
is(ask('used', 7)->status, 200, 'used: nor another credential');
is($portal->count, 3, 'used: both have been asked for');

# --- nothing cached, and a hold that will last longer than "wait"

$portal->reset;
limit(503, 'QUERY_LIMIT_EXCEEDED', headers => [ [ 'Retry-After', 600 ] ]);

like(told(ask('told', 5)), qr/^QUERY_LIMIT_EXCEEDED (?:600|59\d)$/,
     'who meets the limit is told at once');
like(told(ask('told', 6)), qr/^QUERY_LIMIT_EXCEEDED (?:600|59\d)$/, 'and others');
is($portal->count, 1, 'who are not asked for');

# nor is it Redis that they wait for, which does not have it
$portal->reset;
ok($redis->linked(2), 'the workers are connected to Redis');
is(ask('tier', 4)->status, 200, 'something is in Redis');
limit(503, 'QUERY_LIMIT_EXCEEDED', headers => [ [ 'Retry-After', 600 ] ]);
like(told(ask('tier', 5)), qr/^QUERY_LIMIT_EXCEEDED (?:600|59\d)$/, 'a limit');
like(told(ask('tier', $_)), qr/^QUERY_LIMIT_EXCEEDED (?:600|59\d)$/,
     'it is looked for in Redis, and told of then') for 6 .. 8;
is($portal->count, 2, 'without asking the portal');

# who waits for quota already, in whatever worker
$portal->reset;
is(ask('dry', 5)->status, 200, 'the quota is spent');

my @clients = map { $t->client->begin(GET => path('dry', $_)) } 6 .. 11;

ok(await_parked($t, 6), 'some wait for it');
limit(503, 'QUERY_LIMIT_EXCEEDED', headers => [ [ 'Retry-After', 600 ] ]);
is(ask('dry', 5, 'profile')->status, 503, 'a request passed on meets a limit');

for my $client (@clients) {
    like(told($t->client->receive($client)), qr/^QUERY_LIMIT_EXCEEDED (?:600|59\d)$/,
         'they are told');
}

$t->done;
