#!/usr/bin/perl

# Redis over TLS. Where hiredis has it (1.0 and later): whom the certificate must be
# of and who must have signed it, a client's own certificate, values of all sizes,
# news, a restart. Where it has not, nginx -t names the way out, which is tried: a
# stunnel client, as README.md shows it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Ports qw(free_port);
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $ca = $t->authority;
my $pair = $ca->certificate;
my $own = $ca->certificate(name => 'client', hosts => [ 'DNS:client.test' ]);

mkdir $t->dir . '/stranger';
my $stranger = Counters::Tls->new($t->dir . '/stranger');


sub tls_redis ($name, @more) {
    my $port = free_port();

    $t->marker("TLS_$name" => "127.0.0.1:$port");

    return ($t->redis(name => $name, conf => [
        '--tls-port' => $port, '--tls-cert-file' => $pair->{cert},
        '--tls-key-file' => $pair->{key}, '--tls-ca-cert-file' => $ca->file, @more ]), $port);
}

my ($redis, $port) = tls_redis('OPEN', '--tls-auth-clients' => 'no');
my ($strict) = tls_redis('STRICT', '--tls-auth-clients' => 'yes');

my $method = 'tasks.task.counters.get';


sub portals (%redis) {
    return join('', (map {
        "counters_portal $_ { url %%PORTAL%%; zone 2m; rate off; batch off; ttl 1h;"
        . " secret one; max_body 2m; redis $redis{$_} timeout=3s; }\n" } sort keys %redis),
        "server { listen 127.0.0.1:%%PORT_8080%%;\n",
        "add_header X-Source \$counters_source always;\n",
        (map { "location /$_/rest/ { counters $_; proxy_pass %%PORTAL%%/rest/; }\n"
               . "location = /$_/purge { counters_purge $_; }\n"
               . "location = /$_/status { counters_status $_ json; }\n" } sort keys %redis),
        "}\n");
}


sub get ($node, $name, $user) {
    return $node->get("/$name" . $portal->hook($user, $method));
}


sub source ($node, $name, $user) {
    return get($node, $name, $user)->header('x-source');
}


sub connected ($name) {
    return wait_for(sub { $t->get("/$name/status")->json->{redis}{connected} }, 30);
}


sub stored ($redis, $name, $n) {
    return wait_for(sub { my @keys = $redis->keys("b24:$name:c:*"); @keys == $n }, 20);
}


my ($accepted, $said) = $t->check(portals(acme => 'redis://localhost ca=%%CA%%'));
ok(!$accepted, 'nothing of TLS without it');
like($said, qr/needs rediss:/, 'and said so');

($accepted, $said) = $t->check(portals(acme => "rediss://:pa55-w0rd\@localhost:$port"
                                               . ' ca=%%CA%%'));

$accepted ? with_hiredis() : with_stunnel();

$t->done;


# --- a TLS client in between

sub with_stunnel () {
    like($said, qr/TLS is not supported by the hiredis .* stunnel .* unix:\/path in /,
         'nginx -t names the way out');
    unlike($said, qr/pa55-w0rd/, 'and not the password');

    my ($recipe) = Counters::Nginx::slurp("$FindBin::Bin/../README.md")
        =~ /^```ini\n(\[redis\]\n.*?)^```/ms;
    ok($recipe, 'README.md has a recipe') or return;

    my $socket = $t->dir . '/tls.sock';
    my $file = $ca->file;

    $recipe =~ s/^(accept = ).*/$1$socket/m;
    $recipe =~ s/^(connect = ).*/${1}127.0.0.1:$port/m;
    $recipe =~ s/^(CAfile = ).*/$1$file/m;
    $recipe =~ s/^(checkHost = ).*/$1localhost/m;
    $recipe =~ s/^(sni = ).*/$1localhost/m;

    my $stunnel = Counters::Process->start(
        command => [ 'stunnel', $t->write('stunnel.conf',
                     "foreground = yes\npid =\n" . $recipe) ],
        output  => $t->dir . '/stunnel.out');

    ok(wait_for(sub { -S $socket }), 'stunnel is there');

    $t->config(portals(acme => "unix:$socket"), workers => 2);
    $t->start;
    ok(connected('acme'), 'connected through it');
    is(source($t, 'acme', 5), 'portal', 'fetched');
    ok(stored($redis, 'acme', 1), 'stored');
    $t->restart;
    is(source($t, 'acme', 5), 'redis', 'and found');
    $t->stop;
    $stunnel->stop;
}


# --- TLS of our own

sub with_hiredis () {
    my $client = "cert=$own->{cert} key=$own->{key}";
    my $foreign = $stranger->file;

    $t->config(portals(
        acme     => "rediss://localhost:$port/2 ca=%%CA%%",
        address  => 'rediss://%%TLS_OPEN%% ca=%%CA%%',
        sni      => 'rediss://%%TLS_OPEN%% ca=%%CA%% sni=localhost',
        blind    => 'rediss://%%TLS_OPEN%% verify=off',
        client   => "rediss://%%TLS_STRICT%% ca=%%CA%% $client",
        nobody   => 'rediss://%%TLS_STRICT%% ca=%%CA%%',
        stranger => "rediss://%%TLS_OPEN%% ca=$foreign",
        system   => 'rediss://%%TLS_OPEN%%',
        misnamed => 'rediss://%%TLS_OPEN%% ca=%%CA%% sni=other.test',
        plain    => 'rediss://127.0.0.1:' . $redis->port . ' ca=%%CA%%',
    ), workers => 2);
    $t->start;

    for my $name (qw(acme address sni blind client)) {
        ok(connected($name), "$name: connected");
        is(source($t, $name, 5), 'portal', "$name: fetched");
    }

    ok(stored($redis, 'blind', 1), 'stored');
    ok(stored($strict, 'client', 1), 'with a certificate of its own');

    for my $name (qw(nobody stranger system misnamed plain)) {
        is(source($t, $name, 5), 'portal', "$name: answered");
        ok(!$t->get("/$name/status")->json->{redis}{connected}, "$name: not connected");
    }

    ok(wait_for(sub {
        $t->log_lines(qr/redis rediss:\S+ is not available: .*certificate verify failed/) >= 3
    }, 20), 'and said why');

    # --- values of all sizes

    my %body;

    for my $user (10 .. 15) {
        $portal->result($method, '{"text":"' . 'x' x (7 ** ($user - 9)) . '"}');
        $body{$user} = get($t, 'acme', $user)->body;
    }

    ok(wait_for(sub { $redis->command('INFO', 'keyspace') =~ /db2:keys=7,/ }, 20),
       'values of all sizes');
    $t->restart;
    ok(connected('acme'), 'connected again');

    for my $user (10 .. 15) {
        my $r = get($t, 'acme', $user);
        is($r->header('x-source'), 'redis', length($body{$user}) . ' bytes: found');
        ok($r->body eq $body{$user}, 'byte for byte');
    }

    # --- many at once

    my @all = $t->many([ map { '/address' . $portal->hook($_, $method) } 100 .. 400 ],
                       concurrency => 40);
    is(scalar(grep { $_->status == 200 } @all), 301, 'many at once');
    ok(stored($redis, 'address', 302), 'all stored');
    $t->restart;
    ok(connected('address'), 'connected again');
    @all = $t->many([ map { '/address' . $portal->hook($_, $method) } 100 .. 400 ],
                    concurrency => 40);
    is(scalar(grep { $_->header('x-source') eq 'redis' } @all), 301, 'all found');

    # --- news

    my $other = Counters::Test->new;
    $other->marker(PORTAL => $portal->url, CA => $ca->file);
    $other->config(portals(acme => "rediss://localhost:$port/2 ca=%%CA%%"));
    $other->start;
    ok(wait_for(sub { $redis->command('PUBSUB', 'NUMSUB', 'b24:acme:n')->[1] == 2 }, 20),
       'another node');
    ok(wait_for(sub { source($t, 'acme', 10) eq 'memory' }), 'here');
    is($other->post('/acme/purge?user=10', '')->status, 200, 'purged there');
    ok(wait_for(sub { source($t, 'acme', 10) eq 'portal' }), 'gone here');
    is(join("\n", $other->finish), '', 'no alert in its logs');

    # --- a restart

    $redis->stop;
    ok(wait_for(sub { source($t, 'acme', 900 + int rand 90000);
                      !$t->get('/acme/status')->json->{redis}{connected} }), 'gone');
    $redis->start;
    ok(connected('acme'), 'and back');

    # --- what nginx -t refuses

    my $url = 'rediss://localhost';

    for my $case (
        [ "$url ca=/no/such/file", qr/"ca" that is no readable file/ ],
        [ "$url cert=$own->{cert}", qr/needs "cert" and "key"/ ],
        [ "$url cert=$own->{key} key=$own->{key}", qr/"cert" that is no readable/ ],
        [ "$url cert=$own->{cert} key=$pair->{key}", qr/"key" that is no readable key of/ ],
        [ "$url verify=perhaps", qr/neither on nor off/ ],
        [ "$url sni=", qr/empty "sni"/ ],
    ) {
        my ($ok, $output) = $t->check(portals(acme => $case->[0]));
        ok(!$ok, "refused: $case->[0]");
        like($output, $case->[1], 'and said why');
    }
}
