/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/device_marker.c: whatever changes slots and when, also as the counter in markers (3 bits here) comes round. */
#include <pthread.h>

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

static void test_G7_no_marker_comes_round(void **state)
{
    for (unsigned changes = 1; changes <= 20; changes++) {
        mark(&base, DEVICE);
        assert_true(is_device(&base, DEVICE));
        for (unsigned i = 0; i < changes; i++) {
            vm_memory_remove_slot(vm, 9);
            add_ram(vm, 9, i + 1 == changes ? DEVICE - 1 : GB, 4, LEVEL_4K);
            assert_false(is_device(&base, DEVICE));
        }
        assert_int_equal(fault_by(&base, DEVICE, ACCESS_WRITE), FAULT_INSTALLED);
        assert_int_equal(vm_memory_remove_slot(vm, 9), 0);
    }
}

/* Only what was marked since the last change, of markers of all ages; one change is one generation here. */
static void test_G7_markers_of_all_ages(void **state)
{
    for (u64 i = 0; i < 40; i++) {
        add_ram(vm, 100 + (u32)i, GB + 16 * i, 1, LEVEL_4K);
        mark(&base, DEVICE + i);
        for (u64 j = 0; j <= i; j++)
            assert_int_equal(is_device(&base, DEVICE + j), j == i);
    }
    assert_all_sound(vm);
}

static struct memslot_set *held;
static unsigned yields;

/* The new slots are published, and the change waits for a reader of the old ones. */
static void mark_during_the_change(void)
{
    if (yields++ != 0)
        return;
    mark(&base, DEVICE);
    assert_false(is_device(&base, DEVICE));
    /* What a reader of the old set writes now. */
    rwlock_lock_shared(&vm->spt.lock);
    struct spt_iter it = iter_at(vm, DEVICE + 1, LEVEL_4K);
    assert_true(spt_set_entry(&it, ept_marker(held->generation), NULL));
    rwlock_unlock_shared(&vm->spt.lock);
    memslots_read_end(held);
}

static void test_G7_none_during_a_change(void **state)
{
    for (unsigned i = 0; i < 10; i++) {
        yields = 0;
        mark(&base, DEVICE + 20);
        held = memslots_read_begin(&vm->slots);
        port_host.on_yield = mark_during_the_change;
        add_ram(vm, 5, DEVICE, 4, LEVEL_4K);
        port_host.on_yield = NULL;
        assert_true(yields > 0);
        assert_false(is_device(&base, DEVICE) || is_device(&base, DEVICE + 1));
        assert_int_equal(fault_by(&base, DEVICE + 1, ACCESS_READ), FAULT_INSTALLED);
        assert_int_equal(vm_memory_remove_slot(vm, 5), 0);
    }
}

/* A change has taken its number, and nothing of it is published: what a reader marks now is of the slots that it looked at. */
static void test_G7_a_marker_is_of_the_slots_that_were_looked_at(void **state)
{
    vm->slots.generation++;
    mark(&base, DEVICE);
    vm->slots.generation--;
    assert_true(is_device(&base, DEVICE));
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), 0);
    assert_false(is_device(&base, DEVICE));
}

enum { FLAGS, MOVES, ADDS_AND_REMOVES };

static void change_in_the_same_way(unsigned way, u32 i)
{
    switch (way) {
    case FLAGS:
        assert_int_equal(vm_memory_set_slot_flags(vm, 0, i % 2 == 0 ? MEMSLOT_READ_ONLY : 0), 0);
        break;
    case MOVES:
        assert_int_equal(vm_memory_move_slot(vm, 0, (gfn_t){ i % 2 == 0 ? GB : 0 }), 0);
        break;
    default: /* two, and then one that is two generations */
        if (i % 3 == 2)
            assert_int_equal(vm_memory_remove_slot(vm, 1000 + i - 1), 0);
        else
            add_ram(vm, 1000 + i, GB * 2 + 16 * i, 1, LEVEL_4K);
        break;
    }
}

/* The same changes again and again, so that each round of the counter ends in the same of them. */
static void test_G7_whatever_change_ends_a_round(void **state)
{
    for (unsigned way = FLAGS; way <= ADDS_AND_REMOVES; way++) {
        for (u32 align = 0; align < 4; align++) {
            while (vm->slots.generation % 4 != align) {
                add_ram(vm, 500, GB * 4, 1, LEVEL_4K);
                assert_int_equal(vm_memory_set_slot_flags(vm, 500, MEMSLOT_READ_ONLY), 0);
                assert_int_equal(vm_memory_set_slot_flags(vm, 500, 0), 0);
                assert_int_equal(vm_memory_remove_slot(vm, 500), 0);
            }
            mark(&base, DEVICE);
            for (u32 i = 0; i < 12; i++) {
                change_in_the_same_way(way, i);
                assert_false(is_device(&base, DEVICE));
            }
            for (u32 i = 0; i < 12; i++)
                vm_memory_remove_slot(vm, 1000 + i);
        }
    }
}

static void look_before_it_returns(void)
{
    if (yields++ != 0)
        return;
    assert_false(is_device(&base, DEVICE));
    memslots_read_end(held);
}

/* The slots are published, and what makes the markers of the last round go comes only after that. */
static void test_G7_at_the_end_of_a_round(void **state)
{
    for (u32 round = 0; round < 8; round++) {
        add_ram(vm, 500 + round, GB * 4 + 16 * round, 1, LEVEL_4K); /* another place in the round */
        mark(&base, DEVICE);
        for (u32 i = 0; i < 7; i++)
            assert_int_equal(vm_memory_set_slot_flags(vm, 0, i % 2 == 0 ? MEMSLOT_READ_ONLY : 0), 0);
        yields = 0;
        held = memslots_read_begin(&vm->slots);
        port_host.on_yield = look_before_it_returns;
        assert_int_equal(vm_memory_set_slot_flags(vm, 0, 0), 0);
        port_host.on_yield = NULL;
        assert_true(yields > 0);
        assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), 0);
        assert_int_equal(vm_memory_set_slot_flags(vm, 0, 0), 0);
    }
}

static bool added;

static void *add_slot(void *unused)
{
    port_host_processor = 1;
    add_ram(vm, 5, DEVICE, 4, LEVEL_4K);
    __atomic_store_n(&added, true, __ATOMIC_SEQ_CST);
    return unused;
}

static pthread_t adder;

/* Between the look at the slots and the lock: another processor adds memory there, and a vCPU of its uses it. */
static void add_before_the_lock(const void *word)
{
    u64 generation = vm->slots.generation;

    if (word != &vm->spt.lock.reader_in)
        return;
    port_host.on_point = NULL;
    assert_int_equal(pthread_create(&adder, NULL, add_slot, NULL), 0);
    while (__atomic_load_n(&vm->slots.generation, __ATOMIC_SEQ_CST) == generation ||
           !ept_is_present(*entry_of(&a, DEVICE)))
        fault_by(&a, DEVICE, ACCESS_WRITE);
    assert_false(__atomic_load_n(&added, __ATOMIC_SEQ_CST));
}

static void test_G7_memory_that_came_meanwhile_stays(void **state)
{
    mark(&base, DEVICE + 9);
    port_host.threads = true;
    port_host.on_point = add_before_the_lock;
    mark(&base, DEVICE);
    assert_null(port_host.on_point);
    assert_int_equal(pthread_join(adder, NULL), 0);
    assert_int_equal(may(&a, DEVICE), ALL);
    assert_false(is_device(&base, DEVICE));
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 1);
}

#define MARKER_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MARKER_TEST(test_G7_no_marker_comes_round),
        MARKER_TEST(test_G7_markers_of_all_ages),
        MARKER_TEST(test_G7_none_during_a_change),
        MARKER_TEST(test_G7_whatever_change_ends_a_round),
        MARKER_TEST(test_G7_at_the_end_of_a_round),
        MARKER_TEST(test_G7_memory_that_came_meanwhile_stays),
        MARKER_TEST(test_G7_a_marker_is_of_the_slots_that_were_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
