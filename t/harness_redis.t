#!/usr/bin/perl

# The real and the fake Redis of the harness.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Counters::Resp;
use Counters::Test;

my $t = Counters::Test->new;

subtest 'real' => sub {
    my $redis = $t->redis(password => 'secret');

    is($redis->command('SET', 'a', "\r\n\0"), 'OK', 'SET');
    is($redis->command('GET', 'a'), "\r\n\0", 'GET');
    is_deeply([ $redis->keys ], [ 'a' ], 'keys');
    is(Counters::Resp->new(path => $redis->path, password => 'secret')
       ->command('GET', 'a'), "\r\n\0", 'unix socket');
    ok(!eval { Counters::Resp->new(port => $redis->port)->command('GET', 'a'); 1 },
       'not without the password');
    like($redis->url, qr{^redis://:secret\@127\.0\.0\.1:\d+/0$}, 'URL');

    ok($redis->stop, 'stopped');
    ok(!Counters::Resp->new(port => $redis->port), 'gone');
    $redis->start;
    is($redis->command('GET', 'a'), undef, 'started again, empty');

    $redis->pause;
    my $client = Counters::Resp->new(port => $redis->port);     # by the kernel
    ok($client->{socket}, 'paused, still connectable');
    $redis->resume;
    is($redis->command('PING'), 'PONG', 'resumed');
};

subtest 'fake' => sub {
    my $redis = $t->fake_redis;
    my $client = sub { Counters::Resp->new(port => $redis->port) };
    my $failure = sub (@words) {
        return eval { $client->()->command(@words); 1 } ? '' : $@;
    };

    my $one = $client->();
    is($one->command('SET', 'k', 'value', 'PX', 60_000), 'OK', 'SET');
    is($one->command('GET', 'k'), 'value', 'GET');
    cmp_ok($one->command('PTTL', 'k'), '>', 50_000, 'PTTL');
    is($one->command('SET', 'k', 'x', 'NX'), undef, 'SET NX');
    $one->command('SET', 'short', 'x', 'PX', 1);
    ok(wait_for(sub { !defined $one->command('GET', 'short') }), 'expires');
    is($redis->clients, 1, 'connections');
    is_deeply(($redis->calls('SET'))[0], [ 'SET', 'k', 'value', 'PX', 60_000 ],
              'recorded');

    $redis->rule(kind => 'split', command => 'GET', times => 1, every => 0.001);
    is($one->command('GET', 'k'), 'value', 'split');
    $redis->rule(kind => 'slow', delay => 0.01, times => 1);
    is($one->command('GET', 'k'), 'value', 'slow');
    $redis->rule(kind => 'nil', times => 1);
    is($one->command('GET', 'k'), undef, 'nil');
    $redis->rule(kind => 'reply', text => "\$2\r\nhi\r\n", times => 1);
    is($one->command('GET', 'k'), 'hi', 'any reply');

    $redis->rule(kind => 'moved', slot => 5, address => '127.0.0.1:9', times => 1);
    is($failure->('GET', 'k'), "MOVED 5 127.0.0.1:9\n", 'moved');
    $redis->rule(kind => 'error', text => 'LOADING', times => 1);
    is($failure->('GET', 'k'), "LOADING\n", 'error');

    for my $kind (qw(close reset half)) {
        $redis->rule(kind => $kind, times => 1);
        like($failure->('GET', 'k'), qr/closed/, $kind);
    }

    $redis->rule(kind => 'hang');
    my $waiting = $client->();
    syswrite $waiting->{socket}, "*1\r\n\$4\r\nPING\r\n";
    ok(wait_for(sub { $redis->calls('PING') }), 'hangs');
    is($redis->command('GET', 'k'), 'value', 'but not for the test');
    $redis->heal;
    is($client->()->command('PING'), 'PONG', 'healed');

    $redis->drop;
    ok(wait_for(sub { $redis->clients == 0 }), 'dropped');
    $redis->refuse;
    ok(wait_for(sub { !$client->() }), 'refused');
    $redis->accept;
    is($client->()->command('PING'), 'PONG', 'accepted again');
};

$t->done;
