# Unit tests that need nginx itself: they are built into a module of their own,
# which runs one suite, prints TAP and ends nginx while it reads its command line.
#
#   use Counters::Unit;
#   Counters::Unit::run('zone');     # a suite of t/unit/zone/; does not return

package Counters::Unit;

use v5.36;

use Cwd qw(abs_path);
use File::Basename qw(dirname);

my $ROOT = abs_path(dirname(__FILE__) . '/../../..');

# As t/asan-build does it
my $SANITIZE = '-fsanitize=address,undefined -fno-sanitize-recover=all'
    . ' -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1';


sub run ($suite) {
    my $nginx = $ENV{COUNTERS_NGINX};
    my $build = "$ROOT/.build" . ($nginx ? '/asan' : '');
    my ($source) = $nginx ? glob("$build/nginx-*") : '/usr/share/nginx/src';

    chdir $ROOT;

    if (!-e "$build/module/ngx_auto_config.h") {
        system('conf/build') == 0 or die "conf/build failed\n";
    }

    system('flock', "$build/lock", 'make', '-s', '-f', 't/unit/zone/Makefile',
           "OUT=$build/zone", "NGINX_SRC=$source", "NGINX_OBJS=$build/module",
           'CFLAGS=' . ($nginx ? $SANITIZE : '')) == 0
        or die "the tests cannot be built\n";

    exec $nginx // 'nginx', '-t', '-e', 'stderr', '-g',
        "load_module $build/zone/zone.so; counters_test $suite;";
}


1;
