#!/usr/bin/perl

# A client that leaves while its request waits is noticed at once, however its
# connection was accepted; the refresh goes on without it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 1);
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                           webhook %%WEBHOOK_1%%; timeout 1h; }

    log_format gone '$server_port $status $request_method';
    access_log %%DIR%%/access.log gone;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        listen 127.0.0.1:%%PORT_8081%% deferred;

        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location ~ ^/m/(\d+) { counters acme; counters_user $1; }
    }
EOF

$t->start;

my $user = 10;

for my $port (8080, 8081) {
    my $number = $t->port($port);

    for my $how ('GET', 'POST', 'GET managed', 'kept alive') {
        my $method = 'tasks.task.counters.get';
        my $target = $how =~ /managed/ ? '/m/' . ++$user
                                       : $portal->hook(++$user, $method);
        my @body = $how eq 'POST' ? (type => 'application/x-www-form-urlencoded',
                                     body => 'groupId=3') : ();
        my $client = $t->client($port);
        my ($fault, $socket, $gone);

        $portal->forget;

        if ($how eq 'kept alive') {
            $socket = $client->begin(GET => $portal->hook(5, $method), keep => 1);
            is($client->receive($socket)->status, 200, 'a first request');
        }

        $portal->forget;
        $fault = $portal->fault(kind => 'latency', delay => 3600);

        if ($socket) {
            $client->send_all($socket,
                              Counters::Http::request_text($client, GET => $target));

        } else {
            $socket = $client->begin($how =~ /POST/ ? 'POST' : 'GET', $target, @body);
        }

        ok(wait_for(sub { $portal->count }), "$port, $how: the portal is asked");

        my $before = () = $t->read('access.log') =~ /^$number 499 /mg;
        close $socket;

        ok(wait_for(sub {
            $gone = () = $t->read('access.log') =~ /^$number 499 /mg;
            $gone > $before;
        }), "$port, $how: it is gone, and that is known");

        $portal->heal($fault);
    }
}

$t->done;
