# A Redis that misbehaves to order (t/lib/fake_redis.pl, which lists the rules).
#
#   my $redis = $t->fake_redis(password => 'x');     # marker %%FAKE_REDIS%%
#
#   $redis->url, $redis->port
#   $redis->rule(kind => 'slow', command => 'GET', delay => 1, times => 2)
#   $redis->heal
#   $redis->calls             list of [command, arguments...]; calls('GET') only such
#   $redis->forget, $redis->keys, $redis->flush, $redis->clients
#   $redis->push($bytes)      to every connection, asked or not
#   $redis->drop              resets every connection
#   $redis->refuse, $redis->accept      connections are refused; accepted again
#   $redis->command('SET', $key, $value)     as a client that no rule touches
#   $redis->stop, $redis->start

package Counters::FakeRedis;

use v5.36;

use Mojo::JSON qw(encode_json decode_json);

use Counters::Ports qw(free_port);
use Counters::Process qw(wait_for);
use Counters::Resp;


sub new ($class, %how) {
    my $self = bless { dir => $how{dir}, password => $how{password},
                       port => free_port(), control => free_port() }, $class;

    return $self->start;
}


sub start ($self) {
    my $program = $INC{'Counters/FakeRedis.pm'} =~ s{[^/]+/[^/]+$}{fake_redis.pl}r;

    my @password = defined $self->{password}
        ? ('--password', $self->{password}) : ();

    $self->{process} = Counters::Process->start(
        command => [ $^X, $program, '--port', $self->{port},
                     '--control', $self->{control}, @password ],
        output  => "$self->{dir}/fake-redis-$self->{port}.out");

    $self->{client} = wait_for(sub {
        Counters::Resp->new(port => $self->{control})
    }, 10) or die "the fake Redis does not start, see $self->{dir}\n";

    return $self;
}


sub fake ($self, $operation, %arguments) {
    return $self->{client}->command('FAKE', $operation, encode_json(\%arguments));
}


sub calls ($self, $name = undef) {
    my @calls = @{ decode_json($self->fake('calls')) };

    return defined $name ? grep { $_->[0] eq $name } @calls : @calls;
}


sub keys ($self) {
    return @{ decode_json($self->fake('keys')) };
}


sub command ($self, @words) {
    return $self->{client}->command(@words);
}


sub url ($self) {
    my $password = defined $self->{password} ? ":$self->{password}@" : '';

    return "redis://${password}127.0.0.1:$self->{port}/0";
}


sub port ($self)         { return $self->{port} }
sub process ($self)      { return $self->{process} }
sub stop ($self)         { return $self->{process}->stop }
sub rule ($self, %rule)  { $self->fake(rule => %rule) }
sub heal ($self)         { $self->fake('heal') }
sub forget ($self)       { $self->fake('forget') }
sub flush ($self)        { $self->fake('flush') }
sub clients ($self)      { return $self->fake('clients') }
sub push ($self, $bytes) { $self->fake(push => text => $bytes) }
sub drop ($self)         { $self->fake('drop') }
sub refuse ($self)       { $self->fake('refuse') }
sub accept ($self)       { $self->fake('accept') }

1;
