/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of mm/ share: cmocka, the simulated machine, random numbers, and a walk of EPT as hardware does it. */
#ifndef TESTS_UNIT_MM_SUPPORT_H
#define TESTS_UNIT_MM_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/audit.h"
#include "mm/backing.h"
#include "mm/ept.h"
#include "mm/frame.h"
#include "mm/port.h"
#include "mm/vm.h"
#include "tests/unit/port_host.h"

/* 16 MiB, and the whole machine: enough for the small scenarios. */
enum { SMALL_RAM = 4096 };

/* Setup and teardown of a test: after it, not one frame is missing. */
static inline int start_small(void **state)
{
    (void)state;
    port_host_start(SMALL_RAM);
    return 0;
}

static inline int stop(void **state)
{
    (void)state;
    port_host_stop();
    return 0;
}

#define SMALL_TEST(test) cmocka_unit_test_setup_teardown(test, start_small, stop)

/* The machine's test fails if an invariant does not hold anywhere. */
#define assert_sound()                          \
    do {                                        \
        if (mm_audit() != 0)                    \
            fail_msg("%s", port_host.last_log); \
    } while (false)

/* xorshift64*: the same numbers on every run. */
static inline u64 random_next(u64 *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545f4914f6cdd1dull;
}

static inline u64 random_below(u64 *seed, u64 limit)
{
    return (random_next(seed) >> 11) % limit;
}

/* Where an access of a guest of `vm` leads, without the code of mm/: false = EPT violation. */
static inline bool ept_walk(const struct vm_memory *vm, gfn_t gfn, u64 needed, pfn_t *pfn, enum level *level)
{
    const u64 *table = port_frame_address(vm_memory_root(vm));

    for (enum level at = mm_caps()->levels;; at--) {
        u64 entry = table[gfn.v >> 9 * (at - 1) & 511];

        if ((entry & 7) == 0 || (entry & 3) == 2 || (needed & ~entry & 7) != 0)
            return false;
        if (at == 1 || entry & 1u << 7) {
            u64 offset = gfn.v & ((1ull << 9 * (at - 1)) - 1);

            *pfn = (pfn_t){ (entry >> 12 & ((1ull << 40) - 1)) + offset };
            *level = at;
            return true;
        }
        table = port_frame_address((pfn_t){ entry >> 12 & ((1ull << 40) - 1) });
    }
}

/* The level at which `gfn` is mapped for reading; 0: it is not. */
static inline int mapped_level(const struct vm_memory *vm, u64 gfn)
{
    enum level level;
    pfn_t pfn;

    return ept_walk(vm, (gfn_t){ gfn }, EPT_READ, &pfn, &level) ? (int)level : 0;
}

/* Whether who comes to the lock now has it at once. */
static inline bool is_free(const struct rwlock *lock)
{
    return lock->reader_in == lock->reader_out && lock->writer_in == lock->writer_out;
}

/* At the entry of `level` for `gfn`; all tables above it are there. */
static inline struct spt_iter iter_at(struct vm_memory *vm, u64 gfn, enum level level)
{
    struct spt_iter it;

    spt_iter_start(&it, &vm->spt, vm->spt.base->page, (gfn_t){ gfn });
    while (it.level > level)
        spt_iter_down(&it, (gfn_t){ gfn });
    return it;
}

static inline u64 *entry_at(struct vm_memory *vm, u64 gfn, enum level level)
{
    struct spt_iter it = iter_at(vm, gfn, level);

    return spt_iter_entry(&it);
}

/* The record of the table that an entry lies in. */
static inline struct shadow_page *table_with(const u64 *entry)
{
    return shadow_page_of(port_frame_of(entry));
}

/* By a vCPU that exists for this access only. */
static inline enum fault_result fault(struct vm_memory *vm, u64 gfn, u32 access)
{
    struct vcpu_memory vcpu;

    vcpu_memory_init(&vcpu, vm);
    enum fault_result result = vm_memory_fault(&vcpu, gfn_to_gpa((gfn_t){ gfn }), access);
    vcpu_memory_destroy(&vcpu);
    return result;
}

static inline struct vm_memory *new_vm(void)
{
    struct vm_memory *vm;

    assert_int_equal(vm_memory_create(&vm), 0);
    return vm;
}

static inline struct backing *new_backing(u64 npages, u32 flags)
{
    struct backing *backing;

    assert_int_equal(backing_create(npages, flags, &backing), 0);
    return backing;
}

/* A slot of pages that are filled on demand, and nobody else shows. */
static inline void add_ram(struct vm_memory *vm, u32 id, u64 base, u64 npages, enum level largest)
{
    struct backing *backing = new_backing(npages, BACKING_ON_DEMAND);

    assert_int_equal(vm_memory_add_slot(vm, id, (gfn_t){ base }, npages, backing, 0, 0, largest), 0);
    backing_put(backing);
}

#endif
