#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests with several processors: smp.elf starts them, interrupts each from each, and tries their timers, on machines with
# fewer, as many and more processors, with and without APIC virtualization, TSC deadline and x2APIC; side by side with others.
use strict;
use warnings;
use Slat;
use Test::More;

my $apic_virtualization = 'auto';

# name, image, processors
sub guests {
    my ($arguments, @guests) = @_;
    my $conf = "[slat]\nslice = 1ms\napic-virtualization = $apic_virtualization\n";
    for (@guests) {
        my ($name, $image, $processors) = @$_;
        $conf .= "[guest $name]\nimage = $image\nmemory = 16M\nprocessors = $processors\n" .
            "cmdline = processors=$processors $arguments\ntimeout = 60s\n";
    }
    return $conf;
}

sub runs {
    my ($name, $arguments, $guests, @options) = @_;
    my $run;
    subtest $name => sub {
        $run = boot(conf => guests($arguments, @$guests), options => [@options]);
        is $run->{status}, 0, 'pass' or diag join "\n", @{ $run->{lines} };
        guest_tap_ok($run, $_->[0]) for @$guests;
    };
    return $run;
}

my @one = ([ 'one', 'smp.elf', 1 ]);
my @four = ([ 'four', 'smp.elf', 4 ], [ 'long', 'smp_64.elf', 4 ]);
my $run = runs('more vCPUs than processors', '', [ @one, @four ], '--cpus', 1);
line_like($run, qr/ (?:four|long): exits: .*PAUSE [1-9]/, 'those that wait in a loop leave their place to others');
runs('two processors, two guests of four and one of eight', '', [ @four, [ 'eight', 'smp_64.elf', 8 ] ], '--cpus', 2);
runs('four processors', '', \@four, '--cpus', 4);
runs('of APIC virtualization the TPR shadow and x2APIC mode', 'deadline=1', \@four, '--cpus', 2,
    '--cpu-model', 'corei7_ivy_bridge_3770k');
runs('no x2APIC on the machine', '', [ @one, @four ], '--cpus', 2, '--cpu-model', 'corei5_arrandale_m520');
runs('thirty-two vCPUs', '', [ [ 'many', 'smp.elf', 32 ] ], '--cpus', 4);
$apic_virtualization = 'no';
runs('no APIC virtualization', '', \@four, '--cpus', 2);
done_testing;
