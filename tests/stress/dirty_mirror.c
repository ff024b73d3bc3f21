/* SPDX-License-Identifier: BSD-2-Clause */
/* Who reads the log, as a migration does: see tests/stress/dirty_world.h. */
#include "tests/stress/dirty_world.h"

static struct {
    u64 words[PAGES][DIRTY_THREADS];
    struct page_set *report;  /* gfns, wide enough for wherever a slot is */
    struct vm_memory *viewer; /* shows page n of the backing at gfn n */
    bool manual[SLOTS];
    u64 reports;
} mirror;

enum { REPORT_END = 32768 };

static void copy_page(u64 page)
{
    u64 words[PAGE_WORDS];

    int error =
        vm_memory_read(mirror.viewer, gfn_to_gpa((gfn_t){ page }), words, DIRTY_THREADS * WORD_STEP * sizeof(u64));
    STRESS_CHECK(error == 0);
    for (unsigned i = 0; i < DIRTY_THREADS; i++)
        mirror.words[page][i] = words[i * WORD_STEP];
}

static void copy_slot(unsigned slot)
{
    for (u64 i = 0; i < dirty_slots[slot].npages; i++)
        copy_page(dirty_slots[slot].offset + i);
}

/* All that the report says, and then it is empty. */
static void copy_report(void)
{
    struct page_set *report = mirror.report;

    for (u64 word = page_set_next(report, 0); word != PAGE_SET_END; word = page_set_next(report, word + 1)) {
        for (u64 bits = page_set_take(report, word, ~0ull); bits != 0; bits &= bits - 1) {
            u64 page;

            STRESS_CHECK(dirty_decode((gfn_t){ word * 64 + (u64)__builtin_ctzll(bits) }, &page));
            copy_page(page);
        }
    }
    mirror.reports++;
}

static void harvest(unsigned slot, gfn_t first, u64 npages)
{
    STRESS_CHECK(vm_memory_harvest(dirty_world.vm, slot, DIRTY_OPERATOR, first, npages, mirror.report) == 0);
    if (mirror.manual[slot])
        STRESS_CHECK(vm_memory_rearm(dirty_world.vm, slot, DIRTY_OPERATOR, mirror.report) == 0);
    copy_report();
}

static void start_log(unsigned slot, u64 *seed)
{
    u32 flags = (u32)random_below(seed, 8);
    int error;

    while (error = vm_memory_start_log(dirty_world.vm, slot, DIRTY_OPERATOR, flags), error == -EBUSY)
        port_yield();
    STRESS_CHECK(error == 0);
    mirror.manual[slot] = flags & DIRTY_MANUAL;
    copy_slot(slot);
}

static void stop_log(unsigned slot)
{
    int error;

    while (error = vm_memory_stop_log(dirty_world.vm, slot, DIRTY_OPERATOR), error == -EBUSY)
        port_yield();
    STRESS_CHECK(error == 0);
}

void dirty_mirror_step(u64 *seed)
{
    unsigned slot = (unsigned)random_below(seed, SLOTS);
    u64 at = random_below(seed, dirty_slots[slot].npages);

    switch (random_below(seed, 16)) {
    case 0:
        stop_log(slot);
        start_log(slot, seed);
        break;
    case 1 ... 5:
        harvest(slot, (gfn_t){ dirty_slots[slot].base[chance(seed, 2)].v + at }, 1 + random_below(seed, 100));
        break;
    case 6 ... 9:
        if (mirror.manual[0] || mirror.manual[1] || mirror.manual[2])
            break;
        vm_memory_reap(dirty_world.vm, DIRTY_OPERATOR, 1 + random_below(seed, 2000), mirror.report);
        copy_report();
        break;
    default:
        harvest(slot, (gfn_t){ 0 }, REPORT_END);
    }
    /* Whoever waits for room in a ring waits for this. */
    vm_memory_reap(dirty_world.vm, DIRTY_OPERATOR, REPORT_END, mirror.report);
    copy_report();
}

void dirty_mirror_begin(u64 *seed)
{
    STRESS_CHECK(page_set_create(0, REPORT_END, false, &mirror.report) == 0);
    STRESS_CHECK(vm_memory_create(&mirror.viewer) == 0);
    STRESS_CHECK(vm_memory_add_slot(mirror.viewer, 0, (gfn_t){ 0 }, PAGES, dirty_world.backing, 0, 0, LEVEL_2M) == 0);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        start_log(slot, seed);
}

void dirty_mirror_end(void)
{
    vm_memory_destroy(mirror.viewer);
    page_set_destroy(mirror.report);
}

void dirty_compare(void)
{
    u64 words[PAGE_WORDS];

    for (unsigned slot = 0; slot < SLOTS; slot++)
        harvest(slot, (gfn_t){ 0 }, REPORT_END);
    for (u64 page = 0; page < PAGES; page++) {
        STRESS_CHECK(vm_memory_read(mirror.viewer, gfn_to_gpa((gfn_t){ page }), words, PAGE_SIZE) == 0);
        for (unsigned i = 0; i < DIRTY_THREADS; i++)
            STRESS_CHECK(mirror.words[page][i] == words[i * WORD_STEP]);
    }
}

u64 dirty_reports(void)
{
    return mirror.reports;
}
