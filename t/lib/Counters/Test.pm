# The harness of t/*.t: one directory, one nginx, a sample portal, a Redis.
#
#   use Test::More;
#   use Counters::Test;
#
#   my $t = Counters::Test->new;
#   my $portal = $t->portal(rate => 0);       # Counters::Portal
#   my $redis = $t->redis;                    # Counters::Redis, when needed
#
#   $t->config(<<'EOF', workers => 2);        # goes inside http { }
#       counters_portal acme { url %%PORTAL%%; zone 1m; redis %%REDIS%%; }
#       server {
#           listen 127.0.0.1:%%PORT_8080%%;
#           location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
#       }
#   EOF
#   $t->start;
#
#   my $r = $t->get($portal->hook(5, 'tasks.task.counters.get'));
#   like($r->header('cache-status'), qr/fwd=miss/, 'fetched');
#
#   $t->done;      # stops everything, checks the logs, done_testing
#
# Markers: %%PORT_n%% a free port that stands for n, %%PORTAL%% the portal's URL,
# %%PORTAL_TLS%% its https one, %%CA%% the authority's file, %%REDIS%% and
# %%REDIS_UNIX%% the Redis URLs, %%DIR%% the test's directory, %%WEBHOOK_5%%
# "5/CODE" and %%TOKEN_5%% of user 5. More by $t->marker(NAME => value).
#
# Portal:   portal(setting => value ..., tls => 1). A second one: $t->portal(
#           name => 'OTHER') has markers %%OTHER%%, %%OTHER_TLS%%.
# Redis:    redis(password, conf); name => 'OTHER' as well. fake_redis: a
#           Counters::FakeRedis, whose marker is %%FAKE_REDIS%%.
# Config:   options: workers (1), log (info; "debug"), main (text before events),
#           connections (1024), events (text), whole => 1 (text is the whole file).
#           check($text, %options) runs nginx -t: ($accepted, $output).
#           write(name => content) makes a file in the directory; returns its path.
# nginx:    start, stop (QUIT), reload (true when the new workers serve and the old
#           ones are leaving; gone => 1 waits for their end; false if refused),
#           restart, running, pid, workers (pids), kill_worker($pid, signal).
# Client:   get, post, request(verb, target, %options of Counters::Http), also with
#           port => 8080 (as named in the configuration; default: the first),
#           client($port) a Counters::Http, many([...], concurrency => 50),
#           load(next => sub ($n) {...}) of Counters::Load.
# Logs:     log (error log), log_lines(qr//), access_log, log_file;
#           expect(qr//): such lines in the error log are no failure;
#           no_secrets(@secrets): a test that neither log, nor anything else in
#           the directory's *.log files, has them.
#
# done() fails the test for [alert], [emerg] or [crit] lines, crashes, sanitizers'
# and valgrind's findings, and an nginx that does not stop by itself.
#
# Environment: COUNTERS_NGINX (nginx), COUNTERS_MODULE (.build's), COUNTERS_SLOW
# (factor for waiting), COUNTERS_VALGRIND, COUNTERS_KEEP (leaves the directory).

package Counters::Test;

use v5.36;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IPC::Run ();
use Test::More ();

use Counters::Http;
use Counters::Load;
use Counters::Portal qw(whose webhook_code access_token KNOWN_TIME);
use Counters::Ports qw(free_port);
use Counters::Process qw(wait_for children slow);
use Counters::Redis;
use Counters::Tls;

our @EXPORT = qw(wait_for whose webhook_code access_token KNOWN_TIME);

my $ROOT = abs_path(dirname(__FILE__) . '/../../..');

my $BAD = qr{
      \[(?:alert|emerg|crit)\]
    | exited\ on\ signal
    | exited\ with\ (?:fatal\ )?code\ [1-9]
    | (?:Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer
    | runtime\ error:
    | Assertion\ .*\ failed
}x;

my @tests;


sub new ($class) {
    my $dir = tempdir('counters-XXXXXX', TMPDIR => 1,
                      CLEANUP => !$ENV{COUNTERS_KEEP});

    chmod 0755, $dir;
    Test::More::diag("directory $dir") if $ENV{COUNTERS_KEEP};

    my $self = bless { dir => $dir, ports => {}, markers => { DIR => $dir },
                       expected => [], stuck => 0, owner => $$ }, $class;

    push @tests, $self;
    return $self;
}


sub dir ($self) {
    return $self->{dir};
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


# --- what nginx talks to

sub authority ($self) {
    $self->{authority} //= Counters::Tls->new($self->{dir});
    $self->marker(CA => $self->{authority}->file);

    return $self->{authority};
}


sub portal ($self, %how) {
    my $name = delete $how{name} // 'PORTAL';

    $how{tls} = $self->authority->certificate if $how{tls} && !ref $how{tls};

    my $portal = Counters::Portal->new(dir => $self->{dir}, %how);

    $self->marker($name => $portal->url);
    $self->marker("${name}_TLS" => $portal->tls_url) if $how{tls};

    return $portal;
}


sub redis ($self, %how) {
    my $name = delete $how{name} // 'REDIS';
    my $redis = Counters::Redis->new(dir => $self->{dir}, %how);

    $self->marker($name => $redis->url, "${name}_UNIX" => $redis->unix_url);

    return $redis;
}


sub fake_redis ($self, %how) {
    require Counters::FakeRedis;

    my $name = delete $how{name} // 'FAKE_REDIS';
    my $redis = Counters::FakeRedis->new(dir => $self->{dir}, %how);

    $self->marker($name => $redis->url);

    return $redis;
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
    access_log $dir/access.log;
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


# --- clients

sub client ($self, $n = undef, %how) {
    return Counters::Http->new(port => $self->port($n), %how);
}


sub request ($self, $verb, $target, %how) {
    my $port = delete $how{port} // $self->{listens}[0];

    # one client per port, so that keep => 1 works
    my $client = $self->{clients}{$port} //= $self->client($port);

    return $client->request($verb, $target, %how);
}


sub get ($self, $target, %how) {
    return $self->request(GET => $target, %how);
}


sub post ($self, $target, $body, %how) {
    $how{type} //= $body =~ /^\s*[\{\[]/ ? 'application/json'
                 : 'application/x-www-form-urlencoded';

    return $self->request(POST => $target, body => $body, %how);
}


sub many ($self, $requests, %how) {
    my $port = $self->port(delete $how{port});

    return Counters::Load::many($port, $requests, %how);
}


sub load ($self, %how) {
    return Counters::Load->start(%how, port => $self->port($how{port}));
}


# --- logs

sub log_file ($self)   { return "$self->{dir}/error.log" }
sub log ($self)        { return slurp($self->log_file) }
sub access_log ($self) { return slurp("$self->{dir}/access.log") }


sub log_lines ($self, $pattern) {
    return grep { $_ =~ $pattern } split /\n/, $self->log;
}


sub expect ($self, @patterns) {
    push @{ $self->{expected} }, @patterns;
}


# The secrets as they are, and as they are written inside a URL. Access logs are
# not looked at: nginx writes there what the configuration tells it to.

sub no_secrets ($self, @secrets) {
    my @found;

    for my $file (grep { !/access\.log$/ } glob "$self->{dir}/*.log") {
        my $text = slurp($file);

        for my $secret (@secrets) {
            my $escaped = $secret =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger;

            for my $line (split /\n/, $text) {
                push @found, "$file: $line"
                    if index($line, $secret) >= 0 || index($line, $escaped) >= 0;
            }
        }
    }

    return Test::More::ok(!@found, 'no secret in any log')
        || Test::More::diag(join "\n", @found[0 .. ($#found < 9 ? $#found : 9)]);
}


sub problems ($self) {
    my @bad;

    for my $file ($self->log_file, "$self->{dir}/stderr.log") {
        for my $line (split /\n/, slurp($file)) {
            next if $line !~ $BAD;
            next if grep { $line =~ $_ } @{ $self->{expected} };
            push @bad, $line;
        }
    }

    # with -q valgrind writes nothing but its findings
    for my $file (glob "$self->{dir}/valgrind.*.log") {
        push @bad, split /\n/, slurp($file);
    }

    push @bad, 'nginx did not stop as it should' if $self->{stuck};

    return @bad;
}


sub finish ($self) {
    $self->stop;

    my @bad = $self->problems;
    $self->{finished} = 1;

    return @bad;
}


sub done ($self) {
    my @bad = $self->finish;

    Test::More::ok(!@bad, 'no alert, crash or leak in the logs')
        || Test::More::diag(join "\n", @bad[0 .. ($#bad < 49 ? $#bad : 49)]);

    Test::More::done_testing();
}


# A test that died before done() is stopped and checked all the same

END {
    my $status = $?;

    for my $self (grep { $_->{owner} == $$ } @tests) {
        my @bad = $self->{finished} ? () : $self->finish;

        if (@bad) {
            Test::More::diag(join "\n", @bad);
            $status ||= 1;
        }

        if ($status || !Test::More->builder->is_passing) {
            my @lines = grep { !/\[debug\]/ } split /\n/, $self->log;

            Test::More::diag(join "\n", 'end of the error log:',
                             splice @lines, @lines > 20 ? -20 : 0);
        }
    }

    $? = $status;
}

1;
