#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Scripts of the monitor's commands, executed while guests run: what they answer, what they do, and what becomes of commands
# that fail or whose turn does not come.
use strict;
use warnings;
use Slat;
use Test::More;

sub answers_like {
    my ($run, $pattern, $name) = @_;
    line_like($run, qr/^slat: monitor: $pattern/, $name);
}

# What the commands between two of them answered.
sub between {
    my ($run, $from, $to) = @_;
    my (@found, $inside);
    for (@{ $run->{lines} }) {
        $inside = 0 if $_ eq "slat: monitor> $to";
        push @found, $1 if $inside && /^slat: monitor: (.*)$/;
        $inside = 1 if $_ eq "slat: monitor> $from";
    }
    return @found;
}

subtest 'commands' => sub {
    my $run = boot(conf => <<'E2');
[slat]
slice = 1ms
audit = yes
[guest writer]
image = dirty.elf
cmdline = script rounds=3 gap=20
[guest idler]
image = dirty.elf
cmdline = script rounds=1 gap=20
largest-page = 4K
[script]
do = help
do = vms
do = expect writer "r*dy" 20s
do = slots writer
do = dirty start writer lazy
do = map writer
do = dirty ring writer 4096
do = expect writer "written 1" 20s
do = dirty reap writer 100
do = dirty reap writer 100000
do = dirty ring writer 0
do = map writer
do = dirty stop writer keep
do = map writer
do = collapse writer
do = map writer
do = split writer 0x800 512
do = ept writer
do = collapse writer lazily
do = zap writer 0xa00 0x200
do = map writer
do = pause writer
do = vms
do = stats writer
do = wait 20ms
do = stats writer
do = resume writer
do = balloon idler 0xc00 0x100
do = expect writer "written 2" 20s
do = dirty rate writer 10ms
do = dirty rate writer 10ms log 4K
do = dirty forecast writer 5ms 100M 10ms
do = snapshot writer here
do = expect writer "written 3" 20s
do = reset writer here
do = expect writer "written 3" 20s
do = drop writer here
E2
    is $run->{status}, 0, 'pass';
    for my $guest (qw(writer idler)) {
        guest_tap_ok($run, $guest);
        line_like($run, qr/^slat: audit: $guest: 0 violations/, "$guest: its memory is in order at the end");
    }
    line_like($run, qr/^slat: script: 37 commands, 0 failed$/, 'the script');
    answers_like($run, qr/  help \[COMMAND\] +this list, or how a command is used$/);
    answers_like($run, qr/writer: running, 16384 KiB$/);
    answers_like($run, qr/writer: running, paused, 16384 KiB$/);
    answers_like($run, qr/writer: slot 0: pages 0 to 0xfff$/);
    # A lazy start splits nothing; a write does.
    my @maps = map { /^slat: monitor: +0 ([.:kmgKMG=#]+)$/ } @{ $run->{lines} };
    is scalar @maps, 5, 'five pictures';
    like $maps[0], qr/^[km]\.\.\.mm\.\.$/i, 'two large pages, not split by a lazy start';
    like $maps[1], qr/^[km]\.\.\.kk\.\.$/i, 'split by writes';
    like $maps[2], qr/^[km]\.\.\.kk\.\.$/i, 'kept small';
    like $maps[3], qr/^[km]\.\.\.mm\.\.$/i, 'large again';
    like $maps[4], qr/^[km]\.\.\.\.\.\.\.$/i, 'dropped by a lazy collapse, and unmapped';
    my ($first) = between($run, 'dirty reap writer 100', 'dirty reap writer 100000');
    like $first, qr/^writer: 100 entries, 100 pages are dirty$/, 'a part of the ring';
    my ($rest) = between($run, 'dirty reap writer 100000', 'dirty ring writer 0');
    my ($pages) = $rest =~ /, (\d+) pages are dirty$/;
    cmp_ok 100 + $pages, '>=', 1024, 'and the rest: no page is missing';
    answers_like($run, qr/writer:   4K: \d+ tables, 5\d\d pages: \d+ read-only/);
    my @exits = map { /^slat: monitor: writer: (\d+) exits/ } @{ $run->{lines} };
    is $exits[1], $exits[0], 'who is paused does not run';
    answers_like($run, qr/writer: (?:at most )?\d+ pages in 1\d\d\d\d us: \d+ in a second/);
    answers_like($run, qr/writer: converges in \d+ rounds/);
    answers_like($run, qr/writer: \d+ pages were looked at, \d+ changed back$/);
    my $written = grep { $_ eq '# written 3' } @{ $run->{guest}{writer}{lines} };
    is $written, 2, 'what was undone is done again';
};

subtest 'errors' => sub {
    my $run = boot(conf => <<'E2');
[slat]
slice = 1ms
[guest hello]
image = hello.elf
[guest left]
image = dirty.elf
cmdline = script rounds=1 gap=2
[script]
do = frobnicate left
do = dirty stop left
do = stats nobody
do = expect left "no such line" 5ms
do = expect hello "1..*" 5s
do = expect hello "no such line"
do = stats hello
do = reset left never
do = wait 1min
do = vms
do = help
E2
    is $run->{status}, 1, 'fail';
    guest_tap_ok($run, $_) for qw(hello left);
    answers_like($run, qr/unknown command "frobnicate"; help says which there are$/);
    answers_like($run, qr/dirty stop left: it is not logged$/);
    answers_like($run, qr/stats: there is no guest "nobody"$/);
    answers_like($run, qr/expect left: no such line in time$/);
    answers_like($run, qr/expect hello: the guest ended without such a line$/);
    answers_like($run, qr/stats hello: the guest has ended$/);
    answers_like($run, qr/reset left: there is no snapshot "never"$/);
    answers_like($run, qr/wait: no guest runs any more$/);
    line_like($run, qr/^slat: script: no guest runs any more; not done: vms$/);
    line_like($run, qr/^slat: script: 11 commands, 10 failed$/);
    like $run->{lines}[-1], qr/^slat: result: fail \(10 commands of the script failed\)$/, 'the verdict is the last line';
};

# Without the permission VMCALL is what it is without a hypervisor.
subtest 'no hypercalls' => sub {
    my $run = boot(conf => <<'E2');
[guest dirty]
image = dirty.elf
expect-end = exit 1
[guest snapshot]
image = snapshot.elf
expect-end = exit 1
E2
    is $run->{status}, 0, 'both end';
    line_like($run, qr/^$_ *\| .*exception 6/, "$_: invalid opcode") for qw(dirty snapshot);
};
done_testing;
