#!/usr/bin/perl

# counters_intercept_errors: as proxy_intercept_errors does with those of a proxy,
# error_page takes the place of errors that are answered here, the module's own and
# the portal's alike; without it, and where no error_page is for the status, clients
# get the envelope that they understand.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->write('page.html', "a page\n");

$t->config(<<'EOF', workers => 2);
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                           webhook %%WEBHOOK_1%%; events_token %%TOKEN_1%%; }
    counters_portal dead { url http://127.0.0.1:1; zone 1m; rate off;
                           webhook %%WEBHOOK_1%%; }
    counters_portal full { url %%PORTAL%%; zone 1m; rate 1r/m burst=1; wait 1ms; }

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        root %%DIR%%;

        error_page 400 403 405 502 /page.html;
        error_page 401 = @sign-on;
        error_page 503 =200 @busy;

        location /off/ {
            location /off/acme/ { counters acme; proxy_pass %%PORTAL%%/; }
            location /off/dead/ { counters dead; proxy_pass http://127.0.0.1:1/; }
            location /off/full/ { counters full; proxy_pass %%PORTAL%%/; }
            location ~ ^/off/m/(.*) { counters acme; counters_user $1; }
            location = /off/purge { counters_purge acme; }
        }
        location /on/ {
            counters_intercept_errors on;
            location /on/acme/ { counters acme; proxy_pass %%PORTAL%%/; }
            location /on/dead/ { counters dead; proxy_pass http://127.0.0.1:1/; }
            location /on/full/ { counters full; proxy_pass %%PORTAL%%/; }
            location ~ ^/on/m/(.*) { counters acme; counters_user $1; }
            location = /on/purge  { counters_purge acme; }
            location = /on/events { counters_events acme; }
            location = /on/status { counters_status acme; }
            location /on/acme/off/ {
                counters_intercept_errors off;
                counters acme;
                proxy_pass %%PORTAL%%/;
            }
            location /on/acme/none/ {
                error_page 404 /page.html;
                counters acme;
                proxy_pass %%PORTAL%%/;
            }
            location /on/dead/again/ {
                error_page 502 = @dead;
                counters dead;
                proxy_pass http://127.0.0.1:1/;
            }
            location /on/dead/serve/ {
                error_page 502 = /on/acme$arg_to;
                counters dead;
                proxy_pass http://127.0.0.1:1/;
            }
        }
        location @sign-on { return 302 /sign-on; }
        location @busy { return 200 "busy\n"; }
        location @dead {
            counters_intercept_errors on;
            counters dead;
            counters_user 5;
        }
        location = /page.html { }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $FORM = 'application/x-www-form-urlencoded';
my $hook = $portal->hook(5, $METHOD);

sub gets ($what, $status, $body, $r) {
    is($r->status, $status, "$what: status");
    like($r->body, $body, "$what: body");
}

my $page = qr/^a page$/;
my $envelope = qr/^\{"error":/;

sub both ($what, $target, $status, $on_status, $on_body, @how) {
    for (1 .. 2) {
        gets("off: $what", $status, $envelope, $t->get("/off$target", @how));
        gets("on: $what", $on_status, $on_body, $t->get("/on$target", @how));
    }
}

# --- the portal's own errors, from the portal and from memory

both('no such group', "/acme$hook?groupId=99999", 400, 400, $page);

my $dead = $portal->hook(6, $METHOD);
$portal->credential('6/' . webhook_code(6) => 'revoked');
both('a dead credential', "/acme$dead", 401, 302, qr/302 Found/);

# --- the module's

both('no portal', "/dead$hook", 502, 502, $page);
both('no visitor', '/m/', 401, 302, qr/302 Found/);
both('no user', '/m/x', 400, 400, $page);
both('another user', '/m/5?userId=6', 403, 403, $page);
both('a purge by GET', '/purge', 405, 405, $page);

$t->get('/on/full' . $portal->hook(90, $METHOD));
$t->get('/on/full' . $portal->hook(91, $METHOD));
both('no quota', '/full' . $portal->hook(92, $METHOD), 503, 200, qr/^busy$/);

for my $verb (qw(PUT DELETE)) {
    my $r = $t->request($verb, '/on/m/5', body => 'x' x 100_000);

    is($r->status, 405, "$verb");
    is($r->header('allow'), 'GET, HEAD, POST', 'Allow');
    like($r->body, $page, 'a page');
}

gets('a form', 403, $page, $t->post('/on/m/5', 'userId=6', type => $FORM));
gets('a form in chunks', 403, $page, $t->post('/on/m/5', 'userId=6', type => $FORM,
                                              chunked => 1));
gets('a large one', 413, $envelope,
     $t->post('/on/m/5', 'x' x 100_000, type => $FORM));
gets('a purge of nothing', 400, $page, $t->post('/on/purge', ''));
gets('an event', 403, $page, $t->post('/on/events', 'event=X', type => $FORM));
gets('status by PUT', 405, $page, $t->request(PUT => '/on/status'));
is($t->request(HEAD => "/on/dead$hook")->header('content-length'), 7, 'HEAD');

# --- what is no error, or has no page

gets('a hit', 200, qr/^\{"result"/, $t->get("/on/acme$hook")) for 1 .. 2;
gets('off again', 400, $envelope, $t->get("/on/acme/off$hook?groupId=99999"));
gets('no page for it', 400, $envelope, $t->get("/on/acme/none$hook?groupId=99999"));

# --- a page that is a counter call itself

gets('an error of the page', 502, $envelope, $t->get("/on/dead/again$hook"));
gets('another portal', 200, qr/^\{"result"/,
     $t->get("/on/dead/serve$hook?to=$hook"));

# --- on one connection, with hits before and after

for (1 .. 3) {
    gets('kept', 400, $page, $t->post("/on/acme$hook", 'groupId=99999',
                                      type => $FORM, keep => 1));
    gets('kept', 200, qr/^\{"result"/, $t->post("/on/acme$hook", 'groupId=0',
                                                type => $FORM, keep => 1));
}

$t->done;
