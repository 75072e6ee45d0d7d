#!/usr/bin/perl

# The variables as an access log shows them, for every way in which a request can
# end; and $counters_uri, the URI as the client sent it, whatever became of it: no
# secret is shown however it is written.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis;

$t->write('part.html', '<!--# include virtual="/say/part?x=1" wait="yes" -->');

$t->config(<<'EOF', workers => 2);
    log_format counters '$counters_cache_status $counters_source'
                        ' $counters_age $counters_ttl $counters_uri';
    access_log %%DIR%%/counters.log counters;

    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; ttl 1h; negative 1h;
                            redis %%REDIS%%; secret one; }
    counters_portal brief { url %%PORTAL%%; zone 1m; rate off; ttl 100ms;
                            stale 1h error=2h; }
    counters_portal old   { url %%PORTAL%%; zone 1m; rate off; ttl 100ms;
                            stale 0 error=1h; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location / { counters acme; proxy_pass %%PORTAL%%; }
        location /brief/ { counters brief; proxy_pass %%PORTAL%%; }
        location /old/ { counters old; proxy_pass %%PORTAL%%; }
        location /force/ {
            counters acme;
            counters_bypass 1;
            proxy_pass %%PORTAL%%;
        }
        location /off/ { proxy_pass %%PORTAL%%; }
        location /say/ { return 200 "$counters_uri"; }

        # where others than the client have a say in what the URI is
        location /moved/ { rewrite ^/moved/(.*)$ /say/rest/$1?auth=other last; }
        location /named/ { error_page 418 = @named; return 418; }
        location @named { return 200 "$counters_uri"; }
        location /error/ { error_page 403 =200 /say/error; deny all; }
        location /sent/ { proxy_pass http://127.0.0.1:%%PORT_8081%%; }
        location /page/ { alias %%DIR%%/; ssi on; }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        access_log off;
        add_header X-Accel-Redirect "/say/sent?auth=other";
        return 200;
    }
    server {
        listen 127.0.0.1:%%PORT_8082%% http2;
        return 200 "$counters_uri";
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $url = $portal->hook(5, $METHOD);
my $code = webhook_code(5);
my $token = access_token(5);
my $masked = "/rest/5/***/$METHOD";

sub lines () {
    return split /\n/, Counters::Test::slurp($t->dir . '/counters.log');
}

# The log line of one request; it is written when the client has its answer

sub line ($target, %how) {
    my $before = lines();

    $t->get($target, %how);

    my @lines;
    wait_for(sub { @lines = lines(); @lines > $before }, 10, 'the log line');

    return $lines[-1];
}

sub awaited ($target, $status) {
    my $line;
    wait_for(sub { $line = line($target); $line =~ /^$status / }, 10, $status);

    return $line;
}

# --- every status

is(line('/off/x'), '- - - - /off/x', 'no counters here');
is(line("/off$url"), "- - - - /off$masked", 'not even for a counter call');
is(line($portal->hook(5, 'profile')), 'PASS - - - /rest/5/***/profile', 'PASS');

like(line($url), qr{^MISS portal 0 3[2-6]\d\d \Q$masked\E$}, 'MISS');
like(line($url), qr{^HIT memory \d+ 3[2-6]\d\d \Q$masked\E$}, 'HIT');

like(awaited("/force$url", 'BYPASS'),
     qr{^BYPASS portal 0 3[2-6]\d\d /force\Q$masked\E$}, 'BYPASS');

# a new nginx has nothing in memory, and needs a moment to reach Redis

my @saved = map { $portal->hook($_, $METHOD) } 30 .. 59;

line($_) for @saved;
ok(wait_for(sub { (my @keys = $redis->keys('*:c:*')) > @saved }), 'saved in Redis');
$t->restart;

my ($again, $line);
wait_for(sub { $again = shift @saved; $line = line($again);
               $line =~ / redis / || !@saved });

like($line, qr{^HIT redis \d+ 3[1-6]\d\d /rest/\d+/\*\*\*/$METHOD$}, 'HIT from Redis');
like(line($again), qr{^HIT memory \d+ 3[1-6]\d\d }, 'then from memory');

like(line("$url?groupId=99999"),
     qr{^MISS portal 0 \d+ \Q$masked\E\?groupId=99999$}, 'a refusal is a MISS');
like(line("$url?groupId=99999"),
     qr{^NEGATIVE memory \d+ 3[4-6]\d\d \Q$masked\E\?groupId=99999$}, 'NEGATIVE');

line("/brief$url");
like(awaited("/brief$url", 'UPDATING'),
     qr{^UPDATING memory \d+ (?:0|-\d+) /brief\Q$masked\E$}, 'UPDATING');

$portal->fault(kind => 'latency', delay => 0.5);
my $before = lines();
$t->many([ ($portal->hook(6, $METHOD)) x 4 ], concurrency => 4);
ok(wait_for(sub { lines() == $before + 4 }), 'four at once');
my @four = sort +(lines())[-4 .. -1];
like($four[3], qr{^MISS portal 0 \d+ /rest/6/\*\*\*/$METHOD$}, 'one MISS');
like($_, qr{^COALESCED portal 0 \d+ /rest/6/\*\*\*/$METHOD$}, 'COALESCED')
    for @four[0 .. 2];
$portal->heal;

line("/old$url");
$portal->refuse;
like(awaited("/old$url", 'STALE'),
     qr{^STALE memory \d+ (?:0|-\d+) /old\Q$masked\E$}, 'STALE');
like(line($portal->hook(7, $METHOD)), qr{^ERROR \S+ \S+ \S+ /rest/7/\*\*\*/$METHOD$},
     'ERROR');
$portal->accept;

# --- $counters_uri: [as requested, as shown]; a short one is put behind the path

my @URIS = (
    # kept
    [ '?userId=5&groupId=7&type=view_all&_=1' ],
    [ '?bx24_request_id=8e0b-1&bx24_sdk_ver=1.2.3' ],
    [ "/say/rest/$METHOD" ],
    [ '/say/rest/5/' ],
    [ '/say/?', '/say/?' ],
    [ '/say/x?author=me' ],
    [ '/say//a/./b/../c%2Fd' ],
    [ '/say/files/2024/report/summary.pdf' ],

    # paths
    [ "/say$url", "/say$masked" ],
    [ "/say/a/b$url", "/say/a/b$masked" ],
    [ "/say/rest/5/$code", '/say/rest/5/***' ],
    [ "/say/rest/5/$code/", '/say/rest/5/***/' ],
    [ "/say//rest//5//$code//$METHOD", "/say//rest//5//***//$METHOD" ],
    [ "//say//rest//5//$code//$METHOD", "//say//rest//5//***//$METHOD" ],
    [ "/say/REST/5/$code/$METHOD", "/say/REST/5/***/$METHOD" ],
    [ "/say/%72est/%35/$code/$METHOD", "/say/%72est/%35/***/$METHOD" ],
    [ "/say/%72est/5/%6$code", '/say/%72est/5/***' ],
    [ "/say/rest/5/$code%2F$METHOD", "/say/rest/5/***%2F$METHOD" ],
    [ "/say%2frest%2f5%2f$code%2f", '/say%2frest%2f5%2f***%2f' ],
    [ "/say/%2572est/5/$code/$METHOD", '/say/***/***/***/***' ],
    [ "/say/rest%252f5%252f$code", '/say/***' ],
    [ "/say/x/../rest/5/$code/$METHOD", "/say/x/../rest/5/***/$METHOD" ],
    [ "/say/rest/./5/$code/$METHOD", "/say/rest/./5/***/$METHOD" ],
    [ "/say/rest/5/x/../$code.json", '/say/rest/5/***/../***' ],
    [ "/say/rest\\5\\$code\\$METHOD", "/say/rest%5C5%5C***%5C$METHOD" ],
    [ "/say/x&auth=$token/y", '/say/***/y' ],
    [ "/say/rest/x/$code/$METHOD", "/say/rest/***/***/$METHOD" ],
    [ "/say/rest/api/5/$code/$METHOD", "/say/rest/api/5/***/$METHOD" ],

    # arguments
    (map { [ "?x=1&$_$token&y=2", "?x=1&$_***&y=2" ] }
        qw(auth= access_token= AUTH= Access_Token= a%75th= %61%75%74%68=
           access%5Ftoken= access.token= auth[]= auth%5B%5D= auth[a]= auth%5Ba]=
           +auth= refresh_token= client_secret= sessid= code= password= secret=
           application_token= auth[application_token]=)),
    [ "?auth=$token=x", '?auth=***' ],
    [ "?auth=%3${\ substr $token, 1}", '?auth=***' ],
    [ '?auth=', '?auth=' ],

    # inside a value
    [ "?cmd[a]=$METHOD%3Fauth%3D$token", '?cmd[a]=***' ],
    [ "?cmd[a]=$METHOD%253Fauth%253D$token", '?cmd[a]=***' ],
    [ "?cmd[a]=$METHOD?auth=$token", '?cmd[a]=***' ],
    [ "?back=https%3A%2F%2Facme.example%2Frest%2F5%2F$code%2F", '?back=***' ],
    [ "?back=/rest/5/$code/", '?back=***' ],
    [ qq(?x={"auth":"$token"}), '?x=***' ],
    [ "?auth%3D$token", '?***' ],

    # as it was sent, whatever it became
    [ "/moved/5/$code/$METHOD", "/moved/5/***/$METHOD" ],
    [ '/moved/5?x=1', '/moved/5?x=1' ],
    [ "/named$url?x", "/named$masked?x" ],
    [ "/error$url?x", "/error$masked?x" ],
    [ "/sent$url?x", "/sent$masked?x" ],
    [ "/page/part.html?auth=$token", '/page/part.html?auth=***' ],
    [ "http://acme.example/say$url?x", "/say$masked?x" ],
    [ "/say/x#/rest/5/$code", '/say/x#***' ],
    [ "/say/x?a#access_token=$token", '/say/x?a#***' ],
    [ '/say/x#', '/say/x#' ],

    # what could break a log line
    [ '?x=%0aforged', '?x=%0aforged' ],
    [ '/say/a%0Ab%22c%3Fd', '/say/a%0Ab%22c%3Fd' ],
);

for my $case (@URIS) {
    my ($asked, $shown) = @$case;

    $shown //= $asked;
    s{^(?=\?)}{/say/rest/$METHOD} for $asked, $shown;

    my $body = $t->get($asked)->body;

    is($body, $shown, $asked =~ s/$code/CODE/r =~ s/$token/TOKEN/r);
    unlike($body, qr/$code|$token/, 'no secret in it');
}

open my $curl, '-|', qw(curl -s --http2-prior-knowledge --path-as-is -m 20),
    'http://127.0.0.1:' . $t->port(8082)
    . "//%72est/./5/$code/$METHOD?auth=$token" or die "curl: $!";
is(join('', <$curl>), "//%72est/./5/***/$METHOD?auth=***", 'HTTP/2');

my @secret = grep { /$code|$token|\Q${\ webhook_code(6)}\E/ } lines();
is(scalar @secret, 0, 'nor in the log') or diag(@secret);

$t->done;
