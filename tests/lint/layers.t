#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Who may include whom: the layers of the tree. docs/architecture.md draws them; this is the rule that is enforced.
use strict;
use warnings;
use Test::More;

# folder => the folders, or single headers, whose headers its files may include besides their own; and what may stand in <>.
my $freestanding = qr{^(stdarg|stdbool|stddef|stdint|limits|assert|errno)\.h$};
my %layers = (
    'mm'          => { may => [],                                    system => $freestanding },
    'hv/lib'      => { may => [],                                    system => $freestanding },
    'boot'        => { may => [ 'hv/lib' ],                          system => qr{$freestanding|^(efi\w*|cpuid|elf)\.h$} },
    'arch/x86'    => { may => [ 'mm', 'hv/lib', 'boot/handoff.h', 'boot/guest_conf.h' ], system => $freestanding },
    'hv'          => { may => [ 'mm', 'hv', 'arch/x86', 'boot/handoff.h', 'boot/guest_conf.h' ], system => $freestanding },
    'guest-stubs' => { may => [],                                    system => $freestanding },
);

# The longest folder name in the table that is a prefix of the file's path.
sub layer_of {
    my ($file) = @_;
    for my $layer (sort { length $b <=> length $a } keys %layers) {
        return $layer if $file =~ m{^\Q$layer\E/};
    }
    return undef;
}

sub allowed {
    my ($layer, $included) = @_;
    return 1 if (layer_of($included) // '') eq $layer;
    for my $may (@{ $layers{$layer}{may} }) {
        return 1 if $included eq $may || $included =~ m{^\Q$may\E/};
    }
    return 0;
}

my $checked = 0;
my @wrong;
for my $file (split /\n/, `git ls-files -co --exclude-standard -- '*.c' '*.h'`) {
    my $layer = layer_of($file) or next;
    open my $in, '<', $file or next;
    $checked++;
    while (<$in>) {
        if (/^\s*#\s*include\s+"([^"]+)"/) {
            my $included = $1;
            next if $included =~ m{^(version|boot/version)\.h$};    # generated
            push @wrong, "$file:$.: $layer may not include \"$included\"" unless allowed($layer, $included);
            push @wrong, "$file:$.: \"$included\" does not exist" unless -f $included;
        } elsif (/^\s*#\s*include\s+<([^>]+)>/) {
            push @wrong, "$file:$.: $layer may not include <$1>" unless $1 =~ $layers{$layer}{system};
        }
    }
}
diag $_ for @wrong;
ok $checked > 50, "found the sources ($checked files)";
is scalar @wrong, 0, 'no file includes upwards';

# Every header compiles alone, so that no file depends on what others happen to have included before.
my @alone;
my $headers = "'mm/*.h' 'hv/*.h' 'arch/*.h' boot/handoff.h boot/guest_conf.h";
for my $header (split /\n/, `git ls-files -co --exclude-standard -- $headers`) {
    next unless -f $header;
    my $output = `gcc -std=gnu11 -I. -Wall -Wno-unused -ffreestanding -fsyntax-only -x c -include $header /dev/null 2>&1`;
    push @alone, $header if $?;
    diag $output if $?;
}
is scalar @alone, 0, "every header compiles alone: @alone";
done_testing;
