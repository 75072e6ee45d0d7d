# Processes that a test starts, and waiting for what they do.
#
#   my $p = Counters::Process->start(command => [...], output => $file);
#   $p->pid, $p->running, $p->signal('HUP'), $p->stop('QUIT', 10)
#
#   wait_for(sub { condition }, seconds, 'what is awaited')
#
# Whatever was started here is ended here: by stop(), when the test ends or dies,
# and (by a parent-death signal) when it is killed. Only by process id, never by
# name.

package Counters::Process;

use v5.36;

use Exporter qw(import);
use POSIX qw(WNOHANG);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(wait_for children slow);

# By pid; entries of a parent are left alone in a forked child
my %started;
my $owner = $$;

$SIG{$_} //= sub { exit 1 } for qw(TERM INT HUP);


# Seconds mean more under valgrind or a sanitizer

sub slow () {
    return $ENV{COUNTERS_SLOW} || 1;
}


# What the condition returned, or its last false value when time is up

sub wait_for ($condition, $seconds = 10, $what = undef) {
    my $end = time + $seconds * slow();

    while (1) {
        my $value = $condition->();

        return $value if $value;
        last if time > $end;

        select undef, undef, undef, 0.01;
    }

    Test::More::diag("waited in vain for $what") if defined $what;
    return;
}


# Options: command (list), output (file for stdout and stderr), stdout, stderr,
# env (hash)

sub start ($class, %how) {
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        become($class, %how);
    }

    my $self = bless { pid => $pid, %how }, $class;
    $started{$pid} = $self;

    return $self;
}


# A child forked elsewhere in the test

sub adopt ($class, $pid) {
    return $started{$pid} = bless { pid => $pid }, $class;
}


sub become ($class, %how) {
    my $stdout = $how{stdout} // $how{output} // '/dev/null';
    my $stderr = $how{stderr} // $how{output};

    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', $stdout;

    if (defined $stderr) {
        open STDERR, '>>', $stderr;
    }

    local @ENV{ keys %{ $how{env} // {} } } = values %{ $how{env} // {} };

    $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP PIPE);

    { no warnings 'exec'; exec 'setpriv', '--pdeathsig', 'TERM', @{ $how{command} }; }

    # no END blocks: they are the test's
    print STDERR "cannot run $how{command}[0]: $!\n";
    POSIX::_exit(127);
}


sub pid ($self) {
    return $self->{pid};
}


# The exit status is kept, because it can be collected only once

sub running ($self) {
    return 0 if defined $self->{status};

    if (waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
        $self->{status} = $?;
        delete $started{ $self->{pid} };
        return 0;
    }

    return 1;
}


sub status ($self) {
    return $self->{status};
}


sub signal ($self, $signal) {
    return $self->running && kill $signal, $self->{pid};
}


# True if the signal was enough

sub stop ($self, $signal = 'TERM', $seconds = 10) {
    return 1 if !$self->running;

    kill $signal, $self->{pid};
    kill 'CONT', $self->{pid};
    return 1 if wait_for(sub { !$self->running }, $seconds);

    kill 'KILL', children($self->{pid}), $self->{pid};
    wait_for(sub { !$self->running }, 10);

    return 0;
}


sub children ($pid) {
    my @children;

    for my $file (glob '/proc/[0-9]*/stat') {
        open my $stat, '<', $file or next;
        my ($child, $parent) = (<$stat> // '') =~ /^(\d+) \(.*\) \S (\d+) /s
            or next;

        push @children, $child if $parent == $pid;
    }

    return sort { $a <=> $b } @children;
}


END {
    if ($$ == $owner) {
        local $?;       # the test's own verdict

        my @left = values %started;
        $_->stop('TERM', 5) for @left;
    }
}

1;
