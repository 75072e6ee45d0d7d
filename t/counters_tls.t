#!/usr/bin/perl

# The portal over https: its certificate is verified, against "ca" or the system's
# authorities, and nothing is sent to one that does not verify. Connections are
# kept and used again; HTTP/2 carries many calls over one of them.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $ca = $t->authority;

my %certificate = (
    GOOD    => $ca->certificate,
    FOREIGN => $ca->certificate(name => 'other', hosts => [ 'DNS:other.test' ]),
    EXPIRED => $ca->certificate(name => 'old', expired => 1),
);

my %portal = map {
    ($_ => $t->portal(name => $_, rate => 0, tls => $certificate{$_}))
} sort keys %certificate;

my $elsewhere = Counters::Test->new;
$t->marker(WRONG_CA => $elsewhere->authority->file);
$elsewhere->finish;

my @blocks = (
    [ good     => 'GOOD_TLS',    'ca %%CA%%;' ],
    [ wrong    => 'GOOD_TLS',    'ca %%WRONG_CA%%;' ],
    # the system's certificates take their time to read under a sanitizer
    [ system   => 'GOOD_TLS',    'timeout 60s connect=60s;' ],
    [ foreign  => 'FOREIGN_TLS', 'ca %%CA%%;' ],
    [ expired  => 'EXPIRED_TLS', 'ca %%CA%%;' ],
    [ lax      => 'GOOD_TLS',    'verify off;' ],
    [ lax_foreign => 'FOREIGN_TLS', 'verify off;' ],
    [ lax_expired => 'EXPIRED_TLS', 'verify off;' ],
    [ plain    => 'GOOD',        '' ],
    [ two      => 'FRONT',       'ca %%CA%%;' ],
);

$t->marker(FRONT => 'https://127.0.0.1:' . $t->port(8443));

$t->config(join('', (map {
    my ($name, $url, $more) = @$_;
    "counters_portal $name { url %%$url%%; zone 1m; rate off; batch off; ttl 1h;"
    . " $more }\n" } @blocks),
    "server { listen 127.0.0.1:%%PORT_8080%%; proxy_ssl_verify off;\n",
    (map { "location /$_->[0]/rest/ {"
           . " counters $_->[0]; proxy_pass %%$_->[1]%%/rest/; }\n" } @blocks),
    "}\n", <<'EOF'));
    log_format front '$server_protocol $connection';
    server {
        listen 127.0.0.1:%%PORT_8443%% ssl http2;
        access_log %%DIR%%/front_access.log front;
        ssl_certificate %%DIR%%/localhost.pem;
        ssl_certificate_key %%DIR%%/localhost.key;
        location / { proxy_pass %%GOOD%%; }
    }
EOF

$t->start;

my $method = 'tasks.task.counters.get';
my $user = 100;


sub ask ($block) {
    $user++;
    return $t->get("/$block" . $portal{GOOD}->hook($user, $method));
}


# The connections that the calls have come over

sub connections ($portal) {
    return keys %{ { map { $_->{connection} => 1 } $portal->calls } };
}


# --- verified

my $r = ask('good');
is($r->status, 200, 'a good certificate');
is(whose($r->body), "$user/$user/0/view_all", 'the answer');
is($portal{GOOD}->count(tls => 1), 1, 'over TLS');

# --- or not: nothing reaches the portal

for my $case ([ wrong => 'GOOD' ], [ system => 'GOOD' ], [ foreign => 'FOREIGN' ],
              [ expired => 'EXPIRED' ])
{
    my ($block, $name) = @$case;
    my $portal = $portal{$name};

    $portal->forget;
    $r = ask($block);

    is($r->status, 502, "$block: 502");
    like($r->body, qr/^\{"error":"PORTAL_UNAVAILABLE","error_description":"[^"]+"\}$/,
         "$block: an envelope");
    is($portal->count, 0, "$block: the portal has seen nothing");
    is(scalar $t->log_lines(qr/\[error\].*"$block": no answer.*(?:certificate|SSL|peer)/i),
       1, "$block: said in the log");
}

# --- verify off

for my $case ([ lax => 'GOOD' ], [ lax_foreign => 'FOREIGN' ],
              [ lax_expired => 'EXPIRED' ])
{
    my ($block, $name) = @$case;

    is(ask($block)->status, 200, "$block: answered");
    is($portal{$name}->count(tls => 1), 1, "$block: by the portal");
}

# --- one connection for calls one after another

for my $block (qw(good plain)) {
    $portal{GOOD}->forget;

    is(scalar(grep { ask($block)->status == 200 } 1 .. 30), 30, "$block: 30 calls");
    is($portal{GOOD}->count, 30, "$block: all of them made");
    is(scalar connections($portal{GOOD}), 1, "$block: over one connection");
}

# --- not too many for calls at the same time

$portal{GOOD}->forget;
$portal{GOOD}->fault(kind => 'latency', delay => 0.1);

for my $block (qw(good plain)) {
    my @answers = $t->many([ map { "/$block" . $portal{GOOD}->hook(++$user, $method) }
                             1 .. 60 ], concurrency => 60);
    is(scalar(grep { $_->status == 200 } @answers), 60, "$block: 60 at once");
}

cmp_ok(scalar connections($portal{GOOD}), '<=', 2 * 8, 'over a few connections');

# --- HTTP/2 where it is offered

my @answers = $t->many([ map { '/two' . $portal{GOOD}->hook(++$user, $method) }
                         1 .. 60 ], concurrency => 60);
my %whose = map { whose($_->body) => 1 } @answers;

is(scalar keys %whose, 60, 'HTTP/2: 60 at once, each its own');

my @front = split /\n/, Counters::Test::slurp($t->dir . '/front_access.log');
my %seen;
$seen{$_}++ for @front;

is(scalar @front, 60, 'HTTP/2: 60 calls');
is(scalar(grep { /^HTTP\/2\.0 / } @front), 60, 'HTTP/2 for all');
is(scalar keys %seen, 1, 'HTTP/2: one connection');

$portal{GOOD}->heal;

# --- the portal closes what is idle: the next call makes a new connection

ask('good');
$portal{GOOD}->refuse;
$portal{GOOD}->accept;
ok(wait_for(sub { ask('good')->status == 200 }, 20), 'after all were closed');

$t->no_secrets(map { webhook_code($_) } 101 .. $user);
$t->done;
