#!/usr/bin/perl

# What the published SDKs and HTTP clients send, byte for byte (t/sdk_forms, a
# file a language): all forms of one call are answered from its one entry, and
# what the portal may read otherwise goes on to it as it came.
#
# Most were recorded from the clients themselves, the others (.NET, Dart, Spring,
# browsers) are written as their sources and documentation have them. A form is
#
#   === HIT hook: its name                  or "token", "token of 5", ", batch",
#   # where it was seen, or why             or "PASS"
#   POST /rest/5/C0DE/... HTTP/1.1          as it is on the wire, but for the code,
#   ...                                     the token, and the lengths that follow
#                                           from them; chunks are made here

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Mojo::File qw(path);
use Test::More;
use Counters::Test;

my $t = Counters::Test->new;
my $portal = $t->portal(rate => 0);

$portal->known_time;

$t->config(<<'EOT', workers => 2);
    counters_portal acme { url %%PORTAL%%; zone 1m; rate off; ttl 1h; }

    add_header X-Status "$counters_cache_status" always;

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        location / { counters acme; proxy_pass %%PORTAL%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_8081%%;
        location / { proxy_pass %%PORTAL%%; }
    }
EOT

$t->start;

my $METHOD = 'tasks.task.counters.get';
my $code = webhook_code(5);
my $token = access_token(5);

# --- the entries that the forms mean

my %entry = ('hook'       => "/rest/5/$code/$METHOD",
             'token'      => "/rest/$METHOD?auth=$token",
             'token of 5' => "/rest/$METHOD?auth=$token&userId=5");

for my $name (sort keys %entry) {
    my $r = $t->get($entry{$name});

    is($r->header('x-status'), 'MISS', "$name: fetched");
    $entry{$name} = $r->body;
}

# --- a form as bytes

sub wire ($text) {
    my ($head, $body) = split /\n\n/, $text, 2;

    $body = ($body // '') =~ s/\n+\z//r;
    $body .= "\n" if $head =~ /^content-type: multipart/im;

    s/C0DE/$code/g, s/T0KEN/$token/g, s/\n/\r\n/g for $head, $body;

    my $length = length $body;

    $head =~ s/^(content-length: )\d+/$1$length/im;
    $body = sprintf "%x\r\n%s\r\n0\r\n\r\n", $length, $body
        if $head =~ /^transfer-encoding: chunked/im;

    return "$head\r\n\r\n$body";
}

sub ask ($bytes, $port) {
    return $t->request(GET => '', raw => $bytes, port => $port);
}

sub hit ($name, $what, $bytes) {
    $portal->forget;

    my $r = ask($bytes, 8080);
    my $from = $what =~ s/, batch$//r;

    is($r->status, 200, "$name: status");
    is($r->header('x-status'), 'HIT', "$name: from the cache");
    is($portal->count, 0, "$name: no call");

    if ($from eq $what) {
        is($r->body, $entry{$from}, "$name: the one entry");
        return;
    }

    my ($result) = $entry{$from} =~ /^\{"result":(.*?),"total":/;

    like($r->body, qr/^\{"result":\{"result":(?:\[|\{"\w+":)\Q$result\E[\]}],/,
         "$name: the one entry");
}

sub passed ($name, $bytes) {
    my (@answers, @calls);

    for my $port (8080, 8081) {
        $portal->forget;
        push @answers, ask($bytes, $port);
        push @calls, $portal->calls(full => 1);
    }

    is($answers[0]->header('x-status'), 'PASS', "$name: passed on");
    is(scalar @calls, 2, "$name: to the portal") or return;

    for my $member (qw(verb target headers length sha256)) {
        is_deeply($calls[0]{$member}, $calls[1]{$member}, "$name: $member");
    }

    is($answers[0]->status, $answers[1]->status, "$name: the portal's status");
    is($answers[0]->body, $answers[1]->body, "$name: the portal's answer");
}

# --- all of them

my $count = 0;

for my $file (path("$FindBin::Bin/sdk_forms")->list->each) {
    for my $form (split /^=== /m, $file->slurp) {
        next if $form eq '';

        my ($what, $name, $text) = $form =~
            /^(PASS|(?:HIT )(?:hook|token|token of 5)(?:, batch)?): ([^\n]+)\n(.*)/s;

        BAIL_OUT("$file: $form") if !defined $text;

        $name = $file->basename . ": $name";
        $text =~ s/^#.*\n//mg;

        $what =~ s/^HIT // ? hit($name, $what, wire($text)) : passed($name, wire($text));
        $count++;
    }
}

cmp_ok($count, '>=', 50, "$count forms");

$t->done;
