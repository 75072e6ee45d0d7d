#!/usr/bin/perl

# The portal refuses the webhook of a managed location: the administrator's fault,
# for which visitors get old data as long as there is any, be it in Redis only.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$t->config(<<'EOF', workers => 2);
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; batch off; ttl 1ms;
                           stale 0; secret one; redis %%REDIS%% timeout=2s;
                           webhook %%WEBHOOK_1%%; }

    add_header X-Status "$counters_cache_status $counters_source" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location ~ ^/of/([0-9]+)$ { counters acme; counters_user $1; }
    }
EOF

$t->start;


sub status ($user) {
    my $r = $t->get("/of/$user");
    return join ' ', $r->status, $r->header('x-status');
}


ok($redis->linked(2), 'connected');

is(status($_), '200 MISS portal', "stored: $_") for 1 .. 4;
ok(wait_for(sub { my @keys = $redis->keys('b24:acme:c:*'); @keys == 4 }),
   'in Redis');

$t->restart;
ok($redis->linked(2), 'connected again');

$portal->credential('1/' . webhook_code(1) => 'revoked');

like(status(9), qr/^502 ERROR/, 'the webhook is refused');
is(status($_), '200 STALE redis', "Redis has $_") for 1 .. 4;
is(status($_), '200 STALE memory', "then memory has $_") for 1 .. 4;
like(status(10), qr/^502 ERROR/, 'nobody has this one');

# refused again, with each call that is tried

$portal->credential('1/' . webhook_code(1) => 'ok');
ok(wait_for(sub { status(1) eq '200 MISS portal' }, 20), 'until it is accepted');

$t->done;
