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
    qw(task_run_all vcpu_run vm_memory_fault backing_resolve invalidation_begin vm_memory_audit vm_memory_destroy
    vm_memory_recover vm_memory_recover_executed snapshot_drop_all);
my @make = ('make', '-s', "BUILD=$churning", "HV_TEST_LDFLAGS=-Wl,$wraps",
    'HV_TEST_SOURCES=' . join ' ', map { "tests/system/churning_$_.c" } qw(memory tables frames logs snapshots));
my $made = do { local $ENV{MAKEFLAGS} = ''; system(@make, "$churning/slat.efi") };
is $made, 0, 'a slat that changes memory is built' or BAIL_OUT('the build failed');

# How often each is done at least.
my %wanted = (
    'zap' => 60, 'split' => 80, 'populate' => 40, 'write-protect' => 40, 'invalidate-all' => 30, 'move-slot' => 30,
    'slot-flags' => 30, 'alias-slot' => 30, 'limit-tables' => 10, 'create-view' => 16, 'protect-view' => 60,
    'select-view' => 40, 'drop-view' => 12, 'migrate' => 60, 'compact' => 6, 'clone' => 12, 'write-clone' => 30,
    'drop-clone' => 10, 'share' => 30, 'punch' => 20, 'retire' => 10, 'read' => 40, 'write' => 40,
    'start-log' => 24, 'harvest' => 60, 'rearm' => 10, 'stop-log' => 16, 'compare' => 10, 'log-other' => 30, 'open-ring' => 10,
    'close-ring' => 8, 'reap' => 30, 'recover-in-place' => 12, 'recover-compact' => 12, 'recover-lazily' => 12,
    'measure' => 30, 'snapshot' => 10, 'reset' => 3, 'drop-snapshot' => 3,
);

# left has large pages and all its memory at once, right has small ones and takes memory as it goes.
sub conf {
    my ($processors) = @_;
    return <<"E2";
[slat]
slice = 2ms
audit = yes
[guest left]
image = remember.elf
cmdline = seed=1 rounds=1000000 processors=$processors
processors = $processors
memory = 16M
timeout = 5min
[guest right]
image = remember.elf
cmdline = seed=2 rounds=1000000
memory = 16M
backing = on-demand
largest-page = 4K
timeout = 5min
E2
}

# The first two log writes (PML), the next one has A/D bits in EPT entries alone, and the last one has neither.
my @machines = (
    [ 'corei7_skylake_x', 1, 1 ],
    [ 'sapphire_rapids', 4, 4 ],
    [ 'corei7_haswell_4770', 2, 4 ],
    [ 'corei7_sandy_bridge_2600k', 2, 2 ],
);
for my $machine (@machines) {
    my ($model, $cpus, $processors) = @$machine;
    subtest "$model, $cpus processors, a guest with $processors" => sub {
        my @options = ('--cpu-model', $model, '--cpus', $cpus);
        my $run = boot(efi => "$churning/slat.efi", conf => conf($processors), options => \@options);
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
        line_like($run, qr/^slat: churn: \d+ operations, 0 failures; audit [1-9]\d+ times, 0 violations$/, 'all is in order');
    };
}
done_testing;
