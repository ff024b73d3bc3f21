#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# A real gdb on hv/gdb_*.c: the server with the machine of tests/unit/gdb_machine.c in the place of a guest, on a pipe.
use strict;
use warnings;
use File::Temp 'tempdir';
use Slat;
use Test::More;

my $build = build();
my $folder = tempdir(CLEANUP => 1);
system('make', '-s', "BUILD=$build", "$build/tools/gdb-machine") == 0 or die;

for my $width (32, 64) {
    my @wide = $width == 64 ? ('-DWIDE') : ();
    my $emulation = $width == 64 ? 'elf_x86_64' : 'elf_i386';
    system('nasm', '-f', "elf$width", @wide, '-g', '-F', 'dwarf', '-o', "$folder/$width.o",
        'tests/system/gdb-guest.nasm') == 0 or die;
    system('ld', '--no-warn-rwx-segments', '-m', $emulation, '-Ttext', '0x1000', '-N', '-o', "$folder/$width",
        "$folder/$width.o") == 0 or die;
}

# What gdb says to these commands, and the machine's own last line. The machine is (mode, vCPUs).
sub gdb {
    my ($machine, @commands) = @_;
    open my $script, '>', "$folder/script" or die;
    print $script "$_\n" for 'set pagination off', 'set confirm off', 'set debuginfod enabled off', @commands;
    close $script;
    my $program = $machine =~ /^(\d+)/ ? "$folder/$1" : '';
    my $output = `timeout 60 gdb -nx -q -batch -x $folder/script $program 2>&1 </dev/null`;
    return $output . "status $?\n";
}

sub target {
    my ($machine) = @_;
    return "target remote | exec $build/tools/gdb-machine $machine 2>$folder/machine";
}

sub machine {
    open my $in, '<', "$folder/machine" or die;
    return join '', <$in>;
}

sub session {
    my ($machine, @commands) = @_;
    return gdb($machine, target($machine), @commands);
}

# Code of both widths: a gdb with acknowledgements, and one without.
for my $case ([ 32, 'eax', 'eip', 'off' ], [ 64, 'rax', 'rip', 'auto' ]) {
    my ($width, $a, $ip, $noack) = @$case;
    subtest "$width-bit code" => sub {
        my $output = gdb($width, "set remote noack-packet $noack", target("$width 2"), 'load', 'compare-sections',
            'break work', 'continue',
            "printf \"first %d at %d\\n\", \$$a, \$pc == work", 'stepi', "printf \"then %d\\n\", \$$a", 'stepi',
            'printf "counter %d\n", *(int *)&counter', 'continue', "set \$$a = 100",
                'tbreak *((char *)&again + 5)', 'continue', "printf \"back %d\\n\", \$$a",
            'x/2i again', "set \$$ip = work", "printf \"moved %d\\n\", \$pc == work", 'x/1i work', 'info threads',
            'set {int}&counter = 0x12345678', 'x/4xb &counter', 'show architecture', "set \$$ip = _start", 'detach');
        like $output, qr/Loading section \.text, size 0x\w+ lma 0x1000/, 'load';
        like $output, qr/Section \.text, range 0x1000 -- \w+: matched/, 'what was written is read';
        like $output, qr/hit Breakpoint 1, work/, 'a breakpoint';
        like $output, qr/^first 5 at 1$/m, 'registers';
        like $output, qr/^then 6$/m, 'a step from a breakpoint';
        like $output, qr/^counter 6$/m, 'memory';
        like $output, qr/^back 101$/m, 'a register is changed, and it returns';
        like $output, qr/again>:\s+call.*\n.*jmp/, 'code is shown as what it is';
        like $output, qr/^moved 1$/m, 'the instruction pointer is changed';
        like $output, qr/work>:\s+add/, 'no breakpoint is seen in memory';
        like $output, qr/Thread 1 \(vCPU 0, running\).*\n.*Thread 2 \(vCPU 1, halted\)/, 'threads';
        like $output, qr/0x78\s+0x56\s+0x34\s+0x12/, 'memory is changed';
        like $output, $width == 64 ? qr/i386:x86-64/ : qr/"i386"/, 'the width of the code is known';
        like $output, qr/detached\]\nstatus 0$/, 'detach';
        unlike $output, qr/warning|Remote failure|rror/, 'and gdb had nothing to complain about';
        is machine(), qq(gdb-machine: runs, 0 breakpoints in memory and in debug registers, monitor ""\n),
            'nothing is left behind';
    };
}

subtest 'all registers' => sub {
    my $output = session('64 1', 'set $xmm3.v4_float[1] = 1.5', 'p $xmm3.v4_float[1]',
        'set $ymm3.v8_int32[7] = 77', 'p $ymm3.v8_int32',
        'set $st0 = 2.5', 'p $st0', 'p $cr0', 'p/x $mxcsr', 'set $mxcsr = 0xffffffff', 'p $mxcsr', 'p/x $fctrl',
            'set $fs_base = 0x1234', 'p/x $fs_base',
        'set $r15 = -1', 'p $r15', 'set $eflags |= 1', 'p $eflags', 'maint flush register-cache',
            'info registers eflags r15 efer', 'p $xmm3.v4_float[1]');
    my @values = map { /^\$\d+ = (.*)/ ? $1 : () } split /\n/, $output;
    is_deeply \@values, [ '1.5', '{0, 1069547520, 0, 0, 0, 0, 0, 77}', '2.5', '[ PE ET PG ]', '0x1f80',
        '[ IE DE ZE OE UE PE IM DM ZM OM UM PM FZ ]', '0x37f', '0x1234', '-1',
        '[ CF ]', '1.5' ], 'are read and written' or diag $output;
    like $output, qr/^eflags\s+0x3\s+\[ CF \].*\nr15\s+0xffffffffffffffff.*\nefer\s+0x500\s+\[ LME LMA \]/m,
        'and the machine has them' or diag $output;
    like session('64 1', 'set $cr3 = 4096'), qr/Could not write register "cr3"; remote failure reply 'E01'/,
        'a control register cannot be changed';
    like session('64 1', 'set $rip = 0x800000000000'),
        qr/Could not write register "rip"; remote failure reply 'E16'/, 'to where no instruction can be';
};

subtest 'watchpoints' => sub {
    my $output = session('64 2', 'load', 'watch *(int *)&counter', 'continue', 'continue', 'delete',
        'rwatch *(int *)&counter', 'continue', 'delete',
        'awatch *(int *)&counter', 'continue', 'continue', 'delete', 'hbreak work', 'continue', 'p $pc == work',
            'delete', 'watch *(long *)0x20101', 'stepi', 'detach');
    like $output,
        qr/hit Hardware watchpoint 1: .*\n\nOld value = 0\nNew value = 6\n(?:.*\n)*?Old value = 6\nNew value = 7/,
        'writes' or diag $output;
    like $output, qr/hit Hardware read watchpoint 2: .*\n\nValue = 7/, 'reads';
    like $output,
        qr/hit Hardware access .* 3: .*\n\nOld value = 7\nNew value = 8\n(?:.*\n)+.*watchpoint 3: .*\n\nValue = 8/, 'both';
    like $output, qr/hit Breakpoint 4, work(?:.*\n)+\$1 = 1/, 'execution';
    unlike $output, qr/Could not insert/, 'one that is not aligned';
    like machine(), qr/ 0 breakpoints/, 'nothing is left behind';
    like session('64 1', 'watch *(long *)0x20101', 'watch *(long *)0x20201', 'stepi'),
        qr/Could not insert hardware watchpoint|Couldn't insert/, 'more than there is room for';
};

subtest 'several vCPUs' => sub {
    my $output = session('64 3', 'load', 'set {unsigned short}0x800 = 0x9090',
        'set {unsigned short}0x802 = 0xfceb', 'thread 2', 'stepi', 'p $pc', 'thread 3', 'p $pc',
        'set scheduler-locking on', 'thread 2', 'stepi', 'p $pc', 'thread 1', 'p $pc == _start',
            'set scheduler-locking off', 'break *0x801 thread 3', 'continue',
        'thread', 'p $_thread', 'set $rax = 33', 'thread 1', 'p $rax != 33', 'detach');
    my @values = map { /^\$\d+ = (.*)/ ? $1 : () } split /\n/, $output;
    is scalar @values, 6, 'are asked' or diag $output;
    like $values[0], qr/0x801/, 'one steps';
    like $values[2], qr/0x802/, 'alone';
    is $values[4], 3, 'one meets a breakpoint';
    is $values[5], 1, 'and has registers of its own';
};

subtest 'how it ends' => sub {
    my $output = session('64 1', 'load', 'set $pc = finish', 'continue');
    like $output, qr/exit\n\[Inferior 1 \(process 1\) exited with code 052\]|exited with code 052/,
        'by itself' or diag $output;
    like machine(), qr/^gdb-machine: ended/, 'it is gone';
    $output = session('64 1', 'load', 'set $pc = fault', 'continue');
    like $output, qr/triple fault\n(?:.*\n)*Program terminated with signal SIGABRT/, 'by a fault' or diag $output;
    session('64 1', 'load', 'break work', 'continue', 'kill');
    is machine(), qq(gdb-machine: killed, 0 breakpoints in memory and in debug registers, monitor ""\n), 'by gdb';
    session('64 1', 'load', 'break work', 'continue');
    is machine(), qq(gdb-machine: runs, 0 breakpoints in memory and in debug registers, monitor ""\n),
        'a gdb that quits leaves it alone';
};

subtest 'an interrupt' => sub {
    my $output = session('64 2', 'load', 'shell (sleep 1; kill -INT $PPID) &', 'continue', 'p $pc >= _start',
        'stepi', 'detach');
    like $output, qr/received signal SIGINT(?:.*\n)+\$1 = 1/, 'stops it' or diag $output;
};

subtest 'monitor' => sub {
    my $output = session('64 1', 'monitor ept left', 'monitor registers', 'monitor registers 16',
        'monitor registers 32', 'detach');
    like $output, qr/^you said: ept left\n\n/m, 'a command' or diag $output;
    like $output, qr/^usage: registers 32\|64\|auto\nto take effect/m,
        'the server has one of its own' or diag $output;
};

# gdb has no notion of segments: it sees instructions where they are.
subtest 'real mode' => sub {
    my $output = session('real', 'set architecture i8086', 'p $pc', 'stepi', 'x/2i $pc', 'break *0x1003',
        'continue', 'stepi', 'continue', 'set $eip = 0x1001', 'stepi',
        'p/x $eip', 'detach');
    like $output, qr/^\$1 = .*0x1000/m, 'begins' or diag $output;
    like $output, qr/=> 0x1001:\s+nop/, 'steps';
    is scalar(() = $output =~ /Breakpoint 1, 0x00001003/g), 2, 'breakpoints';
    like $output, qr/^\$2 = 0x1002/m, 'the instruction pointer is changed';
    like machine(), qr/ 0 breakpoints/, 'nothing is left behind';
};
done_testing;
