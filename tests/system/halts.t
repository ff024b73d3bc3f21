#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests that halt: clocks that go on do not wake who has interrupts off, an NMI does, and a single step behind HLT.
use strict;
use warnings;
use Slat;
use Test::More;

# At 0x8000 in real mode, SP = 0x8000.
my $pit = "\xb0\x34\xe6\x43" . "\xb0\xff\xe6\x40\xe6\x40" . "\xb0\xfe\xe6\x21"; # 18 times a second, let through by the PIC
my $deaf = "\xfa$pit\xf4\xeb\xfd";                                               # cli; …; hlt; again
# The handler of #DB, behind the code at 0x8000, writes 7 to the debug-exit port.
my $handler = "\x66\xb8\x07\x00\x00\x00\x66\xe7\xf4";
my $step =
    "\x31\xc0\x8e\xd8" .                                    # xor ax, ax; mov ds, ax
    "\xc7\x06\x04\x00\x00\x81" . "\xc7\x06\x06\x00\x00\x00" . # vector 1: 0000:8100
    "\x9c\x58\x0d\x00\x01\x50\x9d" . "\xf4\xf4\xeb\xfd";    # TF = 1; hlt; hlt
$step .= "\x90" x (0x100 - length $step) . $handler;

my $run = boot(conf => <<'END', files => { 'deaf.bin' => \$deaf, 'step.bin' => \$step });
[guest deaf]
image = deaf.bin
start = real
load = 0x8000
memory = 1M
timeout = 3s
expect-end = halt
[guest step]
image = step.bin
start = real
load = 0x8000
memory = 1M
timeout = 3s
expect-end = exit 7
END
is $run->{status}, 0, 'pass' or diag join "\n", @{ $run->{lines} };
ended_ok($run, 'deaf', 'halt', qr/with interrupts off/);
ended_ok($run, 'step', 'exit 7', qr/debug-exit/);
done_testing;
