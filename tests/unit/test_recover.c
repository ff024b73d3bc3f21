/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/recover.c: bringing together what is scattered, the lazy way, and who asks for a recovery. */
#include "mm/dirty_log.h"
#include "mm/recover.h"
#include "tests/unit/backing_support.h"
#include "tests/unit/view_support.h"

enum { PAGES = 1024, REGION = 512 };
static struct vm_memory *vm;
static struct vcpu_memory base, a;
static struct backing *backing;

static int start(void **state)
{
    begin_with_two(&vm, &base, &a);
    return 0;
}

static int finish(void **state)
{
    if (backing != NULL)
        backing_put(backing);
    backing = NULL;
    return end_with_two(vm, &base, &a);
}

static void show(struct backing *shown)
{
    backing = shown;
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, backing_pages(backing), backing, 0, 0, LEVEL_1G), 0);
}

static void map(void)
{
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ 0 }, backing_pages(backing)), 0);
}

static struct recover_result recover(enum recover_how how, u64 budget)
{
    struct recover_result result;

    assert_int_equal(vm_memory_recover(vm, (gfn_t){ 0 }, ~0ull, how, budget, &result), 0);
    return result;
}

static void assert_level(u64 first, u64 end, int level)
{
    for (u64 gfn = first; gfn < end; gfn++)
        assert_int_equal(level_of(&base, gfn), level);
}

static void test_C6_what_is_scattered_is_brought_together(void **state)
{
    show(new_scattered(PAGES, 1));
    map();
    assert_int_equal(recover(RECOVER_IN_PLACE, 5).scattered, 2);
    u64 faults = vm_memory_get_stats(vm).faults, frames = frame_get_stats().used[FRAME_GUEST];
    struct recover_result result = recover(RECOVER_COMPACT, 5);
    assert_int_equal(result.compacted, 2);
    assert_int_equal(result.scattered, 0);
    assert_level(0, PAGES, LEVEL_2M);
    assert_int_equal(may(&base, 7), ALL);
    assert_int_equal(vm_memory_get_stats(vm).faults, faults);
    check_content(backing, 0, PAGES, 1);
    check_frames(frames);
    assert_int_equal(vm_memory_get_stats(vm).mapped[LEVEL_4K], 0);
}

/* One copy of a region at a time, and not more of them than was said; what is one piece needs none. */
static void test_the_budget(void **state)
{
    show(new_scattered(PAGES + REGION, 1));
    assert_int_equal(backing_compact(backing, REGION), 0);
    map();
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, PAGES, LEVEL_4K), 0);
    struct recover_result result = recover(RECOVER_COMPACT, 0);
    assert_int_equal(result.compacted, 0);
    assert_int_equal(result.scattered, 2);
    assert_int_equal(result.collapsed, 1);
    assert_true(vm_memory_wants_recovery(vm));
    result = recover(RECOVER_COMPACT, 1);
    assert_int_equal(result.compacted, 1);
    assert_int_equal(result.scattered, 1);
    assert_level(0, PAGES, LEVEL_2M);
    assert_level(PAGES, PAGES + REGION, LEVEL_4K);
    assert_true(vm_memory_wants_recovery(vm));
    result = recover(RECOVER_COMPACT, 2);
    assert_int_equal(result.compacted, 1);
    assert_level(0, PAGES + REGION, LEVEL_2M);
    assert_false(vm_memory_wants_recovery(vm));
    check_content(backing, 0, PAGES + REGION, 1);
}

/* What the balloon took stays with the machine. */
static void test_holes_stay_holes(void **state)
{
    show(new_scattered(PAGES, 1));
    map();
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ 100 }, 1), 0);
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ REGION }, 1), 0);
    u64 frames = frame_get_stats().used[FRAME_GUEST];
    struct recover_result result = recover(RECOVER_COMPACT, 5);
    assert_int_equal(result.compacted, 0);
    assert_int_equal(result.absent, 2);
    check_frames(frames);
    assert_false(has_frame(backing, 100) || has_frame(backing, REGION));
    assert_int_equal(level_of(&base, 7), LEVEL_4K);
}

static void test_shared_frames_stay(void **state)
{
    struct backing *second = new_scattered(REGION, 1);

    show(new_scattered(REGION, 1));
    assert_int_equal(backing_share(backing, 9, second, 9), 0);
    map();
    u64 frames = frame_get_stats().used[FRAME_GUEST];
    struct recover_result result = recover(RECOVER_COMPACT, 5);
    assert_int_equal(result.shared, 1);
    assert_int_equal(result.compacted + result.scattered, 0);
    check_shared(backing, second, 9, 10);
    check_frames(frames);
    backing_put(second);
    /* The other one is gone: the frame is this one's again. */
    assert_int_equal(recover(RECOVER_COMPACT, 5).compacted, 1);
    check_content(backing, 0, REGION, 1);
}

static void test_all_shared_in_place(void **state)
{
    show(new_scattered(REGION, 1));
    struct backing *clone = clone_of(backing);
    map();
    struct recover_result result = recover(RECOVER_IN_PLACE, 0);
    assert_int_equal(result.shared, 1);
    assert_int_equal(result.scattered, 0);
    backing_put(clone);
}

static void test_no_block_is_free(void **state)
{
    show(new_scattered(REGION, 1));
    map();
    drain_caches(vm);
    port_host_take_all_but(20);
    struct recover_result result = recover(RECOVER_COMPACT, 5);
    port_host_give_back();
    assert_int_equal(result.scattered, 1);
    assert_int_equal(result.compacted, 0);
    check_content(backing, 0, REGION, 1);
}

static void test_lazily(void **state)
{
    struct backing *piece = new_content(PAGES + REGION, 1);

    for (u64 page = PAGES; page < PAGES + REGION; page++)
        assert_int_equal(backing_migrate(piece, PAGES + (page * 7) % REGION), 0);
    show(piece);
    map();
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, REGION, LEVEL_4K), 0);
    struct vm_memory_stats before = vm_memory_get_stats(vm);
    struct recover_result result = recover(RECOVER_LAZILY, 0);
    assert_int_equal(result.dropped, 1);
    assert_int_equal(result.collapsed, 0);
    assert_int_equal(result.scattered, 1);
    assert_level(0, REGION, 0);
    /* What is large already, and what cannot be, stays. */
    assert_level(REGION, PAGES, LEVEL_2M);
    assert_level(PAGES, PAGES + REGION, LEVEL_4K);
    assert_int_equal(vm_memory_get_stats(vm).collapses, before.collapses);
    assert_int_equal(fault_by(&base, 9, ACCESS_READ), FAULT_INSTALLED);
    assert_level(0, REGION, LEVEL_2M);
    check_content(backing, 0, PAGES + REGION, 1);
}

/* What stays lies on both sides of what goes. */
static void test_lazily_in_the_middle(void **state)
{
    show(new_backing(4 * REGION, 0));
    map();
    assert_int_equal(vm_memory_split(vm, (gfn_t){ REGION }, 2 * REGION, LEVEL_4K), 0);
    assert_int_equal(recover(RECOVER_LAZILY, 0).dropped, 2);
    assert_level(0, REGION, LEVEL_2M);
    assert_level(REGION, 3 * REGION, 0);
    assert_level(3 * REGION, 4 * REGION, LEVEL_2M);
}

/* Regions side by side go together: with one flush. */
static void test_lazily_many(void **state)
{
    show(new_backing(5 * REGION, 0));
    map();
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, 5 * REGION, LEVEL_4K), 0);
    port_host.kicks = 0;
    assert_int_equal(recover(RECOVER_LAZILY, 0).dropped, 5);
    assert_int_equal(port_host.kicks, 1);
    assert_level(0, 5 * REGION, 0);
}

static void test_C2_in_every_way(void **state)
{
    static const enum recover_how ways[] = { RECOVER_IN_PLACE, RECOVER_COMPACT, RECOVER_LAZILY };

    show(new_scattered(PAGES, 1));
    assert_int_equal(backing_compact(backing, 0), 0);
    map();
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct recover_result result = recover(ways[i], 5);

        assert_int_equal(result.logged, 2);
        assert_int_equal(result.collapsed + result.compacted + result.dropped, 0);
        assert_level(0, PAGES, LEVEL_4K);
    }
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
    assert_int_equal(recover(RECOVER_LAZILY, 0).dropped, 1);
    assert_int_equal(recover(RECOVER_COMPACT, 5).compacted, 1);
}

static void test_who_asks_for_a_recovery(void **state)
{
    struct recover_result result;
    u32 view;

    show(new_backing(PAGES, 0));
    map();
    assert_false(vm_memory_wants_recovery(vm));
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
    assert_false(vm_memory_wants_recovery(vm));
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
    assert_true(vm_memory_wants_recovery(vm));
    /* A part is not everything. */
    assert_int_equal(vm_memory_recover(vm, (gfn_t){ 0 }, PAGES, RECOVER_IN_PLACE, 0, &result), 0);
    assert_int_equal(vm_memory_recover(vm, (gfn_t){ 1 }, ~0ull, RECOVER_IN_PLACE, 0, &result), 0);
    assert_true(vm_memory_wants_recovery(vm));
    recover(RECOVER_IN_PLACE, 0);
    assert_false(vm_memory_wants_recovery(vm));
    assert_int_equal(vm_memory_balloon(vm, (gfn_t){ 0 }, 1), 0);
    assert_true(vm_memory_wants_recovery(vm));
    recover(RECOVER_IN_PLACE, 0);
    view = new_view(vm);
    assert_int_equal(vm_memory_drop_view(vm, view + 1), -ENOENT);
    assert_false(vm_memory_wants_recovery(vm));
    assert_int_equal(vm_memory_drop_view(vm, view), 0);
    assert_true(vm_memory_wants_recovery(vm));
}

static void want(void)
{
    port_host.on_yield = NULL;
    vm_want_recovery(vm, true);
}

/* What ends while a recovery is on its way is asked for again. */
static void test_asked_for_meanwhile(void **state)
{
    show(new_backing(PAGES, 0));
    port_host.on_yield = want;
    recover(RECOVER_IN_PLACE, 0);
    assert_true(vm_memory_wants_recovery(vm));
}

static void test_no_such_way(void **state)
{
    struct recover_result result = { .edges = 77 };

    show(new_backing(PAGES, 0));
    map();
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, PAGES, LEVEL_4K), 0);
    assert_int_equal(vm_memory_recover(vm, (gfn_t){ 0 }, ~0ull, (enum recover_how)3, 0, &result), -EINVAL);
    assert_int_equal(result.edges, 77);
    assert_level(0, PAGES, LEVEL_4K);
}

/* A guest writes while its memory is copied: nothing is lost, and the copy is what is mapped. */
static u64 written;

static void write_meanwhile(void)
{
    u64 gfn = written % PAGES, value = 5000 + gfn;

    if (fault_by(&a, gfn, ACCESS_WRITE) == FAULT_RETRY || !(may(&a, gfn) & ACCESS_WRITE))
        return;
    u64 *words = port_frame_address(
        (pfn_t){ ept_frame(*entry_of(&a, gfn)).v + (level_of(&a, gfn) == LEVEL_2M ? gfn % REGION : 0) });
    for (u64 i = 0; i < WORDS; i++)
        words[i] = value * (i + 1);
    written += 171;
}

static void test_C8_a_guest_that_writes(void **state)
{
    show(new_scattered(PAGES, 1));
    map();
    written = 0;
    port_host.on_yield = write_meanwhile;
    assert_int_equal(recover(RECOVER_COMPACT, 5).compacted, 2);
    port_host.on_yield = NULL;
    assert_true(written != 0);
    for (u64 page = 0; page < PAGES; page++) {
        bool is_new = page % 171 == 0 && page < written;

        assert_int_equal(content(backing, page), is_new ? 5000 + page : 1 + page);
    }
    assert_level(0, PAGES, LEVEL_2M);
}

#define RECOVER_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECOVER_TEST(test_C6_what_is_scattered_is_brought_together),
        RECOVER_TEST(test_the_budget),
        RECOVER_TEST(test_holes_stay_holes),
        RECOVER_TEST(test_shared_frames_stay),
        RECOVER_TEST(test_all_shared_in_place),
        RECOVER_TEST(test_no_block_is_free),
        RECOVER_TEST(test_lazily),
        RECOVER_TEST(test_lazily_in_the_middle),
        RECOVER_TEST(test_lazily_many),
        RECOVER_TEST(test_C2_in_every_way),
        RECOVER_TEST(test_who_asks_for_a_recovery),
        RECOVER_TEST(test_asked_for_meanwhile),
        RECOVER_TEST(test_no_such_way),
        RECOVER_TEST(test_C8_a_guest_that_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
