#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests with several processors that give commands about themselves from all of them (storm.elf), while an operator pauses,
# resumes, saves, resets, changes and stops them: on machines with fewer and with as many processors.
use strict;
use warnings;
use Slat;
use Test::More;

my @rounds = (
    [ 'pause G', 'vcpus G', 'wait 2ms', 'vcpus G', 'resume G' ],
    [ 'pause G', 'snapshot G op', 'resume G', 'wait 3ms', 'reset G op', 'wait 1ms', 'pause G', 'reset G op', 'resume G',
        'drop G op' ],
    [ 'snapshot G op', 'snapshot G op2', 'wait 2ms', 'reset G op', 'reset G op2', 'drop G op', 'drop G op2' ],
    [ 'pause G', 'zap G 0 4096', 'resume G', 'split G 2048 512', 'wait 1ms', 'collapse G compact' ],
    [ 'stats G', 'ept G', 'map G', 'dirty rate G 2ms' ],
);

# As many as a configuration may have; always the same ones for a machine.
sub script {
    my ($seed) = @_;
    my @commands = map { "expect $_ \"storm begins\" 40s" } qw(a b c);
    srand $seed;
    # While it runs, while it is paused, and between a reset and the next turn of its processors.
    my @stops = ('stop c', 'pause d', 'stop d', 'snapshot e op', 'reset e op', 'stop e');
    for (my $round = 0;; $round++) {
        my $guest = qw(a b)[rand 2];
        my @next = map { s/\bG\b/$guest/r } @{ $rounds[ $round % @rounds ] }, 'wait ' . (1 + int rand 3) . 'ms';
        last if @commands + @next + @stops > 64;
        push @commands, @next;
    }
    push @commands, @stops;
    return map { "do = $_\n" } @commands;
}

# name, processors, what it ends with, more
sub guest {
    my ($name, $processors, $end, $arguments, $timeout) = @_;
    return <<"E2";
[guest $name]
image = storm.elf
memory = 16M
processors = $processors
cmdline = processors=$processors $arguments
hypercalls = yes
expect-end = $end
timeout = ${\ ($timeout // '60s')}
E2
}

sub conf {
    my ($seed) = @_;
    return "[slat]\nslice = 1ms\naudit = yes\n" . join '',
        (map { guest(@$_, 'exit 0', 'ms=2400') } [ 'a', 4 ], [ 'b', 3 ]),
        (map { guest($_, 2, 'stopped', 'ms=100000') } qw(c d)), guest('e', 4, 'stopped', 'greedy=1'),
        guest('late', 2, 'timeout', 'ms=100000', '200ms'), "[script]\n", script($seed);
}

# Whoever is paused does nothing: its processors are the same twice, and held.
sub pauses_ok {
    my ($run) = @_;
    my (@pictures, $moves, $runs);
    for (@{ $run->{lines} }) {
        push @pictures, [] if /^slat: monitor> vcpus/;
        push @{ $pictures[-1] }, $_ if @pictures && /^slat: monitor: \w+: vCPU/;
    }
    for (my $i = 0; $i + 1 < @pictures; $i += 2) {
        $moves++ if "@{$pictures[$i]}" ne "@{$pictures[$i + 1]}";
        $runs++ if grep { !/, held, / } @{ $pictures[$i] };
    }
    cmp_ok scalar @pictures, '>=', 4, 'processors of paused guests are looked at';
    ok !$moves, 'none of them moves';
    ok !$runs, 'all of them are held';
}

for my $machine ([ 1, 'sapphire_rapids' ], [ 4, 'sapphire_rapids' ], [ 2, 'corei7_sandy_bridge_2600k' ]) {
    my ($cpus, $model) = @$machine;
    subtest "$cpus processors, $model" => sub {
        my $run = boot(conf => conf($cpus), options => [ '--cpus', $cpus, '--cpu-model', $model ]);
        is $run->{status}, 0, 'pass' or diag join "\n", @{ $run->{lines} };
        guest_tap_ok($run, $_) for qw(a b);
        ended_ok($run, $_, 'stopped') for qw(c d e);
        ended_ok($run, 'late', 'timeout');
        line_like($run, qr/^slat: audit: $_: 0 violations, \d+ tables$/, "$_: its memory is in order at the end")
            for qw(a b c d e late);
        line_like($run, qr/^slat: script: \d+ commands, 0 failed$/, 'an operator gets his turn');
        pauses_ok($run);
    };
}
done_testing;
