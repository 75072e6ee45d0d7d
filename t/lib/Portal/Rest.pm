# /rest/: who calls what, with which parameters; the envelope; batch.

package Portal::Rest;

use v5.36;

use Digest::SHA qw(sha256_hex);
use Mojo::Util qw(gzip);
use POSIX qw(strftime);
use Time::HiRes qw(time);

use Portal::Json qw(json_text float_text);
use Portal::Map;
use Portal::Params qw(query_params body_params url_decode);
use Portal::Secrets qw(webhook_owner token_owner);

use constant BATCH_MAX => 50;

my @CORS = (
    [ 'Access-Control-Allow-Origin',  '*' ],
    [ 'Access-Control-Allow-Headers', 'origin, content-type, accept' ],
);

# Much of it is there to be dropped by a cache
my @NOISE = (
    [ 'P3P', 'policyref="/bitrix/p3p.xml", CP="NON DSP COR CUR ADM DEV PSA"' ],
    [ 'X-Powered-CMS', 'Bitrix Site Manager (bc2cad9153cb418b2dfd5602c3c3c754)' ],
    [ 'X-Bitrix-Rest-Time', '0.0502548218' ],
    [ 'X-Content-Type-Options', 'nosniff' ],
    [ 'Expires', 'Thu, 19 Nov 1981 08:52:00 GMT' ],
    [ 'Cache-Control', 'no-store, no-cache, must-revalidate' ],
    [ 'Pragma', 'no-cache' ],
    [ 'Last-Modified', 'Thu, 19 Nov 1981 08:52:00 GMT' ],
    [ 'Vary', 'Accept-Encoding' ],
);

# What a credential can be switched to, and what its calls are told then
my %REFUSAL = (
    revoked => [ 401, 'INVALID_CREDENTIALS', 'Invalid request credentials' ],
    unknown => [ 401, 'NO_AUTH_FOUND', 'Wrong authorization data' ],
    expired => [ 401, 'expired_token', 'The access token provided has expired.' ],
    scope   => [ 403, 'insufficient_scope',
                 'The request requires higher privileges than provided by the'
                 . ' webhook token' ],
    user    => [ 403, 'user_access_error',
                 'The user does not have acces to the application.' ],
    denied  => [ 403, 'ACCESS_DENIED',
                 'REST API is available only on commercial plans.' ],
    invalid => [ 403, 'INVALID_CREDENTIALS', 'Invalid request credentials' ],
);


# Parts: settings, limits, faults, methods, log

sub new ($class, %parts) {
    return bless { %parts, states => {} }, $class;
}


sub clear ($self) {
    $self->{states} = {};
}


sub known_state ($self, $state) {
    return $state eq 'ok' || exists $REFUSAL{$state};
}


sub set_state ($self, $credential, $state) {
    delete $self->{states}{$credential};
    $self->{states}{$credential} = $state if $state ne 'ok';
}


sub handle ($self, $request, $reply) {
    my $call = $self->route($request);

    $call->{start} = time;
    $self->identify($call, $request) if $call->{shape} =~ /^(?:webhook|oauth)$/;

    $self->{log}->received($call, $request);
    $reply->on_gone(sub { $self->{log}->aborted($call) });

    my $rule = $self->{faults}->for_request($call);

    if ($rule) {
        $call->{fault} = $rule->{kind};
        $reply->after($rule->{delay} // 0,
                      sub { $self->spoiled($rule, $call, $request, $reply) });
        return;
    }

    $self->deliver($call, $request, $reply, $self->answer($call, $request));
}


# --- the request

sub route ($self, $request) {
    my $path = url_decode($request->{path} =~ s/\+/%2B/gr);
    my $prefix = $self->{settings}{prefix};

    my ($rest) = $path =~ m{^\Q$prefix\E/rest(?:/+(.*))?$}s
        or return { shape => 'other', method => '', format => 'html' };

    my @parts = split m{/+}, $rest // '';

    return { shape => 'api', method => '', format => 'json' }
        if @parts && $parts[0] eq 'api';

    my %call = (shape => 'oauth', format => 'json', method => '');

    if (@parts >= 2 && $parts[0] =~ /^[0-9]{1,10}$/) {
        $call{shape} = 'webhook';
        @call{qw(owner code)} = splice @parts, 0, 2;
        $call{owner} += 0;
    }

    if (@parts == 1) {
        $call{method} = lc $parts[0];
        $call{format} = $1 if $call{method} =~ s/\.(json|xml)$//;
    }

    $call{params} = query_params($request->{query})->merge(
        body_params($request->{header}{'content-type'} // '', $request->{body}));

    $call{target} = $call{params}->get('userId');
    $call{commands} = commands($call{params}) if $call{method} eq 'batch';

    return \%call;
}


# Names in the parameters of batch are accepted in any case

sub commands ($params) {
    my ($name) = grep { lc $_ eq 'cmd' } $params->names;
    my $cmd = defined $name ? $params->get($name) : undef;

    return ref $cmd eq 'Portal::Map' ? $cmd : Portal::Map->of;
}


# Fills in user and credential (a name that is no secret), or refusal

sub identify ($self, $call, $request) {
    my $token = token_of($call, $request);

    if (defined $token) {
        my ($user, $n) = token_owner($token);
        $self->admitted($call, $token, $user, "token $user/$n")
            if defined $user;
        $call->{refusal} = $REFUSAL{unknown} if !defined $user;

    } elsif ($call->{shape} eq 'webhook') {
        my ($user, $code) = @{$call}{qw(owner code)};
        my $n = $self->{methods}->exists_user($user) && webhook_owner($user, $code);
        $self->admitted($call, "$user/$code", $user, "webhook $user/$n") if $n;
        $call->{refusal} = $REFUSAL{revoked} if !$n;

    } elsif (($request->{header}{cookie} // '') =~ /\bPHPSESSID=session-([0-9]{1,9})\b/
             && length $call->{params}->get('sessid'))
    {
        $self->admitted($call, "session-$1", $1 + 0, "session $1");

    } else {
        $call->{refusal} = $REFUSAL{unknown};
    }

    $call->{credential} //= 'none';
}


sub token_of ($call, $request) {
    return $1 if ($request->{header}{authorization} // '') =~ /^Bearer\s+(\S+)$/i;

    for my $name (qw(auth access_token)) {
        my $value = $call->{params}->get($name);
        return $value if defined $value && !ref $value && $value ne '';
    }

    return;
}


sub admitted ($self, $call, $secret, $user, $name) {
    my $state = $self->{states}{$secret};
    $state //= 'unknown' if !$self->{methods}->exists_user($user);

    $call->{credential} = $name;
    $call->{user} = $user;
    $call->{refusal} = $REFUSAL{$state} if defined $state;
}


# --- the answer: [status, headers, body]

sub answer ($self, $call, $request) {
    my $settings = $self->{settings};

    return page($call, $request) if $call->{shape} eq 'other';

    my $admitted = $self->{limits}->admit($request->{address});

    return $self->failure($call, 503, 'OVERLOAD_LIMIT',
                          'REST API is blocked due to overload.')
        if $settings->{overload};

    return $self->failure($call, 503, 'QUERY_LIMIT_EXCEEDED', 'Too many requests')
        if !$admitted;

    return $self->failure($call, 400, 'INVALID_REQUEST', 'Https required.')
        if $settings->{https_required} && !$request->{tls};

    return [ 200, [ @CORS ], '' ] if $request->{verb} eq 'OPTIONS';

    return $self->api_answer($call, $request)  if $call->{shape} eq 'api';
    return $self->echo_answer($call, $request) if $call->{method} eq 'test.echo';
    return $self->failure($call, @{ $call->{refusal} }) if $call->{refusal};

    my $outcome = $call->{method} eq 'batch'
                ? $self->batch($call) : $self->execute($call);

    return $self->failure($call, @{$outcome}{qw(status error error_description)})
        if defined $outcome->{error};

    return $self->envelope($call, $outcome);
}


sub execute ($self, $call) {
    my $limits = $self->{limits};
    my $settings = $self->{settings};
    my $billed = $call->{billed} // $call->{method};

    if ($limits->exhausted($call->{credential}, $billed)) {
        return { status => 429, error => 'OPERATION_TIME_LIMIT',
                 error_description =>
                     'Method is blocked due to operation time limit.' };
    }

    my $rule = $self->{faults}->for_method($call);

    my $outcome = $rule
        ? { status => $rule->{status} // 400, error => $rule->{error} // '0',
            error_description => $rule->{error_description} // 'Ordered by the test' }
        : $self->{methods}->execute($call);

    my $cost = $settings->{costs}{ $call->{method} } || $settings->{cost}
               || time - $call->{start};

    $limits->bill($call->{credential}, $billed, $cost);

    return $outcome;
}


sub envelope ($self, $call, $outcome) {
    if ($call->{format} eq 'xml') {
        return [ 200, [ $self->headers('text/xml; charset=utf-8') ],
                 xml_document($outcome) ];
    }

    my $body = '{"result":' . json_text($outcome->{result})
             . (defined $outcome->{total} ? qq(,"total":$outcome->{total}) : '')
             . ',"time":' . $self->time_text($call) . '}';

    return [ 200, [ $self->headers('application/json; charset=utf-8') ], $body ];
}


sub failure ($self, $call, $status, $error, $description) {
    if ($call->{format} eq 'xml') {
        return [ $status, [ $self->headers('text/xml; charset=utf-8') ],
                 xml_document({ error => $error, error_description => $description }) ];
    }

    return [ $status, [ $self->headers('application/json; charset=utf-8') ],
             json_text(Portal::Map->of(error => $error,
                                       error_description => $description)) ];
}


sub headers ($self, $type) {
    my $number = ++$self->{session};

    return ([ 'Content-Type', $type ], @CORS, @NOISE,
            [ 'Set-Cookie', 'qmb=0.; path=/' ],
            [ 'Set-Cookie', "PHPSESSID=answer-$number; path=/; HttpOnly" ]);
}


sub time_text ($self, $call) {
    return $self->{settings}{time} if $self->{settings}{time} ne '';

    my $finish = time;

    # "batch" has used nothing unless it is billed for its commands
    my ($sum, $reset) = $self->{limits}->operating($call->{credential},
                                                   $call->{billed} // $call->{method});

    return '{"start":' . stamp($call->{start})
         . ',"finish":' . stamp($finish)
         . ',"duration":' . float_text($finish - $call->{start})
         . ',"processing":' . float_text(($finish - $call->{start}) / 3)
         . ',"date_start":"' . date($call->{start})
         . '","date_finish":"' . date($finish)
         . qq(","operating_reset_at":$reset,"operating":) . float_text($sum) . '}';
}


sub stamp ($time) {
    return sprintf('%.6f', $time) =~ s/\.?0+$//r;
}


my ($date_second, $date_text) = (0, '');

sub date ($time) {
    my $second = int $time;

    if ($second != $date_second) {
        ($date_second, $date_text)
            = ($second, strftime('%Y-%m-%dT%H:%M:%S+02:00', gmtime $second + 7200));
    }

    return $date_text;
}


# --- batch

sub batch ($self, $call) {
    my ($name) = grep { lc $_ eq 'halt' } $call->{params}->names;
    my $halt = defined $name && php_true($call->{params}->get($name));

    my %part = map { $_ => Portal::Map->of } qw(result error total next time);
    my $count = 0;

    for my $key ($call->{commands}->names) {
        my $command = $call->{commands}->get($key);
        my $outcome;

        if (++$count > BATCH_MAX) {
            $outcome = { error => 'ERROR_BATCH_LENGTH_EXCEEDED',
                         error_description => 'Max batch length exceeded!' };

        } else {
            next if !defined $command || ref $command;
            $outcome = $self->command($call, $command, \%part);
        }

        if (defined $outcome->{error}) {
            $part{error}->set($key, Portal::Map->of(
                error             => $outcome->{error},
                error_description => $outcome->{error_description}));

            last if $halt;
            next;
        }

        $part{result}->set($key, $outcome->{result});
        $part{total}->set($key, \"$outcome->{total}") if defined $outcome->{total};
        $part{time}->set($key, \"$outcome->{time}");
    }

    return { result => Portal::Map->of(
        result       => $part{result},
        result_error => $part{error},
        result_total => $part{total},
        result_next  => $part{next},
        result_time  => $part{time},
    ) };
}


sub command ($self, $call, $command, $part) {
    my ($method, $query) = split /\?/, $command, 2;
    my $params = query_params($query // '');

    $method = lc $method;
    $method =~ s/\.json$//;

    if ($method eq 'batch') {
        return { error => 'ERROR_BATCH_METHOD_NOT_ALLOWED',
                 error_description => 'Method is not allowed for batch usage' };
    }

    for my $name ($params->names) {
        $params->set($name, referred($params->get($name), $part->{result}));
    }

    my $inner = {
        method     => $method,
        params     => $params,
        target     => $params->get('userId'),
        user       => $call->{user},
        credential => $call->{credential},
        start      => time,
        $self->{settings}{bill_batch} ? (billed => 'batch') : (),
    };

    my $outcome = $self->execute($inner);
    $outcome->{time} = $self->time_text($inner) if !defined $outcome->{error};

    return $outcome;
}


# $result[key][member] in a parameter: what an earlier command answered

sub referred ($value, $results) {
    return $value if ref $value;

    return look_up($1, $results) if $value =~ /^\$result((?:\[[^\[\]]*\])+)$/;

    $value =~ s{\$result((?:\[[^\[\]]*\])+)}
               {my $found = look_up($1, $results);
                ref $found eq 'SCALAR' ? $$found : ref $found ? '' : $found // ''}gex;

    return $value;
}


sub look_up ($path, $results) {
    my $at = $results;

    for my $key ($path =~ /\[([^\[\]]*)\]/g) {
        return undef if ref $at ne 'Portal::Map';
        $at = $at->get($key);
    }

    return ref $at eq 'SCALAR' ? $$at : $at;
}


sub php_true ($value) {
    return 0 if !defined $value;
    return $value->count > 0 if ref $value eq 'Portal::Map';
    return $$value eq 'true' if ref $value;
    return $value ne '' && $value ne '0';
}


# --- other answers

sub api_answer ($self, $call, $request) {
    my $result = Portal::Map->of(rest => 'v3', path => $request->{path});

    return $self->envelope({ %$call, credential => 'none' }, { result => $result });
}


# What arrived, so that "passed on untouched" can be proven. Needs no credential.

sub echo_answer ($self, $call, $request) {
    my $result = Portal::Map->of(
        method  => $call->{method},
        verb    => $request->{verb},
        target  => $request->{target},
        length  => \(length $request->{body}),
        sha256  => sha256_hex($request->{body}),
        headers => Portal::Map->list(
            map { Portal::Map->list(@$_) } @{ $request->{headers} }),
    );

    return $self->envelope($call, { result => $result });
}


sub page ($call, $request) {
    my ($status, $text) = $request->{path} eq '/'
        ? (200, 'Sample portal') : (404, '404 Not Found');

    return [ $status, [ [ 'Content-Type', 'text/html; charset=UTF-8' ] ],
             "<!DOCTYPE html>\n<html><head><title>$text</title></head>"
             . "<body><h1>$text</h1></body></html>\n" ];
}


sub xml_document ($members) {
    my $map = Portal::Map->of(map { ($_, $members->{$_}) }
                              grep { defined $members->{$_} }
                              qw(result total error error_description));

    return qq(<?xml version="1.0" encoding="utf-8" ?>\n)
           . '<response>' . xml_text($map) . '</response>';
}


sub xml_text ($value) {
    return '' if !defined $value;
    return $$value if ref $value eq 'SCALAR';

    if (!ref $value) {
        my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;');
        return $value =~ s/([&<>])/$entity{$1}/gr;
    }

    return join '', map {
        my $tag = /^[A-Za-z_]/ ? $_ : 'item';
        "<$tag>" . xml_text($value->get($_)) . "</$tag>";
    } $value->names;
}


# --- onto the wire

sub deliver ($self, $call, $request, $reply, $answer, %how) {
    my ($status, $headers, $body) = @$answer;
    my $settings = $self->{settings};

    if ($settings->{gzip} && $body ne ''
        && ($request->{header}{'accept-encoding'} // '') =~ /\bgzip\b/)
    {
        $body = gzip($body);
        $headers = [ @$headers, [ 'Content-Encoding', 'gzip' ] ];
    }

    $how{chunked} //= $settings->{chunked};
    $how{close} //= !$settings->{keep_alive};

    $self->{log}->answered($call, $status, length $body);

    $reply->send($status, $headers, $body, %how);
}


sub spoiled ($self, $rule, $call, $request, $reply) {
    my $kind = $rule->{kind};

    if ($kind eq 'hang') {
        return;
    }

    if ($kind eq 'close' || ($kind eq 'reset' && !defined $rule->{bytes})) {
        $self->{log}->answered($call, 0, 0);
        $kind eq 'close' ? $reply->close : $reply->reset;
        return;
    }

    if ($kind =~ /^(?:drip|truncate|reset)$/) {
        $self->mangled($rule, $call, $request, $reply);
        return;
    }

    my $answer = $kind eq 'latency' ? $self->answer($call, $request)
                                    : $self->false_answer($rule, $call, $request);

    $self->deliver($call, $request, $reply, $answer);
}


# The right answer, wrongly transmitted

sub mangled ($self, $rule, $call, $request, $reply) {
    my ($status, $headers, $body) = @{ $self->answer($call, $request) };
    my $kind = $rule->{kind};

    $self->{log}->answered($call, $status, length $body);

    my $head = $reply->text($status, $headers, '', length => length $body);

    if ($kind eq 'drip') {
        my %how = (size => $rule->{bytes} // 1, every => $rule->{every} // 0.01);

        if ($rule->{head}) {
            $reply->drip($head . $body, %how);

        } else {
            $reply->write($head);
            $reply->drip($body, %how);
        }

        return;
    }

    my $bytes = $rule->{bytes} // int(length($body) / 2);

    $reply->write($head . substr $body, 0, $bytes);

    $kind eq 'truncate' ? $reply->close : $reply->reset_later;
}


sub false_answer ($self, $rule, $call, $request) {
    my $kind = $rule->{kind};

    my @json = $self->headers('application/json; charset=utf-8');
    my @html = $self->headers('text/html; charset=UTF-8');

    if ($kind eq 'status') {
        my $status = $rule->{status} // 500;
        my @extra = map { [ @$_ ] } @{ $rule->{headers} // [] };

        return [ $status, [ @html, @extra ], html("Error $status") ]
            if ($rule->{body} // 'json') eq 'html';

        my $answer = $self->failure($call, $status,
                                    $rule->{error} // 'INTERNAL_SERVER_ERROR',
                                    $rule->{error_description}
                                    // 'Internal server error');

        push @{ $answer->[1] }, @extra;
        return $answer;
    }

    if ($kind eq 'error200') {
        return [ 200, \@json, json_text(Portal::Map->of(
            error             => $rule->{error} // 'ERROR_UNEXPECTED_ANSWER',
            error_description => $rule->{error_description}
                                 // 'Server returned an unexpected response')) ];
    }

    if ($kind eq 'redirect') {
        my $location = ($rule->{location} // '/') =~ s/%s/$request->{target}/r;

        return [ $rule->{status} // 302,
                 [ @html, [ 'Location', $location ] ], html('Moved') ];
    }

    return [ 200, \@html, html('Portal is being updated') ] if $kind eq 'html';

    return [ 200, \@json, '{"result":{"expired":{"counter":1,"co' ]
        if $kind eq 'malformed';

    if ($kind eq 'size') {
        my ($before, $after) = ('{"result":{"filler":"', '"},"total":1}');
        my $filler = ($rule->{bytes} // 1_000_000) - length($before . $after);

        return [ 200, \@json, $before . 'x' x $filler . $after ];
    }

    # body: as given
    return [ $rule->{status} // 200, $rule->{headers} // \@json,
             $rule->{body} // '' ];
}


sub html ($title) {
    return "<!DOCTYPE html>\n<html><head><title>$title</title></head>"
           . "<body><h1>$title</h1></body></html>\n";
}

1;
