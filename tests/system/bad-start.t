#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# What stops slat before any guest runs: each time one clear line, and an end.
use strict;
use warnings;
use Slat;
use Test::More;

my $hello = "[guest hello]\nimage = hello.elf\n";

subtest 'no slat.conf' => sub {
    my $run = boot();
    is $run->{status}, 2, 'stopped';
    line_like($run, qr/^slat: result: stopped \(there is no \\slat\\slat\.conf on the volume/);
};

subtest 'unknown key' => sub {
    my $run = boot(conf => "[guest hello]\nimage = hello.elf\nmemry = 4M\n");
    is $run->{status}, 2, 'stopped';
    line_like($run, qr/slat\.conf:3:1: .*memry.*did you mean "?memory"?/i, 'file, line, column, what was found, what is meant');
    no_line_like($run, qr/hello +\|/, 'no guest ran');
};

subtest 'no VMX (QEMU TCG)' => sub {
    my $run = boot(conf => $hello, options => [ '--machine', 'tcg' ]);
    is $run->{status}, 2, 'stopped';
    line_like($run, qr/^slat: result: stopped \(.*(not an Intel processor|no VMX)/);
};

subtest 'no VMX (Intel, feature left out)' => sub {
    my $run = boot(conf => $hello, options => [ '--without', 'vmx' ]);
    is $run->{status}, 2, 'stopped';
    line_like($run, qr/^slat: result: stopped \(this processor has no VMX/);
};

subtest 'not Intel' => sub {
    my $run = boot(conf => $hello, options => [ '--cpu-model', 'ryzen' ]);
    is $run->{status}, 2, 'stopped';
    line_like($run, qr/^slat: result: stopped \(this is not an Intel processor\)$/);
};

subtest 'no execute-disable bit' => sub {
    my $run = boot(conf => $hello, options => [ '--without', 'nx' ]);
    is $run->{status}, 2, 'stopped';
    line_like($run, qr/^slat: result: stopped \(the processor has no execute-disable bit/);
};

subtest 'no EPT' => sub {
    my $run = boot(conf => $hello, options => [ '--cpu-model', 'core2_penryn_t9600' ]);
    is $run->{status}, 2, 'stopped';
    line_like($run, qr/^slat: result: stopped \(this processor's VMX lacks EPT/);
};

done_testing;
