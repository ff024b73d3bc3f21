#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# In which sizes a guest's memory is mapped, and that each page costs one EPT violation: touch.elf writes every page of
# [2M, 4M) and then one in 2M.
use strict;
use warnings;
use Slat;
use Test::More;

my $run = boot(conf => <<'E2', options => [ '--memory', 4096 ]);
[slat]
nx-large-pages = no
[guest large]
image = touch.elf
memory = 64M
[guest small]
image = touch.elf
memory = 64M
largest-page = 4K
[guest demand]
image = touch.elf
memory = 64M
backing = on-demand
[guest demand-small]
image = touch.elf
memory = 64M
backing = on-demand
largest-page = 4K
[guest giant]
image = touch.elf
memory = 2G
timeout = 5min
E2

is $run->{status}, 0, 'all pass';
guest_tap_ok($run, $_) for qw(large small demand demand-small giant);

# 64M: the 2M page with the kernel, [2M, 4M), and 30 more.
is $run->{guest}{large}{'2M'}, 32, 'large: every 2M region is one entry';
is $run->{guest}{large}{'4K'}, 0, 'large: no 4K entry';
is $run->{guest}{large}{faults}, 32, 'large: a violation for each';
is $run->{guest}{demand}{'2M'}, 32, 'demand: frames are given in 2M pieces';

# 4K: 512 + 30 touched pages and what the kernel itself uses.
for my $name (qw(small demand-small)) {
    is $run->{guest}{$name}{'2M'}, 0, "$name: no 2M entry";
    cmp_ok $run->{guest}{$name}{'4K'}, '>=', 512 + 30, "$name: an entry for each touched page";
    is $run->{guest}{$name}{faults}, $run->{guest}{$name}{'4K'}, "$name: a violation for each entry";
}
# 2G from a machine with 4G: at least one aligned 1G piece exists, and is mapped as such.
cmp_ok $run->{guest}{giant}{'1G'}, '>=', 1, 'giant: 1G entries';
done_testing;
