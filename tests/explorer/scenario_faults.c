/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults with each other, and with what removes entries and tables while the memory behind them stays. */
#include "mm/atomic.h"
#include "mm/vm.h"
#include "tests/explorer/explorer.h"
#include "tests/explorer/scene.h"

static void start_2(void)
{
    scene_start(2);
}

static void start_3(void)
{
    scene_start(3);
}

static void start_2_mapped(void)
{
    scene_start(2);
    scene_map(&scene.guest[0], 2);
    scene_map(&scene.guest[1], 2);
}

/* What a guest reads and writes, of one page; others do not write there. */
static void use_page(unsigned guest, unsigned n)
{
    struct guest *self = &scene.guest[guest];

    EXPECT(guest_load(self, page(n)) == scene_token(n));
    guest_leave(self);
    guest_store(self, page(n) + 8, 0x1000 + guest);
    EXPECT(guest_load(self, page(n) + 8) == 0x1000 + guest);
    guest_leave(self);
}

static void read_page(unsigned guest, unsigned n)
{
    EXPECT(guest_load(&scene.guest[guest], page(n)) == scene_token(n));
    guest_leave(&scene.guest[guest]);
}

static void read_0_by_0(void)
{
    read_page(0, 0);
}

static void read_0_by_1(void)
{
    read_page(1, 0);
}

static void read_0_by_2(void)
{
    read_page(2, 0);
}

static void read_1_by_1(void)
{
    read_page(1, 1);
}

static void use_0_by_0(void)
{
    use_page(0, 0);
}

static void use_1_by_1(void)
{
    use_page(1, 1);
}

/* As many leaves as pages were touched. */
static void check_one_leaf(void)
{
    EXPECT(vm_memory_get_stats(scene.vm).mapped[LEVEL_4K] == 1);
    scene_check();
}

static void check_two_leaves(void)
{
    EXPECT(vm_memory_get_stats(scene.vm).mapped[LEVEL_4K] == 2);
    scene_check();
}

SCENARIO(fault_fault_same_page, .setup = start_2, .actor = { read_0_by_0, read_0_by_1 }, .check = check_one_leaf);
SCENARIO(fault_fault_neighbours, .setup = start_2, .actor = { read_0_by_0, read_1_by_1 }, .check = check_two_leaves);
SCENARIO(fault_fault_fault, .setup = start_3, .actor = { read_0_by_0, read_1_by_1, read_0_by_2 },
         .check = check_two_leaves);

static void zap_page_0(void)
{
    vm_memory_zap(scene.vm, (gfn_t){ SCENE_GFN }, 1);
}

static void zap_slot(void)
{
    vm_memory_zap(scene.vm, (gfn_t){ SCENE_GFN }, SCENE_PAGES);
}

static void invalidate_all(void)
{
    EXPECT(vm_memory_invalidate_all(scene.vm) == 0);
}

SCENARIO(fault_zap, .setup = start_2_mapped, .actor = { use_0_by_0, zap_slot }, .check = scene_check);
SCENARIO(fault_fault_zap, .setup = start_2_mapped, .actor = { read_0_by_0, read_1_by_1, zap_slot },
         .check = scene_check);
SCENARIO(fault_zap_zap, .setup = start_2_mapped, .actor = { read_0_by_0, zap_slot, zap_page_0 }, .check = scene_check);
SCENARIO(fault_invalidate_all, .setup = start_2_mapped, .actor = { use_0_by_0, invalidate_all }, .check = scene_check);
SCENARIO(fault_fault_invalidate_all, .setup = start_2_mapped, .actor = { read_0_by_0, use_1_by_1, invalidate_all },
         .check = scene_check);
SCENARIO(invalidate_all_twice, .setup = start_2_mapped, .actor = { read_0_by_0, invalidate_all, invalidate_all },
         .check = scene_check);
SCENARIO(invalidate_all_zap, .setup = start_2_mapped, .actor = { read_0_by_0, invalidate_all, zap_slot },
         .check = scene_check);

static void populate(void)
{
    EXPECT(vm_memory_populate(scene.vm, (gfn_t){ SCENE_GFN }, 2) == 0);
}

SCENARIO(fault_populate, .setup = start_2, .actor = { use_0_by_0, populate }, .check = check_two_leaves);
SCENARIO(zap_populate, .setup = start_2_mapped, .actor = { populate, zap_slot }, .check = scene_check);

/* ---- permissions that are given back without a lock */

static u32 is_protected;

static void start_written(void)
{
    scene_start(2);
    for (unsigned i = 0; i < 2; i++) {
        guest_store(&scene.guest[i], page(0) + 8 * (i + 1), 1);
        guest_leave(&scene.guest[i]);
    }
}

/* With the bits that a processor sets: who gives a permission back must not lose them, nor bring back what is gone. */
static void start_written_with_bits(void)
{
    start_written();
    scene.guest[0].sets_bits = scene.guest[1].sets_bits = true;
}

static void start_protected(void)
{
    start_written();
    vm_memory_write_protect(scene.vm, (gfn_t){ SCENE_GFN }, 1);
}

/* If it is protected when the guest begins, and nobody else has written, then the guest faults. */
static void write_0_by_0(void)
{
    bool was_protected = atomic_read(&is_protected) != 0;
    unsigned faults = scene.guest[0].faults;

    guest_store(&scene.guest[0], page(0) + 8, 2);
    EXPECT(!was_protected || scene.guest[0].faults > faults);
    guest_leave(&scene.guest[0]);
    guest_store(&scene.guest[0], page(0) + 8, 3);
    EXPECT(guest_load(&scene.guest[0], page(0) + 8) == 3);
    guest_leave(&scene.guest[0]);
}

static void write_0_by_1(void)
{
    guest_store(&scene.guest[1], page(0) + 16, 2);
    guest_leave(&scene.guest[1]);
}

static void write_protect(void)
{
    vm_memory_write_protect(scene.vm, (gfn_t){ SCENE_GFN }, 2);
    atomic_write(&is_protected, 1u);
}

static void check_written(void)
{
    EXPECT(scene_content(scene.backing, 0) == scene_token(0));
    scene_check();
}

SCENARIO(write_protect_write, .setup = start_written_with_bits, .actor = { write_0_by_0, write_protect },
         .check = check_written);
SCENARIO(write_protected_zap, .setup = start_protected, .actor = { write_0_by_0, zap_slot }, .check = check_written);
SCENARIO(write_protected_write_write, .setup = start_protected, .actor = { write_0_by_0, write_0_by_1 },
         .check = check_written);
SCENARIO(write_protect_write_zap, .setup = start_written, .actor = { write_0_by_0, write_protect, zap_slot },
         .check = check_written);
SCENARIO(write_protected_invalidate_all, .setup = start_protected, .actor = { write_0_by_0, invalidate_all },
         .check = check_written);
