#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Snapshots: guests that reset themselves hundreds of times, with large pages and with small ones, with nested names; and
# large pages that come back by themselves when no snapshot keeps them small any more.
use strict;
use warnings;
use Slat;
use Test::More;

# loop and small take snapshots of themselves (snapshot.elf says what is right); those of dropped a script takes.
my $conf = <<'E2';
[slat]
slice = 1ms
audit = yes
[guest loop]
image = snapshot.elf
cmdline = pages=64 rounds=200
hypercalls = yes
[guest small]
image = snapshot.elf
cmdline = pages=600 rounds=5
hypercalls = yes
backing = on-demand
largest-page = 4K
[guest dropped]
image = writer.elf
cmdline = ticks=10000 writes=6000
timeout = 3min
[script]
do = expect dropped "ready" 20s
do = stats dropped
do = snapshot dropped outer
do = wait 50ms
do = snapshot dropped inner
do = wait 20ms
do = reset dropped outer
do = wait 20ms
do = reset dropped inner
do = reset dropped outer
do = wait 20ms
do = stats dropped
do = drop dropped outer
do = stats dropped
do = drop dropped inner
do = wait 2s
do = stats dropped
do = map dropped
E2

# How many there are, whenever a command asks.
sub large_pages {
    my ($run) = @_;
    return map { /^slat: monitor: dropped: pages of 4K \d+, 2M (\d+), 1G 0, in \d+ tables/ ? $1 : () } @{ $run->{lines} };
}

for my $model (qw(corei7_skylake_x sapphire_rapids corei7_haswell_4770 corei7_sandy_bridge_2600k)) {
    subtest $model => sub {
        my $run = boot(conf => $conf, options => [ '--cpu-model', $model ]);
        is $run->{status}, 0, 'pass';
        for my $guest (qw(loop small dropped)) {
            guest_tap_ok($run, $guest);
            line_like($run, qr/^slat: audit: $guest: 0 violations/, "$guest: its memory is in order at the end");
        }
        line_like($run, qr/^loop +\| ok \d+ - after 200 resets memory and devices are as before$/, '200 resets');
        line_like($run, qr/^slat: script: 18 commands, 0 failed$/, 'the script');
        my @restored = map { /^slat: monitor: dropped: (\d+) pages were looked at, (\d+) changed back$/ ? [ $1, $2 ] : () }
            @{ $run->{lines} };
        is scalar @restored, 3, 'three resets';
        cmp_ok $_->[0], '<', 300, 'not all pages are looked at' for @restored;
        cmp_ok $_->[1], '>=', 2, 'some are changed back' for @restored;

        # The two regions of 2M that are written all the time.
        my ($before, $two, $one, $none) = large_pages($run);
        cmp_ok $before, '>=', 2, 'large pages at first';
        is $two, 0, 'none with two snapshots';
        is $one, 0, 'nor with one';
        cmp_ok $none, '>=', 2, 'but without they come back, without a command';
        line_like($run, qr/^slat: monitor: +0 [km]\.\.\.[mM][mM]\.\.$/i, 'where the guest writes');
    };
}
done_testing;
