# An nginx of the test's own: its directory, its configuration, its processes.
# Counters::Test, which builds on it, tells how to use it.

package Counters::Nginx;

use v5.36;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IPC::Run ();

use Counters::Ports qw(free_port);
use Counters::Process qw(wait_for children);
use Portal::Secrets qw(webhook_code access_token);

our @EXPORT_OK = qw(slurp);

my $ROOT = abs_path(dirname(__FILE__) . '/../../..');


sub new ($class) {
    my $dir = tempdir('counters-XXXXXX', TMPDIR => 1,
                      CLEANUP => !$ENV{COUNTERS_KEEP});

    chmod 0755, $dir;

    return bless { dir => $dir, ports => {}, markers => { DIR => $dir },
                   expected => [], stuck => 0, owner => $$ }, $class;
}


sub dir ($self) {
    return $self->{dir};
}


sub log_file ($self) {
    return "$self->{dir}/error.log";
}


# A file of the directory

sub read ($self, $name) {
    return slurp("$self->{dir}/$name");
}


sub log ($self) {
    return slurp($self->log_file);
}


sub marker ($self, %markers) {
    $self->{markers}{$_} = $markers{$_} for keys %markers;
}


sub write ($self, $name, $content) {
    my $file = "$self->{dir}/$name";

    open my $out, '>:raw', $file or die "$file: $!";
    print $out $content;
    close $out or die "$file: $!";

    return $file;
}


sub slurp ($file) {
    open my $in, '<:raw', $file or return '';
    local $/;
    return <$in> // '';
}


# --- configuration

sub port ($self, $n = undef) {
    $n //= $self->{listens}[0];

    return $self->{ports}{$n} //= free_port();
}


sub fill ($self, $text) {
    $text =~ s/%%PORT_(\d+)%%/$self->port($1)/ge;
    $text =~ s/%%WEBHOOK_(\d+)%%/"$1\/" . webhook_code($1)/ge;
    $text =~ s/%%TOKEN_(\d+)%%/access_token($1)/ge;
    $text =~ s/%%(\w+)%%/$self->{markers}{$1} \/\/ die "no marker %%$1%%\n"/ge;

    return $text;
}


sub config ($self, $text, %how) {
    my @listens = $text =~ /\blisten\s+\S*?%%PORT_(\d+)%%/g;

    $self->{listens} = \@listens;
    $self->{worker_count} = $how{workers} // 1;

    return $self->write('nginx.conf', $self->whole_config($text, %how));
}


sub whole_config ($self, $text, %how) {
    return $self->fill($text) if $how{whole};

    my $module = module_path();
    my $dir = $self->{dir};
    my $log = $how{log} // 'info';

    # root keeps its rights, so that the directory needs none of its own
    my $user = $> == 0 ? 'user root;' : '';
    my $load = $module ? "load_module $module;" : '';
    my $workers = $how{workers} // 1;
    my $connections = $how{connections} // 1024;
    my $temp = join "\n    ", map { "${_}_temp_path $dir/$_;" }
               qw(client_body proxy fastcgi uwsgi scgi);

    return $self->fill(<<"EOF");
daemon off;
$user
worker_processes $workers;
error_log $dir/error.log $log;
pid $dir/nginx.pid;
$load
@{[ $how{main} // '' ]}
events { worker_connections $connections; @{[ $how{events} // '' ]} }
http {
    access_log @{[ $how{access_log} // "$dir/access.log" ]};
    $temp
$text
}
EOF
}


sub module_path () {
    my $module = $ENV{COUNTERS_MODULE}
                 // "$ROOT/.build/ngx_http_counters_module.so";

    return -e $module ? $module : '';
}


sub command ($self, @arguments) {
    my @valgrind = $ENV{COUNTERS_VALGRIND}
        ? ('valgrind', '-q', '--leak-check=full', '--show-leak-kinds=definite',
           '--num-callers=30', "--suppressions=$ROOT/t/lib/valgrind.supp",
           "--log-file=$self->{dir}/valgrind.%p.log")
        : ();

    return [ @valgrind, $ENV{COUNTERS_NGINX} || 'nginx', '-p', $self->{dir},
             '-e', "$self->{dir}/error.log", '-c', @arguments ];
}


# nginx -t: (true if accepted, its output)

sub check ($self, $text, %how) {
    my $file = $self->write('check.conf', $self->whole_config($text, %how));
    my $command = [ $ENV{COUNTERS_NGINX} || 'nginx', '-p', $self->{dir},
                    '-e', 'stderr', '-c', $file, '-t' ];
    my $output;

    # nginx -t frees nothing at its end
    local $ENV{ASAN_OPTIONS} = join ':', grep { length } $ENV{ASAN_OPTIONS} // '',
                                                         'detect_leaks=0';

    my $accepted = IPC::Run::run($command, '<', \undef, '>&', \$output);

    return ($accepted ? 1 : 0, $output);
}


# --- nginx

sub start ($self) {
    $self->{nginx} = Counters::Process->start(
        command => $self->command("$self->{dir}/nginx.conf"),
        output  => "$self->{dir}/stderr.log");

    my @waiting = map { $self->port($_) } @{ $self->{listens} };

    my $up = wait_for(sub {
        return 1 if !$self->{nginx}->running;

        @waiting = grep { !accepts($_) } @waiting;
        return !@waiting && -e "$self->{dir}/nginx.pid"
               && $self->workers >= $self->{worker_count};
    }, 20);

    if (!$up || !$self->running) {
        die "nginx does not start:\n" . $self->log
            . slurp("$self->{dir}/stderr.log") . "\n";
    }

    return $self;
}


sub accepts ($port) {
    return IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 5);
}


sub running ($self) {
    return $self->{nginx} && $self->{nginx}->running;
}


sub pid ($self) {
    return $self->{nginx}->pid;
}


# Those that serve; the ones of an older generation are not counted

sub workers ($self) {
    return grep { !leaving($_) } children($self->pid);
}


sub leaving ($pid) {
    my $title = slurp("/proc/$pid/cmdline");

    # a process that has exited has none
    return $title eq '' || $title =~ /is shutting down/;
}


sub reload ($self, %how) {
    my %old = map { $_ => 1 } $self->workers;
    my $logged = -s $self->log_file;
    my $refused = 0;

    kill 'HUP', $self->pid;

    wait_for(sub {
        $refused = substr($self->log, $logged) =~ /\[emerg\]/;
        return 1 if $refused;

        return 0 if (grep { !$old{$_} } $self->workers) < $self->{worker_count};

        my @left = grep { $how{gone} || $ENV{COUNTERS_VALGRIND}
                          ? kill 0, $_ : !leaving($_) } keys %old;
        return !@left;
    }, $how{timeout} // 20, 'the reload');

    return !$refused;
}


# SIGKILL by default; its alert in the log is then expected

sub kill_worker ($self, $pid = undef, $signal = 'KILL') {
    $pid //= ($self->workers)[0];
    $self->expect(qr/process $pid exited on signal/);

    kill $signal, $pid;

    wait_for(sub { !kill 0, $pid }, 10, "the end of worker $pid");
    wait_for(sub { $self->workers >= $self->{worker_count} }, 10, 'a new worker');
}


# True if nginx left by itself after QUIT

sub stop ($self, $signal = 'QUIT') {
    my $nginx = delete $self->{nginx} or return 1;

    my $died = !$nginx->running;
    my $left = $nginx->stop($signal, 20);
    my $status = $nginx->status // 0;

    $self->{stuck}++ if $died || !$left || $status != 0;

    return !$died && $left && $status == 0;
}


sub restart ($self) {
    $self->stop;
    $self->start;
}


1;
