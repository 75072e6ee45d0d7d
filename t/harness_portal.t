#!/usr/bin/perl

# The sample portal against what Bitrix24's documentation says of the real one:
# if it were more lenient, the module's tests would prove nothing.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Mojo::JSON qw(encode_json);
use Test::More;

use Counters::Http;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0, tls => 1);
my $http = Counters::Http->new(port => $portal->port);

my $METHOD = 'tasks.task.counters.get';
my $HOOK = $portal->hook(5, $METHOD);
my $TOKEN = access_token(5);


sub get ($target, %how) {
    return $http->request(GET => $target, keep => 1, %how);
}


sub post ($target, $body, $type, %how) {
    return $http->request(POST => $target, body => $body, type => $type,
                          keep => 1, %how);
}


sub json ($target, $data, %how) {
    return post($target, encode_json($data), 'application/json', %how);
}


sub form ($target, $body, %how) {
    return post($target, $body, 'application/x-www-form-urlencoded', %how);
}


sub refused ($r, $status, $error, $name) {
    subtest $name => sub {
        is($r->status, $status, 'status');
        is($r->json->{error}, $error, 'error');
        ok(length $r->json->{error_description}, 'description');
    };
}


subtest 'every way to write a call' => sub {
    my $multipart = join "\r\n", '--b', 'Content-Disposition: form-data; name="userId"',
                                 '', '7', '--b--', '';

    my %answer = (
        'webhook'           => get($HOOK),
        'suffix'            => get("$HOOK.json"),
        'slash'             => get("$HOOK/"),
        'suffix and slash'  => get("$HOOK.json/"),
        'upper case'        => get($portal->hook(5, uc $METHOD)),
        'two slashes'       => get("/rest//$METHOD?auth=$TOKEN"),
        'telemetry'         => get("$HOOK?bx24_request_id=1&bx24_sdk_ver=2"),
        'token in query'    => get("/rest/$METHOD?auth=$TOKEN"),
        'access_token'      => get("/rest/$METHOD?access_token=$TOKEN"),
        'bearer'            => get("/rest/$METHOD",
                                   headers => { Authorization => "Bearer $TOKEN" }),
        'token in form'     => form("/rest/$METHOD", "auth=$TOKEN"),
        'token in JSON'     => json("/rest/$METHOD", { auth => $TOKEN }),
        'own id'            => get("$HOOK?userId=5"),
        'own id is 0'       => get("$HOOK?userId=0"),
        'body of no type'   => post($HOOK, 'userId=5', 'text/plain'),
        'TLS'               => Counters::Http->new(port => $portal->tls_port, tls => 1)
                                   ->request(GET => $HOOK),
    );

    for my $form (sort keys %answer) {
        is(whose($answer{$form}->body), '5/5/0/view_all', $form);
    }

    my $admin = $portal->hook(1, $METHOD);

    is(whose(get("$admin?userId=7")->body), '1/7/0/view_all', 'query');
    is(whose(form($admin, 'userId=7')->body), '1/7/0/view_all', 'form');
    is(whose(json($admin, { userId => 7 })->body), '1/7/0/view_all', 'JSON');
    is(whose(post($admin, $multipart, 'multipart/form-data; boundary=b')->body),
       '1/7/0/view_all', 'multipart');
    is(whose(form($admin, undef, chunked => [ 'user', 'Id=', '7' ])->body),
       '1/7/0/view_all', 'chunked');
    is(whose(json("$admin?userId=8", { userId => 7 })->body),
       '1/7/0/view_all', 'JSON over query');
    is(whose(get("$admin?userId=8&userId=7")->body), '1/7/0/view_all',
       'the last of two');
    is(whose(get("$admin?userId=7&groupId=3&type=view_role_auditor")->body),
       '1/7/3/view_role_auditor', 'group and role');
};

subtest 'which credential counts' => sub {
    my %bearer = (headers => { Authorization => 'Bearer ' . access_token(6) });

    is(whose(get("/rest/$METHOD?auth=$TOKEN", %bearer)->body), '6/6/0/view_all',
       'Bearer before auth');
    is(whose(get("/rest/$METHOD?access_token=" . access_token(6)
                 . "&auth=$TOKEN")->body), '5/5/0/view_all',
       'auth before access_token');
    is(whose(get("$HOOK?auth=" . access_token(6))->body), '6/6/0/view_all',
       'auth before the path');

    refused(get('/rest/5/' . webhook_code(6) . "/$METHOD"), 401,
            'INVALID_CREDENTIALS', "another user's code");
    refused(get("/rest/$METHOD"), 401, 'NO_AUTH_FOUND', 'none');
    refused(get("/rest/$METHOD?auth=" . ($TOKEN =~ tr/0-9a-f/1-9a-f0/r)), 401,
            'NO_AUTH_FOUND', 'a made-up token');
    refused(get($portal->hook(10_001, $METHOD)), 401, 'INVALID_CREDENTIALS',
            'nobody');

    is(whose(get("/rest/$METHOD?sessid=abc", headers => {
           Cookie => 'a=b; PHPSESSID=session-8' })->body), '8/8/0/view_all',
       'session');
    refused(get("/rest/$METHOD", headers => { Cookie => 'PHPSESSID=session-8' }),
            401, 'NO_AUTH_FOUND', 'session without its check value');
};

subtest 'credentials that end' => sub {
    my $hook = '5/' . webhook_code(5);

    $portal->credential($hook, 'revoked');
    refused(get($HOOK), 401, 'INVALID_CREDENTIALS', 'revoked');
    is(get($portal->hook(5, $METHOD, 2))->status, 200, 'his other webhook');

    $portal->credential($hook, 'ok');
    is(get($HOOK)->status, 200, 'restored');

    $portal->credential($TOKEN, 'expired');
    refused(get("/rest/$METHOD?auth=$TOKEN"), 401, 'expired_token', 'expired');
    is(get("/rest/$METHOD?auth=" . access_token(5, 2))->status, 200, 'the next token');
    $portal->credential($TOKEN, 'scope');
    refused(get("/rest/$METHOD?auth=$TOKEN"), 403, 'insufficient_scope', 'scope');
    $portal->reset;
    $portal->set(rate => 0);
};

subtest 'who may see what' => sub {
    my %seen = (
        '2 of 2'   => [ 2, 2, 1 ],   '1 of 2'   => [ 1, 2, 1 ],
        '20 of 25' => [ 20, 25, 1 ], '25 of 20' => [ 25, 20, 0 ],
        '2 of 3'   => [ 2, 3, 0 ],   '20 of 30' => [ 20, 30, 0 ],
        '1 of 20000' => [ 1, 20_000, 0 ],
    );

    for my $name (sort keys %seen) {
        my ($caller, $user, $sees) = @{ $seen{$name} };
        my $r = get($portal->hook($caller, "$METHOD?userId=$user"));

        is($r->status, 200, "$name: 200");
        is(whose($r->body), $sees ? "$caller/$user/0/view_all" : '', $name);
        like($r->body, qr/^\{"result":\[\],"total":1,"time":\{/, "$name: []")
            if !$sees;
    }

    like(get("$HOOK?type=nonsense")->body, qr/^\{"result":\[\],"time":\{/,
         'unknown role: no total');
    refused(get("$HOOK?userId=abc"), 400, '0', 'no number');
    refused(get("$HOOK?groupId=1001"), 400, '0', 'no such group');
    is(get("$HOOK?userId=abc")->json->{error_description},
       'Invalid value {abc} to match with parameter {userId}.'
       . ' Should be value of type int.', 'the documented words');
};

subtest 'counters change' => sub {
    my $first = get($HOOK)->json->{result};

    is_deeply(get($HOOK)->json->{result}, $first, 'not by themselves');
    $portal->bump(6);
    is_deeply(get($HOOK)->json->{result}, $first, 'not with others');
    $portal->bump(5);
    isnt(get($HOOK)->json->{result}{expired}{counter}, $first->{expired}{counter},
         'his own');
    $portal->bump;
    is(get($HOOK)->json->{result}{whose}{revision}, 2, "everybody's");
};

subtest 'the envelope' => sub {
    my $number = qr/-?\d+(?:\.\d+)?(?:e[-+]\d+)?/;
    my $r = get($HOOK);

    like($r->body, qr/^\{"result":\{"expired":\{"counter":\d+,"code":6291456\},
                      .*\},"total":1,"time":\{"start":$number,"finish":$number,
                      "duration":$number,"processing":$number,
                      "date_start":"[-\dT:+]+","date_finish":"[-\dT:+]+",
                      "operating_reset_at":\d+,"operating":$number\}\}$/x, 'body');

    is($r->header('content-type'), 'application/json; charset=utf-8', 'type');
    is($r->header('access-control-allow-origin'), '*', 'CORS');
    is($r->header('x-content-type-options'), 'nosniff', 'nosniff');
    like($r->header('set-cookie'), qr/PHPSESSID=/, 'a cookie that nobody may cache');
    isnt($r->header('set-cookie'), get($HOOK)->header('set-cookie'),
         'different each time');

    my $time = $portal->known_time;
    like(get($HOOK)->body, qr/,"time":\Q$time\E\}$/, 'a known time');
    like($time, qr/0\.05025482177734375/, 'with 17 digits');
    $portal->set(time => '');

    like(get($portal->hook(5, 'profile'))->body, qr/"NAME":"\\u0418\\u0432/,
         'escapes beyond ASCII');
    like(get($portal->hook(5, 'profile'))->body, qr{"https:\\/\\/portal}, 'escaped /');
    like(get($portal->hook(5, 'im.counters.get'))->body,
         qr/"CHAT":\[\],"CHAT_MUTED":\{"1317":1,"1319":5\}/, 'empty maps are lists');

    refused(get($portal->hook(5, 'no.such')), 404, 'ERROR_METHOD_NOT_FOUND',
            'no method');
    like(get("$HOOK.xml")->header('content-type'), qr{^text/xml}, 'XML');
    like(get("$HOOK.xml")->body, qr{<response><result><expired><counter>5}, 'its body');
    is(get('/rest/api/main.user.get')->json->{result}{rest}, 'v3', 'version 3');
    is(get('/elsewhere')->status, 404, 'other paths');

    is($http->request(HEAD => $HOOK)->body, '', 'HEAD');

    $portal->set(chunked => 1);
    is(whose(get($HOOK)->body), '5/5/0/view_all', 'chunked answer');
    $portal->set(chunked => 0, prefix => '/portal');
    is(get($HOOK)->status, 404, 'not without the prefix');
    is(get("/portal$HOOK")->status, 200, 'prefix');
    $portal->set(prefix => '', https_required => 1);
    refused(get($HOOK), 400, 'INVALID_REQUEST', 'https required');
    $portal->set(https_required => 0);
};

subtest 'batch' => sub {
    my $batch = $portal->hook(5, 'batch');
    my $r = json($batch, { cmd => { mine => $METHOD, other => "$METHOD?userId=6",
                                    bad => "$METHOD?userId=x", none => 'no.such',
                                    inner => 'batch?cmd[]=profile' } });
    my $result = $r->json->{result};

    is($result->{result}{mine}{whose}{user}, 5, 'a result');
    is_deeply($result->{result}{other}, [], 'not to be seen');
    is($result->{result_error}{bad}{error}, '0', "a command's own error");
    is($result->{result_error}{none}{error}, 'ERROR_METHOD_NOT_FOUND', 'no method');
    is($result->{result_error}{inner}{error}, 'ERROR_BATCH_METHOD_NOT_ALLOWED',
       'no batch in a batch');
    is_deeply($result->{result_total}, { mine => 1, other => 1 }, 'totals');
    is_deeply($result->{result_next}, [], 'empty parts are lists');
    like($result->{result_time}{mine}{operating}, qr/^\d/, 'billed one by one');
    is($r->json->{time}{operating}, 0, 'but the batch is not');

    $r = form($batch, "cmd[0]=$METHOD&cmd[1]=profile");
    is(ref $r->json->{result}{result}, 'ARRAY', 'keys 0, 1: a list');
    $r = form($batch, "cmd[1]=$METHOD&cmd[2]=profile");
    is(ref $r->json->{result}{result}, 'HASH', 'keys 1, 2: an object');
    $r = json($batch, { cmd => [ $METHOD ] });
    is(ref $r->json->{result}{result_time}, 'ARRAY', 'a JSON list');
    like($r->body, qr/"result_error":\[\]/, 'no errors: a list');
    $r = get("$batch?cmd[a]=profile&cmd[b]=$METHOD%3FuserId%3D%24result%5Ba%5D%5BID%5D");
    is($r->json->{result}{result}{b}{whose}{user}, 5, 'refers to an earlier answer');

    # the order is the order of the commands
    my @halted = map { form($batch, "halt=$_&cmd[a]=profile&cmd[b]=no&cmd[c]=profile")
                       ->json->{result} } 0, 1;
    is_deeply([ sort keys %{ $halted[0]{result} } ], [ 'a', 'c' ], 'goes on');
    is_deeply([ keys %{ $halted[1]{result} } ], [ 'a' ], 'halts');

    $r = json($batch, { cmd => [ ($METHOD) x 52 ] });
    is(scalar @{ $r->json->{result}{result} }, 50, 'fifty are executed');
    is_deeply([ sort keys %{ $r->json->{result}{result_error} } ], [ 50, 51 ],
              'the others fail one by one');
    is($r->json->{result}{result_error}{50}{error}, 'ERROR_BATCH_LENGTH_EXCEEDED',
       'with this error');

    my ($call) = reverse $portal->calls(method => 'batch', full => 1);
    is(scalar @{ $call->{commands} }, 52, 'commands are recorded');
    is($call->{commands}[0][1], $METHOD, 'as written');

    like(json($batch, {})->body, qr/^\{"result":\{"result":\[\],/, 'no commands');
};

subtest 'tasks' => sub {
    $portal->task(id => 7, createdBy => 3, responsibleId => 5, auditors => [ 4 ]);

    my $task = get($portal->hook(4, 'tasks.task.get?taskId=7'))->json->{result}{task};
    is("$task->{createdBy} $task->{responsibleId} @{ $task->{auditors} }", '3 5 4',
       'participants');
    is_deeply(get($portal->hook(9, 'tasks.task.get?taskId=7'))->json->{result}, [],
              'not for others');
    $portal->task(id => 7, gone => 1);
    is_deeply(get($portal->hook(1, 'tasks.task.get?taskId=7'))->json->{result}, [],
              'deleted');
};

subtest 'what was received' => sub {
    my $body = join '', map { chr } 0 .. 255;
    my $r = post('/rest/test.echo?a=%20b', $body, 'application/x-odd',
                 headers => [ [ 'X-Twice', '1' ], [ 'x-twice', '2' ] ]);
    my $echo = $r->json->{result};

    is($echo->{sha256}, sha256_hex($body), 'body');
    is($echo->{length}, 256, 'length');
    is($echo->{target}, '/rest/test.echo?a=%20b', 'target');
    is($echo->{verb}, 'POST', 'verb');
    is_deeply([ map { $_->[1] } grep { lc $_->[0] eq 'x-twice' } @{ $echo->{headers} } ],
              [ 1, 2 ], 'headers');

    $portal->forget;
    json("/rest/$METHOD?x=1", { auth => $TOKEN, userId => 6 });
    my ($call) = $portal->calls(full => 1);

    is($call->{shape}, 'oauth', 'shape');
    is($call->{user}, 5, 'user');
    is($call->{userId}, 6, 'asked about');
    is($call->{credential}, 'token 5/1', 'credential');
    is($call->{params}{x}, 1, 'parameters');
    is($call->{status}, 200, 'status');
    is($portal->count(user => 5), 1, 'counted');
    is($portal->count(user => 6), 0, 'filtered');
};

subtest 'rate limit' => sub {
    # a bucket that does not drain by itself within the test
    $portal->set(rate => 0.001, burst => 50);
    $portal->forget;

    my @statuses = map { get($HOOK)->status } 1 .. 53;

    is(scalar(grep { $_ == 200 } @statuses), 50, 'fifty');
    is("@statuses[50 .. 52]", '503 503 503', 'then no more');
    refused(get($HOOK), 503, 'QUERY_LIMIT_EXCEEDED', 'refusal');
    is($portal->totals->{statuses}{503}, 4, 'counted');
    is(get('/rest/test.echo')->status, 503, 'whatever the method');

    $portal->set(rate => 2);
    ok(wait_for(sub { get($HOOK)->status == 200 }), 'it drains');

    $portal->set(rate => 0);
    is(get($HOOK)->status, 200, 'no limit');
    $portal->set(overload => 1);
    refused(get($HOOK), 503, 'OVERLOAD_LIMIT', 'blocked by hand');
    $portal->set(overload => 0);
};

subtest 'operating limit' => sub {
    $portal->set(cost => 200);

    is(get($HOOK)->json->{time}{operating} > 199, 1, 'summed');
    my $reset = get($HOOK)->json->{time}{operating_reset_at};
    cmp_ok($reset, '>', time + 590, 'until ten minutes from the first call');
    cmp_ok(get($HOOK)->json->{time}{operating}, '>', 480, 'the one that crosses it');
    refused(get($HOOK), 429, 'OPERATION_TIME_LIMIT', 'the next one');

    is(get($portal->hook(5, 'profile'))->status, 200, 'another method');
    is(get($portal->hook(6, $METHOD))->status, 200, 'another credential');

    my $batch = form($portal->hook(5, 'batch'), "cmd[a]=$METHOD&cmd[b]=profile");
    is($batch->json->{result}{result_error}{a}{error}, 'OPERATION_TIME_LIMIT',
       'in a batch');
    ok($batch->json->{result}{result}{b}, 'the others go on');

    $portal->set(operating_window => 1);
    ok(wait_for(sub { get($HOOK)->status == 200 }), 'baskets leave');
    $portal->reset;
    $portal->set(rate => 0);
};

subtest 'faults' => sub {
    my $cold = Counters::Http->new(port => $portal->port);
    my $call = sub (%rule) {
        $portal->fault(%rule, times => 1);
        return $cold->request(GET => $HOOK, timeout => $rule{timeout} // 30);
    };

    refused($call->(kind => 'status', status => 502), 502, 'INTERNAL_SERVER_ERROR',
            'status');
    like($call->(kind => 'status', body => 'html')->body, qr/<html>/, 'HTML error');
    is($call->(kind => 'status', status => 503,
               headers => [ [ 'Retry-After', 7 ] ])->header('retry-after'), 7,
       'with a header');
    is($call->(kind => 'reset')->status, 0, 'reset');
    is($call->(kind => 'reset', bytes => 10)->error, 'truncated',
       'reset in the middle');
    is($call->(kind => 'close')->error, 'closed', 'closed');
    is($call->(kind => 'truncate')->error, 'truncated', 'truncated');
    ok(!eval { $call->(kind => 'malformed')->json; 1 }, 'malformed');
    like($call->(kind => 'html')->header('content-type'), qr{text/html}, 'HTML, 200');
    refused($call->(kind => 'error200'), 200, 'ERROR_UNEXPECTED_ANSWER', 'error, 200');
    is($call->(kind => 'redirect', location => 'http://127.0.0.1:1%s')
       ->header('location'), "http://127.0.0.1:1$HOOK", 'redirect');
    is(length $call->(kind => 'size', bytes => 300_000)->body, 300_000, 'size');
    is(whose($call->(kind => 'drip', bytes => 40, every => 0.001)->body),
       '5/5/0/view_all', 'drip');
    is($call->(kind => 'body', status => 418, body => 'x')->status, 418, 'any');
    refused($call->(kind => 'error', status => 403, error => 'user_access_error'),
            403, 'user_access_error', "the method's own error");
    is($call->(kind => 'hang', timeout => 0.1)->error, 'timeout', 'hang');
    is(get($HOOK)->status, 200, 'and then all is well');

    my ($rule) = reverse $portal->faults;
    is($rule->{applied}, 1, 'applied once');
    $portal->heal;
    is(scalar $portal->faults, 0, 'healed');
};

subtest 'faults of some' => sub {
    $portal->fault(kind => 'status', user => 5, method => $METHOD, skip => 1);

    is(get($HOOK)->status, 200, 'not the first');
    is(get($HOOK)->status, 500, 'the second');
    is(get($portal->hook(6, $METHOD))->status, 200, 'another user');
    is(get($portal->hook(5, 'profile'))->status, 200, 'another method');
    $portal->heal;

    $portal->fault(kind => 'error', target => 6);
    my $r = form($portal->hook(1, 'batch'), "cmd[a]=$METHOD?userId=6&cmd[b]=$METHOD");
    is($r->json->{result}{result_error}{a}{error}, '0', 'within a batch');
    is($r->json->{result}{result}{b}{whose}{user}, 1, 'the other command');
    $portal->heal;
};

subtest 'a slow answer holds nobody up' => sub {
    $portal->fault(kind => 'latency', delay => 60, user => 5);

    my $waiting = $http->begin(GET => $HOOK);
    ok(wait_for(sub { $portal->count(user => 5, fault => 'latency') }), 'waits');
    is(get($portal->hook(6, $METHOD))->status, 200, 'another call is answered');

    close $waiting;
    ok(wait_for(sub { $portal->count(user => 5, aborted => 1) }), 'who left is noted');
    $portal->heal;
};

subtest 'outage' => sub {
    $portal->refuse;
    is(Counters::Http->new(port => $portal->port)->request(GET => $HOOK)->error,
       'connect', 'refused');
    $portal->accept;
    is(Counters::Http->new(port => $portal->port)->request(GET => $HOOK)->status, 200,
       'back');

    $portal->stop;
    is(Counters::Http->new(port => $portal->port)->request(GET => $HOOK)->error,
       'connect', 'ended');
    $portal->start;
    is(Counters::Http->new(port => $portal->port)->request(GET => $HOOK)->status, 200,
       'started again');
};

subtest 'outgoing webhooks' => sub {
    my $receiver = $t->portal(name => 'RECEIVER', rate => 0);

    is($portal->event($receiver->url . '/rest/test.echo', event => 'ONTASKUPDATE',
                      id => 7, token => 'x&y', ts => 99)->{status}, 200, 'delivered');

    my ($call) = $receiver->calls(full => 1);
    is($call->{verb}, 'POST', 'POST');
    is($call->{params}{event}, 'ONTASKUPDATE', 'event');
    is($call->{params}{data}{FIELDS_AFTER}{ID}, 7, 'task');
    is($call->{params}{auth}{application_token}, 'x&y', 'token');
    is($call->{params}{ts}, 99, 'time');
};

$t->done;
