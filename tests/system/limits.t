#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Configurations at and beyond the limits: 32 guests with the longest names, 1 MiB of text, large files in folders with long
# names, the shortest slices and timeouts, modules; and that a guest that does not end as expected is a failure.
use strict;
use warnings;
use File::Temp 'tempdir';
use Slat;
use Test::More;

my $hello = "image = hello.elf\nmemory = 4M\n";
my @names = map { sprintf 'a-name-of-23-letters-%02d', $_ } 1 .. 32;
my $guests = join '', map { "[guest $_]\n$hello" } @names;

subtest '32 guests' => sub {
    my $run = boot(conf => "[slat]\nslice = 100us\n$guests");
    is $run->{status}, 0, 'pass';
    guest_tap_ok($run, $_) for @names;
    like $run->{lines}[-1], qr/^slat: result: pass \(32 of 32 guests/, 'the verdict is the last line';
    table_ok($run, 32);
};

subtest '33 guests' => sub {
    my $run = boot(conf => "$guests\[guest one-more]\n$hello");
    is $run->{status}, 2, 'stopped';
    line_like($run, qr/slat\.conf:97:1: too many guests; allowed: 32/);
};

subtest '1 MiB of slat.conf, with a byte order mark and CR LF' => sub {
    my $text = "\xef\xbb\xbf[guest hello]\n$hello" =~ s/\n/\r\n/gr;
    $text .= "# " . 'x' x 76 . "\r\n" while length($text) < (1 << 20) - 200;
    $text .= '#' x ((1 << 20) - length $text);
    my $run = boot(conf => $text);
    is $run->{status}, 0, 'pass';
    guest_tap_ok($run, 'hello');

    $run = boot(conf => "$text#");
    is $run->{status}, 2, 'one byte more: stopped';
    line_like($run, qr/slat\.conf is larger than 1024 KiB/);
};

# A jump over 6 MiB to a HLT.
my $far = "\xe9" . pack('V', 6 << 20) . "\xcc" x (6 << 20) . "\xf4";
my $long = 'folder/a sub folder/A very long name, of the kind for which FAT needs many entries.bin';
my @modules = map { "module = module.bin number $_ size=3000000\n" } 1 .. 8;

subtest 'all kinds' => sub {
    my $run = boot(conf => <<"E2", files => { $long => \$far, 'tiny.bin' => \"\xf4", 'module.bin' => \('m' x 3_000_000) });
[slat]
slice = 100us
[guest folder]
image = folder
expect-end = bad-image
[guest no-room-for-it]
image = hello.elf
memory = 4K
expect-end = bad-image
[guest no-stack]
image = tiny.bin
memory = 4K
load = 0
expect-end = bad-image
[guest two-pages]
image = tiny.bin
start = real
load = 0x800
memory = 8K
expect-end = halt
[guest large]
image = $long
memory = 16M
expect-end = halt
[guest large-again]
image = FOLDER\\A SUB FOLDER\\@{[ $long =~ s{.*/}{}r ]}
memory = 16M
expect-end = halt
[guest modules]
image = modules.elf
cmdline = memory=64M modules=8
memory = 64M
@modules
[guest too-many-modules]
image = modules.elf
memory = 16M
expect-end = bad-image
@modules
[guest short]
image = spin.elf
memory = 4M
timeout = 1ms
expect-end = timeout
[guest silent]
image = flood.elf
cmdline = lines=20
memory = 4M
output-limit = 0
[guest wildcard]
$hello
expect = h?llo*guest
[guest escaped]
$hello
expect = ok 1 - \\started*Mul?iboot
E2
    is $run->{status}, 0, 'pass';
    ended_ok($run, 'folder', 'bad-image', qr/\\folder: /);
    ended_ok($run, 'no-room-for-it', 'bad-image', qr/beyond the guest's 4 KiB of memory/);
    ended_ok($run, 'no-stack', 'bad-image', qr/no room for a stack/);
    ended_ok($run, 'two-pages', 'halt', qr/halted at 0x800 /);
    ended_ok($run, $_, 'halt', qr/halted at 0x700005 /) for qw(large large-again);
    guest_tap_ok($run, 'modules');
    ended_ok($run, 'too-many-modules', 'bad-image', qr/no room for module \d/);
    ended_ok($run, 'short', 'timeout', qr/ 1 ms/);
    ended_ok($run, $_, 'expect-seen') for qw(wildcard escaped);
    is_deeply $run->{guest}{silent}{lines}, ['[output limit of 0 bytes reached: the rest is only counted]'], 'silent is silent';
    table_ok($run, 12);
};

subtest 'what was expected does not come' => sub {
    my $run = boot(conf => <<"E2");
[guest unseen]
$hello
expect = never
[guest status]
image = exit_status.elf
memory = 4M
[guest spin]
image = spin.elf
memory = 4M
timeout = 20ms
[guest right]
$hello
E2
    is $run->{status}, 1, 'fail';
    line_like($run, qr/^not ok 1 - unseen: exit 0, expected expect-seen$/);
    line_like($run, qr/^not ok 2 - status: exit 42, expected exit 0$/);
    line_like($run, qr/^not ok 3 - spin: timeout, expected exit 0$/);
    line_like($run, qr/^ok 4 - right: exit 0$/);
    like $run->{lines}[-1], qr/^slat: result: fail \(3 of 4 guests did not end as expected\)$/, 'the verdict is the last line';
};

subtest 'more processors than slat has tasks for' => sub {
    my $many = join '', map { "[guest g$_]\nimage = hello.elf\nmemory = 4M\nprocessors = 32\n" } 1 .. 6;
    my $run = boot(conf => "[slat]\naudit = yes\n${many}expect-end = no-memory\n");
    is $run->{status}, 0, 'pass';
    ended_ok($run, 'g5', 'exit 0');
    ended_ok($run, 'g6', 'no-memory', qr/more than \d+ processors/);
};

subtest 'at-end' => sub {
    my $run = boot(conf => "[slat]\nat-end = halt\n[guest hello]\n$hello");
    is $run->{status}, 0, 'halt: pass';
    like $run->{lines}[-1], qr/^slat: the machine halts here, and may be switched off$/, 'halt: the machine stays on';

    my $log = tempdir(CLEANUP => 1);
    $run = boot(conf => "[slat]\nat-end = reboot\n[guest hello]\n$hello", options => [ '--log', $log ]);
    is $run->{status}, 0, 'reboot: pass';
    line_like($run, qr/^slat: result: pass/);
    no_line_like($run, qr/halts here/, 'reboot: it does not halt');
    is scalar(() = slurp("$log/emulator.log") =~ /_c::Reset\(HARDWARE\)/g), 2, 'reboot: the machine is reset, after power-on';
};
done_testing;
