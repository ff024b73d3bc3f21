# SPDX-License-Identifier: BSD-2-Clause
#
# The benchmarks inside the emulated machine (tests/bench/in_machine.h), for tests/bench/machine, tools/profile and
# tests/system/budget.t.
#
#   InMachine::make();                     builds what is booted; dies if that fails
#   my @runs = InMachine::runs();          the names of the runs whose figures have a budget
#   my @runs = InMachine::runs('series');  those of that name, or whose names begin with it and a dot; () if there are none
#   my $run = InMachine::measure($name);   boots one run
#   $run->{figures}                        names in the order in which they came, without the run's
#   $run->{samples}{create.10}             what was measured: instructions
#   $run->{map}                            lines of the run `map`: how the guest was mapped over time, for tools/bench
#   $run->{errors}                         lines that say what is not as it should be; none: all is well
#
#   my @profiles = InMachine::profile($name, $figure);     of each time that the figure, or each with 'all', was marked:
#   { figure => 'create.10', count => how many of it are done, spots => { address => [ticks, times, disassembly] },
#     order => [addresses as they were executed, with profile(..., limit => how many at most)] }
package InMachine;
use strict;
use warnings;
use Fcntl;
use File::Temp 'tempdir';
use POSIX 'mkfifo';
use Slat;

# The part that is run (tests/bench/in_machine.h), processor, guest's memory, the machine's in MB, more of the guest's section.
my @budgeted = qw(exits memory pml protect 16M 1G 4G);
my @pictured = (qw(series.slots series.dirty), map({ "series.memory.$_" } qw(16M 64M 256M 1G)), 'map');
my $in_2m = "largest-page = 2M\n";
my %runs = (
    exits   => [ 'exits',  'sapphire_rapids',     '64M', 512 ],
    memory  => [ 'memory', 'sapphire_rapids',     '64M', 1024 ],
    pml     => [ 'dirty',  'sapphire_rapids',     '64M', 512 ],
    protect => [ 'dirty',  'corei7_haswell_4770', '64M', 512 ],
    '16M'   => [ 'dirty',  'sapphire_rapids',     '16M', 512 ],
    '1G'    => [ 'dirty',  'sapphire_rapids',     '1G',  2048 ],
    '4G'    => [ 'dirty',  'sapphire_rapids',     '4G',  8192 ],
    'series.slots'       => [ 'slots', 'sapphire_rapids', '64M',   1024 ],
    'series.dirty'       => [ 'pages', 'sapphire_rapids', '64M',   1024 ],
    'series.memory.16M'  => [ 'sizes', 'sapphire_rapids', '16M',   512,  $in_2m ],
    'series.memory.64M'  => [ 'sizes', 'sapphire_rapids', '64M',   512,  $in_2m ],
    'series.memory.256M' => [ 'sizes', 'sapphire_rapids', '256M',  1024, $in_2m ],
    'series.memory.1G'   => [ 'sizes', 'sapphire_rapids', '1G',    2048, $in_2m ],
    map                  => [ 'map',   'sapphire_rapids', '1280M', 4096 ],
);

sub runs {
    my ($name) = @_;
    return @budgeted unless defined $name;
    return grep { /^\Q$name\E(\.|$)/ } @budgeted, @pictured;
}

sub folder { return build() . '/in-machine' }

# The hypervisor's image with the names of its functions.
sub image { return folder() . '/slat.debug.elf' }

sub make {
    my $bench = folder();
    my @wraps = map { "--wrap=$_" } qw(task_run_all task_yield vcpu_run);
    my $sources = join ' ', map { "tests/bench/$_" } qw(in_machine.c),
        map { "in_machine_$_.c" } qw(exits memory dirty slots pages sizes map);
    my @make = ('flock', $bench, 'make', '-s', '-j2', "BUILD=$bench", "HV_TEST_SOURCES=$sources",
        'HV_TEST_LDFLAGS=-Wl,' . join(',', @wraps), "$bench/slat.efi");
    local $ENV{MAKEFLAGS} = '';
    # What make says is no figure.
    open my $out, '>&', \*STDOUT or die "make: $!\n";
    open STDOUT, '>&', \*STDERR or die "make: $!\n";
    my $made = system('mkdir', '-p', $bench) == 0 && system(@make) == 0
        && system('flock', $bench, 'make', '-s', 'BUILD=' . build(), build() . '/stubs/bench.elf') == 0;
    open STDOUT, '>&', $out or die "make: $!\n";
    die "the build of the benchmarks failed\n" unless $made;
}

sub start {
    my ($name, $cmdline, @options) = @_;
    my ($part, $model, $memory, $machine, $more) = @{ $runs{$name} or die "there is no run $name\n" };
    my $conf = "[slat]\nslice = 50ms\nnx-large-pages = no\n" .
        "[guest $part]\nimage = bench.elf\nmemory = $memory\ntimeout = none\nhypercalls = yes\n" . ($more // '') .
        ($cmdline eq '' ? '' : "cmdline = \"$cmdline\"\n");
    return boot(efi => folder() . '/slat.efi', conf => $conf, quiet => 1,
        options => [ '--deterministic', '--cpu-model', $model, '--memory', $machine, @options ]);
}

sub measure {
    my ($name) = @_;
    my $result = start($name, '');
    my $run = { figures => [], samples => {}, map => [], errors => [] };
    my $cells = '';    # of the next sample of the map
    for (@{ $result->{lines} }) {
        if (/^slat: bench: map cells (\S+)$/) {
            $cells .= $1;
        } elsif (/^slat: bench: (map sample .*)$/) {
            push @{ $run->{map} }, "$1 $cells";
            $cells = '';
        } elsif (/^slat: bench: (map .*)$/) {
            push @{ $run->{map} }, $1;
        } elsif (/^slat: bench: (?!pages)([\w.]+) ([\d.]+)$/) {
            push @{ $run->{figures} }, $1 unless $run->{samples}{$1};
            push @{ $run->{samples}{$1} }, $2;
        } elsif (/FAILED/) {
            push @{ $run->{errors} }, "$name: $_";
        }
    }
    if ($result->{status} != 0 || !grep { /^slat: bench: done/ } @{ $result->{lines} }) {
        my @lines = grep { !/^slat: bench: / } @{ $result->{lines} };
        splice @lines, 20, -20, '...' if @lines > 41;
        push @{ $run->{errors} }, "$name: the run ended before its end", map { "  $_" } @lines, split /\n/, $result->{messages};
    }
    return $run;
}

# What the emulator's debugger says, summed up: a line for each pair of marks, then its spots, and what was executed first.
# An instruction takes until the next begins, so repeated ones count as the TSC counts them. All is said at the end: who
# waits for the machine does not listen before.
sub sum_up {
    my ($pipe, $limit) = @_;
    open my $in, '<', $pipe or die "$pipe: $!\n";
    my ($on, %ticks, %times, %text, @order, @sums, $before, $at) = (0);
    while (<$in>) {
        if (/^\(0\)\.\[(\d+)\] \[\w+\] \w+:(\w+) /) {
            $ticks{$at} += $1 - $before if defined $at;
            ($before, $at) = ($1, $2);
            next if !$on;
            $times{$at}++;
            $text{$at} = /ctxt\): (.*?) *;/ ? $1 : "" if !exists $text{$at};
            push @order, $at if @order < $limit;
        } elsif (/^Next at t=(\d+)/) {
            $ticks{$at} += $1 - $before if defined $at;
            undef $at;
        } elsif (/^Tracing enabled/) {
            $on = 1;
        } elsif (/^Tracing disabled/) {
            push @sums, "pair\n", map({ "order $_\n" } @order),
                map { "spot $_ $ticks{$_} $times{$_} $text{$_}\n" } sort keys %times;
            ($on, %ticks, %times, @order) = (0);
            undef $at;
        }
    }
    print @sums;
}

sub profile {
    my ($name, $figure, %how) = @_;
    my $folder = tempdir('slat-profile-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $pairs = $figure eq 'all' ? 100 : 2;
    open my $commands, '>', "$folder/commands" or die "$folder: $!\n";
    print $commands "c\ntrace on\nc\ntrace off\n" x $pairs, "q\n";
    close $commands;
    mkfifo("$folder/trace", 0600) or die "$folder: $!\n";
    my $reader = open(my $sums, '-|') // die "fork: $!\n";
    if (!$reader) {
        sum_up("$folder/trace", $how{limit} // 0);
        # Not what the parent does at its end.
        close STDOUT;
        POSIX::_exit(0);
    }
    my $result = start($name, "profile=$figure", '--timeout', 1200, '--debugger', "$folder/commands",
        '--debug-port', "$folder/trace");
    # Lets the reader end if the machine never got so far.
    sysopen my $pipe, "$folder/trace", O_WRONLY | O_NONBLOCK;
    close $pipe if $pipe;
    my @marked = map { /^slat: bench: profile (\S+) (\d+)$/ ? { figure => $1, count => $2 } : () } @{ $result->{lines} };
    my ($at, @profiles) = (-1);
    while (<$sums>) {
        if (/^pair$/) {
            push @profiles, $marked[ ++$at ] // die "$name: a profile more than what was measured\n";
        } elsif (/^order (\w+)$/) {
            push @{ $profiles[-1]{order} }, $1;
        } elsif (/^spot (\w+) (\d+) (\d+) (.*)$/) {
            $profiles[-1]{spots}{$1} = [ $2, $3, $4 ];
        }
    }
    close $sums;
    @profiles or die join("\n", "$name: nothing was marked $figure", @{ $result->{lines} }, $result->{messages}), "\n";
    return @profiles;
}

1;
