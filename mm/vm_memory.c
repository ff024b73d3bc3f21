/* SPDX-License-Identifier: BSD-2-Clause */
/* VMs and the changes of their slots. Faults are mm/fault.c, the hypervisor's own accesses mm/guest_access.c. */
#include "mm/vm_memory.h"

#include "mm/atomic.h"
#include "mm/pool.h"
#include "mm/vm.h"

POOL(vm_pool, struct vm_memory);

static struct list_node vms = LIST_EMPTY(vms);
static struct mm_caps capabilities;

void mm_init(const struct mm_caps *caps)
{
    assert((caps->levels == 4 || caps->levels == 5) && caps->physical_bits > PAGE_SHIFT && caps->physical_bits <= 52);
    assert(list_is_empty(&vms));
    capabilities = *caps;
}

const struct mm_caps *mm_caps(void)
{
    return &capabilities;
}

u64 vm_memory_overhead(u64 npages)
{
    /* At each level a slot can begin and end inside a table. */
    enum { SLOTS = 4, PARTS = 2 * SLOTS };
    u64 tables = 1;

    for (enum level level = LEVEL_2M; level <= LEVEL_512G; level++)
        tables += npages / level_pages(level) + PARTS;
    /* A table's record takes a part of a frame, and its place in mm/frame_record.c a frame at the most. */
    return 3 * tables;
}

int vm_memory_create(struct vm_memory **vm)
{
    struct vm_memory *created = pool_alloc(&vm_pool);

    assert(capabilities.levels != 0);
    if (created == NULL)
        return -ENOMEM;
    memslots_init(&created->slots);
    if (spt_create(&created->spt, created, capabilities.levels) != 0) {
        pool_free(&vm_pool, created);
        return -ENOMEM;
    }
    list_add(&vms, &created->link);
    *vm = created;
    return 0;
}

void vm_memory_destroy(struct vm_memory *vm)
{
    struct memslot *slot;

    spt_destroy(&vm->spt);
    list_remove(&vm->link);
    if (memslots_begin_change(&vm->slots) != 0)
        assert(!"somebody still uses the VM");
    while (slot = memslots_first(&vm->slots, vm->slots.active), slot != NULL) {
        memslots_invalidate(&vm->slots, slot);
        memslots_remove(&vm->slots, slot);
        memslot_destroy(slot);
    }
    pool_free(&vm_pool, vm);
}

/* The first gfn that no guest of this processor can have. */
static u64 gfn_limit(const struct vm_memory *vm)
{
    u64 limit = 1ull << (capabilities.physical_bits - PAGE_SHIFT);

    return limit < spt_end(&vm->spt).v ? limit : spt_end(&vm->spt).v;
}

static bool range_ends_within(u64 first, u64 count, u64 limit)
{
    return first <= limit && count <= limit - first;
}

int vm_memory_add_slot(struct vm_memory *vm, u32 id, gfn_t base, u64 npages, struct backing *backing, u64 offset,
                       u32 flags, enum level largest)
{
    if (npages == 0 || !range_ends_within(base.v, npages, gfn_limit(vm)) ||
        !range_ends_within(offset, npages, backing_pages(backing)) || (flags & ~(u32)MEMSLOT_READ_ONLY) != 0 ||
        largest < LEVEL_4K || largest > LEVEL_1G)
        return -EINVAL;

    struct memslot wanted = { .id = id,
                              .flags = flags,
                              .largest = largest,
                              .base = base,
                              .npages = npages,
                              .backing = backing,
                              .offset = offset };
    int error = memslots_begin_change(&vm->slots);
    if (error != 0)
        return error;
    error = memslots_check(&vm->slots, &wanted);
    if (error == 0) {
        struct memslot *slot = memslot_create(&wanted);

        if (slot != NULL)
            memslots_insert(&vm->slots, slot);
        else
            error = -ENOMEM;
    }
    memslots_end_change(&vm->slots);
    return error;
}

int vm_memory_remove_slot(struct vm_memory *vm, u32 id)
{
    int error = memslots_begin_change(&vm->slots);

    if (error != 0)
        return error;
    struct memslot *slot = memslots_find_id(&vm->slots, id);
    if (slot != NULL) {
        /* From here on no fault maps anything of it; what is mapped goes; then nothing can find it (M3). */
        memslots_invalidate(&vm->slots, slot);
        spt_zap_all(&vm->spt, slot->base, memslot_end(slot));
        memslots_remove(&vm->slots, slot);
        memslot_destroy(slot);
    }
    memslots_end_change(&vm->slots);
    return slot != NULL ? 0 : -ENOENT;
}

pfn_t vm_memory_root(const struct vm_memory *vm)
{
    return vm->spt.root->frame;
}

struct vm_memory_stats vm_memory_get_stats(const struct vm_memory *vm)
{
    struct vm_memory_stats stats = {
        .faults = counter_read(&vm->faults),
        .faults_installed = counter_read(&vm->faults_installed),
        .faults_spurious = counter_read(&vm->faults_spurious),
        .tables = counter_read(&vm->spt.tables),
    };

    for (enum level level = LEVEL_4K; level <= LEVEL_1G; level++)
        stats.mapped[level] = counter_read(&vm->spt.mapped[level]);
    return stats;
}

u64 vm_slots_generation(const struct vm_memory *vm)
{
    return counter_read(&vm->slots.generation);
}

struct vm_memory *vm_next(const struct vm_memory *vm)
{
    const struct list_node *next = vm == NULL ? vms.next : vm->link.next;

    return next == &vms ? NULL : container_of(next, struct vm_memory, link);
}
