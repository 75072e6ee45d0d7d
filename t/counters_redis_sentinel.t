#!/usr/bin/perl

# A Redis whose primary is asked of Sentinels: it is found, followed when it changes
# place, and when it dies, while sentinels come and go. No request fails meanwhile.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Ports qw(free_port);
use Counters::Resp;
use Counters::Test;

my $SECRET = 'sentinels-pa55word';

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my @redis = map { $t->redis(name => "R$_", password => 'redis-pa55word',
                            conf => [ '--masterauth', 'redis-pa55word' ]) } 0, 1;
my @ports = map { free_port() } 1 .. 3;

$redis[1]->command('REPLICAOF', '127.0.0.1', $redis[0]->port);


sub sentinel ($n) {
    my $file = $t->dir . "/sentinel-$n.conf";

    $t->write("sentinel-$n.conf", <<"EOF") if !-e $file;
port $ports[$n]
bind 127.0.0.1
dir @{[ $t->dir ]}
requirepass $SECRET
sentinel monitor main 127.0.0.1 @{[ $redis[0]->port ]} 2
sentinel auth-pass main redis-pa55word
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 3000
EOF

    return Counters::Process->start(command => [ 'redis-server', $file, '--sentinel' ],
                                    output  => $t->dir . "/sentinel-$n.out");
}


sub ask ($n, @words) {
    my $client = Counters::Resp->new(port => $ports[$n], password => $SECRET) or return;
    return eval { $client->command('SENTINEL', @words) };
}


my @sentinels = map { sentinel($_) } 0 .. 2;


# all three know of each other and of the replica
sub agreed () {
    return wait_for(sub {
        !grep {
            my %of = @{ ask($_, 'MASTER', 'main') // [] };
            ($of{'num-other-sentinels'} // 0) != 2 || ($of{'num-slaves'} // 0) != 1
        } grep { $sentinels[$_] } 0 .. 2;
    }, 60);
}


ok(agreed(), 'the sentinels agree');

my $list = join ',', map { "127.0.0.1:$_" } @ports;
$t->marker(SENTINELS => "sentinel://$list/main");
$t->write('redis.password', "redis-pa55word\n");
$t->write('sentinel.password', "$SECRET\n");

my $server = <<'EOF';
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location = /status { counters_status acme json; }
    }
EOF


sub portal_with ($redis) {
    return "counters_portal acme { url %%PORTAL%%; zone 1m; rate off; batch off; ttl 1h;"
           . " secret one; redis $redis; }\n$server";
}


my $passwords = 'password=file:%%DIR%%/redis.password'
                . ' sentinel_password=file:%%DIR%%/sentinel.password';

$t->config(portal_with("%%SENTINELS%% timeout=1s $passwords"), workers => 2);
$t->start;

my ($user, $method) = (100, 'tasks.task.counters.get');
my $failed = 0;


sub fetch () {
    $user++;
    $failed++ if $t->get($portal->hook($user, $method))->status != 200;
}


sub used ($redis) {
    return wait_for(sub {
        my $before = $redis->command('DBSIZE');
        fetch();
        wait_for(sub { $redis->command('DBSIZE') > $before }, 1);
    }, 40);
}


ok(used($redis[0]), 'the primary is found');

# --- it changes place

ask(0, 'FAILOVER', 'main');
ok(wait_for(sub { $redis[1]->command('ROLE')->[0] eq 'master' }, 40), 'another is the primary');
ok(used($redis[1]), 'and is used');

# --- with sentinels gone, the first of the list among them

(shift @sentinels)->stop;
unshift @sentinels, undef;
$redis[1]->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
ok(used($redis[1]), 'the next sentinel is asked');
$sentinels[0] = sentinel(0);
ok(agreed(), 'it is back');

# --- the primary dies

ok(wait_for(sub { $redis[0]->command('ROLE')->[0] eq 'slave' }, 40), 'the old one follows');
$redis[1]->stop;
ok(wait_for(sub { $redis[0]->command('ROLE')->[0] eq 'master' }, 60), 'the primary is dead');
ok(used($redis[0]), 'and the new one is used');
is($failed, 0, 'no request failed');

# --- none of them knows

$t->stop;
$t->marker(SENTINELS => "sentinel://$list/nobody");
$t->config(portal_with("%%SENTINELS%% timeout=1s $passwords"));
$t->start;
fetch();
ok(wait_for(sub { $t->log_lines(qr/is not available: the sentinel knows no such primary/) }),
   'one that no sentinel knows: said so');
ok(!$t->get('/status')->json->{redis}{connected}, 'not connected');
$t->stop;

# --- what nginx -t refuses

for my $case (
    [ "sentinel://$list", qr/needs sentinel:/ ],
    [ "sentinel://$list/", qr/needs the name of a primary/ ],
    [ "sentinel://:s3cr3t\@$list/main", qr/password apart/ ],
    [ "sentinel://$list/main/x", qr/database number/ ],
    [ 'sentinel://no-such-host.invalid/main', qr/cannot be found/ ],
    [ 'redis://127.0.0.1 sentinel_password=abc', qr/needs sentinel:/ ],
) {
    my ($ok, $output) = $t->check(portal_with($case->[0]));
    ok(!$ok, "refused: $case->[0]");
    like($output, $case->[1], 'and said why');
    unlike($output, qr/s3cr3t/, 'without a secret');
}

is($failed, 0, 'no request failed at all');
$_->stop for @sentinels;
$t->no_secrets('redis-pa55word', $SECRET, map { webhook_code($_) } 101 .. $user);
$t->done;
