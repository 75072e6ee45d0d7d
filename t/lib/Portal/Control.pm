# /_control/NAME: the portal as its tests (or a curious reader) steer it.
#
# Arguments come as a JSON object in a POST, or in the query of a GET; the answer
# is JSON, {"error": ...} with 400 when the request makes no sense. Nothing here
# counts as a call.
#
#   reset                       as just started; counters, rules and record gone
#   set        NAME: value ...  settings (Portal/Settings.pm names them all)
#   settings                    those in force
#   totals                      {calls, statuses: {"200": n, "503": n}, levels}
#   fault      kind, ...        a rule (Portal/Faults.pm); answers {"id": n}
#   faults                      rules with "applied": how often each was used
#   heal       id               drops a rule, or all without id
#   calls      filters, full    recorded calls (Portal/Log.pm); full: with
#                               parameters, commands, headers, body
#   count      filters          {"count": n}
#   forget                      empties the record
#   credential credential, state   "USER/CODE" or a token; state: ok, revoked,
#                               unknown, expired, scope, user, denied, invalid
#   bump       user             next revision, of one user's counters or of all
#   result     method, text, user, total   JSON text in place of the method's
#                               result (no text: the method's own again)
#   task       id, createdBy, responsibleId, accomplices, auditors; gone: 1
#   event      url, event, id, token, member_id, domain, fields, raw
#                               posts an outgoing webhook; answers its status
#   refuse                      stops listening, resets what is connected (needs
#                               the listener of --control to come back)
#   accept                      listens again

package Portal::Control;

use v5.36;

use Mojo::IOLoop;
use Mojo::JSON qw(encode_json decode_json);
use Mojo::URL;
use Mojo::UserAgent;

use Portal::Params qw(query_params);
use Portal::Settings qw(known_setting);

my %ACTION = map { $_ => __PACKAGE__->can("do_$_") }
    qw(reset set settings totals fault faults heal calls count forget credential
       bump result task event refuse accept);


# Parts: settings, limits, faults, methods, log, rest, initial (settings to go
# back to), listen and unlisten (code)

sub new ($class, %parts) {
    return bless { %parts }, $class;
}


sub handle ($self, $request, $reply) {
    my ($name) = $request->{path} =~ m{^/_control/([a-z]+)/?$};
    my $action = $ACTION{ $name // '' };

    my $answer = eval {
        die "no such control\n" if !$action;
        $action->($self, arguments($request), $reply);
    };

    if ($@) {
        respond($reply, 400, { error => $@ =~ s/\n\z//r });

    } elsif (defined $answer) {
        respond($reply, 200, $answer);
    }

    # otherwise the action answers by itself, later
}


sub respond ($reply, $status, $data) {
    $reply->send($status, [ [ 'Content-Type', 'application/json' ] ],
                 encode_json($data));
}


sub arguments ($request) {
    my $query = query_params($request->{query})->plain;
    my $body = $request->{body} eq '' ? {} : decode_json($request->{body});

    die "arguments are not an object\n" if ref $body ne 'HASH';

    return { %$query, %$body };
}


sub do_reset ($self, $args, $) {
    $self->{$_}->clear for qw(limits faults methods log rest);
    %{ $self->{settings} } = %{ $self->{initial} };
    $self->{settings}{costs} = {};

    return { ok => 1 };
}


sub do_set ($self, $args, $) {
    for my $name (sort keys %$args) {
        die "no such setting: $name\n" if !known_setting($name);
    }

    $self->{settings}{$_} = $args->{$_} for keys %$args;
    $self->{http}{keep_alive} = $self->{settings}{keep_alive};

    return { ok => 1 };
}


sub do_settings ($self, $args, $) {
    return { %{ $self->{settings} } };
}


sub do_totals ($self, $args, $) {
    return { %{ $self->{log}->totals }, levels => $self->{limits}->levels };
}


sub do_fault ($self, $args, $) {
    return { id => $self->{faults}->add(%$args) };
}


sub do_faults ($self, $args, $) {
    return { faults => $self->{faults}->list };
}


sub do_heal ($self, $args, $) {
    return { removed => $self->{faults}->remove($args->{id}) }
        if defined $args->{id};

    $self->{faults}->clear;
    return { ok => 1 };
}


sub do_calls ($self, $args, $) {
    my $full = delete $args->{full};
    my @calls = $self->{log}->find(%$args);

    return { calls => [ map { $full ? Portal::Log::whole($_)
                                    : Portal::Log::summary($_) } @calls ] };
}


sub do_count ($self, $args, $) {
    return { count => scalar $self->{log}->find(%$args) };
}


sub do_forget ($self, $args, $) {
    $self->{log}->clear;
    return { ok => 1 };
}


sub do_credential ($self, $args, $) {
    my $state = $args->{state} // 'revoked';

    die "no credential named\n" if !length $args->{credential};
    die "no such state: $state\n" if !$self->{rest}->known_state($state);

    $self->{rest}->set_state($args->{credential}, $state);
    return { ok => 1 };
}


sub do_bump ($self, $args, $) {
    if (defined $args->{user}) {
        $self->{methods}{bumped}{ $args->{user} }++;

    } else {
        $self->{settings}{revision}++;
    }

    return { ok => 1 };
}


sub do_result ($self, $args, $) {
    my $results = $self->{methods}{results};
    my $user = $args->{user} // '';

    die "no method named\n" if !length $args->{method};

    @$results = grep { $_->{method} ne lc $args->{method}
                       || ($_->{user} // '') ne $user } @$results;

    # one user's before everybody's
    my %put = (%$args, method => lc $args->{method});

    if (defined $args->{text}) {
        defined $args->{user} ? unshift @$results, \%put : push @$results, \%put;
    }

    return { ok => 1 };
}


sub do_task ($self, $args, $) {
    die "no task id\n" if !$args->{id};

    $self->{methods}{tasks}{ $args->{id} } = $args->{gone} ? 0 : {
        createdBy     => $args->{createdBy} // 1,
        responsibleId => $args->{responsibleId} // 1,
        accomplices   => $args->{accomplices} // [],
        auditors      => $args->{auditors} // [],
    };

    return { ok => 1 };
}


# As local-webhooks.md shows them. "fields" replaces what "id" would make,
# "raw" the whole body.

sub do_event ($self, $args, $reply) {
    die "no url\n" if !length $args->{url};

    my $body = $args->{raw} // event_body($args);

    $self->{agent} //= Mojo::UserAgent->new(insecure => 1, max_redirects => 0);

    my $tx = $self->{agent}->build_tx(
        POST => $args->{url},
        { 'Content-Type' => $args->{type} // 'application/x-www-form-urlencoded',
          'User-Agent' => 'Bitrix24 Webhook Engine' }, $body);

    $self->{agent}->start($tx => sub ($, $done) {
        my $error = $done->error;

        respond($reply, 200, {
            status => $done->res->code // 0,
            body   => $done->res->body,
            error  => $error && !$error->{code} ? $error->{message} : undef,
        });
    });

    return;
}


sub event_body ($args) {
    my $event = $args->{event} // 'ONTASKUPDATE';

    my $fields = $args->{fields}
        // ($event =~ /COMMENT/
            ? { 'FIELDS_AFTER][TASK_ID' => $args->{id} // 1,
                'FIELDS_AFTER][ID'      => 5001,
                'FIELDS_AFTER][MESSAGE_ID' => 5001 }
            : $event eq 'ONTASKDELETE'
            ? { 'FIELDS_BEFORE][ID' => $args->{id} // 1 }
            : { 'FIELDS_BEFORE][ID' => $args->{id} // 1,
                'FIELDS_AFTER][ID'  => $args->{id} // 1 });

    my @pairs = (
        event => $event,
        event_handler_id => 12,
        (map { ("data[$_]" => $fields->{$_}) } sort keys %$fields),
        ts => $args->{ts} // time,
        'auth[domain]' => $args->{domain} // 'portal.example',
        'auth[client_endpoint]' => 'https://portal.example/rest/',
        'auth[server_endpoint]' => 'https://oauth.example/rest/',
        'auth[member_id]' => $args->{member_id} // 'a223c6b3710f85df22e9377d6c4f7553',
        defined $args->{token}
            ? ('auth[application_token]' => $args->{token}) : (),
    );

    return Mojo::Parameters->new(@pairs)->to_string;
}


sub do_refuse ($self, $args, $) {
    # the answer must be out before its own connection may be reset
    Mojo::IOLoop->timer(0.05 => sub { $self->{http}->stop_listening });

    return { ok => 1 };
}


sub do_accept ($self, $args, $) {
    $self->{listen}->();

    return { ok => 1 };
}

1;
