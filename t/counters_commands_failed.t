#!/usr/bin/perl

# A client's batch when the portal fails, which is no command's own fault: as the
# portal's batch would, ours fails as a whole, with what a single call is told,
# unless every command can be answered, be it with something stale.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 2);
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h; negative 1h;
                            timeout 2s; }
    counters_portal old   { url %%PORTAL%%; zone 1m; rate off; ttl 1s; stale 1h;
                            timeout 2s; }
    counters_portal other { url %%PORTAL%%; zone 1m; rate off; ttl 1h; negative 1h; }

    add_header X-Status "$counters_cache_status" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/       { counters acme;  proxy_pass %%PORTAL%%; }
        location /old/rest/   { counters old;   proxy_pass %%PORTAL%%/rest/; }
        location /other/rest/ { counters other; proxy_pass %%PORTAL%%/rest/; }
        location = /purge     { counters_purge acme; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $direct = Counters::Http->new(port => $portal->port);


sub form (@commands) {
    my $n = 0;

    return join '&', map { 'cmd[' . chr(97 + $n++) . ']='
                           . ($_ =~ s/([?=&])/sprintf '%%%02X', ord $1/ger) } @commands;
}


sub batch_at ($client, $prefix, $user, $body) {
    return $client->request(POST => $prefix . $portal->hook($user, 'batch'),
                            type => 'application/x-www-form-urlencoded', body => $body);
}


sub batch ($user, @commands) {
    return batch_at($t->client, '', $user, form(@commands));
}


sub group ($n) {
    return "$METHOD?groupId=$n";
}


sub error_of ($r) {
    return $r->status . ' ' . ($r->body =~ /"error":"([^"]*)"/ ? $1 : $r->body);
}


# the portal is asked again at once, whatever it did before

sub fresh () {
    $portal->reset;
    $t->get("/$_" . $portal->hook(99, $METHOD)) for '', 'old';
    $t->post('/purge', 'all=1');

    return wait_for(sub { $t->get($portal->hook(99, $METHOD))->status == 200 }, 20);
}


# --- whatever goes wrong: the same as for a single call

my @faults = (
    [ 'reset',            { kind => 'reset' } ],
    [ 'cut off',          { kind => 'truncate' } ],
    [ 'malformed',        { kind => 'malformed' } ],
    [ 'HTML with 200',    { kind => 'html' } ],
    [ 'time-out',         { kind => 'hang' } ],
    [ '500',              { kind => 'status', status => 500,
                            error => 'INTERNAL_SERVER_ERROR' } ],
    [ '502 of a front',   { kind => 'status', status => 502, body => 'html' } ],
    [ '403 of a front',   { kind => 'status', status => 403, body => 'html' } ],
    [ '503 of a service', { kind => 'status', status => 503, error => 'UNAVAILABLE' } ],
    [ 'the method fails', { kind => 'error', status => 500,
                            error => 'INTERNAL_SERVER_ERROR' } ],
);

for my $n (0 .. $#faults) {
    my ($name, $fault) = @{ $faults[$n] };
    my $user = 10 + $n;

    # each on its own: after three failures the portal is not asked any more
    my $meets = sub ($ask) {
        ok(fresh(), "$name: a portal in good health");
        is(batch($user, group(1))->status, 200, "$name: and one command cached");
        $portal->fault(%$fault);

        return $ask->();
    };

    my $single = $meets->(sub {
        $t->get($portal->hook($user, $METHOD) . '?groupId=2');
    });

    cmp_ok($single->status, '>=', 400, "$name: a single call fails");

    for my $commands ([ group(3), group(4) ], [ group(1), group(5) ], [ group(6) ]) {
        my $r = $meets->(sub { batch($user, @$commands) });

        is(error_of($r), error_of($single), "$name: " . @$commands . ' commands: the same');
        is($r->header('x-status'), 'ERROR', "$name: as an error");
        unlike($r->body, qr/result_error/, "$name: not one of a command's");
    }
}

# --- stale answers will do

ok(fresh(), 'a portal in good health');

is(batch_at($t->client, '/old', 5, form(group(1), group(2)))->status, 200, 'two');
$portal->fault(kind => 'reset');

ok(wait_for(sub {
    batch_at($t->client, '/old', 5, form(group(1), group(2)))
        ->header('x-status') eq 'STALE';
}, 20), 'stale, since the portal fails');

my $r = batch_at($t->client, '/old', 5, form(group(1), group(2)));

is($r->status, 200, 'a good answer');
is(join(' ', map { $_->{whose}{group} } @{ $r->json->{result}{result} }{qw(a b)}), '1 2',
   'both');

is(error_of(batch_at($t->client, '/old', 5, form(group(1), group(3)))) =~ s/ .*//r, 502,
   'with one that is missing it fails');

# --- a command's own refusals are the command's

ok(fresh(), 'a portal in good health');

$r = batch(5, group(1), group(99998));
is($r->status, 200, 'one is refused');
is($r->json->{result}{result_error}{b}{error}, '0', 'by the portal');
is($r->json->{result}{result}{a}{whose}{group}, 1, 'the other is not');

$portal->fault(kind => 'reset');
$r = batch(5, group(1), group(99998));
is($r->status, 200, 'as is known without the portal');

# after the first error of a batch that halts nothing is missing
$r = batch_at($t->client, '', 5, form(group(99998), group(9)) . '&halt=1');
is($r->status, 200, 'halt: what comes after the error is not asked for');
is($r->json->{result}{result_error}{a}{error}, '0', 'halt: the error');

# --- nothing but errors: "time" has what the portal's has

ok(fresh(), 'a portal in good health');

sub members ($r) {
    return join ' ', sort keys %{ $r->json->{time} };
}

for my $commands ([ group(99998), group(99999) ],
                  [ group(99998) ]) {

    my $user = 30 + @$commands;
    my $body = form(@$commands);
    my $wanted = batch_at($direct, '', $user, $body);

    is($wanted->status, 200, @$commands . ' refused');
    like(members($wanted), qr/operating operating_reset_at/, 'the portal tells');

    my $got = batch_at($t->client, '', $user, $body);

    is(members($got), members($wanted), 'as does the module');
    cmp_ok($got->json->{time}{operating_reset_at}, '>', time, 'when it comes back');
    cmp_ok($got->json->{time}{operating}, '>=', 0, 'what is used');
    is(members(batch_at($t->client, '', $user, $body)), members($wanted), 'again');
}

# a portal that does not
$portal->set(time => '{"start":1.5,"finish":2.5}');
$r = batch_at($t->client, '/other', 40, form(group(99998), group(99999)));
is($r->status, 200, 'refused by a portal without operating time');
unlike(members($r), qr/operating/, 'none is made up');

$t->expect(qr/the portal failed|no answer from the portal/);
$t->done;
