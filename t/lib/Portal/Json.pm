# JSON as PHP writes it and reads it.
#
# Written by hand, because the cache must keep the portal's text byte for byte
# and the tests have to know that text: json_encode() escapes "/" and everything
# beyond ASCII, and it prints floats with up to 17 digits. Read by hand, because
# the order of members matters in "cmd" of a batch.

package Portal::Json;

use v5.36;

use Exporter qw(import);

use Portal::Map;

our @EXPORT_OK = qw(json_text json_value float_text);

my %ESCAPE = (
    '"'  => '\"',  '\\' => '\\\\', '/'  => '\/',  "\b" => '\b',
    "\f" => '\f',  "\n" => '\n',   "\r" => '\r',  "\t" => '\t',
);

my %PLAIN = (
    '"' => '"', '\\' => '\\', '/' => '/',
    b => "\b", f => "\f", n => "\n", r => "\r", t => "\t",
);


sub json_text ($value) {
    return 'null'         if !defined $value;
    return string($value) if !ref $value;
    return $$value        if ref $value eq 'SCALAR';

    if ($value->is_list) {
        return '[' . join(',', map { json_text($value->get($_)) }
                               $value->names) . ']';
    }

    return '{' . join(',', map { string($_) . ':' . json_text($value->get($_)) }
                           $value->names) . '}';
}


sub string ($bytes) {
    if ($bytes !~ m{[^\x20-\x7e]|["\\/]}) {
        return qq("$bytes");
    }

    my $text = $bytes;
    utf8::decode($text);

    $text =~ s{(["\\/\x08\x0c\n\r\t])|([^\x20-\x7e])}
              {defined $1 ? $ESCAPE{$1} : unicode(ord $2)}ge;

    return qq("$text");
}


sub unicode ($code) {
    return sprintf '\u%04x', $code if $code < 0x10000;

    $code -= 0x10000;
    return sprintf '\u%04x\u%04x',
                   0xd800 + ($code >> 10), 0xdc00 + ($code & 0x3ff);
}


# The shortest text that reads back as the same double, as PHP prints it:
# 0.05025482177734375, 6.4849853515625e-5, 1.0e-6

sub float_text ($number) {
    my $text;

    for my $digits (15 .. 17) {
        $text = sprintf "%.${digits}g", $number;
        last if $text == $number;
    }

    $text =~ s/e([-+])0*(\d)/e$1$2/ and $text =~ s/^(-?\d)e/$1.0e/;

    return $text;
}


# Returns the value, or dies with a reason. A number stays the text it was.

sub json_value ($text) {
    my $value = eval {
        local $_ = $text;
        pos = 0;

        my $top = value(0);
        /\G[ \t\r\n]*\z/gc or die "trailing characters\n";

        \$top;
    };

    die 'not JSON: ' . $@ if !$value;
    return $$value;
}


sub value ($depth) {
    die "nested too deeply\n" if $depth > 100;

    /\G[ \t\r\n]*/gc;

    return members($depth)  if /\G\{/gc;
    return elements($depth) if /\G\[/gc;
    return text()           if /\G"/gc;
    return "$1" if /\G(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)/gc;
    return \'true'  if /\Gtrue/gc;
    return \'false' if /\Gfalse/gc;
    return undef    if /\Gnull/gc;

    die 'unexpected character at ' . pos() . "\n";
}


sub members ($depth) {
    my $map = Portal::Map->of;

    return $map if /\G[ \t\r\n]*\}/gc;

    while (1) {
        /\G[ \t\r\n]*"/gc or die "a member's name is missing\n";
        my $name = text();

        /\G[ \t\r\n]*:/gc or die "a colon is missing\n";
        $map->set($name, value($depth + 1));

        next        if /\G[ \t\r\n]*,/gc;
        return $map if /\G[ \t\r\n]*\}/gc;

        die "an object does not end\n";
    }
}


sub elements ($depth) {
    my $map = Portal::Map->of;

    return $map if /\G[ \t\r\n]*\]/gc;

    while (1) {
        $map->append(value($depth + 1));

        next        if /\G[ \t\r\n]*,/gc;
        return $map if /\G[ \t\r\n]*\]/gc;

        die "a list does not end\n";
    }
}


sub text () {
    my $out = '';

    while (1) {
        $out .= $1 if /\G([^"\\\x00-\x1f]+)/gc;

        return $out if /\G"/gc;

        if (/\G\\(["\\\/bfnrt])/gc) {
            $out .= $PLAIN{$1};

        } elsif (/\G\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})/gc) {
            $out .= utf8_bytes(0x10000 + ((hex($1) - 0xd800) << 10)
                               + hex($2) - 0xdc00);

        } elsif (/\G\\u([0-9a-fA-F]{4})/gc) {
            my $code = hex $1;
            die "a lone surrogate\n" if $code >= 0xd800 && $code < 0xe000;
            $out .= utf8_bytes($code);

        } else {
            die "a string does not end\n";
        }
    }
}


sub utf8_bytes ($code) {
    my $char = chr $code;
    utf8::encode($char);
    return $char;
}

1;
