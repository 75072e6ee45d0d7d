#!/usr/bin/perl

# A credential that the portal no longer accepts is noticed within ttl + stale of
# its last acceptance, wherever the entry is: in the zone, in Redis alone, as a
# part of a client's batch, while it is refreshed behind the client's back. A 401,
# and a 403 that says INVALID_CREDENTIALS, drops all that the credential owns,
# another 403 what it owns for that call; what belongs to others stays.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);
use Counters::Process qw(slow);
use Counters::Test;

use constant { TTL => 1, STALE => 2, SLACK => 1 };

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$t->marker(TTL => TTL * slow() . 's', STALE => STALE * slow() . 's');

# "error" is long: the portal answers, so that it is no excuse
$t->config(<<'EOF', workers => 2);
    counters_portal short { url %%PORTAL%%; zone 1m; rate off; secret one; negative 100ms;
                            redis %%REDIS%% timeout=1s;
                            ttl %%TTL%%; stale %%STALE%% error=1h; }
    counters_portal long  { url %%PORTAL%%; zone 1m; rate off; secret one; negative 1ms;
                            redis %%REDIS%% timeout=1s; ttl 1h; }

    add_header X-Status "$counters_cache_status" always;
    add_header X-Source "$counters_source" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters short; proxy_pass %%PORTAL%%; }
        location = /status { counters_status short json; }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location /rest/ { counters long; proxy_pass %%PORTAL%%; }
        location = /status { counters_status long json; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';


sub connected () {
    for my $port (8080, 8081) {
        wait_for(sub { $t->get('/status', port => $port)->json->{redis}{connected} },
                 10, 'Redis');
    }
}


# A zone that knows nothing, and Redis as it was

sub forget () {
    $t->restart;
    connected();
}


sub credential ($kind, $user, $n = 1) {
    return $kind eq 'token'
        ? { secret => access_token($user, $n), name => "token $user/$n",
            target => "/rest/%s?auth=" . access_token($user, $n) }
        : { secret => "$user/" . webhook_code($user, $n), name => "webhook $user/$n",
            target => '/rest/' . "$user/" . webhook_code($user, $n) . '/%s?' };
}


sub target ($credential, $args = '', $method = $METHOD) {
    return sprintf($credential->{target}, $method) . ($args eq '' ? '' : "&$args");
}


sub batch ($credential, @groups) {
    return target($credential,
                  join('&', map { "cmd[g$_]=$METHOD%3FgroupId%3D$_" } @groups), 'batch');
}


sub outcome ($r) {
    return $r->status . ' ' . ($r->header('x-status') // 'none');
}


# When the portal has accepted it for the last time

sub accepted ($credential) {
    my ($last) = sort { $b <=> $a } map { $_->{at} + $_->{took} }
                 grep { $_->{status} == 200 } $portal->calls(credential => $credential->{name});

    return $last;
}


# Asks until it is refused; nothing that was asked for after the bound may have been
# served

sub noticed ($name, $credential, @targets) {
    my $last = accepted($credential);
    my $bound = $last + slow() * (TTL + STALE) + SLACK;
    my (@late, %seen);

    my $refused = wait_for(sub {
        my $all = 1;

        for my $target (@targets) {
            my $asked = time;
            my $r = $t->get($target);

            $seen{ outcome($r) }++;
            $all &&= $r->status == 401;
            push @late, sprintf '%s: %s, %.2f s late', $target, outcome($r), $asked - $bound
                if $r->status == 200 && $asked > $bound;
        }

        return $all;
    }, 15);

    ok($refused, "$name: refused");
    is("@late", '', "$name: not served past the bound");
    is(accepted($credential), $last, "$name: never accepted again");

    # nor later, whatever is still somewhere
    like(join(' ', map { $t->get($_)->status } @targets), qr/^401( 401)*$/, "$name: and so on");

    return \%seen;
}

connected();

# --- polled all the time, so that it is served while it is refreshed

for my $kind (qw(webhook token)) {
    my $one = credential($kind, 5);
    my $target = target($one);

    # before it was revoked, the background refresh has been seen at work
    ok(wait_for(sub { outcome($t->get($target)) eq '200 UPDATING' }, 10), "$kind: UPDATING");

    wait_for(sub { outcome($t->get($target)) eq '200 HIT' });
    $portal->credential($one->{secret} => $kind eq 'token' ? 'expired' : 'revoked');

    my $seen = noticed("polled $kind", $one, $target);
    ok($seen->{'200 HIT'} || $seen->{'200 UPDATING'}, "$kind: it was cached");
}

# --- asked for by nobody until it is too old to be served at once

{
    my $one = credential('webhook', 6);

    $t->get(target($one, 'groupId=1'));
    my $end = accepted($one) + slow() * (TTL + STALE);

    # the clock of ages is the portal's and nginx's own: one machine
    $portal->credential($one->{secret});
    wait_for(sub { time > $end }, 10);

    is($t->get(target($one, 'groupId=1'))->status, 401, 'too old: the portal is asked first');
}

# --- Redis as the only holder

for my $kind (qw(webhook token)) {
    my $one = credential($kind, 7);
    my $target = target($one);

    $t->get($target);
    ok(wait_for(sub { scalar(() = $redis->keys('b24:short:c:*')) }), "$kind: in Redis");

    $portal->credential($one->{secret});
    forget();

    my $seen = noticed("$kind, in Redis only", $one, $target);

    forget();
    is($t->get($target)->status, 401, "$kind: Redis does not bring it back");
    note join ', ', map { "$_ $seen->{$_}" } sort keys %$seen;
}

# --- in client batches, whose commands age each by itself

for my $from ('zone', 'Redis') {
    my $one = credential('token', 8, $from eq 'zone' ? 1 : 2);

    $t->get(target($one, 'groupId=2'));
    $t->get(batch($one, 1, 2, 3));
    $portal->credential($one->{secret});

    forget() if $from eq 'Redis';

    noticed("a batch from $from", $one, batch($one, 1, 2, 3), target($one, 'groupId=1'));
}

# --- what a dead credential loses, and what stays; nothing expires here

sub long ($target) {
    return $t->get($target, port => 8081);
}


sub cached (@targets) {
    return join ' ', map { outcome(long($_)) } @targets;
}

for my $case ([ 9, revoked => 401 ], [ 14, invalid => 403 ]) {
    my ($user, $state, $code) = @$case;
    my $one = credential('webhook', $user);
    my @other = map { target($_) } credential('webhook', $user, 2),
                                   credential('token', $user),
                                   credential('webhook', $user + 1);
    my @mine = map { target($one, $_) } '', 'groupId=1', 'type=view_role_auditor', 'userId=11';
    my $before = () = $redis->keys('b24:long:c:*');

    long($_) for @mine, @other;
    is(cached(@mine, @other), join(' ', ('200 HIT') x 7), "$state: all cached");
    ok(wait_for(sub { (() = $redis->keys('b24:long:c:*')) == $before + 7 }),
       "$state: and in Redis");

    $portal->credential($one->{secret} => $state);
    is(cached(@mine), join(' ', ('200 HIT') x 4), "$state: nobody has told");

    is(long(target($one, 'groupId=99'))->status, $code, "$state: a call more tells");

    $portal->forget;
    like(cached(@mine), qr/^$code MISS( $code MISS){3}$/, "$state: all of it is dropped");
    is(cached(@other), join(' ', ('200 HIT') x 3), "$state: the others' is not");
    is($portal->count(status => 200), 0, "$state: for which nobody had to be asked");

    forget();
    like(cached(@mine), qr/^$code \S+( $code \S+){3}$/, "$state: not in Redis either");
    is(cached(@other), join(' ', ('200 HIT') x 3), "$state: but the others' is");
    is($portal->count(status => 200), 0, "$state: without a call");

    $portal->credential($one->{secret} => 'ok');
    ok(wait_for(sub { cached(@mine) eq join ' ', ('200 HIT') x 4 }),
       "$state: accepted again");
    forget();
    is(cached(@mine), join(' ', ('200 HIT') x 4), "$state: and kept in Redis again");
}

# --- what a 403 drops

{
    my $one = credential('webhook', 12);
    my ($call, $rest) = (target($one), target($one, 'groupId=1'));
    my $short = sub ($target) { $t->get($target) };

    # the portal is asked again when it is old enough, one call at a time
    $short->($_) for $call, $rest;

    my $fault = $portal->fault(kind => 'status', status => 403, user => 12, target => undef,
                               error => 'user_access_error', method => $METHOD, times => 1);

    ok(wait_for(sub { $short->($call)->status == 403 }, 10), 'a 403 is noticed');

    $portal->heal;
    long($_) for $call, $rest;
    is(cached($call, $rest), '200 HIT 200 HIT', 'cached');

    $portal->credential($one->{secret} => 'scope');
    is(long(target($one, 'groupId=2'))->status, 403, 'a 403 for one call');
    is(cached($call, $rest), '200 HIT 200 HIT', 'leaves the others');
    is(long(target($one, 'groupId=2'))->status, 403, 'which is refused');
    $portal->credential($one->{secret} => 'ok');
}

# --- a 403 for what was there: it does not come back, from Redis neither

{
    my $one = credential('webhook', 13);
    my ($call, $rest) = (target($one), target($one, 'groupId=1'));

    $t->get($_) for $call, $rest;
    $portal->credential($one->{secret} => 'denied');

    ok(wait_for(sub { $t->get($call)->status == 403 }, 10), 'noticed');
    forget();
    is($t->get($call)->status, 403, 'Redis does not bring it back');
    ok(wait_for(sub { $t->get($rest)->status == 403 }, 10), 'nor, in its time, the other call');
}

$t->no_secrets(map { webhook_code($_), access_token($_) } 5 .. 15);
$t->done;
