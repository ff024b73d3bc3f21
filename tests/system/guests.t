#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# All stubs that end well, side by side in one boot on the default machine.
use strict;
use warnings;
use Slat;
use Test::More;

my @plain = qw(hello cpuid msr vmx_instruction absent_port timer);
my $conf = "[slat]\nslice = 1ms\n";
$conf .= "[guest $_]\nimage = $_.elf\nmemory = 4M\n" for @plain;
$conf .= <<'E2';
[guest status]
image = exit_status.elf
expect-end = exit 42
[guest real]
image = real_mode.bin
start = real
memory = 1M
[guest long-flat]
image = long_mode.bin
start = 64
[guest long-multiboot]
image = long_mode.elf
[guest modules]
image = modules.elf
cmdline = memory=16M modules=2
module = module-a.txt first module
module = module-b.bin
[guest left]
image = fpu_neighbour.elf
cmdline = seed=1
[guest right]
image = fpu_neighbour.elf
cmdline = seed=2
[guest halt]
image = halt.elf
expect-end = halt
[guest spin]
image = spin.elf
timeout = 300ms
expect-end = timeout
E2
my $run = boot(conf => $conf, files => { 'module-a.txt' => \"the first module\n", 'module-b.bin' => \("\x55" x 5000) });

is $run->{status}, 0, 'the machine passes';
guest_tap_ok($run, $_) for @plain, qw(real long-flat long-multiboot modules left right);
ended_ok($run, 'status', 'exit 42');
ended_ok($run, 'halt', 'halt', qr/halted at 0x[0-9a-f]+ with interrupts off/);
ended_ok($run, 'spin', 'timeout', qr/300 ms/);
line_like($run, qr/^slat: result: pass \(\d+ of \d+ guests ended as expected\)$/);
line_like($run, qr/^slat: +msr: \d+ accesses to unknown MSRs, #GP each; the first: 0x/);
line_like($run, qr/^slat: first guest instruction \d+ ticks after EFI entry; slat's own memory: \d+ KiB$/);
done_testing;
