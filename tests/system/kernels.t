#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Kernels that others wrote, unmodified, as far as they come on this machine: Debian's GNU Mach to its last message, and
# Debian's Linux until it waits for its first timer interrupt. Neither disturbs its neighbours.
use strict;
use warnings;
use Slat;
use Test::More;

my $run = boot(conf => <<'E2', options => [ '--timeout', 400 ]);
[guest mach]
image = gnumach
memory = 64M
cmdline = "console=com0"
expect = "No bootstrap code loaded with the kernel!"
[guest linux]
image = vmlinuz
memory = 128M
cmdline = "console=ttyS0,115200 earlyprintk=serial,ttyS0,115200"
timeout = 30s
expect-end = timeout
[guest hello]
image = hello.elf
memory = 4M
E2

is $run->{status}, 0, 'every guest ended as expected';
guest_tap_ok($run, 'hello');
my @mach = @{ $run->{guest}{mach}{lines} // [] };
ok((grep { /^GNU Mach / } @mach), 'Mach introduces itself');
ok((grep { /biosmem: .*:000000000004000000, available/ } @mach), 'Mach sees its 64 MiB');
my @linux = @{ $run->{guest}{linux}{lines} // [] };
ok((grep { /Linux version / } @linux), 'Linux introduces itself');
ok((grep { /Kernel command line: console=ttyS0,115200 earlyprintk/ } @linux), 'Linux has its command line');
ok((grep { m{Memory: \d+K/130\d\d\dK available} } @linux), 'Linux sees its 128 MiB');
ok((grep { /printk: console \[ttyS0\] enabled/ } @linux), 'Linux found its serial port');
done_testing;
