/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that is one vCPU after the other: it runs in a guest, faults, and changes its own view of the memory. What it
 * finds in the words that it owns it knows.
 */
#include "tests/stress/guest.h"
#include "tests/stress/mm_world.h"

/* The view of a vCPU: only this thread changes what it permits in [first, end), which lies in the windows of the home slots. */
struct my_view {
    u32 id; /* 0: none */
    bool selected;
    u64 first, end, permissions;
};

static _Thread_local struct {
    unsigned number;
    u64 *seed;
    unsigned vm;
    struct guest guest;
    struct my_view view;
    u64 expected[BACKINGS][MAX_PAGES]; /* how often each page was written */
    u64 seen[THREADS][STEADY_PAGES];   /* of others' words */
} my;

static u64 below(u64 limit)
{
    return random_below(my.seed, limit);
}

static gfn_t random_gfn(void)
{
    u64 window = world_window(my.seed);

    if (below(64) == 0)
        return (gfn_t){ below(WINDOWS * WINDOW) };
    return (gfn_t){ window_base(window) + world_page(window % BACKINGS, my.seed) };
}

static bool is_denied(gfn_t gfn, u64 needed)
{
    const struct my_view *view = &my.view;

    return view->selected && gfn.v >= view->first && gfn.v < view->end && (needed & ~view->permissions) != 0;
}

static u64 load(const u64 *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(u64 *word, u64 value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* My word of the page: no write of mine is lost, and none comes back. */
static void check_own(const struct shown *shown, u64 value)
{
    u64 expected = value_of(shown->backing, shown->page, my.expected[shown->backing][shown->page]);

    if (shown->backing == LOOSE && value == 0)
        my.expected[LOOSE][shown->page] = 0;
    else
        STRESS_CHECK(value == expected);
}

static void write_own(const struct shown *shown, u64 *word)
{
    static _Thread_local u64 count;
    u64 *expected = &my.expected[shown->backing][shown->page];

    check_own(shown, load(word));
    /* In `loose` a count is never used twice, not even after the page was zero. */
    *expected = shown->backing == LOOSE ? ++count : *expected + 1;
    if (shown->backing == STEADY)
        atomic_write(&world.begun[my.number][shown->page], *expected);
    store(word, value_of(shown->backing, shown->page, *expected));
    if (shown->backing == STEADY)
        atomic_write(&world.done[my.number][shown->page], *expected);
    world_count(COUNT_WRITES);
}

/* The other threads' words only grow, and what is written in clones only is not here. */
static void check_others(const struct shown *shown, const u64 *page)
{
    unsigned other = (unsigned)below(VCPUS);
    u64 value = load(&page[OWN_WORD + 8 * other]);

    STRESS_CHECK(load(&page[CLONE_WORD + below(THREADS)]) == 0);
    STRESS_CHECK(value == 0 || value >> 40 == value_of(shown->backing, shown->page, 1) >> 40);
    if (shown->backing == STEADY && other != my.number) {
        STRESS_CHECK(value >= my.seen[other][shown->page]);
        my.seen[other][shown->page] = value;
    }
}

static enum guest_result access(gfn_t gfn, u64 needed)
{
    struct shown shown;
    bool is_memory = world_decode(gfn, &shown);
    u64 frozen = is_memory && shown.window == FROZEN_WINDOW ? atomic_read(&world.vms[my.vm].frozen) : 0;
    u64 *page;

    enum guest_result result = guest_translate(&my.guest, gfn, needed, 0, &page);
    world_count(COUNT_ACCESSES);
    if (result != GUEST_DONE)
        return result;
    STRESS_CHECK(is_memory);
    STRESS_CHECK(!is_denied(gfn, needed));
    STRESS_CHECK(frozen % 2 == 0 || !(needed & EPT_WRITE) || frozen != atomic_read(&world.vms[my.vm].frozen));
    if (needed & EPT_WRITE)
        write_own(&shown, &page[OWN_WORD + 8 * my.number]);
    else
        check_others(&shown, page);
    /* The word that was just written, or any time before. */
    check_own(&shown, load(&page[OWN_WORD + 8 * my.number]));
    return result;
}

/* Whether the access may be tried again. */
static bool handle_fault(gfn_t gfn, u64 needed)
{
    world_count(COUNT_FAULTS);
    enum fault_result result = guest_fault(&my.guest, gfn, needed);
    struct shown shown;
    bool is_memory = world_decode(gfn, &shown);
    bool is_home = is_memory && shown.window < HOME_WINDOWS;

    switch (result) {
    case FAULT_INSTALLED:
    case FAULT_SPURIOUS:
        STRESS_CHECK(is_memory && !is_denied(gfn, needed));
        break;
    case FAULT_NO_SLOT:
        STRESS_CHECK(!is_home && !(is_memory && shown.window == FROZEN_WINDOW && shown.page >= FROZEN_FIRST));
        if (below(2) == 0)
            vm_memory_mark_device(&my.guest.memory, gfn_to_gpa(gfn));
        break;
    case FAULT_READ_ONLY:
        STRESS_CHECK(!is_home && needed & EPT_WRITE);
        break;
    case FAULT_DENIED:
        STRESS_CHECK(my.view.selected && (!is_home || is_denied(gfn, needed)));
        break;
    case FAULT_RETRY:
        port_yield();
        return below(4) == 0;
    case FAULT_NO_MEMORY:
        break;
    case FAULT_LOST:
        STRESS_CHECK(!"nothing that this page had was lost");
    }
    return result == FAULT_INSTALLED || result == FAULT_SPURIOUS;
}

static bool handle_device(gfn_t gfn, u64 needed)
{
    struct shown shown;

    if (!vm_memory_is_device(&my.guest.memory, gfn_to_gpa(gfn)))
        return handle_fault(gfn, needed);
    STRESS_CHECK(!world_decode(gfn, &shown) || shown.window >= FROZEN_WINDOW);
    return false;
}

/* Who should have left uses what it knows: these translations are the ones that somebody waits for. */
static void choose(gfn_t *gfn, u64 *needed)
{
    if (guest_is_late(&my.guest, gfn, needed))
        return;
    *gfn = random_gfn();
    *needed = below(2) == 0 ? EPT_READ : EPT_READ | EPT_WRITE;
}

/* Accesses until one exits, or it is enough. */
static void stay(gfn_t *gfn, u64 *needed)
{
    enum guest_result result = GUEST_DONE;
    u64 accesses = 1 + below(64);
    bool again = true;

    world_count(COUNT_STAYS);
    guest_enter(&my.guest);
    for (u64 i = 0; i < accesses && result == GUEST_DONE && guest_may_stay(&my.guest); i++) {
        result = access(*gfn, *needed);
        if (result == GUEST_DONE)
            choose(gfn, needed);
    }
    guest_leave(&my.guest);
    if (result == GUEST_VIOLATION)
        again = handle_fault(*gfn, *needed);
    else if (result == GUEST_MISCONFIGURATION)
        again = handle_device(*gfn, *needed);
    if (!again)
        choose(gfn, needed);
}

/* ---- the vCPU's view, and its life */

static unsigned any_levels(void)
{
    return below(2) == 0 ? 4 : 5;
}

static void select_view(bool own)
{
    int error = vcpu_memory_select(&my.guest.memory, own ? my.view.id : 0, any_levels());

    STRESS_CHECK(error == 0 || error == -ENOMEM);
    if (error == 0)
        my.view.selected = own;
}

static void protect(u64 permissions)
{
    struct vm_memory *vm = world.vms[my.vm].vm;
    struct my_view *view = &my.view;
    u64 before = view->permissions;

    /* What the vCPU is denied is known only when it is back. */
    view->permissions |= permissions;
    int error = vm_memory_protect_view(vm, view->id, (gfn_t){ view->first }, view->end - view->first, (u32)permissions);
    STRESS_CHECK(error == 0 || error == -ENOMEM || error == -EBUSY);
    view->permissions = error == 0 ? permissions : before;
}

static void create_view(void)
{
    struct my_view *view = &my.view;

    if (vm_memory_create_view(world.vms[my.vm].vm, &view->id) != 0) {
        view->id = 0;
        return;
    }
    view->first = below(HOME_WINDOWS) * WINDOW + below(LOOSE_PAGES - 600);
    view->end = view->first + 1 + below(below(2) == 0 ? 8 : 600);
    view->permissions = EPT_PERMISSIONS;
    protect(EPT_READ);
}

static void drop_view(void)
{
    if (my.view.id == 0)
        return;
    select_view(false);
    if (my.view.selected)
        return;
    int error = vm_memory_drop_view(world.vms[my.vm].vm, my.view.id);
    STRESS_CHECK(error == 0 || error == -EBUSY);
    if (error == 0)
        my.view.id = 0;
}

static void change_view(void)
{
    static const u64 permissions[] = { 0, EPT_READ, EPT_READ | EPT_WRITE, EPT_EXECUTE, EPT_PERMISSIONS };

    if (my.view.id == 0)
        create_view();
    else if (below(4) == 0)
        drop_view();
    else if (below(2) == 0)
        protect(permissions[below(5)]);
    else
        select_view(below(4) != 0);
}

static void begin_vcpu(void)
{
    my.vm = (unsigned)below(VMS);
    guest_init(&my.guest, world.vms[my.vm].vm, my.seed);
}

/* True: the view could not be given up. */
static bool end_vcpu(void)
{
    drop_view();
    if (my.view.id != 0)
        return true;
    guest_destroy(&my.guest);
    return false;
}

void vcpu_thread(unsigned number, u64 *seed)
{
    gfn_t gfn = { 0 };
    u64 needed = EPT_READ;

    my.number = number;
    my.seed = seed;
    begin_vcpu();
    for (;;) {
        bool restarts = world_stands_still() || stress_is_over() || below(512) == 0;

        if (restarts && !end_vcpu()) {
            if (!world_goes_on(number))
                return;
            begin_vcpu();
        }
        stay(&gfn, &needed);
        if (below(32) == 0)
            change_view();
    }
}
