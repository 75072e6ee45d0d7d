# Many users who each ask for their counters every so many seconds, at moments
# spread at random: a client light enough to share a machine with what it measures.
#
#   my $polls = Counters::Polls->new(port => 8080, users => 4500, every => 15,
#                                    target => sub ($user) { "/users/$user" });
#   Counters::Polls::run(60, $polls);     seconds; goes on where it was
#   my $sum = $polls->take;      what has come in since the last time
#
# A sum is a hash: answers (200 with counters), ages (of them, seconds, sorted),
# statuses {"200" => n}, caches {"HIT" => n}, errors (the first 20, as text), failed
# (how many there were), wait (the longest), missing (users never answered yet),
# complete (when the last one was, seconds after the start; undef: not yet), said
# (503 with Retry-After and QUERY_LIMIT_EXCEEDED).
#
# With plain => 1 only statuses and failures are counted, whatever the answer is.
#
# The age of an answer is the time since the portal made it, from its
# "time":{"finish":...}; of the client's clock, which is the portal's own.

package Counters::Polls;

use v5.36;

use EV;
use List::Util qw(max);
use Socket;
use Time::HiRes qw(time);

# Seconds; a timer of nginx is no more exact than this
use constant STEP => 0.005;
use constant TIMEOUT => 30;


sub new ($class, %how) {
    my $self = bless { %how, idle => [], busy => {}, started => time,
                       unserved => { map { $_ => 1 } 1 .. $how{users} } }, $class;

    # in the order of their first poll
    $self->{order} = [ sort { $a->[0] <=> $b->[0] }
                       map { [ rand $how{every}, $_ ] } 1 .. $how{users} ];
    $self->{next} = 0;
    $self->{round} = 0;
    $self->{address} = pack_sockaddr_in($how{port}, inet_aton('127.0.0.1'));

    $self->take;

    return $self;
}


sub take ($self) {
    my $sum = $self->{sum};

    $self->{sum} = { answers => 0, ages => [], statuses => {}, caches => {},
                     errors => [], failed => 0, wait => 0, said => 0 };

    if ($sum) {
        $sum->{ages} = [ sort { $a <=> $b } @{ $sum->{ages} } ];
        $sum->{missing} = scalar keys %{ $self->{unserved} };
        $sum->{complete} = $self->{complete};
    }

    return $sum;
}


sub run ($seconds, @all) {
    my $end = time + $seconds;
    my $swept = 0;

    my $timer = EV::timer(0, STEP, sub {
        my $now = time;

        $_->ask_due($now) for @all;

        if ($now > $swept + 1) {
            $swept = $now;
            $_->sweep($now) for @all;
        }

        EV::break if $now >= $end;
    });

    EV::run;
}


sub ask_due ($self, $now) {
    my $order = $self->{order};

    while (1) {
        my ($phase, $user) = @{ $order->[ $self->{next} ] };
        my $at = $self->{started} + $self->{round} * $self->{every} + $phase;

        last if $at > $now;

        $self->ask($user, $now);

        if (++$self->{next} == @$order) {
            $self->{next} = 0;
            $self->{round}++;
        }
    }
}


sub ask ($self, $user, $now) {
    my $connection = pop @{ $self->{idle} } // $self->connect;

    if (!$connection) {
        $self->fail($user, "connect: $!");
        return;
    }

    my $target = $self->{target}->($user);
    my $request = "GET $target HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

    @{$connection}{qw(user asked buffer)} = ($user, $now, '');
    $self->{busy}{ fileno $connection->{socket} } = $connection;

    # always fits in an empty socket buffer
    if ((syswrite($connection->{socket}, $request) // 0) != length $request) {
        $self->ended($connection, "write: $!");
    }
}


sub connect ($self) {
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or return;
    connect($socket, $self->{address}) or return;
    $socket->blocking(0);

    my $connection = { socket => $socket };

    $connection->{watcher} = EV::io($socket, EV::READ, sub { $self->readable($connection) });

    return $connection;
}


sub readable ($self, $connection) {
    my $got = sysread $connection->{socket}, $connection->{buffer}, 65_536,
                      length($connection->{buffer} // '');

    return if !defined $got && $!{EAGAIN};

    if (!$got) {
        $self->ended($connection, 'closed');
        return;
    }

    my ($head) = $connection->{buffer} =~ /^(.*?\r\n\r\n)/s or return;
    my ($length) = $head =~ /^Content-Length:\s*(\d+)/mi;

    if (!defined $length) {
        $self->ended($connection, 'no length');
        return;
    }

    return if length($connection->{buffer}) < length($head) + $length;

    delete $self->{busy}{ fileno $connection->{socket} };
    push @{ $self->{idle} }, $connection;

    $self->answered($connection->{user}, time, $connection->{asked}, $head,
                    substr $connection->{buffer}, length $head);
}


# Idle ones may be closed by nginx as it likes

sub ended ($self, $connection, $why) {
    my $number = fileno $connection->{socket};

    if (delete $self->{busy}{$number}) {
        $self->fail($connection->{user}, $why);

    } else {
        $self->{idle} = [ grep { $_ != $connection } @{ $self->{idle} } ];
    }

    delete $connection->{watcher};
    close $connection->{socket};
}


sub sweep ($self, $now) {
    for my $connection (values %{ $self->{busy} }) {
        $self->ended($connection, 'timeout') if $now > $connection->{asked} + TIMEOUT;
    }
}


sub fail ($self, $user, $why) {
    my $sum = $self->{sum};

    $sum->{failed}++;
    push @{ $sum->{errors} }, "user $user: $why" if @{ $sum->{errors} } < 20;
}


sub answered ($self, $user, $now, $asked, $head, $body) {
    my $sum = $self->{sum};
    my ($status) = $head =~ /^HTTP\/1\.1 (\d+)/;

    $sum->{statuses}{$status}++;

    return if $self->{plain};

    $sum->{caches}{ cache_of($head) }++;
    $sum->{wait} = max($sum->{wait}, $now - $asked);

    if ($status == 503 && $body =~ /"QUERY_LIMIT_EXCEEDED"/
        && $head =~ /^Retry-After: \d/mi)
    {
        $sum->{said}++;
        return;
    }

    my ($finish) = $body =~ /"finish":([0-9.]+)/;

    if ($status != 200 || !$finish || $body !~ /"user":$user,/) {
        $self->fail($user, "$status $body");
        return;
    }

    $sum->{answers}++;
    push @{ $sum->{ages} }, $now - $finish;

    if (delete $self->{unserved}{$user} && !%{ $self->{unserved} }) {
        $self->{complete} = $now - $self->{started};
    }
}


# This module's, or what the configuration makes of $upstream_cache_status

sub cache_of ($head) {
    return $1 if $head =~ /^X-Cache: (\S+)/mi;

    my ($value) = $head =~ /^Cache-Status: (.*?)\r/mi or return 'none';

    return $1 if $value =~ /detail=(\w+)/;
    return $value =~ /; hit/ ? 'HIT' : $value =~ /collapsed/ ? 'COALESCED' : 'MISS';
}

1;
