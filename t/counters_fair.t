#!/usr/bin/perl

# More users than the quota can keep fresh, each with a webhook of their own, who
# poll at fixed intervals: their answers get older evenly, for all. Who happens to
# ask when there is quota does not overtake those who have asked before.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(max min);
use Test::More;
use Counters::Polls;
use Counters::Test;

use constant USERS => 32;
use constant ROUNDS => 5;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 8, burst => 20);
my $alone = $t->portal(name => 'ALONE', rate => 8, burst => 20);

$t->config(<<'EOF', workers => 2);
    counters_portal own   { url %%PORTAL%%; rate 8r/s burst=20; ttl 1s; stale 200ms; }
    counters_portal alone { url %%ALONE%%; rate 8r/s burst=20; ttl 1s; stale 200ms;
                            webhook %%WEBHOOK_1%%; batch off; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;

        location /rest/ { counters own; proxy_pass %%PORTAL%%; }
        location ~ ^/alone/([0-9]+)$ { counters alone; counters_user $1; }
    }
EOF

$t->start;

my $method = 'tasks.task.counters.get';


my @kinds = (
    { name => 'webhooks of their own', portal => $portal,
      target => sub ($user) { $portal->hook($user, $method) } },
    { name => 'one webhook, without batches', portal => $alone,
      target => sub ($user) { "/alone/$user" } },
);

$_->{polls} = Counters::Polls->new(port => $t->port, users => USERS, every => 0.5,
                                   target => $_->{target})
    for @kinds;


# All poll until each portal has been asked so often

sub until_asked ($n) {
    my $ends = time + 90;

    while (time < $ends && grep { $_->{portal}->count < $n } @kinds) {
        Counters::Polls::run(0.5, map { $_->{polls} } @kinds);
    }
}


# until all have something, which comes first
until_asked(2 * USERS);

$_->{portal}->forget for @kinds;

until_asked(ROUNDS * USERS);

for my $kind (@kinds) {
    my %asked;

    $asked{ $_->{userId} || $_->{user} }++ for $kind->{portal}->calls;

    my @shares = map { $asked{$_} // 0 } 1 .. USERS;

    cmp_ok(min(@shares), '>=', ROUNDS - 2, "$kind->{name}: nobody is left behind");
    cmp_ok(max(@shares), '<=', ROUNDS + 2, 'and nobody is preferred')
        or diag "shares: @shares";

    is($kind->{portal}->totals->{statuses}{503} // 0, 0,
       'the portal has refused nothing');
}

$t->done;
