/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who changes the memory while it is logged, in ways that keep its content: see tests/stress/dirty_world.h. Each is also
 * another user of the logs, and writes on behalf of the guest, to a word of its own.
 */
#include "mm/backing_change.h"
#include "mm/recover.h"
#include "tests/stress/dirty_world.h"

static _Thread_local struct {
    unsigned number;
    u64 *seed;
    u64 count;
    enum dirty_user user;
    struct page_set *report;
} my;

static u64 below(u64 limit)
{
    return random_below(my.seed, limit);
}

static void write_word(void)
{
    gfn_t gfn = dirty_gfn(my.seed);
    u64 word = ++my.count;
    gpa_t at = { gfn_to_gpa(gfn).v + my.number * WORD_STEP * sizeof(u64) };
    int error = vm_memory_write(dirty_world.vm, at, &word, sizeof(word));

    STRESS_CHECK(error == 0 || (error == -EFAULT && gfn.v >= dirty_slots[MOVING].base[0].v));
}

static void use_log(void)
{
    struct vm_memory *vm = dirty_world.vm;
    u32 slot = (u32)below(SLOTS);
    int error = 0;

    switch (below(4)) {
    case 0:
        error = vm_memory_start_log(vm, slot, my.user, (u32)below(8));
        break;
    case 1:
        error = vm_memory_stop_log(vm, slot, my.user);
        break;
    case 2:
        error = vm_memory_rearm(vm, slot, my.user, my.report);
        break;
    default:
        error = vm_memory_harvest(vm, slot, my.user, (gfn_t){ 0 }, my.report->end, my.report);
    }
    STRESS_CHECK(error == 0 || error == -EBUSY || error == -EEXIST || error == -ENOENT);
}

static void change_frames(void)
{
    u64 page = below(PAGES);
    int error = below(2) == 0 ? backing_migrate(dirty_world.backing, page) : backing_compact(dirty_world.backing, page);

    STRESS_CHECK(error == 0 || error == -ENOENT || error == -ENOMEM || error == -EINVAL || error == -EBUSY);
}

static void change_tables(void)
{
    struct vm_memory *vm = dirty_world.vm;
    gfn_t first = dirty_gfn(my.seed);
    u64 npages = 1 + below(below(4) == 0 ? 1024 : 8);
    u32 view;

    switch (below(10)) {
    case 0:
        STRESS_CHECK(vm_memory_invalidate_all(vm) == 0);
        break;
    case 1:
        vm_memory_zap(vm, first, npages);
        break;
    case 2:
        STRESS_CHECK(vm_memory_split(vm, first, npages, LEVEL_4K) == 0);
        break;
    case 3:
        vm_memory_write_protect(vm, first, npages);
        break;
    case 4:
        STRESS_CHECK(vm_memory_populate(vm, first, npages) == 0);
        break;
    case 5:
        (void)vm_memory_move_slot(vm, MOVING, dirty_slots[MOVING].base[below(PLACES)]);
        break;
    case 6:
        /* The hash comes to life, once in a while. */
        if (below(64) == 0 && vm_memory_create_view(vm, &view) == 0)
            (void)vm_memory_drop_view(vm, view);
        break;
    default:
        vm_memory_recover(vm, first, npages + 512, (enum recover_how)below(3), 1, &(struct recover_result){ 0 });
    }
}

static void operate(void)
{
    switch (below(8)) {
    case 0 ... 2:
        write_word();
        break;
    case 3 ... 4:
        use_log();
        break;
    case 5:
        change_frames();
        break;
    default:
        change_tables();
    }
}

static void run(void)
{
    STRESS_CHECK(page_set_create(0, 32768, false, &my.report) == 0);
    while (!dirty_stands_still())
        operate();
    page_set_destroy(my.report);
}

void dirty_changer(unsigned number, u64 *seed)
{
    my.number = number;
    my.seed = seed;
    my.user = number % 2 == 0 ? DIRTY_RATE : DIRTY_SNAPSHOT;
    while (dirty_goes_on(number))
        run();
}
