#!/usr/bin/perl

# Directives that carry secrets: their forms, and that nginx -t never shows
# what it does not like.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::ConfTest;

my $code = "${SECRET}abcdefgh";
my $token = "${SECRET}8901234567";
my $hook = "https://acme.example/rest/1/$code";

conf_file('hook', "1/$code\n");
conf_file('hook_crlf', "1/$code\r\n");
conf_file('hook_bare', "1/$code");
conf_file('url', "$hook/\n");
conf_file('empty', '');
conf_file('newline', "\n");
conf_file('lines', "1/$code\n2/$code\n");
conf_file('spaces', "$SECRET with spaces\n");
conf_file('binary', "1/$code\0\n");
conf_file('long', $SECRET x 200);
conf_file('just', 'x' x 1024);
conf_file('bad', "$code\n");
mkdir conf_dir() . '/folder';

$ENV{COUNTERS_HOOK} = "1/$code";
$ENV{COUNTERS_EMPTY} = '';
delete $ENV{COUNTERS_NONE};

portal_ok($_->[0], "$_->[1]\nahead 5m;") for
    ['webhook', "webhook 1/$code;"],
    ['webhook from a file', 'webhook file:hook;'],
    ['webhook from a file of DOS', 'webhook file:hook_crlf;'],
    ['webhook from a file without newline', 'webhook file:hook_bare;'],
    ['webhook from a file in full', 'webhook file:' . conf_dir() . '/hook;'],
    ['webhook from the environment', 'webhook env:COUNTERS_HOOK;'],
    ['webhook as URL', "webhook $hook/;"],
    ['webhook as URL of a method', "webhook $hook/profile.json;"],
    ['webhook as URL in a file', 'webhook file:url;'],
    ['webhook as URL before url',
        "webhook HTTPS://ACME.example:443/rest/1/$code/;\n"
        . 'url https://acme.example/;'],
    ['webhook as URL with a prefix', "url https://acme.example/portal;\n"
        . "webhook https://acme.example/portal/rest/1/$code/;"],
    ['secret', "secret $token;"],
    ['secret of many characters', "secret '$SECRET \$%;{} 1234';"],
    ['secret from a file', 'secret file:spaces;'],
    ['events_token', "events_token $token file:just env:COUNTERS_HOOK;"],
    ['redis', "redis redis://127.0.0.1; secret file:just;"],
    ['redis in full', "redis redis://user:$SECRET\@127.0.0.1:6380/15 "
        . "prefix=my: timeout=1s; secret file:just;"],
    ['redis with a password alone', "redis redis://:$SECRET\@127.0.0.1/; "
        . 'secret file:just;'],
    ['redis with an encoded password', "redis "
        . "redis://a%40b:$SECRET%2F%3a%40\@127.0.0.1/0; secret file:just;"],
    ['redis by name', 'redis redis://localhost:6379; secret file:just;'],
    ['redis over IPv6', 'redis redis://[::1]:6379/1; secret file:just;'],
    ['redis with a password elsewhere',
        'redis redis://user@127.0.0.1 password=file:just; secret file:just;'],
    ['redis with a password as it is',
        "redis redis://127.0.0.1 password=$SECRET; secret file:just;"],
    ['redis without a prefix', 'redis redis://127.0.0.1 prefix=; secret file:just;'],
    ['redis on a socket', 'redis unix:/run/redis.sock; secret file:just;'],
    ['redis on a socket with a database', 'redis unix:/run/redis.sock?db=3 '
        . 'password=env:COUNTERS_HOOK; secret file:just;'],
    ['shared rate', 'redis redis://127.0.0.1; secret file:just; '
        . 'rate 2r/s scope=redis burst=50;'];

portal_warns('redis without secret',
    "redis redis://:$SECRET\@127.0.0.1; #!\nbatch off;",
    qr/"redis" without "secret" in "counters_portal" "acme"/);

portal_fails($_->[0], "$_->[1] #!", $_->[2]) for
    ['webhook that is empty', 'webhook "";', qr/"webhook".* empty/],
    ['webhook twice', "webhook 1/$code; webhook 1/$code;",
        qr/"webhook" directive is duplicate/],
    ['webhook with a second word', "webhook 1/$code $SECRET;",
        qr/number of arguments in "webhook"/],
    ['webhook not ended', "webhook 1/$code\nsecret $SECRET;",
        qr/directive "webhook" is not terminated by ";" before "secret"/],
    ['webhook with a sign', "webhook=1/$code;",
        qr/unknown directive "webhook"/],
    ['a secret as directive', "$SECRET;",
        qr/unknown directive in "counters_portal"/],
    ['a token after a semicolon', "events_token $token; ${SECRET}_b;",
        qr/unknown directive in "counters_portal"/],
    ['webhook of two lines', "webhook '1/$code\n2/$code';",
        qr/"webhook".* lines/],

    ['source without a path', 'webhook file:;', qr/"webhook".*no path/],
    ['source that is not there', 'webhook file:none;',
        qr/"webhook" directive: open\(\) "\S+\/none" failed \(2: /],
    ['source of the secret that is not there', 'secret file:/nonexistent;',
        qr/"secret" directive: open\(\) "\/nonexistent" failed/],
    ['source of a token that is not there',
        "events_token $token file:none;",
        qr/"events_token" directive: open\(\) "\S+\/none" failed/],
    ['source of a password that is not there',
        'redis redis://127.0.0.1 password=file:none;',
        qr/"redis" directive: open\(\) "\S+\/none" failed/],
    ['source that is a folder', 'webhook file:folder;',
        qr/"webhook" directive: read\(\) "\S+\/folder" failed/],
    ['source that is empty', 'webhook file:empty;', qr/"webhook".* empty/],
    ['source of a newline', 'secret file:newline;', qr/"secret".* empty/],
    ['source of two lines', 'webhook file:lines;', qr/"webhook".* lines/],
    ['source with a zero', 'secret file:binary;', qr/"secret".* control/],
    ['source that is long', 'secret file:long;', qr/"secret".* too long/],
    ['source without a name', 'secret env:;', qr/"secret".*no name/],
    ['variable that is not there', 'secret env:COUNTERS_NONE;',
        qr/"secret" directive: environment variable "COUNTERS_NONE" is not/],
    ['variable of the webhook that is not there',
        'webhook env:COUNTERS_NONE;', qr/"webhook" directive: .* is not set/],
    ['variable of a token that is not there',
        "events_token $token env:COUNTERS_NONE;",
        qr/"events_token" directive: .* is not set/],
    ['variable of a password that is not there',
        'redis redis://127.0.0.1 password=env:COUNTERS_NONE;',
        qr/"redis" directive: .* is not set/],
    ['variable that is empty', 'secret env:COUNTERS_EMPTY;',
        qr/"secret".* empty/],
    ['secret that is empty', 'secret "";', qr/"secret".* empty/],
    ['secret twice', "secret $SECRET; secret $SECRET;",
        qr/"secret" directive is duplicate/],

    ['events_token that is empty', "events_token $token '';",
        qr/"events_token".* empty/],
    ['events_token from an empty file', "events_token $token file:empty;",
        qr/"events_token".* empty/],
    ['events_token not ended', "events_token $token\nwebhook 1/$code;",
        qr/directive "events_token" is not terminated by ";" before "webhook"/],
    ['events_token of the next directive', "events_token\nbatch off;",
        qr/"events_token" directive has a token of less than 16 characters/],
    ['events_token that is short', "events_token $token ${SECRET}890123456;",
        qr/"events_token" directive has a token of less than 16 characters/],
    ['events_token without any', 'events_token;',
        qr/number of arguments in "events_token"/],
    ['events_token twice', "events_token $token; events_token $token;",
        qr/"events_token" directive is duplicate/],

    ['url that is a webhook', "url $hook/;", qr/in "url" directive/],
    ['url that is a webhook, mistyped', "url htps://acme/rest/1/$code/;",
        qr/in "url" directive/],
    ['url with a password', "url https://user:$SECRET\@acme;",
        qr/"url" directive: a user or a password/],
    ['url with a token', "url https://acme/?auth=$SECRET;",
        qr/"url" directive: a query/],
    ['url with a fragment', "url https://acme/#$SECRET;",
        qr/"url" directive: a query/],

    ['redis of another scheme', "redis http://:$SECRET\@127.0.0.1;",
        qr/"redis" directive must begin with/],
    ['redis without a scheme', 'redis 127.0.0.1:6379;',
        qr/"redis" directive must begin with/],
    ['redis cluster', "redis redis://:$SECRET\@127.0.0.1 redis://127.0.0.2;",
        qr/"redis".* Redis Cluster is not supported yet/],
    ['redis cluster of sockets', 'redis unix:/a unix:/b;',
        qr/"redis".* Redis Cluster is not supported yet/],
    ['redis without a host', 'redis redis://;', qr/no host in "redis"/],
    ['redis without a host, with a user', "redis redis://a:$SECRET\@;",
        qr/no host in "redis"/],
    ['redis host unknown', "redis redis://:$SECRET\@no..such;",
        qr/host not found in "redis" directive: "no..such"/],
    ['redis with a bad port', 'redis redis://127.0.0.1:99999;',
        qr/invalid port in "redis"/],
    ['redis with a slash in the password',
        "redis redis://u:$SECRET/x\@127.0.0.1;", qr/"redis"/],
    ['redis with a bad escape', "redis redis://:$SECRET%zz\@127.0.0.1;",
        qr/"redis".*user or password/],
    ['redis with a cut escape', "redis redis://:$SECRET%4\@127.0.0.1;",
        qr/"redis".*user or password/],
    ['redis with a zero', "redis redis://:$SECRET%00\@127.0.0.1;",
        qr/"redis".*user or password/],
    ['redis with an empty password', 'redis redis://u:@127.0.0.1;',
        qr/"redis".*user or password/],
    ['redis with a user alone', "redis redis://$SECRET\@127.0.0.1;",
        qr/"redis".*user without a password/],
    ['redis with two passwords', "redis redis://:$SECRET\@127.0.0.1 "
        . "password=${SECRET}2;", qr/"redis".*two passwords/],
    ['redis with an empty password source',
        'redis redis://127.0.0.1 password=file:empty;', qr/"redis".* empty/],
    ['redis with a bad database', 'redis redis://127.0.0.1/x;',
        qr/"redis".*database/],
    ['redis with a query', "redis redis://127.0.0.1/0?password=$SECRET;",
        qr/"redis".*database/],
    ['redis socket with a query', "redis unix:/a?password=$SECRET;",
        qr/"redis".*database/],
    ['redis socket with an empty query', 'redis unix:/a?db=;',
        qr/"redis".*database/],
    ['redis socket without a path', 'redis unix:;', qr/"redis".*path/],
    ['redis socket with a relative path', 'redis unix:run/a;',
        qr/"redis".*path/],
    ['redis with a misspelt parameter', "redis redis://127.0.0.1 "
        . "pasword=$SECRET;", qr/"redis".*invalid parameter/],
    ['redis not ended', "redis redis://127.0.0.1\nwebhook 1/$code;",
        qr/directive "redis" is not terminated by ";" before "webhook"/],
    ['redis prefix twice', 'redis redis://127.0.0.1 prefix=a: prefix=b:;',
        qr/duplicate parameter "prefix=" in "redis" directive/],
    ['redis timeout twice', 'redis redis://127.0.0.1 timeout=1s prefix=a: '
        . 'timeout=2s;', qr/duplicate parameter "timeout=" in "redis"/],
    ['redis password twice', "redis redis://127.0.0.1 password=$SECRET "
        . "password=${SECRET}2;",
        qr/duplicate parameter "password=" in "redis"/],
    ['redis password twice, once empty', "redis redis://127.0.0.1 "
        . "password=$SECRET password=;",
        qr/duplicate parameter "password=" in "redis"/],
    ['redis prefix with braces', 'redis redis://127.0.0.1 prefix={b};',
        qr/"redis"|unexpected/],
    ['redis prefix with quoted braces',
        'redis redis://127.0.0.1 "prefix={b}";', qr/"redis".*prefix/],
    ['redis prefix with a space', 'redis redis://127.0.0.1 "prefix=a b";',
        qr/"redis".*prefix/],
    ['redis prefix that is long', 'redis redis://127.0.0.1 prefix='
        . 'a' x 65 . ';', qr/"redis".*prefix/],
    ['redis timeout of nothing', 'redis redis://127.0.0.1 timeout=0;',
        qr/"0" in "redis"/],
    ['redis timeout without sense', 'redis redis://127.0.0.1 timeout=x;',
        qr/"x" in "redis"/],
    ['redis twice', 'redis redis://127.0.0.1; redis redis://127.0.0.1;',
        qr/"redis" directive is duplicate/];

# judged when the block is complete, since url may come later

my $after = "#!\nbatch off;\n\nrate off;";

portal_fails($_->[0], "$_->[1] $after", $_->[2]) for
    ['webhook without a user', "webhook $code;", qr/invalid "webhook"/],
    ['webhook of user 0', "webhook 0/$code;", qr/invalid "webhook"/],
    ['webhook from a bad file', 'webhook file:bad;', qr/invalid "webhook"/],
    ['webhook URL without a code', 'webhook https://acme.example/rest/1/;',
        qr/"webhook"/],
    ['webhook of another host', "webhook https://other/rest/1/$code/;",
        qr/"webhook".*another portal/],
    ['webhook of another scheme',
        "webhook http://acme.example/rest/1/$code/;",
        qr/"webhook".*another portal/],
    ['webhook of another scheme on the same port',
        "webhook http://acme.example:443/rest/1/$code/;",
        qr/"webhook".*another portal/],
    ['webhook of another port',
        "webhook https://acme.example:8443/rest/1/$code/;",
        qr/"webhook".*another portal/],
    ['webhook with a password in its URL',
        "webhook https://u:$SECRET\@acme.example/rest/1/$code/;",
        qr/"webhook"/];

conf_file('hook.conf', "batch off;\n\nwebhook $code;\nwait 1s;\n");

conf_fails('webhook in an included file',
    "counters_portal acme {\nurl https://a;\ninclude hook.conf;\n}\n",
    qr{invalid "webhook" .* in \S+/hook\.conf:3$}m);

done_testing();
