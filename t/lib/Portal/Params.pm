# What PHP makes of a query string or a body: $_GET, $_POST, JSON.

package Portal::Params;

use v5.36;

use Exporter qw(import);

use Portal::Json qw(json_value);
use Portal::Map;

our @EXPORT_OK = qw(query_params body_params url_decode);


sub url_decode ($text) {
    $text =~ tr/+/ /;
    $text =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
    return $text;
}


sub query_params ($query) {
    my $params = Portal::Map->of;

    for my $pair (split /&/, $query) {
        next if $pair eq '';

        my ($name, $value) = split /=/, $pair, 2;
        assign($params, url_decode($name), url_decode($value // ''));
    }

    return $params;
}


# "a[b][]" names a place inside an array; dots and spaces of the outer name
# become underscores; the last of several equal names wins

sub assign ($params, $name, $value) {
    $name =~ s/^ +//;

    my ($outer, $rest) = $name =~ /^([^\[]+)((?:\[[^\]]*\])*)/s or return;
    $outer =~ tr/. /__/;

    my $map = $params;
    my @path = ($outer, $rest =~ /\[([^\]]*)\]/gs);
    my $last = pop @path;

    for my $key (@path) {
        $key = $map->{next} if $key eq '';
        my $inner = $map->get($key);

        if (!ref $inner || ref $inner ne 'Portal::Map') {
            $inner = Portal::Map->of;
            $map->set($key, $inner);
        }

        $map = $inner;
    }

    if ($last eq '') {
        $map->append($value);

    } else {
        $map->set($last, $value);
    }
}


# A body of a type that is not known is read as a query string

sub body_params ($type, $body) {
    return Portal::Map->of if $body eq '';

    if ($type =~ m{^application/json\s*(?:;|$)}) {
        my $value = eval { json_value($body) };
        return ref $value eq 'Portal::Map' ? $value : Portal::Map->of;
    }

    if ($type =~ m{^multipart/form-data\b.*?\bboundary=(?:"([^"]+)"|([^;\s]+))}i) {
        return multipart_params($1 // $2, $body);
    }

    return query_params($body);
}


sub multipart_params ($boundary, $body) {
    my $params = Portal::Map->of;

    for my $part (split /(?:^|\r\n)--\Q$boundary\E(?:--)?[ \t]*(?:\r\n|\z)/, $body) {
        my ($head, $value) = split /\r\n\r\n/, $part, 2;

        next if !defined $value || $head =~ /\bfilename=/i;
        next if $head !~ /^content-disposition:\s*form-data\b.*?\bname="([^"]*)"/im;

        assign($params, $1, $value);
    }

    return $params;
}

1;
