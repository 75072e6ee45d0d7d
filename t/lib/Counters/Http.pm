# A blocking HTTP/1.1 client that shows what was on the wire.
#
#   my $http = Counters::Http->new(port => 8080);        # tls => 1, address
#   my $r = $http->request(GET => '/path', headers => {...}, body => '...');
#
#   $r->status, $r->reason, $r->body (bytes), $r->json, $r->raw
#   $r->header('age')       the value, several joined by ", "; undef if none
#   $r->headers             list of [name, value] as received
#
# Options of request: headers (hash or list of pairs; a hash value may be a list),
# body, type (Content-Type), keep => 1 (same connection for the next request with
# keep => 1), chunked => 1 (or a list of the body's pieces), timeout, host,
# version => '1.0', raw => the whole request as bytes.
#
# A response that breaks off has status as far as it came (0 if nothing) and
# "error" set: "closed", "truncated", "timeout", "connect".

package Counters::Http;

use v5.36;

use IO::Select;
use IO::Socket::INET;
use List::Util qw(max);
use Time::HiRes qw(time);

use Counters::Process qw(slow);


sub new ($class, %args) {
    return bless { address => '127.0.0.1', %args }, $class;
}


sub connect ($self) {
    my %where = (PeerAddr => $self->{address}, PeerPort => $self->{port},
                 Timeout => 5);

    if ($self->{tls}) {
        require IO::Socket::SSL;
        return IO::Socket::SSL->new(%where, SSL_verify_mode => 0);
    }

    return IO::Socket::INET->new(%where);
}


sub request ($self, $verb, $target, %how) {
    my $bytes = $how{raw} // request_text($self, $verb, $target, %how);
    my $kept = $how{keep} ? delete $self->{kept} : undef;
    my $socket = $kept // $self->connect;

    return Counters::Http::Response->broken('connect') if !$socket;

    local $SIG{PIPE} = 'IGNORE';
    $self->send_all($socket, $bytes);

    my $response = $self->receive($socket, $verb, $how{timeout} // 30);

    # the server may have closed what was kept, which is its good right
    if ($kept && $response->{error} && !$response->{status}) {
        return $self->request($verb, $target, %how);
    }

    if ($how{keep} && !$response->{error}
        && ($response->header('connection') // '') !~ /close/i)
    {
        $self->{kept} = $socket;
    }

    return $response;
}


# Sends the request and returns the socket, for clients that go away or are slow

sub begin ($self, $verb, $target, %how) {
    my $socket = $self->connect or return;

    $self->send_all($socket, $how{raw} // request_text($self, $verb, $target, %how));

    return $socket;
}


sub send_all ($self, $socket, $bytes) {
    while (length $bytes) {
        my $sent = syswrite $socket, $bytes;
        last if !$sent;
        substr $bytes, 0, $sent, '';
    }
}


sub request_text ($self, $verb, $target, %how) {
    my $host = $how{host} // "$self->{address}:$self->{port}";
    my $version = $how{version} // '1.1';
    my $text = "$verb $target HTTP/$version\r\nHost: $host\r\n";

    for my $pair (header_pairs($how{headers} // {})) {
        $text .= "$pair->[0]: $pair->[1]\r\n";
    }

    $text .= "Connection: close\r\n" if !$how{keep};
    $text .= "Content-Type: $how{type}\r\n" if defined $how{type};

    if ($how{chunked}) {
        my @pieces = ref $how{chunked} ? @{ $how{chunked} } : $how{body};

        return "${text}Transfer-Encoding: chunked\r\n\r\n"
               . join('', map { sprintf "%x\r\n%s\r\n", length $_, $_ } @pieces)
               . "0\r\n\r\n";
    }

    if (defined $how{body}) {
        $text .= 'Content-Length: ' . length($how{body}) . "\r\n";
    }

    return "$text\r\n" . ($how{body} // '');
}


sub header_pairs ($headers) {
    return @$headers if ref $headers eq 'ARRAY';

    return map {
        my $name = $_;
        my $value = $headers->{$name};
        map { [ $name, $_ ] } ref $value ? @$value : $value;
    } sort keys %$headers;
}


# Reads one response, whichever way its end is marked

sub receive ($self, $socket, $verb = 'GET', $seconds = 30) {
    my $end = time + $seconds * slow();
    my $reader = { socket => $socket, buffer => '', end => $end };

    while ($reader->{buffer} !~ /\r\n\r\n/) {
        fill($reader)
            or return Counters::Http::Response->broken(
                           $reader->{error}, raw => $reader->{buffer});

        # an interim answer is not the answer
        $reader->{buffer} =~ s/^HTTP\/1\.1 1\d\d .*?\r\n\r\n//s;
    }

    my ($head) = $reader->{buffer} =~ /^(.*?\r\n)\r\n/s;
    substr $reader->{buffer}, 0, 2 + length $head, '';

    my $response = Counters::Http::Response->parse($head);
    my $status = $response->{status};

    $response->{body} = $verb eq 'HEAD' || $status == 204 || $status == 304
                      ? '' : body_of($reader, $response);

    $response->{raw} = "$head\r\n$response->{body}";
    $response->{error} = $reader->{error};

    return $response;
}


sub body_of ($reader, $response) {
    my $encoding = $response->header('transfer-encoding') // '';
    my $length = $response->header('content-length');

    return dechunked($reader) if $encoding =~ /chunked/i;

    if (!defined $length) {
        1 while fill($reader);
        delete $reader->{error} if $reader->{error} ne 'timeout';
        return $reader->{buffer};
    }

    while (length $reader->{buffer} < $length) {
        fill($reader) or last;
    }

    $reader->{error} = 'truncated'
        if length $reader->{buffer} < $length && $reader->{error} ne 'timeout';

    return substr $reader->{buffer}, 0, $length;
}


sub dechunked ($reader) {
    my $body = '';

    while (1) {
        my ($line, $digits);

        # captured at once: $1 would not survive a turn of the loop
        until (($line, $digits)
               = $reader->{buffer} =~ /^(([0-9a-fA-F]+)[^\r\n]*\r\n)/)
        {
            if (!fill($reader)) {
                $reader->{error} = 'truncated' if $reader->{error} ne 'timeout';
                return $body;
            }
        }

        my $size = hex $digits;
        $line = length $line;

        while (length $reader->{buffer} < $line + $size + 2) {
            if (!fill($reader)) {
                $reader->{error} = 'truncated' if $reader->{error} ne 'timeout';
                return $body . substr $reader->{buffer}, $line;
            }
        }

        $body .= substr $reader->{buffer}, $line, $size;
        substr $reader->{buffer}, 0, $line + $size + 2, '';

        return $body if $size == 0;
    }
}


sub fill ($reader) {
    my $socket = $reader->{socket};
    my $pending = $socket->can('pending') && $socket->pending;

    # a signal ends the waiting too, such as that of a stopped child going on
    while (!$pending && !IO::Select->new($socket)->can_read(
                             max(0, $reader->{end} - time)))
    {
        if (time >= $reader->{end}) {
            $reader->{error} = 'timeout';
            return 0;
        }
    }

    my $got = sysread $socket, $reader->{buffer}, 65_536, length $reader->{buffer};

    if (!$got) {
        $reader->{error} = 'closed';
        return 0;
    }

    return 1;
}


package Counters::Http::Response;

use Mojo::JSON ();


sub parse ($class, $head) {
    my ($line, @lines) = split /\r\n/, $head;
    my ($status, $reason) = $line =~ m{^HTTP/1\.[01] (\d{3}) ?(.*)};

    my @headers = map { [ /^([^:]*):\s*(.*?)\s*$/ ] } @lines;

    return bless { status => $status // 0, reason => $reason // '',
                   headers => \@headers, body => '', raw => $head }, $class;
}


sub broken ($class, $error, %more) {
    return bless { status => 0, reason => '', headers => [], body => '',
                   raw => '', error => $error, %more }, $class;
}


sub status ($self)  { return $self->{status} }
sub reason ($self)  { return $self->{reason} }
sub body ($self)    { return $self->{body} }
sub raw ($self)     { return $self->{raw} }
sub error ($self)   { return $self->{error} }
sub headers ($self) { return @{ $self->{headers} } }


sub header ($self, $name) {
    my @values = map { $_->[1] } grep { lc $_->[0] eq lc $name } $self->headers;

    return @values ? join(', ', @values) : undef;
}


sub json ($self) {
    return Mojo::JSON::decode_json($self->{body});
}

1;
