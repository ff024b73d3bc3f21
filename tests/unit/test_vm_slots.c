/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/vm_slots.c: slots that move and change their flags while memory is mapped; what others see on the way; and errors. */
#include "tests/unit/backing_support.h"

static struct vm_memory *vm;

static int start(void **state)
{
    port_host_start(SMALL_RAM);
    vm = new_vm();
    return 0;
}

static int finish(void **state)
{
    port_host.on_point = NULL;
    port_host.on_yield = NULL;
    port_host.on_kick = NULL;
    port_host.on_pte = NULL;
    assert_sound();
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

static int add_slot(u32 id, u64 base, u64 npages, struct backing *backing, u64 offset, u32 flags)
{
    return vm_memory_add_slot(vm, id, (gfn_t){ base }, npages, backing, offset, flags, LEVEL_2M);
}

static int move_slot(u32 id, u64 base)
{
    return vm_memory_move_slot(vm, id, (gfn_t){ base });
}

static void touch(u64 first, u64 npages, u32 access)
{
    for (u64 gfn = first; gfn < first + npages; gfn++)
        assert_true(fault(vm, gfn, access) <= FAULT_SPURIOUS);
}

/* [first, first + npages) shows pages with the content `value`, `value` + 1 … and a guest reaches them with `access`. */
static void assert_shows(u64 first, u64 npages, u64 value, u32 access)
{
    enum level level;
    pfn_t pfn;

    touch(first, npages, access);
    for (u64 i = 0; i < npages; i++) {
        assert_true(ept_walk(vm, (gfn_t){ first + i }, access, &pfn, &level));
        assert_int_equal(*(u64 *)port_frame_address(pfn), value + i);
    }
}

static void assert_gone(u64 first, u64 npages)
{
    for (u64 gfn = first; gfn < first + npages; gfn++) {
        assert_int_equal(mapped_level(vm, gfn), 0);
        assert_int_equal(fault(vm, gfn, ACCESS_READ), FAULT_NO_SLOT);
    }
}

static void test_M3_a_moved_slot_is_only_at_its_new_place(void **state)
{
    struct backing *backing = new_content(40, 100);

    assert_int_equal(add_slot(0, 1000, 40, backing, 0, 0), 0);
    assert_int_equal(add_slot(1, 2000, 40, backing, 0, 0), 0);
    touch(1000, 40, ACCESS_WRITE);
    touch(2000, 40, ACCESS_WRITE);
    assert_int_equal(move_slot(0, 5000), 0);
    assert_gone(1000, 40);
    assert_int_equal(mapped_level(vm, 5000), 0);
    assert_shows(5000, 40, 100, ACCESS_WRITE);
    /* Nobody else noticed. */
    for (u64 gfn = 2000; gfn < 2040; gfn++)
        assert_int_equal(mapped_level(vm, gfn), LEVEL_4K);
    assert_sound();

    /* Over itself, up and down; and to where it is: nothing happens. */
    assert_int_equal(move_slot(0, 5013), 0);
    assert_gone(5000, 13);
    assert_shows(5013, 40, 100, ACCESS_READ);
    assert_int_equal(move_slot(0, 5012), 0);
    assert_gone(5052, 1);
    assert_shows(5012, 40, 100, ACCESS_READ);
    u64 generation = vm->slots.generation, kicks = port_host.kicks;
    assert_int_equal(move_slot(0, 5012), 0);
    assert_int_equal(vm->slots.generation, generation);
    assert_int_equal(port_host.kicks, kicks);
    assert_shows(5012, 40, 100, ACCESS_READ);
    backing_put(backing);
}

static void test_C5_a_move_changes_how_large_pages_are(void **state)
{
    struct backing *backing = new_content(1024, 1);

    assert_int_equal(add_slot(0, 512, 1024, backing, 0, 0), 0);
    backing_put(backing);
    assert_shows(512, 1024, 1, ACCESS_READ);
    assert_int_equal(mapped_level(vm, 512), LEVEL_2M);
    assert_int_equal(move_slot(0, 513), 0);
    assert_gone(512, 1);
    assert_shows(513, 1024, 1, ACCESS_READ);
    assert_int_equal(mapped_level(vm, 1024), LEVEL_4K);
    assert_sound();
    assert_int_equal(move_slot(0, 4096), 0);
    assert_shows(4096, 1024, 1, ACCESS_READ);
    assert_int_equal(mapped_level(vm, 5000), LEVEL_2M);
}

static void test_flags_change_under_what_is_mapped(void **state)
{
    struct backing *backing = new_content(600, 1);
    enum level level;
    pfn_t pfn;

    assert_int_equal(add_slot(0, 512, 600, backing, 0, 0), 0);
    backing_put(backing);
    touch(512, 600, ACCESS_WRITE);
    assert_int_equal(mapped_level(vm, 512), LEVEL_2M);
    u64 kicks = port_host.kicks;
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), 0);
    /* All is still mapped, nothing may be written, and no TLB says otherwise. */
    assert_true(port_host.kicks > kicks);
    for (u64 gfn = 512; gfn < 1112; gfn++) {
        assert_true(ept_walk(vm, (gfn_t){ gfn }, EPT_READ | EPT_EXECUTE, &pfn, &level));
        assert_false(ept_walk(vm, (gfn_t){ gfn }, EPT_WRITE, &pfn, &level));
    }
    assert_int_equal(fault(vm, 512, ACCESS_WRITE), FAULT_READ_ONLY);
    assert_int_equal(vm_memory_zero(vm, (gpa_t){ 600 * PAGE_SIZE }, 1), -EFAULT);
    assert_sound();
    kicks = port_host.kicks;
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, 0), 0);
    assert_int_equal(port_host.kicks, kicks);
    assert_shows(512, 600, 1, ACCESS_WRITE);
    assert_int_equal(mapped_level(vm, 512), LEVEL_2M);
    /* The same again is nothing. */
    u64 generation = vm->slots.generation;
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, 0), 0);
    assert_int_equal(vm->slots.generation, generation);
}

/* ---- M2: all of RAM as it was, with everything that anybody could look at */

static u8 *ram_before;

static void note_all(void)
{
    ram_before = malloc(SMALL_RAM * PAGE_SIZE);
    assert_non_null(ram_before);
    memcpy(ram_before, port_frame_address((pfn_t){ PORT_HOST_BASE }), SMALL_RAM * PAGE_SIZE);
}

static void assert_as_noted(void)
{
    assert_int_equal(memcmp(ram_before, port_frame_address((pfn_t){ PORT_HOST_BASE }), SMALL_RAM * PAGE_SIZE), 0);
}

static void test_M2_errors_change_no_bit(void **state)
{
    const u64 limit = 1ull << (46 - 12);
    struct backing *backing = new_content(40, 100);

    assert_int_equal(add_slot(0, 1000, 40, backing, 0, 0), 0);
    assert_int_equal(add_slot(1, 2000, 40, backing, 0, 0), 0);
    touch(1000, 40, ACCESS_WRITE);
    touch(2000, 40, ACCESS_WRITE);
    note_all();
    assert_int_equal(move_slot(0, 1961), -EEXIST);
    assert_as_noted();
    assert_int_equal(move_slot(0, 2039), -EEXIST);
    assert_as_noted();
    assert_int_equal(move_slot(0, limit - 39), -EINVAL);
    assert_as_noted();
    assert_int_equal(move_slot(0, ~0ull - 5), -EINVAL);
    assert_as_noted();
    assert_int_equal(move_slot(7, 100), -ENOENT);
    assert_as_noted();
    assert_int_equal(vm_memory_remove_slot(vm, 7), -ENOENT);
    assert_as_noted();
    assert_int_equal(vm_memory_set_slot_flags(vm, 7, 0), -ENOENT);
    assert_as_noted();
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, 2), -EINVAL);
    assert_as_noted();
    assert_int_equal(add_slot(2, 1039, 1, backing, 0, 0), -EEXIST);
    assert_as_noted();
    assert_int_equal(add_slot(1, 1040, 1, backing, 0, 0), -EEXIST);
    assert_as_noted();
    assert_int_equal(add_slot(2, 1040, 2, backing, 39, 0), -EINVAL);
    assert_as_noted();
    free(ram_before);
    /* And the next change is possible: right beside the other one, and at the end of all. */
    assert_int_equal(move_slot(0, 1960), 0);
    assert_int_equal(move_slot(0, 1961), -EEXIST);
    assert_int_equal(move_slot(0, 2040), 0);
    assert_int_equal(move_slot(0, limit - 40), 0);
    assert_shows(limit - 40, 40, 100, ACCESS_WRITE);
    backing_put(backing);
}

static void test_M2_no_memory_changes_no_bit(void **state)
{
    struct backing *backing = new_content(40, 100);
    struct memslot wanted = { .npages = 1, .backing = backing };
    static struct memslot *filler[64];
    unsigned count = 0;

    assert_int_equal(add_slot(0, 1000, 40, backing, 0, 0), 0);
    touch(1000, 40, ACCESS_WRITE);
    port_host_take_all_but(0);
    while (filler[count] = memslot_create(&wanted), filler[count] != NULL)
        count++;
    note_all();
    assert_int_equal(add_slot(1, 0, 40, backing, 0, 0), -ENOMEM);
    assert_as_noted();
    assert_int_equal(move_slot(0, 3000), -ENOMEM);
    assert_as_noted();
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), -ENOMEM);
    assert_as_noted();
    free(ram_before);
    /* To remove needs no memory. */
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_gone(1000, 40);
    while (count-- > 0)
        memslot_destroy(filler[count]);
    port_host_give_back();
    backing_put(backing);
}

/* ---- M3: the order, seen by a reader that still has the old slots, by page walks, and at the flush */

enum change { REMOVE, MOVE };

static const struct memslot *old_slot;
static bool published, zapped, flushed;

static bool is_invalid(void)
{
    struct memslot_set *set = memslots_active(&vm->slots);

    assert_ptr_equal(memslots_find_id(set, 0), old_slot);
    return memslots_is_invalid(set, old_slot);
}

static void leaf_goes(u64 *entry, u64 old, u64 value)
{
    if (table_with(entry)->role.level != LEVEL_4K || !ept_is_present(old) || ept_is_present(value))
        return;
    /* Published, and nobody uses the slots as they were. */
    assert_true(is_invalid());
    assert_true(published);
    assert_false(memslots_is_read(&vm->slots.set[0]) || memslots_is_read(&vm->slots.set[1]));
    zapped = true;
}

static void flush_comes(struct vm_memory *kicked)
{
    u8 byte;

    if (!zapped)
        return;
    flushed = true;
    assert_true(is_invalid());
    assert_int_equal(mapped_level(vm, 1000), 0);
    assert_int_equal(fault(vm, 1000, ACCESS_READ), FAULT_RETRY);
    assert_int_equal(fault(vm, 5000, ACCESS_READ), FAULT_NO_SLOT);
    assert_int_equal(vm_memory_read(vm, (gpa_t){ 1000 * PAGE_SIZE }, &byte, 1), -EFAULT);
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 0 }, 6000), 0);
    assert_int_equal(mapped_level(vm, 1000), 0);
    /* One change at a time. */
    assert_int_equal(vm_memory_remove_slot(vm, 0), -EBUSY);
    assert_int_equal(vm_memory_move_slot(vm, 0, (gfn_t){ 0 }), -EBUSY);
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, 0), -EBUSY);
    assert_int_equal(add_slot(9, 0, 1, old_slot->backing, 0, 0), -EBUSY);
}

static struct memslot_set *read_before;

static void reader_ends(void)
{
    if (read_before == NULL)
        return;
    /* The changer waits: published, and no more. */
    assert_true(is_invalid());
    assert_false(zapped);
    assert_false(memslots_is_invalid(read_before, old_slot));
    assert_int_equal(mapped_level(vm, 1000), LEVEL_4K);
    assert_int_equal(fault(vm, 1001, ACCESS_READ), FAULT_SPURIOUS);
    assert_int_equal(fault(vm, 1030, ACCESS_READ), FAULT_RETRY);
    published = true;
    memslots_read_end(read_before);
    read_before = NULL;
}

static void change_in_order(enum change change)
{
    struct backing *backing = new_content(40, 100);

    assert_int_equal(add_slot(0, 1000, 40, backing, 0, 0), 0);
    touch(1000, 20, ACCESS_WRITE);
    old_slot = memslots_find_id(memslots_active(&vm->slots), 0);
    published = zapped = flushed = false;
    read_before = memslots_read_begin(&vm->slots);
    port_host.on_yield = reader_ends;
    port_host.on_kick = flush_comes;
    port_host.on_pte = leaf_goes;
    assert_int_equal(change == MOVE ? move_slot(0, 5000) : vm_memory_remove_slot(vm, 0), 0);
    port_host.on_pte = NULL;
    port_host.on_kick = NULL;
    port_host.on_yield = NULL;
    assert_true(published && zapped && flushed);
    assert_gone(1000, 40);
    if (change == MOVE)
        assert_shows(5000, 40, 100, ACCESS_WRITE);
    /* The backing is held by who holds it, and nobody else (M8). */
    check_frames(40);
    if (change == MOVE)
        assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    backing_put(backing);
    check_frames(0);
}

static void test_M3_removal_goes_through_an_invalid_slot(void **state)
{
    change_in_order(REMOVE);
}

static void test_M3_move_goes_through_an_invalid_slot(void **state)
{
    change_in_order(MOVE);
}

/* A reader that still has the writable slot may still map it so: it is waited for, then what is writable is taken back. */
static void writable_until_reader_ends(void)
{
    enum level level;
    pfn_t pfn;

    if (read_before == NULL)
        return;
    assert_true(ept_walk(vm, (gfn_t){ 1000 }, EPT_WRITE, &pfn, &level));
    assert_int_equal(fault(vm, 1039, ACCESS_WRITE), FAULT_READ_ONLY);
    assert_int_equal(fault(vm, 1038, ACCESS_READ), FAULT_INSTALLED);
    assert_false(ept_walk(vm, (gfn_t){ 1038 }, EPT_WRITE, &pfn, &level));
    memslots_read_end(read_before);
    read_before = NULL;
}

static void test_M3_read_only_waits_for_readers_then_protects(void **state)
{
    enum level level;
    pfn_t pfn;

    add_ram(vm, 0, 1000, 40, LEVEL_4K);
    touch(1000, 20, ACCESS_WRITE);
    read_before = memslots_read_begin(&vm->slots);
    port_host.on_yield = writable_until_reader_ends;
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), 0);
    port_host.on_yield = NULL;
    assert_null(read_before);
    for (u64 gfn = 1000; gfn < 1040; gfn++)
        assert_false(ept_walk(vm, (gfn_t){ gfn }, EPT_WRITE, &pfn, &level));
}

/* ---- one backing in several slots and VMs */

static void test_M7_aliases_show_one_memory(void **state)
{
    struct vm_memory *second = new_vm();
    struct backing *backing = new_content(600, 1);

    assert_int_equal(add_slot(0, 512, 600, backing, 0, 0), 0);
    assert_int_equal(add_slot(1, 3001, 100, backing, 450, 0), 0);
    assert_int_equal(add_slot(2, 4000, 7, backing, 511, MEMSLOT_READ_ONLY), 0);
    assert_int_equal(vm_memory_add_slot(second, 0, (gfn_t){ 77 }, 600, backing, 0, 0, LEVEL_1G), 0);
    touch(512, 600, ACCESS_WRITE);
    touch(3001, 100, ACCESS_WRITE);
    assert_shows(4000, 7, 512, ACCESS_READ);
    for (u64 gfn = 77; gfn < 677; gfn++)
        assert_true(fault(second, gfn, ACCESS_READ) <= FAULT_SPURIOUS);

    /* One of them goes: the others stay mapped. */
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    assert_gone(3001, 100);
    assert_int_equal(mapped_level(vm, 512 + 450), LEVEL_2M);
    assert_int_equal(mapped_level(second, 77 + 450), LEVEL_4K);
    assert_int_equal(add_slot(1, 3002, 100, backing, 450, 0), 0);
    touch(3002, 100, ACCESS_READ);

    /* A page goes: it goes everywhere, and only it, where pages are small. */
    assert_int_equal(vm_memory_balloon(second, (gfn_t){ 77 + 515 }, 1), 0);
    assert_int_equal(mapped_level(vm, 512 + 515), 0);
    assert_int_equal(mapped_level(vm, 3002 + 65), 0);
    assert_int_equal(mapped_level(vm, 4000 + 4), 0);
    assert_int_equal(mapped_level(second, 77 + 515), 0);
    assert_int_equal(mapped_level(vm, 512 + 516), LEVEL_4K);
    assert_int_equal(mapped_level(vm, 3002 + 64), LEVEL_4K);
    assert_int_equal(mapped_level(vm, 4000 + 5), LEVEL_4K);
    assert_int_equal(mapped_level(second, 77 + 516), LEVEL_4K);
    assert_sound();
    assert_shows(4004, 1, 0, ACCESS_READ);
    assert_shows(512 + 515, 1, 0, ACCESS_WRITE);
    backing_put(backing);
    vm_memory_destroy(second);
}

#define SLOTS_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLOTS_TEST(test_M2_errors_change_no_bit),
        SLOTS_TEST(test_M2_no_memory_changes_no_bit),
        SLOTS_TEST(test_M3_a_moved_slot_is_only_at_its_new_place),
        SLOTS_TEST(test_M3_removal_goes_through_an_invalid_slot),
        SLOTS_TEST(test_M3_move_goes_through_an_invalid_slot),
        SLOTS_TEST(test_M3_read_only_waits_for_readers_then_protects),
        SLOTS_TEST(test_M7_aliases_show_one_memory),
        SLOTS_TEST(test_C5_a_move_changes_how_large_pages_are),
        SLOTS_TEST(test_flags_change_under_what_is_mapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
