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
#           read(name) is its content ('' if there is none).
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

use Exporter qw(import);
use Test::More ();
use parent 'Counters::Nginx';

use Counters::Http;
use Counters::Load;
use Counters::Nginx qw(slurp);
use Counters::Portal qw(whose webhook_code access_token KNOWN_TIME);
use Counters::Process qw(wait_for);
use Counters::Redis;
use Counters::Tls;

our @EXPORT = qw(wait_for whose webhook_code access_token KNOWN_TIME);

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
    my $self = $class->SUPER::new;

    Test::More::diag("directory $self->{dir}") if $ENV{COUNTERS_KEEP};
    push @tests, $self;

    return $self;
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

sub access_log ($self) {
    return $self->read('access.log');
}


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
    my @lines = map { split /\n/, slurp($_) } $self->log_file, "$self->{dir}/stderr.log";
    my @unseen = unseen(@lines);
    my @bad;

    for my $line (@lines) {
        next if $line !~ $BAD;
        next if grep { $line =~ $_ } @{ $self->{expected} }, @unseen;
        push @bad, $line;
    }

    # with -q valgrind writes nothing but its findings
    for my $file (glob "$self->{dir}/valgrind.*.log") {
        push @bad, split /\n/, slurp($file);
    }

    push @bad, 'nginx did not stop as it should' if $self->{stuck} && !@unseen;

    return @bad;
}


# LeakSanitizer looks at a process from outside when it ends, and sometimes cannot:
# then it knows nothing of leaks, and ends the process with a code of its own.

sub unseen (@lines) {
    my $pids = join '|', map { /^==(\d+)==LeakSanitizer has encountered a fatal error/ }
                         @lines;
    return if $pids eq '';

    Test::More::diag("LeakSanitizer could not look at $pids");

    return qr/^==(?:$pids)==(?:LeakSanitizer\ has|HINT:\ LeakSanitizer)
             | \ (?:$pids)\ exited\ with\ code\ 1$/x;
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
