/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/vcpu_memory.h. */
#include "mm/vcpu_memory.h"

#include "mm/atomic.h"
#include "mm/dirty_ring.h"
#include "mm/vm.h"

void vcpu_memory_init(struct vcpu_memory *vcpu, struct vm_memory *vm)
{
    *vcpu = (struct vcpu_memory){ .vm = vm, .root = vm->spt.base, .last_used_generation = NO_GENERATION };
    list_init(&vcpu->cache.pages);
    spt_root_get(&vm->spt, vcpu->root);
    spin_lock(&vm->vcpus_lock);
    list_add(&vm->vcpus, &vcpu->link);
    spin_unlock(&vm->vcpus_lock);
}

void vcpu_memory_destroy(struct vcpu_memory *vcpu)
{
    struct vm_memory *vm = vcpu->vm;

    assert(atomic_read(&vcpu->inside) == 0);
    spin_lock(&vm->vcpus_lock);
    list_remove(&vcpu->link);
    spin_unlock(&vm->vcpus_lock);
    spt_root_put(&vm->spt, vcpu->root);
    table_cache_drain(&vcpu->cache);
    vcpu_memory_close_ring(vcpu);
}

int vcpu_memory_select(struct vcpu_memory *vcpu, u32 view, unsigned levels)
{
    struct spt_root *root;
    int error = spt_root_open(&vcpu->vm->spt, view, levels, &root);

    assert(atomic_read(&vcpu->inside) == 0);
    if (error != 0)
        return error;
    spt_root_put(&vcpu->vm->spt, vcpu->root);
    vcpu->root = root;
    return 0;
}

/* The TLB generation whose removals this vCPU cannot find any more. Pairs with tlb_flush(). */
static u64 come_in(struct vcpu_memory *vcpu)
{
    assert(vcpu->inside == 0);
    atomic_xchg(&vcpu->inside, VCPU_COMING_IN);

    u64 generation = atomic_read(&vcpu->vm->tlb_generation);
    atomic_write(&vcpu->inside, VCPU_INSIDE + generation);
    return generation;
}

static void go_out(struct vcpu_memory *vcpu)
{
    atomic_write(&vcpu->inside, 0);
}

struct vcpu_entry vcpu_memory_enter(struct vcpu_memory *vcpu)
{
    u64 generation = come_in(vcpu);
    pfn_t root = atomic_read(&vcpu->root->page)->frame;
    unsigned processor = port_processor();
    bool invept =
        !vcpu->has_run || root.v != vcpu->loaded.v || generation != vcpu->flushed || processor != vcpu->processor;

    bool blocked = vcpu->ring != NULL && dirty_ring_is_full(vcpu->ring);

    /* Who is held back does not invalidate either: it is due when it enters. */
    vcpu->has_run = !invept || !blocked;
    vcpu->processor = processor;
    vcpu->loaded = root;
    vcpu->flushed = generation;
    vcpu->walked.first = vcpu->walked_large.first = NO_GFN;
    /* Pairs with vm_memory_start_log(): either this is seen, or the vCPU is seen inside by the flush after it. */
    bool log = mm_caps()->log_modifications && atomic_read(&vcpu->vm->logging) != 0;
    return (
        struct vcpu_entry){ .root = root, .levels = vcpu->root->top, .invept = invept, .log = log, .blocked = blocked };
}

void vcpu_memory_leave(struct vcpu_memory *vcpu)
{
    go_out(vcpu);
    if (vcpu->quick_faults != 0)
        vcpu_memory_count_quick_faults(vcpu);
}

void vcpu_memory_walk_begin(struct vcpu_memory *vcpu)
{
    come_in(vcpu);
}

void vcpu_memory_walk_end(struct vcpu_memory *vcpu)
{
    go_out(vcpu);
}

struct memslot *vcpu_memory_find_slot(struct vcpu_memory *vcpu, struct memslot_set *set, gfn_t gfn)
{
    struct memslot *slot = memslots_find(set, gfn);

    if (slot != NULL) {
        vcpu->last_used = slot;
        vcpu->last_used_generation = set->generation;
    }
    return slot;
}
