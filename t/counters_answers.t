#!/usr/bin/perl

# The frame of an answer: one Cache-Control whatever "expires" says, for the data is
# one user's; conditions that only who has the original can judge are not judged;
# Cache-Status is a structured field for every name that a portal can have; what is
# no answer has no age.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$t->config(<<'EOF', workers => 2);
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h;
                            webhook %%WEBHOOK_1%%; events_token %%TOKEN_1%%; }
    counters_portal 1c    { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }
    counters_portal _x    { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }
    counters_portal -x    { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }
    counters_portal .x    { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }
    counters_portal x.1_- { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }
    counters_portal X1    { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }
    counters_portal dead  { url http://127.0.0.1:1; zone 1m; rate off; }

    map $uri $when { ~max max; ~epoch epoch; ~off off; default 1h; }

    log_format counters '$uri $counters_cache_status/$counters_age/$counters_ttl';
    add_header X-Status "$counters_cache_status" always;
    expires 1h;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        access_log %%DIR%%/access.log counters;

        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location /in/ { counters acme; expires 5s; proxy_pass %%PORTAL%%/; }
        location /var/ { counters acme; expires $when; proxy_pass %%PORTAL%%/; }
        location ~ ^/counters/(.*)$ { counters acme; counters_user $1; expires max; }
        location = /status { counters_status acme; }
        location = /purge { counters_purge acme; }
        location = /events { counters_events acme; }

        location /1c/    { counters 1c; proxy_pass %%PORTAL%%/; }
        location /_x/    { counters _x; proxy_pass %%PORTAL%%/; }
        location /-x/    { counters -x; proxy_pass %%PORTAL%%/; }
        location /.x/    { counters .x; proxy_pass %%PORTAL%%/; }
        location /x.1_-/ { counters x.1_-; proxy_pass %%PORTAL%%/; }
        location /X1/    { counters X1; proxy_pass %%PORTAL%%/; }
        location /dead/  { counters dead; proxy_pass http://127.0.0.1:1; }
        location /plain/ { proxy_pass %%PORTAL%%/; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $FORM = 'application/x-www-form-urlencoded';
my $url = $portal->hook(5, $METHOD);

$t->get($url);

# --- expires

sub one_cache_control ($name, $value, $r) {
    is($r->header('cache-control'), $value, "$name: one Cache-Control");
    is($r->header('expires'), undef, "$name: and no Expires");
}

for my $where ('', '/in', '/var', '/var/max', '/var/epoch', '/var/off') {
    my $target = '/rest' eq $where ? $url : "$where$url";

    one_cache_control("'$where'", 'private, no-cache', $t->get($target)) for 1 .. 2;
}

one_cache_control($_, 'private, no-cache', $t->get($_))
    for '/counters/5', '/counters/5', '/counters/', '/counters/x',
        $portal->hook(5, "$METHOD?groupId=99999"), "/dead$url";
one_cache_control($_, 'no-store', $t->get($_)) for '/status', '/purge';
one_cache_control('a purge', 'no-store', $t->post('/purge?user=77', ''));

# what is passed on is the proxy's
is($t->get($portal->hook(5, 'profile'))->header('cache-control'), 'max-age=3600',
   'a call passed on');

# --- conditions

my $etag = $t->get($url)->header('etag');
my $past = 'Thu, 01 Jan 1970 00:00:01 GMT';
my $future = 'Thu, 31 Dec 2037 00:00:00 GMT';

sub asked ($verb, $target, %headers) {
    return $t->request($verb, $target, headers => \%headers,
                       $verb eq 'POST' ? (body => 'groupId=0', type => $FORM) : ());
}

for my $target ($url, '/counters/5') {
    my $tag = $t->get($target)->header('etag');

    for my $verb (qw(GET POST)) {
        for my $headers ([ 'If-Unmodified-Since' => $past ],
                         [ 'If-Match' => '"a"' ], [ 'If-Match' => $tag ],
                         [ 'If-Modified-Since' => $future ],
                         [ 'If-None-Match' => '"a"' ])
        {
            my $r = asked($verb, $target, @$headers);
            is($r->status, 200, "$verb @$headers");
            like($r->body, qr/^\{"result"/, 'and a body');
        }
    }

    is(asked(POST => $target, 'If-None-Match' => $tag)->status, 200,
       'a POST is no question whether something has changed');
    is(asked($_ => $target, 'If-None-Match' => $tag)->status, 304, "$_: it is")
        for qw(GET HEAD);
    is(asked(GET => $target, 'If-None-Match' => $tag, 'If-Modified-Since' => $past)
         ->status, 304, 'whatever a date says');
    is(asked(GET => $target, 'If-None-Match' => $tag, 'If-Match' => '"a"',
             'If-Unmodified-Since' => $past)->status, 304, 'or other tags');
}

# a miss, too
is(asked(POST => $portal->hook(8, $METHOD), 'If-None-Match' => '*')->status, 200,
   'a miss by POST');

my %denied = ('If-Match' => '"a"', 'If-Unmodified-Since' => $past);

is(asked(GET => '/status', %denied)->status, 200, 'status');
is($t->request(POST => '/purge?user=77', headers => \%denied)->status, 200, 'purge');
is($t->request(POST => '/events', type => $FORM, headers => \%denied,
               body => 'event=ONAPPTEST&auth[application_token]='
                       . access_token(1))->status, 200, 'an event');

# --- Cache-Status

for my $name (qw(1c _x -x .x x.1_- X1)) {
    my $field = $name =~ /^[a-z]/i ? $name : qq("$name");

    is($t->get("/$name$url")->header('cache-status'), "$field; fwd=miss; stored",
       "$name: a miss");
    like($t->get("/$name$url")->header('cache-status'),
         qr/^\Q$field\E; hit; ttl=\d+$/, "$name: a hit");
}

# --- no answer

for (1 .. 3) {
    my $r = $t->get("/dead$url");

    is($r->status, 502, 'no portal');
    is($r->header('cache-status'), 'dead; fwd=miss; detail=ERROR', 'ERROR');
    is($r->header('age'), undef, 'no Age');
}

$t->stop;

my @dead = $t->read('access.log') =~ m{^/dead\S* (\S+)$}mg;
is_deeply([ @dead[-3 .. -1] ], [ ('ERROR/-/-') x 3 ], 'and no variables for it');

$t->done;
