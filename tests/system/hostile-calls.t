#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Hypercalls of guests that mean harm or talk nonsense, events that are delivered to logged pages, and scripts that meet
# guests which end, hang or take all memory. Nobody but the guest itself may notice.
use strict;
use warnings;
use Slat;
use Test::More;

my $calls = <<'E2';
[slat]
slice = 1ms
audit = yes
nx-large-pages = %s
[guest calls]
image = hostile_calls.elf
hypercalls = yes
[guest calls-64]
image = hostile_calls_64.elf
hypercalls = yes
[guest delivery]
image = logged_delivery.elf
hypercalls = yes
E2

for my $case ([ 'corei7_skylake_x', 'no' ], [ 'corei7_haswell_4770', 'yes' ], [ 'corei7_sandy_bridge_2600k', 'auto' ]) {
    my ($model, $nx_large_pages) = @$case;
    subtest "calls, $model" => sub {
        my $run = boot(conf => sprintf($calls, $nx_large_pages), options => [ '--cpu-model', $model ]);
        is $run->{status}, 0, 'pass';
        for my $guest (qw(calls calls-64 delivery)) {
            guest_tap_ok($run, $guest);
            line_like($run, qr/^slat: audit: $guest: 0 violations/, "$guest: its memory is in order at the end");
        }
        line_like($run, qr/delivery: exits: .*PML_FULL/, 'the log was full') if $model eq 'corei7_skylake_x';
    };
}

# Guests that harm themselves, and a script that works on them meanwhile.
my $others = <<'E2';
[slat]
slice = 1ms
audit = yes
[guest flood]
image = hostile_calls.elf
cmdline = flood=10000000
hypercalls = yes
[guest logged]
image = hostile_calls.elf
cmdline = logged=10000000
hypercalls = yes
[guest balloon]
image = hostile_calls.elf
cmdline = balloon
hypercalls = yes
expect-end = outside-memory
[guest snapshots]
image = hostile_calls.elf
cmdline = snapshots
memory = 64M
hypercalls = yes
expect-end = no-memory
[guest block]
image = hostile_calls.elf
cmdline = block
hypercalls = yes
timeout = 4s
expect-end = timeout
[guest paused]
image = spin.elf
timeout = 2s
expect-end = timeout
[guest watch]
image = hostile_calls.elf
cmdline = watch=100000000
[script]
do = pause paused
do = expect block "blocks"
do = pause block
do = help
do = dirty stop block
do = snapshot block here
do = reset block here
do = resume block
do = expect watch "no such line" 1us
do = dirty rate paused 10s
do = dirty start "block
do = dirty ring watch 99999999999999999999
do = resume paused
E2

for my $model (qw(corei7_skylake_x corei7_haswell_4770)) {
    subtest "others, $model" => sub {
        my $run = boot(conf => $others, options => [ '--cpu-model', $model, '--memory', 256 ]);
        guest_tap_ok($run, $_) for qw(flood logged watch);
        for my $guest (qw(flood logged balloon snapshots block paused watch)) {
            line_like($run, qr/^slat: audit: $guest: 0 violations/, "$guest: its memory is in order at the end");
            ok $run->{guest}{$guest}{ok}, "$guest: it ended as expected";
        }
        my ($ticks) = map { /did not run for (\d+) ticks/ } @{ $run->{guest}{watch}{lines} };
        # A millisecond is 20,000. An audit, a lock or a line of the log make them wait up to two millions.
        cmp_ok $ticks, '<', 3_000_000, 'nobody was kept waiting for long';
        line_like($run, qr/^slat: script: 13 commands, 5 failed$/, 'the script');
        line_like($run, qr/^slat: monitor: dirty rate paused: the guest ended meanwhile$/, 'it noticed the end');
    };
}

# A page that is copied for its writer does not cost it a turn.
subtest 'shared pages' => sub {
    my $run = boot(conf => <<'E3');
[slat]
slice = 5ms
[guest shared]
image = hostile_calls.elf
cmdline = shared
hypercalls = yes
[guest spin]
image = spin.elf
timeout = 6s
expect-end = timeout
E3
    is $run->{status}, 0, 'pass';
    cmp_ok $run->{guest}{shared}{ms}, '<', 3000, '2048 pages are copied in a moment';
};
done_testing;
