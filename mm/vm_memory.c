/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMs: their life, and the list of them. Slots are changed by mm/vm_slots.c, whole ranges by mm/vm_range.c; faults are
 * mm/fault.c, the hypervisor's own accesses mm/guest_access.c.
 */
#include "mm/vm_memory.h"

#include "mm/atomic.h"
#include "mm/pool.h"
#include "mm/port.h"
#include "mm/snapshot.h"
#include "mm/vm.h"

POOL(vm_pool, struct vm_memory);

static struct list_node vms = LIST_EMPTY(vms);
static struct spinlock vms_lock;
struct mm_caps mm_capabilities;

void mm_init(const struct mm_caps *caps)
{
    assert((caps->levels == 4 || caps->levels == 5) && caps->physical_bits > PAGE_SHIFT && caps->physical_bits <= 52);
    assert(list_is_empty(&vms) && (caps->access_dirty || !caps->log_modifications));
    mm_capabilities = *caps;
}

u64 vm_gfn_limit(void)
{
    unsigned processor = mm_capabilities.physical_bits - PAGE_SHIFT;
    unsigned tables = level_order((enum level)(mm_capabilities.levels + 1));

    return 1ull << (processor < tables ? processor : tables);
}

u64 vm_memory_overhead(u64 npages)
{
    /* At each level a slot can begin and end inside a table. */
    enum { SLOTS = 4, PARTS = 2 * SLOTS };
    u64 tables = 1, nodes = npages / level_pages(LEVEL_2M) + PARTS;

    for (enum level level = LEVEL_2M; level <= LEVEL_512G; level++)
        tables += npages / level_pages(level) + PARTS;
    /*
     * A table's record takes a part of a frame, and its place in mm/frame_record.c a frame at the most. The map of the
     * backing has a node where pieces are small.
     */
    return 3 * tables + nodes;
}

int vm_memory_create(struct vm_memory **vm)
{
    struct vm_memory *created = pool_alloc(&vm_pool);

    assert(mm_capabilities.levels != 0);
    if (created == NULL)
        return -ENOMEM;
    memslots_init(&created->slots);
    list_init(&created->vcpus);
    if (spt_create(&created->spt, created) != 0) {
        pool_free(&vm_pool, created);
        return -ENOMEM;
    }
    spin_lock(&vms_lock);
    list_add(&vms, &created->link);
    spin_unlock(&vms_lock);
    *vm = created;
    return 0;
}

/* Nobody finds the VM any more, and those who have found it are done with it. */
static void withdraw(struct vm_memory *vm)
{
    bool used = true;

    while (used) {
        spin_lock(&vms_lock);
        vm->leaving = true;
        used = vm->users != 0;
        if (!used)
            list_remove(&vm->link);
        spin_unlock(&vms_lock);
        if (used)
            port_yield();
    }
}

void vm_memory_destroy(struct vm_memory *vm)
{
    struct memslot *slot;

    assert(list_is_empty(&vm->vcpus) && !snapshot_exist(vm));
    withdraw(vm);
    spt_destroy(&vm->spt);
    if (memslots_begin_change(&vm->slots) != 0)
        assert(!"somebody still changes the slots of the VM");
    while (slot = memslots_first(memslots_active(&vm->slots)), slot != NULL) {
        memslots_invalidate(&vm->slots, slot);
        memslots_remove(&vm->slots, slot);
        memslot_destroy(slot);
    }
    pool_free(&vm_pool, vm);
}

struct vm_memory *vm_next(struct vm_memory *vm)
{
    struct vm_memory *found = NULL;

    spin_lock(&vms_lock);
    const struct list_node *node = vm == NULL ? vms.next : vm->link.next;
    for (; node != &vms && found == NULL; node = node->next) {
        struct vm_memory *candidate = container_of(node, struct vm_memory, link);

        if (!candidate->leaving)
            found = candidate;
    }
    if (found != NULL)
        found->users++;
    if (vm != NULL)
        vm->users--;
    spin_unlock(&vms_lock);
    return found;
}

void vm_put(struct vm_memory *vm)
{
    spin_lock(&vms_lock);
    vm->users--;
    spin_unlock(&vms_lock);
}

pfn_t vm_memory_root(const struct vm_memory *vm)
{
    return atomic_read(&vm->spt.base->page)->frame;
}

struct vm_memory_stats vm_memory_get_stats(const struct vm_memory *vm)
{
    const struct spt *spt = &vm->spt;
    struct vm_memory_stats stats = {
        .faults = STRIPED_SUM(vm->faults, all),
        .faults_installed = STRIPED_SUM(vm->faults, installed),
        .faults_spurious = STRIPED_SUM(vm->faults, spurious),
        .faults_retried = STRIPED_SUM(vm->faults, retried),
        .faults_lockless = STRIPED_SUM(vm->faults, lockless),
        .flushes = counter_read(&vm->flushes),
        .lookups = counter_read(&spt->lookups),
        .reclaimed = counter_read(&spt->reclaimed),
        .splits = counter_read(&spt->splits),
        .splits_for_execution = counter_read(&spt->splits_for_execution),
        .collapses = counter_read(&spt->collapses),
        .dirty = counter_read(&vm->harvested),
        .tables = counter_read(&spt->tables),
    };

    for (enum level level = LEVEL_4K; level <= LEVEL_1G; level++)
        stats.mapped[level] = spt_mapped(spt, level);
    return stats;
}

void vm_memory_limit_tables(struct vm_memory *vm, u64 tables)
{
    assert(tables == 0 || tables >= VM_MIN_TABLES);
    __atomic_store_n(&vm->spt.table_limit, tables, __ATOMIC_RELAXED);
}

int vm_memory_invalidate_all(struct vm_memory *vm)
{
    return spt_invalidate_all(&vm->spt);
}

int vm_memory_create_view(struct vm_memory *vm, u32 *view)
{
    return spt_create_view(&vm->spt, view);
}

int vm_memory_protect_view(struct vm_memory *vm, u32 view, gfn_t first, u64 npages, u32 permissions)
{
    /* Write without read is no combination of EPT; execute alone is one of some processors. */
    if (npages == 0 || !range_ends_within(first.v, npages, vm_gfn_limit()) || (permissions & ~EPT_PERMISSIONS) != 0 ||
        (permissions & (EPT_READ | EPT_WRITE)) == EPT_WRITE ||
        (permissions == EPT_EXECUTE && !mm_capabilities.execute_only))
        return -EINVAL;
    return spt_protect_view(&vm->spt, view, first, (gfn_t){ first.v + npages }, permissions);
}

int vm_memory_drop_view(struct vm_memory *vm, u32 view)
{
    int error = spt_drop_view(&vm->spt, view);

    if (error == 0)
        vm_want_recovery(vm, true);
    return error;
}
