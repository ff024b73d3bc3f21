# SPDX-License-Identifier: BSD-2-Clause
#
# What the system tests share: boot slat with a configuration and files, and look at what came out of the serial port.
#
#   my $run = boot(conf => $text, files => { 'x.elf' => 'build/stubs/hello.elf', 'y.bin' => \$bytes },
#                  options => ['--cpu-model', 'core2_penryn_t9600']);
#   $run->{status}              exit status of tools/machine: 0 pass, 1 fail, 2 stopped
#   $run->{lines}               slat's and the guests' lines, without what the firmware printed before
#   $run->{guest}{hello}        { ended => 'exit 0', ok => 1, exits, faults, '4K', '2M', '1G', tables, ms, lines => [...] }
#
# `image => FILE` boots an image that is there already. `quiet => 1`: what tools/machine says is only in $run->{messages}.
# `gdb => sub { my ($port) = @_; ... }` is called when a gdb can connect.
#
# A file's name is its place below \slat; its content is a path on the host, or a reference to bytes. The stubs that a
# configuration names need not be listed.
package Slat;
use strict;
use warnings;
use Exporter 'import';
use File::Basename;
use File::Temp 'tempdir';
use Test::More;

our @EXPORT = qw(boot build stub guest_tap_ok line_like no_line_like ended_ok table_ok slurp);

# Interrupted, the temporary folders go too.
$SIG{INT} = $SIG{TERM} = sub { exit 1 };

sub build { return $ENV{BUILD} // 'build' }
sub stub { return build() . "/stubs/$_[0]" }

sub slurp {
    my ($file) = @_;
    open my $in, '<:raw', $file or return '';
    local $/;
    return <$in> // '';
}

sub spew {
    my ($file, $bytes) = @_;
    open my $out, '>:raw', $file or die "$file: $!";
    print $out $bytes;
    close $out or die "$file: $!";
}

# Files that `image` and `module` lines name and that are stubs or fetched guests.
sub named_files {
    my ($conf) = @_;
    my %files;
    while ($conf =~ /^\s*(?:image|module)\s*=\s*"?([^\s"]+)/mg) {
        for my $folder (build() . '/stubs', build() . '/guests') {
            $files{$1} //= "$folder/$1" if -f "$folder/$1";
        }
    }
    return %files;
}

sub parse {
    my ($run) = @_;
    my @lines = split /\r?\n/, $run->{serial};
    shift @lines while @lines && $lines[0] !~ /slat: /;
    $lines[0] =~ s/^.*?slat: /slat: / if @lines;
    $run->{lines} = \@lines;
    for (@lines) {
        if (/^slat: (\S+)\s+(\S+(?: \d+)?)\s+(yes|NO)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)$/) {
            @{ $run->{guest}{$1} }{qw(ended ok exits faults 4K 2M 1G tables ms)} = ($2, $3 eq 'yes', $4, $5, $6, $7, $8, $9, $10);
        } elsif (/^slat: (\S+): ended: (.*)$/) {
            $run->{guest}{$1}{reason} = $2;
        } elsif (/^([\w.-]+) *\| (.*)$/) {
            push @{ $run->{guest}{$1}{lines} }, $2;
        }
    }
}

sub boot {
    my (%how) = @_;
    my $folder = tempdir('slat-test-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my %files = (defined $how{conf} ? named_files($how{conf}) : (), %{ $how{files} // {} });
    my @pairs = (($how{efi} // build() . '/slat.efi') . '=EFI/BOOT/BOOTX64.EFI');

    if (defined $how{conf}) {
        spew("$folder/slat.conf", $how{conf});
        push @pairs, "$folder/slat.conf=slat/slat.conf";
    }
    my $number = 0;
    for my $name (sort keys %files) {
        my $path = $files{$name};
        if (ref $path) {
            $path = "$folder/file" . $number++;
            spew($path, ${ $files{$name} });
        }
        push @pairs, "$path=slat/$name";
    }
    my $image = $how{image} // "$folder/disk.img";
    $how{image} or system('tools/make-image', $image, @pairs) == 0 or die 'make-image failed';
    my @machine = ('tools/machine', '--quiet', '--machine', 'bochs', '--timeout', 240, @{ $how{options} // [] },
        $how{gdb} ? ('--gdb', 0) : (), '--serial', "$folder/serial", $image);
    my $pid = open(my $err, '-|') // die "machine: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec @machine or die "machine: $!";
    }
    my $messages = '';
    while (my $line = <$err>) {
        $messages .= $line;
        $how{gdb}->($1) if $line =~ /gdb can connect to [\d.]+:(\d+)/;
    }
    close $err;
    my $run = { status => $? >> 8, serial => slurp("$folder/serial"), messages => $messages, guest => {} };
    parse($run);
    note $messages if length $messages && !$how{quiet};
    return $run;
}

sub dump_run {
    my ($run) = @_;
    diag $_ for @{ $run->{lines} };
    diag $run->{messages};
}

# Some line of slat's or of a guest's matches.
sub line_like {
    my ($run, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $found = grep { /$pattern/ } @{ $run->{lines} };
    ok $found, $name // "a line like $pattern" or dump_run($run);
}

sub no_line_like {
    my ($run, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @found = grep { /$pattern/ } @{ $run->{lines} };
    ok !@found, $name // "no line like $pattern" or diag $_ for @found;
}

# How a guest ended, in the words of slat.conf; and, with a pattern, why.
sub ended_ok {
    my ($run, $guest, $ended, $why) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is $run->{guest}{$guest}{ended}, $ended, "$guest: $ended" or dump_run($run);
    like $run->{guest}{$guest}{reason} // '', $why, "$guest: the reason" if $why;
}

# The table has a row for each guest, and its columns are aligned: every row is as long as its heading.
sub table_ok {
    my ($run, $guests) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($heading) = grep { /^slat: guest +ended +ok\?/ } @{ $run->{lines} };
    my @rows = grep { /^slat: \S+  +\S+(?: \d+)? +(?:yes|NO) +\d/ } @{ $run->{lines} };
    is scalar @rows, $guests, "the table has $guests rows";
    my @wrong = grep { length != length $heading } @rows;
    is "@wrong", '', 'its columns are aligned';
}

# A guest's own TAP is complete and without a failure.
sub guest_tap_ok {
    my ($run, $guest) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @lines = @{ $run->{guest}{$guest}{lines} // [] };
    my ($plan) = map { /^1\.\.(\d+)$/ } @lines;
    my $passed = grep { /^ok \d+/ } @lines;
    my @failed = grep { /^not ok/ } @lines;
    ok defined $plan && $plan == $passed && !@failed, "$guest: all its " . ($plan // '?') . ' tests passed'
        or diag join "\n", @lines;
}

1;
