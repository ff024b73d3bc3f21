#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Guests that send what no terminal should see, without end: nothing of it gets out as a control, no line is anybody else's,
# and the quiet guests among them run on.
use strict;
use warnings;
use Slat;
use Test::More;

my @kinds = ('every byte', 'one endless line', 'escape sequences', 'NULs', 'invalid UTF-8', 'random bytes');
my $conf = '';
for my $kind (0 .. $#kinds) {
    $conf .= "[guest noise-$kind]\nimage = noise.elf\ncmdline = kind=$kind size=32K\nmemory = 4M\noutput-limit = 4K\n"
        . "timeout = 5min\n";
}
$conf .= <<'E2';
[guest endless]
image = noise.elf
cmdline = kind=1 size=1G
memory = 4M
output-limit = 64K
timeout = 12s
expect-end = timeout
[guest endless-lines]
image = flood.elf
cmdline = lines=1000000
memory = 4M
output-limit = 16K
timeout = 12s
expect-end = timeout
[guest hello]
image = hello.elf
memory = 4M
[guest touch]
image = touch.elf
memory = 16M
[guest expects]
image = noise.elf
cmdline = kind=5 size=8K
memory = 4M
output-limit = 0
expect = ok 1 - 8192 bytes of noise
timeout = 5min
E2
my $run = boot(conf => $conf, options => [ '--timeout', 400 ]);

is $run->{status}, 0, 'every guest ended as expected';
guest_tap_ok($run, $_) for qw(hello touch);
ended_ok($run, "noise-$_", 'exit 0') for 0 .. $#kinds;
ended_ok($run, 'expects', 'expect-seen');
cmp_ok $run->{guest}{hello}{ms}, '<', 5000, 'hello did not wait for the floods';
table_ok($run, 11);

my $own = $run->{serial} =~ s/^.*?slat: /slat: /sr;
unlike $own, qr/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/, 'no control character';
ok utf8::decode(my $copy = $own), 'valid UTF-8';
unlike $copy, qr/[\x80-\x9f]/, 'no control character beyond ASCII';
my @strangers = grep { !/^(?:slat: |(?:noise-\d|endless|endless-lines|hello|touch|expects) *\| |1\.\.11$|ok \d+ - )/ }
    map { s/\r$//r } split /\n/, $own;
is "@strangers", '', 'every line says whose it is';
done_testing;
