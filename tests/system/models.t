#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Every generation of processors that the emulator models: the same guests run, mapped with what the processor has.
use strict;
use warnings;
use Slat;
use Test::More;

my $conf = <<'E2';
[guest hello]
image = hello.elf
memory = 4M
[guest real]
image = real_mode.bin
start = real
memory = 1M
[guest long]
image = long_mode.bin
start = 64
memory = 8M
[guest cpuid]
image = cpuid.elf
memory = 4M
[guest cpuid-of-3]
image = cpuid.elf
processors = 3
memory = 4M
[guest msr]
image = msr.elf
memory = 4M
[guest left]
image = fpu_neighbour.elf
cmdline = seed=1
memory = 4M
[guest right]
image = fpu_neighbour.elf
cmdline = seed=2
memory = 4M
[guest features]
image = features.elf
memory = 4M
[guest vectors]
image = vector_neighbour.elf
cmdline = seed=1
memory = 8M
[guest few-vectors]
image = vector_neighbour.elf
cmdline = seed=2 xcr0=3
memory = 8M
[guest xsave]
image = xsave.elf
cmdline = avx=1
memory = 4M
E2
my @names = qw(hello real long cpuid cpuid-of-3 msr left right features vectors few-vectors xsave);

sub runs_all {
    my ($model, $report, @options) = @_;
    subtest $model => sub {
        my $run = boot(conf => $conf, options => [ '--cpu-model', $model, @options ]);
        is $run->{status}, 0, 'pass';
        line_like($run, $report, 'what the processor has is reported');
        guest_tap_ok($run, $_) for @names;
    };
}

# No unrestricted guest: what starts without paging cannot, says so, and the others run.
subtest 'corei5_lynnfield_750' => sub {
    my $run = boot(conf => $conf, options => [ '--cpu-model', 'corei5_lynnfield_750' ]);
    is $run->{status}, 1, 'fail';
    line_like($run, qr/^slat: processor: EPT 2M 4K, no unrestricted guest;.*does without unrestricted guest/);
    ended_ok($run, 'hello', 'cannot-start', qr/without paging, and this processor has no unrestricted guest/);
    ended_ok($run, 'real', 'cannot-start', qr/real mode, and this processor has no unrestricted guest/);
    guest_tap_ok($run, 'long');
};

runs_all('corei5_arrandale_m520', qr/EPT 2M 4K, unrestricted guest;.*does without 1G pages, A\/D bits/);
runs_all('corei7_sandy_bridge_2600k', qr/EPT 2M 4K, unrestricted guest;.*does without 1G pages, A\/D bits/);
runs_all('corei7_haswell_4770', qr/EPT 1G 2M 4K, unrestricted guest;/);
runs_all('corei7_skylake_x', qr/EPT 1G 2M 4K, unrestricted guest;/);
runs_all('arrow_lake', qr/EPT 1G 2M 4K, unrestricted guest;/);
runs_all('sapphire_rapids', qr/EPT 1G 2M 4K, unrestricted guest;/, '--cpus', 4, '--memory', 6144);
done_testing;
