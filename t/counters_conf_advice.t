#!/usr/bin/perl

# What nginx -t advises: set-ups that work, but hardly as they were meant, are
# accepted with one warning, which names the line; others are left alone. The
# configurations that come with the module give no warning.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::ConfTest;
use Counters::Tls;

my $code = "${SECRET}abcdefgh";
my $long = "${SECRET}8901234567";

conf_file('short', "$SECRET\n");
conf_file('users', '');
conf_file('wait.conf', "batch off;\nwait 2h;\n");

# --- of a portal

portal_warns($_->[0], "$_->[1] #!\nbatch off;\n", $_->[2]) for
    ['a webhook without ahead', "webhook 1/$code;",
        qr/"ahead" is off with "webhook" in "counters_portal" "acme"/],
    ['ahead off with a webhook', "webhook 1/$code;\nahead off;",
        qr/"ahead" is off with "webhook"/],
    ['ahead 0 with a webhook', "webhook 1/$code;\nahead 0;",
        qr/"ahead" is off with "webhook"/],
    ['redis without a secret', "redis redis://:$SECRET\@127.0.0.1;",
        qr/"redis" without "secret"/],
    ['a timeout of redis without a unit',
        "secret $long;\nredis redis://127.0.0.1 timeout=50;",
        qr/"timeout=" of "redis" in "counters_portal" "acme" is above 1s/],
    ['a long timeout of redis',
        "secret $long;\nredis unix:/run/redis.sock timeout=1001ms;",
        qr/"timeout=" of "redis" in "counters_portal" "acme" is above 1s/],
    ['a short secret', "secret $SECRET;",
        qr/"secret" in "counters_portal" "acme" has less than 16 characters/],
    ['a short secret in a file', 'secret file:short;',
        qr/"secret" in "counters_portal" "acme" has less than 16 characters/],
    ['a long wait', 'wait 1h;', qr/"wait" in "counters_portal" "acme" is above 60s/],
    ['a wait without a unit', 'wait 500;', qr/"wait" .* is above 60s/],
    ['a long timeout', 'timeout 10m;',
        qr/"timeout" in "counters_portal" "acme" is above 60s/];

portal_ok(@$_) for
    ['ahead', "webhook 1/$code; ahead 5m;"],
    ['no ahead without a webhook', 'ahead off;'],
    ['a timeout of redis', "secret $long; redis redis://127.0.0.1 timeout=1s;"],
    ['a secret', "secret ${SECRET}8901234567;"],
    ['a wait', 'wait 60s;'],
    ['a timeout', 'timeout 60s;'];

conf_warns('in a file that is included, its own line',
    'counters_portal acme { url https://a; include wait.conf; }',
    qr{"wait" .* in \S+/wait\.conf:2$}m);

# --- what access_log writes

my $portal = <<"EOT";
counters_portal acme { url https://a; webhook 1/$code; ahead 5m; }
log_format masked '\$remote_addr \$counters_uri \$status \$request_time';
log_format own    '\$remote_addr [\$time_local] "\$request" \$status';
log_format uri    escape=json '{"uri":"\$request_uri"}';
log_format query  "\$host?\$args";
log_format bearer "\$http_authorization\$status";
log_format path   "\$uri";
EOT

my $pass = 'proxy_pass http://127.0.0.1;';
my $log = conf_dir() . '/x.log';


sub writes ($format, $variable) {
    return qr/"access_log" in format "$format" writes the secrets in "\$$variable" where/;
}

conf_warns("access_log: $_->[0]", "$portal $_->[1]", $_->[2]) for
    ['combined by name', "server { location /rest/ {\ncounters acme; #!\n"
        . "access_log $log combined; $pass } }",
        qr/secrets in "\$request" where "counters" is in effect, use "\$counters_uri"/],
    ['combined by default', "server { location /rest/ {\ncounters acme; #!\n"
        . "access_log $log; $pass } }", writes('combined', 'request')],
    ['combined above', "server { access_log $log;\nlocation /rest/ {\n"
        . "counters acme; #!\n$pass } }", writes('combined', 'request')],
    ['counters above', "counters acme; #!\nserver {\nlocation /rest/ {\n"
        . "access_log $log;\n$pass } }", writes('combined', 'request')],
    ['many locations, one warning', "server {\naccess_log $log;\ncounters acme; #!\n"
        . join("\n", map { "location /$_/ { $pass }" } 1 .. 9) . '}',
        writes('combined', 'request')],
    ['a location inside', "server {\nlocation / {\ncounters acme; #!\n"
        . "access_log off;\nlocation /rest/ {\naccess_log $log own; $pass } } }",
        writes('own', 'request')],
    ['one of several', "server { location /rest/ {\ncounters acme; #!\n"
        . "access_log $log masked;\naccess_log $log uri;\n$pass } }",
        writes('uri', 'request_uri')],
    ['with a condition', "server { location /rest/ {\ncounters acme; #!\n"
        . "access_log $log query if=\$arg_x;\n$pass } }", writes('query', 'args')],
    ['to syslog', "server { location /rest/ {\ncounters acme; #!\n"
        . "access_log syslog:server=127.0.0.1 bearer;\n$pass } }",
        writes('bearer', 'http_authorization')],
    ['a file of variables', "server { location /rest/ {\ncounters acme; #!\n"
        . "access_log $log.\$status path;\n$pass } }", writes('path', 'uri')];

conf_ok("access_log: $_->[0]", "$portal $_->[1]") for
    ['masked', "server { location /rest/ { counters acme; access_log $log masked; $pass } }"],
    ['off', "server { access_log $log; location /rest/ { counters acme; access_log off; $pass } }"],
    ['elsewhere', "server { location /rest/ { counters acme; access_log $log masked; $pass } "
        . "location / { access_log $log own; } }"],
    ['counters off', "server { access_log $log; counters off; location / { $pass } }"],
    ['another below', "server { access_log $log; counters acme; location /rest/ { "
        . "access_log $log masked; $pass } }"],
    ['managed', "server { access_log $log; location = /c { counters acme; "
        . 'counters_user $arg_u; } }'],
    ['no location', "counters acme; server { access_log $log; }"];

# --- who may reach the administrator's handlers

my $open = qr/is open to everybody/;

conf_warns("reach: $_->[0]", "$portal $_->[1]", $_->[2] // qr/"counters_status" $open/) for
    ['status', "server { location = /s {\ncounters_status acme; #!\n} }"],
    ['status with a format', "server { location = /s {\ncounters_status acme json; #!\n} }"],
    ['purge', "server { location = /p {\ncounters_purge acme; #!\n} }",
        qr/"counters_purge" $open/],
    ['status of a server', "server {\ncounters_status acme; #!\n}"],
    ['basic off', "auth_basic all; auth_basic_user_file users;\nserver { location = /s {\n"
        . "counters_status acme; #!\nauth_basic off; } }"],
    ['auth_request off', "auth_request /a;\nserver { location = /s {\n"
        . "counters_status acme; #!\nauth_request off; } }"],
    ['one address of two', "server { listen 127.0.0.1:%%PORT_1%%; listen %%PORT_2%%;\n"
        . "location = /s {\ncounters_status acme; #!\n} }"],
    ['any address, IPv6', "server { listen [::]:%%PORT_1%%;\nlocation = /s {\n"
        . "counters_status acme; #!\n} }"],
    ['beside a guarded one', "server { location = /a { allow ::1; deny all; counters_purge acme; }\n"
        . "location = /s {\ncounters_status acme; #!\n} }"];

my $tls = Counters::Tls->new(conf_dir());
my $pair = $tls->certificate;
my $ssl = "listen %%PORT_1%% ssl; ssl_certificate $pair->{cert}; ssl_certificate_key $pair->{key}; "
          . 'ssl_client_certificate ' . $tls->file . ';';

conf_ok("reach: $_->[0]", "$portal $_->[1]") for
    ['allow', 'server { location = /s { counters_status acme; allow 127.0.0.1; deny all; } '
        . 'location = /p { counters_purge acme; allow 192.0.2.0/24; deny all; } }'],
    ['only IPv6', 'server { location = /s { counters_status acme; allow ::1; } }'],
    ['only sockets', 'server { location = /s { counters_status acme; deny unix:; } }'],
    ['allow all says that it is meant',
        'server { location = /s { counters_status acme; allow all; } }'],
    ['allow above', 'allow 127.0.0.1; deny all; server { location = /s { counters_status acme; } }'],
    ['basic', 'server { location = /s { counters_status acme; auth_basic a; '
        . 'auth_basic_user_file users; } }'],
    ['basic above', 'server { auth_basic $host; auth_basic_user_file users; '
        . 'location = /s { counters_status acme; } }'],
    ['auth_request', 'server { location = /s { counters_status acme; auth_request /a; } }'],
    ['auth_request above', 'server { auth_request /a; location = /s { counters_purge acme; } }'],
    ['internal', 'server { location = /s { internal; counters_status acme; } }'],
    ['loopback', 'server { listen 127.0.0.1:%%PORT_1%%; listen [::1]:%%PORT_1%%; listen unix:'
        . conf_dir() . '/s; location = /s { counters_status acme; } }'],
    ['client certificates', "server { $ssl ssl_verify_client on; "
        . 'location = /s { counters_status acme; } }'],
    ['events have a token', 'counters_portal other { url https://a; events_token '
        . "$long; } server { location = /e { counters_events other; } }"];

conf_warns('reach: optional client certificates', "$portal server { $ssl "
    . "ssl_verify_client optional;\nlocation = /s {\ncounters_status acme; #!\n} }",
    qr/"counters_status" $open/);

# --- what comes with the module

my $root = "$FindBin::Bin/..";


sub ships ($name, $conf) {
    $conf =~ s/^(?:load_module|user|pid|error_log|worker_processes)\b.*\n//mg;
    $conf =~ s/^events \{.*\n//m;
    $conf =~ s/^http \{\n(.*)^\}$/$1/ms;
    $conf =~ s/^ *\w+_temp_path .*\n//mg;
    $conf =~ s{/var/log/nginx/}{@{[ conf_dir() ]}/}g;
    $conf =~ s/^( *listen \S*?)(\d{4});/$1%%PORT_$2%%;/mg;
    $conf =~ s{//(?:portal|redis|acme\.bitrix24\.com|sso\.local)\b}{//127.0.0.1}g;
    $conf =~ s{file:/\S+/(?:acme\.|counters\.)?(secret|webhook)\b}{file:$1}g;

    conf_ok($name, $conf);
}

$ENV{WEBHOOK} = "1/$code";
conf_file('secret', "$long\n");
conf_file('webhook', "1/$code\n");

ships('conf/debian/counters.conf',
      Counters::Test::slurp("$root/conf/debian/counters.conf") =~ s/^    #(?=redis|secret)/    /mgr);
ships('docker/nginx.conf', Counters::Test::slurp("$root/docker/nginx.conf"));

my $readme = Counters::Test::slurp("$root/README.md");

for my $part ('Drop-in', 'Managed mode') {
    my ($conf) = $readme =~ /^## \Q$part\E\n.*?^ *(?:\d\. )?```nginx\n(.*?)^ *```$/ms;

    ok($conf, "README.md has a configuration: $part");

    # it says that redis is optional, and of the secret it needs elsewhere
    ships("README.md: $part", $conf =~ s/^ *redis .*\n//mr);
}

my $script = conf_file('quickstart', <<'END' . "configuration\n");
eval "$(sed -n '/^redis_lines/,/^hints/{/^hints/d;p}' "$1/conf/quickstart")"
dir=$2 port=8080 auth_port=8081 url=http://127.0.0.1:8099 module=m REDIS=redis://127.0.0.1
END

ships('conf/quickstart', scalar qx{bash $script $root @{[ conf_dir() ]}});

done_testing();
