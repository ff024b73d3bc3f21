#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Rules for every file: a licence line, no trailing blanks, no tabs in C, lines of at most 130 characters.
use strict;
use warnings;
use Test::More;

my @wrong;
my $checked = 0;
for my $file (split /\n/, `git ls-files -co --exclude-standard`) {
    next unless -f $file && -T $file;
    next if $file =~ m{^tests/fuzz/corpus/} || $file eq 'LICENSE';
    open my $in, '<:encoding(UTF-8)', $file or next;
    $checked++;
    my $text = do { local $/; <$in> };
    my $source = $file =~ /\.(c|h|nasm|t|pm|mk|ld)$/ || $text =~ /^#!/ || $file eq 'Makefile';
    push @wrong, "$file: no SPDX line" if $source && substr($text, 0, 200) !~ /SPDX-License-Identifier: BSD-2-Clause/;
    push @wrong, "$file: the last line does not end" if length $text && $text !~ /\n\z/;
    my $number = 0;
    for my $line (split /\n/, $text) {
        $number++;
        push @wrong, "$file:$number: blanks at the end" if $line =~ /[ \t\r]$/;
        push @wrong, "$file:$number: a tab" if $line =~ /\t/ && $file =~ /\.(c|h|nasm)$/;
        push @wrong, "$file:$number: longer than 130 characters" if $source && length $line > 130;
    }
}
diag $_ for @wrong;
ok $checked > 50, "looked at $checked files";
is scalar @wrong, 0, 'no file breaks a rule';
done_testing;
