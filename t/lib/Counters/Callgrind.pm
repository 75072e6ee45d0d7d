# How many instructions nginx executes for one request, counted by callgrind.
#
#   my $instructions = Counters::Callgrind::per_request(
#       dir => $dir, conf => $file, port => $port, path => '/rest/',
#       least => 500, most => 4500);
#
# nginx runs twice, each time as one process, and answers "least" requests over
# one kept-alive connection and "most" the other time. The difference is that of
# the requests alone: start, the first answer's way from the portal, and the end
# cancel. Timers run by the clock and not by the request: they are not counted.
# The allocator is jemalloc: what glibc's does for one request depends on the
# holes that it finds, by 1 % of a hit. Figures of one code differ by 0.1 %.

package Counters::Callgrind;

use v5.36;

use IO::Socket::INET;

use Counters::Process qw(wait_for);


sub per_request (%how) {
    my $least = total(%how, requests => $how{least});
    my $most = total(%how, requests => $how{most});

    return ($most - $least) / ($how{most} - $how{least});
}


# Of nginx's whole life but for timers: entering the function that runs them
# switches counting off, leaving it on again

sub total (%how) {
    my $out = "$how{dir}/callgrind.out";

    unlink $out;

    my $nginx = Counters::Process->start(
        command => [ 'valgrind', '-q', '--tool=callgrind',
                     '--toggle-collect=ngx_event_expire_timers',
                     '--collect-atstart=yes', "--callgrind-out-file=$out",
                     'nginx', '-p', $how{dir}, '-e', "$how{dir}/error.log",
                     '-c', $how{conf}, '-g', 'master_process off;' ],
        env => { LD_PRELOAD => allocator() },
        output => "$how{dir}/nginx.log");

    my $socket = wait_for(sub { connection($how{port}) }, 60)
        or die "nginx does not start under valgrind, see $how{dir}\n";

    exchange($socket, $how{path}) for 1 .. $how{requests};

    $nginx->stop('QUIT', 60) or die "nginx does not stop\n";

    open my $in, '<', $out or die "$out: $!\n";
    my ($total) = map { /^(?:summary|totals): (\d+)/ } <$in>;

    return $total // die "$out has no total\n";
}


sub allocator () {
    my ($file) = qx{dpkg -L libjemalloc2} =~ m{^(/\S+/libjemalloc\.so\.2)$}m;
    return $file // die "there is no libjemalloc\n";
}


sub connection ($port) {
    return IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 60);
}


# One request and its whole answer

sub exchange ($socket, $path) {
    my $answer = '';

    syswrite $socket, "GET $path HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        or die "nginx takes no request: $!\n";

    until ($answer =~ /\r\nContent-Length: (\d+)\r\n(?:.*?\r\n)?\r\n/s
           && length($answer) >= $+[0] + $1)
    {
        sysread $socket, $answer, 65536, length $answer
            or die "nginx has answered in part: $answer\n";
    }

    $answer =~ m{^HTTP/1\.1 200 } or die "nginx has answered: $answer\n";
}


1;
