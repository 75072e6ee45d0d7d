# Tables of configurations for nginx -t: what is accepted, what is refused, with
# which message about which line.
#
#   conf_ok('name', $http)                  accepted, and nothing is said
#   conf_warns('name', $http, qr/text/)     accepted with a warning
#   conf_fails('name', $http, qr/text/)     refused
#   portal_ok, portal_warns, portal_fails   the same for directives of one
#                                           counters_portal block (url is added)
#   conf_file($name, $content), conf_dir    beside nginx.conf
#
# The line that a message must name ends in "#!".  Every secret that a test
# configures contains $SECRET, and no output may ever show it.  Nothing is written
# to an access log that the test does not name.

package Counters::ConfTest;

use v5.36;

use Exporter qw(import);
use Test::More;

use Counters::Test;

our @EXPORT = qw($SECRET conf_dir conf_file conf_ok conf_warns conf_fails
                 portal_ok portal_warns portal_fails);

our $SECRET = 's3cr3t';

my $t = Counters::Test->new;


sub conf_dir () {
    return $t->dir;
}


sub conf_file ($name, $content) {
    return $t->write($name, $content);
}


sub conf_ok ($name, $http) {
    my ($accepted, $output) = $t->check($http, access_log => 'off');

    ok($accepted, $name) or diag($output);
    unlike($output, qr/\[(?:warn|error|emerg|alert)\]/, "$name: silent");
    unlike($output, qr/$SECRET/i, "$name: no secret shown");
}


sub conf_warns ($name, $http, $re) {
    my ($accepted, $output) = $t->check($http, access_log => 'off');

    my @said = $output =~ /\[warn\][^\n]*/g;

    ok($accepted, "$name: accepted") or diag($output);
    like($output, qr/\[warn\][^\n]*$re/m, "$name: warned");
    is(scalar @said, 1, "$name: once") or diag($output);
    says_where($name, $http, $said[0] // '');
    unlike($output, qr/$SECRET/i, "$name: no secret shown");
}


sub conf_fails ($name, $http, $re) {
    my ($accepted, $output) = $t->check($http, access_log => 'off');

    ok(!$accepted, "$name: refused");
    like($output, qr/\[emerg\][^\n]*$re/m, "$name: message");
    says_where($name, $http, $output);
    unlike($output, qr/$SECRET/i, "$name: no secret shown");
}


sub says_where ($name, $http, $output) {
    my $line = marked_line($t->whole_config($http)) // return;

    like($output, qr/ in \S+\/check\.conf:$line$/m, "$name: line");
}


sub portal_ok ($name, $body) {
    conf_ok($name, portal_block($body));
}


sub portal_warns ($name, $body, $re) {
    conf_warns($name, portal_block($body), $re);
}


sub portal_fails ($name, $body, $re) {
    conf_fails($name, portal_block($body), $re);
}


sub portal_block ($body) {
    my $url = $body =~ /^\s*url/m ? '' : "url https://acme.example;\n";

    return "counters_portal acme {\n$url$body\n}\n";
}


sub marked_line ($conf) {
    my @lines = split /\n/, $conf;
    my ($line) = grep { $lines[$_ - 1] =~ /#!$/ } 1 .. @lines;

    return $line;
}

1;
