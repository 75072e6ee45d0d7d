# A blocking client of the Redis protocol.
#
#   my $redis = Counters::Resp->new(port => 6379);    # or path => '/x.sock'
#   my $reply = $redis->command('GET', 'key');
#
# A reply is a string, undef for nil, a list for an array; an error reply dies
# with its text.

package Counters::Resp;

use v5.36;

use IO::Socket::INET;
use IO::Socket::UNIX;


sub new ($class, %where) {
    my $socket = defined $where{path}
        ? IO::Socket::UNIX->new(Peer => $where{path})
        : IO::Socket::INET->new(PeerAddr => $where{address} // '127.0.0.1',
                                PeerPort => $where{port});

    return if !$socket;

    my $self = bless { socket => $socket, buffer => '' }, $class;
    $self->command('AUTH', $where{password}) if defined $where{password};

    return $self;
}


sub command ($self, @words) {
    local $SIG{PIPE} = 'IGNORE';

    my $bytes = join '', '*' . @words . "\r\n",
                map { '$' . length($_) . "\r\n$_\r\n" } @words;

    syswrite $self->{socket}, $bytes;

    return $self->reply;
}


sub reply ($self) {
    my ($type, $rest) = $self->line =~ /^(.)(.*)$/s;

    return $rest if $type eq '+' || $type eq ':';
    die "$rest\n" if $type eq '-';
    return if $rest eq '-1';

    return [ map { scalar $self->reply } 1 .. $rest ] if $type eq '*';

    my $bytes = $self->take($rest + 2);
    return substr $bytes, 0, $rest;
}


sub line ($self) {
    my $end;

    while (($end = index $self->{buffer}, "\r\n") < 0) {
        $self->fill;
    }

    return substr $self->take($end + 2), 0, $end;
}


sub take ($self, $length) {
    $self->fill while length $self->{buffer} < $length;

    return substr $self->{buffer}, 0, $length, '';
}


sub fill ($self) {
    sysread $self->{socket}, $self->{buffer}, 65_536, length $self->{buffer}
        or die "the connection to Redis was closed\n";
}

1;
