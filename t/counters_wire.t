#!/usr/bin/perl

# Every way to write the same call is one key: paths, places of the token, body
# formats, verbs, the SDKs' telemetry, defaults spelled out. A key made of the
# URI would never hit.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 2);
    counters_portal acme {
        url      %%PORTAL%%;
        zone     1m;
        rate     off;
        ttl      1h;
        methods  tasks.task.counters.get im.counters.get;
    }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location / { counters acme; proxy_pass %%PORTAL%%; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $FORM = 'application/x-www-form-urlencoded';
my $JSON = 'application/json';
my $MULTIPART = 'multipart/form-data; boundary=----b0undary';
my $TELEMETRY = 'bx24_request_id=8e0b-%n&bx24_sdk_ver=1.2.3&bx24_sdk_type=b24-js-sdk'
                . '&logTag=x%n&_=16%n';

my $token = access_token(5);
my $other = access_token(5, 2);
my $hook = $portal->hook(5);

# --- [verb, target, type, body, headers]; %n is another number each time

sub multipart (%fields) {
    return join('', map { "------b0undary\r\nContent-Disposition: form-data;"
                          . " name=\"$_\"\r\n\r\n$fields{$_}\r\n" } sort keys %fields)
           . "------b0undary--\r\n";
}

sub one_key ($name, $user, @forms) {
    $portal->forget;

    for my $number (0 .. $#forms) {
        my ($verb, $target, $type, $body, $headers) = @{ $forms[$number] };

        s/%n/$number/g for grep { defined } $target, $body;

        my $r = $t->request($verb, $target, type => $type, body => $body,
                            headers => $headers // {});
        my $what = "$name: $verb $target" . (defined $body ? " $body" : '');

        $what =~ s/\s+/ /g;

        is($r->status, 200, $what);
        like($r->header('cache-status') // 'none',
             $number ? qr/^acme; hit; ttl=\d+$/ : qr/^acme; fwd=miss; stored$/,
             'from the one entry');
        is(whose($r->body), $user, 'the same answer') if $verb ne 'HEAD';
    }

    is($portal->count, 1, "$name: one call");
}

one_key('webhook, own counters', '5/5/0/view_all',
    [ GET => "$hook$METHOD" ],
    [ GET => "$hook$METHOD.json" ],
    [ GET => "$hook$METHOD/" ],
    [ GET => "$hook$METHOD.json/" ],
    [ GET => $hook . uc $METHOD ],
    [ GET => "${hook}Tasks.Task.Counters.Get.json" ],
    [ GET => "/$hook$METHOD" ],
    [ GET => $hook =~ s{/rest/}{/rest//}r . $METHOD ],
    [ GET => "/portal$hook$METHOD" ],
    [ GET => "/some/where%20else$hook$METHOD" ],
    [ GET => "${hook}tasks%2Etask.counters.get" ],
    [ HEAD => "$hook$METHOD" ],
    [ GET => "$hook$METHOD?$TELEMETRY" ],
    [ GET => "$hook$METHOD?userId=5" ],
    [ GET => "$hook$METHOD?userId=0&groupId=0&type=view_all" ],
    [ GET => "$hook$METHOD?type=view_all&userId=5&$TELEMETRY&groupId=0" ],
    [ GET => "$hook$METHOD?type=VIEW_ALL" ],
    [ GET => "$hook$METHOD?%75serId=%35&&type=view%5Fall" ],
    [ POST => "$hook$METHOD" ],
    [ POST => "$hook$METHOD", $FORM, '' ],
    [ POST => "$hook$METHOD?$TELEMETRY", $JSON, '{}' ],
    [ POST => "$hook$METHOD", $JSON, '[]' ],
    [ POST => "$hook$METHOD", $FORM, 'userId=5' ],
    [ POST => "$hook$METHOD", "$FORM; charset=UTF-8", 'type=view_all&groupId=0' ],
    [ POST => "$hook$METHOD", $JSON, '{"userId":5}' ],
    [ POST => "$hook$METHOD", $JSON, '{"userId":"5","groupId":"0"}' ],
    [ POST => "$hook$METHOD", $JSON,
      qq( {\n  "type" : "view\\u005fall",\r\n "groupId" : 0 }\n) ],
    [ POST => "$hook$METHOD", $MULTIPART, multipart(userId => 5, groupId => 0) ],
    [ POST => "$hook$METHOD?userId=5&$TELEMETRY", $JSON, '{"groupId":0}' ],
    [ POST => "$hook$METHOD", "$JSON; charset=utf-8", '{"userId":5}' ],
    [ POST => "$hook$METHOD", "$JSON;charset=UTF-8", '{}' ],
    [ POST => "$hook$METHOD", "$JSON ; charset=utf-8; v=1", '{"type":"view_all"}' ],
    [ GET => "$hook$METHOD?start=0" ],
    [ POST => "$hook$METHOD", $JSON, '{"start":-1,"userId":"5"}' ],
    [ GET => "$hook$METHOD", undef, undef, { Authorization => 'Bearer' } ],
    [ POST => "$hook$METHOD", $FORM, 'start=50', { Authorization => 'bearer ' } ],
);

one_key('token, own counters', '5/5/0/view_all',
    [ GET => "/rest/$METHOD?auth=$token" ],
    [ GET => "/rest/$METHOD.json?access_token=$token" ],
    [ GET => "/rest//$METHOD?auth=$token&$TELEMETRY" ],
    [ GET => "/prefix/rest/$METHOD/?auth=$token" ],
    [ GET => "/rest/$METHOD", undef, undef, { Authorization => "Bearer $token" } ],
    [ GET => "/rest/$METHOD", undef, undef, { authorization => "bearer  $token" } ],
    [ HEAD => "/rest/$METHOD", undef, undef, { Authorization => "Bearer $token" } ],
    [ POST => "/rest/$METHOD?auth=$token" ],
    [ POST => "/rest/$METHOD.json", $FORM, "auth=$token" ],
    [ POST => "/rest/$METHOD", $FORM, "access_token=$token&groupId=0" ],
    [ POST => "/rest//$METHOD?$TELEMETRY", $JSON, qq({"auth":"$token"}) ],
    [ POST => "/rest/$METHOD", $JSON, qq({"access_token":"$token","userId":0}) ],
    [ POST => "/rest/$METHOD?auth=$token", $JSON, '{"type":"view_all"}' ],
    [ POST => "/rest/$METHOD", $MULTIPART, multipart(auth => $token) ],
    [ POST => "/rest/$METHOD", $MULTIPART,
      multipart(access_token => $token, type => 'view_all') ],
    [ POST => "/rest/$METHOD", $FORM, 'userId=0',
      { Authorization => "Bearer $token" } ],
    [ GET => "/rest/$METHOD?auth=$token", undef, undef,
      { Authorization => "Bearer $token" } ],
    [ POST => "/rest/$METHOD?access_token=$token", "$JSON; charset=utf-8",
      qq({"auth":"$token","start":0}), { Authorization => "Bearer $token" } ],
    [ GET => "/rest/$METHOD?auth=$token&auth=$token" ],
    [ POST => "/rest/$METHOD?auth=$token", $FORM, "auth=$token",
      { Authorization => 'Bearer' } ],
);

one_key('token, a user, a group and a role', '1/6/7/view_role_auditor',
    map {
        my $token = access_token(1);
        ( [ GET => "/rest/$METHOD?auth=$token&userId=6&groupId=7&type=$_" ],
          [ POST => "/rest/$METHOD", $FORM,
            "type=$_&groupId=7&userId=6&auth=$token" ],
          [ POST => "/rest/$METHOD", $JSON,
            qq({"auth":"$token","userId":6,"groupId":"7","type":"$_"}) ],
          [ POST => "/rest/$METHOD", $JSON,
            qq({"userId":"6","groupId":7,"type":"$_"}),
            { Authorization => "Bearer $token" } ],
          [ POST => "/rest/$METHOD?userId=6", $MULTIPART,
            multipart(groupId => 7, type => $_, auth => $token) ] )
    } qw(view_role_auditor View_Role_Auditor));

# --- another token of the same user is another credential

is($t->get("/rest/$METHOD?auth=$other")->header('cache-status'),
   'acme; fwd=miss; stored', 'another token: another key');
is($t->get($portal->hook(5, $METHOD, 2))->header('cache-status'),
   'acme; fwd=miss; stored', 'another webhook as well');

# --- HEAD fetches, and what it fetched serves GET

my $head = $t->request(HEAD => $portal->hook(8, $METHOD));

is($head->status, 200, 'HEAD on a miss');
is($head->header('cache-status'), 'acme; fwd=miss; stored', 'fetches');

my $get = $t->get($portal->hook(8, $METHOD));

like($get->header('cache-status'), qr/; hit;/, 'for GET as well');
is($head->header('content-length'), length $get->body, 'the length of GET');
is($head->header('etag'), $get->header('etag'), 'its ETag');
is($portal->count(user => 8, verb => 'HEAD'), 0, 'the portal never sees HEAD');

# --- the messenger's counters

my $im = 'im.counters.get';

one_key('messenger', '',
    [ GET => "$hook$im" ],
    [ GET => $hook . uc($im) . "/?$TELEMETRY" ],
    [ HEAD => "/x$hook$im.json" ],
    [ POST => "$hook$im", $JSON, '{}' ],
    [ POST => "$hook$im" ]);

like($t->get("$hook$im")->body, qr/"CHAT":\[\],.*"1319":5\}/, 'its answer');

$t->done;
