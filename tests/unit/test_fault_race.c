/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/fault.c: invalidations at every moment of a fault, of its own page and of others. */
#include "tests/unit/fault_support.h"

static void migrate(void)
{
    assert_int_equal(backing_migrate(backing, GFN), 0);
}

static void punch(void)
{
    assert_int_equal(backing_punch(backing, GFN, 1), 0);
}

static void punch_neighbour(void)
{
    assert_int_equal(backing_punch(backing, GFN + 2, 1), 0);
}

/*
 * A whole invalidation at every moment. What is mapped in the end is the page's frame, in a piece that is still one: the
 * audit knows (C4, C5). `again` makes the scene for the next moment.
 */
static void invalidate_at_every_moment(void (*what)(void), void (*again)(void))
{
    u64 moments = 0;

    do {
        forget_mapping();
        again();
        assert_int_equal(fault_with(what, moments, ACCESS_WRITE), FAULT_INSTALLED);
        assert_all_sound();
        /* Unless it came after the fault's last word. */
        if (mapped_level(vm, GFN) == 0)
            assert_int_equal(acts, 1);
        moments++;
    } while (acts != 0);
    assert_true(moments > 20);
}

static void nothing(void)
{
}

static void test_R1_a_frame_that_moved_is_not_mapped(void **state)
{
    show(LEVEL_4K, true);
    invalidate_at_every_moment(migrate, nothing);
}

static void test_R1_a_frame_that_was_given_back_is_not_mapped(void **state)
{
    show(LEVEL_4K, true);
    invalidate_at_every_moment(punch, nothing);
}

/* Another backing each time, because a piece that was split does not come back. */
static void show_anew(void)
{
    if (backing != NULL) {
        assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
        backing_put(backing);
    }
    show(LEVEL_2M, false);
}

static void test_R1_a_piece_that_was_split_is_not_mapped_large(void **state)
{
    invalidate_at_every_moment(punch_neighbour, show_anew);
}

static void begin_neighbour(void)
{
    invalidation_begin(&invalidation, backing, GFN + 2, GFN + 3);
}

/* An invalidation that begins at any moment and is not over when the fault is: nothing of its pages is mapped. */
static void hold_from_every_moment(void (*what)(void))
{
    u64 moments = 0, retried = 0;

    for (bool began = true; began; moments++) {
        forget_mapping();
        enum fault_result result = fault_with(what, moments, ACCESS_READ);
        began = acts != 0;
        assert_true(result == FAULT_INSTALLED || (began && result == FAULT_RETRY));
        retried += result == FAULT_RETRY;
        if (!began)
            break;
        assert_int_equal(mapped_level(vm, GFN + 2 * (what == begin_neighbour)), 0);
        assert_all_sound();
        invalidation_end(&invalidation);
        assert_true(fault_by_vcpu(GFN, ACCESS_READ) <= FAULT_SPURIOUS);
        assert_int_not_equal(mapped_level(vm, GFN), 0);
    }
    /* Between the hint and the lock, and before. */
    assert_true(moments > 20 && retried > 10);
    assert_int_equal(vm_memory_get_stats(vm).faults_retried, retried);
}

static void test_R2_what_is_being_invalidated_is_not_mapped(void **state)
{
    show(LEVEL_4K, true);
    hold_from_every_moment(begin);
}

static void test_R2_a_large_page_with_an_invalidated_part_is_not_mapped(void **state)
{
    show(LEVEL_2M, false);
    hold_from_every_moment(begin_neighbour);
}

static void test_R2_the_check_under_the_lock_finds_what_the_hint_did_not(void **state)
{
    show(LEVEL_4K, true);
    seen_at_lock = false;
    port_host.on_point = begin_at_lock;
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_RETRY);
    assert_true(seen_at_lock);
    assert_int_equal(mapped_level(vm, GFN), 0);
    assert_int_equal(vm_memory_get_stats(vm).tables, 1);
    invalidation_end(&invalidation);
    /* What was taken for the first attempt was not lost (R3). */
    port_host_take_all_but(0);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_INSTALLED);
    port_host_give_back();
    assert_all_sound();
}

/* Fills and empties pages around, with the table that the fault needs, and pages far away. */
static void stir_elsewhere(void)
{
    static u64 turn;

    turn++;
    assert_int_equal(backing_migrate(backing, 7), 0);
    assert_true(fault(vm, 7 + 512 * (turn % 2), ACCESS_READ) <= FAULT_SPURIOUS);
    vm_memory_zap(vm, (gfn_t){ 0 }, GFN);
    vm_memory_zap(vm, (gfn_t){ GFN + 1 }, PAGES - GFN - 1);
}

static void test_R8_invalidations_elsewhere_do_not_hold_a_fault_up(void **state)
{
    show(LEVEL_4K, true);
    act_always = true;
    for (unsigned i = 0; i < 20; i++) {
        forget_mapping();
        assert_int_equal(fault_with(stir_elsewhere, i, ACCESS_WRITE), FAULT_INSTALLED);
        assert_true(acts + i > 10);
        assert_int_equal(mapped_level(vm, GFN), LEVEL_4K);
        assert_all_sound();
    }
    assert_int_equal(vm_memory_get_stats(vm).faults_retried, 0);
}

/* All tables go at the last moment of the first attempt: the second one has enough for a whole path. */
static unsigned zaps_left;

static void zap_at_lock(const void *word)
{
    if (word != &vm->spt.lock.reader_in || zaps_left == 0)
        return;
    zaps_left--;
    port_host.on_point = NULL;
    forget_mapping();
    port_host.on_point = zap_at_lock;
}

static void test_R8_tables_that_go_cost_one_more_attempt(void **state)
{
    show(LEVEL_4K, true);
    assert_int_equal(fault(vm, GFN + 1, ACCESS_READ), FAULT_INSTALLED);
    zaps_left = 1000;
    port_host.on_point = zap_at_lock;
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_INSTALLED);
    port_host.on_point = NULL;
    assert_int_equal(zaps_left, 1000 - 2);
    assert_int_equal(vcpu.cache.count, 0);
    assert_all_sound();
}

static void test_R5_no_slot_is_never_in_range_of_an_invalidation(void **state)
{
    struct vm_memory *second = new_vm();

    show(LEVEL_4K, true);
    assert_int_equal(vm_memory_add_slot(second, 0, (gfn_t){ 5000 }, PAGES, backing, 0, 0, LEVEL_4K), 0);
    invalidation_begin(&invalidation, backing, 0, PAGES - 1);
    u64 yields = port_host.yields;
    assert_int_equal(fault_by_vcpu(PAGES, ACCESS_READ), FAULT_NO_SLOT);
    assert_int_equal(fault_by_vcpu(1ull << 40, ACCESS_WRITE), FAULT_NO_SLOT);
    assert_int_equal(fault(second, GFN, ACCESS_WRITE), FAULT_NO_SLOT);
    assert_int_equal(vm_memory_get_stats(vm).faults_retried, 0);
    /* A page of the same backing that is not in the range does not wait either; one that is does, in every VM. */
    assert_int_equal(fault_by_vcpu(PAGES - 1, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_RETRY);
    assert_int_equal(fault(second, 5000 + GFN, ACCESS_READ), FAULT_RETRY);
    assert_int_equal(port_host.yields, yields);
    /* Nothing was taken for them (R3). */
    assert_int_equal(vcpu.cache.count, 0);
    invalidation_end(&invalidation);
    assert_int_equal(fault_by_vcpu(GFN, ACCESS_WRITE), FAULT_INSTALLED);
    vm_memory_destroy(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_R1_a_frame_that_moved_is_not_mapped),
        FAULT_TEST(test_R1_a_frame_that_was_given_back_is_not_mapped),
        FAULT_TEST(test_R1_a_piece_that_was_split_is_not_mapped_large),
        FAULT_TEST(test_R2_what_is_being_invalidated_is_not_mapped),
        FAULT_TEST(test_R2_a_large_page_with_an_invalidated_part_is_not_mapped),
        FAULT_TEST(test_R2_the_check_under_the_lock_finds_what_the_hint_did_not),
        FAULT_TEST(test_R5_no_slot_is_never_in_range_of_an_invalidation),
        FAULT_TEST(test_R8_invalidations_elsewhere_do_not_hold_a_fault_up),
        FAULT_TEST(test_R8_tables_that_go_cost_one_more_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
