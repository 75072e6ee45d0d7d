#!/usr/bin/perl

# Nobody gets what belongs to another, and no credential is served past its bound,
# while everything goes wrong that can: tens of thousands of random calls of 500
# users, by webhooks, tokens, the managed location and client batches, in all wire
# forms, 64 at a time over four workers and Redis; the portal fails in all its
# ways, credentials are revoked and come back, entries are purged.
#
# COUNTERS_SEED repeats the calls of a run, COUNTERS_CALLS is its length.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(max shuffle);
use Mojo::JSON qw(decode_json encode_json);
use Test::More;
use Time::HiRes qw(time);
use Counters::Process qw(slow);
use Counters::Test;

use constant { TTL => 2, STALE => 1, ON_ERROR => 4, SLACK => 1, USERS => 500 };

my $seed = $ENV{COUNTERS_SEED} // time ^ $$;
my $calls = $ENV{COUNTERS_CALLS} // 40_000;

srand $seed;
diag "COUNTERS_SEED=$seed";

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0, users => USERS, operating_limit => 0);
$t->redis;

$t->marker(TTL => TTL * slow() . 's', STALE => STALE * slow() . 's',
           ON_ERROR => ON_ERROR * slow() . 's');

$t->config(<<'EOF', workers => 4);
    counters_portal acme {
        url      %%PORTAL%%;
        zone     2m;
        rate     off;
        redis    %%REDIS%%;
        secret   one;
        webhook  %%WEBHOOK_1%%;
        ttl      %%TTL%%;
        stale    %%STALE%% error=%%ON_ERROR%%;
        negative 200ms;
        timeout  1s;
        wait     2s;
    }

    add_header X-Status "$counters_cache_status" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        keepalive_requests 100000;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location = /counters { counters acme; counters_user $http_x_user; }
        location = /purge { counters_purge acme; }
        location = /requests { stub_status; }
    }
EOF

$t->start;

my $METHOD = 'tasks.task.counters.get';
my @SPELLINGS = ($METHOD, "$METHOD.json", 'Tasks.Task.Counters.Get', "$METHOD/");
my @TYPES = map { "view_$_" } qw(all role_responsible role_accomplice role_auditor
                                 role_originator);
my $FORM = 'application/x-www-form-urlencoded';

# Those that are revoked and come back, of users otherwise like the others
my @REVOCABLE = map { ({ user => $_, kind => 'webhook', n => 3 },
                       { user => $_, kind => 'token', n => 3 }) } 21 .. 26;

for my $credential (@REVOCABLE) {
    my ($user, $kind, $n) = @{$credential}{qw(user kind n)};

    $credential->{name} = "$kind $user/$n";
    $credential->{secret} = $kind eq 'webhook' ? "$user/" . webhook_code($user, $n)
                                               : access_token($user, $n);
}


sub any (@list) { return $list[rand @list] }


# As t/lib/Portal/Methods.pm has it

sub may_see ($caller, $user) {
    return $caller == $user || $caller == 1
        || ($caller % 10 == 0 && int($caller / 10) == int($user / 10));
}


# What is asked, and what must come back: most ask for the same again and again

sub question ($caller) {
    my %args;

    $args{userId} = any($caller, $caller, 0, 20 + int rand 10, 1 + int rand USERS)
        if rand > 0.6;
    $args{groupId} = any(0, 7, 7, 1 + int rand 20) if rand > 0.7;
    $args{type} = any(@TYPES) if rand > 0.8;

    return (\%args, expected($caller, $args{userId} || $caller, \%args));
}


sub expected ($caller, $user, $args) {
    return '' if !may_see($caller, $user);

    return join '/', $caller, $user, $args->{groupId} // 0, $args->{type} // 'view_all';
}


sub form ($args) {
    return join '&', map { "$_=$args->{$_}" } sort keys %$args;
}


sub multipart ($args) {
    return join('', map { "--b\r\nContent-Disposition: form-data; name=\"$_\"\r\n"
                          . "\r\n$args->{$_}\r\n" } sort keys %$args) . "--b--\r\n";
}


# --- the calls

# Users few enough to be asked for again while their entries live

sub somebody () {
    my $hot = rand;

    return $hot < 0.6 ? any(1, 10, 20, 2 .. 30) : 1 + int rand USERS;
}


sub managed_call () {
    my $user = somebody();
    my ($args) = question($user);

    # another user's is refused
    $args->{userId} = any($user, $user, 0, $user + 1) if exists $args->{userId};
    my $refused = $args->{userId} && $args->{userId} != $user;

    $args->{method} = $METHOD if rand > 0.8;
    $args->{auth} = access_token(any(1, $user + 1, $user)) if rand > 0.8;

    my $nobody = rand > 0.95;

    return request('/counters', $args, 0, { $nobody ? () : ('X-User' => $user) },
                   wanted => [ $nobody || $refused
                               ? undef : expected(1, $user, $args) ]);
}


sub rest_call () {
    my $mark = rand > 0.8 ? any(@REVOCABLE) : undef;
    my $caller = $mark ? $mark->{user} : somebody();
    my $n = $mark ? $mark->{n} : any(1, 1, 2);
    my $kind = $mark ? $mark->{kind} : any('webhook', 'token');
    my $batch = rand > 0.9;
    my $method = $batch ? 'batch' : any(@SPELLINGS);
    my $wrong = !$mark && rand > 0.97;

    my @questions = map { [ question($caller) ] } 0 .. ($batch ? rand 6 : 0);
    my $args = $batch ? { map { ("cmd[c$_]" => command($questions[$_][0]))
                              } 0 .. $#questions }
                      : $questions[0][0];

    my (%headers, $path);

    if ($kind eq 'webhook') {
        my $code = webhook_code($caller, $n);

        $code = webhook_code($caller + 1, $n) if $wrong;
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

    return request($path, $args, $batch, \%headers, mark => $mark && $mark->{name},
                   wanted => [ map { $wrong ? undef : $_->[1] } @questions ]);
}


sub command ($args) {
    return "$METHOD?" . form($args) =~ s/&/%26/gr;
}


# The arguments in the query or in a body of some kind

sub request ($path, $args, $batch, $headers, %more) {
    my $how = int rand($batch ? 2 : 4);
    my %request = (target => $path, verb => 'POST', headers => $headers, batch => $batch,
                   sent => time, %more);

    if ($how == 0) {
        $request{verb} = any('GET', 'POST');
        $request{target} .= '?' . form($args);
        return \%request;
    }

    $request{target} .= '?bx24_request_id=' . int rand 1e9 if rand > 0.5;

    ($headers->{'Content-Type'}, $request{body})
        = $how == 1 ? ($FORM, form($args))
        : $how == 2 ? ('application/json', encode_json($args))
        :             ('multipart/form-data; boundary=b', multipart($args));

    return \%request;
}


# --- the answers; this runs in the process of the load

sub check ($response, $request) {
    note_mark($response, $request) if $request->{mark};

    my $status = $response->status;

    return if $status =~ /^(?:401|403|500|502|503|504)$/
              && $response->body !~ /"whose"/;
    return "status $status: " . $response->body if $status != 200;

    # the portal's own words, when it had no better ones
    return if $response->body =~ /^\{"error":"ERROR_UNEXPECTED_ANSWER",[^{}]*\}$/;

    my @got = described($response, $request);
    my @wanted = map { $_ // 'refusal' } @{ $request->{wanted} };

    for my $i (0 .. $#wanted) {
        next if $got[$i] eq $wanted[$i];
        next if $request->{batch} && $got[$i] eq 'error';

        return "got '$got[$i]', not '$wanted[$i]', command $i of "
               . ($request->{body} // '') . ": " . $response->body;
    }

    return;
}


sub described ($response, $request) {
    my $answer = eval { decode_json($response->body) } // {};
    my $result = $answer->{result};

    return answer_of($result) if !$request->{batch};

    return map {
        ref $result->{result_error} eq 'HASH' && $result->{result_error}{"c$_"}
            ? 'error'
            : answer_of(ref $result->{result} eq 'HASH' ? $result->{result}{"c$_"} : undef)
    } 0 .. $#{ $request->{wanted} };
}


sub answer_of ($result) {
    return '' if ref $result eq 'ARRAY' && !@$result;
    return 'nothing of the kind' if ref $result ne 'HASH';

    my $number = $result->{expired}{counter} // -1;
    my $whose = $result->{whose};

    # the numbers themselves are the user's and the caller's, too
    return "numbers of another: $number"
        if int($number / 1000) != $whose->{user}
           || int($result->{new_comments}{counter} / 1000) != $whose->{caller};

    return join '/', @{$whose}{qw(caller user group type)};
}


my $marks = $t->dir . '/marks';

sub note_mark ($response, $request) {
    state $out = do { open my $file, '>>', $marks or die "$marks: $!"; $file };

    # an error may come with a 200 too, in a batch and from the portal
    my $served = $response->status == 200 && $response->body =~ /"whose"/ ? 1 : 0;

    syswrite $out, join("\t", $request->{mark}, $request->{sent}, time, $served,
                        $response->header('x-status') // 'none') . "\n";
}


# --- the run

my $load = $t->load(
    concurrency => 64,
    next  => sub ($) { rand > 0.75 ? managed_call() : rest_call() },
    check => \&check);

my @FAULTS = (
    { kind => 'status', status => 500 }, { kind => 'latency', delay => 0.3 },
    { kind => 'reset' },                 { kind => 'malformed' },
    { kind => 'status', status => 502, body => 'html' },
    { kind => 'truncate' },              { kind => 'html' },
    { kind => 'error200' },              { kind => 'reset', bytes => 40 },
    { kind => 'latency', delay => 1.5 }, { kind => 'close' },
    { kind => 'error', method => $METHOD, status => 500, error => 'INTERNAL_SERVER_ERROR' },
);

my (@revoked, @spans, @faults);
my $round = 0;

# Without those that ask for the number: on a slow machine they are thousands

sub requests () {
    state $own = 0;

    my ($n) = $t->get('/requests', keep => 1)->body =~ /^ \d+ \d+ (\d+)/m;
    return $n - ++$own;
}

while (requests() < $calls && $load->{process}->running) {
    my $before = $portal->totals->{calls};

    # every other round without a fault, or nothing but failures would be seen
    if (++$round % 2) {
        @faults = shuffle @FAULTS if !@faults;
        my %fault = %{ pop @faults };
        $portal->fault(%fault, chance => 0.1);
    }

    if (my ($next) = grep { !$_->{revoked} } shuffle @REVOCABLE) {
        $portal->credential($next->{secret} => any('revoked', 'expired', 'unknown', 'invalid'));
        $next->{revoked} = time;
        push @revoked, $next;
    }

    $t->post('/purge', any('user=' . somebody(), 'group=7', 'user=21&soft=1'));

    # not before it has been used past its bound, nor all of them at once
    restore(shift @revoked)
        if @revoked > 8 && time - $revoked[0]{revoked}
                           > SLACK + 1.5 * slow() * (TTL + STALE);

    wait_for(sub { $portal->totals->{calls} > $before + 400
                   || !$load->{process}->running || requests() >= $calls }, 3);
    $portal->heal;
}

my $sum = $load->stop;


sub restore ($credential) {
    push @spans, { name => $credential->{name}, from => delete $credential->{revoked},
                   till => time };

    $portal->credential($credential->{secret} => 'ok');
}

restore($_) for splice @revoked;

# --- everybody got his own

cmp_ok($sum->{answers}, '>', $calls * 0.9, "$sum->{answers} calls answered");
is($sum->{complained}, 0, 'nobody got what belongs to another')
    or diag(join "\n", @{ $sum->{complaints} });

my %caches = %{ $sum->{caches} };
my $hits = $caches{'acme; hit'} // 0;

note "$round rounds; statuses " . encode_json($sum->{statuses});
note join ', ', map { "$_ $caches{$_}" } sort keys %caches;

cmp_ok($sum->{statuses}{200}, '>', $calls / 2, 'most were answered with data');
cmp_ok($hits, '>', $calls / 10, 'many from the cache');
cmp_ok($caches{"acme; fwd=miss; stored"} // 0, '>', $calls / 50, 'many fetched');

for my $detail (qw(UPDATING STALE NEGATIVE)) {
    cmp_ok($caches{"acme; hit; detail=$detail"} // 0, '>', 0, "some $detail");
}

# --- and none by a credential past its bound

my %answers;

for my $line (split /\n/, $t->read('marks')) {
    my ($name, @answer) = split /\t/, $line;
    push @{ $answers{$name} }, \@answer;
}

my ($past, @late) = (0);

for my $credential (@REVOCABLE) {
    my $name = $credential->{name};
    my @accepted = map { $_->{at} + $_->{took} } grep { ($_->{status} // 0) == 200 }
                   $portal->calls(credential => $name);

    for my $span (grep { $_->{name} eq $name } @spans) {
        my $last = max(0, grep { $_ < $span->{till} } @accepted);

        for my $answer (@{ $answers{$name} // [] }) {
            my ($sent, $received, $served, $cache) = @$answer;

            # the older copy is there for when the portal fails
            my $bound = $last + SLACK + slow() * (TTL + ($cache eq 'STALE' ? ON_ERROR : STALE));

            next if $sent <= $bound || $received >= $span->{till};

            $past++;
            push @late, sprintf '%s: %s %.2f s after the bound', $name, $cache, $sent - $bound
                if $served;
        }
    }
}

note scalar(@spans) . " revocations, $past answers past a bound";

cmp_ok(scalar @spans, '>', 5, 'credentials were revoked');
cmp_ok($past, '>', 20, 'and used past their bounds');
is(scalar @late, 0, 'without success') or diag(join "\n", @late[0 .. max(0, $#late < 9 ? $#late : 9)]);

$t->expect(qr/portal|redis/i);
$t->no_secrets(webhook_code(1), map { $_->{secret} =~ s{.*/}{}r } @REVOCABLE);
$t->done;
