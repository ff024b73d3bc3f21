/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations that change tables, slots and views of a guest. None of them may change what it sees. */
#include "mm/atomic.h"
#include "tests/system/churning.h"

enum {
    SPARE_PLACE = 0x100000, /* gfns, beyond the guest's memory */
    SPARE_STEP = 0x10000,
    SPARE_PLACES = 4,
    SPARE_PAGES = 48 * 512, /* more tables than VM_MIN_TABLES */
    ALIAS_PLACE = 0x200000,
};

struct range {
    gfn_t first;
    u64 npages;
};

/* Small and large ones, most often in the guest's memory, else where other slots show it or more. */
static struct range random_range(const struct guest *guest)
{
    u64 most = 1ull << random_below(13), first = random_below(PAGES);
    struct range range = { { first }, 1 + random_below(most) };

    if (guest->has_alias && random_below(4) == 0)
        range.first.v = guest->alias.v + first;
    else if (range.npages > PAGES - first)
        range.npages = PAGES - first;
    return range;
}

static int zap(struct guest *guest, struct vm_memory *vm)
{
    struct range range = random_range(guest);

    vm_memory_zap(vm, range.first, range.npages);
    return 0;
}

static int split(struct guest *guest, struct vm_memory *vm)
{
    struct range range = random_range(guest);

    return vm_memory_split(vm, range.first, range.npages, random_below(4) ? LEVEL_4K : LEVEL_2M);
}

static int populate(struct guest *guest, struct vm_memory *vm)
{
    struct range range = random_range(guest);

    return vm_memory_populate(vm, range.first, range.npages);
}

static int write_protect(struct guest *guest, struct vm_memory *vm)
{
    struct range range = random_range(guest);

    vm_memory_write_protect(vm, range.first, range.npages);
    return 0;
}

static int invalidate_all(struct guest *guest, struct vm_memory *vm)
{
    return vm_memory_invalidate_all(vm);
}

static int add_spare(struct guest *guest, struct vm_memory *vm)
{
    struct backing *backing;
    int error = backing_create(SPARE_PAGES, BACKING_ON_DEMAND, &backing);

    if (error != 0)
        return error;
    error = vm_memory_add_slot(vm, SPARE_ID, gfn(SPARE_PLACE), SPARE_PAGES, backing, 0, 0, LEVEL_4K);
    backing_put(backing);
    guest->has_spare = error == 0;
    return error;
}

/* A slot that the guest does not use comes, moves and goes. */
static int move_slot(struct guest *guest, struct vm_memory *vm)
{
    if (is_still(guest))
        return DECLINED;
    if (!guest->has_spare)
        return add_spare(guest, vm);
    if (random_below(8) == 0) {
        guest->has_spare = false;
        guest->spare_flags = 0;
        return vm_memory_remove_slot(vm, SPARE_ID);
    }
    return vm_memory_move_slot(vm, SPARE_ID, gfn(SPARE_PLACE + random_below(SPARE_PLACES) * SPARE_STEP));
}

static int set_flags(struct guest *guest, struct vm_memory *vm)
{
    if (!guest->has_spare)
        return DECLINED;
    guest->spare_flags ^= MEMSLOT_READ_ONLY;
    return vm_memory_set_slot_flags(vm, SPARE_ID, guest->spare_flags);
}

/* The guest's memory a second time, somewhere else, and at an offset that large pages cannot have. */
static int alias(struct guest *guest, struct vm_memory *vm)
{
    if (is_still(guest))
        return DECLINED;
    if (guest->has_alias) {
        guest->has_alias = false;
        return vm_memory_remove_slot(vm, ALIAS_ID);
    }

    struct backing *backing = memory_of(vm);
    guest->alias = gfn(ALIAS_PLACE + random_below(2) * random_below(600));
    int error = vm_memory_add_slot(vm, ALIAS_ID, guest->alias, PAGES, backing, 0, 0, LEVEL_1G);
    backing_put(backing);
    guest->has_alias = error == 0;
    return error != 0 ? error : vm_memory_populate(vm, gfn(guest->alias.v + random_below(PAGES)), 600);
}

/* A table for every page that is populated of the spare slot: so the guest's tables are the oldest. */
static int limit_tables(struct guest *guest, struct vm_memory *vm)
{
    if (is_still(guest))
        return DECLINED;
    guest->is_limited = !guest->is_limited;
    vm_memory_limit_tables(vm, guest->is_limited ? VM_MIN_TABLES : 0);
    if (!guest->is_limited)
        return 0;

    int error = guest->has_spare ? 0 : add_spare(guest, vm);
    for (u64 i = 0; i < SPARE_PAGES && error == 0; i += 512) {
        for (u64 place = 0; place < SPARE_PLACES && error == 0; place++)
            error = vm_memory_populate(vm, gfn(SPARE_PLACE + place * SPARE_STEP + i), 1);
    }
    return error;
}

static int protect(struct guest *guest, struct vm_memory *vm, u32 view)
{
    u64 first = REMEMBER_HOST, end = REMEMBER_MEMORY;
    u32 permissions = ACCESS_READ | ACCESS_WRITE;

    switch (random_below(5)) {
    case 0:
        first = REMEMBER_CONSTANT;
        end = REMEMBER_SPARE;
        permissions = ACCESS_READ;
        break;
    case 1:
        first = REMEMBER_SPARE;
        permissions = 0;
        break;
    case 2:
        first = 0;
        permissions = ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE;
        break;
    default:
        break;
    }
    u64 page = first / PAGE_SIZE + random_below((end - first) / PAGE_SIZE);
    return vm_memory_protect_view(vm, view, gfn(page), 1 + random_below(end / PAGE_SIZE - page), permissions);
}

static int create_view(struct guest *guest, struct vm_memory *vm)
{
    u32 *view = &guest->views[random_below(VIEW_MAX)];

    if (*view != 0)
        return DECLINED;
    return vm_memory_create_view(vm, view);
}

static int protect_view(struct guest *guest, struct vm_memory *vm)
{
    u32 view = guest->views[random_below(VIEW_MAX)];

    return view == 0 || !guest->is_ready ? DECLINED : protect(guest, vm, view);
}

static int select_view(struct guest *guest, struct vm_memory *vm)
{
    u32 wanted = random_below(4) == 0 ? 0 : guest->views[random_below(VIEW_MAX)];

    if (wanted == guest->wanted)
        return DECLINED;
    atomic_write(&guest->wanted, wanted);
    return 0;
}

static int drop_view(struct guest *guest, struct vm_memory *vm)
{
    u32 *view = &guest->views[random_below(VIEW_MAX)];

    if (*view == 0)
        return DECLINED;
    if (guest->wanted == *view)
        atomic_write(&guest->wanted, 0);
    int error = vm_memory_drop_view(vm, *view);
    if (error == 0)
        *view = 0;
    return error == -EBUSY ? DECLINED : error;
}

struct kind table_kinds[TABLE_KINDS] = {
    { .name = "zap", .operate = zap, .wanted = 60 },
    { .name = "split", .operate = split, .wanted = 80 },
    { .name = "populate", .operate = populate, .wanted = 40 },
    { .name = "write-protect", .operate = write_protect, .wanted = 40 },
    { .name = "invalidate-all", .operate = invalidate_all, .wanted = 30 },
    { .name = "move-slot", .operate = move_slot, .wanted = 30 },
    { .name = "slot-flags", .operate = set_flags, .wanted = 30 },
    { .name = "alias-slot", .operate = alias, .wanted = 30 },
    { .name = "limit-tables", .operate = limit_tables, .wanted = 10 },
    { .name = "create-view", .operate = create_view, .wanted = 16 },
    { .name = "protect-view", .operate = protect_view, .wanted = 60 },
    { .name = "select-view", .operate = select_view, .wanted = 40 },
    { .name = "drop-view", .operate = drop_view, .wanted = 12 },
};
