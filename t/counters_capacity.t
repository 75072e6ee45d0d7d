#!/usr/bin/perl

# How many entries can be kept fresh is told by one sum, in the status and in the
# log: what the quota allows to entries that share batches as those in use do, or
# what the operating time of their credentials allows, whichever is less.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $slow = $t->portal(name => 'SLOW', rate => 0, cost => 1);

# 150 requests within ttl, of which 120 are the refreshes' own
my $conf = <<'EOF';
    counters_portal own  { url %%PORTAL%%; rate 5r/s burst=250; ttl 30s; batch 10; }
    counters_portal one  { url %%PORTAL%%; rate 5r/s burst=250; ttl 30s; batch 10;
                           webhook %%WEBHOOK_1%%; }
    counters_portal slow { url %%SLOW%%; rate 5r/s burst=250; ttl 30s; batch 10;
                           webhook %%WEBHOOK_1%%; }
    counters_portal over { url %%PORTAL%%; rate 1r/s burst=250; ttl 1s; batch 10; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;

        location /rest/ { counters own; proxy_pass %%PORTAL%%; }
        location /over/ { counters over; proxy_pass %%PORTAL%%/; }
        location ~ ^/one/([0-9]+)$  { counters one; counters_user $1; }
        location ~ ^/slow/([0-9]+)$ { counters slow; counters_user $1; }

        location = /status/own  { counters_status own json; }
        location = /status/one  { counters_status one json; }
        location = /status/slow { counters_status slow json; }
        location = /status/over { counters_status over json; }
    }
EOF

$t->config($conf, workers => 1);
$t->start;

my $METHOD = 'tasks.task.counters.get';


sub quota ($name) {
    return $t->get("/status/$name")->json->{quota};
}


sub sum ($name) {
    my $quota = quota($name);

    return join ' ', map { $_ // 'null' }
           @$quota{qw(capacity capacity_max)}, $quota->{operating_binds} ? 1 : 0;
}


# --- nothing in use: as the configuration has it

is(sum('own'), '120 150 0', 'credentials of their own are alone in a request');
is(sum('one'), '1200 1500 0', "the webhook's share full batches");
is(quota('one')->{operating_call}, undef, 'what a call takes is not known');

# --- what is in use

$t->get($portal->hook($_, $METHOD)) for 1 .. 20;
is(sum('own'), '120 150 0', 'a webhook for each');

$t->get($portal->hook($_, $METHOD) . '?groupId=7') for 1 .. 20;
is(sum('own'), '240 300 0', 'two entries for each');

$t->many([ map { "/one/$_" } 1 .. 20 ]);
is(sum('one'), '1200 1500 0', 'one webhook for all');

# --- operating time: a call takes a second, 24 fit into thirty

$t->many([ map { "/slow/$_" } 1 .. 20 ], concurrency => 1);

is(quota('slow')->{operating_call}, 1, 'what a call takes is learnt');
is(sum('slow'), '24 24 1', 'and decides');

# --- more than that in use

$t->get('/over' . $portal->hook($_, $METHOD)) for 1 .. 9;

my $told = $t->get('/status/over')->json;

is($told->{quota}{capacity}, 0, 'none of them every second');
like($told->{health}{message}, qr/than the quota keeps fresh/, 'as the status says');

$t->many([ map { "/slow/$_" } 21 .. 40 ], concurrency => 1);
like($t->get('/status/slow')->json->{health}{message},
     qr/than the operating time keeps fresh/, 'or what else there is too little of');

# the log is written when a worker begins, and then once a minute
$t->config($conf, workers => 1);
ok($t->reload(gone => 1), 'a new worker');

ok(wait_for(sub { $t->log =~ /"over": 9 entries are in use, the quota keeps 0 of/ }),
   'the log has the same of the quota');
ok(wait_for(sub { $t->log =~ /"slow": 40 .* operating time .* keeps 24 of/ }),
   'and of operating time');

$t->done;
