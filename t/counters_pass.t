#!/usr/bin/perl

# What is not plainly a counter call goes on to the location's own handler, and
# nobody can tell that the module was there: the portal receives what a plain
# proxy_pass would have sent, body and all, and the client gets the portal's own
# answer. The calls that come closest to one that is cached are the ones to try.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$portal->known_time;

$t->config(<<'EOF', workers => 2);
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }

    client_body_buffer_size 1k;
    add_header X-Status "$counters_cache_status" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location / { counters acme; proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location / { proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8082%%;
        location / {
            counters acme;
            proxy_pass %%PORTAL%%;
            proxy_request_buffering off;
        }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $FORM = 'application/x-www-form-urlencoded';
my $JSON = 'application/json';
my $MULTIPART = 'multipart/form-data; boundary=b';

my $token = access_token(5);
my $other = access_token(5, 2);
my $hook = $portal->hook(5, $METHOD);
my $oauth = "/rest/$METHOD?auth=$token";
my $bare = "/rest/$METHOD";
my $code = webhook_code(5);

# what a wrong decision would answer with

for my $cached ($hook, $oauth) {
    $t->get($cached) for 1 .. 2;
    is($t->get($cached)->header('x-status'), 'HIT', 'cached');
}

# --- one request past the module, and one through a plain proxy

sub passed ($name, $verb, $target, %how) {
    my $port = delete $how{port} // 8080;
    my (@answers, @calls);

    for ($port, 8081) {
        $portal->forget;
        push @answers, $t->request($verb, $target, %how, port => $_);
        push @calls, $portal->calls(full => 1);
    }

    if (@calls != 2) {
        fail("$name: two calls");
        return;
    }

    for my $member (qw(verb target headers length sha256)) {
        is_deeply($calls[0]{$member}, $calls[1]{$member}, "$name: $member");
    }

    my ($ours, $plain) = map { join '', map { "$_->[0]: $_->[1]\n" }
        grep { $_->[0] !~ /^(?:Date|X-Status)$/ } $_->headers } @answers;

    is($answers[0]->header('x-status'), 'PASS', "$name: PASS");
    is($answers[0]->status, $answers[1]->status, "$name: status");
    is($answers[0]->body, $answers[1]->body, "$name: body");
    is($ours =~ s/answer-\d+//r, $plain =~ s/answer-\d+//r, "$name: headers");
}

sub multipart (@parts) {
    return join('', map { "--b\r\nContent-Disposition: form-data; $_\r\n" } @parts)
           . "--b--\r\n";
}

# --- other calls

passed('another method', GET => $portal->hook(5, 'profile'));
passed('a method not configured', GET => $portal->hook(5, 'im.counters.get'));
passed('batch', POST => $portal->hook(5, 'batch'), type => $FORM,
       body => "cmd[a]=$METHOD&cmd[b]=profile");
passed('XML', GET => "$hook.xml");
passed('suffix in capitals', GET => "$hook.JSON");
passed('version 3', GET => "/rest/api/5/$code/$METHOD");
passed('no portal path', GET => "/other/$METHOD?auth=$token");
passed('REST in capitals', GET => $hook =~ s/rest/REST/r);
passed('no code', GET => "/rest/5/$METHOD");
passed('user 0', GET => $hook =~ s{/5/}{/0/}r);
passed('user 05', GET => $hook =~ s{/5/}{/05/}r);
passed('odd code', GET => "/rest/5/$code./$METHOD");
passed('something behind', GET => "$hook/x");

# --- credentials

passed('none', GET => $bare);
passed('session', GET => "$bare?sessid=abc",
       headers => { Cookie => 'PHPSESSID=session-5' });
passed('session without sessid', GET => $bare,
       headers => { Cookie => 'PHPSESSID=session-5' });
passed('webhook and token', GET => "$hook?auth=$token");
passed('webhook and Bearer', GET => $hook,
       headers => { Authorization => "Bearer $token" });
passed('auth and access_token', GET => "$oauth&access_token=$other");
passed('auth twice', GET => "$oauth&auth=$other");
passed('auth in query and body', POST => $oauth, type => $FORM,
       body => "auth=$other");
passed('auth and Bearer', POST => $bare, type => $JSON,
       body => qq({"auth":"$token"}),
       headers => { Authorization => "Bearer $other" });
passed('an empty auth and access_token', GET => "$bare?auth=&access_token=$token");
passed('an empty Bearer alone', GET => $bare, headers => { Authorization => 'Bearer' });
passed('an empty Bearer and two tokens', GET => "$oauth&access_token=$other",
       headers => { Authorization => 'Bearer' });
passed('Basic', GET => $bare, headers => { Authorization => 'Basic dTpw' });
passed('Bearer of two words', GET => $bare,
       headers => { Authorization => "Bearer $token x" });
passed('empty', GET => "$bare?auth=");
passed('a list', GET => "$bare?auth[]=$token");
passed('a number', POST => $bare, type => $JSON, body => '{"auth":5}');

# --- parameters

for my $args ('userId=5&userId=5', 'userId[]=5', 'userId[a]=5', 'userId=', 'userId',
              'userId=05', 'userId=%2B5', 'userId=-5', 'userId=5.0', 'userId=%205',
              'userId=99999999999999999999', 'USERID=5', 'groupId=a', 'type=',
              'type=view_none', 'type=view_all%00', 'x=1', 'user%49d=5&userId=5',
              'userId=5%', 'userId=%zz', 'cmd[a]=1', 'halt=0',
              'start=', 'start=x', 'start=1.0', 'start[]=0', '__order=1',
              join('&', map { "_$_=" } 1 .. 40))
{
    passed(substr($args, 0, 30), GET => "$hook?$args");
    passed('form ' . substr($args, 0, 30), POST => $hook, type => $FORM,
           body => $args);
}

passed('in query and body', POST => "$hook?userId=5", type => $JSON,
       body => '{"userId":5}');
passed('telemetry in the body', POST => $hook, type => $JSON,
       body => '{"bx24_request_id":"1"}');

# --- bodies

for my $body ('{', '{"userId":5', '{"userId":5}x', '{"userId":5,"userId":5}',
              '{"userId":5.0}', '{"userId":5e0}', '{"userId":true}',
              '{"userId":null}', '{"userId":[5]}', '{"userId":{"a":5}}',
              '{"userId":-5}', '{"type":0}', '[{"userId":5}]', '"userId"', '5',
              '{"userId":"5 "}', "{\"userId\":\"5\xff\"}", '{"userid":5}', ' ')
{
    passed("JSON $body", POST => $hook, type => $JSON, body => $body);
}

for my $type ('Application/JSON', 'Application/JSON; charset=utf-8', 'text/json',
              'text/plain; charset=utf-8', 'application/vnd.api+json',
              'application/x-www-form-urlencodedx', '')
{
    passed("JSON as $type", POST => $hook, type => $type, body => '{"userId":5}');
}

passed('no type', POST => $hook, body => 'userId=5', headers => {});

for my $body (multipart(qq(name="userId"; filename="a"\r\n\r\n5\r\n)),
              multipart(qq(name="userId"\r\n\r\n5\r\n),
                        qq(name="file"; filename="a.bin"\r\n)
                        . qq(Content-Type: image/png\r\n\r\n\x00\x01\xff\r\n)),
              multipart(qq(name="x"\r\n\r\n5\r\n)),
              multipart(qq(name="userId"\r\n\r\n5\r\n)) =~ s/--b--/--b/r,
              multipart(qq(name="userId"\r\nContent-Transfer-Encoding: base64)
                        . qq(\r\n\r\nNQ==\r\n)),
              "x" . multipart(qq(name="userId"\r\n\r\n5\r\n)), 'userId=5')
{
    passed('multipart ' . $body =~ s/[^ -~]+/ /gr, POST => $hook,
           type => $MULTIPART, body => $body);
}

# --- verbs

passed($_, $_ => $hook, type => $JSON, body => '{"userId":5}')
    for qw(PUT DELETE PATCH PROPFIND GET);
passed('OPTIONS', OPTIONS => $hook, headers =>
       { Origin => 'https://a.example', 'Access-Control-Request-Method' => 'POST' });

# --- large bodies, on disk, in chunks, and not buffered

my $padding = join '', map { chr(97 + $_ % 23) } 1 .. 1000;

for my $port (8080, 8082) {
    for my $size (2, 20, 64, 70, 200) {
        my $body = "userId=5&x=" . $padding x $size;
        my @pieces = unpack '(a7001)*', $body;

        passed("$port: ${size}k", POST => $hook, type => $FORM, body => $body,
               port => $port);
        passed("$port: ${size}k in chunks", POST => $hook, type => $FORM,
               body => $body, chunked => \@pieces, port => $port);
    }

    # a counter call as such, but larger than any is

    for my $how ([], [ chunked => 1 ]) {
        passed("$port: padded to 70k @$how", POST => $hook, type => $JSON,
               body => '{"userId":5}' . ' ' x 70_000, @$how, port => $port);

        my $r = $t->post($hook, '{"userId":5}' . ' ' x 20_000, @$how,
                         port => $port);
        is($r->header('x-status'), 'HIT', "$port: padded to 20k @$how: a call");
        is(whose($r->body), '5/5/0/view_all', 'answered');
    }

    # on one connection with a hit before and after

    for my $body ('userId=5', 'userId=5&x=' . $padding x 20, 'userId=5') {
        my $r = $t->post($hook, $body, keep => 1, port => $port);

        is($r->status, 200, "$port: kept connection");
        is($r->header('x-status'), length $body > 100 ? 'PASS' : 'HIT', 'its way');
    }
}

# --- the portal's own proof

my $echo = $t->post('/rest/test.echo', $padding x 20)->json->{result};

is($echo->{length}, 20_000, 'echo: length');
is($echo->{verb}, 'POST', 'echo: verb');

$t->done;
