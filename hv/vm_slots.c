/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a guest's memory lies in its backing, and where the guest sees it. */
#include "hv/load/guest_memory_map.h"
#include "hv/vm.h"

unsigned vm_slots(u64 memory, struct vm_slot slots[VM_SLOTS])
{
    u64 pages = memory >> PAGE_SHIFT, low = GUEST_BELOW_4G >> PAGE_SHIFT;

    slots[0] = (struct vm_slot){ .id = 0, .npages = pages < low ? pages : low };
    if (pages <= low)
        return 1;
    slots[1] = (struct vm_slot){ 1, { GUEST_ABOVE_4G >> PAGE_SHIFT }, pages - low, low };
    return 2;
}
