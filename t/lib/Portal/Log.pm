# The record of every call received, oldest dropped first.

package Portal::Log;

use v5.36;

use Digest::SHA qw(sha256_hex);
use Time::HiRes ();

use constant KEPT => 50_000;
use constant KEPT_BODY => 65_536;

my @FILTERS = qw(id verb shape method user userId credential status fault
                 connection aborted tls);


sub new ($class) {
    my $self = bless {}, $class;
    $self->clear;
    return $self;
}


sub clear ($self) {
    $self->{calls} = [];
    $self->{statuses} = {};
    $self->{total} = 0;
}


sub received ($self, $call, $request) {
    $call->{request} = $request;
    $call->{length} = length $request->{body};
    $call->{id} = ++$self->{last};
    $self->{total}++;

    push @{ $self->{calls} }, $call;
    shift @{ $self->{calls} } if @{ $self->{calls} } > KEPT;
}


sub answered ($self, $call, $status, $bytes) {
    $call->{status} = $status;
    $call->{bytes} = $bytes;
    $call->{took} = Time::HiRes::time() - $call->{start};

    $self->{statuses}{$status}++;

    if ($call->{length} > KEPT_BODY) {
        $call->{sha256} = sha256_hex($call->{request}{body});
        $call->{request} = { %{ $call->{request} }, body => undef };
    }
}


sub aborted ($self, $call) {
    $call->{aborted} = 1;
}


sub totals ($self) {
    return { calls => $self->{total}, statuses => { %{ $self->{statuses} } } };
}


# Filters: members of a call; since => only those with a greater id

sub find ($self, %filter) {
    my $since = delete $filter{since} // 0;
    my @names = grep { defined $filter{$_} } @FILTERS;
    my @found;

    for my $call (@{ $self->{calls} }) {
        next if $call->{id} <= $since;

        my $seen = summary($call);
        next if grep { ($seen->{$_} // '') ne $filter{$_} } @names;

        push @found, $call;
    }

    return @found;
}


sub summary ($call) {
    my $request = $call->{request};

    return {
        id         => $call->{id},
        at         => $call->{start},
        verb       => $request->{verb},
        target     => $request->{target},
        path       => $request->{path},
        shape      => $call->{shape},
        method     => $call->{method},
        format     => $call->{format},
        user       => $call->{user},
        userId     => ref $call->{target} ? undef : $call->{target},
        credential => $call->{credential},
        owner      => $call->{owner},
        address    => $request->{address},
        tls        => $request->{tls},
        connection => $request->{connection},
        sequence   => $request->{sequence},
        status     => $call->{status},
        bytes      => $call->{bytes},
        took       => $call->{took},
        fault      => $call->{fault},
        aborted    => $call->{aborted} // 0,
        length     => $call->{length},
    };
}


# With parameters, headers and body (none of a long one, only its digest)

sub whole ($call) {
    my $request = $call->{request};
    my $commands = $call->{commands};

    return {
        %{ summary($call) },
        params   => $call->{params} ? $call->{params}->plain : {},
        commands => $commands
            ? [ map { [ $_, $commands->get($_) ] } $commands->names ] : undef,
        headers  => $request->{headers},
        body     => $request->{body},
        sha256   => $call->{sha256} // sha256_hex($request->{body}),
    };
}

1;
