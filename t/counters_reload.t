#!/usr/bin/perl

# Reloads and the end of nginx: the cache survives a reload, clients of the old
# workers and of the new ones get their answers, from one call, no request fails
# under load, and what was begun is finished before nginx leaves. What the reload
# changes (url, ttl, the size of the zone) is in force, and old data is not served
# for a new portal.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Parked;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $other = $t->portal(name => 'OTHER', rate => 0, revision => 7);
my $redis = $t->redis;

my $method = 'tasks.task.counters.get';
my $five = $portal->hook(5, $method);


sub config (%with) {
    my $with = { url => '%%PORTAL%%', zone => '1m', ttl => '1h', more => '', %with };

    $t->config(<<"EOF", workers => 4);
        counters_portal acme { url $with->{url}; zone $with->{zone}; rate off;
                               timeout 10m; wait 10m;
                               ttl $with->{ttl}; batch off; }
        counters_portal fast { url %%PORTAL%%; zone 1m; rate off; batch off;
                               ttl 1ms; stale 1h; timeout 1m; }
        counters_portal deep { url %%PORTAL%%; zone 1m; rate off; batch off;
                               ttl 1h; redis %%REDIS%% timeout=5s; secret x; }
        server {
            listen 127.0.0.1:%%PORT_8080%% reuseport;
            location = /parked { stub_status; }
            location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
            location /fast/rest/ { counters fast; proxy_pass %%PORTAL%%/rest/; }
            location /deep/rest/ { counters deep; proxy_pass %%PORTAL%%/rest/; }
            $with->{more}
        }
EOF
}


sub stop_portal () { $portal->process->signal('STOP') }
sub go_on ()       { $portal->process->signal('CONT') }


sub begin ($target) {
    return $t->client->begin(GET => $target);
}


sub answer ($socket) {
    return $t->client->receive($socket, 'GET', 60);
}


sub seen ($r) {
    return ($r->header('cache-status') // '') =~ s/; ttl=-?\d+//r;
}


config();
$t->start;

# --- the cache survives

my $miss = $t->get($five);
is(seen($miss), 'acme; fwd=miss; stored', 'fetched');

ok($t->reload(gone => 1), 'reloaded');
my $hit = $t->get($five);
is(seen($hit), 'acme; hit', 'still there');
is($hit->body, $miss->body, 'unchanged');
is($portal->count, 1, 'the portal was asked once');

# --- clients of the old generation wait, and of the new one, for the same

stop_portal();
my @clients = map { begin($portal->hook(6, $method)) } 1 .. 20;
ok(await_parked($t, 20), 'twenty wait');

my @old = $t->workers;
ok($t->reload, 'reloaded while they wait');
ok((grep { kill 0, $_ } @old), 'old workers are still there');

push @clients, map { begin($portal->hook(6, $method)) } 1 .. 20;
ok(await_parked($t, 40), 'twenty more wait in the new workers');
is(seen($t->get($five)), 'acme; hit', 'which serve others');

ok($t->reload, 'reloaded once more');
push @clients, map { begin($portal->hook(6, $method)) } 1 .. 20;
ok(await_parked($t, 60), 'and twenty more');
go_on();

my %seen;
$seen{ $_->status . ' ' . whose($_->body) . ' ' . seen($_) }++
    for map { answer($_) } @clients;

is_deeply(\%seen, { '200 6/6/0/view_all acme; fwd=miss; stored' => 1,
                    '200 6/6/0/view_all acme; fwd=miss; collapsed' => 59 },
          'all of them are answered');
is($portal->count(user => 6), 1, 'by one call');
ok(wait_for(sub { !grep { kill 0, $_ } @old }), 'the old workers leave');

# --- a refresh that nobody waits for ends with its worker, and is begun anew

my $known = $t->get("/fast$five")->body;
wait_for(sub { seen($t->get("/fast$five")) =~ /UPDATING/ });
ok(wait_for(sub { !grep { !defined $_->{status} } $portal->calls }), 'quiet');

stop_portal();
is($t->get("/fast$five")->status, 200, 'a refresh is under way');
ok($t->reload(gone => 1), 'its worker has gone');
go_on();

$portal->bump(5);
ok(wait_for(sub { $t->get("/fast$five")->body =~ /"revision":1/ }), 'begun anew');

# --- under load

my $load = $t->load(
    concurrency => 8,
    next  => sub ($n) { ('', '/fast')[$n % 2] . $portal->hook(1 + $n % 200, $method) },
    check => sub ($r, $target) {
        my ($user) = $target =~ m{/rest/(\d+)/};

        return $r->status != 200 ? 'status ' . $r->status
             : whose($r->body) ne "$user/$user/0/view_all" ? "somebody else's" : undef;
    });

for my $round (1 .. 5) {
    my $served = $portal->totals->{calls};
    ok(wait_for(sub { $portal->totals->{calls} > $served + 100 }, 30), 'under load');
    ok($t->reload, "reload $round");
}

my $sum = $load->stop;
is($sum->{failed}, 0, 'no request failed');
is("@{ $sum->{complaints} }", '', 'each had its answer');
cmp_ok($sum->{answers}, '>', 500, 'the load was one');

# --- a configuration that is refused changes nothing

config(more => 'counters nobody;');
$t->expect(qr/\[emerg\].*"nobody"/);
ok(!$t->reload, 'a reload is refused');
is(seen($t->get($five)), 'acme; hit', 'all goes on');

# --- ttl

config(ttl => '1ms');
ok($t->reload, 'another ttl');
is(seen($t->get($portal->hook(300, $method))), 'acme; fwd=miss; stored', 'fetched');
ok(wait_for(sub { seen($t->get($portal->hook(300, $method))) =~ /UPDATING/ }),
   'and stale under the new ttl');

# --- the same name for another portal: nothing of the old one is shown

config(url => '%%OTHER%%');
ok($t->reload, 'another url');

my %revision;
for my $user (5, 6, 300) {
    my $r = $t->get($portal->hook($user, $method));
    $revision{ seen($r) . ' ' . ($r->body =~ /"revision":(\d)/)[0] }++;
}
is_deeply(\%revision, { 'acme; fwd=miss; stored 7' => 3 },
          "only the other portal's");

config();
ok($t->reload, 'and back');
like($t->get($portal->hook(6, $method))->body, qr/"revision":0/, 'its own again');

# --- the size of the zone, while clients wait

for my $size ('2m', '512k') {
    stop_portal();
    my $user = 400 + length $size;
    @clients = map { begin($portal->hook($user, $method)) } 1 .. 10;
    ok(await_parked($t, 10), 'ten wait');

    config(zone => $size);
    ok($t->reload, "zone of $size");
    go_on();

    is(scalar(grep { whose(answer($_)->body) eq "$user/$user/0/view_all" } @clients),
       10, 'they are answered');
    is($t->get($five)->status, 200, 'so are others');
    is(seen($t->get($five)), 'acme; hit', 'from the new zone then');
}

# --- QUIT: what was begun is finished

stop_portal();
@clients = map { begin($portal->hook(7, $method)) } 1 .. 20;
ok(await_parked($t, 20), 'twenty wait again');

kill 'QUIT', $t->pid;
ok(wait_for(sub { !$t->client->connect }), 'nginx takes no more');
go_on();

is(scalar(grep { whose(answer($_)->body) eq '7/7/0/view_all' } @clients), 20,
   'all are answered');
ok(wait_for(sub { !$t->running }, 20), 'and nginx has left');

# --- what was fetched last is in Redis all the same

delete $t->{nginx};
$t->start;

for my $user (501 .. 504) {
    $redis->linked(4);
    $redis->command('FLUSHALL');

    is($t->get('/deep' . $portal->hook($user, $method))->status, 200, 'fetched');
    ok($t->stop, 'leaves by itself');
    is($redis->command('DBSIZE'), 1, 'its last answer is stored');

    $t->start;
}

$t->done;
