#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Shell scripts are clean to shellcheck, and Perl ones compile without a warning.
use strict;
use warnings;
use Test::More;

for my $file (split /\n/, `git ls-files -co --exclude-standard`) {
    next unless -f $file && -T $file;
    open my $in, '<', $file or next;
    my $first = <$in> // '';
    if ($first =~ m{^#!.*\b(ba)?sh\b}) {
        my $output = `shellcheck -x '$file' 2>&1`;
        ok $? == 0, $file or diag $output;
    } elsif ($first =~ m{^#!.*\bperl\b} || $file =~ /\.pm$/) {
        my $output = `$^X -Itests/system -Itests/bench -wc '$file' 2>&1`;
        ok $output =~ /\A\Q$file\E syntax OK\n\z/, $file or diag $output;
    }
}
done_testing;
