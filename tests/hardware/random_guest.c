/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU: stays in the guest, with accesses and speculation, and the exits between them. */
#include "mm/dirty_ring.h"
#include "tests/hardware/random.h"
#include "tests/unit/mm_support.h"

enum { MAX_RETRIES = 20000 };

u64 random_gfn(struct ref_vm *vm)
{
    const struct ref_slot *slot = &vm->slots[machine_below(REF_SLOTS)];

    /* Where an operation is, or was a moment ago. */
    if (machine_below(3) == 0)
        return (vm->hot + machine_below(4)) % REF_SPACE;
    if (slot->backing == NULL || machine_below(12) == 0)
        return machine_below(REF_SPACE);
    u64 first = machine_below(2) ? 0 : machine_below(slot->npages) / 512 * 512;
    u64 offset = machine_below(3) ? first + machine_below(6) : machine_below(slot->npages);
    return slot->base + (offset < slot->npages ? offset : slot->npages - 1);
}

static void check_fault(const struct guest *guest, u64 gfn, u32 access, enum fault_result result)
{
    const struct ref_slot *slot = ref_slot_at(guest->vm, gfn);
    const struct ref_page *page = slot == NULL ? NULL : ref_page_at(slot, gfn);
    bool denied = guest->view > 0 && (access & ~guest->vm->views[guest->view].now[gfn]) != 0;
    bool read_only = slot != NULL && slot->read_only && (access & ACCESS_WRITE) != 0;
    bool fits = false;

    switch (result) {
    case FAULT_INSTALLED:
    case FAULT_SPURIOUS:
        fits = slot != NULL && !denied && !read_only && !(page->lost && page->punching == 0 && page->losing == 0);
        break;
    case FAULT_RETRY:
        fits = slot != NULL;
        break;
    case FAULT_NO_SLOT:
        fits = slot == NULL;
        break;
    case FAULT_READ_ONLY:
        fits = read_only;
        break;
    case FAULT_DENIED:
        fits = denied && slot != NULL;
        break;
    case FAULT_LOST:
        fits = page != NULL && (page->lost || page->losing > 0 || page->lost_at > 0 || reference->losses > 0);
        break;
    case FAULT_NO_MEMORY:
        fits = frame_get_stats().free < 2048;
        break;
    }
    if (!fits)
        machine_fail("gfn %#llx, access %u: vm_memory_fault() says %d", (unsigned long long)gfn, access, (int)result);
}

/* Whether to try again at once. */
static bool exit_from(struct guest *guest, u64 gfn, u32 access, bool misconfigured)
{
    struct ref_vm *vm = guest->vm;
    gpa_t gpa = gfn_to_gpa((gfn_t){ gfn });
    u64 start = ref_now();

    if (misconfigured && vm_memory_is_device(&guest->vcpu, gpa)) {
        if (!ref_moved_since(vm, start) && ref_slot_at(vm, gfn) != NULL)
            machine_fail("gfn %#llx: a slot's page is taken for a device", (unsigned long long)gfn);
        world.devices++;
        return false;
    }
    ref_mapping_begin(vm, gfn, 1);
    enum fault_result result = vm_memory_fault(&guest->vcpu, gpa, access);
    ref_mapping_end(vm, gfn, 1);
    if (!ref_moved_since(vm, start))
        check_fault(guest, gfn, access, result);
    if (result == FAULT_NO_SLOT && machine_below(2) == 0)
        vm_memory_mark_device(&guest->vcpu, gpa);
    world.faults++;
    world.retries += result == FAULT_RETRY;
    world.denials += result == FAULT_DENIED || result == FAULT_READ_ONLY;
    return result == FAULT_INSTALLED || result == FAULT_SPURIOUS || result == FAULT_RETRY;
}

/* Half of the accesses are where it was before: there the caches have something. */
static u64 next_gfn(struct guest *guest)
{
    return machine_below(2) ? random_gfn(guest->vm) : guest->recent[machine_below(4)];
}

/* What needs no more than the entry, in half of the cases. */
static bool resolve_inside(struct guest *guest, u64 gfn, u32 access)
{
    if (machine_below(2) != 0)
        return false;
    ref_mapping_begin(guest->vm, gfn, 1);
    bool result = vcpu_memory_fault_inside(&guest->vcpu, gfn_to_gpa((gfn_t){ gfn }), access);
    ref_mapping_end(guest->vm, gfn, 1);
    world.resolved_inside += result;
    return result;
}

static void stay(struct guest *guest)
{
    static const u32 kinds[] = { ACCESS_READ, ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE, ACCESS_READ | ACCESS_WRITE };
    struct ref_vm *vm = guest->vm;
    u64 gfn = next_gfn(guest);
    u32 access = kinds[machine_below(5)];
    enum cpu_result result = CPU_HIT;

    world.stays++;
    for (unsigned tries = 0; tries < MAX_RETRIES; tries++) {
        if (!machine_enter(&guest->vcpu)) {
            world.full_rings++;
            return;
        }
        for (u64 left = 1 + machine_below(20 + 4 * world.slow_to_leave); left > 0; left--) {
            if (machine_is_kicked() && machine_below(world.slow_to_leave) == 0)
                break;
            if (machine_below(3) == 0)
                machine_speculate((gfn_t){ random_gfn(vm) });
            pfn_t frame;
            result = machine_access((gfn_t){ gfn }, access, &frame);
            if (result == CPU_VIOLATION && resolve_inside(guest, gfn, access)) {
                machine_pause();
                continue;
            }
            if (result != CPU_HIT)
                break;
            ref_guest_access(vm, guest->view, gfn, access, frame);
            if ((access & ACCESS_WRITE) != 0)
                world.writes++;
            else
                world.reads++;
            guest->recent[machine_below(4)] = gfn;
            gfn = next_gfn(guest);
            access = kinds[machine_below(5)];
            machine_pause();
        }
        machine_leave(&guest->vcpu);
        if (result == CPU_LOG_FULL) {
            world.full_logs++;
            continue;
        }
        if (result == CPU_HIT || !exit_from(guest, gfn, access, result == CPU_MISCONFIGURED))
            return;
        if (machine_below(2) == 0)
            machine_yield();
        if (world.stopped || world.over || vm->closing)
            return;
    }
    machine_fail("gfn %#llx: an access that never comes through", (unsigned long long)gfn);
}

static void select_view(struct guest *guest)
{
    struct ref_vm *vm = guest->vm;
    unsigned view = (unsigned)machine_below(REF_VIEWS);

    if (view > 0 && (!vm->views[view].exists || vm->views[view].changing))
        view = 0;
    u32 id = view == 0 ? 0 : vm->views[view].id;
    unsigned levels = world.levels == 5 && machine_below(2) == 0 ? 5 : 4;

    if (vm->dropping)
        return;
    vm->selecting++;
    vm->views[view].users++;
    if (random_expect("select", vcpu_memory_select(&guest->vcpu, id, levels), 0, 0)) {
        vm->views[guest->view].users--;
        guest->view = view;
    } else {
        vm->views[view].users--;
    }
    vm->selecting--;
}

void random_guest(void *argument)
{
    struct guest *guest = argument;

    while (!world.over) {
        random_rest();
        struct ref_vm *vm = guest->vm;
        if (vm->vm == NULL || vm->closing) {
            if (guest->exists) {
                vcpu_memory_destroy(&guest->vcpu);
                vm->views[guest->view].users--;
                guest->exists = false;
                vm->vcpus--;
            }
            machine_yield();
            continue;
        }
        if (!guest->exists) {
            vm->vcpus++;
            guest->exists = true;
            guest->view = 0;
            vm->views[0].users++;
            vcpu_memory_init(&guest->vcpu, vm->vm);
            if (machine_below(3) == 0)
                random_expect("open ring", vcpu_memory_open_ring(&guest->vcpu, DIRTY_RING_MIN), 0, 0);
        }
        if (machine_below(20) == 0)
            select_view(guest);
        stay(guest);
        machine_yield();
    }
    if (guest->exists)
        vcpu_memory_destroy(&guest->vcpu);
}
