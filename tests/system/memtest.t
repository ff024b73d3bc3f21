#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# A guest that others wrote: Debian's memtest86+, unmodified, completes a whole pass over its memory without an error, in
# the configuration that `make run` boots.
use strict;
use warnings;
use Slat;
use Test::More;

my $conf = slurp('guest-stubs/sample.conf');
my $run = boot(conf => $conf, options => [ '--timeout', 1200 ]);

is $run->{status}, 0, 'pass';
guest_tap_ok($run, 'hello');
ended_ok($run, 'memtest', 'expect-seen', qr/Pass:  1\*Errors: 0/);
my @lines = @{ $run->{guest}{memtest}{lines} // [] };
ok((grep { /Memtest86\+/ } @lines), 'it introduced itself');
ok((grep { /Test #10 / } @lines), 'it came to its last test');
ok((grep { /Pass:  1 +Errors: 0/ } @lines), 'the line that was expected is shown');
unlike "@lines", qr/Errors: [1-9]/, 'it found no error';
unlike $run->{serial} =~ s/^.*?slat: //sr, qr/\e/, 'none of its escape sequences reaches the terminal';
done_testing;
