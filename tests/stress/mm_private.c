/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM that one operator makes, runs and destroys: with a clone of a backing that others write meanwhile, whose content lies
 * between what was written before and after; with that backing itself; and with memory of its own, which may be lost.
 */
#include "tests/stress/guest.h"
#include "tests/stress/mm_world.h"

/* Windows of its gfns, each for pages of STEADY. */
enum { CLONE = 0, ORIGINAL = 1, OWN = 2, OWN_PAGES = 512, CHECKED = 48 };

struct life {
    unsigned number; /* of the operator */
    u64 *seed;
    struct vm_memory *vm;
    struct backing *clone, *own;
    struct guest guest;
    /* What the clone holds, by vCPU, of the pages that are looked at. */
    u64 pages[CHECKED];
    u64 least[VCPUS][CHECKED], most[VCPUS][CHECKED], found[VCPUS][CHECKED];
    u64 written[CHECKED]; /* by this life, at the clone's word */
};

static u64 below(struct life *life, u64 limit)
{
    return random_below(life->seed, limit);
}

static gfn_t gfn_of(unsigned window, u64 page)
{
    return (gfn_t){ (u64)window * WINDOW + page };
}

static void note_bounds(struct life *life, u64 (*words)[STEADY_PAGES], u64 (*bounds)[CHECKED])
{
    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
        for (unsigned i = 0; i < CHECKED; i++)
            bounds[vcpu][i] = atomic_read(&words[vcpu][life->pages[i]]);
    }
}

/* 0, -ENOMEM. */
static int make_clone(struct life *life)
{
    for (unsigned i = 0; i < CHECKED; i++)
        life->pages[i] = world_page(STEADY, life->seed);
    note_bounds(life, world.done, life->least);
    int error = backing_clone(world.backings[STEADY], &life->clone);
    STRESS_CHECK(error == 0 || error == -ENOMEM);
    if (error != 0)
        return error;
    note_bounds(life, world.begun, life->most);
    memset(life->found, 0xff, sizeof(life->found));
    return 0;
}

/* Until it is done, or the machine has no memory for it. */
static u64 *reach(struct life *life, gfn_t gfn, u64 needed)
{
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        u64 *page;

        guest_enter(&life->guest);
        if (guest_translate(&life->guest, gfn, needed, 0, &page) == GUEST_DONE)
            return page;
        guest_leave(&life->guest);

        enum fault_result result = guest_fault(&life->guest, gfn, needed);
        if (result == FAULT_NO_MEMORY)
            return NULL;
        STRESS_CHECK(result == FAULT_INSTALLED || result == FAULT_SPURIOUS || result == FAULT_RETRY);
        if (result == FAULT_RETRY)
            port_yield();
    }
    return NULL;
}

/* Nobody but this life writes to the clone: what it holds of others stays as it was found first. */
static void look_at_clone(struct life *life)
{
    unsigned i = (unsigned)below(life, CHECKED);
    bool writes = below(life, 3) == 0;
    u64 *page = reach(life, gfn_of(CLONE, life->pages[i]), writes ? EPT_READ | EPT_WRITE : EPT_READ);

    if (page == NULL)
        return;
    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
        u64 value = __atomic_load_n(&page[OWN_WORD + 8 * vcpu], __ATOMIC_RELAXED);
        u64 *found = &life->found[vcpu][i];

        STRESS_CHECK(value >= value_of(STEADY, life->pages[i], life->least[vcpu][i]));
        STRESS_CHECK(value <= value_of(STEADY, life->pages[i], life->most[vcpu][i]));
        STRESS_CHECK(*found == ~0ull || *found == value);
        *found = value;
    }

    u64 *word = &page[CLONE_WORD + life->number];
    u64 expected = 0;
    for (unsigned other = 0; other < CHECKED; other++)
        expected |= life->pages[other] == life->pages[i] ? life->written[other] : 0;
    STRESS_CHECK(__atomic_load_n(word, __ATOMIC_RELAXED) == expected);
    if (writes) {
        __atomic_store_n(word, 1 + i, __ATOMIC_RELAXED);
        for (unsigned other = 0; other < CHECKED; other++)
            life->written[other] = life->pages[other] == life->pages[i] ? 1 + i : life->written[other];
    }
    guest_leave(&life->guest);
}

/* The frame is nobody else's, so it may go with its content. */
static void lose_a_page(struct life *life)
{
    u64 page = below(life, OWN_PAGES);
    struct backing_page found;

    if (counter_read(&world.retired) >= 256 || backing_lookup(life->own, page, &found) != 0)
        return;
    int result = memory_retire(found.pfn, false);
    STRESS_CHECK(result == 0 || result == -ENOMEM);
    if (result == 0) {
        counter_add(&world.retired, 1);
        STRESS_CHECK(backing_lookup(life->own, page, &found) == -EIO);
    }
}

static void change(struct life *life)
{
    u64 page = life->pages[below(life, CHECKED)];
    u32 view;
    int result = 0;

    switch (below(life, 12)) {
    case 0:
        result = backing_migrate(life->clone, page);
        break;
    case 1:
        result = backing_compact(life->clone, page);
        break;
    case 2:
        result = backing_share(life->clone, page, world.backings[STEADY], page);
        break;
    case 3:
        result = vm_memory_populate(life->vm, gfn_of(CLONE, page), 64);
        break;
    case 4:
        result = vm_memory_invalidate_all(life->vm);
        break;
    case 5:
        vm_memory_zap(life->vm, gfn_of(CLONE, page), 64);
        break;
    case 6:
        result = vm_memory_zero(life->vm, gfn_to_gpa(gfn_of(OWN, below(life, OWN_PAGES - 8))), 8 * PAGE_SIZE);
        break;
    case 7:
        if (below(life, 8) == 0)
            lose_a_page(life);
        break;
    case 8:
        if (vm_memory_create_view(life->vm, &view) == 0)
            result = vm_memory_protect_view(life->vm, view, gfn_of(ORIGINAL, page), 16, EPT_READ);
        break;
    default:
        area_check(life->vm, gfn_of(ORIGINAL, 0), life->number, STEADY, page);
    }
    STRESS_CHECK(result == 0 || result == -ENOMEM || result == -EBUSY || result == -ENOENT || result == -EINVAL ||
                 result == -EIO);
}

static void show(struct life *life, unsigned window, struct backing *backing, u32 flags)
{
    u64 npages = backing_pages(backing);
    int result = vm_memory_add_slot(life->vm, window, gfn_of(window, 0), npages, backing, 0, flags, LEVEL_2M);

    STRESS_CHECK(result == 0 || result == -ENOMEM);
}

static bool has_slots(struct life *life)
{
    struct memslot_set *set = memslots_read_begin(&life->vm->slots);
    bool all = set->count == 3;

    memslots_read_end(set);
    return all;
}

static void live(struct life *life)
{
    show(life, CLONE, life->clone, 0);
    show(life, ORIGINAL, world.backings[STEADY], MEMSLOT_READ_ONLY);
    show(life, OWN, life->own, 0);
    guest_init(&life->guest, life->vm, life->seed);
    for (u64 steps = has_slots(life) ? 16 + below(life, 128) : 0; steps > 0; steps--) {
        if (below(life, 4) == 0)
            change(life);
        else
            look_at_clone(life);
    }
    guest_destroy(&life->guest);
}

void private_life(unsigned number, u64 *seed)
{
    static _Thread_local struct life life;

    life = (struct life){ .number = number, .seed = seed };
    if (vm_memory_create(&life.vm) != 0)
        return;
    if (make_clone(&life) == 0) {
        if (backing_create(OWN_PAGES, BACKING_ON_DEMAND, &life.own) == 0) {
            live(&life);
            backing_put(life.own);
        }
        backing_put(life.clone);
    }
    vm_memory_destroy(life.vm);
    world_count(COUNT_PRIVATE);
}
