/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/device_marker.c: what a marker is, where there is one, and what takes its place. */
#include "tests/unit/marker_support.h"

enum { DEVICE = 3000, GB = 1 << 18 };
static struct vm_memory *vm;
static struct vcpu_memory base, a;

static int start(void **state)
{
    begin_with_two(&vm, &base, &a);
    add_ram(vm, 0, 0, 16, LEVEL_4K);
    return 0;
}

static int finish(void **state)
{
    return end_with_two(vm, &base, &a);
}

static void test_G7_a_marker_is_a_misconfiguration(void **state)
{
    assert_int_equal(fault_by(&base, DEVICE, ACCESS_READ), FAULT_NO_SLOT);
    assert_false(is_device(&base, DEVICE));
    port_host.kicks = 0;
    mark(&base, DEVICE);
    assert_true(is_device(&base, DEVICE));
    u64 entry = *entry_of(&base, DEVICE);
    /* Write and execute, and not read: SDM vol. 3, section "EPT Misconfigurations". Never a #VE. */
    assert_int_equal(entry & EPT_PERMISSIONS, EPT_WRITE | EPT_EXECUTE);
    assert_true(entry & EPT_SUPPRESS_VE);
    assert_int_equal(ept_frame(entry).v, vm->slots.generation % 8);
    assert_false(is_device(&base, DEVICE + 1));
    assert_int_equal(tables_of(vm), 4);
    mark(&base, DEVICE);
    mark(&base, DEVICE + 1);
    assert_true(is_device(&base, DEVICE) && is_device(&base, DEVICE + 1));
    assert_int_equal(tables_of(vm), 4);
    assert_int_equal(port_host.kicks, 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
    /* A fault there says what it said before. */
    assert_int_equal(fault_by(&base, DEVICE, ACCESS_READ), FAULT_NO_SLOT);
    assert_int_equal(fault_by(&base, DEVICE, ACCESS_WRITE | ACCESS_EXECUTE), FAULT_NO_SLOT);
}

static void test_G7_memory_is_not_marked(void **state)
{
    assert_int_equal(fault_by(&base, 3, ACCESS_WRITE), FAULT_INSTALLED);
    mark(&base, 3);
    mark(&base, 4);
    assert_int_equal(may(&base, 3), ALL);
    assert_int_equal(*entry_of(&base, 4), EPT_EMPTY);
    assert_false(is_device(&base, 3) || is_device(&base, 4));
    mark(&base, vm_gfn_limit());
    mark(&base, ~0ull >> PAGE_SHIFT);
    assert_false(is_device(&base, vm_gfn_limit()));
    assert_int_equal(tables_of(vm), 4);
}

static void change_slots(unsigned how)
{
    switch (how % 5) {
    case 0:
        add_ram(vm, 7, GB, 4, LEVEL_4K);
        break;
    case 1:
        assert_int_equal(vm_memory_set_slot_flags(vm, 7, MEMSLOT_READ_ONLY), 0);
        break;
    case 2:
        assert_int_equal(vm_memory_move_slot(vm, 7, (gfn_t){ GB * 2 }), 0);
        break;
    case 3:
        assert_int_equal(vm_memory_set_slot_flags(vm, 7, 0), 0);
        break;
    default:
        assert_int_equal(vm_memory_remove_slot(vm, 7), 0);
        break;
    }
}

static void test_G7_each_change_of_slots_voids_all(void **state)
{
    for (unsigned how = 0; how < 25; how++) {
        mark(&base, DEVICE);
        assert_true(is_device(&base, DEVICE));
        change_slots(how);
        assert_false(is_device(&base, DEVICE));
        assert_all_sound(vm);
    }
}

static void test_H7_a_leaf_takes_a_markers_place(void **state)
{
    mark(&base, DEVICE);
    mark(&base, DEVICE + 9);
    const u64 present = table_of(&base, DEVICE, LEVEL_4K)->present;
    assert_int_equal(present, 0);
    add_ram(vm, 5, DEVICE, 4, LEVEL_4K);
    port_host.kicks = 0;
    assert_int_equal(fault_by(&base, DEVICE, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(port_host.kicks, 0);
    assert_int_equal(table_of(&base, DEVICE, LEVEL_4K)->present, 1);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
    assert_all_sound(vm);
    /* Its table goes with the last leaf, whatever markers there are. */
    assert_int_equal(vm_memory_remove_slot(vm, 5), 0);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
    assert_int_equal(tables_of(vm), 1);
}

static void test_G7_only_markers_cost_a_zap(void **state)
{
    assert_int_equal(fault_by(&base, 1, ACCESS_WRITE), FAULT_INSTALLED);
    for (u32 i = 0; i < 20; i++)
        add_ram(vm, 20 + i, GB + 16 * i, 1, LEVEL_4K);
    assert_int_equal(may(&base, 1), ALL);
    mark(&base, DEVICE);
    for (u32 i = 0; i < 20; i++)
        add_ram(vm, 50 + i, GB * 2 + 16 * i, 1, LEVEL_4K);
    assert_int_equal(may(&base, 1), 0);
    assert_int_equal(fault_by(&base, 1, ACCESS_WRITE), FAULT_INSTALLED);
    for (u32 i = 0; i < 20; i++)
        add_ram(vm, 80 + i, GB * 3 + 16 * i, 1, LEVEL_4K);
    assert_int_equal(may(&base, 1), ALL);
}

static void test_G7_in_views_too(void **state)
{
    u32 view = new_view(vm);

    assert_int_equal(protect(vm, view, DEVICE, 1, 0), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 5), 0);
    mark(&a, DEVICE);
    mark(&a, DEVICE + 512);
    assert_true(is_device(&a, DEVICE) && is_device(&a, DEVICE + 512));
    assert_false(is_device(&base, DEVICE));
    mark(&base, DEVICE + 520);
    assert_true(is_device(&a, DEVICE + 520) && is_device(&base, DEVICE + 512));
    add_ram(vm, 5, DEVICE, 1000, LEVEL_4K);
    assert_false(is_device(&a, DEVICE) || is_device(&base, DEVICE) || is_device(&base, DEVICE + 520));
    for (unsigned i = 0; i < 16; i++) {
        add_ram(vm, 200 + i, GB + 16 * i, 1, LEVEL_4K);
        assert_false(is_device(&a, DEVICE) || is_device(&base, DEVICE + 512) || is_device(&a, DEVICE + 520));
    }
    assert_int_equal(fault_by(&a, DEVICE, ACCESS_READ), FAULT_DENIED);
}

static void test_R3_without_memory_there_is_no_marker(void **state)
{
    bool marked = false;

    for (u64 free = 0; !marked; free++) {
        drain_caches(vm);
        port_host_take_all_but(free);
        mark(&base, DEVICE);
        marked = is_device(&base, DEVICE);
        port_host_give_back();
        if (!marked)
            assert_int_equal(tables_of(vm), 1);
        assert_true(free < 20);
        assert_all_sound(vm);
    }
}

/* A guest with 4 levels on a processor with more physical bits: there is nothing beyond 48 bits, also no other page. */
static void test_beyond_the_root_there_is_nothing(void **state)
{
    struct mm_caps caps = port_host_caps;
    const u64 beyond = 1ull << 36;

    port_host_start(SMALL_RAM);
    caps.levels = 5;
    caps.physical_bits = 52;
    mm_init(&caps);
    vm = new_vm();
    start_vcpu(&a, vm, 0, 4);
    add_ram(vm, 0, 0, 16, LEVEL_4K);
    mark(&a, beyond + 5);
    u64 alias = tables_of(vm) == 1 ? 0 : ept_is_marker(*entry_of(&a, 5));
    bool believed = is_device(&a, 5);
    bool believed_beyond = is_device(&a, beyond + 5);
    mark(&a, 20);
    bool believed_here = is_device(&a, 20);
    believed_beyond |= is_device(&a, beyond + 20);
    vm_memory_zap(vm, (gfn_t){ 0 }, ~0ull);
    enum fault_result first = fault_by(&a, 5, ACCESS_WRITE), second = fault_by(&a, beyond + 5, ACCESS_READ);
    vcpu_memory_destroy(&a);
    vm_memory_destroy(vm);
    port_host_stop();
    assert_int_equal(first, FAULT_INSTALLED);
    assert_true(believed_here);
    assert_false(alias || believed || believed_beyond);
    assert_int_equal(second, FAULT_NO_SLOT);
}

#define MARKER_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MARKER_TEST(test_G7_a_marker_is_a_misconfiguration),    MARKER_TEST(test_G7_memory_is_not_marked),
        MARKER_TEST(test_G7_each_change_of_slots_voids_all),    MARKER_TEST(test_H7_a_leaf_takes_a_markers_place),
        MARKER_TEST(test_G7_only_markers_cost_a_zap),           MARKER_TEST(test_G7_in_views_too),
        MARKER_TEST(test_R3_without_memory_there_is_no_marker), cmocka_unit_test(test_beyond_the_root_there_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
