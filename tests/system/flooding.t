#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests that flood the machine (flooder.elf), one after the other, and two that measure what is left for others (share.elf): one
# computes on every processor, the other wants to be woken every 10 ms. They get their share, the monitor goes on, and each flood
# ends by its timeout. With as many vCPUs as processors and more, with and without APIC virtualization.
use strict;
use warnings;
use Slat;
use Test::More;

# In milliseconds. Measured is the second third of a period. A storm begins EARLIER than its period, because the guests do not all
# start at the same moment, and lasts until that third is over.
use constant { PERIOD => 180, STORM => 150, EARLIER => 30, SLICE => 5 };

# What flooder.elf numbers, and on which vCPUs they take time: the first, the last, or all; "few": the others not all the time.
my @storms = (
    [ spin  => 'last' ],     [ 'spin-all' => 'all' ],  [ timer => 'all' ],        [ 'timer-halt' => 'all' ],
    [ deadline => 'all' ],   [ self => 'all' ],        [ others => 'all' ],       [ nmis => 'all' ],
    [ halted => 'all' ],     [ starts => 'all' ],      [ 'ping-pong' => 'all' ],  [ 'pit-kept' => 'first' ],
    [ 'pit-ended' => 'first' ], [ 'pit-set' => 'all' ], [ 'pit-all' => 'all' ],   [ 'pit-nmi' => 'all' ],
    [ rtc => 'first' ],      [ level => 'all' ],       [ 'port-80' => 'all' ],    [ output => 'last' ],
    [ ports => 'all' ],      [ apic => 'all' ],        [ strings => 'all' ],      [ ioapic => 'all' ],
    [ msrs => 'all' ],       [ hypercalls => 'all' ],  [ faults => 'all' ],       [ woken => 'all' ],
);

sub conf {
    my ($cpus, $vcpus) = @_;
    my $conf = "[slat]\nslice = ${\SLICE}ms\naudit = yes\nnx-large-pages = no\n";
    for my $measure ([ 'share', '' ], [ 'alarm', ' alarm' ]) {
        $conf .= "[guest $measure->[0]]\nimage = share.elf\nmemory = 8M\nprocessors = $cpus\n" .
            "cmdline = periods=@{[ @storms + 4 ]} period=${\PERIOD}$measure->[1]\n";
    }
    for my $how (0 .. $#storms) {
        my $at = ($how + 1) * PERIOD - EARLIER;
        $conf .= "[guest $storms[$how][0]]\nimage = flooder.elf\nmemory = 8M\nprocessors = $vcpus\ncmdline = how=$how at=$at\n" .
            "timeout = @{[ $at + STORM ]}ms\nexpect-end = timeout\noutput-limit = 1K\nhypercalls = yes\n";
    }
    return $conf . "[script]\n" . "do = wait ${\PERIOD}ms\n" x @storms;
}

# $found[period][processor] = [ work, longest gap or delay in us ]
sub measured {
    my ($run, $guest) = @_;
    my @found;
    for (@{ $run->{guest}{$guest}{lines} // [] }) {
        next unless /^period (\d+):(.*)/;
        my ($period, $rest) = ($1, $2);
        push @{ $found[$period] }, [ $1, $2 ] while $rest =~ /(\d+) in (\d+)/g;
    }
    return @found;
}

# How many vCPUs of a storm are on a processor; all guests before it have a multiple of the processors' number.
sub rivals {
    my ($who, $cpu, $cpus, $vcpus) = @_;
    my @numbers = $who eq 'first' ? 0 : $who eq 'last' ? $vcpus - 1 : 0 .. $vcpus - 1;
    return scalar grep { $_ % $cpus == $cpu } @numbers;
}

sub floods {
    my ($cpus, $vcpus, @options) = @_;
    my $run = boot(conf => conf($cpus, $vcpus), options => [ '--cpus', $cpus, @options ]);
    is $run->{status}, 0, 'every guest ended as expected' or diag join "\n", @{ $run->{lines} };
    my @share = measured($run, 'share');
    my @alarm = measured($run, 'alarm');
    my $alone = $share[-1];
    is scalar @share, @storms + 4, 'all was measured' or return;
    for my $how (0 .. $#storms) {
        my ($name, $who) = @{ $storms[$how] };
        for my $cpu (0 .. $cpus - 1) {
            my $rivals = rivals($who, $cpu, $cpus, $vcpus);
            my $percent = $share[ $how + 1 ][$cpu][0] * 100 / $alone->[$cpu][0];
            my $late = $alarm[ $how + 1 ][$cpu][1] / 1000;
            # A line that a guest prints takes longer than its slice, as long as output-limit lets it print.
            my $least = !$rivals ? 90 : ($name eq 'output' ? 40 : 65) / ($rivals + 1);
            my $latest = ($rivals + 2) * SLICE + 2;
            ok $percent >= $least && $late <= $latest, sprintf '%s: processor %u, against %u: %.0f %% of what there was alone' .
                ' (at least %.0f), woken %.1f ms late (at most %u)', $name, $cpu, $rivals, $percent, $least, $late, $latest;
        }
    }
    cmp_ok $_->[1] / 1000, '<', SLICE * 0.6, 'who has slept does not wait for the end of a slice' for @{ $alarm[-1] };
    cmp_ok $run->{guest}{timer}{exits}, '>', 150, 'a timer that is always due lets its own guest go on';

    # The lines of the monitor's commands, and of guests that end, alternate.
    my ($ended, $ahead, @wrong) = (0, 0);
    for (@{ $run->{lines} }) {
        $ended++ if /^slat: \S+: ended: timeout/;
        next unless /^slat: monitor> wait/;
        push @wrong, "$ahead waits, $ended storms" if abs($ended - $ahead++) > 2;
    }
    is "@wrong", '', 'the monitor answers in time';
}

subtest 'one processor' => sub { floods(1, 2) };
subtest 'two processors, no APIC virtualization' => sub { floods(2, 4, '--cpu-model', 'corei7_ivy_bridge_3770k') };
subtest 'four processors, no TSC deadline' => sub { floods(4, 4, '--cpu-model', 'corei5_arrandale_m520') };
done_testing;
