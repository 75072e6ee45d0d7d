#!/usr/bin/perl

# counters_portal { }: every form that is accepted, and every mistake with
# its message and line, as an administrator sees them from nginx -t.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::ConfTest;
use Counters::Tls;

my $ca = Counters::Test::slurp(Counters::Tls->new(conf_dir())->file);

conf_file('ca_two.pem', "ours\n$ca\nand theirs\n$ca");
conf_file('ca_empty.pem', '');
conf_file('ca_text.pem', "any\n");
conf_file('ca_key.pem', $ca =~ s/CERTIFICATE/PUBLIC KEY/gr);
conf_file('ca_cut.pem', $ca . substr $ca, 0, length($ca) / 2);
conf_file('ca_broken.pem', $ca . $ca =~ s/^(?!-).{8}/AAAAAAAA/mgr);
conf_file('more.conf', "zone 1m;\nttl 10s;\n");
mkdir conf_dir() . '/folder';

# accepted

portal_ok(@$_) for
    ['url alone', ''],
    ['https url', 'url https://acme.bitrix24.com;'],
    ['http url with a port', 'url http://127.0.0.1:8081;'],
    ['url in capitals', 'url HTTPS://ACME.Bitrix24.COM:443/;'],
    ['url with a prefix', 'url https://host/portal/;'],
    ['url with an IPv6 address', 'url https://[::1]:8443/portal;'],
    ['zone in bytes', 'zone 131072;'],
    ['zone in kilobytes', 'zone 128k;'],
    ['zone in megabytes', 'zone 64m;'],
    ['methods', 'methods tasks.task.counters.get im.counters.get;'],
    ['methods in any case', 'methods IM.Counters.GET;'],
    ['ttl in milliseconds', 'ttl 500ms;'],
    ['ttl per method', 'ttl 30s; methods im.counters.get '
        . 'tasks.task.counters.get; ttl 1m im.counters.get; '
        . 'ttl 20s TASKS.task.counters.get;'],
    ['ttl before methods', 'ttl 1m im.counters.get; methods im.counters.get;'],
    ['stale', 'stale 5m;'],
    ['stale with error', 'stale 5m error=1h;'],
    ['no stale', 'stale 0 error=0;'],
    ['error within stale', 'stale 5m error=1m;'],
    ['negative', 'negative 5s;'],
    ['no negative', 'negative 0;'],
    ['rate', 'rate 2r/s burst=50;'],
    ['rate a minute', 'rate 30r/m;'],
    ['rate with all', 'rate 5r/s scope=node burst=250;'],
    ['rate off', 'rate off;'],
    ['reserve', 'reserve 20%;'],
    ['no reserve', 'reserve 0%;'],
    ['all reserved', 'reserve 100%;'],
    ['batch', 'batch 50 wait=5ms;'],
    ['batch of one', 'batch 1;'],
    ['batch at once', 'batch 10 wait=0;'],
    ['batch off', 'batch off;'],
    ['ahead', 'ahead 10m;'],
    ['ahead off', 'ahead off;'],
    ['timeout', 'timeout 10s connect=3s;'],
    ['timeout below the default connect', 'timeout 500ms;'],
    ['wait', 'wait 5s;'],
    ['no wait', 'wait 0;'],
    ['max_body', 'max_body 1k;'],
    ['ca', 'ca ca.pem;'],
    ['ca of two', 'ca ca_two.pem;'],
    ['ca in full', 'ca ' . conf_dir() . '/ca.pem;'],
    ['verify off', 'verify off;'],
    ['include', 'include more.conf; batch off;'];

# one line that is wrong; the line is named

portal_fails($_->[0], "$_->[1] #!", $_->[2]) for
    ['url without a scheme', 'url acme.bitrix24.com;',
        qr/invalid value "acme.bitrix24.com" in "url" directive/],
    ['url of another scheme', 'url ftp://acme;', qr/"ftp:\/\/acme" in "url"/],
    ['url without a host', 'url https://;', qr/"url" directive/],
    ['url with an empty host', 'url https:///portal;', qr/the host/],
    ['url with a bad host', 'url https://ac$me;', qr/the host/],
    ['url with a bad address', 'url https://[::g];', qr/the host/],
    ['url with a bad port', 'url https://acme:0;', qr/the port/],
    ['url with a large port', 'url https://acme:65536;', qr/the port/],
    ['url with text as port', 'url https://acme:x;', qr/the port/],
    ['url ending in rest', 'url https://acme/rest/;', qr/\/rest.*"?calls/],
    ['url with dots', 'url https://acme/../x;', qr/"\.\."/],
    ['url with a space', 'url "https://acme/a b";', qr/encoded/],
    ['empty url', 'url "";', qr/"url" directive/],
    ['url twice', 'url https://a; url https://a;',
        qr/"url" directive is duplicate/],

    ['zone too small', 'zone 127k;', qr/"127k" in "zone" .*at least 128k/],
    ['zone without sense', 'zone big;', qr/"big" in "zone" directive, it must be a size, such as 256k or 32m/],
    ['negative zone', 'zone -1m;', qr/"-1m" in "zone" directive/],
    ['zone twice', 'zone 1m; zone 1m;', qr/"zone" directive is duplicate/],
    ['zone twice, once included', 'include more.conf; zone 1m;',
        qr/"zone" directive is duplicate/],

    ['unknown method', 'methods user.current;',
        qr/unknown method "user.current" in "methods" directive, the known ones are "tasks.task.counters.get" and "im.counters.get"/],
    ['batch as method', 'methods batch;', qr/unknown method "batch"/],
    ['method twice', 'methods im.counters.get im.counters.get;',
        qr/duplicate method "im.counters.get"/],
    ['no method', 'methods;', qr/number of arguments in "methods"/],

    ['ttl of nothing', 'ttl 0;', qr/"0" in "ttl" directive/],
    ['ttl without sense', 'ttl soon;', qr/"soon" in "ttl" directive, it must be a time, such as 500ms, 30s or 5m/],
    ['negative ttl', 'ttl -1s;', qr/"-1s" in "ttl" directive/],
    ['ttl of a year', 'ttl 52w;', qr/"52w" in "ttl" directive/],
    ['empty ttl', 'ttl "";', qr/in "ttl" directive/],
    ['ttl twice', 'ttl 1s; ttl 1s;', qr/"ttl" directive is duplicate/],
    ['ttl twice for a method',
        'ttl 1s im.counters.get; ttl 1s IM.counters.get;',
        qr/"ttl" directive is duplicate/],
    ['ttl of an unknown method', 'ttl 1s crm.deal.list;',
        qr/unknown method "crm.deal.list" in "ttl" directive, the known ones are/],

    ['stale without sense', 'stale x;', qr/"x" in "stale" directive/],
    ['error without sense', 'stale 5m error=x;', qr/"x" in "stale"/],
    ['error twice', 'stale 5m error=1h error=2h;',
        qr/number of arguments in "stale"/],
    ['error empty', 'stale 5m error=;', qr/in "stale" directive/],
    ['stale with something else', 'stale 5m err=1h;',
        qr/invalid parameter "err=1h" in "stale" directive, the known one is "error="/],
    ['negative without sense', 'negative x;', qr/"x" in "negative"/],
    ['wait without sense', 'wait x;', qr/"x" in "wait" directive/],
    ['wait twice', 'wait 1s; wait 1s;', qr/"wait" directive is duplicate/],

    ['rate without unit', 'rate 2;', qr/"2" in "rate" directive, it must be "off" or a whole number a second or a minute, such as 2r\/s or 30r\/m/],
    ['rate of nothing', 'rate 0r/s;', qr/"0r\/s" in "rate" directive/],
    ['rate an hour', 'rate 2r/h;', qr/"2r\/h" in "rate" directive/],
    ['rate of a fraction', 'rate 0.5r/s;', qr/"0.5r\/s" in "rate" directive, .* such as 2r\/s or 30r\/m/],
    ['rate of the unit', 'rate r/s;', qr/"r\/s" in "rate" directive/],
    ['burst of nothing', 'rate 2r/s burst=0;', qr/"burst=0" in "rate" directive, it must be a whole number of requests, such as burst=50/],
    ['burst without sense', 'rate 2r/s burst=x;', qr/"burst=x" in "rate"/],
    ['unknown scope', 'rate 2r/s scope=all;', qr/"scope=all" in "rate" directive, it must be scope=node or scope=redis/],
    ['burst twice', 'rate 2r/s burst=5 burst=6;',
        qr/duplicate parameter "burst=" in "rate" directive/],
    ['burst twice, the same', 'rate 2r/s burst=5 burst=5;',
        qr/duplicate parameter "burst=" in "rate" directive/],
    ['scope twice', 'rate 2r/s scope=node scope=node;',
        qr/duplicate parameter "scope=" in "rate" directive/],
    ['burst twice with scope', 'rate 2r/s burst=5 scope=node burst=6;',
        qr/number of arguments in "rate"/],
    ['unknown rate parameter', 'rate 2r/s delay=1;',
        qr/invalid parameter "delay=1" in "rate" directive, the known ones are "burst=" and "scope="/],
    ['rate off and more', 'rate off burst=5;', qr/"burst=5" in "rate"/],

    ['reserve without sign', 'reserve 20;', qr/"20" in "reserve" directive, it must be a share from 0% to 100%, such as 20%/],
    ['reserve above all', 'reserve 101%;', qr/"101%" in "reserve"/],
    ['reserve of the sign', 'reserve %;', qr/"%" in "reserve"/],
    ['batch of none', 'batch 0;', qr/"0" in "batch" directive/],
    ['batch too large', 'batch 51;', qr/"51" in "batch" directive/],
    ['batch without sense', 'batch many;', qr/"many" in "batch"/],
    ['batch wait without sense', 'batch 50 wait=x;', qr/"x" in "batch"/],
    ['batch wait too long', 'batch 50 wait=1m;', qr/"1m" in "batch"/],
    ['batch off and more', 'batch off wait=5ms;',
        qr/invalid parameter "wait=5ms" in "batch"/],
    ['batch wait twice', 'batch 50 wait=5ms wait=5ms;',
        qr/number of arguments in "batch"/],
    ['unknown batch parameter', 'batch 50 size=1;', qr/"size=1" in "batch" directive, the known one is "wait="/],
    ['ahead without sense', 'ahead x;', qr/"x" in "ahead" directive/],
    ['timeout of nothing', 'timeout 0;', qr/"0" in "timeout" directive/],
    ['connect of nothing', 'timeout 1s connect=0;', qr/"0" in "timeout"/],
    ['connect twice', 'timeout 1s connect=1s connect=2s;',
        qr/number of arguments in "timeout"/],
    ['unknown timeout parameter', 'timeout 1s read=1s;',
        qr/"read=1s" in "timeout" directive, the known one is "connect="/],
    ['max_body too small', 'max_body 1023;', qr/"1023" in "max_body"/],
    ['max_body without sense', 'max_body x;', qr/"x" in "max_body" directive, it must be a size, such as 256k or 32m/],

    ['ca that is not there', 'ca none.pem;',
        qr/"ca" directive: open\(\) "\S+none.pem" failed \(2: /],
    ['ca without content', 'ca ca_empty.pem;',
        qr/"ca" directive: no certificate .* "\S+ca_empty.pem"/],
    ['ca of text', 'ca ca_text.pem;', qr/"ca" directive: no certificate/],
    ['ca of a key', 'ca ca_key.pem;', qr/"ca" directive: no certificate/],
    ['ca that is cut', 'ca ca_cut.pem;', qr/"ca" directive: no certificate/],
    ['ca that is broken', 'ca ca_broken.pem;',
        qr/"ca" directive: no certificate/],
    ['ca that is a folder', 'ca folder;', qr/folder" in "ca" directive/],
    ['empty ca', 'ca "";', qr/in "ca" directive/],
    ['verify without sense', 'verify yes;', qr/"yes" in "verify"/],

    ['unknown directive', 'proxy_pass http://x;',
        qr/unknown directive "proxy_pass"/],
    ['no arguments', 'url;', qr/number of arguments in "url"/],
    ['too many arguments', 'wait 1s 2s;', qr/number of arguments in "wait"/],
    ['a block inside', 'url { }', qr/unexpected "\{"/];

# what is judged when the block is complete names the directive all the same

portal_fails($_->[0], $_->[1], $_->[2]) for
    ['ttl of a method that is not cached',
        "ttl 1s im.counters.get; #!\nttl 5s;\nbatch off;",
        qr/"ttl" for "im.counters.get".*"methods"/],
    ['ttl of the other method',
        "methods im.counters.get;\nttl 1s im.counters.get;\n"
        . "ttl 2s tasks.task.counters.get; #!\nttl 3s;\n",
        qr/"ttl" for "tasks.task.counters.get".*"methods"/],
    ['scope=redis without redis', "rate 2r/s\nscope=redis; #!\nbatch off;",
        qr/"scope=redis" without "redis"/];

conf_fails('no url', "server { }\ncounters_portal acme { #!\nzone 1m;\n}\n",
    qr/no "url" in "counters_portal" "acme"/);

portal_warns('max_body above zone',
    "zone 128k;\nmax_body 256k; #!\nbatch off;",
    qr/"max_body" is larger than "zone"/);

conf_file('late.conf', "\nttl 1s im.counters.get;\nwait 1s;\n");
conf_file('later.conf', "batch off;\ninclude late.conf;\n\n");

conf_fails("a directive in an included file",
    "counters_portal acme {\nurl https://a;\ninclude late.conf;\n}\n",
    qr{"ttl" for .* in \S+/late\.conf:2$}m);
conf_fails("a directive in a file included by another",
    "counters_portal acme {\nurl https://a;\ninclude later.conf;\n}\n",
    qr{"ttl" for .* in \S+/late\.conf:2$}m);

# a forgotten ";" makes values of the next directive's words

portal_fails($_->[0], "$_->[1] #!", $_->[2]) for
    map { my ($name, $before, $next) = @$_;
          [ "$name not ended", "$before\n$next;",
            qr/directive "\w+" is not terminated by ";" before "@{[
                $next =~ m{^(\w+)} ]}"/ ] }
    ['url', 'url https://acme.example', 'verify off'],
    ['zone', 'zone 1m', 'batch off'],
    ['methods', 'methods tasks.task.counters.get', 'ttl 5s'],
    ['ttl', 'ttl 5s', 'stale 5m'],
    ['stale', 'stale 5m', 'wait 1s'],
    ['rate', 'rate 2r/s', 'reserve 10%'],
    ['batch', 'batch 50', 'wait 5s'],
    ['timeout', 'timeout 5s', 'include more.conf'],
    ['ca', 'ca ca.pem', 'verify off'],
    ['redis', 'redis redis://127.0.0.1', 'ttl 5s'];

# the block itself

conf_fails(@$_) for
    ['portal without a name', "counters_portal { #!\n}",
        qr/number of arguments in "counters_portal"/],
    ['portal named off', "counters_portal off { #!\n}",
        qr/invalid name "off" in "counters_portal"/],
    ['portal with an empty name', "counters_portal '' { #!\n}",
        qr/invalid name "" in "counters_portal"/],
    ['portal with a colon', "counters_portal a:b { #!\n}",
        qr/invalid name "a:b"/],
    ['portal with a long name', "counters_portal " . 'a' x 65 . " { #!\n}",
        qr/invalid name "a{65}"/],
    ['portal twice', "counters_portal a { url https://a; }\n"
        . "counters_portal a { #!\n url https://b; }",
        qr/"counters_portal" "a" is duplicate/],
    ['portal in a server', "server {\n counters_portal a { #!\n } }",
        qr/"counters_portal" directive is not allowed here/],
    ['portal without a block', "counters_portal a; #!",
        qr/"counters_portal" has no opening "\{"/];

conf_ok('two portals of one url',
    'counters_portal a { url https://a; } counters_portal b-2_c.d '
    . '{ url https://a; }');

done_testing();
