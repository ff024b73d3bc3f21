#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Dirty logging and snapshots on processors that log writes (PML), that have A/D bits alone, and that have neither. Two guests
# look at their own logs and snapshots (dirty.elf, snapshot.elf); a third one only writes, and a script looks.
use strict;
use warnings;
use Slat;
use Test::More;

my $conf = <<'E2';
[slat]
slice = 1ms
audit = yes
[guest dirty]
image = dirty.elf
hypercalls = yes
[guest snapshot]
image = snapshot.elf
hypercalls = yes
[guest left]
image = dirty.elf
cmdline = script rounds=3 gap=12
[script]
do = expect left "ready" 20s
do = dirty start left
do = expect left "written 1" 20s
do = dirty harvest left pages
do = expect left "written 2" 20s
do = dirty harvest left pages
do = dirty stop left
do = stats left
do = expect left "written 3" 20s
do = stats left
E2

# The pages that a harvest named.
sub pages {
    my ($line) = @_;
    my %pages;
    while ($line =~ /(0x[0-9a-f]+)(?:-(0x[0-9a-f]+))?/g) {
        $pages{$_} = 1 for hex($1) .. hex($2 // $1);
    }
    return \%pages;
}

for my $model (qw(corei7_skylake_x sapphire_rapids corei7_haswell_4770 corei7_sandy_bridge_2600k)) {
    subtest $model => sub {
        my $run = boot(conf => $conf, options => [ '--cpu-model', $model ]);
        is $run->{status}, 0, 'pass';
        for my $guest (qw(dirty snapshot left)) {
            guest_tap_ok($run, $guest);
            line_like($run, qr/^slat: audit: $guest: 0 violations/, "$guest: its memory is in order at the end");
        }
        line_like($run, qr/^slat: script: 10 commands, 0 failed$/, 'the script');

        my @named = grep { /^slat: monitor: left: 0x/ } @{ $run->{lines} };
        is scalar @named, 2, 'two harvests';
        for (@named) {
            my $pages = pages($_);
            is scalar(grep { $pages->{$_} } 0x800 .. 0xbff), 1024, 'every page that was written is named';
            cmp_ok keys %$pages, '<=', 1024 + 3, 'and none else but its stack and data';
        }
        line_like($run, qr/^slat: monitor: left: 2 tables became large pages;/, 'the large pages come back');
        my @faults = map { /^slat: monitor: left: \d+ exits, (\d+) faults:/ } @{ $run->{lines} };
        my @large = map { /^slat: monitor: left: pages of 4K \d+, 2M (\d+)/ } @{ $run->{lines} };
        is scalar @faults, 2, 'two statistics';
        is $faults[1], $faults[0], 'writing all pages again costs no fault';
        is $large[1], $large[0], 'and splits nothing';
        cmp_ok $run->{guest}{left}{'2M'}, '>=', 2, 'the table says so, too';
        line_like($run, qr/^slat:   left: [1-9]\d* splits, (?:[1-9]\d* of them for execution, )?2 collapses, 20\d\d dirty pages/,
            'and the notes below it');
    };
}
done_testing;
