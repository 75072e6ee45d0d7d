# Who uses whom in the sources, and how long things are.
#
#   my @complaints = Counters::Structure::complaints(
#       root    => $root,       # has src/ and t/
#       objects => $folder,     # folder/file.o, compiled from src/folder/file.c
#       rules   => { folder => [what it may use], ... },
#       foreign => { 'header or its folder' => [folders that may include it] },
#       limits  => { file => lines, function => lines },
#       names   => 1,           # the prefix of external names is their file's
#       except  => { 'what is complained about' => 'why it reads better so' });
#
# What a folder may use is a list of folders ("core"), and of files
# ("http/conf.h"). Includes are read from the sources, calls and data from the
# objects' tables of symbols, so that macros and inline functions count for those
# who use them. A header is a file of its own: it may tell types to the parts from
# which its .c is made.

package Counters::Structure;

use v5.36;

use File::Basename qw(basename dirname);
use File::Find qw(find);

# nginx finds a module's configurations by it; it calls nothing
my $IDENTITY = 'ngx_http_counters_module';


sub complaints (%how) {
    my @sources = sources($how{root});
    my @uses = (includes(@sources), symbols(\%how, @sources));

    my %found = (upward(\%how, @uses), foreign(\%how, @sources),
                 circles(@uses), too_long(\%how));

    %found = (%found, misnamed(\%how, @sources)) if $how{names};

    my $except = $how{except} // {};
    my @needless = map { "the exception for $_ is needed no longer" }
                   grep { !$found{$_} } keys %$except;

    return sort @needless,
           map { $found{$_} } grep { !$except->{$_} } keys %found;
}


# --- what there is

# Of src/: { path => folder/file, folder, name, text }

sub sources ($root) {
    return map {
        +{ path => basename(dirname($_)) . '/' . basename($_),
           folder => basename(dirname($_)), name => basename($_),
           text => slurp($_) }
    } sort glob "$root/src/*/*.[ch]";
}


sub slurp ($file) {
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return <$in> // '';
}


# { from, to, how }: both are folder/file

sub includes (@sources) {
    my %path = map { $_->{name} => $_->{path} } @sources;
    my @uses;

    for my $source (@sources) {
        for my $name ($source->{text} =~ /^\s*#\s*include\s+["<]([^">]+)/mg) {
            push @uses, { from => $source->{path}, to => $path{$name},
                          how => 'includes it' } if $path{$name};
        }
    }

    return @uses;
}


sub symbols ($how, @sources) {
    my (%definer, @wanted, @uses);

    for my $source (units(@sources)) {
        my $symbols = read_symbols($how, $source);

        $definer{$_} = $source->{path} for @{ $symbols->{defined} };
        push @wanted, map { [ $source->{path}, $_ ] }
                      @{ $symbols->{undefined} };
    }

    delete $definer{$IDENTITY};

    for my $wanted (@wanted) {
        my ($from, $symbol) = @$wanted;

        push @uses, { from => $from, to => $definer{$symbol},
                      how => "uses $symbol" } if $definer{$symbol};
    }

    return @uses;
}


sub units (@sources) {
    return grep { $_->{name} =~ /\.c$/ } @sources;
}


sub read_symbols ($how, $source) {
    my $object = "$how->{objects}/" . $source->{path} =~ s/\.c$/.o/r;
    my %symbols = (defined => [], undefined => []);

    -e $object or die "$object is not there\n";
    open my $nm, '-|', 'nm', $object or die "nm: $!\n";

    while (<$nm>) {
        my ($type, $name) = /\b([A-Z]) (\w+)$/ or next;
        push @{ $symbols{ $type eq 'U' ? 'undefined' : 'defined' } }, $name;
    }

    close $nm or die "nm cannot read $object\n";
    return \%symbols;
}


# --- who may use whom

sub upward ($how, @uses) {
    my %found;

    for my $use (@uses) {
        next if allowed($how->{rules}, $use->{from}, $use->{to});

        my $key = "$use->{from} -> $use->{to}";
        $found{$key} //= "$key points up or aside ($use->{how})";
    }

    return %found;
}


sub allowed ($rules, $from, $to) {
    my ($folder, $other) = map { dirname($_) } $from, $to;

    my $may = $rules->{$folder} or return 0;

    return $folder eq $other
           || grep { $_ eq $other || stem($_) eq stem($to) } @$may;
}


sub stem ($path) {
    return $path =~ s/\.[ch]$//r;
}


# Headers of others: the longest name of the list that fits decides

sub foreign ($how, @sources) {
    my %foreign = %{ $how->{foreign} };
    my %own = map { $_->{name} => 1 } @sources;
    my @known = sort { length $b <=> length $a } keys %foreign;
    my %found;

    for my $source (@sources) {
        for my $header ($source->{text} =~ /^\s*#\s*include\s+<([^>]+)/mg) {
            my ($known) = grep { $header =~ /^\Q$_\E/ } @known;
            next if !$known || $own{$header}
                    || grep { $_ eq $source->{folder} } @{ $foreign{$known} };

            my $key = "$source->{path} -> <$header>";
            $found{$key} = "$key is not for this folder";
        }
    }

    return %found;
}


# --- circles

# Each is found once, named by its files in order

sub circles (@uses) {
    my (%next, %how, %found);

    for my $use (@uses) {
        next if $use->{from} eq $use->{to};
        $next{ $use->{from} }{ $use->{to} } = 1;
        $how{"$use->{from} $use->{to}"} //= $use->{how};
    }

    for my $file (sort keys %next) {
        my @way = shortest_way(\%next, $file) or next;
        next if $file ne (sort @way)[0];

        my $key = join ' -> ', @way, $file;
        my @ring = (@way, $file);
        my @steps = map { "    $ring[$_ - 1] " . $how{"@ring[$_ - 1, $_]"}
                          . " of $ring[$_]" } 1 .. $#ring;

        $found{$key} = join "\n", "circle: $key", @steps;
    }

    return %found;
}


# From a file back to itself, without the last step

sub shortest_way ($next, $file) {
    my @ways = [ $file ];
    my %seen;

    while (my $way = shift @ways) {
        for my $to (sort keys %{ $next->{ $way->[-1] } // {} }) {
            return @$way if $to eq $file;
            push @ways, [ @$way, $to ] if !$seen{$to}++;
        }
    }

    return;
}


# --- lengths

sub too_long ($how) {
    my %found;

    for my $file (measured($how->{root})) {
        my $name = $file =~ s{^\Q$how->{root}\E/}{}r;
        my @lines = slurp($file) =~ /^(.*)\n/mg;

        if (@lines > $how->{limits}{file}) {
            $found{$name} = "$name has " . @lines . ' lines';
        }

        for my $function (functions(@lines)) {
            next if $function->{lines} <= $how->{limits}{function};

            my $key = "$name $function->{name}()";
            $found{$key} = "$key has $function->{lines} lines";
        }
    }

    return %found;
}


sub measured ($root) {
    my @files;

    find({ no_chdir => 1, wanted => sub {
        push @files, $_ if -f && /\.(?:[ch]|pm|pl|t)$/
                                 || -f && m{/t/\w+$};
    } }, grep { -d } "$root/src", "$root/t");

    return sort @files;
}


# Of C in nginx's form, where "{" stands alone at the start of a line, and of
# Perl; from the name to the brace that ends it

sub functions (@lines) {
    my (@found, $name, $start, $inside);

    for my $n (0 .. $#lines) {
        local $_ = $lines[$n];

        if (/^(sub )(\w+)/ || /^(?:\w[\w\s*]*[\s*])?()(\w+)\(/) {
            ($inside, $name, $start) = ($1, $2, $n);

        } elsif (/^\{/) {
            $inside = 1;

        } elsif (!$inside && /;$/) {
            # it was a prototype
            undef $name;
        }

        if (/^\}/ && $inside && defined $name) {
            push @found, { name => $name, lines => $n - $start + 1 };
            undef $name;
        }
    }

    return @found;
}


# --- names

sub misnamed ($how, @sources) {
    my %found;

    for my $source (units(@sources)) {
        my $prefix = basename($source->{name}, '.c');

        for my $name (@{ read_symbols($how, $source)->{defined} }) {
            next if $name eq $prefix || $name =~ /^\Q$prefix\E_/;

            my $key = "$source->{path} $name";
            $found{$key} = "$key does not begin with the name of its file";
        }
    }

    return %found;
}


1;
