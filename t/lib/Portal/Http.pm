# HTTP/1.1 on Mojo::IOLoop, down to the bytes.
#
# The fake portal has to answer wrongly on purpose (cut, dripping, reset) and to
# record what came in exactly as it came, so it does not sit on a web framework.
#
#   my $http = Portal::Http->new(on_request => sub ($request, $reply) {...});
#   my $port = $http->listen(address => '127.0.0.1', port => 0);
#
# $request is a hash:
#   verb, target, path, query, version
#   headers       [[name, value], ...] as received
#   header        {lower-case name => value}, repeated ones joined by ", "
#   body          bytes, without the chunked framing
#   address, tls  of the client's connection
#   connection    its number, sequence: the request's number on it
#
# $reply is one answer in the making; see Portal::Http::Reply below.

package Portal::Http;

use v5.36;

use Mojo::IOLoop;
use Socket qw(SOL_SOCKET SO_LINGER);

use constant MAX_HEAD => 65_536;
use constant MAX_BODY => 64 * 1024 * 1024;

my %REASON = (
    100 => 'Continue',           200 => 'OK',
    301 => 'Moved Permanently',  302 => 'Found',
    304 => 'Not Modified',       307 => 'Temporary Redirect',
    308 => 'Permanent Redirect', 400 => 'Bad Request',
    401 => 'Unauthorized',       403 => 'Forbidden',
    404 => 'Not Found',          405 => 'Method Not Allowed',
    413 => 'Payload Too Large',  429 => 'Too Many Requests',
    500 => 'Internal Server Error', 502 => 'Bad Gateway',
    503 => 'Service Unavailable',   504 => 'Gateway Timeout',
);


sub new ($class, %args) {
    return bless { on_request => $args{on_request},
                   keep_alive => 60, connections => {}, last => 0 }, $class;
}


# Returns the port. Options: address, port, tls => {cert, key}

sub listen ($self, %where) {
    my %tls = $where{tls}
        ? (tls => 1, tls_cert => $where{tls}{cert}, tls_key => $where{tls}{key})
        : ();

    my $id = Mojo::IOLoop->server(
        { address => $where{address}, port => $where{port}, %tls },
        sub ($loop, $stream, $) { $self->accepted($stream, $where{tls} ? 1 : 0) });

    push @{ $self->{listeners} }, $id;

    return Mojo::IOLoop->acceptor($id)->port;
}


# Refuses new connections and resets those there are, as a host that is gone

sub stop_listening ($self) {
    Mojo::IOLoop->remove($_) for splice @{ $self->{listeners} // [] };

    $self->reset_all;
}


sub reset_all ($self) {
    my @streams = map { $_->{stream} } values %{ $self->{connections} };

    reset_stream($_) for @streams;
}


sub reset_stream ($stream) {
    setsockopt $stream->handle, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
    $stream->close;
}


sub accepted ($self, $stream, $tls) {
    my $number = ++$self->{last};
    my $handle = $stream->handle;

    my $connection = {
        number   => $number,
        stream   => $stream,
        tls      => $tls,
        address  => $handle->peerhost // 'unix',
        port     => $handle->sockport,
        buffer   => '',
        sequence => 0,
    };

    $self->{connections}{$number} = $connection;

    $stream->timeout($self->{keep_alive});

    $stream->on(read => sub ($, $bytes) {
        $connection->{buffer} .= $bytes;
        $self->advance($connection);
    });

    $stream->on(error => sub { });

    $stream->on(close => sub {
        delete $self->{connections}{$number};
        delete $connection->{stream};       # which holds this closure

        my $reply = delete $connection->{reply};
        $reply->gone if $reply;
    });
}


# Takes the next whole request out of the buffer, one at a time

sub advance ($self, $connection) {
    return if $connection->{reply} || !$connection->{stream};

    my $request = eval { $self->parse($connection) };

    if ($@) {
        my $status = $@ =~ /^(4\d\d)/ ? $1 : 400;

        $connection->{stream}->write(
            "HTTP/1.1 $status $REASON{$status}\r\nContent-Length: 0\r\n"
            . "Connection: close\r\n\r\n",
            sub ($stream) { $stream->close });

        return;
    }

    return if !$request;

    # A slow answer is not an idle connection
    $connection->{stream}->timeout(0);

    my $reply = Portal::Http::Reply->new($self, $connection, $request);
    $connection->{reply} = $reply;

    $self->{on_request}->($request, $reply);
}


sub finished ($self, $connection) {
    delete $connection->{reply};
    return if !$connection->{stream};

    $connection->{stream}->timeout($self->{keep_alive});

    # Not from within: a long pipeline would nest as deeply
    Mojo::IOLoop->next_tick(sub { $self->advance($connection) })
        if $connection->{buffer} ne '';
}


sub parse ($self, $connection) {
    my $request = $connection->{request} //= parse_head($connection) or return;

    my $body = $request->{chunked}
             ? chunked_body($connection, $request)
             : counted_body($connection, $request);

    return if !defined $body;

    delete $connection->{request};

    $request->{body} = $body;
    $request->{address} = $connection->{address};
    $request->{port} = $connection->{port};
    $request->{tls} = $connection->{tls};
    $request->{connection} = $connection->{number};
    $request->{sequence} = ++$connection->{sequence};

    return $request;
}


sub parse_head ($connection) {
    my $end = index $connection->{buffer}, "\r\n\r\n";

    if ($end < 0) {
        die "413\n" if length $connection->{buffer} > MAX_HEAD;
        return;
    }

    my ($line, @lines) = split /\r\n/, substr $connection->{buffer}, 0, $end;
    substr $connection->{buffer}, 0, $end + 4, '';

    my ($verb, $target, $version)
        = $line =~ m{^([A-Z]+) (\S+) HTTP/1\.([01])$} or die "400\n";

    my (@headers, %header);

    for (@lines) {
        my ($name, $value) = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/ or die "400\n";

        push @headers, [ $name, $value ];

        $name = lc $name;
        $header{$name} = exists $header{$name} ? "$header{$name}, $value" : $value;
    }

    my ($path, $query) = split /\?/, $target, 2;
    my $length = $header{'content-length'} // 0;

    die "400\n" if $length !~ /^[0-9]{1,10}$/;
    die "413\n" if $length > MAX_BODY;

    if (($header{expect} // '') =~ /^100-continue$/i) {
        $connection->{stream}->write("HTTP/1.1 100 Continue\r\n\r\n");
    }

    return {
        verb    => $verb,
        target  => $target,
        path    => $path,
        query   => $query // '',
        version => "1.$version",
        headers => \@headers,
        header  => \%header,
        length  => $length,
        chunked => scalar(($header{'transfer-encoding'} // '') =~ /\bchunked\b/i),
        close   => closes($version, $header{connection} // ''),
    };
}


sub closes ($version, $connection) {
    return 1 if $connection =~ /\bclose\b/i;
    return $version eq '0' && $connection !~ /\bkeep-alive\b/i;
}


sub counted_body ($connection, $request) {
    return if length $connection->{buffer} < $request->{length};

    return substr $connection->{buffer}, 0, $request->{length}, '';
}


sub chunked_body ($connection, $request) {
    while (1) {
        my ($line, $size) = $connection->{buffer} =~ /^(([0-9a-fA-F]{1,8})[^\r\n]*\r\n)/;

        if (!defined $line) {
            die "400\n" if $connection->{buffer} =~ /\r\n/;
            return;
        }

        $size = hex $size;
        my $need = length($line) + $size + 2;

        if ($size == 0) {
            # trailers are read and forgotten
            $connection->{buffer} =~ s/^[^\r\n]+\r\n(?:[^\r\n]+\r\n)*\r\n// or return;
            return delete $request->{parts} // '';
        }

        return if length $connection->{buffer} < $need;

        $request->{parts} .= substr $connection->{buffer}, length $line, $size;
        substr $connection->{buffer}, 0, $need, '';

        die "413\n" if length $request->{parts} > MAX_BODY;
    }
}


package Portal::Http::Reply;

use Mojo::Date;
use Scalar::Util qw(weaken);


sub new ($class, $http, $connection, $request) {
    return bless { http => $http, connection => $connection,
                   request => $request }, $class;
}


# What to do should the client go away before it has the answer

sub on_gone ($self, $handler) {
    $self->{on_gone} = $handler;
}


sub gone ($self) {
    $self->{gone} = 1;

    Mojo::IOLoop->remove($self->{timer}) if $self->{timer};

    my $handler = delete $self->{on_gone};
    $handler->() if $handler && !$self->{complete};
}


# Calls back later, unless the client leaves first

sub after ($self, $seconds, $handler) {
    return if $self->{gone};

    $self->{timer} = Mojo::IOLoop->timer($seconds => sub {
        delete $self->{timer};
        $handler->();
    });
}


# The whole answer. Options: chunked => 1, close => 1

sub send ($self, $status, $headers, $body, %how) {
    $self->write($self->text($status, $headers, $body, %how));
    $self->finish(%how);
}


# The answer's bytes, not sent yet

sub text ($self, $status, $headers, $body, %how) {
    my $reason = $REASON{$status} // 'Unknown';
    my $text = "HTTP/1.1 $status $reason\r\nServer: nginx\r\nDate: " . date()
             . "\r\n" . join '', map { "$_->[0]: $_->[1]\r\n" } @$headers;

    my $close = $how{close} || $self->{request}{close};
    my $bare = $self->{request}{verb} eq 'HEAD' || $status == 304;

    if ($how{chunked} && $self->{request}{version} ne '1.0') {
        $text .= "Transfer-Encoding: chunked\r\n";
        $body = chunks($body);

    } else {
        $text .= 'Content-Length: ' . ($how{length} // length $body) . "\r\n";
    }

    $text .= 'Connection: ' . ($close ? 'close' : 'keep-alive') . "\r\n\r\n";

    return $bare ? $text : $text . $body;
}


# Two chunks, so that a reader which takes the first for the whole is caught

sub chunks ($body) {
    return "0\r\n\r\n" if $body eq '';

    my $half = int(length($body) / 2) || 1;

    return join('', map { sprintf "%x\r\n%s\r\n", length $_, $_ }
                grep { $_ ne '' } substr($body, 0, $half), substr($body, $half))
           . "0\r\n\r\n";
}


my ($date_time, $date_text) = (0, '');

sub date () {
    my $now = time;

    if ($now != $date_time) {
        ($date_time, $date_text) = ($now, Mojo::Date->new($now)->to_string);
    }

    return $date_text;
}


sub write ($self, $bytes) {
    $self->{connection}{stream}->write($bytes) if !$self->{gone};
}


# A few bytes at a time. Options: size, every (seconds)

sub drip ($self, $bytes, %how) {
    return if $self->{gone};

    if ($bytes eq '') {
        $self->finish(%how);
        return;
    }

    $self->write(substr $bytes, 0, $how{size} // 1, '');

    $self->after($how{every} // 0.01, sub { $self->drip($bytes, %how) });
}


sub finish ($self, %how) {
    return if $self->{gone};

    $self->{complete} = 1;

    my $connection = $self->{connection};

    if ($how{close} || $self->{request}{close}) {
        $self->close;

    } else {
        $self->{http}->finished($connection);
    }
}


# Closes when everything written is out

sub close ($self) {
    return if $self->{gone};

    $self->{complete} = 1;
    $self->{connection}{stream}->close_gracefully;
}


sub reset ($self) {
    return if $self->{gone};

    $self->{complete} = 1;
    Portal::Http::reset_stream($self->{connection}{stream});
}


sub reset_later ($self) {
    # what was written must reach the wire before the reset overtakes it
    $self->after(0.05, sub { $self->reset });
}

1;
