#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Faults of slat itself: a slat that was built to break on demand (faulty_cpuid.c) does so while a guest's VMCS is current,
# and reports what happened, where, who called it and in what state the guest is; then the machine is switched off.
use strict;
use warnings;
use Slat;
use Test::More;

my $faulty = build() . '/faulty';
my @make = ('make', '-s', "BUILD=$faulty", 'HV_TEST_SOURCES=tests/system/faulty_cpuid.c tests/system/faulty_processors.c',
    'HV_TEST_LDFLAGS=-Wl,--wrap=guest_cpuid,--wrap=task_run_all');
my $made = do { local $ENV{MAKEFLAGS} = ''; system(@make, "$faulty/slat.efi") };
is $made, 0, 'a slat that breaks is built' or BAIL_OUT('the build failed');

my $hex = qr/[0-9a-f]+/;
my $fault = qr/page fault \(#PF\) /;
my $read_only = qr/${fault}in write_byte\+0x$hex: a write to a page that is read-only, 0xffffffff8/;
my @callers = qw(break_slat __wrap_guest_cpuid cpuid_learn vcpu_run vm_processor_run task_main);
my @cases = (
    # what breaks, the cause as it is reported, who did it, whether an exception shows registers, and a trace whose end is lost
    [ 'a write to a null pointer', qr/${fault}in write_null\+0x$hex: a write to a page that is not mapped, 0xc: a null pointer/,
        qr/write_null\+/, 1 ],
    [ 'a stack overflow', qr/${fault}in overflow_stack\S*\+0x$hex: .*, the guard page of the break stack: it overflowed/,
        qr/overflow_stack\S*\+0x$hex  \(\d+ times\)/, 1 ],
    [ 'a failed assertion', qr/\S*faulty_cpuid\.c:\d+: fail_assertion: assertion failed: answer == 42/, qr/fail_assertion\+/, 0 ],
    [ 'execution of data', qr/${fault}outside slat's code: execution of a page that is not executable, 0xffffffff8/,
        qr/call\+/, 1 ],
    [ 'a write to code', qr/$read_only/, qr/write_byte\+/, 1 ],
    [ 'a write to a constant', qr/$read_only/, qr/write_byte\+/, 1 ],
    [ 'a call of a null pointer', qr/${fault}outside slat's code: execution of a page that is not mapped, 0x0: a null/,
        qr/call\+/, 1 ],
    [ 'a bad address', qr/general protection fault \(#GP\) in write_byte\+/, qr/write_byte\+/, 1 ],
    [ 'an array overflow', qr/a function's stack frame was overwritten/, qr/overflow_array\+/, 0, 'lost' ],
    [ 'a lost stack', qr/(page|double) fault \(#\w+\) in lose_stack\+/, qr/lose_stack\+/, 1 ],
    [ 'a division by zero', qr/divide error \(#DE\) in divide\S*\+/, qr/divide\S*\+/, 1 ],
    [ 'a report that faults', qr/the report faults/, qr/panic\+/, 0 ],
);

my $how = 0;
for my $case (@cases) {
    my ($name, $cause, $function, $registers, $lost) = @$case;
    $how++;
    subtest $name => sub {
        my $run = boot(efi => "$faulty/slat.efi", conf => <<"E2");
[guest neighbour]
image = spin.elf
memory = 4M
timeout = 200ms
[guest break]
image = break_slat.elf
cmdline = how=$how
memory = 4M
E2
        is $run->{status}, 2, 'stopped, and the machine is off';
        my @lines = @{ $run->{lines} };
        line_like($run, qr/^slat: PANIC in slat \S+ on the processor with APIC ID 0: $cause/, 'what and where');
        like $lines[-1], qr/^slat: result: stopped \($cause/, 'the last line says it again';

        my ($start) = grep { $lines[$_] =~ /^slat: called by \(on the break stack, innermost first\):/ } 0 .. $#lines;
        ok defined $start, 'a backtrace, on the right stack' or return diag join "\n", @lines;
        my @trace;
        for (@lines[ $start + 1 .. $#lines ]) {
            last unless /^slat:   [0-9a-f]{16}  (\S.*)$/;
            push @trace, $1;
        }
        my $next = 0;
        for (@trace) {
            $next++ if $next < @callers && /^\Q$callers[$next]\E\+0x$hex/;
        }
        is $next, $lost ? 0 : @callers, 'which names every caller in order' or diag join "\n", @trace;
        ok((grep { /^$function/ } @trace), 'and the function at fault') if $function;
        if ($registers) {
            line_like($run, qr/^slat:   rip [0-9a-f]{16}  rflags $hex  cs 8  ss 10  vector \d+  error code $hex$/, 'registers');
            line_like($run, qr/^slat:   cr0 $hex  cr2 $hex  cr3 $hex  cr4 $hex  efer $hex$/, 'control registers');
            line_like($run, qr/^slat: code at rip: /, 'code');
        }
        line_like($run, qr/^slat:   GUEST_RIP +0x10[0-9a-f]{4}$/, 'the VMCS is the guest\'s');
        line_like($run, qr/^slat:   EXIT_REASON +0xa$/, 'with the exit that was handled: CPUID');
        line_like($run, qr/^slat:   EPT_POINTER +0x$hex$/, 'and its EPT');
    };
}

# Several processors: one reports, and stops the others wherever they are; most of the time one of them has the output.
for my $case (
    [ 'a fault beside others that write', 3, 0, qr/\S*faulty_cpuid\.c:\d+: fail_assertion: assertion failed: answer == 42/ ],
    [ 'a fault of another processor', 13, 1, qr/processor 1 alone/ ],
    [ 'faults of all at once', 14, qr/[0-3]/, qr/processor [0-3] of several/ ],
) {
    my ($name, $number, $apic_id, $cause) = @$case;
    for my $model (qw(sapphire_rapids corei7_sandy_bridge_2600k)) {
        subtest "$name, $model" => sub {
            my $run = boot(efi => "$faulty/slat.efi", options => [ '--cpus', 4, '--cpu-model', $model ], conf => <<"E2");
[guest break]
image = break_slat.elf
cmdline = how=$number
memory = 4M
expect-end = exit 0
[guest neighbour]
image = spin.elf
memory = 4M
timeout = 2s
E2
            is $run->{status}, 2, 'stopped, and the machine is off';
            my @lines = @{ $run->{lines} };
            my @reports = grep { $lines[$_] =~ /PANIC in slat/ } 0 .. $#lines;
            is scalar @reports, 1, 'one report' or return diag join "\n", @lines;
            like $lines[ $reports[0] ], qr/^slat: PANIC in slat \S+ on the processor with APIC ID $apic_id: $cause/, 'the fault';
            like $lines[-1], qr/^slat: result: stopped \($cause/, 'the result';
            ok((grep { /^slat: noise of processor/ } @lines[ 0 .. $reports[0] - 1 ]), 'others wrote before');
            my @after = grep { /noise of processor/ } @lines[ $reports[0] + 1 .. $#lines ];
            is "@after", '', 'and nothing afterwards';
        };
    }
}

# What the configuration asks for is done after a fault, too: a person at the screen wants to read it.
subtest 'at-end = halt' => sub {
    my $run = boot(efi => "$faulty/slat.efi", conf => <<'E2');
[slat]
at-end = halt
[guest break]
image = break_slat.elf
cmdline = how=3
memory = 4M
E2
    is $run->{status}, 2, 'stopped';
    like $run->{lines}[-2], qr/^slat: result: stopped \(.*answer == 42/, 'the result';
    like $run->{lines}[-1], qr/^slat: the machine halts here/, 'it halts';
};
done_testing;
