#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Measurements of guests that write at a known rate (writer.elf), and forecasts whether they could be migrated, on processors
# that log writes (PML), that have A/D bits alone, and that have neither.
use strict;
use warnings;
use Slat;
use Test::More;

# Two guests, one at a time: each writes to 1024 pages, and one page in 2000 ticks.
use constant { PAGES => 1024, TICKS => 2000, PAGE_BYTES => 4096 + 8 };

my @hows = (' d-bits', ' d-bits 4K', ' log', ' log 4K', '');
my $commands = '';
for my $guest (qw(turn random)) {
    $commands .= "do = $_\n" for "resume $guest", "expect $guest ready 20s", (map { "dirty rate $guest 20ms$_" } @hows),
        "dirty forecast $guest 20ms 10M 20ms", "dirty forecast $guest 20ms 200M 20ms", "pause $guest";
}
my $conf = <<"E2";
[slat]
slice = 1ms
audit = yes
[guest turn]
image = writer.elf
cmdline = writes=6000
[guest random]
image = writer.elf
cmdline = writes=6000 random=1
[script]
do = pause turn
do = pause random
${commands}do = resume turn
do = resume random
E2

# What the command answered, in lines.
sub answers {
    my ($run, $command) = @_;
    my (@found, $inside);
    for (@{ $run->{lines} }) {
        $inside = /^slat: monitor> \Q$command\E$/ if /^slat: monitor> /;
        push @found, $1 if $inside && /^slat: monitor: (.*)$/;
    }
    return @found;
}

# Between so many percent less and so many more; and three pages, because code, stack and the like are written too.
sub near {
    my ($found, $expected, $less, $more, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok defined $found && $found >= $expected * (1 - $less / 100) && $found <= $expected * (1 + $more / 100) + 3,
        sprintf '%s: %s, and it should be %.0f, -%u to +%u %%', $name, $found // 'nothing', $expected, $less, $more;
}

# While pages are looked at the guest has a turn now and then, for a slice: a few in all, which no period includes. So a rate
# is rather too high than too low. A period here is 20 slices.
use constant MEASURED => (5, 25);

# Different pages that a guest writes in a time.
sub written {
    my ($guest, $hz, $us) = @_;
    my $writes = $us * $hz / 1e6 / TICKS;
    return $guest eq 'random' ? PAGES * (1 - (1 - 1 / PAGES)**$writes) : $writes < PAGES ? $writes : PAGES;
}

sub rates_ok {
    my ($run, $guest, $hz, $has_d_bits) = @_;
    for my $how (' d-bits 4K', ' log', ' log 4K') {
        my ($line) = answers($run, "dirty rate $guest 20ms$how");
        if ($how =~ /d-bits/ && !$has_d_bits) {
            like $line, qr/^dirty rate $guest: this processor has no D bits$/, "$guest:$how: refused";
            next;
        }
        my ($pages, $us, $second) = $line =~ /^$guest: (\d+) pages in (\d+) us: (\d+) in a second, \d+ KiB$/;
        cmp_ok $us // 0, '>=', 20000, "$guest:$how: the period";
        near($pages, written($guest, $hz, $us // 0), MEASURED, "$guest:$how");
        near($second, ($pages // 0) * 1e6 / ($us || 1), 1, 1, "$guest:$how: in a second");
    }
    # Without a way the processor's own; large pages count as a whole.
    for my $how ($has_d_bits ? (' d-bits', '') : '') {
        my ($line, $entries) = answers($run, "dirty rate $guest 20ms$how");
        if ($has_d_bits) {
            my ($small, $large) = $entries =~ /^$guest: entries with D: 4K (\d+), 2M (\d+), 1G 0$/;
            ok defined $large && $large >= 1 && $large <= 2 && $small <= 3, "$guest:$how: in one large page or two";
            near($line =~ /^$guest: at most (\d+) pages/, $large * 512, 0, 0, "$guest:$how: at most");
        } else {
            my ($pages, $us) = $line =~ /^$guest: (\d+) pages in (\d+) us/;
            near($pages, written($guest, $hz, $us // 0), MEASURED, "$guest: by a log");
        }
    }
}

# What is written in the downtime, and no more, must be sent in the downtime.
sub forecasts_ok {
    my ($run, $guest, $hz) = @_;
    my ($measured, $no, $least) = answers($run, "dirty forecast $guest 20ms 10M 20ms");
    my ($one, $us, $both) = $measured =~ /^$guest: (\d+) pages in (\d+) us, (\d+) in twice that$/;
    near($one, written($guest, $hz, $us), MEASURED, "$guest: one period");
    near($both, written($guest, $hz, 2 * $us), MEASURED, "$guest: two periods");
    like $no, qr/^$guest: does not converge; it would with a downtime of \d+ us$/, "$guest: not migrated with 10M";
    my ($kib) = $least =~ /^$guest: the least bandwidth that suffices is (\d+) KiB a second$/;
    near($kib, written($guest, $hz, 20000) * PAGE_BYTES / 0.02 / 1024, MEASURED, "$guest: the least bandwidth");
    (undef, my $yes) = answers($run, "dirty forecast $guest 20ms 200M 20ms");
    like $yes, qr/^$guest: converges in \d+ rounds: \d+ ms, \d+ pages sent, stands still for \d+ us$/,
        "$guest: migrated with 200M";
}

for my $model (qw(corei7_skylake_x corei7_haswell_4770 corei7_sandy_bridge_2600k)) {
    subtest $model => sub {
        my $has_d_bits = $model !~ /sandy_bridge/;
        my $run = boot(conf => $conf, options => [ '--cpu-model', $model ]);
        is $run->{status}, $has_d_bits ? 0 : 1, 'the verdict';
        my ($hz) = map { /TSC (\d+) MHz/ ? $1 * 1e6 : () } @{ $run->{lines} };
        for my $guest (qw(turn random)) {
            guest_tap_ok($run, $guest);
            line_like($run, qr/^slat: audit: $guest: 0 violations/, "$guest: its memory is in order at the end");
            rates_ok($run, $guest, $hz, $has_d_bits);
            forecasts_ok($run, $guest, $hz);
        }
        my $failed = $has_d_bits ? 0 : 4;
        line_like($run, qr/^slat: script: 24 commands, $failed failed$/, 'the script');
    };
}
done_testing;
