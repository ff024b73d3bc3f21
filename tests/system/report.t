#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# tools/report: from figures to a page whose pictures have every one of them. No emulator.
use strict;
use utf8;
use warnings;
use File::Temp 'tempdir';
use FindBin;
use JSON::PP;
use Test::More;

my $tool = "$FindBin::Bin/../../tools/report";

sub figures {
    my (%values) = @_;
    return { map { $_ => { value => $values{$_}, unit => 'instructions' } } keys %values };
}

# A small measurement with all there is. A name that looks like a command is text like any other.
my $nasty = q{`touch NASTY` it's <b>"10"</b> & \\ @x};
my %slots = (10 => 1000, 100 => 2000, 1000 => 4000);
my %pages = (0 => 50, 1 => 100, 16 => 1000, 256 => 100000);
my %bench = (
    conditions => { version => 'v1-fixture', date => '2026-01-02', compiler => 'cc' },
    rows => [ { section => 'One' }, { what => 'ten', figure => 'exits.ten', aim => 20 },
        { what => $nasty, figure => 'exits.hundred', aim => 50 },
        { what => 'not measured', figure => 'exits.none', aim => 1 }, { section => 'Two' },
        { what => 'thousand', figure => 'memory.create.10', aim => undef }, { section => 'Nothing' } ],
    figures => figures('machine.exits.ten' => 10, 'machine.exits.hundred' => 100, 'machine.memory.create.10' => 1000,
        map({ ("machine.series.slots.create.$_" => $slots{$_}) } keys %slots),
        map({ ("machine.series.dirty.harvest.$_" => $pages{$_}) } keys %pages),
        map({ ("machine.series.memory.$_->[0].start" => $_->[1]) } [ '16M', 100 ], [ '1G', 6400 ])),
    # 8 MiB: mapped by one entry, then half of it by small ones, then nothing.
    map => { memory => [ [8388608] ], phase => [ [ 100, 'first, here' ], [ 200, 'then' ], [ 400, 'end' ] ],
        sample => [ [ 90, 0, 4, 0, 2, '4m' ], [ 150, 0, 4, 0, 2, '4m' ], [ 200, 1024, 2, 0, 4, '2m2k' ],
            [ 300, 0, 0, 0, 1, '4.' ] ] },
);
my %kvm = (figures => figures('kvm-6.12.exits.ten' => 5, 'kvm-7.2.exits.ten' => 1000, 'kvm-7.10.exits.ten' => 100,
    'kvm-7.10.memory.create.10' => 10000, 'kvm-7.10.memory.create.16384' => 10000));

# Runs it: exit status, what it says, and the page.
sub report {
    my ($bench, $kvm, @arguments) = @_;
    my $folder = tempdir('slat-report-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    for ([ 'bench.json', $bench ], [ 'bench-kvm.json', $kvm ]) {
        my ($name, $content) = @$_;
        next unless defined $content;
        open my $out, '>:raw', "$folder/$name" or die "$name: $!";
        print $out ref $content ? JSON::PP->new->utf8->encode($content) : $content;
        close $out or die "$name: $!";
    }
    local $ENV{BUILD} = $folder;
    my $said = `cd '$folder' && '$tool' @arguments 2>&1`;
    my $status = $? >> 8;
    ok !-e "$folder/NASTY", 'no text was executed';
    my $page = '';
    if (open my $in, '<:utf8', "$folder/report.html") {
        $page = do { local $/; <$in> };
    }
    return ($status, $said, $page);
}

# What is wrong with a page as XML, and with what refers to what.
sub faults {
    my ($page) = @_;
    my (@open, @faults, %ids, @uses);
    my $rest = $page =~ s/\A<!DOCTYPE html>\n//r;
    push @faults, "an & that is none" if $rest =~ /&(?!(amp|lt|gt|quot);)/;
    while ($rest =~ /\G([^<]*)<(\/?)([\w-]+)((?:\s+[\w:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/gc) {
        my ($end, $name, $attributes, $empty) = ($2, $3, $4, $5);
        if ($end) {
            my $begun = pop @open // 'nothing';
            push @faults, "</$name> ends $begun" unless $begun eq $name;
        } elsif (!$empty) {
            push @open, $name;
        }
        push @faults, "a $name" if $name =~ /^(script|img|link|iframe|object)$/;
        push @faults, "id $1 is there twice" if $attributes =~ /\bid=['"]([^'"]*)/ && $ids{$1}++;
        push @uses, $1 if $attributes =~ /href=['"]#([^'"]*)/;
        push @uses, split ' ', $1 if $attributes =~ /aria-labelledby="([^"]*)/;
        push @faults, "refers to $1" if $attributes =~ /(?:href|src)=['"]([^#'"][^'"]*)/;
    }
    push @faults, 'no XML: ' . substr($rest, pos($rest) // 0, 80) if substr($rest, pos($rest) // 0) =~ /\S/;
    push @faults, "not ended: @open" if @open;
    push @faults, map { "no id $_" } grep { !$ids{$_} } @uses;
    return @faults;
}

sub svg {
    my ($page, $name) = @_;
    return $page =~ /(<svg[^>]*aria-labelledby="$name-title .*?<\/svg>)/s ? $1 : undef;
}

# Marks of a picture, from left to right: [x, y].
sub marks {
    my ($svg, $colour) = @_;
    my @marks;
    push @marks, [ $1, $2 ] while $svg =~ /<use[^>]*transform='translate\(([\d.]+),([\d.]+)\)[^>]*color="$colour"/g;
    @marks = sort { $a->[0] <=> $b->[0] } @marks;
    return @marks;
}

# Rectangles of a colour: [left, right, top, bottom].
sub rectangles {
    my ($svg, $colour) = @_;
    my @found;
    while ($svg =~ /<polygon fill = "$colour" points = '([^']*)'/g) {
        my @points = map { [ split /,/ ] } split ' ', $1;
        my @x = sort { $a <=> $b } map { $_->[0] } @points;
        my @y = sort { $a <=> $b } map { $_->[1] } @points;
        push @found, [ $x[0], $x[-1], $y[0], $y[-1] ];
    }
    return @found;
}

sub near {
    my ($got, $wanted, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok abs($got - $wanted) < 0.03 * $wanted, $name or diag "$got, not $wanted";
}

my ($blue, $sky, $orange) = ('#0072b2', '#3a97d0', '#d55e00');

# All there is.
my ($status, $said, $page) = report(\%bench, \%kvm);
is $status, 0, 'a page' or diag $said;
like $said, qr/\Areport: \S+report\.html\n\z/, 'it says where, and that nothing is missing';
is join("\n", faults($page)), '', 'well formed, complete in itself';
is_deeply [ $page =~ /aria-labelledby="(\w+)-title/g ], [qw(rows slots slots_kvm dirty memory map)], 'every picture is there';
for my $name (qw(rows slots slots_kvm dirty memory map)) {
    my $svg = svg($page, $name);
    like $svg, qr{role="img"}, "$name is a picture";
    like $svg, qr{<title id="$name-title">[^<]+</title>\s*<desc id="$name-text">[^<]{40,}</desc>}, "$name says what it shows";
    unlike $svg, qr/black|rgb\(|#000/, "$name has no colour that a dark page could not change";
}

# Bars: 10, 100 and 1000 of ours, 100 and 10000 of the newest KVM's, and for each kind one in the legend.
my $rows = svg($page, 'rows');
my @ours = sort { $a <=> $b } map { $_->[1] - $_->[0] } rectangles($rows, $blue);
my @others = sort { $a <=> $b } map { $_->[1] - $_->[0] } rectangles($rows, $orange);
is scalar @ours, 1 + 3, 'a bar for each row that is measured';
is scalar @others, 1 + 2, 'a bar for each that KVM has';
near($ours[2], 2 * $ours[1], '100 is twice as long as 10');
near($ours[3], 3 * $ours[1], '1000 is three times as long');
near($others[1], 2 * $ours[1], 'KVM is on the same scale');
near($others[2], 4 * $ours[1], 'up to the longest');
my ($end) = sort { $a <=> $b } map { $_->[1] } grep { abs($_->[1] - $_->[0] - $ours[2]) < 1 } rectangles($rows, $blue);
my ($number) = $rows =~ /translate\(([\d.]+),[\d.]+\)"[^<]*text-anchor="start">\s*<text>100</;
ok $number > $end && $number < $end + 40, 'its number stands behind it' or diag "$number, $end";
like $page, qr/<th scope="col">KVM 7\.10 ÷ slat</, 'letters that are not ASCII are what they are';
is scalar(() = $rows =~ />One</g), 1, 'a section is named once';
like $page, qr/<td>10\.0<\/td>/, 'the ratio is in the table';
like $page, qr/&lt;b&gt;&quot;10&quot;&lt;\/b&gt; &amp; \\ \@x/, 'text is text';
unlike $page, qr/<h2>Nothing|rowgroup[^>]*>Nothing/, 'a section without a row is left out';
like $page, qr/1 of 2 aims are met/, 'aims are counted';

# Curves.
my @marks = marks(svg($page, 'slots'), $blue);
is scalar @marks, 3, 'slots: a mark for each figure';
near(($marks[0][1] - $marks[2][1]) / ($marks[0][1] - $marks[1][1]), 3, 'slots: where it should be, up');
near(($marks[2][0] - $marks[0][0]) / ($marks[1][0] - $marks[0][0]), 2, 'slots: and to the right');
is scalar marks(svg($page, 'slots_kvm'), $blue), 3 + 2, 'and for each of KVM';
@marks = marks(svg($page, 'dirty'), $blue);
is scalar @marks, 4, 'dirty pages: a mark for each figure, and for none';
near(($marks[1][1] - $marks[3][1]) / ($marks[1][1] - $marks[2][1]), 3, 'dirty pages: logarithmic');
@marks = marks(svg($page, 'memory'), $blue);
is scalar @marks, 2, 'memory: a mark for each size, in M or in G';
ok $marks[0][1] > $marks[1][1], 'memory: the larger one is to the right';

# The map: 4m from 0 to 1, then 2m and 2k to 1 1/2. Its upper part is between these heights; above it is the legend.
my $map = svg($page, 'map');
my %upper;
for my $colour ($blue, $sky, $orange) {
    $upper{$colour} = [ grep { $_->[2] > 70 && $_->[3] < 410 && $_->[3] > $_->[2] } rectangles($map, $colour) ];
}
my @m = sort { $a->[0] <=> $b->[0] } @{ $upper{$sky} };
my @k = @{ $upper{$orange} };
is scalar @{ $upper{$blue} }, 0, 'nothing is mapped 1G';
is scalar @k, 1, 'one piece is mapped 4K';
is scalar @m, 2, 'two pieces are mapped 2M, one after the other';
near($m[0][1], $m[1][0], 'without a gap');
near($m[0][3] - $m[0][2], 2 * ($k[0][3] - $k[0][2]), 'first twice as much');
near($m[0][1] - $m[0][0], 2 * ($k[0][1] - $k[0][0]), 'phases are equally wide');
ok $k[0][3] < $m[1][3], 'higher addresses are above';
like $map, qr/>here<.*>then</s, 'its phases are named';

# Without KVM.
($status, $said, $page) = report(\%bench);
is $status, 0, 'a page without KVM';
like $said, qr/without KVM: `make bench-kvm`/, 'it says so';
like $page, qr/KVM: <code>make bench-kvm<\/code> measures it/, 'the page too';
is join("\n", faults($page)), '', 'well formed';
is scalar(() = rectangles(svg($page, 'rows'), $orange)), 0, 'no bars of KVM';
is svg($page, 'slots_kvm'), undef, 'no comparison by slots';

# Only single operations.
my %few = (%bench, figures => figures('machine.exits.ten' => 10), map => {});
($status, $said, $page) = report(\%few, \%kvm);
is $status, 0, 'a page with one figure';
is_deeply [ $page =~ /aria-labelledby="(\w+)-title/g ], ['rows'], 'has one picture';
like $said, qr/without costs by slots.*`tools\/bench machine series map`.*\n.*without the map/, 'it says what is missing';
is join("\n", faults($page)), '', 'well formed';

# What cannot be a page.
for (
    [ 'no measurement', undef, qr/bench\.json is not there: `make bench`/ ],
    [ 'half a file', '{"figures": {', qr/bench\.json: not JSON: / ],
    [ 'something else', '[1]', qr/bench\.json: not what tools\/bench writes/ ],
    [ 'no number', { figures => { 'machine.x' => { value => 'many' } } }, qr/the figure machine\.x has no number/ ],
    [ 'no figures', { figures => {} }, qr/has nothing to draw/ ],
) {
    my ($name, $bench, $message) = @$_;
    ($status, $said, $page) = report($bench);
    is $status, 1, "$name: an error";
    like $said, qr/\Areport: .*$message.*\n\z/, "$name: said in a line";
    is $page, '', "$name: no page";
}
($status, $said) = report(\%bench, '{', '');
is $status, 1, "KVM's file is broken: an error";
like $said, qr/bench-kvm\.json: not JSON/, 'it says which';
($status, $said) = report(\%bench, undef, 'now');
is $status, 2, 'an argument: wrong usage';
like $said, qr/\Ausage: tools\/report\n\z/, 'and how it is used';
done_testing;
