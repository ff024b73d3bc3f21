/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor's page tables, the hypervisor's own and the guests', as bits: entries (SDM vol. 3, 4.2 to 4.5) and the
 * error code of a page fault (4.7). Entries of EPT are another format: mm/ept.h.
 */
#ifndef ARCH_X86_PAGE_ENTRY_H
#define ARCH_X86_PAGE_ENTRY_H

#include "mm/types.h"

#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITABLE (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_PWT      (1ull << 3)
#define PTE_PCD      (1ull << 4)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY    (1ull << 6)
#define PTE_LARGE    (1ull << 7)
#define PTE_PAT      (1ull << 7) /* in an entry that maps 4K */
#define PTE_ADDRESS  0x000ffffffffff000ull
#define PTE_NX       (1ull << 63)

#define PF_PRESENT      (1u << 0) /* 0: an entry is not present */
#define PF_WRITE        (1u << 1)
#define PF_USER         (1u << 2)
#define PF_RESERVED_BIT (1u << 3)
#define PF_EXECUTE      (1u << 4)
#define PF_KEY          (1u << 5)
#define PF_SHADOW_STACK (1u << 6)

/* Whether PAE paging takes it as a page-directory-pointer-table entry (SDM vol. 3, table 4-8). */
static inline bool pdpte_is_valid(u64 pdpte, unsigned physical_bits)
{
    const u64 reserved = 0x1e6 | ~((1ull << physical_bits) - 1);

    return !(pdpte & PTE_PRESENT) || !(pdpte & reserved);
}

#endif
