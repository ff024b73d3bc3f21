/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt_fill.c, mm/backing_run.c: populating in runs, with changes and faults within a step. */
#include "mm/backing_object.h"
#include "mm/dirty_log.h"
#include "mm/invalidation.h"
#include "tests/unit/backing_support.h"
#include "tests/unit/view_support.h"

enum { GB = 1 << 18 };
static struct vm_memory *vm;
static struct vcpu_memory base, a;
static struct backing *moving;
static unsigned yields;

static int start(void **state)
{
    begin_with_two(&vm, &base, &a);
    return 0;
}

static int finish(void **state)
{
    return end_with_two(vm, &base, &a);
}

static int populate(u64 first, u64 npages)
{
    return vm_memory_populate(vm, (gfn_t){ first }, npages);
}

static void assert_mapped(u64 first, u64 end, int level)
{
    for (u64 gfn = first; gfn < end; gfn++)
        assert_int_equal(level_of(&base, gfn), level);
}

static void show(u32 id, u64 first, struct backing *backing, u64 offset, u64 npages)
{
    assert_int_equal(vm_memory_add_slot(vm, id, (gfn_t){ first }, npages, backing, offset, 0, LEVEL_4K), 0);
}

/* All frames are there, in the largest pieces. */
static void add_filled(u32 id, u64 first, u64 npages, enum level largest)
{
    struct backing *backing = new_backing(npages, 0);

    assert_int_equal(vm_memory_add_slot(vm, id, (gfn_t){ first }, npages, backing, 0, 0, largest), 0);
    backing_put(backing);
}

/* Each page has the frame that it has, and what is shared is not writable. */
static void assert_led(u64 gfn, u64 npages, const struct backing *backing, u64 page)
{
    for (u64 i = 0; i < npages; i++) {
        struct backing_page found = lookup(backing, page + i);
        u64 entry = *entry_of(&base, gfn + i);

        assert_int_equal(level_of(&base, gfn + i), LEVEL_4K);
        assert_int_equal(ept_frame(entry).v, found.pfn.v);
        assert_int_equal(may(&base, gfn + i), found.writable ? ALL : ACCESS_READ | ACCESS_EXECUTE);
    }
}

static u64 mapped(void)
{
    return vm_memory_get_stats(vm).mapped[LEVEL_4K];
}

/* Frames that follow each other, but not as the guest's do; runs of all lengths; alone, shared, and both in turn. */
static void test_populate_follows_every_kind_of_run(void **state)
{
    struct backing *odd = new_content(1100, 1), *alone = new_scattered(600, 1), *source = new_content(512, 1);
    struct backing *clone = clone_of(source);

    for (u64 page = 0; page < 512; page += 1 + page / 3)
        put_content(clone, page, 7);
    for (u64 page = 600; page < 700; page += 1 + page % 5)
        assert_int_equal(backing_migrate(odd, page), 0);
    show(0, 100, odd, 3, 1090);
    show(1, 2048, alone, 0, 600);
    show(2, 4096, clone, 0, 512);
    assert_int_equal(populate(0, GB), 0);
    assert_led(100, 1090, odd, 3);
    assert_led(2048, 600, alone, 0);
    assert_led(4096, 512, clone, 0);
    assert_int_equal(mapped(), 1090 + 600 + 512);
    assert_mapped(0, 100, 0);
    assert_mapped(1190, 2048, 0);
    /* What is in no slot has the entry of a table that was filled, not of a frame that was found. */
    assert_int_equal(*entry_of(&base, 99), EPT_EMPTY);
    assert_int_equal(*entry_of(&base, 1190), EPT_EMPTY);
    backing_put(odd);
    backing_put(alone);
    backing_put(source);
    backing_put(clone);
}

/* Neighbours in the machine, of which some count as shared still and some not any more. */
static void test_populate_ends_a_run_where_sharing_does(void **state)
{
    struct backing *backing = new_content(512, 1);

    backing_put(clone_of(backing));
    for (u64 page = 0; page < 512; page += 1 + page % 7)
        put_content(backing, page, 7);
    assert_int_equal(lookup(backing, 0).pfn.v + 5, lookup(backing, 5).pfn.v);
    show(0, 0, backing, 0, 512);
    assert_int_equal(populate(0, 512), 0);
    assert_led(0, 512, backing, 0);
    backing_put(backing);
}

static unsigned locks;

static void count_locks(const void *word)
{
    locks += word == &vm->spt.lock.reader_in;
}

static unsigned locks_to_populate(u64 first, u64 npages)
{
    locks = 0;
    port_host.on_point = count_locks;
    assert_int_equal(populate(first, npages), 0);
    port_host.on_point = NULL;
    return locks;
}

static void test_populate_does_a_table_at_a_time(void **state)
{
    struct backing *alone = new_scattered(512, 5);

    add_filled(0, 0, 512 * 4, LEVEL_4K);
    add_filled(1, 512 * 4, 1024, LEVEL_2M);
    show(2, 512 * 8, alone, 0, 512);
    backing_put(alone);
    assert_int_equal(locks_to_populate(0, 512 * 4), 4);
    assert_int_equal(locks_to_populate(512 * 4, 1024), 2);
    assert_int_equal(locks_to_populate(512 * 8, 512), 512 / 64);
    /* And once more, where all is there. */
    vm_memory_zap(vm, (gfn_t){ 700 }, 100);
    assert_int_equal(locks_to_populate(0, 512 * 4), 4);
    assert_mapped(0, 512 * 4, LEVEL_4K);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 512 * 4 }, 1024, LEVEL_4K), 0);
    vm_memory_zap(vm, (gfn_t){ 512 * 4 + 7 }, 100);
    assert_int_equal(locks_to_populate(512 * 4, 1024), 2);
    assert_mapped(512 * 4, 512 * 6, LEVEL_4K);
}

static void test_populate_of_the_last_page_of_a_large_one(void **state)
{
    add_ram(vm, 0, 0, 1024, LEVEL_2M);
    assert_int_equal(populate(511, 1), 0);
    assert_mapped(0, 512, LEVEL_2M);
    assert_int_equal(populate(1023, 1), 0);
    assert_mapped(512, 1024, LEVEL_2M);
}

/* The log wants small pages, and the large one is split by its first write only. */
static void test_populate_leaves_a_larger_leaf_as_it_is(void **state)
{
    add_ram(vm, 0, 0, 1024, LEVEL_2M);
    assert_int_equal(populate(0, 512), 0);
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, DIRTY_LAZY), 0);
    assert_int_equal(populate(0, 1024), 0);
    assert_mapped(0, 512, LEVEL_2M);
    assert_mapped(512, 1024, LEVEL_4K);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
}

static u64 published, found_in_it;

static void look_into_the_table(u64 *entry, u64 old, u64 value)
{
    const u64 *entries = port_frame_address(ept_frame(value));

    if (table_with(entry)->role.level != LEVEL_2M)
        return;
    published++;
    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        found_in_it += ept_is_present(entries[i]);
}

static void test_P1_a_table_is_full_when_it_is_found(void **state)
{
    published = found_in_it = 0;
    add_filled(0, 0, 512 * 2 + 5, LEVEL_4K);
    port_host.on_pte = look_into_the_table;
    assert_int_equal(populate(10, 2000), 0);
    assert_int_equal(published, 3);
    assert_int_equal(found_in_it, 512 * 2 + 5 - 10);
}

/* ---- what changes between the look and the lock */

static void (*change)(void);
static u64 changed_page;

static void change_before_the_lock(const void *word)
{
    if (word != &vm->spt.lock.reader_in)
        return;
    port_host.on_point = NULL;
    change();
}

static void migrate_one(void)
{
    assert_int_equal(backing_migrate(moving, changed_page), 0);
}

static struct backing *taken;

static void clone_all(void)
{
    taken = clone_of(moving);
}

static void punch_one(void)
{
    assert_int_equal(backing_punch(moving, changed_page, 1), 0);
}

static void check_change(void (*what)(void), u64 page)
{
    moving = new_content(512, 5);
    show(0, 512, moving, 0, 512);
    change = what;
    changed_page = page;
    port_host.on_point = change_before_the_lock;
    assert_int_equal(populate(512, 512), 0);
    assert_null(port_host.on_point);
    assert_led(512, 512, moving, 0);
    assert_all_sound(vm);
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    backing_put(moving);
}

static void test_R2_populate_looks_at_the_whole_run_again(void **state)
{
    check_change(migrate_one, 0);
    check_change(migrate_one, 300);
    check_change(migrate_one, 511);
    check_change(punch_one, 300);
    check_change(clone_all, 0);
    backing_put(taken);
}

static struct invalidation invalidation;

static void begin_to_change(void)
{
    assert_true(invalidation_try_begin(&invalidation, moving, 300, 302));
}

static void wait_and_end(void)
{
    assert_mapped(512, 812, LEVEL_4K);
    assert_mapped(812, 1024, 0);
    if (++yields == 3) {
        invalidation_end(&invalidation);
        port_host.on_yield = NULL;
    }
}

/* Others may go on for as long as they like; what is in front of them need not wait. */
static void test_R2_populate_waits_for_an_invalidation(void **state)
{
    yields = 0;
    moving = new_content(512, 5);
    show(0, 512, moving, 0, 512);
    change = begin_to_change;
    port_host.on_point = change_before_the_lock;
    /* Before each 64th page of those that are done one by one, too. */
    for (u64 gfn = 512; gfn < 812; gfn += 50)
        assert_int_equal(populate(gfn, 50), 0);
    port_host.on_yield = wait_and_end;
    assert_int_equal(populate(512, 512), 0);
    assert_int_equal(yields, 3);
    assert_led(512, 512, moving, 0);
    assert_int_equal(mapped(), 512);
    backing_put(moving);
}

static void change_elsewhere(const void *word)
{
    if (word != &vm->spt.lock.reader_in)
        return;
    locks++;
    port_host.on_point = NULL;
    assert_int_equal(backing_migrate(moving, 600), 0);
    port_host.on_point = change_elsewhere;
}

static void test_R8_populate_does_not_wait_for_what_happens_elsewhere(void **state)
{
    locks = 0;
    moving = new_content(1024, 5);
    show(0, 512, moving, 0, 512);
    port_host.on_point = change_elsewhere;
    assert_int_equal(populate(512, 512), 0);
    port_host.on_point = NULL;
    assert_int_equal(locks, 1);
    assert_led(512, 512, moving, 0);
    backing_put(moving);
}

static u64 *watched;

static void resolve_and_change(const void *word)
{
    if (word != watched)
        return;
    port_host.on_point = NULL;
    migrate_one();
}

/* A page moves out of a block after somebody has read that it is one. */
static void test_R1_the_sequence_is_read_before_the_frames(void **state)
{
    struct map_place place;

    moving = new_content(512, 5);
    assert_int_equal(map_split(&moving->map, 0, LEVEL_4K, &place), 0);
    assert_true(place.block);
    show(0, 512, moving, 0, 512);
    changed_page = 300;
    watched = place.at;
    port_host.on_point = resolve_and_change;
    assert_int_equal(populate(512, 512), 0);
    assert_null(port_host.on_point);
    assert_led(512, 512, moving, 0);
    backing_put(moving);
}

/* ---- faults in between */

static unsigned met;

/* Between the look at an entry and its compare-exchange somebody else has it, and the processor notes it there. */
static void fault_in_between(const void *word)
{
    if (word != watched || ++met != 2)
        return;
    port_host.on_point = NULL;
    assert_int_equal(fault_by(&base, 77, ACCESS_WRITE), FAULT_INSTALLED);
    *entry_of(&base, 77) |= EPT_DIRTY | EPT_ACCESSED;
}

static void check_in_between(u64 *entry)
{
    met = 0;
    watched = entry;
    port_host.on_point = fault_in_between;
    assert_int_equal(populate(0, 512), 0);
    assert_null(port_host.on_point);
    assert_mapped(0, 512, LEVEL_4K);
    assert_int_equal(*entry_of(&base, 77) & (EPT_DIRTY | EPT_ACCESSED), EPT_DIRTY | EPT_ACCESSED);
    assert_int_equal(mapped(), 512 + 1);
    assert_all_sound(vm);
}

static void test_P3_a_fault_links_the_table_first(void **state)
{
    int level;

    add_filled(0, 0, 1024, LEVEL_4K);
    assert_int_equal(fault_by(&base, 1000, ACCESS_READ), FAULT_INSTALLED);
    u64 *entry = entry_below(base.root->page->frame, base.root->top, 77, LEVEL_2M, &level);
    assert_int_equal(level, LEVEL_2M);
    u64 tables = tables_of(vm);
    check_in_between(entry);
    assert_int_equal(tables_of(vm), tables + 1);
}

static void test_P3_a_fault_takes_the_entry_first(void **state)
{
    add_filled(0, 0, 512, LEVEL_4K);
    add_filled(1, 600, 1, LEVEL_4K);
    assert_int_equal(fault_by(&base, 600, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(fault_by(&base, 3, ACCESS_READ), FAULT_INSTALLED);
    check_in_between(entry_of(&base, 77));
}

static void test_H7_markers_give_way(void **state)
{
    vm_memory_mark_device(&base, gfn_to_gpa((gfn_t){ 5 }));
    vm_memory_mark_device(&base, gfn_to_gpa((gfn_t){ 6 }));
    assert_true(ept_is_marker(*entry_of(&base, 6)));
    add_ram(vm, 0, 0, 512, LEVEL_4K);
    assert_int_equal(populate(0, 512), 0);
    assert_mapped(0, 512, LEVEL_4K);
    assert_int_equal(mapped(), 512);
}

/* A table that another root has is not made twice, and what is filled is filled for both. */
static void test_H2_populate_with_views(void **state)
{
    u32 view = new_view(vm);

    add_ram(vm, 0, 0, 2048, LEVEL_4K);
    assert_int_equal(protect(vm, view, 1024, 10, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    fault_by(&a, 3, ACCESS_READ);
    fault_by(&a, 1024, ACCESS_READ);
    fault_by(&a, 1040, ACCESS_READ);
    assert_int_equal(level_of(&base, 3), 0);
    assert_int_equal(populate(0, 2048), 0);
    assert_mapped(0, 2048, LEVEL_4K);
    assert_ptr_equal(table_of(&a, 3, LEVEL_4K), table_of(&base, 3, LEVEL_4K));
    assert_int_equal(may(&a, 511), ALL);
    assert_int_equal(may(&a, 1041), 0);
    assert_int_equal(may(&a, 1024), ACCESS_READ);
    assert_all_sound(vm);
    assert_int_equal(vcpu_memory_select(&a, 0, 4), 0);
}

#define POPULATE_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POPULATE_TEST(test_populate_follows_every_kind_of_run),
        POPULATE_TEST(test_populate_ends_a_run_where_sharing_does),
        POPULATE_TEST(test_populate_does_a_table_at_a_time),
        POPULATE_TEST(test_populate_of_the_last_page_of_a_large_one),
        POPULATE_TEST(test_populate_leaves_a_larger_leaf_as_it_is),
        POPULATE_TEST(test_P1_a_table_is_full_when_it_is_found),
        POPULATE_TEST(test_R2_populate_looks_at_the_whole_run_again),
        POPULATE_TEST(test_R2_populate_waits_for_an_invalidation),
        POPULATE_TEST(test_R8_populate_does_not_wait_for_what_happens_elsewhere),
        POPULATE_TEST(test_R1_the_sequence_is_read_before_the_frames),
        POPULATE_TEST(test_P3_a_fault_links_the_table_first),
        POPULATE_TEST(test_P3_a_fault_takes_the_entry_first),
        POPULATE_TEST(test_H7_markers_give_way),
        POPULATE_TEST(test_H2_populate_with_views),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
