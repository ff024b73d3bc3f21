/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/survey.c: what people are told about a VM's tables is what is there. */
#include "mm/survey.h"

#include "mm/backing_change.h"
#include "mm/dirty_log.h"
#include "tests/unit/mm_support.h"

static void counts_tables_and_leaves(void **state)
{
    struct vm_memory *vm = new_vm();
    struct table_survey survey;

    vm_memory_survey_tables(vm, &survey);
    assert_int_equal(survey.tables[LEVEL_512G], 1);
    assert_int_equal(survey.leaves[LEVEL_4K] + survey.leaves[LEVEL_2M] + survey.leaves[LEVEL_1G], 0);

    add_ram(vm, 0, 0, 2048, LEVEL_2M);
    assert_int_equal(fault(vm, 600, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 1100, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 512 }, 512, LEVEL_4K), 0);
    vm_memory_write_protect(vm, (gfn_t){ 520 }, 3);
    *entry_at(vm, 600, LEVEL_4K) |= EPT_DIRTY;
    vm_memory_survey_tables(vm, &survey);
    assert_int_equal(survey.tables[LEVEL_512G], 1);
    assert_int_equal(survey.tables[LEVEL_1G], 1);
    assert_int_equal(survey.tables[LEVEL_2M], 1);
    assert_int_equal(survey.tables[LEVEL_4K], 1);
    assert_int_equal(survey.leaves[LEVEL_4K], 512);
    assert_int_equal(survey.leaves[LEVEL_2M], 1);
    assert_int_equal(survey.read_only[LEVEL_4K], 3);
    assert_int_equal(survey.dirty[LEVEL_4K], 1);
    vm_memory_destroy(vm);
}

/* So many tables that the walk has several steps, which end everywhere: each table is counted once. */
static void counts_each_table_once(void **state)
{
    for (u32 below = 50; below < 140; below++) {
        struct vm_memory *vm = new_vm();
        struct table_survey survey;

        for (u32 i = 0; i < 140; i++) {
            u64 gfn = i < below ? i * 512ull : (1ull << 18) + (i - below) * 512ull;

            add_ram(vm, i, gfn, 1, LEVEL_4K);
            assert_int_equal(fault(vm, gfn, ACCESS_READ), FAULT_INSTALLED);
        }
        vm_memory_survey_tables(vm, &survey);
        assert_int_equal(survey.tables[LEVEL_4K], 140);
        assert_int_equal(survey.tables[LEVEL_2M], 2);
        assert_int_equal(survey.tables[LEVEL_1G], 1);
        assert_int_equal(survey.tables[LEVEL_512G], 1);
        assert_int_equal(survey.leaves[LEVEL_4K], 140);
        vm_memory_destroy(vm);
    }
    assert_true(port_host.yields >= 90 * 2);
}

static void regions(void **state)
{
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(1024, BACKING_ON_DEMAND), *clone;
    struct region_survey survey;

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 512 }, 1000, backing, 0, 0, LEVEL_2M), 0);
    vm_memory_survey_region(vm, (gfn_t){ 0 }, 512, &survey);
    assert_int_equal(survey.memory, 0);
    assert_int_equal(fault(vm, 600, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 1030, ACCESS_WRITE), FAULT_INSTALLED);
    vm_memory_survey_region(vm, (gfn_t){ 512 }, 512, &survey);
    assert_int_equal(survey.memory, 512);
    assert_int_equal(survey.mapped[LEVEL_2M], 512);
    assert_int_equal(survey.shared, 0);
    vm_memory_survey_region(vm, (gfn_t){ 1024 }, 512, &survey);
    assert_int_equal(survey.memory, 488);
    assert_int_equal(survey.mapped[LEVEL_4K], 1);
    /* A part of a large leaf, with D. */
    *entry_at(vm, 600, LEVEL_2M) |= EPT_DIRTY;
    vm_memory_survey_region(vm, (gfn_t){ 1000 }, 100, &survey);
    assert_int_equal(survey.mapped[LEVEL_2M], 24);
    assert_int_equal(survey.dirty, 24);
    /* The log counts where there is one. */
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
    assert_int_equal(vm_memory_zero(vm, gfn_to_gpa((gfn_t){ 700 }), 2 * PAGE_SIZE), 0);
    vm_memory_survey_region(vm, (gfn_t){ 512 }, 512, &survey);
    assert_int_equal(survey.dirty, 2);
    vm_memory_survey_region(vm, (gfn_t){ 701 }, 512, &survey);
    assert_int_equal(survey.dirty, 1);
    vm_memory_survey_region(vm, (gfn_t){ 690 }, 11, &survey);
    assert_int_equal(survey.dirty, 1);
    vm_memory_survey_region(vm, (gfn_t){ 512 }, ~0ull, &survey);
    assert_int_equal(survey.memory, 1000);
    assert_int_equal(survey.dirty, 2);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);

    assert_int_equal(backing_clone(backing, &clone), 0);
    assert_int_equal(fault(vm, 600, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 1030, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 1031, ACCESS_WRITE), FAULT_INSTALLED);
    vm_memory_survey_region(vm, (gfn_t){ 600 }, 1000, &survey);
    assert_int_equal(survey.shared, 424 + 1);
    assert_int_equal(survey.mapped[LEVEL_2M], 424);
    assert_int_equal(survey.mapped[LEVEL_4K], 2);
    backing_put(clone);
    backing_put(backing);
    vm_memory_destroy(vm);
}

/* Bits that no processor sets say nothing. */
static void nothing_is_dirty_without_d_bits(void **state)
{
    struct mm_caps caps = port_host_caps;
    struct region_survey survey;

    caps.access_dirty = false;
    mm_init(&caps);
    struct vm_memory *vm = new_vm();
    add_ram(vm, 0, 0, 10, LEVEL_4K);
    assert_int_equal(fault(vm, 5, ACCESS_WRITE), FAULT_INSTALLED);
    *entry_at(vm, 5, LEVEL_4K) |= EPT_DIRTY;
    vm_memory_survey_region(vm, (gfn_t){ 0 }, 10, &survey);
    assert_int_equal(survey.mapped[LEVEL_4K], 1);
    assert_int_equal(survey.dirty, 0);
    vm_memory_destroy(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(counts_tables_and_leaves),
        SMALL_TEST(counts_each_table_once),
        SMALL_TEST(regions),
        SMALL_TEST(nothing_is_dirty_without_d_bits),
    };

    return cmocka_run_group_tests_name("survey", tests, NULL, NULL);
}
