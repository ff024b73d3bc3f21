/* SPDX-License-Identifier: BSD-2-Clause */
/* See long_mode.h. */
#include "hv/load/long_mode.h"

#include <assert.h>

#include "arch/x86/page_entry.h"
#include "hv/load/guest_memory_map.h"

/* Flat segments of 4 GiB, present, accessed (SDM vol. 3, "Segment Descriptors"). */
#define DESCRIPTOR_CODE32 0x00cf9b000000ffffull
#define DESCRIPTOR_CODE64 0x00af9b000000ffffull
#define DESCRIPTOR_DATA   0x00cf93000000ffffull

enum {
    TABLE_SIZE = 0x1000,
    DIRECTORIES = 4,
    TABLES = 2 + DIRECTORIES, /* PML4, page-directory-pointer table, page directories */
    ENTRIES_AT_ONCE = 64,     /* keeps the buffer on the stack small */
    LARGE_PAGE = 0x200000,
};
static_assert(DIRECTORIES * (TABLE_SIZE / 8ull) * LARGE_PAGE == IDENTITY_MAP_END,
              "the directories map the whole range");

int boot_structure_place(struct loader *loader, uint64_t size, uint64_t align, const char *what, uint64_t *base)
{
    if (!loader_find_down(loader, BOOT_STRUCTURES_END, size, align, base) &&
        !loader_find_up(loader, GUEST_HIGH_BASE, size, align, base))
        return loader_fail_no_room(loader, what, LOADER_NO_NUMBER, size);
    return loader_claim(loader, *base, size, what, LOADER_NO_NUMBER);
}

int boot_gdt_place(struct loader *loader, struct guest_start *start)
{
    const uint64_t gdt[] = {
        0,
        DESCRIPTOR_CODE32,
        start->mode == START_LONG64 ? DESCRIPTOR_CODE64 : DESCRIPTOR_CODE32,
        DESCRIPTOR_DATA,
    };
    uint64_t base;
    int error = boot_structure_place(loader, sizeof(gdt), 16, "the GDT", &base);

    if (error)
        return error;
    loader_write(loader, base, gdt, sizeof(gdt));
    start->cs = BOOT_CS;
    start->ds = BOOT_DS;
    start->gdt_base = base;
    start->gdt_limit = sizeof(gdt) - 1;
    return 0;
}

int identity_map_place(struct loader *loader, struct guest_start *start)
{
    uint64_t base, entries[ENTRIES_AT_ONCE];
    int error = boot_structure_place(loader, TABLES * TABLE_SIZE, TABLE_SIZE, "the page tables", &base);

    if (error)
        return error;

    entries[0] = (base + TABLE_SIZE) | PTE_PRESENT | PTE_WRITABLE;
    loader_write(loader, base, entries, sizeof(entries[0]));

    for (uint64_t i = 0; i < DIRECTORIES; i++)
        entries[i] = (base + (2 + i) * TABLE_SIZE) | PTE_PRESENT | PTE_WRITABLE;
    loader_write(loader, base + TABLE_SIZE, entries, DIRECTORIES * sizeof(entries[0]));

    for (uint64_t page = 0; page < IDENTITY_MAP_END / LARGE_PAGE; page += ENTRIES_AT_ONCE) {
        for (uint64_t i = 0; i < ENTRIES_AT_ONCE; i++)
            entries[i] = (page + i) * LARGE_PAGE | PTE_PRESENT | PTE_WRITABLE | PTE_LARGE;
        loader_write(loader, base + 2 * TABLE_SIZE + page * sizeof(entries[0]), entries, sizeof(entries));
    }
    start->cr3 = base;
    return 0;
}
