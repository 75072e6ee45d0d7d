#!/usr/bin/perl

# A zone that is much too small, down to the smallest there may be, costs calls to
# the portal but never a request: 10,000 users are all answered rightly through
# 1 MB. Who was asked for longest ago leaves first. An answer that no zone of this
# size can hold is passed on, and does not turn the others out.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

my %zones = (acme => '1m', tiny => '128k', wide => '16m');

$t->config(join('', (map {
    "counters_portal $_ { url %%PORTAL%%; zone $zones{$_}; rate off; ttl 1h; }\n"
    } sort keys %zones),
    "server { listen 127.0.0.1:%%PORT_8080%% reuseport; keepalive_requests 50;\n",
    (map { "location /$_/rest/ { counters $_; proxy_pass %%PORTAL%%/rest/; }\n"
           . "location = /$_/status { counters_status $_ json; }\n" }
     sort keys %zones),
    "}\n"), workers => 4);

$t->start;

my $method = 'tasks.task.counters.get';


sub target ($zone, $user, $arguments = '') {
    return "/$zone" . $portal->hook($user, "$method$arguments");
}


sub seen ($zone, $user) {
    my $r = $t->get(target($zone, $user));

    return '' if whose($r->body) ne "$user/$user/0/view_all";
    return $r->header('cache-status') =~ /; hit;/ ? 'hit' : 'miss';
}


sub statistics ($zone) {
    return $t->get("/$zone/status")->json->{zone};
}


# How many of these users get their own counters, with 200

sub right ($zone, @users) {
    my @answers = $t->many([ map { target($zone, $_) } @users ],
                           concurrency => 24);

    return scalar grep {
        my $user = $users[$_];
        $answers[$_]->status == 200
            && whose($answers[$_]->body) eq "$user/$user/0/view_all"
    } 0 .. $#users;
}


# --- ten thousand

is(right('acme', 1 .. 10_000), 10_000, '10,000 users in 1 MB');

my $state = statistics('acme');
cmp_ok($state->{evicted}, '>', 8000, 'most had to leave');
cmp_ok($state->{entries}, '>', 700, 'there is room for a thousand or so');
cmp_ok($state->{entries}, '<', 2000, 'and no more');

# --- those asked for last are there, those before them are not

$portal->forget;
is(scalar(grep { seen('acme', $_) eq 'hit' } 9901 .. 10_000), 100,
   'the last hundred have stayed');
is($portal->count, 0, 'nobody had to be asked');
is(scalar(grep { seen('acme', $_) eq 'miss' } 1 .. 10), 10, 'the first have left');

# --- in any order, again and again

srand 42;
my @users = map { 1 + int rand 2000 } 1 .. 2000;
is(right('acme', @users), 2000, '2,000 users at random');

# --- the smallest zone

is(right('tiny', 1 .. 1000), 1000, '1,000 users in 128 KB');
is(right('tiny', map { 1 + $_ % 7 } 1 .. 500), 500, 'a few users in 128 KB');
$portal->forget;
is(right('tiny', (1 .. 7) x 20), 140, 'the same');
is($portal->count, 0, 'from the zone');

# --- many entries of one credential, which stays as long as they do

is(scalar(grep { $_->status == 200 && whose($_->body) =~ m{^3/3/(\d+)/view_all$} }
          $t->many([ map { target('tiny', 3, "?groupId=$_") } 1 .. 600 ])), 600,
   '600 groups of one user in 128 KB');
is(seen('tiny', 3), 'miss', 'the user alone had to leave for them');

# --- an answer that is too large for the zone, by one client or by many

$portal->fault(kind => 'size', bytes => 250_000);

for my $size ([ tiny => 1 ], [ tiny => 40 ], [ acme => 40 ]) {
    my ($zone, $n) = @$size;
    my @answers = $t->many([ (target($zone, 9)) x $n ], concurrency => $n);

    is(scalar(grep { $_->status == 200 && length $_->body == 250_000 } @answers),
       $n, "250 KB for $n, from $zones{$zone}");
}

# --- many of a size that does fit, but few at a time

my @large = $t->many([ map { target('acme', 5000 + $_) } 1 .. 60 ],
                     concurrency => 6);
is(scalar(grep { $_->status == 200 && length $_->body == 250_000 } @large), 60,
   '60 answers of 250 KB through 1 MB');

$portal->heal;
$portal->fault(kind => 'size', bytes => 20_000);

@large = $t->many([ map { target('acme', 6000 + $_ % 120) } 1 .. 600 ]);
is(scalar(grep { $_->status == 200 && length $_->body == 20_000 } @large), 600,
   '120 answers of 20 KB through 1 MB');
$portal->heal;

is(right('acme', 2001 .. 2500), 500, 'and small ones after them');
is(scalar(grep { seen('acme', $_) eq 'hit' } 2451 .. 2500), 50, 'which stay');

# --- a zone with room for all keeps all

is(right('wide', 1 .. 2000), 2000, '2,000 users in 16 MB');
is(statistics('wide')->{evicted}, 0, 'nobody has left');
$portal->forget;
is(right('wide', reverse 1 .. 2000), 2000, 'again');
is($portal->count, 0, 'all from memory');

$t->done;
