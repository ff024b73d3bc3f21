#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# The layout of the C code is what clang-format makes of it. `clang-format -i FILE` mends.
use strict;
use warnings;
use Test::More tests => 2;

my @files = grep { -f } split /\n/, `git ls-files -co --exclude-standard -- '*.c' '*.h'`;
cmp_ok scalar @files, '>', 50, 'found the sources';
my @wrong = grep { system("clang-format --dry-run --Werror '$_' >/dev/null 2>&1") } @files;
diag "$_: run clang-format -i" for @wrong;
is scalar @wrong, 0, 'all are laid out';
