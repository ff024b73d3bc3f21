/* SPDX-License-Identifier: BSD-2-Clause */
/* The model itself, on tables made by hand: what it may remember, what ends that, and what it finds. Without mm/'s trees. */
#include "tests/hardware/cpu.h"
#include "tests/hardware/frame_watch.h"
#include "tests/unit/mm_support.h"

enum { TABLE = 7, LEAF = 0x37, LARGE_LEAF = 0xb7, LEAF_READ = 0x35, A = 0x100, D = 0x200 };

static struct cpu cpu;
static u64 seed;
static pfn_t root, tables[3]; /* of levels 512G; 1G, 2M, 4K */
static pfn_t page;

static pfn_t new_frame(enum frame_kind kind)
{
    pfn_t pfn;

    assert_int_equal(frame_alloc(0, kind, &pfn), 0);
    memset(port_frame_address(pfn), 0, PAGE_SIZE);
    return pfn;
}

static u64 *entry(pfn_t table, unsigned index)
{
    return (u64 *)port_frame_address(table) + index;
}

/* gfn 0 leads to `page`, through four tables. */
static int start(void **state)
{
    frame_watch_start(SMALL_RAM);
    port_host_start(SMALL_RAM);
    seed = 99;
    cpu_init(&cpu, &port_host_caps, CPU_STALEST, &seed);
    root = new_frame(FRAME_TABLE);
    for (unsigned i = 0; i < 3; i++)
        tables[i] = new_frame(FRAME_TABLE);
    page = new_frame(FRAME_GUEST);
    *entry(root, 0) = pfn_to_hpa(tables[0]).v | TABLE;
    *entry(tables[0], 0) = pfn_to_hpa(tables[1]).v | TABLE;
    *entry(tables[1], 0) = pfn_to_hpa(tables[2]).v | TABLE;
    *entry(tables[2], 0) = pfn_to_hpa(page).v | LEAF;
    cpu_enter(&cpu, root, 4);
    return 0;
}

static int finish(void **state)
{
    port_host_forget();
    frame_watch_stop();
    return 0;
}

static enum cpu_result touch(u64 gfn, u32 access)
{
    pfn_t frame;

    return cpu_access(&cpu, (gfn_t){ gfn }, access, &frame);
}

static pfn_t leads_to(u64 gfn)
{
    pfn_t frame;

    assert_int_equal(cpu_access(&cpu, (gfn_t){ gfn }, ACCESS_READ, &frame), CPU_HIT);
    return frame;
}

static void test_a_walk_finds_the_frame_and_sets_A_everywhere(void **state)
{
    assert_int_equal(leads_to(0).v, page.v);
    assert_true(*entry(root, 0) & *entry(tables[0], 0) & *entry(tables[1], 0) & *entry(tables[2], 0) & A);
    assert_false(*entry(tables[2], 0) & D);
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_true(*entry(tables[2], 0) & D);
    assert_false((*entry(tables[1], 0) | *entry(root, 0)) & D);
    assert_int_equal(cpu.error, CPU_NO_ERROR);
}

static void test_without_the_feature_no_bit_is_set(void **state)
{
    struct mm_caps caps = port_host_caps;

    caps.access_dirty = false;
    cpu.caps = &caps;
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_int_equal(*entry(tables[2], 0), pfn_to_hpa(page).v | LEAF);
}

static void test_a_translation_is_used_until_INVEPT(void **state)
{
    leads_to(0);
    *entry(tables[2], 0) = 0;
    assert_int_equal(leads_to(0).v, page.v);
    cpu_leave(&cpu);
    cpu_enter(&cpu, root, 4);
    assert_int_equal(leads_to(0).v, page.v);
    cpu_invept(&cpu, tables[0]);
    assert_int_equal(leads_to(0).v, page.v);
    cpu_invept(&cpu, root);
    assert_int_equal(touch(0, ACCESS_READ), CPU_VIOLATION);
}

static void test_an_unlinked_table_is_walked_until_INVEPT(void **state)
{
    pfn_t second = new_frame(FRAME_GUEST);

    leads_to(0);
    *entry(tables[1], 0) = 0;
    *entry(tables[2], 1) = pfn_to_hpa(second).v | LEAF;
    /* Written after the unlinking, read through the pointer, and A and D go into it. */
    assert_int_equal(leads_to(1).v, second.v);
    assert_int_equal(touch(1, ACCESS_WRITE), CPU_HIT);
    assert_true(*entry(tables[2], 1) & D);
    assert_true(cpu.stale_walks > 0);
    cpu_invept(&cpu, root);
    assert_int_equal(touch(1, ACCESS_READ), CPU_VIOLATION);
}

static void test_D_is_not_set_again(void **state)
{
    touch(0, ACCESS_WRITE);
    *entry(tables[2], 0) &= ~(u64)D;
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_false(*entry(tables[2], 0) & D);
    cpu_invept(&cpu, root);
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_true(*entry(tables[2], 0) & D);
}

static void test_a_violation_forgets_its_address_only(void **state)
{
    pfn_t second = new_frame(FRAME_GUEST);

    *entry(tables[2], 0) = pfn_to_hpa(page).v | LEAF_READ;
    *entry(tables[2], 1) = pfn_to_hpa(second).v | LEAF_READ;
    leads_to(0);
    leads_to(1);
    /* More permission: the old denial is met once. */
    *entry(tables[2], 0) = pfn_to_hpa(page).v | LEAF;
    *entry(tables[2], 1) = 0;
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_VIOLATION);
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_int_equal(leads_to(1).v, second.v);
}

static void test_another_root_has_its_own_translations(void **state)
{
    leads_to(0);
    *entry(tables[2], 0) = 0;
    pfn_t other = new_frame(FRAME_TABLE);
    *entry(other, 0) = *entry(root, 0);
    cpu_leave(&cpu);
    cpu_enter(&cpu, other, 4);
    assert_int_equal(touch(0, ACCESS_READ), CPU_VIOLATION);
    cpu_leave(&cpu);
    cpu_enter(&cpu, root, 4);
    assert_int_equal(leads_to(0).v, page.v);
}

static void test_speculation_loads_what_nobody_asked_for(void **state)
{
    cpu_speculate(&cpu, (gfn_t){ 0 });
    assert_true(*entry(tables[2], 0) & A);
    assert_false(*entry(tables[2], 0) & D);
    *entry(tables[2], 0) = 0;
    assert_int_equal(leads_to(0).v, page.v);
}

static void test_large_pages(void **state)
{
    pfn_t block;

    assert_int_equal(frame_alloc(9, FRAME_GUEST, &block), 0);
    *entry(tables[1], 1) = pfn_to_hpa(block).v | LARGE_LEAF;
    assert_int_equal(leads_to(512 + 77).v, block.v + 77);
    *entry(tables[1], 1) = 0;
    assert_int_equal(leads_to(512 + 78).v, block.v + 78);
    assert_int_equal(touch(511, ACCESS_READ), CPU_VIOLATION);
    assert_int_equal(leads_to(1023).v, block.v + 511);
    assert_int_equal(cpu.error, CPU_NO_ERROR);
}

static void test_a_freed_table_is_found(void **state)
{
    leads_to(0);
    *entry(tables[1], 0) = 0;
    frame_free(tables[2], 0, FRAME_TABLE);
    touch(1, ACCESS_READ);
    assert_int_equal(cpu.error, CPU_FREED_TABLE);
}

static void test_a_table_that_is_another_one_now_is_found(void **state)
{
    leads_to(0);
    *entry(tables[1], 0) = 0;
    frame_free(tables[2], 0, FRAME_TABLE);
    assert_int_equal(new_frame(FRAME_TABLE).v, tables[2].v);
    touch(1, ACCESS_READ);
    assert_int_equal(cpu.error, CPU_FREED_TABLE);
}

static void test_a_freed_page_is_found(void **state)
{
    leads_to(0);
    *entry(tables[2], 0) = 0;
    frame_free(page, 0, FRAME_GUEST);
    touch(0, ACCESS_READ);
    assert_int_equal(cpu.error, CPU_FREED_FRAME);
}

static void test_the_device_marker_is_no_error(void **state)
{
    *entry(tables[2], 3) = 6;
    assert_int_equal(touch(3, ACCESS_READ), CPU_MISCONFIGURED);
    assert_int_equal(cpu.error, CPU_NO_ERROR);
}

static void test_misconfigurations_are_found(void **state)
{
    struct mm_caps caps = port_host_caps;
    const u64 frame = pfn_to_hpa(page).v;
    const struct {
        pfn_t table;
        unsigned index;
        u64 value;
    } bad[] = {
        { tables[2], 9, frame | 0x32 },                /* write without read */
        { tables[2], 9, frame | 0x34 },                /* execute alone, where that does not exist */
        { tables[2], 9, frame | 0x07 },                /* not write-back */
        { tables[2], 9, frame | LEAF | 1ull << 46 },   /* beyond the physical addresses */
        { tables[1], 9, frame | LARGE_LEAF | 0x1000 }, /* a large page that is not aligned */
        { tables[1], 9, frame | 0x37 },                /* a table with a memory type */
        { tables[0], 9, LARGE_LEAF },                  /* 1G, where that does not exist */
        { root, 9, LARGE_LEAF },                       /* 512G exists nowhere */
    };

    caps.execute_only = caps.page_1g = false;
    cpu.caps = &caps;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        u64 gfn = 9;

        for (unsigned level = 0; level < 4; level++) {
            if (bad[i].table.v == (level == 3 ? root : tables[2 - level]).v)
                gfn = 9ull << 9 * level;
        }
        *entry(bad[i].table, bad[i].index) = bad[i].value;
        cpu.error = CPU_NO_ERROR;
        assert_int_equal(touch(gfn, ACCESS_READ), CPU_MISCONFIGURED);
        assert_int_equal(cpu.error, CPU_MISCONFIGURATION);
    }
}

/* With the random policy both the old and the new frame are seen after a change, and after INVEPT only the new one. */
static void test_the_random_policy_uses_old_and_new(void **state)
{
    pfn_t second = new_frame(FRAME_GUEST);
    unsigned old = 0, new = 0;

    cpu.policy = CPU_RANDOM;
    for (unsigned i = 0; i < 200; i++) {
        *entry(tables[2], 0) = pfn_to_hpa(page).v | LEAF;
        cpu_invept(&cpu, root);
        assert_int_equal(leads_to(0).v, page.v);
        *entry(tables[2], 0) = pfn_to_hpa(second).v | LEAF;
        if (leads_to(0).v == page.v)
            old++;
        else
            new ++;
        cpu_invept(&cpu, root);
        assert_int_equal(leads_to(0).v, second.v);
    }
    assert_true(old > 20 && new > 20);
}

static void start_logging(unsigned size)
{
    cpu.logs = true;
    cpu.log_size = size;
}

static void test_who_sets_D_logs_the_page(void **state)
{
    start_logging(CPU_LOG);
    leads_to(0);
    assert_int_equal(cpu.log_count, 0);
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_int_equal(cpu.log_count, 1);
    assert_int_equal(cpu.log[0], 0);
    /* D is cached, whatever memory says. */
    *entry(tables[2], 0) &= ~(u64)D;
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_int_equal(cpu.log_count, 1);
    assert_int_equal(cpu.stale_writes, 1);
    cpu_invept(&cpu, root);
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_int_equal(cpu.log_count, 2);
    /* And where memory says D it is not logged. */
    cpu_invept(&cpu, root);
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_int_equal(cpu.log_count, 2);
}

static void test_a_write_to_a_large_page_logs_the_small_one(void **state)
{
    pfn_t block;

    start_logging(CPU_LOG);
    assert_int_equal(frame_alloc(9, FRAME_GUEST, &block), 0);
    *entry(tables[1], 1) = pfn_to_hpa(block).v | LARGE_LEAF;
    assert_int_equal(touch(512 + 77, ACCESS_WRITE), CPU_HIT);
    assert_int_equal(cpu.log_count, 1);
    assert_int_equal(cpu.log[0], (512 + 77) * PAGE_SIZE);
    /* The large page is dirty as a whole. */
    assert_int_equal(touch(512 + 78, ACCESS_WRITE), CPU_HIT);
    assert_int_equal(cpu.log_count, 1);
}

static void test_a_write_that_cannot_be_logged_is_not_done(void **state)
{
    start_logging(1);
    *entry(tables[2], 1) = pfn_to_hpa(new_frame(FRAME_GUEST)).v | LEAF;
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_int_equal(touch(1, ACCESS_WRITE), CPU_LOG_FULL);
    assert_false(*entry(tables[2], 1) & (A | D));
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    cpu.log_count = 0;
    assert_int_equal(touch(1, ACCESS_WRITE), CPU_HIT);
    assert_int_equal(cpu.log[0], PAGE_SIZE);
}

static void test_a_write_through_an_unlinked_table_is_logged(void **state)
{
    start_logging(CPU_LOG);
    leads_to(0);
    *entry(tables[1], 0) = 0;
    assert_int_equal(touch(0, ACCESS_WRITE), CPU_HIT);
    assert_true(*entry(tables[2], 0) & D);
    assert_int_equal(cpu.log_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_walk_finds_the_frame_and_sets_A_everywhere, start, finish),
        cmocka_unit_test_setup_teardown(test_without_the_feature_no_bit_is_set, start, finish),
        cmocka_unit_test_setup_teardown(test_a_translation_is_used_until_INVEPT, start, finish),
        cmocka_unit_test_setup_teardown(test_an_unlinked_table_is_walked_until_INVEPT, start, finish),
        cmocka_unit_test_setup_teardown(test_D_is_not_set_again, start, finish),
        cmocka_unit_test_setup_teardown(test_a_violation_forgets_its_address_only, start, finish),
        cmocka_unit_test_setup_teardown(test_another_root_has_its_own_translations, start, finish),
        cmocka_unit_test_setup_teardown(test_speculation_loads_what_nobody_asked_for, start, finish),
        cmocka_unit_test_setup_teardown(test_large_pages, start, finish),
        cmocka_unit_test_setup_teardown(test_a_freed_table_is_found, start, finish),
        cmocka_unit_test_setup_teardown(test_a_table_that_is_another_one_now_is_found, start, finish),
        cmocka_unit_test_setup_teardown(test_a_freed_page_is_found, start, finish),
        cmocka_unit_test_setup_teardown(test_the_device_marker_is_no_error, start, finish),
        cmocka_unit_test_setup_teardown(test_misconfigurations_are_found, start, finish),
        cmocka_unit_test_setup_teardown(test_the_random_policy_uses_old_and_new, start, finish),
        cmocka_unit_test_setup_teardown(test_who_sets_D_logs_the_page, start, finish),
        cmocka_unit_test_setup_teardown(test_a_write_to_a_large_page_logs_the_small_one, start, finish),
        cmocka_unit_test_setup_teardown(test_a_write_that_cannot_be_logged_is_not_done, start, finish),
        cmocka_unit_test_setup_teardown(test_a_write_through_an_unlinked_table_is_logged, start, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
