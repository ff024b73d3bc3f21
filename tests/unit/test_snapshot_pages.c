/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/backing_save.c and mm/snapshot_reset.c: pages that are not simply there: holes, frames that others have too, pages that
 * were lost, pages that two slots show.
 */
#include "tests/unit/snapshot_support.h"

#include "mm/snapshot_internal.h"

/* Memory that is not there is zeros, on the way in every direction. */
static void test_holes(void **state)
{
    enum { HOLE = PAGES_0 + 1 }; /* nobody has touched it */
    struct model a_model, b_model, c_model;
    struct snapshot *a = take(&a_model), *b, *c;

    assert_false(has_frame(backings[1], page_of(HOLE)));
    /* The region is one hole, and becomes one piece while its pages are looked at. */
    balloon(512, 512);
    assert_int_equal(reset(a, &a_model), 512);
    guest_write(HOLE);
    balloon(100, 20);
    balloon(512, 512);
    b = take(&b_model);
    balloon(HOLE, 1);
    guest_write(100);
    guest_write(600);
    c = take(&c_model);
    for (unsigned i = 0; i < 2; i++) {
        reset(a, &a_model);
        reset(b, &b_model);
        reset(c, &c_model);
        reset(a, &a_model);
        reset(c, &c_model);
        reset(b, &b_model);
        balloon(0, 1024);
        balloon(PAGES_0, PAGES_1);
    }
    reset(b, &b_model);
    /* Zeros that somebody else has too become a hole again. */
    struct backing *other = new_backing(1, 0);
    host_write(100);
    assert_int_equal(vm_memory_zero(vm, gfn_to_gpa(gfn_of(100)), PAGE_SIZE), 0);
    assert_int_equal(backing_share(backings[0], 100, other, 0), 0);
    reset(b, &b_model);
    assert_false(has_frame(backings[0], 100));
    backing_put(other);
    snapshot_drop(a);
    reset(c, &c_model);
    reset(b, &b_model);
    /* The pages of the first one are holes where the second one has them so. */
    snapshot_drop(b);
    reset(c, &c_model);
}

/* A page whose frame is somebody else's too gets one of its own. */
static void test_frames_of_others(void **state)
{
    struct model first;
    struct snapshot *snapshot = take(&first);
    struct backing *other, *clone;

    guest_write(3);
    guest_write(4);
    guest_write(PAGES_0 + 1);
    other = new_backing(1, 0);
    put_content(other, 0, model[3]);
    assert_int_equal(backing_share(backings[0], 3, other, 0), 0);
    clone = clone_of(backings[1]);
    u64 in_clone = model[PAGES_0 + 1], in_other = model[3];
    assert_int_equal(reset(snapshot, &first), 3);
    assert_int_equal(content(clone, page_of(PAGES_0 + 1)), in_clone);
    assert_int_equal(content(other, 0), in_other);
    assert_true(lookup(backings[0], 3).writable);
    backing_put(clone);
    backing_put(other);
    /* Moved, and brought together: still what it was. */
    guest_write(3);
    assert_int_equal(backing_migrate(backings[0], 3), 0);
    assert_int_equal(backing_migrate(backings[0], 9), 0);
    for (u64 index = 512; index < 1024; index++)
        guest_write(index);
    assert_int_equal(backing_compact(backings[0], 600), 0);
    assert_int_equal(reset(snapshot, &first), 513);
    /* The frame that the snapshot leads to, again by way of another page. */
    guest_write(20);
    guest_writes(20, first.values[20]);
    const struct snapshot_slot *slot = snapshot_next_slot(snapshot, NULL);
    assert_int_equal(backing_share(slot->store, 20, backings[0], 20), 0);
    struct snapshot_result result;
    assert_int_equal(snapshot_reset(snapshot, &result), 0);
    assert_int_equal(result.examined, 1);
    assert_int_equal(result.restored, 0);
    check_all();
}

static void test_lost_pages(void **state)
{
    struct model first;
    struct snapshot_result result;
    struct backing_page found;

    /* Lost before the snapshot was taken, it stays so; or until it was written again, and then there is no way back. */
    assert_int_equal(memory_retire(lookup(backings[0], 700).pfn, false), 0);
    first = remember();
    struct snapshot *snapshot, *below;
    assert_int_equal(snapshot_take(vm, &snapshot), 0);
    page_set_add(snapshot_next_slot(snapshot->all->draft, NULL)->delta, 700);
    assert_int_equal(snapshot_reset(snapshot, &result), 0);
    assert_int_equal(backing_lookup(backings[0], 700, &found), -EIO);
    /* What is saved of it is that it is lost. */
    page_set_add(snapshot_next_slot(snapshot->all->draft, NULL)->delta, 700);
    assert_int_equal(snapshot_take(vm, &below), 0);
    page_set_add(snapshot_next_slot(snapshot->all->draft, NULL)->delta, 700);
    assert_int_equal(snapshot_reset(below, &result), 0);
    balloon(700, 1);
    guest_write(701);
    assert_int_equal(snapshot_reset(snapshot, &result), -EIO);
    guest_write(700);
    assert_int_equal(snapshot_reset(snapshot, &result), -EIO);
    assert_int_equal(snapshot_reset(below, &result), -EIO);
    snapshot_drop(below);
    /* Lost afterwards, it comes back. */
    guest_write(5);
    guest_write(PAGES_0 + 1);
    assert_int_equal(memory_retire(lookup(backings[0], 5).pfn, false), 0);
    assert_int_equal(memory_retire(lookup(backings[1], page_of(PAGES_0 + 1)).pfn, false), 0);
    assert_int_equal(snapshot_reset(snapshot, &result), -EIO);
    balloon(700, 1);
    guest_writes(700, 0);
    snapshot_drop(snapshot);
    balloon(5, 1);
    balloon(PAGES_0 + 1, 1);
    snapshot = take(&first);
    guest_write(6);
    guest_write(PAGES_0 + 1);
    assert_int_equal(memory_retire(lookup(backings[0], 6).pfn, false), 0);
    assert_int_equal(memory_retire(lookup(backings[1], page_of(PAGES_0 + 1)).pfn, false), 0);
    reset(snapshot, &first);
    reset(snapshot, &first);
}

/* A backing of one page has no tables at all. */
static void test_one_page(void **state)
{
    struct backing *single = new_backing(1, 0);
    struct model first;
    u64 value = 5, found;

    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ 1 << 20 }, 1, single, 0, 0, LEVEL_4K), 0);
    assert_int_equal(vm_memory_write(vm, (gpa_t){ 1ull << 32 }, &value, 8), 0);
    struct snapshot *snapshot = take(&first);
    value = 6;
    assert_int_equal(vm_memory_write(vm, (gpa_t){ 1ull << 32 }, &value, 8), 0);
    assert_int_equal(reset(snapshot, &first), 1);
    assert_int_equal(vm_memory_read(vm, (gpa_t){ 1ull << 32 }, &found, 8), 0);
    assert_int_equal(found, 5);
    /* Given up, too. */
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ 1 << 20 }, 1), 0);
    assert_int_equal(reset(snapshot, &first), 1);
    assert_int_equal(vm_memory_read(vm, (gpa_t){ 1ull << 32 }, &found, 8), 0);
    assert_int_equal(found, 5);
    backing_put(single);
}

/* Two slots that show the same pages: what is written through one is written in the other. */
static void test_two_looks_at_one_backing(void **state)
{
    struct model a_model, b_model;
    struct snapshot *a, *b;
    u64 word;

    assert_int_equal(vm_memory_add_slot(vm, 2, (gfn_t){ 1 << 20 }, 300, backings[0], 50, 0, LEVEL_1G), 0);
    assert_int_equal(vm_memory_add_slot(vm, 3, (gfn_t){ 2 << 20 }, 20, backings[1], 20, 0, LEVEL_1G), 0);
    a = take(&a_model);
    guest_write(60);
    guest_write(400);
    /* Both logs have this one. */
    assert_int_equal(vm_memory_write(vm, (gpa_t){ ((1 << 20) + 10) * PAGE_SIZE }, &model[60], 8), 0);
    b = take(&b_model);
    /* Through the other one, which did not have it in its log before. */
    for (u64 i = 0; i < WORDS; i++) {
        word = 12345 * (i + 1);
        assert_int_equal(vm_memory_write(vm, (gpa_t){ ((1 << 20) + 10) * PAGE_SIZE + 8 * i }, &word, 8), 0);
    }
    assert_int_equal(content(backings[0], 60), 12345);
    reset(b, &b_model);
    reset(a, &a_model);
    reset(b, &b_model);
    snapshot_drop(a);
    reset(b, &b_model);
    write_many(0, 30);
    reset(b, &b_model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_holes),
        BOTH(test_frames_of_others),
        { "test_lost_pages", test_lost_pages, start_protect, finish, NULL },
        BOTH(test_one_page),
        BOTH(test_two_looks_at_one_backing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
