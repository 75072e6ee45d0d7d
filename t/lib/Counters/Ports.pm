# Free loopback ports.
#
# Chosen below the range from which the kernel takes local ports of outgoing
# connections, and reserved among tests running side by side by an abstract unix
# socket that lives as long as the test.

package Counters::Ports;

use v5.36;

use Exporter qw(import);
use IO::Socket::INET;
use IO::Socket::UNIX;

our @EXPORT_OK = qw(free_port);

my @reserved;
my $next = 10_000 + ($$ * 37) % 20_000;


sub free_port () {
    for (1 .. 20_000) {
        my $port = $next++;
        $next = 10_000 if $next > 30_000;

        my $lock = IO::Socket::UNIX->new(Local => "\0counters-port-$port",
                                         Listen => 1) or next;

        my $probe = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                          LocalPort => $port, Listen => 1,
                                          ReuseAddr => 1) or next;
        close $probe;

        push @reserved, $lock;
        return $port;
    }

    die "no free port\n";
}

1;
