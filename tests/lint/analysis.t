#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Static analysis of everything that runs in the hypervisor or before it: clang-tidy with the checks of .clang-tidy.
use strict;
use warnings;
use Test::More tests => 2;

# What includes gnu-efi's headers is left to the compiler's warnings: they are not made for clang.
my $build = $ENV{BUILD} // 'build';
my @boot = map { "boot/$_.c" } qw(conf conf_* memory_map load_hypervisor page_tables address_spaces unix_time);
my @files = grep { -f } split /\n/, `git ls-files -co --exclude-standard -- 'mm/*.c' 'hv/*.c' 'arch/*.c' @boot`;
cmp_ok scalar @files, '>', 80, 'found the sources';

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or return '';
    local $/;
    return <$in> // '';
}

my ($frames_at) = slurp('hypervisor.mk') =~ /(-DMM_FRAMES_AT=\S+)/ or die;
my $flags = "-std=gnu11 $frames_at -I. -I$build/generated -ffreestanding -mgeneral-regs-only -fshort-wchar";
open my $xargs, '|-', "xargs -P 2 -n 4 sh -c 'clang-tidy --quiet \"\$@\" -- $flags 2>/dev/null' sh >$build/clang-tidy.log"
    or die;
print $xargs "$_\n" for @files;
ok close $xargs, 'clang-tidy' or diag slurp("$build/clang-tidy.log");
