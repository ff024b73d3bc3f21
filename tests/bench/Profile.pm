# SPDX-License-Identifier: BSD-2-Clause
#
# Whose the instructions are that InMachine::profile() found.
package Profile;
use strict;
use warnings;
use File::Temp 'tempfile';
use InMachine;

# Figures of the memory benchmarks: which run has which is not known before it ran, but all their names are in its source.
my %sources = (exits => 'exits', memory => 'memory', map { $_ => 'dirty' } qw(pml protect 16M 1G 4G));

# What a person types: the run and the figure as it is marked, or nothing.
sub find {
    my ($wanted) = @_;
    my $runs = join '|', InMachine::runs();
    $wanted =~ s/^machine\.//;
    my ($run, $figure) = $wanted =~ /^($runs)\.(.+)$/ ? ($1, $2) : (undef, $wanted);
    # What the write costs that a fault is taken for: that pass is marked.
    my $marked = $figure eq 'fault.protect' ? 'pass.logged' : $figure;
    for my $candidate (defined $run ? $run : InMachine::runs()) {
        return ($candidate, $marked) if defined $run && $figure eq 'all';
        open my $in, '<', "tests/bench/in_machine_$sources{$candidate}.c" or die "in_machine: $!\n";
        return ($candidate, $marked) if grep { /"\Q$marked\E"/ } <$in>;
    }
    return;
}

# The functions of an image: [addresses, ascending], { address => name }.
sub names {
    my ($image) = @_;
    my (@starts, %name, %line);
    open my $nm, '-|', 'nm', '-n', $image or die "nm: $!\n";
    while (<$nm>) {
        my ($address, $type, $name) = split;
        $name =~ s/\..*//;    # a part of it
        next if $type !~ /^[tT]$/ || $name =~ /^text_(?:start|end)$/ || $name{$address};
        push @starts, $address;
        $name{$address} = $name;
    }
    close $nm;
    return { image => $image, starts => \@starts, name => \%name, line => {} };
}

# The address where the function begins that has this one; undef: the guest's. Addresses are 16 hexadecimal digits.
sub start_of {
    my ($names, $address) = @_;
    my ($low, $high) = (0, scalar @{ $names->{starts} });
    return if length $address != 16 || $address lt $names->{starts}[0];
    while ($high - $low > 1) {
        my $middle = ($low + $high) >> 1;
        if ($names->{starts}[$middle] le $address) { $low = $middle } else { $high = $middle }
    }
    return $names->{starts}[$low];
}

# { function => { ticks and calls of one operation, spots => [addresses, ascending] } }
sub by_function {
    my ($profile, $names) = @_;
    my %functions;
    for my $address (sort keys %{ $profile->{spots} }) {
        my ($ticks, $times) = @{ $profile->{spots}{$address} };
        my $start = start_of($names, $address);
        my $name = !defined $start ? '(guest)' : $names->{name}{$start} =~ /^bench_/ ? '(bench)' : $names->{name}{$start};
        my $function = $functions{$name} //= { ticks => 0, calls => 0, spots => [] };
        $function->{ticks} += $ticks / $profile->{count};
        $function->{calls} += $times / $profile->{count} if defined $start && $start eq $address;
        push @{ $function->{spots} }, $address;
    }
    return \%functions;
}

sub total {
    my ($functions) = @_;
    my $total = 0;
    $total += $_->{ticks} for values %$functions;
    return $total;
}

# Source lines of all spots at once.
sub find_lines {
    my ($profile, $names) = @_;
    my @missing = grep { !exists $names->{line}{$_} && defined start_of($names, $_) } sort keys %{ $profile->{spots} };
    my ($list, $file) = tempfile('slat-profile-XXXXXX', TMPDIR => 1, UNLINK => 1);
    print $list map { "$_\n" } @missing;
    close $list;
    open my $lines, '-|', "addr2line -e '$names->{image}' <'$file'" or die "addr2line: $!\n";
    for my $address (@missing) {
        my $line = <$lines> // last;
        chomp $line;
        $line =~ s/ \(discriminator.*//;
        $line =~ s{^.*/((?:arch|hv|mm|boot|tests)/)}{$1};
        $names->{line}{$address} = $line;
    }
    close $lines;
}

# One instruction: address, function, source, what it is.
sub spot_line {
    my ($profile, $names, $address, $before) = @_;
    my $start = start_of($names, $address);
    find_lines($profile, $names) if defined $start && !exists $names->{line}{$address};
    my $place = '(guest)';
    $place = sprintf '%s+%#x', $names->{name}{$start}, hex(substr $address, 8) - hex(substr $start, 8) if defined $start;
    return sprintf "%s%s  %-40s %-36s %s\n", $before, $address, $place, $names->{line}{$address} // '',
        $profile->{spots}{$address}[2];
}

1;
