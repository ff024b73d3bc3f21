#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests that use the processor in every way that a hypervisor gets wrong easily: mode switches, single steps over
# emulated instructions, string I/O with bad segments and pages, exceptions during exceptions, extended state, virtual-8086
# mode; and those that try to keep the processor for themselves. On three generations of processors.
use strict;
use warnings;
use Slat;
use Test::More;

my $conf = <<'E2';
[slat]
slice = 2ms
[guest good]
image = hello.elf
memory = 4M
[guest single-step]
image = single_step.elf
memory = 4M
[guest string-io]
image = string_io.elf
memory = 4M
[guest exceptions]
image = exceptions.elf
memory = 4M
largest-page = 4K
[guest exceptions-od]
image = exceptions.elf
memory = 4M
largest-page = 4K
backing = on-demand
[guest modes]
image = modes.elf
memory = 8M
largest-page = 4K
[guest vm86]
image = vm86.elf
memory = 4M
[guest xsave-1]
image = xsave.elf
cmdline = avx=1
memory = 4M
[guest xsave-2]
image = xsave.elf
memory = 4M
[guest triple-made]
image = exceptions.elf
cmdline = end=1
memory = 4M
expect-end = triple-fault
[guest task-switch]
image = task_switch.elf
memory = 4M
expect-end = unsupported
[guest task-gate]
image = task_switch.elf
cmdline = how=1
memory = 4M
expect-end = unsupported
[guest ac-loop]
image = debug_loop.elf
memory = 4M
timeout = 300ms
expect-end = timeout
[guest db-loop]
image = debug_loop.elf
cmdline = db=1
memory = 4M
timeout = 300ms
expect-end = timeout
E2
my @tap = qw(good single-step string-io exceptions exceptions-od modes vm86 xsave-1 xsave-2);

for my $model (qw(sapphire_rapids corei5_arrandale_m520 corei7_haswell_4770)) {
    subtest $model => sub {
        my $run = boot(conf => $conf, options => [ '--cpu-model', $model ]);
        is $run->{status}, 0, 'every guest ended as expected';
        guest_tap_ok($run, $_) for @tap;
        ended_ok($run, 'triple-made', 'triple-fault');
        ended_ok($run, $_, 'unsupported', qr/hardware task switch/) for qw(task-switch task-gate);
        ended_ok($run, $_, 'timeout') for qw(ac-loop db-loop);
    };
}

# Each of these tries another way to keep the processor.
subtest 'hogs' => sub {
    my $hogs = "[guest good]\nimage = hello.elf\nmemory = 4M\n";
    for my $how (0 .. 13) {
        $hogs .= "[guest hog-$how]\nimage = hog.elf\ncmdline = how=$how\nmemory = 4M\ntimeout = 200ms\nexpect-end = timeout\n";
    }
    my $run = boot(conf => $hogs);
    is $run->{status}, 0, 'every guest ended as expected';
    guest_tap_ok($run, 'good');
    ended_ok($run, "hog-$_", 'timeout') for 0 .. 13;
};
done_testing;
