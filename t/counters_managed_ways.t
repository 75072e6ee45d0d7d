#!/usr/bin/perl

# The ways to a managed location: who the visitor is may come from auth_request,
# basic authentication or a map; the request itself from a rewrite, try_files, an
# error page, a named location or another module's subrequest. And where the
# webhook comes from: a file or the environment, rotated by a reload.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw(encode_base64);
use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

my $file = $t->write(webhook => '1/' . webhook_code(1) . "\n");

$t->write(users => join '', map { "$_:{PLAIN}secret$_\n" } 5, 6, 'alice');
$t->write('page.html', 'before <!--# include virtual="/counters" --> between '
                       . '<!--# include virtual="/counters?groupId=7" --> after');
$t->write('twice.html', '<!--# include virtual="/counters" wait="yes" -->|'
                        . '<!--# include virtual="/counters?groupId=8" wait="yes" -->');
$t->write('other.html', '<!--# include virtual="/counters?userId=6" --> after');
$t->write('static.txt', 'a file');

$ENV{COUNTERS_TEST_WEBHOOK} = '1/' . webhook_code(1, 2);

$t->config(<<'EOF', workers => 2, main => 'env COUNTERS_TEST_WEBHOOK;');
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                           webhook file:%%DIR%%/webhook; }
    counters_portal env  { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                           webhook env:COUNTERS_TEST_WEBHOOK; }

    map $http_x_key $key_user { default ""; one 5; two 6; odd "5 "; }

    log_format counters '$uri $counters_cache_status $counters_uri';

    server {
        listen 127.0.0.1:%%PORT_8080%%;

        root %%DIR%%;
        ssi_types text/html;
        access_log %%DIR%%/access.log counters;

        location = /counters { counters acme; counters_user $http_x_user; }
        location = /env      { counters env;  counters_user $http_x_user; }

        # who it is
        location = /auth {
            internal;
            proxy_pass              http://127.0.0.1:%%PORT_8081%%;
            proxy_pass_request_body off;
            proxy_set_header        Content-Length "";
        }
        location = /by-auth {
            auth_request     /auth;
            auth_request_set $user_id $upstream_http_x_user_id;
            counters         acme;
            counters_user    $user_id;
        }
        location = /by-basic {
            auth_basic           counters;
            auth_basic_user_file %%DIR%%/users;
            counters             acme;
            counters_user        $remote_user;
        }
        location = /by-map { counters acme; counters_user $key_user; }
        location = /by-text { counters acme; counters_user 5; }
        location ~ ^/by-path/(\d+)$ { counters acme; counters_user $1; }

        # how it gets there
        location = /rewritten { rewrite ^ /counters last; }
        location = /with-args { rewrite ^ /counters?groupId=7 last; }
        location = /tried     { try_files /none /counters?$args; }
        location = /tried-named { try_files /none @named; }
        location /files/      { alias %%DIR%%/; try_files $uri /counters; }
        location = /missing   { error_page 404 = /counters; return 404; }
        location = /failed    { error_page 502 = @named; proxy_pass http://127.0.0.1:1; }
        location = /denied    { deny all; error_page 403 =200 /counters; }
        location @named       { counters acme; counters_user $http_x_user; }
        location = /tidy      { error_page 401 = @nobody; counters acme;
                                counters_user $http_x_user; }
        location @nobody      { return 204; }

        # other modules' subrequests
        location /ssi/ { alias %%DIR%%/; ssi on; }
        location = /guarded {
            auth_request /counters;
            alias %%DIR%%/static.txt;
        }
        location = /mirrored-page { mirror /counters; alias %%DIR%%/static.txt; }
        location = /added {
            add_after_body /counters;
            default_type text/html;
            alias %%DIR%%/static.txt;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location / {
            if ($http_cookie = "") { return 401; }
            add_header X-User-Id $cookie_session;
            return 204;
        }
    }
EOF

$t->start;


sub as ($user, $target, %how) {
    return $t->get($target, headers => { 'X-User' => $user }, %how);
}


sub got ($r) {
    return $r->status . ' ' . whose($r->body);
}


# Once missing and once cached

sub ways ($name, $wanted, $ask) {
    is(got($ask->()), "200 $wanted", "$name, turn $_") for 1, 2;
}

# --- who it is

my $anybody = sub ($target, %headers) { $t->get($target, headers => \%headers) };

ways('auth_request', '1/5/0/view_all', sub { $anybody->('/by-auth', Cookie => 'session=5') });
ways('another', '1/6/0/view_all', sub { $anybody->('/by-auth', Cookie => 'session=6') });
is($anybody->('/by-auth')->status, 401, 'auth_request says no');
is($anybody->('/by-auth', Cookie => 'session=')->status, 401, 'it names nobody');
is($anybody->('/by-auth', Cookie => 'session=012')->status, 400, 'it names nonsense');
is($anybody->('/by-auth', 'X-User-Id' => 5)->status, 401, "the visitor's own header");
is(got($t->post('/by-auth', 'groupId=7', headers => { Cookie => 'session=5' })),
   '200 1/5/7/view_all', 'auth_request and a body');
is($t->post('/by-auth', 'userId=6', headers => { Cookie => 'session=5' })->status, 403,
   "auth_request and another's userId");

my $basic = sub ($pair) { (Authorization => 'Basic ' . encode_base64($pair, '')) };

ways('basic', '1/5/0/view_all', sub { $anybody->('/by-basic', $basic->('5:secret5')) });
ways('another', '1/6/0/view_all', sub { $anybody->('/by-basic', $basic->('6:secret6')) });
is($anybody->('/by-basic', $basic->('6:secret5'))->status, 401, 'a wrong password');
is($anybody->('/by-basic')->status, 401, 'none');
is($anybody->('/by-basic', $basic->('alice:secretalice'))->status, 400, 'a name');

ways('map', '1/5/0/view_all', sub { $anybody->('/by-map', 'X-Key' => 'one') });
is(got($anybody->('/by-map', 'X-Key' => 'two')), '200 1/6/0/view_all', 'map, another');
is($anybody->('/by-map', 'X-Key' => 'three')->status, 401, 'map, nobody');
is($anybody->('/by-map', 'X-Key' => 'odd')->status, 400, 'map, a blank behind it');
ways('a fixed one', '1/5/0/view_all', sub { $t->get('/by-text') });
is(got($t->get('/by-path/6')), '200 1/6/0/view_all', 'a capture');
is($t->get('/by-path/06')->status, 400, 'a capture that is none');

# --- how it gets there

for my $way (qw(/rewritten /tried /tried-named /files/none /missing /failed /denied)) {
    ways($way, '1/5/0/view_all', sub { as(5, $way) });
    is(got(as(6, $way)), '200 1/6/0/view_all', "$way: another");
    is($t->get($way)->status, $way eq '/denied' ? 200 : 401, "$way: nobody");
    is(whose($t->get($way)->body), '', "$way: nothing for nobody");
}

ways('/with-args', '1/5/7/view_all', sub { as(5, '/with-args') });
is(got(as(5, '/rewritten?groupId=7')), '200 1/5/7/view_all', 'arguments stay');
is(as(5, '/tried?userId=6')->status, 403, "another's are refused there too");
is(as(5, '/files/static.txt')->body, 'a file', 'try_files found a file');
is(as(5, '/tidy')->status, 200, 'an error page of its own, not needed');

my $posted = $t->request(POST => '/rewritten', body => 'groupId=7', headers => {
    'X-User' => 5, 'Content-Type' => 'application/x-www-form-urlencoded' });
is(got($posted), '200 1/5/7/view_all', 'a body goes along');

# --- subrequests

for my $turn (1, 2) {
    my $page = as(5, '/ssi/page.html')->body;

    is(join(' ', $page =~ /^(before) \{.*\} (between) \{.*\} (after)$/s),
       'before between after', "SSI: the page, turn $turn");
    is(join(' ', map { "@$_" } map { [ whose($_) ] } split /between/, $page),
       '1/5/0/view_all 1/5/7/view_all', "SSI: both of them, turn $turn");
}

for my $user (9, 9) {
    my @parts = split /\|/, as($user, '/ssi/twice.html')->body;

    is(join(' ', map { whose($_) } @parts), "1/$user/0/view_all 1/$user/8/view_all",
       "SSI: one after the other");
}

# one page, two users, both still missing
my @pages = $t->many([ map { { target => '/ssi/page.html',
                               headers => { 'X-User' => 20 + $_ % 5 } } } 0 .. 39 ],
                     concurrency => 20);
is(join(' ', grep { my @all = $pages[$_]->body =~ /"user":(\d+)/g;
                    "@all" ne join ' ', (20 + $_ % 5) x 2 } 0 .. $#pages), '',
   'SSI: many at once');

# ssi puts an error page where the answer would be
unlike(as(5, '/ssi/other.html')->body, qr/"whose"/, "SSI: another's are refused");
like(as(5, '/ssi/other.html')->body, qr/ after$/, 'SSI: and the page goes on');
unlike($t->get('/ssi/page.html')->body, qr/"whose"/, 'SSI: nothing for nobody');

for my $turn (1, 2) {
    is(as(30, '/guarded')->body, 'a file', "auth_request to it, turn $turn");
}

is($t->get('/guarded')->status, 401, 'auth_request to it: nobody');
is(as('x', '/guarded')->status, 500, 'auth_request to it: nonsense is an error of the set-up');

my $calls = $portal->count;

is(as(31, '/mirrored-page')->body, 'a file', 'mirror: the page itself');
ok(wait_for(sub { $portal->count == $calls + 1 }), 'mirror: and a call');
like(as(31, '/counters')->header('cache-status'), qr/^acme; hit/, 'mirror: which is kept');

for my $turn (1, 2) {
    my $body = as(32, '/added')->body;

    like($body, qr/^a file\{/, "addition, turn $turn");
    is(whose($body), '1/32/0/view_all', "addition, turn $turn: his own");
}

# a visitor who leaves while his subrequest waits

my $slow = $portal->fault(kind => 'latency', delay => 0.5);
my $gone = $t->client->begin(GET => '/ssi/page.html', headers => { 'X-User' => 33 });
my $left = $portal->count;
wait_for(sub { $portal->count > $left });
close $gone;
$portal->heal($slow);
ok(wait_for(sub { as(33, '/counters')->header('cache-status') =~ /hit/ }),
   'SSI: a visitor who leaves does no harm');

# --- what a log may say of it

$t->get('/by-text?auth=' . access_token(5));
ok(wait_for(sub { $t->access_log =~ m{/by-text HIT /by-text\?auth=} }), 'logged');
unlike($t->access_log, qr/\Q@{[ access_token(5) ]}\E/, 'masked');

# --- the webhook's places, and its rotation

sub webhooks () {
    my %used = map { $_->{credential} => 1 } $portal->calls;
    $portal->forget;

    return join ', ', sort keys %used;
}

$portal->forget;
as(5, '/counters?groupId=100');
is(webhooks(), 'webhook 1/1', 'from a file');
as(5, '/env');
is(webhooks(), 'webhook 1/2', 'from the environment');

$t->write(webhook => $portal->url . '/rest/1/' . webhook_code(1, 3) . '/');
as(5, '/counters?groupId=101');
is(webhooks(), 'webhook 1/1', 'a new file is not read by itself');

ok($t->reload(gone => 1), 'reload');

as(5, '/counters?groupId=102');
is(webhooks(), 'webhook 1/3', 'a whole URL, after a reload');

is(got(as(5, '/counters')), '200 1/5/0/view_all', 'served as before');

# the old one may go now
$portal->credential('1/' . webhook_code(1) => 'revoked');
is(got(as(5, '/counters?groupId=103')), '200 1/5/103/view_all', 'the old one is not used');

$t->write(webhook => "7/\n");
ok(!$t->reload, 'a broken one is refused');
is(got(as(5, '/counters?groupId=104')), '200 1/5/104/view_all', 'and the last one stays');

$t->expect(qr/\[emerg\]/);
$t->no_secrets((map { webhook_code(1, $_) } 1 .. 3), access_token(5));
$t->done;
