/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EPT violation of a guest access: slot, frame and largest level, then the tree. Everything that can fail comes before
 * the tree is touched, and every way out gives back what was taken (R3).
 */
#include "mm/atomic.h"
#include "mm/mapping_level.h"
#include "mm/vm.h"

static_assert(ACCESS_READ == EPT_READ && ACCESS_WRITE == EPT_WRITE && ACCESS_EXECUTE == EPT_EXECUTE,
              "what an access does is what an entry must permit");

static u64 slot_permissions(const struct memslot *slot)
{
    return slot->flags & MEMSLOT_READ_ONLY ? EPT_READ | EPT_EXECUTE : EPT_PERMISSIONS;
}

static enum fault_result map(struct vm_memory *vm, const struct spt_mapping *mapping, u64 needed)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, vm);

    if (table_cache_fill(&cache, spt_missing_tables(&vm->spt, mapping->gfn, mapping->level)) != 0)
        return FAULT_NO_MEMORY;
    int error = spt_map(&vm->spt, mapping, needed, &cache, &gather);
    tlb_gather_finish(&gather);
    if (error == 0) {
        counter_add(&vm->faults_installed, 1);
        return FAULT_INSTALLED;
    }
    if (error == -EEXIST) {
        counter_add(&vm->faults_spurious, 1);
        return FAULT_SPURIOUS;
    }
    return FAULT_RETRY;
}

enum fault_result vm_memory_fault(struct vm_memory *vm, gpa_t gpa, u32 access)
{
    struct spt_mapping mapping = { .gfn = gpa_to_gfn(gpa) };
    u64 needed = access & EPT_PERMISSIONS;

    counter_add(&vm->faults, 1);
    const struct memslot *slot = memslots_find(&vm->slots, mapping.gfn);
    if (slot == NULL)
        return FAULT_NO_SLOT;
    if (memslots_is_invalid(&vm->slots, slot))
        return FAULT_RETRY;
    mapping.permissions = slot_permissions(slot);
    if (!ept_permits(mapping.permissions, needed))
        return FAULT_READ_ONLY;

    enum level piece;
    enum level wanted = mapping_level(slot, mapping.gfn, LEVEL_1G);
    if (backing_fill(slot->backing, memslot_page(slot, mapping.gfn), wanted, &mapping.pfn, &piece) != 0)
        return FAULT_NO_MEMORY;
    mapping.level = mapping_level(slot, mapping.gfn, piece);
    return map(vm, &mapping, needed);
}
