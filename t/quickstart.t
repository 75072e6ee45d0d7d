#!/usr/bin/perl

# conf/quickstart: what a newcomer asks for is judged before anything is built,
# and what it prints works.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IPC::Run ();
use Test::More;

use Counters::Nginx qw(slurp);
use Counters::Ports qw(free_port);
use Counters::Process;
use Counters::Test;

my $t = Counters::Test->new;
my $quickstart = "$FindBin::Bin/../conf/quickstart";


# What it says to a setting that it does not take

sub refused (%env) {
    local @ENV{ keys %env } = values %env;
    my ($out, $err);

    IPC::Run::run([ $quickstart ], \undef, \$out, \$err);

    fail('it begins to build all the same') if $out =~ /Building/;
    return $err;
}


# PORT and the one after it

sub two_ports () {
    while (1) {
        my $port = free_port();
        return $port if free_port() == $port + 1;
    }
}


sub serve (%env) {
    my $port = $env{PORT} //= two_ports();
    my $output = $t->write("quickstart-$port.log" => '');

    my $process = Counters::Process->start(command => [ $quickstart ],
                                           env => \%env, output => $output);

    wait_for(sub { slurp($output) =~ /^Errors: /m || !$process->running }, 120,
             'quickstart');

    return ($process, slurp($output), Counters::Http->new(port => $port));
}


subtest 'settings' => sub {
    like(refused(PORT => 'abc'), qr/PORT=abc is no port/, 'a word as PORT');
    like(refused(PORT => 65_535), qr/PORT=65535 is no port/,
         'none is left after it');
    like(refused(PORTAL_PORT => '80a'), qr/PORTAL_PORT=80a is no port/,
         'a word as PORTAL_PORT');

    my $port = two_ports();
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
                                         LocalPort => $port + 1, ReuseAddr => 1);

    like(refused(PORT => $port), qr/port @{[ $port + 1 ]} is taken \(PORT and/,
         'the port after it is taken');
    close $listener;

    my %free = (PORT => $port);
    my $code = webhook_code(5);

    for my $webhook ('https://acme.bitrix24.com', "acme.com/rest/5/$code/",
                     "5/$code/profile", '5')
    {
        like(refused(%free, WEBHOOK => $webhook), qr/WEBHOOK is neither/,
             "WEBHOOK=$webhook");
    }

    like(refused(%free, WEBHOOK => "5/$code"), qr/PORTAL=.* is needed/,
         'a webhook without an address');
    like(refused(%free, WEBHOOK => 'file:/nowhere'), qr{cannot read /nowhere},
         'a file that is not there');
    like(refused(%free, WEBHOOK => 'env:COUNTERS_NONE'), qr/not set/,
         'a variable that is not set');
    unlike(refused(%free, WEBHOOK => "x5/$code"), qr/\Q$code/,
           'no code in what it says');
};


subtest 'a sample portal' => sub {
    my ($process, $output, $http) = serve(PORTAL_PORT => free_port());

    my ($hit) = $output =~ m{curl -i \S+?(/rest/\S+)\s+\# HIT}
        or return diag($output), fail('it serves');

    like($http->request(GET => $hit)->header('cache-status'), qr/fwd=miss/,
         'MISS');
    like($http->request(GET => $hit)->header('cache-status'), qr/hit/, 'HIT');

    my ($passed) = $output =~ m{curl -i \S+?(/rest/\S+)\s+\# passes};
    my $r = $http->request(GET => $passed);
    is($r->status, 200, 'passed on');
    is($r->header('cache-status'), undef, 'and nothing of ours');

    is($http->request(GET => '/counters')->status, 401, 'managed: nobody');
    is($http->request(GET => '/counters',
                      headers => { Cookie => 'user=5' })->status, 200,
       'managed: user 5');
    is($http->request(GET => '/counters/status')->status, 200, 'status');

    my ($errors) = $output =~ /^Errors: +(\S+)/m;
    ok(-e $errors, 'its error log');
    like($errors, qr{/\Q$http->{port}\E/}, 'a folder of its own');

    ok($process->stop('TERM', 20), 'ends');
    is($http->request(GET => '/counters')->error, 'connect',
       'nothing serves any more');
};


subtest 'a real portal' => sub {
    my $portal = $t->portal;
    my $webhook = '1/' . webhook_code(1);
    my $redis = free_port();

    my ($process, $output, $http) = serve(
        WEBHOOK => 'env:COUNTERS_HOOK',
        COUNTERS_HOOK => $portal->url . "/rest/$webhook/",
        REDIS => "redis://127.0.0.1:$redis/0",
    );

    like($output, qr/warning: Redis does not answer on 127\.0\.0\.1:$redis/,
         'no Redis');
    unlike($output, qr/warning: http/, 'nothing against the portal');
    is($http->request(GET => '/counters',
                      headers => { Cookie => 'user=5' })->status, 200, 'serves');
    ok($process->stop('TERM', 20), 'ends');

    ($process, $output) = serve(WEBHOOK => '1/wrongcodewrongco',
                                PORTAL => $portal->url);

    like($output, qr/warning: \Q${\ $portal->url}\E refuses the webhook/,
         'the portal refuses the webhook');
    like($output, qr/^Serving/m, 'and yet it serves');
    ok($process->stop('TERM', 20), 'ends');

    $portal->refuse;
    ($process, $output) = serve(WEBHOOK => $webhook, PORTAL => $portal->url);

    like($output, qr/warning: \Q${\ $portal->url}\E does not answer/,
         'the portal does not answer');
    ok($process->stop('TERM', 20), 'ends');
};


$t->done;
