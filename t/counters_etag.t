#!/usr/bin/perl

# The answer as HTTP: validators and 304, HEAD, Range, the gzip filter and
# add_header of the location, kept connections, HTTP/2 to the client; and the two
# directives that shape it, counters_headers and counters_time.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Compress::Gzip qw(gzip);
use IO::Uncompress::Gunzip qw(gunzip);
use IPC::Run ();
use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

my $known_time = $portal->known_time;

$t->config(<<'EOF', workers => 2);
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location / { counters acme; proxy_pass %%PORTAL%%; }
        location /gzip/ {
            counters acme;
            proxy_pass %%PORTAL%%;
            gzip on;
            gzip_types application/json;
            gzip_min_length 1;
            add_header X-Added "$counters_cache_status";
            add_header Vary Origin;
        }
        location /plain/ {
            counters acme;
            counters_headers off;
            proxy_pass %%PORTAL%%;
        }
        location /now/ {
            counters acme;
            counters_time current;
            proxy_pass %%PORTAL%%;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%% http2;
        location / { counters acme; proxy_pass %%PORTAL%%; }
    }
EOF

$t->start;

my $url = $portal->hook(5, 'tasks.task.counters.get');
my $first = $t->get($url);
my $body = $first->body;
my $etag = $first->header('etag');

like($etag, qr/^"[0-9a-f]{16}"$/, 'a strong ETag with the miss');
is($t->get($url)->header('etag'), $etag, 'the same with a hit');
isnt($t->get($portal->hook(6, 'tasks.task.counters.get'))->header('etag'), $etag,
     'another body, another ETag');

# --- If-None-Match

for my $value ($etag, "W/$etag", '*', qq("a", $etag), qq("a",W/"b" , $etag,"c")) {
    for my $verb ('GET', 'HEAD') {
        my $r = $t->request($verb, $url, headers => { 'If-None-Match' => $value });

        is($r->status, 304, "$verb, If-None-Match: $value");
        is($r->header('etag'), $etag, 'ETag');
        is($r->header('cache-control'), 'private, no-cache', 'Cache-Control');
        like($r->header('cache-status'), qr/^acme; hit; ttl=\d+$/, 'Cache-Status');
        is($r->header('access-control-allow-origin'), '*', 'for browsers');
        is($r->header('content-length'), undef, 'no length');
    }
}

for my $value ('"a"', '"0123456789abcdef"', $etag =~ s/.$//r, substr($etag, 1), '""')
{
    my $r = $t->get($url, headers => { 'If-None-Match' => $value });

    is($r->status, 200, "If-None-Match: $value");
    is($r->body, $body, 'the body');
}

my $fresh = $t->get($portal->hook(7, 'tasks.task.counters.get'),
                    headers => { 'If-None-Match' => '*' });
is($fresh->status, 304, 'a miss can be answered with 304 as well');
is($fresh->header('cache-status'), 'acme; fwd=miss; stored', 'being a miss');

is($t->get($url, headers => { 'If-Modified-Since' =>
                              'Thu, 31 Dec 2037 00:00:00 GMT' })->status, 200,
   'there is no date to compare');

# --- HEAD, Range

my $head = $t->request(HEAD => $url);

is($head->status, 200, 'HEAD');
is($head->header('content-length'), length $body, 'HEAD: length');
is($head->header('etag'), $etag, 'HEAD: ETag');

for my $headers ({ Range => 'bytes=0-3' },
                 { Range => 'bytes=5-', 'If-Range' => $etag })
{
    my $r = $t->get($url, headers => $headers);

    is($r->status, 200, 'Range is ignored');
    is($r->body, $body, 'the whole body');
    is($r->header('accept-ranges'), undef, 'and not invited');
}

# --- filters of the location

my $gzip = $t->get("/gzip$url", headers => { 'Accept-Encoding' => 'gzip' });
my $compressed = $gzip->body;

gunzip(\$compressed, \my $plain);

is($gzip->header('content-encoding'), 'gzip', 'gzip');
is($plain, $body, 'gzip: the body inside');
is($gzip->header('etag'), "W/$etag", 'gzip: ETag weakened');
is($gzip->header('x-added'), 'HIT', 'add_header with a variable');
is($gzip->header('vary'), 'Origin', 'add_header');
is($t->get("/gzip$url", headers => { 'Accept-Encoding' => 'gzip',
                                     'If-None-Match' => "W/$etag" })->status, 304,
   'gzip: 304 by the weakened one');
is($t->get("/gzip$url")->body, $body, 'not compressed for others');

# --- a portal that compresses its answers

sub compressed ($text) {
    gzip(\$text, \my $packed);

    $portal->fault(kind => 'body', status => 200, times => 1, body => $packed,
                   headers => [ [ 'Content-Type', 'application/json' ],
                                [ 'Content-Encoding', 'gzip' ] ]);
}

my $other = $portal->hook(61, 'tasks.task.counters.get');

compressed('{"result":[1.50]}');

for my $status ('fwd=miss', 'hit') {
    my $r = $t->get($other);

    is($r->body, '{"result":[1.50]}', "$status: what was compressed");
    is($r->header('content-encoding'), undef, "$status: is plain");
    like($r->header('cache-status'), qr/$status/, $status);
}

compressed('{"result":"' . 'a' x 1_000_000 . '"}');
is($t->get($portal->hook(62, 'tasks.task.counters.get'))->status, 502,
   'too large when it is unpacked');

# --- one connection for all of it

for my $round (1 .. 3) {
    my $miss = $t->get($portal->hook(10 + $round, 'tasks.task.counters.get'),
                       keep => 1);
    my $hit = $t->get($url, keep => 1);
    my $not = $t->get($url, keep => 1, headers => { 'If-None-Match' => $etag });
    my $head = $t->request(HEAD => $url, keep => 1);
    my $pass = $t->get($portal->hook(5, 'profile'), keep => 1);
    my $post = $t->post($url, '{"userId":5}', keep => 1);

    is(join(' ', map { $_->status } $miss, $hit, $not, $head, $pass, $post),
       '200 200 304 200 200 200', "kept connection, round $round");
    is($_->body, $body, 'body in its place') for $hit, $post;
    ok($t->{clients}{8080}{kept}, 'still open');
}

# --- HTTP/2

sub curl (@arguments) {
    IPC::Run::run([ 'curl', '-s', '-i', '--http2-prior-knowledge', '-m', 20,
                    @arguments ], '<', \undef, '>', \my $output)
        or return "curl failed: $?";
    return split /\r\n\r\n/, $output, 2;
}

my $base = 'http://127.0.0.1:' . $t->port(8081);
my ($headers, $data) = curl("$base$url");

like($headers, qr/^HTTP\/2 200/, 'HTTP/2');
is($data, $body, 'HTTP/2: body');
like($headers, qr/^etag: $etag\r?$/m, 'HTTP/2: ETag');
like($headers, qr/^cache-status: acme; hit; ttl=\d+\r?$/m, 'HTTP/2: Cache-Status');

($headers) = curl('-H', "If-None-Match: $etag", "$base$url");
like($headers, qr/^HTTP\/2 304/, 'HTTP/2: 304');

($headers, $data) = curl('-d', 'userId=5', "$base$url");
is($data, $body, 'HTTP/2: a posted form');

($headers, $data) = curl("$base${\ $portal->hook(15, 'tasks.task.counters.get')}");
like($headers, qr/^cache-status: acme; fwd=miss; stored\r?$/m, 'HTTP/2: a miss');
is(whose($data), '15/15/0/view_all', 'HTTP/2: its body');

($headers, $data) = curl('-d', 'x=' . 'y' x 100_000, "$base/rest/test.echo");
like($data, qr/"length":100002,/, 'HTTP/2: passed on');

# --- counters_headers off

my $off = $t->get("/plain$url");

is($off->header($_), undef, "counters_headers off: no $_")
    for qw(cache-status age etag);
is($off->body, $body, 'the body');
is($off->header('cache-control'), 'private, no-cache', 'Cache-Control stays');
is($t->get("/plain$url", headers => { 'If-None-Match' => $etag })->status, 200,
   'and no 304');

# --- counters_time current

my $now = $t->get("/now$url");
my ($before, $time) = $now->body =~ /^(.*,"time":)(\{.*\})\}$/;

is($before . $known_time . '}', $body, 'counters_time: nothing else is touched');
is($now->header('etag'), undef, 'no ETag for a body that changes');
is($now->header('content-length'), length $now->body, 'its own length');
is(join(' ', sort keys %{ $now->json->{time} }),
   'date_finish date_start duration finish processing start',
   'the members of "time", without operating');
cmp_ok(abs($now->json->{time}{finish} - time), '<', 3600, 'now');
like($time, qr/"date_start":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"/,
     'dates as the portal writes them');

$t->done;
