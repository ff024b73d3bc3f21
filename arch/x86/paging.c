/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/paging.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/stack.h"
#include "arch/x86/symbols.h"
#include "hv/lib/string.h"
#include "mm/frame.h"

/* SDM volume 3, 4.5 "4-Level Paging and 5-Level Paging". */
#define ENTRY_PRESENT  (1ull << 0)
#define ENTRY_WRITABLE (1ull << 1)
#define ENTRY_USER     (1ull << 2)
#define ENTRY_PWT      (1ull << 3)
#define ENTRY_PCD      (1ull << 4)
#define ENTRY_ACCESSED (1ull << 5)
#define ENTRY_DIRTY    (1ull << 6)
#define ENTRY_LARGE    (1ull << 7)
#define ENTRY_PAT      (1ull << 7) /* in a 4K entry */
#define ENTRY_ADDRESS  0x000ffffffffff000ull
#define ENTRY_NX       (1ull << 63)

#define ENTRY_TABLE       (ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_ACCESSED)
#define ENTRY_DATA        (ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_ACCESSED | ENTRY_DIRTY | ENTRY_NX)
#define ENTRY_DEVICE      (ENTRY_DATA | ENTRY_PCD | ENTRY_PWT) /* PAT entry 3 is UC after reset, and nobody changes it */
#define ENTRY_FRAMEBUFFER (ENTRY_DATA | ENTRY_PAT | ENTRY_PWT) /* PAT entry 5: set_memory_types() */

enum { ENTRIES = 512 };

static u64 image_hpa;
static u64 vmap_next = VMAP_BASE;

/* Page tables are frames of RAM that nobody but the processor writes to meanwhile. */
static u64 *table_at(u64 entry)
{
    return phys_to_virt((hpa_t){ entry & ENTRY_ADDRESS });
}

static enum level top_level(void)
{
    return cr4_read() & CR4_LA57 ? LEVEL_256T : LEVEL_512G;
}

static unsigned table_index(u64 address, enum level level)
{
    return address >> (PAGE_SHIFT + level_order(level)) & (ENTRIES - 1);
}

static bool is_leaf(u64 entry, enum level level)
{
    return level == LEVEL_4K || (level <= LEVEL_1G && entry & ENTRY_LARGE);
}

hpa_t paging_root(void)
{
    return (hpa_t){ cr3_read() & CR3_ADDRESS };
}

bool paging_lookup(u64 address, struct mapping *mapping)
{
    u64 *table = phys_to_virt(paging_root());
    u64 all = ENTRY_WRITABLE | ENTRY_USER, any = 0;

    if ((u64)((s64)(address << 16) >> 16) != address && top_level() == LEVEL_512G)
        return false;
    for (enum level level = top_level();; level--) {
        u64 entry = table[table_index(address, level)];
        u64 inside = (level_pages(level) << PAGE_SHIFT) - 1;

        if (!(entry & ENTRY_PRESENT))
            return false;
        all &= entry;
        any |= entry;
        if (is_leaf(entry, level)) {
            *mapping = (struct mapping){
                .hpa = { (entry & ENTRY_ADDRESS & ~inside) | (address & inside) },
                .level = level,
                .writable = all & ENTRY_WRITABLE,
                .user = all & ENTRY_USER,
                .executable = !(any & ENTRY_NX),
            };
            return true;
        }
        table = table_at(entry);
    }
}

hpa_t virt_to_phys(const void *pointer)
{
    u64 address = (u64)pointer;
    struct mapping mapping;

    if (address >= IMAGE_BASE)
        return (hpa_t){ address - IMAGE_BASE + image_hpa };
    if (address >= DIRECT_MAP_BASE && address < DIRECT_MAP_BASE + DIRECT_MAP_SIZE)
        return (hpa_t){ address - DIRECT_MAP_BASE };
    bool mapped = paging_lookup(address, &mapping);
    assert(mapped);
    return mapping.hpa;
}

/* The 4K entry for `address`, with tables made where they are missing; NULL: no memory. */
static u64 *entry_for(u64 address)
{
    u64 *table = phys_to_virt(paging_root());

    for (enum level level = top_level(); level > LEVEL_4K; level--) {
        u64 *entry = &table[table_index(address, level)];

        if (!(*entry & ENTRY_PRESENT)) {
            pfn_t pfn;

            if (frame_alloc(0, FRAME_CONTROL, &pfn))
                return NULL;
            memset(phys_to_virt(pfn_to_hpa(pfn)), 0, PAGE_SIZE);
            /* The processor may walk it at once: the table is empty before it is seen. */
            __atomic_store_n(entry, pfn_to_hpa(pfn).v | ENTRY_TABLE, __ATOMIC_RELEASE);
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
    assert(!(*slot & ENTRY_PRESENT));
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
        if (map_page(address, pfn_to_hpa(pfn).v | ENTRY_DATA))
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
    return vmap_range(hpa, size, ENTRY_DEVICE);
}

void *vmap_framebuffer(hpa_t hpa, u64 size)
{
    return vmap_range(hpa, size, ENTRY_FRAMEBUFFER);
}

/*
 * Makes PAT entry 5 write-combining. Neither the firmware nor we have a page that uses it: so nothing has to be flushed
 * (SDM volume 3, 13.12.4 "Programming the PAT").
 */
static void set_memory_types(void)
{
    enum { SHIFT = 5 * 8 };

    wrmsr(MSR_PAT, (rdmsr(MSR_PAT) & ~(0xffull << SHIFT)) | MEMORY_TYPE_WC << SHIFT);
}

static void unmap_image_page(u64 address)
{
    struct mapping mapping;
    bool mapped = paging_lookup(address, &mapping);

    assert(mapped && mapping.level == LEVEL_4K);
    *entry_for(address) = 0;
}

void paging_init(const struct boot_info *info)
{
    const struct stack *stack;
    u64 *root = phys_to_virt(paging_root());

    assert((u64)image_start == IMAGE_BASE);
    image_hpa = info->image_base;
    memset(root, 0, ENTRIES / 2 * sizeof *root);
    for (unsigned i = 0; (stack = stack_get(i)) != NULL; i++) {
        if (stack->bottom >= IMAGE_BASE)
            unmap_image_page(stack->bottom - PAGE_SIZE);
    }
    set_memory_types();
    /* Both at once, also global translations. */
    cr4_write(cr4_read() ^ CR4_PGE);
    cr4_write(cr4_read() ^ CR4_PGE);
}

/* `inherited`: NX as bit 63 if a table above forbids execution, ENTRY_WRITABLE unless one forbids writing. */
static void audit_table(struct paging_audit *audit, const u64 *table, enum level level, u64 base, u64 inherited)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        u64 entry = table[i];
        u64 address = base + ((u64)i << (PAGE_SHIFT + level_order(level)));
        u64 rights = (inherited & entry & ENTRY_WRITABLE) | ((inherited | entry) & ENTRY_NX);

        if (!(entry & ENTRY_PRESENT))
            continue;
        if (!is_leaf(entry, level)) {
            audit_table(audit, table_at(entry), level - 1, address, rights);
            continue;
        }
        audit->pages[level]++;
        if (rights == ENTRY_WRITABLE && !audit->writable_executable++)
            audit->first_offender = address;
    }
}

struct paging_audit paging_check_wx(void)
{
    struct paging_audit audit = { 0 };

    audit_table(&audit, phys_to_virt(paging_root()), top_level(), 0, ENTRY_WRITABLE);
    return audit;
}
