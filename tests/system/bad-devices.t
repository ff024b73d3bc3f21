#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests of four processors that use local APICs, device registers in memory and their ways to end as nobody should (misuse.elf):
# each ends alone, with its reason, or gets on; and a good one among them is unhurt. And two that write at random
# (device_fuzz.elf). On three generations of processors.
use strict;
use warnings;
use Slat;
use Test::More;

my $device = qr/where it has device registers/;

# As misuse.elf numbers them.
my @cases = (
    [ spin => 'timeout', qr/after 300 ms/ ],
    [ 'none-started' => 'halt', qr/all its processors have halted.*interrupts off/ ],
    [ 'start-in-zeros' => 'timeout', qr/./ ],
    [ 'init-first' => 'outside-memory', qr/execute at 0xfffffff0/ ],
    [ 'apic-nonsense' => 'exit 0', qr/./ ],
    [ 'ioapic-nonsense' => 'exit 0', qr/./ ],
    [ 'base-moves' => 'exit 0', qr/./ ],
    [ 'base-off' => 'outside-memory', qr/read at 0xfee00020, where it has no memory/ ],
    [ 'across-end' => 'unsupported', qr/an access across the end of a page at 0xfee00ffe, $device/ ],
    [ 'across-begin' => 'outside-memory', qr/read at 0xfedffffe/ ],
    [ 'across-writing' => 'unsupported', qr/an access across the end of a page at 0xfee00fff, $device/ ],
    [ sse => 'unsupported', qr/an instruction that slat does not emulate at 0xfee00000, $device/ ],
    [ fxsave => 'unsupported', qr/an instruction that slat does not emulate at 0xfee00\w+, $device/ ],
    [ push => 'unsupported', qr/at 0xfee0008c, $device/ ],
    [ call => 'unsupported', qr/at 0xfee0008c, $device/ ],
    [ 'call-through' => 'unsupported', qr/at 0xfee00020, $device/ ],
    [ stack => 'unsupported', qr/the delivery of an interrupt or exception at 0xfee007\w+, $device/ ],
    [ idt => 'unsupported', qr/the delivery of an interrupt or exception at 0xfee00030, $device/ ],
    [ gdt => 'unsupported', qr/at 0xfec0001\w, $device/ ],
    [ 'page-tables' => 'unsupported', qr/a page table at 0xfec00\w+, $device/ ],
    [ execute => 'outside-memory', qr/execute at 0xfee00000/ ],
    [ ins => 'outside-memory', qr/at 0xfee00080/ ],
    [ outs => 'outside-memory', qr/at 0xfec00000/ ],
    [ triple => 'triple-fault', qr/triple fault at/ ],
    [ 'reset-64' => 'reset', qr/./ ],
    [ 'reset-92' => 'reset', qr/./ ],
    [ 'power-off' => 'power-off', qr/./ ],
    [ 'port-cf9' => 'exit 0', qr/./ ],
    [ 'exit-at-once' => 'exit 3', qr/./ ],
    [ 'no-source' => 'halt', qr/interrupts on, and no device can raise one/ ],
    [ steps => 'exit 0', qr/./ ],
    [ nmis => 'exit 0', qr/./ ],
);

# A boot has 32 guests at most.
sub bad_guests {
    my ($options, @numbers) = @_;
    my $conf = "[slat]\nslice = 1ms\naudit = yes\nnx-large-pages = no\n" .
        "[guest good]\nimage = smp.elf\nmemory = 8M\nprocessors = 4\ncmdline = processors=4\ntimeout = 60s\n";
    for (@numbers) {
        my ($name, $ended) = @{ $cases[$_] };
        $conf .= "[guest $name]\nimage = misuse.elf\nmemory = 8M\nprocessors = 4\ncmdline = how=$_\nexpect-end = $ended\n" .
            'timeout = ' . ($ended eq 'timeout' ? '300ms' : '60s') . "\n";
    }
    for (1, 2) {
        $conf .= "[guest fuzz-$_]\nimage = device_fuzz.elf\nmemory = 8M\nprocessors = 4\ncmdline = seed=$_ count=500\n" .
            "output-limit = 1K\ntimeout = 60s\n";
    }
    my $run = boot(conf => $conf, options => $options);
    is $run->{status}, 0, 'every guest ended as expected' or diag join "\n", @{ $run->{lines} };
    guest_tap_ok($run, 'good');
    ended_ok($run, $cases[$_][0], $cases[$_][1], $cases[$_][2]) for @numbers;
}

subtest 'four processors' => sub { bad_guests([ '--cpus', 4 ], grep { $_ < 9 || $_ > 11 } 0 .. $#cases) };
subtest 'one processor, no APIC virtualization' => sub {
    bad_guests([ '--cpu-model', 'corei7_ivy_bridge_3770k' ], 3 .. $#cases);
};
subtest 'two processors, no x2APIC' => sub {
    bad_guests([ '--cpus', 2, '--cpu-model', 'corei5_arrandale_m520' ], 0, 2 .. 8, 16 .. 19, 22 .. 24, 28 .. 31);
};
done_testing;
