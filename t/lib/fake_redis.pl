#!/usr/bin/perl

# A Redis that does as it is told: strings with an expiry, and faults to order.
# It speaks RESP2 on --port, and on --control as well, where in addition
# "FAKE operation json" steers it; Counters/FakeRedis.pm is the other end.
#
#   FAKE rule {...}     kind, and with it
#     slow     delay (seconds), with any kind
#     split    the right reply, "bytes" (1) at a time, "every" (0.01) seconds
#     nil      nil whatever is stored
#     error    -text
#     moved    -MOVED slot address        ask     -ASK slot address
#     reply    "text" as it is, any bytes
#     garbage  bytes that are no RESP
#     half     half of the right reply, then closed
#     hang     no reply, neither to what follows on this connection
#     close    closed                     reset   TCP reset
#     command, times, skip: only this command, so often, not the first so many
#   FAKE heal           no rules any more
#   FAKE calls          [[command, arguments...], ...] as JSON, since "forget"
#   FAKE forget
#   FAKE keys           JSON list;  FAKE flush  empties the store
#   FAKE clients        how many connections there are
#   FAKE push {"text"}  writes these bytes to every connection
#   FAKE drop           resets every connection
#   FAKE refuse, FAKE accept   stops listening and resets; listens again

use v5.36;

use Getopt::Long;
use IO::Handle;
use Mojo::IOLoop;
use Mojo::JSON qw(encode_json decode_json);
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

my %option = (port => 0, control => 0, address => '127.0.0.1');
my (%store, @rules, @calls, %clients, $listener, $password);

my %COMMAND = (
    PING     => sub { '+PONG' },
    AUTH     => \&auth,
    SELECT   => sub { '+OK' },
    CLIENT   => \&client,
    GET      => \&get,
    MGET     => sub ($, @keys) {
        join "\r\n", '*' . @keys, map { bulk(live($_)) } @keys },
    SET      => \&set,
    DEL      => sub ($, @keys) { ':' . grep { delete $store{$_} } @keys },
    EXISTS   => sub ($, @keys) { ':' . grep { defined live($_) } @keys },
    PTTL     => \&pttl,
    FLUSHDB  => sub { %store = (); '+OK' },
    QUIT     => sub { '+OK' },
    PUBLISH  => sub { ':0' },
    SUBSCRIBE => sub ($, $channel) {
        "*3\r\n\$9\r\nsubscribe\r\n" . bulk($channel) . "\r\n:1" },
);

my %OPERATION = (
    rule    => sub ($rule) { push @rules, $rule; '+OK' },
    heal    => sub { @rules = (); '+OK' },
    calls   => sub { bulk(encode_json(\@calls)) },
    forget  => sub { @calls = (); '+OK' },
    keys    => sub { bulk(encode_json([ sort keys %store ])) },
    flush   => sub { %store = (); '+OK' },
    clients => sub { ':' . keys %clients },
    push    => sub ($args) { $_->{stream}->write($args->{text})
                                 for values %clients; '+OK' },
    drop    => sub { drop(); '+OK' },
    refuse  => sub { Mojo::IOLoop->remove($listener); drop(); '+OK' },
    accept  => sub { listen_public(); '+OK' },
);

GetOptions(\%option, 'port=i', 'control=i', 'address=s',
           'password=s' => \$password) or die "unknown option\n";

listen_public();
Mojo::IOLoop->server(
    { address => $option{address}, port => $option{control} },
    sub ($loop, $stream, $id) { accepted($stream, $id, 1) });

STDOUT->autoflush(1);
print "fake redis: $option{address}:$option{port}\n";

Mojo::IOLoop->start;


sub listen_public () {
    $listener = Mojo::IOLoop->server(
        { address => $option{address}, port => $option{port} },
        sub ($loop, $stream, $id) { accepted($stream, $id, 0) });
}


sub drop () {
    for my $stream (map { $_->{stream} } values %clients) {
        reset_stream($stream);
    }
}


sub reset_stream ($stream) {
    setsockopt $stream->handle, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
    $stream->close;
}


sub accepted ($stream, $id, $control) {
    my $client = { stream => $stream, buffer => '', control => $control,
                   admitted => !defined $password || $control };

    $clients{$id} = $client if !$control;

    $stream->timeout(0);
    $stream->on(error => sub { });
    $stream->on(close => sub {
        delete $clients{$id};
        delete $client->{stream};           # which holds these closures
        $client->{gone} = 1;
    });

    $stream->on(read => sub ($, $bytes) {
        $client->{buffer} .= $bytes;
        push @{ $client->{waiting} }, commands($client);
        advance($client);
    });
}


# Takes the whole commands out of the buffer

sub commands ($client) {
    my @commands;

    COMMAND: while ($client->{buffer} =~ /^\*(\d+)\r\n/) {
        my $at = length $&;
        my @words;

        for (1 .. $1) {
            pos($client->{buffer}) = $at;
            $client->{buffer} =~ /\G\$(\d+)\r\n/ or last COMMAND;
            $at += length $&;
            last COMMAND if length $client->{buffer} < $at + $1 + 2;
            push @words, substr $client->{buffer}, $at, $1;
            $at += $1 + 2;
        }

        substr $client->{buffer}, 0, $at, '';
        push @commands, \@words;
    }

    return @commands;
}


# One reply after the other, in the order of the commands

sub advance ($client) {
    while (!$client->{busy} && !$client->{gone} && @{ $client->{waiting} }) {
        my ($name, @arguments) = @{ shift @{ $client->{waiting} } };

        $name = uc $name;

        if ($client->{control} && $name eq 'FAKE') {
            $client->{stream}->write(operation(@arguments) . "\r\n");
            next;
        }

        push @calls, [ $name, @arguments ] if !$client->{control};

        my $rule = $client->{control} ? undef : rule_for($name);

        if ($rule) {
            spoiled($client, $rule, $name, @arguments);

        } else {
            $client->{stream}->write(reply($client, $name, @arguments) . "\r\n");
        }
    }
}


sub operation ($name, $json = '{}') {
    my $operation = $OPERATION{$name} or return "-ERR no operation $name";

    return $operation->(decode_json($json));
}


sub rule_for ($name) {
    for my $rule (@rules) {
        next if defined $rule->{command} && uc $rule->{command} ne $name;
        next if $rule->{skip} && $rule->{skip}--;

        if (defined $rule->{times}) {
            next if $rule->{times} <= 0;
            $rule->{times}--;
        }

        return $rule;
    }

    return;
}


sub spoiled ($client, $rule, @command) {
    $client->{busy} = 1;

    if ($rule->{delay}) {
        Mojo::IOLoop->timer($rule->{delay} => sub {
            misbehave($client, $rule, @command) if !$client->{gone};
        });

    } else {
        misbehave($client, $rule, @command);
    }
}


sub misbehave ($client, $rule, @command) {
    my $kind = $rule->{kind};
    my $stream = $client->{stream};

    return if $kind eq 'hang';

    if ($kind eq 'close') {
        $stream->close_gracefully;
        return;
    }

    if ($kind eq 'reset') {
        reset_stream($stream);
        return;
    }

    my $bytes = $kind eq 'reply' ? $rule->{text} : false_reply($rule)
                // reply($client, @command) . "\r\n";

    if ($kind eq 'half') {
        $stream->write(substr $bytes, 0, length($bytes) / 2);
        $stream->close_gracefully;

    } elsif ($kind eq 'split') {
        drip($client, $bytes, $rule->{bytes} // 1, $rule->{every} // 0.01);

    } else {
        $stream->write($bytes);
        proceed($client);
    }
}


sub false_reply ($rule) {
    my $slot = $rule->{slot} // 0;
    my $address = $rule->{address} // '127.0.0.1:1';

    my %reply = (
        nil     => '$-1',
        error   => '-' . ($rule->{text} // 'ERR ordered by the test'),
        moved   => "-MOVED $slot $address",
        ask     => "-ASK $slot $address",
        garbage => "\x00\xff!nonsense",
    );

    my $reply = $reply{ $rule->{kind} };

    return defined $reply ? "$reply\r\n" : undef;
}


sub drip ($client, $bytes, $size, $every) {
    return if $client->{gone};

    if ($bytes eq '') {
        proceed($client);
        return;
    }

    $client->{stream}->write(substr $bytes, 0, $size, '');
    Mojo::IOLoop->timer($every => sub { drip($client, $bytes, $size, $every) });
}


sub proceed ($client) {
    $client->{busy} = 0;
    Mojo::IOLoop->next_tick(sub { advance($client) });
}


# --- commands

sub reply ($client, $name, @arguments) {
    my $command = $COMMAND{$name} or return "-ERR unknown command '$name'";

    return '-NOAUTH Authentication required.'
        if !$client->{admitted} && $name ne 'AUTH';

    return eval { $command->($client, @arguments) } // '-ERR wrong arguments';
}


sub bulk ($bytes) {
    return defined $bytes ? '$' . length($bytes) . "\r\n$bytes" : '$-1';
}


sub auth ($client, @words) {
    return '-ERR Client sent AUTH, but no password is set' if !defined $password;
    return '-WRONGPASS invalid username-password pair' if $words[-1] ne $password;

    $client->{admitted} = 1;
    return '+OK';
}


sub client ($client, $what, @) {
    return uc $what eq 'ID' ? ':' . fileno $client->{stream}->handle : '+OK';
}


sub live ($key) {
    my $entry = $store{$key} or return undef;

    if (defined $entry->{end} && $entry->{end} <= time) {
        delete $store{$key};
        return undef;
    }

    return $entry->{value};
}


sub get ($client, $key) {
    return bulk(live($key));
}


sub set ($client, $key, $value, @how) {
    my %entry = (value => $value);

    while (@how) {
        my $word = uc shift @how;

        return '$-1' if $word eq 'NX' && defined live($key);
        return '$-1' if $word eq 'XX' && !defined live($key);

        $entry{end} = time + shift(@how) / 1000 if $word eq 'PX';
        $entry{end} = time + shift(@how)        if $word eq 'EX';
    }

    $store{$key} = \%entry;
    return '+OK';
}


sub pttl ($client, $key) {
    return ':-2' if !defined live($key);

    my $end = $store{$key}{end};
    return ':' . (defined $end ? int(1000 * ($end - time)) : -1);
}
