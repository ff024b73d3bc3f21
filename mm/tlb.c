/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/tlb.h. */
#include "mm/tlb.h"

#include "mm/atomic.h"
#include "mm/vm.h"

/* Whether a vCPU is in the guest, or in a walk without a lock, since before `generation`. */
static bool somebody_is_inside(struct vm_memory *vm, u64 generation)
{
    bool found = false;

    spin_lock(&vm->vcpus_lock);
    for (const struct list_node *node = vm->vcpus.next; node != &vm->vcpus && !found; node = node->next) {
        /* Not an mm_point(): a leaf lock is held. Pairs with go_out(). */
        u64 inside = __atomic_load_n(&container_of(node, struct vcpu_memory, link)->inside, __ATOMIC_ACQUIRE);

        found = inside != 0 && inside < VCPU_INSIDE + generation;
    }
    spin_unlock(&vm->vcpus_lock);
    return found;
}

void tlb_flush(struct vm_memory *vm)
{
    /*
     * Pairs with come_in() (mm/vcpu_memory.c), which first says that it is inside and then reads the generation: either it
     * reads this one, executes INVEPT and cannot find what was removed, or it is seen inside here.
     */
    u64 generation = atomic_add(&vm->tlb_generation, 1) + 1;

    counter_add(&vm->flushes, 1);
    port_kick(vm);
    while (somebody_is_inside(vm, generation))
        port_relax();
}
