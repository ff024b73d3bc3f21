#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests that lose the state of their processor and get it back before every slice (restoring.c), and do not notice.
use strict;
use warnings;
use Slat;
use Test::More;

my $restoring = build() . '/restoring';
my @make = ('make', '-s', "BUILD=$restoring", 'HV_TEST_LDFLAGS=-Wl,--wrap=task_run_all,--wrap=vcpu_run,--wrap=vcpu_create',
    'HV_TEST_SOURCES=tests/system/restoring.c', "$restoring/slat.efi");
my $made = do { local $ENV{MAKEFLAGS} = ''; system(@make) };
is $made, 0, 'a slat that restores vCPUs is built' or BAIL_OUT('the build failed');

my @names = qw(exceptions single_step vm86 xsave modes msr long real left right);
my %images = (long => 'long_mode.bin', real => 'real_mode.bin', left => 'fpu_neighbour.elf', right => 'fpu_neighbour.elf');
my %starts = (long => '64', real => 'real');
my $conf = "[slat]\nslice = 100us\n";
for (@names) {
    $conf .= "[guest $_]\nimage = " . ($images{$_} // "$_.elf") . "\nmemory = 8M\n";
    $conf .= "start = $starts{$_}\n" if $starts{$_};
    $conf .= "cmdline = seed=" . ($_ eq 'left' ? 1 : 2) . "\n" if /left|right/;
}

for my $model (qw(corei7_sandy_bridge_2600k sapphire_rapids)) {
    subtest $model => sub {
        my $run = boot(efi => "$restoring/slat.efi", conf => $conf, options => [ '--cpu-model', $model ]);
        is $run->{status}, 0, 'pass';
        guest_tap_ok($run, $_) for @names;
        line_like($run, qr/^slat: state: [1-9]\d{2,} times restored, 0 failures$/, 'they were restored often');
    };
}
done_testing;
