#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Debian's Linux, unmodified, to user space: tests/guests/linux/ looks at its processors, memory, clocks, timers and interrupts
# from there, and switches off. Each boot covers several things at once, since it takes long.
use strict;
use warnings;
use Slat;
use Test::More;

my $common = 'console=ttyS0,115200 quiet cryptomgr.notests mitigations=off';

# The guest's section; `add` goes on its command line.
sub linux {
    my ($name, %how) = @_;
    my ($cpus, $megabytes) = ($how{cpus} // 1, $how{megabytes});
    my $end = $how{end} // 'power-off';
    my $image = $how{image} // 'vmlinuz';
    return "[guest $name]\nimage = $image\nmodule = initramfs\nmemory = ${megabytes}M\nprocessors = $cpus\n" .
        "cmdline = \"$common cpus=$cpus megabytes=$megabytes " . ($how{add} // '') . "\"\n" .
        "timeout = 5min\nexpect-end = $end\n";
}

sub all_right {
    my ($run, $name, $least) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @lines = @{ $run->{guest}{$name}{lines} // [] };
    my $passed = grep { /^ok \d+/ } @lines;
    my ($done) = map { /^linux: done, (\d+) failed/ ? $1 : () } @lines;
    ok defined $done && $done == 0 && $passed >= $least && !(grep { /^not ok/ } @lines), "$name: all its tests passed"
        or diag join "\n", @lines;
}

# What the monitor does to a guest that boots, which must not notice.
my $interference = "[script]\n" . join '', map { "do = $_\n" } (
    'expect smp "No config space" 5min', 'vcpus smp', 'pause smp', 'wait 100ms', 'resume smp',
    'dirty start smp', 'wait 200ms', 'dirty harvest smp', 'dirty stop smp',
    'snapshot smp one', 'wait 200ms', 'reset smp one', 'drop smp one', 'collapse smp', 'zap smp 0 0x4000',
);

# Each boot: name, options of the machine, guests; some with a script.
my @boots = (
    [   'sapphire_rapids, 4 processors: 4 vCPUs by bzImage, 1 by PVH',
        [ '--cpus', 4, '--memory', 1024 ],
        [ 'smp', 22, cpus => 4, megabytes => 256 ],
        [ 'pvh', 18, cpus => 1, megabytes => 96, image => 'vmlinux' ],
        $interference,
    ],
    [   'no APIC virtualization, 2 processors: 4 vCPUs, by PVH',
        [ '--cpus', 2, '--cpu-model', 'corei7_ivy_bridge_3770k' ],
        [ 'smp', 22, cpus => 4, megabytes => 128, image => 'vmlinux' ],
        $interference,
    ],
    [   'no x2APIC, 1 processor: 1 vCPU with 2 GiB, by bzImage',
        [ '--cpus', 1, '--cpu-model', 'corei5_arrandale_m520', '--memory', 4096 ],
        [ 'large', 18, cpus => 1, megabytes => 2048 ],
    ],
    [   'haswell, 1 processor: without ACPI, by the 8259 and the 8254; another one resets itself',
        [ '--cpus', 1, '--cpu-model', 'corei7_haswell_4770' ],
        [ 'legacy', 17, cpus => 1, megabytes => 96, add => 'acpi=off nolapic noapic', end => 'halt' ],
        [ 'reset', 0, cpus => 1, megabytes => 96, add => 'test=none end=reboot', end => 'reset' ],
    ],
);
for (@boots) {
    my ($name, $options, @guests) = @$_;
    my $script = ref $guests[-1] ? '' : pop @guests;
    subtest $name => sub {
        my $run = boot(conf => join('', map { my ($guest, undef, %how) = @$_; linux($guest, %how) } @guests) . $script,
            options => [ '--timeout', 400, @$options ]);
        is $run->{status}, 0, 'every guest ended as expected' or diag join "\n", @{ $run->{lines} };
        all_right($run, $_->[0], $_->[1]) for @guests;
    };
}
done_testing;
