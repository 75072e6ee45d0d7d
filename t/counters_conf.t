#!/usr/bin/perl

# The directives in http, server and location: where they may stand, what
# they need of the portal, and how they are inherited.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::ConfTest;

my $portals = <<"EOT";
counters_portal acme { url https://a; webhook 1/${SECRET}abcdefgh;
ahead 5m; events_token ${SECRET}8901234567; }
counters_portal bare { url https://b; }
allow all;
EOT

sub ok_in ($name, $http) {
    conf_ok($name, $portals . $http);
}


sub fails_in ($name, $http, $re) {
    conf_fails($name, $portals . $http, $re);
}

ok_in(@$_) for
    ['counters', 'server { location / { counters acme; '
        . 'proxy_pass http://127.0.0.1; } }'],
    ['everything in http', 'counters acme; counters_user $arg_u; '
        . 'counters_bypass $arg_a $arg_b; counters_headers off; '
        . 'counters_time current; server { location / { } }'],
    ['everything in a server', 'server { counters acme; '
        . 'counters_user $arg_u; counters_bypass $arg_a; '
        . 'counters_headers on; counters_time original; location / { } }'],
    ['off', 'counters acme; server { counters off; location / { '
        . 'counters bare; } }'],
    ['managed', 'server { location = /c { counters acme; '
        . 'counters_user "u$arg_u"; } }'],
    ['managed, counters inherited', 'server { counters acme; '
        . 'location = /c { counters_user $arg_u; } }'],
    ['managed with if and limit_except', 'server { location = /c { '
        . 'counters acme; counters_user $arg_u; '
        . 'if ($arg_x) { set $y 1; } limit_except GET { deny all; } } }'],
    ['inherited user beside another handler', 'server { counters acme; '
        . 'counters_user $arg_u; location / { proxy_pass http://127.0.0.1; } '
        . 'location = /s { counters_status acme; } }'],
    ['inherited user beside a handler of a portal without webhook',
        'server { counters acme; counters_user $arg_u; location / { '
        . 'counters bare; proxy_pass http://127.0.0.1; } }'],
    ['inherited user beside files of a portal without webhook',
        'counters_user $arg_u; server { counters bare; '
        . 'location / { root /var/www; } }'],
    ['inherited user without counters',
        'server { counters_user $arg_u; location / { } }'],
    ['bypass twice', 'server { counters_bypass $arg_a; '
        . 'counters_bypass $arg_b; }'],
    ['bypass always', 'server { counters_bypass 1; }'],
    ['status', 'server { location = /s { counters_status acme; } '
        . 'location = /h { counters_status acme html; } '
        . 'location = /j { counters_status acme json; } '
        . 'location = /p { counters_status acme prometheus; } }'],
    ['status in a server', 'server { counters_status acme; }'],
    ['status beside what is no handler', 'server { location = /s { '
        . 'counters_status acme; return 204; } location = /t { '
        . 'counters_status acme; root /var/www; '
        . 'if ($arg_x) { proxy_pass http://127.0.0.1; } } }'],
    ['purge and events', 'server { location = /p { counters_purge bare; } '
        . 'location = /e { counters_events acme; } }'],
    ['variables', 'log_format c "$counters_cache_status $counters_source '
        . '$counters_age $counters_ttl $counters_uri";'];

conf_ok('no portal', 'server { location / { counters off; } }');

fails_in(@$_) for
    ['counters of an unknown portal', "server {\ncounters none; #!\n}",
        qr/unknown portal "none" in "counters" directive/],
    ['counters twice', "server {\ncounters acme;\ncounters off; #!\n}",
        qr/"counters" directive is duplicate/],
    ['counters without a name', "server {\ncounters; #!\n}",
        qr/number of arguments in "counters"/],
    ['counters outside', "server { if (\$arg_x) {\ncounters acme; #!\n} }",
        qr/"counters" directive is not allowed here/],
    ['headers without sense', "counters_headers yes; #!",
        qr/"yes" in "counters_headers"/],
    ['headers twice', "counters_headers on;\ncounters_headers on; #!",
        qr/"counters_headers" directive is duplicate/],
    ['time without sense', "counters_time now; #!",
        qr/invalid value "now" in "counters_time" directive, it must be original or current/],
    ['time of nothing', "counters_time ''; #!",
        qr/invalid value "" in "counters_time" directive/],
    ['time twice', "counters_time current;\ncounters_time current; #!",
        qr/"counters_time" directive is duplicate/],
    ['bypass of nothing', "counters_bypass; #!",
        qr/number of arguments in "counters_bypass"/],
    ['bypass not ended', "server { location / {\ncounters_bypass \$arg_a\n"
        . "proxy_pass http://127.0.0.1; #!\n} }",
        qr/directive "counters_bypass" is not terminated by ";" before "proxy_pass"/],
    ['bypass not ended before one of ours',
        "server {\ncounters_bypass \$arg_a\ncounters acme; #!\n}",
        qr/directive "counters_bypass" is not terminated by ";" before "counters"/],
    ['bypass without a value', "server {\ncounters_bypass\n"
        . "add_header X-A 1; #!\n}",
        qr/directive "counters_bypass" is not terminated by ";" before "add_header"/],
    ['bypass of an unknown variable',
        "server {\ncounters_bypass \$nonsense; }",
        qr/unknown "nonsense" variable/],

    ['status of an unknown portal',
        "server { location = /s {\ncounters_status none; #!\n} }",
        qr/unknown portal "none" in "counters_status"/],
    ['status of an unknown format',
        "server { location = /s {\ncounters_status acme xml; #!\n} }",
        qr/"xml" in "counters_status" directive, it must be html, json or prometheus/],
    ['status in http', "counters_status acme; #!",
        qr/"counters_status" directive is not allowed here/],
    ['status twice', "server { location = /s {\ncounters_status acme;\n"
        . "counters_status acme; #!\n} }",
        qr/"counters_status" directive is duplicate/],
    ['status beside another handler',
        "server { location = /s {\nproxy_pass http://127.0.0.1;\n"
        . "counters_status acme; #!\n} }",
        qr/"counters_status" directive conflicts/],
    ['purge of an unknown portal',
        "server { location = /p {\ncounters_purge none; #!\n} }",
        qr/unknown portal "none" in "counters_purge"/],
    ['status proxied', "server { location = /s {\ncounters_status acme; #!\n"
        . "proxy_pass http://127.0.0.1;\n} }",
        qr/"counters_status" directive conflicts/],
    ['status of another module', "server { location = /s {\n"
        . "counters_status acme json; #!\nstub_status;\n} }",
        qr/"counters_status" directive conflicts/],
    ['purge proxied', "server { location = /p {\ncounters_purge acme; #!\n"
        . "fastcgi_pass 127.0.0.1:9000;\n} }",
        qr/"counters_purge" directive conflicts/],
    ['purge beside fastcgi', "server { location = /p {\n"
        . "fastcgi_pass 127.0.0.1:9000;\ncounters_purge acme; #!\n} }",
        qr/"counters_purge" directive conflicts/],
    ['events proxied', "server { location = /e {\ncounters_events acme; #!\n"
        . "limit_except GET { deny all; }\nproxy_pass http://127.0.0.1;\n} }",
        qr/"counters_events" directive conflicts/],
    ['events beside a gif', "server { location = /e {\n"
        . "empty_gif;\ncounters_events acme; #!\n} }",
        qr/"counters_events" directive conflicts/],
    ['purge beside status', "server { location = /p {\n"
        . "counters_status acme;\ncounters_purge acme; #!\n} }",
        qr/"counters_purge" directive conflicts/],
    ['events of an unknown portal',
        "server { location = /e {\ncounters_events none; #!\n} }",
        qr/unknown portal "none" in "counters_events"/],
    ['events without a token',
        "server { location = /e {\ncounters_events bare; #!\n} }",
        qr/"counters_events" needs an "events_token".*"bare"/],

    ['user without counters',
        "server { location = /c {\ncounters_user \$arg_u; #!\n} }",
        qr/"counters_user" directive has no "counters"/],
    ['user with counters off', "counters acme;\nserver { location = /c {\n"
        . "counters off;\ncounters_user \$arg_u; #!\n} }",
        qr/"counters_user" directive has no "counters"/],
    ['user without a webhook', "server { location = /c {\n"
        . "counters bare;\ncounters_user \$arg_u; #!\n} }",
        qr/"counters_user" directive needs a "webhook"/],
    ['user of a server without a webhook', "server {\ncounters bare;\n"
        . "counters_user \$arg_u; #!\nlocation / { }\n}",
        qr/"counters_user" directive needs a "webhook"/],
    ['user of http without a webhook', "counters bare;\n"
        . "counters_user \$arg_u; #!\nserver { location / { } }\n",
        qr/"counters_user" directive needs a "webhook" in "counters_portal" "bare"/],
    ['user inherited without a webhook', "server {\n"
        . "counters_user \$arg_u;\nlocation = /c {\ncounters bare; #!\n} }",
        qr/"counters_user" directive needs a "webhook" in "counters_portal" "bare"/],
    ['user beside proxy_pass', "server { location = /c {\n"
        . "counters acme;\ncounters_user \$arg_u; #!\n"
        . "proxy_pass http://127.0.0.1;\n} }",
        qr/"counters_user" directive conflicts/],
    ['user after proxy_pass', "server { location = /c {\n"
        . "proxy_pass http://127.0.0.1;\ncounters acme;\n"
        . "counters_user \$arg_u; #!\n} }",
        qr/"counters_user" directive conflicts/],
    ['user before status', "server { location = /c {\n"
        . "counters acme;\ncounters_user \$arg_u; #!\n"
        . "counters_status acme;\n} }",
        qr/"counters_user" directive conflicts/],
    ['user beside status', "server { location = /c {\n"
        . "counters acme;\ncounters_status acme;\n"
        . "counters_user \$arg_u; #!\n} }",
        qr/"counters_user" directive conflicts/],
    ['user twice', "server {\ncounters_user a;\ncounters_user b; #!\n}",
        qr/"counters_user" directive is duplicate/];

conf_fails('use before definition',
    "server { location / {\ncounters acme; #!\n} }\n$portals",
    qr/unknown portal "acme" in "counters" directive/);

done_testing();
