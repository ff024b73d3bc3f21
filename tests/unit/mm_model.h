/* SPDX-License-Identifier: BSD-2-Clause */
/* The flat model that tests/unit/test_mm_random.c compares the memory core with: bytes of backings, and slots in arrays. */
#ifndef TESTS_UNIT_MM_MODEL_H
#define TESTS_UNIT_MM_MODEL_H

#include "tests/unit/mm_support.h"

enum { VMS = 2, SLOTS = 8, BACKINGS = 4, MAX_PAGES = 1200, SPACE = 4096, LOW_MEMORY = 8, SPLIT_TABLES = 16 };

struct model_backing {
    struct backing *backing; /* NULL: there is none */
    u64 npages;
    u8 (*content)[PAGE_SIZE];
};

struct model_slot {
    struct model_backing *backing; /* NULL: there is none */
    u64 base, npages, offset;
    bool read_only;
};

struct model_vm {
    struct vm_memory *vm;
    struct model_slot slots[SLOTS];
    bool limited; /* it has a limit of tables */
    u64 last;     /* where a range began */
};

static struct model_vm vms[VMS];
static struct model_backing backings[BACKINGS];
static u64 seed;
static bool scarce; /* port_host_take_all_but() is in force */

/* What is mapped here at all may be read; a device's marker may not, whatever bits it has. */
static inline bool walk(const struct model_vm *model, u64 gfn, u64 needed, pfn_t *pfn, enum level *level)
{
    return ept_walk(model->vm, (gfn_t){ gfn }, needed | EPT_READ, pfn, level);
}

static inline u64 below(u64 limit)
{
    return random_below(&seed, limit);
}

/* Mostly a multiple of 512, sometimes a few pages beside it, sometimes anything. */
static inline u64 random_page(u64 limit)
{
    u64 page = below(4) == 0 ? below(limit) : below(limit) / 512 * 512 + (below(3) == 0 ? below(3) : 0);

    return page < limit ? page : limit - 1;
}

static inline struct model_slot *slot_at(struct model_vm *model, u64 gfn)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct model_slot *slot = &model->slots[i];

        if (slot->backing != NULL && gfn >= slot->base && gfn < slot->base + slot->npages)
            return slot;
    }
    return NULL;
}

/* Near by, or where no table is shared with anything else. */
static inline u64 random_base(void)
{
    return random_page(SPACE) + (below(3) ? below(8) << 27 : 0);
}

/* Mostly within a slot, if there is one. */
static inline u64 random_gfn(const struct model_vm *model)
{
    const struct model_slot *slot = &model->slots[below(SLOTS)];

    if (slot->backing == NULL || below(5) == 0)
        return below(SPACE + MAX_PAGES);
    return slot->base + below(slot->npages);
}

static inline u8 *content_at(const struct model_slot *slot, u64 gfn)
{
    return slot->backing->content[slot->offset + gfn - slot->base];
}

/* Whether another slot than `own` has a part of the range. */
static inline bool is_taken(struct model_vm *model, const struct model_slot *own, u64 base, u64 npages)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct model_slot *slot = &model->slots[i];

        if (slot != own && slot->backing != NULL && slot->base < base + npages && base < slot->base + slot->npages)
            return true;
    }
    return false;
}

/* Where a walk for `gfn` ends. */
static inline struct spt_iter stop_at(struct vm_memory *vm, u64 gfn)
{
    struct spt_iter it;

    spt_iter_start(&it, &vm->spt, vm->spt.base->page, (gfn_t){ gfn });
    while (ept_is_table(it.old, it.level))
        spt_iter_down(&it, (gfn_t){ gfn });
    return it;
}

static inline u64 mapped_pages(const struct vm_memory *vm)
{
    struct vm_memory_stats stats = vm_memory_get_stats(vm);

    return stats.mapped[LEVEL_4K] + 512 * stats.mapped[LEVEL_2M];
}

/* No page of the range has `permissions`, or none of it is in a larger page than `largest`. */
static inline void assert_range(const struct model_vm *model, u64 first, u64 npages, u64 permissions,
                                enum level largest)
{
    for (u64 gfn = first; gfn < first + npages; gfn++) {
        enum level level;
        pfn_t pfn;

        if (walk(model, gfn, permissions, &pfn, &level))
            assert_true(level <= largest);
    }
}

/* Nothing else may fail. */
static u64 refused;

static inline void assert_memory_is_low(void)
{
    assert_true(frame_get_stats().free <= LOW_MEMORY);
    refused++;
}

/* What is marked a device is one, however often the slots have changed since (G7). */
static u64 marked[64], marks;

static inline void check_devices(void)
{
    struct vcpu_memory vcpu;

    vcpu_memory_init(&vcpu, vms[0].vm);
    for (unsigned i = 0; i < 64; i++) {
        if (vm_memory_is_device(&vcpu, gfn_to_gpa((gfn_t){ marked[i] })))
            assert_null(slot_at(&vms[0], marked[i]));
    }
    vcpu_memory_destroy(&vcpu);
}

#endif
