/* SPDX-License-Identifier: BSD-2-Clause */
/* Publishing and freeing, on processors that use the oldest translation that they have, until INVEPT. */
#include "tests/hardware/frame_watch.h"
#include "tests/hardware/scene.h"

static pfn_t page; /* of gfn 5 */
static bool stale; /* what was noted in a kick */

/* The last accesses before the kick takes effect: all of them still find what they found before. */
static void use_what_is_stale(void)
{
    pfn_t frame;

    stale = scene_access(1, 5, ACCESS_WRITE, &frame) == CPU_HIT && frame.v == page.v &&
            frame_watch(page).kind == FRAME_GUEST;
    /* Not in the TLB: through a cached pointer into a table that was unlinked. */
    scene_access(1, 6, ACCESS_READ, &frame);
}

static void test_P2_no_table_is_freed_before_its_flush(void **state)
{
    page = scene_touch(1, 5, ACCESS_WRITE);
    u64 tables = frame_get_stats().used[FRAME_TABLE];
    scene.on_kick = use_what_is_stale;
    vm_memory_zap(scene.vm, (gfn_t){ 0 }, 512);
    assert_true(stale);
    assert_true(frame_get_stats().used[FRAME_TABLE] < tables);
    assert_false(scene_reaches(1, 5, ACCESS_READ));
    assert_int_equal(scene_touch(1, 5, ACCESS_READ).v, page.v);
}

static void test_P2_no_table_is_freed_in_a_guest_that_came_during_the_removal(void **state)
{
    /* In the guest since before, on a processor with nothing cached but a pointer that speculation has loaded. */
    scene_touch(2, 5, ACCESS_WRITE);
    scene_enter(1);
    port_host_processor = 1;
    machine_speculate((gfn_t){ 5 });
    port_host_processor = 0;
    page = scene_touch(2, 5, ACCESS_WRITE);
    scene.on_kick = use_what_is_stale;
    vm_memory_zap(scene.vm, (gfn_t){ 0 }, SCENE_PAGES);
    assert_false(scene_reaches(1, 6, ACCESS_READ));
    assert_false(scene_reaches(2, 5, ACCESS_READ));
}

static void test_P2_no_page_is_freed_before_its_flush(void **state)
{
    page = scene_touch(1, 5, ACCESS_WRITE);
    scene.on_kick = use_what_is_stale;
    vm_memory_balloon(scene.vm, (gfn_t){ 5 }, 1);
    assert_true(stale);
    assert_true(frame_watch(page).kind != FRAME_GUEST);
    assert_false(scene_reaches(1, 5, ACCESS_READ));
    const u8 *content = port_frame_address(scene_touch(1, 5, ACCESS_READ));
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(content[i], 0);
}

static void test_P2_a_new_frame_is_the_only_one_that_is_seen(void **state)
{
    page = scene_touch(1, 5, ACCESS_WRITE);
    scene_touch(2, 5, ACCESS_READ);
    assert_int_equal(backing_migrate(scene.backing, 5), 0);
    pfn_t moved = scene_touch(1, 5, ACCESS_READ);
    assert_int_not_equal(moved.v, page.v);
    assert_int_equal(scene_touch(2, 5, ACCESS_READ).v, moved.v);
}

/* Somebody removes what another one has removed already, but not flushed: it may not return before that flush either. */
static void balloon_meanwhile(void)
{
    port_host_processor = 3;
    vm_memory_balloon(scene.vm, (gfn_t){ 5 }, 1);
    port_host_processor = 0;
    stale = scene.inside[1] && scene_reaches(1, 5, ACCESS_WRITE);
}

static void test_P2_a_removal_waits_for_the_flush_of_another_one(void **state)
{
    page = scene_touch(1, 5, ACCESS_WRITE);
    scene.on_kick = balloon_meanwhile;
    vm_memory_zap(scene.vm, (gfn_t){ 5 }, 1);
    assert_false(stale);
    assert_false(scene_reaches(1, 5, ACCESS_READ));
}

static void make_read_only_meanwhile(void)
{
    port_host_processor = 3;
    vm_memory_set_slot_flags(scene.vm, 0, MEMSLOT_READ_ONLY);
    port_host_processor = 0;
    stale = scene.inside[1] && scene_reaches(1, 5, ACCESS_WRITE);
}

static void test_P6_a_downgrade_waits_for_the_flush_of_another_one(void **state)
{
    scene_touch(1, 5, ACCESS_WRITE);
    scene.on_kick = make_read_only_meanwhile;
    vm_memory_write_protect(scene.vm, (gfn_t){ 5 }, 1);
    assert_false(stale);
    assert_false(scene_reaches(1, 5, ACCESS_WRITE));
}

static void test_P6_a_downgrade_waits_for_guests_on_a_dying_root(void **state)
{
    scene_touch(1, 5, ACCESS_WRITE);
    scene.on_kick = make_read_only_meanwhile;
    assert_int_equal(vm_memory_invalidate_all(scene.vm), 0);
    assert_false(stale);
}

enum { ENTRIES = 3, FIRST = 5 };

static u64 *entries[ENTRIES]; /* of gfns FIRST … */
static unsigned looks[ENTRIES];
static bool set_by_hardware[ENTRIES], taken[ENTRIES], is_unlinked;

/* While the n-th entry is taken, the processor sets D in it at the n-th step: nothing leads to the table any more. */
static void write_through_the_pointer(const void *word)
{
    pfn_t frame;

    for (unsigned i = 0; i < ENTRIES && is_unlinked && scene.inside[1]; i++) {
        if (word != entries[i] || looks[i]++ != i)
            continue;
        machine.cpus[1].translation_count = 0;
        set_by_hardware[i] = scene_access(1, FIRST + i, ACCESS_WRITE, &frame) == CPU_HIT;
    }
}

static void see_change(u64 *entry, u64 old, u64 value)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (entry == entries[i] && value == EPT_EMPTY)
            taken[i] = (old & EPT_DIRTY) != 0;
    }
    if (value == EPT_EMPTY && ept_is_present(old) && ept_frame(old).v == port_frame_of(entries[0]).v)
        is_unlinked = true;
}

static void test_P4_bits_set_in_an_unlinked_table_are_seen(void **state)
{
    memset(looks, 0, sizeof(looks));
    memset(set_by_hardware, 0, sizeof(set_by_hardware));
    is_unlinked = false;
    for (unsigned i = 0; i < ENTRIES; i++) {
        scene_touch(1, FIRST + i, ACCESS_READ);
        entries[i] = entry_at(scene.vm, FIRST + i, LEVEL_4K);
        assert_true(ept_permits(*entries[i], EPT_WRITE) && (*entries[i] & EPT_DIRTY) == 0);
    }
    port_host.on_point = write_through_the_pointer;
    port_host.on_pte = see_change;
    vm_memory_zap(scene.vm, (gfn_t){ 0 }, 512);
    port_host.on_point = NULL;
    port_host.on_pte = NULL;
    assert_true(is_unlinked && set_by_hardware[0] && set_by_hardware[1]);
    for (unsigned i = 0; i < ENTRIES; i++)
        assert_int_equal(taken[i], set_by_hardware[i]);
}

static void test_P6_an_upgrade_needs_no_flush(void **state)
{
    page = scene_touch(1, 5, ACCESS_WRITE);
    vm_memory_write_protect(scene.vm, (gfn_t){ 5 }, 1);
    assert_true(scene_reaches(1, 5, ACCESS_READ));
    u64 kicks = port_host.kicks;
    scene_touch(2, 5, ACCESS_WRITE);
    assert_int_equal(port_host.kicks, kicks);
    /* The old denial is met once, and found to be spurious. */
    assert_true(scene.inside[1]);
    assert_false(scene_reaches(1, 5, ACCESS_WRITE));
    scene_leave(1);
    assert_int_equal(vm_memory_fault(&scene.vcpus[1], (gpa_t){ 5 * PAGE_SIZE }, ACCESS_WRITE), FAULT_SPURIOUS);
    assert_true(scene_reaches(1, 5, ACCESS_WRITE));
    assert_int_equal(port_host.kicks, kicks);
}

static void test_P6_a_downgrade_needs_a_flush(void **state)
{
    scene_touch(1, 5, ACCESS_WRITE);
    scene_touch(2, 5, ACCESS_WRITE);
    vm_memory_write_protect(scene.vm, (gfn_t){ 5 }, 1);
    assert_false(scene_reaches(1, 5, ACCESS_WRITE));
    assert_false(scene_reaches(2, 5, ACCESS_WRITE));
    scene_touch(1, 5, ACCESS_WRITE);
    assert_int_equal(vm_memory_set_slot_flags(scene.vm, 0, MEMSLOT_READ_ONLY), 0);
    assert_false(scene_reaches(1, 5, ACCESS_WRITE));
}

static void test_P6_a_shared_frame_is_not_written(void **state)
{
    struct backing *clone;

    page = scene_touch(1, 5, ACCESS_WRITE);
    assert_int_equal(backing_clone(scene.backing, &clone), 0);
    assert_false(scene_reaches(1, 5, ACCESS_WRITE));
    assert_int_equal(scene_touch(2, 5, ACCESS_READ).v, page.v);
    /* The copy of one guest's write is what the other one reads, too. */
    pfn_t copy = scene_touch(1, 5, ACCESS_WRITE);
    assert_int_not_equal(copy.v, page.v);
    assert_int_equal(scene_touch(2, 5, ACCESS_READ).v, copy.v);
    backing_put(clone);
}

/* With an argument, the tests that match it. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_P2_no_table_is_freed_before_its_flush),
        SCENE_TEST(test_P2_no_table_is_freed_in_a_guest_that_came_during_the_removal),
        SCENE_TEST(test_P2_no_page_is_freed_before_its_flush),
        SCENE_TEST(test_P2_a_new_frame_is_the_only_one_that_is_seen),
        SCENE_TEST(test_P2_a_removal_waits_for_the_flush_of_another_one),
        SCENE_TEST(test_P4_bits_set_in_an_unlinked_table_are_seen),
        SCENE_TEST(test_P6_an_upgrade_needs_no_flush),
        SCENE_TEST(test_P6_a_downgrade_needs_a_flush),
        SCENE_TEST(test_P6_a_downgrade_waits_for_the_flush_of_another_one),
        SCENE_TEST(test_P6_a_downgrade_waits_for_guests_on_a_dying_root),
        SCENE_TEST(test_P6_a_shared_frame_is_not_written),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
