#!/usr/bin/perl

# What a page of another origin may read is the same whether its call is answered
# here or passed on: a portal that allows any origin is answered from memory; what
# depends on the origin is left to the portal, never replayed to another one and
# never lost. What the location hides is hidden. A managed location has none of the
# portal's, for there the administrator alone decides.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

# the portal itself, and what may stand before it

$t->config(<<'EOF', workers => 2);
    map $http_origin $credentials { "" ""; default true; }
    map $http_origin $vary        { "" ""; default Origin; }
    map $http_origin $any         { "" *;  default $http_origin; }

    counters_portal acme   { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                             webhook %%WEBHOOK_1%%; }
    counters_portal echo   { url http://127.0.0.1:%%PORT_8090%%; zone 1m; rate off;
                             ttl 1h; }
    counters_portal varied { url http://127.0.0.1:%%PORT_8091%%; zone 1m; rate off;
                             ttl 1h; }
    counters_portal fixed  { url http://127.0.0.1:%%PORT_8092%%; zone 1m; rate off;
                             ttl 1h; }
    counters_portal none   { url http://127.0.0.1:%%PORT_8093%%; zone 1m; rate off;
                             ttl 1h; }
    counters_portal dead   { url http://127.0.0.1:1; zone 1m; rate off; ttl 1h;
                             webhook %%WEBHOOK_1%%; }

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        add_header X-Status "$counters_cache_status" always;

        location /acme/   { counters acme; proxy_pass %%PORTAL%%/; }
        location /echo/   { counters echo;
                            proxy_pass http://127.0.0.1:%%PORT_8090%%/; }
        location /varied/ { counters varied;
                            proxy_pass http://127.0.0.1:%%PORT_8091%%/; }
        location /fixed/  { counters fixed;
                            proxy_pass http://127.0.0.1:%%PORT_8092%%/; }
        location /none/   { counters none;
                            proxy_pass http://127.0.0.1:%%PORT_8093%%/; }
        location /dead/   { counters dead; proxy_pass http://127.0.0.1:1; }

        location /plain/acme/   { proxy_pass %%PORTAL%%/; }
        location /plain/echo/   { proxy_pass http://127.0.0.1:%%PORT_8090%%/; }
        location /plain/varied/ { proxy_pass http://127.0.0.1:%%PORT_8091%%/; }
        location /plain/fixed/  { proxy_pass http://127.0.0.1:%%PORT_8092%%/; }
        location /plain/none/   { proxy_pass http://127.0.0.1:%%PORT_8093%%/; }

        location = /managed {
            counters acme;
            counters_user $arg_who;
        }
        location = /managed/own {
            counters acme;
            counters_user $arg_who;
            add_header Access-Control-Allow-Origin https://mine.example always;
        }
        location = /managed/guarded {
            if ($request_method = OPTIONS) { return 204; }
            auth_request /denied;
            counters acme;
            counters_user $http_x_user;
            add_header Access-Control-Allow-Origin https://mine.example always;
        }
        location = /denied { return 401; }
        location = /managed/dead {
            counters dead;
            counters_user 5;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_8081%%;
        proxy_hide_header Access-Control-Allow-Origin;
        add_header Access-Control-Allow-Origin https://mine.example always;

        location / { counters acme; proxy_pass %%PORTAL%%; }
        location /variable/ {
            counters acme;
            set $to %%PORTAL%%;
            rewrite ^/variable(/.*) $1 break;
            proxy_pass $to;
        }
        location /if/ {
            counters acme;
            proxy_pass %%PORTAL%%/;
            if ($http_origin) { set $x 1; }
        }
        location /all/ {
            counters acme;
            proxy_hide_header Access-Control-Allow-Origin;
            proxy_hide_header Access-Control-Allow-Headers;
            proxy_hide_header X-Content-Type-Options;
            proxy_pass %%PORTAL%%/;
        }
        location /dead/ { counters dead; proxy_pass http://127.0.0.1:1; }

        # what another protocol hides
        location /other/ {
            counters acme;
            proxy_hide_header Expires;
            fastcgi_hide_header Access-Control-Allow-Headers;
            proxy_pass %%PORTAL%%/;
        }
    }

    # for those that hide nothing of their own
    proxy_hide_header Access-Control-Allow-Headers;

    server {
        listen 127.0.0.1:%%PORT_8090%%;
        proxy_hide_header Access-Control-Allow-Origin;
        add_header Access-Control-Allow-Origin $http_origin always;
        add_header Access-Control-Allow-Credentials $credentials always;
        add_header Vary $vary always;
        location / { proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8091%%;
        proxy_hide_header Access-Control-Allow-Origin;
        add_header Access-Control-Allow-Origin $any always;
        add_header Access-Control-Allow-Credentials $credentials always;
        add_header Vary "Accept-Encoding, origin" always;
        location / { proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8092%%;
        proxy_hide_header Access-Control-Allow-Origin;
        add_header Access-Control-Allow-Origin https://main.example always;
        location / { proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8093%%;
        proxy_hide_header Access-Control-Allow-Origin;
        location / { proxy_pass %%PORTAL%%; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $here = 'http://127.0.0.1:' . $t->port(8080);
my $user = 10;


sub ask ($target, $origin, %how) {
    return $t->request($how{body} ? 'POST' : 'GET', $target, %how,
                       headers => $origin ? { Origin => $origin } : {});
}


# Everything about origins, and how it was answered

sub cors ($r) {
    return join '; ', map { "$_->[0]: $_->[1]" } sort { $a->[0] cmp $b->[0] }
                      grep { $_->[0] =~ /^Access-Control-/i } $r->headers;
}


# --- the same for every origin in turn, asked twice, as a plain proxy gives it

my %answers = (
    acme   => { any  => 'HIT' },
    echo   => { none => 'HIT', any => 'PASS', same => 'HIT' },
    varied => { none => 'HIT', any => 'PASS', same => 'HIT' },
    fixed  => { any  => 'PASS', none => 'HIT', main => 'HIT', same => 'HIT' },
    none   => { any  => 'PASS', none => 'HIT', same => 'HIT' },
);

my %origins = (none => '', same => $here, main => 'https://main.example',
               app => 'https://app.example', null => 'null',
               port => "$here" =~ s/\d+$/1/r);

for my $front (sort keys %answers) {
    my %wanted = %{ $answers{$front} };

    for my $first (sort keys %origins) {
        my $hook = $portal->hook($user++, $METHOD);

        # nobody knows what this portal says before it has been asked
        ask("/$front$hook", $origins{$first});

        for my $name (sort keys %origins) {
            my $origin = $origins{$name};
            my $r = ask("/$front$hook", $origin);
            my $plain = ask("/plain/$front$hook", $origin);
            my $what = "$front: $name after $first";

            is($r->status, 200, $what);
            is($r->header('x-status'), $wanted{$name} // $wanted{any},
               "$what: way");

            next if $name eq 'same';    # browsers do not ask

            # without an origin there is nobody to read them
            my ($got, $expected) = (cors($r), cors($plain));
            $expected = '' if $name eq 'none' && $front eq 'varied';

            is($got, $expected, "$what: as a plain proxy");
        }
    }
}

# --- the first of all, which waits for what the portal says

for my $front (sort keys %answers) {
    my $hook = $portal->hook($user++, $METHOD);
    my $r = ask("/$front$hook", 'https://app.example');
    my $plain = ask("/plain/$front$hook", 'https://app.example');

    is($r->status, 200, "$front: a first call");
    is($r->header('x-status'), $front eq 'acme' ? 'MISS' : 'PASS', 'its way');
    is(cors($r), cors($plain), 'as a plain proxy');
    is(whose($r->body), whose($plain->body), 'the same data');
}

# --- a form, which has been read meanwhile, and a batch

for (1 .. 2) {
    my @form = (type => 'application/x-www-form-urlencoded');
    my $r = ask("/echo" . $portal->hook(5, $METHOD), 'https://app.example', @form,
                body => 'groupId=3');

    is(whose($r->body), '5/5/3/view_all', 'a form');
    is($r->header('access-control-allow-origin'), 'https://app.example', 'its own');

    $r = ask("/echo" . $portal->hook(5, 'batch'), 'https://app.example', @form,
             body => "cmd[a]=$METHOD&cmd[b]=$METHOD?groupId=4");

    is($r->status, 200, 'a batch');
    is($r->header('access-control-allow-origin'), 'https://app.example', 'its own');
    is($r->header('x-status'), 'PASS', 'passed on');
}

# --- refusals

for (1 .. 3) {
    my $hook = $portal->hook(5, "$METHOD?groupId=99999");
    my $r = ask("/echo$hook", 'https://app.example');

    is($r->status, 400, 'refused');
    is($r->header('access-control-allow-origin'), 'https://app.example', 'its own');
    is(ask("/acme$hook", 'https://app.example')->header('access-control-allow-origin'),
       '*', 'any');
}

# --- what the location hides; nothing else is

my @other = (port => 8081);

for my $where ('', '/variable', '/if') {
    my $hook = $portal->hook($user++, $METHOD);

    for my $status (qw(MISS HIT)) {
        my $r = ask("$where$hook", 'https://app.example', @other);

        like($r->header('cache-status'), $status eq 'HIT' ? qr/hit/ : qr/fwd=miss/,
             "'$where': $status");
        is(cors($r), 'Access-Control-Allow-Headers: origin, content-type, accept; '
           . 'Access-Control-Allow-Origin: https://mine.example',
           "'$where': $status: one's own");
        is($r->header('x-content-type-options'), 'nosniff', 'nosniff');
    }
}

for (1 .. 2) {
    my $r = ask('/all' . $portal->hook(5, $METHOD), undef, @other);

    is(cors($r), 'Access-Control-Allow-Origin: https://mine.example', 'all hidden');
    is($r->header('x-content-type-options'), undef, 'and nosniff');

    $r = ask('/other' . $portal->hook(5, $METHOD), undef, @other);
    is(cors($r), "Access-Control-Allow-Headers: origin, content-type, accept; "
       . 'Access-Control-Allow-Origin: *; '
       . 'Access-Control-Allow-Origin: https://mine.example',
       'not what another protocol hides');
}

# --- errors of the module's own

my $r = ask('/dead' . $portal->hook(5, $METHOD), undef, @other);
is($r->status, 502, 'no portal');
is(cors($r), 'Access-Control-Allow-Origin: https://mine.example',
   'hidden in an error, too');

# --- a managed location

for my $target ('/managed?who=5', '/managed?who=5', '/managed', '/managed?who=x',
                '/managed/dead', '/managed/dead')
{
    is(cors(ask($target, 'https://app.example')), '', "$target: none");
}

is(cors(ask('/managed/own?who=5', 'https://app.example')),
   'Access-Control-Allow-Origin: https://mine.example', "one's own");
is(cors(ask('/managed/own', 'https://app.example')),
   'Access-Control-Allow-Origin: https://mine.example', "in a refusal");

# --- a browser asks without cookies whether it may ask: before who it is matters

my $preflight = $t->request(OPTIONS => '/managed/guarded', headers => {
    Origin => 'https://mine.example', 'Access-Control-Request-Method' => 'POST' });

is($preflight->status, 204, 'a preflight request');
is(cors($preflight), 'Access-Control-Allow-Origin: https://mine.example', 'is told');

my $guarded = ask('/managed/guarded', 'https://mine.example');

is($guarded->status, 401, 'the request itself needs a visitor');
is(cors($guarded), 'Access-Control-Allow-Origin: https://mine.example', 'and says so');

$t->done;
