#!/usr/bin/perl

# A Bitrix24 portal's REST API in one process, for tests and for a first try:
# its methods, its limits and its misbehaviour. "portal.pl --help" has the
# options, Portal/Control.pm what can be asked of it while it runs.

use v5.36;

use FindBin;
use lib $FindBin::Bin;

use Getopt::Long;
use IO::Handle;
use Mojo::IOLoop;

use Portal::Control;
use Portal::Faults;
use Portal::Http;
use Portal::Limits;
use Portal::Log;
use Portal::Methods;
use Portal::Rest;
use Portal::Secrets qw(webhook_code access_token);
use Portal::Settings qw(defaults);

my $HELP = <<'END';
Usage: portal.pl [options]

A sample Bitrix24 portal with made-up users and counters.

  --address ADDRESS    where to listen (127.0.0.1)
  --port PORT          plain HTTP (8099); 0 takes any free port, "off" none
  --tls PORT           HTTPS in addition, with --tls-cert and --tls-key
  --tls-cert FILE      certificate, PEM
  --tls-key FILE       its key, PEM
  --control PORT       another listener for /_control/, which the simulated
                       outages spare (the others answer /_control/ as well)

  --rate N --burst N   leaky bucket per source address (2, 50); --rate 0: none
  --users N            users 1..N exist (10000); user 1 is the administrator
  --change SECONDS     counters change every so many seconds (never)
  --prefix PATH        put before /rest/, such as /portal
  --set NAME=VALUE     any other setting of Portal/Settings.pm, repeatable

  --credentials USER   print this user's webhook path and token, and exit
  --help               this text

Credentials are functions of the user's number (Portal/Secrets.pm):
"portal.pl --credentials 5" prints those of user 5.
The portal is steered by JSON over /_control/ (Portal/Control.pm).
END

exit main();


sub main () {
    my %option = (address => '127.0.0.1', port => 8099);
    my %set;

    GetOptions(\%option, 'address=s', 'port=s', 'tls=i', 'tls-cert=s',
               'tls-key=s', 'control=i', 'credentials=i', 'help',
               'set=s' => \%set,
               map { ("$_=s" => \$set{$_}) } qw(rate burst users change prefix))
        or die "Try portal.pl --help\n";

    if ($option{help}) {
        print $HELP;
        return 0;
    }

    if (defined $option{credentials}) {
        print_credentials($option{credentials});
        return 0;
    }

    die "portal.pl: --tls needs --tls-cert and --tls-key\n"
        if defined $option{tls} && grep { !length $option{$_} } qw(tls-cert tls-key);

    serve(\%option, settings(%set));
    return 0;
}


sub print_credentials ($user) {
    printf "/rest/%d/%s/\n%s\n", $user, webhook_code($user), access_token($user);
}


sub settings (%set) {
    my $settings = defaults();

    for my $name (grep { defined $set{$_} } keys %set) {
        die "portal.pl: no such setting: $name\n" if !exists $settings->{$name};
        $settings->{$name} = $set{$name};
    }

    return $settings;
}


sub serve ($option, $settings) {
    my %part = (
        settings => $settings,
        limits   => Portal::Limits->new($settings),
        faults   => Portal::Faults->new,
        methods  => Portal::Methods->new($settings),
        log      => Portal::Log->new,
    );

    my $rest = $part{rest} = Portal::Rest->new(%part);
    my $control;

    my $answer = sub ($request, $reply) {
        ($request->{path} =~ m{^/_control/} ? $control : $rest)
            ->handle($request, $reply);
    };

    my $http = Portal::Http->new(on_request => $answer);
    my $listen = sub { listeners($http, $option) };

    $control = Portal::Control->new(%part, http => $http, listen => $listen,
                                    initial => { %$settings });

    if (defined $option->{control}) {
        # its own, so that "refuse" leaves it alone
        $option->{control} = Portal::Http->new(on_request => $answer)
            ->listen(address => $option->{address}, port => $option->{control});
    }

    $listen->();

    STDOUT->autoflush(1);
    print start_line($option), "\n";

    Mojo::IOLoop->start;
}


# Remembers the ports, so that "accept" after "refuse" takes the same again

sub listeners ($http, $option) {
    my $address = $option->{address};

    if ($option->{port} ne 'off') {
        $option->{port} = $http->listen(address => $address,
                                        port => $option->{port});
    }

    if (defined $option->{tls}) {
        $option->{tls} = $http->listen(
            address => $address,
            port    => $option->{tls},
            tls     => { cert => $option->{'tls-cert'},
                         key => $option->{'tls-key'} });
    }
}


sub start_line ($option) {
    my $host = $option->{address};
    my @urls;

    push @urls, "http://$host:$option->{port}"  if $option->{port} ne 'off';
    push @urls, "https://$host:$option->{tls}"  if defined $option->{tls};
    push @urls, "control http://$host:$option->{control}"
        if defined $option->{control};

    return 'portal: ' . join(' ', @urls) . ' try /rest/1/' . webhook_code(1)
           . '/tasks.task.counters.get';
}
