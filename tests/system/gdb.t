#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# A real gdb on a guest with two processors, gdb-vcpus.nasm, while another guest runs.
use strict;
use warnings;
use File::Temp 'tempdir';
use Slat;
use Test::More;

my $folder = tempdir(CLEANUP => 1);
my $guest = "$folder/guest.elf";
system('nasm', '-f', 'elf32', '-g', '-F', 'dwarf', '-o', "$folder/guest.o", 'tests/system/gdb-vcpus.nasm') == 0 or die;
system('ld', '--no-warn-rwx-segments', '-m', 'elf_i386', '-Ttext', '0x100000', '-N', '-o', $guest, "$folder/guest.o") == 0
    or die;

# What gdb says to these commands.
sub gdb {
    my ($port, @commands) = @_;
    open my $script, '>', "$folder/script" or die;
    print $script "$_\n" for 'set pagination off', 'set confirm off', 'set debuginfod enabled off',
        'set remotetimeout 20', "target remote 127.0.0.1:$port", @commands;
    close $script;
    return `timeout 120 gdb -nx -q -batch -x $folder/script $guest 2>&1 </dev/null` . "status $?\n";
}

sub debug {
    my ($slat, $conf, $options, $session) = @_;
    return boot(
        conf => "[slat]\ngdb = g\n$slat\[guest g]\nimage = guest.elf\nprocessors = 2\n$conf" .
            "[guest other]\nimage = hello.elf\n",
        files => { 'guest.elf' => $guest },
        options => $options,
        gdb => $session,
    );
}

# The values that `p` has shown, in order.
sub values_in {
    my ($output) = @_;
    return map { /^\$\d+ = (.*)/ ? $1 : () } split /\n/, $output;
}

subtest 'a guest from its first instruction to its last' => sub {
    my $output;
    my $run = debug('', "timeout = 60s\nexpect-end = exit 43\n", [ '--cpus', 2 ], sub {
        $output = gdb(@_,
            'info threads', 'monitor expect other "ok 1" 30s', 'monitor vms', 'monitor nonsense',
            # breakpoints, and those of the guest's own
            'break work', 'continue', 'continue', 'p *(int *)&counter', 'x/1xb work',
            'tbreak after_int3', 'continue', 'p *(int *)&own_breaks',
            # steps over what slat executes
            'tbreak step_here', 'continue', 'stepi', 'stepi', 'p $pc == after_cpuid', 'p/x $ebx',
            'stepi', 'stepi', 'stepi', 'p $pc == after_out',
            # the breakpoint has another address, too, since paging is on
            'continue', 'p/x $pc - (long)work', 'delete', 'tbreak spin', 'continue',
            # the other processor, in real mode
            'break *(long)&ap_loop', 'continue', 'p $_thread', 'stepi', 'stepi', 'p (long)$pc - (long)&ap_loop',
            'p/x $cs', 'delete',
            # an interrupt
            'shell (sleep 1; kill -INT $PPID) &', 'continue', 'thread 1',
            'p $pc >= (long)spin && $pc < (long)store', 'set {int}&go = 1',
            # debug registers, while the guest uses them
            'watch *(int *)&watched', 'continue', 'p $pc == after_store', 'delete',
            'hbreak hlt_here', 'continue', 'p/x *(int *)&seen_dr0', 'delete',
            # HLT, that nothing ends but a debugger; and HLT, that an interrupt ends
            'stepi', 'p $pc == after_hlt', 'info threads', 'set $pc = wait_here', 'stepi 4', 'stepi', 'stepi',
            'p $pc == wait_hlt', 'stepi', 'p $pc == after_wait', 'stepi', 'p $pc == timer',
            # registers and memory
            'tbreak done', 'set {int}&result = 40', 'continue', 'p $eax', 'set $eax = $eax + 3',
            'set $xmm0.v4_int32[1] = 7', 'set $st0 = 2.5', 'p $xmm0.v4_int32', 'p $st0', 'continue');
    });
    my @values = values_in($output);
    is_deeply \@values, [ 1, 1, 1, '0x756e6547', 1, '0x40000000', 2, 2, '0x800', 1, 1, '0x1234', 1, 1, 1, 1, 40,
        '{0, 7, 0, 0}', '2.5' ], 'all values are right' or diag $output;
    like $output, qr/vCPU 0, running\) +_start .*\n +2 .*vCPU 1, waits for SIPI/, 'it is held before it begins';
    like $output, qr/^other: +exit 0,.*$/m, 'the other guest has ended meanwhile';
    like $output, qr/nonsense/, 'the monitor says what it does not know';
    is scalar(() = $output =~ /Thread 1 hit Breakpoint 1, work/g), 2, 'a breakpoint is met twice';
    like $output, qr/<work>:\s+0xff/, 'and is not seen in memory';
    like $output, qr/received signal SIGTRAP.*\n0x4010/, 'at another address it is a trap';
    like $output, qr/Thread 2 hit Breakpoint \d+, 0x0000800/, 'a processor in real mode meets one';
    like $output, qr/received signal SIGINT/, 'an interrupt stops it';
    like $output, qr/Old value = 0\nNew value = 5/, 'a watchpoint';
    like $output, qr/hit Breakpoint \d+, hlt_here/, 'a breakpoint in a debug register';
    like $output, qr/Thread 1 \(vCPU 0, halted\)/, 'HLT is stepped over';
    like $output, qr/wrote 43 to the debug-exit port\n\[Inferior 1 .* exited with code 053\]/, 'its end is told';
    ended_ok($run, 'g', 'exit 43', qr/^exit 43/);
    cmp_ok $run->{guest}{g}{ms}, '>', 60000, 'its timeout did not count what a person needs';
    ok $run->{guest}{g}{ok} && $run->{guest}{other}{ok}, 'as expected';
};

# Where slat has one processor, whoever is debugged leaves it to the others; and less is in the processor.
subtest 'gdbs come and go' => sub {
    my ($first, $second, $third);
    my $run = debug("slice = 1ms\n", "timeout = none\nexpect-end = stopped\n", [ '--cpu-model', 'corei7_ivy_bridge_3770k' ],
        sub {
            $first = gdb(@_, 'monitor expect other "ok 1" 30s', 'break work', 'watch *(int *)&watched', 'continue',
                'p *(int *)&counter', 'detach');
            $second = gdb(@_, 'p *(int *)&counter', 'x/1xb work', 'p $pc >= (long)&spin && $pc < (long)&store || $pc < 0x9000',
                'p *(int *)0x80000000');
            $third = gdb(@_, 'info threads', 'monitor vcpus g', 'kill');
        });
    is_deeply [ values_in($first) ], [0], 'it runs up to a breakpoint' or diag $first;
    like $first, qr/hit Breakpoint 1, work(?:.*\n)+\[Inferior 1 .*detached\]\nstatus 0/, 'and gdb goes';
    is_deeply [ values_in($second) ], [ 3, 1 ], 'another one finds it further on' or diag $second;
    like $second, qr/<work>:\s+0xff/, 'without the breakpoint';
    like $second, qr/Cannot access memory at address 0x80000000/, 'what is not mapped is no memory';
    like $third, qr/Thread 2 \(vCPU 1, running\)(?:.*\n)+\[Inferior 1 .*killed\]\nstatus 0/, 'and a third one ends it'
        or diag $third;
    ended_ok($run, 'g', 'stopped', qr/gdb killed it/);
    ended_ok($run, 'other', 'exit 0');
};

subtest 'make debug' => sub {
    open my $conf, '>', "$folder/conf" or die;
    print $conf "[slat] # its own\ngdb = nobody\nat-end = poweroff\n[guest g]\nimage = guest.elf\n";
    close $conf;
    open my $commands, '>', "$folder/commands" or die;
    print $commands "p \$pc == _start\nset confirm off\nquit 7\n";
    close $commands;
    my $output = `GDBFLAGS=-nx timeout 120 tools/debug g $folder/conf --machine bochs 2>&1 <$folder/commands`;
    is $? >> 8, 7, 'its exit status is that of gdb';
    like $output, qr/Reading symbols from \Q$guest\E.*\n(?:.*\n)*.*\$1 = 1/, 'gdb is there, with the symbols' or diag $output;
    is slurp(build() . '/debug/slat.conf'), "[slat] # its own\ngdb = g\nat-end = poweroff\n[guest g]\nimage = guest.elf\n",
        'the rest of the configuration stays' ;
};
done_testing;
