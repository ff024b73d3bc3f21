/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Markers of pages that are devices: an access exits with an EPT misconfiguration, and nobody looks for a slot again. A
 * marker carries the generation of the set of slots that had nothing there, so every change of slots makes all markers void
 * (G7). It is read and used within one read section: while somebody is in one, at most one change can be published, so a
 * marker that is written late is at most one generation old, and void.
 */
#include "mm/atomic.h"
#include "mm/vm.h"

/* Before the lock; the tables on the way are few, and shared by all pages around. */
static int prepare_tables(struct vcpu_memory *vcpu)
{
    spt_reclaim(&vcpu->vm->spt);
    return table_cache_fill(&vcpu->cache, vcpu->root->top - LEVEL_4K);
}

static void mark(struct vcpu_memory *vcpu, gfn_t gfn, u64 generation)
{
    struct spt *spt = &vcpu->vm->spt;
    struct spt_iter it;

    rwlock_lock_shared(&spt->lock);
    spt_iter_start(&it, spt, vcpu->root->page, gfn);
    for (;;) {
        if (ept_is_table(it.old, it.level)) {
            spt_iter_down(&it, gfn);
        } else if (ept_is_present(it.old) || it.level == LEVEL_4K || spt_is_out_of_place(&it, vcpu->root->view)) {
            break;
        } else if (spt_link_table(&it, vcpu->root->view, &vcpu->cache, NULL) != 0) {
            break;
        }
    }
    /* Where there is memory now, somebody knows better; and if this fails, the next access asks again. */
    if (!ept_is_present(it.old) && it.level == LEVEL_4K && !spt_is_out_of_place(&it, vcpu->root->view) &&
        spt_set_entry(&it, ept_marker(generation), NULL))
        atomic_write(&vcpu->vm->has_markers, 1);
    rwlock_unlock_shared(&spt->lock);
}

void vm_memory_mark_device(struct vcpu_memory *vcpu, gpa_t gpa)
{
    gfn_t gfn = gpa_to_gfn(gpa);

    if (gfn.v >= vm_gfn_limit() || gfn.v >= spt_root_end(vcpu->root).v || prepare_tables(vcpu) != 0)
        return;
    struct memslot_set *set = memslots_read_begin(&vcpu->vm->slots);
    if (memslots_find(set, gfn) == NULL)
        mark(vcpu, gfn, set->generation);
    memslots_read_end(set);
}

/* The entry for `gfn` in the vCPU's tree, whatever its level. */
static u64 entry_for(struct vcpu_memory *vcpu, gfn_t gfn)
{
    struct spt_iter it;

    vcpu_memory_walk_begin(vcpu);
    spt_iter_start(&it, &vcpu->vm->spt, atomic_read(&vcpu->root->page), gfn);
    while (ept_is_table(it.old, it.level))
        spt_iter_down(&it, gfn);
    vcpu_memory_walk_end(vcpu);
    return it.old;
}

bool vm_memory_is_device(struct vcpu_memory *vcpu, gpa_t gpa)
{
    gfn_t gfn = gpa_to_gfn(gpa);

    if (gfn.v >= spt_root_end(vcpu->root).v)
        return false;
    struct memslot_set *set = memslots_read_begin(&vcpu->vm->slots);
    bool is_device = entry_for(vcpu, gfn) == ept_marker(set->generation);
    memslots_read_end(set);
    return is_device;
}

void vm_void_markers(struct vm_memory *vm)
{
    /*
     * Twice in every round of the generation that a marker has room for: so no marker becomes as old as a round, and one that
     * is still there between the change and this call differs from the new generation too.
     */
    if (vm->slots.generation % (EPT_MARKER_GENERATIONS / 2) != 0 || !atomic_read(&vm->has_markers))
        return;
    atomic_write(&vm->has_markers, 0);
    spt_zap_all(&vm->spt, (gfn_t){ 0 }, (gfn_t){ vm_gfn_limit() });
}
