/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that does to two VMs, and to their backings, what the interface allows, in any order. It also writes to their
 * memory as a loader or a device does, in areas of its own.
 */
#include "tests/stress/mm_world.h"

/* Slots that come and go: id says what they show, so whoever moves one knows where it may be. */
enum { FIRST_ID = 10, IDS = 10 };

/* Frames that may leave. */
enum { MAX_RETIRED = 256 };

static _Thread_local struct {
    unsigned number; /* of the operator */
    u64 *seed;
    u64 count;
    u64 areas[BACKINGS][MAX_PAGES]; /* what stands in my area of each page */
    bool is_alone;                  /* nothing else of this thread is under way that others have to wait for */
    struct shown target;
} my;

static u64 below(u64 limit)
{
    return random_below(my.seed, limit);
}

static struct vm_memory *any_vm(void)
{
    return world.vms[below(VMS)].vm;
}

struct range {
    gfn_t first;
    u64 npages;
};

static u64 any_length(void)
{
    return 1 + below(below(4) == 0 ? 600 : 8);
}

static struct range any_range(void)
{
    u64 window = world_window(my.seed);
    struct range range = { { window_base(window) + world_page(window % BACKINGS, my.seed) }, any_length() };

    if (below(4) == 0)
        range.first.v = range.first.v / 512 * 512;
    return range;
}

/* Of pages of `backing`. */
static struct range pages_range(unsigned backing)
{
    struct range range = { { world_page(backing, my.seed) }, any_length() };

    if (range.first.v + range.npages > pages_of(backing))
        range.npages = pages_of(backing) - range.first.v;
    return range;
}

static bool is_expected(int result, int or, int or_else)
{
    return result == 0 || result == -ENOMEM || result == or || result == or_else;
}

#define EXPECT(result, or, or_else) STRESS_CHECK(is_expected(result, or, or_else))

/* ---- slots */

static unsigned shown_by(u32 id)
{
    return id % BACKINGS;
}

static u64 offset_of(u32 id)
{
    return (u64)(id - FIRST_ID) * 96;
}

/* One of the windows where slots of this backing come and go, and there the place of the slot. */
static gfn_t base_for(u32 id)
{
    u64 first = CHANGING_WINDOW + (CHANGING_WINDOW + shown_by(id)) % BACKINGS;
    u64 windows = (WINDOWS - first + BACKINGS - 1) / BACKINGS;

    return (gfn_t){ window_base(first + BACKINGS * below(windows)) + offset_of(id) };
}

static void change_slots(void)
{
    struct vm_memory *vm = world.vms[0].vm;
    u32 id = FIRST_ID + (u32)below(IDS);
    u32 flags = below(2) == 0 ? MEMSLOT_READ_ONLY : 0;
    u64 npages = pages_of(shown_by(id)) - offset_of(id);
    int result;

    switch (below(5)) {
    case 0:
        result = vm_memory_remove_slot(vm, id);
        break;
    case 1:
        result = vm_memory_move_slot(vm, id, base_for(id));
        break;
    case 2:
        result = vm_memory_set_slot_flags(vm, id, flags);
        break;
    default:
        npages = below(2) == 0 ? npages : 1 + below(npages);
        result = vm_memory_add_slot(vm, id, base_for(id), npages, world.backings[shown_by(id)], offset_of(id), flags,
                                    LEVEL_4K + (enum level)below(3));
    }
    STRESS_CHECK(result == 0 || result == -EBUSY || result == -ENOMEM || result == -ENOENT || result == -EEXIST);
}

/* From when a slot has become read-only until it is not any more, nobody writes through it; see mm_vcpu.c. */
static void freeze(struct world_vm *vm)
{
    if (atomic_xchg(&vm->freezing, 1) != 0)
        return;
    if (vm->frozen % 2 != 0) {
        atomic_add(&vm->frozen, 1);
        EXPECT(vm_memory_set_slot_flags(vm->vm, FROZEN_WINDOW, 0), -EBUSY, -EBUSY);
    } else {
        int result = vm_memory_set_slot_flags(vm->vm, FROZEN_WINDOW, MEMSLOT_READ_ONLY);

        EXPECT(result, -EBUSY, -EBUSY);
        if (result == 0)
            atomic_add(&vm->frozen, 1);
    }
    atomic_write(&vm->freezing, 0);
}

/* ---- ranges of guest memory */

static void change_backing(unsigned which, u64 page);

/*
 * The kick of this thread's own flush: what others do at this moment, when vCPUs still use what was taken away, is the hardest,
 * and seldom by chance. So this thread does it itself.
 */
void operator_kicked(struct vm_memory *vm)
{
    if (!my.is_alone || below(2) == 0)
        return;
    my.is_alone = false;
    if (below(2) == 0)
        freeze(vm == world.vms[0].vm ? &world.vms[0] : &world.vms[1]);
    else
        change_backing(my.target.backing, my.target.page);
}

static void change_range(void)
{
    struct vm_memory *vm = any_vm();
    struct range range = any_range();

    my.is_alone = world_decode(range.first, &my.target);
    switch (below(6)) {
    case 0:
        my.is_alone = false;
        EXPECT(vm_memory_populate(vm, range.first, range.npages), 0, 0);
        break;
    case 1:
        EXPECT(vm_memory_split(vm, range.first, range.npages, LEVEL_4K), 0, 0);
        break;
    case 2:
        vm_memory_write_protect(vm, range.first, range.npages);
        break;
    case 3:
        /* Only windows with `loose`. */
        my.is_alone = false;
        range = pages_range(LOOSE);
        range.first.v += window_base(LOOSE + BACKINGS * below(WINDOWS / BACKINGS));
        EXPECT(vm_memory_balloon(vm, range.first, range.npages), 0, 0);
        break;
    default:
        vm_memory_zap(vm, range.first, range.npages);
    }
    my.is_alone = false;
}

static void drop_view(struct vm_memory *vm, u32 view)
{
    int result;

    while (result = vm_memory_drop_view(vm, view), result == -EBUSY)
        port_yield();
    STRESS_CHECK(result == 0);
}

/* Others' views get less permissions, but never in the home windows; and some live only here. */
static void change_views(void)
{
    struct vm_memory *vm = any_vm();
    struct range range = any_range();
    u32 permissions = below(2) == 0 ? EPT_PERMISSIONS : EPT_READ;
    u32 view;

    if (range.first.v < HOME_WINDOWS * WINDOW)
        range.first.v += HOME_WINDOWS * WINDOW;
    if (below(4) != 0) {
        if (below(4) == 0)
            range = (struct range){ { HOME_WINDOWS * WINDOW }, WINDOWS * WINDOW };
        int result = vm_memory_protect_view(vm, 1 + (u32)below(VCPUS + 1), range.first, range.npages, permissions);
        EXPECT(result, -ENOENT, -EBUSY);
    } else if (vm_memory_create_view(vm, &view) == 0) {
        EXPECT(vm_memory_protect_view(vm, view, range.first, range.npages, permissions), -EBUSY, 0);
        drop_view(vm, view);
    }
}

static void change_all(void)
{
    struct vm_memory *vm = any_vm();

    if (below(4) == 0) {
        vm_memory_limit_tables(vm, below(2) == 0 ? 0 : VM_MIN_TABLES + below(64));
        return;
    }
    my.is_alone = world_decode(any_range().first, &my.target);
    EXPECT(vm_memory_invalidate_all(vm), 0, 0);
    my.is_alone = false;
}

/* ---- frames */

static void retire(struct backing *backing, u64 page)
{
    struct backing_page found;

    if (counter_read(&world.retired) >= MAX_RETIRED || backing_lookup(backing, page, &found) != 0)
        return;
    /* Whatever it is used for by now, its content stays. */
    int result = memory_retire(found.pfn, true);
    EXPECT(result, -EBUSY, -ENOENT);
    if (result == 0)
        counter_add(&world.retired, 1);
}

static void change_backing(unsigned which, u64 page)
{
    unsigned other = (unsigned)below(BACKINGS);
    struct backing *backing = world.backings[which];
    struct range range = pages_range(which);

    switch (below(8)) {
    case 0:
        range = pages_range(LOOSE);
        EXPECT(backing_punch(world.backings[LOOSE], range.first.v, range.npages), 0, 0);
        break;
    case 1:
        EXPECT(backing_populate(backing, range.first.v, range.npages), 0, 0);
        break;
    case 2 ... 3:
        EXPECT(backing_compact(backing, page), -EBUSY, page / 512 == pages_of(which) / 512 ? -EINVAL : 0);
        break;
    case 4:
        if (below(8) == 0)
            retire(backing, page);
        break;
    case 5:
        /* Pages that nobody has written yet, or that were zeroed. */
        EXPECT(backing_share(backing, page, world.backings[other], world_page(other, my.seed)), -ENOENT, -EINVAL);
        break;
    default:
        EXPECT(backing_migrate(backing, page), -ENOENT, 0);
    }
}

/* ---- the hypervisor's accesses */

static gpa_t area_at(gfn_t gfn, unsigned number)
{
    return (gpa_t){ gfn_to_gpa(gfn).v + (AREA + (u64)number * AREA_WORDS) * 8 };
}

void area_check(struct vm_memory *vm, gfn_t base, unsigned number, unsigned backing, u64 page)
{
    u64 *known = &my.areas[backing][page];
    u64 words[AREA_WORDS];
    int result = vm_memory_read(vm, area_at((gfn_t){ base.v + page }, number), words, sizeof(words));

    EXPECT(result, -EFAULT, 0);
    if (result != 0)
        return;
    if (backing == LOOSE && words[0] == 0)
        *known = 0;
    for (unsigned i = 0; i < AREA_WORDS; i++)
        STRESS_CHECK(words[i] == value_of(backing, page, *known));
}

static void write_area(struct vm_memory *vm, gfn_t gfn, const struct shown *shown)
{
    u64 count = below(4) == 0 ? 0 : ++my.count;
    gpa_t at = area_at(gfn, my.number);
    u64 words[AREA_WORDS];
    int result;

    for (unsigned i = 0; i < AREA_WORDS; i++)
        words[i] = value_of(shown->backing, shown->page, count);
    result = count == 0 ? vm_memory_zero(vm, at, sizeof(words)) : vm_memory_write(vm, at, words, sizeof(words));
    EXPECT(result, -EFAULT, 0);
    if (result == 0)
        my.areas[shown->backing][shown->page] = count;
}

static void use_memory(void)
{
    struct vm_memory *vm = any_vm();
    gfn_t gfn = any_range().first;
    struct shown shown;

    if (!world_decode(gfn, &shown))
        return;
    gfn_t base = { gfn.v - shown.page };
    area_check(vm, base, my.number, shown.backing, shown.page);
    if (below(2) == 0)
        write_area(vm, gfn, &shown);
    area_check(vm, base, my.number, shown.backing, shown.page);
}

static void operate(void)
{
    unsigned which;

    world_count(COUNT_OPERATIONS);
    switch (below(32)) {
    case 0:
        change_all();
        break;
    case 1:
        if (below(4) == 0)
            private_life(my.number, my.seed);
        break;
    case 2 ... 3:
        freeze(&world.vms[below(VMS)]);
        break;
    case 4 ... 6:
        change_views();
        break;
    case 7 ... 10:
        change_slots();
        break;
    case 11 ... 16:
        change_range();
        break;
    case 17 ... 23:
        which = (unsigned)below(BACKINGS);
        change_backing(which, world_page(which, my.seed));
        break;
    default:
        use_memory();
    }
}

void operator_thread(unsigned number, u64 *seed)
{
    my.number = number - VCPUS;
    my.seed = seed;
    while (world_goes_on(number))
        operate();
}
