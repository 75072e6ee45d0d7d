#!/usr/bin/perl

# The harness itself, with an nginx that does nothing but proxy: what the other
# tests stand on.
#
# valgrind

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0, tls => 1);

$t->config(<<'EOF', workers => 2);
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location / { proxy_pass %%PORTAL%%; }
        location /tls/ {
            proxy_pass %%PORTAL_TLS%%/;
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
            proxy_ssl_trusted_certificate %%CA%%;
        }
        location = /say { return 200 "%%WEBHOOK_5%% %%TOKEN_5%%"; }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location / { add_header X-One 1; add_header X-One 2; return 200 second; }
    }
EOF

$t->start;

# --- client

my $counters = $portal->hook(5, 'tasks.task.counters.get');
my $r = $t->get($counters);

is($r->status, 200, 'proxied');
is(whose($r->body), '5/5/0/view_all', 'whose counters');
is($r->json->{result}{whose}{user}, 5, 'JSON');
is($r->header('content-type'), 'application/json; charset=utf-8', 'header');
like($r->raw, qr/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n\{"result"/s, 'raw');

is($t->get('/say')->body, '5/' . webhook_code(5) . ' ' . access_token(5),
   'markers of credentials');
is($t->get('/', port => 8081)->body, 'second', 'second port');
is($t->get('/', port => 8081)->header('x-one'), '1, 2', 'repeated header');
is($t->request(HEAD => $counters)->body, '', 'HEAD');
is($t->get('/tls' . $counters)->status, 200, 'portal over TLS, verified');

$t->get($counters, keep => 1) for 1 .. 3;
is($t->post($counters, '{"userId":5}')->status, 200, 'JSON posted');
is($t->post($counters, 'userId=5', chunked => [ 'user', 'Id=5' ])->status, 200,
   'chunked');

my ($call) = reverse $portal->calls(verb => 'POST', full => 1);
is($call->{params}{userId}, 5, 'recorded parameter');
is($call->{body}, 'userId=5', 'recorded body');

$portal->fault(kind => 'truncate', times => 1, bytes => 10);
$r = $t->client(8080)->request(GET => $counters);
is($r->error, 'truncated', 'a truncated answer is told from a whole one');

# --- many, and a load that survives a reload

$portal->forget;

my @answers = $t->many([ map { $portal->hook($_, 'tasks.task.counters.get') }
                         1 .. 200 ], concurrency => 20);

is_deeply([ map { whose($_->body) } @answers ],
          [ map { "$_/$_/0/view_all" } 1 .. 200 ], 'answers in order');
is($portal->count(method => 'tasks.task.counters.get'), 200, 'all counted');

my $load = $t->load(concurrency => 4, next => sub ($n) { $counters },
                    check => sub ($response, $) {
                        $response->status == 200 ? undef : $response->status });

my @before = $t->workers;
ok(wait_for(sub { $portal->totals->{calls} > 300 }), 'the load runs');
ok($t->reload, 'reloaded');
my $sum = $load->stop;

is("@{ $sum->{complaints} }", '', 'nothing failed during the reload');
cmp_ok($sum->{answers}, '>', 90, 'the load was one');

my %after = map { $_ => 1 } $t->workers;
is(scalar(grep { $after{$_} } @before), 0, 'other workers');

# --- faults of nginx itself

$t->kill_worker(($t->workers)[0]);
is(scalar $t->workers, 2, 'a killed worker is replaced');

my ($accepted, $output) = $t->check('nonsense;');
ok(!$accepted, 'a bad configuration');
like($output, qr/unknown directive "nonsense"/, 'its message');

$t->no_secrets('certainly not there');

ok($t->stop, 'stops');
is_deeply([ $t->problems ], [], 'the killed worker was expected');

{
    local $t->{expected} = [];
    is(scalar $t->problems, 1, 'and would have failed the test otherwise');
}

$t->done;
