#!/usr/bin/perl

# A refusal (400 of the method, 401, 403) is remembered for "negative", for that
# call under that credential alone, and ends what was stored: a revoked credential
# never sees its old data again, neither from memory nor from Redis.
#
# valgrind

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

# Entries go stale at once and are refreshed while clients are answered. "long"
# remembers a refusal for the whole test, "other" not for long, "never" not at all.
$t->config(<<'EOF', workers => 2);
    counters_portal long  { url %%PORTAL%%; zone 1m; rate off; negative 1h;
                            ttl 100ms; stale 1h error=2h; redis %%REDIS%%;
                            secret one; batch off; }
    counters_portal other { url %%PORTAL%%; zone 1m; rate off; negative 100ms;
                            ttl 100ms; stale 1h error=2h; redis %%REDIS%%;
                            secret one; batch off; }
    counters_portal never { url %%PORTAL%%; zone 1m; rate off; negative 0;
                            ttl 100ms; stale 1h error=2h; }

    add_header X-Status "$counters_cache_status $counters_source" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location / { counters long; proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location / { counters other; proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8082%%;
        location / { counters never; proxy_pass %%PORTAL%%; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';

sub status ($target, %how) {
    my $r = $t->get($target, %how);
    return join ' ', $r->status, $r->header('x-status');
}

sub in_redis ($pattern) {
    my @keys = $redis->keys($pattern);
    return scalar @keys;
}


# The key in Redis that is not there before the code has run

sub new_key ($code) {
    my %known = map { $_ => 1 } $redis->keys('*:long:c:*');
    my @new;

    $code->();
    wait_for(sub { @new = grep { !$known{$_} } $redis->keys('*:long:c:*') });

    return $new[0];
}

# --- a 400 of the method

my $user = 20;

my $bad = $portal->hook($user, "$METHOD?groupId=99999");
my $good = $portal->hook($user, $METHOD);

is(status($good), '200 MISS portal', 'a good call');
is(status($bad), '400 MISS portal', 'one that the method refuses');
is(status($bad), '400 NEGATIVE memory', 'remembered') for 1 .. 3;
is($portal->count(user => $user, status => 400), 1, 'asked once');

like(status($good), qr/^200 /, 'other calls of the credential go on');
is(status($portal->hook($user, "$METHOD?groupId=99999", 2)), '400 MISS portal',
   'another credential: not remembered');
is(status("/rest/$METHOD?groupId=99999&auth=" . access_token($user)),
   '400 MISS portal', 'a token of the same user neither');

# --- 401 and 403 end what was stored, in the background and for good

for my $case ([ 401, 'revoked', 401 ], [ 401, 'expired', 401 ],
              [ 403, 'invalid', 403 ],
              [ 403, 'scope',   200 ], [ 403, 'user',    200 ])
{
    my ($code, $state, $others) = @$case;
    my $name = "$code $state";

    $user++;

    my $own = $portal->hook($user, $METHOD);
    my $group = $portal->hook($user, "$METHOD?groupId=7");
    my $second = $portal->hook($user, $METHOD, 2);
    my $token = "/rest/$METHOD?auth=" . access_token($user);

    my $key = new_key(sub { is(status($own), '200 MISS portal', "$name: stored") });

    ok($key, "$name: in Redis too");
    is(status($_), '200 MISS portal', "$name: stored") for $group, $second, $token;

    $portal->credential("$user/" . webhook_code($user) => $state);

    ok(wait_for(sub { status($own) =~ /^$code NEGATIVE/ }),
       "$name: noticed, then remembered");
    is(status($own), "$code NEGATIVE memory", "$name: no way back") for 1 .. 3;

    ok(wait_for(sub { !$redis->command('EXISTS', $key) }), "$name: gone from Redis");

    my $kept = qr/^200 (?:UPDATING|HIT) memory$/;

    like(status($group), $others == 200 ? $kept : qr/^$others MISS portal$/,
         "$name: the other call of this credential");
    like(status($_), $kept, "$name: other credentials keep what they have")
        for $second, $token;

    # back in favour, which nobody hears of before "negative" is over
    $portal->credential("$user/" . webhook_code($user) => 'ok');
    is(status($own), "$code NEGATIVE memory", "$name: remembered");
}

# --- what another node has stored in Redis does not come back either

$user = 30;

my $own = $portal->hook($user, $METHOD);
my $group = $portal->hook($user, "$METHOD?groupId=7");

is(status($_, port => 8081), '200 MISS portal', 'stored') for $own, $group;
ok(wait_for(sub { in_redis('*:other:c:*') == 2 }), 'in Redis too');

my %saved = map { $_ => $redis->command('GET', $_) } $redis->keys('*:other:c:*');

$portal->credential("$user/" . webhook_code($user) => 'revoked');

ok(wait_for(sub { status($own, port => 8081) =~ /^401/ }), 'revoked');
ok(wait_for(sub { in_redis('*:other:r:*') == 1 }), 'a mark in Redis');

for my $restart (0, 1) {
    $redis->command('SET', $_, $saved{$_}) for keys %saved;
    $t->restart if $restart;

    like(status($_, port => 8081), qr/^401 (?:MISS portal|NEGATIVE memory)$/,
         'the old value in Redis is not believed' . ' by a new nginx' x $restart)
        for $own, $group, $own;
}

# a new answer is

$portal->credential("$user/" . webhook_code($user) => 'ok');
ok(wait_for(sub { status($own, port => 8081) =~ /^200 (?:MISS|UPDATING|HIT)/ }),
   'back in favour');

# --- "negative 0"

$portal->forget;

is(status($bad, port => 8082), '400 MISS portal', 'negative 0: not remembered')
    for 1 .. 3;
is($portal->count(user => 20, status => 400), 3, 'asked each time');

$t->done;
