/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of a collapse share: a slot whose pages are small, recoveries, and what others do at each of their steps. */
#ifndef TESTS_UNIT_COLLAPSE_SUPPORT_H
#define TESTS_UNIT_COLLAPSE_SUPPORT_H

#include "mm/dirty_log.h"
#include "mm/invalidation.h"
#include "mm/recover.h"
#include "tests/unit/backing_support.h"
#include "tests/unit/view_support.h"

enum { PAGES = 1024, REGION = 512 };
static struct vm_memory *vm;
static struct vcpu_memory base, a;
static struct backing *backing;

/* What another processor does, and before which atomic operation of the collapse. */
static void (*act)(void);
static u64 act_at, points, acts;
static bool act_anywhere; /* also while something is held */
static bool act_on_slots; /* what is done waits for who reads the slots */

static inline int start(void **state)
{
    begin_with_two(&vm, &base, &a);
    backing = new_backing(PAGES, 0);
    act_anywhere = act_on_slots = false;
    return 0;
}

/* The same on a processor that logs writes. */
static inline int start_logging(void **state)
{
    struct mm_caps caps = port_host_caps;

    caps.log_modifications = true;
    port_host_start(SMALL_RAM);
    mm_init(&caps);
    vm = new_vm();
    vcpu_memory_init(&base, vm);
    vcpu_memory_init(&a, vm);
    backing = new_backing(PAGES, 0);
    act_anywhere = act_on_slots = false;
    return 0;
}

static inline int finish(void **state)
{
    backing_put(backing);
    return end_with_two(vm, &base, &a);
}

static inline void show(u32 id, u64 first, u64 offset, u64 npages, u32 flags)
{
    assert_int_equal(vm_memory_add_slot(vm, id, (gfn_t){ first }, npages, backing, offset, flags, LEVEL_1G), 0);
}

/* Maps all of it and makes it small. */
static inline void map_small(u64 first, u64 npages)
{
    assert_int_equal(vm_memory_populate(vm, (gfn_t){ first }, npages), 0);
    assert_int_equal(vm_memory_split(vm, (gfn_t){ first }, npages, LEVEL_4K), 0);
}

/* Two regions of 4K, at gfn 0. */
static inline void show_small(void)
{
    show(0, 0, 0, PAGES, 0);
    map_small(0, PAGES);
}

static inline struct recover_result recover(u64 first, u64 npages)
{
    struct recover_result result;

    assert_int_equal(vm_memory_recover(vm, (gfn_t){ first }, npages, RECOVER_IN_PLACE, 0, &result), 0);
    return result;
}

static inline struct recover_result recover_all(void)
{
    return recover(0, ~0ull);
}

static inline void assert_level(const struct vcpu_memory *vcpu, u64 first, u64 end, int level)
{
    for (u64 gfn = first; gfn < end; gfn++)
        assert_int_equal(level_of(vcpu, gfn), level);
}

static inline u64 large_leaf(u64 page, u64 permissions)
{
    return ept_leaf(lookup(backing, page).pfn, LEVEL_2M, permissions);
}

static inline void forget(void)
{
    vm_memory_zap(vm, (gfn_t){ 0 }, REGION);
}

static inline u32 make_view(u64 first, u64 npages, u32 permissions)
{
    u32 view = new_view(vm);

    assert_int_equal(protect(vm, view, first, npages, permissions), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    return view;
}

static inline void map_small_in_both(void)
{
    for (u64 gfn = 0; gfn < PAGES; gfn++) {
        fault_by(&base, gfn, ACCESS_READ);
        fault_by(&a, gfn, ACCESS_READ);
    }
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, PAGES, LEVEL_4K), 0);
    drain_caches(vm);
    assert_level(&base, 0, PAGES, LEVEL_4K);
    assert_level(&a, 0, PAGES, LEVEL_4K);
}

static inline u32 readers_of_slots(void)
{
    u32 readers = 0;

    for (unsigned set = 0; set < 2; set++) {
        for (unsigned i = 0; i < STRIPES; i++)
            readers += vm->slots.set[set].readers[i].count;
    }
    return readers;
}

/* Whether another processor could do all of what it does now, without waiting for this one. */
static inline bool is_possible(void)
{
    if (act_anywhere)
        return true;
    return is_free(&vm->spt.lock) && !(act_on_slots && readers_of_slots() != 0);
}

static inline void at_point(const void *word)
{
    if (points++ < act_at || !is_possible())
        return;
    port_host.on_point = NULL;
    port_host_processor = 1;
    act();
    port_host_processor = 0;
    acts++;
    /* The next round begins after this. */
    act_at = points;
}

/* What happens at the first moment from act_at on when it can. False: it ended before. */
static inline bool recover_with(void (*what)(void))
{
    act = what;
    points = acts = 0;
    port_host.on_point = at_point;
    recover_all();
    port_host.on_point = NULL;
    return acts != 0;
}

static inline void log_it(void)
{
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0), 0);
}

/* The slot is logged: each page that is mapped will be seen when it is written, or is in the log. */
static inline void assert_armed(void)
{
    const struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), 0);

    for (u64 gfn = 0; gfn < PAGES; gfn++) {
        u64 entry = *entry_of(&base, gfn);
        bool is_small = level_of(&base, gfn) == LEVEL_4K;

        if (!ept_is_present(entry) ||
            page_set_get(&memslot_log(slot)->written, gfn / PAGE_SET_WORD) >> gfn % PAGE_SET_WORD & 1)
            continue;
        assert_int_equal(entry & (is_small && mm_caps()->log_modifications ? EPT_DIRTY : EPT_WRITE), 0);
    }
}

#define COLLAPSE_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

#endif
