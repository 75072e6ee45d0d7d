#!/usr/bin/perl

# What is passed on fills the portal's bucket too, and only what really goes to
# its REST API: each time that it is sent, at the moment when it leaves. Local
# answers, authorization subrequests and other servers cost nothing, however
# widely "counters" is in effect.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Ports qw(free_port);
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my ($host) = $portal->url =~ m{^http://(.+)$};

$t->marker(HOST => $host, DEAD => '127.0.0.1:' . free_port());
$t->write('file.txt', "a file\n");
$t->write('index.html', "an index\n");

# one request drains in a minute, so that the level tells what was counted

$t->config(<<'EOF', workers => 2);
    counters_portal acme { url %%PORTAL%%; zone 1m; rate 1r/m burst=1000;
                           batch off; }

    upstream failing { server 127.0.0.1:%%PORT_8090%%; server %%HOST%% backup; }
    upstream dead    { server %%DEAD%%; server %%HOST%% backup; }

    proxy_cache_path %%DIR%%/cache keys_zone=c:1m;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        root %%DIR%%;
        counters acme;

        location /rest/ { proxy_pass %%PORTAL%%; }
        location /guarded/ {
            auth_request /auth;
            proxy_pass %%PORTAL%%/;
        }
        location = /auth { proxy_pass http://127.0.0.1:%%PORT_8090%%/sso; }
        location /checked/ {
            auth_request /granted;
            proxy_pass %%PORTAL%%/;
        }
        location = /granted { return 204; }

        location /file.txt { }
        location /index/ { alias %%DIR%%/; }
        location /gone/ { return 410; }
        location /stub { stub_status; }
        location /login/ { proxy_pass %%PORTAL%%; }
        location /away/rest/ { proxy_pass http://127.0.0.1:%%PORT_8090%%/x/; }
        location /off/ { counters off; proxy_pass %%PORTAL%%/; }

        location /api/ { proxy_pass %%PORTAL%%/rest/; }
        location /rewritten/ {
            rewrite ^/rewritten/(.*) /rest/$1 break;
            proxy_pass %%PORTAL%%;
        }
        location /variable/ {
            set $to %%PORTAL%%;
            rewrite ^/variable(/.*) $1 break;
            proxy_pass $to;
        }
        location /named/ { try_files /nothing @portal; }
        location @portal {
            rewrite ^/named(/.*) $1 break;
            proxy_pass %%PORTAL%%;
        }
        location /if/ {
            proxy_pass %%PORTAL%%/;
            if ($arg_if) { set $x 1; }
        }
        location /limited/ {
            proxy_pass %%PORTAL%%/;
            limit_except POST { allow all; }
        }
        location /again/ {
            proxy_pass http://failing/;
            proxy_next_upstream error http_500;
        }
        location /dead/ { proxy_pass http://dead/; }
        location /cached/ {
            proxy_pass %%PORTAL%%/;
            proxy_cache c;
            proxy_cache_valid 1h;
            proxy_ignore_headers Cache-Control Expires Set-Cookie;
        }
        location /renewed/ {
            proxy_pass %%PORTAL%%/;
            proxy_cache c;
            proxy_cache_key renewed$uri;
            proxy_cache_valid 1s;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
            proxy_ignore_headers Cache-Control Expires Set-Cookie;
            add_header X-Cache $upstream_cache_status;
        }
        location /streamed/ {
            proxy_pass %%PORTAL%%/;
            proxy_request_buffering off;
        }
        location = /status {
            counters_status acme json;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_8090%%;
        location / { return 500; }
        location /sso { return 200; }
        location /x/ { return 200; }
    }
EOF

$t->start;

my $FORM = 'application/x-www-form-urlencoded';
my $rest = $portal->hook(5, 'profile');
my $call = $portal->hook(5, 'tasks.task.counters.get');


sub quota () {
    return $t->get('/status')->json->{quota}{level};
}


sub passed () {
    return $t->get('/status')->json->{requests}{pass};
}


# How many requests the bucket has taken for what $what does; and the portal has
# had as many

sub spends ($name, $n, $what, %how) {
    my ($before, $pass) = (quota(), passed());

    $portal->forget;
    $what->();

    is(int(quota() - $before + 0.5), $n, "$name: $n of the quota");
    is($portal->count, $how{seen} // $n, "$name: what the portal has seen");
    is(passed() - $pass, $how{passed} // $n, "$name: passed on");
}


sub answered ($status, $target, @how) {
    my $r = $t->get($target, @how);

    is($r->status, $status, "$target is answered $status");
}


$t->get($call);

# --- what never gets there

spends('a hit', 0, sub { answered(200, $call) });
spends('a hit behind an authorization at a server', 0,
       sub { answered(200, "/guarded$call") });
spends('a hit behind an authorization', 0,
       sub { answered(200, "/checked$call") });
spends('a file', 0, sub { answered(200, '/file.txt') });
spends('an index', 0, sub { answered(200, '/index/') });
spends('no file', 0, sub { answered(404, '/nothing') });
spends('return', 0, sub { answered(410, '/gone/rest/') });
spends('stub_status', 0, sub { answered(200, '/stub') });
spends('another server', 0, sub { answered(200, "/away$rest") });
spends('no REST call', 0, sub { $t->get('/login/') }, seen => 1);
spends('a query with /rest/', 0, sub { $t->get('/login/?to=/rest/x') },
       seen => 1);
spends('counters off', 0, sub { answered(200, "/off$rest") }, seen => 1);
spends('a client that has not sent its body', 0, sub {
    my $socket = $t->client->begin(POST => $rest, raw =>
        "POST $rest HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx=");
    $t->get('/status');
    close $socket;
});

# --- what does

spends('a call', 1, sub { answered(200, $rest) });
spends('a call behind an authorization at a server', 1,
       sub { answered(200, "/guarded$rest") });
spends('a call behind an authorization', 1,
       sub { answered(200, "/checked$rest") });
spends('a prefix of the proxy', 1,
       sub { answered(200, '/api/' . $rest =~ s{^/rest/}{}r) });
spends('a rewritten one', 1,
       sub { answered(200, '/rewritten/' . $rest =~ s{^/rest/}{}r) });
spends('a proxy by variable', 1, sub { answered(200, "/variable$rest") });
spends('a named location', 1, sub { answered(200, "/named$rest") });
spends('an if', 1, sub { answered(200, "/if$rest?if=1") });
spends('limit_except', 1, sub { answered(200, "/limited$rest") });
spends('escaped', 1, sub { $t->get($rest =~ s{^/rest/}{/%72es%74/}r) });
spends('two slashes', 1, sub { $t->get($rest =~ s{^/rest/}{/rest//}r) });
spends('a form', 1,
       sub { is($t->post($rest, 'x=1', type => $FORM)->status, 200, 'form') });
spends('a large one', 1, sub {
    is($t->post($rest, 'x=' . 'a' x 100_000, type => $FORM)->status, 200, 'large')
});
spends('one in chunks', 1, sub {
    is($t->post("/streamed$rest", 'x=1', type => $FORM, chunked => [ 'x=', '1' ])
         ->status, 200, 'chunks')
});

# --- each time that it is sent, once

spends('the second of two servers', 2, sub { answered(200, "/again$rest") },
       seen => 1, passed => 1);
spends('a server that is down', 1, sub { answered(200, "/dead$rest") });
spends('a cache that is empty', 1, sub { answered(200, "/cached$rest") });
spends('a cache that is full', 0, sub { answered(200, "/cached$rest") });

spends('a cache that renews in the background', 2, sub {
    ok(wait_for(sub { $t->get("/renewed$rest")->header('x-cache') eq 'STALE' }),
       'stale');
    ok(wait_for(sub { $portal->count == 2 }), 'and renewed');
});

# --- when it leaves, not when it is answered

my $held = $portal->fault(kind => 'latency', delay => 3600);
my $before = quota();
my @sockets = map { $t->client->begin(GET => $rest) } 1 .. 7;

ok(wait_for(sub { quota() - $before > 6.5 }), 'requests on their way count');

$portal->heal;
close $_ for @sockets;

cmp_ok(quota() - $before, '<', 7.5, 'and no more than once');

$t->done;
