# Many requests at once, on Mojo::UserAgent.
#
#   my @responses = many(8080, \@requests, concurrency => 50);
#
#   my $load = Counters::Load->start(port => 8080, concurrency => 8,
#                                    next => sub ($n) { $request },
#                                    check => sub ($response, $request) { $why });
#   ... reload, kill, stop Redis ...
#   my $sum = $load->stop;
#
# A request is a target, or a hash: verb, target, headers, body. A response is a
# Counters::Http::Response without "raw"; error is set when none came.
#
# many() returns the responses in the requests' order. "at" => {100 => sub {...}}
# runs code when so many have been answered.
#
# A load runs in a process of its own until it is stopped, and sums up: answers,
# statuses {"200" => n}, caches {"HIT"-like Cache-Status details => n}, failed
# (requests without an answer) and complaints (the first 20: failures and what
# "check" returned when not satisfied; complained counts them all).

package Counters::Load;

use v5.36;

use Exporter qw(import);
use File::Temp qw(tempfile);
use Mojo::IOLoop;
use Mojo::JSON qw(encode_json decode_json);
use Mojo::UserAgent;
use POSIX ();

use Counters::Http;
use Counters::Process qw(slow);

our @EXPORT_OK = qw(many);


sub many ($port, $requests, %how) {
    my @responses;
    my ($next, $answered) = (0, 0);

    each_answer($port,
        sub {
            my $index = $next++;
            return $index < @$requests ? ($index, $requests->[$index]) : ();
        },
        sub ($index, $, $response) {
            $responses[$index] = $response;

            my $code = $how{at}{++$answered};
            $code->() if $code;
        },
        %how);

    return @responses;
}


# Calls $next->() for (index, request) until it returns nothing

sub each_answer ($port, $next, $answered, %how) {
    # the only loop in which a user agent does several things at once
    my $loop = Mojo::IOLoop->singleton;
    my $agent = Mojo::UserAgent->new(
        max_redirects      => 0,
        max_connections    => $how{concurrency} // 20,
        connect_timeout    => 10 * slow(),
        inactivity_timeout => 30 * slow(),
        request_timeout    => 60 * slow(),
        max_response_size  => 0,
    );

    my $running = 0;
    my $one;

    $one = sub {
        my ($index, $request) = $next->();

        if (!defined $index) {
            $loop->stop if !$running;
            return;
        }

        $running++;

        call($agent, $port, $request, sub ($response) {
            $running--;
            $answered->($index, $request, $response);

            # refused connections fail at once, and would nest without this
            $loop->next_tick($one);
        });
    };

    $loop->next_tick(sub { $one->() for 1 .. $how{concurrency} // 20 });
    $loop->start;

    undef $one;
}


# A kept connection that the server closes just as it is used again says nothing
# about the request: every HTTP client repeats it, and so does this one

sub call ($agent, $port, $request, $done) {
    $agent->start(transaction($agent, $port, $request), sub ($, $tx) {
        my $response = response($tx);

        if ($response->error && $response->status == 0 && $tx->kept_alive) {
            call($agent, $port, $request, $done);
            return;
        }

        $done->($response);
    });
}


sub transaction ($agent, $port, $request) {
    $request = { target => $request } if !ref $request;

    my $tx = $agent->build_tx($request->{verb} // 'GET',
                              "http://127.0.0.1:$port/");
    my $headers = $tx->req->headers;

    # the target exactly as given, no header that was not asked for
    my ($path, $query) = split /\?/, $request->{target}, 2;
    $tx->req->url->path($path);
    $tx->req->url->query($query) if defined $query;

    $headers->remove($_) for 'Accept-Encoding', 'User-Agent';

    for my $pair (Counters::Http::header_pairs($request->{headers} // {})) {
        $headers->add(@$pair);
    }

    $tx->req->body($request->{body}) if defined $request->{body};
    $tx->res->content->auto_decompress(0);

    return $tx;
}


sub response ($tx) {
    my $res = $tx->res;

    my $response = bless {
        status  => $res->code // 0,
        reason  => $res->message // '',
        headers => [ map { my $name = $_;
                           map { [ $name, $_ ] }
                           @{ $res->headers->every_header($name) } }
                     @{ $res->headers->names } ],
        body    => $res->body,
    }, 'Counters::Http::Response';

    my $error = $tx->error;
    $response->{error} = $error->{message} if $error && !$error->{code};

    return $response;
}


sub start ($class, %how) {
    my (undef, $file) = tempfile('load-XXXXXX', TMPDIR => 1);
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        # nothing of the test's own ending is to run here
        eval { run(%how, file => $file); 1 } or print STDERR "load: $@";
        POSIX::_exit(0);
    }

    return bless { process => Counters::Process->adopt($pid), file => $file },
                 $class;
}


sub run (%how) {
    my %sum = (answers => 0, failed => 0, complained => 0,
               statuses => {}, caches => {}, complaints => []);
    my $number = 0;
    my $stopping = 0;

    Mojo::IOLoop->reset;
    $SIG{TERM} = sub { $stopping = 1 };

    each_answer($how{port},
        sub { $stopping ? () : ($number + 0, $how{next}->($number++)) },
        sub ($index, $request, $response) { add(\%sum, $request, $response, %how) },
        %how);

    open my $out, '>', $how{file} or die "$how{file}: $!";
    print $out encode_json(\%sum);
    close $out;
}


sub add ($sum, $request, $response, %how) {
    $sum->{answers}++;
    $sum->{statuses}{ $response->status }++;

    my $cache = $response->header('cache-status');
    $sum->{caches}{ $cache =~ s/;\s*ttl=-?\d+//r }++ if defined $cache;

    $sum->{failed}++ if $response->error;

    my $complaint = $response->error
        // ($how{check} ? $how{check}->($response, $request) : undef);

    if (defined $complaint) {
        my $target = ref $request ? $request->{target} : $request;

        $sum->{complained}++;
        push @{ $sum->{complaints} }, "$target: $complaint"
            if @{ $sum->{complaints} } < 20;
    }
}


sub stop ($self) {
    $self->{process}->stop('TERM', 60);

    open my $in, '<', $self->{file} or die "$self->{file}: $!";
    my $text = do { local $/; <$in> };
    close $in;
    unlink $self->{file};

    die "the load left no result\n" if !length $text;

    return decode_json($text);
}

1;
