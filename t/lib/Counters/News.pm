# What the nodes that share a Redis tell each other, as one of them would.
#
#   news($secret, $channel, $node, 's u 5 1700000000000')    the signed message

package Counters::News;

use v5.36;

use Digest::SHA qw(hmac_sha256);
use Exporter qw(import);

our @EXPORT = qw(news);


sub news ($secret, $channel, $node, $body) {
    my @parts = ('news', $channel, " $node $body");
    my $mac = hmac_sha256(join('', 'p', pack('Q>', scalar @parts),
                               map { pack('Q>', length) . $_ } @parts), $secret);

    return substr(unpack('H*', $mac), 0, 16) . " $node $body";
}

1;
