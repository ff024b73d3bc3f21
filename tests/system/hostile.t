#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests that misbehave, and images that lie: each ends alone, with its reason, and the one good guest among them is unhurt.
use strict;
use warnings;
use Slat;
use Test::More;

my $hello = slurp(stub('hello.elf'));

# hello.elf with a 32-bit little-endian field changed.
sub patched {
    my ($offset, $value) = @_;
    my $image = $hello;
    substr($image, $offset, 4) = pack 'V', $value;
    return \$image;
}
my $phoff = unpack 'V', substr($hello, 28, 4);
my ($p_type, $p_offset, $p_vaddr, $p_paddr, $p_filesz, $p_memsz) = map { $phoff + 4 * $_ } 0 .. 5;

# Its second program header, of the stack, turned into a segment that lies inside the first one.
my $overlapping = $hello;
substr($overlapping, $phoff + 32, 32) = pack 'V8', 1, 0x1000, 0x100800, 0x100800, 16, 16, 5, 0x1000;

my @cases = (
    # name, settings, file, how it ends, why
    [ 'missing',    'image = nowhere.elf', undef, 'bad-image', qr/nowhere\.elf: not found/ ],
    [ 'empty',      'image = empty.elf', \'', 'bad-image', qr/empty/ ],
    [ 'truncated',  'image = truncated.elf', \(substr $hello, 0, 5000), 'bad-image', qr/segment|file/ ],
    [ 'header-cut', "image = header-cut.elf\nformat = multiboot", \(substr $hello, 0, 40), 'bad-image', qr/./ ],
    [ 'oversized',  "image = oversized.bin\nmemory = 1M", \("\x90" x 2_000_000), 'bad-image', qr/memory/ ],
    [ 'beyond',     "image = beyond.elf\nmemory = 2M", patched($p_paddr, 0x40000000), 'bad-image', qr/0x40000000/ ],
    [ 'wraps',      'image = wraps.elf', patched($p_paddr, 0xfffff000), 'bad-image', qr/./ ],
    [ 'filesz',     'image = filesz.elf', patched($p_filesz, 0x7fffffff), 'bad-image', qr/./ ],
    [ 'offset',     'image = offset.elf', patched($p_offset, 0xfffffff0), 'bad-image', qr/./ ],
    [ 'phoff',      'image = phoff.elf', patched(28, 0xffffff00), 'bad-image', qr/./ ],
    [ 'entry',      'image = entry.elf', patched(24, 0x90000000), 'bad-image', qr/entry/ ],
    [ 'not-kernel', "image = not-kernel.elf\nformat = linux", \$hello, 'bad-image', qr/./ ],
    [ 'no-room',    "image = no-room.bin\nmemory = 640K\nstart = 64\nload = 0x1000", \("\x90" x 600_000), 'bad-image',
        qr/./ ],
    [ 'overlap',    'image = overlap.elf', \$overlapping, 'bad-image', qr/overlap/ ],
    [ 'no-module',  "image = hello.elf\nmodule = nowhere.bin", undef, 'bad-image', qr/nowhere\.bin: not found/ ],
    [ 'too-big',    "image = hello.elf\nmemory = 64G", undef, 'no-memory', qr/asks for 67108864 KiB.* has \d+ KiB left/ ],
    [ 'triple',     'image = triple_fault.elf', undef, 'triple-fault', qr/triple fault at 0x/ ],
    [ 'outside',    'image = outside_memory.elf', undef, 'outside-memory', qr/read at 0x\w+, where it has no memory; RIP 0x/ ],
    [ 'execute',    'image = execute_outside.elf', undef, 'outside-memory', qr/execute at 0x\w+, where it has no memory/ ],
    [ 'spin',       "image = spin.elf\ntimeout = 200ms", undef, 'timeout', qr/200 ms/ ],
    [ 'flood',      "image = flood.elf\noutput-limit = 1K", undef, 'exit 0', qr/./ ],
    [ 'absent',     'image = absent_port.elf', undef, 'exit 0', qr/./ ],
    [ 'msr',        'image = msr.elf', undef, 'exit 0', qr/./ ],
    [ 'vmx',        'image = vmx_instruction.elf', undef, 'exit 0', qr/./ ],
);

my $conf = "[guest good]\nimage = hello.elf\nmemory = 4M\n";
my %files;
for my $case (@cases) {
    my ($name, $settings, $file, $ended) = @$case;
    my $memory = $settings =~ /memory/ ? '' : "memory = 4M\n";
    $conf .= "[guest $name]\n$settings\n${memory}expect-end = $ended\n";
    my ($image) = $settings =~ /image = (\S+)/;
    $files{$image} = $file if $file;
}
my $run = boot(conf => $conf, files => \%files);

is $run->{status}, 0, 'every guest ended as expected';
guest_tap_ok($run, 'good');
ended_ok($run, $_->[0], $_->[3], $_->[4]) for @cases;
line_like($run, qr/^slat: +flood: \d+ bytes of console output beyond output-limit were not shown$/);
line_like($run, qr/^slat: +absent: \d+ reads and \d+ writes of absent ports; the first: 0x/);
cmp_ok scalar @{ $run->{guest}{flood}{lines} }, '<', 40, 'the flood is cut off';
no_line_like($run, qr/PANIC|panic/, 'slat itself is well');
done_testing;
