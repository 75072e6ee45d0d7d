# What the zone costs by itself: t/lib/zone_bench.c is built as a module of nginx
# and run by its "-t", and what it prints becomes tables.
#
#   use Counters::ZoneBench;
#   Counters::ZoneBench::run(entries => [1000, 24000], processes => 2, ms => 1000);

package Counters::ZoneBench;

use v5.36;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);

my $ROOT = abs_path(dirname(__FILE__) . '/../../..');


sub run (%option) {
    my $so = built();

    say join ' | ', '', 'entries', 'credentials', 'bytes each',
        map { "look-up by $_, ns (million/s)" } 1 .. $option{processes};

    my @operations;

    for my $entries (@{ $option{entries} }) {
        for my $own (0, 1) {
            my %result = measure($so, entries => $entries, own => $own,
                                 processes => $option{processes},
                                 ms => $option{ms});

            say join ' | ', '', $entries, $own ? 'one each' : 'one',
                $result{bytes}, @{ $result{lookups} };

            push @operations, map { [ $entries, $own, @$_ ] }
                              @{ $result{operations} };
        }
    }

    say "\n", join ' | ', '', 'entries', 'credentials', 'operation', 'each, us',
        'lock held, us: 99 %', '99.9 %', 'longest';

    say join ' | ', '', $_->[0], $_->[1] ? 'one each' : 'one', @$_[2 .. $#$_]
        for @operations;
}


sub measure ($so, %argument) {
    my $dir = tempdir('zone-bench-XXXXXX', TMPDIR => 1, CLEANUP => 1);

    open my $conf, '>', "$dir/nginx.conf" or die "$dir: $!\n";
    say $conf "load_module $so;";
    say $conf 'zone_bench ', join(' ', map { "$_=$argument{$_}" }
                                       sort keys %argument), ';';
    say $conf 'events {}';
    close $conf;

    open my $run, '-|', 'nginx', '-q', '-t', '-p', $dir, '-e', 'stderr', '-c',
                        "$dir/nginx.conf" or die "nginx: $!\n";

    my %result = (lookups => [], operations => []);

    while (<$run>) {
        if (/^bytes .*each=(\d+)/) {
            $result{bytes} = $1;

        } elsif (/^lookups processes=\d+ million=(\S+) ns=(\d+)/) {
            push @{ $result{lookups} }, "$2 ($1)";

        } elsif (/^operation us=(\S+) longest=(\S+) holds=(\S+) name=(.+)/) {
            push @{ $result{operations} },
                [ $4, $1, (map { below($_, split /,/, $3) } 0.99, 0.999), $2 ];
        }
    }

    close $run or die "the bench has failed\n";

    return %result;
}


# The end of the bucket that a share of the times falls into, microseconds

sub below ($share, @holds) {
    my $all = 0;
    $all += $_ for @holds;

    my $sum = 0;

    for my $i (0 .. $#holds) {
        $sum += $holds[$i];
        return sprintf '< %.1f', 2 ** ($i + 1) / 1000 if $all && $sum >= $share * $all;
    }

    return '';
}


# All but what talks to Redis and the portal, with a stop-watch at the lock

sub built () {
    my $out = "$ROOT/.build/zone_bench.so";
    my $nginx = '/usr/share/nginx/src/src';
    my @includes = map { ('-I', $_) } "$ROOT/.build/module",
                   "$nginx/core", "$nginx/event", "$nginx/os/unix",
                   "$ROOT/src/core", "$ROOT/src/zone";

    system('gcc', '-O2', '-fPIC', '-shared', '-Wall', '-Werror', @includes,
           "$ROOT/t/lib/zone_bench.c", glob("$ROOT/src/core/*.c"),
           glob("$ROOT/src/zone/*.c"), '-Wl,-Bsymbolic',
           '-Wl,--wrap=ngx_shmtx_lock', '-Wl,--wrap=ngx_shmtx_unlock',
           '-ljansson', '-lcrypto', '-o', "$out.$$") == 0
        or die "the bench does not compile\n";
    rename "$out.$$", $out or die "$out: $!\n";

    return $out;
}


1;
