# A real redis-server for one test.
#
#   my $redis = $t->redis(password => 'x', port => 12345, address => '127.0.0.2',
#                         conf => [...]);
#
#   $redis->url          redis://[:password@]127.0.0.1:PORT/0
#   $redis->unix_url     unix:/path of its socket
#   $redis->port, $redis->path
#   $redis->command('GET', $key)     see Counters::Resp; $redis->client a new one
#   $redis->keys('b24:*')            sorted list
#   $redis->linked(4)                waits until so many workers are connected
#   $redis->stop, $redis->start      same port, nothing persists
#   $redis->pause, $redis->resume    SIGSTOP, SIGCONT

package Counters::Redis;

use v5.36;

use Counters::Ports qw(free_port);
use Counters::Process qw(wait_for);
use Counters::Resp;


sub new ($class, %how) {
    my $port = $how{port} // free_port();

    my $self = bless { port => $port, dir => $how{dir},
                       address => $how{address} // '127.0.0.1',
                       password => $how{password}, conf => $how{conf} // [],
                       path => "$how{dir}/redis-"
                               . ($how{address} // '') . "$port.sock" }, $class;

    return $self->start;
}


sub start ($self) {
    my @password = defined $self->{password}
        ? ('--requirepass', $self->{password}) : ();

    $self->{process} = Counters::Process->start(
        command => [ 'redis-server', '--port', $self->{port},
                     '--bind', $self->{address}, '--unixsocket', $self->{path},
                     '--save', '', '--appendonly', 'no',
                     '--dir', $self->{dir}, @password, @{ $self->{conf} } ],
        output  => "$self->{dir}/redis-$self->{address}-$self->{port}.out");

    wait_for(sub { eval { $self->client->command('PING') } }, 10)
        or die "redis-server does not start, see $self->{dir}\n";

    return $self;
}


sub client ($self) {
    return Counters::Resp->new(port => $self->{port}, address => $self->{address},
                               password => $self->{password});
}


sub command ($self, @words) {
    return $self->client->command(@words);
}


sub keys ($self, $pattern = '*') {
    return sort @{ $self->command('KEYS', $pattern) };
}


# Workers connect after they have started, and ask nothing before

sub linked ($self, $n) {
    return wait_for(sub {
        my @list = grep { / name=nginx-counters .* sub=0 / }
                   split /\n/, $self->command('CLIENT', 'LIST');
        return @list == $n;
    }, 30, "$n connections to Redis");
}


sub port ($self)     { return $self->{port} }
sub path ($self)     { return $self->{path} }
sub unix_url ($self) { return "unix:$self->{path}" }
sub process ($self)  { return $self->{process} }
sub stop ($self)     { return $self->{process}->stop }
sub pause ($self)    { return $self->{process}->signal('STOP') }
sub resume ($self)   { return $self->{process}->signal('CONT') }


sub url ($self) {
    my $password = defined $self->{password} ? ":$self->{password}@" : '';

    return "redis://${password}$self->{address}:$self->{port}/0";
}

1;
