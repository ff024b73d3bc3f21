#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests and the machine's memory: more asked for than there is, at the start or page by page; what a guest leaves is there
# for others; guest memory above 4 GiB; machines from 256 MiB to 20 GiB.
use strict;
use warnings;
use Slat;
use Test::More;

subtest 'sums' => sub {
    my $run = boot(conf => <<'E2', files => { 'zeros.bin' => \("\0" x 5000) });
[guest bad]
image = zeros.bin
format = multiboot
memory = 300M
expect-end = bad-image
[guest a]
image = hello.elf
memory = 200M
[guest b]
image = hello.elf
memory = 200M
[guest c]
image = hello.elf
memory = 200M
expect-end = no-memory
[guest d]
image = hello.elf
memory = 80M
E2
    is $run->{status}, 0, 'every guest ended as expected';
    guest_tap_ok($run, $_) for qw(a b d);
    ended_ok($run, 'c', 'no-memory', qr/asks for 204800 KiB of memory, .* has \d+ KiB left/);
};

# Three guests are promised 2 GiB of a machine with 512 MiB. The hogs touch it all: they hit the end and end, and what they
# had is there for those who need memory later. The frugal one touches little of it, and lives.
subtest 'on demand' => sub {
    my $run = boot(conf => <<'E2', options => [ '--timeout', 400 ]);
[slat]
slice = 1ms
[guest filled]
image = touch.elf
cmdline = after=120
memory = 200M
largest-page = 4K
[guest hog-1]
image = touch.elf
memory = 2G
backing = on-demand
timeout = 5min
expect-end = no-memory
[guest hog-2]
image = touch.elf
memory = 2G
backing = on-demand
timeout = 5min
expect-end = no-memory
[guest frugal]
image = touch.elf
cmdline = after=120
memory = 2G
backing = on-demand
largest-page = 4K
timeout = 5min
[guest late]
image = touch.elf
cmdline = after=120
memory = 64M
backing = on-demand
timeout = 5min
E2
    is $run->{status}, 0, 'every guest ended as expected';
    guest_tap_ok($run, $_) for qw(filled frugal late);
    ended_ok($run, $_, 'no-memory', qr/no frame left for its page at 0x/) for qw(hog-1 hog-2);
};

subtest 'above 4 GiB' => sub {
    my $run = boot(conf => <<'E2', options => [ '--memory', 12288, '--timeout', 400 ]);
[guest high]
image = high_memory.elf
memory = 5G
timeout = 5min
[guest demand]
image = high_memory.elf
memory = 5G
backing = on-demand
timeout = 5min
E2
    is $run->{status}, 0, 'every guest ended as expected';
    guest_tap_ok($run, $_) for qw(high demand);
    cmp_ok $run->{guest}{high}{'1G'}, '>=', 2, 'high: 1G entries';
    table_ok($run, 2);
};

for my $megabytes (256, 8192, 20480) {
    my $run = boot(conf => "[guest hello]\nimage = hello.elf\nmemory = 4M\n", options => [ '--memory', $megabytes ]);
    is $run->{status}, 0, "a machine with $megabytes MiB";
    my ($free) = map { /^slat: memory: (\d+) MiB free for guests$/ } @{ $run->{lines} };
    cmp_ok $free, '>', $megabytes - 20, 'nearly all of it is for guests';
}
done_testing;
