# Faults to order. A rule says which calls it spoils and how:
#
#   kind      latency    nothing else than "delay"
#             status     "status" (500) with a body: "json" (default) or "html"
#             error      the method itself fails, inside a batch too: "status",
#                        "error", "error_description"
#             error200   200 with "error" beside no result
#             malformed  200, JSON that breaks off
#             html       200 with a page
#             redirect   "status" (302), "location" ("%s" in it: the target)
#             size       an answer of "bytes" bytes, valid JSON
#             body       "status", "headers" [[name, value], ...], "body", as given
#             drip       the right answer, "bytes" at a time, "every" seconds;
#                        "head": the header drips as well
#             truncate   the right header, but only "bytes" of the body (half)
#             reset      TCP reset, after "bytes" of the answer if given
#             close      closed without an answer
#             hang       no answer at all, the connection stays open
#
#   delay     seconds before the answer, with any kind; holds nobody else up
#   method, user, target, shape, verb    only such calls. "user" is the caller's,
#             "target" the userId asked about; a call of batch has method "batch"
#   times     only that many calls, skip: not the first so many, chance: 0..1
#
# The first rule that fits is the one applied.

package Portal::Faults;

use v5.36;

my %KINDS = map { $_ => 1 }
    qw(latency status error error200 malformed html redirect size body drip
       truncate reset close hang);

my @FILTERS = qw(method user target shape verb);


sub new ($class) {
    return bless { rules => [], last => 0 }, $class;
}


sub clear ($self) {
    $self->{rules} = [];
}


# Returns the rule's number; dies if it is not one

sub add ($self, %rule) {
    die "unknown kind of fault\n" if !$KINDS{ $rule{kind} // '' };

    $rule{method} = lc $rule{method} if defined $rule{method};
    $rule{id} = ++$self->{last};
    $rule{applied} = 0;

    push @{ $self->{rules} }, \%rule;

    return $rule{id};
}


sub remove ($self, $id) {
    my $before = @{ $self->{rules} };
    $self->{rules} = [ grep { $_->{id} != $id } @{ $self->{rules} } ];

    return $before - @{ $self->{rules} };
}


sub list ($self) {
    return [ map { +{ %$_ } } @{ $self->{rules} } ];
}


# Faults of a method act where it is executed; all others on the connection

sub for_request ($self, $call) {
    return $self->first($call, sub ($rule) { $rule->{kind} ne 'error' });
}


sub for_method ($self, $call) {
    return $self->first($call, sub ($rule) { $rule->{kind} eq 'error' });
}


sub first ($self, $call, $wanted) {
    for my $rule (@{ $self->{rules} }) {
        next if !$wanted->($rule) || !fits($rule, $call);

        if ($rule->{skip}) {
            $rule->{skip}--;
            next;
        }

        next if defined $rule->{chance} && rand() >= $rule->{chance};

        if (defined $rule->{times}) {
            next if $rule->{times} <= 0;
            $rule->{times}--;
        }

        $rule->{applied}++;
        return $rule;
    }

    return;
}


sub fits ($rule, $call) {
    for my $filter (@FILTERS) {
        next if !defined $rule->{$filter};
        return 0 if ($call->{$filter} // '') ne $rule->{$filter};
    }

    return 1;
}

1;
