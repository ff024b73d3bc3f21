# SPDX-License-Identifier: BSD-2-Clause
#
# The pictures of tools/report, each an SVG to stand in an HTML page, drawn by gnuplot:
#
#   bars(%about, rows => [...])                 a row is { section => TEXT } or { what, value, other, aim }; log scale
#   lines(%about, series => [...], x, y, ...)   curves with their names at their right end
#   over_time(%about, map => $map)              how a guest is mapped over time: tests/bench/in_machine_map.c
#
# %about is name (the prefix of all ids), title and text (what one sees, for those who do not see it). Colours are those of
# Okabe and Ito, which people who see fewer colours can tell apart; black is the page's colour of text. For a dark page
# dark_style() changes the others.
package Charts;
use strict;
use utf8;
use warnings;
use Exporter 'import';
use List::Util qw(max min);
use POSIX qw(ceil floor);

our @EXPORT = qw(bars lines over_time dark_style count_text escape_html);

my %colours = (blue => '#0072b2', orange => '#d55e00', green => '#008a63', purple => '#b0568c', sky => '#3a97d0',
    amber => '#c07f00', grey => '#6e6e6e');
my %dark = (blue => '#4aa8e0', orange => '#f08030', green => '#2fbf95', purple => '#d98cbb', sky => '#8fd0ff',
    amber => '#f0b840', grey => '#a4a4a4');
my @palette = qw(blue orange green purple amber sky);
my @points = (7, 5, 9, 13, 11, 15, 4, 6, 8);    # gnuplot's: filled ones first
my $size_of_text = 13;
my $width_of_letter = 6.8;

sub dark_style {
    my $style = '';
    for my $name (sort keys %colours) {
        my ($light, $dark) = ($colours{$name}, $dark{$name});
        $style .= "svg [$_=\"$light\"] { $_: $dark; } " for qw(fill stroke color);
        $style .= "\n";
    }
    return $style;
}

sub escape_html {
    my ($text) = @_;
    my %names = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;');
    return $text =~ s/([&<>"])/$names{$1}/gr;
}

# A count as people read it, with three digits at least.
sub count_text {
    my ($count) = @_;
    return '–' unless defined $count;
    return sprintf '%.1f M', $count / 1e6 if $count >= 1e7;
    my $text = sprintf $count < 100 && $count != int $count ? '%.1f' : '%.0f', $count;
    1 while $text =~ s/^(\d+)(\d{3})\b/$1,$2/;
    return $text;
}

sub length_text {
    my ($count) = @_;
    return $count >= 1e6 ? sprintf('%.1f M', $count / 1e6) : count_text($count);
}

# Of a tick: a power of ten, or a number of slots, as short as can be.
sub tick_text {
    my ($count) = @_;
    return $count / 1e9 . ' G' if $count >= 1e9;
    return $count / 1e6 . ' M' if $count >= 1e6;
    return count_text($count);
}

# In single quotes gnuplot looks for nothing but their end.
sub quote {
    my ($text) = @_;
    return "'" . ($text =~ s/\s+/ /gr =~ s/'/''/gr) . "'";
}

sub label {
    my ($text, $where, @more) = @_;
    return join(' ', 'set label', quote($text), 'at', $where, @more) . "\n";
}

# Where a picture's curves are, in pixels.
sub across {
    my ($width, $left, $right) = @_;
    return sprintf "set lmargin at screen %f\nset rmargin at screen %f\n", $left / $width, 1 - $right / $width;
}

sub down {
    my ($height, $from, $to) = @_;
    return sprintf "set tmargin at screen %f\nset bmargin at screen %f\n", 1 - $from / $height, 1 - $to / $height;
}

sub colour {
    my ($name) = @_;
    return "rgb '$colours{$name}'";
}

sub filled {
    my ($name) = @_;
    return 'fs solid 1 noborder fc ' . colour($name);
}

sub block {
    my ($name, @lines) = @_;
    return "\$$name << EOD\n" . join('', map { join(' ', map { 0 + $_ } @$_) . "\n" } @lines) . "EOD\n";
}

# Runs gnuplot; what comes out becomes a part of a page.
sub draw {
    my ($about, $width, $height, $script) = @_;
    my ($name, $title, $text) = map { escape_html($_) } @$about{qw(name title text)};
    open my $out, '>:utf8', "$about->{folder}/$about->{name}.gp" or die "$about->{folder}: $!\n";
    print $out "set encoding utf8\nset terminal svg size $width,$height dynamic noenhanced font 'sans-serif,$size_of_text'\n",
        "set border lc rgb 'black'\n", $script;
    close $out or die "$about->{folder}: $!\n";
    open my $in, '-|:utf8', 'gnuplot', "$about->{folder}/$about->{name}.gp" or die "gnuplot: $!\n";
    my $svg = do { local $/; <$in> };
    close $in or die "gnuplot has failed for $name\n";

    my %attributes = (viewBox => "0 0 $width $height", width => $width, height => $height, role => 'img',
        'font-family' => 'system-ui, sans-serif', 'aria-labelledby' => "$name-title $name-text",
        xmlns => 'http://www.w3.org/2000/svg', 'xmlns:xlink' => 'http://www.w3.org/1999/xlink');
    my $head = join ' ', '<svg', map { qq($_="$attributes{$_}") } sort keys %attributes;
    $svg =~ s/^.*?<svg[^>]*>/$head>/s;
    $svg =~ s{<title>Gnuplot</title>}{};
    $svg =~ s{<title>gnuplot_plot_\d+\w*</title>}{}g;
    $svg =~ s{<filter.*?</filter>}{}gs;
    $svg =~ s{ font-family="sans-serif"}{}g;
    # Two pictures of a page have no id in common.
    $svg =~ s/\bid=(['"])/id=$1$name-/g;
    $svg =~ s/href='#/href='#$name-/g;
    $svg =~ s/\bcolor="(?:black|white)"//g;
    $svg =~ s/\b(fill|stroke)=(['"])black\2/$1="currentColor"/g;
    $svg =~ s/(['"])rgb\( *(\d+), *(\d+), *(\d+)\)\1/sprintf '"#%02x%02x%02x"', $2, $3, $4/ge;
    $svg =~ s/"#000000"/"currentColor"/g;
    $svg =~ s{<desc>.*?</desc>}{<title id="$name-title">$title</title>\n<desc id="$name-text">$text</desc>}s;
    $svg =~ s/[ \t]+$//mg;
    return $svg =~ s/\n{2,}/\n/gr;
}

# ---- bars

# Every row is as high as its bars; one unit of y is one pixel.
sub bars {
    my (%about) = @_;
    my ($left, $right, $width, $top, $bottom, $bar) = (360, 80, 1000, 44, 66, 11);
    my @rows = @{ $about{rows} };
    my $most = max(10, map { grep { defined } @$_{qw(value other aim)} } grep { !$_->{section} } @rows);
    my $decades = ceil(log($most) / log(10));
    my $pixel = sub { return log(max($_[0], 1)) / log(10) / $decades * ($width - $left - $right) };
    my ($y, $labels, $ticks, @ours, @others, @aims) = (0, '', '');

    my $add = sub {
        my ($bars, $value, $middle, $aim) = @_;
        push @$bars, [ max($value, 1), $middle, 1, max($value, 1), $middle - $bar / 2, $middle + $bar / 2 ];
        my ($end, $text) = ($pixel->($value), count_text($value));
        # Not where the aim's mark is.
        my $mark = defined $aim ? $pixel->($aim) : -100;
        $end = $mark if $mark > $end - 4 && $mark < $end + 10 + $width_of_letter * length $text;
        $labels .= label($text, sprintf('graph %f, first %f', $end / ($width - $left - $right), $middle), 'left offset 0.6,0');
    };
    for my $row (@rows) {
        if (defined $row->{section}) {
            $y += 12;
            $labels .= label($row->{section}, sprintf('screen %f, first %f', 8 / $width, $y + 6), 'left', 'tc', colour('grey'));
            $y += 20;
            next;
        }
        my $height = defined $row->{other} ? 2 * $bar + 2 : $bar;
        $labels .= label($row->{what}, sprintf('graph 0, first %f', $y + $height / 2), 'right offset -1,0');
        $add->(\@ours, $row->{value}, $y + $bar / 2, $row->{aim});
        $add->(\@others, $row->{other}, $y + 1.5 * $bar + 2, $row->{aim}) if defined $row->{other};
        push @aims, [ max($row->{aim}, 1), $y - 2, 0, $height + 4 ] if defined $row->{aim};
        $y += $height + 9;
    }
    my $height = $y + $top + $bottom;
    my @plots = ("\$ours using 1:2:3:4:5:6 with boxxyerror " . filled('blue') . " title 'slat'");
    push @plots, "\$others using 1:2:3:4:5:6 with boxxyerror " . filled('orange') . ' title ' . quote($about{other})
        if @others;
    push @plots, "\$aims using 1:2:3:4 with vectors nohead lw 3 lc rgb 'black' title 'the aim'" if @aims;
    return draw(\%about, $width, $height, block('ours', @ours) . block('others', @others) . block('aims', @aims) . $labels .
        across($width, $left, $right) . down($height, $top, $height - $bottom) .
        "set logscale x\nset xrange [1:1e$decades]\nset yrange [$y:-4]\nset border 1\nset tics nomirror\nunset ytics\n" .
        'set xtics (' . join(', ', map { quote(tick_text(10**$_)) . " 1e$_" } 0 .. $decades) . ")\n" .
        "set xlabel 'instructions (each grid line is ten times the one before)'\n" .
        'set grid xtics lc ' . colour('grey') . " lw 0.4\n" .
        "set key at graph 0, screen " . (1 - 22 / $height) . " left top horizontal maxcols 3 Left reverse samplen 2 width 2\n" .
        'plot ' . join(', ', @plots) . "\n");
}

# ---- curves

# Places for names beside the ends of curves, as near to them as can be; from 0 to 1.
sub spread {
    my ($gap, @wanted) = @_;
    my @order = sort { $wanted[$a] <=> $wanted[$b] } 0 .. $#wanted;
    my @at = @wanted;
    for (1 .. 200) {
        for my $i (1 .. $#order) {
            my ($low, $high) = @order[ $i - 1, $i ];
            my $missing = $gap - ($at[$high] - $at[$low]);
            next if $missing <= 0;
            $at[$low] -= $missing / 2;
            $at[$high] += $missing / 2;
        }
        @at = map { max(0, $_) } @at;
    }
    return @at;
}

sub round {
    return floor($_[0] + 0.5);
}

# From 0 on, some five round numbers up to `most`.
sub steps {
    my ($most) = @_;
    my $step = 10**floor(log($most / 2) / log(10));
    $step *= $most / $step > 20 ? 5 : $most / $step > 10 ? 2 : 1;
    return map { $_ * $step } 0 .. floor($most / $step);
}

# y is { label, log }; x is { label, log, from, to, ticks => [[x, text], ...], zero: where 0 is drawn on a logarithmic axis }. A
# series is { name, points => [[x, y], ...] }, and with other => 1 and like => NAME of one of slat's what that is compared with.
# A guide is a dotted line: [slope, where its name stands, its name, on which side of it].
sub lines {
    my (%about) = @_;
    my ($width, $height, $left, $right, $top, $bottom) = (1000, $about{height} // 430, 110, 210, 14, 66);
    my ($x, $y) = @about{qw(x y)};
    my @series = @{ $about{series} };
    my @values = grep { $_ > 0 } map { map { $_->[1] } @{ $_->{points} } } @series;
    my ($low, $high) = $y->{log} ? map({ 10**$_ } floor(log(min(@values)) / log(10)), ceil(log(max(@values)) / log(10)))
        : (0, 1.08 * max(@values));
    my $graph = sub { return $y->{log} ? log($_[0] / $low) / log($high / $low) : ($_[0] - $low) / ($high - $low) };
    my @ends = spread(17 / ($height - $top - $bottom), map { $graph->(max($low, $_->{points}[-1][1])) } @series);
    my ($script, @plots, %number_of) = ('');

    for my $number (0 .. $#series) {
        my $series = $series[$number];
        my $key = $series->{like} // $series->{name};
        $number_of{$key} = keys %number_of unless defined $number_of{$key};
        my $mark = $points[ $number_of{$key} % @points ];
        my $colour = colour($palette[ $number_of{$key} % @palette ]);
        my @drawn = map { [ $_->[0] == 0 && $x->{log} ? $x->{zero} : $_->[0], max($_->[1], $low) ] } @{ $series->{points} };
        $script .= block("series$number", @drawn) . label($series->{name}, "graph 1, graph $ends[$number]",
            "left offset 1.4,0 tc $colour");
        # What costs where nothing is to do is a point of its own.
        $script .= block("curve$number", grep { !$x->{log} || $_->[0] != $x->{zero} } @drawn);
        push @plots, "\$curve$number using 1:2 with lines lw 2 " . ($series->{other} ? 'dt 2 ' : '') . "lc $colour notitle",
            "\$series$number using 1:2 with points pt $mark ps 0.9 lc $colour notitle";
        # From the last point to the name.
        $script .= sprintf "set arrow from first %f, graph %f to graph 1.015, graph %f nohead lw 0.5 lc $colour\n",
            $drawn[-1][0], $graph->($drawn[-1][1]), $ends[$number];
    }
    for my $guide (@{ $about{guides} // [] }) {
        my ($slope, $at, $text, $side) = @$guide;
        push @plots, "[$x->{from}:$x->{to}] $slope * x with lines lw 0.8 dt 3 lc " . colour('grey') . ' notitle';
        $script .= label($text, sprintf('first %f, first %f', $at, $slope * $at), "$side tc", colour('grey'));
    }
    my @y_ticks = $y->{log} ? map { 10**$_ } round(log($low) / log(10)) .. round(log($high) / log(10)) : steps($high);
    return draw(\%about, $width, $height, $script .
        across($width, $left, $right) . down($height, $top, $height - $bottom) .
        ($x->{log} ? "set logscale x\n" : '') . ($y->{log} ? "set logscale y\n" : '') .
        "set xrange [$x->{from}:$x->{to}]\nset yrange [$low:$high]\nset border 3\nset tics nomirror\n" .
        'set xtics (' . join(', ', map { quote($_->[1]) . " $_->[0]" } @{ $x->{ticks} }) . ")\n" .
        'set ytics (' . join(', ', map { quote(tick_text($_)) . " $_" } @y_ticks) . ")\n" .
        'set grid xtics ytics lc ' . colour('grey') . " lw 0.4\n" .
        'set xlabel ' . quote($x->{label}) . "\nset ylabel " . quote($y->{label}) . "\n" .
        'plot ' . join(', ', @plots) . "\n");
}

# ---- a guest over time

my @sizes = ([ g => '1G', 'blue' ], [ m => '2M', 'sky' ], [ k => '4K', 'orange' ]);

# Samples with the place where they are drawn, from 0 to the number of phases: each phase is as wide as the others.
sub place {
    my ($map) = @_;
    my @phases = @{ $map->{phase} };
    my ($phase, @placed) = (0);
    for my $sample (@{ $map->{sample} }) {
        my ($time, @counts) = @$sample;
        $phase++ while $phase < $#phases - 1 && $time >= $phases[ $phase + 1 ][0];
        # What was before them is how the first one begins.
        @placed = () if $time <= $phases[0][0];
        my ($start, $end) = ($phases[$phase][0], $phases[ $phase + 1 ][0]);
        push @placed, { at => $phase + ($end > $start ? min(1, max(0, ($time - $start) / ($end - $start))) : 0),
            counts => [ @counts[ 0 .. 3 ] ], runs => $counts[4] };
    }
    return @placed;
}

# Rectangles of equal content: a run of regions that the next sample has too goes on.
sub rectangles {
    my ($region, @samples) = @_;
    my (%open, %done);
    for my $number (0 .. $#samples) {
        my ($at, %now) = 0;
        while (defined $samples[$number] && $samples[$number]{runs} =~ /(\d+)([kmg.])/g) {
            $now{"$at $1 $2"} = 1 if $2 ne '.';
            $at += $1;
        }
        for my $run (grep { !$now{$_} } keys %open) {
            my ($first, $count, $how) = split ' ', $run;
            push @{ $done{$how} }, [ $open{$run}, $first * $region, $open{$run}, $samples[$number]{at}, $first * $region,
                ($first + $count) * $region ];
            delete $open{$run};
        }
        $open{$_} //= $samples[$number]{at} for keys %now;
    }
    return \%done;
}

sub over_time {
    my (%about) = @_;
    my ($width, $height, $left, $right) = (1000, 770, 90, 20);
    my $map = $about{map};
    my @phases = @{ $map->{phase} };
    my $count = $#phases;    # the last one is the end
    my @samples = place($map);
    my $memory = $map->{memory}[0][0] / 2**20;
    my $found = rectangles(2, @samples, { at => $count, runs => '' });
    my ($names, $borders) = ('', '');

    for my $i (0 .. $count - 1) {
        $borders .= "set arrow from first $i, graph 0 to first $i, graph 1 nohead lw 0.6 lc " . colour('grey') . "\n";
        my @words = reverse split /, /, $phases[$i][1];
        for my $line (0 .. $#words) {
            $names .= label($words[$line], 'first ' . ($i + 0.5) . ', graph 1', 'center offset 0,' . (0.7 + 1.1 * $line));
        }
    }
    # Filled steps: each sample until the next.
    my (@steps, @tables);
    for my $i (0 .. $#samples) {
        my ($small, $middle, $large, $tables) = @{ $samples[$i]{counts} };
        my $first = min($large * 1024, $memory);
        my @sums = (0, $first, $first + $middle * 2, $first + $middle * 2 + $small / 256);
        for my $at ($samples[$i]{at}, $i < $#samples ? $samples[ $i + 1 ]{at} : $count) {
            push @steps, [ $at, @sums ];
            push @tables, [ $at, $tables ];
        }
    }
    my (@pieces, @sums, @lengths);
    for my $i (0 .. $#sizes) {
        my ($how, $size, $colour) = @{ $sizes[$i] };
        push @pieces, "\$map_$how using 1:2:3:4:5:6 with boxxyerror " . filled($colour) . ' notitle' if $found->{$how};
        push @pieces, 'keyentry with boxes ' . filled($colour) . " title 'mapped $size'";
        push @sums, sprintf '$steps using 1:%d:%d with filledcurves %s notitle', $i + 2, $i + 3, filled($colour);
    }
    for my $i (0 .. $count - 1) {
        push @lengths, quote(length_text($phases[ $i + 1 ][0] - $phases[$i][0])) . ' ' . ($i + 0.5);
    }
    my $script = join '', map({ block("map_$_->[0]", @{ $found->{ $_->[0] } }) } grep { $found->{ $_->[0] } } @sizes),
        block('steps', @steps), block('tables', @tables), "set multiplot\n", across($width, $left, $right),
        "set xrange [0:$count]\nset yrange [0:$memory]\nset border 3\nset tics nomirror\nunset xtics\n",
        'set ytics (', join(', ', map { 256 * $_ } 0 .. $memory / 256), ")\n", $borders,
        # Addresses.
        down($height, 80, 400), $names, 'set key at screen ', $left / $width, ', screen ', 1 - 8 / $height,
        " left top horizontal Left reverse samplen 2 width 3\n",
        "set ylabel 'guest-physical address (MiB)'\nplot ", join(', ', @pieces), "\nunset label\nunset key\n",
        # Sizes.
        down($height, 424, 584), "set ylabel 'mapped (MiB)'\nplot ", join(', ', @sums), "\n",
        # Tables.
        down($height, 608, 708), "set ylabel 'tables'\nset yrange [0:*]\nset ytics 200\n",
        'set xtics (', join(', ', @lengths), ") scale 0\n",
        "set xlabel 'length of each phase (instructions); all are drawn equally wide'\n",
        "plot \$tables using 1:2 with lines lw 2 lc rgb 'black' notitle\nunset multiplot\n";
    return draw(\%about, $width, $height, $script);
}

1;
