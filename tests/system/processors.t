#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Machines with several processors: all are started and used, do what they are told, and end; those that cannot be used are
# left out with the reason.
use strict;
use warnings;
use Slat;
use Test::More;

sub built {
    my ($name, $sources, @wraps) = @_;
    my $folder = build() . "/$name";
    my @make = ('make', '-s', "BUILD=$folder", "HV_TEST_SOURCES=$sources",
        'HV_TEST_LDFLAGS=-Wl,' . join ',', map { "--wrap=$_" } @wraps);
    my $made = do { local $ENV{MAKEFLAGS} = ''; system(@make, "$folder/slat.efi") };
    is $made, 0, "$name: a slat for tests is built" or BAIL_OUT('the build failed');
    return "$folder/slat.efi";
}

my $hello = "[guest hello]\nimage = hello.elf\nmemory = 4M\n";
my $guests = join '', map { "[guest $_]\nimage = hello.elf\nmemory = 4M\n" } 'a' .. 'i';

# The second model has no x2APIC mode, and its local APICs are in memory.
for my $model (qw(sapphire_rapids corei7_sandy_bridge_2600k)) {
    for my $count (1, 2, 4, 8) {
        subtest "$count processors, $model" => sub {
            my $run = boot(conf => $guests, options => [ '--cpus', $count, '--cpu-model', $model ]);
            is $run->{status}, 0, 'pass';
            line_like($run, $count == 1 ? qr/^slat: 1 processor$/ : qr/^slat: $count processors$/, 'all are in use');
            no_line_like($run, qr/not used|left as they are|do not stop/, 'none is left out, all have stopped');
            guest_tap_ok($run, $_) for 'a' .. 'i';
        };
    }
}

subtest 'not all are wanted' => sub {
    my $run = boot(conf => "[slat]\nprocessors = 3\n$hello", options => [ '--cpus', 8 ]);
    is $run->{status}, 0, 'pass';
    line_like($run, qr/^slat: 3 processors$/, 'as many as the configuration says');
    line_like($run, qr/^slat: 5 processors are left as they are: slat uses 3 at most here$/, 'with a word about the others');
    $run = boot(conf => "[slat]\nprocessors = 1\n$hello", options => [ '--cpus', 2 ]);
    is $run->{status}, 0, 'pass';
    line_like($run, qr/^slat: 1 processor$/, 'one alone');
};

subtest 'at-end = halt with several processors' => sub {
    my $run = boot(conf => "[slat]\nat-end = halt\n$hello", options => [ '--cpus', 4 ]);
    is $run->{status}, 0, 'pass';
    like $run->{lines}[-1], qr/^slat: the machine halts here/, 'it halts';
};

my $odd = built('odd', 'tests/system/odd_processors.c', 'apic_send_startup', 'vmx_join');
subtest 'processors that do not do as they should' => sub {
    my $run = boot(efi => $odd, conf => $guests, options => [ '--cpus', 5 ]);
    is $run->{status}, 0, 'pass';
    line_like($run, qr/^slat: the processor with APIC ID 1 is not used: it does not answer$/, 'one comes too late');
    line_like($run, qr/^slat: the processor with APIC ID 3 is not used: it is odd$/, 'one is not like the others');
    line_like($run, qr/^slat: 3 processors$/, 'the others are used');
    no_line_like($run, qr/do not stop/, 'and each by its own number');
    guest_tap_ok($run, $_) for 'a' .. 'i';
};

# The last model has no TSC deadlines; it starts no guest of ours without paging.
my $busy = built('busy', 'tests/system/busy_processors.c', 'task_run_all', 'processor_halt_until');
my @machines = (
    [ 1, 'sapphire_rapids' ],
    [ 4, 'sapphire_rapids' ],
    [ 8, 'corei7_sandy_bridge_2600k' ],
    [ 4, 'corei5_lynnfield_750' ],
);
for my $case (@machines) {
    my ($count, $model) = @$case;
    subtest "$count busy processors, $model" => sub {
        my $run = boot(efi => $busy, conf => $hello, options => [ '--cpus', $count, '--cpu-model', $model ]);
        my $timer = $model =~ /lynnfield/ ? 'a countdown' : 'TSC deadlines';
        is $run->{status}, $model =~ /lynnfield/ ? 1 : 0, 'it ends';
        my $tasks = 4 * $count;
        my $ended = "$tasks tasks on $count processors ended, $count processors halted meanwhile, with $timer";
        line_like($run, qr/^slat: busy: $ended$/, 'every task ends, every processor idles');
        my $turns = 3 * 400 * $count;
        line_like($run, qr/^slat: busy: $turns turns, [1-9]\d+ kicks, [1-9]\d+ stays in a guest, \d+ sleeps ended early$/,
            'they are busy');
        line_like($run, qr/^slat: busy: 0 times on the wrong processor, 0 broken locks, 0 broken frames, 0 late, 0 slow kicks, /,
            'nothing is wrong');
        line_like($run, qr/^slat: busy: .*, locked data in order$/, 'all is in order');
        line_like($run, qr/^slat: busy: [1-9]\d+ clock ticks on processor 0, 0 on others$/,
            'an ISA interrupt comes where it should');
        my @lines = grep { /busy: round/ } @{ $run->{lines} };
        my $whole = grep { /^slat: busy: round +\d+ of worker +\d+, which is on processor +\d+\.$/ } @lines;
        is $whole, 12 * $count, 'no line is mixed with another one';
    };
}
done_testing;
