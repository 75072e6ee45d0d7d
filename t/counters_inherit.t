#!/usr/bin/perl

# The directives in http, server and location, as nginx users expect of all its
# directives: what is inside inherits, what is said inside replaces it, and
# "counters off" ends it. Entries are the portal block's, whichever location asks.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
$portal->known_time;

$t->write('file.txt', "a file\n");

$t->config(<<'EOF', workers => 2);
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }
    counters_portal other { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }

    counters         acme;
    counters_bypass  $http_x_force;
    add_header       X-Status "$counters_cache_status" always;

    server {                                          # all from http
        listen 127.0.0.1:%%PORT_8080%%;
        root %%DIR%%;

        location / { proxy_pass %%PORTAL%%; }
        location /files/ { alias %%DIR%%/; }
        location /off/ {
            counters off;
            proxy_pass %%PORTAL%%/;
            location /off/on/ { counters acme; proxy_pass %%PORTAL%%; }
            location /off/still/ { proxy_pass %%PORTAL%%/; }
        }
        location /other/ {
            counters other;
            proxy_pass %%PORTAL%%;
            location /other/inner/ { proxy_pass %%PORTAL%%; }
        }
        location /plain/ {
            counters_headers off;
            proxy_pass %%PORTAL%%;
            location /plain/inner/ { proxy_pass %%PORTAL%%; }
            location /plain/again/ { counters_headers on; proxy_pass %%PORTAL%%; }
        }
        location /if/ {
            proxy_pass %%PORTAL%%;
            if ($http_x_if) { set $x 1; }
        }
        location /limited/ {
            proxy_pass %%PORTAL%%;
            limit_except GET { allow 127.0.0.1; deny all; }
        }
        location ~ ^/regex/ { proxy_pass %%PORTAL%%; }
        location = /named { try_files /nothing @named; }
        location @named { proxy_pass %%PORTAL%%; }
        location /never/ {
            counters_bypass $http_x_other;
            proxy_pass %%PORTAL%%;
        }
    }

    server {                                          # its own
        listen 127.0.0.1:%%PORT_8081%%;

        counters          other;
        counters_headers  off;
        counters_time     current;

        location / { proxy_pass %%PORTAL%%; }
        location /mine/ {
            counters          acme;
            counters_headers  on;
            counters_time     original;
            proxy_pass        %%PORTAL%%;
        }
    }

    server {                                          # none
        listen 127.0.0.1:%%PORT_8082%%;
        counters off;
        location / { proxy_pass %%PORTAL%%; }
        location /on/ { counters acme; proxy_pass %%PORTAL%%; }
    }
EOF

$t->start;

my $url = $portal->hook(5, 'tasks.task.counters.get');

# Which portal block answered: its name, "quiet" without headers, "off" if none

sub who ($target, %how) {
    my $r = $t->get($target, %how);

    return 'off' if defined $r->header('x-powered-cms');
    return (split /;/, $r->header('cache-status') // 'quiet')[0];
}

# --- http, server, location

is(who($url), 'acme', 'from http');
is(who("/regex$url"), 'acme', 'in a regex location');
is(who("/off$url"), 'off', 'counters off');
is(who("/off/still$url"), 'off', 'off is inherited');
is(who("/off/on$url"), 'acme', 'and ended inside');
is(who("/other$url"), 'other', 'another portal');
is(who("/other/inner$url"), 'other', 'inherited by a location inside');
is(who($url, port => 8081), 'quiet', 'from server');
is(who("/mine$url", port => 8081), 'acme', 'location before server');
is(who($url, port => 8082), 'off', 'off for a server');
is(who("/on$url", port => 8082), 'acme', 'on in its location');

# --- off is off

my $off = $t->get("/off$url");

is($off->header('x-status'), undef, 'no status');
is($off->header('age'), undef, 'no header of ours');
like($off->header('set-cookie'), qr/PHPSESSID/, "the portal's own");

# --- one block is one cache, wherever it is asked

$portal->forget;

like($t->get($_->[0], port => $_->[1])->header('x-status'), qr/^HIT$/, "@$_: a hit")
    for [ $url, 8080 ], [ "/regex$url", 8080 ], [ "/other/inner$url", 8080 ],
        [ "/plain$url", 8080 ], [ "/if$url", 8080 ], [ "/limited$url", 8080 ],
        [ $url, 8081 ], [ "/on$url", 8082 ];

is($portal->count, 0, 'the portal was not asked');

# --- if, limit_except, other handlers, named locations

for my $headers ({}, { 'X-If' => 1 }) {
    is($t->get("/if$url", headers => $headers)->header('x-status'), 'HIT',
       join ' ', 'if', %$headers);
}

is($t->post("/limited$url", '{"userId":5}')->header('x-status'), 'HIT',
   'in limit_except');

my $file = $t->get('/files/file.txt');

is($file->body, "a file\n", 'other handlers serve as ever');
is($file->header('x-status'), 'PASS', 'being passed on');
is($t->get('/named')->status, 404, 'a named location');
is($t->get('/named')->header('x-status'), 'PASS', 'inherits as well');

# --- counters_headers, counters_time

my $known = '"duration":0.05025482177734375';

is(who("/plain$url"), 'quiet', 'counters_headers off');
is(who("/plain/inner$url"), 'quiet', 'inherited');
is(who("/plain/again$url"), 'acme', 'on again');

unlike($t->get($url, port => 8081)->body, qr/\Q$known\E/, 'counters_time of server');
like($t->get("/mine$url", port => 8081)->body, qr/\Q$known\E/, 'original again');
like($t->get($url)->body, qr/\Q$known\E/, 'which is the default');

# --- counters_bypass

sub status ($target, $header) {
    return $t->get($target, headers => { $header => 1 })->header('x-status');
}

ok(wait_for(sub { status($url, 'X-Force') eq 'BYPASS' }), 'bypass from http');
ok(wait_for(sub { status("/never$url", 'X-Other') eq 'BYPASS' }),
   'another in a location');
ok(wait_for(sub { $t->get($url)->header('age') >= 2 }), 'time has passed');
is(status("/never$url", 'X-Force'), 'HIT', 'which replaces the outer one');
is(status($url, 'X-Other'), 'HIT', 'and is not known outside');

$t->done;
