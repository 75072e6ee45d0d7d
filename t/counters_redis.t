#!/usr/bin/perl

# The second tier: what one nginx has fetched, another one with the same secret
# finds in Redis, and so does the same one after a restart. What is stored, under
# which names, for how long, in the layout that README.md gives; the ways to
# connect to Redis.
#
# valgrind

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;
my $locked = $t->redis(name => 'LOCKED', password => 's3cr3t-of-redis');
$t->write('redis.password', "s3cr3t-of-redis\n");

my $other = Counters::Test->new;
$other->marker(PORTAL => $portal->url, REDIS => $redis->url);


# One server for several portals: [name, directives]

sub config ($node, $blocks, %how) {
    my $text = join '', map {
        my ($name, $redis, $more) = @$_;
        "counters_portal $name { url %%PORTAL%%; zone 1m; rate off; batch off;"
        . " secret the-same-for-all; redis $redis timeout=2s; $more }\n" } @$blocks;

    $text .= "server { listen 127.0.0.1:%%PORT_8080%%;\n"
           . "add_header X-Source \$counters_source always;\n";
    $text .= "location /$_->[0]/rest/ { counters $_->[0]; proxy_pass %%PORTAL%%/rest/; }\n"
        for @$blocks;

    $node->config("$text}\n", %how);
}


config($t, [
    [ acme   => '%%REDIS%%', 'ttl 1h; stale 1h error=2h;' ],
    [ short  => '%%REDIS%%', 'ttl 1ms; stale 1h;' ],
    [ socket => '%%REDIS_UNIX%%?db=3 prefix=my:', 'ttl 1h;' ],
    [ auth   => '%%LOCKED%%', 'ttl 1h;' ],
    [ file   => 'redis://127.0.0.1:' . $locked->port
                . '/2 password=file:%%DIR%%/redis.password', 'ttl 1h;' ],
]);

config($other, [
    [ acme   => '%%REDIS%%', 'ttl 1h; stale 1h error=2h;' ],
    [ short  => '%%REDIS%%', 'ttl 1h; stale 1h;' ],
], workers => 2);

$t->start;
$other->start;

my $method = 'tasks.task.counters.get';
my $five = $portal->hook(5, $method);


sub seen ($r) {
    my $how = $r->header('cache-status') =~ s/; ttl=-?\d+//r;
    return "$how, " . $r->header('x-source');
}


sub in_redis ($redis, $pattern, $n, $name) {
    my @keys;

    ok(wait_for(sub { @keys = $redis->keys($pattern); @keys == $n }), $name);
    return $keys[0];
}


ok($redis->linked(1 + 1 + 2), 'a connection per node and worker');
ok($locked->linked(2), 'with a password as well');

# --- stored, and found by another nginx

my $before = int(time * 1000);
my $miss = $t->get("/acme$five");
my $after = int(time * 1000) + 1;

is(seen($miss), 'acme; fwd=miss; stored, portal', 'a miss');
my $key = in_redis($redis, 'b24:acme:*', 1, 'is stored in Redis');
like($key, qr/^b24:acme:c:[0-9a-f]{64}$/, 'under a digest');

my $hit = $other->get("/acme$five");
is(seen($hit), 'acme; hit, redis', 'and found there');
is($hit->body, $miss->body, 'byte for byte');
is($hit->header($_), $miss->header($_), $_)
    for qw(content-type etag access-control-allow-origin
           access-control-allow-headers x-content-type-options);
like($hit->header('cache-status'), qr/ttl=3[2-6]\d\d$/, 'its ttl goes on');
is(seen($other->get("/acme" . $portal->hook(5, $method) . '.json?userId=5')),
   'acme; hit, ' . (seen($other->get("/acme$five")) =~ /(\w+)$/)[0],
   'whichever the wire form');
is($portal->count, 1, 'the portal was asked once');

# --- the value

my $value = $redis->command('GET', $key);
my ($magic, $version, $reserved, $status, $fetched, $ttl, $nheaders, $nbody)
    = unpack 'a4 C C n Q> N N N', $value;

is($magic, 'B24C', 'magic');
is("$version $reserved $status", '1 0 200', 'version, reserved, status');
cmp_ok($fetched, '>=', $before, 'when it was fetched: not before');
cmp_ok($fetched, '<=', $after, 'nor after');
cmp_ok($ttl, '>=', 3_240_000, 'ttl: at least 90 %');
cmp_ok($ttl, '<=', 3_600_000, 'ttl: at most all of it');
is(length $value, 44 + $nheaders + $nbody, 'lengths');
is(substr($value, 44 + $nheaders), $miss->body, 'body');
is(substr($value, 44, $nheaders), <<"EOF" =~ s/\n/\r\n/gr, 'headers');
Content-Type: application/json; charset=utf-8
Access-Control-Allow-Origin: *
Access-Control-Allow-Headers: origin, content-type, accept
X-Content-Type-Options: nosniff
EOF

my $expires = $redis->command('PTTL', $key);
cmp_ok($expires, '<=', $ttl + 7_200_000, 'it expires: ttl and stale');
cmp_ok($expires, '>', 7_200_000, 'and not before');

my $code = webhook_code(5);
unlike("@{[ $redis->keys ]} $value", qr/$code/, 'no credential in it');

# --- a restart begins with an empty zone

$t->restart;
$redis->linked(1 + 1 + 2);
$locked->linked(2);

is(seen($t->get("/acme$five")), 'acme; hit, redis', 'found after a restart');
is(seen($t->get("/acme$five")), 'acme; hit, memory', 'then in memory');
is($portal->count, 1, 'without a call');

# --- what is stale already is served, and refreshed

$miss = $t->get("/short$five");
in_redis($redis, 'b24:short:c:*', 1, 'what is stale at once is stored');
$portal->bump(5);

my $stale = $other->get("/short$five");
is(seen($stale), 'short; hit; detail=UPDATING, redis', 'UPDATING from Redis');
is($stale->body, $miss->body, 'the old one');
ok(wait_for(sub { $other->get("/short$five")->body ne $miss->body }), 'refreshed');
is($portal->count, 3, 'by one call');

# --- not stored: refusals, failures

$portal->credential("6/" . webhook_code(6) => 'scope');
is($t->get('/acme' . $portal->hook(6, $method))->status, 403, 'a refusal');
$portal->fault(kind => 'status', status => 500, times => 1);
is($t->get('/acme' . $portal->hook(7, $method))->status, 500, 'a failure');
$t->get('/acme' . $portal->hook(8, $method));
in_redis($redis, 'b24:acme:c:*', 2, 'are not stored, what came after them is');

# --- other ways to Redis

$t->get("/socket$five");
ok(wait_for(sub {
    my $client = $redis->client;
    $client->command('SELECT', 3);
    return @{ $client->command('KEYS', 'my:socket:c:*') } == 1;
}), 'unix socket, database and prefix');

$t->get("/auth$five");
in_redis($locked, 'b24:auth:c:*', 1, 'password in the URL');

$t->get("/file$five");
ok(wait_for(sub {
    my $client = $locked->client;
    $client->command('SELECT', 2);
    return @{ $client->command('KEYS', 'b24:file:c:*') } == 1;
}), 'password from a file, database 2');

is($t->get("/$_$five")->header('x-source'), 'memory', "$_: memory first")
    for qw(socket auth file);

$_->no_secrets('s3cr3t-of-redis', $code, 'the-same-for-all') for $t, $other;

my @bad = $other->finish;
is("@bad", '', 'nothing bad in the other log');

$t->done;
