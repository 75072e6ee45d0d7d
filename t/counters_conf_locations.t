#!/usr/bin/perl

# Which handler serves where: counters_user and the others are inherited, kept
# out of locations with a handler of their own, and not lost in an if or a
# limit_except, which nginx makes locations of.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF');
    counters_portal acme {
        url %%PORTAL%%;
        zone 1m;
        webhook %%WEBHOOK_1%%;
        events_token application-token-4711;
    }

    server {
        listen 127.0.0.1:%%PORT_8080%%;

        location = /managed { counters acme; counters_user $arg_u; }

        location = /if {
            counters acme;
            counters_user $arg_u;
            if ($arg_if) { set $x 1; }
        }

        location = /limited {
            counters acme;
            counters_user $arg_u;
            limit_except GET { deny 192.0.2.1; }
        }

        location = /denied {
            counters acme;
            counters_user $arg_u;
            limit_except GET { deny all; }
        }

        location = /status {
            counters_status acme json;
            limit_except POST { allow 127.0.0.1; deny all; }
            if ($arg_if) { set $x 1; }
        }

        location = /purge {
            counters_purge acme;
            limit_except DELETE { allow 127.0.0.1; deny all; }
        }

        location = /events { counters_events acme; }
    }

    server {
        listen 127.0.0.1:%%PORT_8081%%;
        counters acme;
        counters_user $arg_u;

        location /inherited { }

        location /proxied {
            proxy_pass http://127.0.0.1:%%PORT_8082%%;
            if ($arg_if) { set $x 1; }
        }

        location /status { counters_status acme json; }
        location /off { counters off; return 200 off; }
    }

    server {
        listen 127.0.0.1:%%PORT_8082%%;
        return 200 proxied;
    }
EOF

$t->start;

# a managed location refuses a request without a user

sub served ($target, $status, $name, %how) {
    my $verb = delete $how{verb} // 'GET';

    is($t->request($verb, $target, %how)->status, $status, $name);
}

served('/managed', 401, 'managed');
served('/if', 401, 'managed with an if that does not hold');
served('/if?if=1', 401, 'managed with an if that holds');
served('/limited', 401, 'managed within the limit');
served('/limited', 401, 'managed beyond the limit', verb => 'POST');
served('/denied', 403, 'denied beyond the limit', verb => 'POST');

served('/status', 200, 'status beyond the limit');
served('/status?if=1', 200, 'status in an if');
served('/purge', 405, 'purge by GET');
served('/purge', 400, 'purge of nothing', verb => 'POST');
served('/events', 405, 'events by GET');

my @other = (port => 8081);

served('/inherited', 401, 'managed by inheritance', @other);
served('/status', 200, 'status beside an inherited user', @other);
is($t->get('/off', @other)->body, 'off', 'off');
is($t->get('/proxied', @other)->body, 'proxied',
   'proxied beside an inherited user');
is($t->get('/proxied?if=1', @other)->body, 'proxied', 'proxied in an if');

$t->done;
