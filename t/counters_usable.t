#!/usr/bin/perl

# What of the portal's answers is usable. JSON counts, whatever is odd about it to
# the letter (a byte order mark before it, a name twice inside the result), and goes
# to the client byte for byte. What is no envelope, or has a status that none comes
# with, is malformed: stale data, or 502 with an envelope of the module's own, and
# never "the portal's own error".

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOT', workers => 2);
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                           stale 1ms error=1h; batch off; }
    counters_portal many { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                           webhook %%WEBHOOK_1%%; batch 50 wait=200ms; }

    add_header X-Status "$counters_cache_status" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters acme; counters_bypass $http_x_fresh;
                          proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location /rest/ { counters acme; counters_time current; proxy_pass %%PORTAL%%; }
        location ~ ^/of/([0-9]+)$ { counters many; counters_user $1; }
    }
EOT

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $MARK = "\xef\xbb\xbf";
my $TIME = '"time":{"start":1,"finish":2,"duration":1,"processing":1,"date_start":"a",'
           . '"date_finish":"b"}';
my @JSON = ([ 'Content-Type', 'application/json; charset=utf-8' ]);

my $user = 100;

sub answers ($status, $body, %how) {
    return $portal->fault(kind => 'body', status => $status, headers => [ @JSON ],
                          body => $body, %how);
}

sub outcome ($r) {
    return $r->status . ' ' . ($r->header('x-status') // 'none');
}

# --- usable, and as it came

for my $case ([ 'a byte order mark', qq($MARK\{"result":{"a":1},"total":1,$TIME}) ],
              [ 'a mark and space', qq($MARK\r\n {"result":[],$TIME}\n) ],
              [ 'a name twice', qq({"result":{"a":1,"a":2},$TIME}) ],
              [ 'a name twice, deep', qq({"result":[{"a":{"b":1,"b":"\\u0000"}}],$TIME}) ])
{
    my ($name, $body) = @$case;
    my $call = $portal->hook(++$user, $METHOD);

    answers(200, $body, times => 1);

    my $r = $t->get($call);

    is(outcome($r), '200 MISS', "$name: fetched");
    is($r->body, $body, "$name: as it came");

    $r = $t->get($call);

    is(outcome($r), '200 HIT', "$name: stored");
    is($r->body, $body, "$name: byte for byte");

    # the time of serving stands where the portal's was

    my ($before, $after) = $body =~ /^(.*"time":)\{[^}]*\}(.*)$/s;

    like($t->get($call, port => 8081)->body, qr/^\Q$before\E\{"start":\d.*\}\Q$after\E$/s,
         "$name: with the current time");

    # and in a client's batch, which has no place for a mark

    my ($result) = $body =~ /"result":(.*?)(?:,"total":1)?,"time":/s;
    my $batch = $t->get($portal->hook($user, "batch?cmd[a]=$METHOD"));

    is(outcome($batch), '200 HIT', "$name: in a batch");
    like($batch->body, qr/^\{"result":\{"result":\{"a":\Q$result\E\},/, "$name: its result");
    ok(eval { $batch->json }, "$name: JSON");
}

# --- a refusal with a mark, alone and in a batch

{
    my $body = qq($MARK\{"error":"0","error_description":"no such group"});
    my $call = $portal->hook(++$user, "$METHOD?groupId=7");

    answers(400, $body, times => 1);

    is(outcome($t->get($call)), '400 MISS', 'a refusal with a mark');
    is($t->get($call)->body, $body, 'as it came');

    my $batch = $t->get($portal->hook($user, "batch?cmd[a]=$METHOD%3FgroupId%3D7"));

    is(outcome($batch), '200 NEGATIVE', 'in a batch');
    is($batch->json->{result}{result_error}{a}{error_description}, 'no such group',
       'JSON again');
}

# --- the module's own batch, answered behind a mark

{
    $portal->forget;

    my $maps = '"result_error":[],"result_total":[],"result_next":[],"result_time":[]';

    answers(200, qq($MARK\{"result":{"result":[{"a":1,"a":2},{"b":3}],$maps},$TIME}),
            method => 'batch');

    my @got = $t->many([ '/of/5', '/of/6' ], port => 8081, concurrency => 2);

    is($portal->count(method => 'batch'), 1, 'a batch of two');
    is(join(' ', sort map { $_->body } @got),
       qq({"result":{"a":1,"a":2},$TIME} {"result":{"b":3},$TIME}),
       'each has its part, without the mark');

    $portal->heal;
}

# --- not usable

my $good = qq({"result":{"a":1},$TIME});

for my $case ([ 204, '' ], [ 200, '' ], [ 205, '' ], [ 201, '<html></html>' ],
              [ 202, '{}' ], [ 203, '[]' ], [ 206, substr($good, 0, 20) ],
              [ 200, $MARK ], [ 200, $MARK . $MARK . $good ], [ 200, "$good$good" ],
              [ 200, qq({"result":1,"result":2,$TIME}) ], [ 299, '"ok"' ],
              [ 300, '' ], [ 302, $good ], [ 304, '' ], [ 399, $good ])
{
    my ($status, $body) = @$case;
    my $name = "$status " . (length $body ? substr($body, 0, 30) =~ s/[^ -~]/./gr : 'empty');
    my $call = $portal->hook(++$user, $METHOD);

    my $fault = answers($status, $body, user => $user);
    my $r = $t->get($call);

    is(outcome($r), '502 ERROR', "$name: malformed");
    is($r->json->{error}, 'PORTAL_MALFORMED_ANSWER', "$name: the module's words");

    $portal->heal($fault);

    # nothing of it is kept, and what is there is served instead

    ok(wait_for(sub { outcome($t->get($call)) =~ /^200/ }), "$name: not stored");

    $fault = answers($status, $body, user => $user);
    $r = $t->get($call, headers => { 'X-Fresh' => 1 });

    is($r->status, 200, "$name: what is there instead");
    $portal->heal($fault);
}

# --- success of another kind, in an envelope, is the portal's to explain

for my $status (201, 202, 206) {
    my $call = $portal->hook(++$user, $METHOD);

    answers($status, $good, times => 1);

    my $r = $t->get($call);

    is($r->status, $status, "$status with an envelope");
    is($r->body, $good, "$status: as it came");
    ok(wait_for(sub { outcome($t->get($call)) =~ /^200/ }), "$status: not stored");
}

$t->done;
