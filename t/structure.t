#!/usr/bin/perl

# The plan of the house, src/README.md: who may use whom. No circle among files,
# nothing that points up, files and functions that can be read in one go, and
# names that tell the file. What the test itself overlooks is planted first.

use v5.36;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Counters::Structure;

my $ROOT = abs_path("$FindBin::Bin/..");

my %PLAN = (
    rules => {
        core    => [],
        net     => [ 'core' ],
        zone    => [ 'core' ],
        refresh => [ 'zone', 'net', 'core' ],

        # the list of all portals is nginx's main configuration
        conf    => [ 'http/ngx_http_counters_conf.h',
                     'refresh/ngx_counters_portal.h', 'zone', 'net', 'core' ],

        http    => [ 'refresh', 'zone', 'net', 'core' ],

        # what arguments a request has, whose configuration, how it is answered
        admin   => [ 'http/ngx_http_counters_conf.h',
                     'http/ngx_http_counters_cors.h',
                     'http/ngx_http_counters_request.h',
                     'http/ngx_http_counters_send.h',
                     'refresh', 'zone', 'net', 'core' ],

        module  => [ 'admin', 'http', 'conf', 'refresh', 'zone', 'net',
                     'core' ],
    },

    foreign => {
        'ngx_http' => [ 'conf', 'http', 'admin', 'module' ],
        'ngx_'     => [ 'zone', 'net', 'refresh', 'conf', 'http', 'admin',
                        'module' ],
        'curl/'    => [ 'net' ],
        'hiredis/' => [ 'net' ],
        'jansson'  => [ 'core' ],
    },

    limits => { file => 700, function => 80 },
    names  => 1,
);

# Key: what is complained about; value: why it reads better as it is. One that is
# needed no longer fails.

my %EXCEPTIONS = (
    't/lib/simulate.c' => 'a simulation is read from its first event to its last',
    't/lib/zone_bench.c' => 'one program, from its operations down to its lock',
    't/unit/zone/steps.c' => 'what is wrapped and the steps know one zone',
    't/unit/zone/steps.c undo_check()' => 'a zone from its first byte to its last',
    't/counters_redis_tls.t with_hiredis()' => 'one Redis, and each parameter in turn',
    't/bench configuration()' => 'one nginx.conf, with what differs beside it',
);


subtest 'what the test finds' => sub {
    is_deeply(planted(), [], 'nothing in a house in order');

    my @circle = complaints_of(
        'core/ngx_counters_a.c' => 'void ngx_counters_b(void);'
            . 'void ngx_counters_a(void) { ngx_counters_b(); }',
        'core/ngx_counters_b.c' => 'void ngx_counters_c(void);'
            . 'void ngx_counters_b(void) { ngx_counters_c(); }',
        'core/ngx_counters_c.c' => 'void ngx_counters_a(void);'
            . 'void ngx_counters_c(void) { ngx_counters_a(); }');
    is(scalar @circle, 1, 'a circle of three is one');
    like($circle[0], qr/circle: \S+a\.c -> \S+b\.c -> \S+c\.c -> \S+a\.c$/m,
         'a circle of calls');

    like(planted('core/ngx_counters_a.h' => '#include <ngx_counters_b.h>',
                 'core/ngx_counters_b.h' => '#include <ngx_counters_a.h>')->[0],
         qr/circle: .*a\.h includes it of .*b\.h/s, 'a circle of headers');

    like(planted('core/ngx_counters_a.c' => 'extern int ngx_counters_b;'
                     . 'int ngx_counters_a(void) { return ngx_counters_b; }',
                 'core/ngx_counters_b.c' => 'int ngx_counters_a(void);'
                     . 'int ngx_counters_b; int ngx_counters_b_up(void)'
                     . '{ return ngx_counters_a(); }')->[0],
         qr/circle: .*uses ngx_counters_b of/s, 'a circle through data');

    like(planted('zone/ngx_counters_a.h' => '',
                 'core/ngx_counters_b.c' => '#include <ngx_counters_a.h>')->[0],
         qr/core\S+b\.c -> zone\S+a\.h points up/, 'an include that points up');

    like(planted('zone/ngx_counters_a.c' => 'void ngx_counters_a(void) { }',
                 'net/ngx_counters_b.c' => 'void ngx_counters_a(void);'
                     . 'void ngx_counters_b(void) { ngx_counters_a(); }')->[0],
         qr/net\S+b\.c -> zone\S+a\.c points .*uses ngx_counters_a/,
         'a call that points aside, without an include');

    like(planted('refresh/ngx_counters_a.h' => '#include <ngx_http.h>')->[0],
         qr/<ngx_http\.h> is not for/, 'a header of nginx');
    like(planted('zone/ngx_counters_a.h' => '#include <hiredis/async.h>')->[0],
         qr/<hiredis\/async\.h> is not for/, 'a header of a library');
    like(planted('new/ngx_counters_a.h' => '#include <ngx_counters_b.h>',
                 'core/ngx_counters_b.h' => '')->[0],
         qr/new\S+a\.h -> core/, 'a folder that nobody has thought of');

    like(planted('core/ngx_counters_a.h' => "\n" x 701)->[0],
         qr/a\.h has 701 lines/, 'a long file');
    is_deeply(planted('core/ngx_counters_a.h' => "\n" x 700), [],
              'not one that is as long as it may be');

    my $body = "int\nngx_counters_a(int x,\n    int y)\n{\n%s    return x;\n}\n";
    like(planted('core/ngx_counters_a.c' => sprintf $body, "\n" x 76)->[0],
         qr/ngx_counters_a\(\) has 81 lines/, 'a long function');
    is_deeply(planted('core/ngx_counters_a.c' => sprintf $body, "\n" x 75), [],
              'not one that is as long as it may be');
    like(planted('../t/a.pl' => "sub a (\$x) {\n" . "\n" x 79 . "}\n")->[0],
         qr/a\.pl a\(\) has 81 lines/, 'a long function in Perl');

    like(planted('core/ngx_counters_a.c' => 'void ngx_counters_b(void) { }')->[0],
         qr/a\.c ngx_counters_b does not begin/, "a name of another file");

    my %long = ('core/ngx_counters_a.h' => "\n" x 701);
    is_deeply([ complaints_of(%long,
                              { 'src/core/ngx_counters_a.h' => 'a table' }) ],
              [], 'an exception is made');
    like((complaints_of({ 'src/core/ngx_counters_a.h' => 'a table' }))[0],
         qr/needed no longer/, 'and told when it is not needed');
};


# The module that the other tests run, or what a build of one's own has left

my $build = dirname($ENV{COUNTERS_MODULE}
                    // "$ROOT/.build/ngx_http_counters_module.so");

my @complaints = Counters::Structure::complaints(
    %PLAN, root => $ROOT, objects => "$build/module/addon",
    except => \%EXCEPTIONS);

is_deeply(\@complaints, [], 'the house is in order')
    or diag(join "\n", @complaints);

done_testing;


# A house of its own: path under src/ => text, and exceptions as the last

sub complaints_of (@files) {
    my $except = @files % 2 ? pop @files : {};
    my %text = @files;
    my $dir = tempdir(CLEANUP => 1);

    for my $path (keys %text) {
        my $file = "$dir/src/$path";

        make_path("$dir/src", dirname($file));
        open my $out, '>', $file or die "$file: $!";
        print $out $text{$path};
        close $out or die "$file: $!";
    }

    for my $file (glob "$dir/src/*/*.c") {
        my $object = $file =~ s{/src/}{/objects/}r =~ s/c$/o/r;

        make_path(dirname($object));
        system('cc', '-w', (map { "-I$_" } glob "$dir/src/*"), '-c', $file,
               '-o', $object) == 0 or die "cc failed\n";
    }

    return Counters::Structure::complaints(
        %PLAN, root => $dir, objects => "$dir/objects", except => $except);
}


sub planted (@files) {
    return [ complaints_of(@files) ];
}
