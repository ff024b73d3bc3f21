/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/fault.c: every result, every level, and no memory at every allocation. What comes between its steps is
 * tests/unit/test_fault_race.c, what needs no lock or meets another fault tests/unit/test_fault_parallel.c.
 */
#include "tests/unit/backing_support.h"

static enum fault_result fault_at(struct vm_memory *vm, gpa_t gpa, u32 access)
{
    struct vcpu_memory vcpu;

    vcpu_memory_init(&vcpu, vm);
    enum fault_result result = vm_memory_fault(&vcpu, gpa, access);
    vcpu_memory_destroy(&vcpu);
    return result;
}

static void test_no_slot(void **state)
{
    struct vm_memory *vm = new_vm();

    add_ram(vm, 1, 16, 4, LEVEL_1G);
    assert_int_equal(fault(vm, 15, ACCESS_READ), FAULT_NO_SLOT);
    assert_int_equal(fault(vm, 20, ACCESS_READ), FAULT_NO_SLOT);
    assert_int_equal(fault_at(vm, (gpa_t){ ~0ull }, ACCESS_READ), FAULT_NO_SLOT);
    assert_int_equal(vm_memory_get_stats(vm).tables, 1);
    assert_int_equal(vm_memory_get_stats(vm).faults, 3);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_installs_what_the_access_needs(void **state)
{
    struct vm_memory *vm = new_vm();
    enum level level;
    pfn_t pfn;
    u8 byte = 0x5a, seen = 0;

    add_ram(vm, 1, 16, 4, LEVEL_1G);
    assert_false(ept_walk(vm, (gfn_t){ 17 }, EPT_READ, &pfn, &level));
    assert_int_equal(fault_at(vm, (gpa_t){ 17 * PAGE_SIZE + 123 }, ACCESS_EXECUTE), FAULT_INSTALLED);
    assert_true(ept_walk(vm, (gfn_t){ 17 }, EPT_PERMISSIONS, &pfn, &level));
    assert_int_equal(level, LEVEL_4K);
    assert_int_equal(vm_memory_write(vm, (gpa_t){ 17 * PAGE_SIZE + 5 }, &byte, 1), 0);
    memcpy(&seen, (u8 *)port_frame_address(pfn) + 5, 1);
    assert_int_equal(seen, byte);
    assert_int_equal(*(u8 *)port_frame_address(pfn), 0);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_H2_spurious_fault_changes_nothing(void **state)
{
    struct vm_memory *vm = new_vm();

    add_ram(vm, 1, 0, 4, LEVEL_1G);
    assert_int_equal(fault(vm, 1, ACCESS_READ), FAULT_INSTALLED);
    struct frame_stats frames = frame_get_stats();
    struct vm_memory_stats before = vm_memory_get_stats(vm);
    assert_int_equal(fault(vm, 1, ACCESS_WRITE), FAULT_SPURIOUS);
    struct frame_stats after = frame_get_stats();
    struct vm_memory_stats stats = vm_memory_get_stats(vm);
    assert_memory_equal(&frames, &after, sizeof(frames));
    assert_int_equal(stats.tables, before.tables);
    assert_int_equal(stats.mapped[LEVEL_4K], 1);
    assert_int_equal(stats.faults, 2);
    assert_int_equal(stats.faults_installed, 1);
    assert_int_equal(stats.faults_spurious, 1);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_read_only_slot(void **state)
{
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(1, 0);
    enum level level;
    pfn_t pfn;

    assert_int_equal(vm_memory_add_slot(vm, 7, (gfn_t){ 3 }, 1, backing, 0, MEMSLOT_READ_ONLY, LEVEL_1G), 0);
    backing_put(backing);
    assert_int_equal(fault(vm, 3, ACCESS_WRITE), FAULT_READ_ONLY);
    assert_int_equal(fault(vm, 3, ACCESS_READ | ACCESS_WRITE), FAULT_READ_ONLY);
    assert_int_equal(mapped_level(vm, 3), 0);
    assert_int_equal(fault(vm, 3, ACCESS_READ), FAULT_INSTALLED);
    assert_true(ept_walk(vm, (gfn_t){ 3 }, EPT_READ | EPT_EXECUTE, &pfn, &level));
    assert_false(ept_walk(vm, (gfn_t){ 3 }, EPT_WRITE, &pfn, &level));
    assert_int_equal(fault(vm, 3, ACCESS_WRITE), FAULT_READ_ONLY);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_C6_level_is_the_pieces(void **state)
{
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(1024 + 3, 0);

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 512 }, 1027, backing, 0, 0, LEVEL_1G), 0);
    backing_put(backing);
    for (u64 gfn = 512; gfn < 512 + 1027; gfn++)
        assert_int_not_equal(fault(vm, gfn, ACCESS_WRITE), FAULT_NO_SLOT);
    assert_int_equal(mapped_level(vm, 512), LEVEL_2M);
    assert_int_equal(mapped_level(vm, 1535), LEVEL_2M);
    assert_int_equal(mapped_level(vm, 1536), LEVEL_4K);
    struct vm_memory_stats stats = vm_memory_get_stats(vm);
    assert_int_equal(stats.mapped[LEVEL_2M], 2);
    assert_int_equal(stats.mapped[LEVEL_4K], 3);
    assert_int_equal(stats.faults_installed, 5);
    assert_int_equal(stats.tables, 4);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_C6_no_large_page_over_scattered_frames(void **state)
{
    struct vm_memory *vm = new_vm();
    struct backing *backing;

    port_host_take_all_but(600);
    backing = new_backing(512, 0);
    port_host_give_back();
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 512 }, 512, backing, 0, 0, LEVEL_1G), 0);
    backing_put(backing);
    assert_int_equal(fault(vm, 512, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(mapped_level(vm, 512), LEVEL_4K);
    assert_int_equal(mapped_level(vm, 513), 0);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_C5_misaligned_slot_stays_4k(void **state)
{
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(1024, 0);

    /* Guest frame and backing differ by one page, then the slot begins within a large page. */
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 513 }, 1000, backing, 0, 0, LEVEL_1G), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, (gfn_t){ 4096 + 1 }, 1023, backing, 1, 0, LEVEL_1G), 0);
    backing_put(backing);
    assert_int_equal(fault(vm, 1024, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(mapped_level(vm, 1024), LEVEL_4K);
    assert_int_equal(fault(vm, 4096 + 511, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(mapped_level(vm, 4096 + 511), LEVEL_4K);
    assert_int_equal(mapped_level(vm, 4096), 0);
    assert_int_equal(fault(vm, 4096 + 512, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(mapped_level(vm, 4096 + 512), LEVEL_2M);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_C9_slot_and_processor_limit_the_level(void **state)
{
    struct mm_caps caps = port_host_caps;
    struct backing *backing = new_backing(1024, 0);

    for (int small_slot = 0; small_slot < 2; small_slot++) {
        caps.page_2m = small_slot;
        caps.page_1g = small_slot;
        mm_init(&caps);
        struct vm_memory *vm = new_vm();
        assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 1024, backing, 0, 0, small_slot ? LEVEL_4K : LEVEL_1G),
                         0);
        assert_int_equal(fault(vm, 5, ACCESS_READ), FAULT_INSTALLED);
        assert_int_equal(mapped_level(vm, 5), LEVEL_4K);
        assert_int_equal(mapped_level(vm, 6), 0);
        assert_sound();
        vm_memory_destroy(vm);
    }
    backing_put(backing);
}

static void large_ram_test(unsigned levels)
{
    struct mm_caps caps = port_host_caps;
    struct frame_stats frames;

    /* The backing's gigabyte, and some frames for the tables below it. */
    port_host_start(1024 + (1ull << 18) + 1024);
    caps.levels = levels;
    caps.physical_bits = 52;
    mm_init(&caps);
    struct vm_memory *vm = new_vm();
    struct backing *backing;
    /* The first gigabyte begins at PORT_HOST_BASE. */
    backing = new_backing(1ull << 18, 0);
    u64 yields = port_host.yields;
    assert_true(yields >= 512);
    u64 base = levels == 5 ? 1ull << 39 : 3ull << 18;
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ base }, 1ull << 18, backing, 0, 0, LEVEL_1G), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, (gfn_t){ 0 }, 1ull << 18, backing, 0, 0, LEVEL_2M), 0);
    backing_put(backing);
    assert_int_equal(fault(vm, base + 12345, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(mapped_level(vm, base + 77777), LEVEL_1G);
    assert_int_equal(fault(vm, 12345, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(mapped_level(vm, 12345), LEVEL_2M);
    struct vm_memory_stats stats = vm_memory_get_stats(vm);
    assert_int_equal(stats.mapped[LEVEL_1G], 1);
    assert_int_equal(stats.mapped[LEVEL_2M], 1);
    assert_int_equal(stats.tables, levels == 5 ? 6 : 3);
    assert_sound();
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_int_equal(mapped_level(vm, base), 0);
    assert_int_equal(mapped_level(vm, 12345), LEVEL_2M);
    assert_sound();
    vm_memory_destroy(vm);
    frames = frame_get_stats();
    assert_int_equal(frames.free, frames.total);
    port_host_stop();
}

static void test_one_gigabyte_with_4_levels(void **state)
{
    large_ram_test(4);
}

static void test_one_gigabyte_with_5_levels(void **state)
{
    large_ram_test(5);
}

static void test_smaller_pages_around_stay(void **state)
{
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(512, 0);

    /* Slots of 4K pages, then one of the whole: the table below it may be there still, or not; either is right. */
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 100, backing, 0, 0, LEVEL_1G), 0);
    assert_int_equal(fault(vm, 99, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 512, backing, 0, 0, LEVEL_1G), 0);
    backing_put(backing);
    assert_int_equal(fault(vm, 99, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(mapped_level(vm, 99), LEVEL_2M);
    assert_sound();
    vm_memory_destroy(vm);
}

/* Everything that one fault allocates: frame and nodes of the backing, tables, and the records of the tables. */
static void test_R3_no_memory_at_every_allocation(void **state)
{
    enum fault_result result = FAULT_NO_MEMORY;
    u64 failures = 0;

    for (u64 free = 0; result == FAULT_NO_MEMORY; free++) {
        struct vm_memory *vm = new_vm();

        add_ram(vm, 0, 0, 512 * 512 * 2, LEVEL_1G);
        port_host_take_all_but(free);
        u64 guest = frame_get_stats().used[FRAME_GUEST];
        struct vm_memory_stats before = vm_memory_get_stats(vm);
        result = fault(vm, 512 * 512 + 3, ACCESS_WRITE);
        /* The vCPU is gone, and with it the tables that it had taken. */
        assert_sound();
        assert_false(memslots_is_read(&vm->slots.set[0]) || memslots_is_read(&vm->slots.set[1]));
        if (result == FAULT_NO_MEMORY) {
            struct vm_memory_stats stats = vm_memory_get_stats(vm);

            /* What the backing got stays the backing's; of the tree nothing may stay. */
            assert_int_equal(stats.tables, before.tables);
            assert_int_equal(frame_get_stats().used[FRAME_TABLE], before.tables);
            assert_true(frame_get_stats().used[FRAME_GUEST] - guest <= 1);
            assert_int_equal(stats.faults_installed, 0);
            failures++;
        }
        port_host_give_back();
        /* With memory, the same fault works. */
        if (result == FAULT_NO_MEMORY)
            assert_int_equal(fault(vm, 512 * 512 + 3, ACCESS_WRITE), FAULT_INSTALLED);
        assert_sound();
        vm_memory_destroy(vm);
        struct frame_stats frames = frame_get_stats();
        assert_int_equal(frames.free, frames.total);
    }
    assert_int_equal(result, FAULT_INSTALLED);
    assert_true(failures >= 6); /* frame, 2 or more nodes, 3 tables */
}

static struct vm_memory *removing;

static void fault_during_flush(struct vm_memory *vm)
{
    u8 byte;

    if (vm != removing)
        return;
    assert_int_equal(fault(vm, 1, ACCESS_READ), FAULT_RETRY);
    assert_int_equal(vm_memory_read(vm, (gpa_t){ PAGE_SIZE }, &byte, 1), -EFAULT);
    assert_int_equal(vm_memory_remove_slot(vm, 0), -EBUSY);
    assert_int_equal(fault(vm, 100, ACCESS_READ), FAULT_NO_SLOT);
    assert_int_equal(fault(vm, 1000, ACCESS_READ), FAULT_INSTALLED);
}

static void test_M3_invalid_slot_is_retried(void **state)
{
    struct vm_memory *vm = new_vm();

    add_ram(vm, 0, 0, 4, LEVEL_1G);
    add_ram(vm, 1, 1000, 4, LEVEL_1G);
    assert_int_equal(fault(vm, 1, ACCESS_READ), FAULT_INSTALLED);
    removing = vm;
    port_host.on_kick = fault_during_flush;
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    port_host.on_kick = NULL;
    assert_int_equal(port_host.kicks, 1);
    assert_int_equal(vm_memory_get_stats(vm).faults_retried, 1);
    assert_int_equal(fault(vm, 1, ACCESS_READ), FAULT_NO_SLOT);
    assert_int_equal(mapped_level(vm, 1000), LEVEL_4K);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_FAULT_LOST(void **state)
{
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(4, 0);

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 4, backing, 0, 0, LEVEL_4K), 0);
    assert_int_equal(fault(vm, 2, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(memory_retire(lookup(backing, 2).pfn, false), 0);
    backing_put(backing);
    assert_int_equal(mapped_level(vm, 2), 0);
    assert_int_equal(fault(vm, 2, ACCESS_READ), FAULT_LOST);
    assert_int_equal(fault(vm, 2, ACCESS_WRITE), FAULT_LOST);
    assert_int_equal(fault(vm, 3, ACCESS_READ), FAULT_INSTALLED);
    assert_sound();
    vm_memory_destroy(vm);
}

/* What a view leaves of the slot's permissions, and nobody else notices. */
static void test_FAULT_DENIED(void **state)
{
    struct vm_memory *vm = new_vm();
    struct vcpu_memory vcpu;
    u32 view;

    add_ram(vm, 0, 0, 1024, LEVEL_4K);
    assert_int_equal(vm_memory_create_view(vm, &view), 0);
    vcpu_memory_init(&vcpu, vm);
    assert_int_equal(vcpu_memory_select(&vcpu, view, 4), 0);
    assert_int_equal(vm_memory_protect_view(vm, view, (gfn_t){ 4 }, 4, EPT_READ), 0);
    assert_int_equal(vm_memory_protect_view(vm, view, (gfn_t){ 8 }, 4, 0), 0);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 4 * PAGE_SIZE }, ACCESS_WRITE), FAULT_DENIED);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 4 * PAGE_SIZE }, ACCESS_EXECUTE), FAULT_DENIED);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 4 * PAGE_SIZE }, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 4 * PAGE_SIZE }, ACCESS_READ), FAULT_SPURIOUS);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 4 * PAGE_SIZE }, ACCESS_WRITE), FAULT_DENIED);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 8 * PAGE_SIZE }, ACCESS_READ), FAULT_DENIED);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 3 * PAGE_SIZE }, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 2000 * PAGE_SIZE }, ACCESS_WRITE), FAULT_NO_SLOT);
    assert_sound();
    assert_int_equal(fault(vm, 4, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 8, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ 4 * PAGE_SIZE }, ACCESS_WRITE), FAULT_DENIED);
    vcpu_memory_destroy(&vcpu);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_a_write_to_a_shared_frame_gets_a_copy(void **state)
{
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_content(4, 70), *clone;
    enum level level;
    pfn_t shared, own;

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 4, backing, 0, 0, LEVEL_4K), 0);
    assert_int_equal(fault(vm, 1, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(backing_clone(backing, &clone), 0);
    assert_false(ept_walk(vm, (gfn_t){ 1 }, EPT_WRITE, &own, &level));
    assert_int_not_equal(fault(vm, 1, ACCESS_READ), FAULT_RETRY);
    assert_true(ept_walk(vm, (gfn_t){ 1 }, EPT_READ, &shared, &level));
    assert_false(ept_walk(vm, (gfn_t){ 1 }, EPT_WRITE, &own, &level));
    assert_int_equal(fault(vm, 1, ACCESS_WRITE), FAULT_INSTALLED);
    assert_true(ept_walk(vm, (gfn_t){ 1 }, EPT_WRITE, &own, &level));
    assert_int_not_equal(own.v, shared.v);
    check_content(backing, 0, 4, 70);
    check_content(clone, 0, 4, 70);
    backing_put(backing);
    backing_put(clone);
    assert_sound();
    vm_memory_destroy(vm);
}

/* A gfn above what the tree of this vCPU reaches: there is a slot, but not for it. */
static void test_a_root_of_4_levels_ends_earlier(void **state)
{
    struct mm_caps caps = port_host_caps;
    struct vcpu_memory vcpu;
    u64 high = 1ull << 36;

    caps.levels = 5;
    caps.physical_bits = 52;
    mm_init(&caps);
    struct vm_memory *vm = new_vm();
    add_ram(vm, 0, high - 2, 4, LEVEL_4K);
    vcpu_memory_init(&vcpu, vm);
    assert_int_equal(vcpu_memory_select(&vcpu, 0, 4), 0);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ (high - 1) * PAGE_SIZE }, ACCESS_WRITE), FAULT_INSTALLED);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ high * PAGE_SIZE }, ACCESS_WRITE), FAULT_NO_SLOT);
    assert_int_equal(vcpu_memory_select(&vcpu, 0, 5), 0);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ (high - 1) * PAGE_SIZE }, ACCESS_WRITE), FAULT_SPURIOUS);
    assert_int_equal(vm_memory_fault(&vcpu, (gpa_t){ high * PAGE_SIZE }, ACCESS_WRITE), FAULT_INSTALLED);
    vcpu_memory_destroy(&vcpu);
    assert_sound();
    vm_memory_destroy(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_no_slot),
        SMALL_TEST(test_installs_what_the_access_needs),
        SMALL_TEST(test_H2_spurious_fault_changes_nothing),
        SMALL_TEST(test_read_only_slot),
        SMALL_TEST(test_C6_level_is_the_pieces),
        SMALL_TEST(test_C6_no_large_page_over_scattered_frames),
        SMALL_TEST(test_C5_misaligned_slot_stays_4k),
        SMALL_TEST(test_C9_slot_and_processor_limit_the_level),
        cmocka_unit_test(test_one_gigabyte_with_4_levels),
        cmocka_unit_test(test_one_gigabyte_with_5_levels),
        SMALL_TEST(test_smaller_pages_around_stay),
        SMALL_TEST(test_R3_no_memory_at_every_allocation),
        SMALL_TEST(test_M3_invalid_slot_is_retried),
        cmocka_unit_test_setup_teardown(test_FAULT_LOST, start_small, stop_retired),
        SMALL_TEST(test_FAULT_DENIED),
        SMALL_TEST(test_a_write_to_a_shared_frame_gets_a_copy),
        SMALL_TEST(test_a_root_of_4_levels_ends_earlier),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
