#!/usr/bin/perl

# The portal's name cannot be resolved, because there is no such name or because
# the name server is dead (t/lib/no_resolver.c plays it). The worker, there is
# only one, goes on serving: others have their answers while that call waits, and
# nginx leaves without waiting for the resolver.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Parked;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

my $preload = $t->dir . '/no_resolver.so';
system('cc', '-shared', '-fPIC', '-o', $preload,
       "$FindBin::Bin/lib/no_resolver.c", '-ldl') == 0
    or die "t/lib/no_resolver.c does not compile\n";

$t->config(<<'EOF');
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }
    counters_portal fast  { url %%PORTAL%%; zone 1m; rate off; ttl 1ms; stale 1h; }
    counters_portal brief { url http://no-such-host.invalid; zone 1m; rate off;
                            timeout 10m connect=1s; ttl 1h; }
    counters_portal other { url https://no-other-host.invalid; zone 1m; rate off;
                            timeout 1s connect=10m; ttl 1h; }
    counters_portal long  { url http://no-third-host.invalid; zone 1m; rate off;
                            timeout 10m connect=10m; ttl 1h; wait 10m; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location = /parked { stub_status; }
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location /fast/rest/ { counters fast; proxy_pass %%PORTAL%%/rest/; }
        location /brief/rest/ { counters brief; proxy_pass %%PORTAL%%/rest/; }
        location /other/rest/ { counters other; proxy_pass %%PORTAL%%/rest/; }
        location /long/rest/ { counters long; proxy_pass %%PORTAL%%/rest/; }
    }
EOF

my $method = 'tasks.task.counters.get';
my $envelope = qr/^\{"error":"PORTAL_\w+","error_description":"[^"]+"\}$/;


sub begin ($block, $user) {
    return $t->client->begin(GET => "/$block" . $portal->hook($user, $method));
}


sub others_are_served ($name) {
    my ($hits, $misses) = (0, 0);

    for my $user (1 .. 50) {
        my $r = $t->get($portal->hook($user, $method));
        $hits += $r->status == 200 && $r->header('cache-status') =~ /; hit;/;
    }

    for (1 .. 20) {
        state $user = 1000;
        $user++;
        my $r = $t->get('/fast' . $portal->hook($user, $method));
        $misses += whose($r->body) eq "$user/$user/0/view_all";
    }

    is("$hits $misses", '50 20', "$name: others have hits, and misses");
}


# --- a name that there is not, whatever the name server of this machine does

$t->start;
$t->get($portal->hook($_, $method)) for 1 .. 50;

my $client = begin('brief', 1);
others_are_served('no such name');

my $r = $t->client->receive($client);
like($r->status, qr/^50[24]$/, 'no such name: 502 or 504');
like($r->body, $envelope, 'no such name: an envelope');

# --- a name server that never answers

$t->stop;

{
    local $ENV{LD_PRELOAD} = $preload;
    local $ENV{ASAN_OPTIONS} = 'verify_asan_link_order=0:'
                               . ($ENV{ASAN_OPTIONS} // '');
    $t->start;
}

$t->get($portal->hook($_, $method)) for 1 .. 50;

my @waiting = map { begin('long', $_) } 1 .. 30;
ok(await_parked($t, 30), 'thirty wait for a name');

others_are_served('a dead name server');
is(parked($t), 30, 'while those still wait');

my @clients = map { begin($_, 1) } qw(brief other);
others_are_served('a dead name server and timeouts');

for my $client (@clients) {
    $r = $t->client->receive($client);
    is($r->status, 504, 'what has a shorter timeout: 504');
    like($r->body, $envelope, 'and an envelope');
}

is(parked($t), 30, 'the others wait on');

# before nginx itself writes of clients that have gone
$t->no_secrets(map { webhook_code($_) } 1 .. 50);

# --- clients go, and so does nginx, without waiting for the resolver

close $_ for @waiting;
ok(await_parked($t, 0), 'their clients have gone');
others_are_served('calls that nobody waits for');

ok($t->stop, 'nginx leaves');
is(scalar $t->log_lines(qr/no answer from the portal/), 3, 'three have failed');

$t->done;
