/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/vm_memory.c: creation, slots that are added and removed, and every error with the old state behind it. */
#include "tests/unit/mm_support.h"

static void test_an_empty_vm(void **state)
{
    struct vm_memory *vm = new_vm();
    struct vm_memory_stats stats = vm_memory_get_stats(vm);

    assert_int_equal(stats.tables, 1);
    assert_int_equal(stats.faults, 0);
    assert_int_equal(vm_memory_root(vm).v, vm->spt.base->page->frame.v);
    const u64 *root = port_frame_address(vm_memory_root(vm));
    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        assert_int_equal(root[i], EPT_EMPTY);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_R3_no_memory_for_a_vm(void **state)
{
    int error = -ENOMEM;

    for (u64 free = 0; error != 0; free++) {
        struct vm_memory *vm = NULL;

        port_host_take_all_but(free);
        struct frame_stats before = frame_get_stats();
        error = vm_memory_create(&vm);
        struct frame_stats after = frame_get_stats();
        if (error != 0) {
            assert_int_equal(error, -ENOMEM);
            assert_null(vm);
            assert_memory_equal(&before, &after, sizeof(before));
            assert_sound();
        } else {
            vm_memory_destroy(vm);
        }
        port_host_give_back();
    }
}

static void test_wrong_slots_are_refused(void **state)
{
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(10, 0);
    const gfn_t zero = { 0 };

    assert_int_equal(vm_memory_add_slot(vm, 0, zero, 0, backing, 0, 0, LEVEL_4K), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, zero, 11, backing, 0, 0, LEVEL_4K), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, zero, 10, backing, 1, 0, LEVEL_4K), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, zero, 1, backing, ~0ull, 0, LEVEL_4K), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, zero, ~0ull, backing, 2, 0, LEVEL_4K), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ ~0ull }, 2, backing, 0, 0, LEVEL_4K), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 1ull << (46 - 12) }, 1, backing, 0, 0, LEVEL_4K), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ (1ull << (46 - 12)) - 1 }, 2, backing, 0, 0, LEVEL_4K),
                     -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, zero, 1, backing, 0, 2, LEVEL_4K), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, zero, 1, backing, 0, 0, LEVEL_512G), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, zero, 1, backing, 0, 0, (enum level)0), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ (1ull << (46 - 12)) - 1 }, 1, backing, 0, 0, LEVEL_4K), 0);
    assert_int_equal(fault(vm, (1ull << (46 - 12)) - 1, ACCESS_READ), FAULT_INSTALLED);
    backing_put(backing);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_the_tree_limits_the_slots(void **state)
{
    struct mm_caps caps = port_host_caps;

    caps.physical_bits = 52;
    mm_init(&caps);
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(10, 0);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 1ull << 36 }, 1, backing, 0, 0, LEVEL_4K), -EINVAL);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ (1ull << 36) - 1 }, 1, backing, 0, 0, LEVEL_4K), 0);
    assert_int_equal(fault(vm, (1ull << 36) - 1, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault(vm, 1ull << 36, ACCESS_READ), FAULT_NO_SLOT);
    backing_put(backing);
    vm_memory_destroy(vm);
}

static void test_M7_overlaps_are_refused(void **state)
{
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(100, 0);

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 100 }, 10, backing, 0, 0, LEVEL_4K), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, (gfn_t){ 120 }, 10, backing, 0, 0, LEVEL_4K), 0);
    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ 109 }, 1, backing, 0, 0, LEVEL_4K), -EEXIST);
    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ 91 }, 10, backing, 0, 0, LEVEL_4K), -EEXIST);
    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ 90 }, 50, backing, 0, 0, LEVEL_4K), -EEXIST);
    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ 110 }, 11, backing, 0, 0, LEVEL_4K), -EEXIST);
    assert_int_equal(vm_memory_add_slot(vm, 1, (gfn_t){ 300 }, 1, backing, 0, 0, LEVEL_4K), -EEXIST);
    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ 110 }, 10, backing, 0, 0, LEVEL_4K), 0);
    assert_int_equal(vm_memory_add_slot(vm, 3, (gfn_t){ 90 }, 10, backing, 0, 0, LEVEL_4K), 0);
    backing_put(backing);
    assert_sound();
    vm_memory_destroy(vm);
}

/* Everything that a reader of the slots could see. */
struct picture {
    struct vm_memory vm;
    struct memslot slots[3];
};

static void take_picture(struct picture *picture, const struct vm_memory *vm)
{
    const struct memslot_set *set = &vm->slots.set[vm->slots.active];
    const struct memslot *slot = memslots_first(set);

    memcpy(&picture->vm, vm, sizeof(*vm));
    for (unsigned i = 0; i < 3; i++, slot = memslots_next(set, slot))
        memcpy(&picture->slots[i], slot, sizeof(*slot));
    assert_null(slot);
}

static void assert_unchanged(const struct picture *before, const struct vm_memory *vm)
{
    static struct picture after;

    take_picture(&after, vm);
    assert_memory_equal(before, &after, sizeof(after));
}

static void test_M2_errors_leave_the_old_state(void **state)
{
    static struct picture before;
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(100, 0);

    for (u32 i = 0; i < 3; i++)
        assert_int_equal(vm_memory_add_slot(vm, i, (gfn_t){ 100 * i }, 50, backing, 0, 0, LEVEL_4K), 0);
    assert_int_equal(fault(vm, 130, ACCESS_READ), FAULT_INSTALLED);
    take_picture(&before, vm);
    struct frame_stats frames = frame_get_stats(), frames_after;

    assert_int_equal(vm_memory_add_slot(vm, 3, (gfn_t){ 140 }, 50, backing, 0, 0, LEVEL_4K), -EEXIST);
    assert_unchanged(&before, vm);
    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ 400 }, 50, backing, 0, 0, LEVEL_4K), -EEXIST);
    assert_unchanged(&before, vm);
    assert_int_equal(vm_memory_add_slot(vm, 3, (gfn_t){ 400 }, 101, backing, 0, 0, LEVEL_4K), -EINVAL);
    assert_unchanged(&before, vm);
    assert_int_equal(vm_memory_remove_slot(vm, 77), -ENOENT);
    assert_unchanged(&before, vm);
    frames_after = frame_get_stats();
    assert_memory_equal(&frames, &frames_after, sizeof(frames));

    /* No memory: fill the frame that the slots lie in, then there is none for another. */
    port_host_take_all_but(0);
    u32 id = 3;
    int error;
    do {
        error = vm_memory_add_slot(vm, id, (gfn_t){ 100 * id }, 50, backing, 0, 0, LEVEL_4K);
        id++;
    } while (error == 0);
    assert_int_equal(error, -ENOMEM);
    assert_sound();
    while (--id > 3)
        assert_int_equal(vm_memory_remove_slot(vm, id - 1), 0);
    take_picture(&before, vm);
    port_host_give_back();
    /* The reference that the failed slot would have had was given back: the last one frees. */
    backing_put(backing);
    assert_sound();
    vm_memory_destroy(vm);
    assert_int_equal(frame_get_stats().free, frame_get_stats().total);
}

static void test_M8_slots_hold_the_backing(void **state)
{
    struct vm_memory *one = new_vm(), *two = new_vm();
    struct backing *backing = new_backing(16, 0);
    u8 byte = 0x42, seen = 0;

    assert_int_equal(vm_memory_add_slot(one, 0, (gfn_t){ 0 }, 16, backing, 0, 0, LEVEL_4K), 0);
    assert_int_equal(vm_memory_add_slot(one, 1, (gfn_t){ 64 }, 8, backing, 4, 0, LEVEL_4K), 0);
    assert_int_equal(vm_memory_add_slot(two, 0, (gfn_t){ 1000 }, 16, backing, 0, MEMSLOT_READ_ONLY, LEVEL_4K), 0);
    backing_put(backing);
    /* One memory, seen three times. */
    assert_int_equal(vm_memory_write(one, (gpa_t){ 65 * PAGE_SIZE }, &byte, 1), 0);
    assert_int_equal(vm_memory_read(one, (gpa_t){ 5 * PAGE_SIZE }, &seen, 1), 0);
    assert_int_equal(seen, byte);
    seen = 0;
    assert_int_equal(vm_memory_read(two, (gpa_t){ 1005 * PAGE_SIZE }, &seen, 1), 0);
    assert_int_equal(seen, byte);
    vm_memory_destroy(one);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 16);
    assert_int_equal(vm_memory_read(two, (gpa_t){ 1005 * PAGE_SIZE }, &seen, 1), 0);
    assert_int_equal(vm_memory_remove_slot(two, 0), 0);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 0);
    vm_memory_destroy(two);
}

static void test_M3_removed_is_gone(void **state)
{
    struct vm_memory *vm = new_vm();

    add_ram(vm, 0, 0, 2000, LEVEL_1G);
    add_ram(vm, 1, 2000, 2000, LEVEL_1G);
    for (u64 gfn = 0; gfn < 4000; gfn += 99)
        fault(vm, gfn, ACCESS_READ);
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    assert_int_equal(vm_memory_remove_slot(vm, 0), -ENOENT);
    for (u64 gfn = 0; gfn < 2000; gfn++) {
        assert_int_equal(mapped_level(vm, gfn), 0);
        assert_int_equal(fault(vm, gfn, ACCESS_READ), FAULT_NO_SLOT);
    }
    assert_int_not_equal(mapped_level(vm, 2079), 0);
    assert_sound();
    /* Its number and its place are free again. */
    add_ram(vm, 0, 0, 2000, LEVEL_1G);
    assert_int_equal(fault(vm, 5, ACCESS_READ), FAULT_INSTALLED);
    assert_sound();
    vm_memory_destroy(vm);
}

static void test_views_refuse_what_no_processor_has(void **state)
{
    struct mm_caps caps = port_host_caps;
    u32 view;

    caps.execute_only = false;
    mm_init(&caps);
    struct vm_memory *vm = new_vm();
    assert_int_equal(vm_memory_create_view(vm, &view), 0);
    for (u32 permissions = 0; permissions < 16; permissions++) {
        bool possible = permissions < 8 && (permissions == 0 || permissions & ACCESS_READ);

        assert_int_equal(vm_memory_protect_view(vm, view, (gfn_t){ 0 }, 4, permissions), possible ? 0 : -EINVAL);
    }
    vm_memory_destroy(vm);
}

static struct vm_memory *found;
static u64 waited;

static void look_at_found(void)
{
    if (found == NULL)
        return;
    assert_int_equal(vm_memory_audit(found), 0);
    assert_int_equal(vm_memory_get_stats(found).tables, 4);
    assert_int_equal(memslots_active(&found->slots)->count, 1);
    if (++waited == 3) {
        assert_null(vm_next(found));
        found = NULL;
    }
}

static void test_M8_a_vm_that_somebody_looks_at_stays(void **state)
{
    struct vm_memory *vm = new_vm();

    add_ram(vm, 0, 0, 4, LEVEL_4K);
    assert_int_equal(fault(vm, 1, ACCESS_READ), FAULT_INSTALLED);
    found = vm_next(NULL);
    assert_ptr_equal(found, vm);
    waited = 0;
    port_host.on_yield = look_at_found;
    vm_memory_destroy(vm);
    port_host.on_yield = NULL;
    assert_int_equal(waited, 3);
    assert_null(vm_next(NULL));
}

static void look_for_more(void)
{
    assert_null(vm_next(NULL));
    assert_null(vm_next(found));
    found = NULL;
    port_host.on_yield = NULL;
}

/* Who looks at all VMs again and again does not keep one that is on its way out. */
static void test_M8_a_vm_that_leaves_is_not_found(void **state)
{
    struct vm_memory *vm = new_vm();

    vm_put(vm_next(NULL)); /* who stops there keeps nobody either */
    found = vm_next(NULL);
    port_host.on_yield = look_for_more;
    vm_memory_destroy(vm);
    assert_null(found);
}

static void test_destroy_frees_all(void **state)
{
    struct vm_memory *vm = new_vm(), *other = new_vm();

    for (u32 i = 0; i < 20; i++) {
        add_ram(vm, i, 3000 * i, 1000, LEVEL_1G);
        fault(vm, 3000 * i + 7, ACCESS_WRITE);
        fault(vm, 3000 * i + 600, ACCESS_WRITE);
    }
    u64 flushes = port_host.kicks;
    vm_memory_destroy(vm);
    assert_true(port_host.kicks > flushes);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 0);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], 1);
    assert_sound();
    vm_memory_destroy(other);
}

static u64 tables_before, most_in_a_step;

static void measure_step(void)
{
    u64 tables = frame_get_stats().used[FRAME_TABLE];

    if (tables_before - tables > most_in_a_step)
        most_in_a_step = tables_before - tables;
    tables_before = tables;
}

static void test_destroy_goes_in_bounded_steps(void **state)
{
    enum { REGIONS = 600 };
    struct vm_memory *vm = new_vm();

    add_ram(vm, 0, 0, 512ull * REGIONS, LEVEL_4K);
    for (u64 i = 0; i < REGIONS; i++)
        assert_int_equal(fault(vm, 512 * i, ACCESS_READ), FAULT_INSTALLED);
    tables_before = frame_get_stats().used[FRAME_TABLE];
    most_in_a_step = 0;
    port_host.on_yield = measure_step;
    vm_memory_destroy(vm);
    assert_true(most_in_a_step > 0 && most_in_a_step <= 128 + 3);
}

/* With no more than its overhead left in the machine, a VM that has its memory can map all of it in the smallest pages. */
static void test_overhead_is_enough(void **state)
{
    enum { LOW = 1500, HIGH = 1100, PAGES = LOW + HIGH };
    const u64 high = (1ull << (32 - 12)) + 7;
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(PAGES, 0);

    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 3 }, LOW, backing, 0, 0, LEVEL_4K), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, (gfn_t){ high }, HIGH, backing, LOW, 0, LEVEL_4K), 0);
    backing_put(backing);
    assert_true(vm_memory_overhead(PAGES) < 200);
    port_host_take_all_but(vm_memory_overhead(PAGES));
    for (u64 page = 0; page < PAGES; page++) {
        gfn_t gfn = { page < LOW ? 3 + page : high + page - LOW };
        assert_int_equal(fault(vm, gfn.v, ACCESS_WRITE), FAULT_INSTALLED);
    }
    vm_memory_destroy(vm);
    port_host_give_back();
}

/* Whatever base, offset and size: each page is where it belongs, and only there, at every level that is possible. */
static void test_C5_slots_of_any_alignment(void **state)
{
    enum { PAGES = 1200 };
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(PAGES, 0);
    u64 seed = 5, large = 0;

    for (unsigned round = 0; round < 40; round++) {
        u64 offset = random_below(&seed, 2) ? random_below(&seed, PAGES) : 512 * random_below(&seed, 2);
        u64 npages = 1 + random_below(&seed, PAGES - offset);
        u64 base = (random_below(&seed, 4) << 18) + (random_below(&seed, 2) ? offset % 512 : random_below(&seed, 999));

        assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ base + 1 }, npages, backing, offset, 0, LEVEL_1G), 0);
        assert_int_equal(vm_memory_move_slot(vm, 0, (gfn_t){ base }), 0);
        for (u64 i = 0; i < npages; i++) {
            struct backing_page page;
            enum level level;
            pfn_t pfn;

            assert_true(fault(vm, base + i, ACCESS_WRITE) <= FAULT_SPURIOUS);
            assert_true(ept_walk(vm, (gfn_t){ base + i }, EPT_PERMISSIONS, &pfn, &level));
            assert_int_equal(backing_lookup(backing, offset + i, &page), 0);
            assert_int_equal(pfn.v, page.pfn.v);
            large += level == LEVEL_2M;
        }
        assert_int_equal(fault(vm, base + npages, ACCESS_READ), FAULT_NO_SLOT);
        assert_int_equal(mapped_level(vm, base + npages), 0);
        if (base > 0)
            assert_int_equal(mapped_level(vm, base - 1), 0);
        assert_sound();
        assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
        assert_int_equal(vm_memory_get_stats(vm).tables, 1);
    }
    assert_true(large > 1000);
    backing_put(backing);
    vm_memory_destroy(vm);
}

static void test_M9_tens_of_thousands_of_slots(void **state)
{
    enum { SLOTS = 32760, STRIDE = 3 };

    port_host_start(4 * SMALL_RAM);
    struct vm_memory *vm = new_vm();
    struct backing *backing = new_backing(SLOTS, BACKING_ON_DEMAND);
    for (u32 i = 0; i < SLOTS; i++)
        assert_int_equal(vm_memory_add_slot(vm, i, (gfn_t){ STRIDE * (i * 7919ull % SLOTS) }, 1 + i % 2, backing,
                                            i < SLOTS - 1 ? i : 0, 0, LEVEL_2M),
                         0);
    for (u64 i = 0; i < SLOTS; i += 331) {
        assert_int_equal(fault(vm, STRIDE * i, ACCESS_WRITE), FAULT_INSTALLED);
        assert_int_equal(fault(vm, STRIDE * i + 2, ACCESS_READ), FAULT_NO_SLOT);
    }
    assert_sound();
    for (u32 i = 0; i < SLOTS; i += 3)
        assert_int_equal(vm_memory_remove_slot(vm, i), 0);
    for (u32 i = 1; i < SLOTS; i += 3)
        assert_int_equal(vm_memory_move_slot(vm, i, (gfn_t){ STRIDE * (SLOTS + i * 7919ull % SLOTS) }), 0);
    for (u32 i = 2; i < SLOTS; i += 3)
        assert_int_equal(vm_memory_set_slot_flags(vm, i, MEMSLOT_READ_ONLY), 0);
    assert_int_equal(memslots_active(&vm->slots)->count, SLOTS - SLOTS / 3);
    for (u32 i = 0; i < SLOTS; i += 97) {
        u64 place = STRIDE * (i * 7919ull % SLOTS);

        assert_int_equal(fault(vm, place, ACCESS_WRITE), i % 3 == 2 ? FAULT_READ_ONLY : FAULT_NO_SLOT);
        if (i % 3 == 1)
            assert_int_equal(fault(vm, place + STRIDE * SLOTS, ACCESS_WRITE), FAULT_INSTALLED);
    }
    backing_put(backing);
    assert_sound();
    vm_memory_destroy(vm);
    port_host_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_an_empty_vm),
        SMALL_TEST(test_R3_no_memory_for_a_vm),
        SMALL_TEST(test_wrong_slots_are_refused),
        SMALL_TEST(test_the_tree_limits_the_slots),
        SMALL_TEST(test_M2_errors_leave_the_old_state),
        SMALL_TEST(test_M3_removed_is_gone),
        SMALL_TEST(test_M7_overlaps_are_refused),
        SMALL_TEST(test_M8_slots_hold_the_backing),
        SMALL_TEST(test_views_refuse_what_no_processor_has),
        SMALL_TEST(test_M8_a_vm_that_somebody_looks_at_stays),
        SMALL_TEST(test_M8_a_vm_that_leaves_is_not_found),
        SMALL_TEST(test_destroy_frees_all),
        SMALL_TEST(test_destroy_goes_in_bounded_steps),
        SMALL_TEST(test_overhead_is_enough),
        SMALL_TEST(test_C5_slots_of_any_alignment),
        cmocka_unit_test(test_M9_tens_of_thousands_of_slots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
