/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The format of EPT entries: Intel SDM vol. 3, chapter "VMX Support for Address Translation", section "The Extended Page
 * Table Mechanism (EPT)". Pure data: what an entry says, not what is done with it.
 *
 * Whether an entry is a leaf depends on its level: every entry of level 4K that is present is one, those of 2M and 1G
 * are where bit 7 is set, and those above never are.
 */
#ifndef MM_EPT_H
#define MM_EPT_H

#include "mm/types.h"

enum { EPT_ENTRIES = 512, EPT_INDEX_BITS = 9 };

#define EPT_READ        (1ull << 0)
#define EPT_WRITE       (1ull << 1)
#define EPT_EXECUTE     (1ull << 2)
#define EPT_PERMISSIONS (EPT_READ | EPT_WRITE | EPT_EXECUTE)
#define EPT_TYPE        (7ull << 3) /* memory type of a leaf */
#define EPT_TYPE_WB     (6ull << 3)
#define EPT_IGNORE_PAT  (1ull << 6)
#define EPT_LARGE       (1ull << 7)
#define EPT_ACCESSED    (1ull << 8)
#define EPT_DIRTY       (1ull << 9)
#define EPT_ADDRESS     (((1ull << 52) - 1) & ~(PAGE_SIZE - 1)) /* bits from MAXPHYADDR up are 0 */
#define EPT_SUPPRESS_VE (1ull << 63)

/*
 * A bit that the processor ignores: the slot permits writing, and where write permission is missing it was only taken away to
 * see the next write. In a page of 4K it is given back without a lock; the bit stays, so taking it away again is one
 * operation.
 */
#define EPT_MAY_WRITE (1ull << 52)

static_assert(EPT_ENTRIES * sizeof(u64) == PAGE_SIZE && EPT_ENTRIES == 1 << EPT_INDEX_BITS, "a table is a page");
static_assert((EPT_PERMISSIONS ^ EPT_TYPE ^ EPT_IGNORE_PAT ^ EPT_LARGE ^ EPT_ACCESSED ^ EPT_DIRTY ^ EPT_ADDRESS ^
               EPT_SUPPRESS_VE ^ EPT_MAY_WRITE) ==
                  (EPT_PERMISSIONS | EPT_TYPE | EPT_IGNORE_PAT | EPT_LARGE | EPT_ACCESSED | EPT_DIRTY | EPT_ADDRESS |
                   EPT_SUPPRESS_VE | EPT_MAY_WRITE),
              "bits do not overlap");

/*
 * What a table is filled with. Not zero: bit 63 keeps the violation an exit, whether or not the processor may turn
 * violations into #VE.
 */
#define EPT_EMPTY EPT_SUPPRESS_VE

/*
 * A marker says that there is no memory at this page but a device. Write and execute without read is a combination that no
 * processor translates: it exits with an EPT misconfiguration. The rest of the entry is the generation of the slots that
 * said so, as many bits of it as there is room; a marker of another generation says nothing (G7).
 */
#define EPT_MARKER (EPT_WRITE | EPT_EXECUTE | EPT_SUPPRESS_VE)
#ifndef EPT_MARKER_BITS
#define EPT_MARKER_BITS 40 /* fewer in tests of the wrap-around */
#endif
enum { EPT_MARKER_SHIFT = 12 };
#define EPT_MARKER_GENERATIONS (1ull << EPT_MARKER_BITS)
static_assert(EPT_MARKER_SHIFT + EPT_MARKER_BITS <= 52, "a marker's generation is in the address bits");

static inline u64 ept_marker(u64 generation)
{
    return EPT_MARKER | generation % EPT_MARKER_GENERATIONS << EPT_MARKER_SHIFT;
}

static inline bool ept_is_marker(u64 entry)
{
    return (entry & EPT_PERMISSIONS) == (EPT_WRITE | EPT_EXECUTE);
}

static inline bool ept_is_present(u64 entry)
{
    return (entry & EPT_PERMISSIONS) != 0 && !ept_is_marker(entry);
}

static inline bool ept_is_leaf(u64 entry, enum level level)
{
    return ept_is_present(entry) && (level == LEVEL_4K || (entry & EPT_LARGE) != 0);
}

static inline bool ept_is_table(u64 entry, enum level level)
{
    return ept_is_present(entry) && !ept_is_leaf(entry, level);
}

/* The first frame of a leaf, or the frame of a table. */
static inline pfn_t ept_frame(u64 entry)
{
    return (pfn_t){ (entry & EPT_ADDRESS) >> PAGE_SHIFT };
}

/* The entry that points to a table. It permits everything: the leaf decides. */
static inline u64 ept_table(pfn_t table)
{
    return pfn_to_hpa(table).v | EPT_PERMISSIONS;
}

/* The entry that maps level_pages(level) frames from `first`, which is aligned to them: RAM, whatever the guest's PAT says. */
static inline u64 ept_leaf(pfn_t first, enum level level, u64 permissions)
{
    return pfn_to_hpa(first).v | permissions | EPT_TYPE_WB | EPT_IGNORE_PAT | EPT_SUPPRESS_VE |
           (level == LEVEL_4K ? 0 : EPT_LARGE);
}

static inline bool ept_permits(u64 entry, u64 permissions)
{
    return (permissions & ~entry & EPT_PERMISSIONS) == 0;
}

/* The index of the entry for `gfn` in a table whose entries have `level`. */
static inline unsigned ept_index(gfn_t gfn, enum level level)
{
    return (unsigned)(gfn.v >> level_order(level)) % EPT_ENTRIES;
}

/*
 * Whether a translation through `old` may be used after the entry has become `value`. If not, it needs a flush (P6): a
 * removal, another frame, less permission, or a D bit that is gone (a processor that remembers it writes without setting it
 * again). More permission does not: the processor walks again before it faults.
 */
static inline bool ept_change_needs_flush(u64 old, u64 value)
{
    const u64 same = EPT_ADDRESS | EPT_TYPE | EPT_IGNORE_PAT | EPT_LARGE;

    return ept_is_present(old) && (((old ^ value) & same) != 0 || !ept_permits(value, old & EPT_PERMISSIONS) ||
                                   (old & ~value & EPT_DIRTY) != 0);
}

/* How the next write to a page that an entry maps is made to be seen (mm/dirty_log.h). */
enum ept_arm { ARM_NONE, ARM_DIRTY, ARM_PROTECT };

/*
 * The leaf of `level` that is armed. Large ones are write-protected either way: what is written must be known by 4K.
 * ARM_DIRTY gives write permission back to those of 4K, because there D says what is to be known.
 */
static inline u64 ept_armed(u64 leaf, enum level level, enum ept_arm how)
{
    u64 may_write = leaf & (EPT_WRITE | EPT_MAY_WRITE) ? EPT_MAY_WRITE : 0;

    if (how == ARM_NONE)
        return leaf;
    if (how == ARM_DIRTY && level == LEVEL_4K)
        return (leaf & ~(EPT_DIRTY | EPT_MAY_WRITE)) | (may_write ? EPT_WRITE : 0);
    return (leaf & ~(EPT_WRITE | EPT_DIRTY)) | may_write;
}

#endif
