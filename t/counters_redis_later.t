#!/usr/bin/perl

# What forbids a value in Redis must reach it, also when Redis was away at that
# moment: the value is gone once it is back.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$t->config(<<'EOF', workers => 1);
    counters_portal acme {
        url   %%PORTAL%%;
        zone  1m;
        redis %%REDIS%% timeout=200ms;
        secret some-secret;
        ttl   1h;
    }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ {
            counters        acme;
            counters_bypass $arg_x;
            proxy_pass      %%PORTAL%%;
        }
        location = /purge { counters_purge acme; }
        location = /status { counters_status acme json; }
    }
EOF

$t->start;

sub connected () { return $t->get('/status')->json->{redis}{connected} }
sub keys_of ($kind) { return scalar @{ $redis->command('KEYS', "b24:acme:$kind") } }

my ($own, $other) = map { $portal->hook($_, 'tasks.task.counters.get') } 5, 6;

ok(wait_for(\&connected), 'Redis is there');
is($t->get($_)->status, 200, 'stored') for $own, $other;
ok(wait_for(sub { keys_of('c:*') == 2 }), 'in Redis too');

$redis->pause;

ok(wait_for(sub { $t->get($own . '?groupId=' . int(1 + rand 900)); !connected() }),
   'Redis is away');

$portal->credential('5/' . webhook_code(5) => 'revoked');

ok(wait_for(sub { $t->get("$own?groupId=950")->status == 401 }), 'refused meanwhile');
is($t->post('/purge', 'user=6')->status, 200, 'purged meanwhile');

$redis->resume;

ok(wait_for(\&connected), 'Redis is back');
ok(wait_for(sub { keys_of('r:*') == 1 }), 'and told of the credential');
ok(wait_for(sub { keys_of('p:u:6') == 1 }), 'and of the purge');

$t->expect(qr/redis .* is (?:down|away|lost)/i);
$t->done;
