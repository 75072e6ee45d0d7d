#!/usr/bin/perl

# Redis is paused, stopped and restarted while clients are being served by four
# workers: no request fails or waits for it, each gets its own user's counters,
# and Redis is used again when it is back. A Redis that was never there, or that
# does not let us in, is no different.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;
my $later = $t->redis(name => 'LATER');
my $locked = $t->redis(name => 'LOCKED', password => 'right-pa55word');

$later->stop;
$t->marker(WRONG => 'redis://:wrong-pa55word@127.0.0.1:' . $locked->port . '/0');

# a zone that has room for a few of the users, so that Redis has the others
$t->config(<<'EOF', workers => 4);
    counters_portal acme  { url %%PORTAL%%; zone 256k; rate off; batch off; secret x;
                            ttl 1h; redis %%REDIS%%; }
    counters_portal later { url %%PORTAL%%; zone 1m; rate off; batch off; secret x;
                            ttl 1h; redis %%LATER%% timeout=1s; }
    counters_portal wrong { url %%PORTAL%%; zone 1m; rate off; batch off; secret x;
                            ttl 1h; redis %%WRONG%% timeout=1s; }
    server {
        listen 127.0.0.1:%%PORT_8080%% reuseport;
        keepalive_timeout 0;    # so that every worker has work
        add_header X-Source $counters_source always;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location /later/rest/ { counters later; proxy_pass %%PORTAL%%/rest/; }
        location /wrong/rest/ { counters wrong; proxy_pass %%PORTAL%%/rest/; }
    }
EOF

$t->start;

my $method = 'tasks.task.counters.get';


sub lines ($file) {
    return () = Counters::Test::slurp($file) =~ /\n/g;
}


# Waits until so many requests more have been answered

sub served ($n) {
    my $log = $t->dir . '/access.log';
    my $from = lines($log);

    return ok(wait_for(sub { lines($log) >= $from + $n }, 60),
              "$n requests are answered");
}


sub said ($pattern) {
    return scalar $t->log_lines($pattern);
}


sub stored () {
    return wait_for(sub {
        $redis->command('FLUSHALL');
        wait_for(sub { $redis->command('DBSIZE') > 0 }, 1);
    }, 30);
}


my $load = $t->load(
    concurrency => 12,
    next  => sub ($n) { $portal->hook(1 + $n % 400, $method) },
    check => sub ($r, $target) {
        my ($user) = $target =~ m{^/rest/(\d+)/};

        return 'status ' . $r->status if $r->status != 200;
        return 'somebody else\'s' if whose($r->body) ne "$user/$user/0/view_all";
        return;
    });

served(300);
ok(stored(), 'Redis is in use');

# --- paused: it takes connections and commands, and says nothing

$redis->pause;
served(600);
ok(wait_for(sub { said(qr/redis \S+ lost: timed out/) >= 4 }),
   'each worker has noticed');
served(300);

$redis->resume;
ok(wait_for(sub { said(qr/redis \S+ is back/) >= 4 }, 30), 'each is back');
ok(stored(), 'in use again');
served(300);

# --- restarted

for my $round (1 .. 3) {
    $redis->stop;
    served(100);
    $redis->start;
    served(100);
}

ok(stored(), 'in use after restarts');

# --- gone for a while

my $back = said(qr/is back/);
$redis->stop;
served(300);
$redis->start;
ok(wait_for(sub { said(qr/is back/) > $back }, 30), 'back again');
ok(stored(), 'in use at last');
ok($redis->linked(4), 'by each worker');
served(1200);

my $sum = $load->stop;

is($sum->{failed}, 0, 'no request failed');
is("@{ $sum->{complaints} }", '', 'all had their answer');
is_deeply([ keys %{ $sum->{statuses} } ], [ 200 ], 'of one kind');
cmp_ok($sum->{caches}{'acme; hit'} // 0, '>', 100, 'some from Redis');
cmp_ok($sum->{answers}, '>', 2000, 'the load was one');

# --- what was never there is used once it is

my $five = $portal->hook(5, $method);

is($t->get("/later$five")->status, 200, 'no Redis from the start: answered');
$later->start;

my $user = 1000;
ok(wait_for(sub {
    $t->get('/later' . $portal->hook(++$user, $method));
    return $later->command('DBSIZE') > 0;
}, 20), 'used when it is there');

# --- it does not let us in

is($t->get("/wrong$five")->status, 200, 'a wrong password: answered');
ok(wait_for(sub { said(qr/redis \S+ is not available: (?:WRONGPASS|ERR)/) }),
   'and said in the log');
is($locked->command('DBSIZE'), 0, 'nothing is stored there');

# --- Redis is full: what cannot be stored is answered

$later->command('CONFIG', 'SET', 'maxmemory', 1);
is($t->get('/later' . $portal->hook(2000, $method))->status, 200, 'full: answered');
ok(wait_for(sub { said(qr/refused SET: OOM/)
                  || !$t->get('/later' . $portal->hook(++$user, $method)) }),
   'and said in the log');

$t->no_secrets('right-pa55word', 'wrong-pa55word',
               map { webhook_code($_) } 1 .. 20);
$t->done;
