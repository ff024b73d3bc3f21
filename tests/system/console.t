#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# A person at the serial port: lines are edited and become commands while guests run; what is printed meanwhile comes above
# them.
use strict;
use warnings;
use File::Temp 'tempdir';
use Slat;
use Test::More;

# What a person sees in the end, row by row, of what the serial port sent: a terminal that knows \b, \r, \n and ESC [ K.
sub rows {
    my ($bytes) = @_;
    my (@rows, @row);
    my $column = 0;
    while ($bytes =~ /\G(?:\e\[([\d;]*)([\x40-\x7e])|(.))/gs) {
        if (defined $2) {
            splice @row, $column if $2 eq 'K' && $column < @row;
        } elsif ($3 eq "\n") {
            push @rows, join '', map { $_ // ' ' } @row;
            @row = ();
        } elsif ($3 eq "\r") {
            $column = 0;
        } elsif ($3 eq "\b") {
            $column-- if $column;
        } elsif (ord $3 >= 0x20) {
            $row[ $column++ ] = $3;
        }
    }
    return (@rows, join '', map { $_ // ' ' } @row);
}

# Boots, and types the keys when the guest is ready.
sub type_keys {
    my ($keys, %how) = @_;
    my $folder = tempdir('slat-keys-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    open my $out, '>:raw', "$folder/keys" or die $!;
    print $out $keys;
    close $out;
    my $run = boot(%how, options => [ '--input', "$folder/keys", '--input-after', $how{after}, @{ $how{options} // [] } ]);
    my @rows = rows($run->{serial});
    shift @rows while @rows && $rows[0] !~ /^slat: /;
    $run->{rows} = \@rows;
    # The lines of slat and the guests are those that can be read in the end.
    @$run{qw(serial guest)} = (join("\n", @rows), {});
    Slat::parse($run);
    return $run;
}

sub row_like {
    my ($run, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $found = grep { /$pattern/ } @{ $run->{rows} };
    ok $found, $name // "a row like $pattern" or diag join "\n", @{ $run->{rows} };
}

# What was answered between the row of one command and the next prompt.
sub answer {
    my ($run, $command) = @_;
    my ($inside, @answer);
    for (@{ $run->{rows} }) {
        last if $inside && /^slat> /;
        push @answer, $_ if $inside && !/^[\w.-]+ *\| / && !/^slat: /;
        $inside = 1 if $_ eq "slat> $command";
    }
    return join "\n", @answer;
}

my $writer = <<'E2';
[slat]
slice = 1ms
[guest writer]
image = dirty.elf
cmdline = script rounds=400 gap=20
timeout = none
expect-end = stopped
E2

subtest 'lines, history, commands' => sub {
    my $keys = join '', "\r",
        "help\r",
        "stats wrter\e[D\e[D\e[Di\r",                       # an i where it belongs
        "vmx\x7fs\r",
        "garbage\x15version\r",
        "\e[A\e[A\r",                                      # vms again
        "sta\twr\t\r",                                     # completed
        "quti\r",
        "help zap\r",
        "expect writer \"written 5\" 60s\r",
        "pause writer\r",
        "vms\r",
        "resume writer\r",
        "wait 10min\r";
    my $run = type_keys($keys . "\x03" . "quit\r", conf => $writer, after => 'ready');
    is $run->{status}, 0, 'pass';
    ended_ok($run, 'writer', 'stopped', qr/it was stopped by the monitor$/);
    row_like($run, qr/^slat's monitor: help lists the commands, Ctrl-D leaves\.$/, 'Enter brings the monitor');
    like answer($run, 'help'), qr/^guests:\n  vms +all guests.*^  quit +ends all guests/ms, 'help';
    like answer($run, 'stats writer'), qr/^writer: \d+ exits/, 'a line that was edited';
    my @stats = grep { $_ eq 'slat> stats writer' } @{ $run->{rows} };
    is scalar @stats, 1, 'in one row';
    is scalar(grep { /^slat> stats writer $/ } @{ $run->{rows} }), 1, 'a line that was completed';
    like answer($run, 'version'), qr/^slat \S+$/, 'version';
    my @vms = grep { /^writer: running, \d+ KiB$/ } @{ $run->{rows} };
    cmp_ok scalar @vms, '>=', 2, 'a line of the history';
    like answer($run, 'quti'), qr/^unknown command "quti"; did you mean "quit"\?$/, 'the nearest name';
    like answer($run, 'help zap'), qr/^usage: zap NAME FIRST COUNT\n  unmaps pages\n/, 'help about one command';
    row_like($run, qr/^writer: running, paused, \d+ KiB$/, 'it was paused');
    like answer($run, 'wait 10min'), qr/^wait: cancelled$/, 'Ctrl-C';
    # Whatever was typed while guests printed: no row has a guest's line and a part of the prompt.
    my @mixed = grep { /slat> .*\|/ || /\| .*slat>/ } @{ $run->{rows} };
    is "@mixed", '', 'no row is mixed';
    cmp_ok scalar(grep { /^writer *\| # written \d/ } @{ $run->{rows} }), '>=', 5, "the guest's lines are there";
};

# Nobody types Enter: a log has no prompt.
subtest 'silence' => sub {
    my $run = boot(conf => "[guest hello]\nimage = hello.elf\n");
    is $run->{status}, 0, 'pass';
    unlike $run->{serial}, qr/slat> /, 'no prompt';
};

subtest 'switched off' => sub {
    my $conf = "[slat]\nconsole = no\n[guest dirty]\nimage = dirty.elf\ncmdline = script rounds=5 gap=20\n";
    my $run = type_keys("\rquit\r", conf => $conf, after => 'ready');
    is $run->{status}, 0, 'pass';
    unlike $run->{serial}, qr/slat> /, 'no prompt';
};

# What the guest sends, as it sends it; and it never reads what is typed.
subtest 'connected with a guest' => sub {
    my $keys = "\rconsole writer\r" . 'x' x 400 . "\x1dvms\rquit\r";
    my $run = type_keys($keys, conf => $writer, after => 'ready');
    is $run->{status}, 0, 'pass';
    row_like($run, qr/^This is the serial port of writer now\. Ctrl-\] goes back to the monitor\.$/);
    row_like($run, qr/^# written \d+$/, 'its line has no name in front');
    row_like($run, qr/^This is the monitor\.$/);
    like answer($run, 'vms'), qr/^writer: running, \d+ KiB$/, 'what is typed afterwards is a command';
};

# The guest's own serial port. U-Boot answers what is typed to it.
SKIP: {
    my $rom = build() . '/guests/u-boot.rom';
    skip 'no U-Boot', 1 unless -f $rom;
    subtest 'a connection' => sub {
        my $conf = "[guest u-boot]\nimage = u-boot.rom\nstart = reset\nmemory = 64M\ntimeout = none\nexpect-end = stopped\n";
        my $keys = "\r" . 'expect u-boot "Hit any key" 60s' . "\r" . 'type u-boot " "' . "\r" . "expect u-boot =>\r"
            . 'type u-boot "echo typed-$arch\r"' . "\rexpect u-boot typed-x86 20s\r"
            . "console u-boot\r" . ('echo connected-$arch' . "\r") x 20    # while it reads them it answers the first
            . "\x1dstop u-boot\r";
        my $run = type_keys($keys, conf => $conf, files => { 'u-boot.rom' => $rom }, after => 'U-Boot');
        is $run->{status}, 0, 'pass';
        row_like($run, qr/^u-boot \| .*typed-x86/, 'what was typed arrived');
        row_like($run, qr/^connected-x86/, 'what was typed while it was connected, as the guest sent it');
    };
}
done_testing;
