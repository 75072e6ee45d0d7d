#!/usr/bin/perl

# A Redis that is known by its name and moves: to another address, as hosted ones do
# on a failover. The name is looked up again when a connection is lost, and when what
# answers is a replica, without ever holding the worker up: the name server may be
# dead meanwhile. One that falls silent without a word is found out, too.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Ports qw(free_port);
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

my $preload = $t->dir . '/hosts.so';
system('cc', '-shared', '-fPIC', '-o', $preload, "$FindBin::Bin/lib/hosts.c", '-ldl') == 0
    or die "t/lib/hosts.c does not compile\n";

# one port at several addresses

my $port = free_port();
my %redis = map { $_ => $t->redis(name => "R$_", port => $port,
                                  address => "127.0.0.$_") } 2 .. 4;
my $fake = $t->fake_redis;

$t->config(<<"EOF", main => 'env COUNTERS_HOSTS;');
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; batch off; ttl 1h; secret one;
                           redis redis://hosted.example:$port timeout=2s; }
    counters_portal mute { url %%PORTAL%%; zone 1m; rate off; batch off; ttl 1h; secret one;
                           redis %%FAKE_REDIS%% timeout=300ms; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location = /status { counters_status acme json; }
        location = /mute { counters_status mute json; }
    }
EOF


sub moves_to (@last) {
    $t->write('hosts.new', join '', map { "127.0.0.$_\n" } @last);
    rename $t->dir . '/hosts.new', $t->dir . '/hosts' or die "hosts: $!\n";
}


sub connected ($status = '/status') {
    return $t->get($status)->json->{redis}{connected};
}


my ($user, $method) = (100, 'tasks.task.counters.get');


sub fetched () {
    $user++;
    return $t->get($portal->hook($user, $method))->status == 200;
}


sub used ($redis) {
    return wait_for(sub {
        $redis->command('FLUSHALL') if $redis->command('ROLE')->[0] eq 'master';
        fetched();
        my @keys = $redis->keys('b24:acme:c:*');
        @keys && connected();
    }, 30);
}


moves_to(2);

{
    local $ENV{LD_PRELOAD} = $preload;
    local $ENV{COUNTERS_HOSTS} = $t->dir . '/hosts';
    local $ENV{ASAN_OPTIONS} = 'verify_asan_link_order=0:' . ($ENV{ASAN_OPTIONS} // '');
    $t->start;
}

ok(wait_for(\&connected), 'connected');
ok(used($redis{2}), 'to the first address');

# --- it is gone, and another has its name

moves_to(3);
$redis{2}->stop;
ok(used($redis{3}), 'to where the name has moved');

# --- it is a replica of another now, which has its name

$redis{3}->command('REPLICAOF', '127.0.0.4', $port);
moves_to(4);
ok(used($redis{4}), 'to the primary that has the name now');
$redis{3}->stop;

# --- of several addresses one is there

moves_to(2, 3, 4);
$redis{4}->stop;
ok(wait_for(sub { fetched(); !connected() }), 'nobody is there');
$redis{3}->start;
ok(used($redis{3}), 'the one of three addresses that answers');

# --- the name server is dead: the old address serves, and nobody waits

unlink $t->dir . '/hosts' or die "hosts: $!\n";
$redis{3}->stop;
ok(wait_for(sub { fetched(); !connected() }), 'lost again');
is(scalar(grep { fetched() } 1 .. 50), 50, 'a dead name server: all are answered');
$redis{3}->start;
ok(used($redis{3}), 'the address that was known');

$redis{3}->stop;
ok(wait_for(sub { fetched(); !connected() }), 'lost once more');
moves_to(2);
$redis{2}->start;
ok(used($redis{2}), 'and what a name server says that is back');

# --- one that falls silent while nobody asks it anything

ok(wait_for(sub { connected('/mute') }), 'another one is connected');
$fake->rule(kind => 'hang');
ok(wait_for(sub { !connected('/mute') }, 60), 'it is found out');
ok(wait_for(sub { $t->log_lines(qr/lost: timed out/) >= 2 }, 30), 'by each connection');

$fake->heal;
ok(wait_for(sub { connected('/mute') }, 30), 'and tried again');

# --- nginx leaves while a name is being looked up

unlink $t->dir . '/hosts' or die "hosts: $!\n";
$redis{2}->stop;
ok(wait_for(sub { fetched(); !connected() }), 'lost at last');
ok($t->stop, 'nginx leaves');

$t->done;
