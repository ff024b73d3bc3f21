/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of roots and views share: vCPUs that stay, and a look at any root without the code of mm/. */
#ifndef TESTS_UNIT_VIEW_SUPPORT_H
#define TESTS_UNIT_VIEW_SUPPORT_H

#include "tests/unit/mm_support.h"

#define ALL (ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE)

/* A vCPU that looks at `view` through `levels` levels. */
static inline void start_vcpu(struct vcpu_memory *vcpu, struct vm_memory *vm, u32 view, unsigned levels)
{
    vcpu_memory_init(vcpu, vm);
    assert_int_equal(vcpu_memory_select(vcpu, view, levels), 0);
}

/* A machine with a VM that two vCPUs look at as it is; and its end, whatever hooks a test has left. */
static inline void begin_with_two(struct vm_memory **vm, struct vcpu_memory *one, struct vcpu_memory *other)
{
    port_host_start(SMALL_RAM);
    *vm = new_vm();
    vcpu_memory_init(one, *vm);
    vcpu_memory_init(other, *vm);
}

static inline enum fault_result fault_by(struct vcpu_memory *vcpu, u64 gfn, u32 access)
{
    return vm_memory_fault(vcpu, gfn_to_gpa((gfn_t){ gfn }), access);
}

/* The entry that is no table, or the one of level `to`, on the way from a root of `levels` levels; its level in *at. */
static inline u64 *entry_below(pfn_t root, unsigned levels, u64 gfn, int to, int *at)
{
    u64 *table = port_frame_address(root);

    for (int level = (int)levels;; level--) {
        u64 *entry = &table[gfn >> 9 * (level - 1) & 511];
        bool is_marker = (*entry & 7) == 6;

        *at = level;
        if (level == to || level == 1 || (*entry & 7) == 0 || is_marker || (*entry & 1u << 7) != 0)
            return entry;
        table = port_frame_address((pfn_t){ *entry >> 12 & ((1ull << 40) - 1) });
    }
}

/* The entry at which a vCPU's walk ends. */
static inline u64 *entry_of(const struct vcpu_memory *vcpu, u64 gfn)
{
    int level;

    return entry_below(vcpu->root->page->frame, vcpu->root->top, gfn, LEVEL_4K, &level);
}

/* What a vCPU may do at a gfn without a fault; 0: there is no leaf. */
static inline u64 may(const struct vcpu_memory *vcpu, u64 gfn)
{
    int level;
    u64 entry = *entry_below(vcpu->root->page->frame, vcpu->root->top, gfn, LEVEL_4K, &level);

    return (entry & 7) == 6 ? 0 : entry & 7;
}

/* The level at which it is mapped for the vCPU; 0: it is not. */
static inline int level_of(const struct vcpu_memory *vcpu, u64 gfn)
{
    int level;

    entry_below(vcpu->root->page->frame, vcpu->root->top, gfn, LEVEL_4K, &level);
    return may(vcpu, gfn) == 0 ? 0 : level;
}

/* The table whose entries have `level` on a vCPU's way to gfn; NULL: there is none. */
static inline struct shadow_page *table_of(const struct vcpu_memory *vcpu, u64 gfn, int level)
{
    int at;
    u64 *entry = entry_below(vcpu->root->page->frame, vcpu->root->top, gfn, level, &at);

    return at == level ? table_with(entry) : NULL;
}

/* All that a vCPU may do in [0, end), in steps, to compare it later. */
static inline void note_permissions(const struct vcpu_memory *vcpu, u64 end, u64 step, u8 *noted)
{
    for (u64 gfn = 0; gfn < end; gfn += step)
        *noted++ = (u8)may(vcpu, gfn);
}

/* Tables that vCPUs keep for their next fault have no place in a tree, so they go first. */
static inline void drain_caches(struct vm_memory *vm)
{
    for (struct list_node *node = vm->vcpus.next; node != &vm->vcpus; node = node->next)
        table_cache_drain(&container_of(node, struct vcpu_memory, link)->cache);
}

/* As assert_sound(), where vCPUs stay; and where an operation is on its way, which has tables of its own. */
#define assert_all_sound(vm) (drain_caches(vm), assert_sound_now())
#define assert_tree_sound(vm)                   \
    do {                                        \
        if (vm_memory_audit(vm) != 0)           \
            fail_msg("%s", port_host.last_log); \
    } while (false)
static inline void assert_sound_now(void)
{
    assert_sound();
}

static inline int end_with_two(struct vm_memory *vm, struct vcpu_memory *one, struct vcpu_memory *other)
{
    port_host.on_kick = NULL;
    port_host.on_yield = NULL;
    port_host.on_pte = NULL;
    port_host.on_point = NULL;
    assert_all_sound(vm);
    assert_true(list_is_empty(&vm->spt.dying));
    vcpu_memory_destroy(one);
    vcpu_memory_destroy(other);
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

static inline u64 tables_of(const struct vm_memory *vm)
{
    return vm_memory_get_stats(vm).tables;
}

static inline u32 new_view(struct vm_memory *vm)
{
    u32 view;

    assert_int_equal(vm_memory_create_view(vm, &view), 0);
    return view;
}

static inline int protect(struct vm_memory *vm, u32 view, u64 first, u64 npages, u32 permissions)
{
    return vm_memory_protect_view(vm, view, (gfn_t){ first }, npages, permissions);
}

/* Whether something that processors may still use was removed since the last flush. Needs both hooks. */
static bool flush_is_due;

static inline void note_removal(u64 *entry, u64 old, u64 value)
{
    (void)entry;
    if (ept_change_needs_flush(old, value))
        flush_is_due = true;
}

static inline void note_flush(struct vm_memory *vm)
{
    (void)vm;
    flush_is_due = false;
}

static inline void watch_flushes(void)
{
    flush_is_due = false;
    port_host.on_pte = note_removal;
    port_host.on_kick = note_flush;
}

#endif
