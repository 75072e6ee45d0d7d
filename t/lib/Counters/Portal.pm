# The sample portal (t/lib/portal.pl) as a test holds it.
#
#   my $portal = $t->portal(rate => 0);      # see Counters::Test
#
#   $portal->url, $portal->tls_url           http://127.0.0.1:PORT, https://...
#   $portal->port, $portal->tls_port
#   $portal->hook(5, 'tasks.task.counters.get')   /rest/5/CODE/tasks....
#   webhook_code(5), access_token(5)         from Portal::Secrets
#
#   $portal->calls(method => ..., user => ..., full => 1)   list of hashes
#   $portal->count(method => ...)            how many such calls came in
#   $portal->forget                          empties the record
#   $portal->fault(kind => 'latency', delay => 1, times => 1)   returns its id
#   $portal->heal, $portal->heal($id)
#   $portal->set(rate => 2, cost => 20)      settings
#   $portal->bump, $portal->bump($user)      counters change
#   $portal->credential("5/$code" => 'revoked')   or a token; 'expired', 'ok' ...
#   $portal->result($method, $json_text, user => 5, total => 1)
#   $portal->known_time                      fixed text as "time"; returns it
#   $portal->task(id => 7, createdBy => 3, ...)
#   $portal->event($url, event => 'ONTASKUPDATE', id => 7, token => '...')
#   $portal->totals                          {calls, statuses, levels}
#   $portal->refuse, $portal->accept         outage: connections refused
#   $portal->stop, $portal->start            process ended; all state is lost
#   $portal->control($name, %arguments)      anything of Portal/Control.pm
#
#   whose($body)    the "whose" of a counters answer as "caller/user/group/type",
#                   '' when it has none

package Counters::Portal;

use v5.36;

use Exporter qw(import);
use Mojo::JSON qw(encode_json);

use Counters::Http;
use Counters::Nginx qw(slurp);
use Counters::Ports qw(free_port);
use Counters::Process qw(wait_for);
use Portal::Secrets qw(webhook_code access_token);

our @EXPORT_OK = qw(whose webhook_code access_token KNOWN_TIME);

# Every kind of number whose text must survive
use constant KNOWN_TIME =>
    '{"start":1552383141.526606,"finish":1552383141.5768609,'
    . '"duration":0.05025482177734375,"processing":6.4849853515625e-5,'
    . '"date_start":"2019-03-12T11:32:21+02:00",'
    . '"date_finish":"2019-03-12T11:32:21+02:00",'
    . '"operating_reset_at":1552383741,"operating":3.3076241016387939}';


# Options: dir (for its output), tls => {cert, key}, everything else is a setting

sub new ($class, %how) {
    my $self = bless {
        dir     => delete $how{dir},
        tls     => delete $how{tls},
        port    => free_port(),
        control => free_port(),
    }, $class;

    $self->{tls_port} = free_port() if $self->{tls};
    $self->{settings} = \%how;
    $self->{output} = "$self->{dir}/portal-$self->{port}.out";
    $self->{http} = Counters::Http->new(port => $self->{control});

    return $self->start;
}


sub start ($self) {
    my $program = $INC{'Counters/Portal.pm'} =~ s{[^/]+/[^/]+$}{portal.pl}r;

    my @tls = $self->{tls}
        ? ('--tls', $self->{tls_port}, '--tls-cert', $self->{tls}{cert},
           '--tls-key', $self->{tls}{key})
        : ();

    unlink $self->{output};

    $self->{process} = Counters::Process->start(
        command => [ $^X, $program, '--port', $self->{port},
                     '--control', $self->{control}, @tls,
                     map { ('--set', "$_=$self->{settings}{$_}") }
                     sort keys %{ $self->{settings} } ],
        output  => $self->{output});

    wait_for(sub { $self->output =~ /^portal: /m || !$self->{process}->running })
        && $self->{process}->running
        or die 'the portal does not start: ' . $self->output;

    return $self;
}


sub stop ($self) {
    $self->{process}->stop;
}


sub output ($self) {
    return slurp($self->{output});
}


sub port ($self)     { return $self->{port} }
sub tls_port ($self) { return $self->{tls_port} }
sub url ($self)      { return "http://127.0.0.1:$self->{port}" }
sub tls_url ($self)  { return "https://127.0.0.1:$self->{tls_port}" }
sub process ($self)  { return $self->{process} }


sub hook ($self, $user, $method = '', $n = 1) {
    return "/rest/$user/" . webhook_code($user, $n) . "/$method";
}


sub control ($self, $name, %args) {
    my $response = $self->{http}->request(
        POST => "/_control/$name", body => encode_json(\%args), keep => 1);

    die "portal control $name: " . ($response->error // $response->body) . "\n"
        if $response->error || $response->status != 200;

    return $response->json;
}


sub calls ($self, %filter) {
    return @{ $self->control(calls => %filter)->{calls} };
}


sub count ($self, %filter) {
    return $self->control(count => %filter)->{count};
}


sub fault ($self, %rule) {
    return $self->control(fault => %rule)->{id};
}


sub heal ($self, $id = undef) {
    $self->control(heal => defined $id ? (id => $id) : ());
}


sub result ($self, $method, $text = undef, %more) {
    $self->control(result => method => $method, text => $text, %more);
}


sub known_time ($self) {
    $self->set(time => KNOWN_TIME);
    return KNOWN_TIME;
}


sub bump ($self, $user = undef) {
    $self->control(bump => defined $user ? (user => $user) : ());
}


sub credential ($self, $credential, $state = 'revoked') {
    $self->control(credential => credential => $credential, state => $state);
}


sub event ($self, $url, %args) {
    return $self->control(event => url => $url, %args);
}


sub forget ($self)       { $self->control('forget') }
sub reset ($self)        { $self->control('reset') }
sub set ($self, %values) { $self->control(set => %values) }
sub task ($self, %task)  { $self->control(task => %task) }
sub totals ($self)       { return $self->control('totals') }
sub faults ($self)       { return @{ $self->control('faults')->{faults} } }
sub accept ($self)       { $self->control('accept') }


# Returns when connections really are refused

sub refuse ($self) {
    my $probe = Counters::Http->new(port => $self->{port});

    $self->control('refuse');
    wait_for(sub { !$probe->connect }, 10, 'the portal to refuse connections');
}


sub whose ($body) {
    return join '/', $body =~
        /"whose":\{"caller":(\d+),"user":(\d+),"group":(\d+),"type":"(\w+)"/;
}

1;
