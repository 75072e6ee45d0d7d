#!/usr/bin/perl

# counters_status: who may ask how, the three formats and which of them is
# chosen, and that their figures are those of the requests there were.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);
my $redis = $t->redis(password => 'PasswordOfRedis');

$t->config(<<'EOF', workers => 2);
    counters_portal acme {
        url %%PORTAL%%; zone 1m; ttl 1h; batch off; rate 3r/s burst=50;
        redis %%REDIS%%; secret KeyOfTheDigests; webhook %%WEBHOOK_1%%;
        events_token ApplicationTokenOfEvents;
    }
    counters_portal free {
        url %%PORTAL%%; zone 1m; rate off; ttl 1500ms; stale 90s error=2h;
        methods tasks.task.counters.get im.counters.get; ahead 10m;
    }
    counters_portal held  { url %%PORTAL%%; zone 128k; }

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location /rest/ { counters acme; proxy_pass %%PORTAL%%; }
        location /held/ { counters held; proxy_pass %%PORTAL%%/; }

        location = /status { counters_status acme; }
        location = /status/html { counters_status acme html; }
        location = /status/json { counters_status acme json; }
        location = /status/prometheus { counters_status acme prometheus; }
        location = /status/denied { counters_status acme; deny all; }
        location = /free { counters_status free json; }
        location = /free/prometheus { counters_status free prometheus; }
        location = /free/html { counters_status free html; }
        location = /held/status { counters_status held json; }
        location = /held/html { counters_status held html; }
    }
EOF

$t->start;

my %TYPE = (html       => 'text/html; charset=utf-8',
            json       => 'application/json; charset=utf-8',
            prometheus => 'text/plain; version=0.0.4; charset=utf-8');

# --- who may ask

for my $verb (qw(POST PUT DELETE PATCH OPTIONS)) {
    my $r = $t->request($verb, '/status', body => 'x' x 100, keep => 1);

    is($r->status, 405, "$verb is refused");
    is($r->header('allow'), 'GET, HEAD', "$verb: what is allowed");
}

is($t->get('/status/denied')->status, 403, 'access rules hold');

# --- which format

for my $case (
    ['json'],
    ['json', ''],
    ['json', '*/*'],
    ['json', 'text/*'],
    ['json', 'image/png, text/htm, text/html2'],
    ['json', 'text/html;q=0'],
    ['json', 'text/html;q=2'],
    ['json', 'text/html;q=x, text/plain;q=0.0'],
    ['json', ';q=1,,, ,text/html;q=-1'],
    ['json', 'application/json'],
    ['json', 'text/html;q=0.5, application/json;q=0.6'],
    ['html', 'text/html'],
    ['html', 'TEXT/HTML'],
    ['html', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
    ['html', 'text/html, application/json'],
    ['html', 'application/json ; q=0.3 , text/html ; level=1 ; q=0.301'],
    ['prometheus', 'text/plain'],
    ['prometheus', 'text/plain;version=0.0.4;q=1,*/*;q=0.1'],
    ['prometheus', 'application/openmetrics-text;version=1.0.0,'
                   . 'text/plain;version=0.0.4;q=0.5,*/*;q=0.1'],
    ['html', ['text/plain;q=0.5', 'text/html;q=0.9']],
) {
    my ($format, $accept) = @$case;
    my $name = !defined $accept ? 'none'
             : ref $accept ? join ' and ', @$accept : "\"$accept\"";
    my $r = $t->get('/status', keep => 1,
                    headers => defined $accept ? { Accept => $accept } : {});

    is($r->header('content-type'), $TYPE{$format}, "Accept: $name");
    is($r->header('vary'), 'Accept', 'which the answer depends on');
}

for my $format (sort keys %TYPE) {
    my %how = (headers => { Accept => 'image/png, text/html;q=0.1' });
    my $r = $t->get("/status/$format", %how);
    my $head = $t->request('HEAD', "/status/$format", %how);

    is($r->status, 200, "$format as configured");
    is($r->header('content-type'), $TYPE{$format}, "$format, whatever is accepted");
    is($r->header('cache-control'), 'no-store', "$format: not to be stored");
    is($r->header('vary'), undef, "$format: no other one there");

    is($head->status, 200, "$format: HEAD");
    is($head->header('content-type'), $TYPE{$format}, "$format: HEAD has its type");
    is($head->body, '', "$format: HEAD without a body");
}

# --- what it tells

my $json = $t->get('/status/json')->json;

is($json->{name}, 'acme', 'the name');
is_deeply($json->{health},
          { state => 'idle', message => 'Portal has not been asked yet' },
          'nothing yet');
is($json->{requests}{$_}, 0, "no $_ yet")
    for qw(hit stale updating miss coalesced negative bypass pass error);

my $METHOD = 'tasks.task.counters.get';

$t->get($portal->hook($_, $METHOD)) for 5, 5, 5, 6, 7, 8;
$t->get($portal->hook(5, $METHOD) . '?groupId=5000') for 1 .. 3;
$t->get($portal->hook(5, 'profile')) for 1 .. 2;
$t->get("/rest/$METHOD?auth=" . access_token(9)) for 1 .. 2;

$json = $t->get('/status/json')->json;

is($json->{health}{message}, 'Portal is answering', 'in plain words');
is($json->{health}{state}, 'ok', 'and in one');

my %expected = (
    requests => { hit => 3, miss => 6, negative => 2, pass => 2, error => 0,
                  stale => 0, updating => 0, coalesced => 0, bypass => 0 },
    sources => { memory => 5, portal => 6, redis => 0 },
    portal => { requests => 6, commands => 6, batches => 0, failures => 0,
                limits => 0, overloads => 0, operating => 0, revoked => 0,
                events => 0, failing => 0 },
    hold => { backoff => 0, limited => 0, overloaded => 0, seconds => 0 },
    quota => { rate => 3, burst => 50, reserve => 0.2, shared => 0, batch => 1,
               capacity_max => 10_800, capacity => 8640, waits => 0,
               refused => 0 },
    queue => { waiting => 0, stale => 0, ahead => 0, unknown => 0, flying => 0 },
    zone => { size => 1 << 20, entries => 6, active => 5, credentials => 5,
              evicted => 0, expired => 0, purged => 0 },
    redis => { configured => 1, reads => 6, hits => 0, errors => 0,
               rejected => 0, connected => 1, breaker => 0 },
    ttl => { 'tasks.task.counters.get' => 3600, 'im.counters.get' => undef },
    config => { stale => 300, stale_error => 3600, negative => 5, wait => 5,
                ahead => 0 },
    worker => { workers => 2 },
);

for my $group (sort keys %expected) {
    for my $member (sort keys %{ $expected{$group} }) {
        my $value = $json->{$group}{$member};

        $value = $value ? 1 : 0 if ref $value;
        is($value, $expected{$group}{$member}, "$group: $member");
    }
}

ok($json->{quota}{level} > 0 && $json->{quota}{level} <= 8, 'level of the bucket');
is($json->{quota}{tokens}, 50 - $json->{quota}{level}, 'and what is left');
is($json->{quota}{refreshes}, 40 - $json->{quota}{level}, 'to refreshes');
ok($json->{zone}{free} > 0 && $json->{zone}{free} < 1 << 20, 'free');
ok(abs($json->{time} - time) < 60, 'the time');
ok($json->{time} - $json->{zone}{since} < 60, 'since when');
ok((grep { $_ == $json->{worker}{pid} } $t->workers), 'the worker');

# --- Prometheus

sub metrics ($r, $name) {
    my (%type, %help, %value, @complaints, $metric);

    push @complaints, 'no newline at the end' if $r->body !~ /\n\z/;

    for my $line (split /\n/, $r->body) {
        if ($line =~ /^# HELP (nginx_counters_[a-z_]+) \S.*\S$/) {
            $metric = $1;
            push @complaints, "$metric again" if $help{$metric}++;

        } elsif ($line =~ /^# TYPE (\S+) (counter|gauge)$/) {
            push @complaints, "$line: where is HELP?" if $1 ne $metric;
            $type{$1} = $2;

        } elsif ($line =~ /^(([a-z_]+)\{portal="$name"(?:,[a-z]+="[\w.]+")?\})
                            [ ](\d+(?:\.\d{1,3})?)$/x)
        {
            push @complaints, "$line: not under its TYPE"
                if $2 ne $metric || !$type{$2};
            push @complaints, "$line: again" if defined $value{$1};
            $value{$1} = $3;

        } else {
            push @complaints, "what is \"$line\"?";
        }
    }

    for my $name (keys %type) {
        push @complaints, "$name is no name for a $type{$name}"
            if $type{$name} eq 'counter' xor $name =~ /_total$/;
    }

    ok(!@complaints, 'Prometheus reads it') || diag(join "\n", @complaints);

    return %value;
}

my %metric = metrics($t->get('/status/prometheus'), 'acme');

for my $case (
    ['requests_total', ',status="HIT"', 3],
    ['requests_total', ',status="MISS"', 6],
    ['requests_total', ',status="NEGATIVE"', 2],
    ['requests_total', ',status="ERROR"', 0],
    ['answers_total', ',source="memory"', 5],
    ['answers_total', ',source="portal"', 6],
    ['portal_requests_total', '', 6],
    ['redis_reads_total', '', 6],
    ['quota_rate', '', 3],
    ['quota_reserve_ratio', '', 0.2],
    ['hold', ',reason="limited"', 0],
    ['queue_length', ',class="unknown"', 0],
    ['entries', '', 6],
    ['zone_size_bytes', '', 1 << 20],
    ['ttl_seconds', ',method="tasks.task.counters.get"', 3600],
    ['ttl_seconds', ',method="im.counters.get"', undef],
    ['capacity', '', 8640],
) {
    my ($name, $labels, $value) = @$case;

    is($metric{qq(nginx_counters_${name}{portal="acme"$labels})}, $value,
       "$name$labels");
}

# --- a portal without limit, without Redis, with other times

$json = $t->get('/free')->json;

is($json->{quota}{$_}, undef, "no $_ without a rate")
    for qw(rate burst level tokens refreshes capacity capacity_max);
is($json->{redis}{$_}, undef, "no $_ without Redis")
    for qw(connected breaker pending);
ok(!$json->{redis}{configured}, 'there is none');
is($json->{ttl}{$_}, 1.5, "ttl of $_") for $METHOD, 'im.counters.get';
is($json->{config}{ahead}, 600, 'ahead');

%metric = metrics($t->get('/free/prometheus'), 'free');
is((grep { /quota_rate|capacity|redis_connected/ } keys %metric), 0,
   'a metric that does not apply is left out');
is($metric{'nginx_counters_ttl_seconds{portal="free",method="im.counters.get"}'},
   1.5, 'a fraction');

# --- when the portal does not answer

$portal->refuse;
$t->get('/held' . $portal->hook($_, $METHOD)) for 1 .. 6;
$json = $t->get('/held/status')->json;

is($json->{health}{state}, 'failing', 'the portal is down');
like($json->{health}{message}, qr/^Portal is not answering, .* again in \d+ s$/,
     'in plain words');
ok($json->{hold}{backoff}, 'it is not asked now');
ok($json->{portal}{failures} >= 3, 'it has failed');
ok($json->{requests}{error} == 6, 'clients have seen it');
like($t->get('/held/html')->body, qr/class="health failing">Portal is not/,
     'the page says so');

$portal->accept;
ok(wait_for(sub {
    $t->get('/held' . $portal->hook(7, $METHOD));
    return $t->get('/held/status')->json->{health}{state} eq 'ok';
}, 15), 'and when it is back');

$portal->fault(kind => 'error', status => 503, error => 'QUERY_LIMIT_EXCEEDED',
               error_description => 'Too many requests', times => 1);
$t->get('/held' . $portal->hook(8, $METHOD));
$json = $t->get('/held/status')->json;

is($json->{portal}{limits}, 1, 'a limit');
is($json->{health}{state}, 'warning', 'is no failure');
like($json->{health}{message}, qr/QUERY_LIMIT_EXCEEDED/, 'by its name')
    if $json->{hold}{limited};

# --- what is no business of whoever looks

my @secrets = ('PasswordOfRedis', 'KeyOfTheDigests', 'ApplicationTokenOfEvents',
               access_token(9), map { webhook_code($_) } 1, 5 .. 9);
my $shown = join '', map { $t->get($_)->raw }
            '/status/html', '/status/json', '/status/prometheus', '/held/html';

ok(!(grep { index($shown, $_) >= 0 } @secrets), 'no secret is shown');
unlike($shown, qr/[0-9a-f]{12}/, 'nor a digest');

# --- over workers and generations

my %seen;

for (1 .. 40) {
    $json = $t->get('/status')->json;
    $seen{ $json->{worker}{pid} } = $json->{requests}{hit};
}

is_deeply([ sort values %seen ], [ (3) x keys %seen ],
          'the same figures from ' . (keys %seen) . ' workers');

ok($t->reload, 'a reload');
$json = $t->get('/status')->json;
is($json->{requests}{hit}, 3, 'does not forget');
ok(!$seen{ $json->{worker}{pid} }, 'in a new worker');

ok(wait_for(sub { $t->get('/status')->json->{redis}{connected} }), 'Redis again');
$redis->stop;
ok(wait_for(sub {
    $t->get($portal->hook(30 + int rand 1000, $METHOD));
    my $now = $t->get('/status')->json;
    return $now->{health}{message} =~ /Redis is not/
           && $now->{health}{state} eq 'warning';
}, 10), 'Redis is away');

$t->no_secrets(@secrets);
$t->done;
