/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/monitor_dirty.c, hv/monitor_rate.c: logs, rings, rates and forecasts, by commands. */
#include "tests/unit/monitor_support.h"

#include "mm/dirty_log.h"

static void write_300(void)
{
    if (vm_memory_zero(left.memory, (gpa_t){ 10 * PAGE_SIZE }, 300 * PAGE_SIZE) != 0)
        abort();
}

static void write_large(void)
{
    *entry_at(left.memory, 512, LEVEL_2M) |= EPT_DIRTY;
}

static void write_small(void)
{
    *entry_at(left.memory, 100, LEVEL_4K) |= EPT_DIRTY;
}

static void logs(void **state)
{
    assert_int_equal(execute("dirty harvest left"), -ENOENT);
    assert_string_equal(said, "dirty harvest left: it is not logged\n");
    assert_int_equal(execute("dirty stop left"), -ENOENT);
    assert_int_equal(execute("dirty rearm left"), -ENOENT);
    assert_int_equal(execute("dirty reap left 5"), -ENOENT);
    assert_int_equal(execute("dirty start left eager"), -EINVAL);
    assert_int_equal(execute("dirty start left lazy manual"), 0);
    assert_int_equal(execute("dirty start left"), -EEXIST);
    assert_string_equal(said, "dirty start left: it is logged already\n");
    assert_int_equal(vm_memory_zero(left.memory, (gpa_t){ 100 * PAGE_SIZE }, 3 * PAGE_SIZE), 0);
    assert_int_equal(vm_memory_zero(left.memory, (gpa_t){ 200 * PAGE_SIZE }, 1), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(execute("dirty harvest left pages"), 0);
        assert_string_equal(said, "left: 4 pages are dirty\nleft: 0x64-0x66 0xc8\n");
        assert_int_equal(context.number, 4);
    }
    assert_int_equal(execute("dirty rearm left"), 0);
    assert_int_equal(execute("dirty harvest left pages"), 0);
    assert_string_equal(said, "left: 0 pages are dirty\n");
    assert_int_equal(execute("slots left"), 0);
    assert_string_equal(said, "left: slot 0: pages 0 to 0x7ff, logged\n");
    assert_int_equal(execute("dirty stop left keep now"), -EINVAL);
    assert_int_equal(execute("dirty stop left slowly"), -EINVAL);
    assert_int_equal(execute("dirty stop left keep"), 0);
    assert_true(left.keeps_small_pages);
    assert_int_equal(execute("dirty start left all"), 0);
    assert_int_equal(execute("dirty harvest left"), 0);
    assert_int_equal(context.number, 2048);
    assert_int_equal(execute("dirty stop left"), 0);
    assert_false(left.keeps_small_pages);
}

/* Both slots are one memory. */
static void logs_of_two_slots(void **state)
{
    assert_int_equal(execute("dirty start right"), 0);
    assert_int_equal(vm_memory_zero(right.memory, (gpa_t){ 5 * PAGE_SIZE }, 1), 0);
    assert_int_equal(vm_memory_zero(right.memory, (gpa_t){ 4ull << 30 }, 1), 0);
    assert_int_equal(execute("dirty harvest right pages"), 0);
    assert_string_equal(said, "right: 2 pages are dirty\nright: 0x5 0x100000\n");
    assert_int_equal(execute("dirty stop right lazily"), 0);
    assert_int_equal(vm_memory_start_log(right.memory, 1, DIRTY_OPERATOR, 0), 0);
    /* The first slot is not left logged where the second cannot be. */
    assert_int_equal(execute("dirty start right"), -EEXIST);
    assert_int_equal(vm_memory_stop_log(right.memory, 0, DIRTY_OPERATOR), -ENOENT);
    assert_int_equal(vm_memory_stop_log(right.memory, 1, DIRTY_OPERATOR), 0);
}

static void many_ranges(void **state)
{
    assert_int_equal(execute("dirty start left"), 0);
    for (u64 page = 0; page < 2048; page += 2)
        assert_int_equal(vm_memory_zero(left.memory, (gpa_t){ page * PAGE_SIZE }, 1), 0);
    assert_int_equal(execute("dirty harvest left pages"), 0);
    assert_non_null(strstr(said, " 0x20 0x22 0x24 "));
    assert_non_null(strstr(said, "left: and more\n"));
    assert_int_equal(execute("dirty stop left"), 0);
}

static void rings(void **state)
{
    assert_int_equal(execute("dirty ring left 1000"), -EINVAL);
    assert_string_equal(said, "dirty ring left: 1000 entries; allowed: 0, and powers of 2 from 1024 to 262144\n");
    assert_int_equal(execute("dirty ring left 1024"), 0);
    assert_int_equal(execute("dirty ring left 1024"), -EEXIST);
    assert_int_equal(left.holds, 0);
    assert_int_equal(execute("dirty start left"), 0);
    assert_int_equal(execute("dirty reap left 5"), 0);
    assert_string_equal(said, "left: 0 entries, 0 pages are dirty\n");
    const u64 gpas[] = { 7 << 12, 9 << 12 };
    vm_memory_log_writes(&left.processors[0]->vcpu.mmu, gpas, 2);
    assert_int_equal(execute("dirty reap left 5"), 0);
    assert_string_equal(said, "left: 2 entries, 2 pages are dirty\n");
    assert_int_equal(context.number, 2);
    assert_int_equal(execute("dirty stop left"), 0);
    assert_int_equal(execute("dirty ring left 0"), 0);
    assert_int_equal(execute_as(&left, "dirty ring 2048"), 0);
    assert_int_equal(execute_as(&left, "dirty ring 0"), 0);
}

static void rates(void **state)
{
    touch(&left, 0, 1024, ACCESS_WRITE);
    assert_int_equal(execute("dirty rate left"), -EINVAL);
    assert_int_equal(execute("dirty rate left 0us"), -EINVAL);
    assert_int_equal(execute("dirty rate left 11min"), -EINVAL);
    assert_string_equal(said, "dirty rate left: a period of 11min; allowed: up to 10min\n");
    assert_int_equal(execute("dirty rate left 10ms bits"), -EINVAL);
    on_task_yield = write_300;
    assert_int_equal(execute("dirty rate left 10ms log"), 0);
    assert_int_equal(context.number, 300);
    assert_int_equal(strncmp(said, "left: 300 pages in 10", 21), 0);
    assert_int_equal(execute("dirty rate left 10ms 4K log"), 0);
    assert_int_equal(context.number, 0);
    *entry_at(left.memory, 512, LEVEL_2M) |= EPT_DIRTY;
    assert_int_equal(execute("dirty rate left 10ms"), 0);
    assert_int_equal(context.number, 0); /* it was before the period */
    on_task_yield = write_large;
    assert_int_equal(execute("dirty rate left 10ms d-bits"), 0);
    assert_int_equal(context.number, 512);
    assert_int_equal(strncmp(said, "left: at most 512 pages in 10", 29), 0);
    assert_non_null(strstr(said, "left: entries with D: 4K 0, 2M 1, 1G 0\n"));
    /* Large pages are large again. */
    assert_int_equal(execute("dirty rate left 10ms 4K"), 0);
    assert_int_equal(vm_memory_get_stats(left.memory).mapped[LEVEL_2M], 2);
    on_task_yield = end_guests;
    assert_int_equal(execute("dirty rate left 10s log"), -ESRCH);
    assert_string_equal(said, "dirty rate left: the guest ended meanwhile\n");
    left.runs = true;
    assert_int_equal(execute("dirty start left"), 0); /* nothing of it is left behind */
    assert_int_equal(execute("dirty stop left"), 0);
}

static void rates_without_d_bits(void **state)
{
    struct mm_caps caps = port_host_caps;

    caps.access_dirty = caps.log_modifications = false;
    stop_guests();
    start_guests(&caps);
    assert_int_equal(execute("dirty rate left 10ms d-bits"), -ENOTSUP);
    assert_string_equal(said, "dirty rate left: this processor has no D bits\n");
    on_task_yield = write_300;
    assert_int_equal(execute("dirty rate left 10ms"), 0);
    assert_int_equal(context.number, 300);
}

static void forecasts(void **state)
{
    touch(&left, 0, 512, ACCESS_WRITE);
    assert_int_equal(execute("dirty forecast left 10ms 100M"), -EINVAL);
    assert_int_equal(execute("dirty forecast left 10ms 100Q 1ms"), -EINVAL);
    assert_string_equal(said, "dirty forecast left: \"100Q\" is not a size, as 100M\n");
    assert_int_equal(execute("dirty forecast left 10ms 100M 1"), -EINVAL);
    assert_int_equal(execute("dirty forecast left 10ms 100M 1ms"), 0);
    assert_int_equal(context.number, 1);
    assert_non_null(strstr(said, "left: converges in "));
    on_task_yield = write_small;
    assert_int_equal(execute("dirty forecast left 10ms 4K 1us"), 0);
    assert_int_equal(strncmp(said, "left: 1 pages in 10", 19), 0);
    assert_int_equal(context.number, 0);
    assert_non_null(strstr(said, "left: does not converge"));
    on_task_yield = end_guests;
    assert_int_equal(execute("dirty forecast left 10s 100M 1ms"), -ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MONITOR_TEST(logs),  MONITOR_TEST(logs_of_two_slots),    MONITOR_TEST(many_ranges), MONITOR_TEST(rings),
        MONITOR_TEST(rates), MONITOR_TEST(rates_without_d_bits), MONITOR_TEST(forecasts),
    };

    return cmocka_run_group_tests_name("monitor_dirty", tests, NULL, NULL);
}
