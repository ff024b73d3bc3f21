/* SPDX-License-Identifier: BSD-2-Clause */
/* Large pages of slots that are logged, and that come back, on processors that forget nothing until INVEPT. */
#include "mm/recover.h"
#include "tests/hardware/log_scene.h"

static bool stale; /* what was noted in a kick */

static void test_C2_a_slot_that_is_logged_is_mapped_small(void **state)
{
    scene_touch(1, 5, ACCESS_WRITE);
    log_start(0);
    assert_int_equal(mapped_level(scene.vm, 5), LEVEL_4K);
    scene_touch(1, REGION + 5, ACCESS_WRITE);
    assert_int_equal(mapped_level(scene.vm, REGION + 5), LEVEL_4K);
    struct recover_result result;
    assert_int_equal(vm_memory_recover(scene.vm, (gfn_t){ 0 }, SCENE_PAGES, RECOVER_IN_PLACE, 0, &result), 0);
    assert_true(result.logged > 0 && result.collapsed == 0);
    assert_int_equal(mapped_level(scene.vm, 5), LEVEL_4K);
}

static struct recover_result recovered;

static void recover(void)
{
    assert_int_equal(vm_memory_recover(scene.vm, (gfn_t){ 0 }, SCENE_PAGES, RECOVER_IN_PLACE, 0, &recovered), 0);
}

/* Small pages, all of them mapped, and no log any more. */
static void make_small(void)
{
    scene_touch(1, 5, ACCESS_WRITE);
    log_start(0);
    log_stop();
    assert_int_equal(mapped_level(scene.vm, 5), LEVEL_4K);
}

static void test_C1_when_logging_is_over_large_pages_come_back_without_a_fault(void **state)
{
    make_small();
    scene_touch(1, 5, ACCESS_WRITE);
    u64 faults = vm_memory_get_stats(scene.vm).faults;
    recover();
    assert_int_equal(recovered.collapsed, 1);
    assert_int_equal(mapped_level(scene.vm, 5), LEVEL_2M);
    for (u64 gfn = 0; gfn < REGION; gfn++)
        assert_true(scene_reaches(1, gfn, ACCESS_WRITE));
    assert_int_equal(vm_memory_get_stats(scene.vm).faults, faults);
}

/* While the old table waits for its flush, a processor sets D in it, by a pointer that it has cached. */
static void write_in_the_old_table(void)
{
    machine.cpus[1].translation_count = 0;
    stale = scene_reaches(1, 7, ACCESS_WRITE);
}

static void test_C10_D_that_is_set_in_the_old_table_is_merged(void **state)
{
    if (!mm_caps()->access_dirty)
        return;
    scene_touch(1, 5, ACCESS_READ);
    log_start(0);
    log_stop();
    scene_touch(1, 7, ACCESS_READ);
    /* Small ones that may be written. */
    if (!scene_reaches(1, 7, ACCESS_WRITE)) {
        scene_touch(1, 7, ACCESS_WRITE);
        scene_touch(1, 6, ACCESS_WRITE);
    }
    u64 *entry = entry_at(scene.vm, 7, LEVEL_4K);
    for (u64 gfn = 0; gfn < REGION; gfn++)
        __atomic_fetch_and(entry_at(scene.vm, gfn, LEVEL_4K), ~EPT_DIRTY, __ATOMIC_SEQ_CST);
    scene_leave(1);
    machine.cpus[1].translation_count = machine.cpus[1].pointer_count = 0;
    scene_touch(1, 8, ACCESS_READ);
    assert_true((*entry & (EPT_WRITE | EPT_DIRTY)) == EPT_WRITE);
    stale = false;
    scene.on_kick = write_in_the_old_table;
    recover();
    assert_int_equal(recovered.collapsed, 1);
    assert_true(stale);
    assert_true(*entry_at(scene.vm, 7, LEVEL_2M) & EPT_DIRTY);
}

static void test_C3_the_old_table_is_not_freed_before_the_flush(void **state)
{
    make_small();
    scene_touch(1, 7, ACCESS_READ);
    u64 tables = frame_get_stats().used[FRAME_TABLE];
    stale = false;
    scene.on_kick = write_in_the_old_table;
    recover();
    assert_int_equal(recovered.collapsed, 1);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], tables - 1);
    assert_true(scene_reaches(1, 9, ACCESS_READ));
}

static void test_C4_a_large_page_leads_where_the_small_ones_did(void **state)
{
    pfn_t frames[REGION], frame;

    make_small();
    for (u64 gfn = 0; gfn < REGION; gfn++)
        frames[gfn] = scene_touch(1, gfn, ACCESS_WRITE);
    recover();
    log_leave_all();
    for (u64 gfn = 0; gfn < REGION; gfn++) {
        scene_touch(2, gfn, ACCESS_WRITE);
        assert_int_equal(scene_access(2, gfn, ACCESS_READ, &frame), CPU_HIT);
        assert_int_equal(frame.v, frames[gfn].v);
    }
}

static void test_C4_what_is_not_one_piece_stays_small(void **state)
{
    make_small();
    assert_int_equal(backing_migrate(scene.backing, 9), 0);
    scene_touch(1, 9, ACCESS_WRITE);
    recover();
    assert_int_equal(recovered.collapsed, 0);
    assert_int_equal(mapped_level(scene.vm, 5), LEVEL_4K);
}

/* A log begins while the table that collapsed waits for its flush: it has to see the writes through that table, too. */
static bool lazily;

static void log_meanwhile(void)
{
    u32 flags = lazily ? DIRTY_LAZY : 0;

    port_host_processor = OPERATOR;
    log_start(flags);
    port_host_processor = 0;
    stale = scene.inside[1];
}

static void log_while_it_collapses(bool lazy)
{
    make_small();
    scene_touch(1, 5, ACCESS_WRITE);
    lazily = lazy;
    scene.on_kick = log_meanwhile;
    recover();
    assert_int_equal(recovered.collapsed, 1);
    assert_false(stale);
    assert_int_equal(vm_memory_split(scene.vm, (gfn_t){ 0 }, REGION, LEVEL_4K), 0);
    assert_sound();
    scene_touch(1, 5, ACCESS_WRITE);
    assert_only_reported(5);
}

static void test_C2_a_log_that_begins_while_the_slot_collapses(void **state)
{
    log_while_it_collapses(false);
}

static void test_C2_a_lazy_log_that_begins_while_the_slot_collapses(void **state)
{
    log_while_it_collapses(true);
}

/* With an argument, the tests that match it. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        LOG_SCENE_TEST(test_C2_a_slot_that_is_logged_is_mapped_small),
        LOG_SCENE_TEST(test_C2_a_log_that_begins_while_the_slot_collapses),
        LOG_SCENE_TEST(test_C2_a_lazy_log_that_begins_while_the_slot_collapses),
        LOG_SCENE_TEST(test_C1_when_logging_is_over_large_pages_come_back_without_a_fault),
        LOG_SCENE_TEST(test_C10_D_that_is_set_in_the_old_table_is_merged),
        LOG_SCENE_TEST(test_C3_the_old_table_is_not_freed_before_the_flush),
        LOG_SCENE_TEST(test_C4_a_large_page_leads_where_the_small_ones_did),
        LOG_SCENE_TEST(test_C4_what_is_not_one_piece_stays_small),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
