#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Kernels and firmware that others wrote, unmodified: Debian's GNU Mach to its last message, U-Boot's ROM from the reset vector to
# its prompt, memtest86+ on all of its processors through its first tests (memtest.t has all of them, on one). None disturbs its
# neighbours. linux.t is about Linux.
use strict;
use warnings;
use Slat;
use Test::More;

my $run = boot(conf => <<'E2', options => [ '--timeout', 400, '--cpus', 2 ]);
[guest mach]
image = gnumach
memory = 64M
cmdline = "console=com0"
expect = "No bootstrap code loaded with the kernel!"
[guest u-boot]
image = u-boot.rom
format = flat
start = reset
memory = 64M
timeout = 2min
expect = "Unknown command 'slat-was-here'"
[guest memtest]
image = memtest86+x64.bin
memory = 16M
processors = 4
cmdline = "console=ttyS0,115200"
timeout = 10min
expect = "Test #5 "
[guest hello]
image = hello.elf
memory = 4M
[script]
do = expect u-boot "Hit any key to stop autoboot" 60s
do = type u-boot " "
do = expect u-boot "=>" 30s
do = type u-boot "slat-was-here\r"
E2

is $run->{status}, 0, 'every guest ended as expected' or diag join "\n", @{ $run->{lines} };
guest_tap_ok($run, 'hello');
my @mach = @{ $run->{guest}{mach}{lines} // [] };
ok((grep { /^GNU Mach / } @mach), 'Mach introduces itself');
ok((grep { /biosmem: .*:000000000004000000, available/ } @mach), 'Mach sees its 64 MiB');
my @u_boot = @{ $run->{guest}{'u-boot'}{lines} // [] };
ok((grep { /^U-Boot 20/ } @u_boot), 'U-Boot introduces itself');
ok((grep { /^DRAM: +64 MiB/ } @u_boot), 'U-Boot sees its 64 MiB');
my @memtest = @{ $run->{guest}{memtest}{lines} // [] };
ok((grep { /SMP: 4T/ } @memtest), 'memtest86+ uses all processors');
ended_ok($run, 'memtest', 'expect-seen', qr/Test #5/);
unlike "@memtest", qr/Errors: [1-9]/, 'it found no error';
done_testing;
