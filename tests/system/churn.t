#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests whose memory is changed all the time, by a slat that was built for that (churning_memory.c): with every operation of
# the memory core that must not change what a guest sees. The guests (remember.elf) look whether it does.
use strict;
use warnings;
use Slat;
use Test::More;

my $churning = build() . '/churning';
my $wraps = join ',', map { "--wrap=$_" }
    qw(task_run_all vcpu_run vm_memory_fault backing_resolve vm_memory_audit vm_memory_destroy);
my @make = ('make', '-s', "BUILD=$churning", "HV_TEST_LDFLAGS=-Wl,$wraps",
    'HV_TEST_SOURCES=' . join ' ', map { "tests/system/churning_$_.c" } qw(memory tables frames));
my $made = do { local $ENV{MAKEFLAGS} = ''; system(@make, "$churning/slat.efi") };
is $made, 0, 'a slat that changes memory is built' or BAIL_OUT('the build failed');

# How often each is done at least.
my %wanted = (
    'zap' => 120, 'split' => 160, 'populate' => 80, 'write-protect' => 80, 'invalidate-all' => 60, 'move-slot' => 60,
    'slot-flags' => 60, 'alias-slot' => 60, 'limit-tables' => 16, 'create-view' => 32, 'protect-view' => 120,
    'select-view' => 80, 'drop-view' => 24, 'migrate' => 120, 'compact' => 30, 'clone' => 24, 'write-clone' => 60,
    'drop-clone' => 20, 'share' => 60, 'punch' => 40, 'retire' => 20, 'read' => 80, 'write' => 80,
);

# left has large pages and all its memory at once, right has small ones and takes memory as it goes.
my $conf = <<'E2';
[slat]
slice = 500us
audit = yes
[guest left]
image = remember.elf
cmdline = seed=1 rounds=1000000
memory = 16M
timeout = 3min
[guest right]
image = remember.elf
cmdline = seed=2 rounds=1000000
memory = 16M
backing = on-demand
largest-page = 4K
timeout = 3min
E2

# The last one has no A/D bits in EPT entries.
for my $model (qw(corei7_skylake_x corei7_haswell_4770 corei7_sandy_bridge_2600k)) {
    subtest $model => sub {
        my $run = boot(efi => "$churning/slat.efi", conf => $conf, options => [ '--cpu-model', $model ]);
        is $run->{status}, 0, 'pass';
        for my $guest (qw(left right)) {
            ended_ok($run, $guest, 'exit 0');
            guest_tap_ok($run, $guest);
            line_like($run, qr/^slat: audit: $guest: 0 violations, \d+ tables$/, "$guest: its memory is in order at the end");
        }
        no_line_like($run, qr/^slat: churn: .* failed/, 'no operation fails');
        for my $kind (sort keys %wanted) {
            my ($done) = map { /^slat: churn: \Q$kind\E: (\d+) done, / } @{ $run->{lines} };
            cmp_ok $done // 0, '>=', $wanted{$kind}, "$kind: done";
        }
        line_like($run, qr/^slat: churn: [1-9]\d+ views selected, [1-9]\d* tables reclaimed$/,
            'views are used, tables reclaimed');
        line_like($run, qr/^slat: churn: [1-9]\d* faults retried, [1-9]\d* resolved without a lock$/,
            'faults meet invalidations');
        line_like($run, qr/^slat: churn: [1-9]\d* faults yielded, up to [2-9] at once, 0 came back to another VMCS$/,
            'faults of both guests are in flight at once');
        line_like($run, qr/^slat: churn: \d+ operations, 0 failures; audit [1-9]\d+ times .*, 0 violations$/, 'all is in order');
    };
}
done_testing;
