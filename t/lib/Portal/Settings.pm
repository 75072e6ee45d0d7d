# What can be set on the command line and, while the portal runs, by
# /_control/set. One table: name => default.

package Portal::Settings;

use v5.36;

use Exporter qw(import);

our @EXPORT_OK = qw(defaults known_setting);

my %DEFAULT = (
    users            => 10_000,  # users 1..N exist
    admins           => 1,       # users 1..N of them are administrators
    groups           => 1000,    # groups 1..N exist
    prefix           => '',      # before /rest/, as "/portal"

    rate             => 2,       # taken from the bucket per second; 0: no limit
    burst            => 50,      # threshold of the bucket
    count_refused    => 0,       # do refused requests fill the bucket too?
    overload         => 0,       # 503 OVERLOAD_LIMIT to everybody
    operating_limit  => 480,     # seconds of execution; 0: no limit
    operating_window => 600,     # ... per so many seconds
    operating_basket => 60,      # ... summed in baskets of so many
    cost             => 0,       # seconds that each call is billed
    costs            => {},      # the same per method
    bill_batch       => 0,       # bill a batch's commands to "batch"

    change           => 0,       # counters change every so many seconds
    revision         => 0,       # added to what "change" makes of the time
    time             => '',      # JSON text put as "time" into every answer

    https_required   => 0,       # 400 INVALID_REQUEST over plain http
    chunked          => 0,       # answers without Content-Length
    gzip             => 0,       # answers compressed for those who accept it
    keep_alive       => 60,      # idle connections are closed after so long
);


sub defaults () {
    return { %DEFAULT, costs => {} };
}


sub known_setting ($name) {
    return exists $DEFAULT{$name};
}

1;
