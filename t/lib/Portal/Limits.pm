# The portal's two limits (limits.md of the REST documentation).
#
# Rate: a leaky bucket per source address. Every request adds one, once a second
# the portal takes "rate" away, and what would exceed "burst" is refused.
#
# Operating: the time that a method took for a credential, summed in one-minute
# baskets. Each basket leaves the sum ten minutes after its first call. The sum
# is looked at before a call, so the one that crosses the limit still succeeds.
#
# Settings (see Portal::Settings): rate, burst, count_refused, operating_limit,
# operating_window, operating_basket.

package Portal::Limits;

use v5.36;

use Time::HiRes qw(time);


sub new ($class, $settings) {
    return bless { settings => $settings, buckets => {}, baskets => {} }, $class;
}


sub clear ($self) {
    $self->{buckets} = {};
    $self->{baskets} = {};
}


# False if this request is one too many

sub admit ($self, $address) {
    my $settings = $self->{settings};

    return 1 if !$settings->{rate};

    my $second = int time;
    my $bucket = $self->{buckets}{$address} //= { level => 0, second => $second };

    # the decrement comes at once, at the turn of the second
    $bucket->{level} -= $settings->{rate} * ($second - $bucket->{second});
    $bucket->{level} = 0 if $bucket->{level} < 0;
    $bucket->{second} = $second;

    my $full = $bucket->{level} + 1 > $settings->{burst};

    $bucket->{level}++ if !$full || $settings->{count_refused};

    return !$full;
}


sub levels ($self) {
    return { map { $_ => $self->{buckets}{$_}{level} } keys %{ $self->{buckets} } };
}


# The sum so far and the time at which its oldest part is forgotten

sub operating ($self, $credential, $method) {
    my $now = time;
    my $window = $self->{settings}{operating_window};
    my $baskets = $self->{baskets}{"$credential $method"} //= [];

    shift @$baskets while @$baskets && $baskets->[0]{start} + $window <= $now;

    my $sum = 0;
    $sum += $_->{sum} for @$baskets;

    return ($sum, int((@$baskets ? $baskets->[0]{start} : $now) + $window));
}


sub exhausted ($self, $credential, $method) {
    my $limit = $self->{settings}{operating_limit} or return 0;
    my ($sum) = $self->operating($credential, $method);

    return $sum > $limit;
}


sub bill ($self, $credential, $method, $seconds) {
    my $now = time;
    my $baskets = $self->{baskets}{"$credential $method"} //= [];

    if (!@$baskets
        || $baskets->[-1]{start} + $self->{settings}{operating_basket} <= $now)
    {
        push @$baskets, { start => $now, sum => 0 };
    }

    $baskets->[-1]{sum} += $seconds;
}

1;
