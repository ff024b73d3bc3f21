/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on whole ranges of guest memory, in bounded steps. What slots show is looked up anew for each step (C8). Populating
 * is mm/vm_populate.c.
 */
#include "mm/backing_change.h"
#include "mm/port.h"
#include "mm/vm.h"

void vm_memory_zap(struct vm_memory *vm, gfn_t first, u64 npages)
{
    spt_zap_all(&vm->spt, first, vm_range_end(first, npages));
}

int vm_memory_split(struct vm_memory *vm, gfn_t first, u64 npages, enum level largest)
{
    assert(largest >= LEVEL_4K && largest <= LEVEL_1G);
    return spt_split_all(&vm->spt, first, vm_range_end(first, npages), largest);
}

void vm_memory_write_protect(struct vm_memory *vm, gfn_t first, u64 npages)
{
    spt_write_protect_all(&vm->spt, first, vm_range_end(first, npages), true);
}

int vm_memory_balloon(struct vm_memory *vm, gfn_t first, u64 npages)
{
    gfn_t end = vm_range_end(first, npages);
    int error = 0;

    while (first.v < end.v) {
        struct memslot_set *set = memslots_read_begin(&vm->slots);
        const struct memslot *slot = memslots_find_from(set, first);

        if (slot == NULL || slot->base.v >= end.v) {
            first = end;
        } else {
            gfn_t from = first.v > slot->base.v ? first : slot->base;
            gfn_t to = memslot_end(slot).v < end.v ? memslot_end(slot) : end;
            u64 step_end = (from.v | (level_pages(LEVEL_1G) - 1)) + 1;

            /* Who changes slots waits for a step at the most. */
            if (to.v > step_end)
                to.v = step_end;

            if (!memslots_is_invalid(set, slot) &&
                backing_punch(slot->backing, memslot_page(slot, from), to.v - from.v) != 0)
                error = -ENOMEM;
            first = to;
        }
        memslots_read_end(set);
        port_yield();
    }
    vm_want_recovery(vm, true);
    return error;
}
