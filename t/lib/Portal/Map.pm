# A PHP array: ordered, keyed, list and map at once.
#
# The portal is written in PHP, and its answers show it: an empty map is
# printed as [], a map whose keys are 0, 1, 2... as a list. Every structure
# that the sample portal reads or prints is therefore one of these.
#
#   my $m = Portal::Map->of(a => 1, b => 'x');    # members in this order
#   my $l = Portal::Map->list('x', 'y');
#   my $o = Portal::Map->object;                  # stays {} when empty
#
# Values: undef is null, a plain scalar is a string, a reference to a scalar is
# JSON text as it stands (\12, \'true'), anything else is a Portal::Map.

package Portal::Map;

use v5.36;


sub of ($class, @pairs) {
    my $self = bless { keys => [], of => {}, next => 0 }, $class;

    while (@pairs) {
        $self->set(splice @pairs, 0, 2);
    }

    return $self;
}


sub list ($class, @values) {
    my $self = $class->of;
    $self->append($_) for @values;
    return $self;
}


sub object ($class, @pairs) {
    my $self = $class->of(@pairs);
    $self->{object} = 1;
    return $self;
}


sub set ($self, $key, $value) {
    push @{ $self->{keys} }, $key if !exists $self->{of}{$key};
    $self->{of}{$key} = $value;

    if ($key =~ /^(?:0|[1-9][0-9]{0,17})$/ && $key >= $self->{next}) {
        $self->{next} = $key + 1;
    }

    return $self;
}


sub append ($self, $value) {
    return $self->set($self->{next}, $value);
}


sub get ($self, $key) {
    return $self->{of}{$key};
}


sub has ($self, $key) {
    return exists $self->{of}{$key};
}


sub names ($self) {
    return @{ $self->{keys} };
}


sub count ($self) {
    return scalar @{ $self->{keys} };
}


# array_merge() of two maps with string keys: the other one wins

sub merge ($self, $other) {
    $self->set($_, $other->get($_)) for $other->names;
    return $self;
}


sub is_list ($self) {
    return 0 if $self->{object};

    my $i = 0;

    for my $key (@{ $self->{keys} }) {
        return 0 if $key ne $i++;
    }

    return 1;
}


# As ordinary Perl data, for the record of calls

sub plain ($self) {
    my %plain;

    for my $key ($self->names) {
        my $value = $self->get($key);

        $plain{$key} = !ref $value             ? $value
                     : ref $value eq 'SCALAR'  ? $$value
                     :                           $value->plain;
    }

    return $self->count && $self->is_list
        ? [ map { $plain{$_} } $self->names ] : \%plain;
}

1;
