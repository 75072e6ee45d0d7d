#!/usr/bin/perl

# No webhook code, token, password or configured secret in what the module writes:
# not in the log at any level, not in $counters_uri, not in Redis, not in the
# memory that the workers share. The run goes through refusals, failures of the
# portal and of Redis, since messages are written when something goes wrong.
#
# nginx appends the request to its own messages, masked in locations with "counters"
# on, and logs everything at the debug level: the whole log is judged at "info", and
# at "debug" the module's lines.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Parked;
use Counters::Test;

my $PASSWORD = 'redis-pass-4711';
my $SECRET = 'digest-secret-4711';
my $APPLICATION = 'application-token-4711';

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis(password => $PASSWORD);

$t->write(secret => "$SECRET\n");
$t->write(webhook => '1/' . webhook_code(1) . "\n");

# What the portal can do wrong
my @FAULTS = (
    [ kind => 'status', status => 500 ], [ kind => 'malformed' ],
    [ kind => 'truncate' ], [ kind => 'reset' ], [ kind => 'html' ],
    [ kind => 'hang' ], [ kind => 'error200', error => 'x' ],
    [ kind => 'redirect', location => 'http://other.test%s' ],
    [ kind => 'redirect', location => 'https://x%s' ],
    [ kind => 'status', status => 429, error => 'OPERATION_TIME_LIMIT' ],
    [ kind => 'status', status => 503, error => 'QUERY_LIMIT_EXCEEDED' ],
    [ kind => 'status', status => 503, error => 'OVERLOAD_LIMIT' ],
);

# A portal block for each of them, since one that has failed is left in peace
my $BLOCKS = join '', map { "counters_portal f$_ { url %%PORTAL%%; zone 1m;"
                            . " rate off; timeout 300ms; wait 100ms; }\n" }
                      0 .. $#FAULTS;
my $LOCATIONS = join '', map { "location /f$_/ { counters f$_;"
                               . " proxy_pass %%PORTAL%%; }\n" } 0 .. $#FAULTS;

$t->write('page.html', '<!--# include virtual="/rest/5/'
                       . webhook_code(1) . '/a%20b.c?auth=' . webhook_code(1) . '" -->');

my $CONFIG = <<"EOF";
    log_format masked '\$status [\$counters_cache_status] \$counters_uri';
    access_log %%DIR%%/masked.log masked;
    limit_req_zone \$server_port zone=few:32k rate=1r/m;

    counters_portal acme {
        url           %%PORTAL%%;
        zone          1m;
        rate          off;
        ttl           100ms;
        stale         100ms error=1h;
        timeout       300ms;
        wait          100ms;
        redis         %%REDIS%% timeout=100ms;
        secret        file:%%DIR%%/secret;
        webhook       file:%%DIR%%/webhook;
        events_token  $APPLICATION;
    }
    # whoever waits here leaves before there is an answer
    counters_portal patient { url %%PORTAL%%; zone 1m; rate off; wait 1h; timeout 1h; }
    $BLOCKS
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        $LOCATIONS
        location /patient/rest/ { counters patient; proxy_pass %%PORTAL%%; }
        location = /parked { stub_status; }
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location /small/rest/ { counters acme; client_max_body_size 1k; proxy_pass %%PORTAL%%; }
        location /denied/rest/ { counters acme; deny all; }
        location /moved/ {
            counters acme;
            rewrite ^/moved/(.*)\$ /denied/rest/\$1?auth=\$arg_key last;
        }
        location /whole/ {
            counters acme;
            ssi on;
            alias %%DIR%%/;
        }
        location /few/rest/ { counters acme; limit_req zone=few; proxy_pass %%PORTAL%%; }
        location = /managed { counters acme; counters_user \$arg_u; }
        location = /purge { counters_purge acme; }
        location = /events { counters_events acme; }
        location = /status { counters_status acme; }
    }
EOF

my $METHOD = 'tasks.task.counters.get';
my $user = 100;
my @secrets = ($PASSWORD, $SECRET, $APPLICATION, webhook_code(1));

# A user whose credentials are then looked for everywhere

sub person () {
    $user++;
    push @secrets, webhook_code($user), access_token($user);

    return $user;
}

sub calls ($n) {
    my ($hook, $token) = ($portal->hook($n), access_token($n));

    return (
        [ GET => "$hook$METHOD" ],
        [ GET => $hook . uc "$METHOD.json/" ],
        [ GET => "$hook$METHOD?x=1" ],
        [ GET => "$hook$METHOD?groupId=99999" ],
        [ GET => "/rest/$METHOD?auth=$token" ],
        [ GET => "/rest/$METHOD?a%75th=$token&userId=5" ],
        [ GET => "/rest/$METHOD?access%5Ftoken=$token" ],
        [ GET => "/rest/$METHOD?x=1&access_token=$token" ],
        [ GET => "${hook}batch?cmd[a]=$METHOD" ],
        [ GET => "${hook}batch?cmd[a]=profile%3Fauth%3D$token" ],
        [ GET => "/rest/$METHOD", headers => { Authorization => "Bearer $token" } ],
        [ POST => "/rest/$METHOD", body => "auth=$token",
          type => 'application/x-www-form-urlencoded' ],
        [ POST => "/rest//$METHOD", body => qq({"auth":"$token"}),
          type => 'application/json' ],
        [ POST => "/rest/$METHOD", body => qq({"auth":"$token"), # not JSON
          type => 'application/json' ],
    );
}

sub run ($n = person()) {
    $t->request($_->[0], $_->[1], @$_[2 .. $#$_]) for calls($n);
}

# Clients that go away while they wait for the portal

sub leave (@targets) {
    $portal->fault(kind => 'hang');

    for my $target (@targets) {
        my $before = $t->log_lines(qr/prematurely closed/);
        my $client = $t->client->begin(GET => $target,
                                       headers => { Referer => "http://x$target" });

        await_parked($t, 1);
        close $client;
        wait_for(sub { $t->log_lines(qr/prematurely closed/) > $before });
    }

    $portal->heal;
}

sub broad_run () {
    my $same = person();

    run($same) for 1 .. 3;

    for my $i (0 .. $#FAULTS) {
        my ($hook, $token) = ($portal->hook(person()), access_token($user));

        $portal->fault($FAULTS[$i]->@*);
        $t->get("/f$i$_") for "$hook$METHOD", "/rest/$METHOD?auth=$token";
        $portal->heal;
    }

    # a limit in the answer to a call that is passed on
    $portal->fault(kind => 'status', status => 503, method => 'profile',
                   error => 'QUERY_LIMIT_EXCEEDED');
    $t->get($portal->hook(person(), 'profile'));
    $portal->heal;

    # refused, and others asked for
    $portal->credential(person() . '/' . webhook_code($user) => 'revoked');
    $portal->credential(access_token($user) => 'expired');
    run($user);

    # managed mode, and its webhook refused
    $t->get("/managed?u=$_") for 5, 6, 'x';
    $portal->credential('1/' . webhook_code(1) => 'revoked');
    $t->get('/managed?u=7');
    $portal->credential('1/' . webhook_code(1) => 'ok');

    $t->post('/purge', $_) for 'user=5', 'all=1', "user=" . access_token(person());
    $t->get('/status');
    $portal->event('http://127.0.0.1:' . $t->port . '/events', id => 7, token => $_)
        for $APPLICATION, 'wrong';

    # Redis goes and comes back
    $redis->pause;
    run();
    $redis->resume;
    $redis->stop;
    run();
    $redis->start;
    run();

    # what nginx itself has to say of a request
    $t->get("/moved//$user/" . webhook_code($user) . '/user.get?auth='
            . access_token($user));
    $t->get("$_/rest/$user/" . webhook_code($user) . "/profile")
        for '/denied', '/few', '/few';
    $t->post("/small/rest/$user/" . webhook_code($user) . "/profile", 'x' x 4000);
    leave('/patient' . $portal->hook(person(), $METHOD),
          "/patient/rest/$METHOD?auth=" . access_token($user),
          $portal->hook($user, 'profile'));

    # the portal is gone
    $portal->refuse;
    $t->get($portal->hook(person(), 'profile'));
    $t->get($portal->hook(person(), $METHOD));
    $t->get("/rest/$METHOD?auth=" . access_token($user));
    $t->get("/whole/page.html?auth=" . access_token($user));
    $portal->accept;
}

sub with_secret (@lines) {
    return grep { my $line = $_; grep { index($line, $_) >= 0 } @secrets } @lines;
}

sub none ($name, @lines) {
    my @found = with_secret(@lines);

    ok(@lines > 0, "$name: there is something to look at");
    is(scalar @found, 0, $name) or diag(join "\n", @found[0 .. ($#found < 5 ? $#found : 5)]);
}

# --- at "info", everything that anybody wrote

$t->config($CONFIG, workers => 2);
$t->start;

broad_run();

none('the error log', $t->log_lines(qr/./));
cmp_ok(scalar $t->log_lines($_), '>', 0, "it has $_")
    for qr/client prematurely closed.*request: "GET \/patient\/rest\/\d+\/\*\*\*\/tasks/,
        qr/client prematurely closed.*request: "GET \/patient\/rest\/tasks\S+\?auth=\*\*\* HTTP/,
        qr/access forbidden.*request: "GET \/denied\/rest\/\d+\/\*\*\*\/profile/,
        qr/access forbidden.*"GET \/moved\/\/\d+\/\*\*\*\/user.get\?auth=\*\*\* HTTP/,
        qr/"GET \/whole\S+\* HTTP\/1.1", subrequest: "\/rest\/5\/\*+\/\*+\?auth=\*+"/,
        qr/limiting requests.*host: "/,
        qr/too large body.*request: "POST \/small\/rest\/\d+\/\*\*\*\/profile/,
        qr/connect\(\) failed.*\/profile HTTP.*upstream: "http:\/\/[\d.:]+", host/;
none('$counters_uri', split /\n/, Counters::Test::slurp($t->dir . '/masked.log'));

# --- in Redis

ok(wait_for(sub { $t->get($portal->hook($user, $METHOD))->status == 200 }),
   'the portal is back');
ok(wait_for(sub { run($user); scalar(my @keys = $redis->keys) }), 'Redis is used');

none('Redis', map { my $type = $redis->command('TYPE', $_);
                    $type eq 'string' ? ($_, $redis->command('GET', $_)) : $_ }
              $redis->keys);

# --- in the memory that the workers share

sub shared_memory ($pid) {
    open my $maps, '<', "/proc/$pid/maps" or die "maps: $!";
    open my $memory, '<:raw', "/proc/$pid/mem" or die "mem: $!";

    my $text = '';

    for my $line (grep { m{/dev/zero} } <$maps>) {
        no warnings 'portable';
        my ($from, $to) = map { hex } $line =~ /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;

        seek $memory, $from, 0;
        read $memory, my $piece, $to - $from;
        $text .= $piece;
    }

    return $text;
}

my $memory = shared_memory(($t->workers)[0]);

ok($memory =~ /"whose":\{"caller":$user,/, 'answers are in shared memory');
none('shared memory', $memory);

# --- at "debug", what the module writes

$t->stop;

my $before = length $t->log;

$t->config($CONFIG, workers => 2, log => 'debug');
$t->start;
broad_run();

my @ours = grep { /^\S+ \S+ \[\w+\] \d+#\d+: (?:\*\d+ )?counters/ }
           split /\n/, substr $t->log, $before;

cmp_ok(scalar @ours, '>', 100, 'a debug log');
none('the debug log', @ours);
cmp_ok(scalar(with_secret($t->log_lines(qr/./))), '>', 0,
       'nginx itself does show them there');

$t->done;
