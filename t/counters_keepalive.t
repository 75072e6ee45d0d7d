#!/usr/bin/perl

# What a client sends as a body is never read as its next request, whatever the
# answer is and whether anybody has read the body: or else whoever chooses the
# body chooses a request, too.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Test::More;
use Counters::Parked;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 1);
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                           webhook %%WEBHOOK_1%%; events_token application-token-4711; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        add_header X-URI $uri always;

        location = /parked { stub_status; }
        location ~ ^/managed/(.*)$ { counters acme; counters_user $1; }
        location = /purge { counters_purge acme; }
        location = /events { counters_events acme; }
        location /behind { auth_request /managed/5; return 204; }
        location = /status { counters_status acme; }
    }
EOF

$t->start;

my $SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
my $NEXT = "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";


sub text ($verb, $target, $body) {
    return "$verb $target HTTP/1.1\r\nHost: x\r\n"
           . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
}


# All that comes on a connection: status and address of each answer

sub answers ($socket) {
    my $got = '';
    my @answers;

    # SIGCHLD, when the portal is stopped or goes on, may interrupt the reading
    while (wait_for(sub { IO::Select->new($socket)->can_read(0.1) }, 5)) {
        sysread $socket, $got, 65536, length $got or last;
    }

    push @answers, "$1 $2"
        while $got =~ m{HTTP/1\.1 (\d+) .*?^X-URI: (\S+)\r$}gms;

    return join ', ', @answers;
}


sub answered ($verb, $target, $body) {
    return answers($t->client->begin(GET => '/', raw =>
        text($verb, $target, $body) . $NEXT));
}


for my $case ([ PUT    => '/managed/5', 405 ], [ DELETE => '/managed/5', 405 ],
              [ GET    => '/managed/5', 200 ], [ GET    => '/managed/',  401 ],
              [ POST   => '/managed/x', 400 ], [ PUT    => '/purge?all=1', 405 ],
              [ GET    => '/status',      200 ], [ PUT    => '/status',      405 ],
              [ PUT    => '/events',      405 ])
{
    my ($verb, $target, $status) = @$case;
    my $address = $target =~ s/\?.*//r;

    like(answered($verb, $target, $SMUGGLED), qr{^$status $address(?:, 404 /next)?$},
         "$verb $target");
}

my $large = $SMUGGLED x (70_000 / length $SMUGGLED);

like(answered(POST => $_, $large), qr{^413 $_(?:, 404 /next)?$}, "$_: too large")
    for '/managed/5', '/events';

# --- a body that is not its own, but that of the request it works for

is(answered(POST => '/behind', 'x' x 70_000), '204 /behind, 404 /next',
   'auth_request of a large request');

# --- a body that comes while its request waits for the portal

$portal->process->signal('STOP');

my $client = $t->client;
my $socket = $client->begin(GET => '/', raw =>
    text(GET => '/managed/7', 'x' x 10_000) =~ s/x{1000}$//r);

ok(await_parked($t, 1), 'a request waits');
$client->send_all($socket, 'x' x 1000);
$client->send_all($socket, $NEXT);
$portal->process->signal('CONT');

is(answers($socket), '200 /managed/7, 404 /next',
   'it is answered, and so is the next one, at once');

$t->done;
