#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# No benchmark in the emulated machine costs more than its budget (tests/bench/budget), nor less: who makes one cheaper lowers
# its budget too. The emulator is deterministic, so that the figures are the same on every machine that has this compiler.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../bench";
use Budget;
use Slat;
use Test::More;

# The explanation of a figure takes as long as its run.
use constant EXPLAINED => 4;

# ---- the judgement, with figures that are made up

is Budget::judge('exits.cpuid', $_, 100), undef, "$_ is as good as 100" for 98, 100, 102;
is Budget::judge('exits.cpuid', 114.3, 100), 'exits.cpuid: 114.3, budget 100: 14.3 % worse', 'worse, and by how much';
like Budget::judge('exits.cpuid', 102.1, 100), qr/2\.1 % worse/, 'by a little more than is allowed too';
like Budget::judge('exits.cpuid', 97.9, 100), qr/2\.1 % better; lower it/, 'better is not as it should be either';
like Budget::judge('pml.start', 4.12, 4), qr/3\.0 % worse/, 'what is little is not small change';
is Budget::judge('pml.start', 0.32, 0.3), undef, 'but for the last digits';
is Budget::judge('pml.pass.plain', 4.3, 4), undef, 'a slice may end in a short pass';
like Budget::judge('pml.pass.plain', 4.32, 4), qr/8\.0 % worse/, 'no more than one';
like Budget::judge('pml.stop.faults', 1, 0), qr/: 1 worse/, 'one where there was none';
like Budget::judge('exits.new', 5, undef), qr/has no budget/, 'a figure without a budget';
like Budget::judge('exits.old', undef, 5), qr/not measured any more/, 'a budget without a figure';

my %before = (exit_quickly => 41, vmx_enter => 30, vmx_exit => 30, Budget::OTHERS, 1);
is_deeply [ Budget::changes(\%before, { %before, exit_quickly => 55, vmx_exit => 29 }) ],
    [ 'exit_quickly: 41.00 -> 55.00 (+14.00)', 'vmx_exit: 30.00 -> 29.00 (-1.00)' ], 'the function that grew is named first';
is_deeply [ Budget::changes(\%before, { %before, guard => 2 }) ], ['guard: 0.00 -> 2.00 (+2.00)'], 'a new one too';
is_deeply [ Budget::changes(\%before, { exit_quickly => 41, vmx_enter => 30, Budget::OTHERS, 1 }) ],
    ['vmx_exit: 30.00 -> 0.00 (-30.00)'], 'one that is gone too';
is_deeply [ Budget::changes({ a => 1000, Budget::OTHERS, 3 }, { a => 1000, b => 1, c => 2 }) ], [], 'what is little has no name';

my %made_up = ('exits.cpuid' => '98.00', 'pml.start' => '6.90');
my $made_up = { compiler => 'gcc 1', names => [ sort keys %made_up ], counts => \%made_up };
is_deeply Budget::parse(Budget::text($made_up)), $made_up, 'what is written is what is read';
ok !eval { Budget::parse("exits.cpuid 98\n$_\n"); 1 }, "no budget: $_" for 'exits.cpuid 99', 'exits.rdmsr', 'exits.rdmsr x';
my $profile = { 'exits.cpuid' => { exit_quickly => '41.00', '(guest)' => '3.00' } };
is_deeply Budget::parse_profiles(Budget::profiles_text($profile, 'exits.cpuid')), $profile, 'profiles too';

# ---- the figures

my $budget = Budget::parse(slurp($Budget::FILE));
my $profiles = Budget::parse_profiles(slurp($Budget::PROFILES));
SKIP: {
    my $compiler = Budget::compiler();
    skip "the budget is for $budget->{compiler}, and this is $compiler", 1 if $compiler ne $budget->{compiler};

    InMachine::make();
    my ($counts, $names, $errors) = Budget::measure($ENV{JOBS} || `nproc` + 0, InMachine::runs());
    is "@$errors", '', 'everything is measured' or diag join "\n", @$errors;
    my ($explained, %seen) = (0);
    for my $name (grep { !$seen{$_}++ } @$names, @{ $budget->{names} }) {
        my $judgement = Budget::judge($name, $counts->{$name}, $budget->{counts}{$name});
        next if ok !defined $judgement, $name;
        diag $judgement;
        next if !defined $counts->{$name} || !defined $budget->{counts}{$name};
        diag $_ for $explained++ < EXPLAINED ? Budget::explain($name, $profiles->{$name}) : "tools/profile $name says where";
    }

    # One with a budget that is too low, and a profile in which one function is: it fails, and that function is to blame.
    my $name = 'exits.cpuid';
    my %doctored = %{ $profiles->{$name} };
    my ($largest) = sort { $doctored{$b} <=> $doctored{$a} || $a cmp $b } grep { !/\(/ } keys %doctored;
    $doctored{$largest} -= 0.05 * $counts->{$name};
    my $too_low = sprintf '%.2f', 0.95 * $counts->{$name};
    like Budget::judge($name, $counts->{$name}, $too_low), qr/5\.3 % worse/, "$name: too low a budget";
    my @lines = Budget::explain($name, \%doctored);
    ok scalar(grep { /^ +\Q$largest\E: / } @lines), "it is $largest that is to blame" or diag join "\n", @lines;
}
done_testing;
