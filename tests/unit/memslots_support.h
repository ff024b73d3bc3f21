/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of mm/memslots.c share: one struct memslots, and one backing that all slots show. */
#ifndef TESTS_UNIT_MEMSLOTS_SUPPORT_H
#define TESTS_UNIT_MEMSLOTS_SUPPORT_H

#include "tests/unit/mm_support.h"

#include "mm/memslots.h"

enum { SPACE = 512 };

static struct memslots slots;
static struct backing *backing;

/* What a change that waits meets, unless a test has a reader that leaves. */
static inline void nobody_to_wait_for(void)
{
    fail_msg("a change waits, and nobody reads");
}

static inline int start(void **state)
{
    port_host_start(SMALL_RAM);
    memslots_init(&slots);
    backing = new_backing(SPACE, BACKING_ON_DEMAND);
    port_host.on_yield = nobody_to_wait_for;
    return 0;
}

static inline int finish(void **state)
{
    port_host.on_yield = NULL;
    backing_put(backing);
    port_host_stop();
    return 0;
}

#define SLOTS_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

static inline struct memslot wanted_slot(u32 id, u64 base, u64 npages, u64 offset)
{
    return (struct memslot){
        .id = id, .base = { base }, .npages = npages, .largest = LEVEL_1G, .backing = backing, .offset = offset
    };
}

static inline struct memslot *add(u32 id, u64 base, u64 npages, u64 offset)
{
    struct memslot wanted = wanted_slot(id, base, npages, offset);
    struct memslot *slot = memslot_create(&wanted);

    assert_non_null(slot);
    assert_int_equal(memslots_begin_change(&slots), 0);
    memslots_insert(&slots, slot);
    memslots_end_change(&slots);
    return slot;
}

/* What a reader finds at `gfn` now. */
static inline struct memslot *find(u64 gfn)
{
    struct memslot_set *set = memslots_read_begin(&slots);
    struct memslot *slot = memslots_find(set, (gfn_t){ gfn });

    memslots_read_end(set);
    return slot;
}

static inline void drop(struct memslot *slot)
{
    assert_int_equal(memslots_begin_change(&slots), 0);
    memslots_invalidate(&slots, slot);
    assert_true(memslots_is_invalid(memslots_active(&slots), slot));
    assert_ptr_equal(find(slot->base.v), slot);
    memslots_remove(&slots, slot);
    memslots_end_change(&slots);
    memslot_destroy(slot);
}

#endif
