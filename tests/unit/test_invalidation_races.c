/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/invalidation.c: what a fault may believe of what it found before, at every moment of every operation. That slots and
 * VMs are told is tests/unit/test_invalidation.c.
 */
#include "tests/unit/backing_support.h"

#include "mm/backing_object.h"
#include "mm/invalidation.h"

static struct backing *backing;
static struct invalidation invalidation;

static int start(void **state)
{
    port_host_start(SMALL_RAM);
    backing = new_content(1024, 10);
    return 0;
}

static int finish(void **state)
{
    assert_false(backing_is_changing(backing, 0, 1024));
    backing_put(backing);
    return stop_retired(state);
}

static struct backing_page found;
static u64 sequence;

static void fault_begins(u64 page)
{
    sequence = backing_sequence(backing);
    assert_int_equal(backing_resolve(backing, page, LEVEL_2M, false, &found), 0);
}

static bool may_install(u64 page, enum level level)
{
    return backing_is_current(backing, sequence, page, &found, level);
}

static void begin(u64 first, u64 end)
{
    invalidation_begin(&invalidation, backing, first, end);
}

static void test_R1_what_was_found_before_a_change_is_not_installed(void **state)
{
    struct backing *clone;

    fault_begins(600);
    assert_int_equal(backing_migrate(backing, 600), 0);
    assert_false(may_install(600, LEVEL_4K));
    fault_begins(600);
    assert_true(may_install(600, LEVEL_4K));

    /* Gone, and gone and come again. */
    assert_int_equal(backing_punch(backing, 600, 1), 0);
    assert_false(may_install(600, LEVEL_4K));
    put_content(backing, 600, 1);
    fault_begins(600);
    assert_true(may_install(600, LEVEL_4K));

    /* A large piece fell apart around a page that kept its frame. */
    fault_begins(100);
    assert_int_equal(backing_migrate(backing, 101), 0);
    assert_true(may_install(100, LEVEL_4K));
    assert_false(may_install(100, LEVEL_2M));

    /* The frame is the same, but not to be written any more. */
    fault_begins(200);
    assert_true(found.writable);
    assert_int_equal(backing_clone(backing, &clone), 0);
    assert_false(may_install(200, LEVEL_4K));
    fault_begins(200);
    assert_false(found.writable);
    assert_true(may_install(200, LEVEL_4K));
    backing_put(clone);
}

/*
 * The other way round: an invalidation that was in flight when the question was asked changes the page and ends at any
 * moment of the answer. (One that begins later has to pass the VM's lock first.)
 */
static unsigned countdown;
static pfn_t new_frame;

static void change_and_end(const void *word)
{
    if (countdown == 0 || --countdown != 0)
        return;

    struct map_place place;
    assert_int_equal(map_split(&backing->map, 600, LEVEL_4K, &place), 0);
    map_replace(&place, map_entry(new_frame, MAP_PIECE));
    map_release(place.entry, LEVEL_4K);
    invalidation_end(&invalidation);
}

static void test_R2_what_ends_during_the_look_is_noticed(void **state)
{
    struct invalidation elsewhere;
    bool answered;
    u64 before = 600 + 10;

    for (unsigned other_ends = 0; other_ends < 2; other_ends++) {
        unsigned at = 0;

        do {
            countdown = ++at;
            assert_int_equal(frame_alloc(0, FRAME_GUEST, &new_frame), 0);
            fault_begins(600);
            begin(600, 601);
            /* So that the sequence alone does not answer. */
            if (other_ends) {
                invalidation_begin(&elsewhere, backing, 0, 1);
                invalidation_end(&elsewhere);
            }
            port_host.on_point = change_and_end;
            answered = may_install(600, LEVEL_4K);
            port_host.on_point = NULL;
            assert_false(answered);
            if (countdown != 0) {
                invalidation_end(&invalidation);
                frame_free(new_frame, 0, FRAME_GUEST);
            }
        } while (countdown == 0);
    }
    put_content(backing, 600, before);
}

static bool ended;

static void look_at_the_end(const void *word)
{
    port_host.on_point = NULL;
    /* Either it is still there, or the sequence says that it was. */
    assert_true(backing_is_changing(backing, 600, 601) || backing_sequence(backing) != sequence);
    ended = true;
    port_host.on_point = look_at_the_end;
}

static void test_R6_the_sequence_moves_before_the_end(void **state)
{
    fault_begins(600);
    begin(600, 601);
    port_host.on_point = look_at_the_end;
    invalidation_end(&invalidation);
    port_host.on_point = NULL;
    assert_true(ended);
    assert_int_equal(backing_sequence(backing), sequence + 1);
}

/* All operations: a fault that began at any earlier moment asks at every later one. */

enum { MAX_LOOKS = 96, WATCHED = 600 };

static struct look {
    u64 sequence;
    struct backing_page found;
} looks[MAX_LOOKS];
static unsigned look_count;
static u64 moments, believed, doubted;
static struct backing *watched;

static void check_looks(void)
{
    for (unsigned i = 0; i < look_count; i++) {
        for (enum level level = LEVEL_4K; level <= looks[i].found.level; level++) {
            struct backing_page now;

            if (!backing_is_current(watched, looks[i].sequence, WATCHED, &looks[i].found, level)) {
                doubted++;
                continue;
            }
            believed++;
            assert_int_equal(backing_lookup(watched, WATCHED, &now), 0);
            assert_int_equal(now.pfn.v, looks[i].found.pfn.v);
            assert_int_equal(now.writable, looks[i].found.writable);
            assert_true(now.level >= level);
            /* And all of the leaf is that piece. */
            struct backing_page last;
            u64 last_page = (WATCHED | (level_pages(level) - 1));
            assert_int_equal(backing_lookup(watched, last_page, &last), 0);
            assert_int_equal(last.pfn.v - now.pfn.v, last_page - WATCHED);
            assert_int_equal(last.writable, now.writable);
        }
    }
}

static void take_a_look(const void *word)
{
    port_host.on_point = NULL;
    /* Long operations are looked at sparsely, but to their end. */
    moments++;
    if (moments < 60 || moments % 53 == 0) {
        struct look look = { .sequence = backing_sequence(watched) };

        check_looks();
        if (look_count < MAX_LOOKS && backing_lookup(watched, WATCHED, &look.found) == 0)
            looks[look_count++] = look;
    }
    port_host.on_point = take_a_look;
}

static void watch(void (*operation)(struct backing *))
{
    look_count = 0;
    moments = believed = doubted = 0;
    port_host.on_point = take_a_look;
    operation(watched);
    port_host.on_point = NULL;
    check_looks();
    assert_true(look_count > 0 && believed > 0 && doubted > 0);
}

static struct backing *another;

static void do_punch(struct backing *of)
{
    assert_int_equal(backing_punch(of, 590, 20), 0);
}

static void do_migrate(struct backing *of)
{
    assert_int_equal(backing_migrate(of, WATCHED), 0);
}

static void do_migrate_neighbour(struct backing *of)
{
    assert_int_equal(backing_migrate(of, WATCHED + 1), 0);
}

static void do_compact(struct backing *of)
{
    assert_int_equal(backing_compact(of, WATCHED), 0);
}

static void do_clone(struct backing *of)
{
    assert_int_equal(backing_clone(of, &another), 0);
}

static void do_write(struct backing *of)
{
    struct backing_page page;

    assert_int_equal(backing_resolve(of, WATCHED, LEVEL_2M, true, &page), 0);
}

static void do_share(struct backing *of)
{
    assert_int_equal(backing_share(another, WATCHED, of, WATCHED), 0);
}

static void do_retire(struct backing *of)
{
    assert_int_equal(memory_retire(lookup(of, WATCHED).pfn, true), 0);
}

static void test_R6_nothing_stale_is_ever_believed(void **state)
{
    watched = new_content(1024, 10);
    watch(do_migrate_neighbour);
    watch(do_migrate);
    watch(do_compact);
    assert_int_equal(lookup(watched, WATCHED).level, LEVEL_2M);
    watch(do_clone);
    watch(do_write);
    backing_put(another);
    watch(do_punch);
    backing_put(watched);

    watched = new_content(1024, 10);
    another = new_content(1024, 10);
    watch(do_share);
    watch(do_retire);
    backing_put(another);
    backing_put(watched);
    watched = NULL;
}

#define RACE_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RACE_TEST(test_R1_what_was_found_before_a_change_is_not_installed),
        RACE_TEST(test_R2_what_ends_during_the_look_is_noticed),
        RACE_TEST(test_R6_the_sequence_moves_before_the_end),
        RACE_TEST(test_R6_nothing_stale_is_ever_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
