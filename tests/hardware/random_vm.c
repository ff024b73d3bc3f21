/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations of mm/vm_memory.h, each announced to the reference, done, and settled. */
#include "tests/hardware/random.h"
#include "tests/unit/mm_support.h"

struct range {
    u64 first, npages;
};

/* Some pages around where something happens; sometimes many. */
static struct range random_range(struct ref_vm *vm)
{
    struct range range = { .first = machine_below(3) ? random_gfn(vm) : vm->hot };

    if (machine_below(4) == 0)
        range.first = range.first / 512 * 512;
    range.npages = 1 + machine_below(machine_below(3) ? 8 : 1200);
    if (range.npages > REF_SPACE - range.first)
        range.npages = REF_SPACE - range.first;
    vm->hot = range.first;
    return range;
}

static void note_zapped(struct ref_vm *vm, u64 *what, struct range range, u64 start)
{
    for (u64 gfn = range.first; gfn < range.first + range.npages; gfn++)
        what[gfn] = what[gfn] > start ? what[gfn] : start;
}

static bool overlaps_another(struct ref_vm *vm, const struct ref_slot *wanted, unsigned id)
{
    for (unsigned i = 0; i < REF_SLOTS; i++) {
        const struct ref_slot *slot = &vm->slots[i];

        if (i != id && slot->backing != NULL && wanted->base < slot->base + slot->npages &&
            slot->base < wanted->base + wanted->npages)
            return true;
    }
    return false;
}

static u64 random_base(u64 npages)
{
    u64 base = machine_below(REF_SPACE - npages + 1);

    if (machine_below(2))
        base = base / 512 * 512;
    else if (machine_below(2))
        base = base / 8 * 8;
    return base;
}

static bool random_slot(struct ref_slot *slot)
{
    struct ref_backing *backing = &reference->backings[machine_below(REF_BACKINGS)];

    if (backing->backing == NULL)
        return false;
    *slot = (struct ref_slot){ .backing = backing, .read_only = machine_below(5) == 0 };
    if (machine_below(3) == 0)
        slot->offset = machine_below(backing->npages);
    slot->npages = backing->npages - slot->offset;
    if (machine_below(2) == 0)
        slot->npages = 1 + machine_below(slot->npages);
    slot->base = random_base(slot->npages);
    return true;
}

/* One of add, remove, move, flags. Only one task changes the slots of a VM; another one that tries is told so. */
static bool change_slot(struct ref_vm *vm)
{
    unsigned id = (unsigned)machine_below(REF_SLOTS);
    struct ref_slot after = vm->slots[id];
    bool exists = after.backing != NULL;
    int kind = exists ? 1 + (int)machine_below(3) : 0;
    enum level largest = LEVEL_4K + (enum level)machine_below(3);

    if (vm->changing && !vm->rival) {
        vm->rival = vm->rivalled = true;
        random_expect("remove", vm_memory_remove_slot(vm->vm, 99), -EBUSY, -ENOENT);
        vm->rival = false;
        return false;
    }
    if (vm->changing || vm->rival || vm->slots_held > 0 || vm->starting != NULL)
        return false;
    if (kind == 0 && !random_slot(&after))
        return false;
    if (kind == 1)
        after.backing = NULL;
    if (kind == 2)
        after.base = random_base(after.npages);
    if (kind == 3)
        after.read_only = machine_below(2);
    bool taken = after.backing != NULL && overlaps_another(vm, &after, id);

    vm->changed = id;
    vm->before = vm->slots[id];
    vm->slots[id] = taken ? vm->before : after;
    vm->changing = true;
    vm->rivalled = false;
    vm->moved = ref_now();
    int result;
    u32 flags = after.read_only ? MEMSLOT_READ_ONLY : 0;
    if (kind == 0)
        result = vm_memory_add_slot(vm->vm, id, (gfn_t){ after.base }, after.npages, after.backing->backing,
                                    after.offset, flags, largest);
    else if (kind == 1)
        result = vm_memory_remove_slot(vm->vm, id);
    else if (kind == 2)
        result = vm_memory_move_slot(vm->vm, id, (gfn_t){ after.base });
    else
        result = vm_memory_set_slot_flags(vm->vm, id, flags);
    if (taken ? result != -EEXIST && result != -ENOMEM && result != -EBUSY : result == -EEXIST)
        machine_fail("slot %u, change %d: %d", id, kind, result);
    if (!random_expect("slot", result, -EEXIST, vm->rivalled ? -EBUSY : 0))
        vm->slots[id] = vm->before;
    else if (kind == 1)
        memset(&vm->logs[id], 0, sizeof(vm->logs[id]));
    vm->changing = false;
    vm->moved = ref_now();
    return result == 0;
}

static bool balloon(struct ref_vm *vm, struct range range)
{
    if (vm->changing)
        return false;
    vm->slots_held++;
    u64 start = ref_now();
    for (u64 gfn = range.first; gfn < range.first + range.npages; gfn++) {
        const struct ref_slot *slot = ref_slot_at(vm, gfn);

        if (slot != NULL)
            ref_page_at(slot, gfn)->punching++;
    }
    bool done = random_expect("balloon", vm_memory_balloon(vm->vm, (gfn_t){ range.first }, range.npages), 0, 0);
    for (u64 gfn = range.first; gfn < range.first + range.npages; gfn++) {
        const struct ref_slot *slot = ref_slot_at(vm, gfn);

        if (slot == NULL)
            continue;
        ref_page_at(slot, gfn)->punching--;
        ref_settle_punch(slot->backing, slot->offset + gfn - slot->base, start, done);
    }
    vm->slots_held--;
    return done;
}

static bool create_view(struct ref_vm *vm)
{
    unsigned i = 1 + (unsigned)machine_below(REF_VIEWS - 1);
    struct ref_view *view = &vm->views[i];

    if (view->exists || view->changing)
        return false;
    view->changing = true;
    memset(view->now, 7, sizeof(view->now));
    memset(view->before, 7, sizeof(view->before));
    view->exists = random_expect("create view", vm_memory_create_view(vm->vm, &view->id), 0, 0);
    view->changing = false;
    vm->moved = ref_now();
    return view->exists;
}

static bool change_view(struct ref_vm *vm, struct range range)
{
    struct ref_view *view = &vm->views[1 + machine_below(REF_VIEWS - 1)];
    u32 permissions = (u32)machine_below(8);

    /* One change of views at a time: what a second one would hear is -EBUSY. */
    for (unsigned i = 1; i < REF_VIEWS; i++) {
        if (vm->views[i].changing)
            return false;
    }
    if (!view->exists)
        return false;
    if (machine_below(8) == 0 && vm->selecting == 0) {
        bool used = view->users > 0;

        view->changing = vm->dropping = true;
        bool result = random_expect("drop view", vm_memory_drop_view(vm->vm, view->id), -EBUSY, 0);
        if (result == used)
            machine_fail("a view that %s used was %sdropped", used ? "is" : "is not", result ? "" : "not ");
        view->exists = !result;
        view->changing = vm->dropping = false;
        return result;
    }
    bool valid = (permissions & (ACCESS_READ | ACCESS_WRITE)) != ACCESS_WRITE;
    view->changing = true;
    for (u64 gfn = range.first; valid && gfn < range.first + range.npages; gfn++)
        view->now[gfn] = (u8)permissions;
    vm->moved = ref_now();
    int error = vm_memory_protect_view(vm->vm, view->id, (gfn_t){ range.first }, range.npages, permissions);
    if (!valid != (error == -EINVAL))
        machine_fail("protect view, permissions %u: %d", permissions, error);
    bool result = random_expect("protect view", error, -EINVAL, 0);
    memcpy(result ? view->before : view->now, result ? view->now : view->before, sizeof(view->now));
    view->changing = false;
    vm->moved = ref_now();
    return result;
}

/* A word of a page, by the hypervisor. */
static bool hypervisor_access(struct ref_vm *vm, u64 gfn)
{
    unsigned word = (unsigned)machine_below(REF_WORDS), kind = (unsigned)machine_below(3);
    gpa_t gpa = { gfn * PAGE_SIZE + (word == 0 ? 0 : PAGE_SIZE - sizeof(u64)) };
    struct ref_slot *slot = ref_slot_at(vm, gfn);
    struct ref_page *page = slot == NULL ? NULL : ref_page_at(slot, gfn);

    if (vm->changing || (page != NULL && kind > 0 && page->is_pending[word]))
        return false;
    vm->slots_held++;
    struct ref_backing *backing = slot == NULL ? NULL : slot->backing;
    u64 index = slot == NULL ? 0 : slot->offset + gfn - slot->base;
    u64 start = ref_now(), old = page == NULL ? 0 : page->value[word];
    u64 value = kind == 1 && page != NULL ? ref_token(backing, index) : 0;
    int result;
    if (kind == 0) {
        result = vm_memory_read(vm->vm, gpa, &value, sizeof(value));
    } else {
        if (page != NULL && !slot->read_only) {
            page->is_pending[word] = true;
            page->pending[word] = value;
        }
        result = kind == 1 ? vm_memory_write(vm->vm, gpa, &value, sizeof(value))
                           : vm_memory_zero(vm->vm, gpa, sizeof(value));
    }
    vm->slots_held--;

    if ((result == -EFAULT) != (page == NULL || (kind > 0 && slot->read_only)))
        machine_fail("gfn %#llx, access of the hypervisor %u: %d", (unsigned long long)gfn, kind, result);
    if (!random_expect("access", result, -EFAULT, -EIO)) {
        if (page != NULL && kind > 0)
            page->is_pending[word] = false;
        return false;
    }
    if (kind == 0) {
        bool recent = value >> 16 > start && (value & 0xffff) == (ref_token(backing, index) & 0xffff);
        bool zero = value == 0 && (page->punching > 0 || page->punched > start || page->stamp[word] > start);

        if (value != old && value != page->value[word] && !recent && !zero &&
            !(page->is_pending[word] && value == page->pending[word]))
            machine_fail("gfn %#llx: the hypervisor reads %#llx, not %#llx", (unsigned long long)gfn,
                         (unsigned long long)value, (unsigned long long)old);
        return true;
    }
    u64 now[REF_WORDS];
    bool readable = ref_peek(backing, index, now);
    ref_log_written(vm, slot, gfn, start);
    bool pending = page->is_pending[word];
    page->is_pending[word] = false;
    if (pending && readable && now[word] == value) {
        page->value[word] = value;
        page->stamp[word] = ref_now();
    } else if (readable && page->punching == 0 && !(now[word] == page->value[word] && page->stamp[word] > start)) {
        machine_fail("gfn %#llx: %#llx after the hypervisor wrote %#llx", (unsigned long long)gfn,
                     (unsigned long long)now[word], (unsigned long long)value);
    }
    return true;
}

static bool create_vm(struct ref_vm *vm)
{
    struct vm_memory *created;

    vm->closing = true;
    bool result = random_expect("create", vm_memory_create(&created), 0, 0);
    vm->vm = result ? created : NULL;
    vm->closing = false;
    return result;
}

static bool replace_vm(struct ref_vm *vm)
{
    if (machine_below(12) != 0 || vm->users > 1)
        return false;
    vm->closing = true;
    while (vm->vcpus > 0) {
        random_rest();
        machine_yield();
    }
    vm_memory_destroy(vm->vm);
    memset(vm, 0, sizeof(*vm));
    vm->users = 1;
    return create_vm(vm);
}

static bool zap(struct ref_vm *vm, struct range range)
{
    u64 start = ref_now();

    vm_memory_zap(vm->vm, (gfn_t){ range.first }, range.npages);
    note_zapped(vm, vm->zapped, range, start);
    return true;
}

static bool write_protect(struct ref_vm *vm, struct range range)
{
    u64 start = ref_now();

    vm_memory_write_protect(vm->vm, (gfn_t){ range.first }, range.npages);
    note_zapped(vm, vm->protected, range, start);
    return true;
}

/* The other operator is at work on this VM: right where it is, something else that takes away. */
static bool join_in(struct ref_vm *vm)
{
    struct range range = { vm->hot, 1 + machine_below(4) };

    if (range.npages > REF_SPACE - range.first)
        range.npages = REF_SPACE - range.first;
    if (machine_below(3) == 0)
        return random_log_operation(vm, range.first, range.npages);
    switch (machine_below(6)) {
    case 0:
        return zap(vm, range);
    case 1:
        return write_protect(vm, range);
    case 2:
        return change_slot(vm);
    case 3:
        return change_view(vm, range);
    default:
        return balloon(vm, range);
    }
}

static bool change_vm(struct ref_vm *vm)
{
    struct range range = random_range(vm);
    gfn_t first = { range.first };
    u64 start = ref_now();
    bool result = true;

    if (machine_below(3) == 0)
        return random_log_operation(vm, range.first, range.npages);
    switch (machine_below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        return change_slot(vm);
    case 5:
    case 6:
        return zap(vm, range);
    case 7:
    case 8:
        ref_mapping_begin(vm, range.first, range.npages);
        result = random_expect("populate", vm_memory_populate(vm->vm, first, range.npages), -EIO, 0);
        ref_mapping_end(vm, range.first, range.npages);
        return result;
    case 9:
        return random_expect(
            "split", vm_memory_split(vm->vm, first, range.npages, LEVEL_4K + (enum level)machine_below(2)), 0, 0);
    case 10:
    case 11:
        return write_protect(vm, range);
    case 12:
    case 13:
        return balloon(vm, range);
    case 14:
        if (random_expect("invalidate", vm_memory_invalidate_all(vm->vm), 0, 0))
            note_zapped(vm, vm->zapped, (struct range){ 0, REF_SPACE }, start);
        return true;
    case 15:
        vm_memory_limit_tables(vm->vm, machine_below(2) ? 0 : VM_MIN_TABLES + machine_below(8));
        return true;
    case 16:
        return create_view(vm);
    case 17:
        return change_view(vm, range);
    case 18:
        return hypervisor_access(vm, range.first);
    default:
        return replace_vm(vm);
    }
}

bool random_vm_operation(void)
{
    struct ref_vm *vm = &reference->vms[machine_below(REF_VMS)];

    if (vm->closing)
        return false;
    vm->users++;
    bool result;
    if (vm->vm == NULL)
        result = create_vm(vm);
    else
        result = vm->users > 1 && machine_below(2) ? join_in(vm) : change_vm(vm);
    vm->users--;
    return result;
}
