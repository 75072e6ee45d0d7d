#!/usr/bin/perl

# Client batches: those made of counter calls alone are answered from the cache,
# command by command, and what is missing is fetched in one call. The answer is
# what the portal itself makes of the same batch, to the byte, the values of
# "time" apart: each is asked of the portal too. All other batches pass.
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
    counters_portal acme   { url %%PORTAL%%; zone 1m; rate off; ttl 1h; negative 1h;
                             methods tasks.task.counters.get im.counters.get; }
    counters_portal single { url %%PORTAL%%; zone 1m; rate off; ttl 1h; batch off; }

    add_header X-Status "$counters_cache_status" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location /purge { counters_purge acme; }
        location /now/ {
            counters acme;
            counters_time current;
            proxy_pass %%PORTAL%%/;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location /rest/ { counters single; proxy_pass %%PORTAL%%; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $JSON = 'application/json';
my @FORM = (type => 'application/x-www-form-urlencoded');

my $direct = Counters::Http->new(port => $portal->port);
my $batch = $portal->hook(5, 'batch');
my $token = access_token(5);


# --- what is asked, and how answers are compared

sub command ($args = '') {
    return $args eq '' ? $METHOD : "$METHOD?$args";
}


sub form (@pairs) {
    my @parts;

    while (my ($key, $value) = splice @pairs, 0, 2) {
        push @parts, "$key="
                     . $value =~ s/([^A-Za-z0-9._-])/sprintf '%%%02X', ord $1/ger;
    }

    return join '&', @parts;
}


sub multipart (@pairs) {
    my $body = '';

    while (my ($key, $value) = splice @pairs, 0, 2) {
        $body .= "--b\r\nContent-Disposition: form-data; name=\"$key\"\r\n\r\n"
                 . "$value\r\n";
    }

    return "$body--b--\r\n";
}


sub ask ($where, $body, $target = $batch) {
    return $where->request(POST => $target, @FORM, body => $body);
}


# The values of "time" do not matter, but what there is of them does

sub shape ($body) {
    $body =~ s/"(start|finish)":\d+(?:\.\d+)?/"$1":N/g;
    $body =~ s/"(duration|processing|operating)":[-+0-9.e]+/"$1":N/g;
    $body =~ s/"(operating_reset_at)":\d+/"$1":N/g;
    $body =~ s/"(date_start|date_finish)":"[-0-9T:+]+"/"$1":"D"/g;

    return $body;
}


sub purge () {
    $t->post('/purge?all=1', '');
}


sub cache ($r) {
    return ($r->header('cache-status') // 'none') =~ s/; ttl=.*//r;
}


# Missing, then cached; each time as the portal answers

sub same ($name, $verb, $target, %how) {
    purge();
    $portal->forget;

    my $wanted = $direct->request($verb, $target, %how);
    my $miss = $t->request($verb, $target, %how);
    my $calls = $portal->count;
    my $hit = $t->request($verb, $target, %how);

    is($miss->status, 200, "$name: status");
    is(shape($miss->body), shape($wanted->body), "$name: fetched");
    is(shape($hit->body), shape($wanted->body), "$name: cached");
    is($hit->header('content-type'), $wanted->header('content-type'),
       "$name: type");

    like(cache($miss), qr{^acme; fwd=miss}, "$name: a miss");
    like(cache($hit), qr/^acme; hit/, "$name: a hit");

    is($calls, 2, "$name: one call to the portal");
    is($portal->count, 2, "$name: and no other one");

    return $hit;
}


# --- all the ways to write one

my @TWO = ('cmd[a]' => command(),
           'cmd[b]' => command('groupId=7&type=view_role_auditor'));
my %TWO = (a => $TWO[1], b => $TWO[3]);

my $two = same('form', POST => $batch, @FORM, body => form(@TWO));

like(shape($two->body), qr/^\{"result":\{"result":\{"a":\{.*\},"b":\{.*\}\},
                           "result_error":\[\],"result_total":\{"a":1,"b":1\},
                           "result_next":\[\],
                           "result_time":\{"a":\{[^{}]*\},"b":\{[^{}]*\}\}\},
                           "time":\{[^{}]*\}\}$/x,
     'as documented');

same('GET', GET => "$batch?" . form(@TWO));
same('GET with a suffix and telemetry',
     GET => "$batch.json?" . form(@TWO) . '&bx24_request_id=1');
same('brackets escaped', POST => $batch, @FORM,
     body => form(@TWO) =~ s/\[/%5B/gr =~ s/\]/%5D/gr);
same('multipart', POST => $batch, type => 'multipart/form-data; boundary=b',
     body => multipart(@TWO));
same('JSON', POST => $batch, type => $JSON, body => encode_json({ cmd => \%TWO }));
same('JSON, telemetry in the query',
     POST => "$batch?bx24_request_id=2&bx24_sdk_ver=1.0",
     type => $JSON, body => encode_json({ cmd => \%TWO, halt => 0 }));
same('a JSON list', POST => $batch, type => $JSON,
     body => encode_json({ cmd => [ @TWO[1, 3] ] }));
same('a list in a form', POST => $batch, @FORM,
     body => form('cmd[]' => $TWO[1], 'cmd[]' => $TWO[3]));
same('in capitals', POST => $batch =~ s/batch/Batch/r, @FORM, body => form(@TWO));
same('a command in capitals', POST => $batch, @FORM,
     body => form('cmd[a]' => 'Tasks.Task.Counters.Get?groupId=7'));
same('two methods', POST => $batch, @FORM,
     body => form('cmd[a]' => 'im.counters.get', 'cmd[b]' => command()));
same('fifty', POST => $batch, type => $JSON,
     body => encode_json({ cmd => [ map { command("groupId=$_") } 1 .. 50 ] }));

same('token in a form', POST => '/rest/batch', @FORM,
     body => form(auth => $token, @TWO));
same('token in JSON', POST => '/rest//batch', type => $JSON,
     body => encode_json({ cmd => \%TWO, auth => $token }));
same('numbered, of another page', POST => $batch, type => "$JSON; charset=utf-8",
     body => encode_json({ start => 0, halt => 0, cmd =>
         { map { $_ => $TWO{$_} =~ s/\?|$/?__order=$_&start=0&/r } keys %TWO } }));
same('token in the query', GET => "/rest/batch?auth=$token&" . form(@TWO));
same('Bearer', POST => '/rest/batch', @FORM, body => form(@TWO),
     headers => { Authorization => "Bearer $token" });

# --- keys: lists and maps, and their order

for my $keys ([0, 1], [1, 0], [0, 2], [1, 2], ['00', 1], ['z', 'a'], [0, 'a'], [5],
              [0], ['-1', 0], [0, 1, 'x'], ['A', 'a'], ['a.b', 'a_b'])
{
    my $n = 0;

    same("keys @$keys", POST => $batch, @FORM,
         body => form(map { ("cmd[$_]" => command('groupId=' . ++$n)) } @$keys));
}

same('JSON keys 1, 0', POST => $batch, type => $JSON,
     body => '{"cmd":{"1":"' . command() . '","0":"' . command('groupId=3') . '"}}');

# --- results that are empty, or odd

same('one of them empty', POST => $batch, @FORM,
     body => form('cmd[a]' => command('userId=6'), 'cmd[b]' => command()));
same('nothing but empty ones', POST => $batch, @FORM,
     body => form('cmd[a]' => command('userId=6')));

$portal->result($METHOD, '{"a":1e2,"b":1.0,"c":"\u0416\/x","d":[],"e":{}}', user => 5);
same('raw text, and no total', POST => $batch, @FORM, body => form(@TWO));
$portal->result($METHOD, undef, user => 5);

# --- errors

my $WRONG = command('groupId=5000');

for my $halt ('', 0, 1) {
    my @halt = $halt eq '' ? () : (halt => $halt);

    same("an error, halt '$halt'", POST => $batch, @FORM,
         body => form('cmd[a]' => command(), 'cmd[b]' => $WRONG,
                      'cmd[c]' => command('groupId=3'), @halt));
    same("nothing but an error, halt '$halt'", POST => $batch, @FORM,
         body => form('cmd[0]' => $WRONG, @halt));
    same("an error first, halt '$halt'", POST => $batch, @FORM,
         body => form(@halt, 'cmd[0]' => $WRONG, 'cmd[1]' => command()));
    same("a list with a gap, halt '$halt'", POST => $batch, type => $JSON,
         body => encode_json({ cmd => [ command(), $WRONG, command('groupId=3'), $WRONG ],
                               @halt }));
}

for my $halt (Mojo::JSON->true, Mojo::JSON->false, 1, 0, '1', '0') {
    same('halt ' . encode_json([$halt]), POST => $batch, type => $JSON,
         body => encode_json({ cmd => [ $WRONG, command() ], halt => $halt }));
}

my $scope = $portal->fault(kind => 'error', method => $METHOD, target => 77,
                           status => 403, error => 'insufficient_scope');

same('a command forbidden', POST => $batch, @FORM,
     body => form('cmd[a]' => command('userId=77'), 'cmd[b]' => command()));

$portal->heal($scope);

# --- only what is missing is fetched, in one call, each thing once

purge();
$t->get($portal->hook(5, $METHOD) . '?groupId=1');
$portal->forget;

my $some = form('cmd[a]' => command('groupId=1'), 'cmd[b]' => command('groupId=2'),
                'cmd[c]' => command('groupId=3'), 'cmd[d]' => command('groupId=2'),
                'cmd[e]' => command('type=view_all&userId=5&groupId=2'));

my $r = ask($t, $some);
my @calls = $portal->calls(full => 1);

is(@calls, 1, 'one call');
is($calls[0]{method}, 'batch', 'a batch');
is(join(' ', sort map { $_->[1] } @{ $calls[0]{commands} }),
   "$METHOD?groupId=2 $METHOD?groupId=3", 'of what was missing');
like(cache($r), qr{^acme; fwd=miss}, 'a miss');

my $answer = $r->json->{result};

is(join(' ', map { $answer->{result}{$_}{whose}{group} } 'a' .. 'e'), '1 2 3 2 2',
   'all in their places');
is(shape($r->body), shape(ask($direct, $some)->body), 'as the portal answers it');

$portal->forget;
is(cache($t->get($portal->hook(5, $METHOD) . '?groupId=3')), 'acme; hit',
   'single calls share the entries');
is($portal->count, 0, 'without a call');

purge();
ask($t, form('cmd[a]' => command()));
is(($portal->calls)[0]{method}, $METHOD, 'one missing command needs no batch');

# --- the operating time is that of the command that has used most, to the byte;
# "time" of a portal without it has none

sub timed ($group, $operating) {
    my $members = qq("start":1.5,"date_finish":"2024-01-01T00:00:00+00:00"$operating);

    $portal->set(time => "{$members}");
    $t->get($portal->hook(5, $METHOD) . "?groupId=$group");
}

sub time_of (@groups) {
    my $body = form(map { ("cmd[$_]" => command("groupId=$_")) } @groups);
    my $r = $t->post($batch, $body);

    is(cache($r), 'acme; hit', "groups @groups: a hit");

    return $r->body =~ /"date_finish":"[^"]*"([^{}]*)\}\}$/ ? $1 : $r->body;
}

timed(31, ',"operating":9.50,"operating_reset_at":1700000031');
timed(32, ',"operating_reset_at":1700000032,"operating":10.0');
timed(33, ',"operating_reset_at":1700000033,"operating":1e-3');
timed(34, '');
timed(35, ',"operating":0');
timed(36, ',"operating_reset_at":1700000036');

is(time_of(31, 32, 33, 34), ',"operating_reset_at":1700000032,"operating":10.0',
   'of the most');
is(time_of(34, 33, 31), ',"operating_reset_at":1700000031,"operating":9.50',
   'in the order of the portal');
is(time_of(34, 35), ',"operating":0', 'of nothing');
is(time_of(34), '', 'of a portal without it');
is(time_of(34, 36), '', 'not what has no amount');

$portal->set(time => '');

$r = $t->post("/now$batch", form('cmd[a]' => command('groupId=31')));
is(cache($r), 'acme; hit', 'counters_time current: a hit');
is(join(' ', sort keys %{ $r->json->{time} }),
   'date_finish date_start duration finish processing start',
   'counters_time current: none');

# --- an answer made anew each time has no tag

ask($t, form(@TWO));
is(ask($t, form(@TWO))->header('etag'), undef, 'no ETag');

# --- whose it is: the portal decides, not what is cached for others

sub told ($user, @about) {
    my $body = form(map { ("cmd[u$_]" => command("userId=$_")) } @about);
    my $target = $portal->hook($user, 'batch');
    my $r = ask($t, $body, $target);

    is(shape($r->body), shape(ask($direct, $body, $target)->body),
       "what $user is told about @about");

    my $results = $r->json->{result}{result};

    return join ' ', map { ref $results->{"u$_"} eq 'HASH'
        ? join '/', @{ $results->{"u$_"}{whose} }{qw(caller user)} : '-' } @about;
}

for my $turn (1 .. 2) {
    is(told(1, 5, 6, 11), '1/5 1/6 1/11', 'an administrator');
    is(told(6, 5, 6, 11), '- 6/6 -', 'user 6');
    is(told(10, 5, 6, 11), '- - 10/11', 'a head of department');
    is(told(11, 5, 6, 11), '- - 11/11', 'who is in it');
    is(told(5, 5, 6, 11), '5/5 - -', 'user 5');
}

# --- the credential refused: the whole of it

for my $wrong ('/rest/5/' . webhook_code(6) . '/batch', '/rest/batch?auth=x') {
    my $wanted = ask($direct, form(@TWO), $wrong);

    for my $turn ('fetched', 'remembered') {
        my $got = ask($t, form(@TWO), $wrong);

        is($got->status, 401, "401 $turn");
        is($got->body, $wanted->body, "the portal's words, $turn");
    }
}

for my $case ([ revoked => 401 ], [ invalid => 403 ]) {
    my ($state, $code) = @$case;
    my $more = form(@TWO, 'cmd[n]' => command("groupId=$code"));

    purge();
    ask($t, form(@TWO));
    $portal->credential('5/' . webhook_code(5) => $state);

    is(ask($t, form(@TWO))->status, 200, "$state: not noticed yet");

    my $r = ask($t, $more);

    is($r->status, $code, "$state: one command missing tells");
    is($r->body, ask($direct, $more)->body, "$state: in the portal's words");
    is(ask($t, form(@TWO))->status, $code, "$state: the rest is dropped");

    $portal->credential('5/' . webhook_code(5) => 'ok');
}

# --- the portal refuses batches, or may not be asked for any

my $refused = $portal->fault(kind => 'status', method => 'batch', status => 403,
                             error => 'ACCESS_DENIED');

purge();
$portal->forget;
$r = ask($t, form(@TWO));

is($r->status, 200, 'batch refused by the portal: 200');
is(join(' ', map { $r->json->{result}{result}{$_}{whose}{group} } 'a', 'b'), '0 7',
   'fetched one by one');
is($portal->count(method => 'batch'), 1, 'tried once');
is($portal->count(method => $METHOD), 2, 'then each by itself');

$portal->heal($refused);
$portal->forget;

my $alone = $t->post($batch, form(@TWO), port => 8081);

is($portal->count(method => 'batch'), 0, 'batch off: none');
is($portal->count(method => $METHOD), 2, 'batch off: each by itself');
is(shape($alone->body), shape(ask($direct, form(@TWO))->body),
   'batch off: the same answer');

# --- what passes: no header of ours, and the request as it came

sub passed ($name, $verb, $target, %how) {
    $portal->forget;

    my @answers = map { $_->request($verb, $target, %how) } $direct, $t->client;
    my @calls = $portal->calls(full => 1);

    is(@calls, 2, "$name: one call") or return;

    is($answers[1]->header('x-status'), 'PASS', "$name: PASS");
    is($answers[1]->header('cache-status'), undef, "$name: no Cache-Status");
    is($answers[1]->status, $answers[0]->status, "$name: status");
    is(shape($answers[1]->body), shape($answers[0]->body), "$name: answer");
    is($calls[1]{$_}, $calls[0]{$_}, "$name: $_") for qw(target body);
}

# all but these would be hits
purge();
ask($t, form(@TWO));

passed('a foreign method', POST => $batch, @FORM,
       body => form(@TWO, 'cmd[c]' => 'profile'));
passed('a method of the same family', POST => $batch, @FORM,
       body => form(@TWO, 'cmd[c]' => 'tasks.task.get?taskId=1'));
passed('an earlier result', POST => $batch, @FORM,
       body => form(@TWO, 'cmd[c]' => command('groupId=$result[b][whose][group]')));
passed('an earlier result as user', POST => $batch, @FORM,
       body => form(@TWO, 'cmd[c]' => command('userId=$result[a][whose][user]')));
passed('51 commands', POST => $batch, type => $JSON,
       body => encode_json({ cmd => [ map { command("groupId=$_") } 1 .. 51 ] }));
passed('a nested batch', POST => $batch, @FORM,
       body => form(@TWO, 'cmd[c]' => 'batch?cmd[a]=' . command()));
passed('an unknown argument of a command', POST => $batch, @FORM,
       body => form('cmd[a]' => command('groupId=7&filter=1')));
passed('an unknown argument of the batch', POST => $batch, @FORM,
       body => form(@TWO, select => 1));
passed('a credential in a command', POST => $batch, @FORM,
       body => form('cmd[a]' => command("auth=$token")));
passed('no command', POST => $batch, @FORM, body => 'halt=0');
passed('an empty map', POST => $batch, type => $JSON, body => '{"cmd":{}}');
passed('an empty list', POST => $batch, type => $JSON, body => '{"cmd":[]}');
passed('an empty command', POST => $batch, @FORM, body => form(@TWO, 'cmd[c]' => ''));
passed('cmd is no map', POST => $batch, @FORM, body => form(cmd => command()));
passed('cmd is a text', POST => $batch, type => $JSON,
       body => encode_json({ cmd => command() }));
passed('a command is a map', POST => $batch, type => $JSON,
       body => encode_json({ cmd => { a => { method => $METHOD } } }));
passed('a command is a number', POST => $batch, type => $JSON, body => '{"cmd":[5]}');
passed('two credentials', POST => "$batch?auth=$token", @FORM, body => form(@TWO));
passed('two credentials, Bearer', POST => $batch, @FORM, body => form(@TWO),
       headers => { Authorization => "Bearer $token" });
passed('no credential', POST => '/rest/batch', @FORM, body => form(@TWO));
passed('cmd in query and body', POST => "$batch?" . form(@TWO[0, 1]), @FORM,
       body => form(@TWO[2, 3]));
passed('the same key twice', POST => $batch, @FORM,
       body => form('cmd[a]' => command(), 'cmd[a]' => command('groupId=7')));
passed('the same key twice in JSON', POST => $batch, type => $JSON,
       body => '{"cmd":{"a":"' . command() . '","a":"' . command('groupId=7') . '"}}');
passed('halt twice', POST => $batch, @FORM, body => form(@TWO, halt => 0, halt => 1));
passed('halt of another kind', POST => $batch, @FORM, body => form(@TWO, halt => 'N'));
passed('a malformed number', POST => $batch, @FORM,
       body => form('cmd[a]' => command('groupId=07')));
passed('an unknown type', POST => $batch, @FORM,
       body => form('cmd[a]' => command('type=view_none')));
passed('an argument twice in a command', POST => $batch, @FORM,
       body => form('cmd[a]' => command('groupId=1&groupId=2')));
passed('a key with a quote', POST => $batch, @FORM,
       body => form('cmd[a"b]' => command()));
passed('XML', POST => "$batch.xml", @FORM, body => form(@TWO));

$t->no_secrets(webhook_code(5), $token);
$t->done;
