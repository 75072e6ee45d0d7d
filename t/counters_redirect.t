#!/usr/bin/perl

# A renamed portal answers with its new address: the call is made again there, as
# the POST that it was, but only over https and within the portal's own domain
# family. Wherever else a portal points to, no call and no credential goes there.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $new = $t->portal(name => 'NEW', rate => 0, tls => 1, revision => 7);

$t->marker(PORTAL_PORT => $portal->port);

$t->config(<<'EOF');
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ca %%CA%%;
                            batch off; ttl 1h; }
    counters_portal named { url http://localhost:%%PORTAL_PORT%%; zone 1m;
                            rate off; ca %%CA%%; batch off; ttl 1h; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location /named/rest/ { counters named; proxy_pass %%PORTAL%%/rest/; }
    }
EOF

$t->start;

my $method = 'tasks.task.counters.get';
my $tls = 'https://127.0.0.1:' . $new->tls_port;
my $user = 100;


# One call that is redirected, and what the new address has seen of it

sub redirected ($location, %how) {
    my $prefix = delete $how{prefix} // '';

    $portal->heal;
    $portal->fault(kind => 'redirect', location => $location, %how);
    $new->forget;
    $user++;

    my $r = $t->get($prefix . $portal->hook($user, "$method?groupId=3"));
    my @calls = $new->calls(full => 1);

    $portal->heal;
    # a good answer, so that failures do not add up
    $t->get($portal->hook(50, $method) . "?groupId=$user");

    return ($r, @calls);
}


sub followed ($name, $location, %how) {
    my ($r, @calls) = redirected($location, %how);

    is($r->status, 200, "$name: answered");
    like($r->body, qr/"revision":7/, "$name: by the new address");
    is(scalar @calls, 1, "$name: called once");
    is($calls[0]{verb}, 'POST', "$name: as a POST");
    is($calls[0]{path}, $portal->hook($user, $method), "$name: under the same path");
    is($calls[0]{params}{groupId}, 3, "$name: with the same parameters");
    is($calls[0]{tls}, 1, "$name: over TLS");
}


sub refused ($name, $location, %how) {
    my ($r, @calls) = redirected($location, %how);

    is($r->status, 502, "$name: 502");
    like($r->body, qr/^\{"error":"PORTAL_MALFORMED_ANSWER",/, "$name: an envelope");
    is(scalar @calls, 0, "$name: not followed");
}


followed('https', "$tls%s");
followed('another path in it', "$tls/somewhere/else?auth=stolen");
followed('no path in it', $tls);
followed("status $_", "$tls%s", status => $_) for 301, 307, 308;
followed('in capitals', "HTTPS://127.0.0.1:" . $new->tls_port . '%s');
followed('the same name', 'https://LOCALHOST:' . $new->tls_port . '%s',
         prefix => '/named');

refused('http', $new->url . '%s');
refused('http, the same address', $portal->url . '%s');
refused('another host', 'https://localhost:' . $new->tls_port . '%s');
refused('another host, by its address', "$tls%s", prefix => '/named');
refused('a name within another', 'https://localhost.example%s', prefix => '/named');
refused('a name as user', 'https://127.0.0.1@localhost:' . $new->tls_port . '%s');
refused('a user', 'https://user:pw@127.0.0.1:' . $new->tls_port . '%s');
refused('a name as fragment', 'https://localhost:' . $new->tls_port
                              . '#127.0.0.1%s');
refused('backslash', 'https://localhost:' . $new->tls_port . '\\@127.0.0.1%s');
refused('another scheme', 'ftp://127.0.0.1:' . $new->tls_port . '%s');
refused('a path alone', '/new%s');
refused('a host alone', '//127.0.0.1:' . $new->tls_port . '%s');
refused('nothing', '');
refused("status $_", "$tls%s", status => $_) for 300, 303, 304, 305;

# --- without a Location, with two

for my $headers ([], [ [ 'Location', "$tls/a" ], [ 'Location', "$tls/b" ] ]) {
    $portal->fault(kind => 'body', status => 302, headers => $headers, times => 1);
    $new->forget;
    is($t->get($portal->hook(++$user, $method))->status, 502,
       @$headers . ' headers: 502');
    is($new->count, 0, 'not followed');
}

# --- round and round

$t->get($portal->hook(50, $method) . '?groupId=999');
$portal->fault(kind => 'redirect', location => "$tls%s", times => 1);
$new->fault(kind => 'redirect', location => "$tls%s");
$new->forget;
is($t->get($portal->hook(++$user, $method))->status, 502, 'a circle: 502');
cmp_ok($new->count, '<=', 2, 'a circle: left soon');
$new->heal;

# --- a token goes along in the body, and the answer is kept

$t->get($portal->hook(50, $method) . '?groupId=998');
$portal->fault(kind => 'redirect', location => "$tls%s");
$new->forget;

my $token = access_token(70);
my $r = $t->post("/rest/$method", "auth=$token&groupId=4");
is(whose($r->body), '70/70/4/view_all', 'a token');

my ($call) = $new->calls(full => 1);
is($call->{target}, "/rest/$method", 'not in the address');
is($call->{params}{auth}, $token, 'but in the body');

like($t->post("/rest/$method", "auth=$token&groupId=4")->header('cache-status'),
     qr/; hit; ttl=/, 'then a HIT');
is($new->count, 1, 'of one call');

$t->no_secrets($token, map { webhook_code($_) } 101 .. $user);
$t->done;
