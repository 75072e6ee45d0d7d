# A certificate authority of the test's own, made by the openssl command.
#
#   my $ca = Counters::Tls->new($dir);            # $ca->file is the PEM to trust
#   my $pair = $ca->certificate;                  # {cert, key}: localhost, 127.0.0.1
#   my $pair = $ca->certificate(name => 'other', hosts => ['DNS:other.test']);
#   my $pair = $ca->certificate(name => 'old', expired => 1);

package Counters::Tls;

use v5.36;

use IPC::Run qw(run);


sub new ($class, $dir) {
    my $self = bless { dir => $dir }, $class;

    $self->openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
                   'ec_paramgen_curve:prime256v1', '-nodes', '-days', 30,
                   '-subj', '/CN=Test authority', '-keyout', "$dir/ca.key",
                   '-out', "$dir/ca.pem");

    return $self;
}


sub file ($self) {
    return "$self->{dir}/ca.pem";
}


sub certificate ($self, %of) {
    my $name = $of{name} // 'localhost';
    my @hosts = @{ $of{hosts} // [ 'DNS:localhost', 'IP:127.0.0.1' ] };
    my $base = "$self->{dir}/$name";

    open my $extensions, '>', "$base.ext" or die "$base.ext: $!";
    print $extensions 'subjectAltName=', join(',', @hosts), "\n";
    close $extensions;

    $self->openssl('req', '-newkey', 'ec', '-pkeyopt',
                   'ec_paramgen_curve:prime256v1', '-nodes',
                   '-subj', "/CN=$name", '-keyout', "$base.key",
                   '-out', "$base.csr");

    # a validity of no days has run out by the time that it is looked at
    $self->openssl('x509', '-req', '-in', "$base.csr",
                   '-CA', $self->file, '-CAkey', "$self->{dir}/ca.key",
                   '-CAcreateserial', '-days', $of{expired} ? 0 : 30,
                   '-extfile', "$base.ext", '-out', "$base.pem");

    return { cert => "$base.pem", key => "$base.key" };
}


sub openssl ($self, @arguments) {
    my $output;

    run([ 'openssl', @arguments ], '<', \undef, '>&', \$output)
        or die "openssl @arguments: $output";
}

1;
