/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's own address space (its areas: boot/handoff.h). The boot application made its tables; here they lose what
 * the start needed, and get stacks and device registers in the VMAP area. Nothing in that area is ever unmapped, so no
 * TLB has to know. Writers come one at a time.
 */
#ifndef ARCH_X86_PAGING_H
#define ARCH_X86_PAGING_H

#include "boot/handoff.h"
#include "mm/types.h"

/*
 * Adopts the tables in CR3: the lower half of the address space goes (the switch page was in it), and the guard pages of
 * the stacks in the image. Sets this processor's PAT, from which VM exits restore it (HOST_PAT). To be called on the boot
 * processor, before the functions below. Allocates nothing.
 */
void paging_init(void);

/* On another processor, which uses these tables: gives it the same PAT. */
void paging_join(void);

/* The direct map's address of `hpa`. Only of RAM, and not of the image's frames. */
static inline void *phys_to_virt(hpa_t hpa)
{
    return (void *)(DIRECT_MAP_BASE + hpa.v);
}

/* For the host state of a VMCS. */
hpa_t paging_root(void);

/*
 * A stack of `pages` pages from the frame allocator, with unmapped pages below and above, and its name for reports
 * (arch/x86/stack.h). Returns what RSP is at first, the address behind its highest byte; NULL: no memory.
 */
void *vmap_stack(unsigned pages, const char *name);

/* [hpa, hpa + size) of device registers: uncached, writable, not executable. Any alignment. NULL: no memory. */
void *vmap_device(hpa_t hpa, u64 size);

/*
 * The same, but writes may be delayed, reordered, and combined to fewer and larger ones, until a fence: many times faster
 * where much is written in sequence. Reading is as slow as reading a device.
 */
void *vmap_framebuffer(hpa_t hpa, u64 size);

struct mapping {
    hpa_t hpa; /* of the address asked for, not of its page */
    enum level level;
    bool writable, executable, user;
};

/* What the tables in CR3 say about `address`; false: not mapped. Touches only tables: reports of faults may call it. */
bool paging_lookup(u64 address, struct mapping *mapping);

struct paging_audit {
    u64 pages[LEVEL_1G + 1]; /* pages of each size that are mapped */
    u64 writable_executable; /* of them, those that break the rule; must be 0 */
    u64 first_offender;      /* an address in one of those */
};

/* Walks all tables. */
struct paging_audit paging_check_wx(void);

#endif
