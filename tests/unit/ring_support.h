/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the rings of dirty logs share. */
#ifndef TESTS_UNIT_RING_SUPPORT_H
#define TESTS_UNIT_RING_SUPPORT_H

#include "mm/dirty_ring.h"
#include "tests/unit/dirty_support.h"

enum { SIZE = DIRTY_RING_MIN, FIRST = 100, PAGES = 2 * SIZE, OTHER_SLOT = 4096 };

/* A ring for the first processor, and a slot that is logged. */
static inline void start_ring(void)
{
    show(FIRST, PAGES, 0, LEVEL_4K);
    assert_int_equal(vcpu_memory_open_ring(&cpus[0].vcpu, SIZE), 0);
    start_log(0);
}

/* A stay in the guest in which it writes to one page. */
static inline void write_page(unsigned cpu, u64 gfn)
{
    guest_write(&cpus[cpu], gfn);
    leave(&cpus[cpu]);
}

static inline void write_pages(unsigned cpu, u64 first, u64 count)
{
    for (u64 gfn = first; gfn < first + count; gfn++)
        write_page(cpu, gfn);
}

static inline u64 entries(unsigned cpu)
{
    const struct dirty_ring *ring = cpus[cpu].vcpu.ring;

    return ring->head - ring->tail;
}

static inline struct page_set *new_report(u64 first, u64 end)
{
    struct page_set *report;

    assert_int_equal(page_set_create(first, end, false, &report), 0);
    return report;
}

/* The mirror is DIRTY_OPERATOR's. */
static inline void copy_reported(const struct page_set *report)
{
    for (u64 page = 0; page < pages; page++) {
        if (page_set_has(report, base + page))
            mirror[page] = content_of_page(page);
    }
}

/* What is reaped is `count` entries, and exactly the pages [first, first + npages). */
static inline void assert_reaps(enum dirty_user user, u64 max, u64 count, u64 first, u64 npages)
{
    struct page_set *report = new_report(0, SPACE);

    leave_all();
    assert_int_equal(vm_memory_reap(vm, user, max, report), count);
    assert_int_equal(page_set_count(report), npages);
    for (u64 gfn = first; gfn < first + npages; gfn++)
        assert_true(page_set_has(report, gfn));
    if (user == DIRTY_OPERATOR)
        copy_reported(report);
    page_set_destroy(report);
}

#endif
