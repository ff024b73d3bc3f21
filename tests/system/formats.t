#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Image formats that no stub has, made here byte by byte: Multiboot by the header's address fields, and Multiboot as ELF64.
# Both end with status 0 if EAX had Multiboot's magic number. And headers that lie: each is refused with its reason.
use strict;
use warnings;
no warnings 'portable'; # numbers of 64 bits
use Slat;
use Test::More;

use constant { ADDRESS => 0x200000, MAGIC => 0x1badb002 };

# sub eax, 0x2badb002; mov dx, 0xf4; out dx, eax; hlt
my $code = "\x2d\x02\xb0\xad\x2b\x66\xba\xf4\x00\xef\xf4";

# A kernel with address fields, of which some are given; its header is not at the file's start.
sub kludge {
    my %field = (flags => 0x10003, header => ADDRESS + 64, load => ADDRESS, load_end => 0, bss_end => 0, entry => ADDRESS + 96,
        @_);
    my $header = pack 'V8', MAGIC, $field{flags}, -(MAGIC + $field{flags}) & 0xffffffff,
        @field{qw(header load load_end bss_end entry)};
    return \("\xcc" x 4160 . $header . $code) if $field{shifted};
    return \("\xcc" x 64 . $header . $code);
}

# An ELF64 file of one segment with a Multiboot header.
sub elf64 {
    my %field = (class => 2, machine => 62, type => 2, entry => ADDRESS + 12, phoff => 64, phnum => 1, offset => 0x1000,
        vaddr => 0xffffffff80000000, paddr => ADDRESS, filesz => 0, memsz => 0x3000, @_);
    my $text = pack('V3', MAGIC, 0, -MAGIC & 0xffffffff) . $code;
    my $filesz = $field{filesz} || length $text;
    my $file = pack 'a4 C12 v2 V Q3 V v6', "\x7fELF", $field{class}, 1, 1, (0) x 9, @field{qw(type machine)}, 1,
        @field{qw(entry phoff)}, 0, 0, 64, 56, $field{phnum}, 0, 0, 0;
    $file .= pack 'V2 Q6', 1, 7, @field{qw(offset vaddr paddr)}, $filesz, @field{qw(memsz)}, 0x1000;
    return \($file . "\0" x (0x1000 - length $file) . $text);
}

# memtest86+, a bzImage, with a field of its setup header changed; or cut off.
my $linux = slurp(build() . '/guests/memtest86+x64.bin');
ok length $linux, 'memtest86+ is there (tools/get-guests)';
sub linux {
    my ($offset, $bytes) = @_;
    my $image = $linux;
    substr($image, $offset, length $bytes) = $bytes;
    return \$image;
}

my @cases = (
    # name, image, how it ends, why
    [ 'kludge',          kludge(), 'exit 0' ],
    [ 'kludge-bss',      kludge(load_end => ADDRESS + 107, bss_end => ADDRESS + 0x4000), 'exit 0' ],
    [ 'kludge-shifted',  kludge(shifted => 1, header => ADDRESS + 4160, entry => ADDRESS + 4192), 'exit 0' ],
    [ 'kludge-load',     kludge(load => ADDRESS + 65), 'bad-image', qr/load_addr 0x200041 does not fit/ ],
    [ 'kludge-header',   kludge(header => ADDRESS + 65), 'bad-image', qr/load_addr 0x200000 does not fit header_addr 0x200041/ ],
    [ 'kludge-load-end', kludge(load_end => ADDRESS + 200), 'bad-image', qr/load_end_addr 0x2000c8: the file has bytes for/ ],
    [ 'kludge-backward', kludge(load_end => ADDRESS - 1), 'bad-image', qr/load_end_addr/ ],
    [ 'kludge-bss-end',  kludge(bss_end => ADDRESS + 50), 'bad-image', qr/bss_end_addr 0x200032 lies below/ ],
    [ 'kludge-large',    kludge(bss_end => 0xfffffff0), 'bad-image', qr/memory/ ],
    [ 'kludge-entry',    kludge(entry => ADDRESS - 4), 'bad-image', qr/entry 0x1ffffc lies outside the kernel/ ],
    [ 'required-flag',   kludge(flags => 0x18003), 'bad-image', qr/requires features that slat does not have \(flags 0x8000\)/ ],
    [ 'neither',         kludge(flags => 3), 'bad-image', qr/neither an ELF file nor address fields/ ],
    [ 'elf64',           elf64(), 'exit 0' ],
    [ 'elf64-above-4g',  elf64(entry => 0x100000000), 'bad-image', qr/entry 0x100000000/ ],
    [ 'elf64-class',     elf64(class => 3), 'bad-image', qr/class 3, neither/ ],
    [ 'elf64-machine',   elf64(machine => 183), 'bad-image', qr/machine 183, not for x86/ ],
    [ 'elf64-dynamic',   elf64(type => 3), 'bad-image', qr/position-independent/ ],
    [ 'elf64-phoff',     elf64(phoff => 0xfffffffffffffff0), 'bad-image', qr/program headers/ ],
    [ 'elf64-phnum',     elf64(phnum => 65535), 'bad-image', qr/65535 program headers/ ],
    [ 'elf64-offset',    elf64(offset => 0xffffffffffffffff), 'bad-image', qr/truncated: segment 0/ ],
    [ 'elf64-filesz',    elf64(filesz => 0x4000), 'bad-image', qr/segment 0 has 0x4000 bytes in the file but only 0x3000/ ],
    [ 'elf64-paddr',     elf64(paddr => 0xfffffffffffff000), 'bad-image', qr/memory|segment 0/ ],
    [ 'elf64-memsz',     elf64(memsz => 0x7fffffffffffffff), 'bad-image', qr/memory|segment 0/ ],
    [ 'linux-old',       linux(0x206, "\x05\x02"), 'bad-image', qr/boot protocol 2\.05, slat 2\.06 and later/ ],
    [ 'linux-size',      linux(0x1f4, "\xff\xff\xff\x00"), 'bad-image', qr/truncated: the kernel's code has/ ],
    [ 'linux-setup',     linux(0x1f1, "\xff"), 'bad-image', qr/truncated|entry/ ],
    [ 'linux-zimage',    linux(0x211, "\x00"), 'bad-image', qr/zImage/ ],
    [ 'linux-cut',       \substr($linux, 0, 0x230), 'bad-image', qr/truncated|setup header/ ],
);
@cases = grep { $_->[0] !~ /^linux/ } @cases unless $linux;

# 32 guests at most: in two boots.
for my $half ([ @cases[ 0 .. 13 ] ], [ @cases[ 14 .. $#cases ] ]) {
    my %files = map { ("$_->[0].img" => $_->[1]) } @$half;
    my $conf = "[guest hello]\nimage = hello.elf\nmemory = 4M\n";
    $conf .= "[guest $_->[0]]\nimage = $_->[0].img\nmemory = 4M\nexpect-end = $_->[2]\n"
        . ($_->[0] =~ /^linux/ ? "format = linux\n" : '') for @$half;
    my $run = boot(conf => $conf, files => \%files);
    is $run->{status}, 0, 'every guest ended as expected';
    guest_tap_ok($run, 'hello');
    ended_ok($run, @$_[ 0, 2, 3 ]) for @$half;
}
done_testing;
