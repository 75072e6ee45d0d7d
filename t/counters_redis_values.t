#!/usr/bin/perl

# Redis holds what the module has not written there, or not so: a value that is
# cut, changed, of another key, version or secret is not used, and the request
# goes to the portal. What the portal has refused is taken out, and nothing older
# than the refusal is used again.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

# one writes, the other, which has nothing in memory, reads
my $reader = Counters::Test->new;
my $stranger = Counters::Test->new;

for my $node ($t, $reader, $stranger) {
    $node->marker(PORTAL => $portal->url, REDIS => $redis->url,
                  SECRET => $node == $stranger ? 'another' : 'the-same');
    $node->config(<<'EOF');
        counters_portal acme { url %%PORTAL%%; zone 1m; rate off; batch off;
                               redis %%REDIS%% timeout=5s; secret %%SECRET%%;
                               ttl 1h; max_body 64k; }
        server {
            listen 127.0.0.1:%%PORT_8080%%;
            add_header X-Source $counters_source always;
            location /rest/ {
                counters acme;
                counters_bypass $http_x_bypass;
                proxy_pass %%PORTAL%%;
            }
        }
EOF
    $node->start;
}


# A connection that was lost is made again, and nothing is read until then

ok($redis->linked(3), 'all are connected');

my $method = 'tasks.task.counters.get';
my $user = 100;


# The name under which the writer has stored this user's answer

sub store ($node, $user) {
    my %before = map { $_ => 1 } $redis->keys('b24:acme:c:*');
    my @new;

    $node->get($portal->hook($user, $method));
    wait_for(sub { @new = grep { !$before{$_} } $redis->keys('b24:acme:c:*') });

    return $new[0];
}


sub source ($r) {
    return $r->status . ' ' . whose($r->body) . ' ' . $r->header('x-source');
}


# --- values that are none of ours, any more

my $elsewhere = $redis->command('GET', store($t, 90));

my %spoiled = (
    'empty'            => sub { '' },
    'garbage'          => sub { join '', map { chr int rand 256 } 1 .. 500 },
    'text'             => sub { '{"result":{"whose":{"caller":1}}}' },
    'only a header'    => sub { substr $_[0], 0, 44 },
    'cut by one byte'  => sub { substr $_[0], 0, -1 },
    'one byte more'    => sub { "$_[0]x" },
    'version 2'        => sub { substr($_[0], 4, 1) = chr 2; $_[0] },
    'version 0'        => sub { substr($_[0], 4, 1) = chr 0; $_[0] },
    'status 201'       => sub { substr($_[0], 6, 2) = pack 'n', 201; $_[0] },
    'fetched later'    => sub { substr($_[0], 15, 1) ^.= chr 1; $_[0] },
    'another ttl'      => sub { substr($_[0], 19, 1) ^.= chr 1; $_[0] },
    'shifted lengths'  => sub { my ($h, $b) = unpack 'N N', substr $_[0], 20, 8;
                                substr($_[0], 20, 8) = pack 'N N', $h + 1, $b - 1;
                                $_[0] },
    'endless lengths'  => sub { substr($_[0], 20, 8) = "\xff" x 8; $_[0] },
    'another MAC'      => sub { substr($_[0], 28, 1) ^.= chr 1; $_[0] },
    'another header'   => sub { substr($_[0], 44, 1) ^.= chr 32; $_[0] },
    'another counter'  => sub { $_[0] =~ s/"counter":\d/"counter":9/r },
    "another user's"   => sub { $elsewhere },
    'huge'             => sub { $_[0] . 'x' x 8_000_000 },
);

for my $name (sort keys %spoiled) {
    my $key = store($t, ++$user);
    my $spoiled = $spoiled{$name}->($redis->command('GET', $key));

    $redis->command('SET', $key, $spoiled);
    $redis->linked(3);
    is(source($reader->get($portal->hook($user, $method))),
       "200 $user/$user/0/view_all portal", "$name: asked the portal");
}

my $key = store($t, ++$user);
$redis->command('DEL', $key);
$redis->command('RPUSH', $key, 'a', 'b');
is(source($reader->get($portal->hook($user, $method))),
   "200 $user/$user/0/view_all portal", 'a list: asked the portal');

# --- the same untouched is used, so that the above says something

store($t, ++$user);
$redis->linked(3);
is(source($reader->get($portal->hook($user, $method))),
   "200 $user/$user/0/view_all redis", 'a value of ours is used');

# --- written under another secret

$key = store($t, ++$user);
my $foreign = store($stranger, $user);
isnt($foreign, $key, 'another secret, another name');

$redis->command('COPY', $foreign, $key, 'REPLACE');
is(source($reader->get($portal->hook($user, $method))),
   "200 $user/$user/0/view_all portal", 'and a value that does not verify');

# --- refused: a 403 takes the entry out, a 401 all that the credential owns

sub forced ($node, $target) {
    return $node->get($target, headers => { 'X-Bypass' => 1 });
}


for my $case ([ scope => 403 ], [ revoked => 401 ]) {
    my ($state, $status) = @$case;

    $key = store($t, ++$user);
    my $mine = $portal->hook($user, $method);
    $t->get("$mine?groupId=3");
    ok(wait_for(sub { () = $redis->keys('b24:acme:c:*') }), 'two are stored');

    $portal->credential("$user/" . webhook_code($user) => $state);

    # an entry is not forced in its first second
    ok(wait_for(sub { forced($t, $mine)->status == $status }), "status $status");
    ok(wait_for(sub { !$redis->command('EXISTS', $key) }), "status $status: taken out");

    my $r = $reader->get("$mine?groupId=3");
    is($r->status . ' ' . $r->header('x-source'),
       $status == 401 ? '401 portal' : '200 redis',
       "status $status: what else it owns");
}

my @marks = $redis->keys('b24:acme:r:*');
is(scalar @marks, 1, 'one mark against a credential');
like($redis->command('GET', $marks[0]), qr/^\d{13}$/, 'the time of the refusal');
cmp_ok($redis->command('PTTL', $marks[0]), '>', 3_600_000,
       'which outlives what it is against');

# --- a mark that cannot be read forbids as well

$portal->credential("$user/" . webhook_code($user) => 'ok');
ok(wait_for(sub { forced($t, $portal->hook($user, $method))->status == 200 }, 20),
   'the credential is good again');
ok(wait_for(sub { $redis->command('EXISTS', $key) }), 'and its answer stored');

# the latest of all marks is what is looked at first
$redis->command('SET', $_, 'nonsense') for $marks[0], 'b24:acme:p:l';
is($reader->get($portal->hook($user, $method) . '?type=view_all')
       ->header('x-source'), 'portal', 'an odd mark: asked the portal');

for my $node ($reader, $stranger) {
    my @bad = $node->finish;
    is("@bad", '', 'nothing bad in the log');
}

$t->no_secrets(map { webhook_code($_) } 100 .. $user);
$t->done;
