# SPDX-License-Identifier: GPL-3.0-or-later
# Verifies a message on standard input with Mail::DKIM, asking the name server at 127.0.0.1 and the port given:
#   perl verify.pl dkim|arc PORT      prints one line for each signature: result, domain, algorithm.
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Mail::DKIM::ARC::Verifier;
use Net::DNS;

my ($kind, $port) = @ARGV;
my $resolver = Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port, recurse => 1, udp_timeout => 5);
Mail::DKIM::DNS::resolver($resolver);
my $verifier = $kind eq 'arc' ? Mail::DKIM::ARC::Verifier->new() : Mail::DKIM::Verifier->new();
binmode STDIN;
while (<STDIN>) {
    s/\r?\n\z//;
    $verifier->PRINT("$_\r\n");
}
$verifier->CLOSE;
if ($kind eq 'arc') {
    print $verifier->result, ' ', $verifier->result_detail, "\n";
} else {
    foreach my $signature ($verifier->signatures) {
        print $signature->result_detail, ' ', $signature->domain, ' ', $signature->algorithm, "\n";
    }
}
