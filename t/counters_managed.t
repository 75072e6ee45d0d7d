#!/usr/bin/perl

# A managed location: nginx says who the visitor is and holds the webhook. What
# is refused first, then what a visitor may ask, and that nothing which he sends
# gets any further than the cache.
#
# valgrind

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Mojo::JSON qw(encode_json);
use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 2);
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                            methods tasks.task.counters.get im.counters.get;
                            webhook %%WEBHOOK_1%%; }
    counters_portal short { url %%PORTAL%%; zone 1m; rate off; ttl 1ms;
                            stale 1ms error=1h; webhook %%WEBHOOK_1%%; }
    counters_portal other { url %%PORTAL%%; zone 1m; rate off; ttl 1ms;
                            stale 1ms error=1h; webhook %%WEBHOOK_2%%; }

    add_header X-Status "$counters_cache_status" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;

        location = /counters {
            counters      acme;
            counters_user $http_x_user;
        }
        location /m/ { counters acme; counters_user $http_x_user; }
        location = /page {
            counters acme;
            counters_user $http_x_user;
            add_header Access-Control-Allow-Origin  https://app.example always;
            add_header Access-Control-Allow-Headers Content-Type always;
        }
        location = /exact.counters.get { counters acme; counters_user $http_x_user; }
        location = /short {
            counters      short;
            counters_user $http_x_user;
        }
        location = /other {
            counters      other;
            counters_user $http_x_user;
        }
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location = /purge { counters_purge acme; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $JSON = 'application/json';
my @FORM = (type => 'application/x-www-form-urlencoded');


sub as ($user, $verb, $target, %how) {
    my %headers = %{ delete $how{headers} // {} };

    $headers{'X-User'} = $user if defined $user;

    return $t->request($verb, $target, %how, headers => \%headers);
}


sub cache ($r) {
    return ($r->header('cache-status') // 'none') =~ s/; ttl=.*//r;
}


# Not answered, not asked of the portal, and said in the portal's own form

sub refused ($status, $name, $user, $verb = 'GET', $target = '/counters', %how) {
    my $r = as($user, $verb, $target, %how);

    is($r->status, $status, "$name: $status");
    like($r->body, qr/^\{"error":"[A-Z_]+","error_description":"[^"]+"\}$/,
         "$name: envelope");
    is($r->header('content-type'), 'application/json; charset=utf-8', "$name: type");
    is($r->header('content-length'), length $r->body, "$name: length");
    is($r->header('cache-status'), undef, "$name: no Cache-Status");
    is($r->header('etag'), undef, "$name: no ETag");

    return $r;
}

# all that follows would be hits
as(5, GET => '/counters');
as(6, GET => '/counters');
$portal->forget;

# --- the user

refused(401, 'no user', undef);
refused(401, 'an empty one', '');
refused(401, 'no user, another one asked for', undef, GET => '/counters?userId=5');
refused(401, 'no user, a body of his', undef, POST => '/counters', @FORM,
        body => 'userId=5');
refused(401, 'no user, a body that cannot be read', undef, POST => '/counters',
        type => $JSON, body => '{');
refused(401, 'no user, a portal credential', undef,
        GET => '/counters?auth=' . access_token(5),
        headers => { Authorization => 'Bearer ' . access_token(5) });

for my $user ('012', '+5', '-1', '5.0', '0', '00', '5 6', '5,6', '0x5', '5e0', 'five',
              "5\t", '%35', '$user', "\xd9\xa5", '18446744073709551621', '9' x 40)
{
    # a header cannot end in a blank: nginx strips it
    next if $user =~ /\s$/;

    refused(400, "user '$user'", $user);
}

# --- the arguments

refused(403, "another's", 5, GET => '/counters?userId=6');
refused(403, "another's in a form", 5, POST => '/counters', @FORM, body => 'userId=6');
refused(403, "another's in JSON", 5, POST => '/counters', type => $JSON,
        body => '{"userId":6}');
refused(403, "another's as text", 5, POST => '/counters', type => $JSON,
        body => '{"userId":"6"}');
refused(403, "another's in a multipart body", 5, POST => '/counters',
        type => 'multipart/form-data; boundary=b',
        body => "--b\r\nContent-Disposition: form-data; name=\"userId\"\r\n\r\n6\r\n"
                . "--b--\r\n");
refused(403, 'the owner of the webhook', 5, GET => '/counters?userId=1');
refused(403, 'escaped', 5, GET => '/counters?user%49d=%36');

for my $method (qw(im.counters.get batch profile tasks.task.get user.current),
                'IM.Counters.Get', 'im.counters.get.json', "$METHOD.xml", '', '../batch')
{
    refused(403, "method '$method'", 5, GET => "/counters?method=$method");
}

refused(403, 'a method in JSON', 5, POST => '/counters', type => $JSON,
        body => '{"method":"im.counters.get"}');

# the method as the last part of the path

for my $path (qw(im.counters.get IM.Counters.Get im.counters.get/ im.counters.get.json
                 im.counters.get.json// im%2Ecounters%2eget profile/user.get a.b c/a.b
                 .a a. im..counters.get tasks.task.counters.get.xml counters.xml
                 tasks.task.counters.get.JSON user.current//), "$METHOD.get")
{
    refused(403, "path /m/$path", 5, GET => "/m/$path");
}

refused(403, 'a method in the path of one address', 5, GET => '/exact.counters.get');
refused(403, 'a method in the path, POST', 5, POST => '/m/im.counters.get', @FORM,
        body => 'groupId=7');
refused(403, 'in the path, an allowed one as an argument', 5,
        GET => "/m/im.counters.get?method=$METHOD");
refused(403, 'an allowed one in the path, another as an argument', 5,
        GET => "/m/$METHOD?method=im.counters.get");
refused(403, 'the same, as JSON', 5, POST => "/m/$METHOD", type => $JSON,
        body => '{"method":"im.counters.get"}');
refused(401, 'a method in the path, nobody', undef, GET => '/m/im.counters.get');
refused(400, 'a method in the path, an argument unknown', 5,
        GET => '/m/im.counters.get?filter=1');

my @BAD = ('filter=1', 'userid=5', 'USERID=5', 'cmd[a]=profile', 'cmd=profile', 'halt=1',
           'groupId[]=7', 'groupId[a]=7', 'userId[]=5', 'type[]=view_all',
           'groupId=7&groupId=7', 'userId=5&userId=6', 'userId=6&userId=5',
           'type=view_all&type=view_all', 'userId=05', 'userId=%2B5', 'userId=5+',
           'userId=-5', 'userId=5.0', 'userId=', 'userId=x', 'groupId=07', 'groupId=-1',
           'groupId=x', 'groupId=', 'type=view_none', 'type=', 'x', 'auth[]=1',
           "method[]=$METHOD", "method=$METHOD&method=$METHOD", 'userId.=6', 'a[b][c]=1');

for my $args (@BAD) {
    refused(400, "?$args", 5, GET => "/counters?$args");
    refused(400, "form $args", 5, POST => '/counters', @FORM, body => $args);
}

for my $body ('{', '[', '"userId"', '5', 'null', '[6]', '{"userId":[5]}', '{"userId":{}}',
              '{"userId":null}', '{"userId":5.0}', '{"userId":true}', '{"userId":"05"}',
              '{"groupId":-1}', '{"type":5}', '{"filter":{}}', '{"userId":5,"userId":6}',
              '{"userId":6,"userId":5}', '{"userId":5}{"userId":6}', "{\"groupId\":7\0}")
{
    refused(400, "JSON $body", 5, POST => '/counters', type => $JSON, body => $body);
}

refused(400, 'one argument in query and body', 5, POST => '/counters?groupId=7', @FORM,
        body => 'groupId=7');
refused(400, 'user in query and body', 5, POST => '/counters?userId=5', @FORM,
        body => 'userId=6');
refused(413, 'a large body', 5, POST => '/counters', @FORM,
        body => 'groupId=7&_=' . 'x' x 70_000);
refused(400, 'a large chunked body', 5, POST => '/counters', @FORM, chunked => 1,
        body => 'groupId=7&_=' . 'x' x 70_000);

# --- the verbs

for my $verb (qw(PUT DELETE PATCH OPTIONS TRACE PROPFIND FOO)) {
    next if $verb eq 'TRACE';       # nginx's own 405

    my $r = refused(405, $verb, 5, $verb);
    is($r->header('allow'), 'GET, HEAD, POST', "$verb: Allow");
}

# a browser asks first, without a cookie, whether a page of another origin may call

my %ask = (Origin => 'https://app.example', 'Access-Control-Request-Method' => 'POST',
           'Access-Control-Request-Headers' => 'content-type');
my $asked = as(undef, OPTIONS => '/page', headers => \%ask);

is($asked->status, 204, 'a preflight request');
is($asked->body, '', 'is answered with nothing');
is($asked->header('access-control-allow-origin'), 'https://app.example',
   "but the administrator's headers");
is($asked->header('access-control-allow-headers'), 'Content-Type', 'each of them');
is($asked->header('cache-status'), undef, 'and no Cache-Status');

for my $missing (qw(Origin Access-Control-Request-Method)) {
    my %less = %ask;

    delete $less{$missing};
    refused(405, "OPTIONS without $missing", 5, OPTIONS => '/counters', headers => \%less);
}

is($portal->count, 0, 'the portal has heard of none of it');

is(as(undef, HEAD => '/counters')->body, '', 'HEAD of a refusal');
is(as(undef, HEAD => '/counters')->status, 401, 'with its status');

# --- what a visitor may ask, each with what he must get

sub answered ($name, $wanted, $user, $verb, $target, %how) {
    my $r = as($user, $verb, $target, %how);

    is($r->status, 200, "$name: 200");
    is(whose($r->body), $wanted, "$name: $wanted");

    return $r;
}

my $role = 'type=view_role_auditor';

for my $call (
    [ 'plain', '1/5/0/view_all', GET => '/counters' ],
    [ 'POST without a body', '1/5/0/view_all', POST => '/counters', body => '' ],
    [ 'himself', '1/5/0/view_all', GET => '/counters?userId=5' ],
    [ 'userId 0', '1/5/0/view_all', GET => '/counters?userId=0' ],
    [ 'himself in JSON', '1/5/0/view_all', POST => '/counters', type => $JSON,
      body => '{"userId":5,"groupId":0}' ],
    [ 'method', '1/5/0/view_all', GET => "/counters?method=$METHOD" ],
    [ 'method in the path', '1/5/0/view_all', GET => "/m/$METHOD" ],
    [ 'method in the path, with all', '1/5/0/view_all',
      GET => '/m/x//TASKS.Task.Counters.Get.json//?userId=5' ],
    [ 'method in the path, POST', '1/5/7/view_all', POST => "/m/$METHOD/", @FORM,
      body => 'groupId=7' ],
    [ 'method in path and query', '1/5/0/view_all', GET => "/m/$METHOD?method=$METHOD" ],
    map({ [ "no method in the path: /m/$_", '1/5/0/view_all', GET => "/m/$_" ] }
        qw(counters batch profile counters.json a.b/counters counters-1.0 v2.0 a_b.c)),
    [ 'no method in the path: /m/', '1/5/0/view_all', GET => '/m/' ],
    [ 'no method in the path: dots', '1/5/0/view_all', GET => '/m/...' ],
    [ 'method in capitals', '1/5/0/view_all',
      GET => '/counters?method=TASKS.Task.Counters.Get' ],
    [ 'method in a form', '1/5/0/view_all', POST => '/counters', @FORM,
      body => "method=$METHOD" ],
    [ 'telemetry', '1/5/0/view_all',
      GET => '/counters?bx24_request_id=1&bx24_sdk_ver=2&bx24_sdk_type=3&logTag=4&_=5' ],
    [ 'telemetry in a body', '1/5/0/view_all', POST => '/counters', type => $JSON,
      body => '{"bx24_request_id":"1","_":5}' ],
    [ 'group', '1/5/7/view_all', GET => '/counters?groupId=7' ],
    [ 'group in a form', '1/5/7/view_all', POST => '/counters', @FORM, body => 'groupId=7' ],
    [ 'group in JSON', '1/5/7/view_all', POST => '/counters', type => $JSON,
      body => '{"groupId":"7"}' ],
    [ 'group, chunked', '1/5/7/view_all', POST => '/counters', @FORM,
      chunked => [ 'group', 'Id=', '7' ] ],
    [ 'role', '1/5/0/view_role_auditor', GET => "/counters?$role" ],
    [ 'role in capitals', '1/5/0/view_role_auditor', GET => '/counters?type=VIEW_ROLE_auditor' ],
    [ 'group and role', '1/5/7/view_role_auditor', POST => "/counters?$role", type => $JSON,
      body => '{"groupId":7}' ],
    [ 'group and role the other way', '1/5/7/view_role_auditor', POST => '/counters?groupId=7',
      @FORM, body => $role ],
) {
    my ($name, $wanted, @request) = @$call;

    answered($name, $wanted, 5, @request);
}

is($portal->count, 3, 'every spelling has one entry: three were missing');
is($portal->count(method => $METHOD), 3, 'plain calls');

my %asked = map { (join '/', @{ $_->{params} }{qw(userId)}) => 1 } $portal->calls(full => 1);

is(join(' ', sort keys %asked), '5', 'each about the user');
is($portal->count(credential => 'webhook 1/1'), 3, 'by the webhook');

# users, and whoever uses the same webhook by himself

answered("user $_", "1/$_/0/view_all", $_, GET => '/counters') for 1, 7, 8, 10, 7;
is(whose($t->get($portal->hook(1, $METHOD) . '?userId=9')->body), '1/9/0/view_all',
   'the webhook in a drop-in location');
answered('user 9', '1/9/0/view_all', 9, GET => '/counters');

my $big = as(9007199254740993, GET => '/counters');
is($big->status, 200, 'a large number is an unknown user');
is(whose($big->body), '', 'about whom there is nothing');

# a visitor does not see the counters of a caller of his own, and the other way round

is(whose($t->get($portal->hook(5, $METHOD))->body), '5/5/0/view_all',
   'the entries of his own webhook are others');
answered('and his managed one', '1/5/0/view_all', 5, GET => '/counters');

# --- what else he sends is ignored, and goes nowhere

my $token = access_token(6);
my $code = webhook_code(6);

my @MINE = (
    [ "auth in the query", GET => "/counters?groupId=%d&auth=$token" ],
    [ "access_token", GET => "/counters?groupId=%d&access_token=$token" ],
    [ "both", GET => "/counters?groupId=%d&auth=$token&access_token=$token" ],
    [ "auth in a form", POST => '/counters?groupId=%d', @FORM, body => "auth=$token" ],
    [ "auth in JSON", POST => '/counters?groupId=%d', type => $JSON,
      body => encode_json({ auth => $token }) ],
    [ 'Bearer', GET => '/counters?groupId=%d',
      headers => { Authorization => "Bearer $token" } ],
    [ 'cookies', GET => '/counters?groupId=%d',
      headers => { Cookie => "PHPSESSID=session-6; secret=$code" } ],
    [ 'headers', GET => '/counters?groupId=%d',
      headers => { Referer => "http://x/$code", 'X-Secret' => $code, Origin => "http://$code",
                   'User-Agent' => $code, Accept => $code } ],
);

$portal->forget;

for my $i (0 .. $#MINE) {
    my ($name, $verb, $target, @how) = @{ $MINE[$i] };
    my $group = 20 + $i;

    my $r = answered($name, "1/5/$group/view_all", 5, $verb, sprintf($target, $group), @how);
    is(cache($r), 'acme; fwd=miss; stored', "$name: fetched");
    is(cache(answered("$name, again", "1/5/$group/view_all", 5, GET => "/counters?groupId=$group")),
       'acme; hit', "$name: the same entry");
}

my @calls = $portal->calls(full => 1);
is(@calls, scalar @MINE, 'a call each');

my $sent = encode_json(\@calls);
unlike($sent, qr/\Q$token\E/, 'the token did not go to the portal');
unlike($sent, qr/\Q$code\E/, 'nor any header');
is(scalar(grep { $_->{credential} ne 'webhook 1/1' } @calls), 0, 'the webhook alone did');
is(scalar(grep { grep { lc $_->[0] eq 'cookie' || lc $_->[0] eq 'authorization' }
                 @{ $_->{headers} } } @calls), 0, 'neither cookie nor authorization');

# --- HEAD, 304

my $get = as(5, GET => '/counters');
my $head = as(5, HEAD => '/counters');
my $tag = $get->header('etag');

like($tag, qr/^"[^"]+"$/, 'a strong ETag');
is($get->header('cache-control'), 'private, no-cache', 'private');
is($head->status, 200, 'HEAD');
is($head->body, '', 'without a body');
is($head->header('content-length'), length $get->body, 'with its length');
is($head->header('etag'), $tag, 'and its tag');
is(as(30, HEAD => '/counters')->status, 200, 'HEAD of what is missing');
is(cache(as(30, GET => '/counters')), 'acme; hit', 'fetches it');

my $same = as(5, GET => '/counters', headers => { 'If-None-Match' => $tag });
is($same->status, 304, 'not modified');
is($same->body, '', 'without a body');
is(as(6, GET => '/counters', headers => { 'If-None-Match' => $tag })->status, 200,
   "another user's tag is not his");
is(as(undef, GET => '/counters', headers => { 'If-None-Match' => $tag })->status, 401,
   'nor that of nobody');
is(as(5, GET => '/counters?userId=6', headers => { 'If-None-Match' => $tag })->status, 403,
   'nor for another user');

# --- a visitor's mistake is the portal's to name

my $wrong = as(5, GET => '/counters?groupId=5000');
is($wrong->status, 400, 'a group that is not there: 400');
like($wrong->body, qr/Group not found/, "in the portal's words");

# --- one call forbidden, alone or in a batch: others are asked for as before

$portal->fault(kind => 'error', method => $METHOD, target => 51, status => 403,
               error => 'ACCESS_DENIED', error_description => 'Access denied!');

for my $turn (1 .. 2) {
    is(as(51, GET => '/short')->status, 502, "forbidden, turn $turn");
    is(as(52 + $turn, GET => '/short')->header('x-status'), 'MISS',
       "not to others, turn $turn");
}

is($t->log_lines(qr/"short": the portal forbids the webhook a call/), 1, 'logged');
ok(!$t->log_lines(qr/"short": the portal refuses the webhook/), 'as what it is');

$portal->heal;

# --- the webhook refused: the administrator's fault

for my $case ([ short => 1, 'revoked' ], [ other => 2, 'scope' ]) {
    my ($name, $owner, $state) = @$case;

    # an administrator and user 2, who sees himself alone
    my $user = $owner == 1 ? 5 : 2;

    is(whose(as($user, GET => "/$name")->body), "$owner/$user/0/view_all", "$name: cached");

    $portal->credential("$owner/" . webhook_code($owner) => $state);

    my $none = as(40, GET => "/$name");

    is($none->status, 502, "$state: 502");
    like($none->body, qr/^\{"error":"[A-Z_]+","error_description":"[^"]+"\}$/,
         "$state: envelope");
    unlike($none->raw, qr/INVALID_CREDENTIALS|insufficient_scope/, "$state: not his concern");

    for my $turn (1 .. 3) {
        my $stale = as($user, GET => "/$name");

        is($stale->status, 200, "$state: stale, turn $turn");
        is(whose($stale->body), "$owner/$user/0/view_all", "$state: his own, turn $turn");
        is($stale->header('x-status'), 'STALE', "$state: STALE, turn $turn");
    }

    is(as(undef, GET => "/$name")->status, 401, "$state: nobody still gets nothing");
    ok($t->log_lines(qr/counters_portal "$name": the portal refuses the webhook/),
       "$state: logged");

    $portal->credential("$owner/" . webhook_code($owner) => 'ok');
}

for my $name ('short', 'other') {
    ok(wait_for(sub { as(40, GET => "/$name")->status == 200 }, 30), "$name: accepted again");
    ok(wait_for(sub { as(2, GET => "/$name")->header('x-status') eq 'MISS' }, 30),
       "$name: and fetched");
}

$t->no_secrets(webhook_code(1), webhook_code(2), webhook_code(5), $code, $token,
               access_token(5));
$t->done;
