# The sample portal's credentials. They are functions of the user's number, so
# that a test (or a reader of quickstart) can name any of them without asking:
#
#   webhook_code(5)      code of user 5's incoming webhook, 16 characters
#   webhook_code(5, 2)   of the user's second webhook (up to WEBHOOKS of them)
#   access_token(5)      an OAuth access token of user 5
#   access_token(5, 2)   another one: another application or another hour

package Portal::Secrets;

use v5.36;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);

use constant WEBHOOKS => 4;

our @EXPORT_OK = qw(webhook_code access_token webhook_owner token_owner
                    WEBHOOKS);

# Digests are not free, and the portal checks one with every call
my %codes;
my %tokens;


sub webhook_code ($user, $n = 1) {
    return substr sha256_hex("webhook $n of user $user"), 0, 16;
}


sub access_token ($user, $n = 1) {
    return "$user-$n-" . substr sha256_hex("token $n of user $user"), 0, 40;
}


# The number of the webhook among the user's own, 0 if the code is wrong

sub webhook_owner ($user, $code) {
    $codes{$user} //= { map { webhook_code($user, $_) => $_ } 1 .. WEBHOOKS };

    return $codes{$user}{$code} // 0;
}


# (user, number), nothing if there is no such token

sub token_owner ($token) {
    my ($user, $n) = $token =~ /^([1-9][0-9]{0,8})-([1-9][0-9]{0,5})-[0-9a-f]{40}$/
        or return;

    $tokens{"$user-$n"} //= access_token($user, $n);

    return $tokens{"$user-$n"} eq $token ? ($user, $n) : ();
}

1;
