package Counters::ConfTest;

# Runs the real "nginx -t" over pieces of configuration.
#
# TEST_NGINX_BINARY and TEST_NGINX_MODULE name the nginx and the module.  Any
# secret that a test configures contains the word in $SECRET, and no output
# may ever show it.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp ();
use IPC::Run ();
use Test::More;

our @EXPORT = qw($SECRET conf_dir conf_file conf_ok conf_warns conf_fails
    portal_ok portal_warns portal_fails);

our $SECRET = 's3cr3t';

my $nginx = $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx';
my $module = $ENV{TEST_NGINX_MODULE}
    // abs_path(dirname(__FILE__) . '/../../..')
       . '/build/ngx_http_counters_module.so';

my $dir = File::Temp->newdir('counters-conf-XXXXXX', TMPDIR => 1);

sub conf_dir { "$dir" }

# a file next to nginx.conf

sub conf_file {
    my ($name, $content) = @_;

    open my $fh, '>', "$dir/$name" or die "$dir/$name: $!";
    print $fh $content;
    close $fh or die "$dir/$name: $!";

    return $name;
}

# the lines go into http { }; one that ends in "#!" is where an error is

sub conf_ok {
    my ($name, $http) = @_;

    my ($status, $out) = _test($http);

    is($status, 0, $name) or diag($out);
    unlike($out, qr/\[(?:warn|error|emerg|alert)\]/, "$name: silent");
    _hidden($name, $out);
}

sub conf_warns {
    my ($name, $http, $re) = @_;

    my ($status, $out) = _test($http);

    is($status, 0, "$name: accepted") or diag($out);
    like($out, qr/\[warn\][^\n]*$re/, "$name: warned");
    _hidden($name, $out);
}

sub conf_fails {
    my ($name, $http, $re) = @_;

    my ($status, $out, $line) = _test($http);
    my $where = defined $line ? qr/ in \Q$dir\E\/\S+:$line$/m : qr//;

    isnt($status, 0, "$name: refused");
    like($out, qr/\[emerg\][^\n]*$re/, "$name: message");
    like($out, $where, "$name: line");
    _hidden($name, $out);
}

# the same for directives of one counters_portal block

sub portal_ok    { conf_ok($_[0], _portal($_[1])) }
sub portal_warns { conf_warns($_[0], _portal($_[1]), $_[2]) }
sub portal_fails { conf_fails($_[0], _portal($_[1]), $_[2]) }

# directives without a line of their own to blame are judged at the brace

sub _portal {
    my $body = shift;

    my $brace = $body =~ /#!/ ? '' : ' #!';

    $body = "url https://acme.example;\n$body" if $body !~ /^\s*url/m;

    return "counters_portal acme {\n$body\n}$brace\n";
}

sub _test {
    my $http = shift;

    my $conf = <<"EOT";
load_module $module;
error_log stderr;
pid $dir/nginx.pid;
events { }
http {
access_log off;
client_body_temp_path $dir/body;
proxy_temp_path $dir/proxy;
fastcgi_temp_path $dir/fastcgi;
uwsgi_temp_path $dir/uwsgi;
scgi_temp_path $dir/scgi;
$http
}
EOT

    my ($n, $line) = (0);

    for (split /\n/, $conf) {
        $n++;
        $line = $n if /#!$/;
    }

    conf_file('nginx.conf', $conf);

    my $out = '';

    IPC::Run::run([$nginx, '-t', '-p', "$dir/", '-c', "$dir/nginx.conf",
        '-e', "$dir/error.log"], \undef, '>&', \$out,
        IPC::Run::timeout(20));

    return ($?, $out, $line);
}

sub _hidden {
    my ($name, $out) = @_;

    unlike($out, qr/$SECRET/i, "$name: no secret shown");
}

1;
