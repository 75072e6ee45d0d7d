#!/usr/bin/perl

# Nobody ever gets what belongs to another: thousands of random calls of thirty
# users, over webhooks and tokens, in all wire forms and in batches, about
# themselves and about others, at once and over four workers, while entries
# expire, are refreshed and come back from Redis. Wrong codes and tokens of users
# who are cached are among them. Two portals with the same users and codes, in one
# nginx and one Redis, share nothing.
#
# COUNTERS_SEED repeats a run, COUNTERS_CALLS is its length.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Mojo::JSON qw(decode_json encode_json);
use Test::More;
use Counters::Process qw(slow);
use Counters::Test;

my $seed = $ENV{COUNTERS_SEED} // time;
my $calls = $ENV{COUNTERS_CALLS} // 4000;

srand $seed;
note "COUNTERS_SEED=$seed";

my $t = Counters::Test->new;

# The revision is part of every answer, and tells the portals apart
my %revision = (8080 => 100, 8081 => 200);
my %portal = (8080 => $t->portal(rate => 0, revision => $revision{8080}),
              8081 => $t->portal(rate => 0, revision => $revision{8081},
                                 name => 'OTHER'));
$t->redis;

# Long enough for hits, short enough for entries to expire during the run
$t->marker(SPAN => 1000 * slow() . 'ms');

$t->config(<<'EOF', workers => 4);
    counters_portal acme  { url %%PORTAL%%; zone 1m; rate off; secret one;
                            ttl %%SPAN%%; stale %%SPAN%% error=1h; negative 200ms;
                            redis %%REDIS%%; }
    counters_portal other { url %%OTHER%%; zone 1m; rate off; secret one;
                            ttl %%SPAN%%; stale %%SPAN%% error=1h; negative 200ms;
                            redis %%REDIS%%; }
    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location / { counters acme; proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location / { counters other; proxy_pass %%OTHER%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8082%%;
        location /8080/ { proxy_pass http://127.0.0.1:%%PORT_8080%%/8080/; }
        location /8081/ { proxy_pass http://127.0.0.1:%%PORT_8081%%/8081/; }
    }
EOF

$t->start;

my @METHODS = qw(tasks.task.counters.get tasks.task.counters.get.json
                 Tasks.Task.Counters.Get TASKS.TASK.COUNTERS.GET/);
my @TYPES = map { "view_$_" } qw(all role_responsible role_accomplice role_auditor
                                 role_originator);

sub any (@list) { return $list[rand @list] }

# As t/lib/Portal/Methods.pm has it

sub may_see ($caller, $user) {
    return $caller == $user || $caller == 1
        || ($caller % 10 == 0 && int($caller / 10) == int($user / 10));
}

# What is asked, and what must come back

sub question ($caller) {
    my %args;

    $args{userId} = any($caller, any(1 .. 30), any(10, 20) + int rand 10, 0)
        if rand > 0.4;
    $args{groupId} = int rand 3 if rand > 0.6;
    $args{type} = any(@TYPES) if rand > 0.5;

    my $user = $args{userId} || $caller;

    return (\%args, may_see($caller, $user)
        ? join('/', $caller, $user, $args{groupId} // 0, $args{type} // 'view_all')
        : '');
}

sub form ($args) {
    return join '&', map { "$_=$args->{$_}" } keys %$args;
}

sub multipart ($args) {
    return join('', map { "--b\r\nContent-Disposition: form-data; name=\"$_\"\r\n"
                          . "\r\n$args->{$_}\r\n" } keys %$args) . "--b--\r\n";
}

# Several of them as one batch

sub batch (@questions) {
    my %cmd;

    for my $i (0 .. $#questions) {
        my $command = 'tasks.task.counters.get?' . form($questions[$i][0]);
        $cmd{"cmd[c$i]"} = $command =~ s/&/%26/gr;
    }

    return (\%cmd, [ map { $_->[1] } @questions ]);
}

# The arguments somewhere in a request: (query, type, body)

sub placed ($args, $batch) {
    my $form = sub { (undef, 'application/x-www-form-urlencoded', form($args)) };

    return any(
        sub { (form($args), undef, undef) }, $form,
        $batch ? $form : (
            sub { (undef, 'application/json', encode_json($args)) },
            sub { (undef, 'multipart/form-data; boundary=b', multipart($args)) },
        ))->();
}

sub random_call () {
    my $caller = any(1, 10, 20, 1 .. 30, 5, 6);
    my $n = any(1, 1, 2);
    my $wrong = rand > 0.95;
    my $batch = rand > 0.95;
    my $method = $batch ? 'batch' : any(@METHODS);
    my ($args, $wanted) = $batch ? batch(map { [ question($caller) ] } 0 .. rand 6)
                                 : question($caller);
    my (%headers, $path);

    if (rand > 0.5) {
        my $code = webhook_code($caller, $n);

        $code = any(webhook_code($caller + 1), scalar reverse $code) if $wrong;
        $path = "/rest/$caller/$code/$method";

    } else {
        my $token = access_token($caller, $n);
        my $place = any(qw(auth access_token Bearer));

        $token =~ s/^\d+/$caller + 1/e if $wrong;
        $path = any('/rest/', '/rest//') . $method;

        if ($place eq 'Bearer') {
            $headers{Authorization} = "Bearer $token";

        } else {
            $args->{$place} = $token;
        }
    }

    my ($query, $type, $body) = placed($args, $batch);
    my $port = any(8080, 8081);

    $headers{'Content-Type'} = $type if defined $type;

    $query = join '&', grep { length } $query,
                       any('', 'bx24_request_id=' . int rand 1e6);

    return { verb => defined $body ? 'POST' : 'GET', body => $body,
             target => "/$port$path?$query", headers => \%headers, batch => $batch,
             status => $wrong ? 401 : 200,
             wanted => [ map { $_ eq '' ? '' : "$_/$revision{$port}" }
                         $batch ? @$wanted : $wanted ] };
}

sub described ($request, $response) {
    my $result = decode_json($response->body)->{result};
    my @parts = $request->{batch}
        ? @{ $result->{result} }{ map { "c$_" } 0 .. $#{ $request->{wanted} } }
        : $result;

    return map { ref $_ eq 'HASH'
                 ? join '/', @{ $_->{whose} }{qw(caller user group type revision)}
                 : ref $_ eq 'ARRAY' && !@$_ ? '' : 'something else' } @parts;
}

my @requests = map { random_call() } 1 .. $calls;
my @responses = $t->many(\@requests, concurrency => 32, port => 8082);

my (@wrong, %seen);

for my $i (0 .. $#requests) {
    my ($request, $response) = ($requests[$i], $responses[$i]);
    my $status = $response->error // $response->status;

    my @got = ($status, $status eq '200' ? described($request, $response) : ());
    my @wanted = ($request->{status},
                  $request->{status} == 200 ? @{ $request->{wanted} } : ());

    push @wrong, "$request->{verb} $request->{target} " . ($request->{body} // '')
                 . ": @got, not @wanted" if "@got" ne "@wanted";

    my ($how) = ($response->header('cache-status') // '') =~ /(hit; ttl|miss)/;
    $seen{ $how // 'none' }++;
}

is(scalar @wrong, 0, "$calls calls: everybody got his own")
    or diag(join "\n", "COUNTERS_SEED=$seed", @wrong[0 .. ($#wrong < 9 ? $#wrong : 9)]);

cmp_ok($seen{'hit; ttl'} // 0, '>', $calls / 50, 'many from the cache');
cmp_ok($seen{'miss'}, '>', $calls / 50, 'many fetched');

# --- each portal was asked about its own callers only, by the credential given

for my $port (8080, 8081) {
    my %credentials = map { ($_->{credential} // '') => 1 } $portal{$port}->calls;

    cmp_ok(scalar keys %credentials, '>', 60, "$port: every credential by itself");
}

# --- a wrong code is the portal's to refuse, and harms nobody

for my $port (8080, 8081) {
    my $hook = $portal{$port}->hook(5, 'tasks.task.counters.get');
    my $code = webhook_code(5);

    $t->get($hook, port => $port);

    for my $wrong (webhook_code(6), uc $code, substr($code, 1), "${code}0", 'x') {
        my $r = $t->get($hook =~ s/$code/$wrong/r, port => $port);

        is($r->status, 401, "wrong code: 401");
        like($r->body, qr/INVALID_CREDENTIALS/, "the portal's words");
    }

    is(whose($t->get($hook, port => $port)->body), '5/5/0/view_all',
       'the right one is served as before');
}

$t->done;
