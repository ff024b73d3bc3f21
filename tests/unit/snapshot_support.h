/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of snapshots share: a VM with two slots of which one lies askew in its backing, a vCPU that writes as
 * hardware does, with PML or without, and a model of what every page holds.
 */
#ifndef TESTS_UNIT_SNAPSHOT_SUPPORT_H
#define TESTS_UNIT_SNAPSHOT_SUPPORT_H

#include "mm/dirty_log.h"
#include "mm/snapshot.h"
#include "tests/unit/backing_support.h"
#include "tests/unit/view_support.h"

/* Slot 0 is filled in large pieces; slot 1 has holes, and begins in the middle of a word of pages. */
enum { PAGES_0 = 1024, BASE_1 = 4096 + 37, PAGES_1 = 200, OFFSET_1 = 11, SPACE = PAGES_0 + PAGES_1 };

static struct vm_memory *vm;
static struct vcpu_memory vcpu;
static struct backing *backings[2];
static u64 model[SPACE];
static u64 written; /* the last value */

struct model {
    u64 values[SPACE];
};

static inline unsigned slot_of(u64 index)
{
    return index >= PAGES_0;
}

static inline gfn_t gfn_of(u64 index)
{
    return (gfn_t){ slot_of(index) ? BASE_1 + index - PAGES_0 : index };
}

static inline u64 page_of(u64 index)
{
    return slot_of(index) ? OFFSET_1 + index - PAGES_0 : index;
}

static inline struct backing *backing_of(u64 index)
{
    return backings[slot_of(index)];
}

/* A write to the whole page that the hardware does, with the faults that it takes. */
static inline void guest_writes(u64 index, u64 value)
{
    gfn_t gfn = gfn_of(index);
    unsigned faults = 0;
    int level;

    for (;;) {
        u64 *entry = entry_below(vcpu.root->page->frame, vcpu.root->top, gfn.v, LEVEL_4K, &level);

        if ((*entry & (EPT_READ | EPT_WRITE)) == (EPT_READ | EPT_WRITE)) {
            u64 *words =
                port_frame_address((pfn_t){ ept_frame(*entry).v + (gfn.v & (level_pages((enum level)level) - 1)) });
            u64 gpa = gfn.v * PAGE_SIZE + 8;

            if (mm_caps()->log_modifications && !(*entry & EPT_DIRTY))
                vm_memory_log_writes(&vcpu, &gpa, 1);
            *entry |= EPT_DIRTY;
            for (u64 i = 0; i < WORDS; i++)
                words[i] = value * (i + 1);
            model[index] = value;
            return;
        }
        assert_true(faults++ < 8);
        assert_true(fault_by(&vcpu, gfn.v, ACCESS_WRITE) <= FAULT_RETRY);
    }
}

static inline void guest_write(u64 index)
{
    guest_writes(index, ++written);
}

static inline void write_many(u64 first, u64 step)
{
    for (u64 index = first; index < SPACE; index += step)
        guest_write(index);
}

static inline void host_write(u64 index)
{
    static u64 words[WORDS];

    written++;
    for (u64 i = 0; i < WORDS; i++)
        words[i] = written * (i + 1);
    assert_int_equal(vm_memory_write(vm, gfn_to_gpa(gfn_of(index)), words, PAGE_SIZE), 0);
    model[index] = written;
}

static inline void balloon(u64 index, u64 npages)
{
    assert_int_equal(vm_memory_balloon(vm, gfn_of(index), npages), 0);
    for (u64 i = 0; i < npages; i++)
        model[index + i] = 0;
}

/* Some words of each part of the page: a look at all of them would be a million words. */
static inline bool holds(u64 index, u64 value)
{
    struct backing_page found;
    bool is_right = true;

    if (backing_lookup(backing_of(index), page_of(index), &found) != 0)
        return value == 0;
    const u64 *words = port_frame_address(found.pfn);
    for (u64 i = 0; i < WORDS; i += 73)
        is_right &= words[i] == value * (i + 1);
    return is_right;
}

static inline void check_memory(void)
{
    for (u64 index = 0; index < SPACE; index++) {
        if (!holds(index, model[index]))
            fail_msg("page %llu does not hold %llu", (unsigned long long)index, (unsigned long long)model[index]);
    }
}

static inline void check_all(void)
{
    check_memory();
    assert_all_sound(vm);
}

static inline u64 guest_frames(void)
{
    return frame_get_stats().used[FRAME_GUEST];
}

static inline struct model remember(void)
{
    struct model remembered;

    memcpy(remembered.values, model, sizeof(model));
    return remembered;
}

static inline struct snapshot *take(struct model *remembered)
{
    struct snapshot *snapshot;

    *remembered = remember();
    assert_int_equal(snapshot_take(vm, &snapshot), 0);
    assert_ptr_equal(snapshot_at(vm), snapshot);
    check_all();
    return snapshot;
}

/* The pages that were copied. */
static inline u64 reset(struct snapshot *snapshot, const struct model *remembered)
{
    struct snapshot_result result;

    assert_int_equal(snapshot_reset(snapshot, &result), 0);
    assert_ptr_equal(snapshot_at(vm), snapshot);
    memcpy(model, remembered->values, sizeof(model));
    check_all();
    assert_true(result.restored <= result.examined);
    return result.restored;
}

static inline void start_machine(const struct mm_caps *caps)
{
    port_host_start(2 * SMALL_RAM);
    mm_init(caps);
    written = 0;
    vm = new_vm();
    vcpu_memory_init(&vcpu, vm);
    backings[0] = new_backing(PAGES_0, 0);
    backings[1] = new_backing(PAGES_1 + OFFSET_1, BACKING_ON_DEMAND);
    for (u64 page = 0; page < OFFSET_1; page++)
        put_content(backings[1], page, 7);
    for (u64 index = 0; index < SPACE; index++) {
        model[index] = index < PAGES_0 || index % 3 == 0 ? ++written : 0;
        if (model[index] != 0)
            put_content(backing_of(index), page_of(index), model[index]);
    }
    assert_int_equal(vm_memory_add_slot(vm, 0, gfn_of(0), PAGES_0, backings[0], 0, 0, LEVEL_1G), 0);
    assert_int_equal(vm_memory_add_slot(vm, 1, gfn_of(PAGES_0), PAGES_1, backings[1], OFFSET_1, 0, LEVEL_1G), 0);
}

static inline int start_protect(void **state)
{
    start_machine(&port_host_caps);
    return 0;
}

static inline int start_pml(void **state)
{
    struct mm_caps caps = port_host_caps;

    caps.log_modifications = true;
    start_machine(&caps);
    return 0;
}

static inline int finish(void **state)
{
    port_host.on_point = NULL;
    port_host.on_yield = NULL;
    snapshot_drop_all(vm);
    assert_false(snapshot_exist(vm));
    assert_int_equal(vm->logging, 0);
    assert_all_sound(vm);
    vcpu_memory_destroy(&vcpu);
    vm_memory_destroy(vm);
    backing_put(backings[0]);
    backing_put(backings[1]);
    assert_int_equal(mm_audit(), 0);
    port_host_stop();
    return 0;
}

#define BOTH(test)                                              \
    { #test "_protection", test, start_protect, finish, NULL }, \
    {                                                           \
#test "_PML", test, start_pml, finish, NULL             \
    }

#endif
