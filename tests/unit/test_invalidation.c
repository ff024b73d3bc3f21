/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/invalidation.c: who is zapped, who waits, and what a fault may believe. The trees are not here: spt_zap_all() notes
 * what it is asked for, and is the moment at which other processors do something. The slots are the real ones.
 */
#include "tests/unit/backing_support.h"

#include "mm/backing_object.h"
#include "mm/dirty_log.h"
#include "mm/invalidation.h"

enum { VMS = 3, MAX_ZAPS = 64 };

static struct vm_memory *vms;
static unsigned vm_count, vm_users;

static struct zap {
    unsigned vm;
    u64 first, end;
} zaps[MAX_ZAPS];
static unsigned zap_count;
static void (*on_zap)(void);

/* No slot here has a log. */
void dirty_log_destroy(struct dirty_log *log)
{
    fail();
}

void mm_init(const struct mm_caps *caps)
{
}

struct vm_memory *vm_next(struct vm_memory *vm)
{
    struct vm_memory *next = vm == NULL ? vms : vm + 1;

    vm_users -= vm != NULL;
    if (next == vms + vm_count)
        return NULL;
    vm_users++;
    return next;
}

void spt_zap_all(struct spt *spt, gfn_t first, gfn_t end)
{
    struct vm_memory *vm = container_of(spt, struct vm_memory, spt);

    assert_true(first.v < end.v && zap_count < MAX_ZAPS);
    /* The slots cannot change under it, and no leaf lock is held. */
    assert_true(memslots_is_read(memslots_active(&vm->slots)));
    zaps[zap_count++] = (struct zap){ (unsigned)(vm - vms), first.v, end.v };
    if (on_zap != NULL)
        on_zap();
}

static struct backing *backing;
static struct invalidation invalidation;

static int start(void **state)
{
    port_host_start(SMALL_RAM);
    vms = aligned_alloc(CACHE_LINE, VMS * sizeof(*vms));
    memset(vms, 0, VMS * sizeof(*vms));
    for (unsigned i = 0; i < VMS; i++)
        memslots_init(&vms[i].slots);
    vm_count = VMS;
    zap_count = 0;
    on_zap = NULL;
    backing = new_content(1024, 10);
    return 0;
}

static int finish(void **state)
{
    for (unsigned i = 0; i < VMS; i++) {
        struct memslots *slots = &vms[i].slots;
        struct memslot *slot;

        /* A test that failed in a zap has left its reader behind. */
        slots->set[0].readers[0].count = slots->set[1].readers[0].count = 0;
        assert_int_equal(memslots_begin_change(slots), 0);
        while (slot = memslots_first(memslots_active(slots)), slot != NULL) {
            memslots_invalidate(slots, slot);
            memslots_remove(slots, slot);
            memslot_destroy(slot);
        }
    }
    assert_int_equal(vm_users, 0);
    assert_true(list_is_empty(&backing->changing));
    backing_put(backing);
    free(vms);
    port_host_stop();
    return 0;
}

static void show_backing(unsigned vm, u32 id, u64 base, u64 npages, struct backing *shown, u64 offset)
{
    struct memslot wanted = {
        .id = id, .largest = LEVEL_1G, .base = { base }, .npages = npages, .backing = shown, .offset = offset
    };
    struct memslot *slot = memslot_create(&wanted);

    assert_non_null(slot);
    assert_int_equal(memslots_begin_change(&vms[vm].slots), 0);
    memslots_insert(&vms[vm].slots, slot);
    memslots_end_change(&vms[vm].slots);
}

static void show(unsigned vm, u32 id, u64 base, u64 npages, u64 offset)
{
    show_backing(vm, id, base, npages, backing, offset);
}

static void begin(u64 first, u64 end)
{
    zap_count = 0;
    invalidation_begin(&invalidation, backing, first, end);
}

static bool was_zapped(unsigned vm, u64 first, u64 end)
{
    unsigned found = 0;

    for (unsigned i = 0; i < zap_count; i++)
        found += zaps[i].vm == vm && zaps[i].first == first && zaps[i].end == end;
    return found == 1;
}

static void test_M7_every_slot_of_every_vm_is_zapped(void **state)
{
    struct backing *other = new_backing(1024, BACKING_ON_DEMAND);

    show(0, 1, 1000, 1024, 0);
    show(0, 2, 5000, 100, 50); /* the same memory again */
    show(0, 3, 5100, 100, 50); /* and right behind it once more */
    show(0, 4, 9000, 50, 0);   /* ends where the range begins */
    show(0, 5, 9500, 100, 60); /* begins where it ends */
    show(2, 1, 700, 4, 52);    /* within it */
    show_backing(1, 1, 0, 1024, other, 0);
    begin(50, 60);
    assert_int_equal(zap_count, 4);
    assert_true(was_zapped(0, 1050, 1060));
    assert_true(was_zapped(0, 5000, 5010));
    assert_true(was_zapped(0, 5100, 5110));
    assert_true(was_zapped(2, 700, 704));
    invalidation_end(&invalidation);
    begin(49, 50);
    assert_int_equal(zap_count, 2);
    assert_true(was_zapped(0, 1049, 1050));
    assert_true(was_zapped(0, 9049, 9050));
    invalidation_end(&invalidation);
    begin(0, 1024);
    assert_int_equal(zap_count, 6);
    assert_true(was_zapped(0, 1000, 2024));
    assert_true(was_zapped(0, 9500, 9600));
    assert_true(was_zapped(2, 700, 704));
    invalidation_end(&invalidation);
    backing_put(other);
}

static void test_R5_nothing_else_is_in_range(void **state)
{
    struct backing *other = new_backing(1024, BACKING_ON_DEMAND);

    begin(0, 1024);
    assert_int_equal(zap_count, 0);
    assert_true(backing_is_changing(backing, 0, 1));
    assert_true(backing_is_changing(backing, 1023, 1024));
    assert_false(backing_is_changing(other, 0, 1024));
    invalidation_end(&invalidation);
    vm_count = 0;
    begin(0, 1024);
    invalidation_end(&invalidation);
    vm_count = VMS;
    backing_put(other);
}

static struct backing_page found;
static u64 sequence;

static void fault_begins(u64 page)
{
    sequence = backing_sequence(backing);
    assert_int_equal(backing_resolve(backing, page, LEVEL_2M, false, &found), 0);
}

static bool may_install(u64 page, enum level level)
{
    return backing_is_current(backing, sequence, page, &found, level);
}

static void check_published(void)
{
    assert_true(backing_is_changing(backing, 600, 601));
    assert_false(may_install(600, LEVEL_4K));
    assert_false(may_install(600, LEVEL_2M));
}

static void test_R2_published_before_the_first_zap(void **state)
{
    show(0, 1, 0, 1024, 0);
    show(1, 1, 0, 1024, 0);
    fault_begins(600);
    assert_true(may_install(600, LEVEL_2M));
    on_zap = check_published;
    begin(600, 601);
    assert_int_equal(zap_count, 2);
    check_published();
    invalidation_end(&invalidation);
    assert_true(may_install(600, LEVEL_2M)); /* nothing was changed */
}

static void test_R2_the_whole_leaf_counts(void **state)
{
    fault_begins(600);
    begin(700, 701);
    assert_true(may_install(600, LEVEL_4K));
    assert_false(may_install(600, LEVEL_2M));
    invalidation_end(&invalidation);
    begin(511, 512);
    assert_true(may_install(600, LEVEL_2M));
    invalidation_end(&invalidation);
    begin(512, 513);
    assert_false(may_install(600, LEVEL_2M));
    assert_true(may_install(600, LEVEL_4K));
    invalidation_end(&invalidation);
    begin(1023, 1024);
    assert_false(may_install(600, LEVEL_2M));
    invalidation_end(&invalidation);
}

static void test_overlap_is_exact(void **state)
{
    struct invalidation other;

    begin(100, 200);
    invalidation_begin(&other, backing, 300, 301);
    assert_false(backing_is_changing(backing, 0, 100));
    assert_true(backing_is_changing(backing, 0, 101));
    assert_true(backing_is_changing(backing, 199, 250));
    assert_false(backing_is_changing(backing, 200, 300));
    assert_true(backing_is_changing(backing, 150, 160));
    assert_true(backing_is_changing(backing, 0, 1024));
    assert_true(backing_is_changing(backing, 300, 301));
    assert_false(backing_is_changing(backing, 301, 1024));
    invalidation_end(&invalidation);
    assert_false(backing_is_changing(backing, 0, 300));
    assert_true(backing_is_changing(backing, 0, 301));
    assert_int_equal(backing_sequence(backing), 1);
    invalidation_end(&other);
    assert_int_equal(backing_sequence(backing), 2);
    assert_false(backing_is_changing(backing, 0, 1024));
}

static struct invalidation waiting;
static unsigned yields_to_end;

static void end_after_some_yields(void)
{
    assert_true(backing_is_changing(backing, 100, 200));
    if (--yields_to_end == 0)
        invalidation_end(&invalidation);
}

static void test_an_overlapping_one_waits(void **state)
{
    show(0, 1, 0, 1024, 0);
    begin(100, 200);
    zap_count = 0;
    yields_to_end = 3;
    port_host.on_yield = end_after_some_yields;
    invalidation_begin(&waiting, backing, 150, 160);
    port_host.on_yield = NULL;
    assert_int_equal(yields_to_end, 0);
    assert_int_equal(zap_count, 1);
    assert_true(was_zapped(0, 150, 160));
    assert_false(backing_is_changing(backing, 100, 150));
    assert_true(backing_is_changing(backing, 150, 151));
    invalidation_end(&waiting);

    /* Neighbours do not wait: there would be nobody to end it. */
    begin(100, 200);
    invalidation_begin(&waiting, backing, 200, 201);
    invalidation_end(&waiting);
    invalidation_begin(&waiting, backing, 99, 100);
    invalidation_end(&waiting);
    invalidation_end(&invalidation);
}

static void test_a_try_does_not_wait(void **state)
{
    show(0, 1, 0, 1024, 0);
    begin(100, 200);
    zap_count = 0;
    u64 yields = port_host.yields;
    assert_false(invalidation_try_begin(&waiting, backing, 199, 300));
    assert_int_equal(zap_count, 0);
    assert_false(backing_is_changing(backing, 200, 300));
    assert_true(invalidation_try_begin(&waiting, backing, 200, 300));
    assert_int_equal(zap_count, 1);
    assert_int_equal(port_host.yields, yields);
    assert_int_equal(backing_sequence(backing), 0);
    invalidation_end(&waiting);
    invalidation_end(&invalidation);
}

static void insert_a_slot(void)
{
    on_zap = NULL;
    show(1, 7, 4000, 512, 512);
    /* A fault in the new slot is told by the backing, not by a zap. */
    assert_true(backing_is_changing(backing, 600, 601));
    assert_false(may_install(600, LEVEL_4K));
}

static void test_R7_a_slot_that_comes_meanwhile(void **state)
{
    show(0, 1, 0, 1024, 0);
    fault_begins(600);
    on_zap = insert_a_slot;
    begin(600, 610);
    /* VM 1 was looked at after that: it is also zapped. */
    assert_true(was_zapped(0, 600, 610));
    assert_true(was_zapped(1, 4088, 4098));
    /* VM 0 was looked at before: a slot that comes now is not, and its faults wait for the end all the same. */
    show(0, 8, 9000, 512, 512);
    assert_int_equal(zap_count, 2);
    assert_false(may_install(600, LEVEL_4K));
    invalidation_end(&invalidation);
    assert_true(may_install(600, LEVEL_4K));
}

/* The bound: a fault comes through at the first try, however many invalidations of other pages begin and end. */
static void test_R8_a_stream_elsewhere_does_not_matter(void **state)
{
    struct invalidation in_flight;

    fault_begins(600);
    invalidation_begin(&in_flight, backing, 0, 512);
    for (unsigned i = 0; i < 1000; i++) {
        begin(601 + i % 400, 602 + i % 400);
        assert_true(may_install(600, LEVEL_4K));
        invalidation_end(&invalidation);
        assert_true(may_install(600, LEVEL_4K));
        assert_true(may_install(600, LEVEL_2M));
    }
    assert_int_equal(backing_sequence(backing), sequence + 1000);
    invalidation_end(&in_flight);
}

static void test_wrong_use_asserts(void **state)
{
    assert_true(ASSERTS(invalidation_begin(&invalidation, backing, 5, 5)));
    assert_true(ASSERTS(invalidation_begin(&invalidation, backing, 1000, 1025)));
}

#define INVALIDATION_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        INVALIDATION_TEST(test_M7_every_slot_of_every_vm_is_zapped),
        INVALIDATION_TEST(test_R5_nothing_else_is_in_range),
        INVALIDATION_TEST(test_R2_published_before_the_first_zap),
        INVALIDATION_TEST(test_R2_the_whole_leaf_counts),
        INVALIDATION_TEST(test_overlap_is_exact),
        INVALIDATION_TEST(test_an_overlapping_one_waits),
        INVALIDATION_TEST(test_a_try_does_not_wait),
        INVALIDATION_TEST(test_R7_a_slot_that_comes_meanwhile),
        INVALIDATION_TEST(test_R8_a_stream_elsewhere_does_not_matter),
        INVALIDATION_TEST(test_wrong_use_asserts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
