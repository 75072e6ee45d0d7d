#!/usr/bin/perl

# Which handler serves where: a location is managed if counters or counters_user
# is written in it, not if it inherits both, nor if it has a handler of its own.
# Handlers are not lost in an if or a limit_except, which nginx makes locations
# of.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

mkdir $t->dir . "/$_" for qw(www www/files);
$t->write("www/$_", "file $_") for qw(index.html files/index.html files/a.txt page.txt);

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
        root %%DIR%%/www;
        counters acme;
        counters_user $arg_u;

        location = /c { counters acme; }
        location = /u { counters_user "6"; }
        location /nested/ { counters acme; location /nested/page.txt { root %%DIR%%/www; } }

        location /files/ { root %%DIR%%/www; index index.html; }
        location /alias/ { alias %%DIR%%/www/files/; }
        location /tried/ { try_files /page.txt =404; }
        location /tried-managed { try_files /none @managed; }
        location @managed { counters acme; }

        location /proxied {
            proxy_pass http://127.0.0.1:%%PORT_8082%%;
            if ($arg_if) { set $x 1; }
        }

        location /status { counters_status acme json; }
        location /off { counters off; return 200 off; }
    }

    counters acme;
    counters_user 5;

    server {
        listen 127.0.0.1:%%PORT_8083%%;
        root %%DIR%%/www;

        location = /files/a.txt { }
        location = /c { counters acme; }
        location = /u { counters_user 6; }
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

served($_, 401, "managed: $_", @other) for qw(/c /nested/x /tried-managed);
served('/u', 200, 'managed, counters inherited', @other);

my %files = ('/' => 'index.html', '/page.txt' => 'page.txt', '/files/' => 'files/index.html',
             '/files/a.txt' => 'files/a.txt', '/alias/a.txt' => 'files/a.txt',
             '/tried/any' => 'page.txt');

is($t->get($_, @other)->body, "file $files{$_}", "a file: $_") for sort keys %files;
served('/files/none', 404, 'no file', @other);
served('/nested/page.txt', 404, 'nor in a location within a managed one', @other);

my $call = $portal->hook(1, 'tasks.task.counters.get');
is($t->get($call, @other)->header('cache-status'), 'acme; fwd=miss; stored',
   'a call is answered where both are inherited');

my @http = (port => 8083);

is($t->get('/page.txt', @http)->body, 'file page.txt', 'inherited from http: no location');
is($t->get('/files/a.txt', @http)->body, 'file files/a.txt', 'a location');
served('/c', 200, 'counters written', @http);
served('/u', 200, 'counters_user written', @http);

$t->expect(qr/open\(\) .* failed \(2: /);
served('/status', 200, 'status beside an inherited user', @other);
is($t->get('/off', @other)->body, 'off', 'off');
is($t->get('/proxied', @other)->body, 'proxied',
   'proxied beside an inherited user');
is($t->get('/proxied?if=1', @other)->body, 'proxied', 'proxied in an if');

$t->done;
