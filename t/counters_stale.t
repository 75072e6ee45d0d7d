#!/usr/bin/perl

# The portal fails, in every way there is. A copy within "stale" or "error" is
# served instead, marked STALE; an older one is not; without one the client gets
# the portal's own answer, or an error envelope where there was none. The portal
# is not asked again at once, for the same key or, when it fails repeatedly, at
# all; and all is well again by itself when the portal is.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

my @blocks = (
    [ old     => 'ttl 1ms; stale 0; ' ],
    [ while   => 'ttl 1ms; stale 1h;' ],
    [ brief   => 'ttl 1ms; stale 0 error=2s;' ],
    [ hasty   => 'ttl 1ms; stale 0; timeout 300ms;' ],
    [ limited => 'ttl 1ms; stale 0; wait 300ms;' ],
    [ held    => 'ttl 1ms; stale 0;' ],
);

$t->config(join '', (map {
    my ($name, $text) = @$_;
    "counters_portal $name { url %%PORTAL%%; zone 1m; rate off; batch off;\n"
    . "                       max_body 8k; $text }\n" } @blocks),
    "server { listen 127.0.0.1:%%PORT_8080%%;\n",
    (map { "location /$_->[0]/rest/ { counters $_->[0]; proxy_pass %%PORTAL%%/rest/; }\n" }
     @blocks),
    "}\n");

$t->start;

my $method = 'tasks.task.counters.get';
my $envelope = qr/^\{"error":"\w+","error_description":"[^"]+"\}$/;
my $user = 100;


sub ask ($block, $user) {
    return $t->get("/$block" . $portal->hook($user, $method));
}


# A copy for a user of its own, which also says that the portal works

sub warm ($block) {
    $user++;
    my $r = wait_for(sub { my $r = ask($block, $user);
                           $r->status == 200 ? $r : undef });

    my $end = time + 0.01;
    wait_for(sub { time > $end });      # fresh no longer

    return ($user, $r->body);
}


sub asked ($user) {
    return $portal->count(user => $user);
}


sub detail ($r) {
    return ($r->header('cache-status') // '') =~ /detail=(\w+)/ ? $1 : '';
}


# name, block, what goes wrong, status without a copy, what that answer is
my @failures = (
    [ '500',        'old', { kind => 'status', status => 500 }, 500,
      qr/^\{"error":"INTERNAL_SERVER_ERROR","error_description":/ ],
    [ '500, page',  'old', { kind => 'status', status => 500, body => 'html' },
      500, qr/<html/ ],
    [ '503',        'old', { kind => 'status', status => 503 }, 503,
      qr/"INTERNAL_SERVER_ERROR"/ ],
    [ '503, page',  'old', { kind => 'status', status => 503, body => 'html' },
      503, qr/<html/ ],
    [ '429',        'old', { kind => 'status', status => 429,
                             error => 'OPERATION_TIME_LIMIT' }, 429,
      qr/"OPERATION_TIME_LIMIT"/ ],
    [ 'page',       'old', { kind => 'html' }, 502, $envelope ],
    [ 'error in a 200', 'old', { kind => 'error200' }, 200,
      qr/"ERROR_UNEXPECTED_ANSWER"/ ],
    [ 'malformed',  'old', { kind => 'malformed' }, 502, $envelope ],
    [ 'truncated',  'old', { kind => 'truncate' }, 502, $envelope ],
    [ 'reset',      'old', { kind => 'reset' }, 502, $envelope ],
    [ 'reset within', 'old', { kind => 'reset', bytes => 100 }, 502, $envelope ],
    [ 'closed',     'old', { kind => 'close' }, 502, $envelope ],
    [ 'redirect',   'old', { kind => 'redirect',
                             location => 'https://elsewhere.example/' }, 502,
      $envelope ],
    [ 'too large',  'old', { kind => 'size', bytes => 8193 }, 502, $envelope ],
    [ 'no answer',  'hasty', { kind => 'hang' }, 504, $envelope ],
);

for my $failure (@failures) {
    my ($name, $block, $fault, $status, $body) = @$failure;

    my ($known, $copy) = warm($block);
    my $new = ++$user;
    my $calls = asked($known);

    $portal->fault(%$fault);

    my $r = ask($block, $known);
    is($r->status, 200, "$name: a copy is served");
    like($r->header('cache-status'), qr/^$block; hit; ttl=(?:0|-\d+); detail=STALE$/,
         "$name: STALE");
    is($r->body, $copy, "$name: as it was");
    like($r->header('age'), qr/^\d+$/, "$name: Age");

    # once, or twice where a kept connection broke
    my $after = asked($known);
    cmp_ok($after, '>', $calls, "$name: the portal was asked");

    is(detail(ask($block, $known)), 'STALE', "$name: STALE again");
    is(asked($known), $after, "$name: the portal is not asked so soon again");

    $r = ask($block, $new);
    is($r->status, $status, "$name: without a copy");
    like($r->body, $body, "$name: what is said");
    is(detail($r), 'ERROR', "$name: ERROR");

    $portal->heal;
}

# --- a 404 is the portal's own answer too

$portal->fault(kind => 'status', status => 404, error => 'ERROR_METHOD_NOT_FOUND');
my $r = ask(old => ++$user);
is($r->status, 404, 'not found');
like($r->body, qr/^\{"error":"ERROR_METHOD_NOT_FOUND"/, 'not found: its words');
$portal->heal;

# --- the largest answer that is not too large

$portal->fault(kind => 'size', bytes => 8192);
is(length ask(old => ++$user)->body, 8192, 'an answer of max_body');
$portal->heal;

# --- stale-while-revalidate: answered at once, until the refresh has failed

my ($known, $copy) = warm('while');
$portal->fault(kind => 'status', status => 500);

is(detail(ask(while => $known)), 'UPDATING', 'UPDATING');
ok(wait_for(sub { detail(ask(while => $known)) eq 'STALE' }),
   'STALE once the refresh has failed');
is(ask(while => $known)->body, $copy, 'the copy');

$portal->heal;
$portal->bump($known);
ok(wait_for(sub { ask(while => $known)->body ne $copy }), 'refreshed by itself');

# --- older than "error": no longer

($known, $copy) = warm('brief');
$portal->fault(kind => 'status', status => 500, user => $known);

$r = wait_for(sub { my $r = ask(brief => $known);
                    $r->status == 200 ? undef : $r });
like($r->status, qr/^50[02]$/, 'an old copy is not served');
is(detail($r), 'ERROR', 'nor is anything else');

$portal->heal;
is(whose((wait_for(sub { my $r = ask(brief => $known);
                         $r->status == 200 ? $r : undef }))->body),
   "$known/$known/0/view_all", 'recovered by itself');

# --- the quota is spent: the portal says so for all

($known, $copy) = warm('limited');
$portal->fault(kind => 'status', status => 503, error => 'QUERY_LIMIT_EXCEEDED',
               headers => [ [ 'Retry-After', 600 ] ], times => 1);

$r = ask(limited => $known);
is(detail($r), 'STALE', 'quota spent: the copy');
is($r->body, $copy, 'quota spent: as it was');

my $total = $portal->count;
$r = ask(limited => ++$user);
is($r->status, 503, 'quota spent: without a copy');
like($r->body, qr/^\{"error":"QUERY_LIMIT_EXCEEDED",/, 'quota spent: the code');
cmp_ok($r->header('retry-after'), '>', 500, 'quota spent: when to come back');
is($portal->count, $total, 'quota spent: the portal is left alone');

# --- connections are refused; when that goes on nobody tries

($known, $copy) = warm('held');
$portal->refuse;

$r = ask(held => $known);
is(detail($r), 'STALE', 'refused: STALE');
is($r->body, $copy, 'refused: the copy');

my @tried = map { ask(held => ++$user) } 1 .. 30;
my @errors = $t->log_lines(qr/"held": no answer from the portal/);

is(scalar(grep { $_->status == 502 && $_->body =~ $envelope } @tried), 30,
   'refused: 502 for all who have no copy');
cmp_ok(scalar @errors, '<', 10, 'refused: but few were tried');
ok((grep { ($_->header('retry-after') // 0) > 0 } @tried),
   'refused: others are told when to come back');
is(ask(held => $known)->body, $copy, 'refused: the copy is still there');

$portal->accept;
ok(wait_for(sub { ask(held => $user)->status == 200 }, 20),
   'answered by itself when the portal is back');

$portal->bump($known);
ok(wait_for(sub { ask(held => $known)->body ne $copy }), 'and refreshed');

$t->no_secrets(map { webhook_code($_) } 101 .. $user);
$t->done;
