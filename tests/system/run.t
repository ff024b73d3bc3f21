#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# What the machine around the guests can be: several processors, no file but slat.efi missing, an image for a USB stick,
# and the same result twice.
use strict;
use warnings;
use Slat;
use Test::More;

my $conf = "[guest hello]\nimage = hello.elf\nmemory = 4M\n[guest real]\nimage = real_mode.bin\nstart = real\nmemory = 1M\n";

# The emulator is deterministic, and so is slat: every count of two runs is the same.
my @runs = map { boot(conf => $conf, options => ['--deterministic']) } 1 .. 2;
is $_->{status}, 0, 'pass' for @runs;
is_deeply $runs[0]{lines}, $runs[1]{lines}, 'two runs print the same, with all counts and times';

my $run = boot(conf => $conf, options => [ '--cpus', 8, '--memory', 2048 ]);
is $run->{status}, 0, 'a machine with 8 processors';

$run = boot(conf => $conf, options => ['--graphics']);
is $run->{status}, 0, 'a machine with a screen';
no_line_like($run, qr/no lines on the screen/, 'which can be used');

# The image that `make usb` makes boots.
system('make', '-s', 'BUILD=' . build(), "CONF=tests/system/usb.conf", build() . '/slat-usb.img') == 0 or die;
$run = boot(image => build() . '/slat-usb.img');
is $run->{status}, 0, 'the image for a USB stick boots';
guest_tap_ok($run, 'hello');
done_testing;
