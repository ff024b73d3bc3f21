#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# A VM entry that the processor refuses ends that guest with the field that is wrong, for each part of the guest state.
use strict;
use warnings;
use Slat;
use Test::More;

my @cases = (
    # name, image and start, VMCS field and value, what is said
    [ 'gs',     "image = long_mode.bin\nstart = 64", '0x6810 0x8000000000000000', 'GUEST_GS_BASE', 'not canonical' ],
    [ 'rip32',  'image = hello.elf', '0x681e 0x100000000', 'GUEST_RIP', 'bits 63:32 are not 0' ],
    [ 'rights', 'image = hello.elf', '0x4816 0xc01b', 'GUEST_CS_ACCESS_RIGHTS', 'P is clear' ],
    [ 'tr',     'image = hello.elf', '0x4822 0x10000', 'GUEST_TR_ACCESS_RIGHTS', 'TR is unusable' ],
    [ 'flags',  'image = hello.elf', '0x6820 0', 'GUEST_RFLAGS', 'a reserved bit is wrong' ],
    [ 'cr3',    "image = long_mode.bin\nstart = 64", '0x6802 0x8000000000000000', 'GUEST_CR3', 'beyond the physical' ],
);
my $conf = "[guest good]\nimage = hello.elf\nmemory = 4M\n";
$conf .= "[guest $_->[0]]\n$_->[1]\nmemory = 4M\nvmcs = $_->[2]\nexpect-end = entry-failure\n" for @cases;
my $run = boot(conf => $conf);

is $run->{status}, 0, 'every guest ended as expected';
guest_tap_ok($run, 'good');
for my $case (@cases) {
    my ($name, undef, undef, $field, $rule) = @$case;
    ended_ok($run, $name, 'entry-failure', qr/invalid guest state: $field \(0x[0-9a-f]+\) = \w+: $rule/);
}
done_testing;
