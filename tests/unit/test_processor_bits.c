/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A processor sets A in an entry at the moment when we change it: whatever the change is, it is made in the end, and the bit
 * stays (P3).
 */
#include "tests/unit/rate_support.h"

#include "mm/recover.h"

enum { MOMENTS = 5 };

static u64 *watched;
static u64 visits, moment;
static bool is_set;

/* Only a walk that is under way sets it: a leaf's, or that of an entry which leads to a table. */
static void set_A(const void *word)
{
    if (word != watched || visits++ != moment)
        return;
    *watched |= EPT_ACCESSED;
    is_set = true;
}

static void watch(u64 gfn, enum level level)
{
    watched = entry_at(vm, gfn, level);
    *watched &= ~EPT_ACCESSED;
    visits = 0;
    is_set = false;
    port_host.on_point = set_A;
}

static void unwatch(void)
{
    port_host.on_point = NULL;
    assert_true(is_set || moment > 0);
}

static void assert_A_stays(void)
{
    if (is_set)
        assert_true((*watched & EPT_ACCESSED) != 0);
}

static void recover_all(enum recover_how how, struct recover_result *result)
{
    assert_int_equal(vm_memory_recover(vm, (gfn_t){ 0 }, ~0ull, how, 0, result), 0);
}

static void arm_with_A(u64 gfn, enum level level, u32 flags)
{
    show(1024, 512, 0, level);
    for (moment = 0; moment < MOMENTS; moment++) {
        vm_memory_zap(vm, (gfn_t){ 0 }, ~0ull);
        map_all();
        drain_cpus();
        watch(gfn, level);
        start_log(flags);
        unwatch();
        assert_A_stays();
        assert_int_equal(level_of(&cpus[0].vcpu, gfn), level);
        assert_true(is_armed(&cpus[0], gfn));
        guest_write(&cpus[1], gfn);
        assert_reported(DIRTY_OPERATOR, gfn);
        stop_log();
    }
}

static void test_P3_small_pages_are_armed(void **state)
{
    arm_with_A(1030, LEVEL_4K, 0);
}

static void test_P3_large_pages_are_armed(void **state)
{
    arm_with_A(1024, LEVEL_2M, DIRTY_LAZY);
}

/* Where a large page cannot be: what was taken to see writes is given back page by page. */
static void test_P3_permission_is_given_back(void **state)
{
    struct recover_result result;

    show(1024, 512, 0, LEVEL_4K);
    map_all();
    drain_cpus();
    for (moment = 0; moment < MOMENTS; moment++) {
        start_log(0);
        stop_log();
        watch(1030, LEVEL_4K);
        recover_all(RECOVER_IN_PLACE, &result);
        port_host.on_point = NULL;
        assert_A_stays();
        assert_true((*watched & EPT_WRITE) != 0);
    }
}

/* Also of what a table had noted, and until the flush still notes. */
static u64 *late;

static void note_late(struct vm_memory *kicked)
{
    (void)kicked;
    if (late != NULL)
        *late |= EPT_DIRTY;
}

static void test_P3_tables_become_large_pages(void **state)
{
    struct recover_result result;

    show(1024, 512, 0, LEVEL_2M);
    for (unsigned is_late = 0; is_late < 2; is_late++) {
        for (moment = 0; is_set || moment < MOMENTS; moment++) {
            vm_memory_zap(vm, (gfn_t){ 0 }, ~0ull);
            map_all();
            drain_cpus();
            assert_int_equal(vm_memory_split(vm, (gfn_t){ 1024 }, 512, LEVEL_4K), 0);
            drain_cpus();
            vm_memory_zap(vm, (gfn_t){ 1024 }, 7);
            for (u64 gfn = 1031; gfn < 1536; gfn++)
                *entry_at(vm, gfn, LEVEL_4K) &= ~(EPT_DIRTY | EPT_ACCESSED);
            late = is_late ? entry_at(vm, 1100, LEVEL_4K) : NULL;
            port_host.on_kick = note_late;
            watch(1024, LEVEL_2M);
            recover_all(RECOVER_IN_PLACE, &result);
            port_host.on_point = NULL;
            port_host.on_kick = on_kick;
            assert_int_equal(result.collapsed, 1);
            assert_int_equal(level_of(&cpus[0].vcpu, 1024), LEVEL_2M);
            assert_int_equal((*watched & EPT_DIRTY) != 0, is_late);
        }
    }
}

/* The page is counted once, and dirty no more. */
static void test_P3_D_bits_are_taken(void **state)
{
    show(1024, 512, 0, LEVEL_4K);
    map_all();
    begin(RATE_BY_D_BITS, false);
    for (moment = 0; moment < MOMENTS; moment++) {
        write_some(1030, 1, 1);
        leave_all();
        watch(1030, LEVEL_4K);
        struct dirty_sample sample = sample_now();
        assert_int_equal(sample.pages, 1);
        assert_int_equal(sample.leaves[LEVEL_4K], 1);
        unwatch();
        assert_A_stays();
        assert_int_equal(*watched & EPT_DIRTY, 0);
    }
    dirty_rate_end(&rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_P3_small_pages_are_armed),    BOTH(test_P3_large_pages_are_armed),
        BOTH(test_P3_permission_is_given_back), BOTH(test_P3_tables_become_large_pages),
        BOTH(test_P3_D_bits_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
