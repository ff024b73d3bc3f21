# SPDX-License-Identifier: BSD-2-Clause
#
# What each figure of tests/bench/machine may cost (tests/bench/budget), and whose the instructions were when that was written
# down (tests/bench/budget.profiles). For tools/budget and tests/system/budget.t.
#
# A budget is { compiler => what gcc says it is, names => ['exits.cpuid', ...], counts => { 'exits.cpuid' => 98.02 } }; a profile
# is { function => instructions }.
package Budget;
use strict;
use warnings;
use File::Temp;
use List::Util qw(max sum0);
use Storable;
use InMachine;
use Profile;

our $FILE = 'tests/bench/budget';
our $PROFILES = 'tests/bench/budget.profiles';

# A figure may be off by so much of its budget, upwards and downwards, and by as much as rounding and RDTSC are off. Short passes
# over memory, of three to fifteen thousand pages, take some instructions more or less for no reason that is in the code: the
# guest's slice ends within (about 900 instructions), or the processor's log, of 512 entries, begins with pages of the guest's
# own, so that each time it is full one word more of the set of dirty pages has to be changed.
use constant { RELATIVE => 0.02, ABSOLUTE => 0.02, PASS => 0.3 };
my $short_pass = qr/\.(?:pass\.plain|pass\.logged|snapshot\.again)$/;

# Functions with less than that part of the whole are one, "(others)": they come and go with every change.
use constant { SMALL => 0.005, OTHERS => '(others)' };

# What stands above the figures of a run.
my %about = (
    exits   => 'Exits: one round trip, with the guest\'s instructions around it',
    memory  => 'Faults: one page. populate, delete.mapped: a page of 16,384. The others: one operation, with so many slots',
    pml     => 'Dirty logging by the processor, 64 MiB. start, pass, harvest.all, stop: one page; reset: one that is restored',
    protect => 'The same with write protection, on a processor that does not log',
    '16M'   => 'By the processor, 16 MiB',
    '1G'    => 'By the processor, 1 GiB',
    '4G'    => 'By the processor, 4 GiB',
);

sub compiler {
    my $version = `gcc --version` // '';
    return $version =~ /^(.+)$/m ? $1 : 'no gcc';
}

# Of exits.cpuid: exits.
sub run_of { return $_[0] =~ /^(\w+)\./ ? $1 : '' }

# ---- the files

sub parse {
    my ($text) = @_;
    my $budget = { compiler => '', names => [], counts => {} };
    my $number = 0;
    for (split /\n/, $text) {
        $number++;
        next if /^#|^$/;
        if (/^compiler: (.+)$/) {
            $budget->{compiler} = $1;
        } elsif (/^(\S+) +(\d+(?:\.\d+)?)$/ && !exists $budget->{counts}{$1}) {
            $budget->{counts}{$1} = $2;
            push @{ $budget->{names} }, $1;
        } else {
            die "$FILE:$number: no budget: $_\n";
        }
    }
    return $budget;
}

sub parse_profiles {
    my ($text) = @_;
    my ($name, %profiles);
    for (split /\n/, $text) {
        if (/^(\S+)$/) { $name = $1 }
        elsif (defined $name && /^ +([\d.]+) (.+)$/) { $profiles{$name}{$2} = $1 }
        elsif (!/^#|^$/) { die "$PROFILES: no profile: $_\n" }
    }
    return \%profiles;
}

sub text {
    my ($budget) = @_;
    my $text = <<"END";
# What each figure of tests/bench/machine may cost, in instructions: tests/system/budget.t fails if one is off by more than
# 2 %, to either side. Written by tools/budget --update, in the commit that changes it. budget.profiles says whose they are.

compiler: $budget->{compiler}
END
    my $section = '';
    for my $name (@{ $budget->{names} }) {
        my $run = run_of($name);
        $text .= "\n# $about{$run}.\n" if $run ne $section;
        $section = $run;
        $text .= sprintf "%-24s %10.2f\n", $name, $budget->{counts}{$name};
    }
    return $text;
}

sub profiles_text {
    my ($profiles, @names) = @_;
    my $text = "# Whose the instructions of one of each figure are, from tools/profile. Written by tools/budget --update.\n";
    for my $name (grep { $profiles->{$_} } @names) {
        my $of = $profiles->{$name};
        $text .= "\n$name\n";
        $text .= sprintf "%12.2f %s\n", $of->{$_}, $_ for sort { $of->{$b} <=> $of->{$a} || $a cmp $b } keys %$of;
    }
    return $text;
}

# ---- what is measured

# InMachine::runs() done so many at a time, each in a process: { run => what work(run) returns }. Dies if one did.
sub in_parallel {
    my ($jobs, $work, @runs) = @_;
    my (%running, %results);
    my @waiting = @runs;
    my $folder = File::Temp::tempdir('slat-budget-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    while (@waiting || %running) {
        while (@waiting && keys %running < $jobs) {
            my $run = shift @waiting;
            my $pid = fork // die "fork: $!\n";
            if (!$pid) {
                my $result = eval { $work->($run) };
                Storable::nstore(defined $result ? { result => $result } : { error => $@ }, "$folder/$run");
                exit 0;
            }
            $running{$pid} = $run;
        }
        my $run = delete $running{ wait() } // next;
        my $stored = -f "$folder/$run" ? Storable::retrieve("$folder/$run") : { error => "$run: nothing was measured\n" };
        die $stored->{error} unless defined $stored->{result};
        $results{$run} = $stored->{result};
    }
    return \%results;
}

# ({ 'exits.cpuid' => its least }, [names in order], [what is not as it should be]).
sub measure {
    my ($jobs, @runs) = @_;
    my $results = in_parallel($jobs, \&InMachine::measure, @runs);
    my (%counts, @names, @errors);
    for my $run (@runs) {
        for my $figure (@{ $results->{$run}{figures} }) {
            push @names, "$run.$figure";
            my @sorted = sort { $a <=> $b } @{ $results->{$run}{samples}{$figure} };
            $counts{"$run.$figure"} = $sorted[0];
        }
        push @errors, @{ $results->{$run}{errors} };
    }
    return (\%counts, \@names, \@errors);
}

# A profile with little ones together.
sub reduce {
    my ($functions) = @_;
    my $total = sum0(values %$functions);
    my %reduced;
    $reduced{ $functions->{$_} < SMALL * $total ? OTHERS : $_ } += $functions->{$_} for keys %$functions;
    return \%reduced;
}

# { figure => its profile } of one run: of each figure that is marked, or of one.
sub profiles {
    my ($run, $figure) = @_;
    my $names = Profile::names(InMachine::image());
    my %of;
    for my $profile (InMachine::profile($run, $figure)) {
        my $functions = Profile::by_function($profile, $names);
        $of{ $profile->{figure} } = { map { $_ => $functions->{$_}{ticks} } keys %$functions };
    }
    $of{'fault.protect'} = $of{'pass.logged'} if $run eq 'protect' && $of{'pass.logged'};
    return \%of;
}

# ---- judgement

# undef: as it should be. Otherwise what is wrong.
sub judge {
    my ($name, $count, $budget) = @_;
    return "$name: $count, and has no budget: tools/budget --update" if !defined $budget;
    return "$name: has a budget, $budget, and is not measured any more: tools/budget --update" if !defined $count;
    my $difference = $count - $budget;
    # What is added, 0.001, is less than the last digit.
    return if abs $difference <= max(RELATIVE * $budget, $name =~ $short_pass ? PASS : ABSOLUTE) + 0.001;
    my $part = $budget > 0 ? sprintf('%.1f %%', 100 * abs($difference) / $budget) : abs $difference;
    return "$name: $count, budget $budget: $part worse" if $difference > 0;
    return "$name: $count, budget $budget: $part better; lower it in the same commit: tools/budget --update";
}

# What has changed by function, the most first, in lines.
sub changes {
    my ($before, $now) = @_;
    # What was too little to be named, and still is.
    my $total = sum0(values %$now);
    my %current;
    $current{ !exists $before->{$_} && $now->{$_} < SMALL * $total ? OTHERS : $_ } += $now->{$_} for keys %$now;
    my %change = map { $_ => ($current{$_} // 0) - ($before->{$_} // 0) } keys %{ { %$before, %current } };
    my $least = max(0.01, 0.001 * $total);
    return map { sprintf '%s: %.2f -> %.2f (%+.2f)', $_, $before->{$_} // 0, $current{$_} // 0, $change{$_} }
        sort { abs $change{$b} <=> abs $change{$a} || $a cmp $b } grep { abs $change{$_} >= $least } keys %change;
}

# Whose the difference is, in lines: the figure is measured once more, with every instruction written down.
sub explain {
    my ($name, $before) = @_;
    my ($run, $figure) = Profile::find($name) or return ("$name has no profile: nothing marks it");
    return ("$name has no profile: tools/profile $name says whose its instructions are") if !$before;
    my $now = profiles($run, $figure)->{$figure};
    my @changes = changes($before, $now);
    return @changes ? ('by function:', map { "    $_" } @changes) : ('no function has changed');
}

1;
