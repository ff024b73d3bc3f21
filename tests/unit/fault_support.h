/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What comes between the steps of a fault. A hook sees every atomic operation of the fault (mm/atomic.h), and there lets
 * another processor do something: at the first, the second, … until the fault ends before its turn comes.
 */
#ifndef TESTS_UNIT_FAULT_SUPPORT_H
#define TESTS_UNIT_FAULT_SUPPORT_H

#include "mm/invalidation.h"
#include "tests/unit/backing_support.h"

enum { PAGES = 1024, GFN = 3 };

static struct vm_memory *vm;
static struct backing *backing;
static struct vcpu_memory vcpu, other; /* on processors 0 and 1 */

/* The tables of a VM, and no others: what the vCPUs have for their next fault goes back before. */
#define assert_all_sound()               \
    do {                                 \
        table_cache_drain(&vcpu.cache);  \
        table_cache_drain(&other.cache); \
        assert_sound();                  \
    } while (false)

/* What the other processor does, and before which atomic operation of the fault. */
static void (*act)(void);
static u64 act_at, points, acts;
static bool act_always, act_anywhere;

static inline int start(void **state)
{
    port_host_start(SMALL_RAM);
    vm = new_vm();
    vcpu_memory_init(&vcpu, vm);
    vcpu_memory_init(&other, vm);
    backing = NULL;
    act_always = act_anywhere = false;
    return 0;
}

static inline int finish(void **state)
{
    port_host.on_point = NULL;
    vcpu_memory_destroy(&vcpu);
    vcpu_memory_destroy(&other);
    if (backing != NULL)
        backing_put(backing);
    assert_sound();
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

/* A slot at gfn 0 that shows all of a backing, in large pieces or in small ones. */
static inline void show(enum level largest, bool scattered)
{
    backing = scattered ? new_scattered(PAGES, 1) : new_content(PAGES, 1);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, PAGES, backing, 0, 0, largest), 0);
}

static inline enum fault_result fault_by_vcpu(u64 gfn, u32 access)
{
    return vm_memory_fault(&vcpu, gfn_to_gpa((gfn_t){ gfn }), access);
}

/* Whether another processor could do all of what it does now, without waiting for the fault. */
static inline bool nothing_is_held(void)
{
    return vcpu.inside == 0 && is_free(&vm->spt.lock);
}

static inline void at_point(const void *word)
{
    (void)word;
    if (points++ < act_at || !(act_anywhere || nothing_is_held()))
        return;
    port_host.on_point = NULL;
    port_host_processor = 1;
    act();
    port_host_processor = 0;
    acts++;
    if (act_always)
        port_host.on_point = at_point;
}

/* One fault with what happens at one moment, or at all of them. */
static inline enum fault_result fault_with(void (*what)(void), u64 at, u32 access)
{
    act = what;
    act_at = at;
    points = acts = 0;
    port_host.on_point = at_point;
    enum fault_result result = fault_by_vcpu(GFN, access);
    port_host.on_point = NULL;
    return result;
}

static inline void forget_mapping(void)
{
    spt_zap_all(&vm->spt, (gfn_t){ 0 }, (gfn_t){ PAGES });
}

static struct invalidation invalidation;

static inline void begin(void)
{
    invalidation_begin(&invalidation, backing, GFN, GFN + 1);
}

/* For a hook: the hint said no; then, when the fault asks for the lock, the invalidation is there. */
static bool seen_at_lock;

static inline void begin_at_lock(const void *word)
{
    if (word != &vm->spt.lock.reader_in || seen_at_lock)
        return;
    seen_at_lock = true;
    port_host.on_point = NULL;
    assert_int_not_equal(vcpu.cache.count, 0);
    begin();
}

#define FAULT_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

#endif
