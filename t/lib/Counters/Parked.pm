# Requests that nginx has accepted and not answered yet.
#
#   location = /parked { stub_status; }       # in the first server
#
#   parked($t)                 how many there are, of all workers; those of a
#                              worker that was killed stay counted
#   await_parked($t, 10)       waits until there are so many; true if so
#
# With a portal that is stopped ($portal->process->signal('STOP'), later 'CONT')
# the order of things needs no clock: nothing is answered until it goes on.

package Counters::Parked;

use v5.36;

use Exporter qw(import);

use Counters::Process qw(wait_for);

our @EXPORT = qw(parked await_parked);


sub parked ($t) {
    my ($writing) = $t->client->request(GET => '/parked')->body
        =~ /Writing: (\d+)/ or die "no stub_status at /parked\n";

    # without this one
    return $writing - 1;
}


sub await_parked ($t, $n) {
    my $got = wait_for(sub { parked($t) == $n || undef }, 20);

    Test::More::diag('parked: ' . parked($t) . ", not $n") if !$got;

    return $got;
}

1;
