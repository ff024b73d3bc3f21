/* SPDX-License-Identifier: BSD-2-Clause */
/* See paging.h. The tables have four levels: the boot application sees to that. */
#include "arch/x86/paging.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/page_entry.h"
#include "arch/x86/stack.h"
#include "arch/x86/symbols.h"
#include "hv/lib/string.h"
#include "mm/frame.h"

#define PTE_TABLE       (PTE_PRESENT | PTE_WRITABLE | PTE_ACCESSED)
#define PTE_DATA        (PTE_PRESENT | PTE_WRITABLE | PTE_ACCESSED | PTE_DIRTY | PTE_NX)
#define PTE_DEVICE      (PTE_DATA | PTE_PCD | PTE_PWT) /* PAT entry 3 is UC after reset, and nobody changes it */
#define PTE_FRAMEBUFFER (PTE_DATA | PTE_PAT | PTE_PWT) /* PAT entry 5: set_memory_types() */

enum { ENTRIES = 512, LINEAR_BITS = 48 };
static const enum level TOP_LEVEL = LEVEL_512G;

static u64 vmap_next = VMAP_BASE;
static u64 memory_types; /* every processor's PAT */

/* Page tables are frames of RAM that nobody but the processor writes to meanwhile. */
static u64 *table_at(u64 entry)
{
    return phys_to_virt((hpa_t){ entry & PTE_ADDRESS });
}

static unsigned table_index(u64 address, enum level level)
{
    return address >> (PAGE_SHIFT + level_order(level)) & (ENTRIES - 1);
}

static bool is_leaf(u64 entry, enum level level)
{
    return level == LEVEL_4K || (level <= LEVEL_1G && entry & PTE_LARGE);
}

hpa_t paging_root(void)
{
    return (hpa_t){ cr3_read() & CR3_ADDRESS };
}

bool paging_lookup(u64 address, struct mapping *mapping)
{
    u64 *table = phys_to_virt(paging_root());
    u64 all = PTE_WRITABLE | PTE_USER, any = 0;

    if (!is_canonical(address, LINEAR_BITS))
        return false;
    for (enum level level = TOP_LEVEL;; level--) {
        u64 entry = table[table_index(address, level)];
        u64 inside = (level_pages(level) << PAGE_SHIFT) - 1;

        if (!(entry & PTE_PRESENT))
            return false;
        all &= entry;
        any |= entry;
        if (is_leaf(entry, level)) {
            *mapping = (struct mapping){
                .hpa = { (entry & PTE_ADDRESS & ~inside) | (address & inside) },
                .level = level,
                .writable = all & PTE_WRITABLE,
                .user = all & PTE_USER,
                .executable = !(any & PTE_NX),
            };
            return true;
        }
        table = table_at(entry);
    }
}

/* The 4K entry for `address`, with tables made where they are missing; NULL: no memory. */
static u64 *entry_for(u64 address)
{
    u64 *table = phys_to_virt(paging_root());

    for (enum level level = TOP_LEVEL; level > LEVEL_4K; level--) {
        u64 *entry = &table[table_index(address, level)];

        if (!(*entry & PTE_PRESENT)) {
            pfn_t pfn;

            if (frame_alloc(0, FRAME_CONTROL, &pfn))
                return NULL;
            memset(phys_to_virt(pfn_to_hpa(pfn)), 0, PAGE_SIZE);
            /* The processor may walk it at once: the table is empty before it is seen. */
            __atomic_store_n(entry, pfn_to_hpa(pfn).v | PTE_TABLE, __ATOMIC_RELEASE);
        }
        assert(!is_leaf(*entry, level));
        table = table_at(*entry);
    }
    return &table[table_index(address, LEVEL_4K)];
}

/* All pages are reserved by the caller in the VMAP area, so they were never present: no TLB has to be flushed. */
static int map_page(u64 address, u64 entry)
{
    u64 *slot = entry_for(address);

    if (!slot)
        return -ENOMEM;
    assert(!(*slot & PTE_PRESENT));
    __atomic_store_n(slot, entry, __ATOMIC_RELEASE);
    return 0;
}

/* Address space for `pages` pages between two that stay unmapped; the lower one is the upper one of the last reservation. */
static u64 vmap_reserve(u64 pages)
{
    u64 address = vmap_next + PAGE_SIZE;

    assert(pages < VMAP_SIZE / PAGE_SIZE && address + (pages + 1) * PAGE_SIZE <= VMAP_BASE + VMAP_SIZE);
    vmap_next = address + pages * PAGE_SIZE;
    return address;
}

void *vmap_stack(unsigned pages, const char *name)
{
    u64 bottom = vmap_reserve(pages);
    u64 top = bottom + pages * PAGE_SIZE;

    for (u64 address = bottom; address < top; address += PAGE_SIZE) {
        pfn_t pfn;

        if (frame_alloc(0, FRAME_CONTROL, &pfn))
            return NULL;
        memset(phys_to_virt(pfn_to_hpa(pfn)), 0, PAGE_SIZE);
        if (map_page(address, pfn_to_hpa(pfn).v | PTE_DATA))
            return NULL;
    }
    return stack_add(name, bottom, top) ? NULL : (void *)top;
}

static void *vmap_range(hpa_t hpa, u64 size, u64 entry_bits)
{
    u64 inside = hpa.v & (PAGE_SIZE - 1);
    u64 pages = (inside + size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    u64 address = vmap_reserve(pages);

    for (u64 i = 0; i < pages; i++) {
        if (map_page(address + i * PAGE_SIZE, ((hpa.v - inside) + i * PAGE_SIZE) | entry_bits))
            return NULL;
    }
    return (void *)(address + inside);
}

void *vmap_device(hpa_t hpa, u64 size)
{
    return vmap_range(hpa, size, PTE_DEVICE);
}

void *vmap_framebuffer(hpa_t hpa, u64 size)
{
    return vmap_range(hpa, size, PTE_FRAMEBUFFER);
}

/*
 * Makes PAT entry 5 write-combining. Neither the firmware nor we have a page that uses it: so nothing has to be flushed
 * (SDM vol. 3, 13.12.4 "Programming the PAT").
 */
static void set_memory_types(void)
{
    enum { SHIFT = 5 * 8 };

    memory_types = (rdmsr(MSR_PAT) & ~(0xffull << SHIFT)) | MEMORY_TYPE_WC << SHIFT;
    wrmsr(MSR_PAT, memory_types);
}

static void unmap_image_page(u64 address)
{
    struct mapping mapping;
    bool mapped = paging_lookup(address, &mapping);

    assert(mapped && mapping.level == LEVEL_4K);
    *entry_for(address) = 0;
}

static void flush_all(void)
{
    /* Both at once, also global translations. */
    cr4_write(cr4_read() ^ CR4_PGE);
    cr4_write(cr4_read() ^ CR4_PGE);
}

void paging_init(void)
{
    const struct stack *stack;
    u64 *root = phys_to_virt(paging_root());

    assert((u64)image_start == IMAGE_BASE);
    memset(root, 0, ENTRIES / 2 * sizeof *root);
    for (unsigned i = 0; (stack = stack_get(i)) != NULL; i++) {
        if (stack->bottom >= IMAGE_BASE)
            unmap_image_page(stack->bottom - PAGE_SIZE);
    }
    set_memory_types();
    flush_all();
}

void paging_join(void)
{
    wrmsr(MSR_PAT, memory_types);
    flush_all();
}

/* `inherited`: NX as bit 63 if a table above forbids execution, PTE_WRITABLE unless one forbids writing. */
static void audit_table(struct paging_audit *audit, const u64 *table, enum level level, u64 base, u64 inherited)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        u64 entry = table[i];
        u64 address = base + ((u64)i << (PAGE_SHIFT + level_order(level)));
        u64 rights = (inherited & entry & PTE_WRITABLE) | ((inherited | entry) & PTE_NX);

        if (!(entry & PTE_PRESENT))
            continue;
        if (!is_leaf(entry, level)) {
            audit_table(audit, table_at(entry), level - 1, address, rights);
            continue;
        }
        audit->pages[level]++;
        if (rights == PTE_WRITABLE && !audit->writable_executable++)
            audit->first_offender = address;
    }
}

struct paging_audit paging_check_wx(void)
{
    struct paging_audit audit = { 0 };

    audit_table(&audit, phys_to_virt(paging_root()), TOP_LEVEL, 0, PTE_WRITABLE);
    return audit;
}
